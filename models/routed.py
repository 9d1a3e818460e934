"""The loss in size and number of experts of routed language models (Clark et al. 2022)."""

from typing import Annotated

import jax.numpy as jnp
from jax import Array

from bayes_scaling.law import Derived, Input, LogNormal, Loss, Normal, Parameter, Variant, law
from bayes_scaling.law.common import FLOOR, Level, Reducible
from bayes_scaling.law.resources import expert_saturation
from bayes_scaling.law.terms import above_floor


def slopes(p):
    """Shift the exponents to the slopes of the log loss at the reference."""
    return dict.fromkeys(("alpha", "beta"), jnp.log(p["reducible"]))


def of_size(x0, p):
    """Coefficient a of the published form."""
    return -p["alpha"] - p["interaction"] * jnp.log(p["start"])


def of_experts(x0, p):
    """Coefficient b of the published form."""
    return -p["beta"] - p["interaction"] * jnp.log(x0["N"])


def constant(x0, p):
    """Coefficient d of the published form."""
    log_n, log_e = jnp.log(x0["N"]), jnp.log(p["start"])
    known = of_size(x0, p) * log_n + of_experts(x0, p) * log_e + p["interaction"] * log_n * log_e
    return jnp.log(p["level"] * p["reducible"]) - known


@law(
    response=Loss("nat/token"),
    citation="clark2022",
    family="A",
    shear=slopes,
    derived=(
        FLOOR,
        Derived("a", of_size, "coefficient of log N, published form"),
        Derived("b", of_experts, "coefficient of log E, published form"),
        Derived("d", constant, "constant, published form"),
        Derived(
            "E_max",
            lambda x0, p: p["start"] * (1 + p["span"]),
            "effect of endless experts",
            "expert",
        ),
    ),
    variants={
        "no_floor": Variant("no irreducible loss, as published", fix={"reducible": 1.0}),
        "simple": Variant("size and experts do not interact", fix={"interaction": 0.0}),
    },
    tried_on=("scalebench/moe",),
)
def routed(
    N: Annotated[Array, Input("parameters of the model with one expert", "parameter")],
    experts: Annotated[
        Array, Input("experts in a routed layer", "expert", "at least one", reference=1.0)
    ],
    *,
    level: Level,
    reducible: Reducible,
    alpha: Annotated[
        Array, Parameter(LogNormal(0.3, 0.7), "exponent of N at one expert", varies=True)
    ],
    beta: Annotated[
        Array,
        Parameter(LogNormal(0.15, 0.7), "exponent of the experts at the reference N", varies=True),
    ],
    interaction: Annotated[
        Array, Parameter(Normal(0.0, 0.05), "fall of either exponent, a unit of the other's log")
    ],
    start: Annotated[
        Array, Parameter(LogNormal(1.5, 0.5), "effective experts of a dense model", "expert")
    ],
    span: Annotated[
        Array,
        Parameter(LogNormal(200.0, 1.0), "effect of endless experts over `start`, less one"),
    ],
) -> Array:
    r"""$\ln (L - L_0) = a \ln N + b \ln \hat E + c \ln N \ln \hat E + d$

    Clark et al. 2022, with $\hat E$ the effective number of experts: `start` for a dense model,
    E_max for endless experts, and like E between. With c above zero experts help large models
    less; above a floor, runs ask for little of it (variant simple: experts multiply N). N counts
    the parameters that a token meets, which routing leaves as they are. The published form,
    variant no_floor, has no irreducible loss $L_0$ and falls to zero as N grows.

    The level is the loss of a dense model of the reference size, and the exponents are the
    slopes there, alpha for one expert, beta in $\ln \hat E$. Hundreds of experts are needed to
    know E_max, and models with a few of them to know `start`.
    """
    log_experts = jnp.log(expert_saturation(experts, start, start * (1.0 + span)) / start)
    log_n = jnp.log(N)
    decay = jnp.exp(-alpha * log_n - beta * log_experts + interaction * log_n * log_experts)
    return above_floor(level, reducible, decay)
