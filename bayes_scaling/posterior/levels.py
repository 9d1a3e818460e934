"""Sets of rows that are out of line together: a batch size, schedule or machine of their own.

No row of such a set need be far from the law by itself. What tells is a column of the source that
the fit does not read: rows that share a value of it, and lie off to one side.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float
from scipy.special import ndtr

FEWEST = 4  # rows of a set, at three places or more
FEWEST_PLACES = 3
MOST = 0.5  # of the rows: where most have a value, it is the others that are odd
CLIP = 3.0  # sds: a set is judged by all its rows and not by one
LEAST = 5.0  # standard errors of the mean of a set
LEAST_MEAN = 1.0  # sds of a row
TAIL = 0.01  # of normal means, over the number of sets
LEAST_SD = 0.3  # within sets, in sds of a row
NORMAL_MEDIAN = 0.6745  # of the absolute value


class OddSet(NamedTuple):
    """Rows that share a value and are out of line together.

    Attributes
    ----------
    named : str
        Column and value, and the group that they are compared within, if any.
    rows : (row,) array of bool
    mean : float
        Of their residuals, in sds of a row.
    """

    named: str
    rows: Bool[np.ndarray, " row"]
    mean: float


def odd_sets(
    residual: Float[np.ndarray, " row"],
    labels: pd.DataFrame,
    frame: pd.DataFrame,
    inputs: Sequence[str],
    groups: Sequence[str],
) -> list[OddSet]:
    """Find values of columns whose rows lie off to one side, the worst first.

    Rows that have a value are compared with all that have another, and with those of their
    own group.

    Parameters
    ----------
    residual : (row,) array
        Deviations in sds of a row.
    labels : DataFrame
        Columns that the fit does not read, as text, one row a row.
    frame : DataFrame
        ``inputs`` and ``groups`` of the same rows. A column that one of them determines says
        nothing of its own: what depends on it is for the law to describe.
    """
    z = np.clip(residual / max(usual_sd(residual), 1.0), -CLIP, CLIP)
    places = frame.groupby(list(inputs), sort=False, dropna=False).ngroup().to_numpy()
    within = {"": np.ones(len(z), dtype=bool)}
    for g in groups:
        found = dict.fromkeys(frame[g])
        within |= {f" of {level}": (frame[g] == level).to_numpy() for level in found}
    tried = [
        (f"{name} {level}{where}", rows, own & ~rows)
        for name in labels
        for where, own in within.items()
        if not _determined(labels[name][own], frame.loc[own, [*inputs, *groups]])
        for level, rows in _sets(labels[name].to_numpy(), places, own)
    ]
    found_sets = []
    for named, rows, others in tried:
        mean = float(z[rows].mean() - z[others].mean())
        both = np.concatenate([z[rows] - z[rows].mean(), z[others] - z[others].mean()])
        sd = max(float(np.sqrt(np.mean(both**2))), LEAST_SD)
        off = abs(mean) / (sd * math.sqrt(1 / rows.sum() + 1 / others.sum()))
        if off >= LEAST and abs(mean) >= LEAST_MEAN and 2 * ndtr(-off) < TAIL / len(tried):
            found_sets.append((off, OddSet(named, rows, float(residual[rows].mean()))))
    return [odd for _, odd in sorted(found_sets, key=lambda pair: -pair[0])]


def usual_sd(z: Float[np.ndarray, " row"]) -> float:
    """Sd that most rows speak of."""
    return float(np.median(np.abs(z))) / NORMAL_MEDIAN


def _determined(column: pd.Series, known: pd.DataFrame) -> bool:
    """Whether one of the known columns tells the value, and more than once."""
    for name in known:
        own = column.groupby(known[name].to_numpy(), dropna=False)
        if own.ngroups < len(column) and (own.nunique() <= 1).all():
            return True
    return False


def _sets(
    labels: np.ndarray, places: np.ndarray, own: Bool[np.ndarray, " row"]
) -> Iterator[tuple[str, Bool[np.ndarray, " row"]]]:
    """Values of those rows that few enough of them share, at places enough."""
    for level in dict.fromkeys(labels[own]):
        rows = own & (labels == level)
        enough = FEWEST <= rows.sum() <= MOST * own.sum()
        if enough and len(np.unique(places[rows])) >= FEWEST_PLACES:
            yield str(level), rows
