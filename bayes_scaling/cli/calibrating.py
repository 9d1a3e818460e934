"""The verb that checks a model against tables simulated from itself."""

from __future__ import annotations

from typing import Annotated

import typer

from bayes_scaling.errors import UsageError

from .model import make_model, read_table
from .options import AsJson, Model, RunsFile, Seed, with_model
from .output import print_json, say


@with_model
def calibrate(
    runs: RunsFile,
    model: Model,
    replicates: Annotated[int, typer.Option(help="Tables to simulate and fit.")] = 100,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Fit tables simulated from a model's prior, and rank the truths among the draws."""
    from bayes_scaling import ScalingModel
    from bayes_scaling import calibrate as calibrate_model
    from bayes_scaling.display import text

    asked = make_model(model)
    if not isinstance(asked, ScalingModel):
        raise UsageError("one law is calibrated at a time: name it with --law")
    table = read_table(runs, asked.law, model)
    found = calibrate_model(asked, table, replicates=replicates, seed=seed, report=say)
    summary = found.summary()
    if as_json:
        rows = summary.to_dict("records")
        print_json({"law": asked.law.name, "replicates": replicates, "quantities": rows})
    else:
        text.show_table(
            ["quantity", "mean rank", "p", "50 % hold", "90 % hold", "in band"],
            [
                [
                    row["name"],
                    *(f"{row[k]:.2f}" for k in ("mean_rank", "p", "held_50", "held_90")),
                    "yes" if row["inside"] else "NO",
                ]
                for _, row in summary.iterrows()
            ],
        )
    if not summary["inside"].all():
        raise typer.Exit(1)
