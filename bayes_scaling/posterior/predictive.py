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
        Draws of the prior.
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
        - ``posterior_predictive``: ``response`` of one more run like each fitted one, in the
          same group and rung (of a chain the ``loss`` that it follows, too), in the unit of the
          response, counts as counts; a diverged run comes out where it comes out;
        - ``prior`` and ``prior_predictive``: sites and responses before any run was seen.

    Notes
    -----
    ``arviz_stats.loo_pit(bs.arviz_tree(fit))`` gives the place of each response in its
    leave-one-out predictive distribution, ``arviz_stats.psense_summary`` the sensitivity of
    parameters to their priors. Like `loo`, such checks say how a model interpolates.
    """
    data, structure = data_of(fit), fit.structure
    again = at_draws(fit, _responses, data=data, seed=seed)
    prior = draw_prior(structure, data, jax.random.key(seed), prior_draws)
    rows = fit.tree["observed_data"]["run"].to_numpy()
    labels: dict[str, Any] = {"run": rows}
    dims = {"response": ("run",)}
    if data.losses is not None:
        labels["measured"] = rows[np.asarray(data.losses.row)]
        dims["loss"] = ("measured",)
    sites = drawn_sites(fit)
    labels |= {str(k): v.to_numpy() for k, v in sites.coords.items() if k not in ("chain", "draw")}
    before = {k: np.asarray(v)[None] for k, v in prior.items()}
    site_dims = {k: site.dims for k, site in structure.sites().items()}
    score = log_likelihood(fit)
    groups = {name: node.to_dataset() for name, node in fit.tree.children.items()}
    groups |= {
        "log_likelihood": xr.Dataset({"response": score}),
        "log_prior": log_prior(fit)[top_level(structure)],
        "posterior_predictive": _dataset(again, dims, labels),
        "prior": _dataset({k: before[k] for k in site_dims}, site_dims, labels),
        "prior_predictive": _dataset({k: before[k] for k in dims}, dims, labels),
    }
    return xr.DataTree.from_dict(groups)


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


def _dataset(arrays: dict[str, Any], dims: dict[str, Any], labels: dict[str, Any]) -> xr.Dataset:
    """Arrays ``(chain, draw, ...)`` with the coordinates that their dimensions have."""
    variables = {k: (("chain", "draw", *dims[k]), v) for k, v in arrays.items()}
    chains, draws = next(iter(arrays.values())).shape[:2]
    used = {name for k in arrays for name in dims[k]}
    coords = {k: v for k, v in labels.items() if k in used}
    return xr.Dataset(variables, coords=coords | {"chain": range(chains), "draw": range(draws)})
