"""How long one evaluation of the log density with its gradient takes, as the sampler makes it."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import jax

from bayes_scaling.jax_setup import one_thread_linear_algebra
from bayes_scaling.posterior.coordinates import Coordinates
from bayes_scaling.posterior.search import find_start
from bayes_scaling.program import build_data
from bayes_scaling.program.side_by_side import side_by_side

from .problems import Problem, problem

BATCHES, BATCH_SECONDS = 7, 0.2
STEP = 1e-12  # along the gradient, so that no evaluation can be left out


def evaluation(name: str, size: int) -> dict[str, float]:
    """Time evaluations at the mode, in the sampler's coordinates; seconds of the median batch.

    They follow each other in a loop of one compiled program, as in the sampler: called one by
    one, small ones would take as long as it takes to call them.
    """
    with one_thread_linear_algebra():
        density, place = density_with_gradient(problem(name, size))

        @jax.jit
        def loop(x: jax.Array, count: int) -> jax.Array:
            return jax.lax.fori_loop(0, count, lambda _, x: x + STEP * density(x)[1], x)

        def timed(count: int) -> float:
            begun = time.perf_counter()
            jax.block_until_ready(loop(place, count))
            return (time.perf_counter() - begun) / count

        timed(1)  # compiles
        count = max(1, int(BATCH_SECONDS / timed(10)))
        return {"seconds": statistics.median(timed(count) for _ in range(BATCHES))}


def density_with_gradient(asked: Problem) -> tuple[Callable[..., Any], Any]:
    """Return the function, and the mode; all that this benchmark knows of the sampler."""
    model = asked.model
    spec = model.spec(asked.runs)
    structure = spec.structure(model.law)
    structure, data = side_by_side(structure, build_data(spec, model.law, asked.runs))
    start = jax.jit(find_start, static_argnums=0)(structure, data, jax.random.key(0))
    coordinates = Coordinates(structure, data)

    def density(position: jax.Array) -> jax.Array:
        x = coordinates.placed(start.frame, position)
        return coordinates.log_density(x, start.linearised)

    return jax.value_and_grad(density), jax.numpy.zeros(coordinates.size)
