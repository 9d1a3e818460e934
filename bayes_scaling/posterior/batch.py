"""Many fits of one table as one compiled program: each sees some of its runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial

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
    """Fit parts of one table, compiled once for all of them that have the same structure.

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
        If a part has no runs, or runs cannot be left out: those of a chain, those of items,
        and rows of a curve before others.
    TableError
        If a part lacks what the law needs.
    """
    say = report or (lambda _: None)
    chosen = settings or Settings()
    _check(model, runs, folds)
    parts = [runs.select(fold) for fold in folds]
    specs = [whole_labels(model.spec(part), model, runs) for part in parts]
    data = [build_data(s, model.law, runs, f) for s, f in zip(specs, folds, strict=True)]
    if any(_cut(d, fold) for d, fold in zip(data, folds, strict=True)):
        raise UsageError(
            "a fold leaves out a row of a run and keeps the next, which depends on it: leave out "
            "whole runs or their ends, or use serial=False (--independent)"
        )
    keys = jax.random.split(jax.random.key(seed), len(folds))
    fits: dict[int, Fit] = {}
    for structure, numbers in _batches([s.structure(model.law) for s in specs]):
        begun = time.perf_counter()
        stacked = jax.tree.map(lambda *a: jnp.stack(a), *(data[i] for i in numbers))
        with one_thread_linear_algebra():
            drawn = _together(structure, stacked, keys[jnp.asarray(numbers)], chosen)
            jax.block_until_ready(drawn)
        took = {"compile": 0.0, "sample": (time.perf_counter() - begun) / len(numbers)}
        for place, i in enumerate(numbers):
            own = jax.tree.map(lambda a, place=place: a[place], drawn)
            fits[i] = assemble(model.law, specs[i], parts[i], own, chosen, seed, took)
        say(f"{len(fits)} of {len(folds)} folds")
    return [fits[i] for i in range(len(folds))]


def _check(model: ScalingModel, runs: Runs, folds: Sequence[Bool[np.ndarray, " runs"]]) -> None:
    if any(not fold.any() for fold in folds):
        raise UsageError("a fold holds no runs: nothing can be fitted to it")
    if model.law.link or "item" in runs.frame:
        raise UsageError(
            f"losses of a chain and rows of items count together, so that none can be left out of "
            f"a common program: fit the parts of law {model.law.name} one by one"
        )


def _cut(data: Data, fold: Bool[np.ndarray, " runs"]) -> bool:
    """Whether a kept row follows one that is left out."""
    if data.previous is None:
        return False
    before = np.asarray(data.previous)
    return bool((fold & (before >= 0) & ~fold[before]).any())


def _batches(structures: Sequence[Structure]) -> Iterator[tuple[Structure, list[int]]]:
    """Folds that are fitted in one call: a few of one structure, such as with rung effects.

    The last batch of a structure repeats a fold, so that all have one shape.
    """
    alike: dict[Structure, list[int]] = {}
    for i, structure in enumerate(structures):
        alike.setdefault(structure, []).append(i)
    for structure, numbers in alike.items():
        wide = min(TOGETHER, len(numbers))
        for start in range(0, len(numbers), wide):
            some = numbers[start : start + wide]
            yield structure, some + some[-1:] * (wide - len(some))


@partial(jax.jit, static_argnames=("structure", "settings"))
def _together(structure: Structure, data: Data, keys: Array, settings: Settings) -> Draws:
    return jax.vmap(lambda d, k: sample_traced(structure, d, k, settings))(data, keys)


def whole_labels(spec: Spec, model: ScalingModel, runs: Runs) -> Spec:
    """Labels of the whole table, so that folds share a structure."""
    labels: dict[str, list[str]] = {g: runs.levels(g) for g in runs.groups}
    if "rung" in spec.labels:
        labels["rung"] = sorted(set(rung_labels(runs, model.law)))
    return replace(spec, labels=labels)
