"""How much an answer depends on the prior, and how much on the runs."""

from __future__ import annotations

import numpy as np
import pandas as pd
from arviz_stats.base import array_stats
from jaxtyping import Float

from bayes_scaling.errors import UsageError
from bayes_scaling.posterior.fit import Fit

ALPHAS = (0.99, 1.01)  # powers of the prior, or of the likelihood
SENSITIVE = 0.05
CONFLICT = "potential prior-data conflict"
STRONG_PRIOR = "strong prior / weak likelihood"
FINE = "-"


def prior_sensitivity(fit: Fit, values: Float[np.ndarray, "sample point"]) -> pd.DataFrame:
    """How far the distribution of any quantity moves with powers of the prior and likelihood.

    A power slightly above one tightens the prior, or counts the runs more than once; one below
    does the opposite. Draws are weighted instead of drawn again (Pareto-smoothed importance
    sampling), so the quantity may be anything that has one value a draw: a parameter, or what a
    law says of a run far outside the data, where the prior may matter although every parameter
    seems well known.

    Parameters
    ----------
    fit : Fit
    values : (sample, point) array
        One value for each draw of the posterior and each point, chain after chain, as
        ``Forecast.draws`` has them; in any unit. Points without spread are not sensitive.

    Returns
    -------
    DataFrame
        One row a point. ``prior`` and ``likelihood``: the cumulative Jensen-Shannon distance to
        the posterior that a power moves it to, per doubling of the power; sensitive from .05 on.
        ``diagnosis``: "potential prior-data conflict" where both are, "strong prior / weak
        likelihood" where the prior alone is, otherwise "-".

    Raises
    ------
    UsageError
        If there is not one value a draw.

    Notes
    -----
    Kallioinen, Paananen, Bürkner and Vehtari (2024), Detecting and diagnosing prior and
    likelihood sensitivity with power-scaling, Statistics and Computing 34, 57. As they advise for
    hierarchical models, the power is on priors of centres, sds and noise, and not on what effects
    of groups have given their sds, which is part of the model. Priors are scaled on their
    unconstrained scale, where a power of a normal is a narrower or wider one. A conflict may be
    meant: where a prior is informative and disagrees with the runs, it says so.
    """
    scores = fit.log_scores
    shape = scores["prior"].shape
    draws = np.asarray(values, dtype=float)
    if draws.ndim != 2 or len(draws) != shape[0] * shape[1]:
        raise UsageError(
            f"values of shape {draws.shape} came; one row for each of the {shape[0] * shape[1]} "
            f"draws of the fit and one column a point were expected"
        )
    by_point = draws.T.reshape(-1, *shape)
    columns = {
        name: _sensitivity(scores[name].to_numpy(), by_point) for name in ("prior", "likelihood")
    }
    prior, likelihood = (columns[k] >= SENSITIVE for k in ("prior", "likelihood"))
    diagnosis = np.where(prior & likelihood, CONFLICT, np.where(prior, STRONG_PRIOR, FINE))
    return pd.DataFrame(columns | {"diagnosis": diagnosis})


def _sensitivity(
    log_density: Float[np.ndarray, "chain draw"], values: Float[np.ndarray, "point chain draw"]
) -> Float[np.ndarray, " point"]:
    weights = []
    for alpha in ALPHAS:
        log_weights = array_stats.power_scale_lw(log_density, alpha=alpha, axis=(0, 1))
        weights.append(np.exp(log_weights - log_weights.max()))
    found = np.zeros(len(values))
    for i, one in enumerate(values):
        if np.ptp(one) > 0:
            found[i] = array_stats.power_scale_sense(
                one, *weights, *ALPHAS, chain_axis=0, draw_axis=1
            )
    return found
