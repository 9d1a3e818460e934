"""Draws of the loss and the metric of a chain at points."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
import pandas as pd
from jax import Array
from jaxtyping import Float

from bayes_scaling.law import Link
from bayes_scaling.law.chain import CARRY
from bayes_scaling.posterior.fit import Fit
from bayes_scaling.program.bounded import BoundedNoise
from bayes_scaling.program.chain import reached

from .predict import (
    centred_inputs,
    draw_spread,
    expected_response,
    flat_draws,
    noise_draws,
    parameter_draws,
    rung_draws,
    trials_of,
)

type Paths = Float[np.ndarray, "sample point"]


def draw_chain(
    fit: Fit, table: pd.DataFrame, rng: np.random.Generator, *, new_run: bool, loss_only: bool
) -> Paths:
    """Metrics, or losses, at points: expected ones, or those of one more run.

    A column ``loss`` holds losses that runs have reached already; their metric follows them.
    """
    link = link_of(fit)
    full = fit.law.expand(parameter_draws(fit, table, rng))
    inputs = centred_inputs(fit, table)
    expected = np.log(np.asarray(link.loss(inputs, full)))
    log_loss = expected
    if new_run:
        expected = expected + rung_draws(fit, table, rng)
        log_loss = expected + _loss_noise(fit, expected, rng)
    known = _known_losses(table)
    log_loss = np.where(np.isnan(known), log_loss, np.log(known))
    if loss_only:
        return np.exp(log_loss)
    # one more run whose loss is not known yet is measured without error: it reaches its loss
    followed = reached(jnp.asarray(expected), jnp.exp(log_loss), full[CARRY])
    metric = link.metric(inputs, full, jnp.exp(followed))
    return _observed(fit, table, metric, full, rng, new_run)


def draw_link(fit: Fit, table: pd.DataFrame, rng: np.random.Generator, *, new_run: bool) -> Paths:
    """Metrics of points of which the column ``loss`` is what they follow, scale aside."""
    full = fit.law.expand(parameter_draws(fit, table, rng))
    loss = jnp.asarray(table["loss"].to_numpy(dtype=float))
    metric = link_of(fit).metric(centred_inputs(fit, table), full, loss)
    return _observed(fit, table, metric, full, rng, new_run)


def _observed(
    fit: Fit,
    table: pd.DataFrame,
    metric: Array,
    full: Mapping[str, Any],
    rng: np.random.Generator,
    new_run: bool,
) -> Paths:
    """Metrics that are expected, or those that one more run would have."""
    noise = fit.structure.noise
    centre = np.asarray(noise.to_scale(metric))
    centre = np.broadcast_to(centre, (len(centre), len(table)))
    if not new_run:
        return expected_response(fit, centre)
    if isinstance(noise, BoundedNoise):
        return noise.draw(rng, centre, trials_of(table), noise_draws(fit))
    total = noise.draw(rng, draw_spread(fit, table, centre, full), noise_draws(fit))
    return np.asarray(noise.from_scale(jnp.asarray(centre + total)))


def link_of(fit: Fit) -> Link:
    """The two laws of a chain."""
    assert fit.law.link is not None
    return fit.law.link


def _loss_noise(fit: Fit, expected: Paths, rng: np.random.Generator) -> Paths:
    noise = fit.structure.loss_noise
    assert noise is not None
    names = fit.structure.loss_parameters
    values: Mapping[str, Any] = {n: flat_draws(fit, f"loss_{n}")[:, None] for n in names}
    return noise.draw(rng, np.broadcast_to(values["sigma"], expected.shape), values)


def _known_losses(table: pd.DataFrame) -> Float[np.ndarray, " point"]:
    if "loss" not in table:
        return np.full(len(table), np.nan)
    return table["loss"].to_numpy(dtype=float)
