r"""Common axes of a precision that follows one scale.

Without effects, the precision of the centres given the noise is :math:`sP + Q`, with P of the
runs, Q of the prior and :math:`s = 1 / \sigma^2`. For all s it has the same axes W, with
:math:`W^\top P W` and :math:`W^\top Q W` diagonal. They are found once for each linearisation,
and an evaluation of the density needs no Cholesky root.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from .arrow import Arrow, Split, cholesky, solve_lower

LEAST = 1e-12  # of what the prior adds along an axis, relative to prior and runs together


class Axes(NamedTuple):
    """Axes of ``s P + Q``; axis i has precision ``rest[i] + s gain[i]``.

    Attributes
    ----------
    out, into : (b, b) arrays
        From elements along the axes to those of the vector, and back.
    gain, rest : (b,) arrays
    moment, prior_moment : (b,) arrays
        Moments of runs and prior along the axes.
    log_det : scalar
        Logarithm of the determinant of `into`.
    """

    out: Float[Array, "b b"]
    into: Float[Array, "b b"]
    gain: Float[Array, " b"]
    rest: Float[Array, " b"]
    moment: Float[Array, " b"]
    prior_moment: Float[Array, " b"]
    log_det: Float[Array, ""]

    def at(self, scale: Float[Array, ""]) -> tuple[Stretched, Split]:
        """Root of the precision at a scale s, and its inverse times the moment."""
        stretch = jnp.sqrt(self.rest + scale * self.gain)
        half = (scale * self.moment + self.prior_moment) / stretch
        return Stretched(self, stretch), Split(jnp.zeros((0, 1)), half)


class Stretched(NamedTuple):
    """A root ``C = into^T diag(stretch)`` of a precision ``C C^T``; as `Root`, without blocks."""

    axes: Axes
    stretch: Float[Array, " b"]

    def solve_transposed(self, vector: Split) -> Split:
        """Return ``C^-T v``."""
        return vector._replace(border=self.axes.out @ (vector.border / self.stretch))

    def times_transposed(self, vector: Split) -> Split:
        """Return ``C^T v``."""
        return vector._replace(border=self.stretch * (self.axes.into @ vector.border))

    def log_det(self) -> Float[Array, ""]:
        """Logarithm of the determinant of C."""
        return self.axes.log_det + jnp.sum(jnp.log(self.stretch))

    def inverse(self) -> Arrow:
        """Inverse of ``C C^T``."""
        half = self.axes.out / self.stretch
        return Arrow(jnp.zeros((0, 1, 1)), jnp.zeros((0, 1, len(half))), half @ half.T)


def axes_of(
    precision: Float[Array, "b b"],
    moment: Float[Array, " b"],
    prior_precision: Float[Array, "b b"],
    prior_moment: Float[Array, " b"],
    usual: Float[Array, ""],
) -> Axes:
    """Return the axes of ``s P + Q``, found at a usual s, where it is positive definite."""
    root = cholesky(usual * precision + prior_precision)
    half = solve_lower(root, precision)
    gain, turned = jnp.linalg.eigh(solve_lower(root, half.T))
    out = solve_lower(root, turned, transposed=True)
    gain = jnp.maximum(gain, 0.0)
    return Axes(
        out,
        turned.T @ root.T,
        gain,
        jnp.maximum(1.0 - usual * gain, LEAST),
        out.T @ moment,
        out.T @ prior_moment,
        jnp.sum(jnp.log(jnp.diag(root))),
    )
