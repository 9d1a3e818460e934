"""Where curves cross, and how much compute one recipe needs to match another."""

from __future__ import annotations

import numpy as np
import pytest
from decision_fits import cost_fit, crossing_fit
from fakes import RECIPES, changed, diverged, fake_fit

from bayes_scaling.answers import Cost, ScalingPath, compare, crossover, multiplier
from bayes_scaling.errors import FitError, UsageError
from bayes_scaling.posterior import Fit

WIDE = ScalingPath(1e18, 1e25)


@pytest.fixture(scope="module")
def fit() -> Fit:
    return crossing_fit(draws=50)


@pytest.fixture(scope="module")
def sharp() -> Fit:
    """Muon is one per cent worse at the reference and its exponent larger, all but known."""
    fit, rng = fake_fit(RECIPES, draws=100), np.random.default_rng(5)
    moved = {}
    for p, by in (("level", 0.01), ("alpha", 0.2)):
        effects = fit.posterior[f"{p}_effect_recipe"].to_numpy().copy()
        effects[..., 1] = effects[..., 0] + by * (1 + 0.05 * rng.normal(size=effects.shape[:2]))
        moved[f"{p}_effect_recipe"] = effects
    return changed(fit, moved)


@pytest.mark.parametrize(
    "path",
    [
        WIDE,
        ScalingPath(1e18, 1e25, ratio=20),
        ScalingPath(1e8, 1e12, along="N", ratios={"D": 20}),
        ScalingPath(1e19, 1e25, cost=Cost(overhead=1e9)),
    ],
    ids=lambda p: p.text,
)
def test_at_the_crossing_both_are_equally_good(fit: Fit, path: ScalingPath) -> None:
    answer = crossover(fit, "adam", "muon", path)
    place = answer.place.to_numpy()
    inside = (place > path.low) & (place < path.high)
    assert inside.mean() > 0.5
    for j in np.flatnonzero(inside)[:3]:
        at = [place[j] * k for k in (0.9, 1.0, 1.1)]
        values = compare(fit, ["adam", "muon"], path=path, places=at).draws[int(j)].to_numpy()
        gaps = values[:, 0] - values[:, 1]
        assert abs(gaps[1]) < 1e-5 * abs(gaps[2] - gaps[0]) + 1e-9
        assert gaps[0] < 0 < gaps[2]  # adam is better before, muon after
    row = answer.summary().iloc[0]
    assert row["within"] == pytest.approx(inside.mean())
    assert row["within"] + row["before"] + row["after"] == pytest.approx(1)


def test_outside_the_path_crossings_are_placed_and_told_apart(sharp: Fit) -> None:
    fit = sharp
    middle = float(np.median(crossover(fit, "adam", "muon", WIDE).place))
    below = crossover(fit, "adam", "muon", ScalingPath(middle / 1e4, middle / 100)).summary()
    assert below["after"].iloc[0] > 0.9
    assert below["first_throughout"].iloc[0] == pytest.approx(below["after"].iloc[0])
    assert np.log10(below["q0.5"].iloc[0] / middle) == pytest.approx(0, abs=0.05)
    above = crossover(fit, "adam", "muon", ScalingPath(middle * 100, middle * 1e4)).summary()
    assert above["before"].iloc[0] > 0.9
    assert above["second_throughout"].iloc[0] == pytest.approx(
        above["before"].iloc[0],
        abs=0.02,  # a few draws cross twice
    )
    turned = crossover(fit, "muon", "adam", ScalingPath(middle * 100, middle * 1e4)).summary()
    assert turned["first_throughout"].iloc[0] == above["second_throughout"].iloc[0]
    np.testing.assert_allclose(turned["q0.5"], above["q0.5"])


def test_curves_that_never_cross_have_no_place() -> None:
    fit = fake_fit(RECIPES, draws=50)  # adam is better everywhere
    row = crossover(fit, "adam", "muon", ScalingPath(1e20, 1e23)).summary().iloc[0]
    assert row["never"] == 1
    assert row["within"] == 0
    assert row["first_throughout"] == 1
    assert np.isinf(row["q0.5"])


