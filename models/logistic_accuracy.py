"""Task accuracy as a logistic curve in the task loss (Bhagia et al. 2024)."""

from typing import Annotated

import jax
from jax import Array

from bayes_scaling.law import Derived, Input, LogNormal, Normal, Parameter, Score, Variant, law
from bayes_scaling.law.common import CEILING, Chance, Lapse
from bayes_scaling.law.scores import between, odds_times


@law(
    response=Score("fraction"),
    citation="bhagia2024",
    family="B",
    tried_on=("gadre_overtraining", "olmo_ladder"),
    derived=(
        CEILING,
        Derived(
            "k",
            lambda x0, p: -p["slope"] / x0["L"],
            "steepness in the loss, published form",
            "(nat/token)^-1",
        ),
        Derived(
            "L_0",
            lambda x0, p: x0["L"] * (1 + p["place"] / p["slope"]),
            "loss half-way from chance to the ceiling",
            "nat/token",
            bend="L",
        ),
    ),
    variants={"guessing": Variant("models that know nothing score chance", fix={"bias": 0.0})},
)
def logistic_accuracy(
    L: Annotated[Array, Input("loss", "nat/token")],
    chance: Chance,
    *,
    place: Annotated[
        Array,
        Parameter(
            Normal(0.0, 1.5),
            "logit of the score between its ends at the reference loss",
            varies=True,
            group_sd=1.0,
        ),
    ],
    slope: Annotated[
        Array,
        Parameter(
            LogNormal(6.0, 0.7), "logits won by a relative fall of the loss, there", varies=True
        ),
    ],
    bias: Annotated[
        Array,
        Parameter(
            Normal(0.0, 0.3),
            "log odds by which models that know nothing score above chance",
            varies=True,
        ),
    ],
    lapse: Lapse,
) -> Array:
    r"""$\mathrm{acc} = \frac{p}{1 + e^{-k (L - L_0)}} + q$

    Bhagia et al. 2024, the second of two steps: the loss of the right answers follows from
    scale, and accuracy from that loss. Here q is the floor: near the known chance of guessing,
    but for a `bias`, as some choices look right to models that know nothing. p lies between it
    and the ceiling, 1 - lapse - q; k is negative, as accuracy falls with the loss. The paper
    fits p and q freely, which models near chance or near the ceiling alone cannot inform:
    the ceiling then comes from its prior.

    L is any loss of the task in one unit, such as bits per byte of the right answer. For
    items right out of a known number take `cloglog_accuracy` or `capability_sigmoid`, whose
    noise knows how many there were.
    """
    floor = odds_times(chance, bias)
    return between(floor, lapse, jax.nn.sigmoid(place - slope * (L - 1.0)))
