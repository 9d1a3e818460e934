"""Choosing a recipe: probabilities, regret, ties, abstention, costs and utilities."""

from __future__ import annotations

import numpy as np
import pytest
from decision_fits import THREE, crossing_fit
from fakes import RECIPES, changed, diverged, fake_fit

from bayes_scaling.answers import Cost, compare, decide, six_nd
from bayes_scaling.errors import FitError, UsageError
from bayes_scaling.posterior import Fit

POINT = {"N": 1e9, "D": 2e10}


@pytest.fixture(scope="module")
def fit() -> Fit:
    return fake_fit(THREE, draws=100)


@pytest.fixture(scope="module")
def close() -> Fit:
    """Two recipes whose levels and exponents differ by draws around nothing."""
    fit = fake_fit(RECIPES, draws=200)
    rng = np.random.default_rng(3)
    moved = {}
    for p in ("level", "alpha"):
        effects = fit.posterior[f"{p}_effect_recipe"].to_numpy().copy()
        effects[..., 1] = effects[..., 0] + 0.002 * rng.normal(size=effects.shape[:2])
        moved[f"{p}_effect_recipe"] = effects
    return changed(fit, moved)


def losses(fit: Fit) -> np.ndarray:
    return compare(fit, at=POINT).draws.transpose("sample", "point", "recipe").to_numpy()[:, 0]


def test_probabilities_and_regrets_are_averages_over_draws(fit: Fit) -> None:
    values = losses(fit)
    answer = decide(fit, POINT, rope=0.05)
    table = answer.summary()
    best = values.min(axis=1)
    for k, (_, row) in enumerate(table.iterrows()):
        assert row["p_best"] == pytest.approx((values[:, k] == best).mean())
        assert row["regret"] == pytest.approx((values[:, k] - best).mean())
        assert row["p_safe"] == pytest.approx((values[:, k] - best <= 0.05).mean())
    assert table["chosen"].sum() == 1
    assert table.loc[table["chosen"], "regret"].iloc[0] == table["regret"].min()
    verdict = answer.verdicts().iloc[0]
    assert verdict["choice"] == table.loc[table["chosen"], "recipe"].iloc[0]


def test_a_clear_case_is_settled() -> None:
    answer = decide(fake_fit(RECIPES, draws=100), POINT)
    verdict = answer.verdicts().iloc[0]
    assert (verdict["choice"], verdict["settled"], verdict["tied"]) == ("adam", True, ["adam"])
    assert answer.settled
    assert verdict["verdict"] == "adam"


def test_close_recipes_are_not_settled_without_a_region_and_tied_with_one(close: Fit) -> None:
    answer = decide(close, POINT)
    verdict = answer.verdicts().iloc[0]
    assert not answer.settled
    assert verdict["tied"] == []
    assert verdict["verdict"].startswith("not settled: ")
    assert "adam" in verdict["verdict"]
    assert "muon" in verdict["verdict"]
    assert verdict["verdict"].endswith(
        "bayes-scaling next finds the run that does so at the lowest cost"
    )
    tied = decide(close, POINT, rope=0.05)
    assert tied.settled
    assert tied.verdicts()["tied"].iloc[0] == ["adam", "muon"]
    assert "practically equal" in tied.verdicts()["verdict"].iloc[0]


def test_the_confidence_moves_the_verdict(close: Fit) -> None:
    safe = decide(close, POINT).verdicts()["p_safe"].iloc[0]
    assert 0.5 <= safe < 0.9
    assert decide(close, POINT, confidence=0.5).settled
    assert not decide(close, POINT, confidence=0.9).settled


