"""What a run that nobody has paid for yet will reach."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import jax.numpy as jnp
import numpy as np
import pandas as pd
import xarray as xr

from bayes_scaling.errors import Finding, UsageError
from bayes_scaling.posterior.diagnostics import QUANTILES
from bayes_scaling.posterior.fit import Fit

from .extrapolation import extrapolation_of, warnings_of
from .points import Points, need_usable, read_points
from .predict import draw_centre, draw_deviations

ForecastKind = Literal["mean", "new-run"]


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

    def summary(self) -> pd.DataFrame:
        """One row a point: inputs, groups, mean, sd, quantiles, extrapolation.

        Returns
        -------
        DataFrame
            Quantiles are columns ``q0.025`` to ``q0.975``; ``extrapolation`` is
            "inside" or "outside" the fitted ranges.
        """
        values = self.draws.transpose("sample", "point").to_numpy()
        table = self.points.copy()
        table["mean"], table["sd"] = values.mean(0), values.std(0, ddof=1)
        for q, row in zip(QUANTILES, np.quantile(values, QUANTILES, axis=0), strict=True):
            table[f"q{q:g}"] = row
        outside = (self.extrapolation > 0).any(axis=1)
        table["extrapolation"] = np.where(outside, "outside", "inside")
        return table

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
    seed: int = 0,
    force: bool = False,
) -> Forecast:
    """Forecast the response at any inputs, for any group.

    Parameters
    ----------
    fit : Fit
    points : DataFrame, mapping, or sequence of mappings
        Inputs by the law's names and, where the fit has groups, grouping columns. A
        missing label stands for a group never seen, drawn from the population: one
        new group, shared by all points that lack the label. A column ``se`` adds the
        evaluation error of the planned run, a column ``rung`` names its rung, and a
        column ``observed`` is kept beside the forecast.
    kind : {"new-run", "mean"}
        ``"mean"`` is the law's curve; ``"new-run"`` is one more run: it adds noise
        and the rung effect (its posterior for a rung that was fitted, one new draw
        that all groups share for another).
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
    need_usable(fit, force)
    table = read_points(fit, points)
    rng = np.random.default_rng(seed)
    centre, parameters = draw_centre(fit, table, rng)
    if kind == "new-run":
        centre = centre + draw_deviations(fit, table, centre, parameters, rng)
    draws = np.asarray(fit.structure.noise.from_scale(jnp.asarray(centre)))
    extrapolation = extrapolation_of(fit, table)
    return Forecast(
        law=fit.law.name,
        response=fit.record.response,
        unit=fit.record.unit,
        kind=kind,
        groups=fit.groups,
        points=table,
        draws=xr.DataArray(draws, dims=("sample", "point"), name=fit.record.response),
        extrapolation=extrapolation,
        warnings=warnings_of(fit, extrapolation),
        counts_embeddings=fit.record.counts_embeddings,
        flops=fit.record.flops,
    )
