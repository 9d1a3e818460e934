"""The normalised loss in size, vocabulary and data (Tao et al. 2024)."""

from typing import Annotated

import jax.numpy as jnp
from jax import Array

from bayes_scaling.law import (
    Derived,
    Input,
    LogitNormal,
    LogNormal,
    Loss,
    Normal,
    Parameter,
    Variant,
    law,
)
from bayes_scaling.law.common import Amplitude, ShareN, SignedLevel
from bayes_scaling.law.terms import coupled, moved, power, product


def shares(p):
    """Shares of N, V and D in what scale removes."""
    rest = 1 - p["share_N"]
    return {"N": p["share_N"], "V": rest * p["share_V"], "D": rest * (1 - p["share_V"])}


def coefficient(name, exponent):
    """Coefficient of one input, published form."""
    return lambda x0, p: p["amplitude"] * shares(p)[name] * x0[name] ** p[exponent]


def slopes(p):
    """Shift the exponents to the slopes of the loss at the reference."""
    size, rest = jnp.log(p["amplitude"]), jnp.log1p(-p["share_N"])
    return {
        "alpha": size + jnp.log(p["share_N"]),
        "alpha_V": size + rest + jnp.log(p["share_V"]),
        "beta": size + rest + jnp.log1p(-p["share_V"]),
    }


@law(
    response=Loss("nat/token", signed=True),
    citation="tao2024",
    family="A",
    shear=slopes,
    derived=(
        Derived(
            "E",
            lambda x0, p: p["amplitude"] - p["level"],
            "limit, with its sign changed",
            "nat/token",
        ),
        Derived("A_1", coefficient("N", "alpha"), "coefficient of N, published form"),
        Derived("A_2", coefficient("V", "alpha_V"), "coefficient of V, published form"),
        Derived(
            "B",
            lambda x0, p: coefficient("D", "beta")(x0, p) * x0["V"] ** -p["crowding"],
            "coefficient of D, published form",
        ),
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
    amplitude: Amplitude,
    share_N: ShareN,
    share_V: Annotated[
        Array,
        Parameter(LogitNormal(0.4, 1.0), "share of the rest due to a finite V", group_sd=0.2),
    ],
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
    entries as V, or N_v, which is entries times width. The best
    vocabulary of the paper comes from a compute budget, in which its cost counts.
    """
    rest = coupled(power(V, alpha_V), product((D, beta), (V, -crowding)), share_V)
    return moved(level, amplitude, coupled(power(N, alpha), rest, share_N))
