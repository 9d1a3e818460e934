"""Draws of what a goal asks: the quantities, and what every choice is worth."""

from __future__ import annotations

import functools

import numpy as np
from jaxtyping import Float

from bayes_scaling.errors import UsageError
from bayes_scaling.posterior.fit import Fit
from bayes_scaling.program.noise import Noise

from .allocate import allocate
from .cost import AnyCost, six_nd
from .decide import Decision, decide
from .forecast import draw_responses
from .goal import Goal, words_of
from .information import Question
from .points import need_usable, read_points
from .tune import tune

CHOICES = 25  # sizes, or settings, among which an allocation or a tuning is made
CENTRAL = 0.99  # of the draws of the best size are covered by them


class Asked:
    """A goal asked of a fit: its draws, and whether it is settled.

    Attributes
    ----------
    goal : Goal
    question : Question
    answer : str
        What is known now, in words.
    settled : bool
    """

    def __init__(self, fit: Fit, goal: Goal, cost: AnyCost | None, *, seed: int, force: bool):
        need_usable(fit, force)
        self.goal = goal
        make = {
            "forecast": self._forecast,
            "allocation": self._allocation,
            "tuning": self._tuning,
            "decision": self._decision,
        }[goal.asks]
        self.decision: Decision | None = None
        self.question, self.answer = make(fit, six_nd if cost is None else cost, seed, force)

    @functools.cached_property
    def sds(self) -> Float[np.ndarray, " quantity"]:
        """Standard deviation of every quantity."""
        return self.question.values.std(axis=0, ddof=1)

    @functools.cached_property
    def settled(self) -> bool:
        """Whether the choice is safe, or the quantities are as precise as asked."""
        if self.decision is not None:
            return self.decision.settled
        return self.goal.precision is not None and bool((self.sds <= self.goal.precision).all())

    @property
    def regret(self) -> float:
        """What is lost on average by choosing now; zero where nothing is chosen."""
        worth = self.question.choices
        best_now = worth.mean(axis=0).max(axis=1) if worth.shape[1] else np.zeros(0)
        return float((worth.max(axis=2).mean(axis=0) - best_now).sum()) if worth.shape[1] else 0.0

    def _forecast(self, fit: Fit, cost: AnyCost, seed: int, force: bool) -> tuple[Question, str]:
        table = read_points(fit, list(self.goal.at))
        rng = np.random.default_rng(seed)
        values = draw_responses(fit, table, self.goal.kind, "response", rng)
        noise = fit.structure.noise
        on_log = isinstance(noise, Noise) and noise.on_log
        middle, sd = np.median(values, axis=0), values.std(axis=0, ddof=1)
        words = "; ".join(f"{m:.4g} (sd {s:.2g})" for m, s in zip(middle, sd, strict=True))
        whose = ("log of " if on_log else "") + fit.record.response
        names = tuple(f"{whose} at {words_of(p)}" for p in self.goal.at)
        scaled = np.log(values) if on_log else values
        unit = middle if on_log else np.ones(len(names))
        return Question(names, scaled, unit, _nothing(values)), words

    def _allocation(self, fit: Fit, cost: AnyCost, seed: int, force: bool) -> tuple[Question, str]:
        at = list(self.goal.at) or None
        found = allocate(
            fit, list(self.goal.budget), at=at, cost=cost, by=self.goal.by, seed=seed, force=force
        )
        size = found.size.transpose("sample", "point").to_numpy()
        ends = 0.5 + np.array([-0.5, 0.5]) * CENTRAL
        worth = []
        for k, arm in enumerate(found.arms):
            low, high = np.quantile(size[:, k], ends)
            tried = np.geomspace(low, max(high, low * (1 + 1e-9)), CHOICES)[None]
            reached = np.asarray(arm.loss(tried, arm.tokens(tried, found.points["budget"][k])))
            worth.append(-np.where(np.isnan(reached), np.inf, reached))
        names = tuple(f"log N* at {row['budget']:.3g}" for _, row in found.points.iterrows())
        middle = "; ".join(f"N* {v:.3g}" for v in np.median(size, axis=0))
        question = Question(names, np.log(size), np.ones(len(names)), np.stack(worth, axis=1))
        return question, middle

    def _tuning(self, fit: Fit, cost: AnyCost, seed: int, force: bool) -> tuple[Question, str]:
        found = tune(fit, list(self.goal.at), seed=seed, force=force)
        logs = np.log(found.best.transpose("sample", "point", "setting").to_numpy())
        least = np.log(found.loss.to_numpy())
        chosen = np.linspace(0, len(logs) - 1, CHOICES - 1).astype(int)
        worth = []
        for k, surface in enumerate(found.surfaces):
            advised = found.recommended.to_numpy()[k][None]
            tried = surface.box.logs(np.concatenate([advised, np.exp(logs[chosen, k])]))
            worth.append(-np.expm1(surface.log_means(tried) - least[:, [k]]))
        names = tuple(
            f"log best {name} at {words_of(dict(p))}"
            for _, p in found.points.iterrows()
            for name in found.settings
        )
        question = Question(
            names, logs.reshape(len(logs), -1), np.ones(len(names)), np.stack(worth, axis=1)
        )
        words = "; ".join(
            f"{k} {v:.3g}" for own in found.recommended.to_numpy() for k, v in
            zip(found.settings, own, strict=True)
        )  # fmt: skip
        return question, words

    def _decision(self, fit: Fit, cost: AnyCost, seed: int, force: bool) -> tuple[Question, str]:
        goal = self.goal
        found = decide(
            fit, list(goal.at) or None, budget=goal.budget[0] if goal.budget else None,
            recipes=goal.recipes or None, by=goal.by, kind=goal.kind, rope=goal.rope,
            confidence=goal.confidence, cost=cost if goal.budget else None, seed=seed, force=force,
        )  # fmt: skip
        self.decision = found
        worth, recipes = found.worth, found.comparison.recipes
        if len(recipes) < 2:
            raise UsageError("a decision is one between two recipes or more")
        verdicts = found.verdicts()
        values, names = [], []
        for k, leader in enumerate(verdicts["choice"]):
            first = recipes.index(leader)
            for r, recipe in enumerate(recipes):
                if r != first:
                    values.append(worth[:, k, r] - worth[:, k, first])
                    names.append(f"{recipe} less {leader}")
        question = Question(
            tuple(names), np.column_stack(values), np.ones(len(names)), np.asarray(worth)
        )
        return question, "; ".join(verdicts["verdict"])


def _nothing(values: np.ndarray) -> Float[np.ndarray, "sample none one"]:
    return np.zeros((len(values), 0, 1))
