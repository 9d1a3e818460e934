"""Translation scores in the amount of pre-training data (Isik et al. 2024)."""

from typing import Annotated

import jax.numpy as jnp
from jax import Array

from bayes_scaling.law import Derived, Input, LogNormal, Parameter, Score, law
from bayes_scaling.law.scores import log_power


def inside(p):
    """What the published form raises to beta, at the reference."""
    return p["level"] ** (1 / p["beta"])


def alpha(p):
    """Published exponent of the data."""
    return inside(p) * p["slope"] / p["beta"]


@law(
    response=Score("BLEU", robust=False),
    citation="isik2024",
    family="B",
    derived=(
        Derived("alpha", lambda x0, p: alpha(p), "exponent of D, published form"),
        Derived(
            "ln_A",
            lambda x0, p: inside(p) - alpha(p) * jnp.log(x0["D"]),
            "log of the coefficient of D, published form",
        ),
    ),
)
def bleu_log(
    D: Annotated[Array, Input("pre-training tokens", "token")],
    *,
    level: Annotated[
        Array,
        Parameter(
            LogNormal(1.0, 0.5, scale="median"), "score at the reference", "BLEU", varies=True
        ),
    ],
    slope: Annotated[
        Array, Parameter(LogNormal(0.05, 1.0), "slope of the log score there, in ln D", varies=True)
    ],
    beta: Annotated[Array, Parameter(LogNormal(1.0, 0.7), "power of the logarithm")],
) -> Array:
    r"""$\mathrm{BLEU} = (\ln(A D^{\alpha}))^{\beta}$

    Isik et al. 2024: translation scores of fine-tuned models against the tokens that they
    were pre-trained on. Sampled as the score and its log-slope at the reference, because A
    and alpha are known only together with beta: beta is the curvature of the log score
    and asks for decades of data.

    The form needs $A D^{\alpha} > 1$. Far below the fitted data that breaks down; the law
    falls on smoothly there, and is no forecast. Where pre-training data suit the task
    badly scores turn and fall, while the loss still improves: the law cannot do that, and
    its fit then only looks good.
    """
    return level * log_power(D, slope, beta)
