"""Draws of the prior in the place of a posterior, for what is asked before any run."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from bayes_scaling.law.priors import LINKS
from bayes_scaling.program import build_data, draw_prior
from bayes_scaling.runs import Runs

from .fit import Fit
from .model import ScalingModel, assemble
from .nuts import Draws, Settings


def prior_fit(model: ScalingModel, runs: Runs, *, draws: int = 1000, seed: int = 0) -> Fit:
    """Make a fit whose posterior is the prior.

    Parameters
    ----------
    model : ScalingModel
    runs : Runs
        Runs that are planned, with responses as they are expected: these say where inputs are
        centred and how wide priors are, and nothing else.
    draws : int
        In each of four chains.
    seed : int

    Returns
    -------
    Fit
        That answers as any other; its diagnostics say nothing.
    """
    chains, law = Settings().chains, model.law
    spec = model.spec(runs, planned=True)
    structure, data = spec.structure(law), build_data(spec, law, runs)
    drawn = draw_prior(structure, data, jax.random.key(seed), chains * draws)
    sites = {k: drawn[k].reshape(chains, draws, *drawn[k].shape[1:]) for k in structure.sites()}
    free = {}
    for p, parameter in law.parameters.items():
        name = structure.centre_site(p)
        free[name] = LINKS[parameter.prior.link].to_real(sites[name])
    none = jnp.zeros((chains, draws))
    energy = jax.random.normal(jax.random.key(seed), none.shape)  # as of independent draws
    whole = Draws(sites, free, none.astype(bool), energy, none, none, jnp.ones(()))
    settings = Settings(chains=chains, draws=draws, warmup=0)
    return assemble(law, spec, runs, whole, settings, seed, {"compile": 0.0, "sample": 0.0})
