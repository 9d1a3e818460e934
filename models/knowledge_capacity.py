"""Facts that a model can store, in bits a parameter (Allen-Zhu and Li 2024)."""

from typing import Annotated

import jax.numpy as jnp
from jax import Array

from bayes_scaling.law import Derived, Input, LogNormal, Parameter, Response, law
from bayes_scaling.law.terms import smooth_minimum


def filled(exposures, rate):
    """Share of the capacity after so many exposures; zero at none."""
    return -jnp.expm1(-rate * exposures)


@law(
    response=Response("stored knowledge", "bit/parameter", "student-t"),
    citation="allenzhu2024",
    family="D",
    derived=(
        Derived(
            "c_max",
            lambda x0, p: p["capacity"] / filled(1.0, p["rate"]),
            "capacity after endless exposures",
            "bit/parameter",
        ),
        Derived(
            "e_0",
            lambda x0, p: x0["exposures"] / p["rate"],
            "exposures that fill 63 per cent of it",
            "exposure",
        ),
    ),
)
def knowledge_capacity(
    K: Annotated[Array, Input("information in the facts", "bit", reference=1.0)],
    P: Annotated[Array, Input("model parameters", "parameter", reference=1.0)],
    exposures: Annotated[Array, Input("times that each fact is seen", "exposure")],
    *,
    capacity: Annotated[
        Array,
        Parameter(
            LogNormal(1.0, 1.0, scale="median"),
            "capacity at the reference exposures",
            "bit/parameter",
            varies=True,
        ),
    ],
    rate: Annotated[
        Array,
        Parameter(LogNormal(1.0, 1.0), "reference exposures over those that fill 63 per cent"),
    ],
    sharpness: Annotated[
        Array, Parameter(LogNormal(5.0, 0.5), "sharpness of the bend where capacity is reached")
    ],
) -> Array:
    r"""$R = \min(K / P, c(e))$, $c(e) = c_{max} (1 - e^{-e / e_0})$

    Allen-Zhu and Li 2024 measure the bits a parameter that a model has stored: all of
    the K bits of the facts as long as its P parameters hold them, and a capacity that
    grows with exposures beyond. They report two bits at 1000 exposures and one at 100;
    the smooth minimum and the saturation in exposures are this project's.

    Models that could hold all facts say nothing on capacity, and exposures far below
    e_0 know only the ratio of c_max and e_0: the capacity at the reference.
    """
    full = capacity * filled(exposures, rate) / filled(1.0, rate)
    return smooth_minimum(K / P, full, sharpness)
