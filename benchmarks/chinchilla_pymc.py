"""The Chinchilla law of bayes-scaling, written again in PyMC.

It shares no code with the package: priors, references and the mean are stated
a second time (`restated.py`), so that a mistake in either shows as a disagreement.
"""

import numpy as np
import pymc as pm

from bayes_scaling.runs import Runs
from benchmarks.restated import (
    EXPONENT_MEDIAN,
    EXPONENT_SD,
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
    """Return the model of these runs: the law, its priors, Student-t noise on the log loss."""
    log_n, log_d, loss = centred(runs)
    with pm.Model() as model:
        level = pm.LogNormal("level", np.log(np.median(loss)), LEVEL_SD)
        reducible = pm.LogitNormal("reducible", logit(REDUCIBLE_MEDIAN), REDUCIBLE_SD)
        share = pm.LogitNormal("share_N", logit(SHARE_MEDIAN), SHARE_SD)
        alpha = pm.LogNormal("alpha", np.log(EXPONENT_MEDIAN), EXPONENT_SD)
        beta = pm.LogNormal("beta", np.log(EXPONENT_MEDIAN), EXPONENT_SD)
        sigma = pm.LogNormal("sigma", np.log(SIGMA_MEDIAN), SIGMA_SD)
        excess = pm.Gamma("nu_above_floor", alpha=NU_SHAPE, beta=NU_RATE)
        nu = pm.Deterministic("nu", NU_FLOOR + excess)
        decay = share * pm.math.exp(-alpha * log_n) + (1 - share) * pm.math.exp(-beta * log_d)
        mean = level * (1 - reducible + reducible * decay)
        # the density of the loss itself differs by a constant, its Jacobian
        pm.StudentT("log_loss", nu=nu, mu=pm.math.log(mean), sigma=sigma, observed=np.log(loss))
    return model
