"""Forecasts at inputs that are not scales, and of responses that can be negative."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from fakes import flat
from toys import DRIFT, drift_by_hand, drift_fit, mixing_fit

from bayes_scaling.answers import forecast
from bayes_scaling.errors import UsageError
from bayes_scaling.posterior import Fit

POINT = {"N": 4e9, "year": 2023.0, "part": 0.5, "repeats": 2.0}


@pytest.fixture(scope="module")
def fit() -> Fit:
    return drift_fit()


def means(fit: Fit, points: Any) -> np.ndarray:
    return forecast(fit, points, kind="mean").draws.transpose("sample", "point").to_numpy()


def test_the_mean_is_the_law_at_ratios_and_differences(fit: Fit) -> None:
    values = {p: flat(fit, p) for p in DRIFT}
    points = [POINT, {"N": 1e8, "year": 2019.0, "part": 1.0, "repeats": 0.0}]
    found = means(fit, points)
    for column, at in zip(found.T, points, strict=True):
        np.testing.assert_allclose(column, drift_by_hand(fit, at, values), rtol=1e-12)
    assert np.median(found[:, 0]) < 0 < np.median(found[:, 1])


def test_noise_is_added_to_negative_responses(fit: Fit) -> None:
    at = POINT | {"year": 2030.0}
    added = forecast(fit, at).draws.to_numpy() - means(fit, at)
    assert (means(fit, at) < 0).all()
    assert abs(np.median(added)) < 0.002
    assert 0.008 < np.quantile(added, 0.84) < 0.02


@pytest.mark.parametrize(
    "moved",
    [
        {"part": 0.0}, {"part": 1.0}, {"repeats": 0.0}, {"repeats": "40"}, {"year": -5.0},
        {"year": 0.0}, {"year": "2031.5"}, {"N": "7B"},
    ],
    ids=str,
)  # fmt: skip
def test_points_in_the_domain(fit: Fit, moved: dict[str, Any]) -> None:
    at = POINT | moved
    number = {"40": 40.0, "2031.5": 2031.5, "7B": 7e9}
    expected = drift_by_hand(
        fit, {k: number.get(str(v), v) for k, v in at.items()}, {p: flat(fit, p) for p in DRIFT}
    )
    np.testing.assert_allclose(means(fit, at)[:, 0], expected, rtol=1e-10)


@pytest.mark.parametrize(
    ("moved", "message"),
    [
        ({"part": 1.01}, r"part must be a number from 0 to 1, got 1\.01$"),
        ({"part": -0.1}, r"part must be a number from 0 to 1, got -0\.1$"),
        ({"part": None}, "part must be a number from 0 to 1"),
        ({"repeats": -1}, "repeats must be zero or a positive number, got -1$"),
        ({"year": np.inf}, "year must be a number, got inf$"),
        ({"year": "soon"}, "year must be a number, got soon$"),
        ({"N": 0.0}, r"N must be a positive number, got 0\.0; write such as 7B$"),
    ],
    ids=str,
)
def test_points_outside_the_domain(fit: Fit, moved: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        forecast(fit, POINT | moved)


def test_extrapolation_is_in_widths_of_the_range(fit: Fit) -> None:
    points = [
        POINT,
        POINT | {"year": 2026.0, "part": 0.25, "repeats": 4.0},
        POINT | {"year": 2018.0, "part": 0.1, "repeats": 6.0},
        POINT | {"N": 1e12, "part": 0.0},
    ]
    found = forecast(fit, points).extrapolation
    expected = pd.DataFrame(
        {
            "N": [0, 0, 0, 2.0],
            "year": [0, 0.5, 0.5, 0],
            "part": [0, 0, 0.2, 1 / 3],
            "repeats": [0, 0, 0.5, 0],
        }
    )
    pd.testing.assert_frame_equal(found, expected, check_dtype=False)


def test_a_point_far_away_is_named_in_its_own_measure(fit: Fit) -> None:
    (finding,) = forecast(fit, POINT | {"N": 1e13, "year": 2036.0}).warnings
    assert finding.code == "far-outside"
    assert "lies 3.0 decades in N, 3.0 range widths in year beyond" in finding.message
    assert forecast(fit, POINT | {"year": 2027.9}).warnings == ()


def test_a_range_of_one_value_counts_in_units() -> None:
    fit = mixing_fit(("web", "code"))
    ranges = fit.spec.ranges
    ranges["web"] = (0.5, 0.5)
    found = forecast(fit, {"N": 4e8, "web": 0.75, "code": ranges["code"][0]}).extrapolation
    assert found.loc[0].to_dict() == pytest.approx({"N": 0, "web": 0.25, "code": 0}, abs=1e-12)


def test_dates_of_one_rung_are_equal_to_more_than_three_digits() -> None:
    """2021 and 2024 are the same to three digits, and half a year is not a rung."""
    fit = drift_fit(labels={"recipe": ["a", "b"]}, rungs=True)
    labels = fit.spec.labels["rung"]
    assert len(labels) == 36
    assert "N=1e+08, year=2022.5, part=0.25, repeats=4" in labels
    effect = flat(fit, "rung_effect")[:, labels.index("N=1e+08, year=2022.5, part=0.25, repeats=4")]
    at = {"N": 1.0001e8, "year": 2022.5, "part": 0.25, "repeats": 4.0, "recipe": "a"}
    added = forecast(fit, at).draws.to_numpy() - means(fit, at)
    assert abs(np.median(added[:, 0] - effect)) < 0.002
    assert abs(effect.mean()) > 0.003


def test_an_open_law_takes_its_columns_by_name() -> None:
    fit = mixing_fit(("web", "code"))
    at = {"N": 1e9, "web": 0.3, "code": 0.7}
    x0 = fit.spec.references
    pulls = sum(flat(fit, f"pull_{n}") * (at[n] - x0[n]) for n in ("web", "code"))
    expected = flat(fit, "level") * (1e9 / x0["N"]) ** -flat(fit, "alpha") * np.exp(pulls)
    np.testing.assert_allclose(means(fit, at)[:, 0], expected, rtol=1e-12)
    with pytest.raises(UsageError, match=r"points lack code \(share of code\)"):
        forecast(fit, {"N": 1e9, "web": 0.3})
