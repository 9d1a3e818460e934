"""Draws of the law's mean at points, and of what one more run adds to it."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jax import Array
from jaxtyping import Float

from bayes_scaling.law import Law
from bayes_scaling.law.discrepancy import DISCREPANCY, Discrepancy
from bayes_scaling.law.priors import LINKS
from bayes_scaling.posterior.fit import Fit
from bayes_scaling.program.bounded import BoundedNoise
from bayes_scaling.program.curves import histories
from bayes_scaling.program.noise import RUNG_NU, Noise
from bayes_scaling.program.observation import settled
from bayes_scaling.program.rungs import label_rung, rung_inputs
from bayes_scaling.program.structure import departure_site, own_site, sd_site

from .serial import tied, ties_of

Draws = Mapping[str, Float[Array, "sample #point"]]


def flat_draws(fit: Fit, name: str) -> np.ndarray:
    """Draws of a posterior variable with chains and draws in one leading axis."""
    array = fit.posterior[name].to_numpy()
    return array.reshape(-1, *array.shape[2:])


def draw_centre(
    fit: Fit, table: pd.DataFrame, rng: np.random.Generator, *, drifting: bool = True
) -> tuple[Float[np.ndarray, "sample point"], Draws]:
    """The mean at the points on the noise's scale, draw by draw, and the law's parameters."""
    values = parameter_draws(fit, table, rng, drifting=drifting)
    scaled = np.asarray(fit.structure.noise.to_scale(mean_draws(fit, table, values)))
    return np.broadcast_to(scaled, (scaled.shape[0], len(table))), values


def mean_draws(fit: Fit, table: pd.DataFrame, values: Draws) -> Float[Array, "sample point"]:
    """Mean response at points, for draws of the parameters as `parameter_draws` gives them."""
    return mean_at(fit.law, centred_inputs(fit, table), dict(values))


@functools.partial(jax.jit, static_argnames="law")
def mean_at(law: Law, inputs: Mapping[str, Any], values: Draws) -> Float[Array, "sample point"]:
    """Mean response at centred inputs, for draws of the parameters."""
    if not law.scheduled:
        return law.mean(inputs, values)
    # a schedule's knots at every point and draw at once would fill the memory
    return jax.lax.map(lambda own: law.mean(inputs, own), values, batch_size=50)


def centred_inputs(fit: Fit, table: pd.DataFrame) -> dict[str, Any]:
    """Inputs of points as the law's function takes them."""
    inputs: dict[str, Any] = {k: table[k].to_numpy() for k in fit.law.inputs}
    if fit.law.scheduled:
        inputs["schedule"] = histories(fit.spec, table["schedule"], inputs["step"])
    return jax.tree.map(jnp.asarray, fit.law.centre(inputs, fit.spec.references))


def parameter_draws(
    fit: Fit, table: pd.DataFrame, rng: np.random.Generator, *, drifting: bool = True
) -> Draws:
    """Draws of the law's parameters for the group of each point; a new group where it has none.

    With them comes the departure from the law, which stops `drifting` at the last fitted run
    where that is asked for.
    """
    law, structure = fit.law, fit.structure
    values: dict[str, Any] = {}
    for p, parameter in law.parameters.items():
        link = LINKS[parameter.prior.link]
        z = np.asarray(link.to_real(jnp.asarray(flat_draws(fit, structure.centre_site(p)))))
        own = structure.columns_of(p, "separate")
        if own:
            prior = rng.normal(fit.spec.prior_loc[p], fit.spec.prior_sd[p], len(z))
            z = _by_label(z, prior, _codes(fit, own[0], table))
        else:
            z = z[:, None]
        for c in structure.columns_of(p, "partial"):
            new = rng.normal(size=len(z)) * flat_draws(fit, f"{p}_sd_{c}")
            z = z + _by_label(flat_draws(fit, f"{p}_effect_{c}"), new, _codes(fit, c, table))
        values[p] = link.to_support(jnp.asarray(z))
    if fit.spec.walks:
        values[DISCREPANCY] = discrepancy_draws(fit, table, rng, drifting=drifting)
    return values


