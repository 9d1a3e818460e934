"""Verbs up to a fit: the laws, the check of a table, the fit itself, the demonstration."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bayes_scaling.errors import TableError, UsageError

from .arguments import Device
from .model import make_model, read_table
from .options import AsJson, Model, Output, RunsFile, Seed, with_model
from .output import draw, print_json, say, tell


def laws(
    name: Annotated[str | None, typer.Argument(help="Show one law in full.")] = None,
    as_json: AsJson = False,
    as_page: Annotated[
        bool, typer.Option("--markdown", help="Print the page models/README.md.")
    ] = False,
) -> None:
    """List the laws by family, or show one with its parameters, priors and papers."""
    from bayes_scaling import find_law, models
    from bayes_scaling.display import catalogue, objects, text

    if as_page and (name or as_json):
        raise UsageError("--markdown prints the page of all laws, without a name or --json")
    chosen = [find_law(name)] if name else [models.registry[k] for k in sorted(models.registry)]
    if as_json:
        print_json({"laws": [objects.law_object(law) for law in chosen]})
    elif as_page:
        typer.echo(catalogue.page(chosen))
    elif name:
        text.show_law(chosen[0])
    else:
        text.show_laws(chosen)


@with_model
def check(runs: RunsFile, model: Model, seed: Seed = 0, as_json: AsJson = False) -> None:
    """Report on a table and compare it with the prior predictive, without fitting."""
    import numpy as np

    from bayes_scaling.display import text
    from bayes_scaling.runs import check_runs

    asked = make_model(model)
    table = read_table(runs, asked.law, model)
    findings = [*table.findings, *check_runs(table, asked.law)]
    if any(f.severity == "error" for f in findings):
        raise TableError(findings)
    drawn = asked.prior_predictive(table, draws=1000, seed=seed)["response"].to_numpy()
    observed = table.frame["response"].to_numpy()
    levels = (0.05, 0.5, 0.95)
    seen = {f"{q:g}": float(np.quantile(observed, q)) for q in levels}
    expected = {f"{q:g}": float(np.nanquantile(drawn, q)) for q in levels}
    answer = {
        "runs": len(table),
        "law": asked.law.name,
        "observed": seen,
        "prior_predictive": expected,
        "warnings": [f.as_dict() for f in findings],
    }
    if as_json:
        print_json(answer)
        return
    text.show_table(
        ["", *(f"{q:.0%}" for q in levels)],
        [
            [f"{len(table)} observed losses", *text.numbers(seen.values())],
            ["prior predictive", *text.numbers(expected.values())],
        ],
    )
    tell(findings)


@with_model
def fit(
    runs: RunsFile,
    output: Output,
    model: Model,
    seed: Seed = 0,
    chains: Annotated[int, typer.Option(help="Number of chains.")] = 4,
    draws: Annotated[int, typer.Option(help="Draws of each chain.")] = 1000,
    warmup: Annotated[int, typer.Option(help="Warm-up iterations of each chain.")] = 500,
    target_accept: Annotated[
        float, typer.Option("--target-accept", help="Target acceptance rate, .5 to 1.")
    ] = 0.9,
    integrate: Annotated[
        bool,
        typer.Option("--integrate", help="Integrate out effects that means are linear in."),
    ] = False,
    device: Annotated[Device, typer.Option(help="auto is the CPU for one fit.")] = Device.auto,
    as_json: AsJson = False,
) -> None:
    """Sample the posterior of a law for a table of runs and save it."""
    from bayes_scaling.display import objects, text

    if not output.parent.is_dir():
        raise UsageError(f"folder '{output.parent}' of the output does not exist; make it first")
    if output.is_dir():
        raise UsageError(f"output '{output}' is a folder; name a file, such as {output / 'fit.nc'}")
    asked = make_model(model)
    table = read_table(runs, asked.law, model)
    fitted = asked.fit(
        table,
        seed=seed,
        chains=chains,
        draws=draws,
        warmup=warmup,
        target_accept=target_accept,
        integrate=integrate,
        device=device.value,
        report=say,
    )
    fitted.save(output)
    if as_json:
        print_json(objects.fit_object(fitted))
    else:
        say(text.show_fit(fitted))
        tell(fitted.warnings)
        say(f"saved to {output}")
    if not fitted.usable:
        raise typer.Exit(1)


def demo(
    folder: Annotated[
        Path, typer.Option("-o", "--output", help="Folder for table, fit, figure.")
    ] = Path("demo"),
    as_json: AsJson = False,
) -> None:
    """Fit the ladder of real runs that comes with the package, and forecast its largest ones."""
    from bayes_scaling import ScalingModel, models
    from bayes_scaling import forecast as forecast_runs
    from bayes_scaling.display import objects, text
    from bayes_scaling.runs import datasets

    if folder.exists() and not folder.is_dir():
        raise UsageError(f"output '{folder}' is a file; name a folder")
    ladder = datasets.ladder()
    runs, larger = ladder.tuned("fit"), ladder.tuned("target")
    say(f"{len(runs)} measured runs to fit, {len(larger)} larger ones held out")
    # the ladder's models are far smaller than those that priors and discrepancy were learned from
    fitted = ScalingModel(models.chinchilla, discrepancy=False).fit(runs, report=say)
    targets = larger.points()
    answer = forecast_runs(fitted, targets)
    folder.mkdir(parents=True, exist_ok=True)
    table = runs.frame[["recipe", "rung", "seed", "N", "D", "response"]]
    table.rename(columns={"response": runs.response}).to_csv(folder / "runs.csv", index=False)
    targets.to_csv(folder / "targets.csv", index=False)
    draw(answer, folder / "forecast.png")
    fitted.save(folder / "fit.nc")
    if as_json:
        print_json(objects.forecast_object(answer))
    else:
        text.show_forecast(answer)
        tell(fitted.warnings)
