"""A loop that trains what it proposes: two questions about the ladder, and four ways to spend.

    python -m case_studies.closed_loop.run forecast     # a target run of one recipe
    python -m case_studies.closed_loop.run decision     # which of two recipes, at the target
    python -m case_studies.closed_loop.run show         # the scores of what is there

Runs are trained when a policy asks for them, and kept in results/runs.csv: a run that several
policies ask for is trained once. An interrupted loop goes on from its file. Needs the extra
``[ladder]``.
"""

from __future__ import annotations

import argparse
import csv
import functools
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import bayes_scaling as bs
from bayes_scaling.posterior.refit import refit, with_more
from case_studies.ladder import sweep

RESULTS = Path(__file__).parent / "results"
RUNS, SCORES = RESULTS / "runs.csv", RESULTS / "scores.csv"
FIRST, SECOND = "transformer-muon", "recurrent-adamw"
SHAPE, TOKENS = "112x5", 2**22  # of the target
LARGEST = 9.1e10  # size times tokens of a run that can be paid for: a thirtieth of the target's
SHARES = (0.1, 0.2, 0.4)  # of what all candidates cost together: where policies are scored
SEEDS = 5  # of the random policy
A_ROUND = 2  # runs that are trained before the next look
START = (3, 3)  # sizes and tokens of the cheapest product that every policy begins with
COLUMNS = ["recipe", "N", "D", "rung"]


def candidates(recipes: tuple[str, ...]) -> pd.DataFrame:
    """Settings of the ladder's grid that can be paid for, with their cost in FLOP (6 N D)."""
    known = bs.datasets.ladder().runs.drop_duplicates(["recipe", "width", "depth"])
    size = known.set_index(["recipe", "width", "depth"])["N"]
    rows = []
    for key, (_, setting) in sweep.planned(studies=("grid",)).items():
        if setting.recipe in recipes and sweep.work(setting) <= LARGEST:
            n = float(size[setting.recipe, setting.width, setting.depth])
            shape = f"{setting.width}x{setting.depth}"
            rows.append(
                (key, setting.recipe, n, float(setting.tokens), shape, 6 * n * setting.tokens)
            )
    table = pd.DataFrame(rows, columns=["key", "recipe", "N", "D", "shape", "cost"])
    return table.assign(rung=table["shape"] + "-" + table["D"].astype(int).astype(str))


def start_of(pool: pd.DataFrame) -> np.ndarray:
    """Rows of the cheapest product of sizes and tokens, of every recipe."""
    shapes = list(dict.fromkeys(pool.sort_values("N")["shape"]))[: START[0]]
    tokens = sorted(pool["D"].unique())[: START[1]]
    return np.flatnonzero(pool["shape"].isin(shapes) & pool["D"].isin(tokens))


class Trainer:
    """Trains settings when they are asked for, and keeps their losses."""

    def __init__(self, workers: int):
        self.workers = workers
        self.settings = {k: s for k, (_, s) in sweep.planned(studies=("grid",)).items()}
        self.known: dict[str, float] = {}
        if RUNS.is_file():
            self.known = pd.read_csv(RUNS).set_index("key")["loss"].to_dict()

    def losses(self, keys: list[str]) -> list[float]:
        """Losses of settings, trained where they are not known."""
        todo = [
            ("closed-loop", self.settings[k]) for k in dict.fromkeys(keys) if k not in self.known
        ]
        for record in sweep.run_all(todo, self.workers):
            RESULTS.mkdir(exist_ok=True)
            new = not RUNS.is_file()
            with RUNS.open("a", encoding="utf-8", newline="") as file:
                writer = csv.writer(file, lineterminator="\n")
                if new:
                    writer.writerow(["key", "loss", "status", "seconds"])
                loss = round(float(record["loss"]), 5)
                writer.writerow(
                    [record["key"], loss, record["status"], round(record["seconds"], 1)]
                )
            self.known[record["key"]] = loss
            print(f"trained {record['key']}: {loss:.4f}", file=sys.stderr, flush=True)
        return [self.known[k] for k in keys]


