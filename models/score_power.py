"""A score that grows as a power of one scale (Li et al. 2024)."""

from typing import Annotated

from jax import Array

from bayes_scaling.law import Derived, Input, LogNormal, Parameter, Score, law
from bayes_scaling.law.terms import growing


@law(
    response=Score(),
    citation="li2024",
    family="A",
    derived=(
        Derived(
            "a",
            lambda x0, p: p["level"] * x0["X"] ** -p["b"],
            "coefficient, published form",
            "fraction unit^-b",
        ),
    ),
)
def score_power(
    X: Annotated[Array, Input("parameters, data or compute", "unit of the column")],
    *,
    level: Annotated[
        Array,
        Parameter(
            LogNormal(1.0, 0.5, scale="median"), "score at the reference", "fraction", varies=True
        ),
    ],
    b: Annotated[Array, Parameter(LogNormal(0.1, 1.0), "exponent of X", varies=True)],
) -> Array:
    r"""$S = a X^b$

    Li et al. 2024, agreement of generated images with their texts (TIFA) against compute,
    size and data. The score ends at one and the law does not: exponents of a few
    hundredths are the slope of a curve that must bend, and a forecast far beyond the
    runs can pass one. Where scores come near their end fit one minus the score with
    `power_law` instead.
    """
    return level * growing(X, b)
