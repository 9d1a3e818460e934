"""The verb that asks a saved fit for the best settings."""

from __future__ import annotations

from typing import Annotated

import typer

from .arguments import load_fit, read_pairs, read_points
from .options import AsJson, At, FigureFile, FitFile, FitLaw, Force, PointsFile, Seed
from .output import give


def tune(
    fit: FitFile,
    at: At = None,
    points: PointsFile = None,
    tried: Annotated[
        list[str] | None,
        typer.Option("--try", help="Settings to be judged, lr=1e-3,B=0.5M. May be repeated."),
    ] = None,
    bound: Annotated[
        float, typer.Option("--bound", help="Expected share of the loss that makes the plateau.")
    ] = 0.001,
    seed: Seed = 0,
    law: FitLaw = None,
    figure: FigureFile = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Find the best settings, such as learning rate and batch size, at any N and D."""
    from bayes_scaling import tune as find_best
    from bayes_scaling.display import tuning

    fitted = load_fit(fit, law)
    settings = [read_pairs(text.split(","), "--try") for text in tried or []] or None
    answer = find_best(
        fitted,
        read_points(fitted, at, points),
        settings=settings,
        bound=bound,
        seed=seed,
        force=force,
    )
    give(answer, figure, as_json, tuning.tuning_object, tuning.show_tuning)
