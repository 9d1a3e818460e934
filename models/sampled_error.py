"""The error of the best of several sampled actions (Kwok et al. 2025)."""

from typing import Annotated

from jax import Array

from bayes_scaling.law import Derived, Input, LogNormal, Loss, Parameter, law
from bayes_scaling.law.terms import power


@law(
    response=Loss("RMSE"),
    citation="kwok2025",
    family="K",
    derived=(
        Derived(
            "a",
            lambda x0, p: p["level"] * x0["k"] ** p["b"],
            "error of one sample, published form",
            "RMSE sample^b",
        ),
        Derived("dimension", lambda x0, p: 1 / p["b"], "dimensions that samples spread over"),
    ),
)
def sampled_error(
    k: Annotated[Array, Input("sampled actions", "sample", "at least one", nested=True)],
    *,
    level: Annotated[
        Array,
        Parameter(
            LogNormal(1.0, 0.5, scale="median"), "error at the reference", "RMSE", varies=True
        ),
    ],
    b: Annotated[Array, Parameter(LogNormal(0.15, 0.7), "exponent of k", varies=True)],
) -> Array:
    r"""$e = a k^{-b}$

    Kwok et al. 2025 (RoboMonkey): the error of the best of k actions of a robot; their b is
    the negative of this one. The nearest of k draws to a point comes closer as $k^{-1/d}$
    in d dimensions, where the draws have a density at that point (extreme values). The prior
    of b is centred near seven dimensions, those of an arm with a gripper.

    The best is chosen by the true error: a verifier that errs adds a floor. So does a target
    that the policy never samples. Errors at several k come from the same samples.
    """
    return level * power(k, b)
