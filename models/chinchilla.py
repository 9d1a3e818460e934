"""The loss in model size and data of Hoffmann et al. 2022, approach 3."""

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
from bayes_scaling.law.common import FLOOR, A, B, Level, Reducible, ShareN, best_size, slopes
from bayes_scaling.law.terms import above_floor, coupled, power


@law(
    response=Loss("nat/token"),
    citation="hoffmann2022",
    references=("besiroglu2024", "gadre2024", "porian2024"),
    family="A",
    tried_on=(
        "chinchilla",
        "gadre_overtraining",
        "fantastic_optimizers",
        "porian_isoflop",
        "xlstm_vs_transformer",
        "ladder",
    ),
    shear=slopes,
    best_size=best_size,
    derived=(
        FLOOR,
        A,
        B,
        Derived(
            "N_exponent",
            lambda x0, p: p["beta"] / (p["alpha"] + p["beta"]),
            "exponent of the compute-optimal N in compute, at a cost of 6 N D",
        ),
    ),
    variants={
        "tied": Variant("one exponent for N and D", citation="gadre2024", tie={"beta": "alpha"}),
        "no_floor": Variant(
            "no irreducible loss: L(N, S_min), steps in the place of D",
            citation="kaplan2020",
            fix={"reducible": 1.0},
        ),
    },
)
def chinchilla(
    N: Annotated[Array, Input("model parameters", "parameter")],
    D: Annotated[Array, Input("training tokens", "token")],
    *,
    level: Level,
    reducible: Reducible,
    share_N: ShareN,
    alpha: Annotated[Array, Parameter(LogNormal(0.3, 0.5), "exponent of N", varies=True)],
    beta: Annotated[Array, Parameter(LogNormal(0.3, 0.5), "exponent of D", varies=True)],
) -> Array:
    r"""$L = E + A N^{-\alpha} + B D^{-\beta}$

    Hoffmann et al. 2022, equation 2 and approach 3. Sampled as the loss at the
    reference point (`level`), its reducible share and how N and D split that share,
    because data know the loss in their midst far better than E, A or B alone.

    Variant tied is the form of Gadre et al. 2024, in which over-training is a parallel line.
    Variant no_floor with steps in the place of D is equation 1.6 of Kaplan et al. 2020. The
    laws disagree on `N_exponent`; Porian et al. 2024 trace that to the cost of the last layer,
    warm-up and tuning of the runs, not to the form.
    """
    return above_floor(level, reducible, coupled(power(N, alpha), power(D, beta), share_N))
