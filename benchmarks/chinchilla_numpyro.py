"""The Chinchilla law as a NumPyro user would write it: plain sites, NumPyro's own NUTS."""

import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from jax import Array
from numpyro.distributions.transforms import SigmoidTransform

from benchmarks.restated import (
    EXPONENT_MEDIAN,
    EXPONENT_SD,
    LEVEL_SD,
    NU_FLOOR,
    NU_RATE,
    NU_SHAPE,
    REDUCIBLE_MEDIAN,
    REDUCIBLE_SD,
    SHARE_MEDIAN,
    SHARE_SD,
    SIGMA_MEDIAN,
    SIGMA_SD,
    logit,
)


def model(log_n: Array, log_d: Array, loss: Array) -> None:
    """Sample the parameters and observe the log losses, Student-t around the law."""
    level = numpyro.sample("level", dist.LogNormal(jnp.log(jnp.median(loss)), LEVEL_SD))
    reducible = numpyro.sample("reducible", _logit_normal(REDUCIBLE_MEDIAN, REDUCIBLE_SD))
    share = numpyro.sample("share_N", _logit_normal(SHARE_MEDIAN, SHARE_SD))
    alpha = numpyro.sample("alpha", dist.LogNormal(jnp.log(EXPONENT_MEDIAN), EXPONENT_SD))
    beta = numpyro.sample("beta", dist.LogNormal(jnp.log(EXPONENT_MEDIAN), EXPONENT_SD))
    sigma = numpyro.sample("sigma", dist.LogNormal(jnp.log(SIGMA_MEDIAN), SIGMA_SD))
    excess = numpyro.sample("nu_above_floor", dist.Gamma(NU_SHAPE, NU_RATE))
    nu = numpyro.deterministic("nu", NU_FLOOR + excess)
    decay = share * jnp.exp(-alpha * log_n) + (1 - share) * jnp.exp(-beta * log_d)
    mean = level * (1 - reducible + reducible * decay)
    numpyro.sample("log_loss", dist.StudentT(nu, jnp.log(mean), sigma), obs=jnp.log(loss))


def _logit_normal(median: float, sd: float) -> dist.Distribution:
    return dist.TransformedDistribution(dist.Normal(logit(median), sd), SigmoidTransform())
