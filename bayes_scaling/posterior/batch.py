"""Many fits of one table as one compiled program: each sees some of its runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Bool

from bayes_scaling.errors import UsageError
from bayes_scaling.jax_setup import one_thread_linear_algebra
from bayes_scaling.program import Data, Spec, Structure, build_data
from bayes_scaling.program.rungs import rung_labels
from bayes_scaling.runs import Runs

from .fit import Fit
from .model import ScalingModel, assemble
from .nuts import Draws, Settings, sample_traced

TOGETHER = 4  # fits that walk in step: more of them wait for the longest tree


def fit_folds(
    model: ScalingModel,
    runs: Runs,
    folds: Sequence[Bool[np.ndarray, " runs"]],
    *,
    seed: int = 0,
    settings: Settings | None = None,
    report: Callable[[str], None] | None = None,
) -> list[Fit]:
    """Fit parts of one table, compiled once for all of them.

    References, prior scales and labels of rungs come from the runs of each part alone; the
    others take up space and have no likelihood.

    Parameters
    ----------
    model : ScalingModel
    runs : Runs
    folds : sequence of (runs,) bool arrays
        Which runs each fit sees.
    seed : int
    settings : Settings, optional
    report : callable, optional
        Told how far it is.

    Returns
    -------
    list of Fit

    Raises
    ------
    UsageError
        If a part has no runs.
    TableError
        If a part lacks what the law needs.
    """
    say = report or (lambda _: None)
    chosen = settings or Settings()
    if any(not fold.any() for fold in folds):
        raise UsageError("a fold holds no runs: nothing can be fitted to it")
    parts = [replace(runs, frame=runs.frame[fold].reset_index(drop=True)) for fold in folds]
    specs = [whole_labels(model.spec(part), model, runs) for part in parts]
    data = [_held(build_data(s, model.law, runs), f) for s, f in zip(specs, folds, strict=True)]
    fits: list[Fit] = []
    for start in range(0, len(folds), TOGETHER):
        some = slice(start, min(start + TOGETHER, len(folds)))
        begun = time.perf_counter()
        # the last batch repeats a fold, so that all have one shape
        wide = min(TOGETHER, len(folds))
        mine = data[some] + [data[some][-1]] * (wide - len(data[some]))
        stacked = jax.tree.map(lambda *a: jnp.stack(a), *mine)
        keys = jax.random.split(jax.random.key(seed), len(folds) + wide)[start : start + wide]
        structure = specs[start].structure(model.law)
        with one_thread_linear_algebra():
            drawn = jax.block_until_ready(_together(structure, stacked, keys, chosen))
        seconds = (time.perf_counter() - begun) / len(mine)
        for i, (spec, part) in enumerate(zip(specs[some], parts[some], strict=True)):
            own = jax.tree.map(lambda a, i=i: a[i], drawn)
            took = {"compile": 0.0, "sample": seconds}
            fits.append(assemble(model.law, spec, part, own, chosen, seed, took))
        say(f"{len(fits)} of {len(folds)} folds")
    return fits


@partial(jax.jit, static_argnames=("structure", "settings"))
def _together(structure: Structure, data: Data, keys: Array, settings: Settings) -> Draws:
    return jax.vmap(lambda d, k: sample_traced(structure, d, k, settings))(data, keys)


def whole_labels(spec: Spec, model: ScalingModel, runs: Runs) -> Spec:
    """Labels of the whole table, so that all folds have one structure."""
    labels: dict[str, list[str]] = {g: runs.levels(g) for g in runs.groups}
    if "rung" in spec.labels:
        labels["rung"] = sorted(set(rung_labels(runs, model.law)))
    return replace(spec, labels=labels)


def _held(data: Data, fold: Bool[np.ndarray, " runs"]) -> Data:
    copies: Any = jnp.asarray(fold.astype(float))
    return data._replace(copies=copies if data.copies is None else copies * data.copies)
