"""Figures of best settings: what others cost, around the best, at every point."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from bayes_scaling.answers.tune import Tuning

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NEAR = 1.5  # factor in each other input within which a fitted run is drawn with a point
COLUMNS = 3  # of panels
SIDE = 45  # values of a setting that contours are drawn from
CURVE = 120
LEVELS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3)
DOTS = 400  # draws of the optimum that are shown
NINETY = -2.0 * np.log(0.1)  # square of the radius that holds 90 % of a normal in a plane
WIDTH = 3.0  # factor around the best where no run was
MOST = 0.3  # penalty up to which a curve is drawn


def tuning_figure(answer: Tuning) -> Figure:
    """One panel a point: expected penalty, fitted runs nearby, the optimum and the plateau."""
    import matplotlib.pyplot as plt

    points = len(answer.points)
    columns = min(points, COLUMNS)
    rows = -(-points // columns)
    figure, axes = plt.subplots(
        rows, columns, figsize=(5.4 * columns, 4.3 * rows + 0.5), squeeze=False,
        layout="constrained",
    )  # fmt: skip
    draw = _curve if len(answer.settings) == 1 else _contours
    for ax in axes.flat[points:]:
        ax.set_visible(False)
    for k, ax in zip(range(points), axes.flat, strict=False):
        runs = _near(answer, k)
        draw(ax, answer, k, runs)
        ax.set_title(_title(answer, k, runs), fontsize="medium")
    drawn = [ax.get_legend_handles_labels() for ax in axes.flat[:points]]
    legend = {label: handle for pair in drawn for handle, label in zip(*pair, strict=True)}
    figure.legend(
        legend.values(), legend.keys(), loc="outside lower center", ncols=len(legend),
        fontsize="small", frameon=False,
    )  # fmt: skip
    figure.suptitle(f"{answer.law}: expected loss over that of the best settings")
    return figure


def _title(answer: Tuning, k: int, runs: pd.DataFrame) -> str:
    row = answer.points.iloc[k]
    parts = [f"{name} {row[name]:.3g}" for name in answer.extrapolation.columns]
    parts += [row[g] if isinstance(row[g], str) else f"a new {g}" for g in answer.groups]
    if runs.empty:
        parts.append("no run nearby")
    return ", ".join(parts)


def _near(answer: Tuning, k: int) -> pd.DataFrame:
    """Fitted runs whose settings are known and whose other inputs are like a point's."""
    row, runs = answer.points.iloc[k], answer.runs
    near = runs[list(answer.settings)].notna().all(axis=1)
    for name in answer.extrapolation.columns:
        low, high = answer.ranges[name]
        if low > 0 and row[name] > 0:
            near &= np.abs(np.log(runs[name] / row[name])) <= np.log(NEAR) + 1e-9
        else:
            near &= np.abs(runs[name] - row[name]) <= 0.1 * (high - low)
    for group in answer.groups:
        if isinstance(row[group], str):
            near &= runs[group] == row[group]
    return runs[near]


def _limits(answer: Tuning, k: int, name: str, runs: pd.DataFrame) -> tuple[float, float]:
    """Range of a setting that holds the best one, its plateau and the runs nearby."""
    own = answer.plateau.iloc[k * len(answer.settings) + list(answer.settings).index(name)]
    best = answer.best.sel(setting=name).isel(point=k).to_numpy()
    ends = [*np.quantile(best, [0.005, 0.995]), *own[["retuned_low", "retuned_high"]].dropna()]
    ends += [*runs[name]] if len(runs) else [np.median(best) / WIDTH, np.median(best) * WIDTH]
    return float(min(ends)) / 1.25, float(max(ends)) * 1.25


