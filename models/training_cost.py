"""What a training run costs, for measured FLOP, hours or money."""

from typing import Annotated

from jax import Array

from bayes_scaling.law import (
    Derived,
    Input,
    LogitNormal,
    LogNormal,
    Parameter,
    Response,
    Variant,
    law,
)
from bayes_scaling.law.terms import growing


@law(
    response=Response("training cost", "FLOP", "student-t"),
    citation="kaplan2020",
    family="C",
    tried_on=("xlstm_vs_transformer",),
    derived=(
        Derived(
            "coefficient",
            lambda x0, p: (
                p["level"] * (1 - p["overhead"]) / (x0["N"] ** p["size"] * x0["D"] ** p["data"])
            ),
            "cost of a token for each parameter, six FLOP in Kaplan et al.",
        ),
        Derived(
            "token_overhead",
            lambda x0, p: p["level"] * p["overhead"] / x0["D"] ** p["data"],
            "cost of a token that does not depend on N",
        ),
    ),
    variants={
        "power": Variant("a power of N and of D", fix={"overhead": 0.0}),
        "six_nd": Variant("in proportion to N D", fix={"overhead": 0.0, "size": 1.0, "data": 1.0}),
    },
)
def training_cost(
    N: Annotated[Array, Input("model parameters", "parameter")],
    D: Annotated[Array, Input("training tokens", "token")],
    *,
    level: Annotated[
        Array,
        Parameter(
            LogNormal(1.0, 0.7, scale="median"), "cost at the reference", "FLOP", varies=True
        ),
    ],
    overhead: Annotated[
        Array,
        Parameter(
            LogitNormal(0.1, 1.5), "share of that cost that does not depend on N", varies=True
        ),
    ],
    size: Annotated[Array, Parameter(LogNormal(1.0, 0.2), "exponent of N", varies=True)],
    data: Annotated[Array, Parameter(LogNormal(1.0, 0.05), "exponent of D")],
) -> Array:
    r"""$C = (k N^{p} + o) D^{q}$

    Kaplan et al. 2020, section 2.1, count 6 FLOP for each parameter and token; k, p, o and q are
    measured here. Attention over a context and reading of data cost the same for any N
    (the overhead); p is below one where machines work better on larger models, and where
    attention is a power of the size.
    """
    per_token = (1.0 - overhead) * growing(N, size) + overhead
    return level * per_token * growing(D, data)
