"""Tables filled up to a short list of sizes, so that they share compiled programs."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Bool

from bayes_scaling.law import Law
from bayes_scaling.program import Data, Spec, Structure, build_data
from bayes_scaling.runs import Runs

from .nuts import Draws

# tables are filled up to multiples of these
ROWS, RUNGS, DIVERGED, LEVELS = 32, 8, 8, 2
WIDER = 1.5  # or to this factor more, where that is wider


class Padded(NamedTuple):
    """A table with rows that have no likelihood, and labels that no run has.

    Effects of spare labels are drawn from their prior: what the runs say is as before.

    Attributes
    ----------
    spec : Spec
        With the spare labels.
    runs : Runs
        With the spare rows at the end.
    kept : (rows,) bool array
        Which rows count.
    """

    spec: Spec
    runs: Runs
    kept: Bool[np.ndarray, " rows"]

    def structure(self, law: Law) -> Structure:
        """Return the structure of the program."""
        return self.spec.structure(law)

    def data(self, law: Law) -> Data:
        """Build the arrays of the program."""
        return build_data(self.spec, law, self.runs, self.kept)


def padded(
    spec: Spec,
    law: Law,
    runs: Runs,
    kept: Bool[np.ndarray, " runs"] | None = None,
    *,
    groups: Iterable[str] = (),
) -> Padded:
    """Fill up rows, diverged rows, labels of rungs, and of the grouping columns that are named.

    Parameters
    ----------
    spec : Spec
    law : Law
    runs : Runs
        At least one of them has not diverged.
    kept : (runs,) bool array, optional
        Runs that count; by default all.
    groups : iterable of str
    """
    steps = {"rung": RUNGS, **dict.fromkeys(groups, LEVELS)}
    labels = dict(spec.labels)
    for name, step in steps.items():
        if name in labels:
            spare = range(room(len(labels[name]), step) - len(labels[name]))
            labels[name] = [*labels[name], *(f"spare {name} {i}" for i in spare)]
    frame = pd.concat([runs.frame, _spare_rows(spec, runs)], ignore_index=True)
    whole = np.zeros(len(frame), dtype=bool)
    whole[: len(runs)] = True if kept is None else kept
    return Padded(replace(spec, labels=labels), replace(runs, frame=frame, sha256=""), whole)


def _spare_rows(spec: Spec, runs: Runs) -> pd.DataFrame:
    """Copies of a run that ended well, of which some diverged."""
    # diverged rows have arrays of their own, which are filled up, too
    gone = int(runs.diverged.sum())
    lost = 0 if spec.bound is None else room(gone, DIVERGED) - gone
    extra = room(len(runs) + lost, ROWS) - len(runs)
    usual = int(np.flatnonzero(~runs.diverged)[0])
    rows = runs.frame.iloc[[usual] * extra].reset_index(drop=True)
    if spec.bound is not None:
        rows.loc[np.arange(lost), "response"] = spec.bound + abs(spec.bound)
    if "run" in rows:  # each by itself: rows of one run follow each other
        rows["run"] = [f"spare run {i}" for i in range(extra)]
    return rows


def room(count: int, step: int) -> int:
    """Next size of a short list of sizes: multiples of a step, further and further apart."""
    size = step
    while size < count:
        size = max(size + step, math.ceil(size * WIDER / step) * step)
    return size


def trimmed(drawn: Draws, structure: Structure) -> Draws:
    """Draws without the labels that only fill up the program.

    Parameters
    ----------
    drawn : Draws
        Of the padded program.
    structure : Structure
        Of the table itself: spare labels come after its own.
    """
    sites = structure.sites()

    def cut(values: dict[str, Any]) -> dict[str, Any]:
        return {k: v[..., *(slice(n) for n in sites[k].shape)] for k, v in values.items()}

    return drawn._replace(sites=cut(drawn.sites), free=cut(drawn.free))
