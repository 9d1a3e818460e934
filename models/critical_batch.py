"""The critical batch size as a power of the loss (Kaplan et al. 2020)."""

from typing import Annotated

from jax import Array

from bayes_scaling.law import Derived, Input, LogNormal, Parameter, Response, law
from bayes_scaling.law.terms import power


@law(
    response=Response("critical batch size", "token", "student-t"),
    citation="kaplan2020",
    references=("mccandlish2018",),
    family="H",
    derived=(
        Derived(
            "B_star",
            lambda x0, p: p["level"] * x0["L"] ** (1 / p["gamma"]),
            "critical batch size at a loss of one",
            "token",
        ),
    ),
)
def critical_batch(
    L: Annotated[Array, Input("loss that has been reached", "nat/token")],
    *,
    level: Annotated[
        Array,
        Parameter(
            LogNormal(1.0, 1.0, scale="median"),
            "critical batch size at the reference",
            "token",
            varies=True,
            group_sd=0.5,
        ),
    ],
    gamma: Annotated[
        Array, Parameter(LogNormal(0.3, 0.5), "inverse exponent of the loss", varies=True)
    ],
) -> Array:
    r"""$B_{crit} = B_*\, L^{-1/\gamma}$

    Kaplan et al. 2020, equation 5.3: the noise of the gradient, and with it the batch size
    that still saves steps, grows as the loss falls, and depends on model size through the loss
    alone. steps_and_batch is the loss that follows from it in model size, steps and batch size.
    """
    return level * power(L, 1 / gamma)
