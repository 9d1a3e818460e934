"""The work of a backtest: which folds are fitted together, their fits, and what they forecast."""

from __future__ import annotations

import contextlib
import math
import os
import pickle
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr
from arviz_stats.base import array_stats
from jaxtyping import Float

from bayes_scaling.answers.forecast import ForecastKind, draw_responses
from bayes_scaling.answers.points import BESIDE, read_points
from bayes_scaling.errors import UsageError
from bayes_scaling.jax_setup import in_worker
from bayes_scaling.law import Law
from bayes_scaling.posterior.batch import TOGETHER, fit_folds, whole_labels
from bayes_scaling.posterior.combine import combine
from bayes_scaling.posterior.diagnostics import elements
from bayes_scaling.posterior.findings import BAD_DIVERGENCES, BAD_RHAT
from bayes_scaling.posterior.fit import Fit
from bayes_scaling.posterior.model import ScalingModel
from bayes_scaling.posterior.nuts import Settings
from bayes_scaling.posterior.weighted import WeightedModel
from bayes_scaling.program import Structure
from bayes_scaling.runs import Runs

from .folds import Fold

type Model = ScalingModel | WeightedModel
type Programs = tuple[Structure, ...]

SETTINGS = Settings(chains=4, draws=250, warmup=300, window=50)  # of a fold
LONGER_WARMUP, LONGER_ACCEPT = 1500, 0.97  # of a poor fold that is fitted on its own
MORE_DRAWS = 4  # times as many of it, of which every fourth is kept
PADDED = 8  # scored rows are padded to powers of two from here on, so that programs are shared


class Health(NamedTuple):
    """How well a fold was sampled: the worst of all quantities."""

    divergences: int
    draws: int
    max_rhat: float
    min_ess: float

    @classmethod
    def of(cls, fits: Sequence[Fit]) -> Health:
        """Read it from the fits of a fold, one a law."""
        stats = [fit.tree["sample_stats"]["diverging"] for fit in fits]
        drawn = [values for fit in fits for _, _, values in elements(fit.sampled)]
        together, axes = np.stack(drawn, axis=-1), {"chain_axis": 0, "draw_axis": 1}
        with np.errstate(invalid="ignore", divide="ignore"):  # chains that never moved
            rhat = array_stats.rhat(together, **axes)
            ess = array_stats.ess(together, method="bulk", **axes)
        return cls(
            max(int(diverging.sum()) for diverging in stats),
            stats[0].size,
            # not a number where chains never moved, which is as bad as can be
            float(np.max(rhat)),
            float(np.min(ess)),
        )

    @property
    def poor(self) -> bool:
        """Whether the fit must not be used."""
        return self.divergences > BAD_DIVERGENCES * self.draws or not self.max_rhat <= BAD_RHAT

    def __str__(self) -> str:
        rhat = "not a number" if math.isnan(self.max_rhat) else f"{self.max_rhat:.3f}"
        return f"{self.divergences} of {self.draws} draws diverged, R-hat {rhat}"


class Answer(NamedTuple):
    """What the fit of one fold forecasts.

    Attributes
    ----------
    draws : (point, sample) array
        Of the scored runs, in the unit of the response.
    health : Health
    before : Health or None
        Of the first fit, where the fold was fitted again.
    seconds : float
        That its fits took.
    """

    draws: Float[np.ndarray, "point sample"]
    health: Health
    before: Health | None
    seconds: float


@dataclass(frozen=True, eq=False)
class Batch:
    """Folds of one model and table that are fitted as one program.

    Attributes
    ----------
    table, model : str
    numbers : tuple of int
        Of the folds, in the list of all folds of the table.
    width : int
        How many the program holds: the last one is repeated.
    """

    table: str
    model: str
    numbers: tuple[int, ...]
    width: int


def parts_of(model: Model) -> tuple[ScalingModel, ...]:
    """Return the models of one law each that a model consists of."""
    return model.models if isinstance(model, WeightedModel) else (model,)


def laws_of(model: Model) -> list[Law]:
    """Laws of the parts of a model."""
    return [part.law for part in parts_of(model)]


def programs_of(model: Model, runs: Runs, fold: Fold) -> Programs:
    """Return what of a fold is compiled.

    Raises
    ------
    TableError
        If the fitted runs lack what a law needs.
    """
    own = runs.select(fold.fitted)
    return tuple(
        whole_labels(part.spec(own), part, runs).structure(part.law) for part in parts_of(model)
    )


def batches(table: str, model: str, programs: Mapping[int, Programs]) -> Iterator[Batch]:
    """Folds of one structure, a few at a time: only these share a compiled program.

    Parameters
    ----------
    table, model : str
    programs : mapping of int to tuple of Structure
        By number of the fold.
    """
    alike: dict[Programs, list[int]] = {}
    for number, structures in programs.items():
        alike.setdefault(structures, []).append(number)
    for numbers in alike.values():
        width = min(TOGETHER, len(numbers))
        for start in range(0, len(numbers), TOGETHER):
            yield Batch(table, model, tuple(numbers[start : start + TOGETHER]), width)


