"""Draws of one more run given the first part of its curve.

The run's parameters (the law's, with the effects of its groups) are moved by an ensemble
update: with draws z of the parameters, m(z) of the mean at the observed rows, and noise e,

    z + C_zm (C_mm + a R)^-1 (y + sqrt(a) e - m(z)),

where C are covariances over the draws and R that of the noise. One such step with a = 1 is
Matheron's rule, exact where the mean is linear in z and all is normal. Several steps whose
1/a add to one are exact there, too, and follow a curved law far better: early steps, with
large a, move draws from all over the population near the run, and the last ones see the law
there as a straight line.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jax import Array
from jaxtyping import Float

from bayes_scaling.law import Law
from bayes_scaling.law.priors import LINKS
from bayes_scaling.posterior.fit import Fit
from bayes_scaling.program.noise import Noise

from .predict import (
    centred_inputs,
    draw_centre,
    draw_spread,
    flat_draws,
    mean_at,
    new_rung,
    noise_draws,
)
from .serial import Paths, tied, ties_of

STEPS, RATIO = 6, 4.0  # ensemble updates; how much more each of them counts than the last
ROBUST_STEPS = 5  # of the weights of the noise, at each update
COVARIANCE_DRAWS = 100  # draws of the noise's scalars that its covariance is averaged over
LEAST_WEIGHT = 1e-4


@dataclass(frozen=True, eq=False)
class RunDraws:
    """Draws of one more run: its parameters and the scalars of its noise.

    Attributes
    ----------
    fit : Fit
    free : (sample, parameter) array
        The law's parameters on their unconstrained scales and, where the fit has rung
        effects, what the run shares with nobody.
    spread : (sample, row) array
        Scale of the noise at the rows that the run was drawn for.
    rho : (sample, 1) array
        Correlation of neighbouring rows; zero where the fit knows none.
    """

    fit: Fit
    free: Float[np.ndarray, "sample parameter"]
    spread: Paths
    rho: Float[np.ndarray, "sample one"]

    def centre(self, table: pd.DataFrame) -> Paths:
        """Mean at points of the run, on the noise's scale."""
        return self.centre_at(centred_inputs(self.fit, table))

    def centre_at(self, inputs: Mapping[str, Any]) -> Paths:
        """Mean at centred inputs."""
        return np.asarray(_centre(self.fit.law, self.fit.structure.noise, inputs, self.free))

    def ties(self, place: Float[np.ndarray, " row"]) -> Paths:
        """Correlation of each row with the one before it; zero for the first."""
        return ties_of(self.rho, place / self.fit.spec.lag)


@partial(jax.jit, static_argnames=("law", "noise"))
def _centre(
    law: Law, noise: Noise, inputs: Mapping[str, Any], free: Float[Array, "sample parameter"]
) -> Float[Array, "sample row"]:
    values = {
        p: LINKS[v.prior.link].to_support(free[:, i : i + 1])
        for i, (p, v) in enumerate(law.parameters.items())
    }
    shared = free[:, len(values) :].sum(axis=1, keepdims=True)
    rows = jnp.shape(next(v for k, v in inputs.items() if k in law.inputs))[0]
    mean = noise.to_scale(mean_at(law, inputs, values)) + shared
    return jnp.broadcast_to(mean, (len(free), rows))


def draw_run(fit: Fit, table: pd.DataFrame, rng: np.random.Generator) -> RunDraws:
    """Draw one more run from the fit, for the inputs and groups of rows of one run."""
    centre, values = draw_centre(fit, table, rng)
    links = {p: LINKS[v.prior.link] for p, v in fit.law.parameters.items()}
    free = [np.asarray(links[p].to_real(values[p]))[:, 0] for p in links]
    if fit.structure.rungs:
        sd = flat_draws(fit, "rung_sd")
        free.append(new_rung(fit, rng, len(sd)) * sd)
    sigma = flat_draws(fit, "sigma")[:, None]
    rho = flat_draws(fit, "rho")[:, None] if fit.structure.serial else np.zeros_like(sigma)
    return RunDraws(fit, np.column_stack(free), draw_spread(fit, table, centre, values), rho)


