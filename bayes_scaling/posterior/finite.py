"""A log density that is never nan."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float


@jax.custom_jvp
def never_nan(value: Float[Array, ""]) -> Float[Array, ""]:
    """Return -inf instead of nan: a sampler turns back where a law has no value.

    The gradient is that of the value, nan or not: were it to ask which of the two it is, every
    operation of a gradient would work the value out again, and programs take a tenth longer to
    compile.
    """
    return jnp.where(jnp.isnan(value), -jnp.inf, value)


@never_nan.defjvp
def _never_nan_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    return never_nan(*primals), tangents[0]
