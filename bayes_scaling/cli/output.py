"""Writing: answers to standard output, messages to standard error, figures to files."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import typer

from bayes_scaling.errors import Finding


def say(message: str) -> None:
    """Write a message to standard error."""
    typer.echo(message, err=True)


def tell(findings: Any) -> None:
    """Write findings to standard error, one a line."""
    for f in findings:
        say(f"{f.severity}: {f.message} [{f.code}]")


def together(*answers: Any) -> list[Finding]:
    """Findings of several answers, each once."""
    return list(dict.fromkeys(finding for answer in answers for finding in answer.warnings))


def fail(findings: list[Finding], status: int, as_json: bool) -> NoReturn:
    """Write what is wrong and end with the exit status."""
    if as_json:
        print_json({"error": True, "warnings": [f.as_dict() for f in findings]})
    tell(findings)
    sys.exit(status)


def print_json(answer: dict[str, Any]) -> None:
    """Print an answer as one JSON object."""
    typer.echo(json.dumps(answer, allow_nan=False))


def give(
    answer: Any,
    figure: Path | None,
    as_json: bool,
    as_object: Callable[[Any], dict[str, Any]],
    show: Callable[[Any], None],
) -> None:
    """Draw an answer where asked, and print it as JSON or as text with its warnings."""
    if figure is not None:
        draw(answer, figure)
    if as_json:
        print_json(as_object(answer))
    else:
        show(answer)
        tell(answer.warnings)


def draw(thing: Any, output: Path, figure: str = "fit") -> None:
    """Draw a fit or a forecast to a file."""
    from bayes_scaling.display.plot import save_figure

    save_figure(thing, output, figure)
    say(f"figure written to {output}")
