"""Verbs that ask a saved fit."""

from __future__ import annotations

from typing import Annotated

import typer

from .arguments import Figure, Kind, load_fit, read_points
from .options import AsJson, At, FigureFile, FitFile, FitLaw, Force, Output, PointsFile, Seed
from .output import draw, give


def forecast(
    fit: FitFile,
    at: At = None,
    points: PointsFile = None,
    kind: Annotated[Kind, typer.Option(help="The law's mean, or one more run.")] = Kind.new_run,
    seed: Seed = 0,
    law: FitLaw = None,
    figure: FigureFile = None,
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
    give(answer, figure, as_json, objects.forecast_object, text.show_forecast)


def plot(
    fit: FitFile,
    output: Output,
    figure: Annotated[Figure, typer.Option("--figure", help="What to draw.")] = Figure.fit,
    law: FitLaw = None,
) -> None:
    """Draw a fit: curves over the runs, prior against posterior, residuals, or chains."""
    draw(load_fit(fit, law), output, figure.value)
