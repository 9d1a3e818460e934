"""The discrepancy beyond the fitted runs: weights of intervals that no run is on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from bayes_scaling.program import Structure
from bayes_scaling.program.discrepancy import Walk
from bayes_scaling.program.structure import OWN_WALKS, intervals_of


def whole_discrepancy(
    walks: Sequence[Walk], structure: Structure, arrays: Mapping[str, np.ndarray], seed: int
) -> dict[str, np.ndarray]:
    """Weights of fitted intervals, and of those beyond, of which the runs know only the sd.

    They are drawn once, with the fit, so that every answer has the same function a draw.
    """
    rng = np.random.default_rng([seed, len(walks)])
    own = walks[:OWN_WALKS]
    found = {}
    for name, site in structure.sites().items():
        if site.kind != "discrepancy":
            continue
        fitted, sd = arrays[name], arrays[structure.owner(name)]
        sd = sd.reshape(*sd.shape, *[1] * (fitted.ndim - sd.ndim))
        mine = [w for w in walks if site.dims == (intervals_of(w.name),)] or own
        ends = np.cumsum([len(w.fitted) for w in mine])[:-1]
        parts = []
        for walk, inside in zip(mine, np.split(fitted, ends, axis=-1), strict=True):
            fresh = rng.normal(size=(*inside.shape[:-1], len(walk.beyond)))
            parts += [inside, sd * fresh]
        found[name] = np.concatenate(parts, axis=-1)
    return found
