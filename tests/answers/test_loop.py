"""Loops: what their file keeps, what an observation changes, and what leaves them as they were."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import line
from decision_fits import cost_fit
from fakes import RECIPES, fake_fit
from metric_fits import decay_fit

import bayes_scaling as bs
from bayes_scaling.answers import Cost, forecast
from bayes_scaling.answers.goal import Goal
from bayes_scaling.answers.loop import Loop, begin_loop, observe, propose
from bayes_scaling.answers.next_run import NextRun, next_run
from bayes_scaling.errors import Finding, FitError, UsageError
from bayes_scaling.posterior import Fit
from bayes_scaling.posterior.refit import refit, with_more

FAR = {"x": 1e11}
GOAL = Goal("forecast", at=FAR)
POOL = pd.DataFrame({"x": [1e7, 1e8, 1e9, 1e10], "cost": [1.0, 2.0, 4.0, 8.0]})


def truth(x: Any) -> np.ndarray:
    """Line that the runs of `line_fit` come from."""
    return np.asarray(0.1 - 0.08 * (np.log(np.asarray(x, dtype=float)) - 5.5 * np.log(10)))


def done(picks: pd.DataFrame) -> pd.DataFrame:
    """What the picks reach, all but without noise."""
    return picks[["x"]].assign(loss=truth(picks["x"]) + 0.05)


@pytest.fixture(scope="module")
def begun(line_fit: Fit) -> tuple[Loop, NextRun]:
    return begin_loop(line_fit, POOL, GOAL, count=2, budget=20.0, repeats=2, by="information")


@pytest.fixture(scope="module")
def first(begun: tuple[Loop, NextRun]) -> tuple[Loop, NextRun]:
    loop, found = begun
    return observe(loop, done(found.picks))


@pytest.fixture(scope="module")
def second(first: tuple[Loop, NextRun], tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Two steps, the second from the file of the first."""
    path = tmp_path_factory.mktemp("loops") / "loop.nc"
    first[0].save(path)
    return observe(bs.load_loop(path, line), done(first[1].picks))


# -- what it holds


def test_a_loop_begins_with_the_next_runs(line_fit: Fit, begun: tuple[Loop, NextRun]) -> None:
    loop, found = begun
    alone = next_run(line_fit, POOL, GOAL, count=2, budget=20.0, repeats=2, by="information")
    pd.testing.assert_frame_equal(found.picks, alone.picks)
    assert loop.candidates["bought"].tolist() == [0, 0, 0, 0]
    assert loop.candidates["cost"].tolist() == POOL["cost"].tolist()
    (entry,) = loop.history
    assert (entry["runs"], entry["spent"], loop.spent) == (24, 0.0, 0.0)
    assert [p["x"] for p in entry["proposed"]] == found.picks["x"].tolist()
    assert entry["why"] == found.explain()
    assert entry["answer"] == found.answer
    assert "observed" not in entry
    pd.testing.assert_frame_equal(propose(loop).picks, found.picks)


def test_an_observation_is_fitted_paid_for_and_kept(
    begun: tuple[Loop, NextRun], first: tuple[Loop, NextRun]
) -> None:
    (before, asked), (loop, found) = begun, first
    assert len(loop.fit.runs()) == 26
    assert loop.spent == pytest.approx(asked.picks["cost"].sum())
    old, new = loop.history
    assert [r["x"] for r in old["observed"]] == asked.picks["x"].tolist()
    assert old["paid"] == new["spent"] == loop.spent
    assert new["runs"] == 26
    bought = np.bincount(asked.picks["candidate"], minlength=4)
    assert loop.candidates["bought"].tolist() == bought.tolist()
    # what was expected to be left is about what is left
    ratio = found.sds["now"].iloc[0] / asked.sds["after"].iloc[0]
    assert 0.6 < ratio < 1.4
    assert found.sds["now"].iloc[0] < 0.8 * asked.sds["now"].iloc[0]
    assert before.history[0].keys() < old.keys()  # and the loop before is as it was
    assert len(before.history) == 1


def test_an_observation_goes_into_the_posterior_as_into_a_fit(
    begun: tuple[Loop, NextRun], first: tuple[Loop, NextRun]
) -> None:
    loop, found = begun
    runs = with_more(loop.fit, done(found.picks))
    again = refit(loop.fit, runs, seed=1)  # its own seed, and the number of the step
    np.testing.assert_array_equal(again.posterior["b"], first[0].fit.posterior["b"])


