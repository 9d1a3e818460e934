"""The score of repeated attempts, up to a ceiling (Wang et al. 2025)."""

from typing import Annotated

import jax.numpy as jnp
from jax import Array

from bayes_scaling.law import Derived, Input, LogitNormal, Parameter, Share, law
from bayes_scaling.law.sampling import one_of

SMALL = 1e-3  # the gain of one more attempt that is not worth it


def ceiling(p):
    """Score of endless attempts."""
    return p["first"] + (1 - p["first"]) * p["headroom"]


def saturation(p):
    """Attempts after which one more gains less than SMALL."""
    chance = p["first"] / ceiling(p)
    last = jnp.log(SMALL / p["first"]) / jnp.log1p(-chance)
    return jnp.maximum(jnp.ceil(last), 0.0)


@law(
    response=Share(),
    citation="wang2025plateau",
    family="K",
    derived=(
        Derived("F_max", lambda x0, p: ceiling(p), "score of endless attempts", "fraction"),
        Derived(
            "p",
            lambda x0, p: p["first"] / ceiling(p),
            "chance of one attempt, where attempts succeed at all",
            "fraction",
        ),
        Derived(
            "saturation",
            lambda x0, p: saturation(p),
            "attempts after which one more gains less than a thousandth",
            "attempt",
        ),
    ),
)
def retry_ceiling(
    k: Annotated[
        Array,
        Input(
            "attempts, or rounds of rethinking", "attempt", "at least one", "ratio", 1, nested=True
        ),
    ],
    *,
    first: Annotated[
        Array,
        Parameter(LogitNormal(0.3, 1.5), "score of one attempt", "fraction", varies=True),
    ],
    headroom: Annotated[
        Array,
        Parameter(LogitNormal(0.5, 1.5), "share of what is missing that attempts add", varies=True),
    ],
) -> Array:
    r"""$F(k) = F_{max} [1 - (1 - p)^k]$

    Wang et al. 2025: attempts in parallel, or rounds in sequence of which the first success
    ends the chain; the form is the same. One more attempt gains $F_{max} p (1 - p)^k$.

    Below k = 1/p only the product of F_max and p is known, the score of one attempt. So that
    is `first`, and `headroom` keeps its prior where the curve has not begun to bend. All
    problems are given one chance p: where they differ, the curve bends earlier and ends
    later than this one, and `coverage` is the law for it.
    """
    score = first + (1.0 - first) * headroom
    return score * one_of(k, first / score)
