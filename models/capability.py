"""Scores of many families on many benchmarks through one capability (Ruan et al. 2024)."""

from typing import Annotated

import jax
import jax.numpy as jnp
from jax import Array

from bayes_scaling.law import Derived, Input, LogNormal, Normal, Parameter, Share, law
from bayes_scaling.law.common import CEILING, Chance, Lapse
from bayes_scaling.law.scores import between


def middle(p):
    """Log of the compute half-way from chance to the ceiling, over the reference."""
    return -(p["place"] / p["loading"] + p["efficiency"]) / p["steepness"]


@law(
    response=Share(),
    citation="ruan2024",
    tried_on=("obs_scaling",),
    family="B",
    # the logit at the reference and its slope are known better than their factors
    shear=lambda p: {
        "place": p["loading"] * p["efficiency"],
        "steepness": jnp.log(p["loading"]),
    },
    derived=(
        CEILING,
        Derived(
            "C_mid",
            lambda x0, p: x0["C"] * jnp.exp(middle(p)),
            "compute half-way from chance to the ceiling",
            "FLOP",
            bend="C",
        ),
    ),
)
def capability(
    C: Annotated[Array, Input("training compute", "FLOP")],
    chance: Chance,
    *,
    place: Annotated[
        Array,
        Parameter(
            Normal(0.0, 1.5),
            "logit of the score between its ends at the reference, by benchmark",
            varies=True,
            group_sd=1.0,
        ),
    ],
    loading: Annotated[
        Array,
        Parameter(LogNormal(1.0, 0.3), "logits that a unit of capability wins", varies=True),
    ],
    steepness: Annotated[
        Array, Parameter(LogNormal(0.4, 0.7), "capability won in ln C, by family", varies=True)
    ],
    efficiency: Annotated[
        Array,
        Parameter(
            Normal(0.0, 0.3),
            "capability at the reference compute, by family or model",
            varies=True,
            group_sd=0.5,
        ),
    ],
    lapse: Lapse,
) -> Array:
    r"""$s = q + (1 - q - \lambda)\, \sigma(b + w\, (\theta \ln(C/C_0) + \nu))$

    Ruan et al. 2024: families of models turn compute into capability at rates of their own
    ($\theta$ steepness, $\nu$ efficiency), and benchmarks are sigmoids of it (b place, w
    loading). They take principal components of the scores first; here one capability
    and all scores are fitted together, and a missing score is a missing row. A benchmark
    that follows another capability has residuals that models share.

    The table is long, with columns for benchmark and family. Say which parameter belongs to
    which: ``pool={"place": {"benchmark": "partial", "family": "complete"}, "steepness":
    {"benchmark": "complete", "family": "partial"}}``, loading like place and efficiency
    like steepness; with a column for the model, efficiency alone varies over it.

    The product of loading and steepness, and the sum of place and loading times efficiency,
    are all that the middle of the groups shows: priors around one and zero, rather tight, set
    the unit and the zero of capability, and the centres of loading and efficiency keep them.
    Differences between benchmarks and families, and scores, do not depend on that.
    """
    able = steepness * jnp.log(C) + efficiency
    return between(chance, lapse, jax.nn.sigmoid(place + loading * able))
