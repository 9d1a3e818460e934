"""The loss along a run as a function of the learning rates so far (Tissue et al. 2024)."""

from typing import Annotated

import jax.numpy as jnp
from jax import Array

from bayes_scaling.law import Curve, Derived, History, LogNormal, Parameter, law
from bayes_scaling.law.common import FLOOR, Delay, Level, Reducible, late_start
from bayes_scaling.law.terms import power


@law(
    response=Curve("nat/token"),
    citation="tissue2024",
    references=("hu2024",),
    family="T",
    tried_on=("multi_power_law",),
    shear=lambda p: {"alpha": jnp.log(p["reducible"])},
    scatter=late_start,
    derived=(
        FLOOR,
        Derived(
            "A",
            lambda x0, p: p["level"] * p["reducible"] * (x0["area"]) ** p["alpha"],
            "coefficient of the forward area, published form",
            "nat/token rate^alpha",
        ),
        Derived(
            "C",
            lambda x0, p: p["level"] * p["gain"] / (p["memory"] * x0["step"] * x0["rate"]),
            "coefficient of the annealing area, published form",
            "nat/token/rate",
        ),
        Derived(
            "decay",
            lambda x0, p: jnp.exp(-1 / (p["memory"] * x0["step"])),
            "factor by which the momentum of annealing decays in a step, lambda",
        ),
    ),
)
def annealing(
    schedule: History,
    *,
    level: Level,
    reducible: Reducible,
    alpha: Annotated[
        Array, Parameter(LogNormal(0.5, 0.5), "exponent of the forward area", varies=True)
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
        Parameter(LogNormal(0.05, 1.0), "steps until it has done so, over the reference step"),
    ],
    delay: Delay,
) -> Array:
    r"""$L = E + A S_1^{-\alpha} - C S_2$

    Tissue et al. 2024. S_1, the forward area, is the sum of the learning rates so far. S_2,
    the annealing area, sums a momentum of the falls of the rate, $m_i = \lambda m_{i-1} +
    (\eta_{i-1} - \eta_i)$: a fall $\Delta$ of the rate, n steps ago, counts $\Delta (1 -
    \lambda^n) / (1 - \lambda)$. Falls count from the end of warm-up; before, the sum would be
    negative.

    A constant schedule says nothing about gain and memory: they stay at their priors.

    Two runs of one schedule begin apart: their areas differ by `delay`, which adds noise where the
    loss is steep. Two such runs say how much; with a few curves it is better fixed, by
    `law.fix("delay", ...)`, than learned.
    """
    annealed = jnp.sum(
        schedule.fall * -jnp.expm1(-schedule.steps_since / jnp.asarray(memory)[..., None]), axis=-1
    )
    return level * (1 - reducible + reducible * power(schedule.area, alpha) - gain * annealed)
