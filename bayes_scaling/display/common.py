"""What figures share: panels, axes, and the fitted runs as a table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from bayes_scaling.answers.forecast import forecast
from bayes_scaling.law import Law
from bayes_scaling.posterior.fit import Fit

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure


def subplots(rows: int, columns: int, size: tuple[float, float]) -> tuple[Figure, Any]:
    """Panels of one figure, always as a table of them."""
    import matplotlib.pyplot as plt

    return plt.subplots(rows, columns, figsize=size, squeeze=False, layout="constrained")


def point_columns(fit: Fit) -> list[str]:
    """Columns of the fitted runs that a forecast takes."""
    return [*fit.law.inputs, *fit.groups, *(["schedule"] if fit.law.scheduled else [])]


def panels_of(fit: Fit, frame: pd.DataFrame) -> Iterator[tuple[str, dict[str, str], pd.DataFrame]]:
    """Title, labels and runs of each group."""
    if not fit.groups:
        yield "", {}, frame
        return
    for key, runs in frame.groupby(list(fit.groups)):
        labels = dict(zip(fit.groups, map(str, key), strict=True))
        yield ", ".join(labels.values()), labels, runs


def scale_of(law: Law, name: str) -> str:
    """Scale of the axis of an input."""
    return "log" if law.inputs[name].on_log else "linear"


def axis_label(law: Law, name: str) -> str:
    """Name, meaning and unit of an input."""
    unit = law.inputs[name].unit
    return f"{name}, {law.inputs[name].meaning}" + (f" ({unit})" if unit not in ("", "1") else "")


def short(value: float) -> str:
    """Three digits, but all of a date."""
    return f"{value:.6g}" if 1000 <= abs(value) < 10_000 else f"{value:.3g}"


def median_mean(fit: Fit, points: pd.DataFrame) -> np.ndarray:
    """Median of the law's mean at points."""
    return forecast(fit, points, kind="mean", force=True).summary()["q0.5"].to_numpy()


def even(law: Law, runs: pd.DataFrame, name: str) -> np.ndarray:
    """Values of an input on its own axis, equal where they differ by a hundredth or so."""
    values = runs[name].to_numpy(dtype=float)
    if law.inputs[name].on_log:
        return np.log(values).round(2)
    return ((values - values.min()) / (np.ptp(values) or 1.0)).round(2)


def drawn_inputs(law: Law, frame: pd.DataFrame, groups: tuple[str, ...]) -> list[str]:
    """Inputs to draw along: what is known of a task, such as its chance level, is none."""

    def moves(name: str) -> bool:
        own = (
            frame.groupby(list(groups))[name]
            if groups
            else frame.assign(all=0).groupby("all")[name]
        )
        return bool((own.nunique() > 1).any())

    return [k for k, v in law.inputs.items() if v.default is None or moves(k)]


def planned_trials(fit: Fit, runs: pd.DataFrame) -> dict[str, float]:
    """Trials of one more run like these, where responses are counts."""
    if not fit.structure.noise.counted or runs.empty:
        return {}
    return {"trials": float(np.rint(runs["trials"].median()))}


def plain_log_ticks(ax: Axes, axis: Axis | None = None) -> None:
    """Losses such as 2.5 rather than 2.5 x 10^0 on a log axis, by default the vertical one."""
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    axis = axis or ax.yaxis
    low, high = axis.get_view_interval()
    if high / low < 20:
        subs = (
            (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8)
            if high / low > 1.6
            else tuple(np.arange(1, 10, 0.1 if high / low > 1.15 else 0.05))
        )
        axis.set_major_locator(LogLocator(base=10, subs=subs))
        axis.set_major_formatter(StrMethodFormatter("{x:.3g}"))
        axis.set_minor_formatter(NullFormatter())
