"""The loss around the best learning rate and batch size, which move with N and D."""

from typing import Annotated

import jax.numpy as jnp
from jax import Array

from bayes_scaling.law import (
    Derived,
    Input,
    LogitNormal,
    LogNormal,
    Loss,
    Normal,
    Parameter,
    Variant,
    law,
)
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
    coupled,
    from_best,
    power,
    second_order,
    skew_valley,
)

BestBatch = Annotated[
    Array,
    Parameter(LogNormal(1.0, 0.7), "best batch at the reference, over the mean", varies=True),
]

BatchCost = Annotated[
    Array,
    Parameter(
        LogNormal(0.003, 1.0), "the same of the batch size, with the rate that is best for it"
    ),
]


def penalty(x, p):
    """Log of the loss over the best one."""
    n, d = jnp.log(x["N"]), jnp.log(x["D"])
    v = from_best(x["B"], jnp.log(p["batch"]) + p["batch_N"] * n + p["batch_D"] * d)
    best = jnp.log(p["rate"]) + p["rate_N"] * n + p["rate_D"] * d + p["coupling"] * v
    u = from_best(x["lr"], best)
    deeper = jnp.exp(0.5 * (p["cost_N"] * n + p["cost_D"] * d))
    first = second_order(p["rate_cost"]) * deeper
    second = second_order(p["batch_cost"]) * deeper
    return skew_valley(u, v, first, second, p["turn"], p["overshoot"], p["small_batch"])


def published(name, exponents):
    """Coefficient of the published power law of an optimum."""

    def value(x0, p):
        moved = sum(p[k] * jnp.log(x0[i]) for k, i in exponents)
        return p[name] * x0[{"rate": "lr", "batch": "B"}[name]] * jnp.exp(-moved)

    return value


@law(
    response=Loss("nat/token"),
    citation="li2025a",
    references=("bjorck2024", "shen2024", "mccandlish2018"),
    family="H",
    tried_on=("steplaw", "ladder"),
    shear=slopes,
    scatter=lambda x, p: p["unrest"] * penalty(x, p),
    derived=(
        FLOOR,
        Derived("best_rate", lambda x0, p: p["rate"] * x0["lr"], "best rate at the reference"),
        Derived(
            "best_batch",
            lambda x0, p: p["batch"] * x0["B"],
            "best batch size at the reference",
            "token",
        ),
        Derived(
            "rate_coefficient",
            published("rate", (("rate_N", "N"), ("rate_D", "D"))),
            "coefficient of the best rate, published form",
        ),
        Derived(
            "batch_coefficient",
            published("batch", (("batch_N", "N"), ("batch_D", "D"))),
            "coefficient of the best batch size, published form",
        ),
    ),
    variants={
        "step_law": Variant("a best batch size that D alone moves", fix={"batch_N": 0.0}),
        "square_root": Variant(
            "rates that grow with the root of the batch size, as Adam's do",
            citation="malladi2022",
            fix={"coupling": 0.5},
        ),
        "linear": Variant(
            "rates that grow with the batch size, as those of SGD do",
            citation="granziol2020",
            fix={"coupling": 1.0},
        ),
        "compute": Variant(
            "optima that are powers of compute, 6 N D",
            citation="deepseek2024",
            tie={"rate_D": "rate_N", "batch_D": "batch_N"},
        ),
        "transfer": Variant(
            "a best rate that model size does not move, as under muP",
            citation="yang2022",
            fix={"rate_N": 0.0},
        ),
    },
)
def valley(
    N: Annotated[Array, Input("model parameters without embeddings", "parameter")],
    D: Annotated[Array, Input("training tokens", "token")],
    lr: Annotated[Array, Input("peak learning rate", "1", setting=True)],
    B: Annotated[Array, Input("tokens of a batch", "token", setting=True)],
    *,
    level: Level,
    reducible: Reducible,
    share_N: ShareN,
    alpha: Annotated[Array, Parameter(LogNormal(0.3, 0.5), "exponent of N", varies=True)],
    beta: Annotated[Array, Parameter(LogNormal(0.3, 0.5), "exponent of D", varies=True)],
    coupling_ND: Annotated[
        Array,
        Parameter(LogNormal(0.7, 0.5), "exponent of the bracket of N and D: 1 for a plain sum"),
    ],
    rate: BestRate,
    rate_N: RateN,
    rate_D: RateD,
    batch: BestBatch,
    batch_N: Annotated[Array, Parameter(Normal(0.0, 0.2), "exponent of N in the best batch")],
    batch_D: Annotated[Array, Parameter(Normal(0.4, 0.25), "exponent of D in the best batch")],
    coupling: Annotated[
        Array,
        Parameter(Normal(0.6, 0.3), "exponent of the batch size in the rate that is best for it"),
    ],
    rate_cost: RateCost,
    batch_cost: BatchCost,
    cost_N: Annotated[Array, Parameter(Normal(0.0, 0.15), "exponent of N in both")],
    cost_D: Annotated[Array, Parameter(Normal(0.0, 0.15), "exponent of D in both")],
    turn: Annotated[
        Array,
        Parameter(
            LogitNormal(0.4, 0.7), "direction of the two walls, from the rate's to the batch's"
        ),
    ],
    overshoot: Overshoot,
    small_batch: Annotated[
        Array,
        Parameter(
            LogNormal(0.5, 0.4), "growth of the wall at high rates in small batches, likewise"
        ),
    ],
    unrest: Unrest,
) -> Array:
    r"""$L = L^*(N, D)\, e^{P}$, with P zero at $\eta^* = c\,N^{a} D^{b}$, $B^* = d\,N^{e} D^{f}$

    Every run of a sweep, not the best alone: Li et al. 2025 (Step Law) fit power laws to the
    best settings of many sweeps; here the whole valley is fitted around an optimum that moves
    by such laws. To second order the penalty P is that of the learning rate against the one
    that is best for its batch size, $\eta^*(B) = \eta^* (B/B^*)^k$, and that of the batch size:
    `rate_cost` and `batch_cost` are the squares of the Cholesky factors of its curvature, on
    the log scale, and k (`coupling`) is their correlation. Further out two walls rise
    exponentially, where the rate is too high for any batch and where it is too high for a
    small one; on the other sides P grows only linearly. Runs far from the best are less
    repeatable (`unrest`).

    $L^*$ is skaling. An empty lr or B stands for the best one, so that tuned runs of other
    studies can be fitted with sweeps. Runs that diverged say that the loss was above a bound:
    give it when the table is read. Where schedules end on different rates, group by that.

    Variants: Adam's square root (Malladi et al. 2022) and SGD's line (Granziol et al. 2020) in
    the batch size, optima in compute alone (DeepSeek-AI 2024), and rates that transfer between
    sizes (Yang et al. 2022). Bjorck et al. 2024, and Shen et al. 2024, who keep the rate over
    a power of the batch size, are published for a batch size that does not move with D.
    """
    x = {"N": N, "D": D, "lr": lr, "B": B}
    p = {
        "rate": rate, "rate_N": rate_N, "rate_D": rate_D, "batch": batch, "batch_N": batch_N,
        "batch_D": batch_D, "coupling": coupling, "rate_cost": rate_cost,
        "batch_cost": batch_cost, "cost_N": cost_N, "cost_D": cost_D, "turn": turn,
        "overshoot": overshoot, "small_batch": small_batch,
    }  # fmt: skip
    decay = coupled(power(N, alpha), power(D, beta), share_N, coupling=coupling_ND)
    return above_floor(level, reducible, decay) * jnp.exp(penalty(x, p))
