"""Train a handful of the ladder's runs again, and hold their losses to the committed ones."""

from __future__ import annotations

import math
import sys

import numpy as np
import pandas as pd

from bayes_scaling import datasets

from . import sweep

LARGEST = 1.7e9  # size times tokens: seconds of training
WIDEST, WIDEST_MEAN = 4.0, 3.0  # sds that the worst of the losses, and their mean, may be off
STUDIES = ("grid", "seeds")
CELL = ["recipe", "width", "depth", "D", "lr", "seed"]


def smoke(workers: int) -> bool:
    """Print a line a run; return whether losses are within seed noise of the committed ones.

    Each loss by itself, and their mean, which seed noise moves less.
    """
    committed = datasets.ladder().runs
    expected = committed[committed["study"].isin(STUDIES)].set_index(CELL)["loss"]
    noise = math.sqrt(2) * seed_noise(committed)  # of a difference
    planned = sweep.planned(studies=STUDIES).values()
    todo = [(study, setting) for study, setting in planned if sweep.work(setting) <= LARGEST]
    print(f"{len(todo)} runs; seeds differ by {100 * noise:.2f} % of the loss (one sd)")
    off = []
    for record in sweep.run_all(todo, workers):
        before = expected.loc[tuple(record[column] for column in CELL)]
        off.append(record["loss"] / before - 1)
        print(
            f"{record['key']}  loss {record['loss']:.4f}, committed {before:.4f}, "
            f"{100 * off[-1]:+.3f} %",
            flush=True,
        )
    worst, mean = max(map(abs, off)), abs(sum(off) / len(off))
    # written so that a loss that is not a number fails
    good = worst <= WIDEST * noise and mean <= WIDEST_MEAN * noise / math.sqrt(len(off))
    print(
        f"worst {100 * worst:.3f} %, mean {100 * mean:.3f} %: "
        f"{'within' if good else 'NOT within'} seed noise"
    )
    if not record["corpus_sha256"].startswith(committed["corpus"].iloc[0]):
        print("the standard library here is not the one of the committed runs", file=sys.stderr)
    return good


def seed_noise(runs: pd.DataFrame) -> float:
    """Return the sd of the log loss between tuned runs that differ in their seed alone."""
    tuned = runs[runs["study"].isin(STUDIES)]
    logs = np.log(tuned["loss"])
    cells = logs.groupby([tuned["recipe"], tuned["rung"]])
    freedom = len(logs) - cells.ngroups
    return float(np.sqrt(((logs - cells.transform("mean")) ** 2).sum() / freedom))
