"""The Chinchilla law by Huber loss, many fits at once.

log loss = logsumexp(e, a - alpha n, b - beta d), n and d the centred logs of N and D, and the sum
of Huber losses (delta 1e-3) of the log residuals is minimised: the objective of Hoffmann et al.
2022. Every fit takes Levenberg-Marquardt steps of the weighted squares that bound this objective
from above, and only those that lower it.
"""

from __future__ import annotations

from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from bayes_scaling.jax_setup import configure

configure()  # single precision cannot tell nearly equal sums of Huber losses apart

DELTA = 1e-3
PARAMETERS = 5  # e, a, b, alpha, beta
SMALLEST = 8  # rows are padded to powers of two, from this one on, so that programs are shared
EXPONENTS = (0.1, 0.3, 0.6, 1.2)  # of the starts
FLOORS = (0.3, 0.6, 0.9)  # shares of the median loss
HALVES = (0.2, 0.5, 0.8)  # shares of what is left that depend on N


def starts(loss: np.ndarray) -> np.ndarray:
    """Return the grid of starting values, shape ``(starts, 5)``."""
    grid = product(EXPONENTS, EXPONENTS, FLOORS, HALVES)
    level = np.median(loss)
    return np.array([
        [np.log(level * f), np.log(level * (1 - f) * h), np.log(level * (1 - f) * (1 - h)), a, b]
        for a, b, f, h in grid
    ])  # fmt: skip


def curve(theta: Array, n: Array, d: Array) -> tuple[Array, Array]:
    """Return the log loss at each row and its derivative by the parameters, ``(rows, 5)``."""
    e, a, b, alpha, beta = theta
    terms = jnp.stack([jnp.full_like(n, e), a - alpha * n, b - beta * d])
    total = jax.nn.logsumexp(terms, axis=0)
    share = jnp.exp(terms - total)
    return total, jnp.stack([*share, -share[1] * n, -share[2] * d], axis=1)


def huber(residual: Array) -> Array:
    """Huber's loss over delta, so that it is near 1 and not near 1e-5."""
    size = jnp.abs(residual) / DELTA
    return DELTA * jnp.where(size <= 1.0, 0.5 * size**2, size - 0.5)


def _minimise(
    steps: int, theta: Array, weight: Array, n: Array, d: Array, y: Array
) -> tuple[Array, Array]:
    """Take a fixed number of damped steps from one start; return the parameters and objective."""

    def objective(theta: Array) -> Array:
        return jnp.sum(weight * huber(curve(theta, n, d)[0] - y))

    def step(_: int, state: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        theta, value, damping = state
        fitted, slope = curve(theta, n, d)
        residual = fitted - y
        weighted = slope * (weight / jnp.maximum(jnp.abs(residual), DELTA))[:, None]
        square = weighted.T @ slope
        ridge = damping * (jnp.diag(jnp.diag(square)) + 1e-9 * jnp.trace(square) * jnp.eye(5))
        moved = theta - jnp.linalg.solve(square + ridge, weighted.T @ residual)
        found = objective(moved)
        better = found < value
        return (
            jnp.where(better, moved, theta),
            jnp.where(better, found, value),
            jnp.clip(jnp.where(better, damping / 3, damping * 4), 1e-9, 1e6),
        )

    first = (theta, objective(theta), jnp.asarray(1e-2))
    theta, value, _ = jax.lax.fori_loop(0, steps, step, first)
    return theta, value


_many = jax.jit(jax.vmap(_minimise, in_axes=(None, 0, 0, None, None, None)))


def minimise(
    theta: np.ndarray, weight: np.ndarray, n: np.ndarray, d: np.ndarray, y: np.ndarray, steps: int
) -> tuple[np.ndarray, np.ndarray]:
    """Fit once a start.

    Parameters
    ----------
    theta : ndarray
        Starts, ``(fits, 5)``.
    weight : ndarray
        How often each row counts in each fit, ``(fits, rows)``.
    n, d, y : ndarray
        Centred log sizes, and log losses.
    steps : int
        A few hundred for any fit that its runs determine, a thousand where they hardly do.

    Returns
    -------
    theta : ndarray
        ``(fits, 5)``.
    value : ndarray
        The sum of Huber losses over delta of each fit.
    """
    rows = max(SMALLEST, 1 << (len(y) - 1).bit_length())
    columns = [np.pad(x, (0, rows - len(y))) for x in (n, d, y)]
    padded = np.pad(weight.astype(float), ((0, 0), (0, rows - len(y))))
    found, value = _many(steps, theta, padded, *columns)
    return np.asarray(found), np.asarray(value)


def log_loss(theta: np.ndarray, n: np.ndarray, d: np.ndarray) -> np.ndarray:
    """Return the log loss that each fit expects at each place, ``(fits, places)``."""
    e, a, b, alpha, beta = (column[:, None] for column in theta.T)
    return np.logaddexp(e, np.logaddexp(a - alpha * n, b - beta * d))
