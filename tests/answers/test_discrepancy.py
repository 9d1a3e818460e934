"""Answers of fits whose losses may depart from the law, from hand-made draws."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from fakes import RECIPES, SETTLING, SIGMA, TRUTH, changed, curve, fake_fit, flat

import bayes_scaling as bs
from bayes_scaling.answers import ScalingPath, allocate, cheapest, compare, crossover, forecast
from bayes_scaling.answers.points import read_points
from bayes_scaling.answers.predict import discrepancy_draws, parameter_draws
from bayes_scaling.posterior import Fit

FAR = {"N": 7e10, "D": 1.4e12}
INSIDE = {"N": 7e8, "D": 1e10}
OUTWARD = [{"N": 4e8 * k, "D": 8e9 * k} for k in (1.0, 2.0, 4.0, 10.0, 30.0, 100.0, 1000.0)]


@pytest.fixture(scope="module")
def single() -> Fit:
    return fake_fit(noise="lognormal", discrepancy=True)


@pytest.fixture(scope="module")
def pooled() -> Fit:
    return fake_fit(RECIPES, noise="lognormal", discrepancy=True, draws=250)


def means(fit: Fit, points: Any, **options: Any) -> np.ndarray:
    """Draws of the mean, shape (sample, point)."""
    draws = forecast(fit, points, kind="mean", **options).draws
    return draws.transpose("sample", "point").to_numpy()


def departure(fit: Fit, n: float, d: float, recipe: int | None = None) -> np.ndarray:
    """Departure of the log reducible loss, by hand."""
    x0 = fit.spec.references
    places = {"scale": np.log10(n / x0["N"]) + np.log10(d / x0["D"])}
    places |= {"early": places["scale"], "ratio": np.log10(d / x0["D"]) - np.log10(n / x0["N"])}
    own = None if recipe is None else flat(fit, "discrepancy_own_recipe")[:, recipe]
    total: Any = 0.0
    for walk in fit.spec.walks:
        weights = flat(fit, f"discrepancy_{walk.name}")
        if own is not None and walk.name != "ratio":
            weights, own = weights + own[:, : weights.shape[1]], own[:, weights.shape[1] :]
        for k, i in enumerate(walk.intervals):
            beyond = max(i.side * places[walk.name] - i.start, 0.0)
            inside = min(beyond, i.width)
            total = total + weights[:, k] * inside * (beyond - inside / 2) / np.sqrt(i.width)
    return np.asarray(total)


def by_hand(fit: Fit, n: float, d: float) -> np.ndarray:
    """The law's mean with the departure of its part above the floor."""
    x0 = fit.spec.references
    values = {p: flat(fit, p) for p in TRUTH}
    law = curve(n / x0["N"], d / x0["D"], **values)
    floor = values["level"] * (1 - values["reducible"])
    return floor + (law - floor) * np.exp(departure(fit, n, d))


# -- the mean


def test_the_mean_departs_from_the_law_in_every_draw(single: Fit) -> None:
    points = [FAR, INSIDE, {"N": 1e7, "D": 1e8}, {"N": 1e8, "D": 1e13}]
    found = means(single, points)
    for k, point in enumerate(points):
        np.testing.assert_allclose(found[:, k], by_hand(single, **{x.lower(): v for x, v in
                                   point.items()}), rtol=1e-9)  # fmt: skip


def test_recipes_depart_for_themselves(pooled: Fit) -> None:
    floors = flat(pooled, "E")
    points = [FAR | {"recipe": r} for r in RECIPES["recipe"]]
    found = means(pooled, points)
    values = [
        {p: flat(pooled, p)[:, k] if flat(pooled, p).ndim == 2 else flat(pooled, p) for p in TRUTH}
        for k in range(2)
    ]
    for k in range(2):
        x0 = pooled.spec.references
        law = curve(FAR["N"] / x0["N"], FAR["D"] / x0["D"], **values[k])
        moved = np.log((found[:, k] - floors[:, k]) / (law - floors[:, k]))
        np.testing.assert_allclose(moved, departure(pooled, FAR["N"], FAR["D"], k), atol=1e-9)


def test_a_new_recipe_departs_by_draws_of_its_own(pooled: Fit) -> None:
    table = read_points(pooled, pd.DataFrame([FAR | {"recipe": "adam"}, FAR | {"recipe": None}]))
    drawn = [discrepancy_draws(pooled, table, np.random.default_rng(s)) for s in (1, 2)]
    first, second = (np.asarray(d.weights) for d in drawn)
    np.testing.assert_array_equal(first[..., 0], second[..., 0])  # fitted
    scale, early, ratio = (len(w.intervals) for w in pooled.spec.walks)
    own = slice(0, scale + early)
    assert (first[own, :, 1] != second[own, :, 1]).all()
    np.testing.assert_array_equal(first[scale + early :], second[scale + early :])  # shared
    shared = np.concatenate([flat(pooled, f"discrepancy_{w.name}") for w in pooled.spec.walks], 1)
    assert first.shape == (scale + early + ratio, 1000, 2)
    new = (first[own, :, 1] - shared.T[own]) / flat(pooled, "discrepancy_own_recipe_sd")
    assert new.std() == pytest.approx(1.0, abs=4 / np.sqrt(2 * new.size))
    assert abs(new.mean()) < 4 / np.sqrt(new.size)


