"""Declarations that laws with a floor share: parameters, derived quantities, shear."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import jax.numpy as jnp
from jax import Array

from .declare import Derived, Input, Parameter
from .priors import LogitNormal, LogNormal, Normal
from .terms import power

Level = Annotated[
    Array,
    Parameter(
        LogNormal(1.0, 0.5, scale="median"), "loss at the reference", "nat/token", varies=True
    ),
]
Reducible = Annotated[
    Array,
    Parameter(LogitNormal(0.4, 1.0), "share of that loss that scale removes", group_sd=0.2),
]
ErrorLevel = Annotated[
    Array,
    Parameter(
        LogNormal(1.0, 0.5, scale="median"), "error at the reference", "fraction", varies=True
    ),
]
SignedLevel = Annotated[
    Array,
    Parameter(
        Normal(0.0, 1.0, scale="spread", origin="median"),
        "loss at the reference",
        "nat/token",
        varies=True,
    ),
]
Amplitude = Annotated[
    Array,
    Parameter(
        LogNormal(0.5, 1.0, scale="spread"), "part of the loss that scale removes", "nat/token"
    ),
]
ShareN = Annotated[
    Array,
    Parameter(LogitNormal(0.5, 1.0), "share of the reducible loss due to finite N", group_sd=0.2),
]

Delay = Annotated[
    Array,
    Parameter(
        LogNormal(0.004, 0.3), "by how much runs start late or early, an area over the reference"
    ),
]

BestRate = Annotated[
    Array,
    Parameter(LogNormal(1.0, 0.7), "best rate at the reference, over the mean", varies=True),
]
RateN = Annotated[Array, Parameter(Normal(-0.3, 0.3), "exponent of N in the best rate")]
RateD = Annotated[Array, Parameter(Normal(0.0, 0.3), "exponent of D in the best rate")]
RateCost = Annotated[
    Array,
    Parameter(LogNormal(0.005, 1.0), "relative loss of half or twice the best rate", varies=True),
]
Overshoot = Annotated[
    Array,
    Parameter(LogNormal(0.8, 0.4), "growth of the wall at high rates, an e-fold of the rate"),
]
Unrest = Annotated[
    Array, Parameter(LogNormal(0.1, 1.0), "noise that comes with the penalty, a share of it")
]

Chance = Annotated[
    Array,
    Input(
        "score of guessing",
        "fraction",
        "fraction",
        centring="difference",
        reference=0.0,
        default=0.0,
    ),
]
Lapse = Annotated[
    Array, Parameter(LogitNormal(0.03, 1.0), "share of items that are missed at any scale")
]
CEILING = Derived("ceiling", lambda x0, p: 1 - p["lapse"], "score of an endless scale", "fraction")

FLOOR = Derived(
    "E",
    lambda x0, p: p["level"] * (1 - p["reducible"]),
    "irreducible loss",
    "nat/token",
    floor=True,
)

A = Derived(
    "A",
    lambda x0, p: p["level"] * p["reducible"] * p["share_N"] * x0["N"] ** p["alpha"],
    "coefficient of N, published form",
    "nat/token parameter^alpha",
)
B = Derived(
    "B",
    lambda x0, p: p["level"] * p["reducible"] * (1 - p["share_N"]) * x0["D"] ** p["beta"],
    "coefficient of D, published form",
    "nat/token token^beta",
)


def slopes(p: Mapping[str, Any]) -> dict[str, Any]:
    """Shift the exponents of N and D to the log-slopes at the reference, which data know."""
    reducible = jnp.log(p["reducible"])
    return {
        "alpha": reducible + jnp.log(p["share_N"]),
        "beta": reducible + jnp.log1p(-p["share_N"]),
    }


def best_size(p: Mapping[str, Any], log_cost: Any, size: Any, data: Any) -> Any:
    """Log of the best N over its reference, for a coupled sum of powers of N and D.

    Where ``size * ln n + data * ln d = log_cost``, at the size where the two terms fall equally
    fast in log cost (Hoffmann et al. 2022, equation 4, for ``size = data = 1``). The floor and
    the level play no part, and a coupling only divides both exponents.
    """
    coupling = p.get("coupling", 1.0)
    alpha, beta = p["alpha"] / coupling, p["beta"] / coupling
    steeper = jnp.log(p["share_N"] * alpha * data) - jnp.log((1 - p["share_N"]) * beta * size)
    return (steeper + beta * log_cost / data) / (alpha + beta * size / data)


def late_start(x: Mapping[str, Any], p: Mapping[str, Any]) -> Any:
    """Sd of a curve whose area is uncertain: large while the loss falls steeply."""
    return p["delay"] * p["reducible"] * p["alpha"] * power(x["schedule"].area, p["alpha"] + 1.0)
