"""The command line: parses, calls one public function a verb, prints.

Standard output carries the answer and nothing else; messages and progress go to
standard error. Exit status: 0 answered, 1 the table or the fit is unfit to
answer, 2 wrong usage. Heavy packages are imported inside the verbs, so that
``--help`` answers at once.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from bayes_scaling.arguments import (
    Device,
    Figure,
    Kind,
    load_fit,
    make_model,
    read_points,
    read_table,
)
from bayes_scaling.errors import (
    BayesScalingError,
    Finding,
    FitError,
    TableError,
    UsageError,
)

app = typer.Typer(
    name="bayes-scaling",
    help="Scaling laws as hierarchical Bayesian models: forecasts with honest uncertainty.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


RunsFile = Annotated[Path, typer.Argument(help="Table of runs: CSV, Parquet or JSON lines.")]
FitFile = Annotated[Path, typer.Argument(help="A fit that bayes-scaling fit wrote.")]
LawName = Annotated[
    str, typer.Option("--law", help="A law, law:variant, law:web,books (columns), or my_law.py.")
]
FitLaw = Annotated[
    str | None,
    typer.Option("--law", help="Law file of the fit, if it is no longer where it was."),
]
Inputs = Annotated[
    list[str] | None,
    typer.Option("--input", help="Column of an input, N=params. Once for each input."),
]
Response = Annotated[str, typer.Option("--response", help="Column of the loss.")]
Group = Annotated[
    list[str] | None,
    typer.Option("--group", help="Grouping column, such as the recipe. May be repeated."),
]
Rung = Annotated[
    str | None,
    typer.Option(
        "--rung", help="Column of the rung; by default runs of equal inputs share one; 'off'."
    ),
]
StandardError = Annotated[
    str | None, typer.Option("--se", help="Column of the known standard error of the loss.")
]
RunName = Annotated[str | None, typer.Option("--run", help="Column that names the runs.")]
Replicate = Annotated[
    str | None, typer.Option("--replicate", help="Column of the training seed of replicates.")
]
Where = Annotated[
    str | None, typer.Option("--where", help="Keep the rows where this expression holds.")
]
Pool = Annotated[
    list[str] | None,
    typer.Option("--pool", help="alpha=partial, complete or separate. May be repeated."),
]
NoiseName = Annotated[
    str | None,
    typer.Option(
        "--noise",
        help="student-t or lognormal (on the log), student-t-raw or normal, upper-frontier or "
        "lower-frontier; by default the law's own.",
    ),
]
Unit = Annotated[str, typer.Option("--unit", help="Unit of the loss.")]
Embeddings = Annotated[
    bool | None,
    typer.Option(
        "--embeddings/--no-embeddings", help="Whether N counts embeddings: kept with the fit."
    ),
]
Flops = Annotated[
    str | None, typer.Option("--flops", help="How FLOPs are counted, such as 6ND: kept.")
]
Seed = Annotated[int, typer.Option("--seed", help="Seed of the random numbers.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Force = Annotated[bool, typer.Option("--force", help="Answer in spite of poor diagnostics.")]
At = Annotated[
    list[str] | None,
    typer.Option("--at", help="A point, N=7B,D=1.4T,recipe=muon. May be repeated."),
]
PointsFile = Annotated[
    Path | None, typer.Option("--points", help="Table of points: one column an input or group.")
]
Output = Annotated[Path, typer.Option("-o", "--output", help="File to write.")]


@app.command()
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
        _print_json({"laws": [objects.law_object(law) for law in chosen]})
    elif as_page:
        typer.echo(catalogue.page(chosen))
    elif name:
        text.show_law(chosen[0])
    else:
        text.show_laws(chosen)


@app.command()
def check(
    runs: RunsFile,
    law: LawName = "chinchilla",
    inputs: Inputs = None,
    response: Response = "loss",
    group: Group = None,
    rung: Rung = None,
    se: StandardError = None,
    run: RunName = None,
    replicate: Replicate = None,
    where: Where = None,
    pool: Pool = None,
    noise: NoiseName = None,
    unit: Unit = "nat/token",
    embeddings: Embeddings = None,
    flops: Flops = None,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Report on a table and compare it with the prior predictive, without fitting."""
    import numpy as np

    from bayes_scaling.display import text
    from bayes_scaling.runs import check_runs

    model = make_model(law, pool, noise, rung)
    table = read_table(runs, model.law, inputs, response, group, rung, se, run, replicate, where,
                  unit, embeddings, flops)  # fmt: skip
    findings = [*table.findings, *check_runs(table, model.law)]
    if any(f.severity == "error" for f in findings):
        raise TableError(findings)
    drawn = model.prior_predictive(table, draws=1000, seed=seed)["response"].to_numpy()
    observed = table.frame["response"].to_numpy()
    levels = (0.05, 0.5, 0.95)
    seen = {f"{q:g}": float(np.quantile(observed, q)) for q in levels}
    expected = {f"{q:g}": float(np.nanquantile(drawn, q)) for q in levels}
    answer = {
        "runs": len(table),
        "law": model.law.name,
        "observed": seen,
        "prior_predictive": expected,
        "warnings": [f.as_dict() for f in findings],
    }
    if as_json:
        _print_json(answer)
        return
    text.show_table(
        ["", *(f"{q:.0%}" for q in levels)],
        [
            [f"{len(table)} observed losses", *text.numbers(seen.values())],
            ["prior predictive", *text.numbers(expected.values())],
        ],
    )
    _tell(findings)


