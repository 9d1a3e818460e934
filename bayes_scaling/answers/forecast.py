"""What a run that nobody has paid for yet will reach."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Float

from bayes_scaling.errors import Finding, UsageError
from bayes_scaling.posterior.diagnostics import QUANTILES
from bayes_scaling.posterior.fit import Fit

from .chained import draw_chain, link_of
from .extrapolation import extrapolation_of, warnings_of
from .points import Points, need_usable, read_points
from .predict import draw_centre, draw_new_runs, expected_response
from .sensitivity import prior_sensitivity

ForecastKind = Literal["mean", "new-run"]
ForecastOf = Literal["response", "loss"]


@dataclass(frozen=True, eq=False)
class Forecast:
    """Predictive draws of a response at points.

    Attributes
    ----------
    law, response, unit : str
    kind : {"mean", "new-run"}
    points : DataFrame
        One row a point: inputs, grouping columns (missing for a group never seen),
        and ``observed`` where the points came with the truth.
    draws : DataArray
        Dimensions ``sample`` and ``point``, in the unit of the response. One sample
        is one joint draw: its points share parameters, a new group and rung effects.
    extrapolation : DataFrame
        Decades beyond the fitted range for each input, zero inside; for inputs that are
        not scales (fractions, dates), in widths of the fitted range.
    warnings : tuple of Finding
    counts_embeddings, flops
        How N and FLOPs are counted, where the user said so with the table.
    known : tuple of str
        Inputs with a default, such as the chance of guessing: they belong to a task, and not
        to the run.
    discrepancy : (point,) array, optional
        Share of the variance of the log response that the drift of exponents beyond the fitted
        runs adds; None where the fit has none, or it was left out.
    look_at_prior : callable, optional
        Computes `sensitivity`; None where all points lie inside the fitted runs.
    """

    law: str
    response: str
    unit: str
    kind: ForecastKind
    groups: tuple[str, ...]
    points: pd.DataFrame
    draws: xr.DataArray
    extrapolation: pd.DataFrame
    warnings: tuple[Finding, ...]
    counts_embeddings: bool | None = None
    flops: str | None = None
    known: tuple[str, ...] = ()
    discrepancy: Float[np.ndarray, " point"] | None = None
    look_at_prior: Callable[[], pd.DataFrame] | None = None

    @functools.cached_property
    def sensitivity(self) -> pd.DataFrame:
        """How much the mean at points outside the fitted runs depends on the prior.

        Computed when first asked for, from the densities of all draws.

        Returns
        -------
        DataFrame
            One row a point outside, by its number from 0: ``prior``, ``likelihood`` and
            ``diagnosis``, as `prior_sensitivity` gives them; empty where all lie inside.
        """
        if self.look_at_prior is None:
            return pd.DataFrame(columns=["prior", "likelihood", "diagnosis"])
        return self.look_at_prior()

    def summary(self) -> pd.DataFrame:
        """One row a point: inputs, groups, mean, sd, quantiles, extrapolation.

        Returns
        -------
        DataFrame
            Quantiles are columns ``q0.025`` to ``q0.975``; ``extrapolation`` is
            "inside" or "outside" the fitted ranges, and ``discrepancy`` the share of the
            variance that comes of what the law cannot know.
        """
        values = self.draws.transpose("sample", "point").to_numpy()
        table = self.points.copy()
        table["mean"], table["sd"] = values.mean(0), values.std(0, ddof=1)
        for q, row in zip(QUANTILES, np.quantile(values, QUANTILES, axis=0), strict=True):
            table[f"q{q:g}"] = row
        outside = (self.extrapolation > 0).any(axis=1)
        table["extrapolation"] = np.where(outside, "outside", "inside")
        if self.discrepancy is not None:
            table["discrepancy"] = self.discrepancy
        return table

    def average_over(self, group: str, within: Sequence[str] = ()) -> Forecast:
        """Forecast the mean over the labels of a grouping column, such as all tasks of a set.

        Points that differ in that column alone become one, draw by draw; the truth is averaged
        where all of them have it. Grouping columns of `within`, such as pairs of task and
        corpus, differ with it.

        Raises
        ------
        UsageError
            If the fit has no such grouping column.
        """
        gone = (group, *within)
        if not set(gone) <= set(self.groups):
            raise UsageError(
                f"there are no grouping columns {', '.join(gone)} to average over; there are: "
                f"{', '.join(self.groups) or 'none'}"
            )
        kept = [
            c
            for c in self.points.columns
            if c not in (*gone, "observed", "trials", "se", *self.known)
        ]
        cells = self.points.groupby(kept, dropna=False, sort=False)
        members = [list(rows) for rows in cells.indices.values()]
        members.sort(key=min)
        table = self.points[kept].iloc[[min(rows) for rows in members]].reset_index(drop=True)
        if "observed" in self.points:
            truth = self.points["observed"].to_numpy()
            table["observed"] = [truth[rows].mean() for rows in members]
        values = self.draws.transpose("sample", "point").to_numpy()
        means = np.column_stack([values[:, rows].mean(axis=1) for rows in members])
        outside = self.extrapolation.drop(columns=[*self.known], errors="ignore")
        beyond = outside.to_numpy()
        return replace(
            self,
            groups=tuple(g for g in self.groups if g not in gone),
            points=table,
            draws=xr.DataArray(means, dims=("sample", "point")),
            discrepancy=None,
            look_at_prior=None,
            extrapolation=pd.DataFrame(
                [beyond[rows].max(axis=0) for rows in members], columns=outside.columns
            ),
        )

    def check(self) -> dict[str, float] | None:
        """Compare with the truth, where the points came with it.

        Returns
        -------
        dict or None
            ``points`` with a truth; how many of them the 90 % interval holds, ``held_90``;
            mean ``relative_error`` of the median. None where no truth is given.
        """
        if "observed" not in self.points or self.points["observed"].isna().all():
            return None
        table = self.summary().dropna(subset="observed")
        truth = table["observed"]
        return {
            "points": len(table),
            "held_90": int(truth.between(table["q0.05"], table["q0.95"]).sum()),
            "relative_error": float((table["q0.5"] / truth - 1).abs().mean()),
        }


def forecast(
    fit: Fit,
    points: Points,
    *,
    kind: ForecastKind = "new-run",
    of: ForecastOf = "response",
    discrepancy: bool = True,
    seed: int = 0,
    force: bool = False,
) -> Forecast:
    """Forecast the response at any inputs, for any group.

    Counts are forecast on the scale of probability: their share of the trials. Grades are
    forecast as shares of the best grade.

    Parameters
    ----------
    fit : Fit
    points : DataFrame, mapping, or sequence of mappings
        Inputs by the law's names and, where the fit has groups, grouping columns. A
        missing label stands for a group never seen, drawn from the population: one
        new group, shared by all points that lack the label. A column ``se`` adds the
        evaluation error of the planned run, a column ``rung`` names its rung, and a
        column ``observed`` is kept beside the forecast. Of counts, a column ``trials`` is
        the number of items of the planned evaluation; without it there is no counting error.
        Of a chain, a column ``loss`` holds losses that runs have reached already.
    kind : {"new-run", "mean"}
        ``"mean"`` is the law's curve; ``"new-run"`` is one more run: it adds noise
        and the rung effect (its posterior for a rung that was fitted, one new draw
        that all groups share for another).
    of : {"response", "loss"}
        Of a chain: the metric, or the loss that it follows.
    discrepancy : bool
        Whether exponents go on drifting beyond the fitted runs, as the fit says they may;
        without it the answer is that of a law which holds there as it did.
    seed : int
        Of the draws of new groups, rung effects and noise.
    force : bool
        Answer even if the fit's diagnostics are poor.

    Returns
    -------
    Forecast

    Raises
    ------
    UsageError
        If points lack an input, hold a value outside its domain, or name a group
        that was not fitted.
    FitError
        If the fit's diagnostics are poor and `force` is not set.
    """
    if kind not in ("mean", "new-run"):
        raise UsageError(f"kind is '{kind}'; it must be mean or new-run")
    if of != "response" and (of != "loss" or fit.law.link is None):
        raise UsageError(
            f"of is '{of}'; it must be response, or loss where the law is a chain, and this one "
            f"is {fit.law.name}"
        )
    need_usable(fit, force)
    table = read_points(fit, points)
    rng = np.random.default_rng(seed)
    draws = draw_responses(fit, table, kind, of, rng, drifting=discrepancy)
    extrapolation = extrapolation_of(fit, table)
    return Forecast(
        law=fit.law.name,
        response=fit.record.response if of == "response" else fit.record.loss,
        unit=fit.record.unit if of == "response" else link_of(fit).first.response.unit,
        kind=kind,
        groups=fit.groups,
        points=table,
        draws=xr.DataArray(draws, dims=("sample", "point")),
        extrapolation=extrapolation,
        warnings=warnings_of(fit, extrapolation),
        counts_embeddings=fit.record.counts_embeddings,
        flops=fit.record.flops,
        known=tuple(k for k, v in fit.law.inputs.items() if v.default is not None),
        discrepancy=discrepancy_share(fit, table, draws, seed) if discrepancy else None,
        look_at_prior=_sensitivity(fit, table, extrapolation, of, seed),
    )


def _sensitivity(
    fit: Fit, table: pd.DataFrame, extrapolation: pd.DataFrame, of: ForecastOf, seed: int
) -> Callable[[], pd.DataFrame] | None:
    outside = np.flatnonzero((extrapolation > 0).any(axis=1))
    if not len(outside):
        return None

    def look() -> pd.DataFrame:
        rows = table.iloc[outside].reset_index(drop=True)
        means = draw_responses(fit, rows, "mean", of, np.random.default_rng(seed))
        return prior_sensitivity(fit, means).set_index(outside)

    return look


def discrepancy_share(
    fit: Fit, table: pd.DataFrame, draws: Float[np.ndarray, "sample point"], seed: int
) -> Float[np.ndarray, " point"] | None:
    """Share of the variance of the log response that comes of drift beyond the fitted runs.

    That drift is independent of everything that the runs say, so that its variance adds.
    """
    if not fit.spec.walks:
        return None
    whole, held = (
        draw_centre(fit, table, np.random.default_rng(seed), drifting=drifting)[0]
        for drifting in (True, False)
    )
    return np.minimum((whole - held).var(axis=0) / np.log(draws).var(axis=0), 1.0)


def draw_responses(
    fit: Fit,
    table: pd.DataFrame,
    kind: ForecastKind,
    of: ForecastOf,
    rng: np.random.Generator,
    *,
    drifting: bool = True,
) -> Float[np.ndarray, "sample point"]:
    """Draws of responses at checked points, in their unit."""
    if fit.law.link:
        return draw_chain(fit, table, rng, new_run=kind == "new-run", loss_only=of == "loss")
    centre, parameters = draw_centre(fit, table, rng, drifting=drifting)
    if kind == "new-run":
        return draw_new_runs(fit, table, centre, parameters, rng)
    return expected_response(fit, centre)
