"""Train a handful of the ladder's runs again, and hold their losses to the committed ones."""

from __future__ import annotations

import math
import sys

import numpy as np
import pandas as pd

from bayes_scaling import datasets

from . import sweep

LARGEST = 1.7e9  # size times tokens: seconds of training
WIDEST = 4.0  # sds of the difference of two seeds
CELL = ["recipe", "width", "depth", "D", "lr", "seed"]


def smoke(workers: int) -> bool:
    """Print a line a run; return whether every loss is within seed noise of the committed one."""
    committed = datasets.ladder().runs
    committed = committed[committed["study"].isin(["grid", "seeds"])]
    noise = seed_noise(committed)
    allowed = WIDEST * math.sqrt(2) * noise
    todo = [
        (study, setting)
        for study, setting in sweep.planned(studies=("grid", "seeds")).values()
        if sweep.work(setting) <= LARGEST
    ]
    print(
        f"{len(todo)} runs; seed noise {100 * noise:.2f} % of the loss; {100 * allowed:.2f} % pass"
    )
    expected = committed.set_index(CELL)["loss"]
    off = {}
    for record in sweep.run_all(todo, workers):
        cell = tuple(record[column] for column in CELL)
        off[cell] = math.log(record["loss"] / expected.loc[cell])
        print(
            f"{record['key']}  loss {record['loss']:.4f}, committed {expected.loc[cell]:.4f}, "
            f"{100 * off[cell]:+.3f} %",
            flush=True,
        )
    worst = max(map(abs, off.values()))
    good = worst <= allowed
    print(f"worst {100 * worst:.3f} %: {'within' if good else 'NOT within'} seed noise")
    if record["corpus_sha256"][:12] != datasets.ladder().runs["corpus"].iloc[0]:
        print("the standard library here is not the one of the committed runs", file=sys.stderr)
    return good


def seed_noise(runs: pd.DataFrame) -> float:
    """Return the sd of the log loss between seeds, pooled over the cells that have several."""
    logs = np.log(runs["loss"])
    cells = logs.groupby([runs["recipe"], runs["rung"]])
    several = cells.transform("count") > 1
    squares = ((logs - cells.transform("mean"))[several] ** 2).sum()
    return float(np.sqrt(squares / (several.sum() - (cells.count() > 1).sum())))
