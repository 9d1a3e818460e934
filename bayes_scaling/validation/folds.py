"""Forward splits of a table along its cost: cheap runs to fit, dearer ones to forecast."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float
from numpy.typing import ArrayLike

from bayes_scaling.errors import UsageError
from bayes_scaling.law import Law
from bayes_scaling.runs import Runs

COMPUTE = "compute"
FLOP, SIZE, DATA = "C", "N", "D"
FEWEST_SCALES = 3  # distinct values of each scale input of a fit part
RUNS_A_PARAMETER = 2
DIGITS = 2  # significant digits at which two values of a scale are distinct
SLACK = 1e-9  # relative: a run at the edge of a window is in it, however its cost was rounded

type Origins = int | Sequence[float]


class Cost(NamedTuple):
    """What runs are ordered by.

    Attributes
    ----------
    name : str
    values : (runs,) array
    on_log : bool
        Whether steps along it are factors; of dates they are differences.
    """

    name: str
    values: Float[np.ndarray, " runs"]
    on_log: bool = True

    def back(self, place: float, step: float) -> float:
        """Go down from a place by a factor, or by a difference."""
        return place / step if self.on_log else place - step

    def beyond(self, place: ArrayLike, other: float) -> Float[np.ndarray, "..."]:
        """How far places lie beyond another: in decades, or the difference."""
        at = np.asarray(place, dtype=float)
        return np.log10(at / other) if self.on_log else at - other

    def up_to(self, edge: float) -> Bool[np.ndarray, " runs"]:
        """Which runs cost at most so much."""
        found: np.ndarray = self.values <= edge + SLACK * abs(edge)
        return found


@dataclass(frozen=True, eq=False)
class Fold:
    """One way to divide a table into cheap runs to fit and dear ones to forecast.

    Attributes
    ----------
    origin : float
        The largest cost that counts: dearer runs take no part.
    gap : float
        The origin over the limit of the fitted runs (of dates, less that limit).
    distance : float
        The same in decades (of dates, in their unit).
    fitted, scored : (runs,) bool arrays
    skipped : str
        Why the fold does not count, empty where it does.
    """

    origin: float
    gap: float
    distance: float
    fitted: Bool[np.ndarray, " runs"]
    scored: Bool[np.ndarray, " runs"]
    skipped: str = ""


def forward_folds(
    frame: pd.DataFrame,
    cost: Cost | ArrayLike,
    *,
    scales: Sequence[str],
    groups: Sequence[str] = (),
    gaps: Sequence[float] = (3.0, 10.0, 30.0),
    origins: Origins = 1,
    scored_above: float = 1.5,
    parameters: int = 1,
    scorable: Bool[np.ndarray, " runs"] | None = None,
) -> list[Fold]:
    """Divide a table along its cost, once for every origin and gap.

    Fitted are the runs that cost at most the origin over the gap, scored are those of more than
    the origin over `scored_above`, up to the origin, whose group has a fitted run. A fold counts
    where the fitted runs have three distinct values of every scale (to two significant digits)
    and two runs a parameter, all groups together, and where there is a run to score.

    Parameters
    ----------
    frame : DataFrame
        One row a run: columns of `scales` and `groups`.
    cost : (runs,) array or Cost
        Positive numbers, in any unit; or numbers along which steps are differences.
    scales : sequence of str
        Columns of which the fitted runs need distinct values.
    groups : sequence of str
        Columns each of whose labels must have been fitted to be scored.
    gaps : sequence of float
        Each above `scored_above`.
    origins : int or sequence of float
        Costs that count as the dearest. A number of them begins at the largest cost and steps
        down: each is the largest cost of any run that is at most the one before it over
        `scored_above`, so that no run is scored from two origins.
    scored_above : float
    parameters : int
        Of the mean of the largest law that is fitted.
    scorable : (runs,) bool array, optional
        Runs that may be scored; by default all.

    Returns
    -------
    list of Fold
        Gap by gap for every origin; `Fold.skipped` says why one does not count.

    Raises
    ------
    UsageError
        If gaps, origins or costs are out of range.
    """
    along = cost if isinstance(cost, Cost) else Cost("cost", np.asarray(cost, dtype=float))
    _check(along, gaps, origins, scored_above)
    allowed = np.ones(len(frame), dtype=bool) if scorable is None else scorable
    found = []
    for origin in origins_of(along, origins, scored_above):
        for gap in dict.fromkeys(map(float, gaps)):
            limit = along.back(origin, gap)
            fitted = along.up_to(limit)
            window = along.up_to(origin) & ~along.up_to(along.back(origin, scored_above))
            scored = window & allowed
            for group in groups:
                scored &= frame[group].isin(frame.loc[fitted, group]).to_numpy()
            reason = _reason(frame[fitted], scales, parameters)
            if not reason and not scored.any():
                reason = _unscored(bool((window & allowed).any()), along, origin, scored_above)
            distance = math.log10(gap) if along.on_log else gap
            found.append(Fold(origin, gap, distance, fitted, scored, reason))
    return found


def origins_of(cost: Cost, origins: Origins, scored_above: float) -> list[float]:
    """Costs that count as the dearest, largest first."""
    if not isinstance(origins, int):
        return sorted({float(v) for v in origins}, reverse=True)
    found = [float(cost.values.max())]
    while len(found) < origins:
        below = cost.values[cost.up_to(cost.back(found[-1], scored_above))]
        if not len(below):
            break
        found.append(float(below.max()))
    return found


def cost_of(runs: Runs, by: str | ArrayLike, laws: Iterable[Law]) -> Cost:
    """What the runs of a table are ordered by.

    Rows of a curve cost what their whole run costs, so that runs are not divided.

    Parameters
    ----------
    runs : Runs
    by : str or (runs,) array
        ``"compute"``: column C where the table has it, otherwise 6 N D; any input of the table,
        along which steps are factors if a law sees it as a scale, or if none does and it is
        positive; or the costs themselves.
    laws : iterable of Law

    Raises
    ------
    UsageError
        If the table has no such column, or costs are missing.
    """
    name, on_log = (by, True) if isinstance(by, str) else ("cost", True)
    if not isinstance(by, str):
        values = np.asarray(by, dtype=float)
        if values.shape != (len(runs),):
            raise UsageError(
                f"by holds an array of shape {values.shape}; one cost a run was expected, "
                f"{len(runs)} of them, or a name such as {COMPUTE}"
            )
    elif by == COMPUTE:
        values = _compute(runs)
    elif by in runs.inputs:
        values = runs.column(by)
        declared = [law.inputs[by] for law in laws if by in law.inputs]
        on_log = all(v.on_log for v in declared) if declared else bool((values > 0).all())
    else:
        raise UsageError(
            f"by is '{by}'; it must be {COMPUTE} or an input of the table: {', '.join(runs.inputs)}"
        )
    if not np.isfinite(values).all():
        raise UsageError(f"{name} is not known for every run: runs cannot be ordered by it")
    if runs.curves:
        labels = runs.frame["run"].to_numpy()
        values = pd.Series(values).groupby(labels).transform("max").to_numpy()
    return Cost(name, values, on_log)


def _compute(runs: Runs) -> Float[np.ndarray, " runs"]:
    if FLOP in runs.inputs:
        return runs.column(FLOP)
    if not {SIZE, DATA} <= set(runs.inputs):
        raise UsageError(
            f"{COMPUTE} is 6 {SIZE} {DATA} or a column {FLOP}, and the table has "
            f"{', '.join(runs.inputs)}; order its runs by one of these, by='{runs.inputs[0]}' "
            f"(--by {runs.inputs[0]})"
        )
    return 6.0 * runs.column(SIZE) * runs.column(DATA)


def _check(cost: Cost, gaps: Sequence[float], origins: Origins, scored_above: float) -> None:
    least = 1.0 if cost.on_log else 0.0
    if not scored_above > least:
        raise UsageError(f"scored_above is {scored_above:g}; it must be above {least:g}")
    if not len(gaps):
        raise UsageError("no gaps: give at least one, such as 10 (--gap 10)")
    for gap in gaps:
        if not (math.isfinite(gap) and gap > scored_above):
            raise UsageError(
                f"a gap is {gap:g}; it must be above {scored_above:g}, from where runs are scored"
            )
    if isinstance(origins, int):
        if origins < 1:
            raise UsageError(f"origins is {origins}; it must be one or more, or a list of costs")
    elif not len(origins):
        raise UsageError("no origins: give how many, or at least one cost")
    elif cost.on_log and min(origins) <= 0:
        raise UsageError(f"an origin is {min(origins):g}; costs are positive")
    if cost.on_log and not (cost.values > 0).all():
        raise UsageError(f"{cost.name} must be positive for every run to be ordered by its ratios")


def _reason(fitted: pd.DataFrame, scales: Sequence[str], parameters: int) -> str:
    """Why a fit part is too small, or an empty text."""
    for name in scales:
        if (found := distinct(fitted[name])) < FEWEST_SCALES:
            return f"{found} distinct {name}, not {FEWEST_SCALES}"
    if len(fitted) < RUNS_A_PARAMETER * parameters:
        return f"{len(fitted)} fitted runs, not {RUNS_A_PARAMETER * parameters}"
    return ""


def _unscored(ungrouped: bool, cost: Cost, origin: float, scored_above: float) -> str:
    if ungrouped:
        return "no scored run has a group that is fitted"
    return f"no run to forecast from {cost.back(origin, scored_above):.3g} to {origin:.3g}"


def distinct(values: pd.Series) -> int:
    """Count the values that differ in their first two significant digits."""
    return len({f"{value:.{DIGITS - 1}e}" for value in values})
