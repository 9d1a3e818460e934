"""The Huber grid with its bootstrap, timed."""

from __future__ import annotations

import time

import numpy as np

from benchmarks import huber_grid
from benchmarks.problem import CORES

from .job import since_start


def grid_and_bootstrap(every: int, bootstraps: int) -> dict[str, float]:
    """Fit from every so-manieth start of the grid, then so many resampled tables.

    Returns
    -------
    dict of str to float
        Seconds of ``starting`` (the interpreter, imports, the table), of the ``grid``, and of
        the ``bootstraps``; the worker processes start within the grid's.
    """
    from bayes_scaling.runs import datasets
    from benchmarks.restated import columns

    n, d, loss = columns(datasets.chinchilla())
    table = (np.log(n), np.log(d), np.log(loss))
    starting, begun = since_start(), time.perf_counter()
    best = huber_grid.best_of_grid(table, CORES, huber_grid.STARTS[::every])
    between = time.perf_counter()
    found = huber_grid.bootstrap(table, best, bootstraps, CORES, seed=1)
    ended = time.perf_counter()
    assert np.isfinite(found).all()
    return {"starting": starting, "grid": between - begun, "bootstraps": ended - between}
