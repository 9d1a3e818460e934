"""Items that follow one of several curves, which of them unknown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpyro.distributions as dist
from jax import Array
from jax.scipy.special import logsumexp
from jaxtyping import Float
from numpyro.distributions import constraints

from .bounded import BoundedNoise
from .structure import Data, Structure


class Mixed(dist.Distribution):
    """Counts of items, each on one curve in all of its rows; the curve is summed out.

    Parameters
    ----------
    structure, data : Structure, Data
    centre : (curves, runs) array
        Of every row on every curve, on the scale of the noise.
    log_weights : (curves, runs) array
        Of the items of each row; where an item has rows of several groups, it follows one curve
        with the geometric mean of their weights.
    values : dict of scalars
    """

    arg_constraints: ClassVar[dict[str, Any]] = {}
    support = constraints.real_vector

    def __init__(
        self,
        structure: Structure,
        data: Data,
        centre: Float[Array, "curves runs"],
        log_weights: Float[Array, "curves runs"],
        values: Mapping[str, Array],
    ):
        self.structure, self.data, self.values = structure, data, dict(values)
        self.centre = centre
        assert data.item is not None
        rows = jnp.broadcast_to(log_weights.T, centre.shape[::-1])
        total = jax.ops.segment_sum(rows, data.item, structure.items)
        count = jax.ops.segment_sum(jnp.ones(len(rows)), data.item, structure.items)
        self.log_weights = jax.nn.log_softmax(total / count[:, None], axis=1)  # (items, curves)
        super().__init__(batch_shape=(), event_shape=centre.shape[1:])

    def log_prob(self, value: Float[Array, " runs"]) -> Float[Array, ""]:
        """Log probability of all rows together."""
        return logsumexp(self.by_item(value), axis=1).sum()

    def by_item(self, value: Float[Array, " runs"]) -> Float[Array, "items curves"]:
        """Log probability of the rows of each item on each curve, with the curve's share."""
        assert self.data.item is not None
        rows = self._noise.log_prob(value, self.centre, self.data.trials, self.values)
        of_item = jax.ops.segment_sum(rows.T, self.data.item, self.structure.items)
        return of_item + self.log_weights

    def chances(self, value: Float[Array, " runs"]) -> Float[Array, "curves runs"]:
        """Chance that the item of each row follows each curve."""
        return jax.nn.softmax(self.by_item(value), axis=1)[self.data.item].T

    def sample(self, key: Array, sample_shape: tuple[int, ...] = ()) -> Float[Array, "*n runs"]:
        """Draw the curve of each item, and its counts."""
        if sample_shape:
            return jax.vmap(self.sample)(jax.random.split(key, sample_shape))
        key_curve, key_count = jax.random.split(key)
        curve = jax.random.categorical(key_curve, self.log_weights)
        rows = jnp.arange(self.centre.shape[1])
        centre = self.centre[curve[self.data.item], rows]
        return self._noise.sample(key_count, centre, self.data.trials, self.values)

    @property
    def _noise(self) -> BoundedNoise:
        assert isinstance(self.structure.noise, BoundedNoise)
        return self.structure.noise


def mixed(
    structure: Structure, data: Data, full: Mapping[str, Array], values: Mapping[str, Array]
) -> Mixed:
    """Distribution of the counts of all items, from the parameters of each run."""
    law = structure.law
    assert law.mixture is not None
    given = law.expand(full)
    curves = law.mixture.curves(data.inputs, given)
    weights = law.mixture.weights(given)
    shape = (curves.shape[0], data.response.shape[0])
    centre = structure.noise.to_scale(jnp.broadcast_to(curves, shape))
    of_row = jnp.log(weights).reshape(weights.shape[0], -1)  # one column where groups share them
    return Mixed(structure, data, centre, of_row, values)
