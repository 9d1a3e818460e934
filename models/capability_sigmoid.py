"""Task accuracy as a sigmoid in log compute, over tasks and families (after Ruan et al. 2024)."""

from typing import Annotated

import jax
import jax.numpy as jnp
from jax import Array

from bayes_scaling.law import Counts, Derived, Input, LogNormal, Normal, Parameter, law
from bayes_scaling.law.common import CEILING, Chance, Lapse
from bayes_scaling.law.scores import between


@law(
    response=Counts("accuracy"),
    citation="ruan2024",
    tried_on=("obs_scaling",),
    family="B",
    derived=(
        CEILING,
        Derived(
            "C_mid",
            lambda x0, p: x0["C"] * jnp.exp(-p["place"] / p["slope"]),
            "compute half-way from chance to the ceiling",
            "unit of C",
            bend="C",
        ),
    ),
)
def capability_sigmoid(
    C: Annotated[Array, Input("training compute, parameters or tokens", "unit of the column")],
    chance: Chance,
    *,
    place: Annotated[
        Array,
        Parameter(
            Normal(0.0, 1.5),
            "logit of the score between its ends at the reference",
            varies=True,
            group_sd=1.0,
        ),
    ],
    slope: Annotated[Array, Parameter(LogNormal(0.4, 0.7), "logits won in ln C", varies=True)],
    lapse: Lapse,
) -> Array:
    r"""$s = q + (1 - q - \lambda)\, \sigma(b + k \ln(C/C_0))$

    The sigmoid of Ruan et al. 2024 with log compute in the place of capability: one curve a
    task and family, pooled partially, for counts of items that were right. q is the known
    chance of guessing, and $1 - \lambda$ the ceiling. With tokens or steps as C it serves the
    checkpoints of one run.

    `capability` shares one capability between benchmarks and knows more from many of them.
    Compute alone does not compare families: with them as groups, place takes up what their
    data and recipes are worth. Scores near chance know neither place nor slope, so that a
    rise beyond the largest model is forecast from the other groups alone.
    """
    return between(chance, lapse, jax.nn.sigmoid(place + slope * jnp.log(C)))
