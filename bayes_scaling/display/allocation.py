"""How budgets are spent, as JSON objects and as text on standard output."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from bayes_scaling.answers.allocate import Allocation
from bayes_scaling.answers.cheapest import Cheapest, IsoLoss
from bayes_scaling.answers.profiles import Agreement, Profiles

from .cells import (
    MIDDLE,
    inputs_in,
    labels_of,
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

Answer = Allocation | Cheapest | IsoLoss
ASKED = ("budget", "target", "N")  # columns of points that are no other input


def allocation_object(answer: Allocation) -> dict[str, Any]:
    """The best split of every budget: one object a budget and question."""
    points = []
    for i, _, own in _points(answer):
        advised = answer.recommended.iloc[i]
        points.append(
            {
                "budget": number(answer.points["budget"].iloc[i]),
                **_place(answer, answer.points.iloc[i]),
                **{k: moments(own[k]) for k in ("N", "D", "D/N")},
                "response": moments(own[answer.response]),
                "exponents": {
                    name: moments(own[f"exponent of {k}"])
                    for name, k in (("N", "N"), ("D", "D"), ("response", answer.response))
                },
                "recommended": {
                    **{k: number(advised[k]) for k in ("N", "D")},
                    "D/N": number(advised["D"] / advised["N"]),
                    "excess": number(advised["excess"]),
                },
                "interior": number(own["N"]["interior"]),
                "extrapolation": {
                    str(k): number(v) for k, v in answer.extrapolation.iloc[i].items()
                },
            }
        )
    return {
        **_head(answer),
        "points": points,
        "exponents": [
            {**_place(answer, row), **{k: of_draws(v) for k, v in draws.items()}}
            for row, draws in exponents_of(answer)
        ],
        "warnings": warnings_in(answer),
    }


def exponents_of(answer: Allocation) -> Iterator[tuple[pd.Series, dict[str, np.ndarray]]]:
    """Each question, and draws of the exponents over its budgets; none of one budget alone."""
    count = answer.points["budget"].nunique()
    if count < 2:
        return
    both = {k: answer.exponent(k).to_numpy() for k in ("N", "D")}
    for i in range(len(answer.points) // count):
        yield answer.points.iloc[i * count], {k: v[:, i] for k, v in both.items()}


def show_allocation(answer: Allocation) -> None:
    """Print the best split of every budget, and what to train."""
    print(
        f"best split of a budget between size N and tokens D, cost {costs_of(answer)}; "
        f"law {answer.law}"
    )
    found, inputs = answer.quantities, _inputs(answer)
    draws = {k: np.quantile(v, (0.05, 0.5, 0.95), axis=0).T for k, v in found.items()}
    places = [
        [*numbers([point["budget"]]), *labels_of(point, inputs, answer.groups)]
        for _, point in answer.points.iterrows()
    ]
    header, wide = ["budget", *inputs, *answer.groups], ["5%", "50%", "95%"]
    advised = answer.recommended
    rows = [
        [
            *at,
            *(f"{v:.3g}" for v in (*draws["N"][i], draws["D"][i][1], *draws["D/N"][i])),
            *(f"{advised[k].iloc[i]:.3g}" for k in ("N", "D")),
        ]
        for i, at in enumerate(places)
    ]
    show_table([*header, "N 5%", *wide[1:], "D 50%", "D/N 5%", *wide[1:], "train N", "on D"], rows)
    print(f"\n{answer.response} ({answer.unit}) of the law's mean there, and growth with cost C")
    rows = [
        [
            *at,
            *(f"{v:.4f}" for v in draws[answer.response][i]),
            *(f"{v:.3f}" for k in ("N", "D") for v in draws[f"exponent of {k}"][i]),
            f"{advised['excess'].iloc[i]:.2g}",
        ]
        for i, at in enumerate(places)
    ]
    show_table(
        [*header, *wide, "N ~ C^ 5%", *wide[1:], "D ~ C^ 5%", *wide[1:], "not knowing"], rows
    )
    print(
        "train: the size of the least expected loss; not knowing: what it loses on average "
        "against the best size"
    )
    for point, both in exponents_of(answer):
        of = ", ".join(labels_of(point, inputs, answer.groups))
        said = [
            "{1:.3f} ({0:.3f} to {2:.3f})".format(*np.quantile(v, (0.05, 0.5, 0.95)))
            for v in both.values()
        ]
        print(f"over these budgets{f', {of}' if of else ''}: N ~ C^{said[0]}, D ~ C^{said[1]}")


def cheapest_object(answer: Cheapest) -> dict[str, Any]:
    """The smallest cost of every target; null where so many draws do not reach it."""
    return {
        **_head(answer),
        "points": [
            {
                "target": number(point["target"]),
                **_place(answer, point),
                "reached": number(rows["cost"]["reached"]),
                **{
                    name: reaching(_endless(draws)[:, i], rows[key])
                    for name, key, draws in (
                        ("budget", "cost", answer.budget.to_numpy()),
                        ("N", "N", answer.size.to_numpy()),
                        ("D", "D", answer.data.to_numpy()),
                    )
                },
            }
            for i, point, rows in _points(answer)
        ],
        "warnings": warnings_in(answer),
    }


def show_cheapest(answer: Cheapest) -> None:
    """Print what reaching every target costs, and the run that does."""
    print(
        f"smallest cost at which {answer.response} ({answer.unit}) reaches a target, "
        f"cost {costs_of(answer)}; law {answer.law}"
    )
    inputs = _inputs(answer)
    rows = [
        [
            f"{point['target']:.4g}",
            *labels_of(point, inputs, answer.groups),
            f"{own['cost']['reached']:.3f}",
            *(_cell(own[k][q]) for k in ("cost", "N", "D") for q in MIDDLE),
        ]
        for _, point, own in _points(answer)
    ]
    quantities = [f"{k} {q}" for k in ("cost", "N", "D") for q in ("5%", "50%", "95%")]
    show_table(["target", *inputs, *answer.groups, "P(reached)", *quantities], rows)


def iso_loss_object(answer: IsoLoss) -> dict[str, Any]:
    """Tokens and extra cost of every size; null where no number of tokens is enough."""
    asked = _asked(answer)
    size = answer.points["N"].to_numpy()
    data = answer.data.to_numpy()
    return {
        **_head(answer),
        "points": [
            {
                asked: number(point[asked]),
                "N": number(point["N"]),
                **_place(answer, point),
                "reached": number(rows["D"]["reached"]),
                "level": of_draws(answer.level.to_numpy()[:, i]),
                "D": reaching(data[:, i], rows["D"]),
                "D/N": reaching(data[:, i] / size[i], rows["D/N"]),
                "extra_cost": reaching(answer.extra.to_numpy()[:, i], rows["extra cost"]),
            }
            for i, point, rows in _points(answer)
        ],
        "warnings": warnings_in(answer),
    }


def show_iso_loss(answer: IsoLoss) -> None:
    """Print the tokens with which every size reaches the level, and what that costs."""
    asked = _asked(answer)
    to = (
        f"the {answer.response} that a budget reaches at its best split"
        if asked == "budget"
        else f"a target of {answer.response} ({answer.unit})"
    )
    print(
        f"tokens with which a size reaches {to}, and cost over that of the best size; "
        f"cost {costs_of(answer)}; law {answer.law}"
    )
    inputs = _inputs(answer)
    middle = np.median(answer.level.to_numpy(), axis=0)
    rows = [
        [
            f"{point[asked]:.4g}",
            *([f"{middle[i]:.4f}"] if asked == "budget" else []),
            *labels_of(point, inputs, answer.groups),
            f"{point['N']:.4g}",
            f"{own['D']['reached']:.3f}",
            *(_cell(own["D"][q]) for q in MIDDLE),
            _cell(own["D/N"]["q0.5"]),
            *(_cell(100 * own["extra cost"][q]) for q in MIDDLE),
        ]
        for i, point, own in _points(answer)
    ]
    show_table(
        [asked, *([answer.response] if asked == "budget" else []), *inputs, *answer.groups, "N",
         "P(reached)", "D 5%", "50%", "95%", "D/N", "extra cost % 5%", "50%", "95%"],
        rows,
    )  # fmt: skip


def profiles_object(answer: Profiles) -> dict[str, Any]:
    """Best size of every budget by its profile."""
    return {
        "law": answer.law,
        "unit": answer.unit,
        "by": answer.by,
        "budgets": [
            {
                "label": str(row["label"]),
                **{
                    k: plain(row[k])
                    for k in ("budget", "runs", "lowest_N", "highest_N", "bracketed")
                },
                "N": moments(row),
            }
            for _, row in answer.summary().iterrows()
        ],
        "exponent": of_draws(answer.exponent.to_numpy()),
        "warnings": warnings_in(answer),
    }


def show_profiles(answer: Profiles) -> None:
    """Print the best size of every budget by its profile, and the exponent over budgets."""
    print(f"best sizes by isoFLOP profiles, law {answer.law}")
    rows = [
        [
            str(row["label"]),
            *numbers([row["budget"]]),
            f"{row['runs']:.0f}",
            f"{row['lowest_N']:.3g} to {row['highest_N']:.3g}",
            f"{row['bracketed']:.3f}",
            *(f"{row[q]:.3g}" for q in MIDDLE),
        ]
        for _, row in answer.summary().iterrows()
    ]
    show_table(
        [answer.by, "C", "runs", "sizes tried", "P(between)", "best N 5%", "50%", "95%"], rows
    )
    low, middle, high = np.quantile(answer.exponent, (0.05, 0.5, 0.95))
    print(f"over these budgets: N ~ C^{middle:.3f} ({low:.3f} to {high:.3f})")


def agreement_object(answer: Agreement) -> dict[str, Any]:
    """Whether the best sizes of a law are those of the profiles."""
    return {
        "agrees": bool(answer.agrees),
        "statement": answer.statement,
        "budgets": [
            {
                "budget": number(row["budget"]),
                "ratio": {"quantiles": quantiles(row)},
                "agrees": bool(row["agrees"]),
            }
            for _, row in answer.table.iterrows()
        ],
        "exponents": {str(row["of"]): moments(row) for _, row in answer.exponents.iterrows()},
    }


def show_agreement(answer: Agreement) -> None:
    """Print whether the law and the profiles agree, and where they do not."""
    print(answer.statement)
    rows = [
        [
            *numbers([row["budget"]]),
            *(f"{row[q]:.3f}" for q in MIDDLE),
            "yes" if row["agrees"] else "NO",
        ]
        for _, row in answer.table.iterrows()
    ]
    show_table(["budget", "law's N over the profile's 5%", "50%", "95%", "agrees"], rows)


def costs_of(answer: Answer) -> str:
    """How costs are counted, each way once."""
    return "; ".join(dict.fromkeys(answer.cost))


def _head(answer: Answer) -> dict[str, Any]:
    return {
        "law": answer.law,
        "response": answer.response,
        "unit": answer.unit,
        "cost": costs_of(answer),
    }


def _inputs(answer: Answer) -> list[str]:
    return inputs_in(answer.points, answer.groups, ASKED)


def _place(answer: Answer, row: pd.Series) -> dict[str, Any]:
    return place(row, _inputs(answer), answer.groups)


def _asked(answer: IsoLoss) -> str:
    return "budget" if "budget" in answer.points else "target"


def _points(answer: Answer) -> Iterator[tuple[int, pd.Series, dict[str, pd.Series]]]:
    """Each point with its rows of the summary by quantity."""
    table = answer.summary()
    count = len(table) // len(answer.points)
    for i, (_, point) in enumerate(answer.points.iterrows()):
        own = table.iloc[i * count : (i + 1) * count]
        yield i, point, {str(row["quantity"]): row for _, row in own.iterrows()}


def _endless(draws: np.ndarray) -> np.ndarray:
    return np.where(np.isnan(draws), np.inf, draws)


def _cell(value: float) -> str:
    return f"{value:.3g}" if math.isfinite(value) else "never"
