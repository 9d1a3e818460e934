"""The loss in width, depth and data that superposition predicts (Liu et al. 2025)."""

from typing import Annotated

import jax.numpy as jnp
from jax import Array

from bayes_scaling.law import Derived, Input, LogitNormal, LogNormal, Loss, Parameter, law
from bayes_scaling.law.common import FLOOR, Level, Reducible
from bayes_scaling.law.terms import above_floor, coupled, power


def shares(p):
    """Shares of width, depth and data in the reducible loss."""
    width = p["share_width"]
    depth = (1 - width) * p["share_depth"]
    return {"width": width, "depth": depth, "D": 1 - width - depth}


def coefficient(name, exponent):
    """Coefficient of one input, published form."""
    return lambda x0, p: p["level"] * p["reducible"] * shares(p)[name] * x0[name] ** p[exponent]


def slopes(p):
    """Shift the exponents to the log-slopes at the reference."""
    reducible, rest = jnp.log(p["reducible"]), jnp.log1p(-p["share_width"])
    return {
        "alpha_m": reducible + jnp.log(p["share_width"]),
        "alpha_l": reducible + rest + jnp.log(p["share_depth"]),
        "alpha_t": reducible + rest + jnp.log1p(-p["share_depth"]),
    }


@law(
    response=Loss("nat/token"),
    citation="liu2025",
    family="A",
    shear=slopes,
    derived=(
        FLOOR,
        Derived("c_m", coefficient("width", "alpha_m"), "coefficient of the width"),
        Derived("c_l", coefficient("depth", "alpha_l"), "coefficient of the depth"),
        Derived("c_t", coefficient("D", "alpha_t"), "coefficient of the tokens"),
    ),
)
def width_depth(
    width: Annotated[Array, Input("width of the model", "dimension")],
    depth: Annotated[Array, Input("depth of the model", "layer")],
    D: Annotated[Array, Input("training tokens", "token")],
    *,
    level: Level,
    reducible: Reducible,
    share_width: Annotated[
        Array,
        Parameter(
            LogitNormal(0.33, 1.0), "share of the reducible loss due to finite width", group_sd=0.2
        ),
    ],
    share_depth: Annotated[
        Array,
        Parameter(LogitNormal(0.5, 1.0), "share of the rest due to finite depth", group_sd=0.2),
    ],
    alpha_m: Annotated[Array, Parameter(LogNormal(1.0, 0.2), "exponent of the width", varies=True)],
    alpha_l: Annotated[Array, Parameter(LogNormal(1.0, 0.3), "exponent of the depth", varies=True)],
    alpha_t: Annotated[
        Array, Parameter(LogNormal(1 / 3, 0.4), "exponent of the tokens", varies=True)
    ],
) -> Array:
    r"""$L = E + c_m m^{-\alpha_m} + c_l l^{-\alpha_l} + c_t T^{-\alpha_t}$

    Liu et al. 2025: with strong superposition, more features than dimensions, the loss
    falls as one over the width m, whatever the frequencies of the features. The terms of
    depth l (one over it) and of training time T (its cube root) complete the picture; with
    widths and depths in proportion $L \sim N^{-1/3}$. The priors of the exponents lie
    around these values and are narrower than elsewhere: they are the theory. With weak
    superposition the exponent of the width depends on the features: widen its prior.

    Shares split the reducible loss at the reference, first width against the rest, then
    depth against data. Models of one shape (depth in proportion to width) do not know
    how the two share; give N to chinchilla then.
    """
    rest = coupled(power(depth, alpha_l), power(D, alpha_t), share_depth)
    return above_floor(level, reducible, coupled(power(width, alpha_m), rest, share_width))
