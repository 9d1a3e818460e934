"""Rows of one run as a curve: their order, their schedule, and the rows of warm-up."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from bayes_scaling.errors import Finding, TableError, UsageError

from .check import name_rows
from .schedule import Schedule, logged, parse_schedule
from .table import order_of


def attach_schedules(
    frame: pd.DataFrame, inputs: Sequence[str], warmup: int | None
) -> tuple[pd.DataFrame, dict[str, Schedule], list[Finding]]:
    """Put the rows of each run in order, find their schedules, and leave warm-up out.

    Parameters
    ----------
    frame : DataFrame
        Checked rows, perhaps with ``run``, and ``rate`` or ``schedule``.
    inputs : sequence of str
    warmup : int, optional
        Steps of warm-up, where ``rate`` begins after it.

    Returns
    -------
    frame : DataFrame
        Rows of one run are neighbours; ``schedule`` holds keys of `schedules`.
    schedules : dict of str to Schedule
    findings : list of Finding
        Info ``warm-up-rows``.

    Raises
    ------
    TableError
        ``bad-schedule`` or ``only-warm-up``.
    UsageError
        If the columns that a schedule needs are not named.
    """
    if "run" in frame:
        place = frame["run"].map({label: i for i, label in enumerate(frame["run"].unique())})
        order = np.lexsort((frame[order_of(frame, inputs)], place))
        frame = frame.iloc[order].reset_index(drop=True)
    if "rate" not in frame and "schedule" not in frame:
        if warmup is not None:
            raise UsageError(
                "rate_warmup belongs to a column of learning rates: name it with rate="
            )
        return frame, {}, []
    if "rate" in frame and "schedule" in frame:
        raise UsageError("give either rate= or schedule=: both say what the learning rate was")
    if "step" not in inputs or "run" not in frame:
        raise UsageError(
            "a schedule needs the run and the step of each row: name them with run=<column> "
            "(--run) and an input step=<column> (--input step=...)"
        )
    frame, schedules = _logged(frame, warmup) if "rate" in frame else _named(frame)
    begins = frame["schedule"].map({k: v.warmup for k, v in schedules.items()})
    warming = frame["step"] <= begins
    if warming.all():
        raise TableError([Finding("only-warm-up", "error",
                                  "every row lies in warm-up, where no law holds")])  # fmt: skip
    left_out = Finding(
        "warm-up-rows",
        "info",
        f"{int(warming.sum())} rows up to the end of warm-up are left out: no law holds there",
    )
    kept = frame[~warming].reset_index(drop=True)
    return kept, schedules, [left_out] if warming.any() else []


def _logged(frame: pd.DataFrame, warmup: int | None) -> tuple[pd.DataFrame, dict[str, Schedule]]:
    schedules, errors = {}, []
    for run, rows in frame.groupby("run", sort=False):
        try:
            steps, rates = rows["step"].to_numpy(), rows["rate"].to_numpy()
            schedules[str(run)] = logged(steps, rates, warmup)
        except UsageError as error:
            errors.append(Finding("bad-schedule", "error", f"run '{run}': {error}"))
    if errors:
        raise TableError(errors)
    return frame.drop(columns="rate").assign(schedule=frame["run"]), schedules


def _named(frame: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, Schedule]]:
    schedules, errors = {}, []
    for text in frame["schedule"].unique():
        try:
            schedules[str(text)] = parse_schedule(str(text))
        except UsageError as error:
            rows = frame["row"][frame["schedule"] == text].tolist()
            errors.append(Finding("bad-schedule", "error", f"{name_rows(rows)}: {error}"))
    if errors:
        raise TableError(errors)
    return frame, schedules