def test_a_price_of_compute_turns_the_choice() -> None:
    fit = fake_fit(RECIPES, draws=100)
    gap = float((compare(fit, at=POINT).differences()["mean"]).iloc[0])  # adam less muon
    cost = {"adam": Cost(coefficient=12.0), "muon": six_nd}
    extra = 6 * POINT["N"] * POINT["D"]
    below, above = 0.8 * -gap / extra, 1.25 * -gap / extra
    assert decide(fit, POINT, cost=cost, price=below).verdicts()["choice"].iloc[0] == "adam"
    dear = decide(fit, POINT, cost=cost, price=above)
    assert dear.verdicts()["choice"].iloc[0] == "muon"
    assert dear.cost is not None
    np.testing.assert_allclose(dear.cost.sel(recipe="adam"), 2 * extra)
    worth = dear.utility.sel(recipe="adam").to_numpy()
    values = compare(fit, at=POINT).draws.sel(recipe="adam").to_numpy()
    np.testing.assert_allclose(worth, -values - above * 2 * extra)


def test_a_utility_of_ones_own(fit: Fit) -> None:
    answer = decide(fit, POINT, utility=lambda loss, cost: -np.abs(loss - 2.7))
    expected = np.abs(losses(fit) - 2.7).mean(axis=0)
    assert answer.verdicts()["choice"].iloc[0] == answer.comparison.recipes[expected.argmin()]
    with pytest.raises(UsageError, match="does not broadcast"):
        decide(fit, POINT, utility=lambda loss, cost: np.zeros(7))
    with pytest.raises(UsageError, match="must be a finite number"):
        decide(fit, POINT, utility=lambda loss, cost: np.full_like(loss, np.nan))


def test_at_a_budget_every_recipe_has_its_own_split() -> None:
    fit = crossing_fit(draws=50)
    early, late = (decide(fit, budget=b).verdicts()["choice"].iloc[0] for b in (1e18, 1e25))
    assert (early, late) == ("adam", "muon")
    answer = decide(fit, budget=1e22, price=1e-23)
    assert answer.comparison.runs["recipe"].tolist() == ["adam", "muon"]
    values = -answer.comparison.draws.to_numpy() - 1e-23 * 1e22
    np.testing.assert_allclose(answer.utility, values)


def test_each_target_is_decided_by_itself() -> None:
    fit = crossing_fit(draws=50)
    verdicts = decide(fit, [{"N": 1e7, "D": 2e8}, {"N": 1e12, "D": 2e13}]).verdicts()
    assert verdicts["choice"].tolist() == ["adam", "muon"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"at": None}, "give a target to decide about"),
        ({"rope": -0.1}, "rope is -0.1"),
        ({"confidence": 1.0}, "confidence is 1.0"),
        ({"price": -1.0}, "price is -1.0"),
        ({"price": 1e-20}, "a price needs a cost"),
        ({"at": {"N": 1e9}}, "points lack D"),
        ({"recipes": ["adam"]}, "two recipes or more"),
    ],
)
def test_wrong_usage(fit: Fit, options: dict, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        decide(fit, **({"at": POINT} | options))


def test_poor_fits_are_refused(fit: Fit) -> None:
    poor = diverged(fit, 100)
    with pytest.raises(FitError, match="divergences"):
        decide(poor, POINT)
    assert "divergences" in [w.code for w in decide(poor, POINT, force=True).warnings]


def test_the_choice_of_least_regret_may_be_unsafe_beside_a_safe_one() -> None:
    """Muon is better by much in one draw of thirty and worse by a hair in all others."""
    fit = fake_fit(RECIPES, draws=300)
    rng = np.random.default_rng(1)
    lucky = rng.uniform(size=(1200, 1)) < 1 / 30

    def utility(loss: np.ndarray, cost: np.ndarray) -> np.ndarray:
        muon = np.where(lucky, 1.0, -0.005)
        return np.stack([np.zeros_like(muon), muon], axis=-1)

    answer = decide(fit, POINT, utility=utility, rope=0.004)
    table = answer.summary().set_index("recipe")
    assert table["safe"].to_dict() == {"adam": True, "muon": False}
    assert table["chosen"].to_dict() == {"adam": False, "muon": True}
    verdict = answer.verdicts().iloc[0]
    assert not verdict["settled"]
    assert verdict["verdict"].startswith("not settled: muon loses least on average")
