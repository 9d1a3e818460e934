"""Priors learned from many suites of runs: exponents, floors and noise as a population."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from jaxtyping import Float
from numpyro.infer import MCMC, NUTS

from bayes_scaling.errors import UsageError
from bayes_scaling.law.priors import LINKS
from bayes_scaling.posterior.fit import Fit
from bayes_scaling.program.discrepancy import walk_names
from bayes_scaling.program.population import Population

LEAST = 3  # suites
SPREAD = 0.5  # scale of the sd between suites, over that of the weak prior
RIDGE = 1e-4  # least precision that a suite adds, over that of the prior
LEVEL = "level"  # depends on the tokens of a suite, and is known from a few runs
SETTLING = "settling"
WARMUP, DRAWS = 1000, 1000


@dataclass(frozen=True)
class Suite:
    """What a suite of runs says of its parameters, as a normal on their unconstrained scale.

    Attributes
    ----------
    name, law : str
    parameters : tuple of str
        Of the law, then sizes of the discrepancy and ``settling``, whose scale is the log.
    moment : (parameters,) array
        Precision times mean of the likelihood: the prior of the fit has been divided out.
    precision : (parameters, parameters) array
    prior_loc, prior_sd : (parameters,) arrays
        Of the fit.
    between : dict of str to float
        Mean square of the sd of each parameter between groups.
    sizes : tuple of str
        Which of the parameters are sizes of the discrepancy.
    """

    name: str
    law: str
    parameters: tuple[str, ...]
    moment: Float[np.ndarray, " parameters"]
    precision: Float[np.ndarray, "parameters parameters"]
    prior_loc: Float[np.ndarray, " parameters"]
    prior_sd: Float[np.ndarray, " parameters"]
    between: dict[str, float]
    sizes: tuple[str, ...]


def suite_of(fit: Fit, name: str) -> Suite:
    """Approximate what a fit's runs say by a normal, its prior divided out.

    Groups of a suite count through the centre that they vary around.
    """
    draws, prior, between = {}, {}, {}
    for p, declared in fit.law.parameters.items():
        squares = [
            float((fit.posterior[f"{p}_sd_{c}"] ** 2).mean())
            for c in fit.structure.columns_of(p, "partial")
        ]
        if squares:
            between[p] = float(np.mean(squares))
        if p != LEVEL:
            centre = fit.posterior[fit.structure.centre_site(p)].to_numpy()
            draws[p] = np.asarray(LINKS[declared.prior.link].to_real(jnp.asarray(centre))).ravel()
            prior[p] = fit.spec.prior_loc[p], fit.spec.prior_sd[p]
    for walk, sites in _sizes(fit).items():
        logs = [np.log(fit.posterior[site].to_numpy()).ravel() for site in sites]
        draws[walk] = np.mean(logs, axis=0)
        median, spread = fit.spec.discrepancy_sd[sites[0]]
        prior[walk] = math.log(median), spread
    if fit.spec.settling:
        draws[SETTLING] = np.log(fit.posterior[SETTLING].to_numpy()).ravel()
        median, spread = fit.spec.settling_prior
        prior[SETTLING] = math.log(median), spread
    names = tuple(draws)
    loc, sd = (np.array(part) for part in zip(*(prior[k] for k in names), strict=True))
    table = np.column_stack([draws[k] for k in names])
    whole = np.linalg.inv(np.cov(table.T))
    precision = _known(whole - np.diag(sd**-2.0), sd)
    moment = precision @ table.mean(0) + np.diag(sd**-2.0) @ (table.mean(0) - loc)
    return Suite(name, fit.law.name, names, moment, precision, loc, sd, between, tuple(_sizes(fit)))


def _sizes(fit: Fit) -> dict[str, list[str]]:
    return walk_names(fit.spec.walks, fit.structure.departing)


def _known(
    precision: Float[np.ndarray, "p p"], sd: Float[np.ndarray, " p"]
) -> Float[np.ndarray, "p p"]:
    """Nearest matrix that knows something, if little, of every direction."""
    unit = precision * np.outer(sd, sd)  # in units of the prior
    values, vectors = np.linalg.eigh(unit)
    return (vectors * np.maximum(values, RIDGE)) @ vectors.T / np.outer(sd, sd)


def learn_population(suites: Sequence[Suite], *, seed: int = 0) -> Population:
    """Fit the population that the parameters of suites come from.

    Each parameter of a suite is normal around a mean, with an sd between suites; both are
    sampled with NUTS, and the answer is what they say of one more suite.

    Parameters
    ----------
    suites : sequence of Suite
        Of one law, three or more.
    seed : int

    Returns
    -------
    Population

    Raises
    ------
    UsageError
        If there are too few suites, or they are of several laws.
    """
    if len(suites) < LEAST or len({s.law for s in suites}) > 1:
        raise UsageError(
            f"a population needs {LEAST} suites or more of one law, got "
            f"{', '.join(f'{s.name} ({s.law})' for s in suites) or 'none'}"
        )
    names = tuple(dict.fromkeys(p for suite in suites for p in suite.parameters))
    new = _one_more(suites, names, seed)
    loc, sd = new.mean(0), new.std(0, ddof=1)
    found = {k: (float(m), float(s)) for k, m, s in zip(names, loc, sd, strict=True)}
    walks = {k for s in suites for k in s.sizes}
    sizes = {k: (math.exp(m), s) for k, (m, s) in found.items() if k in {SETTLING, *walks}}
    pooled = dict.fromkeys(p for s in suites for p in s.between)
    return Population(
        law=suites[0].law,
        parameters={p: at for p, at in found.items() if p not in sizes},
        group_sd={
            p: math.sqrt(np.mean([s.between[p] for s in suites if p in s.between])) for p in pooled
        },
        discrepancy={k: size for k, size in sizes.items() if k != SETTLING},
        noise={k: size for k, size in sizes.items() if k == SETTLING},
        suites=tuple(s.name for s in suites),
    )


def _one_more(
    suites: Sequence[Suite], names: Sequence[str], seed: int
) -> Float[np.ndarray, "draw parameters"]:
    """Draws of the parameters of one more suite."""
    weak: dict[str, tuple[float, float]] = {}
    for s in suites:
        for p, at in zip(s.parameters, zip(s.prior_loc, s.prior_sd, strict=True), strict=True):
            weak.setdefault(p, at)
    loc, sd = (np.array(part) for part in zip(*(weak[p] for p in names), strict=True))
    placed = [_placed(suite, names) for suite in suites]
    moments, precisions = (jnp.asarray(np.stack(part)) for part in zip(*placed, strict=True))

    def model() -> None:
        mean = numpyro.sample("mean", dist.Normal(loc, sd).to_event(1))
        between = numpyro.sample("between", dist.HalfNormal(SPREAD * sd).to_event(1))
        with numpyro.plate("suite", len(suites)):
            z = numpyro.sample("z", dist.Normal(jnp.zeros(len(names)), 1.0).to_event(1))
        value = mean + between * z
        runs = jnp.einsum("sp,sp->s", moments, value)
        runs = runs - 0.5 * jnp.einsum("sp,spq,sq->s", value, precisions, value)
        numpyro.factor("runs", runs.sum())

    sampler = MCMC(
        NUTS(model, target_accept_prob=0.95),
        num_warmup=WARMUP, num_samples=DRAWS, num_chains=2, chain_method="vectorized",
        progress_bar=False,
    )  # fmt: skip
    sampler.run(jax.random.key(seed))
    drawn = sampler.get_samples()
    fresh = np.random.default_rng(seed).normal(size=drawn["mean"].shape)
    return np.asarray(drawn["mean"]) + np.asarray(drawn["between"]) * fresh


def _placed(suite: Suite, names: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Moment and precision in the order of all parameters, zero where a suite has none."""
    place = [list(names).index(p) for p in suite.parameters]
    moment, precision = np.zeros(len(names)), np.zeros((len(names), len(names)))
    moment[place] = suite.moment
    precision[np.ix_(place, place)] = suite.precision
    return moment, precision
