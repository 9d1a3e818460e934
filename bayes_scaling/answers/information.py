"""What seeing one more run is expected to tell about a question, for many runs at once.

Two estimators of the same quantities. Reweighting takes outcomes of a run at quantiles of its
predictive distribution and weighs the draws by the likelihood of each; it knows no shape, but
wants enough draws near every outcome. The normal one takes draws as jointly normal, which is
what a linear law would give.
"""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.scipy.special import log_ndtr
from jaxtyping import Bool, Float

from bayes_scaling.program.noise import student_t_log_density, student_t_log_survival

from .candidates import Outlook

OUTCOMES = 32
TOGETHER = 16  # candidates that are weighed at once
MOST = 6  # directions of the question whose joint information is reckoned
NODES = np.linspace(-6.0, 6.0, 61)
RELIABLE = 0.7  # Pareto k up to which weights are trusted (Vehtari et al. 2024)
ENOUGH = 100.0  # effective draws from which they are: weights of a density are bounded, and a few
# draws under its peak have a small k as well

type Draws = Float[np.ndarray, "sample candidate"]


class Question(NamedTuple):
    """Draws of what is asked.

    Attributes
    ----------
    names : tuple of str
        Of the quantities.
    values : (sample, quantity) array
    unit : (quantity,) array
        What an sd of one is in the unit of the value of information.
    choices : (sample, target, choice) array
        Utility of every choice at every target, more being better; no target where nothing is
        chosen.
    """

    names: tuple[str, ...]
    values: Float[np.ndarray, "sample quantity"]
    unit: Float[np.ndarray, " quantity"]
    choices: Float[np.ndarray, "sample target choice"]


class Worth(NamedTuple):
    """What each candidate is expected to be good for.

    Attributes
    ----------
    information : (candidate,) array
        Expected fall of the entropy of the quantities, in nats, entropy being that of a normal
        distribution of their covariance.
    kept : (candidate, quantity) array
        Expected share of the variance of each quantity that is left.
    value : (candidate,) array
        Expected value of information: of choices, how much more the best one is worth once the
        run is seen; else how much smaller the sds are.
    """

    information: Float[np.ndarray, " candidate"]
    kept: Float[np.ndarray, "candidate quantity"]
    value: Float[np.ndarray, " candidate"]


class Trust(NamedTuple):
    """How far the weights of candidates can be trusted, at the outcome where they are worst.

    Attributes
    ----------
    pareto_k, effective : (candidate,) array
        Shape of the tail of the weights, and their effective number; not numbers where none
        were taken.
    """

    pareto_k: Float[np.ndarray, " candidate"]
    effective: Float[np.ndarray, " candidate"]

    @property
    def good(self) -> Bool[np.ndarray, " candidate"]:
        """Whether weights are used."""
        return np.asarray((self.pareto_k < RELIABLE) & (self.effective >= ENOUGH))


def directions(values: Float[np.ndarray, "sample quantity"]) -> Float[np.ndarray, "sample few"]:
    """Uncorrelated combinations of quantities, of unit variance: the largest few."""
    sd = values.std(axis=0)
    scaled = (values - values.mean(axis=0)) / np.where(sd > 0, sd, 1.0)
    size, axes = np.linalg.eigh(np.atleast_2d(np.cov(scaled.T)))
    known = np.flatnonzero(size > 1e-9 * max(size.max(), 1e-300))[-MOST:]
    return scaled @ axes[:, known] / np.sqrt(size[known])


