"""The pieces that laws are composed of.

Inputs arrive as ratios ``x / x0`` to a reference point, so that every piece is
one at the reference and its size there is a parameter of its own.
"""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float


def power(x: Float[Array, "*runs"], exponent: Float[Array, "*runs"]) -> Float[Array, "*runs"]:
    """Return the decaying power ``x ** -exponent``; one at the reference ``x = 1``."""
    return jnp.exp(-exponent * jnp.log(x))


def coupled(
    first: Float[Array, "*runs"],
    second: Float[Array, "*runs"],
    share: Float[Array, "*runs"],
    coupling: Float[Array, "*runs"] | float = 1.0,
) -> Float[Array, "*runs"]:
    """Soft sum of two decaying terms that are one at the reference.

    ``(share * first**(1/k) + (1 - share) * second**(1/k)) ** k`` with coupling
    ``k``. It is one at the reference, and its log-slope there is ``share`` times
    that of `first` plus ``1 - share`` times that of `second`, for every ``k``.
    ``k = 1`` is the plain sum (Hoffmann et al. 2022); ``k`` equal to the exponent
    of D is the bracket of Kaplan et al. 2020; as ``k`` goes to 0 the larger of
    the two terms remains.
    """
    if isinstance(coupling, float) and coupling == 1.0:
        return share * first + (1.0 - share) * second
    inverse = 1.0 / jnp.asarray(coupling)
    # in logs: first**(1/k) overflows for small k
    log_sum = jnp.logaddexp(
        jnp.log(share) + inverse * jnp.log(first), jnp.log1p(-share) + inverse * jnp.log(second)
    )
    return jnp.exp(jnp.asarray(coupling) * log_sum)


def above_floor(
    level: Float[Array, "*runs"],
    reducible: Float[Array, "*runs"],
    decay: Float[Array, "*runs"],
) -> Float[Array, "*runs"]:
    """Put a decaying term on a floor: ``level * (1 - reducible + reducible * decay)``.

    Parameters
    ----------
    level : array
        Response where ``decay`` is one (at the reference), in the response's unit.
    reducible : array
        Share of `level` that decays; the floor is ``level * (1 - reducible)``.
    decay : array
        Decaying term, one at the reference.
    """
    return level * (1.0 - reducible + reducible * decay)
