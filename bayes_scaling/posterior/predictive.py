"""What ArviZ needs to check a fit: predictive draws, densities, and leave-one-out scores."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jax
import numpy as np
import xarray as xr
from jax import Array

from bayes_scaling.errors import UsageError
from bayes_scaling.program import Data, draw_prior

from .pointwise import (
    Trace,
    at_draws,
    data_of,
    drawn_sites,
    log_likelihood,
    log_prior,
    top_level,
)

if TYPE_CHECKING:
    from .fit import Fit


def arviz_tree(fit: Fit, *, prior_draws: int = 1000, seed: int = 0) -> xr.DataTree:
    """Copy the draws of a fit, with every group that a function of ArviZ may ask for.

    Parameters
    ----------
    fit : Fit
    prior_draws : int
        Draws of the prior, which take some seconds to compile; none leaves them out.
    seed : int
        Of predictive draws.

    Returns
    -------
    DataTree
        Besides ``posterior``, ``sample_stats``, ``observed_data`` and ``constant_data``:

        - ``log_likelihood``: ``response`` by run, as `loo` takes it;
        - ``log_prior``: sites with priors of their own, on the scale where priors are declared,
          as power-scaling needs it (effects of groups have theirs given their sds, and are part
          of the model);
        - ``posterior_predictive``: `responses_again`;
        - ``prior`` and ``prior_predictive``: sites and responses before any run was seen.

    Notes
    -----
    ``arviz_stats.loo_pit(bs.arviz_tree(fit))`` gives the place of each response in its
    leave-one-out predictive distribution, ``arviz_stats.psense_summary`` the sensitivity of
    parameters to their priors. Like `loo`, such checks say how a model interpolates.
    """
    groups = {name: node.to_dataset() for name, node in fit.tree.children.items()}
    groups |= {
        "log_likelihood": xr.Dataset({"response": log_likelihood(fit)}),
        "log_prior": log_prior(fit)[top_level(fit.structure)],
        "posterior_predictive": responses_again(fit, seed=seed),
    }
    if prior_draws:
        groups |= _before(fit, prior_draws, seed)
    return xr.DataTree.from_dict(groups)


def responses_again(fit: Fit, *, seed: int = 0, thin: int = 1) -> xr.Dataset:
    """Draw one more run like each fitted one, in the same group and rung.

    Parameters
    ----------
    fit : Fit
    seed : int
    thin : int
        Uses every so many draws of each chain.

    Returns
    -------
    Dataset
        ``response`` (chain, draw, run), in its unit, counts as counts; of a chain the ``loss``
        that it follows (chain, draw, measured). A diverged run comes out where it comes out.
    """
    data = data_of(fit)
    drawn = at_draws(fit, _responses, thin=thin, data=data, seed=seed)
    return _responses_of(fit, data, drawn)


def _before(fit: Fit, draws: int, seed: int) -> dict[str, xr.Dataset]:
    """Sites and responses before any run was seen."""
    data, sites = data_of(fit), fit.structure.sites()
    drawn = draw_prior(fit.structure, data, jax.random.key(seed), draws)
    arrays = {k: np.asarray(v)[None] for k, v in drawn.items()}
    coords = {str(k): v.to_numpy() for k, v in drawn_sites(fit).coords.items()}
    dims = {k: site.dims for k, site in sites.items()}
    return {
        "prior": _dataset({k: arrays[k] for k in sites}, dims, coords),
        "prior_predictive": _responses_of(
            fit, data, {k: arrays[k] for k in arrays if k not in sites}
        ),
    }


def loo(fit: Fit) -> Any:
    """Score a fit by leave-one-out cross-validation, without fitting again.

    A diagnostic: it says how well the model interpolates, and where Pareto shapes are large
    (``pareto_k`` above ``good_k``) which runs decide the fit on their own. It says nothing of
    runs beyond the fitted ones, since each is left out among its neighbours: laws that agree
    inside the data, and have equal scores, may differ as much as they like outside. It is no way
    to choose or weigh laws that are to be extrapolated.

    Parameters
    ----------
    fit : Fit
        Where rows of a run are serially correlated, whole runs are left out; where items follow
        different curves, whole items; of a chain, a run with its loss and its metric.

    Returns
    -------
    arviz_stats.ELPDData
        ``elpd`` (nats, larger is better) with ``se``, ``p``, and pointwise ``elpd_i`` and
        ``pareto_k``.

    Raises
    ------
    UsageError
        If the evidence of the runs was capped (``effective_runs``): powers of densities are no
        scores.

    Notes
    -----
    Pareto-smoothed importance sampling by `arviz_stats.loo`: Vehtari, Gelman and Gabry (2017),
    Practical Bayesian model evaluation using leave-one-out cross-validation and WAIC, Statistics
    and Computing 27; Vehtari, Simpson, Gelman, Yao and Gabry (2024), Pareto smoothed importance
    sampling, Journal of Machine Learning Research 25.
    """
    import arviz_stats

    if fit.spec.effective_runs is not None:
        raise UsageError(
            "the likelihood of this fit was raised to a power (effective_runs), which leaves no "
            "density to score by; fit without"
        )
    score = log_likelihood(fit)
    if fit.spec.serial:
        score = score.groupby("run").sum()
    tree = {"posterior": drawn_sites(fit), "log_likelihood": xr.Dataset({"response": score})}
    return arviz_stats.loo(xr.DataTree.from_dict(tree), pointwise=True)


def _responses(trace: Trace, data: Data) -> dict[str, Array]:
    return {k: trace[k]["value"] for k in ("response", "loss") if k in trace}


def _responses_of(fit: Fit, data: Data, arrays: dict[str, Any]) -> xr.Dataset:
    rows = fit.tree["observed_data"]["run"].to_numpy()
    coords = {"run": rows}
    if data.losses is not None:
        coords["measured"] = rows[np.asarray(data.losses.row)]
    return _dataset(arrays, {"response": ("run",), "loss": ("measured",)}, coords)


def _dataset(arrays: dict[str, Any], dims: dict[str, Any], labels: dict[str, Any]) -> xr.Dataset:
    """Arrays ``(chain, draw, ...)`` with the coordinates that their dimensions have."""
    variables = {k: (("chain", "draw", *dims[k]), v) for k, v in arrays.items()}
    chains, draws = next(iter(arrays.values())).shape[:2]
    used = {name for k in arrays for name in dims[k]}
    coords = {k: v for k, v in labels.items() if k in used}
    return xr.Dataset(variables, coords | {"chain": range(chains), "draw": range(draws)})
