"""Which runs to begin with, when there are none to learn from: planned from the prior."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from bayes_scaling.errors import UsageError
from bayes_scaling.posterior.model import ScalingModel
from bayes_scaling.posterior.prior import prior_fit
from bayes_scaling.runs import read_runs

from .arm import DATA, SIZE
from .candidates import COST, FAILURE
from .cost import AnyCost, Cost, six_nd
from .goal import Goal
from .next_run import By, NextRun, next_run
from .points import Points, as_table

PER_BUDGET, RATIO, SPAN = 7, 20.0, 16.0


def isoflop_grid(
    budgets: Sequence[float],
    *,
    per_budget: int = PER_BUDGET,
    ratio: float = RATIO,
    span: float = SPAN,
    cost: Cost = six_nd,
) -> pd.DataFrame:
    """Sizes around the usual best one at several budgets, each trained on what the budget leaves.

    Parameters
    ----------
    budgets : sequence of float
        In the unit of the cost.
    per_budget : int
        Sizes at each.
    ratio : float
        Tokens per parameter in the middle.
    span : float
        Largest size over the smallest, at each budget.
    cost : Cost

    Returns
    -------
    DataFrame
        ``N``, ``D`` and ``cost``, budget by budget.

    Raises
    ------
    UsageError
        If a number is out of range.

    Notes
    -----
    The isoFLOP profiles of Hoffmann et al. 2022, section 3.2.
    """
    given = np.atleast_1d(np.asarray(budgets, dtype=float))
    if not (len(given) and np.isfinite(given).all() and (given > 0).all()):
        raise UsageError("budgets must be positive numbers, at least one, such as [1e18, 1e19]")
    if per_budget < 1 or not ratio > 0 or not span >= 1:
        raise UsageError("a grid has one size or more a budget, a ratio above 0 and a span from 1")
    tables = []
    for budget in given:
        tried = np.geomspace(1e3, 1e15, 4001)
        tokens = np.asarray(cost.tokens(tried, budget))
        off = np.where(np.isfinite(tokens), np.abs(np.log(tokens / (ratio * tried))), np.inf)
        middle = tried[int(np.argmin(off))]
        sizes = middle * np.geomspace(span**-0.5, span**0.5, per_budget)
        data = np.asarray(cost.tokens(sizes, budget))
        tables.append(pd.DataFrame({SIZE: sizes, DATA: data, COST: budget})[np.isfinite(data)])
    return pd.concat(tables, ignore_index=True)


def first_runs(
    model: ScalingModel,
    candidates: Points,
    goal: Goal,
    expected: tuple[float, float],
    *,
    groups: Sequence[str] = (),
    cost: AnyCost | None = None,
    count: int | None = None,
    budget: float | None = None,
    largest: float | None = None,
    by: By = "auto",
    seed: int = 0,
) -> NextRun:
    """Plan a first batch from the prior, when nothing has been run yet.

    Parameters
    ----------
    model : ScalingModel
        With priors learned from public suites (``prior="population"``) a plan knows what
        scaling laws usually look like.
    candidates : table or sequence of mappings
        As of `next_run`, such as an `isoflop_grid`.
    goal : Goal
    expected : (float, float)
        Roughly the best and the worst response of the candidates, in their unit: they set the
        scale of the priors.
    groups : sequence of str
        Columns of the candidates that are grouping columns, such as the recipe.
    cost, count, budget, largest, by, seed
        As of `next_run`.

    Returns
    -------
    NextRun

    Raises
    ------
    UsageError
        If candidates, the goal or the expected responses are wrong.
    """
    low, high = map(float, expected)
    if not (np.isfinite([low, high]).all() and low < high):
        raise UsageError(
            f"expected is {low:g} to {high:g}; it is the best and the worst response, going up"
        )
    table = as_table(candidates)
    inputs = [k for k in model.law.inputs if k in table]
    place = np.zeros(len(table))
    for name in inputs:
        if model.law.inputs[name].on_log and not model.law.inputs[name].setting:
            place += np.log(table[name].to_numpy(dtype=float))
    order = np.argsort(np.argsort(-place)) / max(len(table) - 1, 1)
    falls = model.law.response.kind == "loss"
    shares = order if falls else 1.0 - order
    planned = table.drop(columns=[COST, FAILURE], errors="ignore").assign(
        response=low + (high - low) * shares
    )
    runs = read_runs(
        planned, inputs={k: k for k in inputs}, response="response", group=list(groups)
    )
    return next_run(
        prior_fit(model, runs, seed=seed), table, goal, cost=cost, count=count, budget=budget,
        largest=largest, by=by, seed=seed, force=True,
    )  # fmt: skip