def test_the_curve_is_the_difference_along_the_path(fit: Fit) -> None:
    answer = crossover(fit, "adam", "muon", WIDE)
    gaps = compare(fit, ["adam", "muon"], path=WIDE, places=2).differences()
    np.testing.assert_allclose(answer.curve["mean"].iloc[[0, -1]], gaps["mean"], rtol=1e-8)


def test_a_recipe_with_a_multiple_of_the_cost_needs_a_multiple_of_the_compute() -> None:
    fit = fake_fit(RECIPES, draws=200, pool={"level": "complete", "alpha": "complete"})
    path = ScalingPath(1e20, 1e22, cost={"adam": Cost(), "muon": Cost(coefficient=9.0)})
    answer = multiplier(fit, "muon", "adam", path, places=3)
    np.testing.assert_allclose(answer.draws, 1.5, rtol=1e-4)
    table = answer.summary()
    np.testing.assert_array_equal(table["p_saves"], 0)
    np.testing.assert_allclose(answer.trend, 0, atol=1e-4)
    back = multiplier(fit, "adam", "muon", path, places=3)
    np.testing.assert_allclose(back.draws, 1 / 1.5, rtol=1e-4)


def test_with_that_compute_it_is_as_good(fit: Fit) -> None:
    path = ScalingPath(1e20, 1e22)
    answer = multiplier(fit, "muon", "adam", path, places=2)
    factor = answer.draws.to_numpy()
    for j in (0, 71, 199):
        for k, budget in enumerate((1e20, 1e22)):
            wanted = compare(fit, path=WIDE, places=[budget]).draws.sel(recipe="adam")[j, 0]
            own = compare(fit, path=WIDE, places=[budget * factor[j, k]]).draws
            assert float(own.sel(recipe="muon")[j, 0]) == pytest.approx(float(wanted), rel=1e-6)
    change = answer.change()
    slope = np.log(factor[:, 1] / factor[:, 0]) / 2
    assert change["q0.5"] == pytest.approx(np.exp(np.median(slope)))
    assert change["p_grows"] == pytest.approx((slope > 0).mean())


def test_what_no_budget_reaches_is_infinite() -> None:
    fit = fake_fit(RECIPES, draws=50)
    # the means follow the effects: one recipe is half as lossy
    effects = fit.posterior["level_effect_recipe"].to_numpy().copy()
    effects[..., 1] = effects[..., 0] - np.log(2)
    fit = changed(fit, {"level_effect_recipe": effects})
    never = multiplier(fit, "adam", "muon", ScalingPath(1e21, 1e23), places=2)
    assert np.isinf(never.draws).all()
    assert (never.summary()["never"] == 1).all()
    always = multiplier(fit, "muon", "adam", ScalingPath(1e21, 1e23), places=2)
    assert (always.draws < 1e-3).all()
    assert np.isnan(never.change()["q0.5"])


def test_a_fitted_cost_is_part_of_the_comparison(fit: Fit) -> None:
    path = ScalingPath(1e20, 1e22, cost=cost_fit(draws=50))
    answer = multiplier(fit, "muon", "adam", path, places=2)
    exact = multiplier(fit, "muon", "adam", ScalingPath(1e20, 1e22), places=2)
    np.testing.assert_allclose(np.median(answer.draws), np.median(exact.draws), rtol=0.05)


@pytest.mark.parametrize(
    ("pair", "words"),
    [(("adam", "sgd"), "recipe 'sgd' was not fitted"), (("adam", "adam"), "adam with itself")],
)
def test_wrong_pairs(fit: Fit, pair: tuple[str, str], words: str) -> None:
    for ask in (crossover, multiplier):
        with pytest.raises(UsageError, match=words):
            ask(fit, *pair, WIDE)


def test_poor_fits_are_refused(fit: Fit) -> None:
    poor = diverged(fit, 100)
    for ask in (crossover, multiplier):
        with pytest.raises(FitError, match="divergences"):
            ask(poor, "adam", "muon", WIDE)
    found = crossover(poor, "adam", "muon", WIDE, force=True).warnings
    assert "divergences" in [w.code for w in found]
