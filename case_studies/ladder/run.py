"""The ladder in five figures and two forecasts: small runs fitted, larger ones foretold.

Run as ``python case_studies/ladder/run.py [FOLDER]``; figures go to FOLDER.
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import bayes_scaling as bs
from bayes_scaling.display import save_figure, text

ALLOWED_MISSES = 1
SEED = 0
CHEAP, DEAR = 1 / 8, 1 / 3  # of the dearest fitted N D, for the split inside the ladder


def main() -> int:
    """Print forecasts beside the truth; fail where more than one target is missed."""
    ladder = bs.datasets.ladder()
    runs = ladder.tuned("fit")
    print("the target runs, from all runs of the fit split")
    fit, answer = foretell(runs, ladder.tuned("target"))
    cost = runs.frame["N"] * runs.frame["D"]
    cost = cost / cost.max()
    print("\nthe dearest runs of the fit split, from those at most an eighth as dear")
    foretell(runs.select(cost <= CHEAP), runs.select(cost > DEAR))
    if len(sys.argv) > 1:
        draw(ladder, fit, answer, Path(sys.argv[1]))
    checked = answer.check()
    return 0 if checked["points"] - checked["held_90"] <= ALLOWED_MISSES else 1


def foretell(runs: bs.Runs, larger: bs.Runs) -> tuple[bs.Fit, bs.Forecast]:
    """Fit runs, forecast larger ones, and print both."""
    fit = bs.ScalingModel(bs.models.chinchilla, discrepancy=False).fit(runs, seed=SEED)
    print(fit, fit.diagnostics)
    for finding in fit.warnings:
        print(f"{finding.severity}: {finding.message}")
    answer = bs.forecast(fit, larger.points(), seed=SEED)
    text.show_forecast(answer)
    return fit, answer


def draw(ladder: bs.datasets.Ladder, fit: bs.Fit, answer: bs.Forecast, folder: Path) -> None:
    """Draw every figure into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    save_figure(answer, folder / "forecast.png")
    save_figure(fit, folder / "residuals.png", "residuals")
    for name, make in (("tuning", tuning), ("curves", curves), ("probes", probes)):
        figure = make(ladder)
        figure.savefig(folder / f"{name}.png", dpi=100)
        plt.close(figure)


def tuning(ladder: bs.datasets.Ladder) -> plt.Figure:
    """Loss over learning rate, a line a batch size, a panel a size and number of tokens."""
    rows = ladder.runs.query("study in ('tuning', 'edges') and recipe == 'transformer-adamw'")
    rows = rows.sort_values("lr")
    cells = rows.groupby(["N", "D"])
    figure, axes = plt.subplots(1, len(cells), figsize=(13, 3.6), layout="constrained")
    for axis, ((n, d), cell) in zip(axes, cells, strict=True):
        for batch, line in cell.groupby("batch"):
            done = line[line["status"] == "finished"]
            (drawn,) = axis.plot(done["lr"], done["loss"], "o-", label=f"{batch} symbols a step")
            lost = line[line["status"] == "diverged"]
            axis.plot(lost["lr"], np.full(len(lost), 3.0), "x", color=drawn.get_color())
        axis.set(xscale="log", title=f"N = {n / 1e3:.0f}k, D = {d / 1e6:.2g}M")
        axis.set_xlabel("peak learning rate")
    axes[0].set_ylabel("loss (nat/symbol)")
    axes[-1].legend(fontsize=7)
    figure.suptitle("transformer-adamw: learning rate and batch size; crosses mark diverged runs")
    return figure


def curves(ladder: bs.datasets.Ladder) -> plt.Figure:
    """Validation loss along runs of one size under three schedules, a panel a recipe."""
    rows = ladder.runs.query("study in ('grid', 'schedules') and seed == 0")
    rungs = rows.loc[rows["study"] == "schedules", "rung"]
    rows = rows[rows["rung"] == rungs.iloc[0]]
    recipes = sorted(rows["recipe"].unique())
    figure, axes = plt.subplots(
        1, len(recipes), figsize=(13, 3.6), sharey=True, layout="constrained"
    )
    for axis, recipe in zip(axes, recipes, strict=True):
        for run in rows[rows["recipe"] == recipe].itertuples():
            line = ladder.curves[ladder.curves["run"] == run.run]
            axis.plot(line["step"], line["validation_loss"], label=run.schedule)
        axis.set(title=recipe, xlabel="step")
    axes[0].set_ylabel("validation loss (nat/symbol)")
    axes[-1].legend(fontsize=8)
    return figure


def probes(ladder: bs.datasets.Ladder) -> plt.Figure:
    """Success of each probe against the test loss, with its chance level."""
    rows = ladder.probes.merge(ladder.runs.query("study in ('grid', 'target')"), on="run")
    names = list(dict.fromkeys(rows["probe"]))
    figure, axes = plt.subplots(1, len(names), figsize=(15, 3.6), sharex=True, layout="constrained")
    for axis, name in zip(axes, names, strict=True):
        probe = rows[rows["probe"] == name]
        for recipe, mine in probe.groupby("recipe"):
            share = mine["successes"] / mine["trials"]
            axis.plot(mine["loss"], share, "o", markersize=3, label=recipe)
        axis.axhline(probe["chance"].iloc[0], color="grey", linestyle=":")
        axis.set(title=name, xlabel="loss (nat/symbol)", ylim=(0, 1.02))
    axes[0].invert_xaxis()
    axes[0].set_ylabel("share of trials")
    axes[-1].legend(fontsize=7)
    return figure


if __name__ == "__main__":
    sys.exit(main())
