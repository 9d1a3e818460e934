"""The numbers of the Chinchilla model, stated a second time for the models of other tools.

Nothing here comes from the package: priors and references are written down again, so that a
mistake on either side shows as a disagreement.
"""

import numpy as np

from bayes_scaling.runs import Runs

LEVEL_SD = 0.5  # of the log; the median is the median response
REDUCIBLE_MEDIAN, REDUCIBLE_SD = 0.4, 1.0  # the sd is of the logit, as below
SHARE_MEDIAN, SHARE_SD = 0.5, 1.0
EXPONENT_MEDIAN, EXPONENT_SD = 0.3, 0.5  # the sd is of the log, as below
SIGMA_MEDIAN, SIGMA_SD = 0.01, 1.0
NU_FLOOR, NU_SHAPE, NU_RATE = 2.0, 2.0, 0.1
GROUP_SD = 0.3  # scale of the half-normal prior of a parameter's sd between groups


def columns(runs: Runs) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return N, D and the loss of the runs."""
    frame = runs.frame
    return tuple(frame[name].to_numpy(dtype=float) for name in ("N", "D", "response"))


def references(runs: Runs) -> tuple[float, float]:
    """Return the geometric means of N and D over the runs."""
    n, d, _ = columns(runs)
    return float(np.exp(np.mean(np.log(n)))), float(np.exp(np.mean(np.log(d))))


def centred(runs: Runs) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the logs of N and D over their references, and the loss."""
    n, d, loss = columns(runs)
    n0, d0 = references(runs)
    return np.log(n / n0), np.log(d / d0), loss


def logit(p: float) -> float:
    """Return the log odds."""
    return float(np.log(p) - np.log1p(-p))
