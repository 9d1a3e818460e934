"""Rows of one run: their order, and the schedule behind each."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import jax.numpy as jnp
import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from bayes_scaling.errors import Finding, TableError
from bayes_scaling.law import History, Law
from bayes_scaling.runs import Runs
from bayes_scaling.runs.check import name_rows
from bayes_scaling.runs.schedule import Schedule, history, parse_schedule
from bayes_scaling.runs.table import order_of

if TYPE_CHECKING:
    from .spec import Spec

KNOTS = 64  # falls of the rate that are told apart


def order_for(law: Law, runs: Runs) -> str:
    """Input of the law along which rows of one run follow each other: points have no other."""
    return runs.order if runs.order in law.inputs else order_of(runs.frame, tuple(law.inputs))


def neighbours(
    runs: Runs, order: str = ""
) -> tuple[Int[np.ndarray, " rows"], Float[np.ndarray, " rows"]]:
    """Row before each one in its run, and the distance to it.

    Parameters
    ----------
    runs : Runs
    order : str
        Input that orders rows; by default that of the table.

    Returns
    -------
    previous : (rows,) int array
        -1 for the first row of a run.
    gap : (rows,) array
        In the unit of the input that orders rows; zero for the first row of a run.

    Raises
    ------
    TableError
        ``repeated-step``: two rows at one place have no correlation below one.
    """
    frame = runs.frame
    same = (frame["run"] == frame["run"].shift()).to_numpy()
    previous = np.where(same, np.arange(len(frame)) - 1, -1)
    order = order or runs.order
    place = frame[order].to_numpy()
    gap = np.where(same, np.abs(place - place[previous]), 0.0)
    again = same & (gap == 0)
    if again.any():
        found = (
            f"{name_rows(frame['row'][again].tolist())} repeat {order} of another row of "
            f"their run; rows of a curve follow each other in {order}: give each curve a "
            f"run label of its own, or leave the correlation out with serial=False (--independent)"
        )
        raise TableError([Finding("repeated-step", "error", found)])
    return previous, gap


def usual_gap(runs: Runs, order: str = "") -> float:
    """Median distance of neighbouring rows of a run."""
    gap = neighbours(runs, order)[1]
    return float(np.median(gap[gap > 0])) if (gap > 0).any() else 1.0


def history_units(law: Law, runs: Runs) -> dict[str, float]:
    """Units of the histories of a scheduled law: largest rate, mean area of the fitted rows.

    Raises
    ------
    TableError
        ``missing-schedule``, if the table was read without.
    """
    if not law.scheduled:
        return {}
    if "schedule" not in runs.frame:
        found = (
            f"law {law.name} needs the learning rate along each run: name its column with "
            f"rate= (--rate), or one of schedules as texts with schedule= (--schedule)"
        )
        raise TableError([Finding("missing-schedule", "error", found)])
    rate = max(runs.schedules[str(label)].peak for label in runs.frame["schedule"].unique())
    areas = np.concatenate(
        [
            runs.schedules[str(label)].area(rows["step"].to_numpy())
            for label, rows in runs.frame.groupby("schedule")
        ]
    )
    return {"rate": rate, "area": float(np.exp(np.log(areas).mean()))}


def histories(spec: Spec, schedules: pd.Series, step: Float[np.ndarray, " rows"]) -> History:
    """What the schedule of each row has done by its step.

    Parameters
    ----------
    spec : Spec
    schedules : Series of str
        A label among the fitted schedules, or a schedule as text, row by row.
    step : (rows,) array
    """
    rate, area = spec.references["rate"], spec.references["area"]
    labels = schedules.to_numpy()
    rows = {str(label): np.flatnonzero(labels == label) for label in pd.unique(labels)}
    parts = [
        history(schedule_named(spec, label), step[mine], KNOTS, rate)
        for label, mine in rows.items()
    ]
    order = np.argsort(np.concatenate(list(rows.values())))
    whole = History(*(jnp.concatenate(arrays)[order] for arrays in zip(*parts, strict=True)))
    unit = spec.references["step"]
    return whole._replace(
        steps=whole.steps / unit,
        area=whole.area * rate / area,
        steps_since=whole.steps_since / unit,
        area_since=whole.area_since / unit,
    )


def schedule_named(spec: Spec, label: str) -> Schedule:
    """Return a fitted schedule by its label, or read one from its text."""
    return _parsed(spec.schedules.get(label, label))


@cache
def _parsed(text: str) -> Schedule:
    return parse_schedule(text)
