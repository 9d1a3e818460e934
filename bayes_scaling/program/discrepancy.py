"""The discrepancy of a model: along which directions exponents drift, and on which intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from bayes_scaling.errors import UsageError
from bayes_scaling.law import Law
from bayes_scaling.law.discrepancy import Direction, along, curve

from .noise import AnyNoise, Noise
from .structure import OWN, OWN_WALKS, departure_site, intervals_of, own_site, sd_site

SIZE, DATA = "N", "D"
SCALE, EARLY, RATIO = "scale", "early", "ratio"
SIDES = {SCALE: (1,), EARLY: (-1,)}  # of the reference, where not on both
FITTED = 2  # intervals between the reference and the last fitted run, on each side
BEYOND = (0.25, 0.25, 0.5, 1.0, 2.0, 4.0)  # widths of intervals beyond it, in decades
NARROWEST = 1e-3
FAMILIES = ("A", "D", "test")
# sd of the change of the slope over a decade: medians, and sd of the logarithm
USUAL = {SCALE: (0.02, 0.5), EARLY: (0.1, 0.7), RATIO: (0.04, 0.7), OWN: (0.03, 0.7)}
OTHER = (0.04, 0.7)


@dataclass(frozen=True)
class Interval:
    """Where the curvature of a walk is constant, in decades from the reference.

    Attributes
    ----------
    side : {1, -1}
    start, width : float
    """

    side: int
    start: float
    width: float

    @property
    def label(self) -> str:
        """Ends of the interval."""
        ends = sorted((self.side * self.start, self.side * (self.start + self.width)))
        return f"{ends[0]:+.3g} to {ends[1]:+.3g}"


@dataclass(frozen=True)
class Walk:
    """A direction along which losses may depart from the law: plain, storable values.

    Attributes
    ----------
    name : str
        ``"scale"`` upwards from the reference and ``"early"`` downwards, where runs are so small
        that they have hardly begun to follow a law; ``"ratio"``, or an input, either way.
    direction : tuple
        ``((input, coefficient), ...)`` of log inputs.
    fitted, beyond : tuple of Interval
        Those that hold fitted runs, and those beyond them.
    """

    name: str
    direction: Direction
    fitted: tuple[Interval, ...]
    beyond: tuple[Interval, ...]

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> Walk:
        """Read what `dataclasses.asdict` and JSON made of it."""
        return cls(
            stored["name"],
            tuple((str(k), float(c)) for k, c in stored["direction"]),
            tuple(Interval(**i) for i in stored["fitted"]),
            tuple(Interval(**i) for i in stored["beyond"]),
        )

    @property
    def intervals(self) -> tuple[Interval, ...]:
        """All of them, in the order of their weights."""
        return (*self.fitted, *self.beyond)

    def place(self, centred: Mapping[str, Any]) -> Float[np.ndarray, " runs"]:
        """Decades of runs from the reference."""
        return np.asarray(along(self.direction, centred))

    def basis(self, centred: Mapping[str, Any]) -> Float[np.ndarray, "runs interval"]:
        """Departure of runs for a weight of one on each fitted interval."""
        place = self.place(centred)
        return np.column_stack(
            [np.asarray(curve(place, i.side, i.start, i.width)) for i in self.fitted]
        )


def directions_of(law: Law) -> dict[str, Direction]:
    """Directions along which a law's exponents drift: scale twice, then how it is split.

    Size and tokens are taken together, as compute and as tokens per parameter, because runs
    that are no larger and no longer than all others may still be dearer; other scales alone.
    """
    scales = [k for k, v in law.inputs.items() if v.on_log and not v.setting and v.default is None]
    single: dict[str, Direction] = {k: ((k, 1.0),) for k in scales}
    if SIZE in scales and DATA in scales:
        first: Direction = ((SIZE, 1.0), (DATA, 1.0))
        ratio: dict[str, Direction] = {RATIO: ((SIZE, -1.0), (DATA, 1.0))}
        rest = ratio | {k: v for k, v in single.items() if k not in (SIZE, DATA)}
    elif scales:
        first = single.pop(scales[0])
        rest = single
    else:
        return {}
    return {SCALE: first, EARLY: first, **rest}


def discrepancy_wanted(law: Law, noise: AnyNoise, wanted: bool | None, *, serial: bool) -> bool:
    """Whether a model has a discrepancy: by default where losses fall in scale.

    Raises
    ------
    UsageError
        If it is asked for where it cannot be.
    """
    able = isinstance(noise, Noise) and noise.on_log and not noise.side
    able = able and not (law.link or law.scheduled or serial) and bool(directions_of(law))
    if wanted and not able:
        raise UsageError(
            f"a discrepancy is a departure of a log loss along scales, and law {law.name} with "
            f"noise {noise.name} has no such thing; use discrepancy=False (--no-discrepancy)"
        )
    usual = law.family in FAMILIES and law.response.kind == "loss"
    return able and (usual if wanted is None else wanted)


def walks_of(law: Law, centred: Mapping[str, Any]) -> tuple[Walk, ...]:
    """Walks of the discrepancy, their intervals laid over the fitted runs and beyond."""
    found = []
    for name, direction in directions_of(law).items():
        place = np.asarray(along(direction, centred))
        fitted, beyond = [], []
        for side in SIDES.get(name, (1, -1)):
            end = max(float((side * place).max()), FITTED * NARROWEST)
            width = end / FITTED
            fitted += [Interval(side, i * width, width) for i in range(FITTED)]
            starts = end + np.cumsum((0.0, *BEYOND[:-1]))
            beyond += [Interval(side, float(s), w) for s, w in zip(starts, BEYOND, strict=True)]
        found.append(Walk(name, direction, tuple(fitted), tuple(beyond)))
    return tuple(found)


def interval_labels(walks: Sequence[Walk]) -> dict[str, list[str]]:
    """Labels of the dimensions of weights."""
    found = {intervals_of(w.name): [i.label for i in w.intervals] for w in walks}
    own = [i.label for w in walks[:OWN_WALKS] for i in w.intervals]
    return found | ({intervals_of(OWN): own} if walks else {})


def fitted_intervals(walks: Sequence[Walk]) -> dict[str, list[int]]:
    """Places of weights that hold fitted runs, by the dimension of the weights.

    Those beyond are drawn independently, and say nothing of how the sampler moved.
    """
    inside = [[i in w.fitted for i in w.intervals] for w in walks]
    own = [kept for walk in inside[:OWN_WALKS] for kept in walk]
    whole = {intervals_of(w.name): kept for w, kept in zip(walks, inside, strict=True)}
    whole |= {intervals_of(OWN): own} if walks else {}
    return {dim: [k for k, kept in enumerate(places) if kept] for dim, places in whole.items()}


def walk_names(walks: Sequence[Walk], columns: Sequence[str]) -> dict[str, list[str]]:
    """Sites of the sds by the names that priors of them have: walks, and ``"own"``."""
    found = {w.name: [sd_site(departure_site(w.name))] for w in walks}
    return found | ({OWN: [sd_site(own_site(c)) for c in columns]} if walks and columns else {})


def settle_sds(
    walks: Sequence[Walk], columns: Sequence[str], given: Mapping[str, tuple[float, float]]
) -> dict[str, tuple[float, float]]:
    """Priors of the sds of the discrepancy by site: shared walks, and each recipe's own.

    Raises
    ------
    UsageError
        If priors are given of what the model does not have.
    """
    if not walks:
        return {}
    sites = walk_names(walks, columns)
    known = {*sites, OWN}
    for name, (median, sd) in given.items():
        if name not in known:
            raise UsageError(f"discrepancy names '{name}'; there are {', '.join(sorted(known))}")
        if not (median > 0 and sd > 0):
            raise UsageError(f"discrepancy of {name} is ({median}, {sd}); both must be positive")
    return {
        site: given.get(name, USUAL.get(name, OTHER)) for name, own in sites.items() for site in own
    }
