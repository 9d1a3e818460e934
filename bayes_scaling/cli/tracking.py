"""Verbs that ask a saved fit of curves about a running job and about schedules."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bayes_scaling.errors import UsageError

from .arguments import load_fit, read_pairs
from .model import input_columns
from .options import AsJson, FigureFile, FitFile, FitLaw, Force, Inputs, RateWarmup, Response, Seed
from .output import give

if TYPE_CHECKING:
    from bayes_scaling.posterior import Fit
    from bayes_scaling.runs import Runs


def track(
    fit: FitFile,
    curve: Annotated[Path, typer.Argument(help="Rows of one running job: CSV, Parquet, ...")],
    inputs: Inputs = None,
    response: Response = "loss",
    schedule: Annotated[
        str | None,
        typer.Option("--schedule", help="The whole schedule as text, or a fitted run's label."),
    ] = None,
    rate: Annotated[
        str | None, typer.Option("--rate", help="Column of the learning rate, to the end.")
    ] = None,
    schedule_column: Annotated[
        str | None, typer.Option("--schedule-column", help="Column of the schedule as text.")
    ] = None,
    rate_warmup: RateWarmup = None,
    where: Annotated[
        str | None, typer.Option("--where", help="Keep the rows where this expression holds.")
    ] = None,
    group_label: Annotated[
        list[str] | None,
        typer.Option("--group-label", help="Group of the job, recipe=muon. May be repeated."),
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", help="Inputs at the end of the run, step=24000.")
    ] = None,
    level: Annotated[float, typer.Option("--level", help="Chance of a false alarm.")] = 0.01,
    seed: Seed = 0,
    law: FitLaw = None,
    figure: FigureFile = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Say whether a running job is on track, and where it will end."""
    from bayes_scaling import track as track_job
    from bayes_scaling.display import running

    fitted = load_fit(fit, law)
    if schedule and (rate or schedule_column):
        raise UsageError("give the schedule once: --schedule, --rate or --schedule-column")
    runs = _read_curve(fitted, curve, inputs, response, rate,
                       schedule_column, rate_warmup, where)  # fmt: skip
    answer = track_job(
        fitted,
        _job(fitted, runs, schedule, read_pairs(group_label, "--group-label")),
        until=read_pairs(until.split(","), "--until") if until else None,
        level=level,
        seed=seed,
        force=force,
    )
    give(answer, figure, as_json, running.tracking_object, running.show_tracking)


def schedules(
    fit: FitFile,
    schedule: Annotated[
        list[str] | None,
        typer.Option("--schedule", help="NAME=TEXT, a text or a fitted run's label. Repeatable."),
    ] = None,
    at: Annotated[
        str | None, typer.Option("--at", help="Other inputs and groups, recipe=muon.")
    ] = None,
    seed: Seed = 0,
    law: FitLaw = None,
    figure: FigureFile = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Compare learning-rate schedules by the loss at their ends."""
    from bayes_scaling import compare_schedules
    from bayes_scaling.display import running

    answer = compare_schedules(
        load_fit(fit, law),
        _named(schedule or []),
        at=read_pairs(at.split(","), "--at") if at else None,
        seed=seed,
        force=force,
    )
    give(answer, figure, as_json, running.schedules_object, running.show_schedules)


def _named(texts: list[str]) -> dict[str, str]:
    """Schedules by name; without a name a text is its own."""
    found: dict[str, str] = {}
    for text in texts:
        head, equals, value = text.partition("=")
        # cosine:peak=... begins with a kind, not with a name
        name, plan = (head, value) if equals and ":" not in head else (text, text)
        if name in found:
            raise UsageError(f"--schedule names {name} twice")
        found[name] = plan
    return found


def _read_curve(
    fit: Fit,
    path: Path,
    inputs: list[str] | None,
    response: str,
    rate: str | None,
    schedule: str | None,
    warmup: int | None,
    where: str | None,
) -> Runs:
    from bayes_scaling import read_runs
    from bayes_scaling.runs.table import load_table

    table = load_table(path)
    table["one run"] = "job"
    return read_runs(
        table,
        inputs=input_columns(fit.law, inputs),
        response=response,
        run="one run",
        where=where,
        rate=rate,
        schedule=schedule,
        rate_warmup=warmup,
    )


def _job(fit: Fit, runs: Runs, schedule: str | None, labels: dict[str, str]) -> Any:
    """Rows of the job with what the table does not hold."""
    unknown = [g for g in labels if g not in fit.groups]
    if unknown:
        raise UsageError(
            f"--group-label names {', '.join(unknown)}; the fit's groups: "
            f"{', '.join(fit.groups) or 'none'}"
        )
    if fit.law.scheduled and not schedule and not runs.schedules:
        raise UsageError(
            f"law {fit.law.name} needs the schedule of the run: --schedule cosine:peak=3e-4,"
            f"steps=24000,warmup=2160, or a column with --rate or --schedule-column"
        )
    from bayes_scaling.answers.running import job_rows

    return job_rows(runs).assign(**({"schedule": schedule} if schedule else {}), **labels)
