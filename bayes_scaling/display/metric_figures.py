"""Figures of answers about metrics, and of the link of a chain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from bayes_scaling.answers.chained import draw_link, link_of
from bayes_scaling.answers.retries import Retries
from bayes_scaling.answers.sampling import Coverage
from bayes_scaling.answers.threshold import Threshold
from bayes_scaling.posterior.fit import Fit

from .common import plain_log_ticks, planned_trials, short, subplots
from .metrics import inputs_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BINS = 80
MARGIN = 0.15  # of the shown range on both sides of what is in it
LINK_POINTS = 50
STAR = {"marker": "*", "ms": 13, "mec": "black", "mew": 0.6, "ls": ""}


def threshold_figure(answer: Threshold) -> Figure:
    """One panel a question: where the level is passed, and how likely it is not."""
    table, draws = answer.summary(), answer.draws.transpose("sample", "point").to_numpy()
    low, high = _shown(answer, draws)
    space = np.geomspace if answer.on_log else np.linspace
    edges = space(low, high, BINS + 1)
    figure, axes = subplots(len(table), 1, (7.5, 1.35 * len(table) + 1.3))
    for i, ((_, row), ax) in enumerate(zip(table.iterrows(), axes[:, 0], strict=True)):
        ax.axvspan(*answer.fitted, color="0.92", lw=0, label="fitted range")
        own = draws[np.isfinite(draws[:, i]), i]
        weights = np.full(len(own), 1.0 / len(draws))
        ax.hist(own, bins=edges, weights=weights, color="C0", alpha=0.8, label="draws")
        if np.isfinite(row["q0.5"]):
            ax.axvline(row["q0.5"], color="black", lw=1.2, label="median")
        ends = {"before": (0.01, "left"), "never": (0.99, "right")}
        for name, (x, side) in ends.items():
            ax.text(
                x, 0.92, f"P({name}) {row[name]:.2f}", transform=ax.transAxes, ha=side, va="top",
                fontsize="small", color="C3" if row[name] >= 0.5 else "0.3",
            )  # fmt: skip
        ax.set(xscale="log" if answer.on_log else "linear", xlim=(low, high), yticks=[])
        ax.set_ylim(0, 1.45 * max(ax.get_ylim()[1], 1e-3) if len(own) else 1)
        ax.set_title(_title(answer, row), fontsize="medium")
        if ax is not axes[-1, 0]:
            ax.tick_params(labelbottom=False)
    unit = f" ({answer.along_unit})" if answer.along_unit not in ("", "1") else ""
    axes[-1, 0].set_xlabel(answer.along + unit)
    found = {name: h for ax in axes[:, 0] for h, name in _handles(ax)}
    figure.legend(
        found.values(), found.keys(), loc="outside lower center", ncols=len(found),
        fontsize="small", frameon=False,
    )  # fmt: skip
    grown = "".join(f", {k} = {v:g} {answer.along}" for k, v in answer.ratios.items())
    figure.suptitle(
        f"{answer.law}: {answer.along} at which {answer.response} passes {answer.level:g}{grown}\n"
        f"(looked for from {short(answer.within[0])} to {short(answer.within[1])})"
    )
    return figure


def _shown(answer: Threshold, draws: np.ndarray) -> tuple[float, float]:
    """Range of the axis: nearly all draws, and the largest fitted value."""
    known = draws[np.isfinite(draws)]
    found = np.quantile(known, [0.002, 0.998]) if len(known) else answer.within
    ends = [answer.fitted[1], *found]
    turn, back = (np.log, np.exp) if answer.on_log else (np.asarray, np.asarray)
    low, high = turn(min(ends)), turn(max(ends))
    wide = MARGIN * (high - low) or 1.0
    return float(back(low - wide)), float(back(high + wide))


def coverage_figure(answer: Coverage) -> Figure:
    """Share of problems solved against the samples of each, with 90 % intervals."""
    figure, axes = subplots(1, 1, (7.5, 4.6))
    ax = axes[0, 0]
    k = np.asarray(answer.k)
    order = np.argsort(k)
    for i, (_, row) in enumerate(answer.points.iterrows()):
        draws = answer.draws.isel(point=i).to_numpy()[:, order]
        low, middle, high = np.quantile(draws, [0.05, 0.5, 0.95], axis=0)
        colour = f"C{i % 10}"
        ax.plot(k[order], middle, "o-", ms=3, color=colour, label=_title(answer, row) or "median")
        ax.fill_between(k[order], low, high, color=colour, alpha=0.2, lw=0)
        if answer.worth is not None:
            budget = np.quantile(answer.worth.isel(point=i), [0.05, 0.5, 0.95])
            place = np.clip(budget, k.min(), k.max())
            at = float(np.interp(np.log(place[1]), np.log(k[order]), middle))
            ax.hlines(at, place[0], place[2], color=colour, lw=3)
            ax.plot(place[1], at, color=colour, **STAR)
    if answer.worth is not None:
        note = f"another sample no longer\npays at a price of {answer.price:g}"
        ax.plot([], [], color="0.7", **STAR, label=note)
    ax.set(xscale="log", xlabel="k, samples of each problem", ylabel="share of problems solved")
    which = "the fitted problems" if answer.same_problems else "problems drawn at random"
    ax.set_title(f"{answer.law}: pass@k of {which}, with 90 % intervals", fontsize="medium")
    _beside(ax)
    return figure


def retries_figure(answer: Retries) -> Figure:
    """Utility against the tries, with 90 % intervals and the recommended number."""
    figure, axes = subplots(1, 1, (7.5, 4.6))
    ax = axes[0, 0]
    for i, ((_, row), best) in enumerate(
        zip(answer.points.iterrows(), answer.recommended, strict=True)
    ):
        draws = answer.utility.isel(point=i).to_numpy()
        low, high = np.quantile(draws, [0.05, 0.95], axis=0)
        mean, colour = draws.mean(axis=0), f"C{i % 10}"
        ax.plot(answer.k, mean, color=colour, label=_title(answer, row) or "expected")
        ax.fill_between(answer.k, low, high, color=colour, alpha=0.2, lw=0)
        ax.plot(best, mean[answer.k.index(best)], color=colour, **STAR)
    ax.plot([], [], color="0.7", **STAR, label="recommended")
    ax.axhline(0, color="0.5", lw=0.8, ls=":")
    ax.set(xscale="log", xlabel="tries at most", ylabel="utility (worth of a right answer)")
    ax.set_title(
        f"{answer.law}: a wrong answer costs {answer.cost:g}, a sample {answer.price:g}; "
        "90 % intervals",
        fontsize="medium",
    )
    _beside(ax)
    return figure


def link_panel(ax: Axes, fit: Fit, runs: pd.DataFrame, labels: dict[str, str]) -> None:
    """Metric against loss: the runs that have both, the mean, and one more run."""
    law = fit.law
    both = runs.dropna(subset=["through", "response"])
    known = runs["through"].dropna().to_numpy()
    grid = np.geomspace(known.min() / 1.02, known.max() * 1.02, LINK_POINTS)
    held = {k: float(np.median(runs[k])) for k in law.inputs}
    points = pd.DataFrame({"loss": grid, **held, **labels, **planned_trials(fit, both)})
    rng = np.random.default_rng(0)
    for new_run, alpha, name in ((True, 0.2, "one more run"), (False, 0.35, "the mean")):
        draws = draw_link(fit, points, rng, new_run=new_run)
        low, middle, high = np.quantile(draws, [0.05, 0.5, 0.95], axis=0)
        ax.fill_between(grid, low, high, color="C0", alpha=alpha, lw=0, label=f"90 % of {name}")
    ax.plot(grid, middle, color="C0", lw=1.2)
    ax.plot(both["through"], both["response"], "o", ms=3, color="black", label="runs")
    ax.set(
        xscale="log", xlabel=f"{fit.record.loss} ({link_of(fit).first.response.unit})",
        ylabel=f"{fit.record.response} ({fit.record.unit})",
    )  # fmt: skip
    plain_log_ticks(ax, ax.xaxis)
    ax.legend(fontsize="x-small", frameon=False)


def _title(answer: Threshold | Coverage | Retries, row: pd.Series) -> str:
    """Groups and inputs of a point."""
    labels = [str(row[g]) if isinstance(row[g], str) else f"a new {g}" for g in answer.groups]
    return ", ".join([*labels, *(f"{k} {short(row[k])}" for k in inputs_of(answer))])


def _handles(ax: Axes) -> list[tuple[Any, str]]:
    return list(zip(*ax.get_legend_handles_labels(), strict=True))


def _beside(ax: Axes) -> None:
    ax.legend(fontsize="small", frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
