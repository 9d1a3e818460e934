"""Fit laws to the train parts of ScaleBench and forecast its test parts.

Run as ``python case_studies/scalebench/run.py [TASK ...]``; needs the public tables, see
``bayes_scaling.datasets``. With ``choose`` the noise of moe and vocab is compared on train data
alone: the largest value of what the test part extrapolates in is held out.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

import bayes_scaling as bs
from bayes_scaling.runs import datasets

SEED = 1


@dataclass(frozen=True)
class Task:
    """A table of ScaleBench, the law that it is for, and how they meet.

    Attributes
    ----------
    law : str
    inputs : mapping
        Input of the law to column.
    response : str
    published_r2 : float
        Of the law that the benchmark's authors fitted to all train data, on the test part.
    group : str
        Column of groups, or "".
    options : mapping
        Of the model.
    held : str
        Column whose largest train value is held out by ``choose``.
    """

    law: str
    inputs: Mapping[str, str]
    response: str
    published_r2: float
    group: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    held: str = ""


TASKS = {
    "data_constrained": Task(
        "repeated_capacity",
        {"N": "params", "D": "tokens", "U": "unique_tokens"},
        "loss",
        published_r2=0.79,
    ),
    "parallel": Task(
        "parallel_streams",
        {"N": "num_params", "P": "parallel_size"},
        "loss",
        published_r2=0.99,
        group="group",
        # two corpora say nothing of a population: a floor each, and one exponent
        options={
            "pool": {"level": "separate", "reducible": "separate", "k": "separate"}
            | {"alpha": "complete"},
            "rung": False,
        },
    ),
    "moe": Task(
        "routed:simple",
        {"N": "dense_parameter_count", "experts": "num_experts"},
        "loss_validation",
        published_r2=0.81,
        # the table does not name the routing methods and ablations that it pools
        options={"noise": "lower-frontier"},
        held="dense_parameter_count",
    ),
    "vocab": Task(
        "vocabulary",
        {"N": "non_vocab_parameters", "V": "vocab_size", "D": "num_characters"},
        "unigram_normalized_loss",
        published_r2=0.93,
        options={"noise": "normal"},
        held="vocab_size",
    ),
}


CHOICES = {
    "moe": [
        {"law": law, "options": options}
        for law in ("routed", "routed:simple", "routed:no_floor")
        for options in ({}, {"noise": "lognormal"}, {"noise": "lower-frontier"})
    ],
    "vocab": [
        {"options": {"noise": noise, "rung": rung}}
        for noise in ("student-t-raw", "normal")
        for rung in (False, True)
    ],
}


def main(names: list[str]) -> int:
    if names == ["choose"]:
        choose()
        return 0
    rows = []
    for name in names or list(TASKS):
        train, test = datasets.scalebench(name, "train"), datasets.scalebench(name, "test")
        rows.append(study(name, TASKS[name], train, test))
        print(pd.DataFrame(rows[-1:]).to_string(index=False), flush=True)
    table = pd.DataFrame(rows)
    held, points = int(table["held"].sum()), int(table["points"].sum())
    print(f"\n{table.to_string(index=False)}")
    print(f"\n90 % intervals hold {held} of {points} test points, {100 * held / points:.1f} %")
    good = (table["R2"] >= table["published R2"]).all() and 0.85 <= held / points <= 0.95
    return 0 if good else 1


def choose() -> None:
    """Compare laws and noises on train data: the largest size, or vocabulary, is held out."""
    for name, choices in CHOICES.items():
        train = datasets.scalebench(name, "train")
        largest = train[TASKS[name].held] == train[TASKS[name].held].max()
        for choice in choices:
            task = replace(TASKS[name], **choice)
            row = study(name, task, train[~largest], train[largest])
            print({"options": dict(task.options)} | row, flush=True)


def study(name: str, task: Task, train: pd.DataFrame, test: pd.DataFrame) -> dict[str, Any]:
    """Fit some runs, forecast others, and score."""
    fit = bs.ScalingModel(bs.find_law(task.law), **task.options, discrepancy=False).fit(
        read(task, train),
        seed=SEED,
        target_accept=0.95,
        report=lambda text: print(f"{name}: {text}", file=sys.stderr),
    )
    for warning in fit.warnings:
        print(f"{name}: {warning.severity}: {warning.message}", file=sys.stderr)
    answer = bs.forecast(fit, read(task, test).points(), seed=SEED, force=True)
    table = answer.summary()
    truth, median = table["observed"].to_numpy(), table["q0.5"].to_numpy()
    low, high = table["q0.05"].to_numpy(), table["q0.95"].to_numpy()
    missed = np.maximum(low - truth, 0) + np.maximum(truth - high, 0)
    return {
        "task": name,
        "law": task.law,
        "runs": len(train),
        "points": len(table),
        "published R2": task.published_r2,
        "R2": round(r2(truth, median), 4),
        "bias": round(float((median - truth).mean()), 4),
        "held": int((missed == 0).sum()),
        "interval score": round(float(np.mean(high - low + 2 / 0.1 * missed)), 4),
        "divergences": fit.diagnostics["divergences"],
        "R-hat": round(fit.diagnostics["max_rhat"], 3),
        "seconds": round(sum(fit.record.seconds.values())),
    }


def r2(truth: np.ndarray, median: np.ndarray) -> float:
    """Share of the variance of the test losses that the medians explain."""
    return float(1 - np.sum((truth - median) ** 2) / np.sum((truth - truth.mean()) ** 2))


def read(task: Task, table: pd.DataFrame) -> bs.Runs:
    return bs.read_runs(
        table, inputs=dict(task.inputs), response=task.response, group=task.group or None
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
