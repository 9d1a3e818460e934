"""Averaged pass@k as an exponentiated power of the samples (Brown et al. 2024)."""

from typing import Annotated

import jax.numpy as jnp
from jax import Array

from bayes_scaling.law import Derived, Input, LogitNormal, LogNormal, Parameter, Share, law
from bayes_scaling.law.terms import power


@law(
    response=Share("coverage"),
    citation="brown2024",
    references=("schaeffer2025",),
    family="K",
    derived=(
        Derived(
            "a",
            lambda x0, p: -jnp.log(p["level"]) * x0["k"] ** p["b"],
            "minus the log of pass@1, published form",
            "sample^b",
        ),
    ),
)
def coverage_power(
    k: Annotated[Array, Input("samples of each problem", "sample", "at least one", nested=True)],
    *,
    level: Annotated[
        Array,
        Parameter(LogitNormal(0.3, 1.5), "coverage at the reference", "fraction", varies=True),
    ],
    b: Annotated[Array, Parameter(LogNormal(0.3, 0.7), "exponent of k", varies=True)],
) -> Array:
    r"""$c(k) = \exp(-a k^{-b})$

    Brown et al. 2024; their a and b are the negatives of these. For averages alone: with the
    passes of single problems `coverage` knows more, because it sees how problems differ.

    Averages at several k come from the same samples, so that a curve of many points is little
    more evidence than its last one. The form says that every problem is solved in the end.
    It is a good fit over a few decades; where the density of pass rates near zero is a power,
    the share left unsolved goes as $k^{-a}$ with the exponent of that density, and this form
    agrees with it only far out.
    """
    return jnp.exp(jnp.log(level) * power(k, b))
