"""The loss in data, their intrinsic dimension and label sharpness (Konz and Mazurowski 2024)."""

from typing import Annotated

import jax.numpy as jnp
from jax import Array

from bayes_scaling.law import Derived, Input, LogNormal, Loss, Parameter, law
from bayes_scaling.law.terms import growing

SAMPLES, DIMENSION = 1000.0, 10.0  # references: the law needs N and d in their own units


@law(
    response=Loss("nat/image"),
    citation="konz2024",
    family="A",
    derived=(
        Derived(
            "c",
            lambda x0, p: (
                jnp.log(p["level"])
                - p["kappa"] * jnp.log(x0["K"])
                + p["gamma"] / x0["d"] * jnp.log(x0["N"])
            ),
            "constant, published form",
        ),
    ),
)
def intrinsic_dimension(
    N: Annotated[Array, Input("training samples", "sample", reference=SAMPLES)],
    d: Annotated[
        Array,
        Input("intrinsic dimension of the data", "dimension", "at least one", reference=DIMENSION),
    ],
    K: Annotated[Array, Input("sharpness of the labels", "label change per unit of distance")],
    *,
    level: Annotated[
        Array,
        Parameter(
            LogNormal(1.0, 0.5, scale="median"), "loss at the reference", "nat/image", varies=True
        ),
    ],
    kappa: Annotated[Array, Parameter(LogNormal(1.0, 0.5), "exponent of the sharpness")],
    gamma: Annotated[Array, Parameter(LogNormal(1.0, 0.5), "exponent of N times d", varies=True)],
) -> Array:
    r"""$\ln L = c + \kappa \ln K_F - (\gamma / d) \ln N$

    Konz and Mazurowski 2024 bound the loss by this with kappa = gamma = 1: it falls more
    slowly in data of high intrinsic dimension, and lies higher where labels change within
    short distances. Curves of different d meet at one sample, so N and d are not centred on
    the runs but on 1000 samples and ten dimensions.

    The dimension and the sharpness are estimates. Their errors are not modelled; they
    attenuate gamma and kappa, that is, pull them towards zero, the more so the narrower
    the true values are spread. The dimension of the learned representation is below d.
    """
    in_logs = jnp.log(SAMPLES * N) / (DIMENSION * d) - jnp.log(SAMPLES) / DIMENSION
    return level * growing(K, kappa) * jnp.exp(-gamma * in_logs)
