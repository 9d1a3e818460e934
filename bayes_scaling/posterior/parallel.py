"""Work in several processes or on a cluster, through joblib, with the numbers of one process."""

from __future__ import annotations

import contextlib
import os
import pickle
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from bayes_scaling.errors import UsageError
from bayes_scaling.jax_setup import in_worker, on_one_device


def seed_of(seed: int, *place: int) -> int:
    """Seed of a part of the work, the same wherever and beside whatever it is done."""
    return int(np.random.SeedSequence([seed, *place]).generate_state(1)[0])


def in_parallel(
    function: Callable[..., Any],
    arguments: Sequence[tuple[Any, ...]],
    backend: str | None,
    jobs: int | None,
) -> Iterator[Any]:
    """Results of a function in order, here or through joblib.

    Parameters
    ----------
    function : callable
        Of a module.
    arguments : sequence of tuple
    backend : str, optional
        Of joblib; by default that of `joblib.parallel_config`.
    jobs : int, optional
        How many at once, -1 for one a core: the default of a backend that is named. Otherwise
        what `joblib.parallel_config` says by default, and one without it.

    Raises
    ------
    UsageError
        If joblib has no such backend, or a law cannot be sent to other processes.
    """
    import joblib

    jobs = -1 if backend and jobs is None else jobs
    told = {k: v for k, v in (("backend", backend), ("n_jobs", jobs)) if v is not None}
    try:
        with joblib.parallel_config(**told) if told else contextlib.nullcontext():
            parallel = joblib.Parallel(return_as="generator", batch_size=1)
    except ValueError as error:
        raise UsageError(
            f"joblib cannot work with backend {backend}, jobs {jobs}: {error}"
        ) from error
    if parallel.n_jobs == 1:
        yield from (on_one_device(function, given) for given in arguments)
        return
    packed = [pickle.dumps((function, given)) for given in arguments]
    yield from parallel(joblib.delayed(in_worker)(one, os.getpid()) for one in packed)
