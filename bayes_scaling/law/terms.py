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


# -- effective resources ------------------------------------------------------


def repeated(total: Runs, unique: Runs, worth: Runs) -> Given:
    """Amount of new data that repeated data are worth (Muennighoff et al. 2023, eq. 5).

    ``unique * (1 + worth * (1 - exp(-repeats / worth)))`` with ``repeats = total /
    unique - 1``, zero where less than one pass is made. A few repeats are as good as
    new data; endless ones are worth ``worth`` times the unique data.
    """
    repeats = jnp.maximum(total / unique - 1.0, 0.0)
    # less than one pass uses only what is seen
    used = jnp.minimum(total, unique)
    return used * (1.0 - worth * jnp.expm1(-repeats / worth))


def harmed(effective: Runs, total: Runs, unique: Runs, harm: Runs) -> Given:
    """Lessen an effective amount of data by over-fitting: divide by ``1 + (harm * repeats)**2``.

    A few repeats do nothing, ``1 / harm`` of them halve it, and it falls beyond.
    """
    repeats = jnp.maximum(total / unique - 1.0, 0.0)
    return effective / (1.0 + (harm * repeats) ** 2)


def parallel_streams(streams: Runs, gain: Runs) -> Given:
    """Factor on the parameters of parallel streams, ``1 + gain * log P`` (Chen et al. 2025)."""
    return 1.0 + gain * jnp.log(streams)


def average_size(start: Runs, end: Runs, begins: Runs, stops: Runs, order: Runs) -> Given:
    """Power mean over training of a model's size that falls linearly (pruning) or grows.

    Parameters
    ----------
    start, end : array
        Sizes before and after the change, in one unit.
    begins, stops : array
        Fractions of the tokens at which the change begins and stops; equal for a jump.
    order : array
        Order of the mean: 1 is the average of Jin et al. 2025, 0 the geometric mean.
    """
    nodes, weights = np.polynomial.legendre.leggauss(12)
    start, order = jnp.asarray(start), jnp.asarray(order)
    # log sizes over the start, so that no power of a size overflows
    log_end = jnp.log(end) - jnp.log(start)
    inside = jnp.asarray(0.5 * (1.0 + nodes)) * log_end[..., None]
    # a size that moves linearly stays as long at a log size as that size is large
    shares = jnp.asarray(weights) * jnp.exp(inside)
    shares = shares / jnp.sum(shares, axis=-1, keepdims=True)

    def mean(at_start: Runs, at_end: Runs, inside: Runs) -> Given:
        during = jnp.sum(shares * inside, axis=-1)
        return begins * at_start + (stops - begins) * during + (1.0 - stops) * at_end

    geometric = mean(jnp.zeros_like(log_end), log_end, inside)
    away = (-geometric, log_end - geometric, inside - geometric[..., None])
    small = jnp.abs(order * log_end) < 1e-3
    safe = jnp.where(small, 1.0, order)
    powers = mean(
        jnp.expm1(safe * away[0]), jnp.expm1(safe * away[1]), jnp.expm1(safe[..., None] * away[2])
    )
    squares, cubes = (mean(*(x**k for x in away)) for k in (2, 3))
    series = order * squares / 2.0 + order**2 * cubes / 6.0
    beyond = jnp.where(small, series, jnp.log1p(powers) / safe)
    return start * jnp.exp(geometric + beyond)


