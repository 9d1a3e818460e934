"""The loss around the best learning rate, at a batch size that does not move."""

from typing import Annotated

import jax.numpy as jnp
from jax import Array

from bayes_scaling.law import Derived, Input, LogNormal, Loss, Parameter, Variant, law
from bayes_scaling.law.common import (
    FLOOR,
    BestRate,
    Level,
    Overshoot,
    RateCost,
    RateD,
    RateN,
    Reducible,
    ShareN,
    Unrest,
    slopes,
)
from bayes_scaling.law.terms import (
    above_floor,
    below_bound,
    coupled,
    from_best,
    linex,
    power,
    second_order,
)


def penalty(x, p):
    """Log of the loss over the best one."""
    n, d = jnp.log(x["N"]), jnp.log(x["D"])
    u = from_best(x["lr"], jnp.log(p["rate"]) + p["rate_N"] * n + p["rate_D"] * d)
    width = second_order(p["rate_cost"])
    return below_bound(linex(width * u, p["overshoot"] / width))


@law(
    response=Loss("nat/token"),
    citation="bjorck2024",
    references=("yang2022",),
    family="H",
    tried_on=("ladder",),
    shear=slopes,
    scatter=lambda x, p: p["unrest"] * penalty(x, p),
    derived=(
        FLOOR,
        Derived("best_rate", lambda x0, p: p["rate"] * x0["lr"], "best rate at the reference"),
        Derived(
            "rate_coefficient",
            lambda x0, p: p["rate"] * x0["lr"] * x0["N"] ** -p["rate_N"] * x0["D"] ** -p["rate_D"],
            "coefficient of the best rate, published form",
        ),
    ),
    variants={
        "compute": Variant(
            "a best rate that is a power of compute, 6 N D",
            citation="deepseek2024",
            tie={"rate_D": "rate_N"},
        ),
        "transfer": Variant(
            "a best rate that model size does not move, as under muP",
            citation="yang2022",
            fix={"rate_N": 0.0},
        ),
    },
)
def rate_valley(
    N: Annotated[Array, Input("model parameters without embeddings", "parameter")],
    D: Annotated[Array, Input("training tokens", "token")],
    lr: Annotated[Array, Input("peak learning rate", "1", setting=True)],
    *,
    level: Level,
    reducible: Reducible,
    share_N: ShareN,
    alpha: Annotated[Array, Parameter(LogNormal(0.3, 0.5), "exponent of N", varies=True)],
    beta: Annotated[Array, Parameter(LogNormal(0.3, 0.5), "exponent of D", varies=True)],
    rate: BestRate,
    rate_N: RateN,
    rate_D: RateD,
    rate_cost: RateCost,
    overshoot: Overshoot,
    unrest: Unrest,
) -> Array:
    r"""$L = (E + A N^{-\alpha} + B D^{-\beta})\, e^{P}$, with P zero at $\eta^* = c\,N^{a} D^{b}$

    A sweep of the learning rate alone: Bjorck et al. 2024 find that its best value falls with
    the tokens at a fixed batch size. The penalty P is a valley in the log rate, to second order
    that of `rate_cost`, exponential where the rate is too high and linear where it is too low.
    An empty lr stands for the best one. valley is the law for sweeps of the batch size, too.
    """
    x = {"N": N, "D": D, "lr": lr}
    p = {"rate": rate, "rate_N": rate_N, "rate_D": rate_D, "rate_cost": rate_cost,
         "overshoot": overshoot}  # fmt: skip
    decay = coupled(power(N, alpha), power(D, beta), share_N)
    return above_floor(level, reducible, decay) * jnp.exp(penalty(x, p))
