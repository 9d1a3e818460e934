"""The normal approximation of the likelihood of all rows, around any point.

Rows are runs; of a chain, losses and then metrics; of items that follow different
curves, all runs on each of the curves, weighted by the chance that they follow it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Int

from bayes_scaling.program.bounded import BoundedNoise
from bayes_scaling.program.chain import chain_centres
from bayes_scaling.program.mixture import mixed
from bayes_scaling.program.noise import HALF_NORMAL_VARIANCE, AnyNoise, Noise
from bayes_scaling.program.observation import spread_of
from bayes_scaling.program.program import parameters_of
from bayes_scaling.program.structure import LOSS_PREFIX, Data, Structure

Values = Mapping[str, Array]


class Measure(NamedTuple):
    """Rows of one noise.

    Attributes
    ----------
    noise : noise
    rows : slice
    prefix : str
        Before the names of its scalars.
    scale : array
        Unit of its prior.
    """

    noise: AnyNoise
    rows: slice
    prefix: str
    scale: Array


class Working(NamedTuple):
    """Weights of rows relative to the noise's own precision, and what they observed."""

    weight: Float[Array, " rows"]
    observed: Float[Array, " rows"]


class Rows:
    """Rows of a program, and their normal approximation.

    Parameters
    ----------
    structure, data : Structure, Data
    """

    def __init__(self, structure: Structure, data: Data):
        self.structure, self.data = structure, data
        runs = data.response.shape[0]
        mixture = structure.law.mixture if structure.items else None
        self.curves = mixture is not None
        losses = 0 if data.losses is None else data.losses.value.shape[0]
        metric = Measure(structure.noise, slice(losses, None), "", data.scale)
        first = structure.loss_noise
        self.measures = (
            (Measure(first, slice(0, losses), LOSS_PREFIX, jnp.ones(())), metric)
            if first
            else (metric,)
        )
        self.size = losses + (mixture.count if mixture else 1) * runs

    def shared(self, effects: Float[Array, " rungs"]) -> Float[Array, " rows"]:
        """Rung effects of rows, zero where a row has none."""
        if not self.structure.rungs:
            return jnp.zeros(self.size)
        return jnp.append(effects, 0.0)[self.rung]

    @property
    def rung(self) -> Int[Array, " rows"]:
        """Rung of each row; of a chain metrics have none of their own."""
        if not self.structure.rungs:
            return jnp.zeros(self.size, dtype=int)
        if self.data.losses is None:
            return self.data.rung
        none = jnp.full(self.data.response.shape, self.structure.rungs)
        return jnp.concatenate([self.data.rung[self.data.losses.row], none])

    def level(self, column: str) -> Int[Array, " rows"]:
        """Group of each row."""
        level = self.data.levels[column]
        if self.data.losses is not None:
            return jnp.concatenate([level[self.data.losses.row], level])
        return jnp.tile(level, self.size // len(level))

    @property
    def observed(self) -> Float[Array, " rows"]:
        """Responses of continuous measures on the scale of their noise; zero for others."""
        data, noise = self.data, self.structure.noise
        if isinstance(noise, BoundedNoise):
            own = jnp.zeros(self.size if data.losses is None else data.response.shape)
        else:
            bound = data.bound
            own = noise.to_scale(
                data.response if bound is None else jnp.minimum(data.response, bound)
            )
        if data.losses is None:
            return own
        return jnp.concatenate([jnp.log(data.losses.value), own])

    def per_variance(self, sites: Values) -> Float[Array, " measures"]:
        """Precision of a row of weight one: of the noise, with what one side adds."""

        def of(measure: Measure) -> Array:
            if isinstance(measure.noise, BoundedNoise):
                return jnp.ones(())
            variance = jnp.exp(2.0 * sites[measure.prefix + "sigma"])
            if measure.noise.side:
                variance = variance + HALF_NORMAL_VARIANCE * jnp.exp(2.0 * sites["excess"])
            return 1.0 / variance

        return jnp.stack([of(measure) for measure in self.measures])

    def unconditional(
        self, weight: Float[Array, " rows"], observed: Float[Array, " rows"]
    ) -> Working:
        """Weights and observations that rows suggest by themselves, where a search starts."""
        parts = [self._alone(m, weight[m.rows], observed[m.rows]) for m in self.measures]
        return Working(*(jnp.concatenate(part) for part in zip(*parts, strict=True)))

    def working(
        self,
        sites: Values,
        values: Values,
        effects: Float[Array, " rungs"],
        innovations: Callable[[Array], Array],
    ) -> Working:
        """Weights and observations in the normal approximation at a point.

        Parameters
        ----------
        sites : mapping of str to array
            Centres and effects on the unconstrained scale.
        values : mapping of str to array
            Scalars of the likelihood.
        effects : (rungs,) array
            Rung effects, empty without rungs.
        innovations : callable
            Turns deviations of rows into what they add to the rows before them.
        """
        full = parameters_of(self.structure, self.data, sites)
        shared = jnp.zeros(()) if not self.structure.rungs else effects[self.data.rung]
        if self.structure.loss_noise:
            return self._chain(full, values, shared)
        if self.curves:
            return self._mixed(full, values)
        noise, law, data = self.structure.noise, self.structure.law, self.data
        centre = noise.to_scale(law.mean(data.inputs, full)) + shared
        if isinstance(noise, BoundedNoise):
            given = {**values, **law.likelihood_shape(data.inputs, full)}
            weight, observed = noise.working(data.response, centre, data.trials, given)
            return Working(weight if data.copies is None else data.copies * weight, observed)
        spread = spread_of(self.structure, data, full, values, centre - shared)
        standardised = innovations(self.observed - centre) / spread
        weight = noise.weights(standardised, dict(values))
        if data.bound is not None:  # a diverged run that is expected to diverge says nothing
            gone = (data.response >= data.bound) & (standardised < 0)
            weight = jnp.where(gone, 0.0, weight)
        if data.untuned is not None:
            wider = HALF_NORMAL_VARIANCE * (values["excess"] / values["sigma"]) ** 2
            weight = jnp.where(data.untuned, weight / (1.0 + wider), weight)
        if data.copies is not None:
            weight = data.copies * weight
        return Working(weight * (values["sigma"] / spread) ** 2, self.observed)

    def _chain(self, full: Values, values: Values, shared: Float[Array, " #runs"]) -> Working:
        data, structure = self.data, self.structure
        assert data.losses is not None
        assert structure.loss_noise is not None
        loss, metric = chain_centres(structure, data, full, shared)
        own = structure.loss_values(values)
        losses = _continuous(
            structure.loss_noise, jnp.log(data.losses.value) - loss, loss, data.losses.se, own
        )
        value, noise = data.response, structure.noise
        if isinstance(noise, BoundedNoise):
            weight, observed = noise.working(value, metric, data.trials, values)
        else:
            observed = noise.to_scale(value)
            weight = _continuous(noise, observed - metric, metric, data.se, values)
        if data.seen is not None:
            weight, observed = (jnp.where(data.seen, a, 0.0) for a in (weight, observed))
        return Working(
            jnp.concatenate([losses, weight]),
            jnp.concatenate([jnp.log(data.losses.value), observed]),
        )

    def _mixed(self, full: Values, values: Values) -> Working:
        data, noise = self.data, self.structure.noise
        assert isinstance(noise, BoundedNoise)
        found = mixed(self.structure, data, full, values)
        chances = found.chances(data.response)
        parts = [noise.working(data.response, c, data.trials, values) for c in found.centre]
        weights, observed = (jnp.stack(part) for part in zip(*parts, strict=True))
        return Working((chances * weights).ravel(), observed.ravel())

    def _alone(self, measure: Measure, weight: Array, observed: Array) -> Working:
        noise, data = measure.noise, self.data
        if not isinstance(noise, BoundedNoise):
            kept = jnp.ones_like(weight)
            if data.seen is not None and not measure.prefix:
                kept = jnp.where(data.seen, kept, 0.0)
            if data.copies is not None:
                kept = data.copies * kept
            return Working(kept, observed)
        if self.curves:  # items on different curves say little by themselves
            return Working(weight, observed)
        guess = noise.guess(data.response, data.trials)
        # with the concentration that the prior expects
        given = {name: jnp.asarray(20.0) for name in ("concentration", "unsolvable")}
        alone = noise.information(guess, data.trials, given) + 1e-9
        if data.copies is not None:
            alone = data.copies * alone
        if data.seen is not None:
            alone, guess = (jnp.where(data.seen, a, 0.0) for a in (alone, guess))
        return Working(alone, guess)


def _continuous(
    noise: AnyNoise, residual: Array, centre: Array, se: Array | None, values: Values
) -> Array:
    """Weights of rows of a continuous noise, relative to its own precision."""
    assert isinstance(noise, Noise)
    spread = noise.spread(values["sigma"], se, centre)
    return noise.weights(residual / spread, dict(values)) * (values["sigma"] / spread) ** 2
