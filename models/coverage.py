"""The share of problems that repeated samples solve (Brown et al. 2024)."""

from typing import Annotated

import jax.numpy as jnp
from jax import Array

from bayes_scaling.law import (
    Derived,
    Input,
    LogitNormal,
    LogNormal,
    Normal,
    Parameter,
    Population,
    Variant,
    law,
)
from bayes_scaling.law.sampling import pass_at, tilted
from bayes_scaling.law.terms import growing


def population(x, p):
    """Pass rates are beta distributed, with the tail as left exponent."""
    rate = tilted(p["rate"], p["rate_N"] * jnp.log(x["N"]))
    tail = p["tail"] * growing(x["N"], p["tail_N"])
    return {"concentration": tail / rate, "unsolvable": p["unsolvable"]}


@law(
    response=Population(),
    citation="brown2024",
    references=("schaeffer2025",),
    family="K",
    tried_on=("monkeys_pass_at_k",),
    shape=population,
    derived=(
        Derived(
            "b",
            lambda x0, p: p["tail"] * (1 - p["rate"]) / p["rate"],
            "right exponent of the pass rates at the reference",
        ),
        Derived(
            "solved_1000",
            lambda x0, p: pass_at(1e3, p["rate"], p["tail"] / p["rate"], p["unsolvable"]),
            "share of problems that 1,000 samples solve at the reference",
            "fraction",
        ),
    ),
    variants={"solvable": Variant("every problem can be solved", fix={"unsolvable": 0.0})},
)
def coverage(
    N: Annotated[Array, Input("model parameters", "parameter")],
    *,
    rate: Annotated[
        Array,
        Parameter(
            LogitNormal(0.05, 1.5),
            "mean pass rate of solvable problems at the reference",
            "fraction",
            varies=True,
        ),
    ],
    rate_N: Annotated[Array, Parameter(Normal(0.5, 0.5), "slope of its logit in ln N")],
    tail: Annotated[
        Array,
        Parameter(
            LogNormal(0.3, 1.0), "exponent of the density of pass rates near zero", varies=True
        ),
    ],
    tail_N: Annotated[Array, Parameter(Normal(0.2, 0.3), "exponent of N in the tail")],
    unsolvable: Annotated[
        Array, Parameter(LogitNormal(0.05, 1.5), "share of problems that no sample solves")
    ],
) -> Array:
    r"""$c(k) = (1 - z) [1 - B(a, b + k) / B(a, b)]$, $p_i \sim Beta(a, b)$

    Brown et al. 2024: the share of problems that one of k samples or more solves. Problems
    differ in their pass rates, and each row is one problem: passes out of the samples drawn.
    The density of pass rates near zero goes as $p^{a-1}$. So the share left unsolved falls as
    $k^{-a}$, although that of each problem falls exponentially (Schaeffer et al. 2025).

    `rate` is the mean a / (a + b), which moves on the logit; `tail` is a, which moves as a
    power. The two are nearly independent given data. A share z has no chance at all.

    Below one over the samples drawn, a small chance and none look alike: z then keeps most of
    its prior, and takes tail with it. A forecast at more samples has to average over that;
    variant solvable asserts that z is zero. Problems are taken to be independent draws for
    each model: where models share their problems, intervals of `rate_N` and `tail_N` are
    wider than they need be.
    """
    return (1.0 - unsolvable) * tilted(rate, rate_N * jnp.log(N))
