"""A synthetic table of many recipes under the Chinchilla law, and what is compared on it."""

import numpy as np
import pandas as pd
import xarray as xr

import bayes_scaling as bs
from bayes_scaling.models import chinchilla
from bayes_scaling.runs import Runs
from benchmarks.problem import Draws, common_quantities

GROUP, EACH = "recipe", 40
POOLED, COMMON = ("level", "alpha", "beta"), ("reducible", "share_N")
SIGMA, NU = 0.01, 6.0  # of the Student-t noise on the log loss
DECADES = 2.0  # of N and of D that the runs of a recipe span
REDUCIBLE, SHARE_N = 0.4, 0.55
CENTRES = {"level": 2.8, "alpha": 0.33, "beta": 0.3}
SPREADS = {"level": 0.06, "alpha": 0.1, "beta": 0.1}  # sds of the logs, between recipes
N0, D0 = 1e8, 1e10


def synthetic_table(groups: int, each: int = EACH, seed: int = 1) -> pd.DataFrame:
    """Return N, D, loss and recipe of simulated runs.

    Every recipe has places of its own: N and D log-uniform over two decades, which begin
    elsewhere for each.
    """
    rng = np.random.default_rng(seed)
    code = np.repeat(np.arange(groups), each)

    def sizes(middle: float) -> np.ndarray:
        shift = rng.uniform(-0.25, 0.25, groups)[code]
        return middle * 10 ** (shift + DECADES * rng.uniform(-0.5, 0.5, code.size))

    n, d = sizes(N0), sizes(D0)
    own = {k: (CENTRES[k] * np.exp(SPREADS[k] * rng.normal(size=groups)))[code] for k in POOLED}
    decay = SHARE_N * (n / N0) ** -own["alpha"] + (1 - SHARE_N) * (d / D0) ** -own["beta"]
    mean = own["level"] * (1 - REDUCIBLE + REDUCIBLE * decay)
    loss = mean * np.exp(SIGMA * rng.standard_t(NU, size=code.size))
    names = np.array([f"g{i:04d}" for i in range(groups)])[code]
    return pd.DataFrame({"N": np.round(n), "D": np.round(d), "loss": loss, GROUP: names})


def pooled_runs(groups: int) -> Runs:
    """Return the runs of so many recipes, 40 each."""
    return bs.read_runs(synthetic_table(groups), group=GROUP)


def single_runs(rows: int) -> Runs:
    """Return so many runs of one recipe."""
    return bs.read_runs(synthetic_table(1, rows).drop(columns=GROUP))


def pooled_model() -> bs.ScalingModel:
    """Return the model of them: level and exponents vary, as they do by default."""
    return bs.ScalingModel(chinchilla, rung=False, discrepancy=False)


def sampled_quantities(posterior: xr.Dataset) -> Draws:
    """Return every sampled quantity of bayes-scaling, unconstrained, ``(chains, draws)`` each.

    Of a pooled parameter: its centre, its sd between groups, its effects, and the value of
    each group.
    """
    found: dict[str, np.ndarray] = {}
    for name in POOLED:
        found[f"log {name} centre"] = np.log(_values(posterior, f"{name}_centre"))
        found[f"log {name} sd"] = np.log(_values(posterior, f"{name}_sd_{GROUP}"))
        effect = _values(posterior, f"{name}_effect_{GROUP}")
        found |= by_group(f"{name} effect", effect)
        found |= by_group(f"log {name}", np.log(_values(posterior, name)))
    common = {name: _values(posterior, name) for name in COMMON}
    return found | common_quantities(common, _values(posterior, "sigma"), _values(posterior, "nu"))


def by_group(name: str, values: np.ndarray) -> dict[str, np.ndarray]:
    """Return one entry a group, from an array ``(chains, draws, groups)``."""
    return {f"{name}[{i}]": values[..., i] for i in range(values.shape[-1])}


def _values(posterior: xr.Dataset, name: str) -> np.ndarray:
    dims = ("chain", "draw", *(d for d in posterior[name].dims if d not in ("chain", "draw")))
    return posterior[name].transpose(*dims).to_numpy()
