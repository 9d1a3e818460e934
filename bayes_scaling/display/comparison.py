"""Comparisons and choices of recipes, as JSON objects and as text on standard output."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from bayes_scaling.answers.compare import Comparison
from bayes_scaling.answers.crossing import Crossover, Multiplier
from bayes_scaling.answers.decide import Decision

from .cells import (
    MIDDLE,
    inputs_in,
    labels_of,
    moments,
    number,
    of_draws,
    place,
    quantiles,
    reaching,
    warnings_in,
)
from .common import short
from .text import show_table

PAIRS = 6  # recipes up to which all differences are printed


def comparison_object(answer: Comparison) -> dict[str, Any]:
    """Recipes at every point: responses, ranks and differences of all pairs."""
    table, pairs = answer.summary(), answer.differences()
    ranks, count = answer.ranking().to_numpy(), len(answer.recipes)
    points = []
    for i, (_, point) in enumerate(answer.points.iterrows()):
        own = table.iloc[i * count : (i + 1) * count]
        gaps = pairs.iloc[i :: len(answer.points)]
        points.append(
            {
                **place_of(answer, point),
                "recipes": [
                    {
                        "recipe": row["recipe"],
                        **moments(row),
                        "p_best": number(row["p_best"]),
                        "rank": number(row["rank"]),
                        "ranks": [float(p) for p in ranks[i, j]],
                        **_trained(answer, i, j),
                    }
                    for j, (_, row) in enumerate(own.iterrows())
                ],
                "differences": [
                    {
                        "first": row["first"],
                        "second": row["second"],
                        **moments(row),
                        "p_better": number(row["p_better"]),
                    }
                    for _, row in gaps.iterrows()
                ],
            }
        )
    return {
        "law": answer.law,
        "response": answer.response,
        "unit": answer.unit,
        "kind": answer.kind,
        "better": answer.better,
        "by": answer.by,
        "recipes": list(answer.recipes),
        "along": answer.along or None,
        "cost": dict(zip(answer.recipes, answer.cost, strict=True)) if answer.cost else None,
        "points": points,
        "warnings": warnings_in(answer),
    }


def show_comparison(answer: Comparison) -> None:
    """Print recipes at every point in the order of their expected ranks, and differences."""
    what = "one more run" if answer.kind == "new-run" else "the law's mean"
    along = f", {answer.along}" if answer.along else ""
    along += f"; cost {' and '.join(dict.fromkeys(answer.cost))}" if answer.cost else ""
    print(
        f"{answer.response} ({answer.unit}) of {what}{along}; {answer.better} is better; "
        f"law {answer.law}"
    )
    inputs, groups = columns_of(answer)
    table, count = answer.summary(), len(answer.recipes)
    trained = not answer.runs.empty
    rows = []
    for i, (_, point) in enumerate(answer.points.iterrows()):
        own = table.iloc[i * count : (i + 1) * count].reset_index(drop=True)
        for j, row in own.sort_values("rank", kind="stable").iterrows():
            made = _trained(answer, i, int(str(j)))
            rows.append(
                [
                    *labels_of(point, inputs, groups),
                    row["recipe"],
                    *([f"{made['N']:.3g}", f"{made['D']:.3g}"] if trained else []),
                    *(f"{row[q]:.4f}" for q in MIDDLE),
                    f"{row['p_best']:.3f}",
                    f"{row['rank']:.2f}",
                ]
            )
    show_table(
        [*inputs, *groups, answer.by, *(["N", "D"] if trained else []), "5%", "50%", "95%",
         "P(best)", "rank"],
        rows,
    )  # fmt: skip
    _show_differences(answer, inputs, groups)


def _show_differences(answer: Comparison, inputs: list[str], groups: list[str]) -> None:
    reference = best_at_end(answer) if len(answer.recipes) > 2 else answer.recipes[1]
    print(f"\ndifferences from {reference}; P: that the first is the better one")
    rows = [
        [
            *labels_of(row, inputs, groups),
            row["first"],
            *(f"{row[q]:+.4f}" for q in MIDDLE),
            f"{row['p_better']:.3f}",
        ]
        for _, row in answer.differences(reference).iterrows()
    ]
    show_table([*inputs, *groups, answer.by, "5%", "50%", "95%", "P"], rows)


def best_at_end(answer: Comparison) -> str:
    """The recipe of the best expected rank at the last point."""
    return order_at(answer, len(answer.points) - 1)[0]


def order_at(answer: Comparison, point: int) -> list[str]:
    """Recipes in the order of their expected ranks at a point."""
    shares = answer.ranking().isel(point=point).to_numpy()
    expected = shares @ np.arange(1, len(answer.recipes) + 1)
    return [answer.recipes[i] for i in np.argsort(expected, kind="stable")]


def columns_of(answer: Comparison) -> tuple[list[str], list[str]]:
    """Inputs of the points (or the place on the path), and other groups."""
    inputs = inputs_in(answer.points, ())
    groups = [
        str(k) for k in answer.points.columns if not pd.api.types.is_numeric_dtype(answer.points[k])
    ]
    return inputs, groups


def place_of(answer: Comparison, point: pd.Series) -> dict[str, Any]:
    """Inputs and other groups of a point; along a budget that."""
    inputs, groups = columns_of(answer)
    if inputs == ["budget"]:
        return {"budget": number(point["budget"]), **place(point, (), groups)}
    return place(point, inputs, groups)


def place_text(row: pd.Series, inputs: list[str], groups: list[str]) -> str:
    """Inputs and other groups of a point in words."""
    labels = [row[g] if isinstance(row[g], str) else f"a new {g}" for g in groups]
    return ", ".join([*(f"{k} {short(row[k])}" for k in inputs), *labels])


def _trained(answer: Comparison, point: int, recipe: int) -> dict[str, float | None]:
    """Medians of what a recipe trains at a place of a budget."""
    if answer.runs.empty:
        return {}
    own = answer.runs[answer.runs["recipe"] == answer.recipes[recipe]].iloc[point]
    return {k: number(own[k]) for k in ("N", "D")}


def crossover_object(answer: Crossover) -> dict[str, Any]:
    """Where two recipes are equally good; quantiles are null where they are infinite."""
    row = answer.summary().iloc[0]
    kept = ("within", "before", "after", "never", "first_throughout", "second_throughout",
            "first_at_low", "first_at_high", "several")  # fmt: skip
    return {
        "law": answer.law,
        "response": answer.response,
        "unit": answer.unit,
        "better": answer.better,
        "by": answer.by,
        "first": answer.first,
        "second": answer.second,
        "path": answer.path,
        "along": answer.along,
        "range": list(answer.within),
        "reach": list(answer.reach),
        **{k: number(row[k]) for k in kept},
        "place": reaching(answer.place.to_numpy(), row),
        "curve": [
            {"place": number(at[answer.along]), **moments(at)} for _, at in answer.curve.iterrows()
        ],
        "warnings": warnings_in(answer),
    }


def show_crossover(answer: Crossover) -> None:
    """Print how likely the curves cross and where, and who is ahead at both ends."""
    row = answer.summary().iloc[0]
    (low, high), first, second = answer.within, answer.first, answer.second
    print(f"crossover of {first} and {second} {answer.path}; law {answer.law}")
    print(
        f"they cross from {low:.3g} to {high:.3g} with probability {row['within']:.2f}, "
        f"before it with {row['before']:.2f}, after it or never with {row['after']:.2f}"
    )
    for end, at in (("low", low), ("high", high)):
        share = row[f"first_at_{end}"]
        ahead, sure = (first, share) if share >= 0.5 else (second, 1 - share)
        print(f"at {answer.along} {at:.3g} {ahead} is ahead with probability {sure:.2f}")
    print(
        f"all along the path {first} is ahead with probability {row['first_throughout']:.2f}, "
        f"{second} with {row['second_throughout']:.2f}"
    )
    if answer.several >= 0.01:
        print(f"they cross more than once with probability {answer.several:.2f}")
    ends = {math.inf: f"> {answer.reach[1]:.3g}", -math.inf: f"< {answer.reach[0]:.3g}"}
    cells = [ends.get(row[q], f"{row[q]:.3g}") for q in MIDDLE]
    show_table(
        [f"{answer.along} of the crossing, 5%", "50%", "95%", "P(beyond the reach)"],
        [[*cells, f"{row['never']:.3f}"]],
    )


def multiplier_object(answer: Multiplier) -> dict[str, Any]:
    """How much of the budget of one recipe another needs; null where no budget is enough."""
    values = answer.draws.transpose("sample", "place").to_numpy()
    change = answer.change()
    return {
        "law": answer.law,
        "response": answer.response,
        "unit": answer.unit,
        "by": answer.by,
        "first": answer.first,
        "second": answer.second,
        "path": answer.path,
        "along": answer.along,
        "places": [
            {
                "place": number(row[answer.along]),
                "p_saves": number(row["p_saves"]),
                "never": number(row["never"]),
                **reaching(values[:, i], row),
            }
            for i, (_, row) in enumerate(answer.summary().iterrows())
        ],
        "change_per_decade": {"quantiles": quantiles(change), "p_grows": number(change["p_grows"])},
        "warnings": warnings_in(answer),
    }


def show_multiplier(answer: Multiplier) -> None:
    """Print the share of the budget at every place, and how it changes over a decade."""
    print(
        f"share of the {answer.along} of {answer.second} with which {answer.first} is as good, "
        f"{answer.path}; law {answer.law}"
    )
    rows = [
        [
            f"{row[answer.along]:.3g}",
            *(f"{row[q]:.3f}" if math.isfinite(row[q]) else "never" for q in MIDDLE),
            f"{row['p_saves']:.3f}",
            f"{row['never']:.3f}",
        ]
        for _, row in answer.summary().iterrows()
    ]
    show_table([answer.along, "5%", "50%", "95%", "P(saves)", "P(never)"], rows)
    change = answer.change()
    if not math.isfinite(change["q0.5"]):
        print("how it changes along the path is not known: at an end it is zero or without limit")
        return
    grows = change["p_grows"]
    favoured, sure = (answer.second, grows) if grows >= 0.5 else (answer.first, 1 - grows)
    print(
        f"it changes by a factor of {change['q0.5']:.3f} ({change['q0.05']:.3f} to "
        f"{change['q0.95']:.3f}) over a decade: scale favours {favoured} with probability "
        f"{sure:.2f}"
    )


def decision_object(answer: Decision) -> dict[str, Any]:
    """The choice at every target, and what each recipe may cost."""
    compared, table = answer.comparison, answer.summary()
    responses, count = compared.summary(), len(compared.recipes)
    targets = []
    for i, (_, row) in enumerate(answer.verdicts().iterrows()):
        own = range(i * count, (i + 1) * count)
        targets.append(
            {
                **place_of(compared, compared.points.iloc[i]),
                "choice": row["choice"],
                "regret": number(row["regret"]),
                "p_safe": number(row["p_safe"]),
                "settled": bool(row["settled"]),
                "tied": list(row["tied"]),
                "verdict": row["verdict"],
                "recipes": [
                    {
                        "recipe": table["recipe"].iloc[k],
                        "utility": moments(table.iloc[k]),
                        "response": moments(responses.iloc[k]),
                        "cost": _cost(answer, i, k - i * count),
                        **{c: number(table[c].iloc[k]) for c in ("p_best", "regret", "p_safe")},
                        **{c: bool(table[c].iloc[k]) for c in ("chosen", "safe")},
                        **_trained(compared, i, k - i * count),
                    }
                    for k in own
                ],
            }
        )
    return {
        "law": compared.law,
        "response": compared.response,
        "unit": compared.unit,
        "kind": compared.kind,
        "better": compared.better,
        "by": compared.by,
        "recipes": list(compared.recipes),
        "rope": answer.rope,
        "confidence": answer.confidence,
        "settled": answer.settled,
        "targets": targets,
        "warnings": warnings_in(answer),
    }


def _cost(answer: Decision, point: int, recipe: int) -> dict[str, Any] | None:
    if answer.cost is None:
        return None
    own = answer.cost.isel(point=point, recipe=recipe).to_numpy()
    return of_draws(own) if own.size > 1 else {"mean": own.item(), "sd": 0.0, "quantiles": {}}


def show_decision(answer: Decision) -> None:
    """Print the verdict on every target, then what each recipe may cost."""
    compared, table = answer.comparison, answer.summary()
    inputs, groups = columns_of(compared)
    for _, row in answer.verdicts().iterrows():
        of = place_text(row, inputs, groups)
        print(f"{of}: {row['verdict']}")
    what = "one more run" if compared.kind == "new-run" else "the law's mean"
    print(
        f"\nchoice by {what} of {compared.response} ({compared.unit}), {compared.better} is "
        f"better; safe: within {answer.rope:g} of the best; law {compared.law}"
    )
    responses = compared.summary()
    spent = [] if answer.cost is None else ["cost"]
    count = len(compared.recipes)
    rows = [
        [
            *labels_of(row, inputs, groups),
            row["recipe"],
            *(f"{responses[q].iloc[k]:.4f}" for q in MIDDLE),
            *(f"{(_cost(answer, *divmod(k, count)) or {})['mean']:.3g}" for _ in spent),
            f"{row['p_best']:.3f}",
            f"{row['regret']:.3g}",
            f"{row['p_safe']:.3f}",
            "chosen" if row["chosen"] else "",
        ]
        for k, (_, row) in enumerate(table.iterrows())
    ]
    show_table(
        [*inputs, *groups, compared.by, f"{compared.response} 5%", "50%", "95%", *spent, "P(best)",
         "regret", "P(safe)", ""],
        rows,
    )  # fmt: skip
