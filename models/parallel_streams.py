"""The loss of models that run in parallel streams (Chen et al. 2025)."""

from typing import Annotated

import jax.numpy as jnp
from jax import Array

from bayes_scaling.law import (
    Derived,
    Input,
    LogNormal,
    Loss,
    Normal,
    Parameter,
    Variant,
    law,
    resources,
    terms,
)
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
    variants={"published": Variant("one gain at every size", fix={"drift": 0.0})},
    tried_on=("scalebench/parallel",),
)
def parallel_streams(
    N: Annotated[Array, Input("model parameters without embeddings", "parameter")],
    P: Annotated[Array, Input("parallel streams", "stream", "at least one", reference=1.0)],
    *,
    level: Level,
    reducible: Reducible,
    alpha: Annotated[Array, Parameter(LogNormal(0.3, 0.5), "exponent of N", varies=True)],
    k: Annotated[
        Array,
        Parameter(LogNormal(0.3, 0.7), "parameters gained by e times the streams, in N"),
    ],
    drift: Annotated[Array, Parameter(Normal(0.0, 0.3), "exponent of N in that gain")],
) -> Array:
    r"""$L = E + [A / (N (k N^d \ln P + 1))]^{\alpha}$

    Chen et al. 2025: P streams of one model, their outputs combined, are worth as much
    as $1 + k \ln P$ times the parameters. One stream is a power law in N. The level is
    the loss of one stream at the reference N. In the paper the gain k is the same at every size
    (variant published, d = 0); with d above zero larger models gain more. Sizes of little
    more than a decade leave E and alpha confounded, but know k well, which
    compares streams with sizes.
    """
    size = N * resources.parallel_streams(P, terms.drifting(N, k, drift))
    return terms.above_floor(level, reducible, terms.power(size, alpha))
