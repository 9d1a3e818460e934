"""Which recipe is better, where curves cross, and how much compute one saves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Float

from bayes_scaling.errors import Finding, UsageError
from bayes_scaling.posterior.fit import Fit

from .arm import DATA, SIZE, Better, better_of, need_group
from .extrapolation import extrapolation_of, warnings_of
from .forecast import ForecastKind, draw_responses
from .moments import moments
from .path import BUDGET, BudgetCurve, Curve, ScalingPath, curves_of
from .points import Points, as_table, need_usable, read_points

PLACES = 9  # along a path

type Draws = Float[np.ndarray, "sample point recipe"]


@dataclass(frozen=True, eq=False)
class Comparison:
    """Responses of recipes at the same points, in joint draws.

    Attributes
    ----------
    law, response, unit : str
    kind : {"mean", "new-run"}
    better : {"lower", "higher"}
        Which responses are better.
    by : str
        Grouping column of the recipes.
    recipes : tuple of str
    along : str
        What is done along a path, in words; "" at points.
    cost : tuple of str
        Along a budget, how it is counted for each recipe.
    points : DataFrame
        One row a point: inputs and other groups, or the place on the path.
    draws : DataArray
        Dimensions ``sample``, ``point`` and ``recipe``. What recipes share (parameters, the
        effect of a rung, a new group) is equal in one sample, and cancels in differences.
    runs : DataFrame
        Along a budget, one row a point and recipe: medians of ``N`` and ``D``.
    warnings : tuple of Finding
    """

    law: str
    response: str
    unit: str
    kind: ForecastKind
    better: Better
    by: str
    recipes: tuple[str, ...]
    along: str
    cost: tuple[str, ...]
    points: pd.DataFrame
    draws: xr.DataArray
    runs: pd.DataFrame
    warnings: tuple[Finding, ...]

    @property
    def worth(self) -> Draws:
        """Draws whose sign makes more the better, shape (sample, point, recipe)."""
        values = self.draws.transpose("sample", "point", "recipe").to_numpy()
        return values if self.better == "higher" else -values

    def summary(self) -> pd.DataFrame:
        """One row a point and recipe.

        Returns
        -------
        DataFrame
            The point, the recipe, mean, sd and quantiles of the response, ``p_best``, and
            ``rank``, the expected rank (1 is best).
        """
        values = self.draws.transpose("sample", "point", "recipe").to_numpy()
        table = self._by_recipe()
        table = table.assign(**moments(values.reshape(len(values), -1)))
        table["p_best"] = first_shares(self.worth).ravel()
        ranks = self.ranking().to_numpy()
        table["rank"] = (ranks @ (1.0 + np.arange(len(self.recipes)))).ravel()
        return table

    def differences(self, reference: str | None = None) -> pd.DataFrame:
        """Every recipe less a reference, or all pairs, at every point.

        Parameters
        ----------
        reference : str, optional

        Returns
        -------
        DataFrame
            ``first``, ``second``; mean, sd and quantiles of first less second; ``p_better``,
            the probability that the first is the better one.

        Raises
        ------
        UsageError
            If the reference is not among the recipes.
        """
        if reference is not None and reference not in self.recipes:
            raise UsageError(
                f"'{reference}' is not among the recipes compared: {', '.join(self.recipes)}"
            )
        pairs = [
            (i, j)
            for i, a in enumerate(self.recipes)
            for j, b in enumerate(self.recipes)
            if (b == reference and a != b if reference is not None else i < j)
        ]
        values = self.draws.transpose("sample", "point", "recipe").to_numpy()
        worth, parts = self.worth, []
        for i, j in pairs:
            ahead = worth[:, :, i] - worth[:, :, j]
            part = self.points.assign(first=self.recipes[i], second=self.recipes[j])
            part = part.assign(**moments(values[:, :, i] - values[:, :, j]))
            parts.append(part.assign(p_better=((ahead > 0) + 0.5 * (ahead == 0)).mean(axis=0)))
        return pd.concat(parts, ignore_index=True)

    def ranking(self) -> xr.DataArray:
        """Probability of each rank (1 is best), dimensions ``point``, ``recipe`` and ``rank``."""
        order = np.argsort(-self.worth, axis=2, kind="stable")
        ranks = np.argsort(order, axis=2, kind="stable")
        count = len(self.recipes)
        shares = np.stack([(ranks == k).mean(axis=0) for k in range(count)], axis=-1)
        coords = {"recipe": list(self.recipes), "rank": np.arange(1, count + 1)}
        return xr.DataArray(shares, coords, ("point", "recipe", "rank"))

    def _by_recipe(self) -> pd.DataFrame:
        table = self.points.loc[self.points.index.repeat(len(self.recipes))]
        table = table.reset_index(drop=True)
        return table.assign(recipe=list(self.recipes) * len(self.points))


def compare(
    fit: Fit,
    recipes: Sequence[str] | None = None,
    *,
    at: Points | None = None,
    path: ScalingPath | None = None,
    by: str = "",
    kind: ForecastKind = "mean",
    places: int | Sequence[float] = PLACES,
    better: Better | None = None,
    seed: int = 0,
    force: bool = False,
) -> Comparison:
    """Compare recipes at points, or along a path, draw by draw.

    Parameters
    ----------
    fit : Fit
        With the recipes as labels of a grouping column.
    recipes : sequence of str, optional
        By default all of them.
    at : points
        Inputs, and labels of other groups; of a path the other inputs and groups.
    path : ScalingPath, optional
        For instance ``bs.ScalingPath(1e20, 1e24)``, a budget at which every recipe has its own
        best split; then at `places` places of it.
    by : str, optional
        Grouping column of the recipes; by default the only one.
    kind : {"mean", "new-run"}
        The law's mean, or one more run of each recipe at every point: the rung's effect is
        shared, and each run has noise of its own. Along a path the mean.
    places : int or sequence of float
        Along a path: how many places, or which.
    better : {"lower", "higher"}, optional
        Which responses are better; by default losses that are lower, and others where scale
        takes them.
    seed : int
        Of the draws of other groups never seen, rungs and noise.
    force : bool
        Answer even if the fit's diagnostics are poor.

    Raises
    ------
    UsageError
        If there are fewer than two recipes, or points or path are wrong.
    FitError
        If the fit's diagnostics are poor and `force` is not set.
    """
    need_usable(fit, force)
    by = recipe_column(fit, by)
    chosen = _recipes(fit, recipes, by)
    better = better or better_of(fit)
    if path is None and at is None:
        raise UsageError("give points to compare at (--at N=7B,D=1.4T), or a path (--along)")
    if path is not None:
        if kind != "mean":
            raise UsageError("along a path the law's means are compared; new runs are at points")
        curves = curves_of(fit, chosen, path, by=by, at=at, better=better, seed=seed, force=force)
        return _along(fit, chosen, path, curves, by, better, places)
    assert at is not None
    if by in as_table(at):
        raise UsageError(f"{by} is what is compared: leave it out of the points")
    points = as_table(at)
    crossed = points.loc[points.index.repeat(len(chosen))].reset_index(drop=True)
    table = read_points(fit, crossed.assign(**{by: list(chosen) * len(points)}))
    draws = draw_responses(fit, table, kind, "response", np.random.default_rng(seed))
    first = table.iloc[:: len(chosen)].reset_index(drop=True)
    return Comparison(
        law=fit.law.name,
        response=fit.record.response,
        unit=fit.record.unit,
        kind=kind,
        better=better,
        by=by,
        recipes=chosen,
        along="",
        cost=(),
        points=first.drop(columns=by),
        draws=_with_recipes(draws.reshape(len(draws), len(points), len(chosen)), chosen),
        runs=pd.DataFrame(),
        warnings=warnings_beyond(fit, by, extrapolation_of(fit, first)),
    )


def recipe_column(fit: Fit, by: str) -> str:
    """The grouping column whose labels are compared.

    Raises
    ------
    UsageError
        If there is none, or it is not clear which.
    """
    if by:
        need_group(fit, by)
        return by
    if len(fit.groups) != 1:
        raise UsageError(
            f"recipes are labels of a grouping column, and the fit has "
            f"{', '.join(fit.groups) or 'none: fit with group= (--group)'}"
            + ("; say which with by= (--by)" if fit.groups else "")
        )
    return fit.groups[0]


def first_shares(worth: Draws) -> Float[np.ndarray, "point recipe"]:
    """Probability that each recipe is the best, shared where draws are equal."""
    wins = worth == worth.max(axis=2, keepdims=True)
    shares: Float[np.ndarray, "point recipe"] = (wins / wins.sum(axis=2, keepdims=True)).mean(0)
    return shares


def _recipes(fit: Fit, recipes: Sequence[str] | None, by: str) -> tuple[str, ...]:
    known = fit.spec.labels[by]
    chosen = tuple(known if recipes is None else map(str, recipes))
    unknown = [r for r in chosen if r not in known]
    if unknown:
        raise UsageError(f"{by} '{unknown[0]}' was not fitted; there are {', '.join(known)}")
    if len(chosen) < 2 or len(set(chosen)) < len(chosen):
        raise UsageError(
            f"two recipes or more are compared, each once; {', '.join(chosen) or 'none'} came"
        )
    return chosen


def _with_recipes(draws: Draws, recipes: tuple[str, ...]) -> xr.DataArray:
    return xr.DataArray(
        draws, {"recipe": list(recipes)}, ("sample", "point", "recipe"), name="response"
    )


def _along(
    fit: Fit,
    recipes: tuple[str, ...],
    path: ScalingPath,
    curves: list[Curve],
    by: str,
    better: Better,
    places: int | Sequence[float],
) -> Comparison:
    if isinstance(places, int):
        if places < 2:
            raise UsageError(f"places is {places}; a path is looked at in two places or more")
        x = spaced(fit, path, places)
    else:
        x = np.asarray(places, dtype=float)
    draws = np.stack([np.asarray(c.mean(x[None])) for c in curves], axis=-1)
    need_paid(draws, path)
    runs, findings = runs_along(fit, recipes, curves, x, path, by)
    return Comparison(
        law=fit.law.name,
        response=fit.record.response,
        unit=fit.record.unit,
        kind="mean",
        better=better,
        by=by,
        recipes=recipes,
        along=path.text,
        cost=tuple(c.arm.cost.text for c in curves if isinstance(c, BudgetCurve)),
        points=pd.DataFrame({path.along: x}),
        draws=_with_recipes(draws, recipes),
        runs=runs,
        warnings=findings,
    )


def need_paid(draws: np.ndarray, path: ScalingPath) -> None:
    """Refuse paths whose beginning does not pay for any run.

    Raises
    ------
    UsageError
    """
    if not np.isfinite(draws).all():
        raise UsageError(
            f"the path begins at {path.low:g}, which does not pay for any run: fixed costs and "
            f"serving take more"
        )


def spaced(fit: Fit, path: ScalingPath, places: int) -> Float[np.ndarray, " place"]:
    """Places along a path, even on its own axis."""
    on_log = path.along == BUDGET or fit.law.inputs[path.along].on_log
    return (np.geomspace if on_log else np.linspace)(path.low, path.high, places)


def runs_along(
    fit: Fit,
    recipes: tuple[str, ...],
    curves: Sequence[Curve],
    x: np.ndarray,
    path: ScalingPath,
    by: str,
) -> tuple[pd.DataFrame, tuple[Finding, ...]]:
    """Medians of what each recipe trains at places, and warnings about the farthest of them."""
    rows = []
    for recipe, curve in zip(recipes, curves, strict=True):
        made = curve.runs(x[None])
        if made is None:
            break
        size, data = (np.median(np.asarray(v), axis=0) for v in made)
        rows += [
            {path.along: at, "recipe": recipe, SIZE: n, DATA: d}
            for at, n, d in zip(x, size, data, strict=True)
        ]
    table = pd.DataFrame(rows)
    moved = {path.along: x} | {k: by * x for k, by in path.ratios.items()}
    placed = table if len(table) else pd.DataFrame(moved)
    missing = {k: np.nan for k in fit.law.inputs if k not in placed}
    beyond = extrapolation_of(fit, placed.assign(**missing))
    names = [f"{path.along} {at:.3g}" for at in (table[path.along] if len(table) else x)]
    return table, warnings_beyond(fit, by, beyond.fillna(0.0), names)


def warnings_beyond(
    fit: Fit, by: str, beyond: pd.DataFrame, names: Sequence[str] = ()
) -> tuple[Finding, ...]:
    """What is said of places beyond the runs: how far, and what recipes have in common there."""
    found = warnings_of(fit, beyond, names)
    structure = fit.structure
    common = [p for p in fit.law.parameters if by in structure.columns_of(p, "complete")]
    if not common or not (beyond > 0).to_numpy().any():
        return found
    pooled = " ".join(f"--pool {p}=partial" for p in common)
    message = (
        f"{', '.join(common)} {'is' if len(common) == 1 else 'are'} common to every {by} in this "
        f"fit, and places lie beyond the fitted runs, where differences rest on that; to let them "
        f"differ, fit with {pooled} (pool=)"
    )
    return *found, Finding("common-parameters", "warning", message)