def sample_count(law: Law, parameters: Mapping[str, Any]) -> int:
    """Number of joint draws."""
    return max(len(parameters[p]) for p in law.parameters)


def discrepancy_draws(
    fit: Fit, table: pd.DataFrame, rng: np.random.Generator, *, drifting: bool = True
) -> Discrepancy:
    """Draws of the departure from the law, as a function, for the group of each point.

    Weights have shape (interval, sample, point): what all recipes share, and their own; there is
    one column for all points where they have the same groups. Where it is not `drifting` any
    more, slopes stay beyond the fitted runs what they were there.
    """
    walks = fit.spec.walks
    parts = [flat_draws(fit, departure_site(w.name)) for w in walks]
    shared = np.concatenate(parts, axis=1).T
    codes = {c: _codes(fit, c, table) for c in fit.structure.departing}
    points = slice(None if any(len(set(own)) > 1 for own in codes.values()) else 1)
    weights = np.repeat(shared[:, :, None], len(table.index[points]), axis=2)
    for column, code in codes.items():
        fitted, sd = (flat_draws(fit, k) for k in (own_site(column), sd_site(own_site(column))))
        new = sd[:, None] * rng.normal(size=(len(sd), fitted.shape[-1]))
        levels = np.concatenate([fitted, new[:, None]], axis=1)  # sample, level, interval
        own = levels[:, code[points]].transpose(2, 0, 1)
        weights[: len(own)] += own
    if not drifting:
        inside = [interval in w.fitted for w in walks for interval in w.intervals]
        weights = weights * np.array(inside)[:, None, None]
    placed = [(i, interval) for i, w in enumerate(walks) for interval in w.intervals]
    return Discrepancy(
        directions=tuple(w.direction for w in walks),
        walk=jnp.asarray([i for i, _ in placed]),
        side=jnp.asarray([float(interval.side) for _, interval in placed]),
        start=jnp.asarray([interval.start for _, interval in placed]),
        width=jnp.asarray([interval.width for _, interval in placed]),
        weights=jnp.asarray(weights),
    )


def _by_label(
    fitted: Float[np.ndarray, "sample level"],
    new: Float[np.ndarray, " sample"],
    codes: np.ndarray,
) -> Float[np.ndarray, "sample point"]:
    """Columns of `fitted` by code, and `new` where the code is -1."""
    return np.concatenate([fitted, new[:, None]], axis=1)[:, codes]


def _codes(fit: Fit, group: str, table: pd.DataFrame) -> np.ndarray:
    position = {label: i for i, label in enumerate(fit.spec.labels[group])}
    return np.array([position.get(v, -1) for v in table[group]])


def noise_draws(fit: Fit) -> dict[str, Float[np.ndarray, "sample one"]]:
    """Draws of the parameters of the noise."""
    return {name: flat_draws(fit, name)[:, None] for name in fit.structure.own_scalars}


def draw_spread(
    fit: Fit, table: pd.DataFrame, centre: Float[np.ndarray, "sample point"], parameters: Draws
) -> Float[np.ndarray, "sample point"]:
    """Scale of the noise at points: common, known, and what the law adds."""
    se = jnp.asarray(table["se"].to_numpy(dtype=float)) if "se" in table else None
    sigma = jnp.asarray(flat_draws(fit, "sigma")[:, None])
    if fit.spec.settling:
        decades = jnp.asarray(fit.spec.walks[0].place(centred_inputs(fit, table)))
        sigma = settled(sigma, jnp.asarray(flat_draws(fit, "settling")[:, None]), decades)
    noise = fit.structure.noise
    assert isinstance(noise, Noise)
    scale = noise.spread(sigma, se, jnp.asarray(centre))
    extra = fit.law.extra_spread(centred_inputs(fit, table), parameters)
    scale = scale if extra is None else jnp.hypot(scale, extra)
    return np.broadcast_to(np.asarray(scale), centre.shape)


