"""A power law that levels off, M3 of Alabdulmohsin et al. 2022."""

from typing import Annotated

import jax.numpy as jnp
from jax import Array

from bayes_scaling.law import Derived, Input, LogNormal, Loss, Parameter, law
from bayes_scaling.law.common import ErrorLevel
from bayes_scaling.law.terms import growing, shift


@law(
    response=Loss("fraction"),
    citation="alabdulmohsin2022",
    family="A",
    tried_on=("revisiting_nsl",),
    shear=lambda p: {"c": -jnp.log1p(p["saturation"])},
    derived=(
        Derived(
            "b",
            lambda x0, p: p["level"] * (x0["X"] / (1 + p["saturation"])) ** p["c"],
            "coefficient, published form",
            "fraction unit^c",
        ),
        Derived(
            "gamma",
            lambda x0, p: p["saturation"] / x0["X"],
            "1 / X where the power law levels off, published form",
            "1 / unit of X",
        ),
        Derived(
            "levels_off",
            lambda x0, p: x0["X"] / p["saturation"],
            "X where the power law levels off",
            "unit of X",
            bend="X",
        ),
        Derived(
            "limit",
            lambda x0, p: p["level"] * (p["saturation"] / (1 + p["saturation"])) ** p["c"],
            "error at an endless scale",
            "fraction",
        ),
    ),
)
def m3(
    X: Annotated[Array, Input("examples, parameters or compute", "unit of the column")],
    *,
    level: ErrorLevel,
    saturation: Annotated[
        Array, Parameter(LogNormal(0.1, 2.0), "reference over the X where the law levels off")
    ],
    c: Annotated[Array, Parameter(LogNormal(0.3, 0.5), "exponent before it", varies=True)],
) -> Array:
    r"""$y = b\,(1/X + \gamma)^c$

    Alabdulmohsin et al. 2022, M3: $b X^{-c}$ while X is far below $1/\gamma$, then
    $b\gamma^c$. What is left at an endless scale is tied to the exponent, unlike in M2
    (`power_law`), and a steeper law ends lower. With c = 1 the two are one law.

    Where no run comes near $1/\gamma$ its prior decides the limit; only an upper bound
    of `saturation` is learned.
    """
    return level * growing(shift(1.0 / X, saturation), c)
