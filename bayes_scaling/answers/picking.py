"""Picking runs one after the other, each given what those before it are expected to show."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.special import ndtri

from .candidates import Candidates, Outlook
from .information import Question, Worth, by_normal, conditioned
from .question import Asked

FUTURES = 64  # ways in which earlier picks may turn out
MANY = 20  # choices from which a quarter of them must do
LEAST = 10.0  # over the number of draws: nats that draws by chance seem to tell
MATTERS = 0.05  # share of the largest gain below which a run is not worth its trouble

Gain = Literal["information", "value"]


class Chances(NamedTuple):
    """Probability that a run tells what it is valued at: as the first pick, and as a later one."""

    first: Float[np.ndarray, " candidate"]
    later: Float[np.ndarray, " candidate"]


@dataclass(frozen=True)
class Limits:
    """What can be paid for: how many runs, the cost of all and of one, how often each."""

    count: int
    budget: float | None
    largest: float | None
    each: Int[np.ndarray, " candidate"]

    def allows(self, cost: np.ndarray, spent: float) -> Bool[np.ndarray, " candidate"]:
        """Which candidates can still be paid for."""
        allowed = np.ones(len(cost), dtype=bool)
        if self.largest is not None:
            allowed &= cost <= self.largest
        if self.budget is not None:
            allowed &= cost <= (self.budget - spent) * (1 + 1e-12)
        return allowed


@dataclass(frozen=True)
class Step:
    """A pick, with what is expected of it given those before."""

    candidate: int
    cost: float
    information: float
    removed: float
    value: float


@dataclass(eq=False)
class Plan:
    """Picks, what they are seen to reach in every draw, and what is left afterwards."""

    steps: list[Step]
    observed: list[Float[np.ndarray, " sample"]]
    shrink: Float[np.ndarray, " quantity"]
    p_settled: float
    worthless: bool = False


class State:
    """Draws given the picks so far, and what choices may then be expected to be worth."""

    def __init__(self, seen: Outlook, question: Question, rng: np.random.Generator):
        self.latent = seen.latent - seen.latent.mean(axis=0)
        self.noise = seen.noise
        self.question = question
        self.rng = rng
        futures = FUTURES if question.choices.shape[2] < MANY else FUTURES // 4
        self.means = np.repeat(question.choices.mean(axis=0)[None], futures, axis=0)
        self.fresh = True

    def see(self, candidate: int) -> np.ndarray:
        """Condition on a run that is paid for; return what it is seen to reach."""
        own = np.sqrt(self.noise[candidate]) * self.rng.normal(size=len(self.latent))
        seen = self.latent[:, candidate] + own
        centred = seen - seen.mean()
        choices = self.question.choices
        slope = np.tensordot(centred, choices, axes=(0, 0)) / (centred @ centred) * centred.std()
        turned = self.rng.permutation(_normal_quantiles(len(self.means)))
        self.means = self.means + turned[:, None, None] * slope
        self.latent = conditioned(self.latent, seen)
        self.question = self.question._replace(
            values=conditioned(self.question.values, seen), choices=conditioned(choices, seen)
        )
        self.fresh = False
        return np.asarray(seen)

    def worth(self) -> Worth:
        """Value every candidate given the picks so far."""
        means = self.means[:1] if self.fresh else self.means
        return by_normal(self.latent, self.noise, self.question, means)


def greedy(
    seen: Outlook, asked: Asked, first: Worth, pool: Candidates, chances: Chances,
    limits: Limits, by: Gain, price: float, seed: int,
) -> Plan:  # fmt: skip
    """Pick one run after the other; of two ways with a budget, the better one.

    A run that tells next to nothing may have the best ratio by costing next to nothing: it must
    tell a share of what the best one does.

    The best gain per cost spends a budget badly where one dear run is worth all of it, and the
    best gain where many cheap ones are (Krause and Golovin 2014, section 3.2).
    """

    def walk(per_cost: bool) -> Plan:
        state = State(seen, asked.question, np.random.default_rng([seed, 1]))
        plan = Plan([], [], np.ones(len(asked.sds)), math.nan)
        left, spent = limits.each.copy(), 0.0
        worth, share = first, chances.first
        while not asked.settled and len(plan.steps) < limits.count:
            allowed = limits.allows(pool.cost, spent) & (left > 0)
            gain = (worth.information if by == "information" else worth.value) * share
            gain = np.where(allowed, gain, -np.inf)
            worthwhile = allowed & (worth.information * share >= LEAST / len(state.latent))
            worthwhile &= (gain >= MATTERS * gain.max()) & (gain > 0)
            worthwhile &= worth.value * share >= price * pool.cost
            if not worthwhile.any():
                plan.worthless = bool(allowed.any())
                break
            score = np.where(worthwhile, gain / pool.cost if per_cost else gain, -np.inf)
            best = int(np.argmax(score))
            plan.steps.append(
                Step(
                    best,
                    float(pool.cost[best]),
                    float(worth.information[best] * share[best]),
                    float((1.0 - worth.kept[best]).mean() * share[best]),
                    float(worth.value[best] * share[best]),
                )
            )
            spent, left[best] = spent + pool.cost[best], left[best] - 1
            plan.observed.append(state.see(best))
            if len(plan.steps) < limits.count:
                worth, share = state.worth(), chances.later
        plan.shrink = state.question.values.std(axis=0) / np.where(
            asked.sds > 0, asked.question.values.std(axis=0), 1.0
        )
        plan.p_settled = _p_settled(asked, state)
        return plan

    plan = walk(per_cost=True)
    if limits.budget is None or not plan.steps:
        return plan
    other = walk(per_cost=False)
    return max((plan, other), key=lambda own: sum(getattr(step, by) for step in own.steps))


def _p_settled(asked: Asked, state: State) -> float:
    """Share of the ways in which the picks may turn out that make the choice safe."""
    if asked.decision is None:
        return math.nan
    left = state.question.choices - state.question.choices.mean(axis=0)
    settled = []
    for means in state.means:
        worth = left + means
        short = worth.max(axis=2, keepdims=True) - worth
        best = short.mean(axis=0).argmin(axis=1)
        safe = (short <= asked.goal.rope).mean(axis=0)
        settled.append((safe[np.arange(len(best)), best] >= asked.goal.confidence).all())
    return float(np.mean(settled))


def _normal_quantiles(count: int) -> Float[np.ndarray, " count"]:
    return np.asarray(ndtri((np.arange(count) + 0.5) / count))
