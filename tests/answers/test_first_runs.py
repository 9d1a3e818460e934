"""First runs: isoFLOP grids, and plans from the prior."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from bayes_scaling import make_model
from bayes_scaling.answers import Cost
from bayes_scaling.answers.first_runs import first_runs, isoflop_grid
from bayes_scaling.answers.goal import Goal
from bayes_scaling.answers.next_run import NextRun
from bayes_scaling.errors import UsageError
from bayes_scaling.posterior import ScalingModel

GOAL = Goal("forecast", at={"N": 7e9, "D": 1.4e11})
EXPECTED = (2.2, 3.2)


# -- grids


def test_a_grid_spends_every_budget_around_the_usual_ratio() -> None:
    grid = isoflop_grid([1e18, 1e20], per_budget=5, ratio=20.0, span=16.0)
    assert list(grid) == ["N", "D", "cost"]
    assert grid["cost"].tolist() == [1e18] * 5 + [1e20] * 5
    np.testing.assert_allclose(6 * grid["N"] * grid["D"], grid["cost"], rtol=1e-6)
    for _, own in grid.groupby("cost"):
        middle = own.iloc[2]
        assert middle["D"] / middle["N"] == pytest.approx(20.0, rel=0.02)
        assert own["N"].iloc[-1] / own["N"].iloc[0] == pytest.approx(16.0)
        np.testing.assert_allclose(np.diff(np.log(own["N"])), np.log(16.0) / 4)


def test_a_grid_follows_its_cost() -> None:
    cost = Cost(overhead=1e9, fixed=1e17)
    grid = isoflop_grid([1e18], cost=cost)
    assert len(grid) == 7
    np.testing.assert_allclose(cost.of(grid["N"], grid["D"]), 1e18, rtol=1e-5)
    # sizes that leave nothing for tokens are left out
    served = isoflop_grid([1e18], cost=Cost(served=2e8), span=1e4)
    assert 0 < len(served) < 7
    assert (served["D"] > 0).all()


@pytest.mark.parametrize(
    ("budgets", "options", "message"),
    [
        ([], {}, "budgets must be positive numbers, at least one"),
        ([1e18, -1.0], {}, "budgets must be positive numbers"),
        ([np.nan], {}, "budgets must be positive numbers"),
        ([1e18], {"per_budget": 0}, "a grid has one size or more a budget"),
        ([1e18], {"ratio": 0.0}, "a grid has one size or more a budget, a ratio above 0"),
        ([1e18], {"span": 0.5}, "and a span from 1"),
    ],
)
def test_grids_of_nothing_are_refused(
    budgets: list[float], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        isoflop_grid(budgets, **options)


# -- plans


@pytest.fixture(scope="module")
def model() -> ScalingModel:
    found = make_model(
        "chinchilla", prior="population", noise="lognormal", discrepancy=False, rung=False
    )
    assert isinstance(found, ScalingModel)
    return found


@pytest.fixture(scope="module")
def plan(model: ScalingModel) -> NextRun:
    grid = isoflop_grid([1e18, 1e19, 1e20])
    return first_runs(model, grid, GOAL, EXPECTED, budget=2.5e20)


def test_a_plan_is_a_batch_that_the_budget_pays_for(plan: NextRun) -> None:
    picks = plan.picks
    assert len(picks) >= 2
    assert picks["cost"].sum() <= 2.5e20
    assert plan.by == "information"
    assert (plan.sds["after"] < 0.7 * plan.sds["now"]).all()
    # of the grid, with its costs
    own = plan.candidates.iloc[picks["candidate"]]
    np.testing.assert_array_equal(own[["N", "D", "cost"]], picks[["N", "D", "cost"]])
    # what is dear tells more: extrapolation is what makes the target uncertain
    means = plan.candidates.groupby("cost")["information"].max()
    assert means.is_monotonic_increasing


def test_a_plan_knows_the_scale_that_is_expected(plan: NextRun, model: ScalingModel) -> None:
    known = float(plan.answer.split()[0])
    assert 1.5 < known < 3.2
    grid = isoflop_grid([1e18, 1e19, 1e20])
    halved = first_runs(model, grid, GOAL, (1.1, 1.6), count=1)
    assert float(halved.answer.split()[0]) == pytest.approx(known / 2, rel=0.02)
    assert len(halved.picks) == 1


def test_recipes_are_columns_of_the_candidates(model: ScalingModel) -> None:
    table = pd.DataFrame(
        [{"N": n, "D": 20 * n, "recipe": r} for n in (1e8, 2e8, 4e8, 8e8) for r in ("adam", "muon")]
    )
    goal = Goal("decision", at={"N": 7e9, "D": 1.4e11})
    found = first_runs(model, table, goal, EXPECTED, groups=["recipe"], count=2)
    np.testing.assert_allclose(found.candidates["cost"], 6 * table["N"] * table["D"])
    # of two recipes that nobody knows a thing about, both are run
    assert set(found.picks["recipe"]) == {"adam", "muon"}


@pytest.mark.parametrize("expected", [(3.2, 2.2), (2.2, 2.2), (np.nan, 3.0), (2.0, np.inf)])
def test_what_is_expected_goes_up(model: ScalingModel, expected: tuple[float, float]) -> None:
    with pytest.raises(UsageError, match="it is the best and the worst response, going up"):
        first_runs(model, isoflop_grid([1e18]), GOAL, expected)


@pytest.mark.parametrize("sizes", [[1e8, 2e8, 4e8, 8e8, 1.6e9], [1e8, 3e8, 1e9]])
def test_few_candidates_on_one_line_can_be_planned(model: ScalingModel, sizes: list[float]) -> None:
    # a fit could learn no law from runs at 20 tokens per parameter, or from three of them
    line = pd.DataFrame({"N": sizes, "D": [20.0 * n for n in sizes]})
    found = first_runs(model, line, GOAL, EXPECTED, count=2)
    assert len(found.picks) == 2
    assert (found.picks["information"] > 0).all()
