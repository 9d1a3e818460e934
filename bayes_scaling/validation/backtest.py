"""Backtests of extrapolation: laws are fitted to cheap runs and scored on dearer ones."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import ArrayLike

from bayes_scaling.answers.forecast import ForecastKind
from bayes_scaling.errors import Finding
from bayes_scaling.law import Law
from bayes_scaling.posterior.nuts import Settings
from bayes_scaling.runs import Runs

from .backtest_work import (
    SETTINGS,
    Answer,
    Model,
    batches,
    in_parallel,
    work,
)
from .folds import COMPUTE, Origins
from .scores import DIFFERENCES, LEVELS, score_differences, score_draws

type Models = Law | Model | Sequence[Law | Model] | Mapping[str, Law | Model]

GAPS = (3.0, 10.0, 30.0)
SCORES = (*(f"held_{100 * level:.0f}" for level in LEVELS), "relative_error", "interval_score",
          "crps", "log_score")  # fmt: skip
OTHER_LABELS = ("fold", "run")  # beside the models in a table of log densities


@dataclass(frozen=True, eq=False)
class Backtest:
    """Forecasts of dear runs by laws that were fitted to cheaper ones, and their scores.

    Attributes
    ----------
    models : tuple of str
    response, unit : str
    by : str
        What runs are ordered by: ``"compute"``, an input, or ``"cost"``.
    by_ratio : bool
        Whether gaps are ratios, and distances decades; of dates they are differences.
    on_log : bool
        Whether scores are of the log response, so relative; if not, in the unit of the response.
    scored_above : float
        Runs are scored whose cost is above the origin over this.
    folds : DataFrame
        One row a fold: ``fold``, ``origin``, ``gap``, ``distance`` (decades), the number of
        ``fitted`` and scored ``runs``.
    points : DataFrame
        One row a fold and scored run: ``fold``, ``run`` (its row in the source), inputs and
        grouping columns, ``group`` (all labels), ``rung``, ``cost``, ``beyond`` (decades beyond
        the dearest fitted run), and the ``truth``.
    draws : DataArray
        Dimensions ``model``, ``point`` and ``sample``, in the unit of the response. One sample is
        one joint draw of all points of a fold.
    sampling : DataFrame
        One row a model and fold: ``divergences``, ``max_rhat``, ``min_ess``, ``seconds``, and
        whether it was fitted ``again``.
    skipped : DataFrame
        Folds that do not count: ``origin``, ``gap``, number of ``fitted`` runs, ``reason``.
    warnings : tuple of Finding
    """

    models: tuple[str, ...]
    response: str
    unit: str
    by: str
    by_ratio: bool
    on_log: bool
    scored_above: float
    folds: pd.DataFrame
    points: pd.DataFrame
    draws: xr.DataArray
    sampling: pd.DataFrame
    skipped: pd.DataFrame
    warnings: tuple[Finding, ...]

    @functools.cached_property
    def scores(self) -> pd.DataFrame:
        """One row a model, fold and scored run.

        ``model``, ``fold``, ``run``, ``group``, ``beyond``, ``truth``, and the columns of
        `bayes_scaling.validation.scores.score_draws`: the median and its 90 % interval, what
        three intervals hold, and the scores of Gneiting and Raftery (2007).
        """
        kept = self.points[["fold", "run", "group", "beyond", "truth"]]
        truth, parts = kept["truth"].to_numpy(), []
        for model in self.models:
            found = score_draws(truth, self._of(model), on_log=self.on_log)
            parts.append(pd.concat([kept, found], axis=1).assign(model=model))
        table = pd.concat(parts, ignore_index=True)
        return table[["model", *(c for c in table if c != "model")]]

    def by_fold(self) -> pd.DataFrame:
        """One row a model and fold: means over its runs, and how it was sampled.

        Returns
        -------
        DataFrame
            ``model``, ``fold``, ``origin``, ``gap``, ``distance``, ``fitted``, ``runs``, the
            scores, and the columns of `sampling`.
        """
        means = self.scores.groupby(["model", "fold"], sort=False)[[*SCORES]].mean().reset_index()
        table = self.folds.merge(means, on="fold").merge(self.sampling, on=["model", "fold"])
        order = table["model"].map({m: i for i, m in enumerate(self.models)})
        table = table.assign(order=order).sort_values(["order", "fold"], kind="stable")
        return table[
            ["model", *self.folds.columns, *SCORES, *self.sampling.columns[2:]]
        ].reset_index(drop=True)

    def summary(self) -> pd.DataFrame:
        """One row a model and gap: means over folds, each a mean over its runs.

        Returns
        -------
        DataFrame
            ``model``, ``gap``, ``distance`` in decades, number of ``folds`` and ``runs``;
            ``held_50``, ``held_80`` and ``held_90``, the shares that central intervals hold;
            ``relative_error`` of the median; ``interval_score`` of the 90 % interval over the
            truth; ``crps`` and ``log_score`` (larger is better, in nats) of the log response.
        """
        return self._means(self.by_fold(), ["model", "gap", "distance"], SCORES, "runs")

    def leaderboard(self) -> pd.DataFrame:
        """Models by their mean log score over folds, the best first.

        Returns
        -------
        DataFrame
            ``model``, ``folds``, ``runs``, ``log_score``, its ``difference`` to the best and that
            difference's standard error ``se``; and means of the other scores. Folds of one
            origin forecast the same runs, so they count as one cluster in the standard error; it
            is missing where there is one origin.
        """
        table = self.by_fold()
        found = self._means(table, ["model"], SCORES, "runs")
        found = found.sort_values("log_score", ascending=False, kind="stable")
        wide = table.pivot(index="fold", columns="model", values="log_score")
        origins = self.folds.set_index("fold")["origin"]
        behind = wide[list(found["model"])].sub(wide[found["model"].iloc[0]], axis=0)
        return pd.DataFrame({
            **found[["model", "folds", "runs", "log_score"]].to_dict("list"),
            "difference": behind.mean().to_numpy(),
            "se": [clustered_error(behind[m], origins) for m in behind],
            **{c: found[c].to_numpy() for c in SCORES if c != "log_score"},
        })  # fmt: skip

    @functools.cached_property
    def pairs(self) -> pd.DataFrame:
        """One row a model, fold, and pair of groups that are scored at equal inputs.

        ``model``, ``fold`` and the columns of
        `bayes_scaling.validation.scores.score_differences`; differences are of the log response
        where scores are.
        """
        parts = []
        for model in self.models:
            draws = self._of(model)
            for fold, rows in self.points.groupby("fold", sort=False).indices.items():
                own = self.points.iloc[rows]
                found = score_differences(
                    own["truth"].to_numpy(), draws[rows], list(own["group"]), list(own["rung"]),
                    on_log=self.on_log,
                )  # fmt: skip
                parts.append(found.assign(model=model, fold=fold))
        table = pd.concat(parts, ignore_index=True)
        return table[["model", "fold", *DIFFERENCES]]

    def differences(self) -> pd.DataFrame:
        """Score the differences between recipes: one row a model and gap.

        Pairs of groups that a fold scores at equal inputs (one rung, or inputs equal to three
        digits). Means over folds, each a mean over its pairs.

        Returns
        -------
        DataFrame
            ``model``, ``gap``, ``distance``, number of ``folds`` and ``pairs``, the mean ``size``
            of the true differences, ``error`` of the median difference, ``held_90``, and
            ``right_sign``, the share of medians on the right side of zero. Empty where no fold
            has such a pair.
        """
        table = self.pairs.assign(size=self.pairs["difference"].abs())
        names = ["size", "error", "held_90", "right_sign"]
        cells = table.groupby(["model", "fold"], sort=False)
        means = cells[names].mean().assign(pairs=cells.size()).reset_index()
        joined = means.merge(self.folds[["fold", "gap", "distance"]], on="fold")
        return self._means(joined, ["model", "gap", "distance"], names, "pairs")

    def log_densities(self) -> pd.DataFrame:
        """Log predictive density of every scored run under every model, for stacking.

        Returns
        -------
        DataFrame
            One row a fold and run: ``fold``, ``run`` (its row in the source), and one column a
            model, in nats; of the log response where scores are.
        """
        wide = self.scores.pivot(index=["fold", "run"], columns="model", values="log_score")
        return wide[list(self.models)].rename_axis(columns=None).reset_index()

    def _of(self, model: str) -> np.ndarray:
        return self.draws.sel(model=model).transpose("point", "sample").to_numpy()

    def _means(
        self, table: pd.DataFrame, keys: Sequence[str], names: Sequence[str], counted: str
    ) -> pd.DataFrame:
        """Means over folds, in the order of models and gaps."""
        cells = table.groupby(list(keys), sort=False)
        counts = pd.DataFrame({"folds": cells.size(), counted: cells[counted].sum()})
        found = pd.concat([counts, cells[list(names)].mean()], axis=1).reset_index()
        place = found["model"].map({m: i for i, m in enumerate(self.models)})
        order = [place, *(found[k] for k in keys[1:2])]
        return found.iloc[np.lexsort(order[::-1])].reset_index(drop=True)


def clustered_error(values: pd.Series, clusters: pd.Series) -> float:
    """Standard error of a mean whose values depend on each other within clusters.

    Not a number where there is one cluster.
    """
    sums = (values - values.mean()).groupby(clusters.reindex(values.index)).sum()
    count = len(sums)
    if count < 2:
        return math.nan
    return float(np.sqrt(count / (count - 1) * (sums**2).sum()) / len(values))


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
    backend : str, optional
        Of joblib. By default that of `joblib.parallel_config`.
    jobs : int, optional
        Processes; -1 is one a core. By default what `joblib.parallel_config` says, and one
        without it. Answers are the same for any number.

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
    the processes. Each process compiles for itself (what one has compiled, others read from the
    cache of JAX) and computes on one thread. On a cluster of Dask, inside
    ``joblib.parallel_config(backend="dask")``; laws travel by name, or with the path of their
    file.

    Parameters
    ----------
    models, by, gaps, origins, scored_above, kind, seed, settings, report
        As in `backtest`.
    tables : mapping of str to Runs
    backend : str, optional
        Of joblib: ``"loky"``, ``"threading"``, ``"dask"``. By default that of
        `joblib.parallel_config`, or processes on this machine.
    jobs : int, optional
        How many at once; -1 is one a core. By default what `joblib.parallel_config` says, and
        one, in this process, without it. Answers are the same for any number.

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
    named = named_models(models)
    plans = {
        name: _Plan.of(named, runs, by, gaps, origins, scored_above)
        for name, runs in tables.items()
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