def by_weights(seen: Outlook, question: Question, rng: np.random.Generator) -> tuple[Worth, Trust]:
    """Reweigh the draws; with how far the weights of the worst outcome can be trusted."""
    assert seen.spread is not None
    samples = len(seen.latent)
    own = rng.normal(size=samples) if seen.nu is None else rng.standard_t(seen.nu)
    places = ((np.arange(OUTCOMES) + 0.5) / OUTCOMES * samples).astype(int)
    few = directions(question.values)
    sd = np.where(question.values.std(axis=0) > 0, question.values.std(axis=0), 1.0)
    scaled = (question.values - question.values.mean(axis=0)) / sd
    choices = question.choices
    if choices.shape[1]:  # differences count, and are smaller
        choices = choices - choices.mean(axis=2, keepdims=True)
    middle = seen.latent.mean(axis=0)
    single = functools.partial(jnp.asarray, dtype=jnp.float32)
    found = _weigh(
        single((seen.latent - middle).T),
        single(seen.spread.T),
        single(seen.bound - middle),
        single(own),
        None if seen.nu is None else single(seen.nu),
        jnp.asarray(places),
        *map(single, (few, scaled, choices)),
        censored=math.isfinite(seen.bound),
    )
    information, kept, value, worst, effective = (np.asarray(a, dtype=float) for a in found)
    if not question.choices.shape[1]:
        value = (question.unit * sd * (1.0 - np.sqrt(np.clip(kept, 0, 1)))).sum(axis=1)
    return Worth(information, kept, value), Trust(pareto_k(worst), effective)


@functools.partial(jax.jit, static_argnames="censored")
def _weigh(
    latent: Array, spread: Array, bound: Array, own: Array, nu: Array | None, places: Array,
    few: Array, scaled: Array, choices: Array, *, censored: bool,
) -> tuple[Array, ...]:  # fmt: skip
    """Information, kept variance, value of choices, and the worst log weights of candidates."""
    count = few.shape[1]
    flat = choices.reshape(len(choices), -1)
    pairs = few[:, :, None] * few[:, None, :]
    columns = jnp.concatenate([few, pairs.reshape(len(few), -1), scaled, scaled**2, flat], axis=1)
    ends = np.cumsum([count, count**2, scaled.shape[1], scaled.shape[1]])

    def one(candidate: tuple[Array, Array, Array]) -> tuple[Array, ...]:
        centre, width, end = candidate
        outcome = jnp.sort(centre + width * own)[places]
        z = (outcome[:, None] - centre) / width
        # up to a constant: what all draws have in common cancels
        log = -0.5 * z**2 if nu is None else student_t_log_density(z, nu)
        log = log - jnp.log(width)
        if censored:
            above = (end - centre) / width
            lost = log_ndtr(-above) if nu is None else student_t_log_survival(above, nu)
            log = jnp.where(outcome[:, None] >= end, lost, log)
        weights = jnp.exp(log - log.max(axis=1, keepdims=True))
        total = weights.sum(axis=1)
        means = (weights @ columns) / total[:, None]
        first, second, mean, square, chosen = jnp.split(means, ends, axis=1)
        covariance = second.reshape(OUTCOMES, count, count) - first[:, :, None] * first[:, None, :]
        fall = -0.5 * jnp.linalg.slogdet(covariance + 1e-6 * jnp.eye(count))[1]
        chosen = chosen.reshape(OUTCOMES, *choices.shape[1:])
        gained = chosen.max(axis=2).mean(axis=0) - chosen.mean(axis=0).max(axis=1)
        effective = total**2 / (weights**2).sum(axis=1)
        kept = (square - mean**2).mean(axis=0)
        return fall.mean(), kept, gained.sum(), log[jnp.argmin(effective)], effective.min()

    return jax.lax.map(one, (latent, spread, bound), batch_size=TOGETHER)


