"""Runs that could be paid for: boxes, costs, and what they would be seen to reach."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from decision_fits import cost_fit
from fakes import RECIPES, SIGMA, fake_fit, fake_fit_of, flat
from toys import drift_fit

from bayes_scaling.answers import Cost, forecast
from bayes_scaling.answers.candidates import (
    costs_of,
    drawn_from,
    is_box,
    narrowed,
    outlook,
    read_candidates,
    table_from,
)
from bayes_scaling.answers.points import read_points
from bayes_scaling.errors import UsageError
from bayes_scaling.models import registry
from bayes_scaling.posterior import Fit

BOX = {"N": (1e7, 1e10), "D": (1e9, 1e11), "recipe": ["adam", "muon"]}
TABLE = pd.DataFrame(
    {"N": [1e8, 1e9, 4e9], "D": [2e9, 2e10, 8e10], "recipe": ["adam", "muon", None]}
)


@pytest.fixture(scope="module")
def fit() -> Fit:
    return fake_fit(RECIPES, draws=100)


@pytest.fixture(scope="module")
def signed() -> Fit:
    return drift_fit(draws=50)


def read(fit: Fit, given: Any, cost: Any = None) -> Any:
    return read_candidates(fit, table_from(fit, given, 0), cost, force=False)


# -- boxes


def test_a_box_is_filled_evenly_in_logs(fit: Fit) -> None:
    found = drawn_from(fit, BOX, 3, 512)
    assert found.shape == (512, 3)
    for name, low, high in (("N", 1e7, 1e10), ("D", 1e9, 1e11)):
        place = np.log(found[name] / low) / np.log(high / low)
        assert place.min() >= 0.0
        assert place.max() <= 1.0
        # a scrambled net has about one point in each of as many equal parts
        np.testing.assert_allclose(np.histogram(place, 16, (0, 1))[0], 32, atol=1)
    assert found["recipe"].value_counts().to_dict() == {"adam": 256, "muon": 256}
    assert found.equals(drawn_from(fit, BOX, 3, 512))
    assert not found.equals(drawn_from(fit, BOX, 4, 512))


def test_what_is_no_scale_is_filled_evenly_itself(signed: Fit) -> None:
    box = {"N": 1e9, "year": (2020.0, 2024.0), "part": [0.25, 1.0], "repeats": 0.0}
    found = drawn_from(signed, box, 0, 128)
    np.testing.assert_allclose(np.histogram(found["year"], 8, (2020, 2024))[0], 16, atol=1)
    assert set(found["part"]) == {0.25, 1.0}
    assert (found["N"] == 1e9).all()


@pytest.mark.parametrize(
    ("box", "message"),
    [
        ({"N": (1e9, 1e8), "D": 1e9}, "the range of N is 1e\\+09 to 1e\\+08; it must go up"),
        ({"N": (0.0, 1e8), "D": 1e9}, "the range of N is 0 to 1e\\+08; it must go up"),
        ({"N": 1e9, "recipe": ("adam", "muon")}, "a range is one of an input, and recipe is none"),
        ({"N": (1e8, 1e9)}, "points lack D"),
        ({"N": (1e8, 1e9), "D": 1e9, "lr": [1e-3]}, "'lr' is neither an input nor a grouping"),
    ],
)
def test_a_box_that_says_nothing_is_refused(fit: Fit, box: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read(fit, box)


def test_boxes_and_points_are_told_apart() -> None:
    assert is_box(BOX)
    assert is_box({"N": 1e9, "recipe": ["adam"]})
    assert not is_box({"N": 1e9, "D": 2e10})
    assert not is_box(TABLE)


def test_a_narrower_box_is_a_part_around_a_place(fit: Fit) -> None:
    around = {"N": 9e9, "D": 1e10, "recipe": "muon"}
    found = narrowed(fit, BOX, around)
    assert found["recipe"] == "muon"
    low, high = found["N"]
    assert (low, high) == pytest.approx((9e9 / 10 ** (3 / 8), 1e10))  # cut off at the box
    assert found["D"] == pytest.approx((1e10 / 10**0.25, 1e10 * 10**0.25))


# -- costs


def test_costs_are_six_n_d_or_what_the_table_says(fit: Fit) -> None:
    found = read(fit, TABLE)
    np.testing.assert_allclose(found.cost, 6 * TABLE["N"] * TABLE["D"])
    assert (found.unit, len(found)) == ("FLOP", 3)
    assert not found.failure.any()
    own = read(fit, TABLE.assign(cost=[3, "2", 1.5], p_fail=[0.0, 0.5, 0.9]), Cost(fixed=1e30))
    np.testing.assert_array_equal(own.cost, [3.0, 2.0, 1.5])
    np.testing.assert_array_equal(own.failure, [0.0, 0.5, 0.9])
    assert own.unit == ""
    assert list(own.points) == ["N", "D", "recipe"]


def test_costs_may_be_declared_fitted_or_one_a_recipe(fit: Fit) -> None:
    declared = Cost(overhead=1e9, unit="hour")
    points = read_points(fit, TABLE)
    found, unit = costs_of(fit, points, declared, False)
    np.testing.assert_allclose(found, (6 * TABLE["N"] + 1e9) * TABLE["D"])
    assert unit == "hour"
    each = {"adam": Cost(), "muon": Cost(coefficient=12.0)}
    known = points.iloc[:2]
    found, _ = costs_of(fit, known, each, False)
    np.testing.assert_allclose(found, known["N"] * known["D"] * [6.0, 12.0])
    with pytest.raises(UsageError, match="no cost of a recipe never seen"):
        costs_of(fit, points, each, False)
    measured = cost_fit()
    fitted, _ = costs_of(fit, points, measured, False)
    expected = forecast(measured, points[["N", "D"]], kind="mean").draws.mean("sample")
    np.testing.assert_allclose(fitted, expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("cost", [1.0, 0.0, 2.0], "every candidate needs a positive cost"),
        ("cost", [1.0, np.nan, 2.0], "every candidate needs a positive cost"),
        ("cost", ["1", "dear", "2"], "column 'cost' of the candidates must hold numbers"),
        ("p_fail", [0.0, 0.5, 1.0], "p_fail is a probability from 0 to below 1"),
        ("p_fail", [0.0, -0.1, 0.5], "p_fail is a probability from 0 to below 1"),
        ("p_fail", [0.0, np.nan, 0.5], "p_fail is a probability from 0 to below 1"),
    ],
)
def test_wrong_costs_are_refused(fit: Fit, column: str, values: list[Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read(fit, TABLE.assign(**{column: values}))


def test_what_has_no_tokens_needs_costs_of_its_own(signed: Fit) -> None:
    points = {"N": [1e9, 2e9], "year": 2024.0, "part": 1.0, "repeats": 0.0}
    table = pd.DataFrame(points)
    with pytest.raises(UsageError, match="have no D: give them a column 'cost'"):
        read(signed, table)
    assert read(signed, table.assign(cost=[1.0, 2.0])).cost.tolist() == [1.0, 2.0]


# -- what they would be seen to reach


def test_an_outlook_is_the_law_and_the_noise_of_every_draw(fit: Fit) -> None:
    points = read_points(fit, TABLE.iloc[:2])
    seen = outlook(fit, points, 5)
    expected = forecast(fit, points, kind="mean").draws.transpose("sample", "point")
    np.testing.assert_allclose(seen.latent, np.log(expected), rtol=1e-6)
    sigma, nu = flat(fit, "sigma"), flat(fit, "nu")
    assert seen.spread is not None
    assert seen.nu is not None
    np.testing.assert_allclose(seen.spread, np.repeat(sigma[:, None], 2, axis=1), rtol=1e-6)
    np.testing.assert_allclose(seen.nu, nu)
    # strays are recognised: the variance is the inverse of the Fisher information
    expected_noise = np.mean(sigma**2 * (nu + 3) / (nu + 1))
    np.testing.assert_allclose(seen.noise, expected_noise, rtol=1e-6)
    assert seen.bound == math.inf


def test_runs_of_one_rung_share_its_deviation() -> None:
    fit = fake_fit(RECIPES, rungs=True, draws=400)
    at = [{"N": 3e9, "D": 6e10, "recipe": r} for r in ("adam", "muon")]
    seen = outlook(fit, read_points(fit, [*at, at[0] | {"N": 5e9}]), 0)
    free = outlook(fake_fit(RECIPES, draws=400), read_points(fit, at), 0)
    extra = np.var(seen.latent[:, 0]) - np.var(free.latent[:, 0])
    assert extra > 0
    difference = np.var(seen.latent[:, 0] - seen.latent[:, 1])
    assert difference < 0.5 * np.var(seen.latent[:, 0] - seen.latent[:, 2])


def test_a_bound_is_carried_to_the_scale_of_the_noise() -> None:
    runs = pd.DataFrame({"N": [1e8, 1e8, 1e9, 1e9], "D": [2e9, 2e10, 2e9, 2e10]})
    truth = {"level": 2.9, "reducible": 0.4, "share_N": 0.55, "alpha": 0.34, "beta": 0.28}
    fit = fake_fit_of(registry["chinchilla"], runs, truth, bound=3.4, draws=50)
    seen = outlook(fit, read_points(fit, runs), 0)
    assert seen.bound == pytest.approx(math.log(3.4))


def test_noise_of_other_kinds_is_drawn(signed: Fit) -> None:
    """Of counts and frontiers there is no plain spread: what is seen holds its noise."""
    fit = fake_fit(noise="upper-frontier", draws=400)
    seen = outlook(fit, read_points(fit, {"N": 1e9, "D": 2e10}), 0)
    assert seen.spread is None
    assert not seen.noise.any()
    means = forecast(fit, {"N": 1e9, "D": 2e10}, kind="mean").draws.to_numpy()
    assert np.std(seen.latent) > np.std(means)
    assert np.std(seen.latent) > SIGMA
