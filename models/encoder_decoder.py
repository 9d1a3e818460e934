"""The loss of a translation model in its two halves (Ghorbani et al. 2021)."""

from typing import Annotated

import jax.numpy as jnp
from jax import Array

from bayes_scaling.law import Derived, Input, LogNormal, Loss, Parameter, law
from bayes_scaling.law.common import FLOOR, Level, Reducible
from bayes_scaling.law.terms import above_floor, product


def slopes(p):
    """Shift the exponents to the log-slopes at the reference."""
    return dict.fromkeys(("p_e", "p_d"), jnp.log(p["reducible"]))


@law(
    response=Loss("nat/token"),
    citation="ghorbani2021",
    family="A",
    shear=slopes,
    derived=(
        FLOOR,
        Derived(
            "alpha",
            lambda x0, p: p["level"] * p["reducible"],
            "reducible loss at the reference sizes, published form",
            "nat/token",
        ),
        Derived(
            "A",
            lambda x0, p: (
                p["level"] * p["reducible"] * x0["N_e"] ** p["p_e"] * x0["N_d"] ** p["p_d"]
            ),
            "coefficient of both sizes",
            "nat/token parameter^(p_e + p_d)",
        ),
        Derived(
            "decoder_share",
            lambda x0, p: p["p_d"] / (p["p_e"] + p["p_d"]),
            "share of the parameters that the best model of a size has in its decoder",
        ),
    ),
)
def encoder_decoder(
    N_e: Annotated[Array, Input("parameters of the encoder", "parameter")],
    N_d: Annotated[Array, Input("parameters of the decoder", "parameter")],
    *,
    level: Level,
    reducible: Reducible,
    p_e: Annotated[Array, Parameter(LogNormal(0.3, 0.5), "exponent of the encoder", varies=True)],
    p_d: Annotated[Array, Parameter(LogNormal(0.3, 0.5), "exponent of the decoder", varies=True)],
) -> Array:
    r"""$L = \alpha\,(\bar N_e/N_e)^{p_e} (\bar N_d/N_d)^{p_d} + L_\infty$

    Ghorbani et al. 2021, with one floor (E below) for a product of the two halves. The
    sizes with a bar are references. At a given total size the best decoder has the share
    $p_d/(p_e + p_d)$ of the parameters.

    Where the halves grow in proportion only the sum of the exponents is known: vary one
    half at a time. The floor depends on the test set, and on whether its source or its
    target side is the original text.
    """
    return above_floor(level, reducible, product((N_e, p_e), (N_d, p_d)))
