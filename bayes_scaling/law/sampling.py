"""Pieces of laws of sampling: what many samples of a model solve, pass or accept."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from .terms import Given, Runs


def tilted(chance: Runs, log_odds: Runs) -> Given:
    """Move a chance by a number of logits: its odds times ``exp(log_odds)``."""
    return jax.nn.sigmoid(jnp.log(chance) - jnp.log1p(-chance) + log_odds)


def one_of(k: Runs, chance: Runs) -> Given:
    """Chance that one of k tries or more succeeds, ``1 - (1 - chance)**k``."""
    return -jnp.expm1(k * jnp.log1p(-chance))


def pass_at(k: Runs, rate: Runs, concentration: Runs, unsolvable: Runs = 0.0) -> Given:
    """Share of problems solved by one of k samples or more, `one_of` averaged over problems.

    ``(1 - unsolvable) * (1 - B(a, b + k) / B(a, b))`` with ``a = rate * concentration`` and
    ``b = (1 - rate) * concentration``. What is left of the solvable share falls as
    ``k**-a`` for large k, and exponentially without any spread between problems.

    Parameters
    ----------
    k : array
        Samples of each problem.
    rate : array
        Mean pass rate of the solvable problems.
    concentration : array
        Of the beta distribution of their pass rates; large where problems are alike.
    unsolvable : array
        Share of problems that no sample solves.
    """
    a, b = jnp.asarray(rate * concentration), jnp.asarray((1.0 - rate) * concentration)
    # a and k are exchangeable; steps as small as possible lose the fewest digits
    short, far = jnp.minimum(a, k), jnp.maximum(a, k)
    # log Gamma(b + short) / Gamma(b), less the same at b + far: by recurrence to where
    # Stirling's series holds, because differences of log-gammas lose all digits at large b
    at = b[..., None] + jnp.arange(12)
    log_left = jnp.sum(
        jnp.log1p(short[..., None] / (at + far[..., None])) - jnp.log1p(short[..., None] / at), -1
    )
    y = b + 12.0
    z = y + far
    log_left += (y + short - 0.5) * jnp.log1p(short / y) - short * jnp.log1p(far / y)
    log_left -= (z + short - 0.5) * jnp.log1p(short / z)
    log_left += _beyond_stirling(y + short) - _beyond_stirling(y)
    log_left -= _beyond_stirling(z + short) - _beyond_stirling(z)
    return -(1.0 - unsolvable) * jnp.expm1(log_left)


def _beyond_stirling(x: Given) -> Given:
    """Remainder of Stirling's formula for the log-gamma function; 14 digits from 12 on."""
    inverse = 1.0 / x**2
    series = 1 / 12 - inverse * (1 / 360 - inverse * (1 / 1260 - inverse / 1680))
    return series / x


def accepted_accuracy(k: Runs, correct: Runs, wrong: Runs, concentration: Runs) -> Given:
    """Share of problems answered correctly by the first of k samples that a verifier accepts.

    ``correct / (correct + wrong)`` of the problems with an accepted sample, which is the
    ceiling of endless tries. Which kind of acceptance a problem gets is independent of how
    many, where the chances of problems are Dirichlet distributed.

    Parameters
    ----------
    k : array
        Samples of each problem at most.
    correct, wrong : array
        Mean chances that a sample is accepted and correct, or accepted and wrong.
    concentration : array
        Of the Dirichlet distribution between problems; large where problems are alike.
    """
    accepted = correct + wrong
    return correct / accepted * pass_at(k, accepted, concentration)


def accepted_length(rate: Runs, drafted: Runs) -> Given:
    """Tokens that a step of speculative decoding yields, ``(1 - rate**(g + 1)) / (1 - rate)``.

    With ``g = drafted`` tokens, accepted one after another at the same rate below one; the
    target model adds the last.
    """
    log_rate = jnp.log(rate)
    return jnp.expm1((drafted + 1.0) * log_rate) / jnp.expm1(log_rate)
