"""Where the curves of two recipes cross, and how much compute one needs to match the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Float

from bayes_scaling.errors import Finding, UsageError
from bayes_scaling.posterior.fit import Fit

from .arm import Better, better_of
from .compare import need_paid, recipe_column, runs_along, spaced
from .inverse import crossings, extended
from .moments import moments, ordered
from .path import BUDGET, Curve, ScalingPath, curves_of
from .points import Points, need_usable

REACH = 1e3  # factor beyond both ends of the path where crossings are still placed
REACH_WIDTHS = 2.0  # the same along inputs that are no scales, in widths of the path
GRID, HALVINGS = 61, 20  # places that are looked at, and steps towards a crossing
PAID = 13  # places below the path among which the cheapest that pays for a run is looked for
PLACES = 5
MOST = 1e4  # largest factor of compute that is looked at

type Samples = Float[np.ndarray, " sample"]


@dataclass(frozen=True, eq=False)
class Crossover:
    """Where two recipes are equally good along a path, draw by draw.

    Attributes
    ----------
    law, response, unit : str
    better : {"lower", "higher"}
    by, first, second : str
        The grouping column and the two recipes.
    path : str
        In words.
    along : str
        ``"budget"``, or an input.
    on_log : bool
    within, reach : (float, float)
        Ends of the path, and of the wider range in which crossings are placed.
    place : DataArray
        Dimension ``sample``. Outside the path, too; infinite where the curves have not crossed
        by the end of the reach, minus infinite where they crossed before it, judged by the way
        in which the difference of most draws goes.
    ahead : DataArray
        Dimensions ``sample`` and ``end`` (low, high): whether the first is the better one there.
    several : float
        Probability that the curves cross more than once along the path.
    curve : DataFrame
        Along the path: the place, and mean, sd and quantiles of first less second.
    warnings : tuple of Finding
    """

    law: str
    response: str
    unit: str
    better: Better
    by: str
    first: str
    second: str
    path: str
    along: str
    on_log: bool
    within: tuple[float, float]
    reach: tuple[float, float]
    place: xr.DataArray
    ahead: xr.DataArray
    several: float
    curve: pd.DataFrame
    warnings: tuple[Finding, ...]

    def summary(self) -> pd.DataFrame:
        """One row: probabilities of where the curves cross, and quantiles of the place.

        Returns
        -------
        DataFrame
            ``within`` is the probability that they cross along the path, ``after`` beyond its
            upper end (or never) and ``before`` below its lower one; ``never`` that they do not
            in the whole reach; ``first_throughout`` and ``second_throughout`` that one is ahead
            all along the path; ``first_at_low`` and ``first_at_high`` that the first is ahead
            at its ends. Quantiles are infinite where so many draws are.
        """
        place = self.place.to_numpy()
        low, high = self.within
        inside = (place >= low) & (place <= high)
        ahead = self.ahead.transpose("sample", "end").to_numpy()
        row: dict[str, Any] = {
            "first": self.first,
            "second": self.second,
            "within": inside.mean(),
            "before": (place < low).mean(),
            "after": (place > high).mean(),
            "never": np.isinf(place).mean(),
            "first_throughout": (~inside & ahead.all(axis=1)).mean(),
            "second_throughout": (~inside & ~ahead.any(axis=1)).mean(),
            "first_at_low": ahead[:, 0].mean(),
            "first_at_high": ahead[:, 1].mean(),
            "several": self.several,
        }
        return pd.DataFrame([row | ordered(place)])


@dataclass(frozen=True, eq=False)
class Multiplier:
    """How much of the budget of one recipe another needs to be as good, draw by draw.

    Attributes
    ----------
    law, response, unit : str
    by, first, second : str
    path : str
    along : str
    places : DataFrame
        Budgets (or values of the input) of the second recipe.
    draws : DataArray
        Dimensions ``sample`` and ``place``: the share of that budget with which the first
        recipe is as good; infinite where no budget is enough, zero where any is.
    trend : DataArray
        Dimension ``sample``: change of its natural logarithm over a decade of budget, between
        the ends of the path; missing where one of them is zero or infinite.
    warnings : tuple of Finding
    """

    law: str
    response: str
    unit: str
    by: str
    first: str
    second: str
    path: str
    along: str
    places: pd.DataFrame
    draws: xr.DataArray
    trend: xr.DataArray
    warnings: tuple[Finding, ...]

    def summary(self) -> pd.DataFrame:
        """One row a place.

        Returns
        -------
        DataFrame
            ``p_saves`` is the probability that the first needs less than the second, ``never``
            that no budget is enough; quantiles, infinite where so many draws are.
        """
        values = self.draws.transpose("sample", "place").to_numpy()
        table = self.places.assign(first=self.first, second=self.second)
        table["p_saves"] = (values < 1).mean(axis=0)
        table["never"] = np.isinf(values).mean(axis=0)
        return table.assign(**ordered(values))

    def change(self) -> dict[str, float]:
        """How the multiplier changes with scale.

        Returns
        -------
        dict
            Quantiles ``q0.05``, ``q0.5``, ``q0.95`` of the factor by which it changes over a
            decade, and ``p_grows``: that it grows, so that the advantage of the first shrinks.
        """
        known = self.trend.to_numpy()
        known = known[np.isfinite(known)]
        if not len(known):
            return dict.fromkeys(("q0.05", "q0.5", "q0.95", "p_grows"), float("nan"))
        factors = np.exp(np.quantile(known, (0.05, 0.5, 0.95)))
        found = dict(zip(("q0.05", "q0.5", "q0.95"), map(float, factors), strict=True))
        return found | {"p_grows": float((known > 0).mean())}


def crossover(
    fit: Fit,
    first: str,
    second: str,
    path: ScalingPath,
    *,
    at: Points | None = None,
    by: str = "",
    better: Better | None = None,
    seed: int = 0,
    force: bool = False,
) -> Crossover:
    """Find where two recipes are equally good along a path, as a distribution.

    Parameters
    ----------
    fit : Fit
    first, second : str
        Recipes.
    path : ScalingPath
        Crossings beyond its ends are placed up to a thousand times further.
    at : point, optional
        Other inputs and labels of other groups.
    by : str, optional
        Grouping column of the recipes; by default the only one.
    better : {"lower", "higher"}, optional
    seed : int
        Of the draws of other groups never seen.
    force : bool
        Answer even if the fit's diagnostics are poor.

    Raises
    ------
    UsageError
        If recipes, path or point are wrong.
    FitError
        If the fit's diagnostics are poor and `force` is not set.
    """
    need_usable(fit, force)
    by, better = recipe_column(fit, by), better or better_of(fit)
    pair = _pair(fit, first, second, by)
    one, other = curves_of(fit, pair, path, by=by, at=at, better=better, seed=seed, force=force)
    on_log = path.along == BUDGET or fit.law.inputs[path.along].on_log
    reach = _reach(fit, path, on_log)
    if path.along == BUDGET:
        reach = _paid(one, other, path), reach[1]

    def lead(x: Any) -> Any:
        ahead = other.mean(x) - one.mean(x)
        return jnp.nan_to_num(ahead if better == "lower" else -ahead)

    place, ends = crossings(
        lead, 0.0, *reach, on_log, prefer=(path.low, path.high), grid=GRID, halvings=HALVINGS
    )
    places = spaced(fit, path, GRID)
    along = np.asarray(lead(places[None]))
    gap = along if better == "higher" else -along
    changes = (np.sign(along[:, 1:]) != np.sign(along[:, :-1])).sum(axis=1)
    found = extended(place, ends)
    middle = np.sort(found)[len(found) // 2]
    where = np.array([path.low, path.high, *([middle] if np.isfinite(middle) else [])])
    return Crossover(
        law=fit.law.name,
        response=fit.record.response,
        unit=fit.record.unit,
        better=better,
        by=by,
        first=first,
        second=second,
        path=path.text,
        along=path.along,
        on_log=on_log,
        within=(path.low, path.high),
        reach=reach,
        place=xr.DataArray(found, dims="sample"),
        ahead=xr.DataArray(along[:, [0, -1]] > 0, {"end": ["low", "high"]}, dims=("sample", "end")),
        several=float((changes > 1).mean()),
        curve=pd.DataFrame({path.along: places, **moments(gap)}),
        warnings=runs_along(fit, pair, (one, other), where, path, by)[1],
    )


def multiplier(
    fit: Fit,
    first: str,
    second: str,
    path: ScalingPath,
    *,
    places: int = PLACES,
    at: Points | None = None,
    by: str = "",
    better: Better | None = None,
    seed: int = 0,
    force: bool = False,
) -> Multiplier:
    """Find how much compute one recipe needs to match another along a path.

    Parameters
    ----------
    fit : Fit
    first : str
        The recipe whose budget is looked for.
    second : str
        The recipe that it has to match, at budgets along the path.
    path : ScalingPath
        Along a budget, or an input that improves the response.
    places : int
        Budgets of the second recipe.
    at, by, better, seed, force
        As in `crossover`.

    Raises
    ------
    UsageError
        If recipes, path or point are wrong, or the path is along an input that is no scale.
    FitError
        If the fit's diagnostics are poor and `force` is not set.
    """
    need_usable(fit, force)
    by, better = recipe_column(fit, by), better or better_of(fit)
    if path.along != BUDGET and not (
        path.along in fit.law.inputs and fit.law.inputs[path.along].on_log
    ):
        raise UsageError(f"a multiplier is of a budget or of a scale, not of {path.along}")
    pair = _pair(fit, first, second, by)
    one, other = curves_of(fit, pair, path, by=by, at=at, better=better, seed=seed, force=force)
    x = spaced(fit, path, places)
    levels = np.asarray(other.mean(x[None]))
    need_paid(levels, path)
    draws = np.column_stack(
        [_factor(one, float(at), own, better) for at, own in zip(x, levels.T, strict=True)]
    )
    logs = np.log(np.where((draws > 0) & np.isfinite(draws), draws, np.nan))
    trend = (logs[:, -1] - logs[:, 0]) / np.log10(path.high / path.low)
    return Multiplier(
        law=fit.law.name,
        response=fit.record.response,
        unit=fit.record.unit,
        by=by,
        first=first,
        second=second,
        path=path.text,
        along=path.along,
        places=pd.DataFrame({path.along: x}),
        draws=xr.DataArray(draws, dims=("sample", "place")),
        trend=xr.DataArray(trend, dims="sample"),
        warnings=runs_along(fit, pair, (one, other), x, path, by)[1],
    )


def _factor(one: Curve, x: float, level: Samples, better: Better) -> Samples:
    """Share of x at which one recipe reaches the level of the other at x."""
    sign = 1.0 if better == "lower" else -1.0

    def worse(at: Any) -> Any:
        return jnp.nan_to_num(sign * one.mean(at), nan=jnp.inf)

    place, ends = crossings(
        worse, sign * level, x / MOST, x * MOST, True, prefer=(x / 10, x * 10), grid=GRID,
        halvings=HALVINGS,
    )  # fmt: skip
    missing = np.where(ends[:, 1] > 0, np.inf, 0.0)
    return np.where(np.isnan(place), missing, place / x)


def _pair(fit: Fit, first: str, second: str, by: str) -> tuple[str, str]:
    known = fit.spec.labels[by]
    unknown = [r for r in (first, second) if r not in known]
    if unknown:
        raise UsageError(f"{by} '{unknown[0]}' was not fitted; there are {', '.join(known)}")
    if first == second:
        raise UsageError(f"two different recipes are compared, not {first} with itself")
    return first, second


def _paid(one: Curve, other: Curve, path: ScalingPath) -> float:
    """Where the reach begins: no lower than where fixed costs leave something for every draw."""
    x = np.geomspace(path.low / REACH, path.low, PAID)
    both = np.asarray(one.mean(x[None]) + other.mean(x[None]))
    need_paid(both[:, -1], path)
    unpaid = np.flatnonzero(~np.isfinite(both).all(axis=0))
    return float(x[unpaid[-1] + 1] if len(unpaid) else x[0])


def _reach(fit: Fit, path: ScalingPath, on_log: bool) -> tuple[float, float]:
    if on_log:
        return path.low / REACH, path.high * REACH
    wide = REACH_WIDTHS * (path.high - path.low)
    ends = np.array([path.low - wide, path.high + wide])
    valid = fit.law.inputs[path.along].valid(ends)
    low, high = np.where(valid, ends, [path.low, path.high])
    return float(low), float(high)
