"""What tables of counts, scores and grades must hold for their noise."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jax.numpy as jnp
import numpy as np
import pandas as pd

from bayes_scaling.errors import Finding
from bayes_scaling.runs import Runs
from bayes_scaling.runs.check import name_rows

from .bounded import BoundedNoise
from .structure import Data, Structure

BUCKET = 64  # merged rows are padded to multiples of it, so that tables share programs


def merged(structure: Structure, data: Data) -> Data:
    """Data in which equal counts at equal inputs are one row, with their number.

    Tables of problems hold many: of 100 samples a few dozen counts come out again and again.
    Data whose rows are tied to others, or are hardly ever equal, come back as they are.
    """
    tied = structure.rungs or structure.items or data.losses is not None
    if tied or not structure.noise.counted:
        return data
    columns = [*data.inputs.values(), *data.levels.values(), data.response, data.trials]
    table = np.column_stack([np.asarray(c, dtype=float) for c in columns])
    _, first, place = np.unique(table, axis=0, return_index=True, return_inverse=True)
    size = -(-len(first) // BUCKET) * BUCKET
    if size > len(table) // 2:
        return data
    rows = jnp.asarray(np.concatenate([first, np.zeros(size - len(first), dtype=int)]))
    each = np.ones(len(table)) if data.copies is None else np.asarray(data.copies)
    copies = np.bincount(place.ravel(), weights=each, minlength=len(first))
    number = np.concatenate([copies, np.zeros(size - len(first))])

    def take(a: Any) -> Any:
        return a[rows]

    assert data.trials is not None
    return data._replace(
        inputs={k: take(v) for k, v in data.inputs.items()},
        levels={k: take(v) for k, v in data.levels.items()},
        response=take(data.response),
        rung=take(data.rung),
        trials=take(data.trials),
        copies=jnp.asarray(number),
    )


def bounded_problems(noise: BoundedNoise, runs: Runs) -> Iterator[Finding]:
    """Say which responses the noise cannot have made."""
    seen = runs.frame[runs.frame["response"].notna()]
    response, called = seen["response"], runs.response
    if noise.counted and not runs.counted:
        yield Finding(
            "no-trials",
            "error",
            f"noise {noise.name} counts column '{called}' out of a number of items, samples or "
            f"passes: name its column with trials= (--trials); for scores without counts use "
            f"noise='beta' (--noise beta)",
        )
        return
    if not noise.counted and runs.counted:
        yield Finding(
            "trials-unused",
            "error",
            f"noise {noise.name} takes no trials, and the table names some; use "
            f"noise='beta-binomial' (--noise beta-binomial), or leave trials out",
        )
        return
    if noise.name == "beta":
        yield from _found(
            seen, ~response.between(0, 1, inclusive="neither"), called, "score-outside",
            "not strictly between 0 and 1",
            "where the number of items is known, give counts with trials= (--trials); a score "
            "of exactly 0 or 1 is a count, too",
        )  # fmt: skip
        return
    yield from _found(
        seen, response % 1 != 0, called, "not-a-count", "no whole number",
        "give counts, not shares; for shares use noise='beta' (--noise beta)",
    )  # fmt: skip
    if noise.grades:
        yield from _found(
            seen, ~response.between(0, noise.grades), called, "grade-outside",
            f"outside 0 to {noise.grades}", f"name the best grade, as ordered-{noise.grades} does",
        )  # fmt: skip
        return
    trials = seen["trials"]
    yield from _found(
        seen, trials % 1 != 0, runs.columns["trials"], "not-a-count", "no whole number",
        "they are numbers of items, samples or passes",
    )  # fmt: skip
    if noise.name == "negative-binomial":
        bad, state = (response < trials) | (trials < 1), "below the passes in column"
        remedy = "the response is the number of samples that so many passes took"
    else:
        bad, state = (response < 0) | (response > trials), "below zero or above column"
        remedy = "the response is the number right out of so many"
    yield from _found(
        seen, bad, called, "count-outside", f"{state} '{runs.columns['trials']}'", remedy
    )


def _found(
    seen: pd.DataFrame, bad: pd.Series, called: str, code: str, state: str, remedy: str
) -> Iterator[Finding]:
    if bad.any():
        rows = seen["row"][np.asarray(bad)].tolist()
        yield Finding(
            code, "error", f"column '{called}' has {len(rows)} values {state} "
            f"({name_rows(rows)}): {remedy}",
        )  # fmt: skip
