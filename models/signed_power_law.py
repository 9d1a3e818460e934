"""A saturating power law for losses that can be negative."""

from typing import Annotated

import jax.numpy as jnp
from jax import Array

from bayes_scaling.law import Derived, Input, LogNormal, Loss, Parameter, law
from bayes_scaling.law.common import Amplitude, SignedLevel
from bayes_scaling.law.terms import moved, power


@law(
    response=Loss(signed=True),
    citation="yao2024",
    family="A",
    shear=lambda p: {"alpha": jnp.log(p["amplitude"])},
    derived=(
        Derived("E", lambda x0, p: p["level"] - p["amplitude"], "irreducible loss", "nat/token"),
        Derived(
            "A",
            lambda x0, p: p["amplitude"] * x0["X"] ** p["alpha"],
            "coefficient of X",
            "nat/token unit^alpha",
        ),
    ),
)
def signed_power_law(
    X: Annotated[Array, Input("parameters, time points or compute", "unit of the column")],
    *,
    level: SignedLevel,
    amplitude: Amplitude,
    alpha: Annotated[Array, Parameter(LogNormal(0.3, 0.5), "exponent of X", varies=True)],
) -> Array:
    r"""$L = E + A X^{-\alpha}$

    `power_law` for losses of either sign. The log-likelihoods of densities with which Yao
    et al. 2024 forecast time series change with the unit of the series and can be
    negative, so noise is additive here and the floor is free. They fit $(X_c/X)^{\alpha}$,
    without a floor, to in- and out-of-distribution losses of two architectures: make
    these the groups.

    Without a zero neither E nor alpha is known from few decades: they trade against each
    other along the same curve.
    """
    return moved(level, amplitude, power(X, alpha))
