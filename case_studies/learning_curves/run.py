"""Forecast the ends of 46 learning curves: Bayesian M1 to M4 beside least squares.

Run as ``python case_studies/learning_curves/run.py``; ``BAYES_SCALING_DATA`` names the folder that
holds ``tables/revisiting_nsl``. With ``check`` behind it, the choice of rows is checked instead: each
curve is fitted to its rows up to half of its last fitted x and scored on the fitted rows past that,
so that no row that the study scores is looked at. With ``figure``, six curves are drawn as well.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import baselines
import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment

import bayes_scaling as bs

LAWS = {
    "M1": bs.models.power_law.variant("no_floor"),
    "M2": bs.models.power_law,
    "M3": bs.models.m3,
    "M4": bs.models.m4,
}
CHOSEN = "M4"  # before any test row was scored
LENGTHS = (40, 19, 9)  # rows of a thinned curve: one compilation each
SEED = 1
X, Y = "seen_examples", "loss"


@dataclass(frozen=True)
class Curve:
    """Rows to fit and rows to forecast, without exact duplicates, in increasing x."""

    domain: str
    task: str
    model: str
    fitted: pd.DataFrame
    test: pd.DataFrame


def curves(rows: pd.DataFrame) -> Iterator[Curve]:
    """The curves that have rows to score."""
    for key, part in rows.groupby(["domain", "task", "model"], sort=False):
        part = part.sort_values(X, kind="stable")
        fitted, test = (part[part["is_fit_split"] == flag] for flag in (1, 0))
        if len(test):
            yield Curve(*key, fitted.drop_duplicates([X, Y]), test)


def thin(rows: pd.DataFrame, lengths: tuple[int, ...] = LENGTHS) -> pd.DataFrame:
    """Rows nearest to even spacing in log x, first and last kept: the longest length there is."""
    length = max(n for n in lengths if n <= len(rows))
    z = np.log(rows[X].to_numpy())
    places = np.linspace(z[0], z[-1], length)
    return rows.iloc[np.sort(linear_sum_assignment(np.abs(z[:, None] - places))[0])]
