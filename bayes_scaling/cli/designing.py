"""Verbs that choose runs: the next one, what follows once it is seen, and the first ones."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bayes_scaling.errors import UsageError

from .arguments import (
    Asks,
    Gain,
    Kind,
    load_fit,
    read_cost,
    read_number,
    read_numbers,
    read_pairs,
    read_points,
    read_range,
)
from .model import make_model
from .options import (
    AsJson,
    At,
    BoxText,
    Budgets,
    By,
    CandidatesFile,
    Confidence,
    CostFit,
    CostText,
    Count,
    FigureFile,
    FitLaw,
    Force,
    GoalOf,
    Largest,
    LawName,
    MaximisedGain,
    Model,
    OfKind,
    PointsFile,
    Precision,
    Price,
    PriorOption,
    Recipes,
    Repeats,
    Rope,
    Running,
    Seed,
    Spend,
)
from .output import draw, give, print_json, say, tell

if TYPE_CHECKING:
    import pandas as pd

    from bayes_scaling import Fit, Goal, Loop, NextRun, ScalingModel


FitOrLoop = Annotated[
    Path, typer.Argument(help="A fit; or a loop, which alone prints what it proposes.")
]
LoopFile = Annotated[Path, typer.Argument(help="A loop that bayes-scaling next FIT -o wrote.")]
LoopOutput = Annotated[
    Path | None, typer.Option("-o", "--output", help="Begin a loop, and write it to this file.")
]
NAMED = {"fit", "law", "running", "figure", "as_json"}  # what `next LOOP` may be asked with


def next_run(
    context: typer.Context,
    fit: FitOrLoop,
    goal: GoalOf = None,
    at: At = None,
    points: PointsFile = None,
    budget: Budgets = None,
    candidates: CandidatesFile = None,
    box: BoxText = None,
    recipe: Recipes = None,
    by: By = "",
    rope: Rope = 0.0,
    confidence: Confidence = 0.95,
    precision: Precision = None,
    kind: OfKind = Kind.mean,
    cost: CostText = None,
    cost_fit: CostFit = None,
    spend: Spend = None,
    largest: Largest = None,
    count: Count = None,
    repeats: Repeats = 1,
    running: Running = None,
    maximise: MaximisedGain = Gain.auto,
    price: Price = 0.0,
    seed: Seed = 0,
    law: FitLaw = None,
    figure: FigureFile = None,
    output: LoopOutput = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Choose the run to pay for next, so that a question is answered at the lowest cost."""
    import bayes_scaling as bs
    from bayes_scaling.display import next_run as display

    _check_files(figure, output)
    if not (goal or candidates or box):
        _show_loop(context, fit, law, running, figure, as_json)
        return
    fitted = load_fit(fit, law)
    where, pool = _points(fitted, at, points), _pool(fitted, candidates, box)
    asked = _goal(goal, where, budget, kind, recipe, by, rope, confidence, precision)
    own: dict[str, Any] = {
        "cost": read_cost(cost, cost_fit), "budget": read_number(spend), "price": price,
        "largest": read_number(largest), "repeats": repeats, "by": maximise.value, "seed": seed,
        "force": force,
    }  # fmt: skip
    if output is None:
        found = bs.next_run(fitted, pool, asked, count=count, running=_table(running), **own)
        give(found, figure, as_json, display.next_run_object, display.show_next_run)
        return
    if running is not None:
        raise UsageError(
            "a loop begins with nothing under way: ask it afterwards, next LOOP --running FILE"
        )
    loop, found = bs.begin_loop(fitted, pool, asked, count=1 if count is None else count, **own)
    loop.save(output)
    _give(loop, found, figure, as_json)
    say(f"loop written to {output}")


