"""How a response is observed around its mean: the likelihoods.

Each noise works on a scale of its own (the logarithm or the raw response), where
the shared rung effect and a scale ``sigma`` are added to the law's mean.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from jax import Array
from jax.scipy.special import gammaln, log_ndtr, logsumexp
from jaxtyping import Float
from numpyro.distributions import constraints, transforms

from bayes_scaling.errors import UsageError
from bayes_scaling.law.terms import stochastic_frontier

from .bounded import BoundedNoise
from .logarithm import log, log1p

NU_FLOOR = 2.0  # below it a new run's predictive has no variance to report
NU_SHAPE, NU_RATE = 2.0, 0.1
SIGMA_MEDIAN, SIGMA_SD = 0.01, 1.0  # of the scale; sd of the logarithm
RUNG_SD = 0.02  # of the scale
EXCESS_MEDIAN, EXCESS_SD = 0.1, 1.0  # of the scale; sd of the logarithm
SIGMA_SHARE, SIGMA_SHARE_SD = 0.4, 0.6  # sigma of a frontier, of its excess
HALF_NORMAL_VARIANCE = 1.0 - 2.0 / math.pi
RUNG_NU = 3.0  # one bad rung (too few steps, a bad batch size) must not widen all others


BOUNDED = ("binomial", "beta-binomial", "negative-binomial", "population", "beta")


@dataclass(frozen=True)
class Noise:
    """A likelihood of the response.

    Attributes
    ----------
    name : str
    on_log : bool
        Whether it works on the logarithm of the response.
    robust : bool
        Student-t with learned degrees of freedom instead of normal.
    side : {-1, 0, 1}
        Where runs fall short of a frontier: below the law (-1) or above it (1).
    """

    name: str
    on_log: bool
    robust: bool
    side: int = 0

    bounded: ClassVar[bool] = False
    counted: ClassVar[bool] = False

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the parameters that `sample_parameters` samples."""
        return ("sigma", *(("nu",) if self.robust else ()), *(("excess",) if self.side else ()))

    def to_scale(self, mean: Float[Array, "*runs"]) -> Float[Array, "*runs"]:
        """Carry a mean loss to the scale of the noise."""
        return log(mean) if self.on_log else mean

    def from_scale(self, centre: Float[Array, "*runs"]) -> Float[Array, "*runs"]:
        """Carry a value on the scale of the noise back to a loss."""
        return jnp.exp(centre) if self.on_log else centre

    def spread(
        self,
        sigma: Float[Array, "*#runs"],
        se: Float[Array, "*#runs"] | None,
        centre: Float[Array, "*runs"],
    ) -> Float[Array, "*#runs"]:
        """Scale of the noise: run to run, and the known standard error of the loss."""
        if se is None:
            return sigma
        return jnp.hypot(sigma, se * jnp.exp(-centre) if self.on_log else se)

    def sample_parameters(self, scale: Float[Array, ""], prefix: str = "") -> dict[str, Array]:
        """Sample ``sigma`` (and ``nu`` or ``excess``) inside a NumPyro program."""
        values = {}
        location, sd = jnp.log(SIGMA_MEDIAN * scale), SIGMA_SD
        if self.side:
            shortfall = dist.LogNormal(jnp.log(EXCESS_MEDIAN * scale), EXCESS_SD)
            values["excess"] = numpyro.sample(prefix + "excess", shortfall)
            # noise far below the shortfall would make the frontier a cliff at the best runs
            location, sd = jnp.log(SIGMA_SHARE * values["excess"]), SIGMA_SHARE_SD
        values["sigma"] = numpyro.sample(prefix + "sigma", dist.LogNormal(location, sd))
        if self.robust:
            above_floor = transforms.AffineTransform(NU_FLOOR, 1.0, domain=constraints.positive)
            tail = dist.TransformedDistribution(dist.Gamma(NU_SHAPE, NU_RATE), above_floor)
            values["nu"] = numpyro.sample(prefix + "nu", tail)
        return values

    def distribution(
        self,
        centre: Float[Array, "*runs"],
        spread: Float[Array, "*runs"],
        values: dict[str, Array],
    ) -> dist.Distribution:
        """Distribution of the loss itself, given centre and spread on the noise's scale."""
        return self.of_response(self.around(centre, spread, values))

    def of_response(self, around: dist.Distribution) -> dist.Distribution:
        """Carry a distribution on the noise's scale to the response."""
        if not self.on_log:
            return around
        return dist.TransformedDistribution(around, transforms.ExpTransform())

    def around(
        self,
        centre: Float[Array, "*runs"],
        spread: Float[Array, "*runs"],
        values: dict[str, Array],
    ) -> dist.Distribution:
        """Distribution on the noise's scale."""
        if self.side:
            return FrontierNoise(centre, spread, values["excess"], self.side)
        if self.robust:
            return StudentT(values["nu"], centre, spread)
        return dist.Normal(centre, spread)

    def log_survival(
        self,
        above: Float[Array, "*runs"],
        spread: Float[Array, "*runs"],
        values: dict[str, Array],
    ) -> Float[Array, "*runs"]:
        """Log probability of lying further than `above` over the centre, on the noise's scale."""
        if self.side:
            raise UsageError(
                f"diverged runs cannot be told from the shortfall of noise {self.name}; "
                f"use student-t or lognormal, or leave out the bound of diverged runs"
            )
        standardised = above / spread
        if self.robust:
            return student_t_log_survival(standardised, values["nu"])
        return log_ndtr(-standardised)

    def draw(
        self,
        rng: np.random.Generator,
        spread: Float[np.ndarray, "*runs"],
        values: Mapping[str, Float[np.ndarray, "*#runs"]],
    ) -> Float[np.ndarray, "*runs"]:
        """Draw what one run adds to the centre, on the scale of the noise."""
        if self.robust:
            return spread * rng.standard_t(values["nu"], size=spread.shape)
        drawn = spread * rng.normal(size=spread.shape)
        if self.side:
            drawn += self.side * values["excess"] * np.abs(rng.normal(size=spread.shape))
        return drawn

    def weights(
        self, standardised: Float[Array, " runs"], values: dict[str, Array]
    ) -> Float[Array, " runs"]:
        """Weights of runs in the normal approximation of the likelihood (IRLS)."""
        if not self.robust:
            return jnp.ones_like(standardised)
        nu = values["nu"]
        return (nu + 1.0) / (nu + standardised**2)


