"""Deviations of the rows of one run, which remember the row before, draw by draw."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

type Paths = Float[np.ndarray, "sample row"]


def ties_of(rho: Float[np.ndarray, "sample one"], place: Float[np.ndarray, " row"]) -> Paths:
    """Correlation of each row with the one before it; zero for the first.

    Parameters
    ----------
    rho : (sample, 1) array
        Correlation of rows at their usual distance.
    place : (row,) array
        Where rows lie, in usual distances.
    """
    return np.concatenate([np.zeros_like(rho), rho ** np.diff(place)], axis=1)


def tied(
    innovations: Paths, ties: Paths, start: Float[np.ndarray, " sample"] | None = None
) -> Paths:
    """Autoregressive deviations, of scale one, from innovations; `start` is the row before."""
    total = np.empty_like(innovations)
    before = np.zeros(len(total)) if start is None else start
    for i in range(total.shape[1]):
        fresh = np.sqrt(1.0 - ties[:, i] ** 2) * innovations[:, i]
        before = total[:, i] = ties[:, i] * before + fresh
    return total


def untied(deviations: Paths, ties: Paths) -> Paths:
    """Innovations of deviations of scale one; the inverse of `tied`."""
    before = np.concatenate([np.zeros_like(deviations[:, :1]), deviations[:, :-1]], axis=1)
    return (deviations - ties * before) / np.sqrt(np.maximum(1.0 - ties**2, 1e-12))