def pool_learning(passes: Runs, half_life: Runs, most: int = 64) -> Given:
    """Log of the samples seen, each pass through a pool worth less than the one before.

    Sum over passes j = 1, 2, ... of ``0.5**((j - 1) / half_life) * log(n_j / n_(j-1))``
    with ``n_j`` the samples seen by the end of pass j, in units of the pool
    (Goyal et al. 2024): the exponent of a utility that halves every `half_life` passes.

    Parameters
    ----------
    passes : array
        Samples seen over size of the pool, above zero.
    half_life : array
        In passes.
    most : int
        Passes that are told apart; the utility of later ones is that of the last.
    """
    log_passes = jnp.log(passes)
    j = jnp.arange(1, most)
    edges = jnp.log(jnp.arange(1, most + 1))
    shape = (..., None)
    gained = jnp.clip(log_passes[shape], edges[:-1], edges[1:]) - edges[:-1]
    # the last pass that is told apart goes on for ever
    rest = jnp.maximum(log_passes - edges[-1], 0.0)
    decay = jnp.exp(-jnp.log(2.0) * j / jnp.asarray(half_life)[shape])
    last = jnp.exp(-jnp.log(2.0) * most / jnp.asarray(half_life))
    return jnp.minimum(log_passes, 0.0) + jnp.sum(decay * gained, axis=-1) + last * rest


def mixture_share(weight: Runs, lift: Runs, rise: Runs, fall: Runs) -> Given:
    """Share of a model that a task with sampling weight p gets: ``p + c1 p**c2 (1 - p)**c3``.

    Fernandes et al. 2023: 0 at ``p = 0`` and 1 at ``p = 1`` whatever c1, c2 and c3.
    """
    inside = jnp.clip(weight, 1e-12, 1.0 - 1e-12)
    bend = lift * jnp.exp(rise * jnp.log(inside) + fall * jnp.log1p(-inside))
    return weight + jnp.where((weight > 0) & (weight < 1), bend, 0.0)


def expert_saturation(experts: Runs, start: Runs, most: Runs) -> Given:
    """Effective number of experts of Clark et al. 2022, eq. 6.

    ``1 / (1 / (E - 1 + 1 / (1/start - 1/most)) + 1 / most)``: `start` for a dense
    model (E = 1), `most` for endless experts; ``most > start`` is needed.
    """
    inner = experts - 1.0 + 1.0 / (1.0 / start - 1.0 / most)
    return jnp.asarray(1.0 / (1.0 / inner + 1.0 / most))


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


# -- sampling -----------------------------------------------------------------


def tilted(chance: Runs, log_odds: Runs) -> Given:
    """Move a chance by a number of logits: its odds times ``exp(log_odds)``."""
    return jax.nn.sigmoid(jnp.log(chance) - jnp.log1p(-chance) + log_odds)


def one_of(k: Runs, chance: Runs) -> Given:
    """Chance that one of k tries or more succeeds, ``1 - (1 - chance)**k``."""
    return -jnp.expm1(k * jnp.log1p(-chance))


def pass_at(k: Runs, rate: Runs, concentration: Runs, unsolvable: Runs = 0.0) -> Given:
    """Share of problems solved by one of k samples or more, `one_of` averaged over problems.

    ``(1 - unsolvable) * (1 - B(a, b + k) / B(a, b))`` with ``a = rate * concentration`` and
    ``b = (1 - rate) * concentration``. What is left of the solvable share falls as
    ``k**-a`` for large k, and exponentially without any spread between problems.

    Parameters
    ----------
    k : array
        Samples of each problem.
    rate : array
        Mean pass rate of the solvable problems.
    concentration : array
        Of the beta distribution of their pass rates; large where problems are alike.
    unsolvable : array
        Share of problems that no sample solves.
    """
    a, b = jnp.asarray(rate * concentration), jnp.asarray((1.0 - rate) * concentration)
    # a and k are exchangeable; steps as small as possible lose the fewest digits
    short, far = jnp.minimum(a, k), jnp.maximum(a, k)
    # log Gamma(b + short) / Gamma(b), less the same at b + far: by recurrence to where
    # Stirling's series holds, because differences of log-gammas lose all digits at large b
    at = b[..., None] + jnp.arange(12)
    log_left = jnp.sum(
        jnp.log1p(short[..., None] / (at + far[..., None])) - jnp.log1p(short[..., None] / at), -1
    )
    y = b + 12.0
    z = y + far
    log_left += (y + short - 0.5) * jnp.log1p(short / y) - short * jnp.log1p(far / y)
    log_left -= (z + short - 0.5) * jnp.log1p(short / z)
    log_left += _beyond_stirling(y + short) - _beyond_stirling(y)
    log_left -= _beyond_stirling(z + short) - _beyond_stirling(z)
    return -(1.0 - unsolvable) * jnp.expm1(log_left)


