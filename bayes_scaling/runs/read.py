"""Read a table of runs from a file or a DataFrame, and report every problem in it at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from bayes_scaling.errors import TableError, UsageError

from .check import find_doubts
from .curves import attach_schedules
from .numbers import parse_cells
from .problems import (
    FEWEST_ROWS,
    FLAGS,
    Floats,
    Mask,
    Rows,
    all_diverged,
    chain_errors,
    column_errors,
    flag_errors,
    missing_labels,
    number_errors,
    role_errors,
    too_few,
)
from .roles import Role, roles_of
from .table import Runs, load_table

LARGEST_WHOLE = 2.0**53  # above it not every integer is a float
MOST_SETS = 30  # that a column sorts rows into, to be kept though nothing reads it


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
    unit: str | None = None,
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
    unit : str, optional
        Unit of the response; by default "fraction" of counts and of metrics beside a loss, and
        "nat/token" otherwise.
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
    roles = roles_of(mapping, groups, others)
    table = load_table(source)
    frame = _canonical(table, roles, where, diverged_above)
    frame, schedules, left_out = attach_schedules(frame, tuple(mapping), rate_warmup)
    runs = Runs(
        frame=frame,
        inputs=tuple(mapping),
        response=response,
        groups=groups,
        unit=unit or ("fraction" if trials or through else "nat/token"),
        counts_embeddings=counts_embeddings,
        flops=flops,
        columns={role.name: role.column for role in roles if role.kind != "group"},
        bound=diverged_above,
        schedules=schedules,
        unread=_unread(table, roles),
        source="DataFrame" if isinstance(source, pd.DataFrame) else str(source),
    )
    return replace(runs, findings=(*left_out, *find_doubts(runs)))


def _canonical(
    table: pd.DataFrame, roles: Sequence[Role], where: str | None, bound: float | None
) -> pd.DataFrame:
    """Build the frame of `Runs`, or raise with every error found."""
    errors = [*role_errors(roles), *column_errors(table, roles)]
    table = table.loc[:, ~table.columns.duplicated()]
    parsed: dict[str, tuple[Floats, Mask]] = {
        role.column: parse_cells(_cells(table[role.column]))
        for role in roles
        if role.numeric and role.column in table
    }
    kept = _selected(
        table, {c: values for c, (values, bad) in parsed.items() if not bad.any()}, where
    )
    if len(kept) < FEWEST_ROWS:
        errors.append(too_few(len(table), len(kept), where))
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
            errors += number_errors(role, values, bad, cells, rows, empty_allowed)
            canonical[role.name] = values
            if role.kind == "response" and bound is not None:
                errors += all_diverged(role, values, bound)
        elif role.column in table:
            labels = _labels(table[role.column].iloc[kept])
            errors += missing_labels(role, labels, rows)
            canonical[role.name] = pd.array(labels, dtype="str")
            if role.kind == "flag":
                errors += flag_errors(role, labels, rows)
                settings_unknown = np.array([FLAGS.get(str(x).lower(), False) for x in labels])
                canonical[role.name] = settings_unknown
    if chained and not errors:
        errors += chain_errors(canonical, rows)
    if errors:
        raise TableError(errors)
    return pd.DataFrame(canonical | {"row": rows})


def _cells(column: pd.Series) -> list[object]:
    """Cells with None for every kind of missing value that pandas has."""
    cells: list[object] = column.astype(object).where(column.notna(), None).tolist()
    return cells


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


def _unread(table: pd.DataFrame, roles: Sequence[Role]) -> pd.DataFrame:
    """Columns without a role that sort the rows into a few sets, as text, by number of the row."""
    read = {role.column for role in roles}
    rest = [c for c in table.columns[~table.columns.duplicated(keep=False)] if c not in read]
    few = [c for c in rest if 2 <= table[c].map(str).nunique() <= min(MOST_SETS, len(table) // 4)]
    labels = {c: [text or "" for text in _labels(table[c])] for c in few}
    return pd.DataFrame(labels, index=np.arange(1, len(table) + 1), dtype="str")


def _labels(cells: pd.Series) -> list[str | None]:
    """Labels as text, None where empty; 1.0 reads 1 when pandas made floats of integers."""
    present = cells.dropna()
    whole = pd.api.types.is_float_dtype(cells) and (present % 1 == 0).all()
    if whole and (present.abs() < LARGEST_WHOLE).all():
        cells = cells.astype("Int64")
    blank = cells.isna().to_numpy()
    texts = [None if empty else str(c).strip() for c, empty in zip(cells, blank, strict=True)]
    return [text or None for text in texts]
