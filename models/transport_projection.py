"""The loss of a data mixture by its transport distance to the target (Kang et al. 2023)."""

from typing import Annotated

import jax.numpy as jnp
from jax import Array

from bayes_scaling.law import Derived, Input, Loss, Normal, Parameter, law
from bayes_scaling.law.common import SignedLevel


@law(
    response=Loss("nat/token", signed=True),
    citation="kang2023",
    family="D",
    derived=(
        Derived(
            "a",
            lambda x0, p: p["pull"] / x0["distance"],
            "loss of a unit of distance, at the reference N",
            "nat/token",
        ),
        Derived(
            "b",
            lambda x0, p: p["level"] - p["pull"],
            "loss at no distance, at the reference N",
            "nat/token",
        ),
    ),
)
def transport_projection(
    N: Annotated[Array, Input("samples of the mixture", "sample")],
    distance: Annotated[
        Array, Input("optimal-transport distance to the target data", "distance", "nonnegative")
    ],
    *,
    level: SignedLevel,
    slope: Annotated[
        Array,
        Parameter(
            Normal(0.0, 0.3, scale="spread"),
            "change with log N, at the reference distance",
            "nat/token",
            varies=True,
        ),
    ],
    pull: Annotated[
        Array,
        Parameter(
            Normal(0.0, 1.0, scale="spread"),
            "change from no distance to the reference distance, at the reference N",
            "nat/token",
            varies=True,
        ),
    ],
    drift: Annotated[
        Array,
        Parameter(Normal(0.0, 0.3, scale="spread"), "change of that with log N", "nat/token"),
    ],
) -> Array:
    r"""$L = a(N)\, \mathrm{OT} + b(N)$, $a$ and $b$ linear in $\ln N$

    Kang et al. 2023: at one number of samples the loss is linear in the optimal-transport
    distance between the mixture and the target data; between two numbers of samples
    it is linear in their logarithm, which projects losses at two scales to a third.
    Distances have no natural unit, so they are measured by their reference.

    A line has no floor: far beyond the fitted N it forecasts any loss, even a negative one.
    """
    log_N, away = jnp.log(N), distance - 1.0
    return level + slope * log_N + (pull + drift * log_N) * away
