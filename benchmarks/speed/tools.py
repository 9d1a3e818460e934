"""Fits of one problem with each tool, timed: a first one, which compiles, and warm ones."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from benchmarks.problem import CHAINS, CORES, largest_rhat, smallest_ess

from .job import peak_memory, since_start
from .problems import Problem, problem

DRAWS = 1000


class Sampled(NamedTuple):
    """A fit: its draws, how many diverged, and what sampling took without compilation."""

    posterior: xr.Dataset
    divergences: int
    seconds: float


Refit = Callable[[int], Sampled]  # from a seed


def ours(asked: Problem) -> Refit:
    """Return a fit with bayes-scaling; its program is compiled by the first call."""

    def refit(seed: int) -> Sampled:
        fit = asked.model.fit(asked.runs, seed=seed, chains=CHAINS, draws=DRAWS)
        diverging = int(fit.tree["sample_stats"]["diverging"].sum())
        return Sampled(fit.posterior, diverging, fit.record.seconds["sample"])

    return refit


def nutpie(asked: Problem) -> Refit:
    """Return a fit with nutpie; the first call compiles the model, later ones reuse it."""
    import nutpie

    compiled: list[Any] = []

    def refit(seed: int) -> Sampled:
        if not compiled:
            compiled.append(nutpie.compile_pymc_model(asked.built()))
        begun = time.perf_counter()
        tree = nutpie.sample(
            compiled[0], draws=DRAWS, chains=CHAINS, cores=CORES, seed=seed, progress_bar=False
        )
        return _of_tree(tree, time.perf_counter() - begun)

    return refit


def pymc(asked: Problem) -> Refit:
    """Return a fit with PyMC's own NUTS.

    `pm.sample` compiles at every call; the seconds of sampling that it reports leave
    that out.
    """
    import pymc as pm

    logging.getLogger("pymc").setLevel(logging.ERROR)
    built: list[pm.Model] = []

    def refit(seed: int) -> Sampled:
        if not built:
            built.append(asked.built())
        tree = pm.sample(
            DRAWS,
            chains=CHAINS,
            cores=CORES,
            random_seed=seed,
            model=built[0],
            nuts_sampler="pymc",  # by default PyMC would take nutpie where it is installed
            progressbar=False,
            compute_convergence_checks=False,
        )
        return _of_tree(tree, tree["posterior"].attrs["sampling_time"])

    return refit


def numpyro_vectorized(asked: Problem) -> Refit:
    """Return a fit with NumPyro's NUTS, all chains in one program."""
    return _numpyro(asked, "vectorized")


def numpyro_parallel(asked: Problem) -> Refit:
    """Return a fit with NumPyro's NUTS, a host device a chain."""
    return _numpyro(asked, "parallel")


def _numpyro(asked: Problem, method: str) -> Refit:
    import jax.numpy as jnp
    from jax import random
    from numpyro.infer import MCMC, NUTS

    from benchmarks.chinchilla_numpyro import model
    from benchmarks.restated import centred

    # the same arrays every time: the sampler keeps its compiled program with its arguments
    arrays = [jnp.asarray(column) for column in centred(asked.runs)]
    mcmc = MCMC(
        NUTS(model),
        num_warmup=DRAWS,
        num_samples=DRAWS,
        num_chains=CHAINS,
        chain_method=method,
        progress_bar=False,
    )

    def refit(seed: int) -> Sampled:
        begun = time.perf_counter()
        mcmc.run(random.key(seed), *arrays)
        drawn = {k: np.asarray(v) for k, v in mcmc.get_samples(group_by_chain=True).items()}
        seconds = time.perf_counter() - begun
        posterior = xr.Dataset({k: (("chain", "draw"), v) for k, v in drawn.items()})
        return Sampled(posterior, int(mcmc.get_extra_fields()["diverging"].sum()), seconds)

    return refit


def _of_tree(tree: Any, seconds: float) -> Sampled:
    diverging = int(tree["sample_stats"]["diverging"].sum())
    return Sampled(tree["posterior"].to_dataset(), diverging, seconds)


TOOLS = {
    "ours": ours,
    "nutpie": nutpie,
    "pymc": pymc,
    "numpyro vectorized": numpyro_vectorized,
    "numpyro parallel": numpyro_parallel,
}


def fit(tool: str, name: str, seed: int, refits: int, size: int | None = None) -> dict[str, float]:
    """Fit for the first time, and then warm, in this process.

    Imports and the reading of the table are done before the clock of the first fit starts.

    Returns
    -------
    dict of str to float
        Of the first fit ``first_seconds``, those of its ``sampling`` alone, ``whole`` since the
        process was started, ``memory`` (MiB), ``ess``, ``rhat`` and ``divergences``; of the
        warm ones, ``warm_seconds`` and ``warm_ess`` in total, and ``call_seconds``, in which
        the whole call is counted.
    """
    asked = problem(name, size)
    refit = TOOLS[tool](asked)
    begun = time.perf_counter()
    first = refit(seed)
    found = {"first_seconds": time.perf_counter() - begun, "whole": since_start()}
    found |= {"sampling": first.seconds, "memory": peak_memory()}
    quantities = asked.quantities(first.posterior, tool)
    found |= {"ess": smallest_ess(quantities), "rhat": largest_rhat(quantities)}
    found["divergences"] = first.divergences
    return found | _warm(refit, asked, tool, range(seed + 1, seed + 1 + refits))


def _warm(refit: Refit, asked: Problem, tool: str, seeds: range) -> dict[str, float]:
    found = {"warm_seconds": 0.0, "warm_ess": 0.0, "call_seconds": 0.0}
    for seed in seeds:
        begun = time.perf_counter()
        sampled = refit(seed)
        found["call_seconds"] += time.perf_counter() - begun
        found["warm_seconds"] += sampled.seconds
        found["warm_ess"] += smallest_ess(asked.quantities(sampled.posterior, tool))
    return found if seeds else {}
