"""The best learning rate up to a critical batch size, and the tokens that larger ones waste."""

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
    second_order,
)
from bayes_scaling.law.terms import power as decaying


def penalty(x, p):
    """Log of the loss over that at the rate that is best for the batch size."""
    n, d = jnp.log(x["N"]), jnp.log(x["D"])
    best = jnp.log(p["rate"]) + p["rate_N"] * n + p["rate_D"] * d
    # one at the reference batch
    slowed = jnp.log1p(p["noise_scale"] / x["B"]) - jnp.log1p(p["noise_scale"])
    u = from_best(x["lr"], best - p["power"] * slowed)
    width = second_order(p["rate_cost"])
    return below_bound(linex(width * u, p["overshoot"] / width))


@law(
    response=Loss("nat/token"),
    citation="mccandlish2018",
    references=("granziol2020", "shen2024"),
    family="H",
    shear=slopes,
    scatter=lambda x, p: p["unrest"] * penalty(x, p),
    derived=(
        FLOOR,
        Derived(
            "rate_limit",
            lambda x0, p: p["rate"] * x0["lr"] * (1 + p["noise_scale"]) ** p["power"],
            "best rate of endless batches, at the reference",
        ),
        Derived(
            "B_noise",
            lambda x0, p: p["noise_scale"] * x0["B"],
            "batch size at which the best rate bends",
            "token",
            bend="B",
        ),
        Derived(
            "B_crit",
            lambda x0, p: p["critical"] * x0["B"],
            "batch size that needs twice the tokens",
            "token",
        ),
    ),
    variants={
        "adam": Variant(
            "rates that grow with the root of small batches",
            citation="malladi2022",
            fix={"power": 0.5},
        ),
        "sgd": Variant(
            "rates that grow with small batches", citation="granziol2020", fix={"power": 1.0}
        ),
    },
)
def critical_rate(
    N: Annotated[Array, Input("model parameters without embeddings", "parameter")],
    D: Annotated[Array, Input("training tokens", "token")],
    B: Annotated[Array, Input("tokens of a batch", "token")],
    lr: Annotated[Array, Input("peak learning rate", "1", setting=True)],
    *,
    level: Level,
    reducible: Reducible,
    share_N: ShareN,
    alpha: Annotated[Array, Parameter(LogNormal(0.3, 0.5), "exponent of N", varies=True)],
    beta: Annotated[Array, Parameter(LogNormal(0.3, 0.5), "exponent of D", varies=True)],
    critical: Annotated[
        Array, Parameter(LogNormal(3.0, 1.0), "critical batch size over the reference B")
    ],
    rate: BestRate,
    rate_N: RateN,
    rate_D: RateD,
    noise_scale: Annotated[
        Array, Parameter(LogNormal(1.0, 1.0), "batch size at the bend, over the reference B")
    ],
    power: Annotated[
        Array, Parameter(LogNormal(0.7, 0.4), "exponent of small batches in the best rate")
    ],
    rate_cost: RateCost,
    overshoot: Overshoot,
    unrest: Unrest,
) -> Array:
    r"""$L = L^*\!\left(N, \frac{D}{1 + B/B_c}\right) e^{P}$, best at $\eta_\infty (1 + B_n/B)^{-g}$

    McCandlish et al. 2018: the best rate grows with the batch size, as its power g where the
    batch is small, and levels off beyond the noise scale $B_n$; Granziol et al. 2020 find a line
    (SGD, g = 1) and Malladi et al. 2022 a root (Adam). Large batches waste tokens: D of them
    do what $D / (1 + B/B_c)$ do in small ones. So there is no best batch size here, only what
    a larger one costs. valley has one, without this form; Shen et al. 2024 keep the rate over a
    power of the batch size.
    """
    x = {"N": N, "D": D, "B": B, "lr": lr}
    p = {"rate": rate, "rate_N": rate_N, "rate_D": rate_D, "noise_scale": noise_scale,
         "power": power, "rate_cost": rate_cost, "overshoot": overshoot}  # fmt: skip
    useful = D * (1 + 1 / critical) / (1 + B / critical)
    decay = coupled(decaying(N, alpha), decaying(useful, beta), share_N)
    return above_floor(level, reducible, decay) * jnp.exp(penalty(x, p))
