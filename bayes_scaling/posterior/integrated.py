r"""Effects that are integrated out: given all else they are exactly normal.

Where means are linear in effects l of groups, and noise is normal, then given all else

.. math:: l_g \mid \cdot \sim N(\Lambda_g^{-1} J_g^\top W_g r_g, \Lambda_g^{-1}), \qquad
          \Lambda_g = J_g^\top W_g J_g + S^{-1}

with residuals r at l = 0, derivatives J, precisions W of rows and variances S of effects. So the
density of all else is the joint one at that mean, over the root of :math:`\det \Lambda`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float, Int

from .arrow import cholesky, solve_lower


class Conditional(NamedTuple):
    """Normal distribution of the effects of each group, given all else."""

    mean: Float[Array, "groups k"]
    root: Float[Array, "groups k k"]

    def drawn(self, key: Array) -> Float[Array, "groups k"]:
        """Draw effects."""
        z = jax.random.normal(key, self.mean.shape)
        return self.mean + solve_lower(self.root, z[..., None], transposed=True)[..., 0]

    def log_det(self) -> Float[Array, ""]:
        """Logarithm of the determinant of the root of the precision."""
        return jnp.sum(jnp.log(jnp.diagonal(self.root, axis1=-2, axis2=-1)))


def conditional(
    predict: Callable[[Array], Array],
    t: Float[Array, " d"],
    places: Int[np.ndarray, "groups k"],
    *,
    observed: Float[Array, " rows"],
    row_precision: Float[Array, " rows"],
    effect_precision: Float[Array, " k"],
    by_group: Callable[[Array], Array],
) -> Conditional:
    """Distribution of the effects at some places of `t`.

    Parameters
    ----------
    predict : callable
        Means of rows, linear in the effects.
    t : (d,) array
        Centres and effects.
    places : (groups, k) int array
    observed : (rows,) array
        Responses on the scale of their noise, without what else is added to the means.
    row_precision, effect_precision : arrays
        Of the noise of rows, and of the prior of effects.
    by_group : callable
        Sums over the rows of each group.
    """
    without = t.at[places.ravel()].set(0.0)
    tangents = np.zeros((places.shape[1], t.size))
    tangents[np.arange(places.shape[1])[:, None], places.T] = 1.0
    means, push = jax.linearize(predict, without)
    columns = jax.vmap(push)(jnp.asarray(tangents)).T
    heavy = row_precision[:, None] * columns
    precision = by_group(heavy[:, :, None] * columns[:, None, :]) + jnp.diag(effect_precision)
    root = cholesky(precision)
    half = solve_lower(root, by_group(heavy * (observed - means)[:, None])[..., None])
    return Conditional(solve_lower(root, half, transposed=True)[..., 0], root)
