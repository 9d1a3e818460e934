"""Figure of a backtest: coverage and interval score by gap, and residuals of every scored run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from bayes_scaling.validation.backtested import Backtest
from bayes_scaling.validation.scores import INTERVAL

from .backtest import counted
from .common import subplots

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ASIDE = 0.05  # of the axis, between runs that lie equally far beyond


def backtest_figure(answer: Backtest) -> Figure:
    """Two panels of scores by gap, and one of residuals a model."""
    count = len(answer.models)
    columns = 2 if count > 1 else 3
    rows = -(-(2 + count) // columns)
    figure, axes = subplots(rows, columns, (5.6 * columns, 3.6 * rows + 0.6))
    held, score, *panels = axes.ravel()
    table = answer.summary()
    _by_gap(answer, held, table, "held_90")
    held.axhline(INTERVAL, color="black", lw=0.8, ls="--")
    held.set(ylim=(0.0, 1.03), ylabel="share held by 90 % intervals")
    _by_gap(answer, score, table, "interval_score")
    unit = "%" if answer.on_log else answer.unit
    score.set(ylabel=f"interval score ({unit}; less is better)")
    score.set_ylim(0, 1.05 * score.get_ylim()[1])
    if count > 1:
        held.legend(fontsize="small", frameon=False)
    limits = _limits(answer)
    for k, (ax, model) in enumerate(zip(panels, answer.models, strict=False)):
        _residuals(answer, ax, model, f"C{k % 10}", limits)
    for ax in panels[count:]:
        ax.set_visible(False)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, fontsize="small",
                  frameon=False)  # fmt: skip
    folds, runs = counted(len(answer.folds), "fold"), counted(answer.points["run"].nunique(), "run")
    figure.suptitle(f"backtest along {answer.by}: {folds}, {runs} forecast from cheaper ones")
    return figure


def _by_gap(answer: Backtest, ax: Axes, table: pd.DataFrame, name: str) -> None:
    """A score against the gap; dots are the folds."""
    folds = answer.by_fold()
    factor = 100 if name == "interval_score" and answer.on_log else 1
    for k, model in enumerate(answer.models):
        own, each = (t[t["model"] == model] for t in (table, folds))
        colour = f"C{k % 10}"
        ax.plot(each["distance"], factor * each[name], ".", ms=4, color=colour, alpha=0.4)
        ax.plot(own["distance"], factor * own[name], "o-", ms=5, lw=1.4, color=colour, label=model)
    ax.set_xlabel(f"gap ({_unit(answer)} of {answer.by})")


def _unit(answer: Backtest) -> str:
    return "decades" if answer.by_ratio else "units"


def _residuals(
    answer: Backtest, ax: Axes, model: str, colour: str, limits: tuple[float, float]
) -> None:
    """Truth less median of every scored run, with the interval around zero, by its distance."""
    table = answer.scores[answer.scores["model"] == model]
    x = _apart(table["beyond"].to_numpy())
    off, low, high = _around(answer, table)
    ax.vlines(x, low, high, color=colour, lw=1.2, alpha=0.3, label="90 % interval")
    held = table["held_90"].to_numpy() > 0
    ax.plot(x[held], off[held], ".", ms=4, color="black", label="truth, inside")
    ax.plot(x[~held], off[~held], "x", ms=4, color="C3", label="truth, outside")
    ax.axhline(0, color="black", lw=0.8)
    ax.set_ylim(*limits)
    ax.set_xlabel(f"{_unit(answer)} of {answer.by} beyond the dearest fitted run")
    ax.set_ylabel(f"truth less forecast ({'%' if answer.on_log else answer.unit})")
    ax.set_title(f"{model}: {held.mean():.0%} of {len(held)} forecasts held", fontsize="medium")


def _around(answer: Backtest, table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Truth and ends of the interval, from the median on."""
    middle = table["median"].to_numpy()
    found = (table[k].to_numpy() for k in ("truth", "low", "high"))
    if answer.on_log:
        truth, low, high = (100 * (v / middle - 1) for v in found)
    else:
        truth, low, high = (v - middle for v in found)
    return truth, low, high


def _limits(answer: Backtest) -> tuple[float, float]:
    """One axis for all models: all truths, and all intervals but the widest."""
    truth, low, high = _around(answer, answer.scores)
    ends = min(truth.min(), np.quantile(low, 0.02)), max(truth.max(), np.quantile(high, 0.98))
    margin = 0.05 * (ends[1] - ends[0]) or 1.0
    return float(ends[0] - margin), float(ends[1] + margin)


def _apart(x: np.ndarray) -> np.ndarray:
    """Places of runs that lie equally far beyond, side by side."""
    step = ASIDE * (np.ptp(x) or 1.0)
    cells = pd.Series(np.round(x / step) if step else x)
    rank = cells.groupby(cells).cumcount().to_numpy()
    size = cells.groupby(cells).transform("size").to_numpy()
    return np.asarray(x + step * 0.8 * ((rank + 0.5) / size - 0.5))
