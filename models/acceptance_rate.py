"""How many drafted tokens speculative decoding accepts (Yan et al. 2025)."""

from typing import Annotated

import jax.numpy as jnp
from jax import Array

from bayes_scaling.law import Derived, Input, LogitNormal, Normal, Parameter, Share, law
from bayes_scaling.law.sampling import accepted_length, tilted


@law(
    response=Share("acceptance rate"),
    citation="yan2025",
    family="K",
    derived=(
        Derived(
            "length_4",
            lambda x0, p: accepted_length(p["level"], 4.0),
            "tokens a step yields with 4 drafted, at the reference",
            "token",
        ),
    ),
)
def acceptance_rate(
    D: Annotated[Array, Input("tokens that the draft model was pre-trained on", "token")],
    N: Annotated[Array, Input("parameters of the draft model", "parameter")],
    *,
    level: Annotated[
        Array,
        Parameter(
            LogitNormal(0.6, 1.0), "acceptance rate at the reference", "fraction", varies=True
        ),
    ],
    slope_D: Annotated[
        Array, Parameter(Normal(0.1, 0.2), "slope of its logit in ln D", varies=True)
    ],
    slope_N: Annotated[
        Array, Parameter(Normal(0.1, 0.2), "slope of its logit in ln N", varies=True)
    ],
) -> Array:
    r"""$\ln \frac{\alpha}{1 - \alpha} = c_0 + c_D \ln D + c_N \ln N$

    Yan et al. 2025: the rate at which a target model accepts drafted tokens, log-linear in
    the pre-training tokens and the capacity of the draft model. They draw the rate itself as
    a line, which ends above one; on the logit, this project's choice, it stays below, and the
    two agree over a few decades in the midst.

    With g drafted tokens a step yields $(1 - \alpha^{g+1}) / (1 - \alpha)$ on average, where
    each is accepted at the same rate. Speed needs the cost of drafting as well, which this
    law does not know.
    """
    return tilted(level, slope_D * jnp.log(D) + slope_N * jnp.log(N))
