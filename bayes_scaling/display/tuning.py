"""Best settings as a JSON object, and as text on standard output."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from bayes_scaling.answers.tune import Tuning

from .cells import labels_of, of_draws, place, quantiles
from .text import numbers, show_table


def tuning_object(answer: Tuning) -> dict[str, Any]:
    """Best settings: one object a point, with one a setting, and the settings asked about."""
    table, count = answer.summary(), len(answer.settings)
    points = []
    for k in range(len(answer.points)):
        rows = table.iloc[k * count : (k + 1) * count]
        loss = answer.loss.isel(point=k).to_numpy()
        points.append(
            {
                **_place(answer, answer.points.iloc[k]),
                "settings": [_setting(row) for _, row in rows.iterrows()],
                "loss": of_draws(loss),
                "expected_penalty": float(answer.expected_penalty[k]),
                "extrapolation": {
                    name: float(beyond) for name, beyond in answer.extrapolation.iloc[k].items()
                },
            }
        )
    return {
        "law": answer.law,
        "response": answer.response,
        "unit": answer.unit,
        "bound": answer.bound,
        "points": points,
        "tried": _tried(answer),
        "warnings": [w.as_dict() for w in answer.warnings],
    }


def _place(answer: Tuning, row: pd.Series) -> dict[str, Any]:
    return place(row, list(answer.extrapolation.columns), answer.groups)


def _setting(row: pd.Series) -> dict[str, Any]:
    ends = [row["plateau_low"], row["plateau_high"]]
    return {
        "name": row["setting"],
        "mean": float(row["mean"]),
        "sd_log": float(row["sd_log"]),
        "quantiles": quantiles(row),
        "recommended": float(row["recommended"]),
        "plateau": [float(end) for end in ends] if all(map(math.isfinite, ends)) else None,
    }


def _tried(answer: Tuning) -> list[dict[str, Any]]:
    if answer.judged is None:
        return []
    return [
        {
            **_place(answer, row),
            "settings": {name: float(row[name]) for name in answer.settings},
            "expected_penalty": float(row["expected_penalty"]),
            "quantiles": quantiles(row),
            "within_bound": float(row["within_bound"]),
        }
        for _, row in answer.judged.iterrows()
    ]


def show_tuning(answer: Tuning) -> None:
    """Print the best settings of every point, and what the settings asked about cost."""
    inputs = list(answer.extrapolation.columns)
    bound = f"{100 * answer.bound:g} %"
    print(
        f"best settings, law {answer.law}; plateau: expected loss less than {bound} over the best"
    )
    rows = []
    for _, row in answer.summary().iterrows():
        ends = numbers([row["plateau_low"], row["plateau_high"]])
        rows.append(
            [
                *_labels(answer, row),
                row["setting"],
                *numbers([row["q0.05"], row["q0.5"], row["q0.95"], row["recommended"]]),
                f"{ends[0]} to {ends[1]}" if np.isfinite(row["plateau_low"]) else "none",
                _percent(row["expected_penalty"]),
            ]
        )
    header = [*inputs, *answer.groups]
    show_table([*header, "setting", "5%", "50%", "95%", "recommended", "plateau", "costs %"], rows)
    middle = answer.loss.quantile([0.05, 0.5, 0.95], dim="sample").to_numpy().T
    print(f"\n{answer.response} ({answer.unit}) of the law's mean at the best settings")
    losses = [
        [*_labels(answer, row), *(f"{v:.4f}" for v in own)]
        for (_, row), own in zip(answer.points.iterrows(), middle, strict=True)
    ]
    show_table([*header, "5%", "50%", "95%"], losses)
    if answer.judged is not None:
        print("\nsettings asked about: loss over the best one, %")
        judged = [
            [
                *_labels(answer, row),
                *numbers(row[name] for name in answer.settings),
                *map(_percent, row[["expected_penalty", "q0.05", "q0.5", "q0.95"]]),
                f"{row['within_bound']:.2f}",
            ]
            for _, row in answer.judged.iterrows()
        ]
        show_table(
            [*header, *answer.settings, "expected", "5%", "50%", "95%", f"P(below {bound})"],
            judged,
        )


def _labels(answer: Tuning, row: pd.Series) -> list[str]:
    return labels_of(row, list(answer.extrapolation.columns), answer.groups)


def _percent(share: float) -> str:
    return f"{100 * share:.3g}"
