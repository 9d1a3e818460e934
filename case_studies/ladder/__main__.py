"""Command line of the ladder: ``python -m case_studies.ladder --help``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from . import smoke as _smoke
from . import sweep as _sweep
from . import tables as _tables

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__)
Results = Annotated[Path, typer.Option(help="one line a finished run")]
Studies = Annotated[list[str] | None, typer.Option("--study", help="only these studies")]


@app.command()
def sweep(study: Studies = None, results: Results = _sweep.RESULTS, workers: int = 2) -> None:
    """Run what is planned and not done yet."""
    _sweep.sweep(tuple(study or ()), results, workers)


@app.command()
def rules(results: Results = _sweep.RESULTS) -> None:
    """Print the best learning rate of each recipe as a power of N and D."""
    print(_sweep.rules(results).round(4).to_string(index=False))


@app.command()
def tables(results: Results = _sweep.RESULTS) -> None:
    """Write the tables of the package from the finished runs."""
    _tables.write(results)


@app.command()
def restore(results: Results = _sweep.RESULTS) -> None:
    """Write the package's runs into the results, so that a sweep adds to them."""
    _tables.restore(results)


@app.command()
def smoke(workers: int = 2) -> None:
    """Train a handful of runs again; fail where a loss is beyond seed noise of the committed."""
    raise typer.Exit(0 if _smoke.smoke(workers) else 1)


if __name__ == "__main__":
    app()
