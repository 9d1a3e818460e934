"""A falling error with a bump (double descent, Nakkiran et al. 2019)."""

from typing import Annotated

import jax.numpy as jnp
from jax import Array

from bayes_scaling.law import Derived, Input, LogNormal, Loss, Parameter, law
from bayes_scaling.law.common import ErrorLevel, Reducible
from bayes_scaling.law.terms import above_floor, bump, power


def base(p):
    """Error at the reference that would be there without the bump."""
    return p["level"] * jnp.exp(-p["height"] * bump(1.0, p["place"], p["width"]))


@law(
    response=Loss("fraction"),
    citation="nakkiran2019",
    family="R",
    turns=True,
    shear=lambda p: {"alpha": jnp.log(p["reducible"])},
    derived=(
        Derived("E", lambda x0, p: base(p) * (1 - p["reducible"]), "irreducible error", "fraction"),
        Derived(
            "A",
            lambda x0, p: base(p) * p["reducible"] * x0["X"] ** p["alpha"],
            "coefficient of X",
            "fraction unit^alpha",
        ),
        Derived(
            "x_peak", lambda x0, p: x0["X"] * p["place"], "place of the bump", "unit of X", bend="X"
        ),
        Derived(
            "excess_at_peak",
            lambda x0, p: jnp.expm1(p["height"]),
            "error that the bump adds at its place, over that without it",
        ),
    ),
)
def double_descent(
    X: Annotated[Array, Input("width, parameters, samples or epochs", "unit of the column")],
    *,
    level: ErrorLevel,
    reducible: Reducible,
    alpha: Annotated[Array, Parameter(LogNormal(0.3, 0.5), "exponent of X", varies=True)],
    height: Annotated[
        Array, Parameter(LogNormal(0.2, 1.0), "height of the bump in the log of the error")
    ],
    place: Annotated[Array, Parameter(LogNormal(1.0, 1.5), "place of the bump over the reference")],
    width: Annotated[Array, Parameter(LogNormal(0.5, 0.7), "sd of the bump in ln X")],
) -> Array:
    r"""$y = (E + A X^{-\alpha}) \exp\left(h\, e^{-(\ln X - \ln X_*)^2 / (2 w^2)}\right)$

    Nakkiran et al. 2019 observe that the test error falls, rises to a peak where the
    model just fits its training set, and falls again, in the width of a model, its data
    or the length of training. They give no formula: the power law with a floor, times
    a bump that is normal in ln X, is this project's. It serves test losses, too.

    `level` contains the bump. The bump's place is known only if runs lie on either
    side of it, and from runs before it alone it cannot be told from a floor.
    """
    curve = above_floor(level, reducible, power(X, alpha))
    return curve * jnp.exp(height * (bump(X, place, width) - bump(1.0, place, width)))
