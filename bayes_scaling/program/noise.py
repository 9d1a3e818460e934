"""How a loss is observed around its mean: the likelihoods.

Each noise works on a scale of its own (the log or the raw loss), where the
shared rung effect and a scale ``sigma`` are added to the law's mean.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from jax import Array
from jaxtyping import Float
from numpyro.distributions import constraints, transforms

from bayes_scaling.errors import UsageError

NU_FLOOR = 2.0  # below it a new run's predictive has no variance to report
NU_SHAPE, NU_RATE = 2.0, 0.1
SIGMA_MEDIAN, SIGMA_SD = 0.01, 1.0  # of the scale; sd of the logarithm
RUNG_SD = 0.02  # of the scale
RUNG_NU = 3.0  # one bad rung (too few steps, a bad batch size) must not widen all others


@dataclass(frozen=True)
class Noise:
    """A likelihood of the loss.

    Attributes
    ----------
    name : str
    on_log : bool
        Whether it works on the logarithm of the loss.
    robust : bool
        Student-t with learned degrees of freedom instead of normal.
    """

    name: Literal["student-t", "lognormal", "normal"]
    on_log: bool
    robust: bool

    def to_scale(self, mean: Float[Array, "*runs"]) -> Float[Array, "*runs"]:
        """Carry a mean loss to the scale of the noise."""
        return jnp.log(mean) if self.on_log else mean

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

    def sample_parameters(self, scale: Float[Array, ""]) -> dict[str, Array]:
        """Sample ``sigma`` (and ``nu``) inside a NumPyro program."""
        location = jnp.log(SIGMA_MEDIAN * scale)
        values = {"sigma": numpyro.sample("sigma", dist.LogNormal(location, SIGMA_SD))}
        if self.robust:
            above_floor = transforms.AffineTransform(NU_FLOOR, 1.0, domain=constraints.positive)
            tail = dist.TransformedDistribution(dist.Gamma(NU_SHAPE, NU_RATE), above_floor)
            values["nu"] = numpyro.sample("nu", tail)
        return values

    def distribution(
        self,
        centre: Float[Array, "*runs"],
        spread: Float[Array, "*runs"],
        values: dict[str, Array],
    ) -> dist.Distribution:
        """Distribution of the loss itself, given centre and spread on the noise's scale."""
        around = (
            dist.StudentT(values["nu"], centre, spread)
            if self.robust
            else dist.Normal(centre, spread)
        )
        if not self.on_log:
            return around
        return dist.TransformedDistribution(around, transforms.ExpTransform())

    def rung_distribution(self, rung_sd: Float[Array, ""]) -> dist.Distribution:
        """Distribution of the deviation that runs of one rung share."""
        if self.robust:
            return dist.StudentT(RUNG_NU, 0.0, rung_sd)
        return dist.Normal(0.0, rung_sd)

    def rung_weights(self, standardised: Float[Array, " rungs"]) -> Float[Array, " rungs"]:
        """Weights of rungs in the normal approximation of their distribution."""
        if not self.robust:
            return jnp.ones_like(standardised)
        return (RUNG_NU + 1.0) / (RUNG_NU + standardised**2)

    def weights(
        self, standardised: Float[Array, " runs"], values: dict[str, Array]
    ) -> Float[Array, " runs"]:
        """Weights of runs in the normal approximation of the likelihood (IRLS)."""
        if not self.robust:
            return jnp.ones_like(standardised)
        nu = values["nu"]
        return (nu + 1.0) / (nu + standardised**2)


NOISES = {
    "student-t": Noise("student-t", on_log=True, robust=True),
    "lognormal": Noise("lognormal", on_log=True, robust=False),
    "normal": Noise("normal", on_log=False, robust=False),
}


def noise_named(name: str) -> Noise:
    """Return a noise by name.

    Raises
    ------
    UsageError
        If there is none of that name.
    """
    if name not in NOISES:
        raise UsageError(f"no noise named '{name}'; there are {', '.join(NOISES)}")
    return NOISES[name]
