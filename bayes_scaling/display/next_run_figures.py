"""Figures of next runs: what candidates cost and are good for; and of loops."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from bayes_scaling.answers.goal import words_of
from bayes_scaling.answers.loop import Loop
from bayes_scaling.answers.next_run import NextRun

from .common import plain_log_ticks, subplots
from .next_run import columns_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDE = 10.0  # largest gain over the middle one from which the axis is a log one
DECADES = 3.0  # of a log axis at most, down from the largest gain
FAINT = 0.15  # opacity of candidates that cannot be paid for
LABEL = 90  # letters of a title's line
LABELS = 10  # groups up to which colours tell them apart


def next_run_figure(answer: NextRun) -> Figure:
    """Draw the gain of every candidate against its cost, the frontier of the two, and the picks."""
    figure, axes = subplots(1, 1, (8.0, 5.0))
    ax, table = axes[0, 0], answer.candidates
    gains = table[answer.by].to_numpy()
    _gain_axis(ax, gains)
    _, groups = columns_of(answer)
    low = ax.get_ylim()[0] if ax.get_yscale() == "log" else -np.inf
    shown = np.maximum(gains, low)  # candidates that tell nothing lie on the edge
    for k, (label, rows) in enumerate(_by_label(table, groups)):
        at = table["cost"].to_numpy()[rows]
        allowed = table["allowed"].to_numpy()[rows]
        for some, alpha, name in ((allowed, 0.6, label), (~allowed, FAINT, None)):
            ax.plot(at[some], shown[rows][some], "o", ms=4, mew=0, color=f"C{k % LABELS}",
                    alpha=alpha, label=name)  # fmt: skip
    if not table["allowed"].all():
        ax.plot([], [], "o", ms=4, mew=0, color="0.3", alpha=FAINT, label="cannot be paid for")
    edge = table[table["frontier"]].sort_values("cost")
    ax.plot(edge["cost"], np.maximum(edge[answer.by], low), color="0.4", lw=1.0, zorder=1,
            drawstyle="steps-post", label="frontier: none is as cheap and better")  # fmt: skip
    _picks(ax, answer, shown)
    unit = f" ({answer.unit})" if answer.unit else ""
    what = "expected information (nats)" if answer.by == "information" else "value of information"
    ax.set(xscale="log", xlabel=f"cost of a run{unit}", ylabel=f"{what}, as the first pick")
    ax.set_title(_title(answer), fontsize="medium")
    figure.legend(loc="outside lower center", ncols=3, fontsize="small", frameon=False)
    return figure


def _gain_axis(ax: Axes, gains: np.ndarray) -> None:
    """Log where gains differ by more than a decade."""
    largest = float(gains.max())
    known = gains[gains > 0]
    if len(known) and largest > WIDE * np.median(known):
        low = max(float(known.min()), largest * 10**-DECADES)
        ax.set(yscale="log", ylim=(low / 1.2, largest * 1.6))
    else:
        ax.set_ylim(0.0, 1.12 * largest if largest > 0 else 1.0)


def _by_label(table: pd.DataFrame, groups: list[str]) -> list[tuple[str | None, np.ndarray]]:
    """Rows of every label of the grouping columns together, where colours can tell them apart."""
    everything = np.arange(len(table))
    if not groups:
        return [(None, everything)]
    labels = [
        ", ".join(
            v if isinstance(v, str) else f"a new {g}" for g, v in zip(groups, own, strict=True)
        )
        for own in table[groups].itertuples(index=False)
    ]
    different = list(dict.fromkeys(labels))
    if len(different) > LABELS:
        return [(None, everything)]
    return [(one, np.flatnonzero([own == one for own in labels])) for one in sorted(different)]


def _picks(ax: Axes, answer: NextRun, shown: np.ndarray) -> None:
    """Number the picks; those of one candidate stand together."""
    numbers: dict[int, list[str]] = {}
    for i, row in enumerate(answer.picks["candidate"]):
        numbers.setdefault(int(row), []).append(str(i + 1))
    for i, (row, own) in enumerate(numbers.items()):
        at = (answer.candidates["cost"].iloc[row], shown[row])
        ax.plot(*at, "o", ms=10, mfc="none", mec="black", mew=1.3,
                label="picks, in their order" if i == 0 else None)  # fmt: skip
        ax.annotate(", ".join(own), at, xytext=(8, 5), textcoords="offset points",
                    fontsize="small", weight="bold")  # fmt: skip


def _title(answer: NextRun) -> str:
    return textwrap.shorten(f"next run: {answer.goal.text}", LABEL, placeholder=" ...")


def loop_figure(loop: Loop) -> Figure:
    """Draw how uncertain what is asked was after every step of a loop, against what was spent."""
    figure, axes = subplots(1, 1, (7.5, 4.6))
    ax = axes[0, 0]
    spent = np.array([step["spent"] for step in loop.history])
    runs = [step["runs"] for step in loop.history]
    sds = np.array([step["sds"] for step in loop.history])
    points = loop.goal.at if loop.goal.asks == "forecast" else ()
    for k, own in enumerate(sds.T):
        name = words_of(points[k]) if k < len(points) else f"quantity {k + 1}"
        ax.plot(spent, own, "o-", ms=4, color=f"C{k % LABELS}", label=name)
    for at, own, count in zip(spent, sds, runs, strict=True):
        ax.annotate(f"{count} runs", (at, own.max()), xytext=(5, 4), textcoords="offset points",
                    fontsize="x-small")  # fmt: skip
    if loop.goal.precision is not None:
        ax.axhline(loop.goal.precision, color="C3", lw=1.2, ls="--", label="precision asked for")
    ax.set(xlabel="spent on runs", ylabel="sd of what is asked")
    if sds.min() > 0:
        ax.set_yscale("log")
        ax.margins(y=0.15)
        plain_log_ticks(ax)
    ax.set_title(
        textwrap.shorten(f"loop: {loop.goal.text}", LABEL, placeholder=" ..."), fontsize="medium"
    )
    ax.legend(fontsize="small", frameon=False)
    return figure