def draw_innovations(run: RunDraws, rng: np.random.Generator, rows: int) -> Paths:
    """Draw the noise of rows before it is tied along the run, of scale one."""
    shape = (len(run.free), rows)
    noise = run.fit.structure.noise
    assert isinstance(noise, Noise)
    return noise.draw(rng, np.ones(shape), noise_draws(run.fit))


def condition(
    run: RunDraws,
    table: pd.DataFrame,
    place: Float[np.ndarray, " row"],
    observed: Float[np.ndarray, " row"],
    rng: np.random.Generator,
) -> RunDraws:
    """Move draws of a run to those given its observed rows.

    Parameters
    ----------
    run : RunDraws
        As `draw_run` gives them, for the rows of `table`.
    table : DataFrame
        Observed rows, in their order.
    place : (row,) array
        Where they lie along the run.
    observed : (row,) array
        Responses, on the scale of the noise.
    rng : Generator

    Returns
    -------
    RunDraws
        Student-t noise is a normal one whose innovations are weighted, as robust
        regression weighs them, so that a single spike says little. The scalars of the
        noise keep their draws.
    """
    ties, inputs = run.ties(place), centred_inputs(run.fit, table)
    weights = np.ones(len(place))
    shares = RATIO ** np.arange(STEPS)
    for share in shares / shares.sum():
        mean = run.centre_at(inputs)
        spare = mean - mean.mean(axis=0)
        between = spare.T @ spare / (len(mean) - 1)
        for _ in range(ROBUST_STEPS if run.fit.structure.noise.robust else 1):
            noise = _covariance(run, place, ties, weights)
            if run.fit.structure.noise.robust:
                left = observed - mean.mean(axis=0)
                weights = _weights(run, ties, between, noise, left)
        innovations = rng.normal(size=mean.shape) / np.sqrt(weights)
        drawn = run.spread * tied(innovations, ties)
        short = observed + drawn / np.sqrt(share) - mean
        free = run.free - run.free.mean(axis=0)
        gain = free.T @ spare / (len(mean) - 1)
        moved = np.linalg.solve(between + noise / share, short.T).T @ gain.T
        run = replace(run, free=run.free + moved)
    return run


def _covariance(
    run: RunDraws,
    place: Float[np.ndarray, " row"],
    ties: Paths,
    weights: Float[np.ndarray, " row"],
) -> Float[np.ndarray, "row row"]:
    """Covariance of the noise at rows, averaged over draws of its scalars."""
    few = np.linspace(0, len(ties) - 1, min(COVARIANCE_DRAWS, len(ties))).astype(int)
    variance, before = np.empty((len(few), len(place))), np.zeros(len(few))
    for i, weight in enumerate(weights):
        tie = ties[few, i] ** 2
        before = variance[:, i] = tie * before + (1.0 - tie) / weight
    gaps = np.abs(place[:, None] - place) / run.fit.spec.lag
    earlier = np.minimum.outer(np.arange(len(place)), np.arange(len(place)))
    total = np.zeros((len(place), len(place)))
    for s, own in zip(few, variance, strict=True):
        total += np.outer(run.spread[s], run.spread[s]) * run.rho[s] ** gaps * own[earlier]
    found: Float[np.ndarray, "row row"] = total / len(few)
    return found


def _weights(
    run: RunDraws,
    ties: Paths,
    between: Float[np.ndarray, "row row"],
    noise: Float[np.ndarray, "row row"],
    left: Float[np.ndarray, " row"],
) -> Float[np.ndarray, " row"]:
    """Expected precision of each innovation of Student-t noise, given the rows."""
    tie = np.median(ties, axis=0)
    scale = np.sqrt((run.spread**2).mean(axis=0))
    whiten = (np.diag(1.0 / scale) - np.diag(tie[1:] / scale[:-1], -1)) / np.sqrt(
        np.maximum(1.0 - tie**2, 1e-12)
    )[:, None]
    gain = np.linalg.solve(between + noise, noise)  # its transpose gives the noise from rows
    mean = whiten @ (gain.T @ left)
    remaining = whiten @ (noise - noise @ gain) @ whiten.T
    nu = float(np.median(noise_draws(run.fit)["nu"]))
    found = (nu + 1.0) / (nu + mean**2 + np.maximum(np.diag(remaining), 0.0))
    return np.maximum(found, LEAST_WEIGHT)
