"""What is doubtful in a table of runs, by itself and for a law."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bayes_scaling.errors import Finding

from .table import Runs

if TYPE_CHECKING:
    from bayes_scaling.law import Input, Law

Floats = NDArray[np.float64]

LISTED = 8
"""How many rows a message lists before it only counts."""

TO_LEARN = frozenset({"few-scales", "fewer-rows-than-parameters"})
"""Findings that only matter where something is to be learned from the runs."""

_PERPLEXITY = 12.0  # nats; a uniform guess over 160,000 tokens costs 12
_OUTLYING = 8.0  # robust standard deviations
_FLOOR = 0.005  # smallest relative standard deviation that the search for outliers believes in
_OUTLIER_ROWS = 15
_COLLINEAR = 0.98
_NARROW = 10**0.5


def listing(items: Sequence[object]) -> str:
    """Join items with commas; after the first `LISTED`, only count them."""
    text = ", ".join(str(item) for item in items[:LISTED])
    return text if len(items) <= LISTED else f"{text} and {len(items) - LISTED} more"


def name_rows(rows: Sequence[object]) -> str:
    """Name rows in a message: ``row 4``, or ``rows 4, 17, 20``."""
    return f"row{'s' * (len(rows) != 1)} {listing(rows)}"


def check_runs(runs: Runs, law: Law) -> list[Finding]:
    """Find what a table lacks for a law.

    Parameters
    ----------
    runs : Runs
    law : Law

    Returns
    -------
    list of Finding
        Errors: ``missing-input``, ``outside-domain``, ``few-scales`` (a scale with one
        value) and ``fewer-rows-than-parameters``. Warnings: ``few-scales`` (two values,
        or one of an input that is no scale) and ``collinear-inputs``. Info: ``narrow-range``.
        Error ``nested-averages``: averages at several k that come from the same samples.
    """
    found = list(_missing_inputs(runs, law))
    present = [name for name in law.inputs if name in runs.inputs]
    for name in present:
        found.extend(_outside_domain(runs, name, law.inputs[name]))
        if law.inputs[name].default is None:  # what is known, such as a chance level, may repeat
            found.extend(_scales(runs, name, law.inputs[name]))
        if law.inputs[name].nested:
            found.extend(_nested(runs, name, law))
    measured, what = len(runs), "runs"
    if law.link is not None and "through" in runs.frame:  # a run has two responses, or one
        measured, what = int(runs.frame[["response", "through"]].count().sum()), "measurements"
    if measured < len(law.parameters):
        found.append(
            Finding(
                "fewer-rows-than-parameters",
                "error",
                f"law {law.name} has {len(law.parameters)} free parameters "
                f"({', '.join(law.parameters)}) and the table has {measured} {what}: "
                "add runs, or fix or tie parameters",
            )
        )
    free = [k for k in present if law.inputs[k].default is None]
    found.extend(_collinear(runs, {k: law.inputs[k] for k in free}))
    return sorted(found, key=lambda f: ("error", "warning", "info").index(f.severity))


def _missing_inputs(runs: Runs, law: Law) -> Iterator[Finding]:
    for name, declared in law.inputs.items():
        if name not in runs.inputs and declared.default is None:
            yield Finding(
                "missing-input",
                "error",
                f"law {law.name} needs input {name} ({declared.meaning}); the table was read "
                f"with {', '.join(runs.inputs)}: map a column to it with --input {name}=...",
            )


def _nested(runs: Runs, name: str, law: Law) -> Iterator[Finding]:
    """Averages at several numbers of samples are one measurement, not several."""
    others = [k for k in (*runs.inputs, *runs.groups, "seed") if k != name and k in runs.frame]
    same = ["run"] if "run" in runs.frame else others
    by_run = (
        runs.frame.groupby(same)[name] if same else runs.frame.assign(all=0).groupby("all")[name]
    )
    several = by_run.transform("nunique") > 1
    if several.any():
        rows = runs.frame["row"][several].tolist()
        yield Finding(
            "nested-averages",
            "error",
            f"{name_rows(rows)} are averages at several {name} of the same samples, so that they "
            f"are one measurement and not {len(rows)}: a fit would be far too sure. Fit the counts "
            f"of each problem instead (law coverage, with the column of samples as trials), keep "
            f"one {name} of each, or, if the samples of each row are its own, name the rows with "
            f"run=<column> (--run) of different labels",
        )


def _outside_domain(runs: Runs, name: str, declared: Input) -> Iterator[Finding]:
    bad = ~declared.valid(runs.frame[name].to_numpy())
    if bad.any():
        values = runs.frame[name][bad].tolist()
        shown = listing([f"{value:g}" for value in values])
        yield Finding(
            "outside-domain",
            "error",
            f"input {name} ({declared.meaning}) must be {declared.expected}; "
            f"{name_rows(runs.frame['row'][bad].tolist())} hold {shown}: drop those rows or map "
            f"another column with --input {name}=...",
        )


def _scales(runs: Runs, name: str, declared: Input) -> Iterator[Finding]:
    values = np.unique(runs.frame[name].dropna().to_numpy())
    shown = " and ".join(f"{value:g}" for value in values[:2])
    if len(values) == 1:
        # an input that the law centres itself may well be the same in all runs
        central = declared.on_log and declared.reference is None
        yield Finding(
            "few-scales",
            "error" if central else "warning",
            f"input {name} has one value only ({shown}), so its exponent cannot be learned: "
            f"add runs at other values of {name}, or choose a law without {name}",
        )
        return
    if len(values) == 2:
        yield Finding(
            "few-scales",
            "warning",
            f"input {name} has two values only ({shown}), so nothing in the table tests the "
            f"shape of its curve: add runs at a third value of {name}",
        )
    low, high = values.min(initial=np.inf), values.max(initial=0.0)
    if declared.on_log and len(values) and low > 0 and high / low < _NARROW:
        yield Finding(
            "narrow-range",
            "info",
            f"input {name} spans {np.log10(high / low):.2f} decades ({low:g} to {high:g}); "
            "its exponent will lean on the prior: runs half a decade apart or more tell more",
        )


def _collinear(runs: Runs, inputs: Mapping[str, Input]) -> Iterator[Finding]:
    """Inputs that others determine: two in proportion, or one by several."""
    axes = {}
    known = runs.frame[list(inputs)].dropna()
    for name, declared in inputs.items():
        values = known[name].to_numpy()
        axes[name] = np.log(values) if declared.on_log and (values > 0).all() else values
    called = {k: f"log {k}" if v.on_log else k for k, v in inputs.items()}
    moving = [name for name in inputs if len(known) and np.ptp(axes[name]) > 0]
    paired = set()
    for a, b in combinations(moving, 2):
        correlation = float(np.corrcoef(axes[a], axes[b])[0, 1])
        if abs(correlation) > _COLLINEAR:
            paired |= {a, b}
            yield Finding(
                "collinear-inputs",
                "warning",
                f"{called[a]} and {called[b]} have correlation {correlation:.3f}, so their "
                f"exponents cannot be told apart: add runs that change {a} at fixed {b}",
            )
    rest = [name for name in moving if name not in paired]
    if len(rest) > 2 and len(known) > 3 * len(rest):
        for name in rest:
            others = [axes[other] for other in rest if other != name]
            design = np.column_stack([np.ones(len(known)), *others])
            left = axes[name] - design @ np.linalg.lstsq(design, axes[name], rcond=None)[0]
            explained = 1.0 - float(left.var() / axes[name].var())
            if explained > _COLLINEAR:
                yield Finding(
                    "collinear-inputs",
                    "warning",
                    f"{called[name]} follows from the other inputs (R2 {explained:.3f}), so the "
                    f"exponents cannot be told apart: add runs that change {name} alone",
                )
                return


def find_doubts(runs: Runs) -> list[Finding]:
    """Find what is doubtful in a table whatever the law.

    Parameters
    ----------
    runs : Runs

    Returns
    -------
    list of Finding
        Warnings ``duplicate-rows``, ``looks-like-perplexity``,
        ``not-positive-response`` and ``outlying-rows``; info ``replicates-without-seed``.
    """
    if runs.counted or "through" in runs.frame:  # counts repeat, are zero, and are no losses
        return []
    parts = (_repeats, _perplexity, _not_positive_response, _outlying_rows)
    return [finding for part in parts for finding in part(runs)]


def _repeats(runs: Runs) -> Iterator[Finding]:
    frame = runs.frame
    place = [*runs.inputs, *runs.groups, *(["run"] if runs.curves else [])]
    key = [*place, *(["seed"] if "seed" in frame else []), "response"]
    repeated = frame.duplicated(key)
    if repeated.any():
        rows = frame["row"][repeated].tolist()
        yield Finding(
            "duplicate-rows",
            "warning",
            f"{name_rows(rows)} repeat{'s' * (len(rows) == 1)} an earlier row in "
            f"{', '.join(key)}; the fit counts each as evidence of its own: "
            "drop them unless they are separate runs",
        )
    replicates = frame[~repeated].duplicated(place, keep=False)
    if "seed" not in frame and replicates.any():
        rows = frame[~repeated]["row"][replicates].tolist()
        yield Finding(
            "replicates-without-seed",
            "info",
            f"{name_rows(rows)} share {', '.join(place)} with another row of another response; "
            "if they differ by seed, read the table with seed=<column>",
        )


def _perplexity(runs: Runs) -> Iterator[Finding]:
    median = float(runs.frame["response"].median())
    if runs.unit.startswith(("nat", "bit")) and median > _PERPLEXITY:
        yield Finding(
            "looks-like-perplexity",
            "warning",
            f"the median of column '{runs.response}' is {median:.4g} {runs.unit}, too high for a "
            "loss; it looks like perplexity: take the logarithm of the column",
        )


def _not_positive_response(runs: Runs) -> Iterator[Finding]:
    rows = runs.frame["row"][runs.frame["response"] <= 0].tolist()
    if rows:
        yield Finding(
            "not-positive-response",
            "warning",
            f"column '{runs.response}' is not positive in {name_rows(rows)}, so noise on the log "
            'scale cannot be used; noise="student-t-raw" (--noise student-t-raw) can',
        )


def _outlying_rows(runs: Runs) -> Iterator[Finding]:
    if runs.curves:  # points of one curve are no runs of their own
        return
    # diverged runs and unknown settings are known already
    runs = runs.select(~runs.diverged & runs.frame[list(runs.inputs)].notna().all(axis=1))
    response = runs.frame["response"].to_numpy()
    group = max(runs.groups, key=lambda g: len(runs.levels(g)), default=None)
    design = _design(runs, group)
    if len(runs) < _OUTLIER_ROWS or design is None:
        return
    codes = runs.frame[group].factorize()[0] if group else np.zeros(len(runs), dtype=int)
    positive = bool((response > 0).all())
    floor = _FLOOR if positive else _FLOOR * float(np.median(np.abs(response)))
    logs = np.log(response) if positive else response
    residuals = _robust_residuals(design, codes, logs, floor)
    outlying = np.abs(residuals) > _OUTLYING * _robust_sd(residuals, floor)
    if outlying.any():
        rows = runs.frame["row"].to_numpy()[outlying]
        shown = [
            f"{row} ({value:.4g})" for row, value in zip(rows, response[outlying], strict=True)
        ]
        yield Finding(
            "outlying-rows",
            "warning",
            f"column '{runs.response}' is far from a smooth curve through the other runs in "
            f"{name_rows(shown)}: look for diverged runs before anything else",
        )


def _design(runs: Runs, group: str | None) -> Floats | None:
    """Regressors of a smooth curve: the richest with three rows a coefficient, if any.

    Levels of one column, the one given, have no regressors: a regression of 512 of them is slow.
    """
    values = runs.frame[list(runs.inputs)].to_numpy()
    scales = (values > 0).all(axis=0)
    logs = np.where(scales, np.log(np.where(scales, values, 1.0)), values)
    spread = np.ptp(logs, axis=0, keepdims=True)
    z = (logs - logs.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    others = [g for g in runs.groups if g != group]
    dummies = [runs.frame[g] == level for g in others for level in runs.levels(g)[1:]]
    within = len(runs.levels(group)) if group else 1
    linear = np.column_stack([z, *dummies])
    crossed = [z[:, [i]] * z[:, [j]] for i, j in combinations(range(z.shape[1]), 2)]
    squared = np.column_stack([linear, z**2])
    full = np.column_stack([squared, *crossed])
    return next((d for d in (full, squared, linear) if 3 * (d.shape[1] + within) <= len(z)), None)


def _robust_sd(residuals: Floats, floor: float) -> float:
    return max(1.4826 * float(np.median(np.abs(residuals))), floor)


def _robust_residuals(design: Floats, codes: np.ndarray, response: Floats, floor: float) -> Floats:
    """Residuals of a bisquare regression that starts from least absolute deviations.

    The start matters: from least squares, several diverged runs hide one another. Groups have
    an intercept each, which is taken out of all columns by their weighted means.
    """

    def within(columns: Floats) -> Floats:
        weight = np.where(np.bincount(codes, weights)[codes] > 0, weights, 1.0)
        total = np.bincount(codes, weight)
        means = [np.bincount(codes, weight * column) / total for column in columns.T]
        return columns - np.column_stack(means)[codes]

    both = np.column_stack([design, response])
    weights = np.ones(len(response))
    residuals = response
    for step in range(60):
        root = np.sqrt(weights)
        centred = within(both)
        x, y = centred[:, :-1], centred[:, -1]
        residuals = y - x @ np.linalg.lstsq(x * root[:, None], y * root, rcond=None)[0]
        if step < 30:
            weights = 1 / np.maximum(np.abs(residuals), floor / 10)
        else:
            u = residuals / (4.685 * _robust_sd(residuals, floor))
            weights = np.where(np.abs(u) < 1, (1 - u**2) ** 2, 0.0)
    return residuals
