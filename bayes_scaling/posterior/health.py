"""How well fits of a batch were sampled, and how those are fitted that were sampled poorly."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from arviz_stats.base import array_stats

from .diagnostics import elements
from .findings import BAD_DIVERGENCES, BAD_RHAT
from .fit import Fit
from .nuts import Settings

LONGER_WARMUP, LONGER_ACCEPT = 1500, 0.97  # of a poor fit that is done again by itself
MORE_DRAWS = 4  # times as many of it, of which every fourth is kept
LISTED = 5  # poor fits that a text names


class Health(NamedTuple):
    """How well a posterior was sampled: the worst of all quantities."""

    divergences: int
    draws: int
    max_rhat: float
    min_ess: float

    @classmethod
    def of(cls, fits: Sequence[Fit]) -> Health:
        """Read it from the fits of one table, one a law."""
        stats = [fit.tree["sample_stats"]["diverging"] for fit in fits]
        drawn = [values for fit in fits for _, _, values in elements(fit.sampled)]
        together, axes = np.stack(drawn, axis=-1), {"chain_axis": 0, "draw_axis": 1}
        with np.errstate(invalid="ignore", divide="ignore"):  # chains that never moved
            rhat = array_stats.rhat(together, **axes)
            ess = array_stats.ess(together, method="bulk", **axes)
        return cls(
            max(int(diverging.sum()) for diverging in stats),
            stats[0].size,
            # not a number where chains never moved, which is as bad as can be
            float(np.max(rhat)),
            float(np.min(ess)),
        )

    @property
    def poor(self) -> bool:
        """Whether the fit must not be used."""
        return self.divergences > BAD_DIVERGENCES * self.draws or not self.max_rhat <= BAD_RHAT

    def __str__(self) -> str:
        rhat = "not a number" if math.isnan(self.max_rhat) else f"{self.max_rhat:.3f}"
        return f"{self.divergences} of {self.draws} draws diverged, R-hat {rhat}"


def longer(settings: Settings) -> Settings:
    """Settings of a fit that is done again by itself: more warm-up, smaller steps, more draws."""
    return replace(
        settings,
        draws=MORE_DRAWS * settings.draws,
        warmup=max(LONGER_WARMUP, settings.warmup),
        target_accept=max(LONGER_ACCEPT, settings.target_accept),
    )


def options_of(settings: Settings) -> dict[str, Any]:
    """Return the settings that `ScalingModel.fit` takes."""
    return {
        "chains": settings.chains,
        "draws": settings.draws,
        "warmup": settings.warmup,
        "target_accept": settings.target_accept,
    }


def thinned(fit: Fit, draws: int) -> Fit:
    """Return a fit with so many draws a chain, evenly chosen."""
    groups = {name: node.to_dataset() for name, node in fit.tree.children.items()}
    places = np.linspace(0, groups["posterior"].sizes["draw"] - 1, draws).round().astype(int)
    for name in ("posterior", "sample_stats"):
        groups[name] = groups[name].isel(draw=places).assign_coords(draw=range(draws))
    return replace(fit, tree=xr.DataTree.from_dict(groups))


def seconds_of(fits: Sequence[Fit]) -> float:
    """Seconds that fits took, compiling included."""
    return sum(sum(fit.record.seconds.values()) for fit in fits)


def listed(healths: Mapping[Any, Health]) -> str:
    """Fits by name with what is wrong with them, as a text."""
    found = [f"{name} ({health})" for name, health in healths.items()]
    text = "; ".join(found[:LISTED])
    return text if len(found) <= LISTED else f"{text}; and {len(found) - LISTED} more"
