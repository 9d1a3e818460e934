"""The options that verbs share: what each is called, and its help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

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
