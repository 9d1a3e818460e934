"""From a law, its pooling and its noise to a NumPyro program."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial, reduce

import jax
import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from jax import Array
from jaxtyping import Float

from bayes_scaling.law.discrepancy import DISCREPANCY
from bayes_scaling.law.priors import LINKS

from .chain import chain_centres, chained
from .mixture import mixed
from .noise import RUNG_SD, rung_distribution
from .observation import Observations, sample_noise, spread_of
from .structure import OWN_WALKS, Data, Structure, at_rows, departure_site, own_site, rung_unit


def program(structure: Structure, data: Data, *, observed: bool = True) -> None:
    """Sample every site and observe the responses; a NumPyro program.

    Group values are normal around a centre on the parameter's unconstrained scale;
    runs of one rung share a deviation; see ARCHITECTURE.md for the notation.

    Parameters
    ----------
    structure : Structure
    data : Data
    observed : bool
        Whether responses are conditioned on, or drawn (prior predictive, simulation).
    """
    sizes = dict(structure.levels)
    free: dict[str, Array] = {}
    for name, site in structure.sites().items():
        if site.kind == "centre":
            parameter = structure.law.parameters[site.parameter]
            link = LINKS[parameter.prior.link]
            normal = dist.Normal(data.prior_loc[site.parameter], data.prior_sd[site.parameter])
            prior = dist.TransformedDistribution(normal, link.transform)
            if site.dims:
                with numpyro.plate(site.dims[0], sizes[site.dims[0]]):
                    value = numpyro.sample(name, prior)
            else:
                value = numpyro.sample(name, prior)
            free[name] = link.to_real(value)
        elif site.kind == "group_sd":
            free[name] = numpyro.sample(name, dist.HalfNormal(data.prior_sd[name]))
        elif site.kind == "discrepancy_sd":
            prior = dist.LogNormal(data.prior_loc[name], data.prior_sd[name])
            free[name] = numpyro.sample(name, prior)
        elif site.kind == "discrepancy":
            weights = dist.Normal(0.0, free[structure.owner(name)]).expand(site.shape)
            free[name] = numpyro.sample(name, weights.to_event(len(site.shape)))
        elif site.kind == "effect":
            column = site.dims[0]
            with numpyro.plate(column, sizes[column]):
                effect = dist.Normal(0.0, free[f"{site.parameter}_sd_{column}"])
                free[name] = numpyro.sample(name, effect)

    values = sample_noise(structure, data)
    shared: Array | None = None
    if structure.rungs:
        prior = dist.HalfNormal(RUNG_SD * rung_unit(structure, data))
        rung_sd = numpyro.sample("rung_sd", prior)
        with numpyro.plate("rung", structure.rungs):
            effect = rung_distribution(structure.rung_noise, rung_sd)
            shared = numpyro.sample("rung_effect", effect)[data.rung]
    full = parameters_of(structure, data, free)
    if structure.loss_noise:
        chained(structure, data, full, values, shared, observed)
        return
    response = data.response if observed else None
    if structure.items:
        numpyro.sample("response", mixed(structure, data, full, values), obs=response)
        return
    centre = structure.noise.to_scale(structure.law.mean(data.inputs, full))
    spread = spread_of(structure, data, full, values, centre)
    if shared is not None:
        centre = centre + shared
    values = values | structure.law.likelihood_shape(data.inputs, full)
    numpyro.sample("response", Observations(structure, data, centre, spread, values), obs=response)


def predict(structure: Structure, data: Data, free: Mapping[str, Array]) -> Float[Array, " rows"]:
    """Means on the scale of their noise, from centres and effects, before rung effects.

    Parameters
    ----------
    structure : Structure
    data : Data
    free : mapping of str to array
        Sites of kind "centre" and "effect", on the unconstrained scale.

    Returns
    -------
    array
        One for each run; of a chain, losses and then metrics; of items that follow
        different curves, all runs on the first curve, then on the second, and so on.
    """
    full = parameters_of(structure, data, free)
    if structure.loss_noise:
        return jnp.concatenate(chain_centres(structure, data, full, None))
    if structure.items:
        return mixed(structure, data, full, {}).centre.ravel()
    return structure.noise.to_scale(structure.law.mean(data.inputs, full))


def parameters_of(structure: Structure, data: Data, free: Mapping[str, Array]) -> dict[str, Array]:
    """Parameters of each run on their natural scale."""
    values: dict[str, Array] = {}
    for p, parameter in structure.law.parameters.items():
        z = free[structure.centre_site(p)]
        for column in structure.columns_of(p, "separate"):
            z = at_rows(structure, data, column, z)
        for column in structure.columns_of(p, "partial"):
            z = z + at_rows(structure, data, column, free[f"{p}_effect_{column}"])
        values[p] = LINKS[parameter.prior.link].to_support(z)
    if structure.walks:
        assert data.departures is not None
        walks = [name for name, _ in structure.walks]
        shared = [data.departures[w] @ free[departure_site(w)] for w in walks]
        along = jnp.concatenate([data.departures[w] for w in walks[:OWN_WALKS]], axis=1)
        own = [
            jnp.sum(along * at_rows(structure, data, c, free[own_site(c)]), axis=1)
            for c in structure.departing
        ]
        values[DISCREPANCY] = reduce(jnp.add, [*shared, *own])
    return values


def draw_prior(structure: Structure, data: Data, key: Array, draws: int) -> dict[str, Array]:
    """Draw all sites and responses from the prior.

    Returns
    -------
    dict of str to array
        Shape ``(draws, *site)``; responses under ``"response"``, ``(draws, runs)``.
    """
    return _draw_prior(structure, data, jax.random.split(key, draws))


@partial(jax.jit, static_argnames="structure")
def _draw_prior(structure: Structure, data: Data, keys: Array) -> dict[str, Array]:
    def one(key: Array) -> dict[str, Array]:
        seeded = numpyro.handlers.seed(program, key)
        trace = numpyro.handlers.trace(seeded).get_trace(structure, data, observed=False)
        return {k: v["value"] for k, v in trace.items() if v["type"] == "sample"}

    return jax.vmap(one)(keys)
