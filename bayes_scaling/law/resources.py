"""Pieces that turn parameters and data into effective ones.

Repeated data, parallel streams, pruned or grown models, and mixtures are each worth some
amount of the plain resource, which goes into the pieces of `terms` in its place.
"""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np

from .terms import Given, Runs


def repeated(total: Runs, unique: Runs, worth: Runs) -> Given:
    """Amount of new data that repeated data are worth (Muennighoff et al. 2023, eq. 5).

    ``unique * (1 + worth * (1 - exp(-repeats / worth)))`` with ``repeats = total /
    unique - 1``, zero where less than one pass is made. A few repeats are as good as
    new data; endless ones are worth ``worth`` times the unique data.
    """
    repeats = jnp.maximum(total / unique - 1.0, 0.0)
    # less than one pass uses only what is seen
    used = jnp.minimum(total, unique)
    return used * (1.0 - worth * jnp.expm1(-repeats / worth))


def harmed(effective: Runs, total: Runs, unique: Runs, harm: Runs) -> Given:
    """Lessen an effective amount of data by over-fitting: divide by ``1 + (harm * repeats)**2``.

    A few repeats do nothing, ``1 / harm`` of them halve it, and it falls beyond.
    """
    repeats = jnp.maximum(total / unique - 1.0, 0.0)
    return effective / (1.0 + (harm * repeats) ** 2)


def parallel_streams(streams: Runs, gain: Runs) -> Given:
    """Factor on the parameters of parallel streams, ``1 + gain * log P`` (Chen et al. 2025)."""
    return 1.0 + gain * jnp.log(streams)


def average_size(start: Runs, end: Runs, begins: Runs, stops: Runs, order: Runs) -> Given:
    """Power mean over training of a model's size that falls linearly (pruning) or grows.

    Parameters
    ----------
    start, end : array
        Sizes before and after the change, in one unit.
    begins, stops : array
        Fractions of the tokens at which the change begins and stops; equal for a jump.
    order : array
        Order of the mean: 1 is the average of Jin et al. 2025, 0 the geometric mean.
    """
    nodes, weights = np.polynomial.legendre.leggauss(12)
    start, order = jnp.asarray(start), jnp.asarray(order)
    # log sizes over the start, so that no power of a size overflows
    log_end = jnp.log(end) - jnp.log(start)
    inside = jnp.asarray(0.5 * (1.0 + nodes)) * log_end[..., None]
    # a size that moves linearly stays as long at a log size as that size is large
    shares = jnp.asarray(weights) * jnp.exp(inside)
    shares = shares / jnp.sum(shares, axis=-1, keepdims=True)

    def mean(at_start: Runs, at_end: Runs, inside: Runs) -> Given:
        during = jnp.sum(shares * inside, axis=-1)
        return begins * at_start + (stops - begins) * during + (1.0 - stops) * at_end

    geometric = mean(jnp.zeros_like(log_end), log_end, inside)
    away = (-geometric, log_end - geometric, inside - geometric[..., None])
    small = jnp.abs(order * log_end) < 1e-3
    safe = jnp.where(small, 1.0, order)
    powers = mean(
        jnp.expm1(safe * away[0]), jnp.expm1(safe * away[1]), jnp.expm1(safe[..., None] * away[2])
    )
    squares, cubes = (mean(*(x**k for x in away)) for k in (2, 3))
    series = order * squares / 2.0 + order**2 * cubes / 6.0
    beyond = jnp.where(small, series, jnp.log1p(powers) / safe)
    return start * jnp.exp(geometric + beyond)


def pool_learning(passes: Runs, half_life: Runs, most: int = 64) -> Given:
    """Log of the samples seen, each pass through a pool worth less than the one before.

    Sum over passes j = 1, 2, ... of ``0.5**((j - 1) / half_life) * log(n_j / n_(j-1))``
    with ``n_j`` the samples seen by the end of pass j, in units of the pool
    (Goyal et al. 2024): the exponent of a utility that halves every `half_life` passes.

    Parameters
    ----------
    passes : array
        Samples seen over size of the pool, above zero.
    half_life : array
        In passes.
    most : int
        Passes that are told apart; the utility of later ones is that of the last.
    """
    log_passes = jnp.log(passes)
    j = jnp.arange(1, most)
    edges = jnp.log(jnp.arange(1, most + 1))
    shape = (..., None)
    gained = jnp.clip(log_passes[shape], edges[:-1], edges[1:]) - edges[:-1]
    # the last pass that is told apart goes on for ever
    rest = jnp.maximum(log_passes - edges[-1], 0.0)
    decay = jnp.exp(-jnp.log(2.0) * j / jnp.asarray(half_life)[shape])
    last = jnp.exp(-jnp.log(2.0) * most / jnp.asarray(half_life))
    return jnp.minimum(log_passes, 0.0) + jnp.sum(decay * gained, axis=-1) + last * rest


def mixture_share(weight: Runs, lift: Runs, rise: Runs, fall: Runs) -> Given:
    """Share of a model that a task with sampling weight p gets: ``p + c1 p**c2 (1 - p)**c3``.

    Fernandes et al. 2023: 0 at ``p = 0`` and 1 at ``p = 1`` whatever c1, c2 and c3.
    """
    inside = jnp.clip(weight, 1e-12, 1.0 - 1e-12)
    bend = lift * jnp.exp(rise * jnp.log(inside) + fall * jnp.log1p(-inside))
    return weight + jnp.where((weight > 0) & (weight < 1), bend, 0.0)


def expert_saturation(experts: Runs, start: Runs, most: Runs) -> Given:
    """Effective number of experts of Clark et al. 2022, eq. 6.

    ``1 / (1 / (E - 1 + 1 / (1/start - 1/most)) + 1 / most)``: `start` for a dense
    model (E = 1), `most` for endless experts; ``most > start`` is needed.
    """
    inner = experts - 1.0 + 1.0 / (1.0 / start - 1.0 / most)
    return jnp.asarray(1.0 / (1.0 / inner + 1.0 / most))
