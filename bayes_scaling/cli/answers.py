"""Verbs that ask a saved fit."""

from __future__ import annotations

from typing import Annotated

import typer

from .arguments import Figure, ForecastOf, Kind, load_fit, read_points
from .options import AsJson, At, FigureFile, FitFile, FitLaw, Force, Output, PointsFile, Seed
from .output import draw, give


def forecast(
    fit: FitFile,
    at: At = None,
    points: PointsFile = None,
    kind: Annotated[Kind, typer.Option(help="The law's mean, or one more run.")] = Kind.new_run,
    of: Annotated[
        ForecastOf, typer.Option("--of", help="Of a chain: the response, or the loss it follows.")
    ] = ForecastOf.response,
    average: Annotated[
        str | None,
        typer.Option("--average", help="Grouping column to average over, such as the tasks."),
    ] = None,
    discrepancy: Annotated[
        bool,
        typer.Option(
            "--discrepancy/--no-discrepancy",
            help="Whether exponents may go on drifting beyond the fitted runs.",
        ),
    ] = True,
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
        fitted,
        read_points(fitted, at, points),
        kind=kind.value,
        of=of.value,
        discrepancy=discrepancy,
        seed=seed,
        force=force,
    )
    if average is not None:
        answer = answer.average_over(average)
    give(answer, figure, as_json, objects.forecast_object, text.show_forecast)


def plot(
    fit: FitFile,
    output: Output,
    figure: Annotated[Figure, typer.Option("--figure", help="What to draw.")] = Figure.fit,
    law: FitLaw = None,
) -> None:
    """Draw a fit: curves, prior against posterior, residuals, a predictive check, or chains."""
    draw(load_fit(fit, law), output, figure.value)
