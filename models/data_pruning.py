"""Error after training on the kept part of a pruned data set (Sorscher et al. 2022)."""

from typing import Annotated

import jax.numpy as jnp
from jax import Array

from bayes_scaling.law import Derived, Input, LogNormal, Loss, Normal, Parameter, law
from bayes_scaling.law.common import ErrorLevel, Reducible
from bayes_scaling.law.terms import above_floor, power


@law(
    response=Loss("fraction"),
    citation="sorscher2022",
    family="R",
    shear=lambda p: {"nu0": jnp.log(p["reducible"])},
    derived=(
        Derived(
            "E",
            lambda x0, p: p["level"] * (1 - p["reducible"]),
            "irreducible error",
            "fraction",
            floor=True,
        ),
        Derived(
            "a",
            lambda x0, p: p["level"] * p["reducible"] * x0["P"] ** p["nu0"],
            "coefficient of P without pruning",
            "fraction example^nu0",
        ),
    ),
)
def data_pruning(
    P: Annotated[Array, Input("examples that are kept", "example")],
    kept: Annotated[
        Array, Input("part of the examples that is kept", "1", domain="fraction", reference=1.0)
    ],
    *,
    level: ErrorLevel,
    reducible: Reducible,
    nu0: Annotated[
        Array, Parameter(LogNormal(0.3, 0.5), "exponent of P without pruning", varies=True)
    ],
    kappa: Annotated[
        Array, Parameter(Normal(0.0, 1.0), "growth of the log of the exponent with pruning")
    ],
    q1: Annotated[
        Array, Parameter(Normal(0.0, 1.0), "change of the log of the coefficient with pruning")
    ],
    q2: Annotated[Array, Parameter(Normal(0.0, 1.0), "the same, with the square of pruning")],
) -> Array:
    r"""$y = E + a_f P^{-\nu_f}$

    Sorscher et al. 2022 train on the P hardest examples of a pool of P / f: each kept
    fraction f has a power law of its own, steeper for smaller f, and pruning harms while
    data are few. Their theory has no closed form; how the exponent and the coefficient
    depend on f is this project's: $\nu_f = \nu_0 e^{\kappa (1 - f)}$ and, at the
    reference P, $\ln (a_f / a) = q_1 (1 - f) + q_2 (1 - f)^2$.

    `level` is the error without pruning, and P counts kept examples, not those of the
    pool. The best fraction at each P follows from the lower envelope over f; where the
    score of difficulty is imperfect the envelope bends back to a power law below the
    fractions that were tried.
    """
    pruned = 1.0 - kept
    steeper = power(P, nu0 * jnp.exp(kappa * pruned))
    return above_floor(level, reducible, jnp.exp(q1 * pruned + q2 * pruned**2) * steeper)
