"""Which run comes next: limits, what is under way, the frontier, every kind of goal."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from decision_fits import crossing_fit
from fakes import RECIPES, TRUTH, changed, diverged, fake_fit, fake_fit_of, flat
from toys import kettle_fit

from bayes_scaling.answers import Cost, allocate, decide, forecast, tune
from bayes_scaling.answers.goal import Goal
from bayes_scaling.answers.next_run import NextRun, frontier, next_run
from bayes_scaling.errors import FitError, UsageError
from bayes_scaling.models import registry
from bayes_scaling.posterior import Fit

TARGET = {"N": 1e10, "D": 2e11, "recipe": "muon"}
SHARP = Goal("forecast", at=TARGET)
GRID = pd.DataFrame(
    [
        {"N": n, "D": d, "recipe": r}
        for n in (1e8, 1e9, 4e9)
        for d in (4e9, 4e10)
        for r in ("adam", "muon")
    ]
)


@pytest.fixture(scope="module")
def fit() -> Fit:
    """Parameters are known to a tenth each, so that runs tell of them."""
    own = fake_fit(RECIPES, draws=500)
    rng = np.random.default_rng(5)
    shape = own.posterior["level_centre"].shape
    moved = {
        "reducible": 0.4 * np.exp(0.1 * rng.normal(size=shape)),
        "alpha_centre": 0.34 * np.exp(0.1 * rng.normal(size=shape)),
        "beta": 0.28 * np.exp(0.1 * rng.normal(size=shape)),
    }
    centre = own.posterior["alpha_centre"].to_numpy()
    factor = (moved["alpha_centre"] / centre)[..., None]
    moved["alpha"] = own.posterior["alpha"].to_numpy() * factor
    return changed(own, moved)


@pytest.fixture(scope="module")
def found(fit: Fit) -> NextRun:
    return next_run(fit, GRID, SHARP, count=3)


def pick(fit: Fit, candidates: Any = GRID, goal: Goal = SHARP, **options: Any) -> NextRun:
    return next_run(fit, candidates, goal, **options)


def with_noise(fit: Fit, factor: float) -> Fit:
    return changed(fit, {"sigma": fit.posterior["sigma"].to_numpy() * factor})


# -- what is answered


def test_the_table_has_every_candidate_and_what_it_is_good_for(fit: Fit, found: NextRun) -> None:
    table = found.candidates
    pd.testing.assert_frame_equal(table[["N", "D", "recipe"]], GRID, check_dtype=False)
    np.testing.assert_allclose(table["cost"], 6 * GRID["N"] * GRID["D"])
    np.testing.assert_allclose(table["per_cost"], table["information"] / table["cost"])
    assert (found.by, found.unit, found.stop) == ("information", "FLOP", "")
    assert set(table["method"]) <= {"weights", "normal"}
    assert (table["method"] == "weights").equals(
        (table["pareto_k"] < 0.7) & (table["effective"] >= 100)
    )
    assert table["removed"].between(0, 1).all()
    assert table["allowed"].all()
    assert not table["p_diverges"].any()
    known = forecast(fit, TARGET, kind="mean").draws.to_numpy()
    assert found.sds["now"].tolist() == [pytest.approx(np.log(known).std(ddof=1), rel=1e-5)]
    assert found.answer == f"{np.median(known):.4g} (sd {known.std(ddof=1):.2g})"


def test_information_and_variance_are_those_of_a_normal_posterior(fit: Fit, found: NextRun) -> None:
    """Draws near enough to normal: both follow from the correlation with what is seen."""
    target = np.log(forecast(fit, TARGET, kind="mean").draws.to_numpy()[:, 0])
    latent = np.log(forecast(fit, GRID, kind="mean").draws.transpose("sample", "point").to_numpy())
    sigma, nu = flat(fit, "sigma"), flat(fit, "nu")
    noise = np.mean(sigma**2 * (nu + 3) / (nu + 1))
    squared = (
        np.array([np.cov(target, own)[0, 1] ** 2 / (own.var() + noise) for own in latent.T])
        / target.var()
    )
    expected = -0.5 * np.log(1 - squared)
    assert expected.max() > 0.5
    np.testing.assert_allclose(found.candidates["information"], expected, rtol=0.15, atol=0.015)
    np.testing.assert_allclose(found.candidates["removed"], squared, rtol=0.1, atol=0.02)


def test_runs_are_picked_by_gain_per_cost_one_after_the_other(fit: Fit, found: NextRun) -> None:
    table, picks = found.candidates, found.picks
    assert len(picks) == len(set(picks["candidate"])) == 3
    worthwhile = table["information"] >= 0.05 * table["information"].max()
    first = int(table["per_cost"].where(worthwhile).idxmax())
    assert picks["candidate"].iloc[0] == first
    assert picks["information"].iloc[0] == pytest.approx(table["information"].iloc[first])
    own = table.iloc[picks["candidate"]].reset_index(drop=True)
    pd.testing.assert_frame_equal(
        picks[["N", "D", "recipe", "cost"]], own[["N", "D", "recipe", "cost"]]
    )
    assert picks.equals(found.summary())
    assert (found.sds["after"] < found.sds["now"]).all()
    kept = np.exp(-picks["information"].sum())  # of one quantity, chain rule
    assert found.sds["after"].iloc[0] / found.sds["now"].iloc[0] == pytest.approx(kept, rel=0.15)


def test_every_pick_is_explained(found: NextRun) -> None:
    *picks, last = found.explain()
    assert len(picks) == len(found.uncertainty) == 3
    for i, line in enumerate(picks):
        share = f"{found.picks['removed'].iloc[i]:.0%}"
        assert line.startswith(f"pick {i + 1} removes {share} of the question's variance, through ")
    assert last.startswith("log of loss at N=1e+10, D=2e+11, recipe=muon: sd ")
    for own in found.uncertainty:
        assert own.table["matters"].is_monotonic_decreasing
        assert own.table[["of_question", "removed"]].to_numpy().max() <= 1.0


def test_the_same_seed_gives_the_same_answer(fit: Fit, found: NextRun) -> None:
    again = next_run(fit, GRID, SHARP, count=3)
    pd.testing.assert_frame_equal(found.candidates, again.candidates)
    pd.testing.assert_frame_equal(found.picks, again.picks)
    other = next_run(fit, GRID, SHARP, count=3, seed=1)
    assert not found.candidates["information"].equals(other.candidates["information"])


# -- what can be paid for


def test_a_budget_buys_as_many_as_it_pays_for(fit: Fit, found: NextRun) -> None:
    costs = np.sort(found.candidates["cost"])
    budget = float(costs[:4].sum())
    bought = pick(fit, budget=budget)
    assert len(bought.picks) >= 1
    assert bought.picks["cost"].sum() <= budget * (1 + 1e-9)
    assert bought.candidates["allowed"].equals(bought.candidates["cost"] <= budget)
    one = pick(fit, budget=budget, count=1)
    assert len(one.picks) == 1
    poor = pick(fit, budget=0.5 * costs[0])
    assert len(poor.picks) == 0
    assert poor.stop == f"no candidate can be paid for: the cheapest costs {costs[0]:.3g} FLOP"
    assert poor.explain() == [poor.stop]
    assert poor.sds["after"].equals(poor.sds["now"])


def test_a_budget_is_spent_on_one_dear_run_where_that_tells_more(fit: Fit) -> None:
    """The best ratio alone would buy the cheap run, after which the dear one is too dear."""
    table = GRID.iloc[[5, 11]].assign(cost=[0.1, 1.0])
    gains = pick(fit, table).candidates["information"]
    assert gains.iloc[0] > 0.1 * gains.iloc[1]
    assert pick(fit, table).picks["candidate"].tolist() == [0]
    assert pick(fit, table, budget=1.0).picks["candidate"].tolist() == [1]
    assert sorted(pick(fit, table, budget=1.1).picks["candidate"]) == [0, 1]


def test_a_run_may_cost_no_more_than_the_largest(fit: Fit) -> None:
    largest = 1e20
    bound = pick(fit, count=4, largest=largest)
    assert (bound.picks["cost"] <= largest).all()
    assert bound.candidates["allowed"].equals(bound.candidates["cost"] <= largest)
    with_none = pick(fit, largest=1.0)
    assert with_none.stop.startswith("no candidate can be paid for")


def test_a_candidate_is_picked_as_often_as_asked(fit: Fit) -> None:
    one = GRID.iloc[[11]]
    assert len(pick(fit, one, count=3).picks) == 1
    again = pick(fit, one, count=3, repeats=3).picks
    assert again["candidate"].tolist() == [0, 0, 0]
    assert again["information"].is_monotonic_decreasing


def test_a_run_that_may_fail_tells_less_for_its_cost(fit: Fit, found: NextRun) -> None:
    chance = np.linspace(0.0, 0.9, len(GRID))
    failing = pick(fit, GRID.assign(p_fail=chance))
    for name in ("information", "removed", "value", "per_cost"):
        expected = found.candidates[name] * (1 - chance)
        np.testing.assert_allclose(failing.candidates[name], expected)


def test_what_is_under_way_is_not_paid_for_twice(fit: Fit, found: NextRun) -> None:
    first = found.picks.iloc[[0]][["N", "D", "recipe"]]
    later = pick(fit, count=2, running=first)
    row = int(found.picks["candidate"].iloc[0])
    now, then = (f.candidates["information"].iloc[row] for f in (found, later))
    assert then < 0.6 * now
    assert (later.sds["now"] < found.sds["now"]).all()
    # what is told then is what the second pick was expected to tell
    second = int(found.picks["candidate"].iloc[1])
    told = later.candidates["information"].iloc[second]
    assert told == pytest.approx(found.picks["information"].iloc[1], rel=0.2, abs=0.02)


def test_what_is_not_worth_its_cost_is_not_picked(fit: Fit, found: NextRun) -> None:
    table = found.candidates
    price = 1.01 * float((table["value"] / table["cost"]).max())
    dear = pick(fit, price=price)
    assert (len(dear.picks), dear.stop) == (0, "no candidate is worth what it costs")
    best = int(table["value"].idxmax())  # of those whose gain counts beside it, the best one pays
    price = 0.9 * float(table["value"].iloc[best] / table["cost"].iloc[best])
    some = pick(fit, price=price, count=12)
    assert 1 <= len(some.picks) < 12
    assert (some.picks["value"] >= price * some.picks["cost"]).all()


def test_what_tells_nothing_is_not_picked(fit: Fit) -> None:
    """The level of one recipe alone, seen through noise as large as the losses."""
    loud = with_noise(fit, 1e3)
    blind = pick(loud)
    assert (
        blind.stop == "no candidate tells anything about the question that can be told from chance"
    )
    assert len(blind.picks) == 0


def test_one_candidate_is_a_table_of_one(fit: Fit) -> None:
    assert len(pick(fit, {"N": 1e9, "D": 2e10, "recipe": "muon"}).picks) == 1


def test_a_box_is_looked_at_more_closely_where_it_is_best() -> None:
    box = {"N": (1e8, 4e9), "D": (4e9, 4e10), "recipe": ["adam", "muon"]}
    found = pick(fake_fit(RECIPES, draws=100), box)
    table = found.candidates
    assert len(table) == 1280
    assert (table["N"].between(1e8, 4e9) & table["D"].between(4e9, 4e10)).all()
    closer = table.iloc[1024:]
    assert closer["recipe"].nunique() == 1
    assert closer["N"].max() / closer["N"].min() < 40**0.26
    assert found.picks["candidate"].iloc[0] in table.index


# -- the frontier


def test_the_frontier_is_that_of_brute_force() -> None:
    rng = np.random.default_rng(0)
    cost = rng.choice([1.0, 2.0, 3.0, 5.0, 8.0], 60)
    gain = rng.choice(np.arange(12.0), 60)
    found = frontier(cost, gain)
    for i in range(60):
        beaten = ((cost <= cost[i]) & (gain > gain[i])) | ((cost < cost[i]) & (gain >= gain[i]))
        if found[i]:
            assert not beaten.any()
        elif not beaten.any():  # one of several equal ones stands for them
            assert (found & (cost == cost[i]) & (gain == gain[i])).sum() == 1
    assert found.sum() >= 2


def test_the_frontier_of_the_table_is_of_what_is_maximised(found: NextRun) -> None:
    table = found.candidates
    expected = frontier(table["cost"].to_numpy(), table["information"].to_numpy())
    np.testing.assert_array_equal(table["frontier"], expected)


# -- divergence


@pytest.fixture(scope="module")
def bounded() -> Fit:
    """Runs above a loss of 4.2 have diverged; the smallest candidates do so for certain."""
    runs = GRID[["N", "D"]].drop_duplicates()
    return fake_fit_of(registry["chinchilla"], runs, TRUTH, bound=4.2, draws=150)


def test_runs_beyond_the_bound_tell_that_alone(bounded: Fit) -> None:
    at = pd.DataFrame({"N": [1e9, 1e6, 3e7], "D": [2e10, 2e7, 6e8]})
    goal = Goal("forecast", at={"N": 1e10, "D": 2e11})
    found = pick(bounded, at, goal).candidates
    means = forecast(bounded, at, kind="mean").draws.transpose("sample", "point").to_numpy()
    np.testing.assert_allclose(found["p_diverges"], (means > 4.2).mean(axis=0))
    assert found["p_diverges"].iloc[0] == 0.0
    assert found["p_diverges"].iloc[1] == 1.0
    free = replace(bounded, spec=replace(bounded.spec, bound=None))
    unbounded = pick(free, at, goal).candidates
    assert found["information"].iloc[0] == pytest.approx(unbounded["information"].iloc[0])
    # that a run is above, of which nobody doubts, says nothing
    assert found["information"].iloc[1] < 0.01
    assert unbounded["information"].iloc[1] > 0.02


# -- goals


def test_a_decision_is_bought_by_its_value() -> None:
    own, target = with_noise(crossing_fit(draws=150), 0.2), {"N": 8e8, "D": 1.6e10}
    goal = Goal("decision", at=target)
    found = pick(own, goal=goal, count=2)
    choice = decide(own, target)
    verdict = choice.verdicts().iloc[0]
    assert not verdict["settled"]
    assert found.answer == verdict["verdict"]
    leader = verdict["choice"]
    rival = {"adam": "muon", "muon": "adam"}[leader]
    assert found.sds["quantity"].tolist() == [f"{rival} less {leader}"]
    gap = choice.worth[:, 0, 0] - choice.worth[:, 0, 1]
    assert found.sds["now"].iloc[0] == pytest.approx(gap.std(ddof=1))
    # no run is worth more than the truth, and the picks together are not either
    assert found.candidates["value"].max() <= 1.02 * verdict["regret"]
    assert found.picks["value"].sum() <= 1.1 * verdict["regret"]
    assert verdict["p_safe"] < found.goal.confidence
    assert 0.0 <= found.p_settled <= 1.0
    assert (found.by, pick(own, goal=goal, by="information").by) == ("value", "information")


def test_a_choice_that_no_single_run_can_turn_is_bought_by_information() -> None:
    own, target = crossing_fit(draws=150), {"N": 2e9, "D": 4e10}
    tiny = GRID.iloc[:2].assign(N=1e6, D=2e7)
    loud = changed(own, {"sigma": own.posterior["sigma"].to_numpy() * 20})
    found = pick(loud, tiny, Goal("decision", at=target))
    assert (
        found.candidates["value"].max() < 1e-3 * decide(loud, target).verdicts()["regret"].iloc[0]
    )
    assert found.by == "information"


def test_a_settled_question_needs_no_run(fit: Fit) -> None:
    rough = pick(fit, goal=Goal("forecast", at=TARGET, precision=10.0))
    assert rough.stop == f"settled: {rough.answer}"
    assert len(rough.picks) == 0
    sharp = pick(fit, goal=Goal("forecast", at=TARGET, precision=1e-9))
    assert sharp.stop == ""
    clear = pick(fake_fit(RECIPES, draws=100), goal=Goal("decision", at={"N": 1e9, "D": 2e10}))
    assert clear.stop == "settled: adam"


def test_several_points_are_quantities_of_one_question(fit: Fit) -> None:
    both = [TARGET, TARGET | {"recipe": "adam"}]
    found = pick(fit, goal=Goal("forecast", at=both))
    assert len(found.sds) == 2
    one, other = (pick(fit, goal=Goal("forecast", at=own)).candidates["removed"] for own in both)
    np.testing.assert_allclose(found.candidates["removed"], (one + other) / 2, atol=1e-5)


def test_an_allocation_is_bought(fit: Fit) -> None:
    goal = Goal("allocation", budget=(1e21, 1e22), at={"recipe": "muon"})
    found = pick(fit, goal=goal)
    split = allocate(fit, [1e21, 1e22], at={"recipe": "muon"})
    size = np.log(split.size.transpose("sample", "point").to_numpy())
    np.testing.assert_allclose(found.sds["now"], size.std(axis=0, ddof=1))
    assert found.sds["quantity"].tolist() == ["log N* at 1e+21", "log N* at 1e+22"]
    assert found.candidates["information"].max() > 0.1
    assert math.isnan(found.p_settled)


def test_a_tuning_is_bought() -> None:
    own, at = kettle_fit(draws=150), {"N": 3e9}
    table = pd.DataFrame({"N": [1e9, 1e9, 3e9], "heat": [0.5, 2.0, 5.0], "cost": 1.0})
    found = pick(own, table, Goal("tuning", at=at))
    best = np.log(tune(own, at).best.to_numpy().ravel())
    assert found.sds["now"].iloc[0] == pytest.approx(best.std(ddof=1))
    assert found.sds["quantity"].tolist() == ["log best heat at N=3e+09"]
    assert found.answer.startswith("heat ")
    # the setting tells where it matters: beyond the optimum, where the slope of the loss shows
    assert found.candidates["information"].argmax() == 2


def test_a_cost_is_that_of_the_runs_and_of_the_budget() -> None:
    own, cost = fake_fit(RECIPES, draws=100), Cost(served=1e13)
    served = pick(own, goal=Goal("allocation", budget=1e22, at={"recipe": "muon"}), cost=cost)
    split = allocate(own, 1e22, at={"recipe": "muon"}, cost=cost)
    assert served.answer == f"N* {split.size.median().item():.3g}"
    assert served.answer != f"N* {allocate(own, 1e22, at={'recipe': 'muon'}).size.median():.3g}"
    expected = 6 * GRID["N"] * GRID["D"] + 2 * GRID["N"] * 1e13
    np.testing.assert_allclose(served.candidates["cost"], expected)


# -- what is refused


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"count": 0}, "count is 0; it must be one or more"),
        ({"repeats": 0}, "repeats is 0; it must be one or more"),
        ({"budget": -1.0}, "budget is -1.0; it must be a positive cost"),
        ({"budget": math.inf}, "budget is inf; it must be a positive cost"),
        ({"largest": 0.0}, "largest is 0.0; it must be a positive cost"),
        ({"price": -1.0}, "price is -1.0; it must be zero or positive"),
        ({"by": "hope"}, "by is 'hope'; it must be one of auto, information, value"),
        ({"running": {"N": 1e9}}, "points lack D"),
        ({"goal": Goal("forecast", at={"N": 1e9})}, "points lack D"),
        ({"goal": Goal("decision", at={"N": 1e9, "D": 1e9}, recipes=("adam",))}, "two recipes"),
        ({"goal": Goal("tuning", at={"N": 1e9, "D": 1e9})}, ""),
        ({"candidates": GRID.iloc[:0]}, "no points to forecast"),
        ({"candidates": GRID.assign(recipe="soap")}, "recipe 'soap' was not fitted"),
    ],
)
def test_wrong_questions_are_refused(fit: Fit, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as refused:
        pick(fit, **options)
    assert message in str(refused.value)


def test_a_fit_that_caps_its_evidence_is_refused(fit: Fit) -> None:
    capped = replace(fit, spec=replace(fit.spec, effective_runs=5.0))
    with pytest.raises(UsageError, match="effective_runs caps what runs tell"):
        pick(capped)


def test_a_poor_fit_is_refused_unless_forced(fit: Fit) -> None:
    poor = diverged(fit, 100)
    with pytest.raises(FitError, match="divergences"):
        pick(poor)
    assert len(pick(poor, force=True).picks) == 1


def test_candidates_beyond_the_draws_are_said_to_be_taken_as_normal(fit: Fit) -> None:
    sharp = with_noise(fit, 1e-4)
    found = pick(sharp)
    assert (found.candidates["method"] == "normal").all()
    (warning,) = found.warnings
    assert (warning.code, warning.severity) == ("normal-approximation", "info")
    assert warning.message.startswith(f"{len(GRID)} of {len(GRID)} candidates lie where")
