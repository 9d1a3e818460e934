"""The valley of the loss along model size at equal compute, of any law of the loss."""

from typing import Annotated

import jax.numpy as jnp
from jax import Array

from bayes_scaling.law import (
    Derived,
    Input,
    LogNormal,
    Normal,
    Parameter,
    Response,
    Variant,
    law,
)
from bayes_scaling.law.common import Reducible, Unrest
from bayes_scaling.law.terms import (
    above_floor,
    below_bound,
    drifting,
    linex,
    power,
    second_order,
)


def rise(x, p):
    """Log loss over the lowest at the compute of the run."""
    z = jnp.log(x["N"]) - jnp.log(p["best"]) - p["exponent"] * jnp.log(x["C"])
    cost = drifting(x["C"], p["cost"], p["cost_C"])
    return below_bound(second_order(cost) ** 2 * linex(z, p["skew"]))


@law(
    # normal noise: a run far up a side is told from an outlier by the unrest, not by tails
    response=Response("loss", "nat/token", "lognormal"),
    citation="hoffmann2022",
    references=("czech2026", "porian2024"),
    family="C",
    tried_on=("porian_isoflop",),
    scatter=lambda x, p: p["unrest"] * rise(x, p),
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
    level: Annotated[
        Array,
        Parameter(
            LogNormal(1.0, 0.5, scale="median"),
            "lowest loss at the reference compute",
            "nat/token",
            varies=True,
        ),
    ],
    reducible: Reducible,
    fall: Annotated[
        Array, Parameter(LogNormal(0.15, 0.5), "exponent of compute in what scale removes")
    ],
    best: Annotated[
        Array,
        Parameter(LogNormal(1.0, 1.0), "best N at the reference, over the mean", varies=True),
    ],
    exponent: Annotated[Array, Parameter(Normal(0.5, 0.3), "exponent of compute in the best N")],
    cost: Annotated[
        Array,
        Parameter(
            LogNormal(0.005, 1.0),
            "relative loss of half or twice the best N",
            varies=True,
            group_sd=0.2,
        ),
    ],
    cost_C: Annotated[Array, Parameter(Normal(0.0, 0.2), "exponent of compute in that loss")],
    skew: Annotated[
        Array, Parameter(Normal(0.0, 0.3), "how much faster the loss rises above the best N")
    ],
    unrest: Unrest,
) -> Array:
    r"""$L = L_b \exp(h_b [e^{s z} - 1 - s z]/s^2),\ z = \ln N - \ln N^*_b,\ N^*_b \propto C^{a}$

    Approach 2 of Hoffmann et al. 2022 with its uncertainty: every budget b (the grouping column)
    has a valley of its own, with lowest loss, best size and width about trends in compute; the
    scatter of the best sizes about their power law is learned. Variant parabola is the published
    form. Its sides rise alike, which moves the optimum where sizes are not tried evenly (Czech
    et al. 2026); the skew s lets one side be steeper. Runs far up the sides follow no such form,
    and count less (the unrest).
    """
    values = {"best": best, "exponent": exponent, "cost": cost, "cost_C": cost_C, "skew": skew}
    lowest = above_floor(level, reducible, power(C, fall))
    return lowest * jnp.exp(rise({"N": N, "C": C}, values))
