"""Probabilities of right and wrong choices, and what accuracy makes of them (Schaeffer 2024)."""

from typing import Annotated

import jax.numpy as jnp
from jax import Array

from bayes_scaling.law import Derived, Input, LogitNormal, LogNormal, Parameter, Score, law
from bayes_scaling.law.scores import log_choice
from bayes_scaling.law.terms import above_floor, power


def floor(p, which):
    """Log loss of a choice at endless scale."""
    return p[which] * (1 - p[f"reducible_{which}"])


def coefficient(name, which, exponent):
    """Published-style coefficient of X in the log loss of a choice."""
    return Derived(
        name,
        lambda x0, p: p[which] * p[f"reducible_{which}"] * x0["X"] ** p[exponent],
        f"coefficient of X for the {which} choice",
        f"nat unit^{exponent}",
    )


@law(
    response=Score("nat"),
    citation="schaeffer2024",
    family="B",
    turns=True,
    shear=lambda p: {
        "alpha": jnp.log(p["reducible_right"]),
        "beta": jnp.log(p["reducible_wrong"]),
    },
    derived=(
        Derived("floor_right", lambda x0, p: floor(p, "right"), "-ln p, endless scale", "nat"),
        Derived("floor_wrong", lambda x0, p: floor(p, "wrong"), "-ln p, endless scale", "nat"),
        coefficient("u", "right", "alpha"),
        coefficient("v", "wrong", "beta"),
        Derived(
            "margin",
            lambda x0, p: p["wrong"] - p["right"],
            "log odds of the right choice over a wrong one at the reference",
            "nat",
        ),
        Derived(
            "margin_limit",
            lambda x0, p: floor(p, "wrong") - floor(p, "right"),
            "the same at endless scale",
            "nat",
        ),
    ),
)
def choice_probability(
    X: Annotated[Array, Input("parameters, tokens or compute", "unit of the column")],
    choices: Annotated[Array, Input("choices of an item", "choice", "at least one", reference=1.0)],
    outcome: Annotated[
        Array,
        Input(
            "what a row measures: 0 ln p of the right choice, 1 of a wrong one, "
            "2 of the right one among the choices",
            "1",
            "real",
            centring="difference",
            reference=0.0,
        ),
    ],
    *,
    right: Annotated[
        Array,
        Parameter(
            LogNormal(3.0, 1.0), "-ln p of the right choice at the reference", "nat", varies=True
        ),
    ],
    reducible_right: Annotated[
        Array, Parameter(LogitNormal(0.4, 1.0), "share of it that scale removes")
    ],
    alpha: Annotated[
        Array, Parameter(LogNormal(0.3, 0.5), "exponent of X for the right choice", varies=True)
    ],
    wrong: Annotated[
        Array,
        Parameter(
            LogNormal(3.0, 1.0), "-ln p of a wrong choice at the reference", "nat", varies=True
        ),
    ],
    reducible_wrong: Annotated[
        Array, Parameter(LogitNormal(0.4, 1.0), "share of it that scale removes")
    ],
    beta: Annotated[
        Array, Parameter(LogNormal(0.3, 0.5), "exponent of X for a wrong choice", varies=True)
    ],
) -> Array:
    r"""$\ln p_c = -(f_c + u X^{-\alpha}),\ \ln p_i = -(f_i + v X^{-\beta})$

    Schaeffer et al. 2024: scale makes the right choice of a multiple-choice item more
    probable, and wrong ones too, so that accuracy, which compares them, is less predictable
    than the probability of the right choice. They give no curve; two power laws with floors
    are this project's. The table is long: `outcome` 0 and 1 are mean log probabilities of the
    right and of a wrong choice, 2 is that of the right one among all K choices,
    $-\ln(1 + (K - 1)\, p_i/p_c)$. It may turn, where wrong choices catch up.

    Outcome 2 is taken at the mean item, with equal wrong choices. Items differ, and the mean
    of the logarithm over items lies below that of the mean item: where all outcomes are
    measured their residuals show by how much. Rows of one model share its luck; as a column
    `outcome` is no group. Lengths of answers scale the log probabilities: make tasks groups.
    """
    ln_right = -above_floor(right, reducible_right, power(X, alpha))
    ln_wrong = -above_floor(wrong, reducible_wrong, power(X, beta))
    chosen = log_choice(ln_right - ln_wrong, choices)
    return jnp.where(outcome < 0.5, ln_right, jnp.where(outcome < 1.5, ln_wrong, chosen))
