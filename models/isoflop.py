"""The valley of the loss along model size at equal compute, of any law of the loss."""

from typing import Annotated

import jax.numpy as jnp
from jax import Array

from bayes_scaling.law import Derived, Input, LogNormal, Loss, Normal, Parameter, Variant, law
from bayes_scaling.law.common import Level
from bayes_scaling.law.terms import below_bound, linex, power, second_order


@law(
    response=Loss("nat/token"),
    citation="hoffmann2022",
    references=("czech2026", "porian2024"),
    family="C",
    tried_on=("chinchilla", "porian_isoflop"),
    derived=(
        Derived(
            "best_N",
            lambda x0, p: p["best"] * x0["N"],
            "best size at the reference compute",
            "parameter",
        ),
    ),
    variants={"parabola": Variant("the parabolas of approach 2", fix={"skew": 0.0})},
)
def isoflop(
    N: Annotated[Array, Input("model parameters", "parameter")],
    C: Annotated[Array, Input("compute of the run", "FLOP")],
    *,
    level: Level,
    fall: Annotated[
        Array, Parameter(LogNormal(0.06, 0.7), "exponent of compute in the lowest loss")
    ],
    best: Annotated[
        Array,
        Parameter(LogNormal(1.0, 1.0), "best N at the reference, over the mean", varies=True),
    ],
    exponent: Annotated[Array, Parameter(Normal(0.5, 0.3), "exponent of compute in the best N")],
    cost: Annotated[
        Array,
        Parameter(LogNormal(0.005, 1.0), "relative loss of half or twice the best N", varies=True),
    ],
    skew: Annotated[
        Array, Parameter(Normal(0.0, 0.3), "how much faster the loss rises above the best N")
    ],
) -> Array:
    r"""$L = L_b e^{h [e^{s z} - 1 - s z]/s^2},\ z = \ln N - \ln N^*_b,\ N^*_b \propto C^{a}$

    Approach 2 of Hoffmann et al. 2022 with its uncertainty: every budget b (the grouping column)
    has a valley of its own, with lowest loss, best size and width about trends in compute; the
    scatter of the best sizes about their power law is learned. Variant parabola is the published
    form. Its sides rise alike, which moves the optimum where sizes are not tried evenly (Czech
    et al. 2026); the skew s lets one side be steeper.
    """
    z = jnp.log(N) - jnp.log(best) - exponent * jnp.log(C)
    rise = second_order(cost) ** 2 * linex(z, skew)
    return level * power(C, fall) * jnp.exp(below_bound(rise))
