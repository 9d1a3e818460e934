"""The loss along a run in tokens, with effects of runs (Choshen et al. 2024)."""

from typing import Annotated

from jax import Array

from bayes_scaling.law import Derived, Input, LogNormal, Loss, Parameter, Variant, law
from bayes_scaling.law.common import FLOOR, Level, Reducible
from bayes_scaling.law.terms import above_floor, power, shift


@law(
    response=Loss("nat/token"),
    citation="choshen2024",
    family="T",
    derived=(
        FLOOR,
        Derived(
            "D_0",
            lambda x0, p: p["offset"] * x0["D"],
            "tokens by which the curve is shifted",
            "token",
        ),
    ),
    variants={
        "power": Variant("a plain power, once warm-up is over", fix={"offset": 0.0}),
    },
)
def token_curve(
    D: Annotated[Array, Input("tokens seen so far", "token")],
    *,
    level: Level,
    reducible: Reducible,
    offset: Annotated[
        Array, Parameter(LogNormal(0.05, 1.5), "shift over the reference", varies=True)
    ],
    beta: Annotated[Array, Parameter(LogNormal(0.3, 0.5), "exponent of the tokens", varies=True)],
) -> Array:
    r"""$L = E + B\,(D + D_0)^{-\beta}$

    The curve of a run whose learning rate does not fall, or of the ends of runs: Choshen et
    al. 2024 find that points from the midst of training, not only final losses, sharpen
    scaling laws. Group by the run, so that each has a level and an exponent around those of
    the others. The shift takes up the beginning; variant power does without it.
    """
    return above_floor(level, reducible, power(shift(D, offset), beta))
