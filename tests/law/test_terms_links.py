"""The pieces of laws that link losses, or scales, to metrics."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gradients import assert_broadcasts, assert_smooth

from bayes_scaling.law.scores import between, closing, gompertz, log_choice, log_power

PIECES = {
    "between": (between, [0.2, 0.03, 0.4]),
    "gompertz": (gompertz, [0.7]),
    "closing": (closing, [1.3, 0.8, 0.25]),
    "log_power": (log_power, [2.3, 0.4, 1.7]),
    "log_power, small x": (log_power, [0.01, 0.5, 1.2]),
    "log_choice": (log_choice, [0.6, 4.0]),
}


@pytest.mark.parametrize("name", PIECES)
def test_derivatives(name: str) -> None:
    assert_smooth(*PIECES[name])


@pytest.mark.parametrize("name", [k for k in PIECES if k != "gompertz"])
def test_broadcasting(name: str) -> None:
    assert_broadcasts(*PIECES[name])


# -- between


def test_between_joins_chance_and_ceiling() -> None:
    share = jnp.array([0.0, 0.5, 1.0])
    np.testing.assert_allclose(between(0.25, 0.05, share), [0.25, 0.6, 0.95], rtol=1e-14)


# -- gompertz


def test_gompertz_inverts_the_link() -> None:
    p = np.array([1e-9, 0.01, 0.5, 0.99, 1 - 1e-9])
    np.testing.assert_allclose(gompertz(jnp.asarray(np.log(-np.log(p)))), p, rtol=1e-12)


def test_gompertz_is_finite_anywhere() -> None:
    z = jnp.array([-1e4, -800.0, 5.9, 6.1, 900.0, 1e4])
    value, slope = gompertz(z), jax.vmap(jax.grad(gompertz))(z)
    np.testing.assert_allclose(value[:2], 1.0)
    assert np.all((value[2:] >= 0) & (value[2:] < 1e-100))
    assert np.isfinite(slope).all()
    assert np.all(slope <= 0)


# -- closing


@pytest.mark.parametrize("gap", [1e-3, 0.2, 5.0])
def test_closing_has_its_gap_and_slope_at_the_reference(gap: float) -> None:
    np.testing.assert_allclose(closing(1.0, 0.7, gap), gap, rtol=1e-15)
    np.testing.assert_allclose(jax.grad(closing)(1.0, 0.7, gap), -0.7, rtol=1e-14)


def test_closing_is_exponential() -> None:
    x = np.array([0.4, 0.9, 1.0, 1.7, 8.0])
    rate = 0.9 / 0.3
    expected = 0.3 * np.exp(rate) * np.exp(-rate * x)
    np.testing.assert_allclose(closing(jnp.asarray(x), 0.9, 0.3), expected, rtol=1e-13)


def test_closing_does_not_overflow() -> None:
    value, slope = jax.value_and_grad(closing, 2)(0.1, 5.0, 1e-6)
    assert np.isfinite([value, slope]).all()


# -- log_power


@pytest.mark.parametrize("bend", [0.2, 1.0, 30.0])
def test_log_power_has_its_slope_at_the_reference(bend: float) -> None:
    np.testing.assert_allclose(log_power(1.0, 0.4, bend), 1.0, rtol=1e-15)
    np.testing.assert_allclose(jax.grad(log_power)(1.0, 0.4, bend), 0.4, rtol=1e-14)


def test_log_power_joins_the_line_and_the_power() -> None:
    x = np.array([0.1, 0.7, 3.0, 90.0])
    line = log_power(jnp.asarray(x), 0.3, 1.0)
    np.testing.assert_allclose(line, 1 + 0.3 * np.log(x), rtol=1e-14)
    np.testing.assert_allclose(log_power(jnp.asarray(x), 0.3, 1e9), x**0.3, rtol=1e-6)


def test_log_power_stays_positive_and_smooth() -> None:
    edge = np.exp(-0.95 * 2.0 / 0.5)  # where the inside is 0.05
    beside = edge * np.array([1 - 1e-9, 1 + 1e-9])
    value = jax.vmap(lambda x: log_power(x, 0.5, 2.0))(jnp.asarray(beside))
    slope = jax.vmap(jax.grad(lambda x: log_power(x, 0.5, 2.0)))(jnp.asarray(beside))
    np.testing.assert_allclose(value[0], value[1], rtol=1e-6)
    np.testing.assert_allclose(slope[0], slope[1], rtol=1e-6)
    x = jnp.asarray(np.logspace(-6, 4, 200))
    assert np.all(np.diff(log_power(x, 0.5, 2.0)) > 0)
    far, at = jax.value_and_grad(log_power, (0, 1, 2))(1e-200, 2.0, 0.1)
    assert np.isfinite([far, *at]).all()


# -- log_choice


def test_log_choice_is_a_softmax() -> None:
    nats = np.array([-1.0, -2.3, -2.3, -2.3])
    expected = nats[0] - np.log(np.exp(nats).sum())
    np.testing.assert_allclose(log_choice(1.3, 4.0), expected, rtol=1e-14)


def test_log_choice_of_one_is_certain() -> None:
    value, slope = jax.value_and_grad(log_choice, (0, 1))(0.7, 1.0)
    assert value == 0
    assert np.isfinite(slope).all()


def test_log_choice_is_finite_far_away() -> None:
    np.testing.assert_allclose(log_choice(jnp.array([-900.0, 900.0]), 2.0), [-900.0, 0.0])
