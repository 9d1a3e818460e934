r"""What a law cannot know: how its loss departs from it, as a function of scale.

The log of the reducible loss departs from the law by a sum of integrated random walks, one
along each direction of the log inputs,

.. math:: \delta(x) = \sum_j g_j(t_j), \qquad g_j'' \text{ white noise}, \quad g_j(0) = g_j'(0) = 0

so that the exponents of the law drift as random walks in log scale. A walk starts at the
reference of the fitted runs, because level and slopes there are the law's own parameters. Its
curvature is constant on intervals: a few between the reference and the last fitted run on either
side, and wider and wider ones beyond. (Integrated noise: Wahba 1978; discrepancy of a model:
Kennedy and O'Hagan 2001.)
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

DISCREPANCY = "discrepancy"  # its key beside the parameters of a law

Direction = tuple[tuple[str, float], ...]


@functools.partial(
    jax.tree_util.register_dataclass,
    data_fields=["walk", "side", "start", "width", "weights"],
    meta_fields=["directions"],
)
@dataclass(frozen=True, eq=False)
class Discrepancy:
    """Draws of the departure from a law, as functions of its inputs.

    Attributes
    ----------
    directions : tuple
        Coefficients of the log inputs, ``((input, coefficient), ...)``, one a walk.
    walk : (interval,) int array
        Direction of each interval of constant curvature.
    side : (interval,) array
        1 where it lies above the reference and -1 below.
    start, width : (interval,) arrays
        Where it begins and how wide it is, in decades from the reference.
    weights : (interval, ...) array
        Integral of the curvature over the root of the width, so that all have one sd; what
        follows the first axis broadcasts against the inputs.
    """

    directions: tuple[Direction, ...]
    walk: Any
    side: Any
    start: Any
    width: Any
    weights: Any

    def at(self, inputs: Mapping[str, Any]) -> Array:
        """Departure of the log reducible loss at inputs relative to their references."""
        return _departure(self, tuple(along(d, inputs) for d in self.directions))


def along(direction: Direction, inputs: Mapping[str, Any]) -> Any:
    """Decades from the reference along a direction."""
    return sum(c * jnp.log(inputs[name]) for name, c in direction) / math.log(10.0)


def curve(t: Any, side: Any, start: Any, width: Any) -> Any:
    """Function whose curvature is one over the root of the width on an interval, and else zero."""
    beyond = side * t - start
    inside = jnp.clip(beyond, 0.0, width)
    return inside * (beyond - 0.5 * inside) / jnp.sqrt(width)


@jax.jit
def _departure(drawn: Discrepancy, places: tuple[Array, ...]) -> Float[Array, "..."]:
    shape = jnp.broadcast_shapes(*(jnp.shape(t) for t in places))
    t_all = jnp.stack([jnp.broadcast_to(t, shape) for t in places])
    weights = jnp.asarray(drawn.weights)
    if len(shape) == 1 and weights.ndim == 3 and weights.shape[2] == 1:
        # one function a draw, at many points: a product of matrices
        parts = (drawn.side, drawn.start, drawn.width)
        basis = jax.vmap(curve)(t_all[drawn.walk], *map(jnp.asarray, parts))
        return weights[:, :, 0].T @ basis

    def add(total: Array, one: tuple[Array, ...]) -> tuple[Array, None]:
        walk, side, start, width, weight = one
        return total + weight * curve(t_all[walk], side, start, width), None

    first = jnp.zeros(jnp.broadcast_shapes(shape, jnp.shape(drawn.weights)[1:]))
    total, _ = jax.lax.scan(
        add, first, (drawn.walk, drawn.side, drawn.start, drawn.width, drawn.weights)
    )
    return total


def departed(mean: Array, floor: Any, discrepancy: Any, inputs: Mapping[str, Any]) -> Array:
    """Mean response whose part above the floor has departed from the law.

    `discrepancy` is a `Discrepancy`, or its values at the inputs.
    """
    at = discrepancy.at(inputs) if isinstance(discrepancy, Discrepancy) else discrepancy
    return floor + (mean - floor) * jnp.exp(at)
