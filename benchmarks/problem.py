"""What agreement and speed share: the table, the compared quantities, effective draws."""

import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from arviz_stats.base import array_stats

from bayes_scaling.errors import DatasetError
from bayes_scaling.runs import Runs, datasets

CHAINS, CORES = 4, 2
AXES = {"chain_axis": 0, "draw_axis": 1}
Draws = Mapping[str, np.ndarray]


def chinchilla_runs() -> Runs:
    """Return the 240 runs of the comparison, or leave with a reason."""
    try:
        return datasets.chinchilla()
    except DatasetError as error:
        print(f"the benchmark has no data: {error}", file=sys.stderr)
        raise SystemExit(2) from error


def free_draws(posterior: xr.Dataset) -> dict[str, np.ndarray]:
    """Return the seven sampled quantities, unconstrained, shape ``(chains, draws)``."""
    value = _values(posterior)
    free = {f"log {k}": np.log(value[k]) for k in ("level", "alpha", "beta")}
    shares = {k: value[k] for k in ("reducible", "share_N")}
    return free | common_quantities(shares, value["sigma"], value["nu"])


def common_quantities(
    shares: dict[str, np.ndarray], sigma: np.ndarray, nu: np.ndarray
) -> dict[str, np.ndarray]:
    """Return noise and shares, which groups have in common, unconstrained."""
    found = {"log sigma": np.log(sigma)}
    found |= {f"logit {k}": np.log(v) - np.log1p(-v) for k, v in shares.items()}
    # rounding can put nu on its floor
    return found | {"log (nu - 2)": np.log(np.maximum(nu - 2.0, 1e-12))}


def published_draws(posterior: xr.Dataset, n0: float, d0: float) -> dict[str, np.ndarray]:
    """Return logs of E, A and B, computed from the sampled quantities at the references."""
    value = _values(posterior)
    reducible = value["level"] * value["reducible"]
    return {
        "log E": np.log(value["level"] - reducible),
        "log A": np.log(reducible * value["share_N"]) + value["alpha"] * np.log(n0),
        "log B": np.log(reducible * (1 - value["share_N"])) + value["beta"] * np.log(d0),
    }


def smallest_ess(draws: Draws) -> float:
    """Return the bulk ESS of the worst quantity."""
    return min(float(array_stats.ess(d, method="bulk", **AXES)) for d in draws.values())


def largest_rhat(draws: Draws) -> float:
    """Return the R-hat of the worst quantity."""
    return max(float(array_stats.rhat(d, **AXES)) for d in draws.values())


def mean_error(draws: np.ndarray) -> float:
    """Return the Monte Carlo standard error of the mean."""
    return float(array_stats.mcse(draws, method="mean", **AXES))


def sd_error(draws: np.ndarray) -> float:
    """Return the Monte Carlo standard error of the standard deviation."""
    return float(array_stats.mcse(draws, method="sd", **AXES))


def _values(posterior: xr.Dataset) -> dict[str, Any]:
    names = ("level", "reducible", "share_N", "alpha", "beta", "sigma", "nu")
    return {k: posterior[k].transpose("chain", "draw").to_numpy() for k in names}