# -- its share, and answers without it


def test_the_share_is_zero_inside_and_grows_outside(single: Fit) -> None:
    answer = forecast(single, OUTWARD, kind="mean")
    assert answer.discrepancy is not None
    inside = (answer.extrapolation == 0).all(axis=1).to_numpy()
    assert inside.sum() == 3
    np.testing.assert_array_equal(answer.discrepancy[inside], 0.0)
    shares = answer.discrepancy[~inside]
    assert (np.diff(shares) > 0).all()
    assert 0 < shares[0] < 0.1 < shares[-1] <= 1
    np.testing.assert_array_equal(answer.summary()["discrepancy"], answer.discrepancy)


def test_the_share_is_that_of_the_variance_of_the_log(single: Fit) -> None:
    answer = forecast(single, OUTWARD, kind="mean")
    whole, held = (np.log(means(single, OUTWARD, discrepancy=d)) for d in (True, False))
    np.testing.assert_allclose(
        answer.discrepancy, (whole - held).var(axis=0) / whole.var(axis=0), rtol=1e-9, atol=1e-15
    )
    # noise adds to the variance, not to what drift says
    noisy = forecast(single, OUTWARD)
    assert noisy.discrepancy is not None
    assert answer.discrepancy is not None
    assert (noisy.discrepancy[3:] < answer.discrepancy[3:]).all()


def test_fits_without_one_have_no_share() -> None:
    answer = forecast(fake_fit(noise="lognormal", draws=100), OUTWARD)
    assert answer.discrepancy is None
    assert "discrepancy" not in answer.summary()


def test_without_drift_answers_narrow_outside_and_stay_inside(single: Fit) -> None:
    points = [INSIDE, *OUTWARD]
    whole, held = (forecast(single, points, discrepancy=d, seed=2) for d in (True, False))
    assert held.discrepancy is None
    inside = (whole.extrapolation == 0).all(axis=1).to_numpy()
    one, other = (a.draws.transpose("sample", "point").to_numpy() for a in (whole, held))
    np.testing.assert_array_equal(one[:, inside], other[:, inside])
    means_of = [means(single, points, discrepancy=d)[:, ~inside] for d in (True, False)]
    wide, narrow = (np.log(m).std(axis=0) for m in means_of)
    assert (narrow < wide).all()
    # the fitted intervals go on in straight lines
    assert abs(np.log(np.median(means_of[0], axis=0) / np.median(means_of[1], axis=0))).max() < 0.05


def test_averages_over_groups_have_no_share(pooled: Fit) -> None:
    points = [FAR | {"recipe": r} for r in RECIPES["recipe"]]
    answer = forecast(pooled, points, kind="mean")
    assert answer.discrepancy is not None
    assert answer.average_over("recipe").discrepancy is None


# -- one function a draw


def test_answers_of_one_fit_see_the_same_function(pooled: Fit) -> None:
    point = FAR | {"recipe": "muon"}
    alone = means(pooled, point, seed=1)[:, 0]
    beside = means(pooled, [INSIDE | {"recipe": "adam"}, point], seed=9)[:, 1]
    np.testing.assert_allclose(alone, beside, rtol=1e-12)
    draws = compare(pooled, at=FAR).draws.transpose("sample", "point", "recipe")
    np.testing.assert_allclose(draws[:, 0, 1], alone, rtol=1e-12)
    assert np.unique(np.round(alone, 9)).size == alone.size


def test_the_function_is_smooth_where_the_fitted_runs_end(single: Fit) -> None:
    end = single.spec.walks[0].beyond[0].start / 2  # decades of each input from the reference
    places = end + np.array([-2e-4, -1e-4, 0.0, 1e-4, 2e-4])
    x0 = single.spec.references
    found = np.log(means(single, [{k: x0[k] * 10**p for k in x0} for p in places]))
    steps = np.diff(found, axis=1)
    assert np.abs(np.diff(steps, axis=1)).max() < 1e-6 < np.abs(steps).min()


# -- noise


