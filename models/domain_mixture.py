"""The loss on one domain of a model that is trained on a mixture of domains (Ye et al. 2024)."""

from typing import Annotated

import jax.numpy as jnp
from jax import Array

from bayes_scaling.law import Derived, Input, LogitNormal, Loss, Normal, Parameter, Variant, law
from bayes_scaling.law.common import FLOOR, Level
from bayes_scaling.law.terms import above_floor


def coefficient(x0, p):
    """Coefficient k of the published form."""
    at_reference = sum(p[f"slope_{name}"] * mean for name, mean in x0.items())
    return p["level"] * p["reducible"] * jnp.exp(-at_reference)


@law(
    response=Loss("nat/token"),
    citation="ye2024",
    references=("liu2024",),
    family="A",
    derived=(FLOOR, Derived("k", coefficient, "coefficient, published form", "nat/token")),
    variants={
        "log_linear": Variant(
            "no irreducible loss: log-linear in the shares",
            citation="liu2024",
            fix={"reducible": 1.0},
        )
    },
)
def domain_mixture(
    *weights: Annotated[
        Array,
        Input("share of training domain", "fraction", domain="fraction", centring="difference"),
    ],
    level: Level,
    reducible: Annotated[
        Array,
        Parameter(
            LogitNormal(0.4, 1.0), "share of that loss that mixtures can change", varies=True
        ),
    ],
    slope: Annotated[
        Array,
        Parameter(
            Normal(0.0, 3.0),
            "log-effect of the share of",
            varies=True,
            group_sd=1.5,
            each=True,
        ),
    ],
) -> Array:
    r"""$L_i = c_i + k_i \exp(\sum_j t_{ij} r_j)$

    Ye et al. 2024: the loss on a validation domain i of a model whose training text has the
    shares $r_j$. Name the columns of shares, ``domain_mixture:web,books,code``. A row of
    the table is one mixture on one validation domain, and the validation domain is a group:
    level, reducible share and slopes differ between groups, each around a common centre.
    The level is the loss at the mean mixture. Variant log_linear, which RegMix uses (Liu et
    al. 2024), has no constant c.

    The shares sum to one, so that a number added to all slopes of a domain changes nothing:
    only their differences are known, and the prior places their mean. As shares are taken
    from their means, no forecast for a mixture depends on it. Mixtures near a corner of the
    simplex tell most about `reducible`. There is no scale in the law: fit one model size and
    one number of tokens at a time.
    """
    log_effect = sum(t * r for t, r in zip(slope, weights, strict=True))
    return above_floor(level, reducible, jnp.exp(log_effect))
