"""Steps to a loss against the batch size (McCandlish et al. 2018)."""

from typing import Annotated

from jax import Array

from bayes_scaling.law import Derived, Input, LogNormal, Parameter, Response, law


@law(
    response=Response("steps", "step", "student-t"),
    citation="mccandlish2018",
    references=("kaplan2020",),
    family="H",
    derived=(
        Derived(
            "S_min",
            lambda x0, p: p["level"] / (1 + p["critical"]),
            "fewest steps, at endless batches",
            "step",
        ),
        Derived(
            "E_min",
            lambda x0, p: p["level"] * p["critical"] / (1 + p["critical"]) * x0["B"],
            "fewest examples, at the smallest batches",
            "token",
        ),
        Derived(
            "B_crit",
            lambda x0, p: p["critical"] * x0["B"],
            "critical batch size, where twice the fewest of both are spent",
            "token",
            bend="B",
        ),
    ),
)
def steps_examples(
    B: Annotated[Array, Input("tokens of a batch", "token")],
    *,
    level: Annotated[
        Array,
        Parameter(
            LogNormal(1.0, 1.0, scale="median"),
            "steps at the reference",
            "step",
            varies=True,
            group_sd=1.0,
        ),
    ],
    critical: Annotated[
        Array,
        Parameter(
            LogNormal(1.0, 1.5),
            "critical batch size over the reference B",
            varies=True,
            group_sd=1.0,
        ),
    ],
) -> Array:
    r"""$(S/S_{min} - 1)(E/E_{min} - 1) = 1$

    McCandlish et al. 2018, equation 2.11, for steps S and examples E = S B that reach one loss;
    solved for the steps it is $S = S_{min} (1 + B_{crit}/B)$ with $B_{crit} = E_{min}/S_{min}$.
    Group by the loss that is reached, so that each has its own.

    B_crit is known where batches lie on both sides of it.
    """
    return level * (1 + critical / B) / (1 + critical)
