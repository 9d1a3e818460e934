"""The loss in model size, steps and batch size (Su et al. 2024)."""

from typing import Annotated

import jax.numpy as jnp
from jax import Array
from jax.nn import softplus

from bayes_scaling.law import Derived, Input, LogNormal, Loss, Parameter, law
from bayes_scaling.law.common import Level, ShareN
from bayes_scaling.law.roots import increasing_root


def excess(u, log_n, log_s, log_b, share, alpha, beta, log_q, gamma):
    """Log loss u, over the level, less what it implies: increasing in u."""
    wasted = softplus(log_q - u / gamma - log_b) - softplus(log_q)
    size = jnp.log(share) - alpha * log_n
    steps = jnp.log1p(-share) + beta * (wasted - log_s)
    return u - jnp.logaddexp(size, steps)


def feedback(p):
    """By how much a smaller critical batch size slows the steps' gain, at the reference."""
    wasted = p["critical"] / (1 + p["critical"])
    return (1 - p["share_N"]) * p["beta"] * wasted / p["gamma"]


def slope(p):
    """Shift the exponent of N to the log-slope at the reference."""
    return {"alpha": jnp.log(p["share_N"]) - jnp.log1p(feedback(p))}


@law(
    response=Loss("nat/token"),
    citation="su2024",
    references=("mccandlish2018", "kaplan2020"),
    family="A",
    shear=slope,
    derived=(
        Derived(
            "N_c",
            lambda x0, p: x0["N"] * (p["level"] * p["share_N"]) ** (1 / p["alpha"]),
            "critical model size, published form",
            "parameter",
        ),
        Derived(
            "S_c",
            lambda x0, p: (
                x0["S"] / (1 + p["critical"]) * (p["level"] * (1 - p["share_N"])) ** (1 / p["beta"])
            ),
            "critical number of steps, published form",
            "step",
        ),
        Derived(
            "B_star",
            lambda x0, p: p["critical"] * x0["B"] * p["level"] ** (1 / p["gamma"]),
            "critical batch size at a loss of one",
            "token",
        ),
        Derived(
            "B_crit",
            lambda x0, p: p["critical"] * x0["B"],
            "critical batch size at the level",
            "token",
        ),
    ),
)
def steps_and_batch(
    N: Annotated[Array, Input("model parameters without embeddings", "parameter")],
    S: Annotated[Array, Input("optimiser steps", "step")],
    B: Annotated[Array, Input("tokens of a batch", "token")],
    *,
    level: Level,
    share_N: ShareN,
    alpha: Annotated[Array, Parameter(LogNormal(0.3, 0.7), "exponent of N", varies=True)],
    beta: Annotated[Array, Parameter(LogNormal(0.3, 0.7), "exponent of the steps", varies=True)],
    critical: Annotated[
        Array,
        Parameter(LogNormal(1.0, 1.0), "critical batch size at the level, over the reference B"),
    ],
    gamma: Annotated[
        Array, Parameter(LogNormal(0.3, 0.5), "exponent of the loss in the critical batch size")
    ],
) -> Array:
    r"""$L = (N_c/N)^{\alpha} + [S_c (1 + B_* L^{-1/\gamma}/B)/S]^{\beta}$

    Su et al. 2024, part I: the law of Kaplan et al. 2020 in N and steps, with the steps that
    a batch of B tokens wastes. McCandlish et al. 2018 put the steps and the tokens to one loss
    on a hyperbola, $S = S_{min} (1 + B_{crit}/B)$, and Kaplan et al. found that the critical
    batch size grows as the loss falls, $B_{crit} = B_* L^{-1/\gamma}$. So L stands on both
    sides; the right one falls with it, hence one root. Endless batches leave
    chinchilla:no_floor with steps in the place of tokens.

    `critical` is the critical batch size at the level over the reference B: data know it
    where batches lie on both sides of it, and gamma where they do at high and low losses.
    There is no floor, as published; exponents may then be small and have wider priors. It
    holds after warm-up, for constant schedules or those with slack at the end.
    """
    arguments = jnp.log(N), jnp.log(S), jnp.log(B), share_N, alpha, beta, jnp.log(critical), gamma
    return level * jnp.exp(increasing_root(excess, arguments, low=-500.0, high=500.0))
