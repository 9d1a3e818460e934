"""The pieces of laws: values, limits and gradients."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gradients import assert_broadcasts, assert_smooth
from scipy import special

from bayes_scaling.law.terms import (
    above_floor,
    box_cox,
    coupled,
    drifting,
    growing,
    moved,
    power,
    product,
    shift,
    smooth_minimum,
)

# a piece and a point in the middle of its range
PIECES = {
    "power": (power, [2.3, 0.4]),
    "growing": (growing, [2.3, 0.4]),
    "product": (lambda x, a, y, b: product((x, a), (y, b)), [2.3, 0.4, 0.6, -0.2]),
    "drifting": (drifting, [2.3, 0.4, -0.1]),
    "box_cox": (box_cox, [2.3, -0.4]),
    "box_cox at 0": (box_cox, [2.3, 0.0]),
    "shift": (shift, [2.3, 0.1]),
    "coupled": (coupled, [0.3, 1.7, 0.6, 0.45]),
    "above_floor": (above_floor, [3.0, 0.4, 0.5]),
    "moved": (moved, [-3.0, 0.4, 0.5]),
    "smooth_minimum": (smooth_minimum, [2.3, 2.1, 10.0]),
}


@pytest.mark.parametrize("name", PIECES)
def test_derivatives(name: str) -> None:
    assert_smooth(*PIECES[name])


@pytest.mark.parametrize("name", PIECES)
def test_broadcasting(name: str) -> None:
    assert_broadcasts(*PIECES[name])


# -- powers


def test_power_values() -> None:
    assert power(jnp.asarray(2.0), jnp.asarray(3.0)) == pytest.approx(1 / 8)
    assert power(jnp.asarray(1.0), jnp.asarray(0.7)) == 1.0
    assert power(jnp.asarray(5.0), jnp.asarray(0.0)) == 1.0
    assert power(jnp.asarray(0.25), jnp.asarray(0.5)) == pytest.approx(2.0)


def test_power_limits() -> None:
    assert power(jnp.asarray(1e300), jnp.asarray(2.0)) == 0.0
    assert np.isfinite(power(jnp.asarray(1e-300), jnp.asarray(0.9)))


def test_power_broadcasts_groups_against_runs() -> None:
    found = power(jnp.array([1.0, 2.0, 4.0]), jnp.array([[1.0], [2.0]]))
    np.testing.assert_allclose(found, [[1, 0.5, 0.25], [1, 0.25, 0.0625]], rtol=1e-14)


def test_growing_power_is_zero_at_zero() -> None:
    x = jnp.array([0.0, 1.0, 4.0])
    np.testing.assert_allclose(growing(x, jnp.asarray(0.5)), [0.0, 1.0, 2.0], rtol=1e-14)
    for exponent in (0.5, 1.0, 3.0):
        slopes = jax.grad(lambda x, a: growing(x, a).sum(), (0, 1))(x, jnp.asarray(exponent))
        assert np.isfinite(slopes[0]).all()
        assert slopes[1] == pytest.approx(np.log(4) * 4**exponent)


def test_product_multiplies_the_powers() -> None:
    found = product((jnp.asarray(4.0), jnp.asarray(0.5)), (jnp.asarray(10.0), jnp.asarray(-1.0)))
    assert found == pytest.approx(5.0)
    assert product((jnp.asarray(4.0), jnp.asarray(0.5))) == pytest.approx(0.5)
    assert (
        product((jnp.ones(3), jnp.asarray(0.5)), (jnp.ones(3), jnp.asarray(9.0))).tolist()
        == [1.0] * 3
    )


def test_product_of_proportional_inputs_knows_the_sum_of_the_exponents() -> None:
    x = jnp.array([0.1, 3.0, 40.0])
    found = [product((x, jnp.asarray(a)), (x, jnp.asarray(0.5 - a))) for a in (0.1, 0.4)]
    np.testing.assert_allclose(*found, rtol=1e-14)


def test_product_where_one_power_alone_overflows() -> None:
    huge, tiny = jnp.asarray(1e200), jnp.asarray(1e-200)
    assert product((huge, jnp.asarray(3.0)), (tiny, jnp.asarray(3.0))) == pytest.approx(1.0)


def test_drifting_exponent() -> None:
    exponent = jnp.asarray(0.3)
    assert drifting(jnp.asarray(1.0), exponent, jnp.asarray(5.0)) == pytest.approx(0.3)
    assert drifting(jnp.asarray(7.0), exponent, jnp.asarray(0.0)) == pytest.approx(0.3)
    assert drifting(jnp.asarray(4.0), exponent, jnp.asarray(0.5)) == pytest.approx(0.6)
    assert drifting(jnp.asarray(4.0), exponent, jnp.asarray(-0.5)) == pytest.approx(0.15)


@pytest.mark.parametrize("k", [-2.0, -1e-3, -1e-6, -1e-12, 0.0, 1e-12, 1e-5, 1.3e-4, 0.5, 1.0])
def test_box_cox_is_the_one_of_scipy(k: float) -> None:
    x = np.array([1e-8, 0.3, 1.0, 2.0, 1e8])
    expected = special.boxcox(x, k)
    np.testing.assert_allclose(box_cox(jnp.asarray(x), jnp.asarray(k)), expected, rtol=1e-12)


def test_box_cox_is_smooth_where_its_series_ends() -> None:
    x = 2.0
    edge = 1e-4 / np.log(x)
    at = jnp.asarray(edge * np.array([-1.001, -0.999, 0.999, 1.001]))
    slope = jax.vmap(jax.grad(lambda k: box_cox(jnp.asarray(x), k)))(at)
    # d/dk = log(x)**2 (1/2 + k log(x)/3 + ...)
    expected = np.log(x) ** 2 * (0.5 + at * np.log(x) / 3)
    np.testing.assert_allclose(slope, expected, rtol=1e-8)


def test_box_cox_of_huge_ratios_has_finite_gradients() -> None:
    x, k = jnp.array([1e-300, 1e300]), jnp.array([[0.0], [1e-8], [0.1]])
    gradient = jax.grad(lambda k: box_cox(x, k).sum())(k)
    assert np.isfinite(gradient).all()


def test_shift_is_one_at_the_reference_and_takes_zero() -> None:
    x, by = jnp.array([0.0, 1.0, 3.0]), jnp.asarray(0.25)
    np.testing.assert_allclose(shift(x, by), [0.2, 1.0, 2.6], rtol=1e-14)
    slope = jax.grad(lambda x: power(shift(x, by), jnp.asarray(0.5)).sum())(x)
    assert np.isfinite(slope).all()


# -- sums and floors


def test_coupled_with_one_is_the_plain_sum() -> None:
    first, second = jnp.array([0.2, 1.0, 7.0]), jnp.array([3.0, 1.0, 0.01])
    expected = 0.3 * np.asarray(first) + 0.7 * np.asarray(second)
    np.testing.assert_allclose(coupled(first, second, jnp.asarray(0.3)), expected, rtol=1e-14)
    np.testing.assert_allclose(
        coupled(first, second, jnp.asarray(0.3), jnp.asarray(1.0)), expected, rtol=1e-14
    )


@pytest.mark.parametrize("coupling", [0.05, 0.4, 1.0, 2.5])
def test_coupled_is_the_formula_of_its_docstring(coupling: float) -> None:
    first, second, share = 0.3, 1.7, 0.6
    expected = (
        share * first ** (1 / coupling) + (1 - share) * second ** (1 / coupling)
    ) ** coupling
    found = coupled(jnp.asarray(first), jnp.asarray(second), jnp.asarray(share), coupling)
    assert found == pytest.approx(expected, rel=1e-12)


def test_coupled_tends_to_the_larger_term() -> None:
    first, second = jnp.array([0.2, 5.0]), jnp.array([3.0, 0.01])
    found = coupled(first, second, jnp.asarray(0.3), jnp.asarray(1e-4))
    # share ** coupling is within coupling * |log share| of one
    np.testing.assert_allclose(found, [3.0, 5.0], rtol=2e-4)
    slopes = jax.grad(lambda f: coupled(f, second, jnp.asarray(0.3), jnp.asarray(1e-4)).sum())(
        first
    )
    np.testing.assert_allclose(slopes, [0.0, 1.0], atol=2e-4)


@pytest.mark.parametrize("coupling", [0.2, 1.0, 3.0])
def test_coupled_at_the_reference(coupling: float) -> None:
    """It is one, with log-slopes that the coupling does not change."""

    def log_sum(moves: jax.Array) -> jax.Array:
        first, second = jnp.exp(-0.4 * moves[0]), jnp.exp(-0.9 * moves[1])
        return jnp.log(coupled(first, second, jnp.asarray(0.25), coupling))

    assert log_sum(jnp.zeros(2)) == pytest.approx(0.0, abs=1e-14)
    np.testing.assert_allclose(
        jax.grad(log_sum)(jnp.zeros(2)), [-0.25 * 0.4, -0.75 * 0.9], rtol=1e-12
    )


def test_coupled_survives_extreme_terms() -> None:
    tiny, huge = jnp.asarray(1e-200), jnp.asarray(1e200)
    share, coupling = jnp.asarray(0.5), jnp.asarray(0.1)
    assert coupled(huge, tiny, share, coupling) == pytest.approx(1e200 * 0.5**0.1, rel=1e-10)
    value, slope = jax.value_and_grad(lambda k: jnp.log(coupled(huge, tiny, share, k)))(coupling)
    assert np.isfinite(value)
    assert slope == pytest.approx(np.log(0.5), rel=1e-10)


def test_above_floor() -> None:
    level, reducible = jnp.asarray(3.0), jnp.asarray(0.4)
    assert above_floor(level, reducible, jnp.asarray(1.0)) == pytest.approx(3.0)
    assert above_floor(level, reducible, jnp.asarray(0.0)) == pytest.approx(1.8)
    assert above_floor(level, reducible, jnp.asarray(2.5)) == pytest.approx(1.8 + 1.2 * 2.5)
    assert above_floor(level, jnp.asarray(1.0), jnp.asarray(0.2)) == pytest.approx(0.6)
    assert above_floor(level, jnp.asarray(0.0), jnp.asarray(0.2)) == pytest.approx(3.0)


def test_above_floor_gradients() -> None:
    gradient = jax.grad(lambda v: above_floor(*v))(jnp.array([3.0, 0.4, 0.5]))
    np.testing.assert_allclose(gradient, [1 - 0.4 + 0.4 * 0.5, -3 + 3 * 0.5, 3 * 0.4], rtol=1e-14)


def test_moved_is_a_floor_for_either_sign() -> None:
    decay = jnp.array([0.0, 0.5, 1.0, 2.0])
    found = moved(jnp.asarray(-1.0), jnp.asarray(0.5), decay)
    np.testing.assert_allclose(found, [-1.5, -1.25, -1.0, -0.5], rtol=1e-14)
    # above_floor in other words, where the level is positive
    np.testing.assert_allclose(
        moved(jnp.asarray(3.0), jnp.asarray(1.2), decay),
        above_floor(jnp.asarray(3.0), jnp.asarray(0.4), decay),
        rtol=1e-14,
    )


@pytest.mark.parametrize("sharpness", [1.0, 4.0, 10.0, 300.0])
def test_smooth_minimum_lies_just_below_the_smaller(sharpness: float) -> None:
    first, second = np.array([0.2, 1.0, 5.0, 3.0]), np.array([7.0, 1.0, 4.9, 1e-9])
    found = np.asarray(smooth_minimum(jnp.asarray(first), jnp.asarray(second), sharpness))
    smaller = np.minimum(first, second)
    assert np.all(found <= smaller * (1 + 1e-14))
    assert np.all(found >= smaller * 2 ** (-1 / sharpness) * (1 - 1e-14))
    assert found[1] == pytest.approx(2 ** (-1 / sharpness))
    by_hand = (first[:3] ** -sharpness + second[:3] ** -sharpness) ** (-1 / sharpness)
    if sharpness < 100:
        np.testing.assert_allclose(found[:3], by_hand, rtol=1e-13)


def test_smooth_minimum_survives_extremes() -> None:
    first, second = jnp.array([1e-200, 1e200]), jnp.array([1e200, 1e180])
    found = smooth_minimum(first, second)
    np.testing.assert_allclose(found, [1e-200, 1e180], rtol=1e-12)
    slopes = jax.grad(lambda a, b: smooth_minimum(a, b).sum(), (0, 1))(first, second)
    np.testing.assert_allclose(slopes, [[1, 0], [0, 1]], atol=1e-12)
