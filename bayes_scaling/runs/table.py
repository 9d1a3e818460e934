"""The table of runs as its source holds it (`load_table`), and as checked (`Runs`)."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from bayes_scaling.errors import Finding, TableError, UsageError

from .schedule import Schedule

# pandas' own list holds "None" too, which is a fair name for a recipe.
_MISSING = ["", "nan", "NaN", "NA", "N/A", "null", "NULL"]


@dataclass(frozen=True, eq=False)
class Runs:
    """A checked table of runs, made by `read_runs` and never changed.

    Attributes
    ----------
    frame : DataFrame
        One row a run. Columns: each input under the law's name (float64),
        ``response`` (float64), each grouping column under its own name (str),
        optionally ``rung``, ``seed`` and ``run`` (str), ``se`` (float64, positive),
        ``untuned`` (bool) and ``schedule`` (str, a key of `schedules`), ``trials`` (float64,
        behind counts), ``through`` and ``through_se`` (float64, the loss that the response
        follows), ``item`` (str), and ``row`` (int):
        the number of the row in the source, 1 for the first. Rows of one run are
        neighbours, in their order.
    inputs : tuple of str
        Names of the inputs.
    response : str
        Name of the response column in the source.
    groups : tuple of str
        Names of the grouping columns.
    unit : str
        Unit of the response.
    counts_embeddings : bool, optional
        Whether N counts embedding parameters, where the user says so.
    flops : str, optional
        How FLOPs are counted, where the user says so.
    columns : mapping of str to str
        Column of the source for each input, ``response``, ``rung``, ``seed``, ``se``, ``run``.
    bound : float, optional
        Responses at this value are only known to be at or above it: diverged runs.
    schedules : mapping of str to Schedule
        Learning-rate schedules by label.
    findings : tuple of Finding
        Warnings and infos of reading; `select` keeps them.
    unread : DataFrame
        Columns of the source that no argument names and that sort its rows into a few sets, as
        text; its index is ``row``. What they say is only read where rows are out of line.
    source : str
        Path of the file, or ``"DataFrame"``.
    sha256 : str
        Hash of the contents of `frame`, the same on every platform.
    """

    frame: pd.DataFrame
    inputs: tuple[str, ...]
    response: str
    groups: tuple[str, ...]
    unit: str = "nat/token"
    counts_embeddings: bool | None = None
    flops: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    bound: float | None = None
    schedules: Mapping[str, Schedule] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    unread: pd.DataFrame = field(default_factory=pd.DataFrame)
    source: str = ""
    sha256: str = ""

    def __post_init__(self) -> None:
        """Freeze the mapping and hash the contents."""
        object.__setattr__(self, "columns", MappingProxyType(dict(self.columns)))
        object.__setattr__(self, "schedules", MappingProxyType(dict(self.schedules)))
        if not self.sha256:
            # Floats are written with the fewest digits that read back exactly.
            text = self.frame.to_csv(index=False, lineterminator="\n")
            text += "".join(f"{k}: {v.text}\n" for k, v in self.schedules.items())
            object.__setattr__(self, "sha256", hashlib.sha256(text.encode()).hexdigest())

    def __reduce__(self) -> tuple[type[Runs], tuple[object, ...]]:
        """Travel to another process as plain values: read-only mappings cannot."""
        values = [getattr(self, f.name) for f in fields(self)]
        return Runs, tuple(dict(v) if isinstance(v, MappingProxyType) else v for v in values)

    def __len__(self) -> int:
        """Return the number of runs."""
        return len(self.frame)

    @property
    def counted(self) -> bool:
        """Whether responses are counts out of a number of trials."""
        return "trials" in self.frame

    def column(self, name: str, default: float | None = None) -> NDArray[np.float64]:
        """Return an input of all runs, or its default where the table does not have it."""
        if name not in self.frame and default is not None:
            return np.full(len(self), default)
        return self.frame[name].to_numpy(dtype=float)

    @property
    def curves(self) -> bool:
        """Whether rows are points of curves: some run has three or more."""
        return "run" in self.frame and are_curves(self.frame)

    @property
    def order(self) -> str:
        """Input along which the rows of one run follow each other."""
        return order_of(self.frame, self.inputs)

    @property
    def diverged(self) -> NDArray[np.bool_]:
        """Which responses are only known to be at or above the bound."""
        response = self.frame["response"].to_numpy()
        return np.zeros(len(self), bool) if self.bound is None else response >= self.bound

    def select(self, mask: ArrayLike) -> Runs:
        """Return the runs where `mask` is true.

        Parameters
        ----------
        mask : array of bool, shape (runs,)

        Returns
        -------
        Runs
            With a fresh index and hash; ``row`` still numbers the rows of the source.

        Raises
        ------
        UsageError
            If the mask is not boolean or not one value a run.
        """
        chosen = np.asarray(mask)
        if chosen.dtype != bool or chosen.shape != (len(self),):
            raise UsageError(
                f"a mask of {len(self)} booleans was expected, one a run; "
                f"an array of {chosen.dtype} with shape {chosen.shape} came"
            )
        return replace(self, frame=self.frame[chosen].reset_index(drop=True), sha256="")

    @property
    def unread_labels(self) -> pd.DataFrame:
        """Rows of `unread` for the runs, in their order."""
        if self.unread.empty:
            return pd.DataFrame(index=self.frame["row"])
        return self.unread.reindex(self.frame["row"]).fillna("")

    def points(self) -> pd.DataFrame:
        """Return the runs as points of a forecast, with the truth beside them.

        Returns
        -------
        DataFrame
            Inputs, grouping columns, ``rung`` and ``se`` where there are any (of curves
            ``run`` and ``schedule``, of counts ``trials``, too), and the response as
            ``observed``: of counts their share.
        """
        kept = ("rung", "se", "run", "schedule") if self.curves else ("rung", "se")
        named = [*self.inputs, *self.groups, *(c for c in (*kept, "trials") if c in self.frame)]
        truth = self.frame["response"]
        if self.counted:
            # right out of trials, or passes out of the samples that they took
            both = np.sort(np.column_stack([truth, self.frame["trials"]]), axis=1)
            truth = truth.copy().astype(float)
            truth[:] = both[:, 0] / both[:, 1]
        return self.frame[named].assign(observed=truth)

    def levels(self, group: str) -> list[str]:
        """Return the sorted labels of a grouping column.

        Raises
        ------
        UsageError
            If the table was not read with that grouping column.
        """
        if group not in self.groups:
            known = ", ".join(self.groups) or "none"
            raise UsageError(
                f"the table has no grouping column '{group}'; it has: {known}; "
                f"read it with group='{group}' (--group {group})"
            )
        return sorted(self.frame[group].unique().tolist())


def are_curves(frame: pd.DataFrame) -> bool:
    """Whether rows are points of curves: some run has three or more."""
    return bool((frame["run"].value_counts() >= 3).any())


def order_of(frame: pd.DataFrame, inputs: Sequence[str]) -> str:
    """Input along which rows of one run follow each other: ``step``, or one that changes."""
    if "step" in inputs:
        return "step"
    moving = (k for k in inputs if (frame.groupby("run")[k].nunique() > 1).any())
    return next(moving, inputs[0])


def load_table(source: str | Path | pd.DataFrame) -> pd.DataFrame:
    """Load a table as its source holds it, unchecked.

    Parameters
    ----------
    source : str, Path or DataFrame
        A file .csv, .tsv, .parquet, .jsonl or .ndjson, or the table itself.

    Returns
    -------
    DataFrame
        With column names as text, perhaps repeated, and a fresh index.

    Raises
    ------
    TableError
        ``no-file``, ``unknown-format``, ``unreadable`` or ``no-rows``.
    UsageError
        If the source is of another kind.
    """
    if isinstance(source, pd.DataFrame):
        frame, name = source, "the DataFrame"
    elif isinstance(source, str | Path):
        frame, name = _read_file(Path(source)), f"'{source}'"
    else:
        raise UsageError(f"a path or a DataFrame was expected; {type(source).__name__} came")
    # A named index is a column that somebody has set aside; a nameless one only numbers rows.
    named = [n for n in frame.index.names if n is not None and n not in frame.columns]
    if named:
        frame = frame.reset_index(level=named)
    frame = frame.reset_index(drop=True)
    frame.columns = pd.Index([str(column) for column in frame.columns], dtype="str")
    if frame.empty:
        raise _file_error("no-rows", f"{name} has no rows; one row a run was expected")
    return frame


def _read_file(path: Path) -> pd.DataFrame:
    readers = {
        ".csv": lambda: _read_text(path, ","),
        ".tsv": lambda: _read_text(path, "\t"),
        ".parquet": lambda: pd.read_parquet(path),
        ".jsonl": lambda: _read_json_lines(path),
        ".ndjson": lambda: _read_json_lines(path),
    }
    read = readers.get(path.suffix.lower())
    if read is None:
        raise _file_error(
            "unknown-format",
            f"'{path}' ends in '{path.suffix}'; a table of runs is a file {', '.join(readers)}",
        )
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise _file_error("no-file", f"'{path}' {what}; name the file with the table of runs")
    try:
        return read()
    except Exception as error:  # the readers raise many kinds, and each means the same here
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise _file_error(
            "unreadable", f"'{path}' cannot be read as {path.suffix}: {reason[0]}"
        ) from error


def _read_text(path: Path, separator: str) -> pd.DataFrame:
    if not path.read_bytes().strip():
        return pd.DataFrame()
    header = pd.read_csv(
        path,
        sep=separator,
        encoding="utf-8-sig",
        header=None,
        nrows=1,
        dtype=str,
        keep_default_na=False,
    )
    with warnings.catch_warnings():
        # pandas only warns, and drops cells, where a row is longer than the header.
        warnings.simplefilter("error", pd.errors.ParserWarning)
        frame = pd.read_csv(
            path,
            sep=separator,
            encoding="utf-8-sig",
            index_col=False,
            na_values=_MISSING,
            keep_default_na=False,
            low_memory=False,
        )
    # The names as they stand: pandas would have made "loss.1" of a second "loss".
    frame.columns = pd.Index(header.iloc[0].str.strip())
    return frame


def _read_json_lines(path: Path) -> pd.DataFrame:
    # By hand, because pandas rounds floats and guesses dates, and does not name the line.
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8-sig").split("\n"), start=1):
        if line.strip():
            try:
                rows.append(json.loads(line))
            except json.JSONDecodeError as error:
                raise ValueError(f"line {number} is not JSON ({error})") from error
            if not isinstance(rows[-1], dict):
                raise ValueError(f"line {number} is not a JSON object")
    return pd.DataFrame.from_records(rows)


def _file_error(code: str, message: str) -> TableError:
    return TableError([Finding(code, "error", message)])
