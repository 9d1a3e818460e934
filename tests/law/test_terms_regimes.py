"""The pieces of laws that saturate, bend or rise."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gradients import assert_broadcasts, assert_smooth
from jax import Array

from bayes_scaling.law.terms import bump, power, rise, saturating, smooth_break

PIECES = {
    "saturating": (saturating, [0.7, 1.7]),
    "saturating, flat": (saturating, [4.0, 0.3]),
    "saturating, M2": (saturating, [0.7, 0.0]),
    "smooth_break": (smooth_break, [2.3, 1.4, 0.3, 0.2]),
    "bump": (bump, [2.3, 1.4, 0.8]),
    "rise": (rise, [2.3, 1.4, 3.0]),
}


@pytest.mark.parametrize("name", PIECES)
def test_derivatives(name: str) -> None:
    assert_smooth(*PIECES[name])


@pytest.mark.parametrize("name", PIECES)
def test_broadcasting(name: str) -> None:
    assert_broadcasts(*PIECES[name])


def slope_of(piece: jax.Array, along: np.ndarray) -> np.ndarray:
    return np.gradient(np.log(np.asarray(piece)), np.log(along))


# -- saturating


@pytest.mark.parametrize("steepness", [0.0, 0.2, 1.0, 2.0, 7.5])
def test_saturating_solves_its_equation(steepness: float) -> None:
    ratio = np.array([1e-12, 1e-3, 0.2, 0.99, 3.0, 40.0][: 4 if steepness == 0 else 6])
    w = np.asarray(saturating(jnp.asarray(ratio), jnp.asarray(steepness)))
    assert np.all((w > 0) & (w < 1))
    np.testing.assert_allclose(w / (1 - w) ** steepness, ratio, rtol=1e-8)


def test_saturating_has_closed_forms() -> None:
    ratio = np.array([1e-200, 1e-9, 0.1, 0.7, 5.0, 1e9, 1e200])
    m2 = saturating(jnp.asarray(ratio), jnp.asarray(0.0))
    np.testing.assert_allclose(m2, np.minimum(ratio, 1.0), rtol=1e-12)
    one = saturating(jnp.asarray(ratio), jnp.asarray(1.0))
    np.testing.assert_allclose(one, ratio / (1 + ratio), rtol=1e-12)
    # w / (1 - w)**2 = r is a quadratic in w
    two = saturating(jnp.asarray(ratio[:5]), jnp.asarray(2.0))
    quadratic = 2 * ratio[:5] / (1 + 2 * ratio[:5] + np.sqrt(1 + 4 * ratio[:5]))
    np.testing.assert_allclose(two, quadratic, rtol=1e-12)


@pytest.mark.parametrize("steepness", [0.0, 0.01, 1.0, 30.0])
def test_saturating_survives_extreme_ratios(steepness: float) -> None:
    log_ratio = jnp.array([-690.0, -50.0, 0.0, 50.0, 690.0])

    def w(log_ratio: Array, steepness: Array) -> Array:
        return saturating(jnp.exp(log_ratio), steepness)

    arguments = (log_ratio, jnp.full(5, steepness))
    found = w(*arguments)
    assert np.all(np.diff(found) >= 0)
    assert found[0] == pytest.approx(np.exp(-690.0), rel=1e-10)
    # a large steepness nears one slowly
    assert found[-1] == pytest.approx(1.0, abs=1e-9)
    for slope in jax.grad(lambda *a: w(*a).sum(), (0, 1))(*arguments):
        assert np.isfinite(slope).all()
    # the square of a ratio must not overflow
    halved = (0.5 * log_ratio, arguments[1])
    for row in jax.hessian(lambda *a: w(*a).sum(), (0, 1))(*halved):
        assert np.isfinite(np.array(row)).all()


def test_saturating_falls_as_a_power_far_from_the_ceiling() -> None:
    x = np.geomspace(1e6, 1e7, 5)
    ratio = power(jnp.asarray(x), jnp.asarray(0.4))
    slope = slope_of(saturating(ratio, jnp.asarray(1.5)), x)
    np.testing.assert_allclose(slope, -0.4, atol=0.005)


# -- a change of slope


@pytest.mark.parametrize("place", [1e-3, 0.5, 1.0, 2e4])
def test_a_break_is_one_at_the_reference(place: float) -> None:
    found = smooth_break(*map(jnp.asarray, (1.0, place, 0.3, 0.2)))
    assert found == pytest.approx(1.0, abs=1e-15)


def test_a_break_is_the_formula_of_its_docstring() -> None:
    x, d, c, f = np.array([0.01, 0.4, 1.0, 30.0]), 2.5, 0.3, 0.4
    top, bottom = 1 + (x / d) ** (1 / f), 1 + (1 / d) ** (1 / f)
    found = smooth_break(jnp.asarray(x), *map(jnp.asarray, (d, c, f)))
    np.testing.assert_allclose(found, (top / bottom) ** (-c * f), rtol=1e-13)


@pytest.mark.parametrize("change", [0.3, -0.2])
def test_a_break_changes_the_slope(change: float) -> None:
    arguments = [jnp.asarray(v) for v in (10.0, change, 0.3)]
    below, above = np.geomspace(1e-5, 1e-4, 5), np.geomspace(1e7, 1e8, 5)
    for along, slope in ((below, 0.0), (above, -change)):
        found = slope_of(smooth_break(jnp.asarray(along), *arguments), along)
        np.testing.assert_allclose(found, slope, atol=1e-10)
    middle = 10.0 * np.array([0.9999, 1.0, 1.0001])
    found = slope_of(smooth_break(jnp.asarray(middle), *arguments), middle)
    assert found[1] == pytest.approx(-change / 2, rel=1e-6)


def test_a_break_without_width_is_a_kink() -> None:
    x = np.array([0.01, 1.0, 3.9, 4.1, 100.0])
    found = smooth_break(jnp.asarray(x), *map(jnp.asarray, (4.0, 0.5, 1e-4)))
    np.testing.assert_allclose(found, np.where(x < 4, 1.0, (x / 4) ** -0.5), rtol=1e-4)
    # the reference lies above the kink
    found = smooth_break(jnp.asarray(x), *map(jnp.asarray, (0.25, 0.5, 1e-4)))
    np.testing.assert_allclose(found, np.maximum(x, 0.25) ** -0.5, rtol=1e-4)


def test_a_kink_has_finite_gradients() -> None:
    x = jnp.array([1e-9, 4.0, 1e9])
    at = [jnp.asarray(v) for v in (4.0, 0.5, 1e-6)]
    slopes = jax.grad(lambda *a: jnp.log(smooth_break(x, *a)).sum(), (0, 1, 2))(*at)
    assert np.isfinite(np.array(slopes)).all()


# -- bumps and rises


def test_a_bump_is_normal_in_the_logarithm() -> None:
    place, width = jnp.asarray(20.0), jnp.asarray(0.7)
    at = 20.0 * np.exp(0.7 * np.array([-2.0, -1.0, 0.0, 1.0, 2.0]))
    expected = np.exp([-2.0, -0.5, 0.0, -0.5, -2.0])
    np.testing.assert_allclose(bump(jnp.asarray(at), place, width), expected, rtol=1e-13)
    far = jnp.array([1e-300, 1e300])
    assert np.all(np.asarray(bump(far, place, width)) == 0.0)
    assert np.isfinite(jax.grad(lambda p: bump(far, p, width).sum())(place))


def test_a_rise_goes_from_zero_to_one() -> None:
    place, slope = jnp.asarray(20.0), jnp.asarray(3.0)
    at = 20.0 * np.exp(np.array([-1.0, 0.0, 1.0]))
    odds = np.exp(3.0 * np.array([-1.0, 0.0, 1.0]))
    np.testing.assert_allclose(rise(jnp.asarray(at), place, slope), odds / (1 + odds), rtol=1e-13)
    far = jnp.array([1e-300, 1e300])
    np.testing.assert_allclose(rise(far, place, slope), [0.0, 1.0], atol=1e-100)
    np.testing.assert_allclose(rise(far, place, -slope), [1.0, 0.0], atol=1e-100)
    assert np.isfinite(jax.grad(lambda p: rise(far, p, slope).sum())(place))
