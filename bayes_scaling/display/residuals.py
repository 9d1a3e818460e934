"""Figure of residuals: along each input, by rung and by group."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from bayes_scaling.law import Law
from bayes_scaling.posterior.fit import Fit
from bayes_scaling.program.rungs import rung_inputs

from .common import axis_label, drawn_inputs, even, median_mean, point_columns, scale_of, subplots

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMNS = 4  # of panels
MOST_ROWS = 1500  # more dots cover each other


def residual_figure(fit: Fit) -> Figure:
    """Residuals of the law's mean: along each input, by rung and by group."""
    from matplotlib.ticker import NullFormatter

    frame = _kept(fit.runs())
    inputs = drawn_inputs(fit.law, frame, fit.groups)
    residual, what = _residuals(fit, frame)
    group = frame[list(fit.groups)].agg(", ".join, axis=1) if fit.groups else None
    styled = list(_by_group(group, len(frame)))
    rungs = _size_order(fit.law, frame) if fit.structure.rungs else None
    panels = len(inputs) + (rungs is not None) + (group is not None)
    columns = min(panels, COLUMNS)
    rows = -(-panels // columns)
    figure, axes = subplots(rows, columns, (4.4 * columns, 4.2 * rows))
    rest = iter(axes.flat)
    for name, ax in zip(inputs, rest, strict=False):
        for label, mine, style in styled:
            ax.plot(frame[name][mine], residual[mine], label=label or None, **style)
        ax.set(xscale=scale_of(fit.law, name), xlabel=axis_label(fit.law, name), ylabel=what)
        ax.axhline(0, color="0.5", lw=0.8)
        if ax.get_xscale() == "log":
            ax.xaxis.set_minor_formatter(NullFormatter())
    if rungs is not None:
        ax = next(rest)
        for _, mine, style in styled:
            ax.plot(rungs[mine], residual[mine], **style)
        ax.axhline(0, color="0.5", lw=0.8)
        ax.set(xlabel="rung, from the smallest to the largest")
    if group is not None:
        ax = next(rest)
        for i, (_, mine, style) in enumerate(styled):
            ax.plot(residual[mine], np.full(int(mine.sum()), i), **style)
        ax.axvline(0, color="0.5", lw=0.8)
        ax.set_yticks(range(len(styled)), [label for label, _, _ in styled])
        ax.set_xlabel(what)
        ax.locator_params(axis="x", nbins=6)
    for ax in rest:
        ax.set_visible(False)
    figure.suptitle(f"{fit.law.name}: residuals of the mean")
    return figure


def _kept(frame: pd.DataFrame) -> pd.DataFrame:
    """Rows with residuals, a readable number: of diverged runs only a bound is known.

    Runs of a chain may lack the metric.
    """
    frame = frame[~frame["diverged"] & frame["response"].notna()]
    rows = np.linspace(0, len(frame) - 1, min(len(frame), MOST_ROWS)).round().astype(int)
    return frame.iloc[rows].reset_index(drop=True)


def _residuals(fit: Fit, frame: pd.DataFrame) -> tuple[np.ndarray, str]:
    """Residuals on the scale of the noise, and what they are called."""
    observed = frame["response"].to_numpy()
    mean = median_mean(fit, frame[point_columns(fit)])
    if fit.structure.noise.on_log:
        return 100 * (observed / mean - 1), "observed / mean - 1 (%)"
    return observed - mean, f"observed - mean ({fit.record.unit})"


def _by_group(
    group: pd.Series | None, runs: int
) -> Iterator[tuple[str, np.ndarray, dict[str, Any]]]:
    """Label, rows and marker of each group."""
    labels = sorted(group.unique()) if group is not None else [""]
    for i, label in enumerate(labels):
        mine = np.ones(runs, bool) if group is None else (group == label).to_numpy()
        style = {"ls": "", "marker": "osD^v<>ph"[i % 9], "ms": 4, "alpha": 0.7}
        yield label, mine, style | {"color": f"C{i % 10}"}


def _size_order(law: Law, frame: pd.DataFrame) -> np.ndarray:
    """Position of each run's rung, ordered by the product of its scales, then by its inputs."""
    names = rung_inputs(law)
    places = np.column_stack([even(law, frame, name) for name in names])
    rungs, mine = np.unique(places, axis=0, return_inverse=True)
    scales = [law.inputs[name].on_log for name in names]
    order = np.lexsort((*rungs.T[::-1], rungs[:, scales].sum(axis=1).round(1)))
    return np.argsort(order)[mine.ravel()]
