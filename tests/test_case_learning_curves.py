"""Scores of the case study of learning curves, on made-up rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm, t

from case_studies.learning_curves import baselines, intervals, scoring
from case_studies.learning_curves.scoring import Predictive

Z, LN_Y = np.array([-3.0, -2.0, -1.0, 0.0]), np.array([0.9, 0.8, 0.4, 0.3])
AHEAD = np.array([0.5, 1.0])


def predictive(centres: list[float], spread: float, nu: float, rows: int = 1) -> Predictive:
    centre = np.repeat(np.array(centres)[:, None], rows, axis=1)
    return Predictive(centre, np.full(centre.shape, spread), np.full(len(centre), nu))


def line() -> np.ndarray:
    """Parameters of M1 on the four rows: the least-squares line, which is exact algebra."""
    slope = np.sum((Z - Z.mean()) * (LN_Y - LN_Y.mean())) / np.sum((Z - Z.mean()) ** 2)
    return np.array([LN_Y.mean() - slope * Z.mean(), -slope])


def test_density_of_one_component_is_student_t() -> None:
    found = predictive([0.2], 0.1, 5.0, rows=2).log_density(np.array([0.2, 0.5]))
    np.testing.assert_allclose(found, t(5.0, 0.2, 0.1).logpdf([0.2, 0.5]))


def test_density_of_draws_is_their_mean() -> None:
    found = predictive([0.0, 1.0], 0.5, 1.0).log_density(np.array([0.0]))
    # Cauchy densities of scale 1/2: 2 / pi at the centre, a fifth of it two scales away
    assert found[0] == pytest.approx(np.log((2 + 0.4) / np.pi / 2))


def test_bounds_of_one_component_are_exact() -> None:
    found = predictive([0.2], 0.1, 3.0, rows=2).bounds()
    assert found.shape == (2, 2)
    np.testing.assert_allclose(found[:, 0], 0.2 + 0.1 * 2.353363 * np.array([-1, 1]), atol=1e-6)


def test_bounds_of_draws_add_centres_and_noise() -> None:
    centres = norm(0.0, 0.3).ppf((np.arange(4000) + 0.5) / 4000)
    found = predictive(list(centres), 0.4, 1e6, rows=50).bounds().mean(axis=1)
    np.testing.assert_allclose(found, [-0.5 * 1.6449, 0.5 * 1.6449], rtol=0.01)


def test_few_components_are_drawn_often() -> None:
    assert predictive([0.0, 1.0], 0.1, 5.0, rows=3).new_rows(4).shape == (8, 3)


def test_rows_of_a_predictive() -> None:
    part = predictive([0.0, 1.0], 0.1, 5.0, rows=3).at(slice(1, None))
    assert part.centre.shape == part.spread.shape == (2, 2)


def test_mixed_density_weighs_densities() -> None:
    parts = [np.log([0.2, 4.0]), np.log([1.0, 0.4])]
    np.testing.assert_allclose(
        scoring.mixed_density(parts, np.array([0.25, 0.75])), np.log([0.8, 1.3])
    )
    # a law without weight does not count, even where it says that nothing can happen
    parts = [np.array([-np.inf]), np.array([0.5])]
    np.testing.assert_allclose(scoring.mixed_density(parts, np.array([0.0, 1.0])), [0.5])


@pytest.mark.parametrize(("weight", "low"), [(0.04, 1.0), (0.06, 0.0)])
def test_mixed_quantiles_count_laws_not_draws(weight: float, low: float) -> None:
    draws = [np.zeros((10, 2)), np.ones((1000, 2))]
    found = scoring.mixed_quantiles(draws, np.array([weight, 1 - weight]), (0.05, 0.5))
    np.testing.assert_array_equal(found, [[low, low], [1.0, 1.0]])


def test_stacked_weights_are_the_shares_that_laws_explain() -> None:
    # of four rows each law alone explains three and one
    curve = np.log(np.array([[1.0, 1.0, 1.0, 1e-300], [1e-300, 1e-300, 1e-300, 1.0]]))
    np.testing.assert_allclose(scoring.stack([curve]), [0.75, 0.25], atol=1e-9)


def test_curves_count_alike_whatever_their_rows() -> None:
    long = np.log(np.array([[1.0, 1.0, 1.0], [1e-300, 1e-300, 1e-300]]))
    short = np.log(np.array([[1e-300], [1.0]]))
    np.testing.assert_allclose(scoring.stack([long, short]), [0.5, 0.5], atol=1e-9)


def test_a_better_law_takes_all() -> None:
    curve = np.log(np.array([[2.0, 3.0], [1.0, 1.0], [0.5, 2.9]]))
    np.testing.assert_allclose(scoring.stack([curve]), [1.0, 0.0, 0.0], atol=1e-6)


def test_stacked_weights_at_their_maximum() -> None:
    # w -> log(w + 2 (1 - w)) + log(3 w + (1 - w)) has its maximum at w = 3/4
    curve = np.log(np.array([[1.0, 3.0], [2.0, 1.0]]))
    np.testing.assert_allclose(scoring.stack([curve]), [0.75, 0.25], atol=1e-6)


def test_scores_of_a_curve() -> None:
    observed, middle = np.array([0.0, 1.0, 2.0, 3.0]), np.array([0.0, 1.0, 2.0, 5.0])
    bounds = np.array([[-1.0, 1.0, 2.1, 4.0], [1.0, 1.5, 3.1, 6.5]])
    found = scoring.score(observed, middle, bounds, np.array([1.0, 2.0, 3.0, -4.0]))
    assert found == {"rmsle": 1.0, "points": 4, "held": 2, "width": 1.5, "log_score": 0.5}


def test_delta_method_on_a_line_is_the_textbook_interval() -> None:
    centre, spread, nu = intervals.delta(baselines.m1, line(), Z, LN_Y, AHEAD)
    # slope -.22, intercept .27; residuals -.03, .09, -.09, .03: their squares sum to .018
    np.testing.assert_allclose(centre, [[0.27 - 0.11, 0.27 - 0.22]])
    leverage = 1 / 4 + (AHEAD + 1.5) ** 2 / 5
    np.testing.assert_allclose(spread, [np.sqrt(0.009 * (1 + leverage))])
    assert list(nu) == [2.0]


def test_directions_that_rows_do_not_see_add_nothing() -> None:
    def form(theta: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.full(len(z), theta[0] + theta[1]), np.ones((len(z), 2)) * [1.0, 1.0]

    _, spread, nu = intervals.delta(form, np.array([0.3, 0.3]), Z, LN_Y, AHEAD)
    # squares of .3, .2, -.2, -.3 sum to .26, with two parameters counted
    np.testing.assert_allclose(spread, np.sqrt(0.13 * (1 + 1 / 4)) * np.ones((1, 2)))
    assert list(nu) == [2.0]


def test_residuals_without_freedom_are_refused() -> None:
    with pytest.raises(ValueError, match="2 rows leave no degree of freedom to 2 parameters"):
        intervals.residual_sd(np.zeros(2), 2)


def test_bootstrap_on_a_line_agrees_with_the_delta_method() -> None:
    z = np.linspace(-4.0, 0.0, 40)
    ln_y = 0.3 - 0.2 * z + 0.05 * np.sin(37.0 * np.arange(40))

    def refit(values: np.ndarray) -> np.ndarray:
        slope, intercept = np.polyfit(z, values, 1)
        return np.array([intercept, -slope])

    theta = refit(ln_y)
    centre, spread, nu = intervals.bootstrap(baselines.m1, theta, z, ln_y, AHEAD, refit, 1000)
    middle, wide, free = intervals.delta(baselines.m1, theta, z, ln_y, AHEAD)
    total = np.sqrt(centre.std(axis=0) ** 2 + spread[0] ** 2)
    np.testing.assert_allclose(total, wide[0], rtol=0.02)
    np.testing.assert_allclose(centre.mean(axis=0), middle[0], atol=4e-3)
    assert set(nu) == set(free) == {38.0}


@pytest.mark.parametrize("name", list(baselines.FORMS))
def test_a_refit_to_the_same_rows_stays(name: str) -> None:
    z = np.linspace(-5.0, 0.0, 30)
    ln_y = np.log(0.1 + 0.9 * np.exp(-0.5 * (z + 5))) + 0.01 * np.sin(37.0 * np.arange(30))
    ln_y = ln_y - ln_y.max()
    curve = baselines.Curve(z, ln_y, AHEAD, np.zeros(2))
    fitted = baselines.fit(name, curve)
    again = baselines.refit(name, fitted, curve, ln_y)
    np.testing.assert_allclose(fitted.form(again, AHEAD)[0], fitted.predict(AHEAD), atol=1e-3)


def test_repeated_rows_are_fitted_once() -> None:
    rows = pd.DataFrame(
        {
            "domain": "LM", "task": "loss", "model": "one",
            "seen_examples": [1.0, 1.0, 2.0, 4.0, 4.0], "loss": [3.0, 3.0, 2.0, 1.0, 1.0],
            "is_fit_split": [1, 1, 1, 0, 0],
        }
    )  # fmt: skip
    curve = baselines.curves(rows)["LM", "loss", "one"]
    np.testing.assert_allclose(curve.z, np.log([0.5, 1.0]))
    np.testing.assert_allclose(curve.ln_y_test, np.log([1 / 3, 1 / 3]))
