"""A power law whose exponent the theory of Bahri et al. 2021 knows up to its regime."""

from typing import Annotated

import jax.numpy as jnp
from jax import Array
from jax.nn import sigmoid
from jax.scipy.special import ndtr, ndtri

from bayes_scaling.law import Derived, Input, Loss, Normal, Parameter, law
from bayes_scaling.law.common import FLOOR, Level, Reducible
from bayes_scaling.law.terms import above_floor, power, smooth_minimum

RESOLUTION_SD, VARIANCE_SD = 0.4, 0.05  # of the log exponent, within a regime
STEEPNESS = 20.0  # of the gate between the regimes


def half_score(z):
    """Normal score of z among negative ones; held from growing above zero."""
    return ndtri(smooth_minimum(jnp.maximum(2.0 * ndtr(z), 1e-300), 1.0))


def variance_limited(regime):
    """Weight of the variance-limited regime."""
    return sigmoid(STEEPNESS * regime)


def exponent(regime, d):
    """Exponent of the scale, which grows with `regime` at every d."""
    variance = jnp.exp(-VARIANCE_SD * half_score(-regime))
    # of two decays the slower one is seen
    resolution = smooth_minimum(4.0 / d * jnp.exp(RESOLUTION_SD * half_score(regime)), variance)
    gate = variance_limited(regime)
    return jnp.exp((1.0 - gate) * jnp.log(resolution) + gate * jnp.log(variance))


@law(
    response=Loss("nat/token"),
    citation="bahri2021",
    family="A",
    derived=(
        FLOOR,
        Derived(
            "P_variance_limited",
            lambda x0, p: variance_limited(p["regime"]),
            "near one in the variance-limited regime; its mean is the regime's probability",
        ),
    ),
)
def four_regimes(
    X: Annotated[Array, Input("samples or parameters", "unit of the column")],
    d: Annotated[
        Array,
        Input("intrinsic dimension of the data", "dimension", "at least one", reference=1.0),
    ],
    *,
    level: Level,
    reducible: Reducible,
    regime: Annotated[
        Array,
        Parameter(
            Normal(0.0, 1.0),
            "place in the exponent's prior: resolution-limited below zero, else variance-limited",
            varies=True,
        ),
    ],
) -> Array:
    r"""$L = E + A X^{-\alpha},\ \alpha \approx 1 \text{ or } \alpha \approx 4/d$

    Bahri et al. 2021: the loss above its limit falls with exponent 1 in a resource that
    already exceeds what the fixed other one can use (variance-limited), and with about
    $4/d$, at least so for smooth functions, where the other one is ample
    (resolution-limited). With data and width as the resources these are four regimes; X is
    one of the two.

    The exponent's prior is a mixture: half on 1 (sd of log .05), half on $4/d$ (sd of log
    .4). `regime` is normal and runs through it from small exponents to large ones, so that
    the mean of `P_variance_limited` is the posterior probability of that regime. Near d = 4
    the two exponents are the same and this probability means little. For several data
    sets give their d and make them groups.
    """
    return above_floor(level, reducible, power(X, exponent(regime, d)))
