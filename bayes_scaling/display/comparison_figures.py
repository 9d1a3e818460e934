"""Figures of comparisons: along a path, ranks at points, crossings, multipliers, choices."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from bayes_scaling.answers.compare import Comparison
from bayes_scaling.answers.crossing import Crossover, Multiplier
from bayes_scaling.answers.decide import Decision

from .common import plain_log_ticks, subplots
from .comparison import best_at_end, columns_of, order_at, place_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BINS = 60
FEW = 0.01  # share of draws in a bar below which bars do not fill the panel
ROOM = 0.18  # of the axis on both sides of zero
SHOWN = 0.95  # share of the crossings within the reach that the axis holds
WIDE = 2.0  # of the path, how much further than it the axis goes at most, in widths of it


def comparison_figure(answer: Comparison) -> Figure:
    """Along a path levels and differences; at points intervals and chances of ranks."""
    return _along_figure(answer) if answer.along else _ranks_figure(answer)


def _along_figure(answer: Comparison) -> Figure:
    (name,), _ = columns_of(answer)
    figure, axes = subplots(1, 2, (12.0, 4.8))
    left, right = axes[0]
    x, table = answer.points[name].to_numpy(), answer.summary()
    reference = best_at_end(answer)
    gaps = answer.differences(reference)
    for k, recipe in enumerate(answer.recipes):
        _band(left, x, table[table["recipe"] == recipe], f"C{k % 10}", recipe)
        if recipe != reference:
            _band(right, x, gaps[gaps["first"] == recipe], f"C{k % 10}", recipe)
    right.axhline(0, color=f"C{answer.recipes.index(reference) % 10}", lw=1.2)
    scale = _scale(x)
    positive = bool((table["q0.05"] > 0).all()) and answer.better == "lower"
    left.set(xscale=scale, yscale="log" if positive else "linear", xlabel=name,
             ylabel=f"{answer.response} ({answer.unit})")  # fmt: skip
    if positive:
        plain_log_ticks(left)
    left.set_title("medians and 90 % intervals of the law's mean", fontsize="medium")
    worse = "above zero: worse" if answer.better == "lower" else "below zero: worse"
    right.set(xscale=scale, xlabel=name,
              ylabel=f"{answer.response} less that of {reference} ({answer.unit})")  # fmt: skip
    right.set_title(f"differences from {reference}; {worse}", fontsize="medium")
    left.legend(fontsize="small", frameon=False)
    figure.suptitle(f"{answer.law}: {', '.join(answer.recipes)}\n{answer.along}")
    return figure


def _band(ax: Axes, x: np.ndarray, rows: pd.DataFrame, colour: str, label: str) -> None:
    ax.plot(x, rows["q0.5"], color=colour, lw=1.4, label=label)
    ax.fill_between(x, rows["q0.05"], rows["q0.95"], color=colour, alpha=0.2, lw=0)


def _scale(x: np.ndarray) -> str:
    """Log where places are even in their logs."""
    if len(x) < 3 or not (x > 0).all():
        return "log" if (x > 0).all() and x[-1] / x[0] >= 10 else "linear"
    return "log" if np.ptp(np.diff(np.log(x))) < np.ptp(np.diff(x)) / x[-1] else "linear"


def _ranks_figure(answer: Comparison) -> Figure:
    """A row of panels a point: intervals of the recipes, and the probability of each rank."""
    inputs, groups = columns_of(answer)
    count, points = len(answer.recipes), len(answer.points)
    table, shares = answer.summary(), answer.ranking().to_numpy()
    figure, axes = subplots(points, 2, (10.5, (0.42 * count + 1.1) * points + 0.9))
    for i, (_, point) in enumerate(answer.points.iterrows()):
        order = [answer.recipes.index(r) for r in order_at(answer, i)]
        own = table.iloc[i * count : (i + 1) * count].iloc[order]
        left, right = axes[i]
        height = np.arange(count)
        left.hlines(height, own["q0.05"], own["q0.95"], color="C0", lw=2, label="90 % interval")
        left.hlines(height, own["q0.25"], own["q0.75"], color="C0", lw=6, label="50 % interval")
        left.plot(own["q0.5"], height, "o", color="white", mec="C0", ms=5, label="median")
        left.set_yticks(height, own["recipe"])
        left.set_ylim(count - 0.5, -0.5)
        left.set_title(place_text(point, inputs, groups), fontsize="medium")
        _heat(right, shares[i][order])
    what = "one more run" if answer.kind == "new-run" else "the law's mean"
    axes[-1, 0].set_xlabel(f"{answer.response} ({answer.unit}) of {what}")
    axes[-1, 1].set_xlabel("rank (1 is best)")
    axes[0, 1].set_title("probability of each rank", fontsize="medium")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside lower center", ncols=3, fontsize="small", frameon=False
    )
    figure.suptitle(f"{answer.law}: comparison by {answer.by}")
    return figure


def _heat(ax: Axes, shares: np.ndarray) -> None:
    count = len(shares)
    ax.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    ax.set_xticks(range(count), [str(k + 1) for k in range(count)])
    ax.set_yticks([])
    for j in range(count):
        for k in range(count):
            if shares[j, k] >= 0.005:
                ax.text(k, j, f"{shares[j, k]:.2f}", ha="center", va="center", fontsize="x-small",
                        color="white" if shares[j, k] > 0.6 else "black")  # fmt: skip


def crossover_figure(answer: Crossover) -> Figure:
    """The difference along the path, and under it where the curves cross."""
    figure, axes = subplots(2, 1, (7.5, 5.8))
    top, bottom = axes[:, 0]
    row, curve = answer.summary().iloc[0], answer.curve
    ends = _shown(answer)
    colour = "C0"
    _band(top, curve[answer.along].to_numpy(), curve, colour, "median and 90 % interval")
    top.axhline(0, color="black", lw=0.8)
    top.set_ylabel(f"{answer.first}\nless {answer.second} ({answer.unit})", fontsize="small")
    low, high = top.get_ylim()
    room = ROOM * (high - low)  # for what the two sides of zero are called
    top.set_ylim(min(low, -room), max(high, room))
    sides = (answer.first, answer.second)
    above, below = sides if answer.better == "higher" else sides[::-1]
    for y, who, side in ((0.97, above, "top"), (0.03, below, "bottom")):
        top.text(0.99, y, f"{who} is ahead", transform=top.transAxes, ha="right", va=side,
                 fontsize="small", color="0.3")  # fmt: skip
    bottom.axvspan(*answer.within, color="0.93", lw=0, label="the path")
    place = answer.place.to_numpy()
    known = place[np.isfinite(place)]
    space = np.geomspace if answer.on_log else np.linspace
    bottom.hist(known, bins=space(*ends, BINS + 1), weights=np.full(len(known), 1 / len(place)),
                color=colour, alpha=0.8, label="crossings")  # fmt: skip
    if np.isfinite(row["q0.5"]) and ends[0] <= row["q0.5"] <= ends[1]:
        bottom.axvline(row["q0.5"], color="black", lw=1.2, label="median")
    texts = {
        f"P(before) {row['before']:.2f}": (0.01, "left"),
        f"P(along the path) {row['within']:.2f}": (0.5, "center"),
        f"P(after or never) {row['after']:.2f}": (0.99, "right"),
    }
    for text, (x, side) in texts.items():
        bottom.text(x, 0.96, text, transform=bottom.transAxes, ha=side, va="top", fontsize="small")
    bottom.set_ylim(0, 1.4 * max(bottom.get_ylim()[1], FEW))
    bottom.set(xlabel=answer.along, yticks=[])
    for ax in (top, bottom):
        ax.set(xscale="log" if answer.on_log else "linear", xlim=ends)
    figure.legend(*bottom.get_legend_handles_labels(), loc="outside lower center", ncols=3,
                  fontsize="small", frameon=False)  # fmt: skip
    figure.suptitle(
        f"{answer.law}: where {answer.first} and {answer.second} cross\n{answer.path}",
        fontsize="medium",
    )
    return figure


def _shown(answer: Crossover) -> tuple[float, float]:
    """The path, and most crossings near it."""
    turn, back = (np.log, np.exp) if answer.on_log else (np.asarray, np.asarray)
    low, high = (float(turn(v)) for v in answer.within)
    place = answer.place.to_numpy()
    known = turn(place[np.isfinite(place)])
    wide = WIDE * (high - low)
    ends = [low, high]
    if len(known):
        tails = np.quantile(known, [0.5 - SHOWN / 2, 0.5 + SHOWN / 2])
        ends = [max(min(low, tails[0]), low - wide), min(max(high, tails[1]), high + wide)]
    margin = 0.02 * (ends[1] - ends[0])
    return float(back(ends[0] - margin)), float(back(ends[1] + margin))


def multiplier_figure(answer: Multiplier) -> Figure:
    """Share of the budget of one recipe with which the other is as good."""
    figure, axes = subplots(1, 1, (7.5, 4.6))
    ax = axes[0, 0]
    table = answer.summary()
    x = table[answer.along].to_numpy()
    q = table[[f"q{v:g}" for v in (0.05, 0.25, 0.5, 0.75, 0.95)]].to_numpy()
    known = q[np.isfinite(q) & (q > 0)]
    low, high = (known.min(), known.max()) if len(known) else (0.1, 10.0)
    low, high = min(low / 1.3, 0.8), max(high * 1.3, 1.25)
    shown = np.clip(q, low / 2, high * 2)  # beyond the axis where zero or without limit
    ax.fill_between(x, shown[:, 0], shown[:, 4], color="C0", alpha=0.15, lw=0, label="90 %")
    ax.fill_between(x, shown[:, 1], shown[:, 3], color="C0", alpha=0.3, lw=0, label="50 %")
    ax.plot(x, shown[:, 2], "o-", ms=4, color="C0", label="median")
    ax.axhline(1, color="black", lw=0.8)
    ax.set(xscale="log", yscale="log", ylim=(low, high))
    ax.set(xlabel=f"{answer.along} of {answer.second}",
           ylabel=f"{answer.along} of {answer.first} over that of {answer.second}")  # fmt: skip
    plain_log_ticks(ax)
    for at, (_, row) in zip(x, table.iterrows(), strict=True):
        if row["never"] >= 0.005:
            ax.annotate(f"never\n{row['never']:.2f}", (at, high), ha="center", va="top",
                        fontsize="x-small", color="C3", xytext=(0, -2),
                        textcoords="offset points")  # fmt: skip
    ax.set_title(
        f"{answer.law}: share of the {answer.along} with which {answer.first} is as good as "
        f"{answer.second}\n{answer.path}",
        fontsize="medium",
    )
    ax.legend(fontsize="small", frameon=False)
    return figure


def decision_figure(answer: Decision) -> Figure:
    """A row of panels a target: expected regret of every recipe, and how likely it is best."""
    compared, table = answer.comparison, answer.summary()
    inputs, groups = columns_of(compared)
    count, points = len(compared.recipes), len(compared.points)
    verdicts = answer.verdicts()
    figure, axes = subplots(points, 2, (10.5, (0.42 * count + 1.2) * points + 0.8))
    for i in range(points):
        own = table.iloc[i * count : (i + 1) * count].sort_values("regret", kind="stable")
        left, right = axes[i]
        height = np.arange(count)
        colours = ["C2" if chosen else "0.6" for chosen in own["chosen"]]
        left.barh(height, own["regret"], color=colours, height=0.6)
        left.axvline(answer.rope, color="C3", lw=1.2, ls="--", label="practically equal up to here")
        left.set_yticks(height, own["recipe"])
        left.locator_params(axis="x", nbins=6)
        left.set_xlim(0, 1.08 * max(own["regret"].max(), answer.rope) or 1.0)
        right.barh(height, own["p_best"], color=colours, height=0.6, label="P(best)")
        right.plot(own["p_safe"], height, "D", ms=5, color="black", ls="", clip_on=False,
                   label="P(practically equal to the best)")  # fmt: skip
        right.axvline(answer.confidence, color="C3", lw=1.2, ls=":", label="confidence asked for")
        right.set(xlim=(0, 1), yticks=[])
        for ax in (left, right):
            ax.set_ylim(count - 0.5, -0.5)
        said = "settled" if verdicts["settled"].iloc[i] else "not settled"
        place = place_text(compared.points.iloc[i], inputs, groups)
        left.set_title(f"{place}: {own['recipe'].iloc[0]}, {said}", fontsize="medium")
    axes[-1, 0].set_xlabel(f"expected regret ({compared.unit})")
    axes[-1, 1].set_xlabel("probability")
    pairs = [ax.get_legend_handles_labels() for ax in axes[0]]
    figure.legend(
        [h for p in pairs for h in p[0]], [t for p in pairs for t in p[1]],
        loc="outside lower center", ncols=2, fontsize="small", frameon=False,
    )  # fmt: skip
    figure.suptitle(f"{compared.law}: which {compared.by} to choose")
    return figure
