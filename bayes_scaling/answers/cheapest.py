"""The smallest cost at which a loss or a metric is reached, and what over-training costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Float

from bayes_scaling.errors import Finding, UsageError
from bayes_scaling.posterior.fit import Fit

from .allocate import as_numbers, read_budgets
from .arm import DATA, SIZE, UNIQUE, Arm, Better, arms_of, need_split, read_rows
from .cost import AnyCost, six_nd
from .extrapolation import extrapolation_of, warnings_of
from .inverse import crossings
from .moments import ordered
from .points import Points, need_usable
from .split import mean_of, train

REACH = 1e6  # factor of cost beyond the fitted runs that is looked at
GRID, HALVINGS = 41, 24
MOST_TOKENS = 1e6  # factor beyond the fitted tokens

type Samples = Float[np.ndarray, " sample"]


@dataclass(frozen=True, eq=False)
class Cheapest:
    """The smallest cost of reaching targets, draw by draw.

    Attributes
    ----------
    law, response, unit : str
    cost : tuple of str
        How each point's cost is counted.
    groups : tuple of str
    points : DataFrame
        One row a target and question: ``target``, other inputs, groups.
    budget : DataArray
        Dimensions ``sample`` and ``point``; infinite where the target is not reached.
    size, data : DataArray
        Of the run that reaches it; not numbers where none does.
    warnings : tuple of Finding
    """

    law: str
    response: str
    unit: str
    cost: tuple[str, ...]
    groups: tuple[str, ...]
    points: pd.DataFrame
    budget: xr.DataArray
    size: xr.DataArray
    data: xr.DataArray
    warnings: tuple[Finding, ...]

    def summary(self) -> pd.DataFrame:
        """One row a target and quantity: cost, N and D.

        Returns
        -------
        DataFrame
            The target, other inputs, groups, ``quantity``, ``reached`` (the probability that a
            budget is enough) and quantiles: infinite where so many draws do not reach it.
        """
        found = {"cost": self.budget, SIZE: self.size, DATA: self.data}
        reached = np.isfinite(self.budget.to_numpy())
        rows = []
        for i, (_, point) in enumerate(self.points.iterrows()):
            for name, array in found.items():
                own = np.where(reached[:, i], array.to_numpy()[:, i], np.inf)
                rows.append(
                    {**point, "quantity": name, "reached": reached[:, i].mean(), **ordered(own)}
                )
        return pd.DataFrame(rows)


@dataclass(frozen=True, eq=False)
class IsoLoss:
    """Tokens with which models of other sizes reach one loss, draw by draw.

    Attributes
    ----------
    law, response, unit : str
    cost : tuple of str
    groups : tuple of str
    points : DataFrame
        One row a size and question: ``budget`` or ``target``, ``N``, other inputs, groups.
    level : DataArray
        Dimensions ``sample`` and ``point``: the response that is reached.
    data : DataArray
        Tokens; infinite where no number of them is enough.
    extra : DataArray
        Cost over that of the best size for the same response, less one.
    warnings : tuple of Finding
    """

    law: str
    response: str
    unit: str
    cost: tuple[str, ...]
    groups: tuple[str, ...]
    points: pd.DataFrame
    level: xr.DataArray
    data: xr.DataArray
    extra: xr.DataArray
    warnings: tuple[Finding, ...]

    def summary(self) -> pd.DataFrame:
        """One row a size and quantity: D, D/N and the extra cost, as a share.

        Returns
        -------
        DataFrame
            ``reached`` is the probability that some number of tokens is enough; quantiles are
            infinite where so many draws do not get there.
        """
        size = self.points[SIZE].to_numpy()
        data = self.data.to_numpy()
        found = {DATA: data, "D/N": data / size, "extra cost": self.extra.to_numpy()}
        rows = []
        for i, (_, point) in enumerate(self.points.iterrows()):
            reached = np.isfinite(data[:, i]).mean()
            for name, draws in found.items():
                rows.append({**point, "quantity": name, "reached": reached, **ordered(draws[:, i])})
        return pd.DataFrame(rows)


def cheapest(
    fit: Fit,
    targets: float | Sequence[float],
    *,
    cost: AnyCost = six_nd,
    at: Points | None = None,
    by: str = "",
    unique: float | None = None,
    within: tuple[float, float] | None = None,
    better: Better | None = None,
    seed: int = 0,
    force: bool = False,
) -> Cheapest:
    """Find the smallest cost at which the mean response reaches targets.

    Parameters
    ----------
    fit : Fit
        Of a law of N and D; of a chain the targets are of the metric.
    targets : float or sequence of float
        In the unit of the response.
    cost, at, by, unique, within, better, seed, force
        As in `allocate`.

    Raises
    ------
    UsageError
        If the law does not know N and D, or targets or points are wrong.
    FitError
        If the fit's diagnostics are poor and `force` is not set.
    """
    need_split(fit)
    need_usable(fit, force)
    wanted = as_numbers(targets, "targets are numbers in the unit of the response")
    rows = read_rows(fit, at)
    arms = arms_of(
        fit, rows, cost=cost, by=by, unique=unique, within=within, better=better, seed=seed,
        force=force,
    )  # fmt: skip
    parts = [_reach(arm, target) for arm in arms for target in wanted]
    budget, size, data = (np.column_stack(columns) for columns in zip(*parts, strict=True))
    points, placed = _crossed(rows, wanted, "target", size, data)
    repeated = tuple(arm for arm in arms for _ in wanted)
    names = [f"the cheapest run of target {t:g}" for t in points["target"]]
    return Cheapest(
        law=fit.law.name,
        response=fit.record.response,
        unit=fit.record.unit,
        cost=tuple(arm.cost.text for arm in repeated),
        groups=fit.groups,
        points=points,
        budget=xr.DataArray(budget, dims=("sample", "point")),
        size=xr.DataArray(size, dims=("sample", "point")),
        data=xr.DataArray(data, dims=("sample", "point")),
        warnings=warnings_of(fit, _beyond(fit, placed), names),
    )


def iso_loss(
    fit: Fit,
    sizes: float | Sequence[float],
    *,
    budget: float | None = None,
    target: float | None = None,
    cost: AnyCost = six_nd,
    at: Points | None = None,
    by: str = "",
    unique: float | None = None,
    within: tuple[float, float] | None = None,
    better: Better | None = None,
    seed: int = 0,
    force: bool = False,
) -> IsoLoss:
    """Trade size against tokens at one loss: smaller models trained for longer.

    Parameters
    ----------
    fit : Fit
    sizes : float or sequence of float
        Parameters of the models that are to reach it.
    budget, target : float
        One of them: the loss that a budget reaches at its best split, draw by draw, or a given
        loss.
    cost, at, by, unique, within, better, seed, force
        As in `allocate`. Serving is part of the cost: with ``Cost(served=...)`` the best size,
        from which the extra cost counts, is a smaller one.

    Raises
    ------
    UsageError
        If sizes are wrong, or not one of budget and target is given.
    FitError
        If the fit's diagnostics are poor and `force` is not set.
    """
    need_split(fit)
    need_usable(fit, force)
    if (budget is None) == (target is None):
        raise UsageError("give the loss as that of a budget, or as a target: one of the two")
    tried = as_numbers(sizes, "sizes are positive numbers, such as 1e9", positive=True)
    rows = read_rows(fit, at)
    arms = arms_of(
        fit, rows, cost=cost, by=by, unique=unique, within=within, better=better, seed=seed,
        force=force,
    )  # fmt: skip
    parts = []
    for arm in arms:
        if budget is not None:
            spent = jnp.asarray(read_budgets(budget))[None]
            level = np.asarray(train(arm, spent).mean)[:, 0]
            paid: Samples = np.full(len(level), float(budget))
        else:
            assert target is not None
            paid, *_ = _reach(arm, target)
            level = np.full(len(paid), float(target))
        parts += [_tokens(arm, fit, size, level, paid) for size in tried]
    level, data, extra = (np.column_stack(columns) for columns in zip(*parts, strict=True))
    fixed = np.broadcast_to(tried, (len(rows), len(tried))).ravel()
    points, placed = _crossed(rows, tried, SIZE, np.broadcast_to(fixed, data.shape), data)
    given = {"budget": budget} if budget is not None else {"target": target}
    points = pd.DataFrame(given, index=points.index).join(points)
    names = [f"size {n:.3g}" for n in points[SIZE]]
    return IsoLoss(
        law=fit.law.name,
        response=fit.record.response,
        unit=fit.record.unit,
        cost=tuple(arm.cost.text for arm in arms for _ in tried),
        groups=fit.groups,
        points=points,
        level=xr.DataArray(level, dims=("sample", "point")),
        data=xr.DataArray(data, dims=("sample", "point")),
        extra=xr.DataArray(extra, dims=("sample", "point")),
        warnings=warnings_of(fit, _beyond(fit, placed), names),
    )


def _reach(arm: Arm, target: float) -> tuple[Samples, Samples, Samples]:
    """Smallest budget whose best run reaches a target, and that run."""
    sign = 1.0 if arm.better == "lower" else -1.0
    # never so low that nothing is left once fixed costs are paid
    low, high = _ends(arm)

    def short(budget: Any) -> Any:
        return jnp.nan_to_num(sign * (train(arm, budget).mean - target), nan=jnp.inf)

    place, ends = crossings(short, 0.0, low, high, True, grid=GRID, halvings=HALVINGS)
    # at the lower end it has been reached before any run that is looked at
    budget = np.where(np.isnan(place), np.where(ends[:, 0] <= 0, low, np.inf), place)
    some = jnp.asarray(np.where(np.isfinite(budget), budget, high))[:, None]
    size, data, *_ = train(arm, some)
    found = [np.where(np.isfinite(budget), np.asarray(v)[:, 0], np.nan) for v in (size, data)]
    return budget, found[0], found[1]


def _ends(arm: Arm) -> tuple[float, float]:
    n, x0 = arm.sizes, arm.references
    middle = float(np.median(arm.cost.of(x0[SIZE], x0[DATA])))
    corners = [float(c) if np.isfinite(c) else middle for c in np.asarray(arm.corners)]
    least = float(np.median(np.asarray(arm.cost.standing(n[0]))))
    return max(corners[0] / REACH, 1.001 * least), corners[1] * REACH


def _tokens(
    arm: Arm, fit: Fit, size: float, level: Samples, paid: Samples
) -> tuple[Samples, Samples, Samples]:
    """Level, tokens with which a size reaches it, and the extra cost."""
    sign = 1.0 if arm.better == "lower" else -1.0
    low, high = fit.spec.ranges[DATA]

    def short(data: Any) -> Any:
        return sign * mean_of(arm, jnp.full_like(data, size), data)

    place, ends = crossings(
        short, sign * level, low / MOST_TOKENS, high * MOST_TOKENS, True, grid=GRID,
        halvings=HALVINGS,
    )  # fmt: skip
    first = np.where(ends[:, 0] <= 0, low / MOST_TOKENS, np.inf)
    data = np.where(np.isnan(place), first, place)
    if arm.capped:
        data = np.where(data > float(arm.unique), np.inf, data)
    known = np.isfinite(data) & np.isfinite(paid)
    spent = np.asarray(arm.cost.of(size, np.where(known, data, 1.0)[:, None]))[:, 0]
    return level, data, np.where(known, spent / np.where(known, paid, 1.0) - 1, np.inf)


def _crossed(
    rows: pd.DataFrame, values: np.ndarray, name: str, size: np.ndarray, data: np.ndarray
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Every question with every value, and the same with the median run of each."""
    repeated = rows.loc[rows.index.repeat(len(values))].reset_index(drop=True)
    kept = [k for k in rows.columns if k not in (SIZE, DATA, UNIQUE)]
    points = repeated[kept].copy()
    points.insert(0, name, np.tile(values, len(rows)))
    middle = {}
    for k, draws in ((SIZE, size), (DATA, data)):
        known = np.where(np.isfinite(draws), draws, np.nan)
        empty = np.isnan(known).all(axis=0)
        known[:, empty] = repeated[k].to_numpy()[empty]
        middle[k] = np.nanmedian(known, axis=0)
    return points, repeated.assign(**middle)


def _beyond(fit: Fit, placed: pd.DataFrame) -> pd.DataFrame:
    return extrapolation_of(fit, placed)[[SIZE, DATA]]
