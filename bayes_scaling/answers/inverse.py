"""Where the law's mean takes a given value, draw by draw."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jax import Array
from jaxtyping import Float

from bayes_scaling.posterior.fit import Fit

from .predict import parameter_draws

GRID = 200  # places that are looked at before a crossing is closed in on
HALVINGS = 40

type Samples = Float[np.ndarray, " sample"]


def mean_along(
    fit: Fit,
    row: Mapping[str, Any] | pd.Series,
    along: str,
    ratios: Mapping[str, float],
    rng: np.random.Generator,
) -> Callable[[Array], Array]:
    """Mean of every draw at values of one input, which may differ between draws.

    Parameters
    ----------
    fit : Fit
    row : mapping
        The other inputs, and labels of groups.
    along : str
    ratios : mapping of str to float
        Inputs that grow in proportion to it.
    rng : Generator
        Draws a group that was not fitted.
    """
    law = fit.law
    labels = pd.DataFrame([{g: row.get(g) for g in fit.groups} | {"": 0}])
    values = parameter_draws(fit, labels, rng)

    def mean(x: Array) -> Array:
        raw = {k: jnp.asarray(row[k]) for k in law.inputs if k != along and k not in ratios}
        raw |= {k: by * x for k, by in ratios.items()} | {along: x}
        return law.mean(law.centre(raw, fit.spec.references), values)

    return jax.jit(mean)


def crossings(
    mean: Callable[[Array], Array], level: Samples | float, low: float, high: float, on_log: bool
) -> tuple[Samples, Float[np.ndarray, "sample ends"]]:
    """First place between two ends where each draw's mean passes a level.

    Returns
    -------
    place : (sample,) array
        Not a number where it does not.
    ends : (sample, 2) array
        Means at the two ends, less the level.
    """
    turn = (jnp.log, jnp.exp) if on_log else (jnp.asarray, jnp.asarray)
    grid = turn[1](jnp.linspace(turn[0](low), turn[0](high), GRID))
    target = jnp.broadcast_to(jnp.asarray(level, dtype=float), mean(grid[None, :1]).shape[:1])
    over = mean(grid[None, :]) - target[:, None]
    changed = jnp.sign(over[:, 1:]) != jnp.sign(over[:, :-1])
    first = jnp.argmax(changed, axis=1)
    a, b = turn[0](grid[first]), turn[0](grid[first + 1])
    side = jnp.take_along_axis(over, first[:, None], 1)[:, 0]
    for _ in range(HALVINGS):
        middle = 0.5 * (a + b)
        here = mean(turn[1](middle)[:, None])[:, 0] - target
        same = jnp.sign(here) == jnp.sign(side)
        a, b = jnp.where(same, middle, a), jnp.where(same, b, middle)
    place = jnp.where(changed.any(axis=1), turn[1](0.5 * (a + b)), jnp.nan)
    return np.asarray(place), np.asarray(over[:, [0, -1]])
