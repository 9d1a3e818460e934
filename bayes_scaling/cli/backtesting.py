"""The verb that fits laws to cheap runs of a table and scores them on the dearer ones."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .arguments import read_numbers, read_pairs
from .model import make_model, read_table
from .options import AsJson, FigureFile, Model, RunsFile, Seed, with_model
from .output import give, say

if TYPE_CHECKING:
    from bayes_scaling.law import Law
    from bayes_scaling.runs import Runs

COMPUTE, FLOP = "compute", "C"
DEFAULT = ["auto"]

Laws = Annotated[
    list[str] | None,
    typer.Option("--law", help="A law, as in fit; by default auto. Repeat it to compare laws."),
]
Gaps = Annotated[
    list[str] | None,
    typer.Option(
        "--gap", help="The dearest run over the limit of the fitted ones; 3, 10, 30. Repeatable."
    ),
]
OrderedBy = Annotated[
    str,
    typer.Option("--by", help="Order of the runs: compute (column C, or 6 N D), or an input."),
]
Origins = Annotated[
    int, typer.Option("--origins", help="How many costs count as the dearest, from the top down.")
]
ScoredAbove = Annotated[
    float, typer.Option("--scored-above", help="Runs above the origin over this are scored.")
]
Jobs = Annotated[
    int | None, typer.Option("--jobs", help="Processes, -1 for one a core; by default one.")
]


@with_model
def backtest(
    runs: RunsFile,
    model: Model,
    law: Laws = None,
    by: OrderedBy = COMPUTE,
    gap: Gaps = None,
    origins: Origins = 3,
    scored_above: ScoredAbove = 1.5,
    chains: Annotated[int, typer.Option(help="Chains of each fit.")] = 4,
    draws: Annotated[int, typer.Option(help="Draws of each chain.")] = 250,
    warmup: Annotated[int, typer.Option(help="Warm-up iterations of each chain.")] = 300,
    jobs: Jobs = None,
    seed: Seed = 0,
    figure: FigureFile = None,
    as_json: AsJson = False,
) -> None:
    """Score laws on the dearest runs of a table, fitted to the cheaper ones."""
    import bayes_scaling as bs
    from bayes_scaling.display import backtest as display
    from bayes_scaling.display.plot import check_path
    from bayes_scaling.validation.backtest import GAPS, SETTINGS

    if figure is not None:
        check_path(figure)  # and not after all that follows
    names = law or DEFAULT
    models = {name: make_model(replace(model, law=name)) for name in names}
    table = read_for_all(runs, [m.law for m in models.values()], model, by)
    answer = bs.backtest(
        models,
        table,
        by=by,
        gaps=read_numbers(gap) or GAPS,
        origins=origins,
        scored_above=scored_above,
        seed=seed,
        settings=replace(SETTINGS, chains=chains, draws=draws, warmup=warmup),
        report=say,
        jobs=jobs,
    )
    give(answer, figure, as_json, display.backtest_object, display.show_backtest)


def read_for_all(path: Path, laws: list[Law], options: Model, by: str) -> Runs:
    """Read a table with the inputs of several laws, and what its runs are ordered by."""
    from bayes_scaling.runs.table import load_table

    first, *others = laws
    needed = {k for law in others for k, v in law.inputs.items() if v.default is None}
    mapped = read_pairs(options.inputs, "--input")
    if by != COMPUTE:
        needed.add(by)
    elif FLOP in mapped or FLOP in load_table(path).columns:
        needed.add(FLOP)
    return read_table(path, first, options, frozenset(needed))
