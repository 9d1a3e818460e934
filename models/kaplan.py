"""The bracketed loss in model size and data of Kaplan et al. 2020, with a floor."""

from typing import Annotated

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
from bayes_scaling.law.common import FLOOR, Level, Reducible, ShareN, best_size, slopes
from bayes_scaling.law.terms import above_floor, coupled, power


def critical(x0, size, share, exponent, bracket):
    """Scale at which one term alone would equal one: ``N_c`` or ``D_c``."""
    return x0 * (size * share**bracket) ** (1 / exponent)


@law(
    response=Loss("nat/token"),
    citation="kaplan2020",
    family="A",
    shear=slopes,
    best_size=lambda p, *cost: best_size({**p, "coupling": p["beta"]}, *cost),
    derived=(
        FLOOR,
        Derived(
            "N_c",
            lambda x0, p: critical(
                x0["N"], p["level"] * p["reducible"], p["share_N"], p["alpha"], p["beta"]
            ),
            "critical model size, published form",
            "parameter",
        ),
        Derived(
            "D_c",
            lambda x0, p: critical(
                x0["D"], p["level"] * p["reducible"], 1 - p["share_N"], p["beta"], p["beta"]
            ),
            "critical data size, published form",
            "token",
        ),
    ),
    variants={"no_floor": Variant("no irreducible loss, as published", fix={"reducible": 1.0})},
)
def kaplan(
    N: Annotated[Array, Input("model parameters without embeddings", "parameter")],
    D: Annotated[Array, Input("training tokens", "token")],
    *,
    level: Level,
    reducible: Reducible,
    share_N: ShareN,
    alpha: Annotated[Array, Parameter(LogNormal(0.3, 0.5), "exponent of N", varies=True)],
    beta: Annotated[
        Array, Parameter(LogNormal(0.3, 0.5), "exponent of D and of the bracket", varies=True)
    ],
) -> Array:
    r"""$L = E + [(N_c/N)^{\alpha/\beta} + D_c/D]^{\beta}$

    Kaplan et al. 2020, equation 1.5, with an irreducible loss E. The limits are
    $(N_c/N)^\alpha$ for endless data and $(D_c/D)^\beta$ for an endless model.
    """
    decay = coupled(power(N, alpha), power(D, beta), share_N, coupling=beta)
    return above_floor(level, reducible, decay)
