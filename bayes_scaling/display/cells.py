"""What objects and text tables share: numbers as JSON has them, quantiles, places, labels."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import pandas as pd

from bayes_scaling.errors import Finding
from bayes_scaling.posterior.diagnostics import QUANTILES

MIDDLE = ("q0.05", "q0.5", "q0.95")
BESIDE = ("se", "trials", "observed", "loss")  # numbers that points may hold beside their inputs

type Row = Mapping[str, Any] | pd.Series


class Warned(Protocol):
    """An answer with warnings."""

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """What is to be said of it."""


def number(value: Any) -> float | None:
    """JSON has no nan and no infinity: such a number is null."""
    return float(value) if math.isfinite(value) else None


def quantiles(row: Row) -> dict[str, float | None]:
    """Quantiles of a row of a summary."""
    return {str(k)[1:]: number(row[k]) for k in row.keys() if str(k).startswith("q0.")}  # noqa: SIM118


def moments(row: Row) -> dict[str, Any]:
    """Mean, sd and quantiles of a row of a summary."""
    return {"mean": number(row["mean"]), "sd": number(row["sd"]), "quantiles": quantiles(row)}


def of_draws(draws: np.ndarray) -> dict[str, Any]:
    """Mean, sd and quantiles of the draws that are numbers."""
    known = draws[np.isfinite(draws)]
    if len(known) < 2:
        return {"mean": None, "sd": None, "quantiles": {f"{q:g}": None for q in QUANTILES}}
    return {
        "mean": float(known.mean()),
        "sd": float(known.std(ddof=1)),
        "quantiles": {f"{q:g}": float(np.quantile(known, q)) for q in QUANTILES},
    }


def reaching(draws: np.ndarray, row: Row) -> dict[str, Any]:
    """Mean and sd of draws of which some may be infinite, null if so, and the row's quantiles."""
    known = bool(np.isfinite(draws).all())
    return {
        "mean": float(draws.mean()) if known else None,
        "sd": float(draws.std(ddof=1)) if known else None,
        "quantiles": quantiles(row),
    }


def middle(draws: np.ndarray) -> list[float]:
    """Quantiles 5, 50 and 95 % of the draws that are numbers."""
    known = draws[np.isfinite(draws)]
    return [float(v) for v in np.quantile(known, [0.05, 0.5, 0.95])] if len(known) else [np.nan] * 3


def plain(value: Any) -> Any:
    """Cell of a table as JSON has it."""
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        return number(value)
    return None if value is None or value is pd.NA else str(value)


def warnings_in(answer: Warned) -> list[dict[str, str]]:
    """Warnings of an answer."""
    return [w.as_dict() for w in answer.warnings]


def inputs_in(
    points: pd.DataFrame, groups: Sequence[str], other: Collection[str] = ()
) -> list[str]:
    """Columns of points that are inputs: numbers that are neither groups nor known beside."""
    beside = {*BESIDE, *groups, *other}
    return [
        str(k)
        for k in points.columns
        if k not in beside and pd.api.types.is_numeric_dtype(points[k])
    ]


def place(row: Row, inputs: Sequence[str], groups: Sequence[str]) -> dict[str, Any]:
    """Inputs and group of a point, as forecasts print them."""
    labels = [row[g] if isinstance(row[g], str) else None for g in groups]
    group = dict(zip(groups, labels, strict=True)) or None
    return {
        "inputs": {k: number(row[k]) for k in inputs},
        "group": labels[0] if len(labels) == 1 else group,
    }


def labels_of(row: Row, inputs: Sequence[str], groups: Sequence[str]) -> list[str]:
    """The same as cells of a text table."""
    labels = [row[g] if isinstance(row[g], str) else "(new)" for g in groups]
    return [*(f"{row[k]:.4g}" for k in inputs), *labels]