class Question:
    """What is asked, of which recipes, and what the truth is.

    Every policy begins with the same runs and their fit, which later ones are grown from.
    """

    def __init__(self, name: str, trainer: Trainer):
        self.name, self.trainer = name, trainer
        self.recipes = (FIRST,) if name == "forecast" else (FIRST, SECOND)
        runs = bs.datasets.ladder().runs
        width, depth = map(int, SHAPE.split("x"))
        at = (runs["width"] == width) & (runs["depth"] == depth) & (runs["D"] == TOKENS)
        self.truth = runs[at].set_index("recipe")["loss"]
        n = float(runs[at].set_index("recipe").loc[FIRST, "N"])
        point: dict[str, Any] = {"N": n, "D": float(TOKENS)}
        if name == "forecast":
            self.goal = bs.Goal("forecast", at=point)
        else:
            self.goal = bs.Goal("decision", at=point, recipes=self.recipes)
        self.point = point
        self.pool = candidates(self.recipes)
        self.columns = COLUMNS if len(self.recipes) > 1 else ["N", "D"]
        self.first = start_of(self.pool)

    @property
    def whole(self) -> float:
        """Cost of all candidates together."""
        return float(self.pool["cost"].sum())

    @functools.cached_property
    def begun(self) -> bs.Fit:
        """Fit of the runs that every policy begins with."""
        table = self.measured(self.first)
        return bs.make_model().fit(self.read(table), draws=500, warmup=400, target_accept=0.95)

    def measured(self, rows: Iterable[int]) -> pd.DataFrame:
        """Rows of the candidates with their losses, trained where they are not known."""
        table = self.pool.iloc[list(rows)]
        return table.assign(loss=self.trainer.losses(list(table["key"])))

    def with_rows(self, rows: Iterable[int]) -> tuple[float, bs.Fit]:
        """Buy rows beside the first ones: what all cost, and their fit."""
        table = self.measured(rows)
        spent = float(table["cost"].sum() + self.pool["cost"].iloc[self.first].sum())
        if not len(table):
            return spent, self.begun
        grown = with_more(self.begun, table[[*self.columns, "loss"]])
        return spent, refit(self.begun, grown)

    def read(self, table: pd.DataFrame) -> bs.Runs:
        """Read runs; those of one recipe need no label."""
        group = "recipe" if len(self.recipes) > 1 else None
        rung = "rung" if len(self.recipes) > 1 else None
        columns = [*COLUMNS, "loss"] if group else ["N", "D", "loss"]
        return bs.read_runs(table[columns], group=group, rung=rung, unit="nat/symbol")

    def score(self, fit: bs.Fit) -> dict[str, Any]:
        """Hold an answer against the target runs, which no policy has seen."""
        if self.name == "forecast":
            found = bs.forecast(fit, self.point, force=True).summary().iloc[0]
            truth = float(self.truth[FIRST])
            return {
                "error": 100 * (found["q0.5"] / truth - 1),
                "width": 100 * (found["q0.95"] - found["q0.05"]) / truth,
                "held": bool(found["q0.05"] <= truth <= found["q0.95"]),
            }
        found = bs.decide(fit, self.point, recipes=self.recipes, force=True).summary()
        best = self.truth[list(self.recipes)].idxmin()
        return {
            "right": bool(found.loc[found["chosen"], "recipe"].iloc[0] == best),
            "p_best": float(found.loc[found["recipe"] == best, "p_best"].iloc[0]),
        }


def ours(question: Question) -> Iterator[tuple[float, bs.Fit]]:
    """Spend each share of the budget in a loop of its own."""
    for share in SHARES:
        yield looped(question, share)


def looped(question: Question, share: float) -> tuple[float, bs.Fit]:
    """Propose, train, observe; the loop's file is read where an earlier one was interrupted."""
    file, pool = RESULTS / f"{question.name}-{share:g}.nc", question.pool
    begun = float(pool["cost"].iloc[question.first].sum())
    if file.is_file():
        loop = bs.load_loop(file)
        found = bs.propose(loop)
    else:
        rest = pool.drop(index=pool.index[question.first])
        loop, found = bs.begin_loop(
            question.begun, rest[[*question.columns, "cost"]], question.goal, count=A_ROUND,
            budget=share * question.whole - begun, force=True,
        )  # fmt: skip
        loop.save(file)
    while not found.stop and len(found.picks):
        print(*found.explain(), sep="\n", file=sys.stderr, flush=True)
        on = list(question.columns)
        rows = found.picks[on].merge(pool.reset_index()[[*on, "index"]], on=on)["index"]
        loop, found = bs.observe(loop, question.measured(rows)[[*on, "loss"]])
        loop.save(file)
    print(found.stop, file=sys.stderr)
    return begun + loop.spent, loop.fit


