"""A saturating power law in one input (Henighan et al. 2020; Hestness et al. 2017)."""

from typing import Annotated

import jax.numpy as jnp
from jax import Array

from bayes_scaling.law import (
    Derived,
    Input,
    LogNormal,
    Loss,
    Parameter,
    Variant,
    law,
)
from bayes_scaling.law.common import FLOOR, Level, Reducible
from bayes_scaling.law.terms import above_floor, power


@law(
    response=Loss("nat/token"),
    citation="henighan2020",
    references=(
        "hestness2017",
        "kaplan2020",
        "alabdulmohsin2022",
        "fan2023",
        "wei2024",
        "lin2024",
        "liu2025",
        "zhang2025",
    ),
    family="A",
    tried_on=("revisiting_nsl",),
    shear=lambda p: {"alpha": jnp.log(p["reducible"])},
    derived=(
        FLOOR,
        Derived(
            "A",
            lambda x0, p: p["level"] * p["reducible"] * x0["X"] ** p["alpha"],
            "coefficient of X, published form",
            "nat/token unit^alpha",
        ),
        Derived(
            "X_c",
            lambda x0, p: x0["X"] * (p["level"] * p["reducible"]) ** (1 / p["alpha"]),
            "scale at which the reducible loss would be one",
            "unit of X",
        ),
    ),
    variants={
        "no_floor": Variant("no irreducible loss", citation="kaplan2020", fix={"reducible": 1.0})
    },
)
def power_law(
    X: Annotated[Array, Input("parameters, tokens or compute", "unit of the column")],
    *,
    level: Level,
    reducible: Reducible,
    alpha: Annotated[Array, Parameter(LogNormal(0.3, 0.5), "exponent of X", varies=True)],
) -> Array:
    r"""$L = E + A X^{-\alpha}$

    Henighan et al. 2020, equation 1.1, with X any one scale: parameters, tokens
    or compute.

    The same formula serves M2 of Alabdulmohsin et al. 2022 and, with X a model's width and
    an exponent near one, Liu et al. 2025. Without a floor it is their M1, the line in log
    loss and log images of Fan et al. 2023, the errors of atomistic models of Zhang et al.
    2025, the gap to a full score of Lin et al. 2024 and the curves of Wei et al. 2024, one
    for each structure of the layers (make structures groups).
    """
    return above_floor(level, reducible, power(X, alpha))
