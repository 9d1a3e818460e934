"""Loss added by quantising a trained model to few bits (Ouyang et al. 2024)."""

from typing import Annotated

from jax import Array

from bayes_scaling.law import Derived, Gap, Input, LogNormal, Normal, Parameter, Variant, law
from bayes_scaling.law.terms import drifting, power, product


@law(
    response=Gap("nat/token"),
    citation="ouyang2024",
    family="D",
    derived=(
        Derived(
            "k",
            lambda x0, p: (
                p["level"] * x0["N"] ** p["alpha"] * x0["bits"] ** p["gamma"] / x0["D"] ** p["beta"]
            ),
            "coefficient, published form at the reference bits",
            "nat/token parameter^alpha bit^gamma token^-beta",
        ),
    ),
    variants={
        "pooled": Variant("one exponent of D for all bits, as published", fix={"drift": 0.0})
    },
)
def post_training_quantisation(
    N: Annotated[Array, Input("model parameters without embeddings", "parameter")],
    D: Annotated[Array, Input("training tokens", "token")],
    bits: Annotated[Array, Input("bits of a weight", "bit")],
    *,
    level: Annotated[
        Array,
        Parameter(
            LogNormal(1.0, 1.0, scale="median"),
            "loss added at the reference",
            "nat/token",
            varies=True,
        ),
    ],
    alpha: Annotated[Array, Parameter(LogNormal(0.3, 0.5), "exponent of N", varies=True)],
    beta: Annotated[
        Array, Parameter(LogNormal(0.3, 0.5), "exponent of D at the reference bits", varies=True)
    ],
    gamma: Annotated[Array, Parameter(LogNormal(4.0, 0.5), "exponent of the bits", varies=True)],
    drift: Annotated[
        Array, Parameter(Normal(0.0, 0.5), "exponent of the bits in the exponent of D")
    ],
) -> Array:
    r"""$L_q - L_{16} = k\, \frac{D^{\beta (P/P_0)^{\eta}}}{N^\alpha P^\gamma}$

    Ouyang et al. 2024, for the loss that quantisation of a trained model to P bits
    adds. As published (variant `pooled`) all bits share one exponent of D; the token
    budgets that the paper derives suggest one for each number of bits, so here it is a
    power of the bits, with exponent `drift` ($\eta$), zero in the published form.

    The response is a difference of two losses and positive: leave out pairs of runs
    whose difference is of the order of the noise of the evaluation.
    """
    return level * product((N, alpha), (bits, gamma)) / power(D, drifting(bits, beta, drift))
