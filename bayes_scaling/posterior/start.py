"""Where the search starts; the prior of the centres, and the shear that the law knows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from bayes_scaling.law.priors import LINKS
from bayes_scaling.program.bounded import BoundedNoise
from bayes_scaling.program.noise import EXCESS_MEDIAN
from bayes_scaling.program.structure import LOSS_PREFIX, Data, Structure, rung_unit


def first_sites(structure: Structure, data: Data) -> dict[str, Array]:
    """Sites where the search starts: prior centres, sheared, and small scales."""
    start: dict[str, Array] = {}
    noise = structure.noise
    for name, site in structure.sites().items():
        if isinstance(noise, BoundedNoise) and name in structure.own_scalars:
            start[name] = jnp.asarray(noise.prior(name)[0])
        elif site.kind == "centre":
            start[name] = jnp.broadcast_to(data.prior_loc[site.parameter], site.shape)
        elif site.kind in ("effect", "discrepancy"):
            start[name] = jnp.zeros(site.shape)
        elif site.kind == "discrepancy_sd":
            start[name] = data.prior_loc[name]
        elif site.kind == "group_sd":
            start[name] = jnp.log(0.5 * data.prior_sd[name])
        elif name in ("sigma", "loss_sigma"):
            start[name] = jnp.log(0.02 * (data.scale if name == "sigma" else jnp.ones(())))
        elif name in ("nu", "loss_nu"):
            start[name] = jnp.log(jnp.asarray(3.0))
        elif name == "excess":
            start[name] = jnp.log(EXCESS_MEDIAN * data.scale)
        elif name == "settling":
            start[name] = data.prior_loc["settling"]
        elif name == "rho":
            start[name] = jnp.zeros(())
        elif name == "rung_sd":
            start[name] = jnp.log(0.01 * rung_unit(structure, data))
    return start | {k: start[k] + s for k, s in centre_shifts(structure, start).items()}


def scale_widths(rows: int, members: Mapping[str, int]) -> dict[str, float]:
    """Rough posterior sds of the scales of a table, by the number of effects of each."""
    widths = {k: min(0.5, count**-0.5) if count else 0.5 for k, count in members.items()}
    known = {"sigma": min(0.2, (1.5 / rows) ** 0.5), "nu": min(1.0, 10.0 / rows**0.5)}
    return widths | known | {LOSS_PREFIX + k: width for k, width in known.items()}


def log_prior_of_centres(
    structure: Structure, data: Data, sites: Mapping[str, Any]
) -> Float[Array, ""]:
    """Log prior density of the centre sites, up to a constant."""
    total = jnp.zeros(())
    for p in structure.law.parameters:
        deviation = (sites[structure.centre_site(p)] - data.prior_loc[p]) / data.prior_sd[p]
        total -= 0.5 * jnp.sum(deviation**2)
    return total


def centre_shifts(structure: Structure, centres: Mapping[str, Any]) -> dict[str, Array]:
    """Shifts of the centre sites; a shifted parameter's own value is never used."""
    law = structure.law
    names = {p: structure.centre_site(p) for p in law.parameters}
    dims = {p: structure.columns_of(p, "separate") for p in law.parameters}

    def shift_of(p: str) -> Array:
        # parameters separate over other columns than p's enter by their mean
        values = {
            q: LINKS[law.parameters[q].prior.link].to_support(
                centres[names[q]] if dims[q] in ((), dims[p]) else jnp.mean(centres[names[q]])
            )
            for q in law.parameters
        }
        return law.shifts(values)[p]

    start = {p: jnp.mean(centres[name]) for p, name in names.items()}
    return {names[p]: shift_of(p) for p in law.shifts(start)}