def _contours(ax: Axes, answer: Tuning, k: int, runs: pd.DataFrame) -> None:
    """Two settings: contours of the expected penalty over their plane."""
    across, up = list(answer.settings)[:2]
    x = np.geomspace(*_limits(answer, k, across, runs), SIDE)
    y = np.geomspace(*_limits(answer, k, up, runs), SIDE)
    grid = pd.DataFrame({across: np.tile(x, SIDE), up: np.repeat(y, SIDE)})
    surface = answer.surfaces[k]
    least = np.log(answer.loss.isel(point=k).to_numpy())
    cost = surface.expected(surface.box.logs(grid), least).reshape(SIDE, SIDE)
    ax.contourf(x, y, cost, levels=[-1.0, answer.bound], colors=["C2"], alpha=0.25)
    drawn = ax.contour(x, y, cost, levels=LEVELS, colors="0.35", linewidths=0.9)
    ax.clabel(drawn, fmt=lambda level: f"{100 * level:g} %", fontsize="x-small")
    _runs(ax, runs, across, up)
    logs = np.log(answer.best.isel(point=k).sel(setting=[across, up]).to_numpy())
    some = np.exp(logs[:: max(1, len(logs) // DOTS)])
    ax.plot(some[:, 0], some[:, 1], ".", ms=2, color="C0", alpha=0.4, zorder=1)
    ring = _ellipse(logs)
    ax.plot(ring[0], ring[1], color="C0", lw=1.6, label="the best settings, 90 %")
    advised = answer.recommended.isel(point=k)
    ax.plot(
        float(advised.sel(setting=across)), float(advised.sel(setting=up)), "*", ms=13,
        color="C1", mec="black", mew=0.6, label="recommended",
    )  # fmt: skip
    ax.fill([], [], color="C2", alpha=0.25, label=f"plateau, below {100 * answer.bound:g} %")
    ax.set(
        xscale="log", yscale="log", xlim=(x[0], x[-1]), ylim=(y[0], y[-1]),
        xlabel=_label(answer, across), ylabel=_label(answer, up),
    )  # fmt: skip
    _plain_ticks(ax.xaxis, x[-1] / x[0])
    _plain_ticks(ax.yaxis, y[-1] / y[0])


def _ellipse(logs: np.ndarray) -> np.ndarray:
    """Curve that holds 90 % of draws that are normal on the log scale."""
    angle = np.linspace(0.0, 2.0 * np.pi, 120)
    round_ = np.sqrt(NINETY) * np.stack([np.cos(angle), np.sin(angle)])
    covariance = np.cov(logs.T) + 1e-18 * np.eye(2)  # equal draws have none
    return np.asarray(np.exp(logs.mean(0)[:, None] + np.linalg.cholesky(covariance) @ round_))


def _runs(ax: Axes, runs: pd.DataFrame, across: str, up: str) -> None:
    """Runs in the plane of the settings, the paler the worse; diverged ones are crosses."""
    from matplotlib.colors import LogNorm

    ended, lost = runs[~runs["diverged"]], runs[runs["diverged"]]
    shade = np.clip(ended["excess"].to_numpy(dtype=float), LEVELS[0], LEVELS[-1])
    if len(ended):
        ax.scatter(
            ended[across], ended[up], c=shade, cmap="magma", s=24, edgecolors="0.4",
            linewidths=0.4, norm=LogNorm(LEVELS[0], 2 * LEVELS[-1]), zorder=2,
            label="runs nearby, the darker the better",
        )  # fmt: skip
    if len(lost):
        ax.plot(lost[across], lost[up], "x", color="C3", ms=6, mew=1.5, label="diverged")


def _curve(ax: Axes, answer: Tuning, k: int, runs: pd.DataFrame) -> None:
    """One setting: the penalty along it."""
    (name,) = answer.settings
    x = np.geomspace(*_limits(answer, k, name, runs), CURVE)
    surface = answer.surfaces[k]
    least = np.log(answer.loss.isel(point=k).to_numpy())
    draws = np.expm1(surface.log_means(surface.box.logs(x[:, None])) - least[:, None])
    expected = draws.mean(0)
    low, high = np.quantile(draws, [0.05, 0.95], axis=0)
    ended, lost = runs[~runs["diverged"]], runs[runs["diverged"]]
    top = min(MOST, max(4 * answer.bound, 1.1 * float(expected.max())))
    plateau = answer.plateau.iloc[k][["low", "high"]].astype(float)
    if plateau.notna().all():
        ax.axvspan(
            *plateau, color="C2", alpha=0.2, lw=0, label=f"plateau, below {100 * answer.bound:g} %"
        )
    ax.plot(x, 100 * expected, color="C0", label="expected penalty")
    ax.fill_between(x, 100 * low, 100 * high, color="C0", alpha=0.25, lw=0, label="90 % of it")
    if len(ended):
        ax.plot(ended[name], 100 * ended["excess"], "o", ms=4, color="0.3", label="runs nearby")
    if len(lost):
        at = np.full(len(lost), 97 * top)
        ax.plot(lost[name], at, "x", color="C3", ms=6, mew=1.5, label="diverged")
    interval = np.quantile(answer.best.isel(point=k, setting=0), [0.05, 0.95])
    ax.plot(interval, [0, 0], color="C0", lw=4, solid_capstyle="butt", label="the best, 90 %")
    advised = float(answer.recommended.isel(point=k, setting=0))
    ax.plot(advised, 0, "*", ms=13, color="C1", mec="black", mew=0.6, label="recommended")
    bottom = min([0.0, *ended["excess"]])
    ax.set(
        xscale="log", xlim=(x[0], x[-1]), ylim=(100 * bottom - 5 * top, 100 * top),
        xlabel=_label(answer, name), ylabel="loss over the best (%)",
    )  # fmt: skip
    _plain_ticks(ax.xaxis, x[-1] / x[0])


def _label(answer: Tuning, name: str) -> str:
    unit = answer.settings[name]
    return name if unit in ("", "1") else f"{name} ({unit})"


def _plain_ticks(axis: Any, decades: float) -> None:
    """Ticks at 1, 2 and 5 where an axis is short."""
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    if decades < 300:
        axis.set_major_locator(LogLocator(base=10, subs=(1, 2, 5)))
        axis.set_major_formatter(StrMethodFormatter("{x:.3g}"))
    axis.set_minor_formatter(NullFormatter())
