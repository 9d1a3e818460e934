"""Where a response passes a level: the scale at which a task is solved, say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from bayes_scaling.errors import Finding, UsageError
from bayes_scaling.posterior.fit import Fit

from .extrapolation import extrapolation_of, warnings_of
from .inverse import crossings, extended, mean_along
from .moments import ordered
from .points import Points, as_table, need_usable, read_points

REACH = 1e3  # factor beyond the fitted range that is looked at by default
REACH_WIDTHS = 2.0  # the same for inputs that are no scales, in widths of the fitted range


@dataclass(frozen=True, eq=False)
class Threshold:
    """Where the mean passes a level, draw by draw.

    Attributes
    ----------
    law, response, unit : str
    level : float
    along : str
        Input along which it is looked for.
    along_unit : str
    on_log : bool
        Whether that input is a scale, seen on the log axis.
    within : (float, float)
        Between these values of it.
    fitted : (float, float)
        Its smallest and largest fitted value.
    ratios : dict of str to float
        Inputs that grow in proportion to it.
    groups : tuple of str
        Grouping columns of the points.
    points : DataFrame
        One row a question: the other inputs and the groups.
    draws : DataArray
        Dimensions ``sample`` and ``point``: the place; infinite where the level is not
        reached before the upper end, minus infinity where it is passed before the lower one.
    warnings : tuple of Finding
    """

    law: str
    response: str
    unit: str
    level: float
    along: str
    along_unit: str
    on_log: bool
    within: tuple[float, float]
    fitted: tuple[float, float]
    ratios: dict[str, float]
    groups: tuple[str, ...]
    points: pd.DataFrame
    draws: xr.DataArray
    warnings: tuple[Finding, ...]

    def summary(self) -> pd.DataFrame:
        """One row a question: probabilities and quantiles of the place.

        Returns
        -------
        DataFrame
            ``passes`` is the probability that the level is passed within the range, ``before``
            that it is passed below it, ``never`` that it is not reached in it. Quantiles are
            infinite where so many draws are.
        """
        values = self.draws.transpose("sample", "point").to_numpy()
        table = self.points.copy()
        table["passes"] = np.isfinite(values).mean(0)
        table["before"] = (values == -np.inf).mean(0)
        table["never"] = (values == np.inf).mean(0)
        return table.assign(**ordered(values))


def threshold(
    fit: Fit,
    level: float,
    along: str,
    *,
    at: Points | None = None,
    ratios: Mapping[str, float] | None = None,
    within: tuple[float, float] | None = None,
    seed: int = 0,
    force: bool = False,
) -> Threshold:
    """Find where the mean response passes a level, as a distribution.

    Parameters
    ----------
    fit : Fit
    level : float
        In the unit of the response; of counts a share.
    along : str
        Input along which the place is looked for, such as N.
    at : points, optional
        The other inputs and the groups, one row a question; may be left out where the law
        has no other inputs and the fit no groups.
    ratios : mapping of str to float, optional
        Inputs that grow in proportion to it: ``{"D": 20}`` for 20 tokens a parameter.
    within : (float, float), optional
        Range of the input; by default from the smallest fitted value to a thousand times the
        largest.
    seed : int
        Of the draws of groups never seen.
    force : bool
        Answer even if the fit's diagnostics are poor.

    Raises
    ------
    UsageError
        If inputs are missing, or the range is none.
    FitError
        If the fit's diagnostics are poor and `force` is not set.
    """
    need_usable(fit, force)
    law, ratios = fit.law, dict(ratios or {})
    if law.scheduled:
        raise UsageError(f"law {law.name} follows schedules: there is no input to look along")
    for name in (along, *ratios):
        if name not in law.inputs:
            raise UsageError(
                f"law {law.name} has no input '{name}'; it has {', '.join(law.inputs)}"
            )
    if along in ratios or not all(value > 0 for value in ratios.values()):
        raise UsageError(f"ratios must be positive, and of other inputs than {along}")
    low, high = _range(fit, along, within)
    moved = {along: low} | {k: by * low for k, by in ratios.items()}
    rows = as_table([{"": 0}] if at is None else at)
    rows = rows.drop(columns=[c for c in rows.columns if c == "" or c in moved])
    given = pd.DataFrame(moved, index=rows.index).join(rows)
    table = read_points(fit, given)
    # one seed for all questions: they share a group never seen
    places = [
        _places(fit, row, level, along, ratios, (low, high), np.random.default_rng(seed))
        for _, row in table.iterrows()
    ]
    draws = np.column_stack(places)
    kept = [k for k in table.columns if k not in moved]
    return Threshold(
        law=law.name,
        response=fit.record.response,
        unit=fit.record.unit,
        level=level,
        along=along,
        along_unit=law.inputs[along].unit,
        on_log=law.inputs[along].on_log,
        within=(low, high),
        fitted=fit.spec.ranges[along],
        ratios=ratios,
        groups=fit.groups,
        points=table[kept],
        draws=xr.DataArray(draws, dims=("sample", "point")),
        warnings=_warnings(fit, table, along, ratios, draws),
    )


def _range(fit: Fit, along: str, within: tuple[float, float] | None) -> tuple[float, float]:
    smallest, largest = fit.spec.ranges[along]
    if within is None:
        if fit.law.inputs[along].on_log:
            return smallest, largest * REACH
        return smallest, largest + REACH_WIDTHS * (largest - smallest)
    low, high = within
    valid = bool(fit.law.inputs[along].valid(np.array([low, high])).all())
    if not (valid and low < high):
        raise UsageError(
            f"the range of {along} is {low:g} to {high:g}; it must go up, from and to "
            f"{fit.law.inputs[along].expected}"
        )
    return float(low), float(high)


def _places(
    fit: Fit,
    row: Mapping[str, Any] | pd.Series,
    level: float,
    along: str,
    ratios: Mapping[str, float],
    within: tuple[float, float],
    rng: np.random.Generator,
) -> np.ndarray:
    mean = mean_along(fit, row, along, ratios, rng)
    return extended(*crossings(mean, level, *within, fit.law.inputs[along].on_log))


def _warnings(
    fit: Fit, table: pd.DataFrame, along: str, ratios: Mapping[str, float], draws: np.ndarray
) -> tuple[Finding, ...]:
    finite = np.where(np.isfinite(draws), draws, np.nan)
    known = ~np.isnan(finite).all(axis=0)
    middle = table[along].to_numpy(dtype=float).copy()
    middle[known] = np.nanmedian(finite[:, known], axis=0)
    placed = table.assign(**{along: middle}, **{k: by * middle for k, by in ratios.items()})
    names = [f"the median place of question {i + 1}" for i in range(len(table))]
    return warnings_of(fit, extrapolation_of(fit, placed), names)