def in_order(question: Question, order: np.ndarray) -> Iterator[tuple[float, bs.Fit]]:
    """Buy runs in an order that no answer changes, up to each share of the budget."""
    cost = question.pool["cost"].to_numpy()
    for share in SHARES:
        taken, spent = [], cost[question.first].sum()
        for i in order:
            if i not in question.first and spent + cost[i] <= share * question.whole:
                taken.append(i)
                spent += cost[i]
        yield question.with_rows(taken)


def grid(question: Question) -> Iterator[tuple[float, bs.Fit]]:
    """Buy the largest product of sizes and tokens that a budget pays for, evenly spread."""
    cost = question.pool["cost"].to_numpy()
    for share in SHARES:
        left, best = share * question.whole - cost[question.first].sum(), []
        for rows in products(question.pool):
            extra = [i for i in rows if i not in question.first]
            if cost[extra].sum() <= left and len(extra) > len(best):
                best = extra
        yield question.with_rows(best)


def products(pool: pd.DataFrame) -> Iterator[list[int]]:
    """Full products of evenly spread shapes and tokens, the same of every recipe."""
    shapes = list(dict.fromkeys(pool.sort_values("N")["shape"]))
    tokens = sorted(pool["D"].unique())
    recipes = pool["recipe"].nunique()
    for k in range(2, len(shapes) + 1):
        for m in range(2, len(tokens) + 1):
            for last in range(k - 1, len(shapes)):
                some = {shapes[round(i)] for i in np.linspace(0, last, k)}
                those = {tokens[round(i)] for i in np.linspace(0, len(tokens) - 1, m)}
                rows = np.flatnonzero(pool["shape"].isin(some) & pool["D"].isin(those))
                if len(rows) == recipes * k * m:
                    yield list(rows)


def policies(question: Question) -> dict[str, Callable[[], Iterator[tuple[float, bs.Fit]]]]:
    """The ways to spend, by name."""
    cheapest = np.argsort(question.pool["cost"].to_numpy(), kind="stable")
    found: dict[str, Callable[[], Iterator[tuple[float, bs.Fit]]]] = {
        "ours": lambda: ours(question),
        "cheapest": lambda: in_order(question, cheapest),
        "grid": lambda: grid(question),
    }
    for seed in range(SEEDS):
        order = np.random.default_rng(seed).permutation(len(question.pool))
        found[f"random {seed}"] = lambda order=order: in_order(question, order)
    return found


def study(name: str, workers: int) -> None:
    """Let every policy spend, and write a row of scores for each share of the budget."""
    question = Question(name, Trainer(workers))
    done = pd.read_csv(SCORES) if SCORES.is_file() else pd.DataFrame(columns=["question", "policy"])
    print(f"{len(question.pool)} candidates, {question.whole:.3g} FLOP together", file=sys.stderr)
    for policy, spend in policies(question).items():
        if ((done["question"] == name) & (done["policy"] == policy)).any():
            continue
        rows: list[dict[str, Any]] = []
        for share, (spent, fit) in zip(SHARES, spend(), strict=True):
            row = {"question": name, "policy": policy, "budget": share}
            row |= {"spent": spent / question.whole, "runs": len(fit.runs())}
            rows.append(row | question.score(fit))
            print(rows[-1], file=sys.stderr, flush=True)
        done = pd.concat([done, pd.DataFrame(rows)], ignore_index=True)
        done.to_csv(SCORES, index=False, float_format="%.6g")


def show() -> None:
    """Print the scores, of the random policy their means over its seeds."""
    scores = pd.read_csv(SCORES)
    scores["policy"] = scores["policy"].str.split().str[0]
    scores["error"] = scores["error"].abs()
    for question, own in scores.groupby("question", sort=False):
        wanted = ["error", "width", "held"] if question == "forecast" else ["right", "p_best"]
        own = own.assign(**{k: own[k].astype(float) for k in wanted})
        means = own.groupby(["budget", "policy"], sort=False)[[*wanted, "spent", "runs"]].mean()
        print(f"{question}\n{means.round(3).to_string()}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("question", choices=["forecast", "decision", "show"])
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    if given.question != "show":
        study(given.question, given.workers)
    show()
    return 0


if __name__ == "__main__":
    sys.exit(main())
