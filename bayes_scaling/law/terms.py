"""The pieces that laws are composed of.

Inputs arrive as ratios ``x / x0`` to a reference point unless a piece says otherwise,
so that a piece is one at the reference and its size there is a parameter of its own.
Pieces broadcast: shapes are those of runs, perhaps with draws in front.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.nn import softplus
from jax.scipy.special import log_ndtr
from jaxtyping import Float

from .roots import increasing_root

Given = Float[Array, "*runs"]
Runs = Given | float

# -- powers -------------------------------------------------------------------


def power(x: Runs, exponent: Runs) -> Given:
    """Return the decaying power ``x ** -exponent``; one at the reference ``x = 1``."""
    return jnp.exp(-exponent * jnp.log(x))


def growing(x: Runs, exponent: Runs) -> Given:
    """Return the growing power ``x ** exponent``, zero at zero; x need not be a ratio."""
    inside = jnp.where(x > 0, x, 1.0)
    return jnp.where(x > 0, jnp.exp(exponent * jnp.log(inside)), 0.0)


def product(*terms: tuple[Runs, Runs]) -> Given:
    """Power of several inputs at once, ``prod x_j ** -exponent_j``.

    Where the inputs grow in proportion only the sum of the exponents is identified.
    """
    return jnp.exp(-sum(exponent * jnp.log(x) for x, exponent in terms))


def drifting(x: Runs, exponent: Runs, drift: Runs) -> Given:
    """Return an exponent that itself is a power of an input: ``exponent * x ** drift``."""
    return exponent * jnp.exp(drift * jnp.log(x))


def box_cox(x: Runs, curvature: Runs) -> Given:
    """Centred power ``(x ** k - 1) / k`` of a ratio, which is ``log x`` at ``k = 0``."""
    log_x, k = jnp.log(x), jnp.asarray(curvature)
    small = jnp.abs(k * log_x) < 1e-4
    safe = jnp.where(small, 1.0, k)
    series = log_x * (1.0 + 0.5 * k * log_x + (k * log_x) ** 2 / 6.0)
    return jnp.where(small, series, jnp.expm1(safe * log_x) / safe)


def shift(x: Runs, by: Runs) -> Given:
    """Move a ratio away from zero and scale it back to one: ``(x + by) / (1 + by)``.

    ``by`` is in units of the reference and positive; x may be zero.
    """
    return jnp.asarray((x + by) / (1.0 + by))


# -- sums and floors ----------------------------------------------------------


def coupled(first: Runs, second: Runs, share: Runs, coupling: Runs = 1.0) -> Given:
    """Soft sum of two decaying terms that are one at the reference.

    ``(share * first**(1/k) + (1 - share) * second**(1/k)) ** k`` with coupling
    ``k``. It is one at the reference, and its log-slope there is ``share`` times
    that of `first` plus ``1 - share`` times that of `second`, for every ``k``.
    ``k = 1`` is the plain sum (Hoffmann et al. 2022); ``k`` equal to the exponent
    of D is the bracket of Kaplan et al. 2020; as ``k`` goes to 0 the larger of
    the two terms remains.
    """
    if isinstance(coupling, float) and coupling == 1.0:
        return jnp.asarray(share * first + (1.0 - share) * second)
    inverse = 1.0 / jnp.asarray(coupling)
    # in logs: first**(1/k) overflows for small k
    log_sum = jnp.logaddexp(
        jnp.log(share) + inverse * jnp.log(first), jnp.log1p(-share) + inverse * jnp.log(second)
    )
    return jnp.exp(jnp.asarray(coupling) * log_sum)


def above_floor(level: Runs, reducible: Runs, decay: Runs) -> Given:
    """Put a decaying term on a floor: ``level * (1 - reducible + reducible * decay)``.

    Parameters
    ----------
    level : array
        Response where ``decay`` is one (at the reference), in the response's unit.
    reducible : array
        Share of `level` that decays; the floor is ``level * (1 - reducible)``.
    decay : array
        Decaying term, one at the reference.
    """
    return jnp.asarray(level * (1.0 - reducible + reducible * decay))


def moved(level: Runs, amplitude: Runs, decay: Runs) -> Given:
    """Move a response of either sign: ``level + amplitude * (decay - 1)``.

    `above_floor` for responses that can be negative, such as normalised losses.
    """
    return jnp.asarray(level + amplitude * (decay - 1.0))


def smooth_minimum(first: Runs, second: Runs, sharpness: Runs = 10.0) -> Given:
    """Minimum of two positive quantities without a kink.

    ``(first**-k + second**-k) ** (-1/k)``; never above either, and at most a factor
    ``2**(-1/k)`` below the smaller one.
    """
    k = jnp.asarray(sharpness)
    return jnp.exp(-jnp.logaddexp(-k * jnp.log(first), -k * jnp.log(second)) / k)


# -- saturation and regimes ---------------------------------------------------


def saturating(ratio: Runs, steepness: Runs) -> Given:
    """Solve ``w / (1 - w)**steepness = ratio`` for the fraction w of the reducible range.

    M4 of Alabdulmohsin et al. 2022, with ``w = (y - floor) / (ceiling - floor)`` and
    ``ratio`` a power of the scale. At ``steepness = 0`` it is ``w = ratio`` (M2), as
    long as that is below one; at 1 it is ``ratio / (1 + ratio)``.
    """

    def left(u: Runs, steepness: Runs, log_ratio: Runs) -> Given:
        return -softplus(-u) + steepness * softplus(u) - log_ratio

    log_ratio = jnp.log(ratio)
    # the asymptotes, from which Newton's method does not overshoot
    far = jnp.maximum(jnp.asarray(steepness), 1e-6)
    start = jnp.clip(jnp.where(log_ratio < 0, log_ratio, log_ratio / far), -799.0, 799.0)
    arguments = (jnp.asarray(steepness), log_ratio)
    u = increasing_root(left, arguments, low=-800.0, high=800.0, start=start)
    return jax.nn.sigmoid(u)


def smooth_break(x: Runs, place: Runs, change: Runs, width: Runs) -> Given:
    """Change the exponent of a power by `change` around `place`; one at the reference.

    ``((1 + (x/d)**(1/f)) / (1 + (1/d)**(1/f))) ** (-c f)`` of Caballero et al. 2022,
    divided by its value at the reference. Far below d it is flat, far above it is
    ``x ** -c`` times a constant. A width near 0 is a kink.
    """
    log_x, log_d = jnp.log(x), jnp.log(place)
    return jnp.exp(-change * width * (softplus((log_x - log_d) / width) - softplus(-log_d / width)))


def bump(x: Runs, place: Runs, width: Runs) -> Given:
    """Return a bump of height one at `place`, normal in ``log x`` with sd `width`."""
    return jnp.exp(-0.5 * ((jnp.log(x) - jnp.log(place)) / width) ** 2)


def rise(x: Runs, place: Runs, slope: Runs) -> Given:
    """Return a logistic curve in ``log x`` from 0 to 1, a half at `place`."""
    return jax.nn.sigmoid(slope * (jnp.log(x) - jnp.log(place)))


def hill(x: Runs, middle: Runs, steepness: Runs) -> Given:
    """Return a Hill curve from 0 at ``x = 0`` to 1, a half at `middle`."""
    inside = jnp.where(x > 0, x, 1.0)
    risen = jax.nn.sigmoid(steepness * (jnp.log(inside) - jnp.log(middle)))
    return jnp.where(x > 0, risen, 0.0)


# -- valleys ------------------------------------------------------------------


def from_best(x: Runs, log_best: Runs) -> Given:
    """Log of a setting over its best value; zero where the setting is missing (nan)."""
    known = jnp.isfinite(x)
    return jnp.where(known, jnp.log(jnp.where(known, x, 1.0)) - log_best, 0.0)


def below_bound(penalty: Runs, most: float = 20.0) -> Given:
    """Cut a log loss over the best one where it is no loss any more and would overflow."""
    return jnp.minimum(penalty, most)


def second_order(cost: Runs) -> Given:
    """Slope of a standardised log setting: a factor of two costs ``cost``, to second order."""
    return jnp.sqrt(2.0 * cost) / np.log(2.0)


def linex(z: Runs, skew: Runs) -> Given:
    """Return a valley ``(exp(s z) - 1 - s z) / s**2``: ``z**2 / 2`` in its midst.

    For positive z it rises exponentially, for negative z in proportion.
    """
    inside = jnp.asarray(skew * z)
    small = jnp.abs(inside) < 1e-3
    safe = jnp.where(small, 1.0, jnp.minimum(inside, 50.0))
    series = 0.5 + inside / 6.0 + inside**2 / 24.0
    return z**2 * jnp.where(small, series, (jnp.expm1(safe) - safe) / safe**2)


def skew_valley(
    u: Runs, v: Runs, first: Runs, second: Runs, turn: Runs, over: Runs, under: Runs
) -> Given:
    """Sum of two skew valleys in directions of the plane of two settings.

    To second order ``((first * u)**2 + (second * v)**2) / 2`` whatever the directions.

    Parameters
    ----------
    u, v : array
        Logs over their best values; that of `u` may depend on v.
    first, second : array
        Square roots of the curvature.
    turn : array
        From 0 (walls along the axes) to 1 (the axes swapped), as a share of a right angle.
    over, under : array
        Growth of the two walls, in e-folds for one e-fold of u.
    """
    angle = 0.5 * jnp.pi * turn
    p, q = first * u, second * v
    along, across = jnp.cos(angle), jnp.sin(angle)
    high = linex(along * p + across * q, over / first)
    noisy = linex(across * p - along * q, under / first)
    return below_bound(high + noisy)


# -- precision ----------------------------------------------------------------


def precision_share(bits: Runs, scale: Runs) -> Given:
    """Share of the parameters that count at a precision, ``1 - exp(-bits / scale)``."""
    return -jnp.expm1(-bits / scale)


def float_noise(
    exponent_bits: Runs, mantissa_bits: Runs, block: Runs, delta: Runs, nu: Runs
) -> Given:
    """Size of floating-point rounding: ``log2(B) / ((E + .5)**delta (M + .5)**nu)``.

    Sun et al. 2025, with E exponent bits, M mantissa bits and B numbers that share a
    scale; B above one.
    """
    return jnp.log2(block) * jnp.exp(
        -delta * jnp.log(exponent_bits + 0.5) - nu * jnp.log(mantissa_bits + 0.5)
    )


# -- frontiers ----------------------------------------------------------------


def stochastic_frontier(residual: Runs, sigma: Runs, excess: Runs) -> Given:
    """Log density of normal noise less a half-normal shortfall (Aigner et al. 1977).

    Parameters
    ----------
    residual : array
        Observed minus frontier; change its sign where runs lie above the frontier.
    sigma : array
        Sd of the noise.
    excess : array
        Scale of the half-normal shortfall.
    """
    total = jnp.hypot(sigma, excess)
    standardised = residual / total
    skew = -standardised * excess / sigma
    normal = -0.5 * standardised**2 - 0.5 * jnp.log(2.0 * jnp.pi) - jnp.log(total)
    return jnp.log(2.0) + normal + log_ndtr(skew)