def observe(
    loop: LoopFile,
    points: Annotated[
        Path | None,
        typer.Option("--points", help="Table of runs that are done: inputs, groups, response."),
    ] = None,
    law: FitLaw = None,
    figure: FigureFile = None,
    as_json: AsJson = False,
) -> None:
    """Add runs that are done to a loop, fit again, and choose the next ones."""
    import bayes_scaling as bs
    from bayes_scaling.runs.table import load_table

    _check_files(figure, loop)
    if points is None:
        raise UsageError("give the runs that are done with --points FILE")
    kept = _load_loop(loop, law)
    done = _with_numbers(load_table(points), ["cost"])
    grown, found = bs.observe(kept, done, report=say)
    grown.save(loop)  # before anything else can go wrong: the fit took its time
    _give(grown, found, figure, as_json)
    say(f"loop written to {loop}")


def plan(
    law: LawName = "auto",
    expect: Annotated[
        str | None,
        typer.Option("--expect", help="Best and worst response to be expected, 2.2:3.4."),
    ] = None,
    goal: GoalOf = None,
    at: At = None,
    points: PointsFile = None,
    budget: Budgets = None,
    candidates: CandidatesFile = None,
    isoflop: Annotated[
        str | None,
        typer.Option("--isoflop", help="Instead: sizes around the usual best one, 1e18,1e19."),
    ] = None,
    group: Annotated[
        list[str] | None,
        typer.Option("--group", help="Grouping column of the candidates. May be repeated."),
    ] = None,
    recipe: Recipes = None,
    by: By = "",
    rope: Rope = 0.0,
    confidence: Confidence = 0.95,
    precision: Precision = None,
    kind: OfKind = Kind.mean,
    cost: CostText = None,
    spend: Spend = None,
    largest: Largest = None,
    count: Count = None,
    maximise: MaximisedGain = Gain.auto,
    prior: PriorOption = None,
    seed: Seed = 0,
    figure: FigureFile = None,
    as_json: AsJson = False,
) -> None:
    """Choose the first runs from the prior, when there are none to learn from."""
    import bayes_scaling as bs
    from bayes_scaling.display import next_run as display

    _check_files(figure, None)
    if expect is None:
        raise UsageError("give the best and the worst response to be expected: --expect 2.2:3.4")
    model = _one_law(law, prior)
    where = _points(model, at, points)
    asked = _goal(goal, where, budget, kind, recipe, by, rope, confidence, precision)
    found = bs.first_runs(
        model,
        _first_pool(model, candidates, isoflop, group, cost),
        asked,
        read_range(expect, "--expect"),
        groups=group or (),
        cost=read_cost(cost, None),
        count=count,
        budget=read_number(spend),
        largest=read_number(largest),
        by=maximise.value,
        seed=seed,
    )
    give(found, figure, as_json, display.next_run_object, display.show_next_run)


def _check_files(figure: Path | None, output: Path | None) -> None:
    """Refuse files that cannot be written to, before anything else is done."""
    from bayes_scaling.display.plot import check_path

    if figure is not None:
        check_path(figure)
    if output is not None and not output.parent.is_dir():
        raise UsageError(f"folder '{output.parent}' of the output does not exist; make it first")
    if output is not None and output.is_dir():
        raise UsageError(f"output '{output}' is a folder; name a file, such as {output / 'loop'}")


def _points(model: Any, at: list[str] | None, file: Path | None) -> pd.DataFrame | None:
    """Points of the goal: of a fit, or of a model that is none yet."""
    return read_points(model, at, file) if at or file else None


def _goal(
    asks: Asks | None,
    at: pd.DataFrame | None,
    budget: list[str] | None,
    kind: Kind,
    recipes: list[str] | None,
    by: str,
    rope: float,
    confidence: float,
    precision: float | None,
) -> Goal:
    from bayes_scaling import Goal

    if asks is None:
        raise UsageError(f"say what the runs are to make sharp: --goal {', '.join(Asks)}")
    return Goal(
        asks.value, () if at is None else at, tuple(read_numbers(budget)), kind.value,
        tuple(recipes or ()), by, rope, confidence, precision,
    )  # fmt: skip


def _pool(fit: Fit, file: Path | None, box: str | None) -> Any:
    """Candidates as a table, or as ranges and choices."""
    if (file is None) == (box is None):
        raise UsageError(
            "give the runs that could be paid for either with --candidates FILE or with "
            "--box N=100M:10B,D=1B:100B,recipe=adam|muon"
        )
    return _table(file) if box is None else _box(fit, box)


