"""The pooled Chinchilla model of bayes-scaling, written again in PyMC.

Effects are non-centred, the usual way. Group values are computed after sampling, so that
the sampler does not pay for storing them.
"""

import numpy as np
import pymc as pm
import xarray as xr

from bayes_scaling.runs import Runs
from benchmarks.pooled import COMMON, GROUP, POOLED, by_group, common_quantities
from benchmarks.problem import Draws
from benchmarks.restated import (
    EXPONENT_MEDIAN,
    EXPONENT_SD,
    GROUP_SD,
    LEVEL_SD,
    NU_FLOOR,
    NU_RATE,
    NU_SHAPE,
    REDUCIBLE_MEDIAN,
    REDUCIBLE_SD,
    SHARE_MEDIAN,
    SHARE_SD,
    SIGMA_MEDIAN,
    SIGMA_SD,
    centred,
    logit,
)


def build(runs: Runs) -> pm.Model:
    """Return the model: log level and log exponents normal between the groups."""
    log_n, log_d, loss = centred(runs)
    names, code = np.unique(runs.frame[GROUP].to_numpy(dtype=str), return_inverse=True)

    def pooled(name: str, median: float, sd: float):
        centre = pm.Normal(f"{name}_centre", np.log(median), sd)
        between = pm.HalfNormal(f"{name}_sd", GROUP_SD)
        z = pm.Normal(f"{name}_z", 0.0, 1.0, shape=len(names))
        return pm.math.exp(centre + between * z)[code]

    with pm.Model() as model:
        level = pooled("level", np.median(loss), LEVEL_SD)
        alpha = pooled("alpha", EXPONENT_MEDIAN, EXPONENT_SD)
        beta = pooled("beta", EXPONENT_MEDIAN, EXPONENT_SD)
        reducible = pm.LogitNormal("reducible", logit(REDUCIBLE_MEDIAN), REDUCIBLE_SD)
        share = pm.LogitNormal("share_N", logit(SHARE_MEDIAN), SHARE_SD)
        sigma = pm.LogNormal("sigma", np.log(SIGMA_MEDIAN), SIGMA_SD)
        excess = pm.Gamma("nu_above_floor", alpha=NU_SHAPE, beta=NU_RATE)
        decay = share * pm.math.exp(-alpha * log_n) + (1 - share) * pm.math.exp(-beta * log_d)
        mean = level * (1 - reducible + reducible * decay)
        pm.StudentT(
            "log_loss",
            nu=NU_FLOOR + excess,
            mu=pm.math.log(mean),
            sigma=sigma,
            observed=np.log(loss),
        )
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
    return found | common_quantities(shares, value["sigma"], NU_FLOOR + value["nu_above_floor"])
