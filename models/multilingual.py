"""The loss of one language pair in a multilingual model (Fernandes et al. 2023)."""

from typing import Annotated

import jax.numpy as jnp
from jax import Array

from bayes_scaling.law import Derived, Input, LogNormal, Loss, Parameter, law
from bayes_scaling.law.common import FLOOR, Level, Reducible
from bayes_scaling.law.resources import mixture_share
from bayes_scaling.law.terms import above_floor, power


@law(
    response=Loss("nat/token"),
    citation="fernandes2023",
    family="A",
    shear=lambda p: {"alpha": jnp.log(p["reducible"])},
    derived=(
        FLOOR,
        Derived(
            "beta_1",
            lambda x0, p: p["level"] * p["reducible"] * x0["N"] ** p["alpha"],
            "coefficient of N at full weight, published form",
            "nat/token parameter^alpha",
        ),
        Derived(
            "half",
            lambda x0, p: 0.5 + p["c1"] * 0.5 ** (p["c2"] + p["c3"]),
            "share of the model that a weight of one half gets",
        ),
    ),
)
def multilingual(
    N: Annotated[Array, Input("model parameters", "parameter")],
    p: Annotated[
        Array,
        Input("weight of the pair in training", "fraction", domain="fraction", reference=1.0),
    ],
    *,
    level: Level,
    reducible: Reducible,
    alpha: Annotated[Array, Parameter(LogNormal(0.3, 0.5), "exponent of N", varies=True)],
    c1: Annotated[Array, Parameter(LogNormal(0.5, 1.0), "size of the lift over the weight")],
    c2: Annotated[Array, Parameter(LogNormal(1.0, 0.7), "exponent of the weight in the lift")],
    c3: Annotated[
        Array, Parameter(LogNormal(1.0, 0.7), "exponent of the others' weight in the lift")
    ],
) -> Array:
    r"""$L = \beta_1 (f(p) N)^{-\alpha} + L_\infty,\ f(p) = p + c_1 p^{c_2} (1 - p)^{c_3}$

    Fernandes et al. 2023. A pair with weight p behaves as if it had a share f(p) of the
    model to itself; only the coefficient of N depends on p. Fit the pairs as groups. The
    reference has p = 1, a model of this pair alone.

    At p = 0 the loss is endless: leave such runs out. The three numbers of f need weights
    below .2 and above .8 as well as between.
    """
    return above_floor(level, reducible, power(mixture_share(p, c1, c2, c3) * N, alpha))