def test_noise_of_new_runs_settles() -> None:
    fit = fake_fit(noise="lognormal", discrepancy=True)
    wobble = 1 + 1e-6 * np.random.default_rng(5).normal(size=(4, 500))
    known = changed(fit, {"sigma": SIGMA * wobble, "settling": SETTLING * wobble})
    x0 = known.spec.references
    points = [{k: x0[k] * 10.0**p for k in x0} for p in (-0.5, 0.0, 1.0)]
    draws = forecast(known, points).draws.transpose("sample", "point").to_numpy()
    found = (np.log(draws) - np.log(means(known, points))).std(axis=0)
    wanted = SIGMA * np.exp(-SETTLING * np.array([-1.0, 0.0, 2.0]))
    np.testing.assert_allclose(found, wanted, rtol=4 / np.sqrt(2 * 2000))


# -- splits and budgets


def losses_of(fit: Fit, n: np.ndarray, d: np.ndarray, recipe: str) -> np.ndarray:
    """Loss of every draw at a size and tokens of its own."""
    table = read_points(fit, pd.DataFrame([FAR | {"recipe": recipe}]))
    values = parameter_draws(fit, table, np.random.default_rng(0))
    x = {"N": n[:, None] / fit.spec.references["N"], "D": d[:, None] / fit.spec.references["D"]}
    return np.asarray(fit.law.mean({k: jnp.asarray(v) for k, v in x.items()}, values))[:, 0]


def test_the_best_split_is_that_of_the_departed_loss() -> None:
    fit = fake_fit(RECIPES, noise="lognormal", discrepancy=True, draws=100)
    answer = allocate(fit, 1e23, at={"recipe": "adam"})
    size = answer.size.transpose("sample", "point").to_numpy()[:, 0]
    data = answer.data.transpose("sample", "point").to_numpy()[:, 0]
    np.testing.assert_allclose(6 * size * data, 1e23, rtol=1e-6)
    inner = (size > 1.01 * size.min()) & (size < 0.99 * size.max())
    assert inner.mean() > 0.9
    best = losses_of(fit, size, data, "adam")
    for k in (0.8, 0.97, 1.03, 1.25):
        assert (losses_of(fit, k * size, data / k, "adam") >= best - 1e-9)[inner].all()
    held = allocate(fake_fit(RECIPES, noise="lognormal", draws=100), 1e23, at={"recipe": "adam"})
    assert np.log(size).std() > np.log(held.size.to_numpy()).std()


def test_the_cheapest_way_to_a_loss_reaches_it() -> None:
    fit = fake_fit(RECIPES, noise="lognormal", discrepancy=True, draws=100)
    answer = cheapest(fit, 2.2, at={"recipe": "adam"})
    budget = answer.budget.to_numpy().ravel()
    size, data = (v.to_numpy().ravel() for v in (answer.size, answer.data))
    reached = np.isfinite(budget)
    assert reached.mean() > 0.9
    found = losses_of(fit, np.where(reached, size, 1e9), np.where(reached, data, 1e10), "adam")
    np.testing.assert_allclose(found[reached], 2.2, rtol=1e-4)


def test_at_a_crossing_recipes_are_equally_good(pooled: Fit) -> None:
    effects = pooled.posterior["level_effect_recipe"].to_numpy().copy()
    alpha = pooled.posterior["alpha_effect_recipe"].to_numpy().copy()
    effects[..., 1], alpha[..., 1] = effects[..., 0] + 0.01, alpha[..., 0] + 0.2
    fit = changed(pooled, {"level_effect_recipe": effects, "alpha_effect_recipe": alpha})
    path = ScalingPath(1e18, 1e25, ratio=20)
    place = crossover(fit, "adam", "muon", path).place.to_numpy()
    inside = (place > path.low) & (place < path.high)
    assert inside.mean() > 0.5
    for j in np.flatnonzero(inside)[:3]:
        at = [place[j] * k for k in (0.9, 1.0, 1.1)]
        values = compare(fit, ["adam", "muon"], path=path, places=at).draws[int(j)].to_numpy()
        gaps = values[:, 0] - values[:, 1]
        assert abs(gaps[1]) < 1e-5 * abs(gaps[2] - gaps[0]) + 1e-9


# -- files


def test_a_saved_fit_answers_the_same(pooled: Fit, tmp_path: Path) -> None:
    pooled.save(tmp_path / "fit.nc")
    back = bs.load(tmp_path / "fit.nc")
    assert back.spec == pooled.spec
    assert back.structure == pooled.structure
    points = [FAR | {"recipe": "muon"}, INSIDE | {"recipe": "adam"}, FAR]
    for discrepancy in (True, False):
        one, other = (forecast(f, points, discrepancy=discrepancy, seed=4) for f in (pooled, back))
        np.testing.assert_array_equal(one.draws, other.draws)
        assert (one.discrepancy is None) == (not discrepancy)
        if discrepancy:
            np.testing.assert_array_equal(one.discrepancy, other.discrepancy)
