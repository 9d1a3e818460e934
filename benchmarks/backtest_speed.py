"""How long a backtest takes once it is compiled; ``python -m benchmarks.backtest_speed``.

Chinchilla's law is scored on 51 folds (17 origins, 3 gaps) of 250 simulated runs over seven
decades of compute, with the usual settings of a backtest. The second call is what counts: it
finds every program compiled. Target: 60 s of wall time on 2 cores.
"""

from __future__ import annotations

import argparse
import os
import resource
import time

import numpy as np
import pandas as pd

import bayes_scaling as bs
from bayes_scaling import Backtest, Runs
from bayes_scaling.validation import simulate

TRUTH = {"level": 2.9, "reducible": 0.4, "share_N": 0.55, "alpha": 0.34, "beta": 0.28}
BUDGETS = np.geomspace(1e16, 1e23, 25)
RATIOS = np.geomspace(3, 300, 10)  # tokens per parameter
ORIGINS, GAPS = 17, (3, 10, 30)
TARGET = 60.0


def runs() -> Runs:
    """250 runs of a law that holds."""
    sizes = np.sqrt(np.outer(BUDGETS, 1 / RATIOS) / 6).ravel()
    tokens = np.repeat(BUDGETS, len(RATIOS)) / (6 * sizes)
    inputs = pd.DataFrame({"N": sizes, "D": tokens})
    table = simulate(bs.models.chinchilla, inputs, TRUTH, seed=1)
    return bs.read_runs(table, response="response")


def timed(jobs: int | None, discrepancy: bool | None) -> tuple[Backtest, float, float]:
    """Return a backtest, its seconds of wall time and of this process's CPUs."""
    model = bs.ScalingModel(bs.models.chinchilla, discrepancy=discrepancy)
    begun, used = time.perf_counter(), _cpu()
    found = bs.backtest(model, runs(), gaps=GAPS, origins=ORIGINS, jobs=jobs)
    return found, time.perf_counter() - begun, _cpu() - used


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Time two calls and print both."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--no-discrepancy", dest="discrepancy", action="store_false", default=None)
    asked = parser.parse_args()
    for call in ("first", "second"):
        found, wall, cpu = timed(asked.jobs, asked.discrepancy)
        print(
            f"{call} call: {wall:.1f} s ({cpu:.1f} s of CPU in this process), {len(found.folds)} "
            f"folds, {int(found.sampling['again'].sum())} fitted again, load average "
            f"{os.getloadavg()[0]:.1f}",
            flush=True,
        )
    print(f"target: {TARGET:.0f} s of the second call")
    print(found.summary().round(4).to_string(index=False))


if __name__ == "__main__":
    main()
