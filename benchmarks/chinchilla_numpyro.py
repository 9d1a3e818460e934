"""The Chinchilla law as a NumPyro user would write it: plain sites, NumPyro's own NUTS."""

import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from jax import Array
from numpyro.distributions.transforms import SigmoidTransform

from benchmarks import restated as r


def model(log_n: Array, log_d: Array, loss: Array) -> None:
    """Sample the parameters and observe the log losses, Student-t around the law."""
    level = numpyro.sample("level", dist.LogNormal(jnp.log(jnp.median(loss)), r.LEVEL_SD))
    reducible = numpyro.sample("reducible", _logit_normal(r.REDUCIBLE_MEDIAN, r.REDUCIBLE_SD))
    share = numpyro.sample("share_N", _logit_normal(r.SHARE_MEDIAN, r.SHARE_SD))
    alpha = numpyro.sample("alpha", dist.LogNormal(jnp.log(r.EXPONENT_MEDIAN), r.EXPONENT_SD))
    beta = numpyro.sample("beta", dist.LogNormal(jnp.log(r.EXPONENT_MEDIAN), r.EXPONENT_SD))
    sigma = numpyro.sample("sigma", dist.LogNormal(jnp.log(r.SIGMA_MEDIAN), r.SIGMA_SD))
    excess = numpyro.sample("nu_above_floor", dist.Gamma(r.NU_SHAPE, r.NU_RATE))
    nu = numpyro.deterministic("nu", r.NU_FLOOR + excess)
    decay = share * jnp.exp(-alpha * log_n) + (1 - share) * jnp.exp(-beta * log_d)
    mean = level * (1 - reducible + reducible * decay)
    numpyro.sample("log_loss", dist.StudentT(nu, jnp.log(mean), sigma), obs=jnp.log(loss))


def _logit_normal(median: float, sd: float) -> dist.Distribution:
    return dist.TransformedDistribution(dist.Normal(r.logit(median), sd), SigmoidTransform())
