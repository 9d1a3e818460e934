"""A broken power law with two smooth breaks (Caballero et al. 2022)."""

from typing import Annotated

import jax.numpy as jnp
from jax import Array
from jax.nn import softplus

from bayes_scaling.law import Derived, Input, LogNormal, Loss, Normal, Parameter, law
from bayes_scaling.law.common import Level, Reducible
from bayes_scaling.law.terms import above_floor, power, smooth_break

SHARPEST = 0.05  # width of a break in ln X: narrower ones are kinks without a gradient


def before_break(change, place, width):
    """Size of the segment before a break, continued to the reference, over the law there."""
    return jnp.exp(change * width * softplus(-jnp.log(place) / width))


def coefficient(x0, p):
    """Published coefficient of the first segment."""
    first = before_break(p["c1"], p["place"], SHARPEST + p["width_1"])
    second = before_break(p["c2"], p["place"] * (1 + p["gap"]), SHARPEST + p["width_2"])
    return p["level"] * p["reducible"] * x0["X"] ** p["c0"] * first * second


@law(
    response=Loss("nat/token"),
    citation="caballero2022",
    family="R",
    turns=True,
    # the places of both breaks are known better than the distance between them
    shear=lambda p: {"c0": jnp.log(p["reducible"]), "gap": jnp.log(p["place"])},
    derived=(
        Derived("a", lambda x0, p: p["level"] * (1 - p["reducible"]), "limit", "nat/token"),
        Derived(
            "b",
            coefficient,
            "coefficient of the first segment, published form",
            "nat/token unit^c0",
        ),
        Derived(
            "d1",
            lambda x0, p: x0["X"] * p["place"],
            "place of the first break",
            "unit of X",
            bend="X",
        ),
        Derived(
            "d2",
            lambda x0, p: x0["X"] * p["place"] * (1 + p["gap"]),
            "place of the second break",
            "unit of X",
            bend="X",
        ),
        Derived("f1", lambda x0, p: SHARPEST + p["width_1"], "width of the first break in ln X"),
        Derived("f2", lambda x0, p: SHARPEST + p["width_2"], "width of the second break in ln X"),
    ),
)
def bnsl_two(
    X: Annotated[Array, Input("parameters, tokens, samples or compute", "unit of the column")],
    *,
    level: Level,
    reducible: Reducible,
    c0: Annotated[Array, Parameter(LogNormal(0.3, 0.5), "exponent before the breaks", varies=True)],
    c1: Annotated[Array, Parameter(Normal(0.0, 0.5), "change of the exponent at the first break")],
    c2: Annotated[Array, Parameter(Normal(0.0, 0.5), "change of the exponent at the second break")],
    place: Annotated[
        Array, Parameter(LogNormal(0.3, 1.5), "place of the first break over the reference")
    ],
    gap: Annotated[
        Array,
        Parameter(LogNormal(30.0, 1.5), "distance of the second break, in places of the first"),
    ],
    width_1: Annotated[
        Array, Parameter(LogNormal(0.3, 0.7), "width of the first break, above the sharpest")
    ],
    width_2: Annotated[
        Array, Parameter(LogNormal(0.3, 0.7), "width of the second break, above the sharpest")
    ],
) -> Array:
    r"""$y = a + b X^{-c_0} \prod_{i=1}^{2} \left(1 + (X/d_i)^{1/f_i}\right)^{-c_i f_i}$

    Caballero et al. 2022 with two breaks, in order: the exponent of X is c0, then c0 +
    c1 above d1, then c0 + c1 + c2 above d2. Changes have either sign, so that a loss
    may fall, rise and fall again. With c2 = 0 it is `bnsl`.

    Nine parameters of one curve: breaks closer than their widths merge into one, and a
    limit after the last break is known only from runs far above it.
    """
    first = smooth_break(X, place, c1, SHARPEST + width_1)
    second = smooth_break(X, place * (1.0 + gap), c2, SHARPEST + width_2)
    return above_floor(level, reducible, power(X, c0) * first * second)
