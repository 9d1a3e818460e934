"""Backtests as JSON objects and as text on standard output."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from bayes_scaling.validation.backtested import Backtest

from .cells import plain, warnings_in
from .common import short
from .text import show_table

PER_CENT = ("relative_error", "interval_score", "crps", "error", "size")
SHARES = ("held_50", "held_80", "held_90", "right_sign")
NATS = ("log_score", "difference", "se")
TITLES = {"held_50": "50 % hold", "held_80": "80 % hold", "held_90": "90 % hold",
          "relative_error": "error", "interval_score": "interval score", "log_score": "log score",
          "right_sign": "right sign", "distance": "decades"}  # fmt: skip


def backtest_object(answer: Backtest) -> dict[str, Any]:
    """A backtest: means by model and gap, the order of models, folds, differences."""
    return {
        "models": list(answer.models),
        "response": answer.response,
        "unit": answer.unit,
        "by": answer.by,
        "by_ratio": answer.by_ratio,
        "on_log": answer.on_log,
        "scored_above": answer.scored_above,
        "summary": rows_in(answer.summary()),
        "leaderboard": rows_in(answer.leaderboard()),
        "differences": rows_in(answer.differences()),
        "folds": rows_in(answer.by_fold()),
        "skipped": rows_in(answer.skipped),
        "warnings": warnings_in(answer),
    }


def counted(count: int, what: str) -> str:
    """So many things: one fold, or several folds."""
    return f"{count} {what}{'s' * (count != 1)}"


def rows_in(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows of a table as JSON has them."""
    return [{str(k): plain(v) for k, v in row.items()} for row in table.to_dict("records")]


def show_backtest(answer: Backtest) -> None:
    """Print scores by model and gap, the order of models, and differences between recipes."""
    folds = counted(len(answer.folds), "fold")
    origins = counted(answer.folds["origin"].nunique(), "origin")
    limit = "origin / gap" if answer.by_ratio else "origin - gap"
    start = f"origin {'/' if answer.by_ratio else '-'} {answer.scored_above:g}"
    print(
        f"{answer.response} ({answer.unit}) of the dearest runs by {answer.by}: {folds}, "
        f"{origins}; fitted up to {limit}, scored above {start}"
    )
    relative = "relative, in %" if answer.on_log else f"in {answer.unit}"
    print(f"errors, interval score and CRPS are {relative}; log score in nats, more is better")
    _show(answer, answer.summary(), ["model", "gap", "distance", "folds", "runs"])
    if len(answer.models) > 1:
        print("\nmodels by log score; difference to the best, with its standard error")
        _show(answer, answer.leaderboard(), ["model", "folds", "runs"])
    pairs = answer.differences()
    if len(pairs):
        print("\ndifferences between recipes at equal inputs")
        _show(answer, pairs, ["model", "gap", "distance", "folds", "pairs"])
    if len(answer.skipped):
        print(f"\nleft out: {counted(len(answer.skipped), 'fold')}")
        show_table(
            ["origin", "gap", "fitted", "reason"],
            [
                [f"{row['origin']:.3g}", short(row["gap"]), str(row["fitted"]), row["reason"]]
                for _, row in answer.skipped.iterrows()
            ],
        )


def _show(answer: Backtest, table: pd.DataFrame, keys: list[str]) -> None:
    columns = [*keys, *(c for c in table.columns if c not in keys)]
    titles = {} if answer.by_ratio else {"distance": "distance"}
    header = [(TITLES | titles).get(c, c) for c in columns]
    rows = [[_cell(answer, c, row[c]) for c in columns] for _, row in table.iterrows()]
    show_table(header, rows, whole=header[:1])


def _cell(answer: Backtest, name: str, value: Any) -> str:
    if isinstance(value, str | int | np.integer):
        return str(value)
    if np.isnan(value):
        return ""
    if name in PER_CENT:
        return f"{100 * value:.2f}" if answer.on_log else f"{value:.4g}"
    if name in SHARES:
        return f"{value:.2f}"
    if name in NATS:
        return f"{value:.2f}"
    return f"{value:.3g}"
