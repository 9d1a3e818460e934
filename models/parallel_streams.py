"""The loss of models that run in parallel streams (Chen et al. 2025)."""

from typing import Annotated

import jax.numpy as jnp
from jax import Array

from bayes_scaling.law import Derived, Input, LogNormal, Loss, Parameter, law, terms
from bayes_scaling.law.common import FLOOR, Level, Reducible


@law(
    response=Loss("nat/token"),
    citation="chen2025",
    family="D",
    shear=lambda p: {"alpha": jnp.log(p["reducible"])},
    derived=(
        FLOOR,
        Derived(
            "A",
            lambda x0, p: x0["N"] * (p["level"] * p["reducible"]) ** (1 / p["alpha"]),
            "size at which the reducible loss of one stream would be one",
            "parameter",
        ),
    ),
)
def parallel_streams(
    N: Annotated[Array, Input("model parameters without embeddings", "parameter")],
    P: Annotated[Array, Input("parallel streams", "stream", "at least one", reference=1.0)],
    *,
    level: Level,
    reducible: Reducible,
    alpha: Annotated[Array, Parameter(LogNormal(0.3, 0.5), "exponent of N", varies=True)],
    k: Annotated[
        Array, Parameter(LogNormal(0.3, 0.7), "parameters gained by e times the streams, in N")
    ],
) -> Array:
    r"""$L = E + [A / (N (k \ln P + 1))]^{\alpha}$

    Chen et al. 2025: P streams of one model, their outputs combined, are worth as much
    as $1 + k \ln P$ times the parameters. One stream is a power law in N. The level is
    the loss of one stream at the reference N. Sizes of little more than a decade leave E and
    alpha confounded, but know k well, as it compares streams with sizes.
    """
    size = N * terms.parallel_streams(P, k)
    return terms.above_floor(level, reducible, terms.power(size, alpha))
