"""Capability scores of reference models as a function of their loss (Xiao et al. 2024)."""

from typing import Annotated

import jax
from jax import Array

from bayes_scaling.law import Derived, Input, LogitNormal, LogNormal, Normal, Parameter, Score, law
from bayes_scaling.law.common import ShareN
from bayes_scaling.law.terms import coupled, power


def top(p):
    """Score of a perfect loss."""
    return p["chance"] + (1 - p["chance"]) * p["headroom"]


@law(
    response=Score("fraction"),
    citation="xiao2024",
    family="D",
    derived=(
        Derived("top", lambda x0, p: top(p), "upper end of the sigmoid", "fraction"),
        Derived(
            "limit",
            lambda x0, p: (
                p["chance"] + (top(p) - p["chance"]) * jax.nn.sigmoid(p["place"] + p["gain"])
            ),
            "score of an endless model and endless data",
            "fraction",
        ),
    ),
)
def densing(
    N: Annotated[Array, Input("model parameters", "parameter")],
    D: Annotated[Array, Input("training tokens", "token")],
    *,
    chance: Annotated[
        Array, Parameter(LogitNormal(0.2, 1.0), "score of guessing, lower end of the sigmoid")
    ],
    headroom: Annotated[
        Array, Parameter(LogitNormal(0.8, 1.0), "share of the rest that scores can reach")
    ],
    place: Annotated[
        Array,
        Parameter(
            Normal(0.0, 1.5), "logit of the score between the ends at the reference", varies=True
        ),
    ],
    gain: Annotated[
        Array,
        Parameter(LogNormal(3.0, 0.7), "logits that the reducible loss at the reference costs"),
    ],
    share_N: ShareN,
    alpha: Annotated[Array, Parameter(LogNormal(0.3, 0.5), "exponent of N", varies=True)],
    beta: Annotated[Array, Parameter(LogNormal(0.3, 0.5), "exponent of D", varies=True)],
) -> Array:
    r"""$S = c / [1 + e^{-\gamma (L - l)}] + d$, $L = a N^{-\alpha} + b D^{-\beta}$

    Xiao et al. 2024: the score of reference models against their loss, a sigmoid whose
    inverse gives the effective size behind a score, hence its density, effective over
    actual parameters. Scores lie between 0 and 1; $\gamma < 0$, as they fall with the loss.

    Scores alone know the loss only through $\gamma (L - l)$: its scale is confounded with
    gamma, its origin with l. So `place` is that number at the reference, and `gain` what
    the reducible loss there costs. Near the ends the inverse, and the size, explode.
    """
    decay = coupled(power(N, alpha), power(D, beta), share_N)
    height = (1.0 - chance) * headroom
    return chance + height * jax.nn.sigmoid(place - gain * (decay - 1.0))
