"""ScaleBench: buy runs under a budget, fit a law to them, and forecast the test part.

Run as ``python -m benchmarks.scalebench [--task TASK ...]`` from the root of the repository; it
needs the public tables, see ``bayes_scaling.datasets``. Every trip leaves its scores in a folder
(``--store``, a file a task, so that tasks can run side by side), from which a run goes on;
``--show`` prints what is there. The full run:

    for task in parallel moe data_constrained vocab farseer lr_bsz domain_mixture sparsity; do
        python -m benchmarks.scalebench --task $task
    done
    python -m benchmarks.scalebench --show

Protocol: candidates are the train part, budgets are shares of the cost of all of them, ten repeats
(`tasks` has costs, budgets and splits; `methods` the ways to choose). All methods have the same
law, priors and sampler. R2 is that of the predictive medians at the test part, from -1 to 1, and
the mean over repeats counts. Published numbers are the best of the benchmark's publication that
are at hand, and the fits of all data by its authors; the rest of its table is not.

What was looked at: the laws of the four tasks with a test part come from
``case_studies/scalebench``, whose forms were found by an exploration that saw test scores. What a
gain is (`methods.BY`) and how a budget is divided into rounds was chosen on train parts alone,
split as ``--part train`` does. Nothing was chosen for the other four tasks.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bayes_scaling.answers.forecast import draw_responses
from bayes_scaling.answers.points import read_points
from bayes_scaling.errors import DatasetError
from bayes_scaling.posterior.fit import Fit
from bayes_scaling.validation.scores import score_draws

from .methods import METHODS, ONCE, trip
from .tasks import TASKS, Problem, problem

REPEATS = 10
OURS = METHODS[0]
DIGITS = {"R2": 3, "sd": 3, "held by 90 %": 3, "log score": 3, "runs": 1, "spent": 2}


def main() -> int:
    """Run what is not there yet and print the tables.

    The exit status is 2 without data, and 1 where ours falls short of a published R2.
    """
    asked = argparse.ArgumentParser(prog="python -m benchmarks.scalebench")
    asked.add_argument("--store", type=Path, default=Path(__file__).parent / "results")
    asked.add_argument("--task", action="append", choices=TASKS, help="by default all")
    asked.add_argument("--method", action="append", choices=METHODS, help="by default all")
    asked.add_argument("--repeats", type=int, default=REPEATS)
    asked.add_argument("--part", choices=("test", "train"), default="test", help="to forecast")
    asked.add_argument("--show", action="store_true", help="print what is there")
    given = asked.parse_args()
    names, methods = given.task or list(TASKS), given.method or list(METHODS)
    given.store.mkdir(parents=True, exist_ok=True)
    try:
        for name in () if given.show else names:
            run(name, given.part, methods, given.repeats, _file(given.store, name, given.part))
    except DatasetError as error:
        print(f"the benchmark cannot run: {error}", file=sys.stderr)
        return 2
    short = False
    for name in names:
        found = summary(stored(_file(given.store, name, given.part)))
        if len(found):
            short |= show(name, given.part, found)
    return int(short)


def run(name: str, part: str, methods: Sequence[str], repeats: int, path: Path) -> None:
    """Go on every trip that the file does not hold in full yet."""
    known = stored(path)
    todo = [
        (method, repeat)
        for method in methods
        for repeat in range(1 if method in ONCE else repeats)
        if sum((k["method"], k["repeat"]) == (method, repeat) for k in known)
        < len(TASKS[name].budgets)
    ]
    if not todo:
        return
    solved = problem(name, part)
    for method, repeat in todo:
        begun, lines = time.process_time(), []
        for share, bought, fit in trip(solved, method, repeat):
            own = {"method": method, "repeat": repeat, "budget": share, "runs": len(bought)}
            own["spent"] = solved.cost[bought].sum() / solved.cost.sum()
            lines.append(own | scored(solved, fit) | {"seconds": time.process_time() - begun})
        # a trip as a whole, so that an interruption leaves none half done
        with path.open("a", encoding="utf-8") as file:
            file.write("".join(json.dumps(line) + "\n" for line in lines))
        reached = ", ".join(f"{line['R2']:.3f}" for line in lines)
        print(f"{name} {method} {repeat}: R2 {reached}", file=sys.stderr, flush=True)


def scored(solved: Problem, fit: Fit) -> dict[str, float]:
    """Scores of the forecasts of all test points, and diagnostics of the fit."""
    points = read_points(fit, solved.test[solved.columns])
    draws = draw_responses(fit, points, "new-run", "response", np.random.default_rng(0))
    truth = solved.test["response"].to_numpy()
    table = score_draws(truth, draws.T, on_log=False)
    wrong = np.sum((truth - table["median"]) ** 2) / np.sum((truth - truth.mean()) ** 2)
    return {
        "R2": float(np.clip(1.0 - wrong, -1.0, 1.0)),
        "held": float(table["held_90"].mean()),
        "log_score": float(table["log_score"].mean()),
        "divergences": int(fit.diagnostics["divergences"]),
        "rhat": float(fit.diagnostics["max_rhat"]),
    }


def stored(path: Path) -> list[dict[str, Any]]:
    """Lines of a file, none where it is not there."""
    if not path.is_file():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def summary(lines: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Means over repeats, and the sd of R2, by budget and method."""
    if not lines:
        return pd.DataFrame()
    cells = pd.DataFrame(lines).groupby(["budget", "method"])
    table = cells.agg(
        **{
            "repeats": ("repeat", "size"),
            "R2": ("R2", "mean"),
            "sd": ("R2", "std"),
            "held by 90 %": ("held", "mean"),
            "log score": ("log_score", "mean"),
            "runs": ("runs", "mean"),
            "spent": ("spent", "mean"),
            "divergences": ("divergences", "sum"),
            "R-hat": ("rhat", "max"),
        }
    )
    table["spent"] *= 100.0
    order = {method: k for k, method in enumerate(METHODS)}
    return table.reset_index().sort_values(["budget", "method"], key=lambda c: c.replace(order))


def show(name: str, part: str, table: pd.DataFrame) -> bool:
    """Print one task; whether ours falls short of a published R2."""
    task = TASKS[name]
    beside = task.published if part == "test" else {}
    print(f"\n{name}, law {task.law}: {part} part")
    if beside and task.everything is not None:
        print(f"published R2 of a law fitted to all train data: {task.everything:.2f}")
    short = False
    for budget, own in table.groupby("budget"):
        best = f", best published R2 {beside[budget]:.2f}" if budget in beside else ""
        print(f"\nbudget {100 * budget:g} %{best}")
        shown = own.drop(columns="budget").round(DIGITS | {"R-hat": 3})
        print(shown.to_string(index=False))
        ours = own.loc[own["method"] == OURS, "R2"]
        short |= bool(best) and len(ours) == 1 and float(ours.iloc[0]) < beside[budget]
    return short


def _file(store: Path, name: str, part: str) -> Path:
    return store / f"{name}--{part}.jsonl"


if __name__ == "__main__":
    sys.exit(main())
