"""An error that is log-linear in size, data and resolution (Orhan 2023)."""

from typing import Annotated

import jax.numpy as jnp
from jax import Array

from bayes_scaling.law import Derived, Input, LogNormal, Loss, Parameter, law
from bayes_scaling.law.common import ErrorLevel
from bayes_scaling.law.terms import product

Exponent = LogNormal(0.3, 0.5)


def intercept(x0, p):
    """Log error at inputs of one."""
    slopes = {"N": "alpha", "D": "beta", "R": "gamma"}
    return jnp.log(p["level"]) + sum(p[e] * jnp.log(x0[k]) for k, e in slopes.items())


@law(
    response=Loss("fraction"),
    citation="orhan2023",
    family="A",
    derived=(Derived("intercept", intercept, "log error where N, D and R are one"),),
)
def log_linear(
    N: Annotated[Array, Input("model parameters", "parameter")],
    D: Annotated[Array, Input("video seen", "hour")],
    R: Annotated[Array, Input("side of the image", "pixel")],
    *,
    level: ErrorLevel,
    alpha: Annotated[Array, Parameter(Exponent, "exponent of N", varies=True)],
    beta: Annotated[Array, Parameter(Exponent, "exponent of D", varies=True)],
    gamma: Annotated[Array, Parameter(Exponent, "exponent of R", varies=True)],
) -> Array:
    r"""$\ln y = c - \alpha \ln N - \beta \ln D - \gamma \ln R$

    Orhan 2023, from runs up to 633 million parameters, 5,000 hours and 476 pixels. There
    is no floor, so that the way to human errors is a straight line in logs, and an
    optimistic one. Exponents are positive: errors fall.

    N, D and R were only partly crossed. Where they grow together their exponents are
    known by their sum: look at them jointly, and forecast along the path that was run.
    """
    return level * product((N, alpha), (D, beta), (R, gamma))
