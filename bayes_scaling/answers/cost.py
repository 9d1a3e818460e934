"""What a run costs: its parameters and tokens to FLOP, hours or money, and back."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jax import Array
from jaxtyping import Float

from bayes_scaling.errors import UsageError
from bayes_scaling.law import Law
from bayes_scaling.posterior.fit import Fit

from .points import need_usable
from .predict import parameter_draws

Draws = float | Float[Array, "*sample"]
FITTED = ("level", "overhead", "size", "data")  # parameters of a law of cost


@dataclass(frozen=True)
class Cost:
    """Cost of training a model of N parameters on D tokens, and of serving it.

    ``(coefficient * N**size + overhead) * D**data + fixed + per_served * N * served``, in
    `unit`. Numbers may be arrays of draws, for a cost that is known with uncertainty.

    Attributes
    ----------
    coefficient, size, data : float
        Six FLOP a parameter and token by default: ``6 N D``.
    overhead : float
        Cost of a token that does not depend on N, such as attention over a long context or
        reading the data.
    fixed : float
        Cost of a run whatever its size.
    served : float
        Tokens that the model serves over its life.
    per_served : float
        Cost of a served token for each parameter: two FLOP by default.
    unit : str

    Notes
    -----
    6 N D is that of Kaplan et al. 2020, section 2.1; serving is counted as Sardana et al. 2024
    do.
    """

    coefficient: Draws = 6.0
    size: Draws = 1.0
    data: Draws = 1.0
    overhead: Draws = 0.0
    fixed: Draws = 0.0
    served: Draws = 0.0
    per_served: Draws = 2.0
    unit: str = "FLOP"

    def __post_init__(self) -> None:
        for name in NUMBERS:
            value = getattr(self, name)
            if isinstance(value, np.generic):  # a number of a table, not draws
                value = value.item()
                object.__setattr__(self, name, value)
            if isinstance(value, int | float) and not (
                math.isfinite(value) and (value > 0 if name in POSITIVE else value >= 0)
            ):
                least = "positive" if name in POSITIVE else "zero or positive"
                raise UsageError(f"{name} of a cost is {value}; it must be {least}")

    def of(self, size: Any, data: Any) -> Any:
        """Cost of runs of `size` parameters on `data` tokens."""
        return self.per_data(size) * data**self.data + self.standing(size)

    def tokens(self, size: Any, budget: Any) -> Any:
        """Tokens that a budget leaves for a model of `size` parameters; nan where none."""
        rest = budget - self.standing(size)
        paid = jnp.where(rest > 0, rest, 1.0) / self.per_data(size)
        return jnp.where(rest > 0, paid ** (1.0 / jnp.asarray(self.data)), jnp.nan)

    def per_data(self, size: Any) -> Any:
        """Cost of a token (to the power `data`) at a size."""
        return self.coefficient * size**self.size + self.overhead

    def standing(self, size: Any) -> Any:
        """Part of the cost that does not depend on the tokens of training."""
        return self.fixed + self.per_served * self.served * size

    @property
    def is_power(self) -> bool:
        """Whether the cost is a single power of N and D."""
        rest = (self.overhead, self.fixed, self.served)
        return all(isinstance(x, int | float) and x == 0 for x in rest)

    @property
    def text(self) -> str:
        """The cost in a few words."""
        if not all(isinstance(getattr(self, k), int | float) for k in NUMBERS):
            return f"fitted ({self.unit})"
        raised = {k: "" if getattr(self, k) == 1 else f"^{getattr(self, k):g}" for k in POSITIVE}
        per = f"{self.coefficient:g} N{raised['size']}"
        if self.overhead:
            per = f"({per} + {self.overhead:g})"
        extra = f" + {self.fixed:g}" if self.fixed else ""
        if self.served:
            extra += f" + {self.per_served:g} N x {self.served:g} served"
        return f"{per} D{raised['data']}{extra} ({self.unit})"

    def draws(self, count: int) -> Cost:
        """Numbers as columns of `count` draws, where they are draws; repeated if fewer."""
        given = {k: getattr(self, k) for k in NUMBERS}
        columns: dict[str, Any] = {
            k: jnp.asarray(v)[jnp.arange(count) % len(v)][:, None]
            for k, v in given.items()
            if not isinstance(v, int | float)
        }
        return replace(self, **columns)


NUMBERS = tuple(f.name for f in fields(Cost) if f.name != "unit")
POSITIVE = ("coefficient", "size", "data")
jax.tree_util.register_dataclass(Cost, data_fields=list(NUMBERS), meta_fields=["unit"])

six_nd = Cost()
Row = Mapping[str, Any] | pd.Series
AnyCost = Cost | Fit | Mapping[str, Cost | Fit]


def cost_of(given: AnyCost, row: Row, label: str | None, force: bool) -> Cost:
    """Cost at a point: a declared one, that of its recipe, or draws of a fitted one.

    Parameters
    ----------
    given : Cost, Fit, or mapping from recipe to one of these
        A fit is one of law training_cost, or of another with its parameters; where it has
        grouping columns, it takes the labels of the point.
    row : mapping
        Labels of the point.
    label : str, optional
        Its recipe.
    force : bool
        Use a fit even if its diagnostics are poor.

    Raises
    ------
    UsageError
        If there is no cost of that recipe, or the fit is not one of a cost.
    FitError
        If the diagnostics of the fit are poor.
    """
    if isinstance(given, Mapping):
        if label is None or label not in given:
            raise UsageError(
                f"no cost of {label or 'a recipe never seen'}; costs are given for "
                f"{', '.join(map(str, given))}"
            )
        given = given[label]
    if isinstance(given, Cost):
        return given
    if not isinstance(given, Fit):
        raise UsageError(f"a cost is a bs.Cost or a fit of one, got {type(given).__name__}")
    return _fitted(given, row, force)


def _fitted(fit: Fit, row: Row, force: bool) -> Cost:
    law = fit.law
    if not (set(FITTED) <= {*law.parameters, *law.fixed} and {"N", "D"} <= set(law.inputs)):
        raise UsageError(
            f"the fit of law {law.name} is no cost: fit measured costs with law training_cost"
        )
    need_usable(fit, force)
    unknown = [g for g in fit.groups if row.get(g) not in fit.spec.labels[g]]
    if unknown:
        raise UsageError(
            f"the fitted cost differs by {', '.join(unknown)}, and knows none of "
            f"{', '.join(str(row.get(g) or 'a group never seen') for g in unknown)}; it knows "
            f"{', '.join(fit.spec.labels[unknown[0]])}"
        )
    at = pd.DataFrame([{g: row[g] for g in fit.groups} | {"": 0}])
    drawn = parameter_draws(fit, at, np.random.default_rng(0))
    p = _columns(law, drawn)
    unit = p["level"] / fit.spec.references["D"] ** p["data"]
    return Cost(
        coefficient=unit * (1 - p["overhead"]) / fit.spec.references["N"] ** p["size"],
        size=p["size"],
        data=p["data"],
        overhead=0.0 if law.fixed.get("overhead") == 0 else unit * p["overhead"],
        unit=fit.record.unit,
    )


def _columns(law: Law, drawn: Mapping[str, Any]) -> dict[str, Any]:
    """Draws of every parameter, shape (sample,)."""
    flat = {p: jnp.asarray(drawn[p])[:, 0] for p in law.parameters}
    count = len(next(iter(flat.values())))
    return {p: jnp.broadcast_to(jnp.asarray(v), (count,)) for p, v in law.expand(flat).items()}
