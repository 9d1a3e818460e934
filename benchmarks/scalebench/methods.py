"""Ways to choose runs: three that look at costs alone, and three that look at a fit.

All buy on one shopping trip: what is bought within a budget is kept when the next larger one is
spent. The three that look at a fit begin with draws of the prior and go on with those of the
posterior: each budget is spent in rounds, with a fit after each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

import bayes_scaling as bs
from bayes_scaling.answers.forecast import draw_responses
from bayes_scaling.answers.picking import MATTERS
from bayes_scaling.answers.points import read_points
from bayes_scaling.posterior.fit import Fit
from bayes_scaling.posterior.nuts import Settings
from bayes_scaling.posterior.refit import refit
from bayes_scaling.program.noise import Noise

from .tasks import Problem

SETTINGS = Settings(chains=4, draws=250, warmup=300, target_accept=0.9, max_depth=8, window=50)
# shares of the first budget, and of what each later one adds, that are spent by each round
FIRST, LATER = (0.05, 0.2, 0.5, 1.0), (0.5, 1.0)
POINTS, CANDIDATES = 40, 600  # at most: test points that are asked for, runs that are valued
BY = "information"
TOGETHER = 2  # picks a step of runs that have a row on each domain
IQR_OF_NORMAL = 1.349

type Gain = Callable[[np.ndarray, np.ndarray, np.ndarray], Float[np.ndarray, " run"]]
type Chooser = Callable[[Problem, Fit, pd.DataFrame, float, int], list[int]]


def fitted(problem: Problem, bought: list[int], near: Fit, seed: int) -> Fit:
    """Fit what was bought under the priors of the task, from where another fit ended."""
    chosen = problem.pool["run"].isin(bought).to_numpy()
    return refit(near, problem.runs.select(chosen), seed=seed, settings=SETTINGS)


def trip(problem: Problem, method: str, seed: int) -> Iterator[tuple[float, list[int], Fit]]:
    """Go through the budgets; after each its share, what has been bought by then, and the fit."""
    shop = by_cost if method in ORDERS else by_fit
    yield from shop(problem, method, seed)


def by_cost(problem: Problem, method: str, seed: int) -> Iterator[tuple[float, list[int], Fit]]:
    """Buy in an order that costs give, leaving out what cannot be paid for."""
    order = ORDERS[method](problem.cost, np.random.default_rng(seed))
    bought: list[int] = []
    fit = problem.prior
    for share, budget in zip(problem.task.budgets, problem.budgets, strict=True):
        left = budget - problem.cost[bought].sum()
        for run in order:
            if run not in bought and problem.cost[run] <= left:
                bought.append(int(run))
                left -= problem.cost[run]
        fit = fitted(problem, bought, fit, seed)
        yield share, bought, fit


def by_fit(problem: Problem, method: str, seed: int) -> Iterator[tuple[float, list[int], Fit]]:
    """Buy what a fit makes worth buying, fit again, and so on."""
    choose = CHOOSERS[method]
    bought: list[int] = []
    fit, before = problem.prior, 0.0
    for share, budget in zip(problem.task.budgets, problem.budgets, strict=True):
        rounds = LATER if before else FIRST
        for k, part in enumerate(rounds):
            left = before + part * (budget - before) - problem.cost[bought].sum()
            rows = _candidates(problem, bought, left, seed)
            picks = choose(problem, fit, rows, left, seed) if (rows["cost"] <= left).any() else []
            bought += picks
            if picks or k == len(rounds) - 1:
                fit = fitted(problem, bought, fit, seed)
        before = budget
        yield share, bought, fit


def _candidates(problem: Problem, bought: list[int], left: float, seed: int) -> pd.DataFrame:
    """Rows of the runs, or of some of them; what has been bought costs too much.

    There are as many in every round, so that programs are compiled once.
    """
    cost = problem.cost.copy()
    cost[bought] = 2.0 * left
    order = np.random.default_rng([seed, len(bought)]).permutation(len(cost))
    runs = order[np.argsort(cost[order] > left, kind="stable")][:CANDIDATES]
    rows = problem.pool[problem.pool["run"].isin(runs)]
    return rows.assign(cost=cost[rows["run"]]).reset_index(drop=True)


def asked(problem: Problem, seed: int) -> pd.DataFrame:
    """Points of the question: inputs of the test part, or of some of it."""
    points = problem.test[problem.columns]
    if len(points) <= POINTS:
        return points
    rows = np.random.default_rng(seed).choice(len(points), POINTS, replace=False)
    return points.iloc[np.sort(rows)].reset_index(drop=True)


def next_runs(
    problem: Problem, fit: Fit, rows: pd.DataFrame, budget: float, seed: int
) -> list[int]:
    """`bs.next_run` for the forecast of the test part."""
    goal = bs.Goal("forecast", at=asked(problem, seed))
    candidates = rows[[*problem.columns, "cost"]]
    if rows["run"].is_unique:
        found = bs.next_run(fit, candidates, goal, budget=budget, by=BY, seed=seed, force=True)
        return rows["run"].iloc[found.picks["candidate"]].tolist()
    picks: list[int] = []
    while True:
        paid = problem.cost[picks].sum()
        running = rows[rows["run"].isin(picks)][problem.columns]
        found = bs.next_run(
            fit, candidates, goal, running=running if picks else None, by=BY, seed=seed, force=True
        )
        # a run is seen on all domains
        gain = found.candidates[BY].groupby(rows["run"]).sum().drop(picks)
        gain = gain[(rows.groupby("run")["cost"].first() <= budget)[gain.index]]
        for run in gain.sort_values(ascending=False).index[:TOGETHER]:
            if paid + problem.cost[run] > budget:
                return picks
            picks.append(int(run))
            paid += problem.cost[run]
        if not len(gain):
            return picks


def optimal(gain: Gain) -> Chooser:
    """Greedy optimal design; draws of a fit taken as jointly normal."""

    def choose(
        problem: Problem, fit: Fit, rows: pd.DataFrame, budget: float, seed: int
    ) -> list[int]:
        rows = rows.sort_values("run", kind="stable")
        points = pd.concat([rows[problem.columns], asked(problem, seed)], ignore_index=True)
        means, noise = normal_draws(fit, points, seed)
        covariance = np.cov(means.T)
        runs, first = np.unique(rows["run"], return_index=True)
        block = first[:, None] + np.arange(len(rows) // len(runs))
        cost = rows["cost"].to_numpy()[first]
        plans = [
            walk(gain, covariance, noise, block, cost, budget, per_cost)
            for per_cost in (True, False)
        ]
        best, _ = max(plans, key=lambda plan: plan[1])
        return [int(runs[k]) for k in best]

    return choose


def walk(
    gain: Gain, covariance: np.ndarray, noise: np.ndarray, block: Int[np.ndarray, "run row"],
    cost: np.ndarray, budget: float, per_cost: bool,
) -> tuple[list[int], float]:  # fmt: skip
    """Pick runs one after the other by their gain, or their gain per cost, as `bs.next_run` does.

    Returns
    -------
    (list of int, float)
        The picks and the sum of their gains.
    """
    picks: list[int] = []
    whole, left = 0.0, budget
    while True:
        own = gain(covariance, noise, block)
        own[[*picks]] = 0.0
        own = np.where(cost <= left, own, 0.0)
        worthwhile = (own >= MATTERS * own.max()) & (own > 0)
        if not worthwhile.any():
            return picks, whole
        best = int(np.argmax(np.where(worthwhile, own / cost if per_cost else own, -np.inf)))
        seen = block[best]
        across = covariance[:, seen]
        within = covariance[np.ix_(seen, seen)] + np.diag(noise[seen])
        covariance = covariance - across @ np.linalg.solve(within, across.T)
        picks.append(best)
        whole, left = whole + float(own[best]), left - cost[best]


def about_parameters(
    covariance: np.ndarray, noise: np.ndarray, block: np.ndarray
) -> Float[np.ndarray, " run"]:
    """D-optimality: nats that a run tells about the parameters, the law being given by them."""
    within = covariance[block[:, :, None], block[:, None, :]]
    ratio = within / noise[block][:, None, :]
    return 0.5 * np.linalg.slogdet(np.eye(block.shape[1]) + ratio)[1]


def about_points(
    covariance: np.ndarray, noise: np.ndarray, block: np.ndarray
) -> Float[np.ndarray, " run"]:
    """V-optimality: by how much a run makes the variances of the means at the test points less."""
    within = covariance[block[:, :, None], block[:, None, :]]
    within = within + noise[block][:, :, None] * np.eye(block.shape[1])
    across = covariance[block.max() + 1 :][:, block].transpose(1, 2, 0)
    return np.einsum("rkt,rkt->r", across, np.linalg.solve(within, across))


def normal_draws(
    fit: Fit, points: pd.DataFrame, seed: int
) -> tuple[Float[np.ndarray, "sample point"], Float[np.ndarray, " point"]]:
    """Draws of the mean at points on the scale of the noise, and the variance of the noise.

    The variance is that of a normal distribution with the quartiles of the noise.
    """
    table = read_points(fit, points)
    mean, new = (
        draw_responses(fit, table, kind, "response", np.random.default_rng(seed))
        for kind in ("mean", "new-run")
    )
    noise = fit.structure.noise
    if isinstance(noise, Noise) and noise.on_log:
        mean, new = np.log(mean), np.log(new)
    low, high = np.quantile(new - mean, [0.25, 0.75], axis=0)
    return mean, ((high - low) / IQR_OF_NORMAL) ** 2


def _random(cost: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return rng.permutation(len(cost))


def _cheapest(cost: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.argsort(cost, kind="stable")


def _cost_weighted(cost: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One after the other with probability in proportion to 1 / cost, by Gumbel's maxima."""
    return np.argsort(np.log(cost) - rng.gumbel(size=len(cost)))


ORDERS = {"random": _random, "cheapest": _cheapest, "cost-weighted": _cost_weighted}
CHOOSERS: dict[str, Chooser] = {
    "ours": next_runs,
    "D-optimal": optimal(about_parameters),
    "V-optimal": optimal(about_points),
}
METHODS = (*CHOOSERS, *ORDERS)
ONCE = ("cheapest",)  # no draw plays a part
