"""A score in the number of parallel languages (Yang et al. 2025)."""

from typing import Annotated

import jax.numpy as jnp
from jax import Array

from bayes_scaling.law import Derived, Input, LogitNormal, LogNormal, Parameter, Score, law
from bayes_scaling.law.terms import growing


@law(
    response=Score(),
    citation="yang2025",
    family="A",
    derived=(
        Derived(
            "start",
            lambda x0, p: p["level"] * (1 - p["leap"]),
            "score without a parallel language",
            "fraction",
        ),
        Derived(
            "first_leap", lambda x0, p: p["level"] * p["leap"], "rise with the first", "fraction"
        ),
    ),
)
def parallel_languages(
    X: Annotated[
        Array, Input("parallel languages", "language", domain="nonnegative", reference=1.0)
    ],
    *,
    level: Annotated[
        Array,
        Parameter(
            LogNormal(1.0, 0.5, scale="median"),
            "score with one parallel language",
            "fraction",
            varies=True,
        ),
    ],
    leap: Annotated[
        Array, Parameter(LogitNormal(0.2, 1.0), "share of that score that the first one brings")
    ],
    beta: Annotated[Array, Parameter(LogNormal(0.3, 0.5), "exponent of X", varies=True)],
) -> Array:
    r"""$S(X) = \alpha X^\beta\ (X \geq 1),\ S(0) = \alpha\,(1 - \ell)$

    Yang et al. 2025: reasoning scores, or an index of transfer, of a model tuned on
    English and X parallel languages. The first language brings more than the power law
    through the others says, which has no value at X = 0: the leap is a parameter of its
    own. alpha is the level.

    With eight counts or so, and one of them zero, the leap rests on few runs and its prior
    counts. Scores end at one and the law does not. `score_power` is the same curve over
    any scale, without the start.
    """
    return level * jnp.where(X >= 1.0, growing(X, beta), 1.0 - leap)
