"""Modes of sds of effects, given how large the effects are and the prior of the sd."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float


def scale_mode(
    total: Float[Array, ""], count: int, prior: float | Float[Array, ""]
) -> Float[Array, ""]:
    """Mode of the log of a standard deviation with a half-normal prior.

    `total` is the expected sum of squares of `count` normal effects.
    """
    lost = count - 1
    variance = 0.5 * prior**2 * (jnp.sqrt(lost**2 + 4.0 * total / prior**2) - lost)
    return 0.5 * jnp.log(jnp.maximum(variance, 1e-12 * prior**2))


def log_normal_mode(
    total: Float[Array, ""], count: int, loc: Float[Array, ""], sd: Float[Array, ""]
) -> Float[Array, ""]:
    """Mode of the log of a standard deviation with a log-normal prior, by Newton's method.

    `total` is the expected sum of squares of `count` normal effects.
    """

    def step(_: int, x: Array) -> Array:
        squares = total * jnp.exp(-2.0 * x)
        slope = squares - count - (x - loc) / sd**2
        return x + jnp.clip(slope / (2.0 * squares + 1.0 / sd**2), -1.0, 1.0)

    return jax.lax.fori_loop(0, 12, step, loc)
