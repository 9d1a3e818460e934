"""What a budget trains: the compute-optimal size and tokens, or those of a fixed ratio or size."""

from __future__ import annotations

import functools
import math
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from .arm import DATA, SIZE, Arm, Grid, decaying
from .predict import sample_count

GRID = 48  # sizes that the search starts from
GOLDEN = 32  # steps of the golden section: a millionth of the grid's spacing
RATIO = (math.sqrt(5.0) - 1.0) / 2.0
EDGE = 1e-4  # of the log range: an optimum so close to its end is cut there
HALVINGS = 60  # of the log size that a budget pays for at a fixed ratio
LARGEST = 90.0  # log of a size that no budget pays for
BUCKETS = (1, 4, 16, 64)  # places that one program takes: others are padded to these

Kind = Literal["best", "ratio", "size"]


class Trained(NamedTuple):
    """Runs that budgets pay for, each of shape (sample, place).

    Attributes
    ----------
    size, data : array
        Not numbers where a budget pays for nothing.
    mean : array
        Expected response.
    interior : bool array
        False where the best size is cut at the end of the sizes that are looked at.
    """

    size: Grid
    data: Grid
    mean: Grid
    interior: Array


def train(arm: Arm, budget: Any, kind: Kind = "best", number: float = 1.0) -> Trained:
    """Runs that budgets pay for.

    Parameters
    ----------
    arm : Arm
    budget : (sample or 1, place) array
    kind : {"best", "ratio", "size"}
        The best split of each draw, or a fixed `number` of tokens per parameter or of parameters.
    number : float
    """
    count = sample_count(arm.law, arm.parameters)
    given = jnp.broadcast_to(jnp.asarray(budget, dtype=float), (count, jnp.shape(budget)[1]))
    places = given.shape[1]
    wide = next((b for b in BUCKETS if b >= places), places)
    padded = jnp.pad(given, ((0, 0), (0, wide - places)), mode="edge")
    found = _train(arm, padded, kind, jnp.asarray(number))
    return Trained(*(x[:, :places] for x in found))


@jax.jit
def mean_of(arm: Arm, size: Any, data: Any) -> Grid:
    """Expected response of given runs, compiled."""
    return arm.mean(size, data)


@jax.jit
def loss_of(arm: Arm, size: Any, data: Any) -> Grid:
    """What the best split minimises, of given runs, compiled."""
    return arm.loss(size, data)


@jax.jit
def tokens_of(arm: Arm, size: Any, budget: Any) -> Grid:
    """Tokens that a budget pays for, compiled."""
    return arm.tokens(size, budget)


@functools.partial(jax.jit, static_argnames="kind")
def _train(arm: Arm, budget: Grid, kind: Kind, number: Array) -> Trained:
    interior = jnp.ones_like(budget, dtype=bool)
    if kind == "best":
        size, interior = _best(arm, budget)
        data = arm.tokens(size, budget)
    elif kind == "size":
        size = jnp.full_like(budget, number)
        data = arm.tokens(size, budget)
    else:
        size = _of_ratio(arm, budget, number)
        data = number * size
    return Trained(size, data, arm.mean(size, data), interior)


def _best(arm: Arm, budget: Grid) -> tuple[Grid, Array]:
    find = _closed if arm.closed else _search
    found = jax.lax.map(lambda own: find(arm, own[:, None])[:, 0], budget.T).T
    low, high = _bounds(arm, budget)
    x = jnp.clip(found, low, high)
    margin = EDGE * (high - low)
    return jnp.exp(x), (x > low + margin) & (x < high - margin)


def _of_ratio(arm: Arm, budget: Grid, ratio: Array) -> Grid:
    """Size that a budget pays for at a number of tokens per parameter, by bisection."""
    low, high = jnp.zeros_like(budget), jnp.full_like(budget, LARGEST)

    def step(_: Any, ends: tuple[Grid, Grid]) -> tuple[Grid, Grid]:
        middle = 0.5 * (ends[0] + ends[1])
        size = jnp.exp(middle)
        dearer = arm.cost.of(size, ratio * size) > budget
        return jnp.where(dearer, ends[0], middle), jnp.where(dearer, middle, ends[1])

    low, high = jax.lax.fori_loop(0, HALVINGS, step, (low, high))
    return jnp.where(low > 0, jnp.exp(0.5 * (low + high)), jnp.nan)


def _bounds(arm: Arm, budget: Grid) -> tuple[Grid, Grid]:
    """Logs of the smallest and largest size for each budget."""
    low, high = jnp.log(arm.sizes[0]), jnp.log(arm.sizes[1])
    below = jnp.log(jnp.minimum(budget / arm.corners[0], 1.0))
    above = jnp.log(jnp.maximum(budget / arm.corners[1], 1.0))
    return low + jnp.nan_to_num(below), high + jnp.nan_to_num(above)


def _closed(arm: Arm, budget: Grid) -> Grid:
    cost, x0 = arm.cost, arm.references
    reference = cost.coefficient * x0[SIZE] ** cost.size * x0[DATA] ** cost.data
    full, best_size = arm.law.expand(arm.parameters), decaying(arm.law).best_size
    assert best_size is not None
    log_n = best_size(full, jnp.log(budget / reference), cost.size, cost.data)
    return jnp.broadcast_to(log_n + jnp.log(x0[SIZE]), budget.shape)


def _search(arm: Arm, budget: Grid) -> Grid:
    """Log of the best size: the lowest valley of a grid, and the golden section in it.

    A valley comes before an end of the grid: laws that can turn fall again far from all runs.
    """
    low, high = _bounds(arm, budget)

    def loss(x: Grid) -> Grid:
        size = jnp.exp(x)
        found = arm.loss(size, arm.tokens(size, budget))
        return jnp.where(jnp.isnan(found), jnp.inf, found)

    grid = low + (high - low) * jnp.linspace(0.0, 1.0, GRID)
    tried = loss(grid)
    inside = tried[:, 1:-1]
    valley = (inside < tried[:, :-2]) & (inside <= tried[:, 2:])
    lowest_valley = 1 + jnp.argmin(jnp.where(valley, inside, jnp.inf), axis=1)
    lowest = jnp.where(valley.any(axis=1), lowest_valley, jnp.argmin(tried, axis=1))[:, None]
    a = jnp.take_along_axis(grid, jnp.maximum(lowest - 1, 0), 1)
    b = jnp.take_along_axis(grid, jnp.minimum(lowest + 1, GRID - 1), 1)
    c, d = b - RATIO * (b - a), a + RATIO * (b - a)

    def step(_: Any, carry: tuple[Grid, ...]) -> tuple[Grid, ...]:
        a, b, c, d, at_c, at_d = carry
        left = at_c < at_d
        a, b = jnp.where(left, a, c), jnp.where(left, d, b)
        new = jnp.where(left, b - RATIO * (b - a), a + RATIO * (b - a))
        at_new = loss(new)
        c, d = jnp.where(left, new, d), jnp.where(left, c, new)
        at_c, at_d = jnp.where(left, at_new, at_d), jnp.where(left, at_c, at_new)
        return a, b, c, d, at_c, at_d

    a, b, *_ = jax.lax.fori_loop(0, GOLDEN, step, (a, b, c, d, loss(c), loss(d)))
    return 0.5 * (a + b)
