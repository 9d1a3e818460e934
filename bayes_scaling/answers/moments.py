"""Columns of summaries: mean, sd and quantiles of draws."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float

from bayes_scaling.posterior.diagnostics import QUANTILES


def moments(draws: Float[np.ndarray, "sample *column"]) -> dict[str, Any]:
    """Mean, sd and quantiles over the draws, as columns of a table."""
    found = {"mean": draws.mean(axis=0), "sd": draws.std(axis=0, ddof=1)}
    levels = np.quantile(draws, QUANTILES, axis=0)
    return found | {f"q{q:g}": row for q, row in zip(QUANTILES, levels, strict=True)}


def ordered(draws: Float[np.ndarray, "sample *column"]) -> dict[str, Any]:
    """Quantiles of draws of which some are infinite, as columns of a table."""
    ascending = np.sort(draws, axis=0)
    return {f"q{q:g}": ascending[round(q * (len(ascending) - 1))] for q in QUANTILES}
