"""Figures: the valley of one cell, and optima along N and D."""

from __future__ import annotations

from pathlib import Path

import ladder
import numpy as np
import pandas as pd
import scoring
import steplaw
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

import bayes_scaling as bs

FOLDER = Path(__file__).parent / "figures"
SHOWN = (429260800, 22700000000)  # N and D of the cell whose valley is drawn
CONTOURS = (0.1, 0.3, 1.0, 3.0, 10.0)  # per cent above the best
NAMES = {"lr": "peak learning rate", "B": "tokens of a batch"}
COLOURS = ("tab:blue", "tab:orange", "tab:green", "tab:red")


def valley(fit: bs.Fit) -> None:
    """Loss above the best one over rate and batch size, with the runs of the cell."""
    n, d = SHOWN
    cell = steplaw.table().query(f"N == {n} and D == {d}")
    rates = np.geomspace(cell["lr"].min() / 1.2, cell["lr"].max() * 1.2, 50)
    batches = np.geomspace(cell["B"].min() / 1.2, cell["B"].max() * 1.2, 50)
    x, y = np.meshgrid(rates, batches)
    grid = pd.DataFrame({"N": n, "D": d, "lr": x.ravel(), "B": y.ravel()})
    mean = bs.forecast(fit, grid, kind="mean").draws.mean("sample").to_numpy().reshape(x.shape)
    figure = Figure(figsize=(6.4, 4.6), layout="constrained")
    axes = figure.subplots()
    lines = axes.contour(x, y, 100 * (mean / mean.min() - 1), CONTOURS, colors="0.5", linewidths=1)
    axes.clabel(lines, fmt="%g %%", fontsize=7)
    lost = cell[steplaw.RESPONSE] > steplaw.ABOVE
    done = cell[~lost]
    above = 100 * (done[steplaw.RESPONSE] / done[steplaw.RESPONSE].min() - 1)
    dots = axes.scatter(
        done["lr"], done["B"], c=np.log10(np.maximum(above, 0.03)), s=22, cmap="viridis_r"
    )
    axes.plot(cell["lr"][lost], cell["B"][lost], "rx", ms=5, label="diverged")
    best = scoring.optimum(fit, {"N": n, "D": d})
    axes.plot(best["lr"][::5], best["B"][::5], "k.", ms=1, label="optimum, draws")
    given = steplaw.published(n, d)
    axes.plot(given["lr"], given["B"], "*", color="tab:red", ms=12, label="published optimum")
    bar = figure.colorbar(dots, label="run above the best of its cell (%)")
    bar.set_ticks(np.log10([0.03, *CONTOURS]), labels=["0.03", *(f"{v:g}" for v in CONTOURS)])
    axes.set(xscale="log", yscale="log", xlabel=NAMES["lr"], ylabel=NAMES["B"])
    axes.set_title(f"N = {n / 1e6:.0f}M, D = {d / 1e9:.1f}B", fontsize=10)
    figure.legend(fontsize=7, loc="outside lower center", ncols=3)
    save(figure, "valley")


def along(axes: Axes, fit: bs.Fit, setting: str, n: float, d: np.ndarray, colour: str) -> None:
    """Median and 90 % band of a best setting along D."""
    draws = np.stack([scoring.optimum(fit, {"N": n, "D": x})[setting] for x in d])
    low, mid, high = np.quantile(draws, (0.05, 0.5, 0.95), axis=1)
    axes.fill_between(d, low, high, color=colour, alpha=0.3, lw=0)
    axes.plot(
        d, mid, color=colour, label=f"N = {n / 1e6:.0f}M" if n > 1e6 else f"N = {n / 1e3:.0f}k"
    )


def optima(fit: bs.Fit) -> None:
    """Best rate and batch size along D, a line a size, beside the published law."""
    frame = steplaw.table()
    d = np.geomspace(frame["D"].min(), frame["D"].max(), 30)
    figure = Figure(figsize=(9.6, 4), layout="constrained")
    for axes, setting in zip(figure.subplots(1, 2), NAMES, strict=True):
        for n, colour in zip(sorted(frame["N"].unique()), COLOURS, strict=True):
            along(axes, fit, setting, n, d, colour)
            axes.plot(d, [steplaw.published(n, x)[setting] for x in d], "--", color=colour, lw=1)
            for x, cell in frame[frame["N"] == n].groupby("D"):
                top = cell.loc[cell[steplaw.RESPONSE].idxmin(), setting]
                axes.plot(x, top, "o", color=colour, ms=4)
        axes.set(xscale="log", yscale="log", xlabel="tokens D", ylabel=f"best {NAMES[setting]}")
    axes.plot([], [], "k--", lw=1, label="published")
    axes.plot([], [], "ko", ms=4, label="best run of a cell")
    axes.legend(fontsize=7)
    save(figure, "optima")


def swept(fit: bs.Fit) -> None:
    """Best rate and batch size of the ladder's sweep along D, a line a size."""
    frame = ladder.swept(ladder.table()).query(f"recipe == '{ladder.RECIPE}'")
    d = np.geomspace(frame["D"].min() / 2, frame["D"].max() * 2, 30)
    figure = Figure(figsize=(9.6, 4), layout="constrained")
    for axes, setting in zip(figure.subplots(1, 2), NAMES, strict=True):
        for n, colour in zip(sorted(frame["N"].unique()), COLOURS, strict=False):
            along(axes, fit, setting, n, d, colour)
            for x, cell in frame[frame["N"] == n].groupby("D"):
                top = cell.loc[cell[ladder.RESPONSE].idxmin(), setting]
                axes.plot(x, top, "o", color=colour, ms=5)
        axes.set(xscale="log", yscale="log", xlabel="symbols D")
        places = sorted(frame["D"].unique())
        axes.set_xticks(places, [f"{x / 1e6:.2g}M" for x in places])
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_ylabel(f"best {NAMES[setting]}".replace("tokens", "symbols"))
    axes.plot([], [], "ko", ms=5, label="best run of a cell")
    axes.legend(fontsize=7)
    save(figure, "ladder")


def save(figure: Figure, name: str) -> None:
    FOLDER.mkdir(exist_ok=True)
    figure.savefig(FOLDER / f"{name}.png", dpi=90)
