"""The catalogue of laws as a Markdown page."""

from __future__ import annotations

import re
from collections.abc import Sequence

from bayes_scaling.law import CITATIONS, FAMILIES, Law

_COMMANDS = {
    r"\|": r"\Vert ",
    "|": r"\vert ",
    r"\{": r"\lbrace ",
    r"\}": r"\rbrace ",
    **dict.fromkeys((r"\,", r"\;", r"\:", r"\!"), " "),
}


def families(laws: Sequence[Law]) -> dict[str, list[Law]]:
    """Laws by family, in the order of `FAMILIES`, by name within each."""
    ordered = sorted(laws, key=lambda law: law.name)
    grouped = {family: [law for law in ordered if law.family == family] for family in FAMILIES}
    return {family: members for family, members in grouped.items() if members}


def open_inputs(law: Law) -> str:
    """Names of the inputs; a star marks the one that stands for any number of columns."""
    return ", ".join(f"*{name}" if name == law.open else name for name in law.inputs)


def page(laws: Sequence[Law]) -> str:
    """Return the page: a table for each family, and how many papers are served.

    Parameters
    ----------
    laws : sequence of Law

    Returns
    -------
    str
        Markdown, without a newline at its end.
    """
    lines = [
        "# The laws",
        "",
        "Written by `make laws` from the law files; `bayes-scaling laws NAME` says more of each. A",
        "starred input stands for any number of columns, which follow the name of the law:",
        "`--law NAME:web,books,code`.",
    ]
    for family, members in families(laws).items():
        lines += [
            "",
            f"## {family}: {FAMILIES[family]}",
            "",
            "| law | formula | inputs | papers | tried on |",
            "|---|---|---|---|---|",
            *(_row(law) for law in members),
        ]
    papers = {key for law in laws for key in law.references}
    return "\n".join([*lines, "", f"{len(laws)} laws serve {len(papers)} papers."])


def _row(law: Law) -> str:
    cells = [
        f"`{law.name}`",
        _mathematics(law.formula),
        f"`{open_inputs(law)}`",
        ", ".join(_link(key) for key in law.references),
        ", ".join(law.tried_on),
    ]
    return f"| {' | '.join(re.sub(r'\s+', ' ', cell).replace('|', r'\|') for cell in cells)} |"


def _mathematics(formula: str) -> str:
    """A formula that Markdown leaves alone: bars end cells, and it eats some backslashes."""
    parts = formula.rstrip(".").split("$")
    for i in range(1, len(parts), 2):
        for text, command in _COMMANDS.items():
            parts[i] = parts[i].replace(text, command)
    return "$".join(parts)


def _link(key: str) -> str:
    paper = CITATIONS[key]
    return f"[{paper.short}](https://arxiv.org/abs/{paper.arxiv})" if paper.arxiv else paper.short
