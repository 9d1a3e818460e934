"""A score that falls with scale and then recovers (U-shaped scaling)."""

from typing import Annotated

import jax.numpy as jnp
from jax import Array

from bayes_scaling.law import Derived, Input, LogitNormal, LogNormal, Parameter, Score, Variant, law
from bayes_scaling.law.terms import rise


@law(
    response=Score("fraction"),
    citation="wei2022",
    references=("mckenzie2023",),
    family="R",
    turns=True,
    # both places are known better than the distance between them
    shear=lambda p: {"gap": jnp.log(p["place"])},
    derived=(
        Derived("bottom", lambda x0, p: p["before"] * (1 - p["drop"]), "score after the fall"),
        Derived(
            "after",
            lambda x0, p: 1 - (1 - p["before"] * (1 - p["drop"])) * (1 - p["recovery"]),
            "score at endless scale",
        ),
        Derived(
            "x_fall",
            lambda x0, p: x0["X"] * p["place"],
            "scale at which half of the fall is done",
            "unit of X",
            bend="X",
        ),
        Derived(
            "x_recovery",
            lambda x0, p: x0["X"] * p["place"] * (1 + p["gap"]),
            "scale at which half of the recovery is done",
            "unit of X",
            bend="X",
        ),
    ),
    variants={
        "inverse": Variant(
            "inverse scaling: a score that falls and does not recover",
            citation="mckenzie2023",
            # nothing is seen of where and how steeply it would recover
            fix={"recovery": 0.0, "gap": 0.0, "slope_2": 1.0},
            turns=False,
        )
    },
)
def u_shape(
    X: Annotated[Array, Input("parameters or compute", "unit of the column")],
    *,
    before: Annotated[
        Array, Parameter(LogitNormal(0.5, 1.0), "score of small models", varies=True)
    ],
    drop: Annotated[
        Array, Parameter(LogitNormal(0.5, 1.0), "part of that score that is lost", varies=True)
    ],
    recovery: Annotated[
        Array,
        Parameter(
            LogitNormal(0.5, 1.0), "part of what is missing to 1 that is won back", varies=True
        ),
    ],
    place: Annotated[Array, Parameter(LogNormal(0.3, 1.5), "place of the fall over the reference")],
    gap: Annotated[
        Array,
        Parameter(LogNormal(30.0, 1.5), "distance of the recovery, in places of the fall"),
    ],
    slope_1: Annotated[Array, Parameter(LogNormal(1.0, 0.7), "steepness of the fall in ln X")],
    slope_2: Annotated[Array, Parameter(LogNormal(1.0, 0.7), "steepness of the recovery in ln X")],
) -> Array:
    r"""$y = u + g (1 - u) \sigma(s_2 \ln(X / m_2)),\; u = t - t d \sigma(s_1 \ln(X / m_1))$

    Tasks of the inverse scaling prize (McKenzie et al. 2023) whose score falls with scale
    and recovers for the largest models (Wei et al. 2022): a distraction is learnt at m1
    and the task itself at a larger m2. The papers give no formula; these two opposed
    logistic curves are this project's. The score stays between 0 and 1: the fall takes
    away a part d of the score t of small models, and the recovery wins back a part g of
    what is then missing.

    From runs before the recovery alone its size, place and steepness are not known, and
    no forecast can say whether there will be one. Variant inverse has none: inverse scaling.
    That it fits as well is no evidence against a recovery beyond the runs.
    """
    fallen = before * (1.0 - drop * rise(X, place, slope_1))
    return fallen + recovery * (1.0 - fallen) * rise(X, place * (1.0 + gap), slope_2)
