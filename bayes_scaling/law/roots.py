"""Roots of increasing functions, differentiable in what they depend on."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

STEPS = 100  # Newton or bisection: each halves the step or the bracket, one of thousands
SETTLED = 1e-9  # a Newton step from here squares the error, below the last digit

Function = Callable[..., Array]


def increasing_root(
    function: Function,
    arguments: tuple[Array, ...],
    *,
    low: float,
    high: float,
    start: Array | float | None = None,
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
    start : array, optional
        A guess inside the bracket; by default its middle.
    """
    guess = jax.lax.stop_gradient(jnp.asarray(0.5 * (low + high) if start is None else start))
    first, *others = jnp.broadcast_arrays(guess, *map(jnp.asarray, arguments))
    return _root(function, low, high, first, others)


@partial(jax.custom_jvp, nondiff_argnums=(0, 1, 2))
def _root(
    function: Function, low: float, high: float, guess: Array, arguments: list[Array]
) -> Array:
    def slope(u: Array) -> tuple[Array, Array]:
        return jax.jvp(lambda v: function(v, *arguments), (u,), (jnp.ones_like(u),))

    def unsettled(state: tuple[Array, ...]) -> Array:
        steps, u, _, _, last = state
        return (steps < STEPS) & jnp.any(last > SETTLED * (1.0 + jnp.abs(u)))

    def step(state: tuple[Array, ...]) -> tuple[Array, ...]:
        steps, u, below, above, last = state
        value, derivative = slope(u)
        below, above = jnp.where(value <= 0, u, below), jnp.where(value >= 0, u, above)
        newton = u - value / derivative
        # where Newton leaves the bracket, or creeps along an exponential, halve it
        good = (newton >= below) & (newton <= above) & (jnp.abs(newton - u) <= 0.5 * last)
        moved = jnp.where(good, newton, 0.5 * (below + above))
        moved = jnp.where(jnp.isnan(value), jnp.nan, moved)
        return steps + 1, moved, below, above, jnp.abs(moved - u)

    first = guess.astype(jnp.result_type(float))
    ends = (jnp.full_like(first, x) for x in (low, high, high - low))
    state = (jnp.asarray(0), first, *ends)
    _, u, below, above, _ = jax.lax.while_loop(unsettled, step, state)
    value, derivative = slope(u)
    # at a bracket's end the step leads outside
    return jnp.where(value == 0.0, u, jnp.clip(u - value / derivative, below, above))


@_root.defjvp
def _root_jvp(
    function: Function, low: float, high: float, primals: tuple, tangents: tuple
) -> tuple[Array, Array]:
    (guess, arguments), (_, moves) = primals, tangents
    u = _root(function, low, high, guess, arguments)
    _, along = jax.jvp(lambda *a: function(u, *a), tuple(arguments), tuple(moves))
    _, slope = jax.jvp(lambda v: function(v, *arguments), (u,), (jnp.ones_like(u),))
    # a root that was put on an end of the bracket stays there
    ends = function(jnp.full_like(u, low), *arguments), function(jnp.full_like(u, high), *arguments)
    held = (ends[0] >= 0) | (ends[1] <= 0)
    return u, jnp.where(held, 0.0, -along / jnp.where(held, 1.0, slope))
