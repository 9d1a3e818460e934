"""Priors learned from many suites of runs: exponents, floors and noise as a population."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from scipy.special import logsumexp

from bayes_scaling.errors import UsageError
from bayes_scaling.law.priors import LINKS
from bayes_scaling.posterior.fit import Fit
from bayes_scaling.program.discrepancy import walk_names
from bayes_scaling.program.population import Population

LEAST = 3  # suites
SPREAD = 0.12  # scale of the sd of parameters between suites, over that of the weak prior
SPREAD_OF_SIZES = 0.5  # the same of sizes of the discrepancy and of noise, which differ by more
NU = 4.0  # suites are multivariate Student-t around their mean: one may be unlike all others
RIDGE = 1e-4  # least precision that a suite adds, over that of the prior
LEVEL = "level"  # depends on the tokens of a suite, and is known from a few runs
SETTLING = "settling"
WARMUP, DRAWS = 500, 4000
GRID, GRID_SIZE = (0.02, 4.0), 60  # of the sd between suites, in units of its prior's scale
SCALES = (0.01, 4.0, 400)  # of scales of sds between groups, in units of the widest prior's

Between = tuple[Float[np.ndarray, " draw"], float]


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
    between : dict of str to tuple of (array, float)
        Draws of the sds of each parameter between groups, one array a grouping column, with the
        scale of its half-normal prior.
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
    between: dict[str, tuple[Between, ...]]
    sizes: tuple[str, ...]


def suite_of(fit: Fit, name: str) -> Suite:
    """Approximate what a fit's runs say by a normal, its prior divided out.

    Groups of a suite count through the centre that they vary around.

    Raises
    ------
    UsageError
        If a parameter is separate between groups, so that it has no centre.
    """
    for p in fit.law.parameters:
        if separate := fit.structure.columns_of(p, "separate"):
            raise UsageError(
                f"{p} is separate over {separate[0]}: a suite has one centre of each parameter, so "
                f"pool it with pool={{'{p}': 'partial'}} (--pool {p}=partial)"
            )
    draws, prior, between = {}, {}, {}
    for p, declared in fit.law.parameters.items():
        sites = [f"{p}_sd_{c}" for c in fit.structure.columns_of(p, "partial")]
        if sites:
            between[p] = tuple(_between(fit, p, site) for site in sites)
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


def _between(fit: Fit, parameter: str, site: str) -> Between:
    return fit.posterior[site].to_numpy().ravel(), fit.structure.group_sd(parameter, site)


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

    The parameters of a suite are Student-t around a mean, with an sd between suites and one
    factor a suite for how unlike the others it is. What a normal says of one more suite, with
    the means and sds that are sampled, is the answer.

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
    loc, sd = np.median(new, axis=0), new.std(axis=0, ddof=1)
    found = {k: (float(m), float(s)) for k, m, s in zip(names, loc, sd, strict=True)}
    walks = {k for s in suites for k in s.sizes}
    sizes = {k: (math.exp(m), s) for k, (m, s) in found.items() if k in {SETTLING, *walks}}
    pooled = dict.fromkeys(p for s in suites for p in s.between if p != LEVEL)
    return Population(
        law=suites[0].law,
        parameters={p: at for p, at in found.items() if p not in sizes},
        group_sd={p: _scale([b for s in suites for b in s.between.get(p, ())]) for p in pooled},
        discrepancy={k: size for k, size in sizes.items() if k != SETTLING},
        noise={k: size for k, size in sizes.items() if k == SETTLING},
        suites=tuple(s.name for s in suites),
    )


def _one_more(
    suites: Sequence[Suite], names: Sequence[str], seed: int
) -> Float[np.ndarray, "draw parameters"]:
    """Draws of the parameters of one more suite, by Gibbs sampling.

    Given sds and the factors of suites, the means are normal with the suites summed out, and
    then the suites are. The factors are gamma, and each sd has a density of one dimension,
    sampled on a grid.
    """
    weak: dict[str, tuple[float, float]] = {}
    for s in suites:
        for p, at in zip(s.parameters, zip(s.prior_loc, s.prior_sd, strict=True), strict=True):
            weak.setdefault(p, at)
    loc, sd = (np.array(part) for part in zip(*(weak[p] for p in names), strict=True))
    placed = [_placed(suite, names) for suite in suites]
    moments, precisions = (np.stack(part) for part in zip(*placed, strict=True))
    knows = np.array([[p in s.parameters for p in names] for s in suites])
    rng = np.random.default_rng(seed)
    sizes = {k for s in suites for k in s.sizes} | {SETTLING}
    spread = np.where([p in sizes for p in names], SPREAD_OF_SIZES, SPREAD) * sd
    between, factor = spread.copy(), np.ones(len(suites))
    grid = np.geomspace(GRID[0], GRID[1], GRID_SIZE)[:, None] * spread
    prior = np.log(grid) - 0.5 * (grid / spread) ** 2  # half-normal, on a grid of logs
    drawn = []
    for sweep in range(WARMUP + DRAWS):
        own = precisions + factor[:, None, None] * np.diag(between**-2.0)
        # of what a suite says, the share that is left where it may lie off the mean
        left = np.eye(len(names)) - np.linalg.solve(own, precisions).transpose(0, 2, 1)
        known = (left @ precisions).sum(axis=0) + np.diag(sd**-2.0)
        pulled = (left @ moments[..., None])[..., 0].sum(axis=0) + loc / sd**2
        mean = _normal(known, pulled, rng)
        value = _normal(own, moments + factor[:, None] * mean / between**2, rng)
        squares = np.where(knows, (value - mean) ** 2, 0.0)
        counts = knows.sum(axis=1)
        factor = rng.gamma((NU + counts) / 2, 2.0 / (NU + (squares / between**2).sum(axis=1)))
        squares = (factor[:, None] * squares).sum(axis=0)
        height = prior - knows.sum(axis=0) * np.log(grid) - 0.5 * squares / grid**2
        # the largest of heights with Gumbel noise is a draw from their distribution
        chosen = np.argmax(height + rng.gumbel(size=height.shape), axis=0)
        between = grid[chosen, np.arange(len(names))]
        if sweep >= WARMUP:
            drawn.append(mean + between * rng.normal(size=len(names)))
    return np.array(drawn)


def _normal(
    precision: Float[np.ndarray, "*n p p"],
    moment: Float[np.ndarray, "*n p"],
    rng: np.random.Generator,
) -> Float[np.ndarray, "*n p"]:
    """Draw from a normal of that precision, whose mean times the precision is the moment."""
    middle = np.linalg.solve(precision, moment[..., None])[..., 0]
    root, noise = np.linalg.cholesky(precision), rng.normal(size=middle.shape)
    return middle + np.linalg.solve(np.swapaxes(root, -1, -2), noise[..., None])[..., 0]


def _scale(between: Sequence[Between]) -> float:
    """Scale of the half-normal that sds between groups come from: its posterior mean.

    A fit's draws come from its own half-normal prior times the likelihood of the sd, so that the
    likelihood of a scale is their mean ratio of the half-normal with it to that prior. The
    scale has the widest of those priors.
    """
    widest = max(prior for _, prior in between)
    scale = widest * np.geomspace(*SCALES)
    height = np.log(scale) - 0.5 * (scale / widest) ** 2  # half-normal, on a grid of logs
    for drawn, prior in between:
        square = 0.5 * drawn**2
        ratio = np.log(prior / scale)[:, None] - np.outer(scale**-2.0 - prior**-2.0, square)
        height = height + logsumexp(ratio, axis=1)
    weight = np.exp(height - height.max())
    return float((weight * scale).sum() / weight.sum())


def _placed(suite: Suite, names: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Moment and precision in the order of all parameters, zero where a suite has none."""
    place = [list(names).index(p) for p in suite.parameters]
    moment, precision = np.zeros(len(names)), np.zeros((len(names), len(names)))
    moment[place] = suite.moment
    precision[np.ix_(place, place)] = suite.precision
    return moment, precision
