"""The density of runs that fall short of a frontier."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gradients import assert_broadcasts, assert_smooth
from scipy import integrate, stats

from bayes_scaling.law.terms import stochastic_frontier

PIECES = {"inside": [-0.7, 0.4, 1.3], "at": [0.0, 0.4, 1.3], "above": [1.7, 0.4, 1.3]}


def density(sigma: float, excess: float) -> Callable[[np.ndarray], np.ndarray]:
    return lambda x: np.exp(stochastic_frontier(*map(jnp.asarray, (x, sigma, excess))))


@pytest.mark.parametrize("name", PIECES)
def test_derivatives(name: str) -> None:
    assert_smooth(stochastic_frontier, PIECES[name])


def test_broadcasting() -> None:
    assert_broadcasts(stochastic_frontier, PIECES["inside"])


@pytest.mark.parametrize(("sigma", "excess"), [(1.0, 1.0), (0.05, 1.0), (1.0, 0.05)])
def test_the_density_has_the_moments_of_normal_less_half_normal(
    sigma: float, excess: float
) -> None:
    total = np.hypot(sigma, excess)
    x = np.linspace(-12 * total, 12 * sigma, 20_001)
    p = np.asarray(density(sigma, excess)(x))
    # the trapezoid rule is exact to the last digits for a density without ends
    assert integrate.trapezoid(p, x) == pytest.approx(1.0, rel=1e-9)
    mean = integrate.trapezoid(p * x, x)
    assert mean == pytest.approx(-excess * np.sqrt(2 / np.pi), rel=1e-8)
    variance = integrate.trapezoid(p * (x - mean) ** 2, x)
    assert variance == pytest.approx(sigma**2 + excess**2 * (1 - 2 / np.pi), rel=1e-8)


@pytest.mark.parametrize(("sigma", "excess"), [(1.0, 1.0), (0.05, 1.0), (1.0, 0.05)])
def test_the_density_is_skew_normal(sigma: float, excess: float) -> None:
    x = np.linspace(-3.0, 3.0, 13) * excess
    found = stochastic_frontier(jnp.asarray(x), jnp.asarray(sigma), jnp.asarray(excess))
    expected = stats.skewnorm.logpdf(x, -excess / sigma, scale=np.hypot(sigma, excess))
    np.testing.assert_allclose(found, expected, rtol=1e-10)


def test_without_excess_it_is_normal() -> None:
    x = np.linspace(-3.0, 3.0, 13)
    found = stochastic_frontier(jnp.asarray(x), jnp.asarray(0.7), jnp.asarray(1e-12))
    np.testing.assert_allclose(found, stats.norm.logpdf(x, scale=0.7), rtol=1e-9)


def test_far_above_the_frontier_it_falls_as_the_noise() -> None:
    """Where the shortfall would be nothing, in tails that underflow."""
    at = jnp.array([50.0, 1e3])
    slope = jax.vmap(jax.grad(stochastic_frontier), (0, None, None))(at, 1.0, 2.0)
    np.testing.assert_allclose(slope, -at, rtol=1e-3)
    below = jax.vmap(jax.grad(stochastic_frontier), (0, None, None))(-at, 1.0, 2.0)
    np.testing.assert_allclose(below, at / 5.0, rtol=1e-10)
