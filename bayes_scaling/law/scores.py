"""Pieces of laws of scores: from a loss, or another scale, to a share or a gap."""

from __future__ import annotations

import jax.numpy as jnp
from jax.nn import softplus

from .terms import Given, Runs, below_bound


def between(chance: Runs, lapse: Runs, share: Runs) -> Given:
    """Carry a share in (0, 1) to a score between `chance` and the ceiling ``1 - lapse``."""
    return jnp.asarray(chance + (1.0 - chance - lapse) * share)


def odds_times(chance: Runs, log_ratio: Runs) -> Given:
    """Move a chance by the log of an odds ratio; zero stays zero."""
    return jnp.asarray(chance / (chance + (1.0 - chance) * jnp.exp(-jnp.asarray(log_ratio))))


def gompertz(z: Runs) -> Given:
    """Inverse of the link ``ln(-ln p)``: ``exp(-exp(z))`` falls from one to zero."""
    # beyond this p is zero to 175 digits, and the inner exponential would overflow
    return jnp.exp(-jnp.exp(jnp.minimum(z, 6.0)))


def closing(x: Runs, slope: Runs, gap: Runs) -> Given:
    """Return a gap that closes exponentially in a ratio, ``gap * exp(-slope * (x - 1) / gap)``.

    At the reference it is ``gap`` and closes at ``slope``, whatever the gap.
    """
    # far below the reference the gap is wider than anything that can be measured
    return gap * jnp.exp(below_bound(slope * (1.0 - x) / gap, 50.0))


def log_power(x: Runs, slope: Runs, bend: Runs) -> Given:
    """Return a power of a linear function of ``log x``: ``(1 + (s / b) log x) ** b``.

    It is one at the reference, with the log-slope `slope` there: linear in ``log x`` for
    ``b = 1``, and the power ``x ** s`` as b grows. Where the inside comes near zero, below
    0.05, it falls on smoothly and stays positive.
    """
    least = 0.05
    inside = 1.0 + slope / bend * jnp.log(x)
    log_inside = jnp.log(jnp.maximum(inside, least))
    below = jnp.log(least) + inside / least - 1.0
    return jnp.exp(bend * jnp.where(inside > least, log_inside, below))


def log_choice(margin: Runs, choices: Runs) -> Given:
    """Log probability of one of several choices that lies `margin` nats above each other one."""
    several = choices > 1.0
    others = jnp.where(several, choices - 1.0, 1.0)
    return jnp.where(several, -softplus(jnp.log(others) - margin), 0.0)
