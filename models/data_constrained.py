"""The loss under repeated data and excess parameters of Muennighoff et al. 2023."""

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
from bayes_scaling.law.common import FLOOR, Level, Reducible, slopes
from bayes_scaling.law.resources import harmed, repeated
from bayes_scaling.law.terms import above_floor, coupled, power, smooth_minimum

SHARPNESS = 20.0  # of the bend at the best model size; excess parameters hide the rest of it


def best_size(U, share_N, alpha, beta):
    """Size of the model that unique data feed best: equal returns to N and D."""
    gap = jnp.log(alpha) - jnp.log(beta) + jnp.log(share_N) - jnp.log1p(-share_N)
    # beyond these no run tells sizes apart
    return jnp.exp(jnp.clip((gap + beta * jnp.log(U)) / alpha, -200.0, 200.0))


def effective_size(N, U, share_N, alpha, beta, worth_N):
    """Parameters, those above the best size worth less and less."""
    used = smooth_minimum(N, best_size(U, share_N, alpha, beta), SHARPNESS)
    return repeated(N, used, worth_N)


def excess(p):
    """Reducible terms at the reference over those of a model with no excess there."""
    one = jnp.ones(())
    size = effective_size(one, one, p["share_N"], p["alpha"], p["beta"], p["worth_N"])
    return coupled(power(size, p["alpha"]), one, p["share_N"])


def term(p):
    """Both terms at the reference, were all parameters used."""
    return p["level"] * p["reducible"] / excess(p)


@law(
    response=Loss("nat/token"),
    citation="muennighoff2023",
    references=("xue2023",),
    family="D",
    turns=True,
    shear=slopes,
    derived=(
        FLOOR,
        Derived(
            "A",
            lambda x0, p: term(p) * p["share_N"] * x0["N"] ** p["alpha"],
            "coefficient of N, published form",
            "nat/token parameter^alpha",
        ),
        Derived(
            "B",
            lambda x0, p: term(p) * (1 - p["share_N"]) * x0["D"] ** p["beta"],
            "coefficient of D, published form",
            "nat/token token^beta",
        ),
        Derived(
            "N_opt",
            lambda x0, p: x0["N"] * best_size(1.0, p["share_N"], p["alpha"], p["beta"]),
            "size above which parameters are in excess, at U equal to the reference of D",
            "parameter",
        ),
    ),
    variants={
        "no_harm": Variant("repeats never hurt", fix={"harm": 0.0, "harm_N": 0.0}, turns=False),
        "published": Variant(
            "one exponent for N and D, and repeats never hurt",
            tie={"beta": "alpha"},
            fix={"harm": 0.0, "harm_N": 0.0},
            turns=False,
        ),
    },
)
def data_constrained(
    N: Annotated[Array, Input("model parameters", "parameter")],
    D: Annotated[Array, Input("training tokens, repeats included", "token")],
    U: Annotated[Array, Input("unique training tokens", "token", reference="D")],
    *,
    level: Level,
    reducible: Reducible,
    share_N: Annotated[
        Array,
        Parameter(
            LogitNormal(0.5, 1.0),
            "share of the reducible loss due to finite N, were no parameters in excess",
            group_sd=0.2,
        ),
    ],
    alpha: Annotated[Array, Parameter(LogNormal(0.3, 0.5), "exponent of N", varies=True)],
    beta: Annotated[Array, Parameter(LogNormal(0.3, 0.5), "exponent of D", varies=True)],
    worth_D: Annotated[
        Array, Parameter(LogNormal(10.0, 1.0), "new data that endless repeats are worth, in U")
    ],
    worth_N: Annotated[
        Array,
        Parameter(LogNormal(5.0, 1.0), "parameters that endless excess is worth, in the best size"),
    ],
    harm: Annotated[
        Array,
        Parameter(
            LogNormal(0.02, 1.0), "one over the repeats that halve effective data, at N's reference"
        ),
    ],
    harm_N: Annotated[Array, Parameter(Normal(0.0, 0.5), "exponent of N in the harm")],
) -> Array:
    r"""$L = E + A N_e^{-\alpha} + B D_e^{-\beta}$, $D_e = U [1 + R_D^* (1 - e^{-R_D / R_D^*})] / h$

    Muennighoff et al. 2023: $R_D = D/U - 1$ repeats of U unique
    tokens, and N_e alike with N/U_N - 1 in the place of the repeats, where U_N is the
    smaller of N and the size that U tokens feed best. Here that minimum is smooth.

    The published form cannot rise with more repeats, as losses of large models do
    (Xue et al. 2023): $h = 1 + (\text{harm} \cdot N^{\text{harm\_N}} R_D)^2$ lets effective
    data fall again. The variant `published` has h = 1 and equal exponents. Runs with N
    below the best size say nothing on `worth_N`, runs of few epochs nothing on `harm`.
    """
    size = effective_size(N, U, share_N, alpha, beta, worth_N)
    data = harmed(repeated(D, U, worth_D), D, U, harm * power(N, -harm_N))
    at_reference = excess({"share_N": share_N, "alpha": alpha, "beta": beta, "worth_N": worth_N})
    decay = coupled(power(size, alpha), power(data, beta), share_N) / at_reference
    return above_floor(level, reducible, decay)
