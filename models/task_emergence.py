"""Pass rates of a task that grow with scale, and whether they accelerate (Hu et al. 2023)."""

from typing import Annotated

import jax.numpy as jnp
from jax import Array

from bayes_scaling.law import Counts, Derived, Input, LogNormal, Normal, Parameter, Variant, law
from bayes_scaling.law.common import Chance
from bayes_scaling.law.scores import between, gompertz
from bayes_scaling.law.terms import box_cox


@law(
    response=Counts("accuracy"),
    citation="hu2023",
    family="B",
    derived=(
        Derived(
            "c",
            lambda x0, p: jnp.exp(p["place"]) * x0["X"] ** p["alpha"],
            "coefficient of X, published form, of the line that touches at the reference",
            "unit^alpha",
        ),
    ),
    variants={
        "straight": Variant(
            "a power of the scale, which neither accelerates nor slows down",
            fix={"acceleration": 0.0},
        )
    },
)
def task_emergence(
    X: Annotated[Array, Input("parameters or compute", "unit of the column")],
    chance: Chance,
    *,
    place: Annotated[
        Array,
        Parameter(
            Normal(0.5, 1.5),
            "ln(-ln p) of the chance to know an item at the reference",
            varies=True,
            group_sd=1.0,
        ),
    ],
    alpha: Annotated[
        Array, Parameter(LogNormal(0.3, 0.7), "fall of that number in ln X there", varies=True)
    ],
    acceleration: Annotated[
        Array,
        Parameter(
            Normal(0.0, 0.1),
            "relative growth of that slope in ln X; positive is emergent",
            varies=True,
            group_sd=0.1,
        ),
    ],
) -> Array:
    r"""$s = q + (1 - q)\, e^{-c X^{-\alpha}},\; \alpha \text{ growing as } X^{a}$

    Hu et al. 2023 measure pass rates far below a per cent by sampling until a task is passed,
    and find $\ln(-\ln p)$ to fall as a line in ln X. A task whose curve is concave in that
    plot accelerates: this is their emergence, and here the parameter `acceleration`, a. The
    local slope is $\alpha X^a$, which is this project's form: unlike a parabola it never
    turns. The posterior of a tells acceleration from a line; variant straight is the line.

    q is the known chance of guessing. There is no lapse: items that no scale solves look like
    a slope that shrinks, a < 0, and the curve then ends below one. Accuracies near chance
    hardly know $\ln(-\ln p)$, and an abrupt rise of accuracy alone is no acceleration.
    """
    return between(chance, 0.0, gompertz(place - alpha * box_cox(X, acceleration)))
