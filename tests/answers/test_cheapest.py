"""The smallest cost of a target, and what models of other sizes cost at one loss."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from fakes import RECIPES, SIZES, TOKENS, TRUTH, diverged, fake_fit, fake_fit_of, flat, held
from metric_fits import cloglog_fit, decay_fit, scales

from bayes_scaling.answers import Cost, allocate, cheapest, forecast, iso_loss
from bayes_scaling.errors import FitError, UsageError
from bayes_scaling.models import registry
from bayes_scaling.posterior import Fit

SERVED = Cost(served=2e12)
CLOSE = 1e-6  # of a cost: 24 halvings of a half decade


@pytest.fixture(scope="module")
def fit() -> Fit:
    return fake_fit(draws=100)


@pytest.fixture(scope="module")
def known() -> Fit:
    """A fit whose parameters are all but known."""
    return held(fake_fit(draws=50), **TRUTH)


def draws(array: Any) -> np.ndarray:
    return np.asarray(array.transpose("sample", "point").to_numpy())


def means(fit: Fit, size: Any, data: Any, j: int, **labels: str) -> float:
    """Mean response of one draw at its own size and tokens."""
    at = {"N": float(size[j]), "D": float(data[j])} | labels
    return float(forecast(fit, at, kind="mean").draws.to_numpy()[j, 0])


# -- cheapest -----------------------------------------------------------------


@pytest.mark.parametrize("cost", [Cost(), SERVED, Cost(overhead=2e9, fixed=1e19)])
def test_the_cheapest_run_reaches_the_target_and_spends_its_cost(fit: Fit, cost: Cost) -> None:
    answer = cheapest(fit, [2.5, 2.3], cost=cost)
    assert answer.points["target"].tolist() == [2.5, 2.3]
    n, d, budget = (draws(x) for x in (answer.size, answer.data, answer.budget))
    np.testing.assert_allclose(cost.of(n, d), budget, rtol=1e-9)
    for k, target in enumerate((2.5, 2.3)):
        for j in (0, 123, 399):
            assert means(fit, n[:, k], d[:, k], j) == pytest.approx(target, abs=1e-7)
    assert (budget[:, 1] > budget[:, 0]).all()


def test_no_other_size_is_cheaper(fit: Fit) -> None:
    answer = cheapest(fit, 2.4)
    best, budget = draws(answer.size)[:, 0], draws(answer.budget)[:, 0]
    e, a, b = (flat(fit, k) for k in "EAB")
    alpha, beta = flat(fit, "alpha"), flat(fit, "beta")
    for by in (0.5, 0.9, 1.1, 2.0):
        rest = 2.4 - e - a * (by * best) ** -alpha
        data = (rest / b) ** (-1 / beta)
        spent = np.where(rest > 0, 6 * by * best * data, np.inf)
        assert (spent > budget * (1 + 1e-4)).all()


@pytest.mark.parametrize("cost", [Cost(), SERVED, Cost(11.0, size=0.93, data=1.02)])
@pytest.mark.parametrize("budget", [1e19, 1e21, 1e23])
def test_a_target_that_a_budget_reaches_costs_that_budget(
    known: Fit, cost: Cost, budget: float
) -> None:
    split = allocate(known, budget, cost=cost)
    reached = split.best.to_numpy()
    answer = cheapest(known, float(np.median(reached)), cost=cost)
    np.testing.assert_allclose(draws(answer.budget), budget, rtol=1e-5)
    np.testing.assert_allclose(draws(answer.size), draws(split.size), rtol=1e-4)
    np.testing.assert_allclose(draws(answer.data), draws(split.data), rtol=1e-4)


def test_no_budget_reaches_a_loss_below_the_floor(fit: Fit) -> None:
    floor = flat(fit, "E")
    never = cheapest(fit, 0.9 * floor.min())
    assert np.isinf(draws(never.budget)).all()
    assert np.isnan(draws(never.size)).all()
    table = never.summary()
    assert (table["reached"] == 0).all()
    assert np.isinf(table[["q0.025", "q0.5", "q0.975"]].to_numpy()).all()
    high = float(np.quantile(floor, 0.95))
    some = cheapest(fit, high)
    found = np.isfinite(draws(some.budget)[:, 0])
    assert not found[floor >= high].any()
    np.testing.assert_array_equal(found, np.isfinite(draws(some.data)[:, 0]))
    row = some.summary().iloc[0]
    assert row["reached"] == found.mean()
    assert row["q0.025"] < np.inf == row["q0.975"]


def test_what_any_run_reaches_costs_the_least_that_is_looked_at(fit: Fit) -> None:
    least = 6 * SIZES[0] * TOKENS[0] / 1e6  # a millionth of the smallest fitted run
    answer = cheapest(fit, 50.0)
    np.testing.assert_allclose(draws(answer.budget), least, rtol=1e-9)
    n, d = draws(answer.size)[:, 0], draws(answer.data)[:, 0]
    np.testing.assert_allclose(6 * n * d, least, rtol=1e-9)
    assert means(fit, n, d, 7) < 50
    assert (answer.summary()["reached"] == 1).all()
    tokens = draws(iso_loss(fit, 1e9, target=100.0).data)
    np.testing.assert_allclose(tokens, TOKENS[0] / 1e6, rtol=1e-9)


def test_quantiles_are_those_of_the_draws(fit: Fit) -> None:
    answer = cheapest(fit, 2.4)
    table = answer.summary().set_index("quantity")
    for name, array in (("cost", answer.budget), ("N", answer.size), ("D", answer.data)):
        own = draws(array)[:, 0]
        ordered = np.sort(own)
        assert table.loc[name, "q0.5"] in ordered[198:202]
        assert table.loc[name, "q0.05"] in ordered[18:22]
        assert table.loc[name, "reached"] == 1


def test_targets_of_a_metric_through_the_loss() -> None:
    fit = decay_fit(draws=100)
    answer = cheapest(fit, 0.5)
    n, d = draws(answer.size)[:, 0], draws(answer.data)[:, 0]
    assert np.isfinite(n).all()
    for j in (0, 57, 399):
        assert means(fit, n, d, j) == pytest.approx(0.5, abs=1e-7)
    # a score is reached from below
    scores = cloglog_fit(draws=100)
    answer = cheapest(scores, [0.3, 0.5], at={"task": "qa"})
    n, d, budget = (draws(x) for x in (answer.size, answer.data, answer.budget))
    for k, target in enumerate((0.3, 0.5)):
        for j in (0, 57, 399):
            found = means(scores, n[:, k], d[:, k], j, task="qa")
            assert found == pytest.approx(target, abs=1e-6)
    assert (budget[:, 1] > budget[:, 0]).all()
    never = cheapest(scores, 0.999, at={"task": "qa"})  # above what any loss gives
    assert np.isinf(draws(never.budget)).all()


def test_limited_tokens_make_targets_dearer(fit: Fit) -> None:
    plain, few = cheapest(fit, 2.65), cheapest(fit, 2.65, unique=4e9)
    assert (draws(plain.data) > 4e9).all()
    np.testing.assert_allclose(draws(few.data), 4e9, rtol=1e-4)
    assert (draws(few.budget) > draws(plain.budget)).all()
    n, d = draws(few.size)[:, 0], draws(few.data)[:, 0]
    assert means(fit, n, d, 7) == pytest.approx(2.65, abs=1e-6)


def test_recipes_have_targets_of_their_own() -> None:
    fit = fake_fit(RECIPES, draws=100)
    answer = cheapest(fit, [2.5, 2.4], at=[{"recipe": r} for r in RECIPES["recipe"]])
    assert answer.points["recipe"].tolist() == ["adam", "adam", "muon", "muon"]
    assert answer.points["target"].tolist() == [2.5, 2.4] * 2
    n, d = draws(answer.size), draws(answer.data)
    assert means(fit, n[:, 2], d[:, 2], 5, recipe="muon") == pytest.approx(2.5, abs=1e-7)
    assert not np.allclose(draws(answer.budget)[:, 0], draws(answer.budget)[:, 2], rtol=0.1)
    # one never seen is drawn
    first, again, other = (draws(cheapest(fit, 2.6, seed=s).budget) for s in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_warning_far_beyond_the_runs(fit: Fit) -> None:
    (found,) = cheapest(fit, [2.4, 2.0]).warnings
    assert found.code == "far-outside"
    assert found.message.startswith("the cheapest run of target 2 lies")
    assert cheapest(fit, 2.4).warnings == ()


# -- one loss -----------------------------------------------------------------


@pytest.mark.parametrize("cost", [Cost(), SERVED, Cost(overhead=2e9)])
def test_at_the_best_size_nothing_is_lost(known: Fit, cost: Cost) -> None:
    split = allocate(known, 1e21, cost=cost)
    best = float(np.median(split.size))
    answer = iso_loss(known, [best / 3, best, 3 * best], budget=1e21, cost=cost)
    np.testing.assert_allclose(draws(answer.level), split.best.to_numpy().repeat(3, 1), rtol=1e-8)
    extra = draws(answer.extra)
    np.testing.assert_allclose(extra[:, 1], 0.0, atol=1e-5)
    assert (extra[:, [0, 2]] > 0.05).all()
    np.testing.assert_allclose(draws(answer.data)[:, 1], split.data.to_numpy()[:, 0], rtol=1e-5)


def test_every_size_reaches_the_level_with_its_tokens(fit: Fit) -> None:
    sizes = [1e9, 2e9, 8e9]
    answer = iso_loss(fit, sizes, budget=1e21)
    level, data, extra = (draws(x) for x in (answer.level, answer.data, answer.extra))
    assert answer.points["N"].tolist() == sizes
    assert (answer.points["budget"] == 1e21).all()
    e, a, b = (flat(fit, k)[:, None] for k in "EAB")
    rest = level - e - a * np.array(sizes) ** -flat(fit, "alpha")[:, None]
    np.testing.assert_allclose(data, (rest / b) ** (-1 / flat(fit, "beta")[:, None]), rtol=1e-5)
    np.testing.assert_allclose(extra, 6 * np.array(sizes) * data / 1e21 - 1, rtol=1e-9)
    assert extra.min() > -CLOSE
    assert (np.diff(data, axis=1) < 0).all()
    table = answer.summary()
    assert table["quantity"].tolist()[:3] == ["D", "D/N", "extra cost"]
    assert table["q0.5"].iloc[1] == pytest.approx(table["q0.5"].iloc[0] / 1e9)


def test_a_target_is_the_level_of_every_draw(fit: Fit) -> None:
    answer = iso_loss(fit, [5e8, 2e9], target=2.4)
    np.testing.assert_array_equal(draws(answer.level), 2.4)
    assert (answer.points["target"] == 2.4).all()
    n = np.full(400, 2e9)
    assert means(fit, n, draws(answer.data)[:, 1], 123) == pytest.approx(2.4, abs=1e-7)
    # over the cheapest cost of that target
    paid = draws(cheapest(fit, 2.4).budget)[:, 0]
    wanted = 6 * 2e9 * draws(answer.data)[:, 1] / paid - 1
    np.testing.assert_allclose(draws(answer.extra)[:, 1], wanted, rtol=1e-6, atol=1e-9)


def test_a_size_too_small_needs_endless_tokens(fit: Fit) -> None:
    tiny = 2e6
    answer = iso_loss(fit, [tiny, 2e9], budget=1e21)
    # the term of N alone is above the level
    short = flat(fit, "E") + flat(fit, "A") * tiny ** -flat(fit, "alpha")
    assert (short > draws(answer.level)[:, 0]).all()
    assert np.isinf(draws(answer.data)[:, 0]).all()
    assert np.isinf(draws(answer.extra)[:, 0]).all()
    assert np.isfinite(draws(answer.data)[:, 1]).all()
    table = answer.summary()
    assert table["reached"].tolist() == [0] * 3 + [1] * 3
    assert np.isinf(table["q0.5"].to_numpy()[:3]).all()


def test_tokens_end_at_the_unique_ones(fit: Fit) -> None:
    plain = iso_loss(fit, [5e8, 8e9], target=2.4)
    most = float(np.sqrt(draws(plain.data)[:, 0].min() * draws(plain.data)[:, 1].max()))
    few = iso_loss(fit, [5e8, 8e9], target=2.4, unique=most)
    assert np.isinf(draws(few.data)[:, 0]).all()
    np.testing.assert_array_equal(draws(few.data)[:, 1], draws(plain.data)[:, 1])


def test_serving_moves_the_best_size_down_and_no_size_is_cheaper(known: Fit) -> None:
    target = 2.4
    plain, served = (
        float(np.median(cheapest(known, target, cost=c).size)) for c in (Cost(), SERVED)
    )
    assert served < 0.9 * plain
    # for the loss that training alone would buy with a larger model
    answer = iso_loss(known, [served, plain], target=target, cost=SERVED)
    np.testing.assert_allclose(draws(answer.extra)[:, 0], 0.0, atol=1e-5)
    assert (draws(answer.extra)[:, 1] > 0.001).all()
    # without serving it is the other way round
    answer = iso_loss(known, [served, plain], target=target)
    assert (draws(answer.extra)[:, 0] > 0.001).all()
    np.testing.assert_allclose(draws(answer.extra)[:, 1], 0.0, atol=1e-5)


def test_data_that_are_repeated_too_often_do_not_reach_it() -> None:
    law = registry["data_constrained"]
    truth = TRUTH | {"worth_D": 10.0, "worth_N": 5.0, "harm": 0.02, "harm_N": 0.0}
    fit = fake_fit_of(law, scales().assign(U=lambda t: t["D"]), truth, draws=100)
    enough, few = (iso_loss(fit, 2e9, target=2.5, unique=u) for u in (1e12, 1e9))
    assert np.isfinite(draws(enough.data)).all()
    assert np.isinf(draws(few.data)).all()


# -- errors -------------------------------------------------------------------


@pytest.mark.parametrize("targets", [[], np.nan, [2.4, np.inf]])
def test_wrong_targets(fit: Fit, targets: Any) -> None:
    with pytest.raises(UsageError, match="targets are numbers in the unit of the response"):
        cheapest(fit, targets)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "as that of a budget, or as a target: one of the two"),
        ({"budget": 1e21, "target": 2.4}, "one of the two"),
        ({"budget": 1e21, "sizes": []}, "sizes are positive numbers, such as 1e9"),
        ({"budget": 1e21, "sizes": [1e9, -1.0]}, "sizes are positive numbers"),
        ({"budget": -1.0}, "budgets are positive numbers"),
        ({"budget": 1e21, "at": {"N": 1e9}}, "N is what the answer looks for"),
        ({"target": 2.4, "at": {"recipe": "adam"}}, "'recipe' is neither an input nor a grouping"),
    ],
)
def test_wrong_usage(fit: Fit, options: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        iso_loss(fit, **({"sizes": 1e9} | options))


def test_laws_of_one_scale_are_refused() -> None:
    truth = {"level": 2.9, "reducible": 0.4, "alpha": 0.3}
    runs = scales().rename(columns={"N": "X"})[["X"]]
    one = fake_fit_of(registry["power_law"], runs, truth, draws=100)
    for ask in (lambda: cheapest(one, 2.4), lambda: iso_loss(one, 1e9, target=2.4)):
        with pytest.raises(UsageError, match="law power_law has X"):
            ask()


def test_a_poor_fit_is_refused(fit: Fit) -> None:
    poor = diverged(fit, 200)
    with pytest.raises(FitError, match="divergences"):
        cheapest(poor, 2.4)
    with pytest.raises(FitError, match="divergences"):
        iso_loss(poor, 1e9, target=2.4)
    forced = cheapest(poor, 2.4, force=True)
    assert "divergences" in [w.code for w in forced.warnings]
    forced_loss = iso_loss(poor, 1e9, target=2.4, force=True)
    assert "divergences" in [w.code for w in forced_loss.warnings]