@app.command()
def fit(
    runs: RunsFile,
    output: Output,
    law: LawName = "chinchilla",
    inputs: Inputs = None,
    response: Response = "loss",
    group: Group = None,
    rung: Rung = None,
    se: StandardError = None,
    run: RunName = None,
    replicate: Replicate = None,
    where: Where = None,
    pool: Pool = None,
    noise: NoiseName = None,
    unit: Unit = "nat/token",
    embeddings: Embeddings = None,
    flops: Flops = None,
    seed: Seed = 0,
    chains: Annotated[int, typer.Option(help="Number of chains.")] = 4,
    draws: Annotated[int, typer.Option(help="Draws of each chain.")] = 1000,
    warmup: Annotated[int, typer.Option(help="Warm-up iterations of each chain.")] = 500,
    target_accept: Annotated[
        float, typer.Option("--target-accept", help="Target acceptance rate, .5 to 1.")
    ] = 0.9,
    device: Annotated[Device, typer.Option(help="auto is the CPU for one fit.")] = Device.auto,
    as_json: AsJson = False,
) -> None:
    """Sample the posterior of a law for a table of runs and save it."""
    from bayes_scaling.display import objects, text

    if not output.parent.is_dir():
        raise UsageError(f"folder '{output.parent}' of the output does not exist; make it first")
    if output.is_dir():
        raise UsageError(f"output '{output}' is a folder; name a file, such as {output / 'fit.nc'}")
    model = make_model(law, pool, noise, rung)
    table = read_table(runs, model.law, inputs, response, group, rung, se, run, replicate, where,
                  unit, embeddings, flops)  # fmt: skip
    fitted = model.fit(
        table,
        seed=seed,
        chains=chains,
        draws=draws,
        warmup=warmup,
        target_accept=target_accept,
        device=device.value,
        report=_say,
    )
    fitted.save(output)
    if as_json:
        _print_json(objects.fit_object(fitted))
    else:
        _say(text.show_fit(fitted))
        _tell(fitted.warnings)
        _say(f"saved to {output}")
    if not fitted.usable:
        raise typer.Exit(1)


@app.command()
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
        _draw(answer, figure)
    if as_json:
        _print_json(objects.forecast_object(answer))
    else:
        text.show_forecast(answer)
        _tell(answer.warnings)


@app.command()
def plot(
    fit: FitFile,
    output: Output,
    figure: Annotated[Figure, typer.Option("--figure", help="What to draw.")] = Figure.fit,
    law: FitLaw = None,
) -> None:
    """Draw a fit: curves over the runs, prior against posterior, residuals, or chains."""
    _draw(load_fit(fit, law), output, figure.value)


@app.command()
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
    _say(f"{len(runs)} measured runs to fit, {len(larger)} larger ones held out")
    fitted = ScalingModel(models.chinchilla).fit(runs, report=_say)
    targets = larger.points()
    answer = forecast_runs(fitted, targets)
    folder.mkdir(parents=True, exist_ok=True)
    table = runs.frame[["recipe", "rung", "seed", "N", "D", "response"]]
    table.rename(columns={"response": runs.response}).to_csv(folder / "runs.csv", index=False)
    targets.to_csv(folder / "targets.csv", index=False)
    _draw(answer, folder / "forecast.png")
    fitted.save(folder / "fit.nc")
    if as_json:
        _print_json(objects.forecast_object(answer))
    else:
        text.show_forecast(answer)
        _tell(fitted.warnings)


def main() -> None:
    """Run the command line; every error is one clear message, never a traceback."""
    # small matrices: threads of the linear algebra only get in each other's way
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    as_json = "--json" in sys.argv
    try:
        status = app(standalone_mode=False)
    except typer.Exit as stop:
        sys.exit(stop.exit_code)
    except typer.Abort:
        _fail([Finding("aborted", "error", "stopped")], 1, as_json)
    except UsageError as error:
        _fail([Finding("usage", "error", str(error))], 2, as_json)
    except TableError as error:
        _fail(list(error.findings), 1, as_json)
    except FitError as error:
        _fail([Finding("unfit", "error", str(error))], 1, as_json)
    except BayesScalingError as error:
        _fail([Finding("failed", "error", str(error))], 1, as_json)
    except Exception as error:
        if hasattr(error, "format_message"):  # one of the parser's usage errors
            if not error.format_message():  # no verb: the help has been printed
                sys.exit(2)
            message = f"{error.format_message().rstrip('.')}; see bayes-scaling --help"
            _fail([Finding("usage", "error", message)], 2, as_json)
        if os.environ.get("BAYES_SCALING_DEBUG"):
            raise
        message = (
            f"this is a defect of bayes-scaling: {type(error).__name__}: {error}; "
            f"set BAYES_SCALING_DEBUG=1 to see where, and report it"
        )
        _fail([Finding("defect", "error", message)], 1, as_json)
    sys.exit(status or 0)


# -- writing answers --------------------------------------------------------


def _say(message: str) -> None:
    typer.echo(message, err=True)


def _tell(findings: Any) -> None:
    for f in findings:
        _say(f"{f.severity}: {f.message} [{f.code}]")


def _fail(findings: list[Finding], status: int, as_json: bool) -> NoReturn:
    if as_json:
        _print_json({"error": True, "warnings": [f.as_dict() for f in findings]})
    _tell(findings)
    sys.exit(status)


def _print_json(answer: dict[str, Any]) -> None:
    typer.echo(json.dumps(answer, allow_nan=False))


def _draw(thing: Any, output: Path, figure: str = "fit") -> None:
    """Draw a fit or a forecast to a file."""
    from bayes_scaling.display.plot import save_figure

    save_figure(thing, output, figure)
    _say(f"figure written to {output}")
