"""Rows of a chain: the loss of each run, and the metric at the loss that it reached."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from jax import Array
from jax.scipy.special import logsumexp
from jaxtyping import Float
from numpyro.distributions import constraints

from bayes_scaling.law import Law
from bayes_scaling.law.chain import CARRY

from .bounded import BoundedNoise
from .noise import AnyNoise, Noise
from .structure import Data, Losses, Structure

# of a loss that is not known: in sds, dense near zero and far out in the tails
_STEPS = np.linspace(-4.8, 4.8, 49)
NODES, _WIDTHS = np.sinh(_STEPS), np.cosh(_STEPS) * (_STEPS[1] - _STEPS[0])

Full = Mapping[str, Array]


def reached(
    expected: Float[Array, "*runs"], loss: Float[Array, "*runs"], carry: Float[Array, "*#runs"]
) -> Float[Array, "*runs"]:
    """Log loss that the metric follows, from the expected and the measured one."""
    return expected + carry * (jnp.log(loss) - expected)


def chain_centres(
    structure: Structure,
    data: Data,
    full: Full,
    shared: Float[Array, " runs"] | None,
) -> tuple[Float[Array, " losses"], Float[Array, " runs"]]:
    """Means of losses and metrics on the scales of their noises.

    Parameters
    ----------
    structure, data : Structure, Data
    full : mapping of str to array
        Parameters of each run.
    shared : (runs,) array, or None
        Rung effects, on log loss.
    """
    losses = _losses(data)
    expected = _expected(structure.law, data, full, shared)
    return expected[losses.row], _metric_centre(structure, data, full, expected, losses.value)


def chained(
    structure: Structure,
    data: Data,
    full: Full,
    values: Mapping[str, Array],
    shared: Float[Array, " runs"] | None,
    observed: bool,
) -> None:
    """Observe losses, and metrics given them, inside a NumPyro program."""
    losses, noise = _losses(data), structure.loss_noise
    assert noise is not None
    own = structure.loss_values(values)
    expected = _expected(structure.law, data, full, shared)
    centre = expected[losses.row]
    spread = noise.spread(own["sigma"], losses.se, centre)
    measured = numpyro.sample(
        "loss",
        noise.distribution(centre, jnp.broadcast_to(spread, centre.shape), own),
        obs=losses.value if observed else None,
    )
    given = _metric_centre(structure, data, full, expected, measured)
    scatter = _unknown(structure, data, full, own, expected)
    numpyro.sample(
        "response",
        Metrics(structure, data, given, scatter, values),
        obs=data.response if observed else None,
    )


class Metrics(dist.Distribution):
    """Metrics of all runs; where the loss is not known, over what it may have been.

    Parameters
    ----------
    structure, data : Structure, Data
    centre : (runs,) array
        On the scale of the noise, at the loss that each run reached.
    unknown : tuple of arrays, shapes (nodes, k) and (nodes,), or None
        Centres of runs whose loss is not known over a grid of losses, and log weights.
    values : dict of scalars
    """

    arg_constraints: ClassVar[dict[str, Any]] = {}
    support = constraints.real

    def __init__(
        self,
        structure: Structure,
        data: Data,
        centre: Float[Array, " runs"],
        unknown: tuple[Array, Array] | None,
        values: Mapping[str, Array],
    ):
        self.structure, self.data, self.values = structure, data, dict(values)
        self.centre, self.unknown = centre, unknown
        super().__init__(batch_shape=centre.shape)

    def log_prob(self, value: Float[Array, " runs"]) -> Float[Array, " runs"]:
        """Log probability of each metric; zero where there is none."""
        data = self.data
        found = self._log_prob(value, self.centre, data.se, data.trials)
        if self.unknown is not None:
            rows = _losses(data).unknown
            own = [None if a is None else a[rows] for a in (data.se, data.trials)]
            over = self._log_prob(value[rows], self.unknown[0], *own)
            found = found.at[rows].set(logsumexp(over + self.unknown[1][:, None], axis=0))
        return found if data.seen is None else jnp.where(data.seen, found, 0.0)

    def sample(self, key: Array, sample_shape: tuple[int, ...] = ()) -> Float[Array, "*n runs"]:
        """Draw metrics, also where the data have none."""
        if sample_shape:
            return jax.vmap(self.sample)(jax.random.split(key, sample_shape))
        key_loss, key_metric = jax.random.split(key)
        centre, noise = self.centre, self.structure.noise
        if self.unknown is not None:
            rows = _losses(self.data).unknown
            node = jax.random.categorical(key_loss, self.unknown[1], shape=rows.shape)
            centre = centre.at[rows].set(self.unknown[0][node, jnp.arange(len(rows))])
        if isinstance(noise, BoundedNoise):
            return noise.sample(key_metric, centre, self.data.trials, self.values)
        spread = noise.spread(self.values["sigma"], self.data.se, centre)
        spread = jnp.broadcast_to(spread, centre.shape)
        return noise.distribution(centre, spread, self.values).sample(key_metric)

    def _log_prob(self, value: Array, centre: Array, se: Any, trials: Any) -> Array:
        return metric_log_prob(self.structure.noise, value, centre, se, trials, self.values)


def metric_log_prob(
    noise: AnyNoise, value: Array, centre: Array, se: Any, trials: Any, values: Mapping[str, Array]
) -> Array:
    """Log probability of single metrics, whatever their noise."""
    if isinstance(noise, BoundedNoise):
        return noise.log_prob(value, centre, trials, values)
    spread = jnp.broadcast_to(noise.spread(values["sigma"], se, centre), centre.shape)
    return noise.distribution(centre, spread, dict(values)).log_prob(value)


def node_log_weights(noise: Noise, values: Mapping[str, Array]) -> Float[Array, " nodes"]:
    """Log weights of `NODES`, in which a deviation of unit scale is distributed."""
    density = noise.around(jnp.asarray(0.0), jnp.asarray(1.0), dict(values))
    found = density.log_prob(jnp.asarray(NODES)) + jnp.asarray(np.log(_WIDTHS))
    return found - logsumexp(found)


def _unknown(
    structure: Structure,
    data: Data,
    full: Full,
    own: Mapping[str, Array],
    expected: Float[Array, " runs"],
) -> tuple[Array, Array] | None:
    """Centres of metrics over a grid of losses, and log weights of the grid."""
    rows, law = _losses(data).unknown, structure.law
    if not len(rows):
        return None
    assert structure.loss_noise is not None
    each = {k: v[rows] if jnp.ndim(v) else v for k, v in full.items()}
    inputs = {k: v[rows] if jnp.ndim(v) else v for k, v in data.inputs.items()}
    nodes = jnp.asarray(NODES)[:, None]
    found = expected[rows] + law.expand(each)[CARRY] * own["sigma"] * nodes
    centre = structure.noise.to_scale(_metric(law, inputs, each, found))
    return centre, node_log_weights(structure.loss_noise, own)


def _expected(
    law: Law, data: Data, full: Full, shared: Float[Array, " runs"] | None
) -> Float[Array, " runs"]:
    """Log loss that each run is expected to reach."""
    assert law.link is not None
    found = jnp.log(law.link.loss(data.inputs, law.expand(full)))
    found = jnp.broadcast_to(found, data.response.shape)
    return found if shared is None else found + shared


def _metric_centre(
    structure: Structure,
    data: Data,
    full: Full,
    expected: Float[Array, " runs"],
    measured: Float[Array, " losses"],
) -> Float[Array, " runs"]:
    """Means of metrics on the scale of their noise, at the losses that runs reached."""
    law, losses = structure.law, _losses(data)
    here = reached(expected, measured[losses.of], law.expand(full)[CARRY])
    found = jnp.where(losses.of >= 0, here, expected)
    return structure.noise.to_scale(_metric(law, data.inputs, full, found))


def _metric(law: Law, inputs: Mapping[str, Any], full: Full, log_loss: Array) -> Array:
    assert law.link is not None
    # a loss this far out is no loss: the link must only not overflow
    bounded = jnp.clip(log_loss, -math.log(1e6), math.log(1e6))
    return law.link.metric(inputs, law.expand(full), jnp.exp(bounded))


def _losses(data: Data) -> Losses:
    assert data.losses is not None
    return data.losses
