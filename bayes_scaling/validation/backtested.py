"""What a backtest found: forecasts of dear runs, and their scores."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

from bayes_scaling.errors import Finding

from .scores import DIFFERENCES, LEVELS, score_differences, score_draws

SCORES = (*(f"held_{100 * level:.0f}" for level in LEVELS), "relative_error", "interval_score",
          "crps", "log_score")  # fmt: skip


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
        kept = found[["model", "folds", "runs", "log_score"]]
        others = found[[c for c in SCORES if c != "log_score"]]
        errors = [clustered_error(behind[m], origins) for m in behind]
        kept = kept.assign(difference=behind.mean().to_numpy(), se=errors)
        return pd.concat([kept, others], axis="columns").reset_index(drop=True)

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
                parts.append(found.assign(model=model, fold=int(str(fold))))
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