def draw_new_runs(
    fit: Fit,
    table: pd.DataFrame,
    centre: Float[np.ndarray, "sample point"],
    parameters: Draws,
    rng: np.random.Generator,
) -> Float[np.ndarray, "sample point"]:
    """Responses of one more run at each point: its rung's effect and noise, in their unit."""
    noise = fit.structure.noise
    if isinstance(noise, BoundedNoise):
        shape = fit.law.likelihood_shape(centred_inputs(fit, table), parameters)
        values = {**noise_draws(fit), **{k: np.asarray(v) for k, v in shape.items()}}
        if fit.structure.items:  # questions of their own curves, each asked once
            noise, values = BoundedNoise("binomial"), {}
        shifted = centre + rung_draws(fit, table, rng)
        return noise.draw(rng, shifted, trials_of(table), values)
    scalars = noise_draws(fit)
    spread = draw_spread(fit, table, centre, parameters)
    if fit.structure.serial and "run" in table:
        total = spread * _serial(fit, table, noise.draw(rng, np.ones_like(centre), scalars))
    else:
        total = noise.draw(rng, spread, scalars)
    total = total + rung_draws(fit, table, rng)
    return np.asarray(noise.from_scale(jnp.asarray(centre + total)))


def expected_response(
    fit: Fit, centre: Float[np.ndarray, "sample point"]
) -> Float[np.ndarray, "sample point"]:
    """The law's mean in the unit of the response; of grades, what one more is expected to be."""
    noise = fit.structure.noise
    if isinstance(noise, BoundedNoise) and noise.grades:
        return np.asarray(noise.expected_grade(jnp.asarray(centre), noise_draws(fit)))
    return np.asarray(noise.from_scale(jnp.asarray(centre)))


def trials_of(table: pd.DataFrame) -> Float[np.ndarray, " point"] | None:
    """Number of items that the evaluation of each point is planned with, where it is given."""
    return table["trials"].to_numpy(dtype=float) if "trials" in table else None


def rung_draws(
    fit: Fit, table: pd.DataFrame, rng: np.random.Generator
) -> Float[np.ndarray, "sample point"]:
    """Effect of each point's rung: its posterior, or one new draw that all groups share."""
    if not fit.structure.rungs:
        return np.zeros((1, len(table)))
    rungs = _rungs(fit, table)
    effect, sd = flat_draws(fit, "rung_effect"), flat_draws(fit, "rung_sd")
    position = {label: i for i, label in enumerate(fit.spec.labels["rung"])}
    codes, labels = pd.factorize(np.array(rungs, dtype=object))
    shared = np.empty((len(sd), len(labels)))
    for k, label in enumerate(labels):
        known = position.get(label)
        shared[:, k] = effect[:, known] if known is not None else new_rung(fit, rng, len(sd)) * sd
    return shared[:, codes]


def _serial(
    fit: Fit, table: pd.DataFrame, innovations: Float[np.ndarray, "sample point"]
) -> Float[np.ndarray, "sample point"]:
    """Tie the deviations of points of one run to each other, in their order."""
    rho = flat_draws(fit, "rho")[:, None]
    place = table[fit.spec.order].to_numpy() / fit.spec.lag
    total = innovations.copy()
    for _, rows in table.groupby("run"):
        order = rows.index[np.argsort(place[rows.index], kind="stable")]
        total[:, order] = tied(innovations[:, order], ties_of(rho, place[order]))
    return total


def new_rung(fit: Fit, rng: np.random.Generator, draws: int) -> Float[np.ndarray, " sample"]:
    """Draw the standardised effect of a rung that was not fitted."""
    if fit.structure.rung_noise.robust:
        return rng.standard_t(RUNG_NU, size=draws)
    return rng.normal(size=draws)


def _rungs(fit: Fit, table: pd.DataFrame) -> list[str]:
    """Label of each point's rung: its column where given, otherwise its inputs."""
    nominal = [label_rung(fit.law, row) for row in table[rung_inputs(fit.law)].to_numpy()]
    if "rung" not in table:
        return nominal
    return [str(r) if pd.notna(r) else n for r, n in zip(table["rung"], nominal, strict=True)]
