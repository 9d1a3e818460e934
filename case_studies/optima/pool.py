"""Best settings of three cells from a tenth of the runs of the others, bought for that question."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pandas as pd
import scoring
import steplaw

import bayes_scaling as bs
from bayes_scaling.posterior.refit import refit, with_more

RESULTS = Path(__file__).parent / "results"
COMPUTE = 1.29e20  # FLOP, 6 N D, of the cells that are asked about
SHARE = 0.10  # of the runs of the other cells that are bought
TARGET = 0.10  # mean gap of a cell, per cent
SEEDS = 20
FIRST = 3  # runs of every cell at random, before there is a fit to ask
ROUNDS = 4
WITHIN = 0.015  # of the best loss of a cell: runs that say how its losses lie near the best
COLUMNS = ["N", "D", "lr", "B"]
RUN = [*COLUMNS, steplaw.RESPONSE]


def tables() -> tuple[pd.DataFrame, list[pd.DataFrame]]:
    """Runs of the other cells, and those of each cell that is asked about."""
    # whole numbers of the table would overflow in 6 N D
    frame = steplaw.table().astype(dict.fromkeys(COLUMNS, float))
    frame["cost"] = 6 * frame["N"] * frame["D"]
    asked = np.isclose(frame["cost"], COMPUTE, rtol=0.01)
    cells = [cell.reset_index(drop=True) for _, cell in frame[asked].groupby(["N", "D"])]
    return frame[~asked].reset_index(drop=True), cells


def points(cells: list[pd.DataFrame]) -> list[dict[str, float]]:
    """N and D of cells."""
    return [cell[["N", "D"]].iloc[0].to_dict() for cell in cells]


def begun(pool: pd.DataFrame, seed: int) -> np.ndarray:
    """Whether a run of the pool is one of those that everything begins with."""
    rng = np.random.default_rng(seed)
    bought = np.zeros(len(pool), dtype=bool)
    for rows in pool.groupby(["N", "D"]).indices.values():
        bought[rng.choice(rows, FIRST, replace=False)] = True
    return bought


def score(
    fit: bs.Fit, cells: list[pd.DataFrame], pool: pd.DataFrame, bought: np.ndarray
) -> dict[str, Any]:
    """Recommended settings of the cells with their gaps, what was paid, and diagnostics."""
    found = bs.tune(fit, points(cells), force=True)
    logs = np.log(found.best.transpose("sample", "point", "setting").to_numpy())
    best = [
        dict(zip(found.settings, map(float, row), strict=True))
        for row in found.recommended.to_numpy()
    ]
    return {
        "runs": int(bought.sum()),
        "cost": float(pool.loc[bought, "cost"].sum() / pool["cost"].sum()),
        "lost": int((pool.loc[bought, steplaw.RESPONSE] > steplaw.ABOVE).sum()),
        "gap": [
            100 * scoring.gap(cell, own, steplaw.RESPONSE)
            for cell, own in zip(cells, best, strict=True)
        ],
        "best": best,
        "sd": logs.std(axis=0).round(4).tolist(),
        "penalty": (100 * found.expected_penalty).tolist(),
        "usable": fit.usable,
        "divergences": fit.diagnostics["divergences"],
        "rhat": fit.diagnostics["max_rhat"],
    }


def ours(
    start: bs.Fit, pool: pd.DataFrame, cells: list[pd.DataFrame], seed: int
) -> list[dict[str, Any]]:
    """Scores of the start and of every round: ask for runs, look them up, fit again."""
    bought, fit = begun(pool, seed), start
    path = [score(fit, cells, pool, bought)]
    goal = bs.Goal("tuning", at=points(cells))
    ends = np.linspace(bought.sum(), int(SHARE * len(pool)), ROUNDS + 1).astype(int)
    for turn, end in enumerate(ends[1:]):
        left = np.flatnonzero(~bought)
        candidates = pool.loc[left, COLUMNS].assign(cost=1.0)
        count = int(end - bought.sum())
        # a start of so few runs may have poor diagnostics, which the scores tell
        found = bs.next_run(fit, candidates, goal, count=count, by="value", seed=seed, force=True)
        picks = left[found.picks["candidate"]]
        bought[picks] = True
        fit = refit(fit, with_more(fit, pool.loc[picks, RUN]), seed=1000 * seed + turn)
        path.append(score(fit, cells, pool, bought) | {"stop": found.stop})
    return path


def at_random(
    start: bs.Fit, pool: pd.DataFrame, cells: list[pd.DataFrame], seed: int
) -> list[dict[str, Any]]:
    """Scores of the same start and as many more runs at random, all fitted together."""
    bought = begun(pool, seed)
    more = int(SHARE * len(pool)) - bought.sum()
    rng = np.random.default_rng([seed, 1])
    picks = rng.choice(np.flatnonzero(~bought), more, replace=False)
    bought[picks] = True
    fit = refit(start, with_more(start, pool.loc[picks, RUN]), seed=1000 * seed)
    return [score(fit, cells, pool, bought)]


POLICIES = {"next_run": ours, "random": at_random}


def study(seeds: int = SEEDS) -> pd.DataFrame:
    """Fit all the pool, and spend a tenth in every way; goes on where an earlier run stopped."""
    pool, cells = tables()
    law = bs.find_law("valley")
    path = RESULTS / "pool.jsonl"
    RESULTS.mkdir(exist_ok=True)
    done = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def keep(policy: str, seed: int, scores: list[dict[str, Any]], since: float) -> None:
        seconds = round(time.perf_counter() - since)
        done.append({"policy": policy, "seed": seed, "seconds": seconds, "path": scores})
        with path.open("a") as file:
            file.write(json.dumps(done[-1]) + "\n")
        gap = ", ".join(f"{g:.3f}" for g in scores[-1]["gap"])
        print(f"{policy} {seed}: {gap} % in {seconds} s", file=sys.stderr, flush=True)

    known = {(r["policy"], r["seed"]) for r in done}
    if ("whole", 0) not in known:
        since = time.perf_counter()
        fit = bs.ScalingModel(law).fit(steplaw.read(pool[RUN]), **steplaw.WHOLE)
        keep("whole", 0, [score(fit, cells, pool, np.ones(len(pool), dtype=bool))], since)
    for seed in range(seeds):
        todo = {k: v for k, v in POLICIES.items() if (k, seed) not in known}
        if not todo:
            continue
        first = steplaw.read(pool.loc[begun(pool, seed), RUN])
        start = bs.ScalingModel(law).fit(first, **{**steplaw.WHOLE, "seed": seed})
        for name, policy in todo.items():
            since = time.perf_counter()
            keep(name, seed, policy(start, pool, cells, seed), since)
        if seed % 6 == 5:
            jax.clear_caches()  # each start has a size of its own, and programs fill the memory
    return pd.DataFrame(done)


def passed(found: pd.DataFrame) -> bool:
    """Print gaps and costs, and say whether the mean gap of every cell is small enough."""
    pool, cells = tables()
    print(f"{len(pool)} runs in the pool, {sum(map(len, cells))} in the cells asked about")
    describe(found, cells)
    ends = found.assign(end=[path[-1] for path in found["path"]])
    by_cell, by_policy, means = [], [], {}
    surfaces = [smoothed(cell)[0] for cell in cells]
    for policy, own in ends.groupby("policy", sort=False)["end"]:
        last = pd.DataFrame(own.tolist())
        gap, sd = (np.array(last[name].tolist()) for name in ("gap", "sd"))
        smooth = np.array(
            [[smooth(b) for smooth, b in zip(surfaces, s["best"], strict=True)] for s in own]
        )
        means[policy] = gap.mean(axis=0)
        for k, at in enumerate(points(cells)):
            values = pd.Series(gap[:, k])
            by_cell.append(
                {"policy": policy, **at, "gap": values.mean(), "standard error": values.sem(),
                 "within": (values <= TARGET).mean(), "smoothed gap": smooth[:, k].mean()}
            )  # fmt: skip
        by_policy.append(
            {"policy": policy, "seeds": len(own), "gap": gap.mean(),
             "standard error": pd.Series(gap.mean(axis=1)).sem(), "smoothed gap": smooth.mean(),
             "expected penalty": np.array(last["penalty"].tolist()).mean(),
             "runs %": 100 * last["runs"].mean() / len(pool), "6ND %": 100 * last["cost"].mean(),
             "diverged": last["lost"].mean(), "sd of log lr": sd[..., 0].mean(),
             "sd of log B": sd[..., 1].mean()}
        )  # fmt: skip
    for rows in (by_cell, by_policy):
        print(f"\n{pd.DataFrame(rows).to_string(index=False, float_format='%.4g')}")
    on_the_way(found)
    return bool((means["next_run"] <= TARGET).all())


def describe(found: pd.DataFrame, cells: list[pd.DataFrame]) -> None:
    """Print how good settings can be: those of all the pool, those published, and the grid's."""
    whole = found.loc[found["policy"] == "whole", "path"].iloc[0][-1]
    for k, (cell, at) in enumerate(zip(cells, points(cells), strict=True)):
        law, own = steplaw.published(at["N"], at["D"]), whole["best"][k]
        gap = 100 * (cell[steplaw.RESPONSE] / cell[steplaw.RESPONSE].min() - 1)
        near = cell.loc[gap <= TARGET, ["lr", "B"]].assign(gap=gap).sort_values("gap")
        smooth, scatter = smoothed(cell)
        print(
            f"\nN={at['N']:.3g}, D={at['D']:.3g}: {len(near)} of {len(cell)} runs within "
            f"{TARGET} % of the best; runs scatter by {scatter:.3f} % around a smooth surface\n"
            f"{near.to_string(index=False)}"
        )
        for name, best in (("all the pool", own), ("published", law)):
            print(
                f"{name}: lr {best['lr']:.4g}, B {best['B']:.4g}, gap "
                f"{100 * scoring.gap(cell, best, steplaw.RESPONSE):.3f} %, smoothed "
                f"{smooth(best):.3f} %"
            )


