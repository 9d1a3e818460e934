"""The command line: parses, calls one public function a verb, prints.

Standard output carries the answer and nothing else; messages and progress go to
standard error. Exit status: 0 answered, 1 the table or the fit is unfit to
answer, 2 wrong usage. Heavy packages are imported inside the verbs, so that
``--help`` answers at once.
"""

from __future__ import annotations

import json
import math
import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from bayes_scaling.errors import (
    BayesScalingError,
    Finding,
    FitError,
    TableError,
    UsageError,
)

if TYPE_CHECKING:
    import pandas as pd

    from bayes_scaling.answers import Forecast
    from bayes_scaling.law import Law
    from bayes_scaling.posterior import Fit, ScalingModel
    from bayes_scaling.runs import Runs

app = typer.Typer(
    name="bayes-scaling",
    help="Scaling laws as hierarchical Bayesian models: forecasts with honest uncertainty.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class Kind(StrEnum):
    """Kinds of forecast."""

    mean = "mean"
    new_run = "new-run"


class Device(StrEnum):
    """Where to sample."""

    auto = "auto"
    cpu = "cpu"
    gpu = "gpu"


class Figure(StrEnum):
    """Figures of a fit."""

    fit = "fit"
    prior = "prior"
    residuals = "residuals"
    trace = "trace"


RunsFile = Annotated[Path, typer.Argument(help="Table of runs: CSV, Parquet or JSON lines.")]
FitFile = Annotated[Path, typer.Argument(help="A fit that bayes-scaling fit wrote.")]
LawName = Annotated[
    str, typer.Option("--law", help="Name of a law, law:variant, or a law file (my_law.py).")
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
    str, typer.Option("--noise", help="student-t or lognormal (log loss), or normal (raw loss).")
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
) -> None:
    """List the laws, or show one with its parameters and priors."""
    from bayes_scaling import find_law, models

    chosen = [find_law(name)] if name else [models.registry[k] for k in sorted(models.registry)]
    rows = [_law_object(law) for law in chosen]
    if as_json:
        _print_json({"laws": rows})
    elif name:
        _show_law(chosen[0])
    else:
        _show_table(
            ["law", "family", "inputs", "formula", "source"],
            [
                [r["name"], r["family"], ", ".join(i["name"] for i in r["inputs"]), r["formula"],
                 r["citation"]]
                for r in rows
            ],
        )  # fmt: skip


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
    noise: NoiseName = "student-t",
    unit: Unit = "nat/token",
    embeddings: Embeddings = None,
    flops: Flops = None,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Report on a table and compare it with the prior predictive, without fitting."""
    import numpy as np

    from bayes_scaling.runs import check_runs

    model = _model(law, pool, noise, rung)
    table = _read(runs, model.law, inputs, response, group, rung, se, run, replicate, where,
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
    _show_table(
        ["", *(f"{q:.0%}" for q in levels)],
        [
            [f"{len(table)} observed losses", *_numbers(seen.values())],
            ["prior predictive", *_numbers(expected.values())],
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
    noise: NoiseName = "student-t",
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
    if not output.parent.is_dir():
        raise UsageError(f"folder '{output.parent}' of the output does not exist; make it first")
    model = _model(law, pool, noise, rung)
    table = _read(runs, model.law, inputs, response, group, rung, se, run, replicate, where,
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
        _print_json(_fit_object(fitted))
    else:
        _show_fit(fitted)
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

    fitted = _load(fit, law)
    answer = forecast_runs(
        fitted, _points(fitted, at, points), kind=kind.value, seed=seed, force=force
    )
    if figure is not None:
        _draw(answer, figure)
    if as_json:
        _print_json(_forecast_object(answer))
    else:
        _show_forecast(answer)
        _tell(answer.warnings)


@app.command()
def plot(
    fit: FitFile,
    output: Output,
    figure: Annotated[Figure, typer.Option("--figure", help="What to draw.")] = Figure.fit,
    law: FitLaw = None,
) -> None:
    """Draw a fit: curves over the runs, prior against posterior, residuals, or chains."""
    _draw(_load(fit, law), output, figure.value)


@app.command()
def demo(
    folder: Annotated[Path, typer.Option("-o", "--output", help="Folder for table, fit, figure.")] = Path(
        "demo"
    ),
    as_json: AsJson = False,
) -> None:
    """Fit a small SYNTHETIC table that comes with the package and forecast its largest runs."""
    from bayes_scaling import ScalingModel, models
    from bayes_scaling import forecast as forecast_runs
    from bayes_scaling.runs import datasets

    runs, larger = datasets.synthetic("fit"), datasets.synthetic("target")
    _say(f"{len(runs)} SYNTHETIC runs to fit, {len(larger)} larger ones held out")
    fitted = ScalingModel(models.chinchilla).fit(runs, report=_say)
    targets = larger.frame[["N", "D", "recipe", "response"]]
    answer = forecast_runs(fitted, targets.rename(columns={"response": "observed"}))
    folder.mkdir(parents=True, exist_ok=True)
    columns = {"response": "loss"}
    runs.frame[["recipe", "N", "D", "response"]].rename(columns=columns).to_csv(
        folder / "runs.csv", index=False
    )
    _draw(answer, folder / "forecast.png")
    fitted.save(folder / "fit.nc")
    if as_json:
        _print_json(_forecast_object(answer))
    else:
        _show_forecast(answer)
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
            message = f"{error.format_message()} See bayes-scaling --help."
            _fail([Finding("usage", "error", message)], 2, as_json)
        if os.environ.get("BAYES_SCALING_DEBUG"):
            raise
        message = (
            f"this is a defect of bayes-scaling: {type(error).__name__}: {error}; "
            f"set BAYES_SCALING_DEBUG=1 to see where, and report it"
        )
        _fail([Finding("defect", "error", message)], 1, as_json)
    sys.exit(status or 0)


# -- reading arguments ------------------------------------------------------


def _pairs(texts: list[str] | None, option: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in texts or []:
        name, equals, value = text.partition("=")
        if not equals or not name or not value:
            raise UsageError(f"{option} expects NAME=VALUE, got '{text}'")
        if name in found:
            raise UsageError(f"{option} names {name} twice")
        found[name] = value
    return found


def _model(law: str, pool: list[str] | None, noise: str, rung: str | None) -> ScalingModel:
    from bayes_scaling import ScalingModel, find_law

    return ScalingModel(
        find_law(law),
        pool=_pairs(pool, "--pool"),  # type: ignore[arg-type]
        noise=noise,
        rung=False if rung == "off" else None,
    )


def _read(
    path: Path,
    law: Law,
    inputs: list[str] | None,
    response: str,
    group: list[str] | None,
    rung: str | None,
    se: str | None,
    run: str | None,
    replicate: str | None,
    where: str | None,
    unit: str,
    embeddings: bool | None,
    flops: str | None,
) -> Runs:
    from bayes_scaling import read_runs

    named = _pairs(inputs, "--input")
    for name in named:
        if name not in law.inputs:
            raise UsageError(
                f"--input names {name}, which law {law.name} does not have; "
                f"it has {', '.join(law.inputs)}"
            )
    return read_runs(
        path,
        inputs={name: named.get(name, name) for name in law.inputs},
        response=response,
        group=group,
        rung=None if rung == "off" else rung,
        seed=replicate,
        se=se,
        run=run,
        where=where,
        unit=unit,
        counts_embeddings=embeddings,
        flops=flops,
    )


def _load(path: Path, law: str | None) -> Fit:
    from bayes_scaling import find_law, load

    return load(path, find_law(law) if law else None)


def _points(fit: Fit, at: list[str] | None, file: Path | None) -> pd.DataFrame:
    import pandas as pd

    from bayes_scaling.runs import parse_number
    from bayes_scaling.runs.table import load_table

    if bool(at) == (file is not None):
        raise UsageError("give points either with --at N=7B,D=1.4T or with --points FILE")
    if file is not None:
        return load_table(file)
    rows: list[dict[str, Any]] = []
    for text in at or []:
        pairs = _pairs(text.split(","), "--at")
        numbers = {*fit.law.inputs, "se", "observed"}
        rows.append({k: parse_number(v) if k in numbers else v for k, v in pairs.items()})
    return pd.DataFrame(rows)


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


def _number(value: float) -> float | None:
    """JSON has no nan: a missing number is null."""
    return float(value) if math.isfinite(value) else None


def _numbers(values: Any) -> list[str]:
    return [f"{v:.4g}" for v in values]


def _quantiles(row: pd.Series) -> dict[str, float | None]:
    return {k[1:]: _number(row[k]) for k in row.index if str(k).startswith("q0.")}


def _law_object(law: Law) -> dict[str, Any]:
    from bayes_scaling.law import CITATIONS

    return {
        "name": law.name,
        "family": law.family,
        "formula": law.formula.strip("$."),
        "response": {"kind": law.response.kind, "unit": law.response.unit},
        "inputs": [
            {"name": k, "meaning": v.meaning, "unit": v.unit} for k, v in law.inputs.items()
        ],
        "parameters": [
            {
                "name": k,
                "meaning": v.meaning,
                "unit": v.unit,
                "prior": str(v.prior),
                "varies": v.varies,
            }
            for k, v in law.parameters.items()
        ],
        "derived": [{"name": d.name, "meaning": d.meaning, "unit": d.unit} for d in law.derived],
        "variants": {k: v.meaning for k, v in law.variants.items()},
        "citation": str(CITATIONS[law.citation]),
        "references": [str(CITATIONS[k]) for k in law.references],
    }


def _fit_object(fit: Fit) -> dict[str, Any]:
    table = fit.summary()
    learned = table[table["kind"] != "derived"]
    derived = table[table["kind"] == "derived"]
    return {
        "law": fit.law.name,
        "unit": fit.record.unit,
        "counts_embeddings": fit.record.counts_embeddings,
        "flops": fit.record.flops,
        "references": fit.spec.references,
        "parameters": [_quantity(row) for _, row in learned.iterrows()],
        "derived": [_quantity(row) for _, row in derived.iterrows()],
        "diagnostics": fit.diagnostics,
        "warnings": [w.as_dict() for w in fit.warnings],
    }


def _quantity(row: pd.Series) -> dict[str, Any]:
    return {
        "name": row["name"],
        "group": row["group"] or None,
        "mean": _number(row["mean"]),
        "sd": _number(row["sd"]),
        "quantiles": _quantiles(row),
        "rhat": _number(row["rhat"]),
        "ess_bulk": _number(row["ess_bulk"]),
        "ess_tail": _number(row["ess_tail"]),
        "contraction": _number(row["contraction"]),
    }


def _forecast_object(answer: Forecast) -> dict[str, Any]:
    points = []
    inputs = list(answer.extrapolation.columns)
    rows = answer.summary().iterrows()
    for (_, row), (_, beyond) in zip(rows, answer.extrapolation.iterrows(), strict=True):
        labels = [row[g] if isinstance(row[g], str) else None for g in answer.groups]
        point = {
            "inputs": {k: float(row[k]) for k in inputs},
            "group": labels[0]
            if len(labels) == 1
            else dict(zip(answer.groups, labels, strict=True)) or None,
            "mean": _number(row["mean"]),
            "sd": _number(row["sd"]),
            "quantiles": _quantiles(row),
            "extrapolation": {
                "decades": {k: float(beyond[k]) for k in inputs},
                "label": row["extrapolation"],
            },
        }
        if "observed" in row.index:
            point["observed"] = _number(row["observed"])
        points.append(point)
    return {
        "law": answer.law,
        "response": answer.response,
        "unit": answer.unit,
        "kind": answer.kind,
        "points": points,
        "warnings": [w.as_dict() for w in answer.warnings],
    }


def _show_table(header: list[str], rows: list[list[str]]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE, show_edge=False, pad_edge=False)
    for i, name in enumerate(header):
        text = any(cell and not _is_number(cell) for cell in (str(row[i]) for row in rows))
        table.add_column(name, justify="left" if text else "right", overflow="fold")
    for row in rows:
        table.add_row(*(str(cell).replace("[", r"\[") for cell in row))
    # a pipe has no width of its own: do not fold for it
    Console(width=None if sys.stdout.isatty() else 140).print(table)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _show_law(law: Law) -> None:
    described = _law_object(law)
    typer.echo(f"{law.name}: {described['formula']}")
    typer.echo(f"response: {law.response.kind} ({law.response.unit})")
    for reference in described["references"]:
        typer.echo(f"reference: {reference}")
    _show_table(
        ["input", "meaning", "unit"],
        [[i["name"], i["meaning"], i["unit"]] for i in described["inputs"]],
    )
    _show_table(
        ["parameter", "meaning", "unit", "prior", "between groups"],
        [
            [p["name"], p["meaning"], p["unit"], p["prior"], "varies" if p["varies"] else "shared"]
            for p in described["parameters"]
        ],
    )
    _show_table(
        ["derived", "meaning", "unit"],
        [[d["name"], d["meaning"], d["unit"]] for d in described["derived"]],
    )
    for name, meaning in described["variants"].items():
        typer.echo(f"variant {law.name}:{name}: {meaning}")


def _show_fit(fit: Fit) -> None:
    _show_table(
        ["parameter", "group", "mean", "sd", "5%", "50%", "95%", "R-hat", "ESS"],
        [
            [
                row["name"],
                row["group"],
                *_numbers([row["mean"], row["sd"], row["q0.05"], row["q0.5"], row["q0.95"]]),
                f"{row['rhat']:.3f}",
                f"{row['ess_bulk']:.0f}",
            ]
            for _, row in fit.summary().iterrows()
        ],
    )
    seconds = fit.record.seconds
    _say(
        f"{fit.diagnostics['divergences']} divergences; "
        f"compiled in {seconds['compile']:.1f} s, sampled in {seconds['sample']:.1f} s"
    )


def _show_forecast(answer: Forecast) -> None:
    table = answer.summary()
    inputs = list(answer.extrapolation.columns)
    observed = ["observed"] if "observed" in table else []
    rows = []
    for _, row in table.iterrows():
        labels = [row[g] if isinstance(row[g], str) else "(new)" for g in answer.groups]
        rows.append(
            [
                *_numbers(row[k] for k in inputs),
                *labels,
                *(f"{row[k]:.4f}" for k in ("q0.05", "q0.5", "q0.95", *observed)),
                row["extrapolation"],
            ]
        )
    typer.echo(f"{answer.response} ({answer.unit}) of {answer.kind}, law {answer.law}")
    _show_table([*inputs, *answer.groups, "5%", "50%", "95%", *observed, "range"], rows)


def _draw(thing: Any, output: Path, figure: str = "fit") -> None:
    """Draw a fit or a forecast to a file."""
    from bayes_scaling.display.plot import save_figure

    save_figure(thing, output, figure)
    _say(f"figure written to {output}")