def test_observations_add_up_over_a_file(
    first: tuple[Loop, NextRun], second: tuple[Loop, NextRun]
) -> None:
    loop, found = second
    assert [e["runs"] for e in loop.history] == [24, 26, 26 + len(first[1].picks)]
    assert [bool(e.get("observed")) for e in loop.history] == [True, True, False]
    spent = first[0].spent + first[1].picks["cost"].sum()
    assert loop.spent == pytest.approx(spent)
    assert loop.spent <= 20.0
    assert loop.candidates["bought"].sum() == 2 + len(first[1].picks)
    # what is left of the budget pays for what is proposed
    assert found.picks["cost"].sum() <= 20.0 - loop.spent + 1e-9
    known = forecast(loop.fit, FAR, kind="mean").summary()
    assert known["sd"].iloc[0] < 0.1


def test_a_file_keeps_everything(second: tuple[Loop, NextRun], tmp_path: Path) -> None:
    loop, found = second
    path = tmp_path / "loop.nc"
    loop.save(path)
    kept = bs.load_loop(path, line)
    assert kept.goal == loop.goal
    assert kept.options == loop.options
    assert list(kept.history) == json.loads(json.dumps(list(loop.history)))
    pd.testing.assert_frame_equal(kept.candidates, loop.candidates, check_dtype=False)
    np.testing.assert_array_equal(kept.fit.posterior["b"], loop.fit.posterior["b"])
    pd.testing.assert_frame_equal(propose(kept).picks, found.picks)
    # and is a fit as well, for every other question
    plain = bs.load(path, line)
    assert forecast(plain, FAR).summary().equals(forecast(loop.fit, FAR).summary())


# -- what is under way, and what is bought


def test_a_proposal_knows_what_is_under_way(begun: tuple[Loop, NextRun]) -> None:
    loop, found = begun
    later = propose(loop, running=found.picks[["x"]])
    assert later.sds["now"].iloc[0] == pytest.approx(found.sds["after"].iloc[0], rel=0.1)
    assert later.picks["information"].sum() < found.picks["information"].sum()


def test_runs_that_were_not_proposed_are_welcome(
    monkeypatch: pytest.MonkeyPatch, begun: tuple[Loop, NextRun]
) -> None:
    monkeypatch.setattr("bayes_scaling.answers.loop.refit", lambda fit, *_, **__: fit)
    loop, _ = begun
    runs = done(pd.DataFrame({"x": [5e6, 1e8 * (1 + 1e-8)]}))
    found, _ = observe(loop, runs.assign(cost=[3.0, 2.5]))
    assert found.spent == 5.5  # what they did cost
    assert found.candidates["bought"].tolist() == [0, 1, 0, 0]


def test_runs_of_the_pool_cost_what_it_says_and_others_what_the_cost_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("bayes_scaling.answers.loop.refit", lambda fit, *_, **__: fit)
    fit, cost = fake_fit(RECIPES, draws=100), Cost(overhead=1e9)
    table = pd.DataFrame({"N": [1e9, 2e9], "D": [2e10, 4e10], "recipe": ["adam", "muon"]})
    loop, _ = begin_loop(fit, table, Goal("decision", at={"N": 8e9, "D": 1e11}), cost=cost)
    other = {"N": 3e9, "D": 1e10, "recipe": "adam"}
    runs = pd.DataFrame([table.iloc[1].to_dict(), other]).assign(loss=2.5)
    found, _ = observe(loop, runs)
    assert found.spent == pytest.approx((6 * 2e9 + 1e9) * 4e10 + (6 * 3e9 + 1e9) * 1e10)
    assert found.candidates["bought"].tolist() == [0, 1]


def test_a_run_that_nobody_expected_is_named(begun: tuple[Loop, NextRun]) -> None:
    loop, found = begun
    runs = done(found.picks)
    draws = forecast(loop.fit, runs[["x"]], kind="new-run").draws
    low, high = draws.quantile([0.0025, 0.9975], "sample").to_numpy()  # 99 % for both of them
    runs["loss"] = [high[0] + 0.01, high[1] - 0.01]
    (warning,) = _of(observe(loop, runs)[1], "unexpected-run")
    assert warning.severity == "warning"
    assert f"loss {high[0] + 0.01:.4g} at x={runs['x'].iloc[0]:.4g} is outside" in warning.message
    assert f"{low[0]:.4g} to {high[0]:.4g}" in warning.message


def test_runs_as_expected_are_not_named(first: tuple[Loop, NextRun]) -> None:
    assert not _of(first[1], "unexpected-run")


def _of(found: NextRun, code: str) -> list[Finding]:
    return [warning for warning in found.warnings if warning.code == code]


def test_a_candidate_is_bought_as_often_as_asked(
    monkeypatch: pytest.MonkeyPatch, line_fit: Fit
) -> None:
    monkeypatch.setattr("bayes_scaling.answers.loop.refit", lambda fit, *_, **__: fit)
    loop, _ = begin_loop(line_fit, POOL, GOAL)
    for k in range(3):
        loop, found = observe(loop, done(POOL.iloc[[k]]))
        assert not set(found.picks["x"]) & set(POOL["x"].iloc[: k + 1])


