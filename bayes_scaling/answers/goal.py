"""What the next run is to make sharp, as plain values that a file can keep."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

import numpy as np

from bayes_scaling.errors import UsageError

from .forecast import ForecastKind
from .points import Points, as_table

Asks = Literal["forecast", "allocation", "tuning", "decision"]
KINDS = get_args(Asks)
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Goal:
    """The question that runs are bought for.

    Attributes
    ----------
    asks : {"forecast", "allocation", "tuning", "decision"}
        The response at points, the best size of budgets, the best settings at points, or the
        best of several recipes at points or budgets.
    at : tuple of dict
        Points, as those of a forecast; given as a table, a mapping or a sequence of mappings.
        Of allocations, and of decisions at a budget, the other inputs and labels.
    budget : tuple of float
        Of an allocation, any number; of a decision at every recipe's best split, one.
    kind : {"mean", "new-run"}
        Of forecasts and decisions: the law's mean, or one more run. The effect of a rung that
        was never seen is then taken to be the target's own.
    recipes : tuple of str
        Of decisions; all labels of the grouping column where none are named.
    by : str
        Grouping column of the recipes.
    rope, confidence : float
        Of decisions: differences that do not matter, and the probability from which a choice
        is safe.
    precision : float, optional
        Of the other goals: the question is settled once the sd of every quantity is at most
        this. Quantities are logs where the noise is one of logs (sd .01 is one percent), and
        always of sizes and settings.
    """

    asks: Asks
    at: Any = ()
    budget: Any = ()
    kind: ForecastKind = "mean"
    recipes: tuple[str, ...] = ()
    by: str = ""
    rope: float = 0.0
    confidence: float = CONFIDENCE
    precision: float | None = None

    def __post_init__(self) -> None:
        """Check, and make plain values of what was given."""
        if self.asks not in KINDS:
            raise UsageError(f"a goal asks '{self.asks}'; it must be one of {', '.join(KINDS)}")
        object.__setattr__(self, "at", _plain_points(self.at))
        budget = np.atleast_1d(np.asarray(self.budget, dtype=float))
        object.__setattr__(self, "budget", tuple(budget.tolist()))
        object.__setattr__(self, "recipes", tuple(map(str, self.recipes)))
        if self.asks == "allocation" and not self.budget:
            raise UsageError("an allocation is of budgets: give one, such as 1e22 (--budget 1e22)")
        if self.asks in ("forecast", "tuning") and not self.at:
            raise UsageError(
                f"a {self.asks} is asked at points: give one, such as at={{'N': 7e9, 'D': 1.4e12}} "
                f"(--at N=7B,D=1.4T)"
            )
        if self.asks == "decision" and len(self.budget) > 1:
            raise UsageError("a decision has one budget, or points")
        if self.asks == "decision" and not (self.budget or self.at):
            raise UsageError("give a target to decide about (--at N=7B,D=1.4T), or a budget")
        if self.budget and self.asks in ("forecast", "tuning"):
            raise UsageError(f"a {self.asks} is asked at points, and has no budget")
        if self.precision is not None and not (
            math.isfinite(self.precision) and self.precision > 0
        ):
            raise UsageError(f"precision is {self.precision}; it must be a positive sd")
        if self.precision is not None and self.asks == "decision":
            raise UsageError("a decision is settled by its rope and confidence, not a precision")

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> Goal:
        """Read what JSON made of `as_dict`."""
        return cls(**stored)

    @property
    def text(self) -> str:
        """The question in a few words."""
        where = "; ".join(words_of(point) for point in self.at)
        if self.budget:
            budgets = ", ".join(f"{b:.3g}" for b in self.budget)
            where = f"budget {budgets}" + (f" ({where})" if where else "")
        return f"{self.asks} at {where}"


def _plain_points(at: Points) -> tuple[dict[str, Any], ...]:
    rows = as_table(at).to_dict("records") if len(at) else []
    return tuple({str(k): _plain(v) for k, v in row.items() if not _missing(v)} for row in rows)


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value


def _missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def words_of(point: Mapping[Any, Any]) -> str:
    """Inputs and labels of a point in words."""
    return ", ".join(
        f"{k}={v:.4g}" if isinstance(v, float | int) else f"{k}={v}" for k, v in point.items()
    )
