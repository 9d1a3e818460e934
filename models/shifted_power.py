"""A shifted power law with a floor, for errors against compute from nothing on."""

from typing import Annotated

import jax.numpy as jnp
from jax import Array

from bayes_scaling.law import Derived, Input, LogNormal, Loss, Parameter, Variant, law
from bayes_scaling.law.common import ErrorLevel, Reducible
from bayes_scaling.law.terms import above_floor, power, shift


@law(
    response=Loss("fraction"),
    citation="nezhurina2025",
    references=("bachmann2023", "shao2024"),
    family="A",
    shear=lambda p: {"c": jnp.log(p["reducible"]) - jnp.log1p(p["offset"])},
    derived=(
        Derived(
            "a",
            lambda x0, p: p["level"] * p["reducible"] * (x0["X"] * (1 + p["offset"])) ** p["c"],
            "coefficient, published form",
            "fraction unit^c",
        ),
        Derived(
            "b",
            lambda x0, p: p["offset"] * x0["X"],
            "shift of X, published form",
            "unit of X",
            bend="X",
        ),
        Derived(
            "d",
            lambda x0, p: p["level"] * (1 - p["reducible"]),
            "irreducible error, published form",
            "fraction",
        ),
    ),
    variants={"no_floor": Variant("no irreducible error", fix={"reducible": 1.0})},
)
def shifted_power(
    X: Annotated[Array, Input("compute, or a datastore's tokens", "FLOP", domain="nonnegative")],
    *,
    level: ErrorLevel,
    reducible: Reducible,
    offset: Annotated[Array, Parameter(LogNormal(0.1, 2.0), "shift over the reference")],
    c: Annotated[Array, Parameter(LogNormal(0.3, 0.5), "exponent of X", varies=True)],
) -> Array:
    r"""$y = a\,(X + b)^{-c} + d$

    Nezhurina et al. 2025, errors of vision-language models against compute, and Bachmann
    et al. 2023, errors of MLPs. Well below b nothing changes, well above it this is a
    power law with a floor. X may be zero: in Shao et al. 2024, who give no formula, that
    is a model without a datastore, and X the datastore's tokens.

    Points on a Pareto front were chosen for their errors: fitted as plain runs they are
    too good. The shift needs runs below b, the floor runs far above it; between them c
    trades against both.
    """
    return above_floor(level, reducible, power(shift(X, offset), c))
