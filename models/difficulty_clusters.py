"""Items in clusters of difficulty, each with a curve in compute (Xu et al. 2025)."""

from typing import Annotated

import jax.numpy as jnp
from jax import Array

from bayes_scaling.law import (
    Counts,
    Derived,
    Input,
    LogitNormal,
    LogNormal,
    Mixture,
    Normal,
    Parameter,
    law,
)
from bayes_scaling.law.common import CEILING, Chance, Lapse
from bayes_scaling.law.scores import between, gompertz

KINDS = (1, 2, 3)


def places(p):
    """Log of the difficulty at the reference, from the easiest cluster to the hardest."""
    second = p["place_1"] + p["gap_2"]
    return p["place_1"], second, second + p["gap_3"]


def shares(p):
    """Share of the items in each cluster: a stick that is broken twice."""
    rest = 1.0 - p["share_1"]
    return p["share_1"], rest * p["share_2"], rest * (1.0 - p["share_2"])


def each_curve(x, p):
    """Score in each cluster."""
    log_c = jnp.log(x["C"])
    harder = (place - p[f"slope_{k}"] * log_c for k, place in zip(KINDS, places(p), strict=True))
    return [between(x["chance"], p["lapse"], gompertz(z)) for z in harder]


def curves(x, p):
    """Scores of all clusters, in a leading axis."""
    return jnp.stack(jnp.broadcast_arrays(*each_curve(x, p)))


def weights(p):
    """Shares of all clusters, in a leading axis."""
    return jnp.stack(jnp.broadcast_arrays(*map(jnp.asarray, shares(p))))


def coefficient(k):
    """Published coefficient of a cluster."""
    return Derived(
        f"a_{k}",
        lambda x0, p: jnp.exp(places(p)[k - 1]) * x0["C"] ** p[f"slope_{k}"],
        f"coefficient of C in cluster {k}, published form",
        "unit^slope",
    )


Slope = Annotated[
    Array, Parameter(LogNormal(0.3, 0.7), "exponent of C in that cluster", varies=True)
]
Gap = Annotated[
    Array, Parameter(LogNormal(1.5, 0.7), "how much harder it is than the one before, in log")
]


@law(
    response=Counts("accuracy"),
    citation="xu2025",
    references=("hu2023",),
    family="B",
    mixture=Mixture(curves, weights, count=len(KINDS)),
    derived=(
        CEILING,
        *map(coefficient, KINDS),
        Derived("share_hard", lambda x0, p: shares(p)[2], "share of items in the hardest cluster"),
    ),
)
def difficulty_clusters(
    C: Annotated[Array, Input("training compute", "FLOP")],
    chance: Chance,
    *,
    place_1: Annotated[
        Array,
        Parameter(
            Normal(-1.0, 1.5),
            "ln(-ln p) of the easiest cluster at the reference",
            varies=True,
            group_sd=1.0,
        ),
    ],
    gap_2: Gap,
    gap_3: Gap,
    slope_1: Slope,
    slope_2: Slope,
    slope_3: Slope,
    share_1: Annotated[
        Array,
        Parameter(
            LogitNormal(0.33, 1.0),
            "share of items in the easiest cluster",
            varies=True,
            group_sd=1.0,
        ),
    ],
    share_2: Annotated[
        Array,
        Parameter(
            LogitNormal(0.5, 1.0),
            "share of the other items that are in the second",
            varies=True,
            group_sd=1.0,
        ),
    ],
    lapse: Lapse,
) -> Array:
    r"""$s = \sum_k w_k\,[q + (1 - q)\, e^{-a_k C^{-b_k} - c_k}]$

    Xu et al. 2025 sort the items of a test set into clusters by how their scores grow, and
    fit a curve to each. Here which cluster an item is in is unknown and summed over, so that
    its uncertainty counts. There are three, ordered by their difficulty $a_k$ at the reference,
    as their names could be swapped otherwise: the gaps are positive. Their ceiling
    $q + (1 - q) e^{-c_k}$ is one for all clusters here, 1 - lapse; q is the chance of guessing.

    Rows are single items, or sets of items of which all follow one curve, at several sizes. The
    law itself is the mean over items, from which alone clusters are hardly known: three
    curves look like one that is less steep. Two clusters that come out alike, or one
    without items, say that fewer are needed. Items that get worse with scale fit none.
    """
    p = {"place_1": place_1, "gap_2": gap_2, "gap_3": gap_3, "slope_1": slope_1,
         "slope_2": slope_2, "slope_3": slope_3, "share_1": share_1, "share_2": share_2,
         "lapse": lapse}  # fmt: skip
    scores = each_curve({"C": C, "chance": chance}, p)
    return sum(w * s for w, s in zip(shares(p), scores, strict=True))
