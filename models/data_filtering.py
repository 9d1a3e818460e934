"""The error of a model trained on a filtered pool many times over (Goyal et al. 2024)."""

from typing import Annotated

import jax.numpy as jnp
from jax import Array

from bayes_scaling.law import Derived, Input, LogNormal, Loss, Parameter, law
from bayes_scaling.law.common import Reducible
from bayes_scaling.law.resources import pool_learning
from bayes_scaling.law.terms import above_floor


@law(
    response=Loss("error rate"),
    citation="goyal2024",
    family="D",
    shear=lambda p: {"utility": jnp.log(p["reducible"])},
    derived=(
        Derived(
            "floor",
            lambda x0, p: p["level"] * (1 - p["reducible"]),
            "error of endless data",
            "error rate",
            floor=True,
        ),
        Derived(
            "n_c",
            lambda x0, p: x0["n"] * (p["level"] * p["reducible"]) ** (1 / p["utility"]),
            "new samples at which the reducible error would be one",
            "sample",
        ),
    ),
)
def data_filtering(
    n: Annotated[Array, Input("samples seen, repeats included", "sample")],
    P: Annotated[Array, Input("samples in the pool", "sample", reference="n")],
    pools: Annotated[
        Array,
        Input("pools of that quality in the mixture", "pool", "at least one", reference=1.0),
    ],
    *,
    level: Annotated[
        Array,
        Parameter(
            LogNormal(1.0, 0.5, scale="median"),
            "error after one pass through a pool of the reference size",
            "error rate",
            varies=True,
        ),
    ],
    reducible: Reducible,
    utility: Annotated[
        Array,
        Parameter(LogNormal(0.1, 0.7), "exponent of samples seen for the first time", varies=True),
    ],
    half_life: Annotated[
        Array,
        Parameter(
            LogNormal(3.0, 0.7),
            "passes after which utility is halved, of one pool",
            "pass",
            varies=True,
        ),
    ],
) -> Array:
    r"""$y = (n_1 / n_c)^{-b} \prod_{j>1} (n_j / n_{j-1})^{-b_j} + d$, $b_j = b\, 2^{-(j-1)/\tau}$

    Goyal et al. 2024: n_j samples are seen by the end of pass j, each pass through
    the pool of P samples has less utility than the one before, and a mixture of k pools
    stretches the half-life k times. Their b is negative, here `utility` is its size; pools
    of several qualities are groups.

    The floor is known only where the curve bends within the fitted runs, and `half_life`
    only from runs of more than one pass.
    """
    learned = jnp.log(P) + pool_learning(n / P, half_life * pools)
    return above_floor(level, reducible, jnp.exp(-utility * learned))
