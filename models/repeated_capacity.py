"""A loss under repeated data, unique data holding so many tokens' worth and no more."""

from typing import Annotated

import jax.numpy as jnp
from jax import Array

from bayes_scaling.law import Derived, Input, LogNormal, Loss, Normal, Parameter, law
from bayes_scaling.law.common import FLOOR, Level, Reducible, ShareN, slopes
from bayes_scaling.law.terms import above_floor, coupled, drifting, power, smooth_minimum


def slopes_at_one_pass(p):
    """Log-slopes at the reference: one pass of unique data already uses part of them."""
    shifts = slopes(p)
    return shifts | {"beta": shifts["beta"] - jnp.log1p(p["capacity"] ** -p["sharpness"])}


@law(
    response=Loss("nat/token"),
    citation="muennighoff2023",
    family="D",
    turns=True,
    tried_on=("scalebench/data_constrained",),
    shear=slopes_at_one_pass,
    derived=(
        FLOOR,
        Derived(
            "A",
            lambda x0, p: p["level"] * p["reducible"] * p["share_N"] * x0["N"] ** p["alpha"],
            "coefficient of N",
            "nat/token parameter^alpha",
        ),
        Derived(
            "B",
            lambda x0, p: (
                p["level"]
                * p["reducible"]
                * (1 - p["share_N"])
                * (x0["D"] * smooth_minimum(1.0, p["capacity"], p["sharpness"])) ** p["beta"]
            ),
            "coefficient of effective tokens",
            "nat/token token^beta",
        ),
        Derived(
            "s",
            lambda x0, p: p["capacity"] * x0["N"] ** -p["drift"],
            "capacity of a unique token, coefficient of N",
            "parameter^-drift",
        ),
    ),
)
def repeated_capacity(
    N: Annotated[Array, Input("model parameters", "parameter")],
    D: Annotated[Array, Input("training tokens, repeats included", "token")],
    U: Annotated[Array, Input("unique training tokens", "token", reference="D")],
    *,
    level: Level,
    reducible: Reducible,
    share_N: ShareN,
    alpha: Annotated[Array, Parameter(LogNormal(0.3, 0.5), "exponent of N", varies=True)],
    beta: Annotated[
        Array, Parameter(LogNormal(0.3, 0.5), "exponent of effective tokens", varies=True)
    ],
    capacity: Annotated[
        Array,
        Parameter(
            LogNormal(10.0, 1.0), "tokens that endless passes are worth, in U, at N's reference"
        ),
    ],
    drift: Annotated[Array, Parameter(Normal(0.0, 0.5), "exponent of N in the capacity")],
    sharpness: Annotated[
        Array, Parameter(LogNormal(2.0, 0.7), "how suddenly the capacity is reached")
    ],
) -> Array:
    r"""$L = E + A N^{-\alpha} + B T^{-\beta}$, $T^{-g} = D^{-g} + (s U N^d)^{-g}$

    A form of this project for the question of Muennighoff et al. 2023: effective
    tokens T grow with the tokens seen up to a capacity of unique data, in which a
    larger model may find more (d > 0) or less (d < 0). Unlike their law the first
    pass is discounted, too, and no minimum is needed. Runs of few passes of unique
    data know only `capacity` far above them, and `drift` only with many sizes.
    """
    # one at the reference, where D = U
    most = U * drifting(N, capacity, drift)
    tokens = smooth_minimum(D, most, sharpness) / smooth_minimum(1.0, capacity, sharpness)
    decay = coupled(power(N, alpha), power(tokens, beta), share_N)
    return above_floor(level, reducible, decay)