def pareto_k(log_weights: Float[np.ndarray, "row sample"]) -> Float[np.ndarray, " row"]:
    """Shape of the tail of importance weights, of many rows at once.

    The estimator of Zhang and Stephens 2009 with the prior of Vehtari et al. 2024, on the largest
    3 sqrt(sample) weights; that of `arviz_stats` takes one row at a time.
    """
    samples = log_weights.shape[1]
    size = min(samples // 5, math.ceil(3.0 * math.sqrt(samples)))
    largest = np.sort(np.partition(log_weights, samples - size - 1, axis=1)[:, -size - 1 :], axis=1)
    scaled = np.exp(largest - largest[:, -1:])
    tail = np.maximum(scaled[:, 1:] - scaled[:, :1], 1e-300)
    grid = 30 + math.isqrt(size)
    place = 1.0 - np.sqrt(grid / (np.arange(1, grid + 1) - 0.5))
    quartile = tail[:, int(size / 4 + 0.5) - 1]
    b = place / (3.0 * quartile[:, None]) + 1.0 / tail[:, -1:]
    shape = np.empty_like(b)
    for i in range(grid):
        shape[:, i] = np.log1p(-b[:, [i]] * tail).mean(axis=1)
    height = size * (np.log(-b / shape) - shape - 1.0)
    weight = np.exp(height - height.max(axis=1, keepdims=True))
    middle = (b * weight).sum(axis=1) / weight.sum(axis=1)
    k = np.log1p(-middle[:, None] * tail).mean(axis=1)
    k = (size * k + 5.0) / (size + 10.0)
    return np.where(np.isfinite(k), k, np.inf)


def by_normal(
    latent: Draws,
    noise: Float[np.ndarray, " candidate"],
    question: Question,
    means: Float[np.ndarray, "future target choice"],
) -> Worth:
    """Take draws as jointly normal.

    Parameters
    ----------
    latent : (sample, candidate) array
        What runs would be seen to reach, but for noise of variance `noise`.
    noise : (candidate,) array
    question : Question
    means : (future, target, choice) array
        What the choices may be expected to be worth once earlier picks are seen.
    """
    samples = len(latent)
    seen = latent - latent.mean(axis=0)
    variance = np.einsum("sj,sj->j", seen, seen) / samples + noise
    variance = np.where(variance > 0, variance, 1.0)
    few, centred = directions(question.values), question.values - question.values.mean(axis=0)
    along = (few.T @ seen / samples) ** 2 / variance
    information = -0.5 * np.log(np.maximum(1.0 - along.sum(axis=0), 1e-9))
    sd = np.where(centred.std(axis=0) > 0, centred.std(axis=0), 1.0)
    seen_along = (centred / sd).T @ seen / samples
    kept = np.clip(1.0 - seen_along.T**2 / variance[:, None], 0.0, 1.0)
    if not question.choices.shape[1]:
        value = (question.unit * sd * (1.0 - np.sqrt(kept))).sum(axis=1)
        return Worth(information, kept, value)
    choices = question.choices - question.choices.mean(axis=(0, 2), keepdims=True)
    flat = choices.reshape(samples, -1)
    slopes = (flat.T @ seen / samples / np.sqrt(variance)).T
    slopes = slopes.reshape(-1, *question.choices.shape[1:])
    return Worth(information, kept, np.asarray(_gain(jnp.asarray(slopes), jnp.asarray(means))))


@jax.jit
def _gain(
    slopes: Float[Array, "candidate target choice"], means: Float[Array, "future target choice"]
) -> Float[Array, " candidate"]:
    """Expected gain of the best choice where means move by slopes times a standard normal."""
    nodes = jnp.asarray(NODES)
    chances = jnp.exp(-0.5 * nodes**2)
    chances = chances / chances.sum()
    now = means.max(axis=2).sum(axis=1)

    def one(slope: Array) -> Array:
        moved = means[:, None] + nodes[:, None, None] * slope
        # about the choice that is best now, so that small gains are not lost in rounding
        return ((moved.max(axis=3).sum(axis=2) - now[:, None]) @ chances).mean()

    return jnp.maximum(jax.lax.map(one, slopes, batch_size=TOGETHER), 0.0)


def conditioned(draws: np.ndarray, seen: Float[np.ndarray, " sample"]) -> np.ndarray:
    """Draws given that a run is seen at what is expected of it (Matheron's rule).

    Parameters
    ----------
    draws : (sample, ...) array
    seen : (sample,) array
        What the run is seen to reach in every draw, its noise included.
    """
    centred = seen - seen.mean()
    flat = draws.reshape(len(draws), -1)
    slope = centred @ flat / (centred @ centred)
    return (flat - np.outer(centred, slope)).reshape(draws.shape)
