"""The best capacity density of language models over time (Xiao et al. 2024)."""

from typing import Annotated

import jax.numpy as jnp
from jax import Array

from bayes_scaling.law import (
    Derived,
    Frontier,
    Input,
    LogNormal,
    Normal,
    Parameter,
    Variant,
    law,
)

RELEASE = 2022.912  # 30 November 2022, when ChatGPT was released


def months_to_double(growth):
    """Time in which a quantity doubles that grows by `growth` in the log a year."""
    return 12.0 * jnp.log(2.0) / growth


@law(
    response=Frontier("capacity density", "", of="largest"),
    citation="xiao2024",
    family="F",
    derived=(
        Derived(
            "doubling_time",
            lambda x0, p: months_to_double(p["growth"]),
            "time in which the best density doubles, after the release",
            "month",
        ),
        Derived(
            "doubling_time_before",
            lambda x0, p: months_to_double(p["growth"] * jnp.exp(-p["change"])),
            "time in which the best density doubled, before the release",
            "month",
        ),
    ),
    variants={"steady": Variant("one growth at all dates, as published", fix={"change": 0.0})},
)
def density_trend(
    date: Annotated[
        Array,
        Input(
            "date of release, such as 2024.25",
            "year",
            domain="real",
            centring="difference",
            reference=RELEASE,
        ),
    ],
    *,
    level: Annotated[
        Array,
        Parameter(
            LogNormal(1.0, 1.0, scale="median"),
            "density of the best models on 30 November 2022",
            "",
            varies=True,
        ),
    ],
    growth: Annotated[
        Array,
        Parameter(LogNormal(1.0, 1.0), "growth of its log after that date", "1/year", varies=True),
    ],
    change: Annotated[
        Array, Parameter(Normal(0.0, 0.5), "log of the growth after, over that before that date")
    ],
) -> Array:
    r"""$\ln \rho_{\max} = A t + B$

    Xiao et al. 2024: the density of a model is the number of parameters that a family of
    reference models needs for its score, over the number that it has, and the density of
    the best grows exponentially. Models lie below this frontier by a half-normal
    shortfall, and all of them are fitted: a line through the records so far is biased by
    which models happen to be records.

    Dates are years, and t counts from the release of ChatGPT, 30 November 2022, from
    which on the paper sees faster growth: A is `growth` after it and `growth` times
    exp(-`change`) before, with a kink at that date, which is not estimated. The
    published line is the variant `steady`.
    """
    before, after = jnp.minimum(date, 0.0), jnp.maximum(date, 0.0)
    return level * jnp.exp(growth * (after + jnp.exp(-change) * before))
