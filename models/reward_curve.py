"""The reward of reinforcement learning against compute (Khatri et al. 2025)."""

from typing import Annotated

from jax import Array

from bayes_scaling.law import Derived, Input, LogitNormal, LogNormal, Parameter, Score, law
from bayes_scaling.law.terms import hill


@law(
    response=Score("reward"),
    citation="khatri2025",
    family="T",
    tried_on=("rl_gsm8k_josancamon",),
    derived=(
        Derived(
            "A",
            lambda x0, p: p["start"] + (1 - p["start"]) * p["gain"],
            "asymptotic reward",
            "reward",
        ),
        Derived(
            "C_mid",
            lambda x0, p: p["middle"] * x0["C"],
            "compute at which half of the gain is made",
            "unit of C",
            bend="C",
        ),
    ),
)
def reward_curve(
    C: Annotated[
        Array, Input("compute, or steps, of reinforcement learning", "GPU h", domain="nonnegative")
    ],
    *,
    start: Annotated[
        Array, Parameter(LogitNormal(0.3, 1.5), "reward before training", "reward", varies=True)
    ],
    gain: Annotated[
        Array,
        Parameter(
            LogitNormal(0.5, 1.5), "share of what is missing that training adds", varies=True
        ),
    ],
    middle: Annotated[
        Array,
        Parameter(
            LogNormal(2.0, 1.5), "compute at half of the gain, over the reference", varies=True
        ),
    ],
    steepness: Annotated[Array, Parameter(LogNormal(1.0, 0.5), "exponent of C", varies=True)],
) -> Array:
    r"""$R = R_0 + \frac{A - R_0}{1 + (C_{mid}/C)^{B}}$

    Khatri et al. 2025 (ScaleRL): a Hill curve from the reward before training to its asymptote,
    which lies between it and one. They leave the first 1,500 GPU hours out.

    Before the bend A, B and C_mid are known only together: the asymptote then keeps most of
    its prior, and its interval is as wide as that says. Rewards of one run are correlated from
    step to step: name the run.
    """
    return start + (1 - start) * gain * hill(C, middle, steepness)
