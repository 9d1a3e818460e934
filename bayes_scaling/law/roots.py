"""Roots of increasing functions, differentiable in what they depend on."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

STEPS = 60  # bisection and Newton together: to the last digits of a bracket of thousands

Function = Callable[..., Array]


def increasing_root(
    function: Function, arguments: tuple[Array, ...], *, low: float, high: float
) -> Float[Array, "*runs"]:
    """Solve ``function(u, *arguments) = 0`` elementwise for u.

    Parameters
    ----------
    function : callable
        Increasing and smooth in its first argument, elementwise in all.
    arguments : tuple of array
        Broadcast together; the root is differentiable in them, at every order.
    low, high : float
        A bracket; a root outside it is put on its end.
    """
    return _root(function, low, high, jnp.broadcast_arrays(*map(jnp.asarray, arguments)))


@partial(jax.custom_jvp, nondiff_argnums=(0, 1, 2))
def _root(function: Function, low: float, high: float, arguments: list[Array]) -> Array:
    def slope(u: Array) -> tuple[Array, Array]:
        return jax.jvp(lambda v: function(v, *arguments), (u,), (jnp.ones_like(u),))

    def step(_: int, state: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        u, below, above = state
        value, derivative = slope(u)
        below, above = jnp.where(value < 0, u, below), jnp.where(value < 0, above, u)
        newton = u - value / derivative
        # where Newton leaves the bracket, halve it
        inside = (newton > below) & (newton < above)
        return jnp.where(inside, newton, 0.5 * (below + above)), below, above

    shape = jnp.shape(arguments[0])
    dtype = jnp.result_type(float)
    start = (
        jnp.full(shape, 0.5 * (low + high), dtype),
        jnp.full(shape, low, dtype),
        jnp.full(shape, high, dtype),
    )
    return jax.lax.fori_loop(0, STEPS, step, start)[0]


@_root.defjvp
def _root_jvp(
    function: Function, low: float, high: float, primals: tuple, tangents: tuple
) -> tuple[Array, Array]:
    (arguments,), (moves,) = primals, tangents
    u = _root(function, low, high, arguments)
    _, along = jax.jvp(lambda *a: function(u, *a), tuple(arguments), tuple(moves))
    _, slope = jax.jvp(lambda v: function(v, *arguments), (u,), (jnp.ones_like(u),))
    return u, -along / slope
