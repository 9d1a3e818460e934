"""Points of a forecast: checked against a fit, and read as a table."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from bayes_scaling.errors import FitError, UsageError
from bayes_scaling.posterior.fit import Fit
from bayes_scaling.program.curves import schedule_named
from bayes_scaling.runs import parse_number

Points = pd.DataFrame | Sequence[Mapping[str, Any]] | Mapping[str, Any]
NUMBERS = ("se", "observed", "trials", "loss")
BESIDE = (
    "se",
    "rung",
    "run",
    "schedule",
    "observed",
    "trials",
    "loss",
)  # columns that are no input and no group


def need_usable(fit: Fit, force: bool) -> None:
    """Refuse a fit whose diagnostics are poor, unless forced.

    Raises
    ------
    FitError
    """
    if force:
        return
    errors = [w for w in fit.warnings if w.severity == "error"]
    if errors:
        codes = ", ".join(w.code for w in errors)
        raise FitError(
            f"the fit is not fit to answer ({codes}): {errors[0].message}; "
            f"use force=True (--force) to answer all the same"
        )


def as_table(points: Points) -> pd.DataFrame:
    """Points as a table, unchecked: one mapping is one row."""
    rows = [points] if isinstance(points, Mapping) else points
    return pd.DataFrame(rows).reset_index(drop=True)


def read_points(fit: Fit, points: Points) -> pd.DataFrame:
    """Check points against a fit and return them as a table.

    A setting that is left out, such as a learning rate, is missing: the best one.

    Raises
    ------
    UsageError
        With every problem that was found.
    """
    table = as_table(points)
    if not len(table):
        raise UsageError("no points to forecast: give at least one, such as N=7B,D=1.4T")
    if table.columns.duplicated().any():
        twice = ", ".join(map(str, table.columns[table.columns.duplicated()].unique()))
        raise UsageError(f"points hold more than one column called {twice}; keep one")
    for group in set(fit.groups) & set(table.columns):
        table[group] = [_label(v) for v in table[group]]
    for name in {*fit.law.inputs, *NUMBERS} & set(table.columns):
        table[name] = [_value(v) for v in table[name]]
    for name in {"run", "schedule"} & set(table.columns):
        table[name] = [_label(v) for v in table[name]]
    if "schedule" not in table and "run" in table and fit.law.scheduled:
        table["schedule"] = table["run"]  # a fitted run's own
    for name in fit.law.settings:
        if name not in table:
            table[name] = np.nan
    table = with_defaults(fit, table)
    problems = [*_input_problems(fit, table), *_label_problems(fit, table)]
    problems += _schedule_problems(fit, table)
    known = {*fit.law.inputs, *fit.groups, *BESIDE}
    for column in table.columns:
        if column not in known:
            close = difflib.get_close_matches(str(column), sorted(known), n=1)
            hint = f"; did you mean {close[0]}?" if close else ""
            problems.append(
                f"'{column}' is neither an input nor a grouping column of this fit; "
                f"points have {', '.join([*fit.law.inputs, *fit.groups])}{hint}"
            )
    if problems:
        raise UsageError("\n".join(problems))
    numbers = [*fit.law.inputs, *({"observed", "trials", "loss"} & set(table.columns))]
    table = table.astype(dict.fromkeys(numbers, float))
    for group in fit.groups:
        if group not in table:
            table[group] = None
    order = [*fit.law.inputs, *fit.groups]
    return table[order + [c for c in table.columns if c not in order]]


def _label(value: Any) -> str | None:
    """Label as reading a table of runs writes it: 1, not 1.0."""
    if value is None or (isinstance(value, float) and np.isnan(value)) or value is pd.NA:
        return None
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _value(value: Any) -> Any:
    """Number of a text such as 7B; other texts are left for the check."""
    try:
        return parse_number(value) if isinstance(value, str) else value
    except UsageError:
        return value


def _input_problems(fit: Fit, table: pd.DataFrame) -> list[str]:
    found = []
    for name, declared in fit.law.inputs.items():
        if name not in table:
            found.append(f"points lack {name} ({declared.meaning}); law {fit.law.name} needs it")
            continue
        if declared.default is not None and table[name].isna().any():
            found.append(
                f"{name} ({declared.meaning}) is not known at every point: the fitted runs of its "
                f"groups have several; give {name}"
            )
            continue
        bad = table[name][~declared.valid(_finite(table[name]))]
        if len(bad):
            hint = "; write such as 7B" if declared.on_log else ""
            found.append(f"{name} must be {declared.expected}, got {_few(bad)}{hint}")
    if "se" in table:
        bad = table["se"][~(_finite(table["se"]) >= 0)]
        if len(bad):
            found.append(f"se must be zero or a positive number at every point, got {_few(bad)}")
    if "observed" in table:
        given = table["observed"].dropna()
        bad = given[_finite(given).isna()]
        if len(bad):
            found.append(f"observed must be a number, or missing, at every point, got {_few(bad)}")
        outside = given[_finite(given).lt(0) | _finite(given).gt(1)]
        if fit.structure.noise.bounded and len(outside):
            found.append(
                f"observed must be a share from 0 to 1, as forecasts of noise {fit.spec.noise} "
                f"are (counts over trials, grades over the best grade), got {_few(outside)}"
            )
    if "trials" in table:
        given = table["trials"].dropna()
        count = _finite(given)
        bad = given[~((count >= 1) & (count % 1 == 0))]
        if len(bad):
            found.append(
                f"trials must be a whole number of one or more, or missing, got {_few(bad)}"
            )
        if not fit.structure.noise.counted:
            found.append(f"points hold trials, and noise {fit.spec.noise} does not count")
    if "loss" in table:
        given = table["loss"].dropna()
        bad = given[~(_finite(given) > 0)]
        if len(bad):
            found.append(f"loss must be a positive number, or missing, got {_few(bad)}")
        if fit.law.link is None:
            found.append(f"points hold a loss, and law {fit.law.name} is no chain")
    return found


def with_defaults(fit: Fit, table: pd.DataFrame) -> pd.DataFrame:
    """Fill in inputs that a point may leave out, as the fitted runs of its groups have them."""
    for name, declared in fit.law.inputs.items():
        if declared.default is None or (name in table and table[name].notna().all()):
            continue
        given = table[name] if name in table else pd.Series(np.nan, index=table.index)
        found = [_default(fit, name, row) for _, row in table.iterrows()]
        table = table.assign(**{name: given.where(given.notna(), pd.Series(found, table.index))})
    return table


def _default(fit: Fit, name: str, row: pd.Series) -> float:
    """Value of an input in the fitted runs of a point's groups, or not a number if several."""
    labels = {g: row[g] for g in fit.groups if g in row.index and pd.notna(row[g])}
    matching = {
        known[name]
        for known in fit.spec.defaults
        if all(known[g] == label for g, label in labels.items())
    }
    return float(matching.pop()) if len(matching) == 1 else math.nan


