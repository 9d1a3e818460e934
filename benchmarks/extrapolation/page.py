"""The scores on the page INTERVALS.md, and its figure."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from benchmarks.extrapolation import rivals

PAGE = Path(__file__).parents[2] / "INTERVALS.md"
FIGURE = Path(__file__).parent / "figures" / "extrapolation.png"
BEGIN, END = "<!-- scores:begin -->", "<!-- scores:end -->"
Everyone = Mapping[str, Mapping[tuple[str, float], pd.DataFrame]]


def scores_table(everyone: Everyone, own: str) -> str:
    """Return two Markdown tables: the mean over sets of everybody, and the sets of ours."""
    lines = ["| | held by 90 % | error | score |", "|---|---:|---:|---:|"]
    for name, answers in everyone.items():
        sets = rivals.by_set(answers)
        cells = []
        for column, scale in (("held", 1.0), ("relative_error", 100.0), ("interval_score", 100.0)):
            low, high = rivals.set_interval(sets[column].tolist())
            mean = scale * sets[column].mean()
            cells.append(f"{mean:.2f} ({scale * low:.2f} to {scale * high:.2f})")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    sets = rivals.by_set(everyone[own])
    lines += [
        "",
        f"In brackets 90 % intervals of a bootstrap over {len(sets)} sets. By set, {own}:",
        "",
    ]
    lines += ["| set | scored runs | held by 90 % | error | score |", "|---|---:|---:|---:|---:|"]
    for name, row in sets.iterrows():
        lines.append(
            f"| {name} | {row['runs']:.0f} | {row['held']:.2f} | "
            f"{100 * row['relative_error']:.2f} | {100 * row['interval_score']:.2f} |"
        )
    return "\n".join(lines)


def write_page(everyone: Everyone, own: str) -> None:
    """Put the scores between the marks of the page."""
    text = PAGE.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    table = scores_table(everyone, own)
    PAGE.write_text(f"{before}{BEGIN}\n{table}\n{END}{after}", encoding="utf-8")


def draw(everyone: Everyone, path: Path = FIGURE) -> None:
    """Draw coverage and interval score of everybody, set by set and by gap."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4.2), layout="constrained")
    held, score = figure.subplots(1, 2)
    for place, (name, answers) in enumerate(everyone.items()):
        rows = []
        for (_, gap), answer in answers.items():
            one = rivals.by_set({("", gap): answer}).iloc[0]
            rows.append({"gap": gap, "held": one["held"], "score": 100 * one["interval_score"]})
        table = pd.DataFrame(rows)
        means = table.groupby("gap").mean()
        colour = f"C{place}"
        shift = 1.0 + 0.05 * (place - (len(everyone) - 1) / 2)
        for axis, column in ((held, "held"), (score, "score")):
            axis.scatter(table["gap"] * shift, table[column], s=10, alpha=0.35, color=colour)
            axis.plot(means.index, means[column], "o-", color=colour, label=name)
    held.axhspan(0.85, 0.95, color="0.9", zorder=0)
    held.axhline(0.9, color="0.6", lw=0.8)
    held.set(ylabel="held by 90 % intervals", ylim=(-0.03, 1.03))
    score.set(ylabel="interval score, % of the loss", yscale="log")
    score.legend(frameon=False, fontsize=8)
    for axis in (held, score):
        axis.set(xlabel="largest compute over the fitted compute", xscale="log")
        axis.set_xticks([3, 10, 30], ["3", "10", "30"])
        axis.minorticks_off()
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, dpi=150)