class StudentT(dist.StudentT):
    """Student's t distribution with the logarithm that is quick for many rows."""

    def log_prob(self, value: Float[Array, "*runs"]) -> Array:
        """Log density."""
        standardised = (value - self.loc) / self.scale
        return student_t_log_density(standardised, self.df) - jnp.log(self.scale)


type AnyNoise = Noise | BoundedNoise


def rung_distribution(noise: AnyNoise, rung_sd: Float[Array, ""]) -> dist.Distribution:
    """Distribution of the deviation that runs of one rung share."""
    if noise.robust:
        return dist.StudentT(RUNG_NU, 0.0, rung_sd)
    return dist.Normal(0.0, rung_sd)


def rung_weights(noise: AnyNoise, standardised: Float[Array, " rungs"]) -> Float[Array, " rungs"]:
    """Weights of rungs in the normal approximation of their distribution."""
    if not noise.robust:
        return jnp.ones_like(standardised)
    return (RUNG_NU + 1.0) / (RUNG_NU + standardised**2)


def student_t_log_density(
    t: Float[Array, "*runs"], nu: Float[Array, "*#runs"]
) -> Float[Array, "*runs"]:
    """Log density of a Student-t variable of unit scale."""
    constant = gammaln(0.5 * (nu + 1.0)) - gammaln(0.5 * nu) - 0.5 * jnp.log(nu * jnp.pi)
    return constant - 0.5 * (nu + 1.0) * log1p(t**2 / nu)


def student_t_log_survival(
    t: Float[Array, "*runs"], nu: Float[Array, "*#runs"]
) -> Float[Array, "*runs"]:
    """Log of the chance that a Student-t variable exceeds `t`, differentiable in both.

    With ``x = sqrt(nu) / tan(angle)`` it is an integral of ``sin(angle)**(nu - 1)`` from zero,
    which JAX's incomplete beta function cannot differentiate in ``nu``.
    """
    nodes, weights = np.polynomial.legendre.leggauss(64)
    end = jnp.arctan2(jnp.sqrt(nu), t)
    angles = 0.5 * end[..., None] * jnp.asarray(1.0 + nodes)
    powers = (nu - 1.0)[..., None] * jnp.log(jnp.sin(angles))
    area = logsumexp(powers, axis=-1, b=jnp.asarray(weights)) + jnp.log(0.5 * end)
    return area + gammaln(0.5 * (nu + 1.0)) - gammaln(0.5 * nu) - 0.5 * jnp.log(jnp.pi)


class FrontierNoise(dist.Distribution):
    """Normal noise and a half-normal shortfall on one side of a frontier."""

    arg_constraints: ClassVar = {
        "centre": constraints.real,
        "sigma": constraints.positive,
        "excess": constraints.positive,
    }
    support = constraints.real

    def __init__(self, centre: Array, sigma: Array, excess: Array, side: int):
        self.centre, self.sigma, self.excess, self.side = centre, sigma, excess, side
        shape = jnp.broadcast_shapes(jnp.shape(centre), jnp.shape(sigma), jnp.shape(excess))
        super().__init__(batch_shape=shape)

    def sample(self, key: Array, sample_shape: tuple[int, ...] = ()) -> Array:
        """Draw responses on the scale of the noise."""
        shape = sample_shape + self.batch_shape
        key_noise, key_excess = jax.random.split(key)
        short = self.excess * jnp.abs(jax.random.normal(key_excess, shape))
        return self.centre + self.sigma * jax.random.normal(key_noise, shape) + self.side * short

    def log_prob(self, value: Array) -> Array:
        """Log density, the shortfall integrated out."""
        return stochastic_frontier(-self.side * (value - self.centre), self.sigma, self.excess)


NOISES = {
    "student-t": Noise("student-t", on_log=True, robust=True),
    "lognormal": Noise("lognormal", on_log=True, robust=False),
    "student-t-raw": Noise("student-t-raw", on_log=False, robust=True),
    "normal": Noise("normal", on_log=False, robust=False),
    "upper-frontier": Noise("upper-frontier", on_log=True, robust=False, side=-1),
    "lower-frontier": Noise("lower-frontier", on_log=True, robust=False, side=1),
}


def noise_named(name: str) -> AnyNoise:
    """Return a noise by name; grades from 0 to K have the noise ``ordered-K``.

    Raises
    ------
    UsageError
        If there is none of that name.
    """
    kind, _, best = name.partition("-")
    if name in BOUNDED or (kind == "ordered" and best.isdigit() and int(best) >= 2):
        return BoundedNoise(name)
    if name not in NOISES:
        raise UsageError(
            f"no noise named '{name}'; there are {', '.join((*NOISES, *BOUNDED))}, and "
            f"ordered-4 for grades from 0 to 4"
        )
    return NOISES[name]
