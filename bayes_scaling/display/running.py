"""Running jobs and schedules as JSON objects, and as text on standard output."""

from __future__ import annotations

from typing import Any

import pandas as pd

from bayes_scaling.answers.schedules import ScheduleComparison
from bayes_scaling.answers.track import Tracking

from .text import numbers, show_table


def _quantiles(row: pd.Series, prefix: str = "q") -> dict[str, float]:
    names = [k for k in row.index if str(k).startswith(f"{prefix}0.")]
    return {str(k)[len(prefix) :]: float(row[k]) for k in names}


def _group(row: pd.Series, groups: tuple[str, ...]) -> Any:
    labels = [row[g] if isinstance(row[g], str) else None for g in groups]
    return labels[0] if len(labels) == 1 else dict(zip(groups, labels, strict=True)) or None


def tracking_object(answer: Tracking) -> dict[str, Any]:
    """A running job: its end before and after its rows, the alarm, and the rows."""
    row = answer.summary().iloc[0]
    return {
        "law": answer.law,
        "response": answer.response,
        "unit": answer.unit,
        "group": _group(row, answer.groups),
        "alarm": answer.alarm,
        "p_value": answer.p_value,
        "p_band": answer.p_band,
        "p_jump": answer.p_jump,
        "level": answer.level,
        "left_at": None if answer.left_at is None else {answer.order: answer.left_at},
        "final": {
            answer.order: float(row[answer.order]),
            "mean": float(row["mean"]),
            "sd": float(row["sd"]),
            "quantiles": _quantiles(row),
            "before": _quantiles(row, "before_q"),
        },
        "observed": [
            {
                answer.order: float(seen[answer.order]),
                "observed": float(seen["observed"]),
                "quantiles": _quantiles(seen),
                "z": float(seen["z"]),
                "jump": float(seen["jump"]),
                "outside": bool(seen["outside"]),
            }
            for _, seen in answer.observed.iterrows()
        ],
        "warnings": [w.as_dict() for w in answer.warnings],
    }


def show_tracking(answer: Tracking) -> None:
    """Print whether the run is on track, and the end of it before and after its rows."""
    row = answer.summary().iloc[0]
    state = "not on track" if answer.alarm else "on track"
    print(
        f"{state}: {len(answer.observed)} rows up to {answer.order} "
        f"{answer.observed[answer.order].iloc[-1]:g}, p = {answer.p_value:.2g} "
        f"(band {answer.p_band:.2g}, jump {answer.p_jump:.2g}), alarm below {answer.level:g}"
    )
    if answer.left_at is not None:
        print(f"first row outside: {answer.order} {answer.left_at:g}")
    end = f"{answer.order} {row[answer.order]:g}"
    print(f"{answer.response} ({answer.unit}) of the run at {end}, law {answer.law}")
    levels = ("0.05", "0.5", "0.95")
    rows = [
        ["as earlier runs predict", *(f"{row[f'before_q{q}']:.4f}" for q in levels)],
        ["given its rows", *(f"{row[f'q{q}']:.4f}" for q in levels)],
    ]
    show_table(["end", "5%", "50%", "95%"], rows)


def schedules_object(answer: ScheduleComparison) -> dict[str, Any]:
    """Schedules, the best first: the end of each, and how it compares."""
    points = answer.points.set_index("name")
    found = []
    for _, row in answer.summary().iterrows():
        found.append(
            {
                "name": row["name"],
                "schedule": points.loc[row["name"], "schedule"],
                "step": float(row["step"]),
                "mean": float(row["mean"]),
                "sd": float(row["sd"]),
                "quantiles": _quantiles(row),
                "p_best": float(row["p_best"]),
                "regret": float(row["regret"]),
                "difference": {
                    "mean": float(row["difference"]),
                    "quantiles": _quantiles(row, "difference_q"),
                },
            }
        )
    return {
        "law": answer.law,
        "response": answer.response,
        "unit": answer.unit,
        "group": _group(answer.points.iloc[0], answer.groups),
        "best": answer.best,
        "schedules": found,
        "warnings": [w.as_dict() for w in answer.warnings],
    }


def show_schedules(answer: ScheduleComparison) -> None:
    """Print the end of every schedule, the best first."""
    print(f"mean {answer.response} ({answer.unit}) at the end of schedules, law {answer.law}")
    rows = [
        [
            row["name"],
            f"{row['step']:g}",
            *(f"{row[q]:.4f}" for q in ("q0.05", "q0.5", "q0.95")),
            f"{row['p_best']:.2f}",
            *numbers([row["regret"], row["difference"]]),
            f"{row['difference_q0.05']:.4f} to {row['difference_q0.95']:.4f}",
        ]
        for _, row in answer.summary().iterrows()
    ]
    show_table(
        ["schedule", "steps", "5%", "50%", "95%", "P(best)", "regret", "over the best", "90 %"],
        rows,
    )
