"""The loss in model size and data with a learned coupling of its terms (Skaling)."""

from typing import Annotated

import jax.numpy as jnp
from jax import Array

from bayes_scaling.law import Derived, Input, LogNormal, Loss, Parameter, law
from bayes_scaling.law.common import FLOOR, Level, Reducible, ShareN, best_size, slopes
from bayes_scaling.law.terms import above_floor, coupled, power


def coefficient(x0, p, share, exponent):
    """Coefficient inside the bracket, ``a`` or ``b``."""
    size = jnp.log(p["level"] * p["reducible"])
    return share * jnp.exp((size + exponent * jnp.log(x0)) / p["coupling"])


@law(
    response=Loss("nat/token"),
    citation="videau",
    family="A",
    tried_on=("scalebench/farseer", "porian_isoflop"),
    shear=slopes,
    best_size=best_size,
    derived=(
        FLOOR,
        Derived(
            "a",
            lambda x0, p: coefficient(x0["N"], p, p["share_N"], p["alpha"]),
            "coefficient of N in the bracket, published form",
        ),
        Derived(
            "b",
            lambda x0, p: coefficient(x0["D"], p, 1 - p["share_N"], p["beta"]),
            "coefficient of D in the bracket, published form",
        ),
        Derived(
            "bracket_alpha",
            lambda x0, p: p["alpha"] / p["coupling"],
            "exponent of N in the bracket, published form",
        ),
        Derived(
            "bracket_beta",
            lambda x0, p: p["beta"] / p["coupling"],
            "exponent of D in the bracket, published form",
        ),
    ),
)
def skaling(
    N: Annotated[Array, Input("model parameters", "parameter")],
    D: Annotated[Array, Input("training tokens", "token")],
    *,
    level: Level,
    reducible: Reducible,
    share_N: ShareN,
    alpha: Annotated[Array, Parameter(LogNormal(0.3, 0.5), "exponent of N", varies=True)],
    beta: Annotated[Array, Parameter(LogNormal(0.3, 0.5), "exponent of D", varies=True)],
    coupling: Annotated[
        Array,
        Parameter(LogNormal(0.7, 0.5), "exponent of the bracket: 1 for a plain sum", group_sd=0.2),
    ],
) -> Array:
    r"""$L = E + (a N^{-\alpha/k} + b D^{-\beta/k})^{k}$

    Videau et al. put the sum of chinchilla to a power k, the coupling. Here $\alpha$ and
    $\beta$ are what a log-log plot shows where one term alone is left; those inside the
    published bracket are $\alpha/k$ and $\beta/k$ (`bracket_alpha`, `bracket_beta`). The
    slopes at the reference do not depend on k, which only says how sharply one limit
    gives way to the other.

    k = 1 is chinchilla, $k = \beta$ is kaplan, and near 0 the larger term alone counts. Only
    runs with both terms in play, and others far to either side, know k.
    """
    decay = coupled(power(N, alpha), power(D, beta), share_N, coupling=coupling)
    return above_floor(level, reducible, decay)
