"""Paths along which recipes are compared: what each of them trains as it grows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import jax.numpy as jnp
import numpy as np
import pandas as pd

from bayes_scaling.errors import UsageError
from bayes_scaling.posterior.fit import Fit

from .arm import DATA, SIZE, Arm, Better, Grid, arm_of, better_of, need_split, read_rows
from .cost import AnyCost, six_nd
from .inverse import mean_along
from .points import Points
from .split import Kind, train

BUDGET = "budget"


@dataclass(frozen=True)
class ScalingPath:
    """Runs of growing budget (or of a growing input) along which recipes are compared.

    Attributes
    ----------
    low, high : float
        Ends of the path.
    along : str
        ``"budget"``, or an input of the law.
    ratio : float, optional
        Tokens per parameter along a budget.
    size : float, optional
        Parameters along a budget, all the rest going into tokens. With neither of these every
        recipe has the size and tokens that are best for it.
    ratios : mapping of str to float
        Along an input: others that grow in proportion to it, ``{"D": 20}``.
    cost : Cost, Fit, or mapping from recipe to one of these
    unique : float, optional
        Unique tokens, as in `allocate`.
    within : (float, float), optional
        Sizes that can be trained, as in `allocate`.
    """

    low: float
    high: float
    along: str = BUDGET
    ratio: float | None = None
    size: float | None = None
    ratios: Mapping[str, float] = field(default_factory=dict)
    cost: AnyCost = six_nd
    unique: float | None = None
    within: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise UsageError(f"a path goes up; this one goes from {self.low:g} to {self.high:g}")
        fixed = {"ratio": self.ratio, "size": self.size}
        for name, value in fixed.items():
            if value is not None and not value > 0:
                raise UsageError(f"{name} of a path is {value}; it must be positive")
        if all(v is not None for v in fixed.values()):
            raise UsageError("a path has a fixed ratio or a fixed size, not both")
        if self.along == BUDGET and (self.ratios or not self.low > 0):
            raise UsageError(
                "along a budget a path begins above zero, and ratio= gives tokens per parameter"
            )
        if self.along != BUDGET and any(v is not None for v in fixed.values()):
            raise UsageError(f"ratio and size are of paths along a budget, not along {self.along}")

    @property
    def text(self) -> str:
        """What is done along the path, in words."""
        if self.along != BUDGET:
            grown = "".join(f", {k} = {v:g} {self.along}" for k, v in self.ratios.items())
            return f"along {self.along}{grown}"
        if self.ratio is not None:
            return f"along the budget at {self.ratio:g} tokens per parameter"
        if self.size is not None:
            return f"along the budget at N = {self.size:g}"
        return "along the budget, every recipe at its own best split"


class Curve(Protocol):
    """Expected response of a recipe along a path."""

    def mean(self, x: Any) -> Grid:
        """Means of every draw at places, shape (1, place) or (sample, place)."""

    def runs(self, x: Any) -> tuple[Grid, Grid] | None:
        """Size and tokens there; None where the path is along an input."""


@dataclass(frozen=True, eq=False)
class BudgetCurve:
    """A recipe along a budget."""

    arm: Arm
    kind: Kind
    number: float

    def mean(self, x: Any) -> Grid:
        """Means of every draw at budgets."""
        return train(self.arm, x, self.kind, self.number).mean

    def runs(self, x: Any) -> tuple[Grid, Grid]:
        """Size and tokens at budgets."""
        made = train(self.arm, x, self.kind, self.number)
        return made.size, made.data


@dataclass(frozen=True, eq=False)
class InputCurve:
    """A recipe along an input."""

    function: Any

    def mean(self, x: Any) -> Grid:
        """Means of every draw at values of the input."""
        return self.function(jnp.asarray(x))

    def runs(self, x: Any) -> None:
        """None: the other inputs are as they were given."""


def curves_of(
    fit: Fit,
    recipes: tuple[str, ...],
    path: ScalingPath,
    *,
    by: str,
    at: Points | None,
    better: Better | None,
    seed: int,
    force: bool,
) -> list[Curve]:
    """Curve of every recipe along a path, of joint draws.

    Raises
    ------
    UsageError
        If the law does not have what the path needs, or other inputs are missing.
    """
    if path.along == BUDGET:
        need_split(fit)
    elif path.along not in fit.law.inputs or fit.law.scheduled:
        raise UsageError(
            f"law {fit.law.name} has no input '{path.along}' to go along; it has "
            f"{', '.join(fit.law.inputs)}, and {BUDGET} where N and D are among them"
        )
    curves: list[Curve] = []
    for recipe in recipes:
        row = _row(fit, recipe, path, by, at)
        rng = np.random.default_rng(seed)  # recipes share the draws of other groups never seen
        if path.along != BUDGET:
            curves.append(InputCurve(mean_along(fit, row, path.along, path.ratios, rng)))
            continue
        arm = arm_of(
            fit, row, cost=path.cost, rng=rng, by=by, within=path.within, unique=path.unique,
            better=better or better_of(fit), planned=True, force=force,
        )  # fmt: skip
        kind: Kind = "ratio" if path.ratio else "size" if path.size else "best"
        curves.append(BudgetCurve(arm, kind, path.ratio or path.size or 1.0))
    return curves


def _row(fit: Fit, recipe: str, path: ScalingPath, by: str, at: Points | None) -> pd.Series:
    free = (SIZE, DATA) if path.along == BUDGET else (path.along, *path.ratios)
    unknown = [k for k in free if k not in fit.law.inputs]
    if unknown:
        raise UsageError(
            f"law {fit.law.name} has no input '{unknown[0]}'; it has {', '.join(fit.law.inputs)}"
        )
    given = pd.DataFrame([{}] if at is None else at if not isinstance(at, Mapping) else [at])
    if len(given) > 1:
        raise UsageError("a path takes one row of other inputs, not several")
    if by in given:
        raise UsageError(f"{by} is what is compared: leave it out of at")
    rows = read_rows(fit, given.assign(**{by: [recipe]}), free)
    return rows.iloc[0]
