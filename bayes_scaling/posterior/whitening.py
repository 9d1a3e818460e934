"""What the sampler learns on top of the coordinates: a centre, and a factor of the covariance.

The factor is dense for scales and border, and has one small triangle for each block: given
these, blocks are nearly independent in the coordinates already.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from .arrow import Layout, Split, cholesky, solve_lower


class Factor(NamedTuple):
    """Lower triangles: one a block, and one of the core (scales and border)."""

    own: Float[Array, "blocks k k"]
    core: Float[Array, "m m"]

    def times(self, vector: Split) -> Split:
        """Return ``F v``."""
        return Split(jnp.einsum("gij,gj->gi", self.own, vector.own), self.core @ vector.border)

    def solve(self, vector: Split) -> Split:
        """Return ``F^-1 v``."""
        own = solve_lower(self.own, vector.own[..., None])[..., 0]
        return Split(own, solve_lower(self.core, vector.border[:, None])[:, 0])

    def after(self, other: Factor) -> Factor:
        """Return the product ``F G`` with another factor G."""
        return Factor(self.own @ other.own, self.core @ other.core)


class Frame(NamedTuple):
    """The current whitening: ``x = centre + factor @ position``."""

    centre: Float[Array, " n"]
    factor: Factor


def independent(layout: Layout, sds: Float[Array, " n"]) -> Factor:
    """Return the factor of independent coordinates with these sds."""
    own, core = layout.split(sds)
    return Factor(own[..., None] * jnp.eye(own.shape[-1]), jnp.diag(core))


def factor_of(layout: Layout, covariance: Float[Array, "n n"]) -> Factor:
    """Return the factor of a covariance, blocks taken to be independent."""
    own, core = layout.own, layout.border
    blocks = covariance[own[:, :, None], own[:, None, :]]
    return Factor(cholesky(blocks), cholesky(covariance[core[:, None], core[None, :]]))


def learned(layout: Layout, first: Factor, draws: Float[Array, "draws n"]) -> Frame:
    """Return the centre and factor of draws, shrunk towards a first factor.

    Four draws in a row count as one. The fewer of them there are for the size of a block, the
    more of the first factor stays, sds included: early draws of a scale that mixes slowly are
    much too close together.
    """
    centre = draws.mean(0)
    units = jax.vmap(lambda x: first.solve(layout.split(x - centre)))(draws)
    count = len(draws)

    def shrunk(covariance: Float[Array, "*blocks k k"]) -> Float[Array, "*blocks k k"]:
        size = covariance.shape[-1]
        weight = 0.25 * count / (0.25 * count + size)
        return cholesky(weight * covariance + (1.0 - weight) * jnp.eye(size))

    own = jnp.einsum("dgi,dgj->gij", units.own, units.own) / (count - 1)
    core = units.border.T @ units.border / (count - 1)
    return Frame(centre, first.after(Factor(shrunk(own), shrunk(core))))
