"""Verbs about metrics: thresholds, emergence, repeated samples, density."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bayes_scaling.errors import UsageError

from .arguments import load_fit, read_pairs, read_points, read_range
from .options import AsJson, At, FigureFile, FitFile, FitLaw, Force, PointsFile, Seed
from .output import give


def threshold(
    fit: FitFile,
    level: Annotated[float, typer.Option("--level", help="Level that the response passes.")],
    along: Annotated[str, typer.Option("--along", help="Input along which it is looked for.")],
    within: Annotated[
        str | None, typer.Option("--within", help="Range of that input, such as 1e8:1e12.")
    ] = None,
    ratio: Annotated[
        list[str] | None,
        typer.Option("--ratio", help="Input that grows with it, D=20 for 20 tokens a parameter."),
    ] = None,
    at: At = None,
    points: PointsFile = None,
    seed: Seed = 0,
    law: FitLaw = None,
    figure: FigureFile = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Find the scale at which a response passes a level, as a distribution."""
    from bayes_scaling import threshold as find_threshold
    from bayes_scaling.display import metrics
    from bayes_scaling.runs import parse_number

    fitted = load_fit(fit, law)
    answer = find_threshold(
        fitted,
        level,
        along,
        at=read_points(fitted, at, points) if at or points else None,
        ratios={k: parse_number(v) for k, v in read_pairs(ratio, "--ratio").items()},
        within=None if within is None else read_range(within, "--within"),
        seed=seed,
        force=force,
    )
    give(answer, figure, as_json, metrics.threshold_object, metrics.show_threshold)


def emergence(
    fit: FitFile, law: FitLaw = None, force: Force = False, as_json: AsJson = False
) -> None:
    """Say of every task whether its curve accelerates, and with what evidence."""
    from bayes_scaling import emergence as weigh
    from bayes_scaling.display import metrics

    answer = weigh(load_fit(fit, law), force=force)
    give(answer, None, as_json, metrics.emergence_object, metrics.show_emergence)


def coverage(
    fit: FitFile,
    at: At = None,
    points: PointsFile = None,
    k: Annotated[list[int] | None, typer.Option("-k", help="Samples. May be repeated.")] = None,
    same_problems: Annotated[
        bool, typer.Option("--same-problems", help="Of the fitted problems, their counts known.")
    ] = False,
    price: Annotated[
        float | None,
        typer.Option("--price", help="Of a sample, in units of the worth of a solved problem."),
    ] = None,
    seed: Seed = 0,
    law: FitLaw = None,
    figure: FigureFile = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Forecast pass@k, and the samples after which another one no longer pays."""
    from bayes_scaling import coverage as cover
    from bayes_scaling.display import metrics

    fitted = load_fit(fit, law)
    answer = cover(
        fitted,
        read_points(fitted, at, points),
        k or (1, 10, 100, 1000, 10_000),
        same_problems=same_problems,
        price=price,
        seed=seed,
        force=force,
    )
    give(answer, figure, as_json, metrics.coverage_object, metrics.show_coverage)


def retries(
    fit: FitFile,
    at: At = None,
    points: PointsFile = None,
    most: Annotated[int, typer.Option("--most", help="Largest number of samples.")] = 1000,
    cost: Annotated[
        float, typer.Option("--cost", help="Of an accepted wrong answer; a right one is worth 1.")
    ] = 1.0,
    price: Annotated[float, typer.Option("--price", help="Of a sample, in the same units.")] = 0.0,
    seed: Seed = 0,
    law: FitLaw = None,
    figure: FigureFile = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Find how often to try when an imperfect verifier accepts the answers."""
    from bayes_scaling import retries as try_again
    from bayes_scaling.display import metrics

    fitted = load_fit(fit, law)
    answer = try_again(
        fitted,
        read_points(fitted, at, points),
        most=most,
        cost=cost,
        price=price,
        seed=seed,
        force=force,
    )
    give(answer, figure, as_json, metrics.retries_object, metrics.show_retries)


def density(
    fit: FitFile,
    models: Annotated[Path, typer.Argument(help="Table of models: score, N, others are kept.")],
    at: Annotated[
        str | None, typer.Option("--at", help="Other inputs of the reference family, D=1T.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Also write the table, for density_trend.")
    ] = None,
    seed: Seed = 0,
    law: FitLaw = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Compute effective sizes and densities of models from their scores."""
    from bayes_scaling import densities
    from bayes_scaling.display import metrics
    from bayes_scaling.runs import parse_number
    from bayes_scaling.runs.table import load_table

    if output is not None and not output.parent.is_dir():
        raise UsageError(f"folder '{output.parent}' of the output does not exist; make it first")
    given = read_pairs(at.split(","), "--at") if at else {}
    answer = densities(
        load_fit(fit, law),
        load_table(models),
        at={k: parse_number(v) for k, v in given.items()},
        seed=seed,
        force=force,
    )
    if output is not None:
        answer.summary().to_csv(output, index=False)
    give(answer, None, as_json, metrics.densities_object, metrics.show_densities)
