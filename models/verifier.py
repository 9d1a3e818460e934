"""What an imperfect verifier accepts among repeated samples (Stroebl et al. 2024)."""

from typing import Annotated

import jax.numpy as jnp
from jax import Array

from bayes_scaling.law import (
    Counts,
    Derived,
    Input,
    LogitNormal,
    LogNormal,
    Normal,
    Parameter,
    law,
)
from bayes_scaling.law.sampling import accepted_accuracy, tilted
from bayes_scaling.law.terms import growing


def chances(N, p):
    """Chances that a sample is accepted and correct, and accepted and wrong."""
    correct = tilted(p["correct"], p["correct_N"] * jnp.log(N))
    return correct, (1.0 - correct) * tilted(p["false"], p["false_N"] * jnp.log(N))


def two_steps(x, p):
    """Concentrations of the two steps that draw from a Dirichlet distribution."""
    correct, wrong = chances(x["N"], p)
    return {"concentration": p["phi"] * growing(correct + wrong, x["outcome"])}


def after(k, p):
    """Accuracy with k samples at most, at the reference."""
    correct, wrong = chances(1.0, p)
    return accepted_accuracy(k, correct, wrong, p["phi"])


@law(
    response=Counts("samples"),
    citation="stroebl2024",
    family="K",
    shape=two_steps,
    derived=(
        Derived(
            "ceiling",
            lambda x0, p: p["correct"] / sum(chances(1.0, p)),
            "accuracy of endless tries at the reference",
            "fraction",
        ),
        Derived(
            "accuracy_10",
            lambda x0, p: after(10.0, p),
            "accuracy of ten tries at most, at the reference",
            "fraction",
        ),
    ),
)
def verifier(
    N: Annotated[Array, Input("model parameters", "parameter")],
    outcome: Annotated[
        Array,
        Input(
            "0: accepted out of all samples, 1: correct out of accepted ones",
            "indicator",
            "fraction",
            "difference",
            0,
        ),
    ],
    *,
    correct: Annotated[
        Array,
        Parameter(
            LogitNormal(0.3, 1.5),
            "chance that a sample is correct and accepted, at the reference",
            varies=True,
        ),
    ],
    correct_N: Annotated[Array, Parameter(Normal(0.5, 0.5), "slope of its logit in ln N")],
    false: Annotated[
        Array,
        Parameter(
            LogitNormal(0.05, 1.5),
            "share of the other samples that is accepted wrongly",
            varies=True,
        ),
    ],
    false_N: Annotated[Array, Parameter(Normal(0.0, 0.3), "slope of its logit in ln N")],
    phi: Annotated[
        Array, Parameter(LogNormal(50.0, 1.5), "how alike rows are, a Dirichlet concentration")
    ],
) -> Array:
    r"""$q = q_T + q_F$, $acc(k) = \frac{q_T}{q} [1 - (1 - q)^k]$

    Stroebl et al. 2024: samples are drawn until a verifier, such as unit tests, accepts one.
    A share $q_T$ of samples is correct and accepted, a share $q_F$ wrong and accepted. Tries
    without end reach $q_T / q$ and no more: the ceiling. The formula is this project's, for
    problems with one q; `accuracy_10` averages it over problems.

    The table is long: a row with outcome 0 counts the accepted of all samples, one with
    outcome 1 the correct of those accepted. Chances of a row are Dirichlet distributed with
    concentration phi. The accepted then are beta-binomial with concentration phi; given their
    number, the correct are beta-binomial with concentration $\phi q$, independent of the first
    step. So the two rows hold all that the three counts know. Leave the second row out where
    none was accepted.

    A sample cannot be both: `correct` is a share of all samples, `false` one of the rest.
    Where rows are problems phi is their spread, as `accuracy_10` needs it; where rows are
    models it is how far these lie from the law, and `accuracy_10` means nothing.
    """
    right, wrong = chances(
        N, {"correct": correct, "correct_N": correct_N, "false": false, "false_N": false_N}
    )
    accepted = right + wrong
    return (1.0 - outcome) * accepted + outcome * right / accepted
