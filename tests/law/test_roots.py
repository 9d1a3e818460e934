"""Roots of increasing functions: values, ends of the bracket, and derivatives."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gradients import assert_smooth
from jax import Array

from bayes_scaling.law.roots import increasing_root


def linear(u: Array, c: Array) -> Array:
    return u - c


def exponential(u: Array, c: Array) -> Array:
    return jnp.exp(u) - c


def cubic(u: Array, a: Array, c: Array) -> Array:
    return u**3 + a * u - c


def root(
    function: Callable[..., Array], *arguments: Any, low: float = -800.0, high: float = 800.0
) -> Array:
    return increasing_root(function, tuple(map(jnp.asarray, arguments)), low=low, high=high)


@pytest.mark.parametrize("at", [-799.0, -3.7, -1e-9, 0.0, 1e-9, 2.0, 799.0])
def test_linear(at: float) -> None:
    assert root(linear, at) == pytest.approx(at, rel=1e-15, abs=1e-15)


@pytest.mark.parametrize("at", [-600.0, -30.0, 0.0, 1.0, 600.0])
def test_newton_does_not_creep_along_an_exponential(at: float) -> None:
    """Newton's step is one wherever the function is far above its root."""
    assert root(exponential, np.exp(at)) == pytest.approx(at, rel=1e-14, abs=1e-14)


def test_flat_at_the_root() -> None:
    """The third power, where Newton gains a bit or so a step."""
    assert root(cubic, 0.0, 27.0) == pytest.approx(3.0, rel=1e-14)
    assert root(cubic, 0.0, 0.0) == pytest.approx(0.0, abs=1e-10)


def test_a_root_that_is_hit_exactly_is_kept() -> None:
    """Steps of Newton from one side, and then the root itself, with the bracket still wide."""
    found = root(lambda u, c: jnp.maximum(u - c, 0.25 * (u - c)), jnp.array([4.0, -4.0, 400.0]))
    np.testing.assert_array_equal(found, [4.0, -4.0, 400.0])


def test_many_roots_at_once_are_those_of_each_alone() -> None:
    c = np.random.default_rng(3).normal(size=50) * 10.0 ** np.linspace(-6, 6, 50)
    found = root(cubic, 0.3, c)
    np.testing.assert_allclose(found**3 + 0.3 * found, c, rtol=1e-12)
    np.testing.assert_allclose(found, [root(cubic, 0.3, x) for x in c], rtol=1e-13)


def test_a_root_outside_the_bracket_is_put_on_its_end() -> None:
    c = jnp.array([-5.0, -1.0, 0.5, 1.0, 5.0])
    found = root(linear, c, low=-1.0, high=1.0)
    np.testing.assert_allclose(found, [-1, -1, 0.5, 1, 1], atol=1e-15)
    slope = jax.grad(lambda c: root(linear, c, low=-1.0, high=1.0).sum())(c)
    np.testing.assert_array_equal(slope, [0, 0, 1, 0, 0])


def test_an_end_where_the_function_is_flat_has_no_gradient() -> None:
    """Nothing divides by the slope there, which underflows."""

    def beyond(c: Array) -> Array:
        return root(lambda u, c: -jnp.exp(-u) - c, c)

    c = jnp.array([0.0, 0.1, 1e300])
    np.testing.assert_allclose(beyond(c), 800.0, rtol=0.1)
    assert np.isfinite(jax.grad(lambda c: beyond(c).sum())(c)).all()
    assert np.isfinite(jax.hessian(lambda c: beyond(c).sum())(c)).all()


def test_what_is_no_number_has_no_root() -> None:
    found = root(linear, jnp.array([1.0, np.nan]))
    np.testing.assert_array_equal(found, [1.0, np.nan])


# -- derivatives


@pytest.mark.parametrize("at", [[0.3, 2.0], [2.0, -40.0], [1.0, 0.0]])
def test_derivatives(at: list[float]) -> None:
    assert_smooth(lambda a, c: root(cubic, a, c), at)


def test_every_order_of_derivatives() -> None:
    """The root of exp(u) = c is log(c)."""
    derivative: Callable[[float], Array] = partial(root, exponential)
    expected = [np.log(2.5), 1 / 2.5, -1 / 2.5**2, 2 / 2.5**3, -6 / 2.5**4]
    for order, value in enumerate(expected):
        assert derivative(2.5) == pytest.approx(value, rel=1e-12), order
        derivative = jax.grad(derivative)


def test_forward_and_reverse_are_the_same() -> None:
    at = (jnp.asarray(0.3), jnp.asarray(2.0))
    forward = jax.jacfwd(lambda *a: root(cubic, *a), (0, 1))(*at)
    reverse = jax.jacrev(lambda *a: root(cubic, *a), (0, 1))(*at)
    np.testing.assert_allclose(forward, reverse, rtol=1e-14)


# -- shapes


def test_arguments_are_broadcast() -> None:
    a, c = jnp.array([0.5, 1.0, 2.0]), jnp.array([[1.0], [10.0]])
    found = root(cubic, a, c)
    assert found.shape == (2, 3)
    for i, j in np.ndindex(2, 3):
        assert found[i, j] == pytest.approx(float(root(cubic, a[j], c[i, 0])), rel=1e-14)
    slopes = jax.grad(lambda a, c: root(cubic, a, c).sum(), (0, 1))(a, c)
    assert [s.shape for s in slopes] == [(3,), (2, 1)]
    np.testing.assert_allclose(slopes[1][:, 0], (1 / (3 * found**2 + a)).sum(1), rtol=1e-12)


def test_numbers_and_integers_are_arguments() -> None:
    assert increasing_root(linear, (2,), low=-8, high=8) == 2.0
    slope = jax.grad(lambda a: increasing_root(cubic, (a, 12), low=-8, high=8))(2.0)
    assert slope == pytest.approx(-2 / 14)


def test_vmap_and_jit() -> None:
    c = jnp.array([1.0, 3.0, -700.0, 750.0])
    one = partial(root, cubic, 1.0)
    expected = [one(x) for x in c]
    np.testing.assert_allclose(jax.vmap(one)(c), expected, rtol=1e-13)
    np.testing.assert_allclose(jax.jit(jax.vmap(one))(c), expected, rtol=1e-13)
    slopes = jax.vmap(jax.grad(one))(c)
    np.testing.assert_allclose(slopes, 1 / (3 * np.array(expected) ** 2 + 1), rtol=1e-12)
