"""Loss of quantisation-aware training beside that in full precision (Chen et al. 2025)."""

from typing import Annotated

import jax.numpy as jnp
from jax import Array

from bayes_scaling.law import Derived, Input, LogNormal, Loss, Parameter, law
from bayes_scaling.law.common import FLOOR, A, B, Level, Reducible, ShareN, slopes
from bayes_scaling.law.terms import above_floor, coupled, growing, power

LOG_GROUP = 7.0  # log2 of the group of 128 that `harm` is the harm of


@law(
    response=Loss("nat/token"),
    citation="chen2025qat",
    references=("hoffmann2022",),
    family="D",
    turns=True,
    shear=slopes,
    derived=(
        FLOOR,
        A,
        B,
        Derived(
            "k",
            lambda x0, p: (
                p["level"]
                * p["harm"]
                * x0["N"] ** p["gamma_N"]
                / x0["D"] ** p["gamma_D"]
                / LOG_GROUP ** p["gamma_G"]
            ),
            "coefficient of the harm, published form",
            "nat/token parameter^gamma_N token^-gamma_D",
        ),
    ),
)
def quantisation_aware(
    N: Annotated[Array, Input("model parameters", "parameter")],
    D: Annotated[Array, Input("training tokens", "token")],
    group: Annotated[
        Array,
        Input("numbers that share a scale", "number", domain="at least one", reference=1.0),
    ],
    quantised: Annotated[
        Array,
        Input(
            "1 for a run trained with quantisation, 0 for one in full precision",
            "1",
            domain="fraction",
            reference=1.0,
        ),
    ],
    *,
    level: Level,
    reducible: Reducible,
    share_N: ShareN,
    alpha: Annotated[Array, Parameter(LogNormal(0.3, 0.5), "exponent of N", varies=True)],
    beta: Annotated[Array, Parameter(LogNormal(0.3, 0.5), "exponent of D", varies=True)],
    harm: Annotated[
        Array,
        Parameter(
            LogNormal(0.02, 1.0),
            "harm at the reference with groups of 128, as a part of `level`",
            varies=True,
        ),
    ],
    gamma_N: Annotated[Array, Parameter(LogNormal(0.3, 0.8), "exponent of N in the harm")],
    gamma_D: Annotated[Array, Parameter(LogNormal(0.3, 0.8), "exponent of D in the harm")],
    gamma_G: Annotated[
        Array, Parameter(LogNormal(0.5, 0.7), "exponent of the log of the group in the harm")
    ],
) -> Array:
    r"""$L = E + A N^{-\alpha} + B D^{-\beta} + k D^{\gamma_D} (\log_2 G)^{\gamma_G} N^{-\gamma_N}$

    Chen et al. 2025: the loss of Hoffmann et al. 2022, and for runs with `quantised`
    equal to one the harm of training at one low precision, with one scale for every G
    numbers (`group`). Use the bits, or what is quantised, as a grouping column.

    One table holds both kinds of runs, which share E, A and B. Pairs of runs at equal N
    and D make the harm sharp: their difference does not depend on the loss's own
    exponents. `level` is the loss in full precision at the reference; there, and with
    groups of one number, nothing is harmed.
    """
    loss = above_floor(level, reducible, coupled(power(N, alpha), power(D, beta), share_N))
    by_scale = power(N, gamma_N) / power(D, gamma_D)
    by_group = growing(jnp.log2(group) / LOG_GROUP, gamma_G)
    return loss + quantised * level * harm * by_scale * by_group