def _beyond_stirling(x: Given) -> Given:
    """Remainder of Stirling's formula for the log-gamma function; 14 digits from 12 on."""
    inverse = 1.0 / x**2
    series = 1 / 12 - inverse * (1 / 360 - inverse * (1 / 1260 - inverse / 1680))
    return series / x


def accepted_accuracy(k: Runs, correct: Runs, wrong: Runs, concentration: Runs) -> Given:
    """Share of problems answered correctly by the first of k samples that a verifier accepts.

    ``correct / (correct + wrong)`` of the problems with an accepted sample, which is the
    ceiling of endless tries. Which kind of acceptance a problem gets is independent of how
    many, where the chances of problems are Dirichlet distributed.

    Parameters
    ----------
    k : array
        Samples of each problem at most.
    correct, wrong : array
        Mean chances that a sample is accepted and correct, or accepted and wrong.
    concentration : array
        Of the Dirichlet distribution between problems; large where problems are alike.
    """
    accepted = correct + wrong
    return correct / accepted * pass_at(k, accepted, concentration)


def accepted_length(rate: Runs, drafted: Runs) -> Given:
    """Tokens that a step of speculative decoding yields, ``(1 - rate**(g + 1)) / (1 - rate)``.

    With ``g = drafted`` tokens, accepted one after another at the same rate below one; the
    target model adds the last.
    """
    log_rate = jnp.log(rate)
    return jnp.expm1((drafted + 1.0) * log_rate) / jnp.expm1(log_rate)


# -- links --------------------------------------------------------------------


def between(chance: Runs, lapse: Runs, share: Runs) -> Given:
    """Carry a share in (0, 1) to a score between `chance` and the ceiling ``1 - lapse``."""
    return jnp.asarray(chance + (1.0 - chance - lapse) * share)


def gompertz(z: Runs) -> Given:
    """Inverse of the link ``ln(-ln p)``: ``exp(-exp(z))`` falls from one to zero."""
    # beyond this p is zero to 175 digits, and the inner exponential would overflow
    return jnp.exp(-jnp.exp(jnp.minimum(z, 6.0)))


def closing(x: Runs, slope: Runs, gap: Runs) -> Given:
    """Return a gap that closes exponentially in a ratio, ``gap * exp(-slope * (x - 1) / gap)``.

    At the reference it is ``gap`` and closes at ``slope``, whatever the gap.
    """
    # far below the reference the gap is wider than anything that can be measured
    return gap * jnp.exp(below_bound(slope * (1.0 - x) / gap, 50.0))


def log_power(x: Runs, slope: Runs, bend: Runs) -> Given:
    """Return a power of a linear function of ``log x``: ``(1 + (s / b) log x) ** b``.

    It is one at the reference, with the log-slope `slope` there: linear in ``log x`` for
    ``b = 1``, and the power ``x ** s`` as b grows. Where the inside comes near zero, below
    0.05, it falls on smoothly and stays positive.
    """
    least = 0.05
    inside = 1.0 + slope / bend * jnp.log(x)
    log_inside = jnp.log(jnp.maximum(inside, least))
    below = jnp.log(least) + inside / least - 1.0
    return jnp.exp(bend * jnp.where(inside > least, log_inside, below))


def log_choice(margin: Runs, choices: Runs) -> Given:
    """Log probability of one of several choices that lies `margin` nats above each other one."""
    several = choices > 1.0
    others = jnp.where(several, choices - 1.0, 1.0)
    return jnp.where(several, -softplus(jnp.log(others) - margin), 0.0)


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
