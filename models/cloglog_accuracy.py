"""Task accuracy from the loss by the complementary log-log link (after Hu et al. 2023)."""

from typing import Annotated

import jax.numpy as jnp
from jax import Array

from bayes_scaling.law import Counts, Derived, Input, LogNormal, Normal, Parameter, law
from bayes_scaling.law.common import CEILING, Chance, Lapse
from bayes_scaling.law.scores import between, gompertz


@law(
    response=Counts("accuracy"),
    citation="hu2023",
    family="B",
    derived=(
        CEILING,
        Derived(
            "c",
            lambda x0, p: jnp.exp(p["place"]) * x0["L"] ** -p["slope"],
            "coefficient of the loss",
            "(nat/token)^-slope",
        ),
    ),
)
def cloglog_accuracy(
    L: Annotated[Array, Input("loss", "nat/token")],
    chance: Chance,
    *,
    place: Annotated[
        Array,
        Parameter(
            Normal(0.0, 1.5),
            "ln(-ln p) of the chance to know an item at the reference loss",
            varies=True,
            group_sd=1.0,
        ),
    ],
    slope: Annotated[
        Array, Parameter(LogNormal(3.0, 0.7), "rise of that number in ln L", varies=True)
    ],
    lapse: Lapse,
) -> Array:
    r"""$\mathrm{acc} = q + (1 - q - \lambda)\, p,\; \ln(-\ln p) = \ln c + s \ln L$

    The link of Hu et al. 2023, who find $\ln(-\ln p)$ to be linear in the log of the scale,
    with the loss in the place of the scale: the two agree where the loss is a power of the
    scale. An answer of many tokens that must all be right has $p = e^{-c L}$, s = 1;
    steeper curves are what is called emergent. q is the known chance of guessing, and
    $1 - \lambda$ the ceiling.

    Unlike a logistic curve it leaves its lower end late and nears the upper end slowly: the
    two differ most in forecasts from models near chance. Models below the ceiling alone do
    not know lapse.
    """
    return between(chance, lapse, gompertz(place + slope * jnp.log(L)))
