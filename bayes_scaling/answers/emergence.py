"""Whether a task accelerates with scale: emergence as a statement with evidence."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from bayes_scaling.errors import Finding, UsageError
from bayes_scaling.posterior.diagnostics import elements
from bayes_scaling.posterior.fit import Fit

from .extrapolation import forced
from .points import need_usable

ACCELERATION = "acceleration"
STRONG = math.log(10.0)  # a Bayes factor of ten settles it
PRIOR_DRAWS = 4000


@dataclass(frozen=True, eq=False)
class Emergence:
    """Acceleration of tasks, with the evidence for it.

    Attributes
    ----------
    law : str
    table : DataFrame
        One row a group: ``group``, mean, sd, ``q0.05``, ``q0.95``, ``P_accelerates`` (the
        posterior probability that the acceleration is positive), ``log_bayes_factor`` (of any
        acceleration against none; natural log), and ``verdict``.
    warnings : tuple of Finding
    """

    law: str
    table: pd.DataFrame
    warnings: tuple[Finding, ...]

    def summary(self) -> pd.DataFrame:
        """Return the table."""
        return self.table


def emergence(fit: Fit, *, sure: float = 0.95, force: bool = False) -> Emergence:
    """Say of every task whether its curve accelerates on the scale where laws are straight.

    Parameters
    ----------
    fit : Fit
        Of a law with a parameter ``acceleration``, such as `task_emergence`.
    sure : float
        Probability from which a direction counts as settled.
    force : bool
        Answer even if the fit's diagnostics are poor.

    Notes
    -----
    The Bayes factor is the Savage-Dickey ratio: prior over posterior density at zero. It
    depends on how large accelerations the prior expects; the probability of the sign does
    hardly.

    Raises
    ------
    UsageError
        If the law has no such parameter.
    FitError
        If the fit's diagnostics are poor and `force` is not set.
    """
    if ACCELERATION not in fit.law.parameters:
        raise UsageError(
            f"law {fit.law.name} has no parameter {ACCELERATION}; fit task_emergence, whose "
            f"curve is straight without it"
        )
    if not 0.5 < sure < 1:
        raise UsageError(f"sure is {sure}; it must lie between .5 and 1")
    need_usable(fit, force)
    prior = _prior_density_at_zero(fit)
    rows = []
    for _, group, values in elements(fit.posterior[[ACCELERATION]]):
        flat = values.ravel()
        up = float((flat > 0).mean())
        log_factor = math.log(prior) - _log_density_at_zero(flat)
        rows.append(
            {
                "group": group,
                "mean": float(flat.mean()),
                "sd": float(flat.std(ddof=1)),
                "q0.05": float(np.quantile(flat, 0.05)),
                "q0.95": float(np.quantile(flat, 0.95)),
                "P_accelerates": up,
                "log_bayes_factor": log_factor,
                "verdict": _verdict(up, log_factor, sure),
            }
        )
    return Emergence(fit.law.name, pd.DataFrame(rows), forced(fit))


def _verdict(up: float, log_factor: float, sure: float) -> str:
    if up > sure and log_factor > 0:
        return "accelerates" if log_factor > STRONG else "seems to accelerate"
    if up < 1 - sure and log_factor > 0:
        return "slows down" if log_factor > STRONG else "seems to slow down"
    return "straight" if log_factor < -STRONG else "not settled"


def _prior_density_at_zero(fit: Fit) -> float:
    """Prior density of a group's acceleration at zero, group sds averaged over."""
    rng = np.random.default_rng(0)
    structure, spec = fit.structure, fit.spec
    variance = np.full(PRIOR_DRAWS, spec.prior_sd[ACCELERATION] ** 2)
    for column in structure.columns_of(ACCELERATION, "partial"):
        scale = structure.group_sd(ACCELERATION, f"{ACCELERATION}_sd_{column}")
        variance += (scale * np.abs(rng.normal(size=PRIOR_DRAWS))) ** 2
    centre = spec.prior_loc[ACCELERATION]
    return float(np.mean(np.exp(-0.5 * centre**2 / variance) / np.sqrt(2 * np.pi * variance)))


def _log_density_at_zero(draws: np.ndarray) -> float:
    """Log posterior density at zero: by kernels among the draws, normal beyond them."""
    mean, sd = float(draws.mean()), float(draws.std(ddof=1))
    normal = -0.5 * (mean / sd) ** 2 - math.log(sd * math.sqrt(2 * math.pi))
    if abs(mean / sd) > 3:
        return normal
    width = 1.06 * sd * draws.size**-0.2
    kernels = np.exp(-0.5 * (draws / width) ** 2) / (width * math.sqrt(2 * math.pi))
    return math.log(float(kernels.mean()))
