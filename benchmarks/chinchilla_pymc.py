"""The Chinchilla law of bayes-scaling, written again in PyMC.

It shares no code with the package: priors, references and the mean are stated
here a second time, so that a mistake in either shows as a disagreement.
"""

import numpy as np
import pymc as pm

from bayes_scaling.runs import Runs

LEVEL_SD = 0.5  # of the log; the median is the median response
REDUCIBLE_MEDIAN, REDUCIBLE_SD = 0.4, 1.0  # the sd is of the logit, as below
SHARE_MEDIAN, SHARE_SD = 0.5, 1.0
EXPONENT_MEDIAN, EXPONENT_SD = 0.3, 0.5  # the sd is of the log, as below
SIGMA_MEDIAN, SIGMA_SD = 0.01, 1.0
NU_FLOOR, NU_SHAPE, NU_RATE = 2.0, 2.0, 0.1


def columns(runs: Runs) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return N, D and the loss of the runs."""
    frame = runs.frame
    return tuple(frame[name].to_numpy(dtype=float) for name in ("N", "D", "response"))


def references(runs: Runs) -> tuple[float, float]:
    """Return the geometric means of N and D over the runs."""
    n, d, _ = columns(runs)
    return float(np.exp(np.mean(np.log(n)))), float(np.exp(np.mean(np.log(d))))


def build(runs: Runs) -> pm.Model:
    """Return the model of these runs: the law, its priors, Student-t noise on the log loss."""
    n, d, loss = columns(runs)
    n0, d0 = references(runs)
    log_n, log_d = np.log(n / n0), np.log(d / d0)
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


def logit(p: float) -> float:
    """Return the log odds."""
    return float(np.log(p) - np.log1p(-p))
