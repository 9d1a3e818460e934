"""One recipe at a question's other inputs: its expected response at any size and tokens.

An arm holds the posterior draws of a recipe's parameters and its cost, so that two arms of one
fit are compared draw by draw.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jax import Array
from jaxtyping import Float

from bayes_scaling.errors import UsageError
from bayes_scaling.law import Law
from bayes_scaling.posterior.fit import Fit

from .cost import AnyCost, Cost, Row, cost_of
from .points import Points, as_table, read_points
from .predict import parameter_draws, sample_count

SIZE, DATA, UNIQUE = "N", "D", "U"
OWN = ("budget", "target", "quantity")  # columns of answers
REACH = 1e3  # factor beyond the fitted sizes, and beyond what the budget adds, that is looked at

Better = Literal["lower", "higher"]
Grid = Float[Array, "sample place"]


@functools.partial(
    jax.tree_util.register_dataclass,
    data_fields=["parameters", "held", "references", "cost", "sizes", "corners", "unique"],
    meta_fields=["law", "better", "capped", "closed"],
)
@dataclass(frozen=True, eq=False)
class Arm:
    """A recipe at given other inputs, draw by draw.

    Attributes
    ----------
    law : Law
    parameters : dict of (sample, 1) arrays
        And the departure from the law, where the fit has one.
    held : dict of str to float
        The other inputs, in raw units.
    references : dict of str to float
    cost : Cost
        Numbers, or columns of draws.
    sizes : (2,) array
        Smallest and largest size that is looked at.
    corners : (2,) array
        Cost of the smallest fitted size at the fewest fitted tokens, and of the largest at the
        most: a budget beyond these widens `sizes`; not numbers where the user set them.
    unique : float
        Unique tokens; infinite where they are not limited.
    better : {"lower", "higher"}
    capped : bool
        Whether tokens end at the unique ones, because the law knows no repeated data.
    closed : bool
        Whether the best size has a closed form: that of the law, at a cost that is a power.
    """

    law: Law
    parameters: dict[str, Any]
    held: dict[str, Any]
    references: dict[str, Any]
    cost: Cost
    sizes: Any
    corners: Any
    unique: Any
    better: Better
    capped: bool
    closed: bool

    def mean(self, size: Any, data: Any) -> Grid:
        """Expected response, shape (sample, place), of sizes and tokens of that shape."""
        centred = self._centred(size, data)
        return jnp.broadcast_to(self.law.mean(centred, self.parameters), self._shape(size, data))

    def loss(self, size: Any, data: Any) -> Grid:
        """Expected loss of a chain; otherwise the response, its sign such that less is better."""
        if self.law.link is None:
            return self.mean(size, data) * (1.0 if self.better == "lower" else -1.0)
        found = self.law.link.loss(self._centred(size, data), self.law.expand(self.parameters))
        return jnp.broadcast_to(found, self._shape(size, data))

    def _shape(self, size: Any, data: Any) -> tuple[int, ...]:
        own = [jnp.shape(self.parameters[p]) for p in self.law.parameters]
        return jnp.broadcast_shapes(jnp.shape(size), jnp.shape(data), *own)

    def _centred(self, size: Any, data: Any) -> dict[str, Any]:
        raw = {**self.held, SIZE: size, DATA: data}
        if UNIQUE in self.law.inputs:
            raw[UNIQUE] = jnp.minimum(data, self.unique)
        return self.law.centre({k: raw[k] for k in self.law.inputs}, self.references)

    def tokens(self, size: Any, budget: Any) -> Any:
        """Tokens that a budget pays for at a size, no more than there are where none repeat."""
        paid = self.cost.tokens(size, budget)
        return jnp.minimum(paid, self.unique) if self.capped else paid


def decaying(law: Law) -> Law:
    """The law that is smallest at the best split: of a chain that of the loss."""
    return law.link.first if law.link else law


def arm_of(
    fit: Fit,
    row: Row,
    *,
    cost: AnyCost,
    rng: np.random.Generator,
    by: str = "",
    within: tuple[float, float] | None = None,
    unique: float | None = None,
    better: Better | None = None,
    planned: bool = False,
    force: bool = False,
) -> Arm:
    """Arm of a checked point: labels of groups, and other inputs.

    Runs that are `planned` are split as the law alone says, in closed form where it has one;
    otherwise the best split of a draw is that of its law and its departure from it.
    """
    law = fit.law
    labels = pd.DataFrame([{g: row.get(g) for g in fit.groups} | {"": 0}])
    drawn = parameter_draws(fit, labels, rng)
    parameters = {p: jnp.asarray(v) if p in law.parameters else v for p, v in drawn.items()}
    count = sample_count(law, parameters)
    own = cost_of(cost, row, row.get(by), force).draws(count)
    if unique is not None and not unique > 0:
        raise UsageError(f"unique is {unique}; unique tokens are a positive number")
    lowest, highest = _corners(fit, own)
    better, capped = better or better_of(fit), unique is not None and UNIQUE not in law.inputs
    closed = decaying(law).best_size is not None and better == "lower"
    return Arm(
        law=law,
        parameters=parameters,
        held={k: float(row[k]) for k in law.inputs if k not in (SIZE, DATA, UNIQUE)},
        references=dict(fit.spec.references),
        cost=own,
        sizes=jnp.asarray(_sizes(fit, within)),
        corners=jnp.asarray((np.nan, np.nan) if within else (lowest, highest)),
        unique=jnp.asarray(np.inf if unique is None else float(unique)),
        better=better,
        capped=capped,
        closed=closed and own.is_power and not capped and (planned or not fit.spec.walks),
    )


def read_rows(fit: Fit, at: Points | None, free: tuple[str, ...] = (SIZE, DATA)) -> pd.DataFrame:
    """Check a question's other inputs and labels; the inputs it moves itself are filled in.

    Raises
    ------
    UsageError
        If an input is missing or wrong, or one that the question moves is given.
    """
    rows = as_table([{"": 0}] if at is None else at)
    rows = rows.drop(columns=[c for c in rows.columns if c == ""])
    given = [k for k in free if k in rows]
    if given:
        raise UsageError(f"{', '.join(given)} is what the answer looks for: leave it out of at")
    moved = {k: fit.spec.references[k] for k in free if k in fit.law.inputs}
    if UNIQUE in fit.law.inputs and UNIQUE not in rows:
        moved[UNIQUE] = fit.spec.references[UNIQUE]  # the tokens themselves, or `unique`
    return read_points(fit, pd.DataFrame(moved, index=rows.index).join(rows))


def arms_of(
    fit: Fit,
    rows: pd.DataFrame,
    *,
    cost: AnyCost,
    by: str,
    unique: float | None,
    within: tuple[float, float] | None,
    better: Better | None,
    seed: int,
    force: bool,
) -> tuple[Arm, ...]:
    """Arm of every row, with the same draws of groups never seen."""
    by = by or (fit.groups[0] if len(fit.groups) == 1 else "")
    if by:
        need_group(fit, by)
    return tuple(
        arm_of(
            fit, row, cost=cost, rng=np.random.default_rng(seed), by=by, within=within,
            unique=unique, better=better, force=force,
        )
        for _, row in rows.iterrows()
    )  # fmt: skip


def need_group(fit: Fit, by: str) -> None:
    """Refuse a grouping column that the fit does not have.

    Raises
    ------
    UsageError
    """
    if by not in fit.groups:
        raise UsageError(
            f"there is no grouping column '{by}'; there are {', '.join(fit.groups) or 'none'}"
        )


def need_split(fit: Fit) -> None:
    """Refuse laws that do not say how size and tokens trade, and groups with names of answers.

    Raises
    ------
    UsageError
    """
    law = fit.law
    missing = [k for k in (SIZE, DATA) if k not in law.inputs]
    if missing or law.scheduled:
        raise UsageError(
            f"a budget is split between the size N and the tokens D, and law {law.name} has "
            f"{', '.join(law.inputs)}; fit a law of both, such as chinchilla or skaling"
        )
    taken = [g for g in fit.groups if g in OWN]
    if taken:
        raise UsageError(
            f"the grouping column {taken[0]} has the name of a column of the answer: give the "
            f"column of the table another name, such as {taken[0]}_label, and fit again"
        )


def better_of(fit: Fit) -> Better:
    """Which responses are better: losses that are lower, others as scale makes them."""
    law = fit.law
    if law.response.kind.startswith("loss"):
        return "lower"
    values = {p: jnp.asarray(float(fit.posterior[p].mean())) for p in law.parameters}
    at = {k: jnp.asarray(fit.spec.references.get(k, 0.0)) for k in law.inputs}
    # means at a twice larger scale, and in a chain at a lower loss
    larger = {k: v * 2.0 if law.inputs[k].on_log else v for k, v in at.items()}
    here, there = (law.mean(law.centre(x, fit.spec.references), values) for x in (at, larger))
    return "higher" if bool(jnp.all(there > here)) else "lower"


def _sizes(fit: Fit, within: tuple[float, float] | None) -> tuple[float, float]:
    low, high = fit.spec.ranges[SIZE]
    if within is None:
        return low / REACH, high * REACH
    low, high = map(float, within)
    if not 0 < low < high:
        raise UsageError(f"sizes are to be within {low:g} to {high:g}; the range must go up from 0")
    return low, high


def _corners(fit: Fit, cost: Cost) -> tuple[float, float]:
    (n_low, n_high), (d_low, d_high) = fit.spec.ranges[SIZE], fit.spec.ranges[DATA]
    at = [float(np.median(cost.of(n, d))) for n, d in ((n_low, d_low), (n_high, d_high))]
    return at[0], at[1]
