"""Read a table of runs from a file or a DataFrame, and report every problem in it at once."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayes_scaling.errors import Finding, TableError, UsageError

from .check import find_doubts, listing, name_rows
from .curves import attach_schedules
from .numbers import parse_cells
from .table import Runs, load_table

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
Rows = NDArray[np.int64]

_MEANINGS = {"N": "are counts of model parameters", "D": "are counts of training tokens"}
_RESERVED = {"response", "rung", "seed", "se", "run", "row", "untuned", "rate", "schedule",
             "trials", "through", "through_se", "item", "loss"}  # fmt: skip
_NUMBERS = ("response", "se", "rate", "trials", "through", "through_se")
_FLAGS = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
_BILLIONS = 1000.0  # no model has fewer parameters, and no run fewer tokens
_FEWEST_ROWS = 3


@dataclass(frozen=True)
class _Role:
    """What a source column is for, under `name` in the canonical frame."""

    name: str
    column: str
    kind: str  # input, group, flag, label, or one of `_NUMBERS`

    @property
    def numeric(self) -> bool:
        return self.kind in ("input", *_NUMBERS)

    @property
    def option(self) -> str:
        """How the user maps it, up to the column."""
        if self.kind == "input":
            return f"--input {self.name}="
        if self.name == "seed":
            return "seed="  # on the command line, --seed is that of the sampler
        return "--group " if self.kind == "group" else f"--{self.name.replace('_', '-')} "


def read_runs(
    source: str | Path | pd.DataFrame,
    *,
    inputs: Mapping[str, str] | None = None,
    response: str = "loss",
    group: str | Sequence[str] | None = None,
    rung: str | None = None,
    seed: str | None = None,
    se: str | None = None,
    trials: str | None = None,
    through: str | None = None,
    through_se: str | None = None,
    item: str | None = None,
    run: str | None = None,
    untuned: str | None = None,
    rate: str | None = None,
    schedule: str | None = None,
    rate_warmup: int | None = None,
    diverged_above: float | None = None,
    where: str | None = None,
    unit: str = "nat/token",
    counts_embeddings: bool | None = None,
    flops: str | None = None,
) -> Runs:
    """Read a table of runs, or of points of their curves, and check it.

    Parameters
    ----------
    source : str, Path or DataFrame
        A file .csv, .tsv, .parquet, .jsonl or .ndjson (one object a line), or the
        table itself. Text such as ``7B`` or ``1.4T`` in a numeric column is a number.
    inputs : mapping of str to str, optional
        Law's input to column; ``{"N": "N", "D": "D"}`` by default.
    response : str
        Column of the response, in `unit`.
    group : str or sequence of str, optional
        Columns that name the recipe, corpus or architecture of a run.
    rung, seed, se, run : str, optional
        Columns of the rung of the ladder, the seed, the standard error of the
        response (in `unit`) and the run that a checkpoint belongs to.
    trials : str, optional
        Column of the number of items or samples that the response counts out of; of samples
        counted until so many passed, the number of passes.
    through, through_se : str, optional
        Columns of the loss that the response follows, for a chain of laws, and of its
        standard error. A run may lack the loss or the response, not both.
    item : str, optional
        Column of the question or task of each row, where items follow different curves.
    untuned : str, optional
        Column that says (1 or 0, true or false) which runs had settings worse than the
        best: they lie above the law by a one-sided excess, and inputs that are settings
        may be empty there.
    rate : str, optional
        Column of the learning rate at each step of a curve; needs `run` and an input
        called ``step``. Between logged steps the rate is linear.
    schedule : str, optional
        Column of learning-rate schedules as texts, such as
        ``"cosine:peak=3e-4,steps=24000,warmup=2160,final=3e-5"``.
    rate_warmup : int, optional
        Steps of linear warm-up of `rate`, where the log begins after it. Rows of a curve
        up to the end of warm-up are left out.
    diverged_above : float, optional
        Runs whose response is empty, infinite or above this bound have diverged: they
        say that it was at least the bound. Fix it before fitting.
    where : str, optional
        Condition on the columns that selects rows, as `DataFrame.query` takes it.
    unit : str
        Unit of the response.
    counts_embeddings : bool, optional
        Whether N counts embedding parameters.
    flops : str, optional
        How FLOPs are counted, such as ``"6ND"``.

    Returns
    -------
    Runs
        With the warnings and infos in ``findings``.

    Raises
    ------
    TableError
        With every problem found.
    UsageError
        If `where` cannot be evaluated or an argument is of the wrong kind.
    """
    groups = (group,) if isinstance(group, str) else tuple(group or ())
    mapping = {"N": "N", "D": "D"} if inputs is None else dict(inputs)
    if not mapping:
        raise UsageError('no input is mapped; write inputs={"N": <column>} or --input N=<column>')
    if diverged_above is not None and not np.isfinite(diverged_above):
        raise UsageError(
            f"diverged_above is {diverged_above}; it must be a finite bound, in the unit of the "
            "response"
        )
    others = {"response": response, "rung": rung, "seed": seed, "se": se, "run": run}
    others |= {"untuned": untuned, "rate": rate, "schedule": schedule}
    others |= {"trials": trials, "through": through, "through_se": through_se, "item": item}
    roles = _roles(mapping, groups, others)
    frame = _canonical(load_table(source), roles, where, diverged_above)
    frame, schedules, left_out = attach_schedules(frame, tuple(mapping), rate_warmup)
    runs = Runs(
        frame=frame,
        inputs=tuple(mapping),
        response=response,
        groups=groups,
        unit=unit,
        counts_embeddings=counts_embeddings,
        flops=flops,
        columns={role.name: role.column for role in roles if role.kind != "group"},
        bound=diverged_above,
        schedules=schedules,
        source="DataFrame" if isinstance(source, pd.DataFrame) else str(source),
    )
    return replace(runs, findings=(*left_out, *find_doubts(runs)))


def _roles(
    inputs: Mapping[str, str], groups: Sequence[str], others: Mapping[str, str | None]
) -> list[_Role]:
    roles = [_Role(name, column, "input") for name, column in inputs.items()]
    roles += [_Role(column, column, "group") for column in groups]
    for name, column in others.items():
        if column is not None:
            kind = name if name in _NUMBERS else "label"
            roles.append(_Role(name, column, "flag" if name == "untuned" else kind))
    return roles


def _canonical(
    table: pd.DataFrame, roles: Sequence[_Role], where: str | None, bound: float | None
) -> pd.DataFrame:
    """Build the frame of `Runs`, or raise with every error found."""
    errors = [*_role_errors(roles), *_column_errors(table, roles)]
    table = table.loc[:, ~table.columns.duplicated()]
    parsed: dict[str, tuple[Floats, Mask]] = {
        role.column: parse_cells(_cells(table[role.column]))
        for role in roles
        if role.numeric and role.column in table
    }
    kept = _selected(
        table, {c: values for c, (values, bad) in parsed.items() if not bad.any()}, where
    )
    if len(kept) < _FEWEST_ROWS:
        errors.append(_too_few(len(table), len(kept), where))
    rows = kept + 1
    canonical: dict[str, object] = {}
    settings_unknown = np.zeros(len(kept), dtype=bool)
    chained = any(role.name == "through" for role in roles)
    for role in sorted(roles, key=lambda role: role.kind != "flag"):
        if role.column in parsed:
            values, bad = parsed[role.column][0][kept], parsed[role.column][1][kept]
            if role.kind == "response" and bound is not None:
                values = np.where(~bad & ~(values < bound), bound, values)
            cells = table[role.column].iloc[kept]
            either = chained and role.kind in ("response", "trials", "through", "through_se")
            empty_allowed = settings_unknown & (role.kind == "input") | either
            errors += _number_errors(role, values, bad, cells, rows, empty_allowed)
            canonical[role.name] = values
            if role.kind == "response" and bound is not None:
                errors += _all_diverged(role, values, bound)
        elif role.column in table:
            labels = _labels(table[role.column].iloc[kept])
            errors += _missing_labels(role, labels, rows)
            canonical[role.name] = pd.array(labels, dtype="str")
            if role.kind == "flag":
                errors += _flag_errors(role, labels, rows)
                settings_unknown = np.array([_FLAGS.get(str(x).lower(), False) for x in labels])
                canonical[role.name] = settings_unknown
    if chained and not errors:
        errors += _chain_errors(canonical, rows)
    if errors:
        raise TableError(errors)
    return pd.DataFrame(canonical | {"row": rows})


def _cells(column: pd.Series) -> list[object]:
    """Cells with None for every kind of missing value that pandas has."""
    cells: list[object] = column.astype(object).where(column.notna(), None).tolist()
    return cells


def _error(code: str, message: str) -> Finding:
    return Finding(code, "error", message)


def _role_errors(roles: Sequence[_Role]) -> Iterator[Finding]:
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
        if role.name in taken:
            yield _error(
                "reserved-name",
                f"{role.kind} '{role.name}' has a name that the table of runs uses for something "
                f"else (taken: {', '.join(sorted(taken))}): rename it",
            )


def _column_errors(table: pd.DataFrame, roles: Sequence[_Role]) -> Iterator[Finding]:
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


def _selected(table: pd.DataFrame, numbers: Mapping[str, Floats], where: str | None) -> Rows:
    """Positions of the rows that `where` keeps; it sees 7B as a number where every cell is one."""
    if where is None:
        return np.arange(len(table))
    try:
        # Empty scopes, so that @name cannot reach the variables of this module.
        kept = table.assign(**numbers).eval(where, engine="python", local_dict={}, global_dict={})
        if not (isinstance(kept, pd.Series) and pd.api.types.is_bool_dtype(kept)):
            raise TypeError("it is not a condition that is true or false for each row")
    except Exception as error:  # the expression is the user's: it can fail in any way
        raise UsageError(
            f"where expression '{where}' cannot be evaluated: {error}; the columns are "
            f"{', '.join(table.columns)} (write `a b` in backticks for a name with spaces)"
        ) from error
    return np.flatnonzero(kept.fillna(False).to_numpy(dtype=bool))


def _too_few(before: int, after: int, where: str | None) -> Finding:
    by = "" if where is None else f" after where '{where}' ({before} before)"
    if not after:
        return _error("no-rows", f"the table has no rows left{by}: loosen the condition")
    return _error(
        "too-few-rows",
        f"the table has {after} row{'s' * (after > 1)}{by}; {_FEWEST_ROWS} are the fewest that "
        "can be read: add runs",
    )


def _number_errors(
    role: _Role, values: Floats, bad: Mask, cells: pd.Series, rows: Rows, empty_allowed: Mask
) -> Iterator[Finding]:
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


def _chain_errors(canonical: Mapping[str, object], rows: Rows) -> Iterator[Finding]:
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
        if (~missing[name]).sum() < _FEWEST_ROWS:
            what = "response" if name == "response" else "loss that the response follows"
            yield _error(
                "too-few-rows",
                f"only {int((~missing[name]).sum())} rows have the {what}; {_FEWEST_ROWS} are the "
                "fewest that can be fitted",
            )
    if "trials" in missing and (~missing["response"] & missing["trials"]).any():
        bad = rows[~missing["response"] & missing["trials"]].tolist()
        yield _error("no-trials", f"{name_rows(bad)} have a response without its trials")


def _all_diverged(role: _Role, values: Floats, bound: float) -> Iterator[Finding]:
    if len(values) and (values >= bound).all():
        yield _error(
            "all-diverged",
            f"no value of column '{role.column}' is below diverged_above ({bound:g}), so every "
            "run has diverged: raise the bound or add runs that have not",
        )


def _labels(cells: pd.Series) -> list[str | None]:
    """Labels as text, None where empty; 1.0 reads 1 when pandas made floats of integers."""
    present = cells.dropna()
    if pd.api.types.is_float_dtype(cells) and (present % 1 == 0).all():
        cells = cells.astype("Int64")
    blank = cells.isna().to_numpy()
    texts = [None if empty else str(c).strip() for c, empty in zip(cells, blank, strict=True)]
    return [text or None for text in texts]


def _flag_errors(role: _Role, labels: Sequence[str | None], rows: Rows) -> Iterator[Finding]:
    wrong = np.array([text is not None and text.lower() not in _FLAGS for text in labels])
    if wrong.any():
        shown = listing(sorted({f"'{text}'" for text, w in zip(labels, wrong, strict=True) if w}))
        yield _error(
            "not-a-flag",
            f"column '{role.column}' ({role.name}) holds {shown} in {name_rows(rows[wrong])}; it "
            "says which runs are: write 1 or 0, true or false",
        )


def _missing_labels(role: _Role, labels: Sequence[str | None], rows: Rows) -> Iterator[Finding]:
    empty = [int(row) for row, label in zip(rows, labels, strict=True) if label is None]
    if empty:
        yield _error(
            "missing-label",
            f"column '{role.column}' ({role.kind if role.kind == 'group' else role.name}) is empty "
            f"in {name_rows(empty)}: fill in a label or drop those rows",
        )
