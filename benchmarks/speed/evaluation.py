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

from .problems import Problem, problem

BATCHES, BATCH_SECONDS = 7, 0.2


def evaluation(name: str, size: int) -> dict[str, float]:
    """Time evaluations at the mode, in the sampler's coordinates; seconds of the median batch."""
    with one_thread_linear_algebra():
        density, place = density_with_gradient(problem(name, size))
        jax.block_until_ready(density(place))
        return {"seconds": _seconds(density, place)}


def density_with_gradient(asked: Problem) -> tuple[Callable[..., Any], Any]:
    """Return the compiled function, and the mode; all that this benchmark knows of the sampler."""
    model = asked.model
    spec = model.spec(asked.runs)
    structure, data = spec.structure(model.law), build_data(spec, model.law, asked.runs)
    start = jax.jit(find_start, static_argnums=0)(structure, data, jax.random.key(0))

    @jax.jit
    def evaluate(x: jax.Array) -> tuple[jax.Array, jax.Array]:
        coordinates = Coordinates(structure, data)
        return jax.value_and_grad(coordinates.log_density)(x, start.linearised)

    return evaluate, start.centre


def _seconds(density: Callable[..., Any], place: Any) -> float:
    begun = time.perf_counter()
    jax.block_until_ready(density(place))
    count = max(1, int(BATCH_SECONDS / (time.perf_counter() - begun)))
    batches = []
    for _ in range(BATCHES):
        begun = time.perf_counter()
        for _ in range(count):
            found = density(place)
        jax.block_until_ready(found)
        batches.append((time.perf_counter() - begun) / count)
    return statistics.median(batches)
