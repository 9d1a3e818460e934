"""The measured sets that extrapolation is scored on; ``python -m benchmarks.extrapolation.sets``.

Every set is a table of N (parameters), D (tokens), C (FLOP) and the final loss. It is split by
compute: laws are fitted to the cheap runs and scored on the dearest.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pandas as pd

from bayes_scaling.errors import DatasetError, UsageError
from benchmarks.extrapolation.tables import READERS, data_folder

COLUMNS = ("N", "D", "C", "loss", "group", "seed")
SCORED = 1.5  # scored runs cost more than the dearest one over this
FEWEST_SCALES = 3  # distinct N, and distinct D, of a fit part
RUNS_A_PARAMETER = 2
DIGITS = 2  # significant digits at which two sizes are distinct


@dataclass(frozen=True, eq=False)
class MeasuredSet:
    """Final losses of a grid of runs that somebody trained and published.

    Attributes
    ----------
    name : str
    source : str
        The publication. Sets of one source are left out together where something is learned
        from the other sets.
    frame : DataFrame
        ``N``, ``D``, ``C``, ``loss``; ``group`` where there are several recipes, corpora or
        settings; ``seed`` where runs were repeated.
    """

    name: str
    source: str
    frame: pd.DataFrame

    @property
    def groups(self) -> int:
        """How many groups the runs fall into."""
        return self.frame["group"].nunique() if "group" in self.frame else 1


@dataclass(frozen=True, eq=False)
class Split:
    """One way to divide a set into cheap runs to fit and dear ones to forecast.

    Attributes
    ----------
    set : MeasuredSet
    gap : float
        The dearest run over the limit of the fitted runs, in compute.
    fit, score : DataFrame
        Rows of the set's frame.
    skipped : str
        Why the split does not count; empty where it does.
    """

    set: MeasuredSet
    gap: float
    fit: pd.DataFrame
    score: pd.DataFrame
    skipped: str


def measured_sets(names: Iterable[str] | None = None) -> list[MeasuredSet]:
    """Read the measured sets from the folder that BAYES_SCALING_DATA names.

    Parameters
    ----------
    names : iterable of str, optional
        Which; all of them when left out.

    Returns
    -------
    list of MeasuredSet

    Raises
    ------
    DatasetError
        If the folder is not named, or a table is not in it.
    UsageError
        If there is no such set.
    """
    wanted = list(READERS) if names is None else list(names)
    if unknown := [name for name in wanted if name not in READERS]:
        raise UsageError(f"no measured set {', '.join(unknown)}; there are: {', '.join(READERS)}")
    data_folder()
    return [MeasuredSet(name, READERS[name][0], tidy(READERS[name][1]())) for name in wanted]


def splits(
    measured: MeasuredSet, gaps: Sequence[float] = (3, 10, 30), parameters: int = 6
) -> list[Split]:
    """Divide a set by compute, once for every gap.

    Fitted are the runs of at most the largest C over `gap`, scored are those of more than the
    largest C over 1.5 whose group has a fitted run. A split counts where the fit part has three
    distinct N, three distinct D (to two significant digits) and two runs a parameter.

    Parameters
    ----------
    measured : MeasuredSet
    gaps : sequence of float
        Each above 1.5.
    parameters : int
        Of the mean of the law that is fitted.

    Returns
    -------
    list of Split
        One a gap; `Split.skipped` says why one does not count.
    """
    return [_split(measured, gap, parameters) for gap in gaps]


def tidy(table: pd.DataFrame) -> pd.DataFrame:
    """Return the columns of a measured set: 6 N D where C is missing, no gaps, no duplicates."""
    if "C" not in table:
        table = table.assign(C=6.0 * table["N"] * table["D"])
    table = table[[c for c in COLUMNS if c in table]].dropna().drop_duplicates()
    return table.astype(dict.fromkeys(COLUMNS[:4], float)).reset_index(drop=True)


def _split(measured: MeasuredSet, gap: float, parameters: int) -> Split:
    if gap <= SCORED:
        raise UsageError(f"a gap is {gap}; it must be above {SCORED}")
    frame, dearest = measured.frame, measured.frame["C"].max()
    fitted = frame[frame["C"] <= dearest / gap]
    scored = frame[frame["C"] > dearest / SCORED]
    if "group" in frame:
        scored = scored[scored["group"].isin(fitted["group"])]
    fitted, scored = fitted.reset_index(drop=True), scored.reset_index(drop=True)
    return Split(measured, float(gap), fitted, scored, _reason(fitted, scored, parameters))


def _reason(fitted: pd.DataFrame, scored: pd.DataFrame, parameters: int) -> str:
    """Why a split does not count, or an empty text."""
    for name in ("N", "D"):
        if (found := distinct(fitted[name])) < FEWEST_SCALES:
            return f"{found} distinct {name}, not {FEWEST_SCALES}"
    if len(fitted) < RUNS_A_PARAMETER * parameters:
        return f"{len(fitted)} fitted runs, not {RUNS_A_PARAMETER * parameters}"
    return "" if len(scored) else "no scored run has a group that is fitted"


def distinct(values: pd.Series) -> int:
    """Count the values that differ in their first two significant digits."""
    return len({f"{value:.{DIGITS - 1}e}" for value in values})


def describe(measured: MeasuredSet) -> dict[str, str | int]:
    """Return a row of the printed table: sizes, ranges, and what each split has."""
    frame = measured.frame
    spans = {name: f"{frame[name].min():.3g} to {frame[name].max():.3g}" for name in COLUMNS[:4]}
    counts = {
        f"gap {split.gap:g}": split.skipped or f"{len(split.fit)} -> {len(split.score)}"
        for split in splits(measured)
    }
    sizes = {"rows": len(frame), "groups": measured.groups, "sizes": distinct(frame["N"])}
    return {"set": measured.name} | sizes | spans | counts


def main() -> int:
    """Print the table of sets; the exit status is 2 without data."""
    try:
        found = measured_sets()
    except DatasetError as error:
        print(f"the benchmark has no data: {error}", file=sys.stderr)
        return 2
    print(pd.DataFrame([describe(measured) for measured in found]).to_string(index=False))
    return 0


if __name__ == "__main__":
    sys.exit(main())
