"""Answers about metrics as JSON objects, and as text on standard output."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from bayes_scaling.answers.density import Densities
from bayes_scaling.answers.emergence import Emergence
from bayes_scaling.answers.retries import Retries
from bayes_scaling.answers.sampling import Coverage
from bayes_scaling.answers.threshold import Threshold

from .cells import (
    MIDDLE,
    inputs_in,
    labels_of,
    middle,
    moments,
    number,
    of_draws,
    place,
    plain,
    quantiles,
    reaching,
    warnings_in,
)
from .text import numbers, show_table

Answer = Threshold | Coverage | Retries


def threshold_object(answer: Threshold) -> dict[str, Any]:
    """Where a level is passed: one object a question, null where the place is infinite."""
    values = answer.draws.transpose("sample", "point").to_numpy()
    points = []
    for (_, row), own in zip(answer.summary().iterrows(), values.T, strict=True):
        points.append(
            {
                **_place(answer, row),
                **{k: float(row[k]) for k in ("passes", "before", "never")},
                **reaching(own, row),
            }
        )
    return {
        "law": answer.law,
        "response": answer.response,
        "unit": answer.unit,
        "level": answer.level,
        "along": answer.along,
        "along_unit": answer.along_unit,
        "within": list(answer.within),
        "fitted": list(answer.fitted),
        "ratios": answer.ratios,
        "points": points,
        "warnings": warnings_in(answer),
    }


def show_threshold(answer: Threshold) -> None:
    """Print how likely the level is passed, and where, for every question."""
    inputs = inputs_of(answer)
    low, high = answer.within
    grown = "".join(f", {k} = {v:g} {answer.along}" for k, v in answer.ratios.items())
    print(
        f"{answer.along} at which {answer.response} ({answer.unit}) passes {answer.level:g}, "
        f"looked for from {low:.4g} to {high:.4g}{grown}; law {answer.law}"
    )
    ends = {math.inf: f"> {high:.3g}", -math.inf: f"< {low:.3g}"}
    rows = [
        [
            *_labels(answer, row),
            *(f"{row[k]:.3f}" for k in ("before", "passes", "never")),
            *(ends.get(row[q], f"{row[q]:.4g}") for q in MIDDLE),
        ]
        for _, row in answer.summary().iterrows()
    ]
    show_table(
        [*inputs, *answer.groups, "P(before)", "P(within)", "P(never)", "5%", "50%", "95%"], rows
    )


def emergence_object(answer: Emergence) -> dict[str, Any]:
    """Acceleration of every task, with the evidence for it."""
    return {
        "law": answer.law,
        "tasks": [
            {
                "group": row["group"] or None,
                "mean": number(row["mean"]),
                "sd": number(row["sd"]),
                "quantiles": quantiles(row),
                "P_accelerates": float(row["P_accelerates"]),
                "log_bayes_factor": number(row["log_bayes_factor"]),
                "verdict": row["verdict"],
            }
            for _, row in answer.summary().iterrows()
        ],
        "warnings": warnings_in(answer),
    }


def show_emergence(answer: Emergence) -> None:
    """Print the verdict on every task, and what it rests on."""
    print(
        f"acceleration of law {answer.law}; ln BF: evidence for one against none, natural logarithm"
    )
    rows = [
        [
            row["group"] or "(all)",
            *numbers([row["mean"], row["sd"], row["q0.05"], row["q0.95"]]),
            f"{row['P_accelerates']:.3f}",
            f"{row['log_bayes_factor']:.1f}",
            row["verdict"],
        ]
        for _, row in answer.summary().iterrows()
    ]
    show_table(["group", "mean", "sd", "5%", "95%", "P(> 0)", "ln BF", "verdict"], rows)


def coverage_object(answer: Coverage) -> dict[str, Any]:
    """Share of problems that k samples solve: one object a point, and one a k in it."""
    table, count = answer.summary(), len(answer.k)
    budget = answer.budget() if answer.worth is not None else None
    points = []
    for i, (_, row) in enumerate(answer.points.iterrows()):
        limit = answer.limit.isel(point=i).to_numpy()
        point = {
            **_place(answer, row),
            "pass_at": [
                {"k": int(own["k"]), **moments(own)}
                for _, own in table.iloc[i * count : (i + 1) * count].iterrows()
            ],
            "limit": of_draws(limit),
        }
        if budget is not None:
            point["budget"] = moments(budget.iloc[i])
        points.append(point)
    return {
        "law": answer.law,
        "response": answer.response,
        "same_problems": answer.same_problems,
        "price": answer.price,
        "points": points,
        "warnings": warnings_in(answer),
    }


def show_coverage(answer: Coverage) -> None:
    """Print pass@k of every point, and the samples after which another one no longer pays."""
    header = [*inputs_of(answer), *answer.groups]
    which = "the fitted problems" if answer.same_problems else "problems drawn at random"
    print(f"share of {which} that k samples solve, law {answer.law}")
    rows = [
        [*_labels(answer, row), f"{row['k']:.0f}", *(f"{row[q]:.4f}" for q in MIDDLE)]
        for _, row in answer.summary().iterrows()
    ]
    show_table([*header, "k", "5%", "50%", "95%"], rows)
    if answer.worth is None:
        return
    print(f"\nsamples after which another one brings less than its price, {answer.price:g}")
    budgets = [
        [*_labels(answer, row), *numbers(row[q] for q in MIDDLE)]
        for _, row in answer.budget().iterrows()
    ]
    show_table([*header, "5%", "50%", "95%"], budgets)


def retries_object(answer: Retries) -> dict[str, Any]:
    """Best number of tries: one object a point."""
    return {
        "law": answer.law,
        "cost": answer.cost,
        "price": answer.price,
        "most": max(answer.k),
        "points": [
            {
                **_place(answer, row),
                "recommended": int(row["recommended"]),
                **{k: number(row[k]) for k in ("utility", "correct", "wrong", "ceiling")},
                "best": moments(row),
            }
            for _, row in answer.summary().iterrows()
        ],
        "warnings": warnings_in(answer),
    }


def show_retries(answer: Retries) -> None:
    """Print the recommended number of tries of every point, and what it brings."""
    print(
        f"tries until the verifier accepts one, {max(answer.k):,} at most; a wrong answer costs "
        f"{answer.cost:g} and a sample {answer.price:g} times what a right one is worth; "
        f"law {answer.law}"
    )
    rows = [
        [
            *_labels(answer, row),
            f"{row['recommended']:.0f}",
            *(f"{row[k]:.4f}" for k in ("utility", "correct", "wrong", "ceiling")),
            *numbers(row[q] for q in MIDDLE),
        ]
        for _, row in answer.summary().iterrows()
    ]
    show_table(
        [*inputs_of(answer), *answer.groups, "tries", "utility", "correct", "wrong", "ceiling",
         "best 5%", "50%", "95%"],
        rows,
    )  # fmt: skip


def densities_object(answer: Densities) -> dict[str, Any]:
    """Effective sizes and densities: one object a model, null where no size was found."""
    rows = answer.summary()
    return {
        "law": answer.law,
        "models": [
            {
                "model": {str(k): plain(row[k]) for k in answer.models.columns},
                "size": of_draws(answer.size.isel(model=i).to_numpy()),
                "density": of_draws(answer.density.isel(model=i).to_numpy()),
                "se": number(row["se"]),
                "lost": float(row["lost"]),
            }
            for i, (_, row) in enumerate(rows.iterrows())
        ],
        "warnings": warnings_in(answer),
    }


def show_densities(answer: Densities) -> None:
    """Print the effective size and the density of every model."""
    print(f"effective size and density of models, against law {answer.law}")
    columns = [str(k) for k in answer.models.columns]
    rows = []
    for i, (_, row) in enumerate(answer.summary().iterrows()):
        both = [middle(draws.isel(model=i).to_numpy()) for draws in (answer.size, answer.density)]
        kept = [_cell(row[k]) for k in answer.models.columns]
        rows.append([*kept, *numbers(both[0] + both[1]), f"{row['lost']:.3f}"])
    places = ["5%", "50%", "95%"]
    header = [f"{name} {q}" for name in ("size", "density") for q in places]
    show_table([*columns, *header, "lost"], rows)


def inputs_of(answer: Answer) -> list[str]:
    """Inputs of the points of an answer."""
    return inputs_in(answer.points, answer.groups)


def _place(answer: Answer, row: pd.Series) -> dict[str, Any]:
    return place(row, inputs_of(answer), answer.groups)


def _labels(answer: Answer, row: pd.Series) -> list[str]:
    return labels_of(row, inputs_of(answer), answer.groups)


def _cell(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float | np.floating) else str(value)
