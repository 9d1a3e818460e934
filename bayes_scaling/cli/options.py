"""The options that verbs share: what each is called, and its help."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from .arguments import Asks, Better, Gain, Kind, PriorName

RunsFile = Annotated[Path, typer.Argument(help="Table of runs: CSV, Parquet or JSON lines.")]
FitFile = Annotated[Path, typer.Argument(help="A fit that bayes-scaling fit wrote.")]
LawName = Annotated[
    str,
    typer.Option(
        "--law",
        help="auto (weighted laws of N and D), a law, law:variant, law:alpha=0.3, "
        "law:web,books (columns), a chain of two laws (chinchilla+error_decay), or my_law.py.",
    ),
]
FitLaw = Annotated[
    str | None,
    typer.Option("--law", help="Law file of the fit, if it is no longer where it was."),
]
Inputs = Annotated[
    list[str] | None,
    typer.Option("--input", help="Column of an input, N=params. Once for each input."),
]
Response = Annotated[
    str, typer.Option("--response", help="Column of the loss, score or number right.")
]
Trials = Annotated[
    str | None,
    typer.Option("--trials", help="Column of the number of items that the response counts of."),
]
Through = Annotated[
    str | None,
    typer.Option("--through", help="Column of the loss that the response follows, for a chain."),
]
ThroughError = Annotated[
    str | None, typer.Option("--through-se", help="Column of the standard error of that loss.")
]
Item = Annotated[
    str | None,
    typer.Option("--item", help="Column of the item, where items follow different curves."),
]
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
        "lower-frontier; of counts binomial, beta-binomial or negative-binomial; of scores "
        "beta; of grades from 0 to 4 ordered-4; by default the law's own.",
    ),
]
Rate = Annotated[
    str | None, typer.Option("--rate", help="Column of the learning rate, for points of curves.")
]
ScheduleColumn = Annotated[
    str | None,
    typer.Option("--schedule", help="Column of schedules as texts, cosine:peak=3e-4,steps=24K."),
]
RateWarmup = Annotated[
    int | None,
    typer.Option("--rate-warmup", help="Steps of warm-up, where --rate begins after it."),
]
Untuned = Annotated[
    str | None,
    typer.Option("--untuned", help="Column (1 or 0) of runs at settings worse than the best."),
]
DivergedAbove = Annotated[
    float | None,
    typer.Option(
        "--diverged-above", help="Runs above it, or without a loss, only say it was as high."
    ),
]
GroupSd = Annotated[
    list[str] | None,
    typer.Option(
        "--group-sd", help="Prior scale of a group sd, gain=0.1 or gain.schedule=0.1. Repeatable."
    ),
]
Serial = Annotated[
    bool | None,
    typer.Option(
        "--serial/--independent", help="Whether points of one run are correlated; by default so."
    ),
]
Unit = Annotated[
    str | None, typer.Option("--unit", help="Unit of the response; by default the law's.")
]
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
FigureFile = Annotated[
    Path | None, typer.Option("--figure", help="Also draw the answer to this file.")
]
CostText = Annotated[
    str | None,
    typer.Option(
        "--cost",
        help="Of a run: served=1T,overhead=1e9, and coefficient, size, data, fixed, per_served, "
        "unit; or 6ND, the default.",
    ),
]
CostFit = Annotated[
    Path | None,
    typer.Option("--cost-fit", help="A fit of law training_cost to measured costs."),
]
Unique = Annotated[
    str | None, typer.Option("--unique", help="Unique tokens that there are, such as 1T.")
]
Sizes = Annotated[
    str | None, typer.Option("--within", help="Sizes that can be trained, such as 1B:100B.")
]
By = Annotated[
    str, typer.Option("--by", help="Grouping column of the recipes; by default the only one.")
]
BetterIs = Annotated[
    Better | None,
    typer.Option("--better", help="Which responses are better; by default as scale makes them."),
]
Recipes = Annotated[
    list[str] | None,
    typer.Option("--recipe", help="A recipe that is compared; by default all. Repeatable."),
]
OfKind = Annotated[Kind, typer.Option("--kind", help="The law's mean, or one more run.")]
Output = Annotated[Path, typer.Option("-o", "--output", help="File to write.")]
CandidatesFile = Annotated[
    Path | None,
    typer.Option(
        "--candidates",
        help="Table of runs that could be paid for: inputs, groups, and perhaps cost and p_fail.",
    ),
]
BoxText = Annotated[
    str | None,
    typer.Option(
        "--box", help="Instead: ranges and choices, N=100M:10B,D=1B:100B,recipe=adam|muon."
    ),
]
GoalOf = Annotated[Asks | None, typer.Option("--goal", help="What the runs are to make sharp.")]
Budgets = Annotated[
    list[str] | None,
    typer.Option("--budget", help="Of an allocation or a decision: best splits of it. Repeatable."),
]
Rope = Annotated[
    float, typer.Option("--rope", help="Of a decision: differences that do not matter, 0.002.")
]
Confidence = Annotated[
    float, typer.Option("--confidence", help="Of a decision: probability from which it is safe.")
]
Precision = Annotated[
    float | None,
    typer.Option("--precision", help="Of other goals: sd (.01 is 1 % of a log) at which to stop."),
]
Spend = Annotated[
    str | None, typer.Option("--spend", help="Cost of all picks at most, of a loop of all runs.")
]
Largest = Annotated[
    str | None, typer.Option("--largest", help="Cost of a single run at most, 1e20.")
]
Count = Annotated[
    int | None,
    typer.Option(
        "--count", help="Runs to pick: by default one, and with --spend all that it buys."
    ),
]
Repeats = Annotated[
    int, typer.Option("--repeats", help="How often one candidate may be picked at most.")
]
Running = Annotated[
    Path | None, typer.Option("--running", help="Table of runs that are under way.")
]
MaximisedGain = Annotated[
    Gain, typer.Option("--maximise", help="What is maximised per unit of cost.")
]
Price = Annotated[float, typer.Option("--price", help="Of a unit of cost, in units of the value.")]


Departing = Annotated[
    bool | None,
    typer.Option(
        "--discrepancy/--no-discrepancy",
        help="Whether losses may depart from the law; by default where they fall in scale.",
    ),
]
PriorOption = Annotated[
    PriorName | None,
    typer.Option("--prior", help="By default population for auto, weak for a named law."),
]


@dataclass(frozen=True)
class Model:
    """Options that say what is fitted to which table."""

    law: LawName = "auto"
    inputs: Inputs = None
    response: Response = "loss"
    group: Group = None
    rung: Rung = None
    trials: Trials = None
    through: Through = None
    through_se: ThroughError = None
    item: Item = None
    se: StandardError = None
    run: RunName = None
    replicate: Replicate = None
    rate: Rate = None
    schedule: ScheduleColumn = None
    rate_warmup: RateWarmup = None
    untuned: Untuned = None
    diverged_above: DivergedAbove = None
    where: Where = None
    pool: Pool = None
    group_sd: GroupSd = None
    serial: Serial = None
    discrepancy: Departing = None
    prior: PriorOption = None
    noise: NoiseName = None
    unit: Unit = None
    embeddings: Embeddings = None
    flops: Flops = None


def with_model(verb: Callable[..., None]) -> Callable[..., None]:
    """Give a verb with an argument ``model: Model`` one option for each of its fields.

    A field that the verb has an option of its own for is left as it is.
    """
    own, hints = inspect.signature(verb).parameters, get_type_hints(verb, include_extras=True)
    shared = get_type_hints(Model, include_extras=True)
    keyword = inspect.Parameter.KEYWORD_ONLY
    added = [f for f in fields(Model) if f.name not in own]
    options = [
        inspect.Parameter(f.name, keyword, default=f.default, annotation=shared[f.name])
        for f in added
    ]
    before = [p for p in own.values() if p.default is inspect.Parameter.empty and p.name != "model"]
    after = [p for p in own.values() if p.default is not inspect.Parameter.empty]

    @functools.wraps(verb)
    def run(**given: Any) -> None:
        chosen = {f.name: given.pop(f.name) for f in added}
        verb(model=Model(**chosen), **given)

    everything = [
        p.replace(kind=keyword, annotation=hints.get(p.name, p.annotation))
        for p in (*before, *options, *after)
    ]
    run.__signature__ = inspect.Signature(everything)  # type: ignore[attr-defined]
    run.__annotations__ = {p.name: p.annotation for p in everything}
    return run
