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
    mean: Callable[[Array], Array],
    level: Samples | float,
    low: float,
    high: float,
    on_log: bool,
    *,
    prefer: tuple[float, float] | None = None,
    grid: int = GRID,
    halvings: int = HALVINGS,
) -> tuple[Samples, Float[np.ndarray, "sample ends"]]:
    """First place between two ends where each draw's mean passes a level.

    Parameters
    ----------
    mean : callable
        From places, shape (1, place) or (sample, 1), to means of every draw.
    level : float or (sample,) array
    low, high : float
    on_log : bool
        Whether places are scales.
    prefer : (float, float), optional
        A range within; a crossing in it counts before one above it, and that before one below.
    grid, halvings : int
        Places that are looked at first, and steps that close in on a crossing.

    Returns
    -------
    place : (sample,) array
        Not a number where it does not.
    ends : (sample, 2) array
        Means at the two ends, less the level.
    """
    turn = (jnp.log, jnp.exp) if on_log else (jnp.asarray, jnp.asarray)
    places = turn[1](jnp.linspace(turn[0](low), turn[0](high), grid))
    if prefer is not None:
        places = jnp.sort(jnp.concatenate([places, jnp.asarray(prefer, dtype=float)]))
    target = jnp.broadcast_to(jnp.asarray(level, dtype=float), mean(places[None, :1]).shape[:1])
    over = mean(places[None, :]) - target[:, None]
    changed = jnp.sign(over[:, 1:]) != jnp.sign(over[:, :-1])
    order = jnp.zeros(len(places) - 1)
    if prefer is not None:
        order = jnp.where(places[:-1] < prefer[0], 2, jnp.where(places[:-1] < prefer[1], 0, 1))
    first = jnp.argmin(jnp.where(changed, order, 3), axis=1)
    a, b = turn[0](places[first]), turn[0](places[first + 1])
    side = jnp.take_along_axis(over, first[:, None], 1)[:, 0]
    for _ in range(halvings):
        middle = 0.5 * (a + b)
        here = mean(turn[1](middle)[:, None])[:, 0] - target
        same = jnp.sign(here) == jnp.sign(side)
        a, b = jnp.where(same, middle, a), jnp.where(same, b, middle)
    place = jnp.where(changed.any(axis=1), turn[1](0.5 * (a + b)), jnp.nan)
    return np.asarray(place), np.asarray(over[:, [0, -1]])


def extended(place: Samples, ends: Float[np.ndarray, "sample ends"]) -> Samples:
    """Places of crossings, infinite where there are none.

    The side says whether a draw has yet to get there (infinite) or was there before (minus
    infinite), judged by the way in which most draws go.
    """
    toward = np.sign(np.median(ends[:, 1] - ends[:, 0]))
    missing = np.where(np.sign(ends[:, 1]) == toward, -np.inf, np.inf)
    return np.where(np.isnan(place), missing, place)
