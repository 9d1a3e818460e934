"""The normalised loss in size, vocabulary and data (Tao et al. 2024)."""

from typing import Annotated

import jax.numpy as jnp
from jax import Array

from bayes_scaling.law import (
    Derived,
    Input,
    LogNormal,
    Loss,
    Normal,
    Parameter,
    Variant,
    law,
)
from bayes_scaling.law.common import SignedLevel
from bayes_scaling.law.terms import moved, power, product


def term(name, size, exponent):
    """Derived coefficient of one input, published form."""

    def coefficient(x0, p):
        crowded = x0["V"] ** -p["crowding"] if name == "D" else 1.0
        return p[size] * x0[name] ** p[exponent] * crowded

    return coefficient


def slopes(p):
    """Shift the exponents to the slopes of the loss at the reference, which data know."""
    pairs = {"alpha": "size_N", "alpha_V": "size_V", "beta": "size_D"}
    return {exponent: jnp.log(p[size]) for exponent, size in pairs.items()}


def size_of(what):
    """Declare the size of a term at the reference."""
    prior = LogNormal(0.2, 1.0, scale="spread")
    return Annotated[Array, Parameter(prior, f"loss due to finite {what} at the reference")]


@law(
    response=Loss("nat/token", signed=True),
    citation="tao2024",
    family="A",
    shear=slopes,
    derived=(
        Derived(
            "E",
            lambda x0, p: p["size_N"] + p["size_V"] + p["size_D"] - p["level"],
            "limit, with its sign changed",
            "nat/token",
        ),
        Derived("A_1", term("N", "size_N", "alpha"), "coefficient of N, published form"),
        Derived("A_2", term("V", "size_V", "alpha_V"), "coefficient of V, published form"),
        Derived("B", term("D", "size_D", "beta"), "coefficient of D, published form"),
    ),
    variants={"published": Variant("vocabulary and data do not interact", fix={"crowding": 0.0})},
    tried_on=("scalebench/vocab",),
)
def vocabulary(
    N: Annotated[Array, Input("parameters without those of the vocabulary", "parameter")],
    V: Annotated[Array, Input("size of the vocabulary", "entry")],
    D: Annotated[Array, Input("characters of training text", "character")],
    *,
    level: SignedLevel,
    size_N: size_of("N"),  # type: ignore[valid-type]
    size_V: size_of("V"),  # type: ignore[valid-type]
    size_D: size_of("D"),  # type: ignore[valid-type]
    alpha: Annotated[Array, Parameter(LogNormal(0.3, 0.5), "exponent of N", varies=True)],
    alpha_V: Annotated[Array, Parameter(LogNormal(0.3, 0.5), "exponent of V", varies=True)],
    beta: Annotated[Array, Parameter(LogNormal(0.3, 0.5), "exponent of D", varies=True)],
    crowding: Annotated[
        Array,
        Parameter(Normal(0.0, 0.2), "exponent of V in the term of D: rare entries learn late"),
    ],
) -> Array:
    r"""$L = -E + A_1 N^{-\alpha_1} + A_2 V^{-\alpha_2} + B V^g D^{-\beta}$

    Tao et al. 2024. A larger vocabulary cuts a text into fewer tokens, which makes losses
    a token incomparable; theirs is the loss less that of the unigram model over the same
    tokens, which is negative, and D counts characters. As losses are of either sign,
    the level is on the whole line and the noise on the loss itself, not on its logarithm.

    The paper has no interaction, g = 0 (variant published). Checkpoints of one run with a large
    vocabulary begin worse and end better: its entries are seen less often, so the data term
    grows with V.

    The paper's vocabulary term is in N_v, the parameters of the embedding: give the number of
    entries as V, or N_v, which is entries times width. The best vocabulary of the paper comes
    from a compute budget, in which its cost counts. No zero bounds the limit -E: runs of
    a decade in N know the slope there, and E only through the prior.
    """
    of_data = product((D, beta), (V, -crowding))
    loss = moved(level, size_N, power(N, alpha))
    return moved(moved(loss, size_V, power(V, alpha_V)), size_D, of_data)
