"""The pieces of laws: values, limits and gradients."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bayes_scaling.law.terms import above_floor, coupled, power


def differences(function: Callable[[jax.Array], jax.Array], at: list[float]) -> np.ndarray:
    step, middle = 1e-6, np.array(at)
    return np.array(
        [
            float(function(jnp.asarray(middle + e)) - function(jnp.asarray(middle - e)))
            / (2 * step)
            for e in step * np.eye(len(at))
        ]
    )


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


def test_coupled_gradients_match_differences() -> None:
    at = [0.3, 1.7, 0.6, 0.45]
    gradient = jax.grad(lambda v: coupled(*v))(jnp.asarray(at))
    # step squared times the third derivative, and rounding over step, are below 1e-9
    np.testing.assert_allclose(gradient, differences(lambda v: coupled(*v), at), rtol=1e-8)


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
