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
from bayes_scaling.posterior.diagnostics import QUANTILES

from .text import numbers, show_table

Answer = Threshold | Coverage | Retries
MIDDLE = ("q0.05", "q0.5", "q0.95")
BESIDE = ("se", "trials", "observed", "loss")  # numbers that points may hold beside their inputs


def threshold_object(answer: Threshold) -> dict[str, Any]:
    """Where a level is passed: one object a question, null where the place is infinite."""
    values = answer.draws.transpose("sample", "point").to_numpy()
    points = []
    for (_, row), own in zip(answer.summary().iterrows(), values.T, strict=True):
        known = np.isfinite(own).all()
        points.append(
            {
                **_place(answer, row),
                **{k: float(row[k]) for k in ("passes", "before", "never")},
                "mean": _number(own.mean()) if known else None,
                "sd": _number(own.std(ddof=1)) if known else None,
                "quantiles": _quantiles(row),
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
        "warnings": _warnings(answer),
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
                "mean": _number(row["mean"]),
                "sd": _number(row["sd"]),
                "quantiles": _quantiles(row),
                "P_accelerates": float(row["P_accelerates"]),
                "log_bayes_factor": _number(row["log_bayes_factor"]),
                "verdict": row["verdict"],
            }
            for _, row in answer.summary().iterrows()
        ],
        "warnings": _warnings(answer),
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
                {"k": int(own["k"]), **_moments(own)}
                for _, own in table.iloc[i * count : (i + 1) * count].iterrows()
            ],
            "limit": _of_draws(limit),
        }
        if budget is not None:
            point["budget"] = _moments(budget.iloc[i])
        points.append(point)
    return {
        "law": answer.law,
        "response": answer.response,
        "same_problems": answer.same_problems,
        "price": answer.price,
        "points": points,
        "warnings": _warnings(answer),
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
                **{k: _number(row[k]) for k in ("utility", "correct", "wrong", "ceiling")},
                "best": _moments(row),
            }
            for _, row in answer.summary().iterrows()
        ],
        "warnings": _warnings(answer),
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
                "model": {str(k): _plain(row[k]) for k in answer.models.columns},
                "size": _of_draws(answer.size.isel(model=i).to_numpy()),
                "density": _of_draws(answer.density.isel(model=i).to_numpy()),
                "se": _number(row["se"]),
                "lost": float(row["lost"]),
            }
            for i, (_, row) in enumerate(rows.iterrows())
        ],
        "warnings": _warnings(answer),
    }


def show_densities(answer: Densities) -> None:
    """Print the effective size and the density of every model."""
    print(f"effective size and density of models, against law {answer.law}")
    columns = [str(k) for k in answer.models.columns]
    rows = []
    for i, (_, row) in enumerate(answer.summary().iterrows()):
        both = [_middle(draws.isel(model=i).to_numpy()) for draws in (answer.size, answer.density)]
        kept = [_cell(row[k]) for k in answer.models.columns]
        rows.append([*kept, *numbers(both[0] + both[1]), f"{row['lost']:.3f}"])
    places = ["5%", "50%", "95%"]
    header = [f"{name} {q}" for name in ("size", "density") for q in places]
    show_table([*columns, *header, "lost"], rows)


def inputs_of(answer: Answer) -> list[str]:
    """Inputs of the points of an answer."""
    beside = {*BESIDE, *answer.groups}
    return [
        str(k)
        for k in answer.points.columns
        if k not in beside and pd.api.types.is_numeric_dtype(answer.points[k])
    ]


def _place(answer: Answer, row: pd.Series) -> dict[str, Any]:
    """Inputs and group of a point, as forecasts print them."""
    labels = [row[g] if isinstance(row[g], str) else None for g in answer.groups]
    group = dict(zip(answer.groups, labels, strict=True)) or None
    return {
        "inputs": {k: _number(row[k]) for k in inputs_of(answer)},
        "group": labels[0] if len(labels) == 1 else group,
    }


def _labels(answer: Answer, row: pd.Series) -> list[str]:
    labels = [row[g] if isinstance(row[g], str) else "(new)" for g in answer.groups]
    return [*numbers(row[k] for k in inputs_of(answer)), *labels]


def _number(value: Any) -> float | None:
    """JSON has no nan and no infinity: such a number is null."""
    return float(value) if math.isfinite(value) else None


def _quantiles(row: pd.Series) -> dict[str, float | None]:
    return {str(k)[1:]: _number(row[k]) for k in row.index if str(k).startswith("q0.")}


def _moments(row: pd.Series) -> dict[str, Any]:
    return {
        "mean": _number(row["mean"]),
        "sd": _number(row["sd"]),
        "quantiles": _quantiles(row),
    }


def _of_draws(draws: np.ndarray) -> dict[str, Any]:
    """Mean, sd and quantiles of the draws that are numbers."""
    known = draws[np.isfinite(draws)]
    if len(known) < 2:
        return {"mean": None, "sd": None, "quantiles": {f"{q:g}": None for q in QUANTILES}}
    return {
        "mean": float(known.mean()),
        "sd": float(known.std(ddof=1)),
        "quantiles": {f"{q:g}": float(np.quantile(known, q)) for q in QUANTILES},
    }


def _middle(draws: np.ndarray) -> list[float]:
    known = draws[np.isfinite(draws)]
    return [float(v) for v in np.quantile(known, [0.05, 0.5, 0.95])] if len(known) else [np.nan] * 3


def _plain(value: Any) -> Any:
    """Cell of a table as JSON has it."""
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        return _number(value)
    return None if value is None or value is pd.NA else str(value)


def _cell(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float | np.floating) else str(value)


def _warnings(answer: Answer | Emergence | Densities) -> list[dict[str, str]]:
    return [w.as_dict() for w in answer.warnings]
