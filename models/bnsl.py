"""A broken power law with one smooth break (Caballero et al. 2022)."""

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


@law(
    response=Loss("nat/token"),
    citation="caballero2022",
    family="R",
    turns=True,
    shear=lambda p: {"c0": jnp.log(p["reducible"])},
    derived=(
        Derived("a", lambda x0, p: p["level"] * (1 - p["reducible"]), "limit", "nat/token"),
        Derived(
            "b",
            lambda x0, p: (
                p["level"]
                * p["reducible"]
                * x0["X"] ** p["c0"]
                * before_break(p["c1"], p["place"], SHARPEST + p["width"])
            ),
            "coefficient of the first segment, published form",
            "nat/token unit^c0",
        ),
        Derived(
            "d1", lambda x0, p: x0["X"] * p["place"], "place of the break", "unit of X", bend="X"
        ),
        Derived("f1", lambda x0, p: SHARPEST + p["width"], "width of the break in ln X"),
    ),
)
def bnsl(
    X: Annotated[Array, Input("parameters, tokens, samples or compute", "unit of the column")],
    *,
    level: Level,
    reducible: Reducible,
    c0: Annotated[Array, Parameter(LogNormal(0.3, 0.5), "exponent before the break", varies=True)],
    c1: Annotated[Array, Parameter(Normal(0.0, 0.5), "change of the exponent at the break")],
    place: Annotated[
        Array, Parameter(LogNormal(1.0, 1.5), "place of the break over the reference")
    ],
    width: Annotated[
        Array, Parameter(LogNormal(0.3, 0.7), "width of the break in ln X, above the sharpest")
    ],
) -> Array:
    r"""$y = a + b X^{-c_0} \left(1 + (X/d_1)^{1/f_1}\right)^{-c_1 f_1}$

    Caballero et al. 2022 with one break: the exponent of X is c0 far below d1 and c0 +
    c1 far above, and the change takes place over about f1 in ln X on either side. A
    negative c1 below -c0 makes the loss rise again. `bnsl_two` has two breaks.

    The limit `a` and the exponent after the break are told apart only by runs far above
    the break; without a change, c1 = 0, place and width are not known.
    """
    broken = smooth_break(X, place, c1, SHARPEST + width)
    return above_floor(level, reducible, power(X, c0) * broken)
