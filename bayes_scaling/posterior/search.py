"""The warm start: mode of the posterior, linearised program and whitening there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from bayes_scaling.program.structure import Data, Structure

from .coordinates import Coordinates, Point
from .devices import ALONE, Meet
from .linearised import Linearised, Weights
from .whitening import Frame, factor_of, independent

STARTS = 8
ITERATIONS = 40
MAX_STEP = 1.0
NEAR_STARTS, NEAR_ITERATIONS, NEAR_JITTER = 2, 15, 0.05  # where the mode is nearly known
JITTER = 0.5
SETTLES = 3.0  # prior sds to either side in which the settling of the noise is looked for
LEGS, CLIMB = 4, 150  # of BFGS, and iterations of each


# a point, an inverse Hessian there, and the linearised program
type Hill = tuple[Float[Array, " n"], Float[Array, "n n"], Linearised]


class Start(NamedTuple):
    """Where NUTS starts: the whitening, and the linearised program."""

    frame: Frame
    linearised: Linearised


def find_start(
    structure: Structure,
    data: Data,
    key: Array,
    near: dict[str, Array] | None = None,
    meet: Meet = ALONE,
) -> Start:
    """Search from several starts; linearise and whiten at the best mode.

    Starts lie around the prior, or around sites that are `near` to the mode.

    Each iteration linearises the program, moves centres and effects towards their
    conditional mean (Gauss-Newton with backtracking), and updates the scales by one
    step of expectation-maximisation in the linearised program. It needs no
    curvature in the scales, whose compilation would cost more than the sampling.
    """
    coordinates = Coordinates(structure, data)
    t_first, eta_first = coordinates.t0, coordinates.eta0
    starts, iterations, spread = STARTS, ITERATIONS, JITTER
    if near is not None:
        t_first, eta_first = coordinates.flat(near)
        starts, iterations, spread = NEAR_STARTS, NEAR_ITERATIONS, NEAR_JITTER

    def iterate(state: tuple[Point, Weights], _: None) -> tuple[tuple[Point, Weights], None]:
        point, weights = state
        lin = coordinates.linearise(point.t, weights)
        target, variance = coordinates.conditional_moments(point.eta, lin)
        t = _backtrack(coordinates, point, target, lin)
        moved = Point(point.eta, t, coordinates.rung_mean(point.eta, t, lin))
        moved = moved._replace(eta=coordinates.update_scales(moved, variance, lin))
        for name, place in coordinates.likelihood_scalars.items():
            moved = _line(coordinates, moved, place, _ends(data, name))
        return (moved, coordinates.weights(moved)), None

    def search(key: Array) -> tuple[Float[Array, ""], Point, Weights]:
        jitter = spread * jax.random.normal(key, t_first.shape)
        t0 = t_first + jnp.where(coordinates.is_effect, 0.0, jitter)
        point = Point(eta_first, t0, jnp.zeros(coordinates.n_rungs))
        state = (point, coordinates.first_weights(point))
        (point, weights), _ = jax.lax.scan(iterate, state, None, length=iterations)
        return coordinates.log_posterior(point), point, weights

    keys = jax.random.split(key, starts)
    own = jax.vmap(search)(keys if starts % meet.devices else meet.share(keys))
    heights, points, weights = jax.tree.map(meet.gather, own)
    best = _highest(heights)
    point, weights = jax.tree.map(lambda a: a[best], (points, weights))
    tail = jnp.zeros(coordinates.size - coordinates.n_eta)
    centre = jnp.concatenate([point.eta, tail])
    lin = coordinates.linearise(point.t, weights)
    widths = jnp.concatenate([coordinates.eta_width, jnp.ones_like(tail)])
    if structure.law.scatter is None:
        return Start(Frame(centre, independent(coordinates.whole, widths)), lin)
    # where the law has a say in the noise, the weights' fixed point is no mode
    centre, inverse, lin = _climb(coordinates, (centre, jnp.diag(widths**2), lin))
    return Start(Frame(centre, factor_of(coordinates.whole, inverse)), lin)


def _line(coordinates: Coordinates, point: Point, place: int, ends: tuple[Any, Any]) -> Point:
    """Best of a few values of one scale between two ends, staying included."""
    candidates = point.eta[place] + jnp.array([-1.0, -0.2, 0.0, 0.2, 1.0])
    candidates = jnp.clip(candidates, *ends)
    etas = jax.vmap(lambda value: point.eta.at[place].set(value))(candidates)
    heights = jax.vmap(lambda eta: coordinates.log_posterior(point._replace(eta=eta)))(etas)
    return point._replace(eta=etas[_highest(heights)])


def _ends(data: Data, name: str) -> tuple[Any, Any]:
    """Between which values a scale is looked for.

    Where few runs share a rung, effects of rungs take up the residuals, and the joint density
    has no bound along the settling of the noise.
    """
    if name != "settling":
        return -jnp.inf, jnp.inf
    middle, sd = data.prior_loc[name], data.prior_sd[name]
    return middle - SETTLES * sd, middle + SETTLES * sd


def _highest(heights: Float[Array, " k"]) -> Array:
    """Place of the largest height; one that is no number never is."""
    return jnp.argmax(jnp.where(jnp.isfinite(heights), heights, -jnp.inf))


def _climb(coordinates: Coordinates, hill: Hill) -> Hill:
    """Climb to the mode by BFGS, in coordinates that are linearised again on the way."""

    def leg(hill: Hill, _: None) -> tuple[Hill, None]:
        x, inverse, lin = hill
        x, inverse = _bfgs(lambda x: -coordinates.log_density(x, lin), x, inverse)
        point = coordinates.to_point(x, lin)[0]
        lin = coordinates.linearise(point.t, coordinates.weights(point))
        return (coordinates.to_x(point, lin), inverse, lin), None

    return jax.lax.scan(leg, hill, None, length=LEGS)[0]


def _bfgs(
    function: Callable[[Float[Array, " n"]], Float[Array, ""]],
    x: Float[Array, " n"],
    inverse: Float[Array, "n n"],
) -> tuple[Float[Array, " n"], Float[Array, "n n"]]:
    """Minimum and inverse Hessian; one gradient an iteration, so that it compiles once."""
    slope = jax.value_and_grad(function)

    def climb(state: Any, _: None) -> tuple[Any, None]:
        x, value, gradient, inverse, fraction = state
        step = -inverse @ gradient
        step = fraction * step / jnp.maximum(1.0, jnp.linalg.norm(step) / MAX_STEP)
        there, steeper = slope(x + step)
        lower = there < value + 1e-4 * gradient @ step  # false where it is not a number
        turned = steeper - gradient
        curved = lower & (step @ turned > 1e-10)
        size = jnp.where(curved, step @ turned, 1.0)
        left = jnp.eye(x.size) - jnp.outer(step, turned) / size
        updated = left @ inverse @ left.T + jnp.outer(step, step) / size
        moved = (x + step, there, steeper)
        x, value, gradient = (
            jnp.where(lower, new, old) for new, old in zip(moved, (x, value, gradient), strict=True)
        )
        inverse = jnp.where(curved, updated, inverse)
        return (x, value, gradient, inverse, jnp.where(lower, 1.0, 0.4 * fraction)), None

    # the first step is of length zero, so that the gradient is compiled in one place
    nowhere: Any = (x, jnp.asarray(jnp.inf), jnp.zeros_like(x), inverse, jnp.asarray(1.0))
    (x, *_, inverse, _), _ = jax.lax.scan(climb, nowhere, None, length=CLIMB)
    return x, inverse


def _backtrack(
    coordinates: Coordinates, point: Point, target: Float[Array, " d"], lin: Linearised
) -> Float[Array, " d"]:
    """Best of a few fractions of the way to the target, staying included."""
    step = target - point.t
    step = step * jnp.minimum(1.0, MAX_STEP / jnp.max(jnp.abs(step)))
    candidates = point.t + jnp.array([1.0, 0.3, 0.05, 0.0])[:, None] * step

    def height(t: Float[Array, " d"]) -> Float[Array, ""]:
        rung = coordinates.rung_mean(point.eta, t, lin)
        return coordinates.log_posterior(Point(point.eta, t, rung))

    heights = jax.vmap(height)(candidates)
    return candidates[_highest(heights)]
