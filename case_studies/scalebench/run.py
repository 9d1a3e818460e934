"""Fit laws to the train parts of ScaleBench and forecast its test parts.

Run as ``python case_studies/scalebench/run.py [TASK ...]``; needs the public tables, see
``bayes_scaling.datasets``.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
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
    rung : tuple of str
        Columns whose equal values share a deviation: checkpoints of one run.
    options : mapping
        Of the model.
    unit : str
    """

    law: str
    inputs: Mapping[str, str]
    response: str
    published_r2: float
    group: str = ""
    rung: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    unit: str = "nat/token"


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
        options={"pool": {"reducible": "partial"}, "rung": False},
    ),
    "moe": Task(
        "routed",
        {"N": "dense_parameter_count", "experts": "num_experts"},
        "loss_validation",
        published_r2=0.81,
    ),
    "vocab": Task(
        "vocabulary",
        {"N": "non_vocab_parameters", "V": "vocab_size", "D": "num_characters"},
        "unigram_normalized_loss",
        published_r2=0.93,
        rung=("non_vocab_parameters", "vocab_size"),
    ),
}


def main(names: list[str]) -> int:
    rows = []
    for name in names or list(TASKS):
        rows.append(study(name, TASKS[name]))
        print(pd.DataFrame(rows[-1:]).to_string(index=False), flush=True)
    table = pd.DataFrame(rows)
    held, points = int(table["held"].sum()), int(table["points"].sum())
    print(f"\n{table.to_string(index=False)}")
    print(f"\n90 % intervals hold {held} of {points} test points, {100 * held / points:.1f} %")
    good = (table["R2"] >= table["published R2"]).all() and 0.85 <= held / points <= 0.95
    return 0 if good else 1


def study(name: str, task: Task) -> dict[str, Any]:
    """Fit the train part, forecast the test part, and score."""
    train, test = datasets.scalebench(name, "train"), datasets.scalebench(name, "test")
    fit = bs.ScalingModel(bs.find_law(task.law), **task.options).fit(
        read(task, train), seed=SEED, report=lambda text: print(f"{name}: {text}", file=sys.stderr)
    )
    for warning in fit.warnings:
        print(f"{name}: {warning.severity}: {warning.message}", file=sys.stderr)
    answer = bs.forecast(fit, read(task, test).points(), seed=SEED, force=True)
    table = answer.summary()
    truth, median = table["observed"].to_numpy(), table["q0.5"].to_numpy()
    return {
        "task": name,
        "law": task.law,
        "runs": len(train),
        "points": len(table),
        "published R2": task.published_r2,
        "R2": round(r2(truth, median), 4),
        "bias": round(float((median - truth).mean()), 4),
        "held": int(((table["q0.05"] <= truth) & (truth <= table["q0.95"])).sum()),
        "width": round(float((table["q0.95"] - table["q0.05"]).median()), 4),
        "divergences": fit.diagnostics["divergences"],
        "R-hat": round(fit.diagnostics["max_rhat"], 3),
        "seconds": round(sum(fit.record.seconds.values())),
    }


def r2(truth: np.ndarray, median: np.ndarray) -> float:
    """Share of the variance of the test losses that the medians explain."""
    return float(1 - np.sum((truth - median) ** 2) / np.sum((truth - truth.mean()) ** 2))


def read(task: Task, table: pd.DataFrame) -> bs.Runs:
    rung = None
    if task.rung:
        labels = table[list(task.rung)].astype(int).astype(str).agg("-".join, axis=1)
        table, rung = table.assign(curve=labels), "curve"
    return bs.read_runs(
        table,
        inputs=dict(task.inputs),
        response=task.response,
        group=task.group or None,
        rung=rung,
        unit=task.unit,
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
