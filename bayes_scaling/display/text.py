"""Laws, fits and answers as text tables on standard output."""

from __future__ import annotations

import sys
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from bayes_scaling.answers import Forecast
from bayes_scaling.display.objects import law_object
from bayes_scaling.law import Law
from bayes_scaling.posterior import Fit


def numbers(values: Any) -> list[str]:
    """Numbers to four digits."""
    return [f"{v:.4g}" for v in values]


def show_table(header: list[str], rows: list[list[str]]) -> None:
    """Print a table: text to the left, numbers to the right."""
    table = Table(box=box.SIMPLE, show_edge=False, pad_edge=False)
    for i, name in enumerate(header):
        text = any(cell and not _is_number(cell) for cell in (str(row[i]) for row in rows))
        table.add_column(name, justify="left" if text else "right", overflow="fold")
    for row in rows:
        table.add_row(*(str(cell).replace("[", r"\[") for cell in row))
    # a pipe has no width of its own: do not fold for it
    Console(width=None if sys.stdout.isatty() else 140).print(table)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def show_law(law: Law) -> None:
    """Print a law with its inputs, parameters and priors."""
    described = law_object(law)
    print(f"{law.name}: {described['formula']}")
    print(f"response: {law.response.kind} ({law.response.unit})")
    for reference in described["references"]:
        print(f"reference: {reference}")
    show_table(
        ["input", "meaning", "unit"],
        [[i["name"], i["meaning"], i["unit"]] for i in described["inputs"]],
    )
    show_table(
        ["parameter", "meaning", "unit", "prior", "between groups"],
        [
            [p["name"], p["meaning"], p["unit"], p["prior"], "varies" if p["varies"] else "shared"]
            for p in described["parameters"]
        ],
    )
    show_table(
        ["derived", "meaning", "unit"],
        [[d["name"], d["meaning"], d["unit"]] for d in described["derived"]],
    )
    for name, meaning in described["variants"].items():
        print(f"variant {law.name}:{name}: {meaning}")


def show_fit(fit: Fit) -> str:
    """Print the posterior summary; return how the sampling went."""
    show_table(
        ["parameter", "group", "mean", "sd", "5%", "50%", "95%", "R-hat", "ESS"],
        [
            [
                row["name"],
                row["group"],
                *numbers([row["mean"], row["sd"], row["q0.05"], row["q0.5"], row["q0.95"]]),
                f"{row['rhat']:.3f}",
                f"{row['ess_bulk']:.0f}",
            ]
            for _, row in fit.summary().iterrows()
        ],
    )
    seconds = fit.record.seconds
    return (
        f"{fit.diagnostics['divergences']} divergences; "
        f"compiled in {seconds['compile']:.1f} s, sampled in {seconds['sample']:.1f} s"
    )


def show_forecast(answer: Forecast) -> None:
    """Print the median and 90 % interval of every point."""
    table = answer.summary()
    inputs = list(answer.extrapolation.columns)
    observed = ["observed"] if "observed" in table else []
    rows = []
    for _, row in table.iterrows():
        labels = [row[g] if isinstance(row[g], str) else "(new)" for g in answer.groups]
        rows.append(
            [
                *numbers(row[k] for k in inputs),
                *labels,
                *(f"{row[k]:.4f}" for k in ("q0.05", "q0.5", "q0.95", *observed)),
                row["extrapolation"],
            ]
        )
    said = []
    if answer.counts_embeddings is not None:
        said.append(f"N {'with' if answer.counts_embeddings else 'without'} embeddings")
    if answer.flops:
        said.append(f"FLOPs as {answer.flops}")
    head = f"{answer.response} ({answer.unit}) of {answer.kind}, law {answer.law}"
    print("; ".join([head, *said]))
    show_table([*inputs, *answer.groups, "5%", "50%", "95%", *observed, "range"], rows)
    if checked := answer.check():
        print(
            f"observed: {checked['held_90']} of {checked['points']} inside the 90 % interval; "
            f"mean relative error of the median {100 * checked['relative_error']:.2f} %"
        )
