"""Figures of how budgets are spent: frontiers, valleys, profiles, targets, other sizes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from bayes_scaling.answers.allocate import Allocation
from bayes_scaling.answers.cheapest import Cheapest, IsoLoss
from bayes_scaling.answers.forecast import forecast
from bayes_scaling.answers.predict import flat_draws
from bayes_scaling.answers.profiles import COMPUTE, Profiles
from bayes_scaling.answers.split import train

from .allocation import ASKED, Answer, costs_of
from .cells import MIDDLE, inputs_in
from .common import plain_log_ticks, short, subplots

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PLACES = 25  # budgets of a frontier
SIZES = 60  # of a valley
AROUND = 10**0.5  # factor of budget on both sides that a frontier is drawn beyond what is asked
DECADE = 10.0  # the same where one budget is asked
DEEP = 12.0  # factor of size on both sides of its best that a valley is drawn
RISE = 1.5  # of the valleys over the optima that is shown, in units of the spread of these
LEAST = 0.05  # of the response, the least such spread
MOST = 100.0  # factor of cost up to which other sizes are drawn
SURE = 0.995  # probability from which nothing is said of it
STAR: dict[str, Any] = {"marker": "*", "ms": 12, "mec": "black", "mew": 0.6, "ls": "", "zorder": 5}
LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)


def allocation_figure(answer: Allocation) -> Figure:
    """Best size and tokens against the budget, and the valley of the loss at every budget."""
    figure, axes = subplots(1, 2, (12.0, 4.9))
    left, right = axes[0]
    asked = np.unique(answer.points["budget"])
    questions = list(_questions(answer))
    fitted = np.asarray(answer.arms[0].corners)
    around = AROUND if len(asked) > 1 else DECADE
    low, high = float(asked[0] / around), float(asked[-1] * around)
    if np.isfinite(fitted).all():
        low = min(low, float(fitted[1] / AROUND))
        left.axvspan(*fitted, color="0.93", lw=0, label="cost of the fitted runs")
    budgets = np.geomspace(low, high, PLACES)
    for k, (title, rows) in enumerate(questions):
        colour = f"C{k % 10}"
        _frontier(left, answer, rows[0], budgets, colour, title)
        own = answer.points["budget"].iloc[rows]
        for values, marker in ((answer.size, "o"), (answer.data, "s")):
            q = np.quantile(values.to_numpy()[:, rows], (0.05, 0.5, 0.95), axis=0)
            left.vlines(own, q[0], q[2], color=colour, lw=1.5)
            left.plot(own, q[1], marker, ms=4, color=colour)
        left.plot(own, answer.recommended["N"].iloc[rows], color=colour, **STAR)
    left.plot([], [], color="0.7", **STAR, label="recommended N")
    left.set(xscale="log", yscale="log", xlim=(low, high), xlabel=f"budget: {costs_of(answer)}",
             ylabel="N (parameter), D (token)")  # fmt: skip
    left.set_title("the best split, with 50 and 90 % intervals", fontsize="medium")
    left.legend(fontsize="x-small", edgecolor="none")
    _bare_minor_ticks(left)
    _valleys(right, answer, questions)
    figure.suptitle(f"{answer.law}: how to spend a budget")
    return figure


def _questions(answer: Answer) -> Iterator[tuple[str, list[int]]]:
    """Points that differ in what was asked alone, and how they are called."""
    groups, inputs = answer.groups, inputs_in(answer.points, answer.groups, ASKED)
    texts = [
        ", ".join(
            [
                *(row[g] if isinstance(row[g], str) else f"a new {g}" for g in groups),
                *(f"{k} {short(row[k])}" for k in inputs),
            ]
        )
        for _, row in answer.points.iterrows()
    ]
    for text in dict.fromkeys(texts):
        yield text, [i for i, own in enumerate(texts) if own == text]


def _frontier(
    ax: Axes, answer: Allocation, point: int, budgets: np.ndarray, colour: str, title: str
) -> None:
    """Bands of N (solid) and D (dashed) along the budget."""
    arm = answer.arms[point]
    size, data, *_ = (np.asarray(v) for v in train(arm, budgets[None]))
    paid = np.isfinite(data).all(axis=0)  # fixed costs may leave nothing of the smallest
    named = f" of {title}" if title else ""
    for name, values, style in (("N", size, "-"), ("D", data, "--")):
        q = np.quantile(values[:, paid], LEVELS, axis=0)
        ax.fill_between(budgets[paid], q[0], q[4], color=colour, alpha=0.15, lw=0)
        ax.fill_between(budgets[paid], q[1], q[3], color=colour, alpha=0.25, lw=0)
        ax.plot(budgets[paid], q[2], style, color=colour, lw=1.2, label=f"{name}{named}")


def _valleys(ax: Axes, answer: Allocation, questions: list[tuple[str, list[int]]]) -> None:
    """Response against size at every budget, with the interval of the best size."""
    import matplotlib

    many = len(questions) > 1
    budgets = np.unique(answer.points["budget"])
    shades = matplotlib.colormaps["viridis"](np.linspace(0.05, 0.85, len(budgets)))
    optima = []
    for k, (title, rows) in enumerate(questions):
        for i in rows:
            budget = answer.points["budget"].iloc[i]
            colour = f"C{k % 10}" if many else shades[np.searchsorted(budgets, budget)]
            label = title if many and i == rows[0] else None if many else f"budget {budget:.3g}"
            optima.append(_valley(ax, answer, i, colour, label))
    ax.plot([], [], color="0.5", lw=4, label="best N, 90 %")
    ax.plot([], [], color="0.7", **STAR, label="recommended N")
    ends = np.array(optima)
    on_log = answer.arms[0].law.response.kind.startswith("loss") and bool((ends > 0).all())
    ax.set(xscale="log", yscale="log" if on_log else "linear", xlabel="N (parameter)",
           ylabel=f"{answer.response} ({answer.unit}) of the law's mean")  # fmt: skip
    _limit(ax, ends, on_log, lower=answer.arms[0].better == "lower")
    if on_log:
        plain_log_ticks(ax)
    ax.set_title("at equal cost, with 90 % intervals", fontsize="medium")
    ax.legend(fontsize="x-small", frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))


def _valley(
    ax: Axes, answer: Allocation, i: int, colour: object, label: str | None
) -> tuple[float, float]:
    """One valley; the interval of the response at its best size."""
    arm, budget = answer.arms[i], answer.points["budget"].iloc[i]
    best = np.quantile(answer.size.to_numpy()[:, i], (0.05, 0.5, 0.95))
    sizes = np.geomspace(best[0] / DEEP, best[2] * DEEP, SIZES)[None]
    draws = np.asarray(arm.mean(sizes, arm.tokens(sizes, budget)))
    paid = np.isfinite(draws).all(axis=0)
    low, middle, high = np.quantile(draws[:, paid], (0.05, 0.5, 0.95), axis=0)
    x = sizes[0, paid]
    ax.plot(x, middle, color=colour, lw=1.2, label=label)
    ax.fill_between(x, low, high, color=colour, alpha=0.15, lw=0)
    reached = np.quantile(answer.best.to_numpy()[:, i], (0.05, 0.5, 0.95))
    advised = float(answer.recommended["N"].iloc[i])
    floor, at = np.interp(np.log([best[1], advised]), np.log(x), middle)
    ax.hlines(floor, best[0], best[2], color=colour, lw=4, alpha=0.7)
    ax.plot(advised, at, color=colour, **STAR)
    return float(reached[0]), float(reached[2])


def _bare_minor_ticks(ax: Axes) -> None:
    """Labels of decades alone, which do not run into each other."""
    from matplotlib.ticker import NullFormatter

    for axis in (ax.xaxis, ax.yaxis):
        axis.set_minor_formatter(NullFormatter())


def _limit(ax: Axes, ends: np.ndarray, on_log: bool, lower: bool) -> None:
    """Cut the walls of valleys off, which would press their floors together."""
    turn, back = (np.log, np.exp) if on_log else (np.asarray, np.asarray)
    low, high = float(turn(ends.min())), float(turn(ends.max()))
    wide = max(high - low, LEAST if on_log else LEAST * abs(low))
    up, down = (RISE, 0.15) if lower else (0.15, RISE)
    bottom, top = (float(turn(v)) for v in sorted(ax.get_ylim()))
    low, high = max(low - down * wide, bottom), min(high + up * wide, top)
    ax.set_ylim(float(back(low)), float(back(high)))


def profiles_figure(answer: Profiles) -> Figure:
    """Runs and valley of every budget, and the best sizes with their power law."""
    import matplotlib

    figure, axes = subplots(1, 2, (12.0, 4.9))
    left, right = axes[0]
    runs, table = answer.fit.runs(), answer.summary()
    shades = matplotlib.colormaps["viridis"](np.linspace(0.05, 0.85, len(table)))
    for colour, (_, row) in zip(shades, table.iterrows(), strict=True):
        _profile(left, answer, runs[runs[answer.by] == row["label"]], row, colour)
    left.plot([], [], color="0.5", lw=4, label="best N, 90 %")
    left.set(xscale="log", yscale="log", xlabel="N (parameter)",
             ylabel=f"{answer.fit.record.response} ({answer.unit})")  # fmt: skip
    plain_log_ticks(left)
    left.set_title("runs and valleys, with 90 % intervals", fontsize="medium")
    left.legend(fontsize="x-small", frameon=False, title="budget", title_fontsize="x-small")
    _power_law(right, answer, table)
    right.vlines(table["budget"], table["q0.05"], table["q0.95"], color="black", lw=1.2)
    right.vlines(table["budget"], table["q0.25"], table["q0.75"], color="black", lw=3.5)
    right.plot(table["budget"], table["q0.5"], "o", ms=5, color="white", mec="black",
               label="best N of a profile, 50 and 90 %")  # fmt: skip
    right.vlines(table["budget"], table["lowest_N"], table["highest_N"], color="0.7", lw=0.8,
                 ls=":", label="sizes tried", zorder=0)  # fmt: skip
    right.set(xscale="log", yscale="log", xlabel=f"budget {COMPUTE} (FLOP)",
              ylabel="best N (parameter)")  # fmt: skip
    right.legend(fontsize="x-small", frameon=False)
    figure.suptitle(f"{answer.law}: isoFLOP profiles")
    return figure


def _profile(
    ax: Axes, answer: Profiles, runs: pd.DataFrame, row: pd.Series, colour: object
) -> None:
    """Runs of one budget, its valley, and the interval of its best size."""
    low = min(row["lowest_N"], row["q0.05"]) / 1.3
    high = max(row["highest_N"], row["q0.95"]) * 1.3
    sizes = np.geomspace(low, high, SIZES)
    points = pd.DataFrame({"N": sizes, COMPUTE: row["budget"], answer.by: row["label"]})
    bands = forecast(answer.fit, points, kind="mean", force=True).summary()
    ax.plot(sizes, bands["q0.5"], color=colour, lw=1.2, label=f"{row['budget']:.3g}")
    ax.fill_between(sizes, bands["q0.05"], bands["q0.95"], color=colour, alpha=0.2, lw=0)
    ax.plot(runs["N"], runs["response"], "o", ms=3, color=colour)
    ax.hlines(bands["q0.5"].min(), row["q0.05"], row["q0.95"], color=colour, lw=4, alpha=0.7)


def _power_law(ax: Axes, answer: Profiles, table: pd.DataFrame) -> None:
    """The trend about which best sizes scatter."""
    fit = answer.fit
    x0, centre = fit.spec.references, flat_draws(fit, fit.structure.centre_site("best"))
    budgets = np.geomspace(table["budget"].min() / AROUND, table["budget"].max() * AROUND, PLACES)
    growth = np.log(budgets / x0[COMPUTE])
    exponent = answer.exponent.to_numpy()
    draws = x0["N"] * centre[:, None] * np.exp(exponent[:, None] * growth)
    low, middle, high = np.quantile(draws, (0.05, 0.5, 0.95), axis=0)
    ends = np.quantile(exponent, (0.05, 0.5, 0.95))
    ax.plot(budgets, middle, color="C0", lw=1.2,
            label=f"N ~ C^{ends[1]:.3f} ({ends[0]:.3f} to {ends[2]:.3f})")  # fmt: skip
    ax.fill_between(budgets, low, high, color="C0", alpha=0.2, lw=0)
    ax.set_title("best size and its power law, with 90 % intervals", fontsize="medium")


def cheapest_figure(answer: Cheapest) -> Figure:
    """Cost of every target with 50 and 90 % intervals, open where it is not reached."""
    figure, axes = subplots(1, 1, (7.5, 4.6))
    ax = axes[0, 0]
    table = answer.summary()
    table = table[table["quantity"] == "cost"].reset_index(drop=True)
    known = table[[c for c in table if str(c).startswith("q0.")]].to_numpy()
    known = known[np.isfinite(known)]
    top = 10.0 * known.max() if len(known) else 1.0
    questions = list(_questions(answer))
    targets = np.unique(table["target"])
    gap = np.diff(targets).min() if len(targets) > 1 else 0.1 * abs(targets[0]) or 0.1
    for k, (title, rows) in enumerate(questions):
        own = table.iloc[rows]
        # questions side by side, so that bars of one target do not hide each other
        x = own["target"] + 0.12 * gap * (k - (len(questions) - 1) / 2)
        colour, q = f"C{k % 10}", own.replace(np.inf, top)
        ax.vlines(x, q["q0.05"], q["q0.95"], color=colour, lw=1.5)
        ax.vlines(x, q["q0.25"], q["q0.75"], color=colour, lw=5)
        seen = np.isfinite(own["q0.5"])
        ax.plot(x[seen], own["q0.5"][seen], "o", ms=5, color="white", mec=colour,
                label=title or "50 and 90 % of the cost")  # fmt: skip
        _chances(ax, x, own, top, 0)
    ax.set(yscale="log", xlabel=f"target of {answer.response} ({answer.unit})",
           ylabel=f"cost: {costs_of(answer)}")  # fmt: skip
    if not np.isfinite(table["q0.95"]).all():
        ax.set_ylim(top=top)
    ax.set_title(f"{answer.law}: the smallest cost of reaching a target", fontsize="medium")
    ax.legend(fontsize="small", frameon=False)
    return figure


def iso_loss_figure(answer: IsoLoss) -> Figure:
    """Cost over that of the best size, against the size."""
    figure, axes = subplots(1, 1, (7.5, 4.6))
    ax = axes[0, 0]
    table = answer.summary()
    table = table[table["quantity"] == "extra cost"].reset_index(drop=True)
    shown = 1.0 + table[list(MIDDLE)].to_numpy()
    known = shown[np.isfinite(shown)]
    top = 1.3 * min(max(1.5, known.max(initial=1.0)), MOST)
    questions = list(_questions(answer))
    for k, (title, rows) in enumerate(questions):
        own = table.iloc[rows].sort_values("N")
        colour, factor = f"C{k % 10}", 1.0 + own[list(MIDDLE)].to_numpy()
        # open above where some draws never get there
        low, middle, high = np.minimum(factor, 1e3 * top).T
        beside = 1.02 ** (k - (len(questions) - 1) / 2)
        x = own["N"] * beside
        ax.plot(x, np.where(middle < 1e3 * top, middle, np.nan), "o-", ms=4, color=colour,
                label=title or "median and 90 % interval")  # fmt: skip
        ax.fill_between(x, low, high, color=colour, alpha=0.15, lw=0)
        ax.vlines(x, low, high, color=colour, lw=1.5)
        _chances(ax, x, own, top, k)
    ax.axhline(1.0, color="0.5", lw=0.8, ls=":")
    ax.set(xscale="log", yscale="log", xlabel="N (parameter)",
           ylabel="cost over that of the best size")  # fmt: skip
    ax.set_ylim(min(0.9, 0.9 * known.min(initial=1.0)), top)
    plain_log_ticks(ax)
    asked = "budget" if "budget" in answer.points else "target"
    at = f"{answer.points[asked].iloc[0]:.4g}"
    level = (
        f"the {answer.response} of a budget of {at}"
        if asked == "budget"
        else (f"{answer.response} {at}")
    )
    ax.set_title(f"{answer.law}: sizes that reach {level}, with 90 % intervals", fontsize="medium")
    ax.legend(fontsize="small", edgecolor="none")
    return figure


def _chances(ax: Axes, x: pd.Series, rows: pd.DataFrame, top: float, k: int) -> None:
    """How likely it is reached, where that is not sure."""
    for at, share in zip(x, rows["reached"], strict=True):
        if share < SURE:
            ax.annotate(f"P(reached) {share:.2f}", (at, top), rotation=90, fontsize="x-small",
                        color=f"C{k % 10}", ha="right", va="top", xytext=(-3 - 9 * k, -4),
                        textcoords="offset points")  # fmt: skip