def work(
    model: Model,
    runs: Runs,
    numbered: Mapping[int, Fold],
    width: int,
    kind: ForecastKind,
    settings: Settings,
    seed: int,
) -> list[Answer]:
    """Fit some folds of one table together and forecast what each leaves out.

    Parameters
    ----------
    model : ScalingModel or WeightedModel
    runs : Runs
    numbered : mapping of int to Fold
        By their number among all folds, which is part of their seed.
    width : int
        How many the program holds.
    kind : {"new-run", "mean"}
    settings : Settings
    seed : int
    """
    own = seed_of(seed, next(iter(numbered)))
    folds = list(numbered.values())
    by_law = [fit_together(part, runs, folds, width, settings, own) for part in parts_of(model)]
    found = []
    for (number, fold), *several in zip(numbered.items(), *by_law, strict=True):
        fits: list[Fit] = several
        health, before = Health.of(fits), None
        seconds = seconds_of(fits)
        if health.poor:
            before = health
            fits, health = fit_again(model, runs, fold, settings, seed_of(seed, number, 1))
            seconds += seconds_of(fits)
        whole = fits[0]
        if isinstance(model, WeightedModel):
            whole = combine(fits, model.weights, seed=seed_of(seed, number, 2))
        draws = forecast_scored(whole, runs, fold, kind, np.random.default_rng([seed, number]))
        found.append(Answer(draws, health, before, seconds))
    return found


def fit_together(
    part: ScalingModel,
    runs: Runs,
    folds: Sequence[Fold],
    width: int,
    settings: Settings,
    seed: int,
) -> list[Fit]:
    """Fit folds as one program, or one by one where rows of the table count together."""
    if part.law.link or "item" in runs.frame:
        return [
            part.fit(
                runs.select(fold.fitted),
                seed=seed_of(seed, i),
                chains=settings.chains,
                draws=settings.draws,
                warmup=settings.warmup,
                target_accept=settings.target_accept,
            )
            for i, fold in enumerate(folds)
        ]
    masks = [fold.fitted for fold in folds]
    masks += [masks[-1]] * (width - len(masks))
    return fit_folds(part, runs, masks, seed=seed, settings=settings)[: len(folds)]


def seconds_of(fits: Sequence[Fit]) -> float:
    """Seconds that fits took, compiling included."""
    return sum(sum(fit.record.seconds.values()) for fit in fits)


def fit_again(
    model: Model, runs: Runs, fold: Fold, settings: Settings, seed: int
) -> tuple[list[Fit], Health]:
    """Fit a fold by itself, with more warm-up, and keep as many draws as of the others."""
    fits = [
        part.fit(
            runs.select(fold.fitted),
            seed=seed,
            chains=settings.chains,
            draws=MORE_DRAWS * settings.draws,
            warmup=max(LONGER_WARMUP, settings.warmup),
            target_accept=max(LONGER_ACCEPT, settings.target_accept),
        )
        for part in parts_of(model)
    ]
    return [thinned(fit, settings.draws) for fit in fits], Health.of(fits)


def thinned(fit: Fit, draws: int) -> Fit:
    """Return a fit with so many draws a chain, evenly chosen."""
    groups = {name: node.to_dataset() for name, node in fit.tree.children.items()}
    places = np.linspace(0, groups["posterior"].sizes["draw"] - 1, draws).round().astype(int)
    for name in ("posterior", "sample_stats"):
        groups[name] = groups[name].isel(draw=places).assign_coords(draw=range(draws))
    return replace(fit, tree=xr.DataTree.from_dict(groups))


def seed_of(seed: int, *place: int) -> int:
    """Seed of a part of the work, the same wherever and beside whatever it is done."""
    return int(np.random.SeedSequence([seed, *place]).generate_state(1)[0])


def forecast_scored(
    fit: Fit, runs: Runs, fold: Fold, kind: ForecastKind, rng: np.random.Generator
) -> Float[np.ndarray, "point sample"]:
    """Joint draws of the scored runs of a fold."""
    points = points_of(fit, runs)[fold.scored]
    count = len(points)
    if not runs.curves:  # one shape for many folds; rows of a run would depend on the padding
        full = max(PADDED, 1 << (count - 1).bit_length())
        points = points.iloc[[*range(count), *[count - 1] * (full - count)]]
    table = read_points(fit, points.reset_index(drop=True))
    return draw_responses(fit, table, kind, "response", rng)[:, :count].T


def points_of(fit: Fit, runs: Runs) -> pd.DataFrame:
    """All runs as points that a fit can forecast: inputs of other laws are left out."""
    points = runs.points()
    beside = {"observed"} if fit.structure.noise.counted else {"observed", "trials"}
    known = {*fit.law.inputs, *fit.groups, *BESIDE} - beside
    return points[[c for c in points.columns if c in known]]


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
        yield from (function(*given) for given in arguments)
        return
    packed = [pickle.dumps((function, given)) for given in arguments]
    yield from parallel(joblib.delayed(in_worker)(one, os.getpid()) for one in packed)
