"""The loss along a run under any learning-rate schedule (Luo et al. 2025)."""

from typing import Annotated

import jax.numpy as jnp
from jax import Array

from bayes_scaling.law import Curve, Derived, History, LogNormal, Parameter, law
from bayes_scaling.law.common import FLOOR, Delay, Level, Reducible, late_start
from bayes_scaling.law.terms import power


@law(
    response=Curve("nat/token"),
    citation="luo2025",
    family="T",
    tried_on=("multi_power_law",),
    shear=lambda p: {"alpha": jnp.log(p["reducible"])},
    scatter=late_start,
    derived=(
        FLOOR,
        Derived(
            "A",
            lambda x0, p: p["level"] * p["reducible"] * x0["area"] ** p["alpha"],
            "coefficient of the sum of rates, published form",
            "nat/token rate^alpha",
        ),
        Derived(
            "B",
            lambda x0, p: p["level"] * p["gain"] / x0["rate"],
            "coefficient of the loss drop, published form",
            "nat/token/rate",
        ),
        Derived(
            "C",
            lambda x0, p: x0["rate"] ** (p["gamma"] - 1) / (p["memory"] * x0["step"]),
            "pace of the loss drop, published form",
            "rate^(gamma - 1)",
        ),
    ),
)
def multi_power(
    schedule: History,
    *,
    level: Level,
    reducible: Reducible,
    alpha: Annotated[
        Array, Parameter(LogNormal(0.5, 0.5), "exponent of the sum of rates", varies=True)
    ],
    gain: Annotated[
        Array,
        Parameter(
            LogNormal(0.04, 0.7),
            "share of the level that a fall of the rate by its peak removes in the end",
            varies=True,
        ),
    ],
    memory: Annotated[
        Array,
        Parameter(LogNormal(0.002, 1.0), "steps at which it begins to, over the reference step"),
    ],
    beta: Annotated[Array, Parameter(LogNormal(0.6, 0.3), "exponent of the loss drop")],
    gamma: Annotated[Array, Parameter(LogNormal(0.6, 0.3), "exponent of the rate in its pace")],
    delay: Delay,
) -> Array:
    r"""$L = E + A S^{-\alpha} - B \sum_k (\eta_{k-1} - \eta_k)\, G(\eta_k^{-\gamma} S_k)$

    Luo et al. 2025, with $G(x) = 1 - (C x + 1)^{-\beta}$, S the sum of the learning rates so
    far, warm-up included, and S_k that since step k. Every fall of the rate lowers the loss
    by a power law in what follows it, faster where the rate is low.

    A constant schedule says nothing about gain, memory, beta and gamma: they stay at their
    priors. Long after a fall gain trades against beta.

    Two runs of one schedule begin apart: their areas differ by `delay`, which adds noise where the
    loss is steep. Two such runs say how much; with a few curves it is better fixed, by
    `law.fix("delay", ...)`, than learned.
    """
    memory, beta, gamma = (jnp.asarray(p)[..., None] for p in (memory, beta, gamma))
    pace = jnp.exp(-gamma * jnp.log(schedule.rate)) * schedule.area_since / memory
    dropped = jnp.sum(schedule.fall * -jnp.expm1(-beta * jnp.log1p(pace)), axis=-1)
    return level * (1 - reducible + reducible * power(schedule.area, alpha) - gain * dropped)
