"""Scaling laws as hierarchical Bayesian models.

Everything public is here; each name is loaded when it is first used, so that
importing the package is cheap.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import models as models
    from .answers.allocate import Allocation as Allocation
    from .answers.allocate import allocate as allocate
    from .answers.cheapest import Cheapest as Cheapest
    from .answers.cheapest import IsoLoss as IsoLoss
    from .answers.cheapest import cheapest as cheapest
    from .answers.cheapest import iso_loss as iso_loss
    from .answers.compare import Comparison as Comparison
    from .answers.compare import compare as compare
    from .answers.cost import Cost as Cost
    from .answers.cost import six_nd as six_nd
    from .answers.crossing import Crossover as Crossover
    from .answers.crossing import Multiplier as Multiplier
    from .answers.crossing import crossover as crossover
    from .answers.crossing import multiplier as multiplier
    from .answers.decide import Decision as Decision
    from .answers.decide import decide as decide
    from .answers.density import Densities as Densities
    from .answers.density import densities as densities
    from .answers.emergence import Emergence as Emergence
    from .answers.emergence import emergence as emergence
    from .answers.first_runs import first_runs as first_runs
    from .answers.first_runs import isoflop_grid as isoflop_grid
    from .answers.forecast import Forecast as Forecast
    from .answers.forecast import forecast as forecast
    from .answers.goal import Goal as Goal
    from .answers.loop import Loop as Loop
    from .answers.loop import begin_loop as begin_loop
    from .answers.loop import observe as observe
    from .answers.loop import propose as propose
    from .answers.next_run import NextRun as NextRun
    from .answers.next_run import next_run as next_run
    from .answers.path import ScalingPath as ScalingPath
    from .answers.profiles import Agreement as Agreement
    from .answers.profiles import Profiles as Profiles
    from .answers.profiles import agreement as agreement
    from .answers.profiles import profiles as profiles
    from .answers.retries import Retries as Retries
    from .answers.retries import retries as retries
    from .answers.sampling import Coverage as Coverage
    from .answers.sampling import coverage as coverage
    from .answers.schedules import ScheduleComparison as ScheduleComparison
    from .answers.schedules import compare_schedules as compare_schedules
    from .answers.sensitivity import prior_sensitivity as prior_sensitivity
    from .answers.threshold import Threshold as Threshold
    from .answers.threshold import threshold as threshold
    from .answers.track import Tracking as Tracking
    from .answers.track import track as track
    from .answers.tune import Tuning as Tuning
    from .answers.tune import tune as tune
    from .display.plot import plot as plot
    from .jax_setup import DeviceName
    from .law import LogitNormal as LogitNormal
    from .law import LogNormal as LogNormal
    from .law import Normal as Normal
    from .law import chain as chain
    from .law.law import Law
    from .law.priors import Prior
    from .posterior.combine import combine as combine
    from .posterior.fit import Fit as Fit
    from .posterior.many import ManyFits as ManyFits
    from .posterior.many import fit_many as fit_many
    from .posterior.model import PriorName
    from .posterior.model import ScalingModel as ScalingModel
    from .posterior.predictive import arviz_tree as arviz_tree
    from .posterior.predictive import loo as loo
    from .posterior.suspicious import suspicious as suspicious
    from .posterior.weighted import WeightedModel as WeightedModel
    from .program.pooling import Pool
    from .runs import Runs as Runs
    from .runs import check_runs as check_runs
    from .runs import datasets as datasets
    from .runs import read_runs as read_runs
    from .runs import schedule as schedules  # noqa: F401
    from .validation.backtest import backtest as backtest
    from .validation.backtest import backtest_many as backtest_many
    from .validation.backtested import Backtest as Backtest
    from .validation.calibration import calibrate as calibrate
    from .validation.two_step import two_step as two_step
    from .validation.weights import stack as stack

AUTO = "auto"
_HOMES = {
    "Agreement": "answers.profiles",
    "Allocation": "answers.allocate",
    "Backtest": "validation.backtested",
    "Cheapest": "answers.cheapest",
    "Comparison": "answers.compare",
    "Cost": "answers.cost",
    "Coverage": "answers.sampling",
    "Crossover": "answers.crossing",
    "Decision": "answers.decide",
    "Densities": "answers.density",
    "Emergence": "answers.emergence",
    "Fit": "posterior.fit",
    "Forecast": "answers.forecast",
    "Goal": "answers.goal",
    "IsoLoss": "answers.cheapest",
    "LogNormal": "law",
    "Loop": "answers.loop",
    "ManyFits": "posterior.many",
    "LogitNormal": "law",
    "Multiplier": "answers.crossing",
    "NextRun": "answers.next_run",
    "Normal": "law",
    "Profiles": "answers.profiles",
    "Retries": "answers.retries",
    "Runs": "runs",
    "ScalingModel": "posterior.model",
    "ScalingPath": "answers.path",
    "ScheduleComparison": "answers.schedules",
    "Threshold": "answers.threshold",
    "Tracking": "answers.track",
    "Tuning": "answers.tune",
    "WeightedModel": "posterior.weighted",
    "agreement": "answers.profiles",
    "allocate": "answers.allocate",
    "arviz_tree": "posterior.predictive",
    "begin_loop": "answers.loop",
    "backtest": "validation.backtest",
    "backtest_many": "validation.backtest",
    "calibrate": "validation.calibration",
    "chain": "law",
    "cheapest": "answers.cheapest",
    "check_runs": "runs",
    "combine": "posterior.combine",
    "compare": "answers.compare",
    "compare_schedules": "answers.schedules",
    "coverage": "answers.sampling",
    "crossover": "answers.crossing",
    "decide": "answers.decide",
    "densities": "answers.density",
    "emergence": "answers.emergence",
    "first_runs": "answers.first_runs",
    "fit_many": "posterior.many",
    "forecast": "answers.forecast",
    "iso_loss": "answers.cheapest",
    "isoflop_grid": "answers.first_runs",
    "loo": "posterior.predictive",
    "multiplier": "answers.crossing",
    "next_run": "answers.next_run",
    "observe": "answers.loop",
    "plot": "display.plot",
    "prior_sensitivity": "answers.sensitivity",
    "profiles": "answers.profiles",
    "propose": "answers.loop",
    "read_runs": "runs",
    "retries": "answers.retries",
    "six_nd": "answers.cost",
    "stack": "validation.weights",
    "suspicious": "posterior.suspicious",
    "threshold": "answers.threshold",
    "track": "answers.track",
    "tune": "answers.tune",
    "two_step": "validation.two_step",
}
_MODULES = {"models": "models", "datasets": "runs.datasets", "schedules": "runs.schedule"}

__all__ = sorted([*_HOMES, *_MODULES, "find_law", "fit", "load", "load_loop", "make_model"])


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"{__name__}.{_MODULES[name]}")
    if name in _HOMES:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")


def find_law(name: str, source: str = "") -> Law:
    """Return a law by its name, ``law:variant``, or the path of a law file.

    Parameters
    ----------
    name : str
        For example ``"chinchilla"``, ``"chinchilla:tied"`` or ``"my_law.py"``. The columns
        of an open law follow its name, ``"domain_mixture:web,books,code"``; so do parameters
        that are held at a value or tied to another, ``"chinchilla:alpha=0.35"``. A chain is
        two laws, ``"chinchilla+error_decay"``.
    source : str
        Where the name is not in the registry: the law file to take it from.

    Raises
    ------
    UsageError
        If there is no such law.
    """
    from .errors import UsageError
    from .law.discovery import law_of_file
    from .law.mixed import BETWEEN, mixed
    from .law.naming import chained, restricted, variants
    from .models import registry

    if BETWEEN in name:
        return mixed(*(find_law(part, source) for part in name.split(BETWEEN)))
    first, plus, second = name.partition("+")
    if plus:
        return chained(find_law, first, second, source)
    base, *parts = name.split(":")
    if base.endswith(".py"):
        found = law_of_file(Path(base))
    elif base in registry:
        found = registry[base]
    elif source and Path(source).is_file():
        found = law_of_file(Path(source))
    else:
        known = ", ".join(text for law in registry.values() for text in (law.name, *variants(law)))
        raise UsageError(
            f"no law named '{name}'; there are {known}, or give a law file (my_law.py)"
        )
    for part in parts:
        if "=" in part:
            found = restricted(found, part)
            continue
        columns = [column.strip() for column in part.split(",")]
        named = len(columns) > 1 or (found.open and part not in found.variants)
        found = found.over(*columns) if named else found.variant(part)
    return found


def make_model(
    law: str | Law = "auto",
    *,
    pool: Pool | None = None,
    noise: str | None = None,
    rung: bool | None = None,
    serial: bool | None = None,
    priors: Mapping[str, Prior] | None = None,
    group_sd: Mapping[str, float | Mapping[str, float]] | None = None,
    discrepancy: bool | Mapping[str, tuple[float, float]] | None = None,
    prior: PriorName | None = None,
) -> ScalingModel | WeightedModel:
    """Make the model of a law by its name, or of the laws that forecast public suites best.

    Parameters
    ----------
    law : str or Law
        ``"auto"`` is a weighted set of laws of N and D, with priors learned from a population of
        suites; options of parameters go to the laws that have them. Else as in `find_law`.
    prior : {"weak", "population"}, optional
        By default ``"population"`` for ``"auto"`` and ``"weak"`` for a named law.
    pool, noise, rung, serial, priors, group_sd, discrepancy
        As in `ScalingModel`.

    Returns
    -------
    ScalingModel or WeightedModel

    Raises
    ------
    UsageError
        If there is no such law, or an option fits none.
    """
    from .errors import UsageError
    from .posterior.model import ScalingModel
    from .posterior.weighted import WeightedModel
    from .program.population import law_weights

    if law != AUTO:
        found = find_law(law) if isinstance(law, str) else law
        return ScalingModel(
            found, pool=pool, noise=noise, rung=rung, serial=serial, priors=priors,
            group_sd=group_sd, discrepancy=discrepancy, prior=prior or "weak",
        )  # fmt: skip
    weights = law_weights()
    laws = [find_law(name) for name in weights]
    for option in (pool, priors, group_sd):
        for name in option or {}:
            if not any(name in own.parameters for own in laws):
                raise UsageError(f"none of the laws {', '.join(weights)} has a parameter '{name}'")

    def of(own: Law, option: Mapping[str, Any] | None) -> dict[str, Any]:
        return {k: v for k, v in (option or {}).items() if k in own.parameters}

    models = [
        ScalingModel(
            own, pool=of(own, pool), noise=noise, rung=rung, serial=serial,
            priors=of(own, priors), group_sd=of(own, group_sd), discrepancy=discrepancy,
            prior=prior or "population",
        )
        for own in laws
    ]  # fmt: skip
    return models[0] if len(models) == 1 else WeightedModel(models, list(weights.values()))


def fit(
    runs: Runs,
    law: str | Law = "auto",
    *,
    pool: Pool | None = None,
    noise: str | None = None,
    rung: bool | None = None,
    discrepancy: bool | Mapping[str, tuple[float, float]] | None = None,
    prior: PriorName | None = None,
    seed: int = 0,
    device: DeviceName = "auto",
    report: Callable[[str], None] | None = None,
) -> Fit:
    """Fit a table of runs; by default with the laws that forecast public suites best.

    Short for ``make_model(law, ...).fit(runs)``, whose options they are; `ScalingModel` has more.

    Returns
    -------
    Fit

    Raises
    ------
    UsageError, TableError
        As `make_model` and `ScalingModel.fit`.
    """
    model = make_model(law, pool=pool, noise=noise, rung=rung, discrepancy=discrepancy, prior=prior)
    return model.fit(runs, seed=seed, device=device, report=report)


def load(path: str | Path, law: Law | None = None) -> Fit:
    """Read a fit that `Fit.save` wrote; it answers without the table.

    Parameters
    ----------
    path : path
    law : Law, optional
        The law that was fitted, where it comes from neither the registry nor a file
        that is still in its place.

    Raises
    ------
    FitError
        If the file is not a fit.
    """
    from .posterior.fit import load_fit

    return load_fit(path, lambda name, source: law or find_law(name, source))


def load_loop(path: str | Path, law: Law | None = None) -> Loop:
    """Read a loop that `Loop.save` wrote.

    Parameters
    ----------
    path : path
    law : Law, optional
        As of `load`.

    Raises
    ------
    FitError
        If the file is not a loop.
    """
    from .answers.loop import loop_of

    return loop_of(load(path, law), path)
