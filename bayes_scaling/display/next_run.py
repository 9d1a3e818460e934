"""Next runs, and loops of them, as JSON objects and as text on standard output."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from bayes_scaling.answers.decide import POINTER
from bayes_scaling.answers.loop import Loop
from bayes_scaling.answers.next_run import NextRun

from .cells import inputs_in, labels_of, number, place, plain, warnings_in
from .text import show_table

FOUND = ("cost", "information", "removed", "value", "per_cost", "p_diverges", "pareto_k",
         "effective", "method", "allowed", "frontier")  # fmt: skip
EXPECTED = ("cost", "information", "removed", "value")
NAMES = ("rung", "run", "schedule")  # of points, which are neither inputs nor groups


def next_run_object(answer: NextRun) -> dict[str, Any]:
    """Picks, all candidates with what they are good for, and why."""
    inputs, groups = columns_of(answer)
    return {
        "goal": {k: [*v] if isinstance(v, tuple) else v for k, v in answer.goal.as_dict().items()},
        "answer": known(answer),
        "unit": answer.unit,
        "by": answer.by,
        "picks": [
            {
                "candidate": int(row["candidate"]),
                **place(row, inputs, groups),
                **{k: number(row[k]) for k in EXPECTED},
            }
            for _, row in answer.picks.iterrows()
        ],
        "candidates": [
            {**place(row, inputs, groups), **{k: plain(row[k]) for k in FOUND}}
            for _, row in answer.candidates.iterrows()
        ],
        "sds": [
            {"quantity": row["quantity"], **{k: number(row[k]) for k in ("now", "after")}}
            for _, row in answer.sds.iterrows()
        ],
        "p_settled": number(answer.p_settled),
        "stop": answer.stop,
        "why": answer.explain(),
        "warnings": warnings_in(answer),
    }


def loop_object(loop: Loop, answer: NextRun) -> dict[str, Any]:
    """The same, with what has been run and spent."""
    return {**next_run_object(answer), "runs": runs_of(loop), "spent": number(loop.spent)}


def show_next_run(answer: NextRun) -> None:
    """Print what is known, the picks, and why they were picked."""
    inputs, groups = columns_of(answer)
    print(f"{answer.goal.text}: {known(answer)}")
    if len(answer.picks):
        unit = f" ({answer.unit})" if answer.unit else ""
        gain = "information" if answer.by == "information" else "the value of information"
        print(
            f"\nruns to pay for, by {gain} per cost{unit}, of {len(answer.candidates)} candidates; "
            f"each given those before it"
        )
        rows = [
            [
                str(i + 1),
                *_place(row, inputs, groups),
                f"{row['cost']:.3g}",
                f"{row['information']:.3f}",
                f"{100 * row['removed']:.1f}",
                f"{row['value']:.3g}",
            ]
            for i, (_, row) in enumerate(answer.picks.iterrows())
        ]
        show_table(
            ["pick", *inputs, *groups, "cost", "nats", "variance removed (%)", "value"], rows
        )
    if answer.stop and answer.stop.endswith(answer.answer):
        print("settled: no run is needed")
        return
    for line in answer.explain():
        print(line)


def show_loop(loop: Loop, answer: NextRun) -> None:
    """Print the same, with what has been run and spent."""
    show_next_run(answer)
    bought = runs_of(loop) - int(loop.history[0]["runs"])
    print(f"{runs_of(loop)} runs, {bought} of them bought in this loop for {loop.spent:.4g}")


def runs_of(loop: Loop) -> int:
    """Number of runs that a loop has fitted."""
    return int(loop.fit.tree["observed_data"].sizes["run"])


def known(answer: NextRun) -> str:
    """What is known now, without the advice to ask what has just been asked."""
    return answer.answer.replace(POINTER, "")


def columns_of(answer: NextRun) -> tuple[list[str], list[str]]:
    """Inputs and grouping columns of the candidates."""
    points = answer.candidates.drop(columns=[*FOUND])
    inputs = inputs_in(points, (), NAMES)
    groups = [
        str(k)
        for k in points.columns
        if k not in NAMES and not pd.api.types.is_numeric_dtype(points[k])
    ]
    return inputs, groups


def _place(row: pd.Series, inputs: list[str], groups: list[str]) -> list[str]:
    """Cells of a candidate; a setting that is not given is the best one."""
    cells = labels_of(row, inputs, groups)
    for i, name in enumerate(inputs):
        if math.isnan(row[name]):
            cells[i] = "best"
    return cells
