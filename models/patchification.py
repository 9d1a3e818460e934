"""The error of a vision model in the number of patches (Wang et al. 2025)."""

from typing import Annotated

import jax.numpy as jnp
from jax import Array

from bayes_scaling.law import Derived, Input, LogNormal, Loss, Parameter, law
from bayes_scaling.law.common import ErrorLevel, Reducible
from bayes_scaling.law.terms import above_floor, power


@law(
    response=Loss("fraction"),
    citation="wang2025",
    family="A",
    shear=lambda p: {"alpha": jnp.log(2.0 * p["reducible"])},
    derived=(
        Derived(
            "E",
            lambda x0, p: p["level"] * (1 - p["reducible"]),
            "error of endless patches",
            "fraction",
            floor=True,
        ),
        Derived(
            "a",
            lambda x0, p: (
                p["level"] * p["reducible"] * (x0["resolution"] / x0["patch"]) ** (2 * p["alpha"])
            ),
            "coefficient of the number of patches",
            "fraction token^alpha",
        ),
    ),
)
def patchification(
    resolution: Annotated[Array, Input("side of the image", "pixel")],
    patch: Annotated[Array, Input("side of a patch", "pixel")],
    *,
    level: ErrorLevel,
    reducible: Reducible,
    alpha: Annotated[
        Array, Parameter(LogNormal(0.3, 0.5), "exponent of the number of patches", varies=True)
    ],
) -> Array:
    r"""$y = E + a\,T^{-\alpha},\ T = (R/p)^2$

    Wang et al. 2025 shrink the patch down to one pixel: an image of 224 pixels a side is
    then 50,176 tokens. The error, or the loss, falls with the length T of the sequence.
    Only T counts: a higher resolution at the same T is no better here, which is worth
    checking. Published ladders have five patch sizes or so, too few to tell E from alpha
    without several resolutions or pooled tasks.
    """
    return above_floor(level, reducible, power(resolution / patch, 2.0 * alpha))
