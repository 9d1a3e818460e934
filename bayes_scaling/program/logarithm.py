"""Logarithms of many numbers at once, in double precision.

On CPUs JAX hands `jnp.log` of doubles to a function that takes them one by one, and in fits of
plain laws little else took so much of a gradient. These use bits and a polynomial, which
compilers turn into vector instructions; they are right to the last digits.
"""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

MANTISSA = 52  # bits after the leading one
LOWEST = int(np.float64(np.sqrt(0.5)).view(np.int64))  # mantissas are taken from here to sqrt(2)
TERMS = 11  # of the series of artanh, to the last digit for these
SMALLEST = float(np.finfo(np.float64).tiny)

# by themselves they compile as one program, not as thirty
_inlined = partial(jax.jit, inline=True)


@jax.custom_jvp
@_inlined
def log(x: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """Return the logarithm; numbers below the smallest normal one count as zero."""
    if x.dtype != jnp.float64:
        return jnp.log(x)
    # by itself: fused with what uses it, it is worked out again for each, and split over threads
    x = jax.lax.optimization_barrier(x)
    bits = jax.lax.bitcast_convert_type(x, jnp.int64)
    exponent = (bits - LOWEST) >> MANTISSA
    mantissa = jax.lax.bitcast_convert_type(bits - (exponent << MANTISSA), jnp.float64)
    # log m = 2 artanh((m - 1) / (m + 1)), odd powers up to 2 TERMS - 1
    ratio = (mantissa - 1.0) / (mantissa + 1.0)
    square = ratio * ratio
    series = jnp.full_like(x, 1.0 / (2 * TERMS - 1))
    for power in range(2 * TERMS - 3, 0, -2):
        series = series * square + 1.0 / power
    found = exponent.astype(jnp.float64) * np.log(2.0) + 2.0 * ratio * series
    outside = jnp.where(x == jnp.inf, jnp.inf, jnp.where(x >= 0.0, -jnp.inf, jnp.nan))
    return jax.lax.optimization_barrier(jnp.where((x >= SMALLEST) & (x < jnp.inf), found, outside))


@log.defjvp
def _log_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    (x,), (dx,) = primals, tangents
    return log(x), dx / x


@jax.custom_jvp
@_inlined
def log1p(x: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """Return the logarithm of ``1 + x``, to full precision for small x as well."""
    if x.dtype != jnp.float64:
        return jnp.log1p(x)
    whole = 1.0 + x
    rounded = jnp.where(jnp.abs(x) < 1.0, x - (whole - 1.0), 0.0)  # what 1 + x has lost of x
    return log(whole) + rounded / jnp.where(whole == 0.0, 1.0, whole)


@log1p.defjvp
def _log1p_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    (x,), (dx,) = primals, tangents
    return log1p(x), dx / (1.0 + x)
