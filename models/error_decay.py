"""The error of downstream tasks as an exponential of the loss (Gadre et al. 2024)."""

from typing import Annotated

import jax.numpy as jnp
from jax import Array

from bayes_scaling.law import Derived, Input, LogitNormal, LogNormal, Parameter, Score, law
from bayes_scaling.law.scores import closing


def gap(p):
    """How far the error at the reference is below that at endless loss."""
    return (1 - p["level"]) * p["limit"]


def rate(p):
    """Published gamma, times the reference loss."""
    return p["slope"] / gap(p)


@law(
    response=Score("fraction"),
    citation="gadre2024",
    family="B",
    tried_on=("gadre_overtraining",),
    derived=(
        Derived("eps", lambda x0, p: p["level"] + gap(p), "error at endless loss", "fraction"),
        Derived("gamma", lambda x0, p: rate(p) / x0["L"], "rate in the loss", "(nat/token)^-1"),
        Derived(
            "k",
            lambda x0, p: gap(p) * jnp.exp(rate(p)),
            "coefficient of the exponential, published form",
            "fraction",
        ),
        Derived(
            "L_zero",
            lambda x0, p: x0["L"] * (1 - jnp.log1p(p["level"] / gap(p)) / rate(p)),
            "loss at which the error would be zero; the law ends there",
            "nat/token",
        ),
    ),
)
def error_decay(
    L: Annotated[Array, Input("loss", "nat/token")],
    *,
    level: Annotated[
        Array,
        Parameter(
            LogitNormal(0.6, 1.0),
            "error at the reference loss",
            "fraction",
            varies=True,
            group_sd=1.0,
        ),
    ],
    slope: Annotated[
        Array,
        Parameter(LogNormal(0.7, 0.8), "rise of the error there, in ln L", "fraction", varies=True),
    ],
    limit: Annotated[
        Array,
        Parameter(
            LogitNormal(0.5, 1.0),
            "share of the rest to one that endless loss adds to the error",
            varies=True,
            group_sd=1.0,
        ),
    ],
) -> Array:
    r"""$\mathrm{Err} = \epsilon - k\, e^{-\gamma L}$

    Gadre et al. 2024 predict the error averaged over tasks from the loss, and the loss from
    scale: use it after a law of the loss, as in a chain. eps is the error of a model that
    knows nothing, guessing included. Sampled as the error and its slope at the reference
    loss; eps lies between that error and one, and only runs of high loss know it.

    Averages over tasks are smooth; single tasks near chance are not, and want
    `logistic_accuracy`. The exponential does not end at zero: below `L_zero` errors are
    negative, and a forecast near it is outside the law. The loss must be of one text, as
    another one moves gamma and k.
    """
    distance = (1.0 - level) * limit
    return level + distance - closing(L, slope, distance)
