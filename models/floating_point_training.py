"""Loss after training in a floating-point format (Sun et al. 2025)."""

from typing import Annotated

from jax import Array

from bayes_scaling.law import Derived, Input, LogNormal, Loss, Parameter, law
from bayes_scaling.law.common import Level, Reducible, ShareN, slopes
from bayes_scaling.law.terms import above_floor, coupled, float_noise, power

E2M1 = (2.0, 1.0, 128.0)  # exponent bits, mantissa bits and block of the 4-bit format


def gamma(x0, p):
    """Published divisor of the rounding term."""
    harm = p["level"] * p["rounding"]
    noise = float_noise(*E2M1, p["delta"], p["nu_mantissa"])
    return noise / harm * x0["D"] ** p["beta"] / x0["N"] ** p["alpha"]


@law(
    response=Loss("nat/token"),
    citation="sun2025",
    family="D",
    turns=True,
    shear=slopes,
    derived=(
        Derived(
            "eps",
            lambda x0, p: p["level"] * (1 - p["reducible"]),
            "irreducible loss",
            "nat/token",
        ),
        Derived(
            "n",
            lambda x0, p: p["level"] * p["reducible"] * p["share_N"] * x0["N"] ** p["alpha"],
            "coefficient of N, published form",
            "nat/token parameter^alpha",
        ),
        Derived(
            "d",
            lambda x0, p: p["level"] * p["reducible"] * (1 - p["share_N"]) * x0["D"] ** p["beta"],
            "coefficient of D, published form",
            "nat/token token^beta",
        ),
        Derived(
            "gamma",
            gamma,
            "divisor of the rounding term, published form",
            "token^beta parameter^-alpha (nat/token)^-1",
        ),
        Derived(
            "D_crit",
            lambda x0, p: (
                x0["D"] * (p["reducible"] * (1 - p["share_N"]) / p["rounding"]) ** (0.5 / p["beta"])
            ),
            "tokens beyond which more data harm a model of the reference size in E2M1, blocks of "
            "128",
            "token",
        ),
    ),
)
def floating_point_training(
    N: Annotated[Array, Input("model parameters", "parameter")],
    D: Annotated[Array, Input("training tokens", "token")],
    exponent_bits: Annotated[
        Array, Input("exponent bits of the format", "bit", domain="nonnegative", reference=1.0)
    ],
    mantissa_bits: Annotated[
        Array, Input("mantissa bits of the format", "bit", domain="nonnegative", reference=1.0)
    ],
    block: Annotated[
        Array, Input("numbers that share a scale", "number", domain="at least one", reference=1.0)
    ],
    *,
    level: Level,
    reducible: Reducible,
    share_N: ShareN,
    alpha: Annotated[Array, Parameter(LogNormal(0.3, 0.5), "exponent of N", varies=True)],
    beta: Annotated[Array, Parameter(LogNormal(0.3, 0.5), "exponent of D", varies=True)],
    rounding: Annotated[
        Array,
        Parameter(LogNormal(0.02, 1.0), "harm of E2M1 in blocks of 128, as a part of `level`"),
    ],
    delta: Annotated[Array, Parameter(LogNormal(2.0, 0.6), "exponent of the exponent bits")],
    nu_mantissa: Annotated[Array, Parameter(LogNormal(2.0, 0.6), "exponent of the mantissa bits")],
) -> Array:
    r"""$L = \frac{n}{N^\alpha} + \frac{d}{D^\beta} + \epsilon + \frac{D^\beta}{N^\alpha} R$

    Sun et al. 2025, for training in a format with E exponent and M mantissa bits
    (`exponent_bits`, `mantissa_bits`) in blocks of B numbers that share a scale, with
    $R = \log_2 B / (\gamma (E + 1/2)^\delta (M + 1/2)^\nu)$. The exponents of N and D
    are those of the loss itself, so that harm grows with data and shrinks with size:
    beyond some number of tokens more data do harm.

    `level` is the loss at the reference without rounding: a block of one number
    stands for it, whatever the bits. `rounding` is the harm of the 4-bit format
    E2M1 in blocks of 128; formats that keep 8 bits harm far less than runs differ, so
    that `delta` and `nu_mantissa` are known only from formats of few bits.
    """
    per_token = power(N, alpha) / power(D, beta)
    share = float_noise(exponent_bits, mantissa_bits, block, delta, nu_mantissa) / float_noise(
        *E2M1, delta, nu_mantissa
    )
    loss = above_floor(level, reducible, coupled(power(N, alpha), power(D, beta), share_N))
    return loss + level * rounding * per_token * share
