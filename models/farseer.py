"""The loss in model size and data whose data term changes its shape with model size (Farseer)."""

from typing import Annotated

import jax.numpy as jnp
from jax import Array

from bayes_scaling.law import Derived, Input, LogNormal, Loss, Normal, Parameter, Variant, law
from bayes_scaling.law.common import FLOOR, Level, Reducible, ShareN, slopes
from bayes_scaling.law.terms import above_floor, box_cox, coupled, drifting


@law(
    response=Loss("nat/token"),
    citation="li2025",
    family="A",
    turns=True,
    tried_on=("scalebench/farseer",),
    shear=slopes,
    derived=(
        FLOOR,
        Derived(
            "B",
            lambda x0, p: p["level"] * p["reducible"] * (1 - p["share_N"]) * x0["D"] ** p["beta"],
            "coefficient of D at the reference N",
            "nat/token token^beta",
        ),
    ),
    variants={
        "quadratic": Variant(
            "a plain power of N, and a data term whose logarithm is quadratic in log N",
            fix={"size_bend": 0.0, "data_twist": 0.0},
        )
    },
)
def farseer(
    N: Annotated[Array, Input("model parameters", "parameter")],
    D: Annotated[Array, Input("training tokens", "token")],
    *,
    level: Level,
    reducible: Reducible,
    share_N: ShareN,
    alpha: Annotated[
        Array, Parameter(LogNormal(0.3, 0.5), "exponent of N at the reference", varies=True)
    ],
    beta: Annotated[
        Array, Parameter(LogNormal(0.3, 0.5), "exponent of D at the reference N", varies=True)
    ],
    size_bend: Annotated[
        Array, Parameter(Normal(0.0, 0.2), "growth of the exponent of N, a unit of log N")
    ],
    data_drift: Annotated[
        Array, Parameter(Normal(0.0, 0.2), "slope of the log data term in log N")
    ],
    data_bend: Annotated[
        Array, Parameter(Normal(0.0, 0.05), "coefficient of (log N)^2 in the log data term")
    ],
    data_twist: Annotated[
        Array, Parameter(Normal(0.0, 0.01), "coefficient of (log N)^3 in the log data term")
    ],
    exponent_drift: Annotated[
        Array, Parameter(Normal(0.0, 0.2), "growth of log beta, a unit of log N")
    ],
) -> Array:
    r"""$L = E + A(N) + B(N) D^{-\beta(N)},\ \ln\beta = \ln\beta_0 + d\, n,\ n = \ln(N/N_0)$

    Li et al. 2025 find that the exponent of the data shrinks as models grow. Their form
    has nine coefficients in three terms like $\exp(s N^q + S)$, which runs know only
    together. This one is built around chinchilla, which it is where the last five parameters
    are zero:
    $\ln A$ is a Box-Cox power of N (`size_bend`), $\ln B$ at the reference D a cubic in $n$
    (`data_drift`, `data_bend`, `data_twist`) and $\ln \beta$ linear (`exponent_drift`). Their
    priors let each change a term by a factor of about e over two decades.

    It holds the published curve to three per mille from 1e8 to 1e10 parameters and 1e9 to 1e12
    tokens; a curvature of $\ln\beta$ instead would not do. But a bend of the N term looks like
    a floor, and only four decades of N tell the two apart. Take variant quadratic, without
    `size_bend` and `data_twist`, for fewer, and for models much larger than those fitted, as
    cubics run away. It holds the published curve to one per cent.
    """
    n = jnp.log(N)
    size = jnp.exp(-alpha * box_cox(N, size_bend))
    along = data_drift * n + data_bend * n**2 + data_twist * n**3
    data = jnp.exp(along - drifting(N, beta, exponent_drift) * jnp.log(D))
    return above_floor(level, reducible, coupled(size, data, share_N))
