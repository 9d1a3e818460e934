"""Runs that could be paid for: their inputs, costs, and what each would be seen to reach."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy.stats import qmc

from bayes_scaling.errors import UsageError
from bayes_scaling.posterior.fit import Fit
from bayes_scaling.program.noise import Noise

from .arm import DATA, SIZE
from .cost import AnyCost, cost_of, six_nd
from .forecast import draw_responses
from .points import Points, as_table, read_points
from .predict import draw_centre, draw_spread, flat_draws, rung_draws

COST, FAILURE = "cost", "p_fail"
DRAWN = 1024  # candidates of a box
Box = Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Candidates:
    """Checked candidates.

    Attributes
    ----------
    points : DataFrame
        Inputs and labels, one row a candidate, as points of a forecast.
    cost : (candidate,) array
        Expected cost, in the unit of the cost.
    failure : (candidate,) array
        Probability that a run is paid for and says nothing.
    unit : str
        Of the cost.
    """

    points: pd.DataFrame
    cost: Float[np.ndarray, " candidate"]
    failure: Float[np.ndarray, " candidate"]
    unit: str

    def __len__(self) -> int:
        """Return the number of candidates."""
        return len(self.points)


@dataclass(frozen=True, eq=False)
class Outlook:
    """What candidates and targets would be seen to reach, draw by draw, on the noise's scale.

    Attributes
    ----------
    latent : (sample, candidate) array
        Without the run's own noise; where noise is not of the plain kinds, with it.
    spread : (sample, candidate) array, or None
        Scale of the run's own noise; None where `latent` holds it.
    nu : (sample,) array, or None
        Degrees of freedom; None where noise is normal.
    noise : (candidate,) array
        Variance that the run's own noise counts as: of Student-t noise the inverse of its
        Fisher information, since strays are recognised.
    bound : float
        Responses above it, on the noise's scale, are only known to be so.
    """

    latent: Float[np.ndarray, "sample candidate"]
    spread: Float[np.ndarray, "sample candidate"] | None
    nu: Float[np.ndarray, " sample"] | None
    noise: Float[np.ndarray, " candidate"]
    bound: float


def read_candidates(
    fit: Fit, table: pd.DataFrame, cost: AnyCost | None, *, force: bool
) -> Candidates:
    """Check a table of candidates against a fit.

    Raises
    ------
    UsageError
        If candidates are wrong, or their cost is not known.
    """
    own = {k: _numbers(table, k) for k in (COST, FAILURE) if k in table}
    points = read_points(fit, table.drop(columns=[*own]))
    unit = ""
    if COST in own:
        spent = own[COST]
    else:
        spent, unit = costs_of(fit, points, cost, force)
    failure = own.get(FAILURE, np.zeros(len(points)))
    if not (np.isfinite(spent).all() and (spent > 0).all()):
        raise UsageError("every candidate needs a positive cost")
    if not ((failure >= 0) & (failure < 1)).all():
        raise UsageError(f"{FAILURE} is a probability from 0 to below 1")
    return Candidates(points, spent, failure, unit)


def is_box(given: Points | Box) -> bool:
    """Whether candidates are given as ranges and choices, and not as rows."""
    return isinstance(given, Mapping) and any(isinstance(v, tuple | list) for v in given.values())


def table_from(fit: Fit, given: Points | Box, seed: int) -> pd.DataFrame:
    """Candidates as a table, unchecked: as given, or drawn from a box."""
    return drawn_from(fit, given, seed) if is_box(given) else as_table(given)  # type: ignore[arg-type]


def drawn_from(fit: Fit, box: Box, seed: int, count: int = DRAWN) -> pd.DataFrame:
    """Fill a box: a pair is a range, a list holds choices, anything else is fixed.

    Ranges of scales are filled evenly in their logs, by a Sobol sequence.

    Raises
    ------
    UsageError
        If a range does not go up, or is of what is no input.
    """
    moving = {k: v for k, v in box.items() if isinstance(v, tuple | list)}
    sobol = qmc.Sobol(len(moving), rng=np.random.default_rng(seed))
    places = sobol.random(2 ** math.ceil(math.log2(count)))[:count]
    columns: dict[str, Any] = {k: v for k, v in box.items() if k not in moving}
    for place, (name, values) in zip(places.T, moving.items(), strict=True):
        if isinstance(values, list):
            index = np.minimum((place * len(values)).astype(int), len(values) - 1)
            columns[name] = [values[i] for i in index]
            continue
        low, high = _range(fit, name, values)
        if fit.law.inputs[name].on_log:
            columns[name] = np.exp(np.log(low) + place * (np.log(high) - np.log(low)))
        else:
            columns[name] = low + place * (high - low)
    return pd.DataFrame(columns, index=range(count))


def narrowed(fit: Fit, box: Box, around: Mapping[str, Any], factor: float = 4.0) -> dict[str, Any]:
    """Box whose ranges are a part of these, around a point and inside of them."""
    smaller: dict[str, Any] = {}
    for name, values in box.items():
        if isinstance(values, list):
            smaller[name] = around[name]
        elif isinstance(values, tuple):
            log = fit.law.inputs[name].on_log
            low, high = (math.log(v) if log else float(v) for v in _range(fit, name, values))
            middle = math.log(around[name]) if log else float(around[name])
            half = 0.5 * (high - low) / factor
            ends = (max(low, middle - half), min(high, middle + half))
            smaller[name] = tuple(math.exp(v) if log else v for v in ends)
        else:
            smaller[name] = values
    return smaller


def costs_of(
    fit: Fit, points: pd.DataFrame, cost: AnyCost | None, force: bool
) -> tuple[Float[np.ndarray, " point"], str]:
    """Expected cost of points, and its unit.

    Raises
    ------
    UsageError
        If the points have no N or D and hence no cost.
    """
    missing = [k for k in (SIZE, DATA) if k not in points]
    if missing:
        raise UsageError(
            f"a cost is one of N and D, and candidates of law {fit.law.name} have no "
            f"{missing[0]}: give them a column '{COST}'"
        )
    found, given = np.empty(len(points)), six_nd if cost is None else cost
    labels = points[list(fit.groups)].astype(object).where(points[list(fit.groups)].notna(), None)
    keys = list(map(tuple, labels.to_numpy())) if fit.groups else [()] * len(points)
    unit = ""
    for key in dict.fromkeys(keys):
        rows = np.array([k == key for k in keys])
        row = dict(zip(fit.groups, key, strict=True))
        own = cost_of(given, row, key[0] if len(key) == 1 else None, force).draws(1000)
        size, data = (points.loc[rows, k].to_numpy()[None] for k in (SIZE, DATA))
        found[rows] = np.asarray(own.of(size, data)).mean(axis=0)
        unit = own.unit
    return found, unit


def outlook(fit: Fit, points: pd.DataFrame, seed: int) -> Outlook:
    """Draw what runs at points would be seen to reach, joint with all answers of this seed."""
    noise = fit.structure.noise
    samples = fit.posterior.sizes["chain"] * fit.posterior.sizes["draw"]
    if not isinstance(noise, Noise) or noise.side or fit.law.link:
        drawn = draw_responses(fit, points, "new-run", "response", np.random.default_rng(seed))
        latent = np.broadcast_to(drawn, (samples, len(points)))
        return Outlook(latent, None, None, np.zeros(len(points)), math.inf)
    centre, spread = (np.empty((samples, len(points))) for _ in range(2))
    # by labels: one function of the departure a draw then serves all points that have them
    for rows in _alike(fit, points):
        table = points.iloc[rows].reset_index(drop=True)
        own, parameters = draw_centre(fit, table, np.random.default_rng(seed))
        centre[:, rows] = own
        spread[:, rows] = draw_spread(fit, table, own, parameters)
    bad = ~(np.isfinite(centre).all(axis=0) & np.isfinite(spread).all(axis=0))
    if bad.any():
        raise UsageError(
            f"nothing can be foretold of {bad.sum()} candidates, of which the first is "
            f"{dict(points.iloc[int(np.argmax(bad))])}: give every input"
        )
    centre += rung_draws(fit, points, np.random.default_rng([seed, len(points)]))
    nu = flat_draws(fit, "nu") if noise.robust else None
    counts_as = np.ones(samples) if nu is None else (nu + 3.0) / (nu + 1.0)
    variance = counts_as @ spread**2 / samples
    bound = math.inf if fit.spec.bound is None else fit.spec.bound
    return Outlook(centre, spread, nu, variance, float(noise.to_scale(jnp.asarray(bound))))


def _alike(fit: Fit, points: pd.DataFrame) -> list[np.ndarray]:
    """Rows of points that have the same labels; all of them where there are no groups."""
    if not fit.groups:
        return [np.arange(len(points))]
    labels = points[list(fit.groups)].astype(object)
    cells = labels.groupby([labels[g] for g in fit.groups], dropna=False).ngroup().to_numpy()
    return [np.flatnonzero(cells == cell) for cell in np.unique(cells)]


def _range(fit: Fit, name: str, values: tuple[Any, ...]) -> tuple[float, float]:
    if name not in fit.law.inputs:
        raise UsageError(
            f"a range is one of an input, and {name} is none of {', '.join(fit.law.inputs)}; "
            f"choices are a list"
        )
    low, high = map(float, values)
    if not low < high or (fit.law.inputs[name].on_log and low <= 0):
        raise UsageError(f"the range of {name} is {low:g} to {high:g}; it must go up")
    return low, high


def _numbers(table: pd.DataFrame, name: str) -> Float[np.ndarray, " candidate"]:
    try:
        return table[name].to_numpy(dtype=float)
    except (TypeError, ValueError) as error:
        raise UsageError(f"column '{name}' of the candidates must hold numbers: {error}") from error
