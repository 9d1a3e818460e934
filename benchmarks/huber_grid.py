"""Chinchilla's law by Huber loss as Hoffmann et al. fit it: a grid of starts, then a bootstrap.

The objective is the sum of Huber losses (delta 1e-3) of the log residuals of
logsumexp(a - alpha log N, b - beta log D, e), with its analytic gradient. Each start and each
bootstrap is one run of SciPy's L-BFGS-B; the runs are shared out between processes.
"""

from itertools import product

import numpy as np
from joblib import Parallel, delayed
from scipy.optimize import minimize

DELTA = 1e-3
# alpha, beta, e, a, b: appendix D.3 of Hoffmann et al. 2022
EXPONENTS = np.arange(0.0, 2.01, 0.5)
FLOORS = np.arange(-1.0, 1.01, 0.5)
COEFFICIENTS = np.arange(0.0, 25.01, 5.0)
STARTS = np.array(
    [
        (a, b, e, alpha, beta)
        for alpha, beta, e, a, b in product(
            EXPONENTS, EXPONENTS, FLOORS, COEFFICIENTS, COEFFICIENTS
        )
    ]
)
CHUNKS = 8  # of work, for each process


def objective(
    theta: np.ndarray, log_n: np.ndarray, log_d: np.ndarray, y: np.ndarray, copies: np.ndarray
) -> tuple[float, np.ndarray]:
    """Return the sum of Huber losses over delta, and its gradient.

    Without the division by delta the optimiser's default tolerances would stop it early.

    Parameters
    ----------
    theta : ndarray
        a, b, e, alpha, beta.
    log_n, log_d, y : ndarray
        Logs of N, D and the loss.
    copies : ndarray
        How often each run counts.
    """
    a, b, e, alpha, beta = theta
    terms = np.stack([a - alpha * log_n, b - beta * log_d, np.full_like(y, e)])
    top = terms.max(axis=0)
    weights = np.exp(terms - top)
    total = weights.sum(axis=0)
    residual = top + np.log(total) - y
    clipped = np.clip(residual, -DELTA, DELTA)
    value = copies @ (clipped * (residual - 0.5 * clipped)) / DELTA
    slopes = weights * (copies * clipped / (DELTA * total))
    by_term = slopes.sum(axis=1)
    return value, np.array([*by_term, -slopes[0] @ log_n, -slopes[1] @ log_d])


def fit(
    starts: np.ndarray, copies: np.ndarray, table: tuple[np.ndarray, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """Run L-BFGS-B once for each pair of a start and copies; return parameters and objectives."""
    found = [
        minimize(objective, start, args=(*table, own), jac=True, method="L-BFGS-B")
        for start, own in zip(starts, copies, strict=True)
    ]
    return np.array([f.x for f in found]), np.array([f.fun for f in found])


def shared_out(
    starts: np.ndarray, copies: np.ndarray, table: tuple[np.ndarray, ...], jobs: int
) -> tuple[np.ndarray, np.ndarray]:
    """Run `fit` in several processes."""
    parts = np.array_split(np.arange(len(starts)), jobs * CHUNKS)
    work = (delayed(fit)(starts[p], copies[p], table) for p in parts if p.size)
    found = Parallel(n_jobs=jobs)(work)
    return np.concatenate([f[0] for f in found]), np.concatenate([f[1] for f in found])


def best_of_grid(
    table: tuple[np.ndarray, ...], jobs: int, starts: np.ndarray = STARTS
) -> np.ndarray:
    """Return the parameters of the lowest objective over all starts."""
    found, values = shared_out(starts, np.ones((len(starts), len(table[2]))), table, jobs)
    return found[np.nanargmin(values)]


def bootstrap(
    table: tuple[np.ndarray, ...], best: np.ndarray, count: int, jobs: int, seed: int
) -> np.ndarray:
    """Return parameters of fits to resampled runs, each started at the best fit."""
    rows = len(table[2])
    rng = np.random.default_rng(seed)
    copies = rng.multinomial(rows, np.full(rows, 1.0 / rows), size=count).astype(float)
    return shared_out(np.tile(best, (count, 1)), copies, table, jobs)[0]
