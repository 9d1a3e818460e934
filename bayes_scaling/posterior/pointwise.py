"""What the program says of every draw again: densities of rows and of parameters.

A fit keeps neither. Both are recomputed from the NumPyro program that was sampled, at the
draws and for the table that the fit holds, so that what the program learns to do is in them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pandas as pd
import xarray as xr
from jax import Array
from jax.scipy.special import logsumexp

from bayes_scaling.law.mixed import INDEX, owner
from bayes_scaling.program import Data, Structure, build_data, program
from bayes_scaling.program.mixture import Mixed
from bayes_scaling.runs import Runs
from bayes_scaling.runs.schedule import parse_schedule

if TYPE_CHECKING:
    from .fit import Fit

UNREAD = "unread_data"  # group of labels that a fit does not read
CELLS = 500_000  # rows times draws that are worked on at once
type Trace = dict[str, dict[str, Any]]


def runs_of(fit: Fit) -> Runs:
    """Return the table that was fitted, from the fit alone.

    Parameters
    ----------
    fit : Fit

    Returns
    -------
    Runs
        Its inputs are those of the law; findings of reading it are in ``fit.record``.
    """
    frame = fit.tree["constant_data"].to_dataset().to_dataframe().reset_index()
    frame["response"] = fit.tree["observed_data"]["response"].to_numpy()
    if "row" not in frame:
        frame["row"] = np.arange(1, len(frame) + 1)
    if (frame["run"] == frame["row"].astype(str)).all():  # rows had no name but their number
        frame = frame.drop(columns="run")
    return Runs(
        frame=frame,
        inputs=tuple(k for k in fit.law.inputs if k in frame),
        response=fit.record.response,
        groups=fit.groups,
        unit=fit.record.unit,
        counts_embeddings=fit.record.counts_embeddings,
        flops=fit.record.flops,
        columns={"through": fit.record.loss} if fit.record.loss else {},
        bound=fit.spec.bound,
        schedules={label: parse_schedule(text) for label, text in fit.spec.schedules.items()},
        unread=_unread(fit, frame["row"]),
        source=fit.record.source,
        sha256=fit.record.sha256,
    )


def _unread(fit: Fit, row: pd.Series) -> pd.DataFrame:
    """Labels that the fit does not read, by number of the row in the source."""
    if UNREAD not in fit.tree.children:
        return pd.DataFrame()
    labels = fit.tree[UNREAD]["label"]
    return pd.DataFrame(
        labels.to_numpy().astype(str), row.to_numpy(), labels["column"].to_numpy().tolist(), "str"
    )


def data_of(fit: Fit) -> Data:
    """Arrays of the program for the fitted runs, one row a run: equal counts are not merged."""
    return build_data(fit.spec, fit.law, runs_of(fit))


def log_likelihood(fit: Fit) -> xr.DataArray:
    """Log density of every row at every draw, as the program has it.

    Parameters
    ----------
    fit : Fit

    Returns
    -------
    DataArray
        Dimensions ``chain``, ``draw`` and ``run``, one number a row of the table, in nats; its
        sum is the log likelihood that was sampled. The density is that of the response in its
        own unit. Where rows of a run are serially correlated it is each row's given the row
        before it. Of a chain of laws, the loss of a run counts with the row that it stands in
        first, and a row without a metric has nothing else. Items that follow different curves
        have a dimension ``item`` instead.
    """
    rows = at_draws(fit, _row_densities)["rows"]
    coords: dict[str, Any] = {k: fit.posterior[k] for k in ("chain", "draw")}
    if fit.structure.items:
        coords["item"] = fit.spec.items
    else:
        coords["run"] = fit.tree["observed_data"]["run"].to_numpy()
    return xr.DataArray(rows, coords, tuple(coords), name="response")


def log_prior(fit: Fit) -> xr.Dataset:
    """Log prior density of every site of the program at every draw.

    Densities are on the scale on which priors are declared: normal for parameters, on their
    logarithm or logit, so that a power of the density is a narrower or wider normal. They differ
    from densities in the units of the parameters by the log Jacobian of that scale.

    Parameters
    ----------
    fit : Fit

    Returns
    -------
    Dataset
        Variables are the sites, dimensions ``chain``, ``draw`` and those of the site, in nats.
        Effects of groups and rungs are given their sds, whose own densities are further sites.
    """
    found, drawn = at_draws(fit, _site_densities), drawn_sites(fit)
    return drawn.map(lambda draws: draws.copy(data=found[str(draws.name)]))


def top_level(structure: Structure) -> list[str]:
    """Sites with priors of their own: not the effects, whose spread is itself learned."""
    return [k for k, site in structure.sites().items() if site.kind == "centre" or not site.dims]


def log_scores(fit: Fit) -> xr.Dataset:
    """Sums of log prior and log likelihood at every draw.

    Returns
    -------
    Dataset
        ``prior``, of the sites with priors of their own (centres, sds and noise: scaling what
        effects have given their sds would change the model), and ``likelihood``; dimensions
        ``chain`` and ``draw``, in nats. Of a weighted set of laws a draw has the priors of the
        law that it follows.
    """
    found = at_draws(fit, _both_densities)
    own = top_level(fit.structure)
    prior = sum(_counts(fit, name) * _total(found[name]) for name in own)
    names = ("chain", "draw")
    return xr.Dataset({"prior": (names, prior), "likelihood": (names, _total(found["rows"]))})


def _counts(fit: Fit, site: str) -> Any:
    """Whether a site has a say in each draw: of laws that it does not follow none has."""
    owner_of_site = owner(fit.law, fit.structure.sites()[site].parameter)
    return 1.0 if owner_of_site is None else fit.posterior[INDEX].to_numpy() == owner_of_site


def drawn_sites(fit: Fit) -> xr.Dataset:
    """Draws of every site as the program samples it.

    Beside them a posterior has what follows from sites, and may have more of one than the
    program samples: what lies beyond the fitted runs follows what lies among them.
    """
    posterior, found = fit.posterior, {}
    for name, site in fit.structure.sites().items():
        cut = {dim: slice(size) for dim, size in zip(site.dims, site.shape, strict=True)}
        found[name] = posterior[name].isel(cut)
    return xr.Dataset(found)


def at_draws(
    fit: Fit,
    summary: Callable[[Trace, Data], dict[str, Array]],
    *,
    thin: int = 1,
    data: Data | None = None,
    seed: int | None = None,
) -> dict[str, np.ndarray]:
    """Run the program at the draws of a fit and summarise each trace.

    Parameters
    ----------
    fit : Fit
    summary : callable
        A function of a module, from the trace of one draw and the data to arrays.
    thin : int
        Every so many draws of each chain.
    data : Data, optional
        By default `data_of` the fit.
    seed : int, optional
        Draws responses anew, instead of observing them.

    Returns
    -------
    dict of str to array
        Shapes ``(chain, draw, ...)``.
    """
    structure = fit.structure
    draws = {str(k): v.to_numpy()[:, ::thin] for k, v in drawn_sites(fit).items()}
    shape = next(iter(draws.values())).shape[:2]
    flat = {k: jnp.asarray(v.reshape(-1, *v.shape[2:])) for k, v in draws.items()}
    data = data_of(fit) if data is None else data
    batch = max(1, min(CELLS // max(len(data.response), 1), shape[0] * shape[1]))
    keys = None if seed is None else jax.random.split(jax.random.key(seed), shape[0] * shape[1])
    found = _map(structure, summary, batch, data, flat, keys)
    return {k: np.asarray(v).reshape(*shape, *v.shape[1:]) for k, v in found.items()}


@functools.partial(jax.jit, static_argnums=(0, 1, 2))
def _map(
    structure: Structure,
    summary: Callable[[Trace, Data], dict[str, Array]],
    batch: int,
    data: Data,
    draws: dict[str, Array],
    keys: Array | None,
) -> dict[str, Array]:
    def one(given: tuple[dict[str, Array], Array | None]) -> dict[str, Array]:
        sites, key = given
        model = numpyro.handlers.substitute(program, data=sites)
        if key is not None:
            model = numpyro.handlers.seed(model, key)
        traced = numpyro.handlers.trace(model)
        return summary(traced.get_trace(structure, data, observed=key is None), data)

    return jax.lax.map(one, (draws, keys), batch_size=batch)


def _site_densities(trace: Trace, data: Data) -> dict[str, Array]:
    latent = {k: s for k, s in trace.items() if s["type"] == "sample" and not s["is_observed"]}
    return {k: _declared(s["fn"], s["value"]) for k, s in latent.items()}


def _row_densities(trace: Trace, data: Data) -> dict[str, Array]:
    seen = trace["response"]["fn"]
    if isinstance(seen, Mixed):
        return {"rows": logsumexp(seen.by_item(trace["response"]["value"]), axis=1)}
    rows = seen.log_prob(trace["response"]["value"])
    if data.losses is not None:
        of_loss = trace["loss"]["fn"].log_prob(trace["loss"]["value"])
        rows = rows.at[data.losses.row].add(of_loss)
    return {"rows": rows}


def _both_densities(trace: Trace, data: Data) -> dict[str, Array]:
    return _site_densities(trace, data) | _row_densities(trace, data)


def _declared(prior: Any, value: Array) -> Array:
    """Log density on the scale before any transform: a log-normal's is that of its normal."""
    if isinstance(prior, dist.ExpandedDistribution | dist.Independent):
        return _declared(prior.base_dist, value)
    if isinstance(prior, dist.TransformedDistribution):
        for transform in reversed(prior.transforms):
            value = transform.inv(value)
        return _declared(prior.base_dist, value)
    return prior.log_prob(value)


def _total(values: np.ndarray) -> np.ndarray:
    return values.reshape(*values.shape[:2], -1).sum(axis=-1)
