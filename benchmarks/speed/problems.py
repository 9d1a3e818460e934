"""The tables and models that are timed, for bayes-scaling and for PyMC."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import xarray as xr

import bayes_scaling as bs
from bayes_scaling.models import chinchilla
from bayes_scaling.runs import Runs, datasets
from benchmarks import pooled
from benchmarks.problem import Draws, free_draws


@dataclass(frozen=True)
class Problem:
    """A table and its model.

    Attributes
    ----------
    runs : Runs
    model : ScalingModel
    twin : str
        Module of the same model in PyMC, which only PyMC's own workers import.
    """

    runs: Runs
    model: bs.ScalingModel
    twin: str = "benchmarks.chinchilla_pymc"

    def built(self) -> Any:
        """Return the model in PyMC."""
        return import_module(self.twin).build(self.runs)

    def quantities(self, posterior: xr.Dataset, tool: str) -> Draws:
        """Return every sampled quantity, unconstrained, ``(chains, draws)`` each."""
        if not self.runs.groups:
            return free_draws(posterior)
        if tool == "ours":
            return pooled.sampled_quantities(posterior)
        return import_module(self.twin).sampled_quantities(posterior)


def core() -> Problem:
    """Return the 240 runs of Chinchilla's figure 4, one group."""
    return Problem(datasets.chinchilla(), bs.ScalingModel(chinchilla, discrepancy=False))


def of_groups(groups: int) -> Problem:
    """Return a synthetic table of so many groups, 40 runs each."""
    runs = pooled.pooled_runs(groups)
    return Problem(runs, pooled.pooled_model(), "benchmarks.pooled_pymc")


def of_rows(rows: int) -> Problem:
    """Return a synthetic table of so many runs in one group."""
    return Problem(pooled.single_runs(rows), pooled.pooled_model())


PROBLEMS: dict[str, Callable[..., Problem]] = {"core": core, "groups": of_groups, "rows": of_rows}


def problem(name: str, size: int | None = None) -> Problem:
    """Return a problem by name, and by size but for the core problem."""
    return PROBLEMS[name]() if size is None else PROBLEMS[name](size)
