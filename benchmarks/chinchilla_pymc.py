"""The Chinchilla law of bayes-scaling, written again in PyMC.

It shares no code with the package: priors, references and the mean are stated
a second time (`restated.py`), so that a mistake in either shows as a disagreement.
"""

from typing import Any

import numpy as np
import pymc as pm

from bayes_scaling.runs import Runs
from benchmarks import restated as r


def build(runs: Runs) -> pm.Model:
    """Return the model of these runs: the law, its priors, Student-t noise on the log loss."""
    with pm.Model() as model:
        level = pm.LogNormal("level", np.log(np.median(r.columns(runs)[2])), r.LEVEL_SD)
        alpha = pm.LogNormal("alpha", np.log(r.EXPONENT_MEDIAN), r.EXPONENT_SD)
        beta = pm.LogNormal("beta", np.log(r.EXPONENT_MEDIAN), r.EXPONENT_SD)
        observe(runs, level, alpha, beta)
    return model


def observe(runs: Runs, level: Any, alpha: Any, beta: Any) -> None:
    """Add the shares, the noise and the losses to a model, given what may vary between groups."""
    log_n, log_d, loss = r.centred(runs)
    reducible = pm.LogitNormal("reducible", r.logit(r.REDUCIBLE_MEDIAN), r.REDUCIBLE_SD)
    share = pm.LogitNormal("share_N", r.logit(r.SHARE_MEDIAN), r.SHARE_SD)
    sigma = pm.LogNormal("sigma", np.log(r.SIGMA_MEDIAN), r.SIGMA_SD)
    excess = pm.Gamma("nu_above_floor", alpha=r.NU_SHAPE, beta=r.NU_RATE)
    nu = pm.Deterministic("nu", r.NU_FLOOR + excess)
    decay = share * pm.math.exp(-alpha * log_n) + (1 - share) * pm.math.exp(-beta * log_d)
    mean = level * (1 - reducible + reducible * decay)
    # the density of the loss itself differs by a constant, its Jacobian
    pm.StudentT("log_loss", nu=nu, mu=pm.math.log(mean), sigma=sigma, observed=np.log(loss))
