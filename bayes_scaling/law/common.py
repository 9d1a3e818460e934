"""Declarations that laws with a floor share: parameters, derived quantities, shear."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import jax.numpy as jnp
from jax import Array

from .declare import Derived, Parameter
from .priors import LogitNormal, LogNormal, Normal

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

FLOOR = Derived(
    "E", lambda x0, p: p["level"] * (1 - p["reducible"]), "irreducible loss", "nat/token"
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
