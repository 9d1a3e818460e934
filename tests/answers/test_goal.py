"""Goals: what is refused, and what a file keeps of them."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from bayes_scaling.answers.goal import Goal, words_of
from bayes_scaling.errors import UsageError

POINT = {"N": 7e9, "D": 1.4e12, "recipe": "muon"}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"asks": "glory", "at": POINT}, "a goal asks 'glory'; it must be one of forecast, alloc"),
        ({"asks": "forecast"}, "a forecast is asked at points: give one"),
        ({"asks": "tuning"}, "a tuning is asked at points: give one"),
        ({"asks": "allocation"}, "an allocation is of budgets: give one"),
        ({"asks": "decision"}, "give a target to decide about"),
        ({"asks": "decision", "budget": (1e20, 1e21)}, "a decision has one budget"),
        ({"asks": "forecast", "at": POINT, "budget": 1e20}, "a forecast is asked at points, and"),
        ({"asks": "tuning", "at": POINT, "budget": 1e20}, "a tuning is asked at points, and has"),
        ({"asks": "forecast", "at": POINT, "precision": 0.0}, "precision is 0.0; it must be a"),
        ({"asks": "forecast", "at": POINT, "precision": np.inf}, "precision is inf; it must be"),
        ({"asks": "decision", "at": POINT, "precision": 0.1}, "a decision is settled by its rope"),
    ],
)
def test_what_is_no_goal_is_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as refused:
        Goal(**given)
    assert str(refused.value).startswith(message)


@pytest.mark.parametrize(
    "goal",
    [
        Goal("forecast", at=POINT, precision=0.01, kind="new-run"),
        Goal("forecast", at=[POINT, {"N": 1e9, "D": 2e10}]),
        Goal("allocation", at={"recipe": "muon"}, budget=(1e20, 1e21)),
        Goal("decision", budget=1e22, recipes=["a", "b"], by="recipe", rope=0.01, confidence=0.9),
    ],
)
def test_a_goal_is_what_json_keeps_of_it(goal: Goal) -> None:
    assert Goal.of(json.loads(json.dumps(goal.as_dict(), allow_nan=False))) == goal


def test_points_come_as_a_table_too() -> None:
    table = pd.DataFrame(
        {"N": [np.float64(7e9), 1e9], "D": [1.4e12, 2e10], "recipe": ["muon", None]}
    )
    goal = Goal("forecast", at=table)
    assert goal.at == (POINT, {"N": 1e9, "D": 2e10})  # a label that is missing is left out
    assert all(type(v) in (float, str) for point in goal.at for v in point.values())


def test_one_budget_is_a_budget() -> None:
    assert Goal("allocation", budget=1e20).budget == (1e20,)
    assert Goal("allocation", budget=[1e20, 1e21]).budget == (1e20, 1e21)


def test_a_goal_in_words() -> None:
    assert words_of(POINT) == "N=7e+09, D=1.4e+12, recipe=muon"
    assert Goal("forecast", at=POINT).text == "forecast at N=7e+09, D=1.4e+12, recipe=muon"
    budgets = Goal("allocation", at={"recipe": "muon"}, budget=(1e20, 1e21))
    assert budgets.text == "allocation at budget 1e+20, 1e+21 (recipe=muon)"
