"""Translation scores as a power of the loss (Ghorbani et al. 2021)."""

from typing import Annotated

from jax import Array

from bayes_scaling.law import Derived, Input, LogNormal, Parameter, Score, law
from bayes_scaling.law.terms import power


@law(
    response=Score("BLEU", robust=False),
    citation="ghorbani2021",
    family="B",
    derived=(
        Derived(
            "c",
            lambda x0, p: p["level"] * x0["L"] ** p["p"],
            "coefficient, published form",
            "BLEU (nat/token)^p",
        ),
    ),
)
def bleu_power(
    L: Annotated[Array, Input("loss", "nat/token")],
    *,
    level: Annotated[
        Array,
        Parameter(
            LogNormal(1.0, 0.5, scale="median"), "score at the reference loss", "BLEU", varies=True
        ),
    ],
    p: Annotated[Array, Parameter(LogNormal(1.0, 0.7), "exponent of the loss", varies=True)],
) -> Array:
    r"""$\mathrm{BLEU} = c\, L^{-p}$

    Ghorbani et al. 2021: the score of a translation model as a power of its loss on the
    same test set. Test sets whose source, or whose target, is the original text have curves
    of their own: make them groups.

    Scores end at 100 and this power does not. It holds while scores follow the loss;
    generation has its own errors, and scores may stop to rise as the loss falls on.
    """
    return level * power(L, p)