def smoothed(cell: pd.DataFrame) -> tuple[Callable[[dict[str, float]], float], float]:
    """Gap of any settings by the cell's own runs near the best, and how these scatter, per cent.

    A cubic of the logs of the settings by least squares: the gap of the nearest run steps with
    the grid, and takes the scatter of two runs along.
    """
    near = cell[cell[steplaw.RESPONSE] <= (1 + WITHIN) * cell[steplaw.RESPONSE].min()]
    logs = np.log(near[["lr", "B"]].to_numpy())
    middle = logs.mean(axis=0)

    def columns(at: np.ndarray) -> np.ndarray:
        u, v = (at - middle).T
        return np.stack([u**i * v**j for i in range(4) for j in range(4 - i)], axis=-1)

    losses = np.log(near[steplaw.RESPONSE].to_numpy())
    slopes = np.linalg.lstsq(columns(logs), losses, rcond=None)[0]
    off = losses - columns(logs) @ slopes
    sides = np.linspace(logs.min(axis=0), logs.max(axis=0), 201).T
    least = (columns(np.stack(np.meshgrid(*sides), axis=-1).reshape(-1, 2)) @ slopes).min()

    def gap(best: dict[str, float]) -> float:
        at = np.log([[best["lr"], best["B"]]])
        return float(100 * np.expm1(columns(at) @ slopes - least)[0])

    return gap, float(100 * np.sqrt((off**2).sum() / (len(off) - len(slopes))))


def on_the_way(found: pd.DataFrame) -> None:
    """Print mean gaps after every round, and how often diagnostics were poor."""
    for policy, own in found.groupby("policy", sort=False):
        steps = pd.DataFrame([step for path in own["path"] for step in path])
        steps["mean gap"] = [np.mean(gap) for gap in steps["gap"]]
        steps["poor"] = ~steps["usable"]
        shown = steps.groupby("runs").agg(
            fits=("poor", "size"), gap=("mean gap", "mean"), cost=("cost", "mean"),
            poor=("poor", "sum"), divergences=("divergences", "max"), rhat=("rhat", "max"),
        )  # fmt: skip
        seconds = own["seconds"].mean()
        print(f"\n{policy}: {seconds:.0f} s a seed\n{shown.round(4).to_string()}")
