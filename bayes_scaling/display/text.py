"""Laws, fits and answers as text tables on standard output."""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Collection, Sequence
from typing import Any, Literal

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bayes_scaling.answers import Forecast
from bayes_scaling.display.catalogue import families, open_inputs
from bayes_scaling.display.objects import law_object
from bayes_scaling.law import CITATIONS, FAMILIES, Law
from bayes_scaling.posterior import Fit


def numbers(values: Any) -> list[str]:
    """Numbers to four digits."""
    return [f"{v:.4g}" for v in values]


def show_table(
    header: list[str], rows: Sequence[list[str]], *, whole: Collection[str] = ()
) -> None:
    """Print a table: text to the left, numbers to the right; columns of `whole` never fold."""
    table = Table(box=box.SIMPLE, show_edge=False, pad_edge=False)
    for i, name in enumerate(header):
        text = any(cell and not _is_number(cell) for cell in (str(row[i]) for row in rows))
        justify: Literal["left", "right"] = "left" if text else "right"
        table.add_column(name, justify=justify, overflow="fold", no_wrap=name in whole)
    for row in rows:
        table.add_row(*(Text(str(cell)) for cell in row))
    # a pipe has no width of its own: do not fold for it
    Console(width=None if sys.stdout.isatty() else 140).print(table)


def _is_number(text: str) -> bool:
    if text == "never":
        return True
    try:
        float(text.removeprefix("> ").removeprefix("< "))
    except ValueError:
        return False
    return True


def show_laws(laws: Sequence[Law]) -> None:
    """Print a table of laws for each family."""
    for i, (family, members) in enumerate(families(laws).items()):
        print(f"{'\n' * (i > 0)}{family}: {FAMILIES[family]}\n")
        rows = [
            [
                law.name,
                readable(law_object(law)["formula"]),
                open_inputs(law),
                CITATIONS[law.citation].short,
            ]
            for law in members
        ]
        show_table(["law", "formula", "inputs", "citation"], rows, whole=("law", "citation"))


def readable(formula: str) -> str:
    """Return a shorter formula for a terminal: Greek letters, plain functions, no spacing."""

    def letter(command: re.Match[str]) -> str:
        case = "CAPITAL" if command[1][0].isupper() else "SMALL"
        name = {"lambda": "lamda"}.get(command[1].lower(), command[1])
        try:
            return unicodedata.lookup(f"GREEK {case} LETTER {name}")
        except KeyError:
            return command[0]

    text = re.sub(r"\\(?:left|right)(?![a-z])|\\[,;:!]", "", formula)
    text = re.sub(r"\\quad *|\\ ", " ", text).replace(r"\infty", "∞")
    text = re.sub(r"\\(ln|log|exp|min|max|sum|prod)(?![a-z])", r"\1", text)
    return re.sub(r"\\([A-Za-z]+)", letter, text)


def show_law(law: Law) -> None:
    """Print everything that a law declares."""
    described = law_object(law)
    print(f"{law.name}: {described['formula']}\n")
    if law.explanation:
        print(f"{law.explanation}\n")
    print(f"family: {law.family}, {FAMILIES[law.family]}")
    print(f"response: {law.response.kind} ({law.response.unit}); noise {law.response.noise}")
    if law.open:
        print(
            f"columns: any number as *{law.open}; name yours after the law, "
            f"{law.name}:web,books,code"
        )
    print()
    show_table(
        ["input", "meaning", "unit", "domain", "the law sees"],
        [
            ["*" * (i["name"] == law.open) + i["name"],
             *(i[k] for k in ("meaning", "unit", "domain", "centred"))]
            for i in described["inputs"]
        ],
        whole=("input",),
    )  # fmt: skip
    print()
    show_table(
        ["parameter", "meaning", "unit", "prior", "between groups"],
        [
            [p["name"] + "_*" * p["each"], *(p[k] for k in ("meaning", "unit", "prior")),
             "varies" if p["varies"] else "shared"]
            for p in described["parameters"]
        ],
        whole=("parameter",),
    )  # fmt: skip
    print()
    if law.derived:
        rows = [[d["name"], d["meaning"], d["unit"]] for d in described["derived"]]
        show_table(["derived", "meaning", "unit"], rows, whole=("derived",))
        print()
    for name, meaning in described["variants"].items():
        print(f"variant {law.name}:{name}: {meaning}")
    for reference in described["references"]:
        print(f"reference: {reference}")
    print(f"tried on: {', '.join(law.tried_on) or 'no measured data in this project yet'}")


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


def _show_sensitivity(answer: Forecast) -> None:
    """Say where answers outside the fitted runs repeat the prior."""
    table = answer.sensitivity
    moved = table[table["diagnosis"] != "-"]
    if not len(table):
        return
    worst = table["prior"].max()
    if not len(moved):
        print(
            f"prior sensitivity of points outside: {worst:.2f} at most, below .05: none to speak of"
        )
        return
    points = ", ".join(str(i + 1) for i in moved.index)
    kinds = "; ".join(moved["diagnosis"].unique())
    print(f"prior sensitivity of point {points}: {worst:.2f} ({kinds}); see --prior and priors=")


def show_forecast(answer: Forecast) -> None:
    """Print the median and 90 % interval of every point."""
    table = answer.summary()
    inputs = list(answer.extrapolation.columns)
    observed = ["observed"] if "observed" in table else []
    drifts = answer.discrepancy is not None
    rows = []
    for _, row in table.iterrows():
        labels = [row[g] if isinstance(row[g], str) else "(new)" for g in answer.groups]
        rows.append(
            [
                *numbers(row[k] for k in inputs),
                *labels,
                *(f"{row[k]:.4f}" for k in ("q0.05", "q0.5", "q0.95", *observed)),
                *([f"{row['discrepancy']:.0%}"] if drifts else []),
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
    show_table(
        [
            *inputs,
            *answer.groups,
            "5%",
            "50%",
            "95%",
            *observed,
            *(["drift"] if drifts else []),
            "range",
        ],
        rows,
    )
    if drifts and (table["discrepancy"] > 0).any():
        print("drift: share of the variance that comes of what no run has shown of the law")
    _show_sensitivity(answer)
    if checked := answer.check():
        print(
            f"observed: {checked['held_90']} of {checked['points']} inside the 90 % interval; "
            f"mean relative error of the median {100 * checked['relative_error']:.2f} %"
        )
