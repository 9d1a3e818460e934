"""The compute-optimal split of a budget: closed forms, the search, and what is recommended."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from fakes import RECIPES, TRUTH, diverged, fake_fit, fake_fit_of, flat, held
from metric_fits import cloglog_fit, decay_fit, densing_fit, scales

from bayes_scaling.answers import Allocation, Cost, allocate, forecast, six_nd
from bayes_scaling.answers.arm import Arm
from bayes_scaling.answers.split import train
from bayes_scaling.errors import FitError, UsageError
from bayes_scaling.models import registry
from bayes_scaling.posterior import Fit

CLOSED = ("chinchilla", "chinchilla:tied", "kaplan", "skaling")
SUPER = Cost(12.0, size=0.9, data=1.05)
COSTS = {
    "overhead": Cost(overhead=2e9),
    "served": Cost(served=3e11),
    "fixed": Cost(fixed=3e20),
}
BUDGETS = [1e20, 1e22]
FARSEER = {"size_bend": 0.02, "data_drift": 0.03, "data_bend": 1e-3, "data_twist": 1e-4,
           "exponent_drift": -0.04}  # fmt: skip
REPEATS = TRUTH | {"worth_D": 10.0, "worth_N": 5.0, "harm": 0.02, "harm_N": 0.0}


@pytest.fixture(scope="module")
def fit() -> Fit:
    return fake_fit(draws=100)


def law_fit(name: str) -> Fit:
    base, _, variant = name.partition(":")
    law = registry[base].variant(variant) if variant else registry[base]
    truth = TRUTH | FARSEER | {"coupling": 0.8}
    return fake_fit_of(law, scales(), {k: truth[k] for k in law.parameters}, draws=100)


def sizes(answer: Allocation) -> np.ndarray:
    return answer.size.transpose("sample", "point").to_numpy()


def tokens(answer: Allocation) -> np.ndarray:
    return answer.data.transpose("sample", "point").to_numpy()


def along(arm: Arm, size: Any, budget: float) -> np.ndarray:
    """Loss of every draw where a budget is spent on a size."""
    return np.asarray(arm.loss(jnp.asarray(size), arm.tokens(jnp.asarray(size), budget)))


def codes(answer: Allocation) -> list[str]:
    return [w.code for w in answer.warnings]


# -- the optimum --------------------------------------------------------------


@pytest.mark.parametrize("cost", [six_nd, SUPER], ids=["six_nd", "power"])
@pytest.mark.parametrize("law", CLOSED)
def test_the_closed_form_is_what_the_search_finds(law: str, cost: Cost) -> None:
    answer = allocate(law_fit(law), BUDGETS, cost=cost)
    arm = answer.arms[0]
    assert arm.closed
    size, data, _, interior = train(
        replace(arm, closed=False), jnp.asarray(BUDGETS, dtype=float)[None]
    )
    # the loss is flat at its least: a search knows the place to half of its digits
    np.testing.assert_allclose(size, sizes(answer), rtol=1e-6)
    np.testing.assert_allclose(data, tokens(answer), rtol=1e-6)
    assert np.asarray(interior).all()
    assert answer.interior.all()


def test_the_published_closed_form(fit: Fit) -> None:
    """Hoffmann et al. 2022, equation 4, from the published coefficients."""
    answer = allocate(fit, BUDGETS)
    alpha, beta, a, b = (flat(fit, k) for k in ("alpha", "beta", "A", "B"))
    g = (alpha * a / (beta * b)) ** (1 / (alpha + beta))
    for j, budget in enumerate(BUDGETS):
        size = g * (budget / 6) ** (beta / (alpha + beta))
        data = (budget / 6) ** (alpha / (alpha + beta)) / g
        np.testing.assert_allclose(sizes(answer)[:, j], size, rtol=1e-10)
        np.testing.assert_allclose(tokens(answer)[:, j], data, rtol=1e-10)
        wanted = flat(fit, "E") + a * size**-alpha + b * data**-beta
        np.testing.assert_allclose(answer.best.to_numpy()[:, j], wanted, rtol=1e-10)
    assert answer.points["budget"].tolist() == BUDGETS
    assert answer.cost == ("6 N D (FLOP)",) * 2


@pytest.mark.parametrize("cost", [SUPER, *COSTS.values()], ids=["power", *COSTS])
def test_the_budget_is_spent(fit: Fit, cost: Cost) -> None:
    answer = allocate(fit, [1e21, 1e22], cost=cost)
    spent = np.asarray(cost.of(sizes(answer), tokens(answer)))
    np.testing.assert_allclose(spent, np.tile([1e21, 1e22], (400, 1)), rtol=1e-10)


@pytest.mark.parametrize("cost", COSTS.values(), ids=COSTS)
@pytest.mark.parametrize("law", ["chinchilla", "farseer"])
def test_the_loss_is_stationary_along_equal_cost(law: str, cost: Cost) -> None:
    fit = law_fit(law)
    if law == "farseer":  # of uncertain bends some fall for ever
        fit = held(fit, **{k: (TRUTH | FARSEER)[k] for k in fit.law.parameters})
    budget, step = 1e21, 1e-3
    answer = allocate(fit, budget, cost=cost, within=(1e7, 1e11))
    arm, best = answer.arms[0], sizes(answer)
    assert not arm.closed
    assert answer.interior.all()

    def slope(at: np.ndarray) -> np.ndarray:
        """Derivative of the loss in log N."""
        up, down = (along(arm, at * np.exp(h), budget) for h in (step, -step))
        return (up - down) / (2 * step)

    # a third derivative below one leaves step^2 / 6
    np.testing.assert_allclose(slope(best), 0.0, atol=1e-6)
    assert (slope(1.3 * best) > 1e-4).all()
    assert (slope(best / 1.3) < -1e-4).all()


def test_served_tokens_make_models_smaller(fit: Fit) -> None:
    plain, served, often = (
        sizes(allocate(fit, 1e22, cost=Cost(served=s))) for s in (0.0, 1e11, 1e12)
    )
    assert (served < plain).all()
    assert (often < served).all()


def test_exponents_of_the_frontier(fit: Fit) -> None:
    answer = allocate(fit, [1e20, 1e21, 1e22])
    alpha, beta = flat(fit, "alpha"), flat(fit, "beta")
    slopes = answer.exponents.transpose("quantity", "sample", "point")
    for quantity, wanted in (("N", beta / (alpha + beta)), ("D", alpha / (alpha + beta))):
        found = slopes.sel(quantity=quantity).to_numpy()
        np.testing.assert_allclose(found, np.tile(wanted[:, None], 3), rtol=1e-8)
        over_all = answer.exponent(quantity).to_numpy()
        np.testing.assert_allclose(over_all, wanted[:, None], rtol=1e-8)
    # what lies above the floor falls as a power, too
    share = 1 - flat(fit, "E")[:, None] / answer.best.to_numpy()
    wanted = -share * (alpha * beta / (alpha + beta))[:, None]
    # over a tenth of log compute the share changes by its square
    np.testing.assert_allclose(slopes.sel(quantity="loss").to_numpy(), wanted, rtol=1e-3)


def test_exponents_differ_with_compute_where_a_token_has_an_overhead(fit: Fit) -> None:
    answer = allocate(fit, [1e19, 1e24], cost=Cost(overhead=2e9))
    small, large = answer.exponents.sel(quantity="N").transpose("point", "sample").to_numpy()
    plain = flat(fit, "beta") / (flat(fit, "alpha") + flat(fit, "beta"))
    # 6 N is much more than the overhead of the largest
    np.testing.assert_allclose(large, plain, rtol=0.05)
    assert (np.abs(small / plain - 1) > 0.05).all()


def test_a_question_a_group_and_an_exponent_each() -> None:
    fit = fake_fit(RECIPES, draws=100)
    at = [{"recipe": r} for r in RECIPES["recipe"]]
    answer = allocate(fit, BUDGETS, at=at)
    assert answer.points["recipe"].tolist() == ["adam", "adam", "muon", "muon"]
    assert answer.points["budget"].tolist() == BUDGETS * 2
    beta = flat(fit, "beta")
    for j, recipe in enumerate(RECIPES["recipe"]):
        alpha = fit.posterior["alpha"].sel(recipe=recipe).to_numpy().ravel()
        found = answer.exponent().to_numpy()[:, j]
        np.testing.assert_allclose(found, beta / (alpha + beta), rtol=1e-8)
    table = answer.summary()
    assert len(table) == 4 * 7
    assert table["quantity"].tolist()[:4] == ["N", "D", "D/N", "loss"]
    own = table[(table["quantity"] == "D/N")]["q0.5"].to_numpy()
    np.testing.assert_allclose(own, np.median(tokens(answer) / sizes(answer), axis=0), rtol=1e-12)


def test_one_budget_has_no_exponent_over_budgets(fit: Fit) -> None:
    with pytest.raises(UsageError, match="needs two budgets or more"):
        allocate(fit, 1e21).exponent()


def test_the_recommended_size_has_the_least_expected_loss(fit: Fit) -> None:
    for cost in (six_nd, COSTS["served"]):
        answer = allocate(fit, 1e22, cost=cost)
        advised = answer.recommended.iloc[0]
        best = sizes(answer)[:, 0]
        fine = np.geomspace(best.min(), best.max(), 4001)
        expected = along(answer.arms[0], fine[None], 1e22).mean(axis=0)
        chosen = along(answer.arms[0], np.array([[advised["N"]]]), 1e22).mean()
        # 81 sizes over the best ones: half a step costs next to nothing
        step = np.log(best.max() / best.min()) / 80
        assert advised["N"] == pytest.approx(fine[expected.argmin()], rel=step)
        assert chosen == pytest.approx(expected.min(), abs=0.02 * advised["excess"])
        assert advised["excess"] == pytest.approx(chosen - answer.best.mean().item(), rel=1e-6)
        assert advised["excess"] > 0
        spent = float(cost.of(advised["N"], advised["D"]))
        assert spent == pytest.approx(1e22, rel=1e-9)


# -- limits -------------------------------------------------------------------


def test_unique_tokens_are_the_most_where_none_repeat(fit: Fit) -> None:
    budget, unique = 1e22, 5e9
    answer = allocate(fit, budget, unique=unique)
    plain = allocate(fit, budget)
    assert (tokens(plain) > 2 * unique).all()
    # all of them are used, and what is left goes into the size
    np.testing.assert_allclose(tokens(answer), unique, rtol=1e-4)
    np.testing.assert_allclose(sizes(answer), budget / (6 * unique), rtol=1e-4)
    assert (answer.best.to_numpy() > plain.best.to_numpy()).all()
    assert "unique-used-up" in codes(answer)
    (found,) = [w for w in answer.warnings if w.code == "unique-used-up"]
    assert "uses up the 5e+09 unique tokens in 100 % of the draws" in found.message
    assert "the rest of the budget goes into size" in found.message


def test_more_unique_tokens_than_are_needed_change_nothing(fit: Fit) -> None:
    answer, plain = allocate(fit, 1e20, unique=1e13), allocate(fit, 1e20)
    np.testing.assert_allclose(sizes(answer), sizes(plain), rtol=1e-6)
    assert "unique-used-up" not in codes(answer)


def test_a_law_of_repeated_data_repeats_them() -> None:
    law = registry["data_constrained"]
    fit = fake_fit_of(law, scales().assign(U=lambda t: t["D"]), REPEATS, draws=100)
    budget, unique = 1e21, 2e9
    answer, plain = allocate(fit, budget, unique=unique), allocate(fit, budget)
    n, d = sizes(answer), tokens(answer)
    assert (d > unique).all()
    np.testing.assert_allclose(6 * n * d, budget, rtol=1e-9)
    assert (answer.best.to_numpy() > plain.best.to_numpy()).all()
    for j in (0, 123, 399):
        at = {"N": n[j, 0], "D": d[j, 0], "U": unique}
        wanted = forecast(fit, at, kind="mean").draws.to_numpy()[j, 0]
        assert answer.best.to_numpy()[j, 0] == pytest.approx(wanted, rel=1e-10)
    fine = np.geomspace(1e7, 1e12, 20001)
    lowest = along(answer.arms[0], fine[None], budget).min(axis=1)
    np.testing.assert_array_less(answer.best.to_numpy()[:, 0], lowest + 1e-9)
    (found,) = [w for w in answer.warnings if w.code == "unique-used-up"]
    assert found.message.endswith("they are repeated")
    # without a limit every token is new
    at = {"N": sizes(plain)[7, 0], "D": tokens(plain)[7, 0], "U": tokens(plain)[7, 0]}
    new = forecast(fit, at, kind="mean").draws.to_numpy()[7, 0]
    assert plain.best.to_numpy()[7, 0] == pytest.approx(new, rel=1e-10)


def test_sizes_that_end_before_the_optimum(fit: Fit) -> None:
    answer = allocate(fit, 1e22, within=(1e7, 5e8))
    np.testing.assert_allclose(sizes(answer), 5e8, rtol=1e-9)
    np.testing.assert_allclose(tokens(answer), 1e22 / 6 / 5e8, rtol=1e-9)
    assert not answer.interior.any()
    (found,) = [w for w in answer.warnings if w.code == "no-interior-optimum"]
    assert "no interior optimum in 100 % of the draws: the sizes of within" in found.message
    assert (answer.summary()["interior"] == 0).all()
    inside = allocate(fit, 1e22, within=(1e7, 1e13))
    assert "no-interior-optimum" not in codes(inside)
    np.testing.assert_allclose(sizes(inside), sizes(allocate(fit, 1e22)), rtol=1e-12)


# -- groups, metrics and errors -----------------------------------------------


def test_a_group_never_seen_is_drawn() -> None:
    fit = fake_fit(RECIPES, draws=100)
    new = allocate(fit, BUDGETS, seed=3)
    known = allocate(fit, BUDGETS, at={"recipe": "adam"}, seed=3)
    # alpha differs between recipes by .1, and is known to .02
    assert new.exponent().std() > 2.5 * known.exponent().std()
    np.testing.assert_array_equal(sizes(new), sizes(allocate(fit, BUDGETS, seed=3)))
    assert not np.array_equal(sizes(new), sizes(allocate(fit, BUDGETS, seed=4)))


def test_a_chain_minimises_its_loss_and_reports_its_metric() -> None:
    fit = decay_fit(draws=100)
    answer = allocate(fit, 1e21)
    alpha, beta, share = (flat(fit, k) for k in ("alpha", "beta", "share_N"))
    x0 = fit.spec.references
    ratio = alpha * share * x0["N"] ** alpha / (beta * (1 - share) * x0["D"] ** beta)
    wanted = ratio ** (1 / (alpha + beta)) * (1e21 / 6) ** (beta / (alpha + beta))
    np.testing.assert_allclose(sizes(answer)[:, 0], wanted, rtol=1e-10)
    for j in (0, 57, 399):
        at = {"N": sizes(answer)[j, 0], "D": tokens(answer)[j, 0]}
        metric = forecast(fit, at, kind="mean").draws.to_numpy()[j, 0]
        assert answer.best.to_numpy()[j, 0] == pytest.approx(metric, rel=1e-9)
    assert answer.response == fit.record.response
    assert fit.record.response in set(answer.summary()["quantity"])


def test_of_a_chain_to_a_score_the_best_loss_is_the_best_score() -> None:
    fit = cloglog_fit(draws=100)
    answer = allocate(fit, 1e21, at={"task": "qa"})
    arm = answer.arms[0]
    assert arm.better == "higher"
    fine = jnp.geomspace(1e6, 1e12, 5001)[None]
    scores = np.asarray(arm.mean(fine, arm.tokens(fine, 1e21)))
    np.testing.assert_array_less(scores.max(axis=1) - 1e-9, answer.best.to_numpy()[:, 0])


def test_a_score_is_better_higher_unless_told() -> None:
    fit = densing_fit(draws=100)
    answer = allocate(fit, 1e21)
    arm = answer.arms[0]
    assert arm.better == "higher"
    assert not arm.closed
    fine = jnp.geomspace(1e6, 1e12, 5001)[None]
    scores = np.asarray(arm.mean(fine, arm.tokens(fine, 1e21)))
    np.testing.assert_array_less(scores.max(axis=1) - 1e-9, answer.best.to_numpy()[:, 0])
    worst = allocate(fit, 1e21, better="lower", within=(1e7, 1e11))
    assert not worst.interior.any()


@pytest.mark.parametrize("budgets", [[], 0.0, -1e20, np.nan, [1e20, np.inf]])
def test_wrong_budgets(fit: Fit, budgets: Any) -> None:
    with pytest.raises(UsageError, match="budgets are positive numbers, such as 1e22"):
        allocate(fit, budgets)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"at": {"recipe": "adam", "N": 1e9}}, "N is what the answer looks for: leave it out"),
        ({"at": {"recipe": "adam", "D": 1e9}}, "D is what the answer looks for: leave it out"),
        ({"at": {"recipe": "soap"}}, "recipe 'soap' was not fitted"),
        ({"at": {"size": 3}}, "'size' is neither an input nor a grouping column"),
        ({"by": "width"}, "no grouping column 'width'; there are recipe"),
        ({"unique": -1.0}, "unique is -1.0; unique tokens are a positive number"),
        ({"unique": np.nan}, "unique is nan"),
        ({"within": (1e9, 1e8)}, "within 1e.09 to 1e.08; the range must go up"),
        ({"within": (0, 1e8)}, "the range must go up from 0"),
        ({"cost": Cost(fixed=1e22)}, "1e.21 does not pay for any run: fixed costs and serving"),
        ({"cost": 6.0}, "a cost is a bs.Cost or a fit of one"),
    ],
)
def test_wrong_usage(options: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        allocate(fake_fit(RECIPES, draws=100), 1e21, **options)


def test_laws_that_do_not_say_how_size_and_tokens_trade() -> None:
    law = registry["power_law"]
    truth = {"level": 2.9, "reducible": 0.4, "alpha": 0.3}
    runs = scales().rename(columns={"N": "X"})[["X"]]
    with pytest.raises(UsageError, match="law power_law has X; fit a law of both, such as"):
        allocate(fake_fit_of(law, runs, truth, draws=100), 1e21)


@pytest.mark.parametrize("name", ["budget", "target", "quantity"])
def test_a_group_with_the_name_of_a_column_of_the_answer(name: str) -> None:
    with pytest.raises(UsageError, match=f"grouping column {name} has the name of a column"):
        allocate(fake_fit({name: ["a", "b"]}, draws=100), 1e21)


def test_a_poor_fit_is_refused(fit: Fit) -> None:
    poor = diverged(fit, 200)
    with pytest.raises(FitError, match="divergences"):
        allocate(poor, 1e21)
    forced = allocate(poor, 1e21, force=True)
    assert "divergences" in codes(forced)
    np.testing.assert_array_equal(sizes(forced), sizes(allocate(fit, 1e21)))
