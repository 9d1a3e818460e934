"""Which run to pay for next, so that a question becomes sharp at the lowest cost."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from bayes_scaling.errors import Finding, UsageError
from bayes_scaling.posterior.fit import Fit

from .candidates import (
    Box,
    Candidates,
    Outlook,
    drawn_from,
    is_box,
    narrowed,
    outlook,
    read_candidates,
    table_from,
)
from .cost import AnyCost
from .explanation import Uncertainty, uncertainty_of
from .goal import Goal
from .information import (
    ENOUGH,
    RELIABLE,
    Question,
    Trust,
    Worth,
    by_weights,
)
from .picking import Chances, Gain, Limits, Plan, State, greedy
from .points import Points, read_points
from .question import Asked

By = Literal["auto", "information", "value"]
RESOLVED = 1e-3  # share of the regret below which gains of a choice are not told apart


@dataclass(frozen=True, eq=False)
class NextRun:
    """Candidates with what they are good for, and the picks among them.

    Attributes
    ----------
    goal : Goal
    answer : str
        What is known now, in words.
    candidates : DataFrame
        One row a candidate: inputs, labels, ``cost``, ``information`` (nats), ``removed``
        (expected share of the variance of the question, mean over its quantities), ``value``
        (expected value of information), ``per_cost`` (that of `by`, per unit of cost),
        ``p_diverges``, ``pareto_k`` and ``effective`` of the weights, ``method`` ("weights" or
        "normal"), ``allowed`` and ``frontier`` (no cheaper candidate is as good).
    picks : DataFrame
        One row a run to pay for, in their order: ``candidate`` (its row), inputs, labels,
        ``cost``, and what is expected of it given the picks before it: ``information``,
        ``removed``, ``value``.
    by : {"information", "value"}
        What was maximised per unit of cost.
    unit : str
        Of costs.
    sds : DataFrame
        One row a quantity: its sd ``now`` and as expected ``after`` all picks (see `Goal`).
    uncertainty : tuple of Uncertainty
        For each pick, where what is not known comes from and what the run removes.
    p_settled : float
        Of a decision: the probability that the choice is safe after the picks; else not a number.
    stop : str
        Why nothing is worth picking; empty where something is.
    warnings : tuple of Finding
    """

    goal: Goal
    answer: str
    candidates: pd.DataFrame
    picks: pd.DataFrame
    by: Gain
    unit: str
    sds: pd.DataFrame
    uncertainty: tuple[Uncertainty, ...] = field(repr=False)
    p_settled: float
    stop: str
    warnings: tuple[Finding, ...]

    def summary(self) -> pd.DataFrame:
        """Return the picks."""
        return self.picks

    def explain(self) -> list[str]:
        """Say why each run was picked: which uncertainty it removes, and what is left."""
        if self.stop:
            return [self.stop]
        lines = [
            own.text(f"pick {i + 1}", float(self.picks["removed"].iloc[i]))
            for i, own in enumerate(self.uncertainty)
        ]
        for row in self.sds.itertuples():
            lines.append(f"{row.quantity}: sd {row.now:.3g} now, {row.after:.3g} expected after")
        if math.isfinite(self.p_settled):
            lines.append(f"the choice is safe after that with probability {self.p_settled:.2f}")
        return lines


def next_run(
    fit: Fit,
    candidates: Points | Box,
    goal: Goal,
    *,
    cost: AnyCost | None = None,
    count: int | None = None,
    budget: float | None = None,
    largest: float | None = None,
    repeats: int | Sequence[int] = 1,
    running: Points | None = None,
    by: By = "auto",
    price: float = 0.0,
    seed: int = 0,
    force: bool = False,
) -> NextRun:
    """Choose runs by what they are expected to tell about a question, per unit of their cost.

    Parameters
    ----------
    fit : Fit
    candidates : points, or mapping of ranges and choices
        A table of runs that could be paid for; a column ``cost`` holds their costs, a column
        ``p_fail`` probabilities that they are lost. Or a box: pairs are ranges of inputs, lists
        are choices, ``{"N": (1e7, 1e9), "D": (1e9, 1e11), "recipe": ["a", "b"]}``.
    goal : Goal
    cost : Cost, Fit, or mapping from recipe to one of these, optional
        ``bs.six_nd`` by default, where candidates have no column of costs; also of an
        allocation's and a decision's budget.
    count : int, optional
        Runs to pick: one by default, and with a budget as many as it buys.
    budget : float, optional
        Cost of all picks at most.
    largest : float, optional
        Cost of a single run at most.
    repeats : int or sequence of int
        How often a candidate may be picked, or each of them.
    running : points, optional
        Runs that are under way: what they will tell is taken as known.
    by : {"auto", "information", "value"}
        What is maximised per unit of cost. Information about the quantities; or the value of
        information, of choices how much more the best one is worth once the run is seen. By
        default value for choices, unless no single run can turn them, else information.
    price : float
        Of a unit of cost, in the unit of the value: what is worth less than it costs is not
        picked.
    seed : int
    force : bool
        Answer even if the fit's diagnostics are poor.

    Returns
    -------
    NextRun

    Raises
    ------
    UsageError
        If candidates, the goal or constraints are wrong, or the fit caps its evidence.
    FitError
        If the fit's diagnostics are poor and `force` is not set.

    Notes
    -----
    Expected information is that of Lindley 1956 about the quantities asked for and not the
    parameters; value for choices is the knowledge gradient (Frazier et al. 2009). The first
    pick is weighed by reweighting the draws where Pareto k allows it (Vehtari et al. 2024),
    later ones and the others as jointly normal, given the picks before (Matheron's rule).
    """
    _check(fit, count, budget, largest, repeats, price, by)
    asked = Asked(fit, goal, cost, seed=seed, force=force)
    pool, seen = _pool(fit, candidates, asked, cost, running, seed, force)
    first, trust = _worth(seen, asked.question, seed)
    lost = _diverges(seen)
    chosen = _chosen(by, asked, first.value)
    # weights know what a diverged run tells; as a normal observation it tells nothing
    later = (1.0 - pool.failure) * (1.0 - lost)
    share = np.where(trust.good, 1.0 - pool.failure, later)
    each = np.broadcast_to(repeats, len(pool))
    most = count or (1 if budget is None else int(each.sum()))
    limits = Limits(most, budget, largest, each)
    plan = greedy(seen, asked, first, pool, Chances(share, later), limits, chosen, price, seed)
    gain = share * (first.information if chosen == "information" else first.value)
    table = pool.points.assign(
        cost=pool.cost,
        information=first.information * share,
        removed=(1.0 - first.kept).mean(axis=1) * share,
        value=first.value * share,
        per_cost=gain / pool.cost,
        p_diverges=lost,
        pareto_k=trust.pareto_k,
        effective=trust.effective,
        method=np.where(trust.good, "weights", "normal"),
        allowed=limits.allows(pool.cost, 0.0),
        frontier=frontier(pool.cost, gain),
    )
    return NextRun(
        goal=goal,
        answer=asked.answer,
        candidates=table,
        picks=_picks(plan, pool),
        by=chosen,
        unit=pool.unit,
        sds=pd.DataFrame(
            {"quantity": asked.question.names, "now": asked.sds, "after": asked.sds * plan.shrink}
        ),
        uncertainty=uncertainty_of(fit, asked.question, plan.observed),
        p_settled=plan.p_settled,
        stop=_stop(asked, plan, limits, pool, price),
        warnings=_warnings(trust),
    )


def _picks(plan: Plan, pool: Candidates) -> pd.DataFrame:
    rows = [step.candidate for step in plan.steps]
    picks = pool.points.iloc[rows].reset_index(drop=True)
    picks.insert(0, "candidate", rows)
    for name in ("cost", "information", "removed", "value"):
        picks[name] = [getattr(step, name) for step in plan.steps]
    return picks


def frontier(
    cost: Float[np.ndarray, " candidate"], gain: Float[np.ndarray, " candidate"]
) -> Bool[np.ndarray, " candidate"]:
    """Candidates than which none is as cheap and better, or as good and cheaper."""
    order = np.lexsort((-gain, cost))
    best = np.maximum.accumulate(gain[order])
    first = np.r_[True, best[1:] > best[:-1]]
    found = np.zeros(len(cost), dtype=bool)
    found[order[first]] = True
    return found


def _pool(
    fit: Fit, candidates: Points | Box, asked: Asked, cost: AnyCost | None,
    running: Points | None, seed: int, force: bool,
) -> tuple[Candidates, Outlook]:  # fmt: skip
    """Candidates, and what they would be seen to reach given the runs under way."""
    table = table_from(fit, candidates, seed)
    pool = read_candidates(fit, table, cost, force=force)
    if is_box(candidates):
        box: Any = candidates
        worth, _ = _worth(outlook(fit, pool.points, seed), asked.question, seed)
        best = int(np.argmax(worth.information / pool.cost))
        smaller = narrowed(fit, box, dict(pool.points.iloc[best]))
        extra = drawn_from(fit, smaller, seed + 1, len(pool) // 4)
        pool = read_candidates(fit, pd.concat([table, extra], ignore_index=True), cost, force=force)
    if running is None:
        return pool, outlook(fit, pool.points, seed)
    under_way = read_points(fit, running)
    both = pd.concat([pool.points, under_way], ignore_index=True)
    seen, count = outlook(fit, both, seed), len(pool)
    state = State(seen, asked.question, np.random.default_rng([seed, 2]))
    for k in range(count, len(both)):
        state.see(k)
    asked.question = state.question
    spread = None if seen.spread is None else seen.spread[:, :count]
    latent = state.latent[:, :count] + seen.latent[:, :count].mean(axis=0)
    return pool, Outlook(latent, spread, seen.nu, seen.noise[:count], seen.bound)


def _worth(seen: Outlook, question: Question, seed: int) -> tuple[Worth, Trust]:
    """Value candidates by weights where these can be trusted."""
    normal = State(seen, question, np.random.default_rng(seed)).worth()
    if seen.spread is None:
        unknown = np.full(len(normal.value), np.nan)
        return normal, Trust(unknown, unknown)
    weighed, trust = by_weights(seen, question, np.random.default_rng(seed))
    return Worth(
        np.where(trust.good, np.maximum(weighed.information, 0.0), normal.information),
        np.where(trust.good[:, None], np.clip(weighed.kept, 0.0, 1.0), normal.kept),
        np.where(trust.good, weighed.value, normal.value),
    ), trust


def _diverges(seen: Outlook) -> Float[np.ndarray, " candidate"]:
    """Chance that a run ends above the bound, where all that is seen is that it does."""
    if not math.isfinite(seen.bound):
        return np.zeros(seen.latent.shape[1])
    return np.asarray((seen.latent > seen.bound).mean(axis=0))


def _chosen(by: By, asked: Asked, value: np.ndarray) -> Gain:
    if by != "auto":
        return by
    if not asked.question.choices.shape[1]:
        return "information"
    return "value" if value.max() > RESOLVED * asked.regret else "information"


def _check(
    fit: Fit,
    count: int | None,
    budget: float | None,
    largest: float | None,
    repeats: int | Sequence[int],
    price: float,
    by: str,
) -> None:
    if fit.spec.effective_runs is not None:
        raise UsageError(
            "a fit with effective_runs caps what runs tell, so that it cannot say what one more "
            "would: fit without it"
        )
    if by not in get_args(By):
        raise UsageError(f"by is '{by}'; it must be one of {', '.join(get_args(By))}")
    for name, value in (("count", count), ("repeats", repeats)):
        if value is not None and np.min(value) < 1:
            raise UsageError(f"{name} is {value}; it must be one or more")
    for name, limit in (("budget", budget), ("largest", largest)):
        if limit is not None and not (math.isfinite(limit) and limit > 0):
            raise UsageError(f"{name} is {limit}; it must be a positive cost")
    if not (math.isfinite(price) and price >= 0):
        raise UsageError(f"price is {price}; it must be zero or positive")


def _stop(asked: Asked, plan: Plan, limits: Limits, pool: Candidates, price: float) -> str:
    if asked.settled:
        return f"settled: {asked.answer}"
    if plan.steps:
        return ""
    if plan.worthless and price:
        return "no candidate is worth what it costs"
    if plan.worthless:
        return "no candidate tells anything about the question that can be told from chance"
    cheapest = float(pool.cost.min())
    return f"no candidate can be paid for: the cheapest costs {cheapest:.3g} {pool.unit}".rstrip()


def _warnings(trust: Trust) -> tuple[Finding, ...]:
    poor = int((~trust.good & np.isfinite(trust.pareto_k)).sum())
    if not poor:
        return ()
    return (
        Finding(
            "normal-approximation",
            "info",
            f"{poor} of {len(trust.good)} candidates lie where too few draws are for reweighting "
            f"(Pareto k of {RELIABLE} or more, or fewer than {ENOUGH:g} effective draws): they are "
            f"valued as jointly normal with the question",
        ),
    )
