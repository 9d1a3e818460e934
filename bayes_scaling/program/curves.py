"""Rows of one run: their order, and the schedule behind each."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import jax.numpy as jnp
import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from bayes_scaling.law import History, Law
from bayes_scaling.runs import Runs
from bayes_scaling.runs.schedule import Schedule, history, parse_schedule

if TYPE_CHECKING:
    from .build import Spec

KNOTS = 64  # falls of the rate that are told apart


def neighbours(runs: Runs) -> tuple[Int[np.ndarray, " rows"], Float[np.ndarray, " rows"]]:
    """Row before each one in its run, and the distance to it.

    Returns
    -------
    previous : (rows,) int array
        -1 for the first row of a run.
    gap : (rows,) array
        In the unit of the input that orders rows; zero for the first row of a run.
    """
    frame = runs.frame
    same = (frame["run"] == frame["run"].shift()).to_numpy()
    previous = np.where(same, np.arange(len(frame)) - 1, -1)
    place = frame[runs.order].to_numpy()
    return previous, np.where(same, np.abs(place - place[previous]), 0.0)


def usual_gap(runs: Runs) -> float:
    """Median distance of neighbouring rows of a run."""
    gap = neighbours(runs)[1]
    return float(np.median(gap[gap > 0])) if (gap > 0).any() else 1.0


def history_units(law: Law, runs: Runs) -> dict[str, float]:
    """Units of the histories of a scheduled law: largest rate, mean area of the fitted rows."""
    if not law.scheduled:
        return {}
    rate = max(schedule.peak for schedule in runs.schedules.values())
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
