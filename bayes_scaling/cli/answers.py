"""Verbs that ask a saved fit."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .arguments import Figure, Kind, load_fit, read_points
from .options import AsJson, At, FitFile, FitLaw, Force, Output, PointsFile, Seed
from .output import draw, print_json, tell


def forecast(
    fit: FitFile,
    at: At = None,
    points: PointsFile = None,
    kind: Annotated[Kind, typer.Option(help="The law's mean, or one more run.")] = Kind.new_run,
    seed: Seed = 0,
    law: FitLaw = None,
    figure: Annotated[
        Path | None, typer.Option("--figure", help="Also draw the forecast to this file.")
    ] = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Forecast runs at any inputs, for any recipe or one never seen."""
    from bayes_scaling import forecast as forecast_runs
    from bayes_scaling.display import objects, text

    fitted = load_fit(fit, law)
    answer = forecast_runs(
        fitted, read_points(fitted, at, points), kind=kind.value, seed=seed, force=force
    )
    if figure is not None:
        draw(answer, figure)
    if as_json:
        print_json(objects.forecast_object(answer))
    else:
        text.show_forecast(answer)
        tell(answer.warnings)


def plot(
    fit: FitFile,
    output: Output,
    figure: Annotated[Figure, typer.Option("--figure", help="What to draw.")] = Figure.fit,
    law: FitLaw = None,
) -> None:
    """Draw a fit: curves over the runs, prior against posterior, residuals, or chains."""
    draw(load_fit(fit, law), output, figure.value)
