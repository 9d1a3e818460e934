"""Backtests of extrapolation: laws are fitted to cheap runs and scored on dearer ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from numpy.typing import ArrayLike

from bayes_scaling.answers.forecast import ForecastKind
from bayes_scaling.posterior.nuts import Settings
from bayes_scaling.posterior.parallel import in_parallel
from bayes_scaling.runs import Runs

from .backtest_plan import Models, Plan, check_options, named_models
from .backtest_work import SETTINGS, Answer, batches, work
from .backtested import Backtest
from .folds import COMPUTE, Origins

GAPS = (3.0, 10.0, 30.0)


def backtest(
    models: Models,
    runs: Runs,
    *,
    by: str | ArrayLike = COMPUTE,
    gaps: Sequence[float] = GAPS,
    origins: Origins = 3,
    scored_above: float = 1.5,
    kind: ForecastKind = "new-run",
    seed: int = 0,
    settings: Settings = SETTINGS,
    report: Callable[[str], None] | None = None,
    backend: str | None = None,
    jobs: int | None = None,
) -> Backtest:
    """Score laws on runs that are dearer than those they were fitted to.

    For every origin, a cost that counts as the largest, and every gap, models are fitted to the
    runs that cost at most the origin over the gap, and forecast the runs that cost more than the
    origin over `scored_above`, up to the origin. A fold counts where every model has two fitted
    runs a parameter of its mean and three values of every scale, and runs are scored whose
    group was fitted; the others are listed in `Backtest.skipped`. Diverged and untuned runs are
    not scored.

    Scores are those of Gneiting and Raftery 2007, Strictly proper scoring rules, prediction, and
    estimation. They are of extrapolation, which leave-one-out does not score.

    Parameters
    ----------
    models : ScalingModel, WeightedModel or Law, a sequence, or a mapping from name to one
        Models without a name of their own are called after their law.
    runs : Runs
    by : str or (runs,) array
        What runs are ordered by: ``"compute"`` (column C of the table, otherwise 6 N D), an input
        of the table, or the costs themselves. Of an input that is no scale, such as a date, gaps
        are differences.
    gaps : sequence of float
        Each above `scored_above`.
    origins : int or sequence of float
        How many, from the largest cost down in steps of `scored_above` or more; or the costs.
        Each gives one fold a gap.
    scored_above : float
    kind : {"new-run", "mean"}
        ``"mean"`` leaves out noise and rung effects.
    seed : int
    settings : Settings
        Of the sampler, by default 4 chains of 250 draws after 300 of warm-up: enough for a score
        that is a mean over many runs. A fold with an R-hat above 1.05 or more than 1 % divergences
        is fitted again by itself with more warm-up and draws, and named in the warnings.
    report : callable, optional
        Told how far it is.
    backend, jobs
        As in `backtest_many`.

    Returns
    -------
    Backtest

    Raises
    ------
    UsageError
        If an option is out of range, or a law cannot be sent to other processes.
    TableError
        If no fold counts.
    """
    return backtest_many(
        models, {"": runs}, by=by, gaps=gaps, origins=origins, scored_above=scored_above,
        kind=kind, seed=seed, settings=settings, report=report, backend=backend, jobs=jobs,
    )[""]  # fmt: skip


def backtest_many(
    models: Models,
    tables: Mapping[str, Runs],
    *,
    by: str | ArrayLike = COMPUTE,
    gaps: Sequence[float] = GAPS,
    origins: Origins = 3,
    scored_above: float = 1.5,
    kind: ForecastKind = "new-run",
    seed: int = 0,
    settings: Settings = SETTINGS,
    report: Callable[[str], None] | None = None,
    backend: str | None = None,
    jobs: int | None = None,
) -> dict[str, Backtest]:
    """Backtest over several data sets, in several processes or on a cluster.

    Four folds of one model and table are one piece of work, so that all tables and models share
    the processes. Tables are filled up to a few sizes with rows that have no likelihood, so that
    those of about one size share a compiled program. Each process compiles for itself (what one
    has compiled, others read from the cache of JAX) and computes on one thread. On a cluster of
    Dask, inside ``joblib.parallel_config(backend="dask")``; of Ray after
    ``ray.util.joblib.register_ray()``, as ``backend="ray"``. Laws travel by name, or with the path
    of their file.

    Parameters
    ----------
    models, by, gaps, origins, scored_above, kind, seed, settings, report
        As in `backtest`.
    tables : mapping of str to Runs
    backend : str, optional
        Of joblib: ``"loky"``, ``"threading"``, ``"dask"``. By default that of
        `joblib.parallel_config`, or processes on this machine.
    jobs : int, optional
        How many at once; -1 is one a core, the default of a backend that is named. Otherwise
        what `joblib.parallel_config` says by default, and without it one, in this process.
        Answers are the same for any number.

    Returns
    -------
    dict of str to Backtest
        By the names of the tables.

    Raises
    ------
    UsageError
        If an option is out of range, or a law cannot be sent to other processes.
    TableError
        If no fold of a table counts.
    """
    check_options(kind, settings)
    named = named_models(models)
    plans = {
        name: Plan.of(named, runs, by, gaps, origins, scored_above) for name, runs in tables.items()
    }
    pieces = [
        batch
        for name, plan in plans.items()
        for model in named
        for batch in batches(name, model, plan.programs[model])
    ]
    arguments = []
    for piece in pieces:
        plan = plans[piece.table]
        mine = {number: plan.folds[number] for number in piece.numbers}
        arguments.append((named[piece.model], plan.runs, mine, piece.width, kind, settings, seed))
    say, total = report or (lambda _: None), sum(len(piece.numbers) for piece in pieces)
    answers: dict[tuple[str, str], dict[int, Answer]] = {}
    done = 0
    for piece, found in zip(pieces, in_parallel(work, arguments, backend, jobs), strict=True):
        own = answers.setdefault((piece.table, piece.model), {})
        own.update(zip(piece.numbers, found, strict=True))
        done += len(found)
        say(f"{f'{piece.table}, ' * bool(piece.table)}{piece.model}: {done} of {total} folds")
    return {
        name: plan.assemble({model: answers[name, model] for model in named})
        for name, plan in plans.items()
    }
