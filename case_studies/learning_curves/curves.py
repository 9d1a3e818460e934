"""The published curves: which rows are fitted, which are forecast, and which enter a likelihood."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment

X, Y = "seen_examples", "loss"

type Key = tuple[str, str, str]  # domain, task, model


@dataclass(frozen=True)
class Curve:
    """Rows to fit, without exact duplicates, and rows to forecast, by increasing x."""

    key: Key
    fitted: pd.DataFrame
    test: pd.DataFrame


@dataclass(frozen=True)
class Design:
    """Which rows enter the likelihood, and how much the law may miss early ones.

    A curve is thinned to the longest of `lengths` that it has, because every length is compiled
    for itself. `misfit` is a relative standard error at the last fitted x, which grows as
    x^-1/2 towards small x; `within` keeps the rows within so many e-folds of the last.
    """

    lengths: tuple[int, ...] = (19, 9, 5)
    misfit: float | None = 0.01  # the prior median of the noise scale
    within: float = np.inf

    def rows(self, fitted: pd.DataFrame) -> pd.DataFrame:
        """Rows nearest to even spacing in log x, the first and the last among them."""
        z = np.log(fitted[X].to_numpy())
        fitted, z = fitted[z >= z[-1] - self.within], z[z >= z[-1] - self.within]
        length = max(n for n in self.lengths if n <= len(z))
        places = np.linspace(z[0], z[-1], length)
        chosen = linear_sum_assignment(np.abs(z[:, None] - places))[0]
        return self.with_errors(fitted.iloc[np.sort(chosen)], fitted)

    def with_errors(self, rows: pd.DataFrame, fitted: pd.DataFrame) -> pd.DataFrame:
        """Rows with a column se, where there is a misfit; the last fitted loss is the future's."""
        if self.misfit is None:
            return rows
        last = fitted.iloc[-1]
        loss = rows[Y].where(rows[X] <= last[X], last[Y])
        return rows.assign(se=self.misfit * loss * np.sqrt(last[X] / rows[X]))


def scored(rows: pd.DataFrame) -> Iterator[Curve]:
    """The curves that have rows to score."""
    for key, fitted, test in split(rows):
        if len(test):
            yield Curve(key, fitted, test)


def halved(rows: pd.DataFrame) -> Iterator[Curve]:
    """The curves without rows to score, their fitted rows cut at half of the last x."""
    for key, fitted, test in split(rows):
        if test.empty:
            early = fitted[X] <= fitted[X].iloc[-1] / 2
            yield Curve(key, fitted[early], fitted[~early])


def split(rows: pd.DataFrame) -> Iterator[tuple[Key, pd.DataFrame, pd.DataFrame]]:
    for key, part in rows.groupby(["domain", "task", "model"], sort=False):
        ordered = part.sort_values(X, kind="stable")
        fitted, test = (ordered[ordered["is_fit_split"] == flag] for flag in (1, 0))
        yield key, fitted.drop_duplicates([X, Y]), test


def grid(curve: Curve, points: int = 80) -> pd.DataFrame:
    """Places along the whole curve, with the loss of the fitted rows between them."""
    places = np.geomspace(curve.fitted[X].min(), curve.test[X].max(), points)
    known = np.log(curve.fitted[[X, Y]].to_numpy()).T
    return pd.DataFrame({X: places, Y: np.exp(np.interp(np.log(places), *known))})