def _box(fit: Fit, text: str) -> dict[str, Any]:
    """Read a box: FROM:TO of inputs, choices between bars, anything else is fixed."""
    from bayes_scaling.runs import parse_number

    found: dict[str, Any] = {}
    for name, value in read_pairs(text.split(","), "--box").items():
        read = parse_number if name in fit.law.inputs else str
        if "|" in value:
            found[name] = [read(v) for v in value.split("|")]
        elif name in fit.law.inputs and ":" in value:
            found[name] = read_range(value, "--box")
        else:
            found[name] = read(value)
    return found


def _table(file: Path | None) -> pd.DataFrame | None:
    from bayes_scaling.runs.table import load_table

    return None if file is None else load_table(file)


def _first_pool(
    model: ScalingModel,
    file: Path | None,
    isoflop: str | None,
    group: list[str] | None,
    cost: str | None,
) -> pd.DataFrame:
    """Candidates of a plan: a table, with numbers such as 7B read, or a grid."""
    from bayes_scaling import isoflop_grid, six_nd

    if (file is None) == (isoflop is None):
        raise UsageError(
            "give the runs that could be paid for either with --candidates FILE or with "
            "--isoflop 1e18,1e19"
        )
    if isoflop is not None:
        if group:
            raise UsageError("--group is a column of --candidates; those of --isoflop have none")
        return isoflop_grid(read_numbers(isoflop.split(",")), cost=read_cost(cost, None) or six_nd)  # type: ignore[arg-type]
    table = _table(file)
    assert table is not None
    missing = [k for k in group or [] if k not in table]
    if missing:
        raise UsageError(f"the candidates have no column '{missing[0]}', which --group names")
    return _with_numbers(table, model.law.inputs)


def _with_numbers(table: pd.DataFrame, columns: Iterable[str]) -> pd.DataFrame:
    """Read texts such as 7B in columns of a table, where it has them."""
    from bayes_scaling.runs import parse_number

    texts = [k for k in columns if k in table and table[k].dtype.kind not in "if"]
    return table.assign(**{k: [parse_number(str(v)) for v in table[k]] for k in texts})


def _one_law(law: str, prior: PriorOption) -> ScalingModel:
    from bayes_scaling import ScalingModel

    model = make_model(Model(law=law, prior=prior))
    if not isinstance(model, ScalingModel):
        raise UsageError(f"a plan follows one law, and {law} is several: name one (--law)")
    return model


def _load_loop(path: Path, law: str | None) -> Loop:
    from bayes_scaling.answers.loop import NOTE, loop_of

    fit = load_fit(path, law)
    if NOTE not in fit.tree.attrs:
        raise UsageError(
            f"'{path}' is a fit and no loop: say what runs are to make sharp and which ones could "
            f"be paid for (--goal, --candidates or --box); with -o LOOP a loop begins"
        )
    return loop_of(fit, path)


def _show_loop(
    context: typer.Context,
    path: Path,
    law: str | None,
    running: Path | None,
    figure: Path | None,
    as_json: bool,
) -> None:
    """Print what a loop proposes."""
    from bayes_scaling import propose

    loop = _load_loop(path, law)
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name or "")
        if parameter.name not in NAMED and source is not None and source.name == "COMMANDLINE":
            raise UsageError(
                f"{parameter.opts[0]} is settled when a loop begins: leave it out, or ask the fit "
                f"that '{path}' holds something else with --goal, --candidates or --box"
            )
    _give(loop, propose(loop, running=_table(running)), figure, as_json)


def _give(loop: Loop, found: NextRun, figure: Path | None, as_json: bool) -> None:
    from bayes_scaling.display import next_run as display

    if figure is not None:
        draw(found, figure)
    if as_json:
        print_json(display.loop_object(loop, found))
        return
    display.show_loop(loop, found)
    tell(found.warnings)
