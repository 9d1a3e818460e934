"""The pooled Chinchilla model of bayes-scaling, written again in PyMC.

Effects are non-centred, the usual way. Group values are computed after sampling, so that
the sampler does not pay for storing them.
"""

import numpy as np
import pymc as pm
import xarray as xr

from bayes_scaling.runs import Runs
from benchmarks import restated as r
from benchmarks.chinchilla_pymc import observe
from benchmarks.pooled import COMMON, GROUP, POOLED, by_group
from benchmarks.problem import Draws, common_quantities


def build(runs: Runs) -> pm.Model:
    """Return the model: log level and log exponents normal between the groups."""
    names, code = np.unique(runs.frame[GROUP].to_numpy(dtype=str), return_inverse=True)

    def pooled(name: str, median: float, sd: float):
        centre = pm.Normal(f"{name}_centre", np.log(median), sd)
        between = pm.HalfNormal(f"{name}_sd", r.GROUP_SD)
        z = pm.Normal(f"{name}_z", 0.0, 1.0, shape=len(names))
        return pm.math.exp(centre + between * z)[code]

    with pm.Model() as model:
        level = pooled("level", np.median(r.columns(runs)[2]), r.LEVEL_SD)
        alpha = pooled("alpha", r.EXPONENT_MEDIAN, r.EXPONENT_SD)
        beta = pooled("beta", r.EXPONENT_MEDIAN, r.EXPONENT_SD)
        observe(runs, level, alpha, beta)
    return model


def sampled_quantities(posterior: xr.Dataset) -> Draws:
    """Return the quantities of `pooled.sampled_quantities`, from the non-centred draws."""
    value = {str(k): v.to_numpy() for k, v in posterior.data_vars.items()}
    found: dict[str, np.ndarray] = {}
    for name in POOLED:
        found[f"log {name} centre"] = value[f"{name}_centre"]
        found[f"log {name} sd"] = np.log(value[f"{name}_sd"])
        effect = value[f"{name}_sd"][..., None] * value[f"{name}_z"]
        found |= by_group(f"{name} effect", effect)
        found |= by_group(f"log {name}", value[f"{name}_centre"][..., None] + effect)
    shares = {name: value[name] for name in COMMON}
    return found | common_quantities(shares, value["sigma"], value["nu"])
