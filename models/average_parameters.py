"""The loss of a model whose size changes in training (Jin et al. 2025)."""

from typing import Annotated

from jax import Array

from bayes_scaling.law import Derived, Input, LogNormal, Loss, Normal, Parameter, Variant, law
from bayes_scaling.law.common import FLOOR, B, Level, Reducible, ShareN, slopes
from bayes_scaling.law.resources import average_size
from bayes_scaling.law.terms import above_floor, coupled, power


@law(
    response=Loss("nat/token"),
    citation="jin2025",
    family="D",
    shear=slopes,
    derived=(
        FLOOR,
        Derived(
            "A",
            lambda x0, p: p["level"] * p["reducible"] * p["share_N"] * x0["N_start"] ** p["alpha"],
            "coefficient of the average size, published form",
            "nat/token parameter^alpha",
        ),
        B,
    ),
    variants={"average": Variant("the arithmetic mean, as published", fix={"order": 1.0})},
)
def average_parameters(
    N_start: Annotated[Array, Input("model parameters at the start", "parameter")],
    N_end: Annotated[Array, Input("model parameters at the end", "parameter", reference="N_start")],
    D: Annotated[Array, Input("training tokens", "token")],
    begins: Annotated[
        Array,
        Input("share of the tokens before the change", "fraction", "fraction", reference=1.0),
    ],
    stops: Annotated[
        Array,
        Input("share of the tokens by its end", "fraction", "fraction", reference=1.0),
    ],
    *,
    level: Level,
    reducible: Reducible,
    share_N: ShareN,
    alpha: Annotated[
        Array, Parameter(LogNormal(0.3, 0.5), "exponent of the average size", varies=True)
    ],
    beta: Annotated[Array, Parameter(LogNormal(0.3, 0.5), "exponent of D", varies=True)],
    order: Annotated[Array, Parameter(Normal(1.0, 0.5), "order of the mean over training")],
) -> Array:
    r"""$L = E + A N_p^{-\alpha} + B D^{-\beta}$, $N_p = [\frac{1}{D} \int N(t)^p dt]^{1/p}$

    Jin et al. 2025: the size that counts is the average over the tokens of training,
    for pruned models as for dense ones; here of an order p that is learned, one for
    their arithmetic mean. The size changes linearly from a share of the tokens, `begins`, to
    another, `stops`, not before it; a share of 1 for both is a model of one size. Only runs whose
    size changes severalfold know the order.
    """
    size = average_size(N_start, N_end, begins, stops, order)
    return above_floor(level, reducible, coupled(power(size, alpha), power(D, beta), share_N))
