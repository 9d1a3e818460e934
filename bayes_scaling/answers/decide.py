"""Which recipe to choose, what the choice may cost, and whether the question is settled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Float

from bayes_scaling.errors import Finding, UsageError
from bayes_scaling.posterior.fit import Fit

from .arm import DATA, SIZE, Better
from .compare import Comparison, compare, first_shares
from .cost import AnyCost, cost_of, six_nd
from .forecast import ForecastKind
from .moments import moments
from .path import ScalingPath
from .points import Points

CONFIDENCE = 0.95
POINTER = "; bayes-scaling next finds the run that does so at the lowest cost"

type Utility = Callable[[np.ndarray, np.ndarray], np.ndarray]
type Worth = Float[np.ndarray, "sample point recipe"]


@dataclass(frozen=True, eq=False)
class Decision:
    """The choice between recipes at targets, draw by draw.

    Attributes
    ----------
    comparison : Comparison
        Responses of the recipes at the targets.
    cost : DataArray or None
        Dimensions ``point`` and ``recipe``, at points also ``sample`` (of length one where the
        cost is declared): what each run costs.
    utility : DataArray
        Dimensions ``sample``, ``point`` and ``recipe``; more is better. In the unit of the
        response unless the user's own function says otherwise.
    rope : float
        Differences of utility that do not matter.
    confidence : float
        Probability from which a choice is safe.
    warnings : tuple of Finding
    """

    comparison: Comparison
    cost: xr.DataArray | None
    utility: xr.DataArray
    rope: float
    confidence: float
    warnings: tuple[Finding, ...]

    @property
    def worth(self) -> Worth:
        """Draws of the utility, shape (sample, point, recipe)."""
        return self.utility.transpose("sample", "point", "recipe").to_numpy()

    def summary(self) -> pd.DataFrame:
        """One row a target and recipe.

        Returns
        -------
        DataFrame
            The target, the recipe, mean, sd and quantiles of the utility; ``p_best``;
            ``regret``, how much is lost on average by choosing it; ``p_safe``, the probability
            that it is within the region of practical equivalence of the best; ``chosen``, the
            one of least regret; ``safe``, whether `p_safe` reaches the confidence.
        """
        worth, recipes = self.worth, self.comparison.recipes
        points = self.comparison.points
        table = points.loc[points.index.repeat(len(recipes))].reset_index(drop=True)
        table = table.assign(recipe=list(recipes) * len(points))
        table = table.assign(**moments(worth.reshape(len(worth), -1)))
        short = worth.max(axis=2, keepdims=True) - worth
        regret, safe = short.mean(axis=0), (short <= self.rope).mean(axis=0)
        table["p_best"] = first_shares(worth).ravel()
        table["regret"], table["p_safe"] = regret.ravel(), safe.ravel()
        least = regret.argmin(axis=1)
        table["chosen"] = (np.arange(len(recipes)) == least[:, None]).ravel()
        table["safe"] = table["p_safe"] >= self.confidence
        return table

    def verdicts(self) -> pd.DataFrame:
        """One row a target: what to do.

        Returns
        -------
        DataFrame
            ``choice``, the recipe of least expected regret; ``regret``, what choosing it is
            expected to cost, which is also what knowing the truth would be worth; ``p_safe``;
            ``settled``, whether the choice is within the region of practical equivalence of
            the best with the confidence asked for; ``tied``, all recipes that are; ``verdict``,
            the same in words.
        """
        points, table = self.comparison.points, self.summary()
        count, rows = len(self.comparison.recipes), []
        for i in range(len(points)):
            own = table.iloc[i * count : (i + 1) * count]
            best = own[own["chosen"]].iloc[0]
            tied = [*own.loc[own["safe"], "recipe"]]
            rows.append(
                {
                    "choice": best["recipe"],
                    "regret": best["regret"],
                    "p_safe": best["p_safe"],
                    "settled": bool(best["safe"]),
                    "tied": tied,
                    "verdict": self._verdict(best, tied, own),
                }
            )
        return points.join(pd.DataFrame(rows))

    @property
    def settled(self) -> bool:
        """Whether the choice is safe at every target."""
        return bool(self.verdicts()["settled"].all())

    def _verdict(self, best: pd.Series, tied: list[str], own: pd.DataFrame) -> str:
        if best["safe"] and len(tied) > 1:
            return f"{' or '.join(tied)}: they are practically equal, and as good as the best"
        if best["safe"]:
            return str(best["recipe"])
        rivals = own[(own["recipe"] != best["recipe"])].sort_values("p_best")
        rival = rivals["recipe"].iloc[-1]
        return (
            f"not settled: {best['recipe']} loses least on average, but is as good as the best "
            f"with probability {best['p_safe']:.2f} only (asked: {self.confidence:g}); what would "
            f"settle it are runs of {best['recipe']} and {rival} nearer to the target{POINTER}"
        )


def decide(
    fit: Fit,
    at: Points | None = None,
    *,
    budget: float | None = None,
    recipes: Sequence[str] | None = None,
    by: str = "",
    kind: ForecastKind = "mean",
    rope: float = 0.0,
    confidence: float = CONFIDENCE,
    cost: AnyCost | None = None,
    price: float = 0.0,
    utility: Utility | None = None,
    better: Better | None = None,
    seed: int = 0,
    force: bool = False,
) -> Decision:
    """Choose a recipe for targets, or say that it is not settled.

    Parameters
    ----------
    fit : Fit
    at : points, optional
        Targets: inputs, and labels of other groups; with a budget the other inputs.
    budget : float, optional
        Instead of inputs: every recipe at its own best split of this budget.
    recipes : sequence of str, optional
        By default all labels of the grouping column `by`.
    by : str, optional
        Grouping column of the recipes; by default the only one.
    kind : {"mean", "new-run"}
        Decide about the law's means, or about one more run of each.
    rope : float
        Region of practical equivalence: differences that do not matter, in the unit of the
        utility (by default that of the response).
    confidence : float
        A choice is safe if it is within `rope` of the best with this probability.
    cost : Cost, Fit, or mapping from recipe to one of these, optional
        What the runs cost; needed with a price or a budget (6 N D by default there).
    price : float
        Of a unit of cost, in the unit of the response: the utility is less by price times cost.
    utility : callable, optional
        ``utility(response, cost)`` of arrays that broadcast to (sample, point, recipe): a
        utility of one's own, more being better. By default the response, its sign such that
        more is better, less price times cost.
    better : {"lower", "higher"}, optional
    seed : int
    force : bool
        Answer even if the fit's diagnostics are poor.

    Raises
    ------
    UsageError
        If targets, recipes or utilities are wrong.
    FitError
        If the fit's diagnostics are poor and `force` is not set.
    """
    _check(rope, confidence, price, cost, budget, at)
    spent: Any = None
    if budget is not None:
        cost = six_nd if cost is None else cost
        answer = compare(
            fit, recipes, at=at, path=ScalingPath(budget, 2 * budget, cost=cost), by=by, kind=kind,
            places=[budget], better=better, seed=seed, force=force,
        )  # fmt: skip
        spent = np.full((1, len(answer.recipes)), float(budget))
    else:
        answer = compare(
            fit, recipes, at=at, by=by, kind=kind, better=better, seed=seed, force=force
        )
        if cost is not None:
            spent = _costs(answer, cost, force)
    worth = answer.worth
    if utility is not None:
        values = answer.draws.transpose("sample", "point", "recipe").to_numpy()
        given = np.asarray(utility(values, np.zeros(1) if spent is None else spent), dtype=float)
        try:
            worth = np.broadcast_to(given, worth.shape)
        except ValueError as error:
            raise UsageError(
                f"the utility has shape {given.shape}, which does not broadcast to (sample, point, "
                f"recipe) = {worth.shape}"
            ) from error
        if not np.isfinite(worth).all():
            raise UsageError("the utility must be a finite number in every draw")
    elif spent is not None:
        worth = worth - price * spent
    dims, coords = ("sample", "point", "recipe"), {"recipe": list(answer.recipes)}
    costs = None if spent is None else xr.DataArray(spent, coords, dims[-np.ndim(spent) :])
    return Decision(
        comparison=answer,
        cost=costs,
        utility=xr.DataArray(worth, coords, dims),
        rope=rope,
        confidence=confidence,
        warnings=answer.warnings,
    )


def _check(
    rope: float,
    confidence: float,
    price: float,
    cost: AnyCost | None,
    budget: float | None,
    at: Points | None,
) -> None:
    if not (np.isfinite(rope) and rope >= 0):
        raise UsageError(f"rope is {rope}; it must be zero or a positive difference")
    if not 0.5 <= confidence < 1:
        raise UsageError(f"confidence is {confidence}; it must be from 0.5 to below 1")
    if not (np.isfinite(price) and price >= 0):
        raise UsageError(f"price is {price}; it must be zero or positive")
    if price and cost is None and budget is None:
        raise UsageError("a price needs a cost of the runs, such as cost=bs.six_nd (--cost)")
    if budget is None and at is None:
        raise UsageError("give a target to decide about (--at N=7B,D=1.4T), or a budget (--budget)")


def _costs(answer: Comparison, cost: AnyCost, force: bool) -> Float[np.ndarray, "*any recipe"]:
    """Cost of every run; with draws where the cost is fitted."""
    missing = [k for k in (SIZE, DATA) if k not in answer.points]
    if missing:
        raise UsageError(f"a cost is one of N and D, and the targets have no {missing[0]}")
    count, columns = answer.draws.sizes["sample"], []
    size, data = (answer.points[k].to_numpy()[None] for k in (SIZE, DATA))
    row = answer.points.iloc[0]
    for recipe in answer.recipes:
        own = cost_of(cost, {**dict(row), answer.by: recipe}, recipe, force).draws(count)
        columns.append(np.asarray(own.of(size, data)))
    shape = np.broadcast_shapes(*(np.shape(c) for c in columns))
    return np.stack([np.broadcast_to(c, shape) for c in columns], axis=-1)
