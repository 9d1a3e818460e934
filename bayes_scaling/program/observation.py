"""The likelihood of all rows together: noise, diverged and untuned runs, serial correlation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from jax import Array
from jax.scipy.special import log_ndtr, logsumexp
from jaxtyping import Float
from numpyro.distributions import constraints

from bayes_scaling.errors import UsageError

from .bounded import BoundedNoise
from .noise import EXCESS_MEDIAN, EXCESS_SD, FrontierNoise, Noise
from .structure import LOSS_PREFIX, Data, Structure

SETTLING = (0.3, 0.7)  # fall of log noise a decade of scale: median, and sd of its logarithm
RHO_MEDIAN_LOGIT, RHO_SD = 0.0, 1.5  # correlation of neighbouring rows of a run


def sample_noise(structure: Structure, data: Data) -> dict[str, Array]:
    """Sample the scalars of the likelihood inside a NumPyro program."""
    noise = structure.noise
    if isinstance(noise, BoundedNoise):
        values = noise.sample_scalars(structure.own_scalars)
    else:
        values = noise.sample_parameters(data.scale)
    if structure.loss_noise:
        given = structure.loss_noise.sample_parameters(jnp.ones(()), LOSS_PREFIX)
        values |= {LOSS_PREFIX + name: value for name, value in given.items()}
    if structure.untuned:
        if structure.noise.side:
            raise UsageError(
                f"untuned runs cannot be told from the shortfall of noise {structure.noise.name}; "
                f"use student-t or lognormal, or leave out the column of untuned runs"
            )
        shortfall = dist.LogNormal(jnp.log(EXCESS_MEDIAN * data.scale), EXCESS_SD)
        values["excess"] = numpyro.sample("excess", shortfall)
    if structure.serial:
        unit = dist.transforms.SigmoidTransform()
        normal = dist.Normal(RHO_MEDIAN_LOGIT, RHO_SD)
        values["rho"] = numpyro.sample("rho", dist.TransformedDistribution(normal, unit))
    if structure.settling:
        values["settling"] = numpyro.sample(
            "settling", dist.LogNormal(data.prior_loc["settling"], data.prior_sd["settling"])
        )
    return values


def spread_of(
    structure: Structure,
    data: Data,
    full: Mapping[str, Array],
    values: Mapping[str, Array],
    centre: Float[Array, " runs"],
) -> Float[Array, "#runs"]:
    """Scale of the noise of each run: common, known, and what the law adds.

    Bounded noises have none: their spread follows from the mean and the trials.
    """
    noise, law = structure.noise, structure.law
    if isinstance(noise, BoundedNoise):
        return jnp.ones(())
    sigma = values["sigma"]
    if structure.settling:
        assert data.scale_decades is not None
        sigma = settled(sigma, values["settling"], data.scale_decades)
    spread = noise.spread(sigma, data.se, centre)
    return spread if law.scatter is None else jnp.hypot(spread, law.extra_spread(data.inputs, full))


def settled(sigma: Any, settling: Any, decades: Any) -> Any:
    """Scale of the noise of runs so many decades above the reference."""
    return sigma * jnp.exp(-settling * decades)


def correlation(data: Data, rho: Float[Array, ""]) -> Float[Array, " runs"]:
    """Correlation of each row with the one before it in its run; zero for the first."""
    assert data.previous is not None
    assert data.lag is not None
    return jnp.where(data.previous >= 0, jnp.exp(data.lag * jnp.log(rho)), 0.0)


class Observations(dist.Distribution):
    """Responses of all rows, on their natural scale.

    Rows of one run are an autoregressive process of order one around their centres;
    `log_prob` gives each row's density given the row before it.

    Parameters
    ----------
    structure : Structure
    data : Data
    centre, spread : (runs,) arrays
        On the scale of the noise; `spread` is that of a row by itself.
    values : dict of scalars
        As `sample_noise` gives them.
    """

    arg_constraints: ClassVar[dict[str, Any]] = {}
    support = constraints.real

    def __init__(
        self,
        structure: Structure,
        data: Data,
        centre: Float[Array, " runs"],
        spread: Float[Array, " runs"],
        values: dict[str, Array],
    ):
        self.structure, self.data, self.values = structure, data, values
        self.centre, self.spread = centre, jnp.broadcast_to(spread, centre.shape)
        self.tie = correlation(data, values["rho"]) if structure.serial else None
        super().__init__(batch_shape=centre.shape)

    def log_prob(self, value: Float[Array, " runs"]) -> Float[Array, " runs"]:
        """Log density of each row given the row before it; of being above the bound beyond it."""
        noise, bound = self.structure.noise, self.data.bound
        if isinstance(noise, BoundedNoise):
            found = noise.log_prob(value, self.centre, self.data.trials, self.values)
            return found if self.data.copies is None else self.data.copies * found
        seen = value if bound is None else jnp.minimum(value, bound)
        centre, spread = self.centre, self.spread
        if self.tie is not None:
            off = (noise.to_scale(seen) - centre) / spread  # in sds: the spread may change
            centre = centre + self.tie * spread * off[self.data.previous]
            spread = spread * jnp.sqrt(1.0 - self.tie**2)
        found = noise.distribution(centre, spread, self.values).log_prob(seen)
        if self.data.untuned is not None:
            above = noise.of_response(FrontierNoise(centre, spread, self.values["excess"], 1))
            found = jnp.where(self.data.untuned, above.log_prob(seen), found)
        if bound is not None:
            found = self._with_diverged(found, value, centre, spread)
        return found if self.data.copies is None else self.data.copies * found

    def _with_diverged(
        self,
        found: Float[Array, " runs"],
        value: Float[Array, " runs"],
        centre: Float[Array, " runs"],
        spread: Float[Array, " runs"],
    ) -> Float[Array, " runs"]:
        """Log densities, of diverged runs the chance of being above the bound."""
        noise, bound = self.structure.noise, self.data.bound
        assert isinstance(noise, Noise)
        assert bound is not None
        above, gone = noise.to_scale(bound) - centre, self.data.diverged
        untuned = self.data.untuned
        if gone is None:
            return jnp.where(value >= bound, self._beyond(above, spread, untuned), found)
        # the chance costs far more than the density, and few runs need it
        untuned = None if untuned is None else untuned[gone]
        return found.at[gone].set(self._beyond(above[gone], spread[gone], untuned))

    def _beyond(
        self, above: Float[Array, " k"], spread: Float[Array, " k"], untuned: Array | None
    ) -> Float[Array, " k"]:
        """Log probability of lying further than `above` over the centre."""
        noise = self.structure.noise
        assert isinstance(noise, Noise)
        found = noise.log_survival(above, spread, self.values)
        if untuned is None:
            return found
        return jnp.where(untuned, excess_log_survival(above, spread, self.values["excess"]), found)

    def sample(self, key: Array, sample_shape: tuple[int, ...] = ()) -> Float[Array, "*n runs"]:
        """Draw responses; diverged runs are those that come out above the bound."""
        if sample_shape:
            keys = jax.random.split(key, sample_shape)
            return jax.vmap(self.sample)(keys)
        noise = self.structure.noise
        if isinstance(noise, BoundedNoise):
            return noise.sample(key, self.centre, self.data.trials, self.values)
        key_noise, key_excess = jax.random.split(key)
        zero = jnp.zeros_like(self.centre)
        fresh = self.spread if self.tie is None else self.spread * jnp.sqrt(1.0 - self.tie**2)
        off = noise.around(zero, fresh, self.values).sample(key_noise)
        if self.data.untuned is not None:
            above = FrontierNoise(zero, fresh, self.values["excess"], 1).sample(key_excess)
            off = jnp.where(self.data.untuned, above, off)
        if self.tie is not None and self.data.previous is not None:
            off = self.spread * accumulate(off / self.spread, self.tie, self.data.previous)
        return noise.from_scale(self.centre + off)


def excess_log_survival(
    above: Float[Array, "*runs"], spread: Float[Array, "*runs"], excess: Float[Array, "*#runs"]
) -> Float[Array, "*runs"]:
    """Log probability that normal noise and a half-normal excess exceed `above`.

    Their sum is skew normal: its survival is a normal one and twice Owen's T, which is an
    integral of ``exp(-h**2 / (2 cos(angle)**2))``.
    """
    nodes, weights = np.polynomial.legendre.leggauss(64)
    h, end = above / jnp.hypot(spread, excess), jnp.arctan2(excess, spread)
    angles = 0.5 * end[..., None] * jnp.asarray(1.0 + nodes)
    powers = -0.5 * (h[..., None] / jnp.cos(angles)) ** 2
    twice_t = logsumexp(powers, axis=-1, b=jnp.asarray(weights)) + jnp.log(0.5 * end / jnp.pi)
    return jnp.logaddexp(log_ndtr(-h), twice_t)


def accumulate(
    innovations: Float[Array, " runs"], tie: Float[Array, " runs"], previous: Array
) -> Float[Array, " runs"]:
    """Deviations of rows from their innovations; a row comes after the one before it."""

    def step(so_far: Array, row: tuple[Array, ...]) -> tuple[Array, None]:
        i, innovation, strength, before = row
        return so_far.at[i].set(innovation + strength * so_far[before]), None

    rows = (jnp.arange(len(innovations)), innovations, tie, previous)
    return jax.lax.scan(step, jnp.zeros_like(innovations), rows)[0]
