"""The intervals that usually go with a least-squares fit, as densities of the log loss of new rows.

Residuals of the log loss are taken to be independent with one sd, estimated with n - p degrees of
freedom for n fitted rows and p parameters. To its Student-t noise the uncertainty of the
parameters is added by the delta method or by a bootstrap of residuals. Each function returns centre
and spread, one row a component of the mixture, and the degrees of freedom of each component.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

type Array = np.ndarray
type Form = Callable[[Array, Array], tuple[Array, Array]]
type Components = tuple[Array, Array, Array]

SINGULAR = 1e-10  # of the scaled Jacobian's largest singular value
BOOTSTRAPS = 200
SEED = 1


def residual_sd(residual: Array, parameters: int) -> tuple[float, int]:
    """Sd of residuals and its degrees of freedom."""
    free = len(residual) - parameters
    if free < 1:
        raise ValueError(
            f"{len(residual)} rows leave no degree of freedom to {parameters} parameters"
        )
    return float(np.sqrt(np.sum(residual**2) / free)), free


def delta(form: Form, theta: Array, z: Array, ln_y: Array, z_new: Array) -> Components:
    """Student-t with variance s^2 (1 + g' (J'J)^-1 g), one component."""
    at, jacobian = form(theta, z)
    sd, free = residual_sd(ln_y - at, len(theta))
    centre, gradient = form(theta, z_new)
    size = np.linalg.norm(jacobian, axis=0)
    size = np.where(size > 0, size, 1.0)
    inverse = np.linalg.pinv(jacobian / size, rcond=SINGULAR)
    leverage = np.sum(((gradient / size) @ inverse) ** 2, axis=1)
    return centre[None], (sd * np.sqrt(1 + leverage))[None], np.array([float(free)])


def bootstrap(
    form: Form,
    theta: Array,
    z: Array,
    ln_y: Array,
    z_new: Array,
    refit: Callable[[Array], Array],
    draws: int = BOOTSTRAPS,
) -> Components:
    """Student-t noise about the curves refitted to resampled residuals, one component a refit.

    Parameters
    ----------
    refit : callable
        From log losses of the fitted rows to parameters.
    """
    at = form(theta, z)[0]
    residual = ln_y - at
    sd, free = residual_sd(residual, len(theta))
    pool = (residual - residual.mean()) * np.sqrt(len(z) / free)
    rng = np.random.default_rng(SEED)
    found = [refit(at + rng.choice(pool, len(z))) for _ in range(draws)]
    centre = np.stack([form(again, z_new)[0] for again in found])
    return centre, np.full(centre.shape, sd), np.full(draws, float(free))
