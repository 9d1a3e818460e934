"""The loss in model size, data and the size of a datastore (after Shao et al. 2024)."""

from typing import Annotated

import jax.numpy as jnp
from jax import Array

from bayes_scaling.law import Derived, Input, LogitNormal, LogNormal, Loss, Parameter, common, law
from bayes_scaling.law.common import Level, Reducible, ShareN
from bayes_scaling.law.terms import above_floor, coupled, power, shift


def without(p):
    """Loss without a datastore over that with the reference one."""
    return above_floor(1.0, p["retrievable"], power(shift(0.0, p["onset"]), p["gamma"]))


def slopes(p):
    """Shift the exponents to the log-slopes at the reference."""
    return common.slopes(p) | {"gamma": jnp.log(p["retrievable"]) - jnp.log1p(p["onset"])}


@law(
    response=Loss("nat/token"),
    citation="shao2024",
    family="A",
    shear=slopes,
    derived=(
        Derived(
            "E",
            lambda x0, p: p["level"] * without(p) * (1 - p["reducible"]),
            "irreducible loss without a datastore",
            "nat/token",
        ),
        Derived(
            "S_0",
            lambda x0, p: p["onset"] * x0["S"],
            "size at which a datastore begins to help",
            "token",
        ),
        Derived(
            "q",
            lambda x0, p: 1 - (1 - p["retrievable"]) / without(p),
            "share of the loss without a datastore that an endless one removes",
        ),
    ),
)
def retrieval(
    N: Annotated[Array, Input("model parameters", "parameter")],
    D: Annotated[Array, Input("training tokens", "token")],
    S: Annotated[Array, Input("tokens in the datastore", "token", domain="nonnegative")],
    *,
    level: Level,
    reducible: Reducible,
    share_N: ShareN,
    alpha: Annotated[Array, Parameter(LogNormal(0.3, 0.5), "exponent of N", varies=True)],
    beta: Annotated[Array, Parameter(LogNormal(0.3, 0.5), "exponent of D", varies=True)],
    retrievable: Annotated[
        Array,
        Parameter(LogitNormal(0.3, 1.0), "share of the loss that larger datastores remove"),
    ],
    onset: Annotated[
        Array,
        Parameter(LogNormal(0.3, 1.0), "size at which they begin to help, over the reference S"),
    ],
    gamma: Annotated[
        Array, Parameter(LogNormal(0.3, 0.5), "exponent of the datastore", varies=True)
    ],
) -> Array:
    r"""$L = (E + A N^{-\alpha} + B D^{-\beta}) (1 - q + q (1 + S/S_0)^{-\gamma})$

    Shao et al. 2024: with up to 1.4e12 tokens in the datastore, larger ones help language
    modelling throughout, and small models with one beat large ones without on tasks that
    need knowledge. They give no formula; this form is this project's own. The
    datastore takes a share of the loss: nothing at S = 0, so that runs without retrieval
    belong to the same table, and q of it in the limit. The level is the loss with a
    datastore of the reference size.

    Runs without a datastore, small ones and large ones are needed to tell `onset`,
    `retrievable` and gamma apart: between 1e10 and 1e12 tokens the curve is a line in log S.
    """
    bare = above_floor(level, reducible, coupled(power(N, alpha), power(D, beta), share_N))
    return bare * above_floor(1.0, retrievable, power(shift(S, onset), gamma))
