"""A power law between two plateaus, M4 of Alabdulmohsin et al. 2022."""

from typing import Annotated

import jax.numpy as jnp
from jax import Array

from bayes_scaling.law import Derived, Input, LogNormal, Loss, Parameter, law
from bayes_scaling.law.common import ErrorLevel, Reducible
from bayes_scaling.law.terms import power, saturating


def slope(p):
    """Shift the exponent to the log-slope at the reference."""
    return {"c": jnp.log(p["reducible"]) - jnp.log1p(p["alpha"] * p["reducible"] / p["headroom"])}


@law(
    response=Loss("fraction"),
    citation="alabdulmohsin2022",
    references=("hestness2017",),
    family="A",
    tried_on=("revisiting_nsl",),
    shear=slope,
    derived=(
        Derived(
            "e_inf",
            lambda x0, p: p["level"] * (1 - p["reducible"]),
            "error at an endless scale",
            "fraction",
        ),
        Derived(
            "e_0",
            lambda x0, p: p["level"] * (1 + p["headroom"]),
            "error at no scale, that of guessing",
            "fraction",
        ),
        Derived(
            "b",
            lambda x0, p: (
                p["level"] ** (1 - p["alpha"])
                * p["reducible"]
                * p["headroom"] ** -p["alpha"]
                * x0["X"] ** p["c"]
            ),
            "coefficient, published form",
            "fraction^(1 - alpha) unit^c",
        ),
    ),
)
def m4(
    X: Annotated[Array, Input("examples, parameters or compute", "unit of the column")],
    *,
    level: ErrorLevel,
    reducible: Reducible,
    headroom: Annotated[
        Array,
        Parameter(LogNormal(1.0, 1.0), "error of guessing over that at the reference, less 1"),
    ],
    alpha: Annotated[
        Array, Parameter(LogNormal(0.5, 1.0), "steepness of the fall from the upper plateau")
    ],
    c: Annotated[
        Array, Parameter(LogNormal(0.3, 0.5), "exponent towards the lower plateau", varies=True)
    ],
) -> Array:
    r"""$(y - \epsilon_\infty) / (\epsilon_0 - y)^\alpha = b X^{-c}$

    Alabdulmohsin et al. 2022, M4, an implicit equation for y, solved here. The power
    law of M2 (`power_law`) towards $\epsilon_\infty$, held below the error of guessing
    $\epsilon_0$ at small scales: the three regions of Hestness et al. 2017. It is M2 for
    $\alpha = 0$ and a logistic curve in log X for $\alpha = 1$.

    Runs that all lie in the power-law region leave `headroom` and `alpha` at their
    priors: use `power_law` there.
    """
    span = reducible + headroom
    at_reference = reducible / span * (headroom / span) ** -alpha
    return level * (1.0 - reducible + span * saturating(at_reference * power(X, c), alpha))
