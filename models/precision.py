"""Loss in model size, data and training precision (Kumar et al. 2024)."""

from typing import Annotated

from jax import Array

from bayes_scaling.law import Derived, Input, LogNormal, Loss, Parameter, law
from bayes_scaling.law.common import FLOOR, B, Level, Reducible, ShareN, slopes
from bayes_scaling.law.terms import above_floor, coupled, power, precision_share


@law(
    response=Loss("nat/token"),
    citation="kumar2024",
    references=("hoffmann2022",),
    family="D",
    shear=slopes,
    derived=(
        FLOOR,
        Derived(
            "A",
            lambda x0, p: (
                p["level"]
                * p["reducible"]
                * p["share_N"]
                * (x0["N"] * precision_share(1.0, p["need"])) ** p["alpha"]
            ),
            "coefficient of the effective N, published form",
            "nat/token parameter^alpha",
        ),
        B,
        Derived(
            "gamma",
            lambda x0, p: p["need"] * x0["bits"],
            "bits at which 63% of the parameters count, published form",
            "bit",
        ),
    ),
)
def precision(
    N: Annotated[Array, Input("model parameters", "parameter")],
    D: Annotated[Array, Input("training tokens", "token")],
    bits: Annotated[Array, Input("bits of a number in training", "bit")],
    *,
    level: Level,
    reducible: Reducible,
    share_N: ShareN,
    alpha: Annotated[
        Array, Parameter(LogNormal(0.3, 0.5), "exponent of the effective N", varies=True)
    ],
    beta: Annotated[Array, Parameter(LogNormal(0.3, 0.5), "exponent of D", varies=True)],
    need: Annotated[
        Array,
        Parameter(
            LogNormal(0.5, 0.7),
            "bits at which 63% of the parameters count, over the reference bits",
        ),
    ],
) -> Array:
    r"""$L = E + A \left[N (1 - e^{-P/\gamma})\right]^{-\alpha} + B D^{-\beta}$

    Kumar et al. 2024: training with numbers of P bits is training fewer parameters.
    With few bits (P far below $\gamma$) parameters and bits count alike, as N P; with
    many all parameters count and it is the loss of Hoffmann et al. 2022.

    `level` is the loss at the reference bits, too. Runs at several precisions of equal
    N and D are needed: `need` is known from how much the loss rises as bits fall.
    """
    effective = N * precision_share(bits, need) / precision_share(1.0, need)
    decay = coupled(power(effective, alpha), power(D, beta), share_N)
    return above_floor(level, reducible, decay)
