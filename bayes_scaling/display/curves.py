"""Figures of curves: of fitted runs, of a running job, and under several schedules."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from bayes_scaling.answers.forecast import forecast
from bayes_scaling.answers.schedules import ScheduleComparison
from bayes_scaling.answers.track import Tracking
from bayes_scaling.posterior.fit import Fit

from .common import axis_label, panels_of, plain_log_ticks, point_columns, scale_of, short, subplots

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

RUNS_A_PANEL = 6  # more curves cannot be told apart by colour
ROWS_A_RUN = 80
COLUMNS = 2  # of panels
BEGINNING = 0.35  # of a curve, which may leave the frame: the end is what counts
LINE = 0.045  # height of a label, of the panel's


def curves_figure(fit: Fit, frame: pd.DataFrame) -> Figure:
    """Points of runs, and the fitted curve of each with its 90 % interval; a panel a group.

    Parameters
    ----------
    fit : Fit
    frame : DataFrame
        As `Fit.runs` gives it.
    """
    groups = list(panels_of(fit, frame))
    columns = min(len(groups), COLUMNS)
    rows = -(-len(groups) // columns)
    figure, axes = subplots(rows, columns, (7.0 * columns, 4.6 * rows + 0.4))
    along = _along(fit, frame)
    for ax in axes.flat[len(groups) :]:
        ax.set_visible(False)
    for ax, (title, _, runs) in zip(axes.flat, groups, strict=False):
        names = runs["run"].drop_duplicates().to_numpy()
        few = np.linspace(0, len(names) - 1, min(len(names), RUNS_A_PANEL)).round().astype(int)
        for i, name in enumerate(names[few]):
            _run(ax, fit, runs[runs["run"] == name], along, f"C{i}", str(name))
        left_out = f"{len(few)} of {len(names)} runs" if len(few) < len(names) else ""
        ax.set_title(", ".join(filter(None, [title, left_out])), fontsize="medium")
        scale = "linear" if along == "step" else scale_of(fit.law, along)
        ax.set(xscale=scale, xlabel=axis_label(fit.law, along),
               ylabel=f"{fit.record.response} ({fit.record.unit})")  # fmt: skip
        _vertical(ax, fit.structure.noise.on_log)
        ax.legend(fontsize="x-small", frameon=False)
    figure.suptitle(f"{fit.law.name}: points of runs, fitted curves and 90 % intervals of one more")
    return figure


def _along(fit: Fit, frame: pd.DataFrame) -> str:
    """Input along which the rows of a run follow each other."""
    if fit.spec.order:
        return fit.spec.order
    moving = (k for k in fit.law.inputs if (frame.groupby("run")[k].nunique() > 1).any())
    return "step" if fit.law.scheduled else next(moving, next(iter(fit.law.inputs)))


def _run(ax: Axes, fit: Fit, rows: pd.DataFrame, along: str, colour: str, label: str) -> None:
    rows = rows.sort_values(along)
    kept = np.linspace(0, len(rows) - 1, min(len(rows), ROWS_A_RUN)).round().astype(int)
    rows = rows.iloc[np.unique(kept)]
    ended, lost = rows[~rows["diverged"]], rows[rows["diverged"]]
    ax.plot(ended[along], ended["response"], "o", ms=2.5, alpha=0.6, color=colour)
    if len(lost):
        ax.plot(lost[along], lost["response"], "^", ms=6, mfc="none", color=colour,
                label=f"{label}: diverged")  # fmt: skip
    bands = forecast(fit, rows[point_columns(fit)], force=True).summary()
    ax.plot(rows[along], bands["q0.5"], color=colour, lw=1.2, label=label)
    ax.fill_between(rows[along], bands["q0.05"], bands["q0.95"], color=colour, alpha=0.2, lw=0)


def _vertical(ax: Axes, on_log: bool) -> None:
    if on_log:
        ax.set_yscale("log")
        plain_log_ticks(ax)


def tracking_figure(answer: Tracking) -> Figure:
    """Rows so far, what earlier runs predict, what is expected now, and the alarm.

    Below, the same as deviations from the median that earlier runs predict: along a whole
    curve the bands are often thinner than a line.
    """
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(
        2, 1, figsize=(8.5, 7.0), sharex=True, layout="constrained", height_ratios=(1.8, 1)
    )
    seen, along = answer.observed, answer.order
    levels = (0.05, 0.5, 0.95)
    before = np.quantile(answer.before.to_numpy(), levels, axis=0)
    low, base, high = (
        np.append(seen[f"q{q:g}"], row) for q, row in zip(levels, before, strict=True)
    )
    place = np.append(seen[along], answer.points[along])
    now = np.quantile(answer.future.to_numpy(), levels, axis=0)
    mean = np.append(seen["fitted"], np.median(answer.future_mean, axis=0))
    n, relative = len(seen), bool((base > 0).all())
    for ax, off in zip(axes, (False, True), strict=True):

        def shown(values: np.ndarray, rows: slice, off: bool = off) -> np.ndarray:
            middle = base[rows]
            moved = 100 * (values / middle - 1) if relative else values - middle
            return moved if off else values

        past, ahead = slice(0, n), slice(n, None)
        ax.fill_between(place, shown(low, slice(None)), shown(high, slice(None)), color="0.85",
                        lw=0, label="90 % of runs like earlier ones")  # fmt: skip
        ax.fill_between(place[ahead], shown(now[0], ahead), shown(now[2], ahead), color="C0",
                        alpha=0.3, lw=0, label="90 % given its rows")  # fmt: skip
        ax.plot(place, shown(mean, slice(None)), color="C0", lw=1.2, label="its mean")
        observed = shown(seen["observed"].to_numpy(), past)
        ax.plot(place[past], observed, "o", ms=3, color="black", label="observed")
        if answer.left_at is not None:
            row = int((seen[along] == answer.left_at).argmax())
            ax.axvline(answer.left_at, color="C3", lw=0.8, ls="--")
            ax.plot([answer.left_at], [observed[row]], "o", ms=11, mfc="none", mec="C3", mew=1.8,
                    ls="", label=f"alarm at {along} {answer.left_at:g}")  # fmt: skip
    _end(axes[0], float(place[-1]), now[:, -1])
    wide = along != "step" and place.min() > 0 and place.max() > 10 * place.min()
    axes[0].set(xscale="log" if wide else "linear", ylabel=f"{answer.response} ({answer.unit})")
    what = "over the prediction (%)" if relative else f"over the prediction ({answer.unit})"
    axes[1].set(xlabel=along, ylabel=what)
    said = "not on track" if answer.alarm else "on track"
    axes[0].set_title(f"{answer.law}: the run is {said} (p = {short(answer.p_value)})",
                      fontsize="medium")  # fmt: skip
    axes[0].legend(fontsize="small", frameon=False)
    return figure


def _end(ax: Axes, place: float, interval: np.ndarray) -> None:
    """Interval of the end, in numbers beside the panel."""
    low, middle, high = interval
    ax.errorbar([place], [middle], yerr=[[middle - low], [high - middle]], fmt="o", color="C0",
                capsize=4, ms=5)  # fmt: skip
    ax.annotate(f"{middle:.4g}\n({low:.4g} to {high:.4g})", (place, middle),
                xytext=(1.01, middle), textcoords=("axes fraction", "data"), va="center",
                color="C0", fontsize="small", annotation_clip=False)  # fmt: skip


def schedules_figure(answer: ScheduleComparison) -> Figure:
    """Learning rates on top, the curves under them with 90 % intervals below."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(
        2, 1, figsize=(9.0, 7.0), sharex=True, layout="constrained", height_ratios=(1, 2.4)
    )
    rates, losses = axes
    chances = answer.summary().set_index("name")["p_best"].to_dict()
    ends, lowest, highest = [], [], []
    for i, (name, rows) in enumerate(answer.curves.groupby("name", sort=False)):
        style = {"color": f"C{i % 10}", "lw": 1.4}
        rates.plot(rows["step"], rows["rate"], **style)
        losses.plot(rows["step"], rows["q0.5"], **style)
        losses.fill_between(rows["step"], rows["q0.05"], rows["q0.95"], color=f"C{i % 10}",
                            alpha=0.2, lw=0)  # fmt: skip
        late = rows.iloc[int(BEGINNING * len(rows)) :]
        lowest.append(float(late["q0.05"].min()))
        highest.append(float(late["q0.5"].max()))
        last = rows.iloc[-1]
        label = f"{name}: {last['q0.5']:.4f}, best with {chances[str(name)]:.2f}"
        ends.append((float(last["step"]), float(last["q0.5"]), label, f"C{i % 10}"))
    spare = 0.04 * (max(highest) - min(lowest))
    losses.set_ylim(min(lowest) - spare, max(highest) + spare)
    _label_ends(losses, ends)
    rates.set(ylabel="learning rate", ylim=(0, None))
    losses.set(xlabel="step", ylabel=f"mean {answer.response} ({answer.unit})")
    rates.set_title(f"{answer.law}: schedules, mean of the response and 90 % intervals",
                    fontsize="medium")  # fmt: skip
    return figure


def _label_ends(ax: Axes, ends: list[tuple[float, float, str, str]]) -> None:
    """Write labels to the right of the ends of curves, none over another."""
    low, high = ax.get_ylim()
    step = LINE * (high - low)
    places: list[float] = []
    for _, y, _, _ in sorted(ends, key=lambda end: end[1]):
        places.append(max(y, places[-1] + step) if places else y)
    over = max(places[-1] - (high - step / 2), 0.0)
    for place, (x, y, label, colour) in zip(places, sorted(ends, key=lambda e: e[1]), strict=True):
        ax.annotate(
            label, (x, y), xytext=(1.02, place - over), textcoords=("axes fraction", "data"),
            va="center", color=colour, fontsize="small", annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": colour, "lw": 0.6, "relpos": (0.0, 0.5)},
        )  # fmt: skip
