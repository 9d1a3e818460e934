"""Every problem of a table that keeps it from being read, as findings."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayes_scaling.errors import Finding

from .check import listing, name_rows
from .roles import Role

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
Rows = NDArray[np.int64]

_MEANINGS = {"N": "are counts of model parameters", "D": "are counts of training tokens"}
_RESERVED = {"response", "rung", "seed", "se", "run", "row", "untuned", "rate", "schedule",
             "trials", "through", "through_se", "item", "loss"}  # fmt: skip
FLAGS = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
_BILLIONS = 1000.0  # no model has fewer parameters, and no run fewer tokens
FEWEST_ROWS = 3


def _error(code: str, message: str) -> Finding:
    return Finding(code, "error", message)


def role_errors(roles: Sequence[Role]) -> Iterator[Finding]:
    """Columns that are mapped twice, and names that mean something else."""
    options: dict[str, list[str]] = {}
    for role in roles:
        options.setdefault(role.column, []).append(role.option + role.column)
    for column, named in options.items():
        if len(named) > 1:
            yield _error(
                "same-column-twice",
                f"column '{column}' is mapped {len(named)} times ({', '.join(named)}); "
                "each use needs a column of its own: leave one out or copy the column",
            )
    inputs = {role.name for role in roles if role.kind == "input"}
    for role in roles:
        taken = {"input": _RESERVED, "group": _RESERVED | inputs}.get(role.kind, set())
        if role.name in taken and len(options[role.column]) == 1:  # else it is said already
            yield _error(
                "reserved-name",
                f"{role.kind} '{role.name}' has a name that the table of runs uses for something "
                f"else (taken: {', '.join(sorted(taken))}): rename it",
            )


def column_errors(table: pd.DataFrame, roles: Sequence[Role]) -> Iterator[Finding]:
    """Columns that are missing, or that more than one has the name of."""
    names = [str(name) for name in table.columns]
    repeated = sorted({f"'{name}'" for name in names if name and names.count(name) > 1})
    if repeated:
        yield _error(
            "duplicate-column-names",
            f"more than one column is named {listing(repeated)}, so it is not clear which one "
            "is meant: rename them",
        )
    lower = {name.lower(): name for name in names}
    for role in roles:
        if role.column not in names:
            close = difflib.get_close_matches(role.column.lower(), lower, n=1)
            hint = f"did you mean '{lower[close[0]]}'? " if close else ""
            yield _error(
                "missing-column",
                f"there is no column '{role.column}' for {role.kind} {role.name}; "
                f"the table has {', '.join(names)}: {hint}map one with {role.option}...",
            )


def too_few(before: int, after: int, where: str | None) -> Finding:
    """Say that too few rows are left."""
    by = "" if where is None else f" after where '{where}' ({before} before)"
    if not after:
        return _error("no-rows", f"the table has no rows left{by}: loosen the condition")
    return _error(
        "too-few-rows",
        f"the table has {after} row{'s' * (after > 1)}{by}; {FEWEST_ROWS} are the fewest that "
        "can be read: add runs",
    )


def number_errors(
    role: Role, values: Floats, bad: Mask, cells: pd.Series, rows: Rows, empty_allowed: Mask
) -> Iterator[Finding]:
    """Cells of a numeric column that cannot be what it is for."""
    name = role.column
    drop = f"drop those rows or map another column with {role.option}..."
    what = f"; {name} {_MEANINGS[role.name]}" if role.name in _MEANINGS else ""

    def found(code: str, mask: Mask, state: str, remedy: str) -> Iterator[Finding]:
        if mask.any():
            count = int(mask.sum())
            subject = "1 value that is" if count == 1 else f"{count} values that are"
            there = name_rows(rows[mask].tolist())
            yield _error(code, f"column '{name}' has {subject} {state} ({there}){remedy}")

    shown = listing([repr(cell) for cell in cells[bad].unique()])
    yield from found(
        "non-numeric", bad, "no number", f", such as {shown}: write 7e9 or 7B, or {drop}"
    )
    missing = np.isnan(values) & ~bad & ~empty_allowed
    yield from found("not-a-number", missing, "empty or NaN", f"{what}: {drop}")
    yield from found("infinite", np.isinf(values), "infinite", f"{what}: {drop}")
    finite = np.isfinite(values)
    # what other inputs may be depends on the law, which checks them
    if role.kind in ("se", "trials", "through", "through_se") or role.name in _MEANINGS:
        yield from found("not-positive", finite & (values <= 0), "not positive", f"{what}: {drop}")
    largest = float(values[finite].max(initial=0.0))
    if role.kind == "input" and role.name in _MEANINGS and 0 < largest < _BILLIONS:
        yield _error(
            "looks-like-billions",
            f"the largest value of column '{name}' is {largest:g}{what}, and these look like "
            f"billions: write {largest:g}B, or multiply the column by 1e9",
        )


def chain_errors(canonical: Mapping[str, object], rows: Rows) -> Iterator[Finding]:
    """Say which rows have neither loss nor response, or a response without its trials."""
    missing = {
        k: np.isnan(np.asarray(canonical[k]))
        for k in ("response", "through", "trials")
        if k in canonical
    }
    empty = missing["response"] & missing["through"]
    if empty.any():
        yield _error(
            "neither-response",
            f"{name_rows(rows[empty].tolist())} have neither the response nor the loss that it "
            "follows: drop those rows",
        )
    for name in ("response", "through"):
        if (~missing[name]).sum() < FEWEST_ROWS:
            what = "response" if name == "response" else "loss that the response follows"
            yield _error(
                "too-few-rows",
                f"only {int((~missing[name]).sum())} rows have the {what}; {FEWEST_ROWS} are the "
                "fewest that can be fitted",
            )
    if "trials" in missing and (~missing["response"] & missing["trials"]).any():
        bad = rows[~missing["response"] & missing["trials"]].tolist()
        yield _error("no-trials", f"{name_rows(bad)} have a response without its trials")


def all_diverged(role: Role, values: Floats, bound: float) -> Iterator[Finding]:
    """Say where no run is below the bound."""
    if len(values) and (values >= bound).all():
        yield _error(
            "all-diverged",
            f"no value of column '{role.column}' is below diverged_above ({bound:g}), so every "
            "run has diverged: raise the bound or add runs that have not",
        )


def flag_errors(role: Role, labels: Sequence[str | None], rows: Rows) -> Iterator[Finding]:
    """Cells of a flag that are neither true nor false."""
    wrong = np.array([text is not None and text.lower() not in FLAGS for text in labels])
    if wrong.any():
        shown = listing(sorted({f"'{text}'" for text, w in zip(labels, wrong, strict=True) if w}))
        yield _error(
            "not-a-flag",
            f"column '{role.column}' ({role.name}) holds {shown} in {name_rows(rows[wrong])}; it "
            "says which runs are: write 1 or 0, true or false",
        )


def missing_labels(role: Role, labels: Sequence[str | None], rows: Rows) -> Iterator[Finding]:
    """Cells of a label that are empty."""
    empty = [int(row) for row, label in zip(rows, labels, strict=True) if label is None]
    if empty:
        yield _error(
            "missing-label",
            f"column '{role.column}' ({role.kind if role.kind == 'group' else role.name}) is empty "
            f"in {name_rows(empty)}: fill in a label or drop those rows",
        )
