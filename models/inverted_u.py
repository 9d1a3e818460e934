"""A score that rises with scale and then falls (inverted U)."""

from typing import Annotated

import jax.numpy as jnp
from jax import Array

from bayes_scaling.law import Derived, Input, LogitNormal, LogNormal, Parameter, Score, law
from bayes_scaling.law.terms import rise


@law(
    response=Score("fraction"),
    citation="mckenzie2023",
    references=("wei2022",),
    family="R",
    turns=True,
    # both places are known better than the distance between them
    shear=lambda p: {"gap": jnp.log(p["place"])},
    derived=(
        Derived(
            "top",
            lambda x0, p: 1 - (1 - p["before"]) * (1 - p["gain"]),
            "score after the rise, if nothing fell",
            "fraction",
        ),
        Derived(
            "after",
            lambda x0, p: (1 - (1 - p["before"]) * (1 - p["gain"])) * (1 - p["drop"]),
            "score at endless scale",
            "fraction",
        ),
        Derived(
            "x_rise",
            lambda x0, p: x0["X"] * p["place"],
            "scale at which half of the rise is done",
            "unit of X",
            bend="X",
        ),
        Derived(
            "x_fall",
            lambda x0, p: x0["X"] * p["place"] * (1 + p["gap"]),
            "scale at which half of the fall is done",
            "unit of X",
            bend="X",
        ),
    ),
)
def inverted_u(
    X: Annotated[Array, Input("parameters or compute", "unit of the column")],
    *,
    before: Annotated[
        Array,
        Parameter(LogitNormal(0.3, 1.0), "score of small models", varies=True, group_sd=1.0),
    ],
    gain: Annotated[
        Array,
        Parameter(
            LogitNormal(0.5, 1.0),
            "part of what is missing to 1 that is won",
            varies=True,
            group_sd=1.0,
        ),
    ],
    drop: Annotated[
        Array,
        Parameter(
            LogitNormal(0.5, 1.0), "part of the score that is lost again", varies=True, group_sd=1.0
        ),
    ],
    place: Annotated[Array, Parameter(LogNormal(0.3, 1.5), "place of the rise over the reference")],
    gap: Annotated[
        Array, Parameter(LogNormal(30.0, 1.5), "distance of the fall, in places of the rise")
    ],
    slope_1: Annotated[Array, Parameter(LogNormal(1.0, 0.7), "steepness of the rise in ln X")],
    slope_2: Annotated[Array, Parameter(LogNormal(1.0, 0.7), "steepness of the fall in ln X")],
) -> Array:
    r"""$y = v\,(1 - d\,\sigma(s_2 \ln(X / m_2))),\; v = t + g (1 - t) \sigma(s_1 \ln(X / m_1))$

    The mirror image of `u_shape`: a task is learnt at m1, and a distraction that undoes it at
    a larger m2. A score that falls with scale (McKenzie et al. 2023) may have risen before,
    as one that falls may recover (Wei et al. 2022). The papers give no formula; this one is
    the project's. The score stays between 0 and 1: the rise wins a part g of what the score
    t of small models lacks, and the fall takes a part d of what there is.

    Runs before the peak say nothing on the fall: its parameters then keep their priors, and
    a forecast beyond the peak is an assumption. A fall that is not complete within the runs
    leaves `drop`, `gap` and `slope_2` known only together.
    """
    risen = before + gain * (1.0 - before) * rise(X, place, slope_1)
    return risen * (1.0 - drop * rise(X, place * (1.0 + gap), slope_2))