def test_a_box_is_filled_once() -> None:
    fit, box = fake_fit(draws=50), {"N": (1e9, 1e10), "D": (2e10, 2e11)}
    loop, found = begin_loop(fit, box, Goal("forecast", at={"N": 8e9, "D": 1e12}), force=True)
    assert len(loop.candidates) == len(found.candidates) == 1024
    np.testing.assert_allclose(
        loop.candidates["cost"], 6 * loop.candidates["N"] * loop.candidates["D"]
    )


# -- what is refused, and what an interruption leaves


def test_an_interruption_leaves_the_loop_before(
    monkeypatch: pytest.MonkeyPatch, begun: tuple[Loop, NextRun], first: Any, tmp_path: Path
) -> None:
    path = tmp_path / "loop.nc"
    begun[0].save(path)
    before = path.read_bytes()

    def fail(self: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(FitError, match=r"cannot be written to .* No space left on device"):
        first[0].save(path)
    monkeypatch.undo()
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["loop.nc"]
    assert len(bs.load_loop(path, line).history) == 1


def test_wrong_runs_leave_the_loop_as_it_was(begun: tuple[Loop, NextRun]) -> None:
    loop, _ = begun
    for wrong in (pd.DataFrame({"x": [1e8]}), pd.DataFrame({"loss": [0.1]})):
        with pytest.raises(UsageError, match="the new runs"):
            observe(loop, wrong)
    assert len(loop.history) == 1
    assert loop.candidates["bought"].sum() == 0


def test_a_fit_is_no_loop(line_fit: Fit, tmp_path: Path) -> None:
    path = tmp_path / "fit.nc"
    line_fit.save(path)
    with pytest.raises(FitError, match="is a fit and no loop: begin one with"):
        bs.load_loop(path, line)


def test_what_cannot_be_grown_begins_no_loop() -> None:
    table = pd.DataFrame({"N": [1e9], "D": [2e10]})
    with pytest.raises(UsageError, match="cannot be grown run by run"):
        begin_loop(decay_fit(draws=100), table, Goal("forecast", at={"N": 8e9, "D": 1e11}))


def test_budgets_are_in_a_cost_that_a_file_can_keep() -> None:
    fit = fake_fit(RECIPES, draws=100)
    table = pd.DataFrame({"N": [1e9], "D": [2e10], "recipe": ["adam"]})
    goal = Goal("decision", budget=1e20)
    with pytest.raises(UsageError, match=r"give a bs\.Cost instead of a fitted one"):
        begin_loop(fit, table, goal, cost=cost_fit())
    with pytest.raises(UsageError, match=r"begin_loop does not take these options: .*luck"):
        begin_loop(fit, table, goal, luck=7)
    loop, _ = begin_loop(fit, table, goal, cost=Cost(served=1e12))
    assert loop.options.cost is not None
    assert Cost(**loop.options.cost) == Cost(served=1e12)


def test_a_pool_that_is_bought_up_says_so(begun: tuple[Loop, NextRun]) -> None:
    loop = begun[0]
    over = replace(loop, candidates=loop.candidates.assign(bought=2))
    found = propose(over)
    assert found.stop == "every candidate has been run as often as asked"
    assert found.picks.empty
    assert not found.candidates["allowed"].any()


def test_the_last_candidate_can_be_observed(begun: tuple[Loop, NextRun], monkeypatch: Any) -> None:
    loop = begun[0]
    monkeypatch.setattr("bayes_scaling.answers.loop.refit", lambda fit, *_, **__: fit)
    room = loop.candidates["bought"].where(loop.candidates.index == 0, 2)
    last = replace(loop, candidates=loop.candidates.assign(bought=room), history=({},))
    row = loop.candidates.iloc[[0]].drop(columns=["cost", "p_fail", "bought"]).assign(loss=2.5)
    done, found = observe(last, pd.concat([row] * loop.options.repeats))
    assert done.spent == pytest.approx(loop.options.repeats * loop.candidates["cost"][0])
    assert found.stop == "every candidate has been run as often as asked"


def test_runs_that_are_no_candidates_tell_their_cost(begun: tuple[Loop, NextRun]) -> None:
    loop = begun[0]
    priced = replace(loop, options=replace(loop.options, priced=True), history=({},))
    row = loop.candidates.iloc[[0]].drop(columns=["cost", "p_fail", "bought"]).assign(loss=2.5)
    other = row.assign(x=3.21e9)
    with pytest.raises(UsageError, match="say what the new runs did cost in a column 'cost'"):
        observe(priced, other)
    with pytest.raises(UsageError, match="must hold what each did cost"):
        observe(priced, other.assign(cost=np.nan))