def _schedule_problems(fit: Fit, table: pd.DataFrame) -> list[str]:
    if not fit.law.scheduled:
        return []
    if "schedule" not in table or table["schedule"].isna().any():
        return [
            f"points of law {fit.law.name} need a schedule: one of the fitted runs "
            f"({', '.join(list(fit.spec.schedules)[:5])}) or a text such as "
            f"cosine:peak=3e-4,steps=24000,warmup=2160,final=3e-5"
        ]
    found = []
    for label in table["schedule"].unique():
        try:
            schedule_named(fit.spec, label)
        except UsageError as error:
            known = ", ".join(list(fit.spec.schedules)[:5])
            found.append(f"schedule '{label}' is none of the fitted ones ({known}), and {error}")
    return found


def _finite(column: pd.Series) -> pd.Series:
    """Numbers of a column, missing where an entry is none or not finite."""
    values = pd.to_numeric(column, errors="coerce")
    return values.where(np.isfinite(values))


def _few(bad: pd.Series) -> str:
    return ", ".join(str(value) for value in bad.head(5))


def _label_problems(fit: Fit, table: pd.DataFrame) -> list[str]:
    found = []
    for group in fit.groups:
        labels = fit.spec.labels[group]
        if group not in table:
            continue
        for label in table[group].dropna().unique():
            if label in labels:
                continue
            close = difflib.get_close_matches(str(label), labels, n=1)
            hint = f"did you mean {close[0]}? " if close else ""
            found.append(
                f"{group} '{label}' was not fitted ({', '.join(labels)}); {hint}"
                f"leave {group} out to forecast a group never seen"
            )
    return found
