"""What runs cost: declared, fitted, and by recipe."""

from __future__ import annotations

import math
from typing import Any

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from fakes import RECIPES, diverged, fake_fit, fake_fit_of, flat, held
from fakes import TRUTH as LOSS
from metric_fits import scales

from bayes_scaling.answers import Cost, allocate, forecast, six_nd
from bayes_scaling.answers.cost import cost_of
from bayes_scaling.errors import FitError, UsageError
from bayes_scaling.models import registry
from bayes_scaling.posterior import Fit

TRUTH = {"level": 4e19, "overhead": 0.15, "size": 0.93, "data": 1.02}
N = np.array([1e7, 4e8, 7e9])
D = np.array([3e9, 5e8, 2e11])
FORMS = {
    "six_nd": six_nd,
    "power": Cost(8.0, size=0.94, data=1.03),
    "overhead": Cost(overhead=2e9, data=0.97),
    "fixed": Cost(fixed=1e18),
    "served": Cost(served=1e12, per_served=3.0),
    "all": Cost(1e-15, 0.9, 1.1, 1e-7, 30.0, 1e11, 2e-18, "USD"),
}


def cost_fit(law: str = "training_cost", **options: Any) -> Fit:
    base, _, variant = law.partition(":")
    found = registry[base].variant(variant) if variant else registry[base]
    truth = {k: TRUTH[k] for k in found.parameters}
    runs = scales()
    for column, labels in options.get("labels", {}).items():
        runs = runs.merge(pd.DataFrame({column: labels}), "cross")
    return fake_fit_of(found, runs, truth, draws=100, **options)


@pytest.fixture(scope="module")
def fitted() -> Fit:
    return cost_fit()


@pytest.fixture(scope="module")
def by_recipe() -> Fit:
    return cost_fit(labels=RECIPES, pool={"level": "partial", "size": "partial"})


@pytest.mark.parametrize("form", FORMS)
def test_tokens_are_the_inverse_of_the_cost(form: str) -> None:
    cost = FORMS[form]
    np.testing.assert_allclose(cost.tokens(N, cost.of(N, D)), D, rtol=1e-12)


def test_costs_by_hand() -> None:
    assert six_nd.of(70e9, 1.4e12) == pytest.approx(5.88e23)
    assert FORMS["overhead"].of(1e9, 1.0) == 8e9
    assert FORMS["fixed"].of(1e6, 1e6) == 6e12 + 1e18
    assert FORMS["served"].of(1e9, 1e10) == 6e19 + 3e21
    wanted = (1e-15 * N**0.9 + 1e-7) * D**1.1 + 30 + 2e-18 * N * 1e11
    np.testing.assert_allclose(FORMS["all"].of(N, D), wanted, rtol=1e-12)


def test_a_budget_that_pays_for_nothing_leaves_no_tokens() -> None:
    served = Cost(fixed=1e18, served=1e12)
    # 1e18 and 2e12 a parameter are due before any token
    found = np.asarray(served.tokens(np.array([1e5, 1e6, 1e7]), 3e18))
    assert found[0] == pytest.approx((3e18 - 1.2e18) / 6e5)
    assert np.isnan(found[1:]).all()


@pytest.mark.parametrize("name", ["coefficient", "size", "data"])
@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf])
def test_factors_and_exponents_are_positive(name: str, value: float) -> None:
    with pytest.raises(UsageError, match=f"{name} of a cost is .*; it must be positive"):
        Cost(**{name: value})


@pytest.mark.parametrize("name", ["overhead", "fixed", "served", "per_served"])
def test_parts_of_a_cost_are_not_negative(name: str) -> None:
    with pytest.raises(UsageError, match=f"{name} of a cost is -1; it must be zero or positive"):
        Cost(**{name: -1})
    assert getattr(Cost(**{name: 0}), name) == 0


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("six_nd", "6 N D (FLOP)"),
        ("power", "8 N^0.94 D^1.03 (FLOP)"),
        ("overhead", "(6 N + 2e+09) D^0.97 (FLOP)"),
        ("fixed", "6 N D + 1e+18 (FLOP)"),
        ("served", "6 N D + 3 N x 1e+12 served (FLOP)"),
        ("all", "(1e-15 N^0.9 + 1e-07) D^1.1 + 30 + 2e-18 N x 1e+11 served (USD)"),
    ],
)
def test_the_cost_in_words(form: str, text: str) -> None:
    assert FORMS[form].text == text


def test_powers_are_told_from_other_costs() -> None:
    assert [k for k, cost in FORMS.items() if cost.is_power] == ["six_nd", "power"]
    assert Cost(jnp.ones(3)).is_power
    assert not Cost(overhead=jnp.zeros(3)).is_power


def test_numbers_of_a_table_are_numbers() -> None:
    found = Cost(np.int64(8), served=np.float32(2.0))
    assert found == Cost(8, served=2.0)
    assert found.draws(3).coefficient == 8
    with pytest.raises(UsageError, match="coefficient of a cost is -6; it must be positive"):
        Cost(np.int64(-6))


