"""Log densities that are never nan."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from bayes_scaling.posterior.finite import never_nan


def test_nan_becomes_minus_infinity_and_all_else_stays() -> None:
    values = jnp.array([jnp.nan, -jnp.inf, -3.0, 0.0])
    np.testing.assert_array_equal(jax.vmap(never_nan)(values), [-np.inf, -np.inf, -3.0, 0.0])


def test_gradient_is_that_of_the_value() -> None:
    def density(x: jax.Array) -> jax.Array:
        return never_nan(jnp.log(x) - x**2)

    heights, slopes = jax.jit(jax.vmap(jax.value_and_grad(density)))(jnp.array([0.5, -1.0]))
    assert float(heights[0]) == np.log(0.5) - 0.25
    assert float(slopes[0]) == 1.0
    assert float(heights[1]) == -np.inf


def test_gradient_does_not_look_at_the_value() -> None:
    # a gradient that asks whether the value is nan works it out in all of its operations
    gradient = jax.jit(jax.grad(lambda x: never_nan(jnp.sin(x))))
    assert "select(" not in gradient.lower(0.3).compile().as_text()
