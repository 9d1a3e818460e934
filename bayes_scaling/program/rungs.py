"""Rungs of a ladder: runs of the same nominal inputs."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from bayes_scaling.law import Law
from bayes_scaling.runs import Runs

from .pooling import same_losses

RUNGS_NEEDED = 3  # shared by two groups or more, for the rung effect to be on by default


def rung_labels(runs: Runs, law: Law) -> list[str]:
    """Label of each run's rung: its column, or its nominal inputs."""
    if "rung" in runs.frame:
        return [str(label) for label in runs.frame["rung"]]
    columns = [runs.frame[name].to_numpy(dtype=float) for name in rung_inputs(law)]
    return [label_rung(law, row) for row in zip(*columns, strict=True)]


def rung_inputs(law: Law) -> list[str]:
    """Inputs that make a rung: settings are tuned at it, and a default is no part of a run."""
    return [k for k, v in law.inputs.items() if not v.setting and v.default is None]


def label_rung(law: Law, values: Iterable[float]) -> str:
    """Label of the rung at nominal inputs: equal to three digits, or six of a date."""
    return ", ".join(
        f"{name}={value:.{3 if law.inputs[name].centring == 'ratio' else 6}g}"
        for name, value in zip(rung_inputs(law), values, strict=True)
    )


def rung_wanted(runs: Runs, rung: bool | None, law: Law) -> bool:
    """Whether runs of one rung share a deviation, by default where the table can tell."""
    if rung is not None:
        return rung
    if runs.curves:
        return False
    frame = pd.DataFrame({"rung": rung_labels(runs, law)})
    if law.settings:  # the runs of a sweep share what the law gets wrong at their scale
        return bool((frame["rung"].value_counts() >= 2).sum() >= RUNGS_NEEDED)
    # tasks of one run have one loss in a chain, whose noise is all that a rung could share;
    # replicates of one rung must not count as separate evidence about the law
    apart = [g for g in runs.groups if g not in same_losses(law, runs)]
    for column in (*apart, *(["seed"] if "seed" in runs.frame else [])):
        members = runs.frame[column].groupby(frame["rung"]).nunique()
        if (members >= 2).sum() >= RUNGS_NEEDED:
            return True
    return False