def test_draws_are_columns_and_repeat_where_they_are_few() -> None:
    found = Cost(jnp.array([5.0, 6.0, 7.0]), size=0.9).draws(5)
    np.testing.assert_array_equal(found.coefficient, [[5], [6], [7], [5], [6]])
    assert found.size == 0.9


@pytest.mark.parametrize("law", ["training_cost", "training_cost:power", "training_cost:six_nd"])
def test_a_fitted_cost_is_the_mean_of_its_law(law: str) -> None:
    fit = cost_fit(law)
    cost = cost_of(fit, {}, None, False)
    assert cost.is_power == (law != "training_cost")
    assert cost.unit == fit.record.unit
    assert cost.text == f"fitted ({fit.record.unit})"
    at = [{"N": n, "D": d} for n, d in zip(N, D, strict=True)]
    wanted = forecast(fit, at, kind="mean").draws.transpose("sample", "point").to_numpy()
    for j in range(3):
        np.testing.assert_allclose(cost.of(N[j], D[j]), wanted[:, j], rtol=1e-10)
    np.testing.assert_allclose(cost.coefficient, flat(fit, "coefficient"), rtol=1e-10)


def test_a_recipe_has_its_own_fitted_cost(by_recipe: Fit) -> None:
    for recipe in RECIPES["recipe"]:
        row = {"recipe": recipe}
        own = cost_of(by_recipe, row, recipe, False).of(1e9, 2e10)
        at = forecast(by_recipe, row | {"N": 1e9, "D": 2e10}, kind="mean").draws.to_numpy()[:, 0]
        np.testing.assert_allclose(own, at, rtol=1e-10)
    low, high = (
        np.median(cost_of(by_recipe, {"recipe": r}, r, False).of(1e9, 2e10))
        for r in RECIPES["recipe"]
    )
    assert high > 1.1 * low  # hand-made effects are -.1 and .1 on the log scale


def test_an_answer_counts_the_cost_of_the_recipe(by_recipe: Fit) -> None:
    losses = fake_fit(RECIPES, draws=100)
    at = [{"recipe": r} for r in RECIPES["recipe"]]
    answer = allocate(losses, 1e20, cost=by_recipe, at=at)
    n, d = (x.transpose("sample", "point").to_numpy() for x in (answer.size, answer.data))
    for j, row in enumerate(at):
        own = cost_of(by_recipe, row, row["recipe"], False)
        np.testing.assert_allclose(own.of(n[:, j], d[:, j]), 1e20, rtol=1e-9)
    # of a mapping, each recipe has what is given for it
    costs = {"adam": six_nd, "muon": Cost(12.0)}
    answer = allocate(losses, 1e20, cost=costs, at=at)
    spent = 6 * answer.size.to_numpy() * answer.data.to_numpy()
    np.testing.assert_allclose(spent, np.tile([1e20, 5e19], (400, 1)), rtol=1e-9)
    assert answer.cost == ("6 N D (FLOP)", "12 N D (FLOP)")


def test_costs_of_recipes_that_are_not_known() -> None:
    costs = {"adam": six_nd, "muon": Cost(7.0)}
    with pytest.raises(UsageError, match="no cost of soap; costs are given for adam, muon"):
        cost_of(costs, {"recipe": "soap"}, "soap", False)
    with pytest.raises(UsageError, match="no cost of a recipe never seen"):
        cost_of(costs, {}, None, False)


def test_labels_without_a_fitted_cost(by_recipe: Fit) -> None:
    words = "differs by recipe, and knows none of soap; it knows adam, muon"
    with pytest.raises(UsageError, match=words):
        cost_of(by_recipe, {"recipe": "soap"}, "soap", False)


def test_what_is_no_cost() -> None:
    with pytest.raises(UsageError, match="the fit of law chinchilla is no cost"):
        cost_of(fake_fit(draws=100), {}, None, False)
    with pytest.raises(UsageError, match=r"a cost is a bs\.Cost or a fit of one, got float"):
        cost_of(6.0, {}, None, False)


def test_a_poor_fit_of_a_cost_is_refused(fitted: Fit) -> None:
    poor = diverged(fitted, 200)
    with pytest.raises(FitError, match="divergences"):
        cost_of(poor, {}, None, False)
    forced = cost_of(poor, {}, None, True)
    np.testing.assert_array_equal(forced.size, flat(fitted, "size"))


def test_uncertain_costs_make_the_split_uncertain(fitted: Fit) -> None:
    losses = held(fake_fit(draws=100), **LOSS)
    known, uncertain = (
        np.log(allocate(losses, 1e20, cost=cost).size.to_numpy()) for cost in (six_nd, fitted)
    )
    assert known.std() == pytest.approx(0.0, abs=1e-7)
    assert uncertain.std() > 0.01
