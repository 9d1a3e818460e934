"""Fits of one shape as one compiled program: a few at a time, and parts of one table."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Bool

from bayes_scaling.errors import UsageError
from bayes_scaling.jax_setup import DeviceName, devices_named, one_thread_linear_algebra
from bayes_scaling.program import Data, Spec, Structure
from bayes_scaling.program.rungs import rung_labels
from bayes_scaling.runs import Runs

from .devices import shared_out
from .fit import Fit
from .model import ScalingModel, assemble
from .nuts import Draws, Settings, sample_traced
from .padding import padded, trimmed

TOGETHER = 4  # fits that walk in step: more of them wait for the longest tree
ON_GPU = 256  # a step of many takes as long as that of one there


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
    filled = [
        padded(s, model.law, runs, fold, groups=runs.groups)
        for s, fold in zip(specs, folds, strict=True)
    ]
    data = [f.data(model.law) for f in filled]
    if any(_cut(d, f.kept) for d, f in zip(data, filled, strict=True)):
        raise UsageError(
            "a fold leaves out a row of a run and keeps the next, which depends on it: leave out "
            "whole runs or their ends, or use serial=False (--independent)"
        )
    keys = jax.random.split(jax.random.key(seed), len(folds))
    fits: dict[int, Fit] = {}
    for structure, repeated in batches([f.structure(model.law) for f in filled]):
        numbers = list(dict.fromkeys(repeated))
        some = [data[i] for i in numbers]
        drawn, took = drawn_together(
            structure, some, keys[jnp.asarray(numbers)], chosen, len(repeated), devices_of("auto")
        )
        for i, one in zip(numbers, drawn, strict=True):
            own = trimmed(one, specs[i].structure(model.law))
            fits[i] = assemble(model.law, specs[i], parts[i], own, chosen, seed, took)
        say(f"{len(fits)} of {len(folds)} folds")
    return [fits[i] for i in range(len(folds))]


def _check(model: ScalingModel, runs: Runs, folds: Sequence[Bool[np.ndarray, " runs"]]) -> None:
    if any(not fold.any() for fold in folds):
        raise UsageError("a fold holds no runs: nothing can be fitted to it")
    if tied(model, runs):
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


def whole_labels(spec: Spec, model: ScalingModel, runs: Runs) -> Spec:
    """Labels of the whole table, so that folds share a structure."""
    labels: dict[str, list[str]] = {g: runs.levels(g) for g in runs.groups}
    if "rung" in spec.labels:
        labels["rung"] = sorted(set(rung_labels(runs, model.law)))
    return replace(spec, labels=labels)


def tied(part: ScalingModel, runs: Runs) -> bool:
    """Whether rows of a table count together, so that none can be added or left out."""
    return part.law.link is not None or "item" in runs.frame


def together_on(device: DeviceName) -> int:
    """How many fits walk in step on a device."""
    return ON_GPU if device == "gpu" else TOGETHER


def devices_of(device: DeviceName) -> tuple[Any, ...]:
    """Return the devices of a batch: one CPU device a process, so that numbers are the same."""
    found = devices_named(device)
    return found if device == "gpu" else found[:1]


def width_of(count: int, most: int = TOGETHER) -> int:
    """How many fits a program holds that serves so many: powers of two, to be few programs."""
    return min(most, 1 << (count - 1).bit_length())


def batches[K: Hashable](
    shapes: Sequence[K], most: int = TOGETHER
) -> Iterator[tuple[K, list[int]]]:
    """Numbers of what is fitted in one call: a few of one shape.

    The last ones of a shape repeat a number, so that all have one width.
    """
    alike: dict[K, list[int]] = {}
    for i, shape in enumerate(shapes):
        alike.setdefault(shape, []).append(i)
    for shape, numbers in alike.items():
        wide = width_of(len(numbers), most)
        for start in range(0, len(numbers), wide):
            some = numbers[start : start + wide]
            yield shape, some + some[-1:] * (wide - len(some))


def drawn_together(
    structure: Structure,
    data: Sequence[Data],
    keys: Array,
    settings: Settings,
    width: int,
    devices: tuple[Any, ...],
    near: Sequence[dict[str, Any]] | None = None,
) -> tuple[list[Draws], dict[str, float]]:
    """Draws of fits of one shape, and the seconds of each; the last one fills up the width."""
    places = jnp.minimum(jnp.arange(width), len(data) - 1)

    def stacked(*several: Array) -> Array:
        return jnp.stack(several)[places]

    begun = time.perf_counter()
    with jax.default_device(devices[0]), one_thread_linear_algebra():
        drawn = _together(
            structure,
            jax.tree.map(stacked, *data),
            keys[places],
            settings,
            None if near is None else jax.tree.map(stacked, *near),
            devices=devices,
        )
        jax.block_until_ready(drawn)
    took = {"compile": 0.0, "sample": (time.perf_counter() - begun) / len(data)}
    # off the device at once: a fit is made of many small slices
    whole = jax.tree.map(np.asarray, drawn)
    return [jax.tree.map(lambda a, i=i: a[i], whole) for i in range(len(data))], took


@partial(jax.jit, static_argnames=("structure", "settings", "devices"))
def _together(
    structure: Structure,
    data: Data,
    keys: Array,
    settings: Settings,
    near: dict[str, Array] | None = None,
    *,
    devices: tuple[Any, ...],
) -> Draws:
    """Draws of fits that walk in step, shared out over the devices."""

    def one(data: Data, key: Array, near: dict[str, Array] | None) -> Draws:
        return sample_traced(structure, data, key, settings, near)

    return shared_out(jax.vmap(one), devices, len(keys))(data, keys, near)
