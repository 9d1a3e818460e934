"""Simulated pairs of recipes: does choosing the next runs settle a decision at half the cost?

    python -m case_studies.decisions.next_runs                  # 140 worlds, both policies
    python -m case_studies.decisions.next_runs --policy grid    # or chosen
    python -m case_studies.decisions.next_runs --show

Pairs whose curves cross beyond all runs that can be paid for. The policy "grid" runs every
setting for both recipes, a number of times each; the policy "chosen" begins with the cheapest
settings, fits, asks `bs.next_run` what to run next, and stops once the decision is settled. Both
see the same runs where they ask for the same ones. One row a world, policy and budget goes to
results/next_runs.csv, and what is there is not run again. Everything is synthetic; seeds and
effect sizes are fixed here and in worlds.py.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import bayes_scaling as bs
from bayes_scaling.answers.next_run import By
from bayes_scaling.posterior.nuts import Settings
from bayes_scaling.posterior.refit import refit, with_more

from . import worlds as w
from .run import EVERY, LAW

RESULTS = Path(__file__).parent / "results" / "next_runs.csv"
FIRST_SEED = 1000  # no other study has seen these worlds
LARGE, SMALL = 100, 40  # worlds whose gap is above the region, and not
SAMPLER = Settings(chains=4, draws=500, warmup=300, target_accept=0.9)
RECIPES = ["a", "b"]
COLUMNS = ["recipe", "N", "D"]
TIMES = (0.5, 1.0, 2.0, 4.0)  # how often a grid runs its settings; half: every other one
WANTED = 0.9


@dataclass(frozen=True)
class Plan:
    """How runs are chosen.

    Attributes
    ----------
    start : float
        Cost of the runs to begin with, the cheapest ones, as a share of the grid's.
    budgets : tuple of float
        Shares of the grid's cost: a round may spend what is left up to the next one.
    count, repeats : int
        Most runs of a round, and how often one setting of a recipe is run in a round.
    by : {"auto", "information", "value"}
    """

    start: float = 0.05
    budgets: tuple[float, ...] = (0.0625, 0.125, 0.25, 0.375, 0.5, 0.75, 1.0)
    count: int = 32
    repeats: int = 8
    by: By = "auto"


PLAN = Plan()


def seeds(large: bool) -> list[int]:
    """Return the worlds of kind beyond with a large or a small gap."""
    found: list[int] = []
    for seed in range(FIRST_SEED, 100 * FIRST_SEED):
        beyond = seed // 4 % 3 == 1
        if beyond and (w.GAPS[seed % len(w.GAPS)] > 1) == large:
            found.append(seed)
        if len(found) == (LARGE if large else SMALL):
            break
    return found


def settings() -> pd.DataFrame:
    """Return what can be run: settings of both recipes, with the cost of a run, cheapest first."""
    size, ratio = (g.ravel() for g in np.meshgrid(w.SIZES, w.RATIOS))
    own = pd.DataFrame({"N": size, "D": ratio * size, "cost": 6.0 * size**2 * ratio})
    both = pd.concat([own.assign(recipe=r) for r in RECIPES])
    return both.sort_values(["cost", "N", "recipe"], ignore_index=True)


class Lab:
    """Runs of one world, each the next replicate of its setting, and what they have cost."""

    def __init__(self, world: w.World):
        self.world = world
        self.seen: Counter[tuple[Any, ...]] = Counter()
        self.cost = 0.0

    def run(self, wanted: pd.DataFrame) -> pd.DataFrame:
        """Run settings, and return them with their losses."""
        losses = []
        for row in wanted[COLUMNS].itertuples(index=False):
            losses.append(w.observe(self.world, *row, replicate=self.seen[tuple(row)]))
            self.seen[tuple(row)] += 1
        self.cost += float((6.0 * wanted["N"] * wanted["D"]).sum())
        return wanted[COLUMNS].assign(loss=losses)


def first_fit(runs: pd.DataFrame, seed: int) -> bs.Fit:
    """Fit the runs that a policy begins with."""
    model = bs.ScalingModel(LAW, pool=EVERY, discrepancy=False, rung=True)
    return model.fit(
        bs.read_runs(runs, group="recipe"), seed=seed, chains=SAMPLER.chains, draws=SAMPLER.draws,
        warmup=SAMPLER.warmup, target_accept=SAMPLER.target_accept,
    )  # fmt: skip


def grid(seed: int) -> Iterator[dict[str, Any]]:
    """Run all settings, more and more often; fit and decide each time."""
    world, table = w.world(seed), settings()
    lab, fit = Lab(world), None
    place = np.log2(table["N"] / w.SIZES[0]) + np.log2(table["D"] / table["N"] / w.RATIOS[0])
    other = place.round() % 2 == 0  # a chess board, with the dearest setting in it
    for times in TIMES:
        if times == 1.0:
            new = table[~other]
        else:
            new = table[other] if times < 1 else pd.concat([table] * int(times / 2))
        runs = lab.run(new)
        fit = first_fit(runs, seed) if fit is None else refit(fit, with_more(fit, runs), seed=seed)
        yield row_of(world, lab, fit, times)


def chosen(seed: int, plan: Plan = PLAN) -> Iterator[dict[str, Any]]:
    """Run what `next_run` picks, round by round, until the decision is settled."""
    world, table = w.world(seed), settings()
    whole, lab = float(table["cost"].sum()), Lab(world)
    fit = first_fit(lab.run(table[table["cost"].cumsum() <= plan.start * whole]), seed)
    yield row_of(world, lab, fit, plan.start)
    goal = bs.Goal("decision", budget=w.TARGET, rope=w.ROPE)
    for budget in plan.budgets:
        found = bs.next_run(
            fit, table[COLUMNS], goal, count=plan.count, budget=budget * whole - lab.cost,
            repeats=plan.repeats, by=plan.by, seed=seed, force=True,
        )  # fmt: skip
        if found.stop.startswith("settled"):
            return
        if len(found.picks):
            fit = refit(fit, with_more(fit, lab.run(found.picks)), seed=seed)
        yield row_of(world, lab, fit, budget)


def row_of(world: w.World, lab: Lab, fit: bs.Fit, budget: float) -> dict[str, Any]:
    """Decide at the target, and compare with the truth."""
    found = bs.decide(fit, budget=w.TARGET, rope=w.ROPE, force=True)
    verdict = found.verdicts().iloc[0]
    worth = found.worth[:, 0]
    gap = worth[:, 0] - worth[:, 1]
    right = verdict["choice"] == ("a" if world.gap > 0 else "b")
    return {
        "family": world.family,
        "gap": world.gap,
        "budget": budget,
        "cost": lab.cost / float(settings()["cost"].sum()),
        "runs": lab.seen.total(),
        "choice": verdict["choice"],
        "right": right,
        "regret": 0.0 if right else abs(world.gap),
        "p_safe": verdict["p_safe"],
        "settled": verdict["settled"],
        "gap_mean": gap.mean(),
        "gap_sd": gap.std(ddof=1),
        "divergences": fit.diagnostics["divergences"],
        "rhat": fit.diagnostics["max_rhat"],
    }


POLICIES: dict[str, Callable[[int], Iterator[dict[str, Any]]]] = {"grid": grid, "chosen": chosen}


def scores(table: pd.DataFrame) -> pd.DataFrame:
    """Scores of every policy at every budget; what was decided earlier stays decided."""
    rows = []
    for policy, own in table.groupby("policy"):
        for budget in sorted(own["budget"].unique()):
            last = own[own["budget"] <= budget].sort_values("budget").groupby("seed").last()
            settled = last["settled"].astype(bool)
            large = last["gap"].abs() > w.ROPE * (1 + 1e-9)
            rows.append(
                {
                    "policy": policy,
                    "budget": budget,
                    "cost": last.loc[large, "cost"].mean(),
                    "runs": last.loc[large, "runs"].mean(),
                    "right": last.loc[large, "right"].mean(),
                    "regret": last.loc[large, "regret"].mean(),
                    "settled": settled[large].mean(),
                    "settled_wrong": (settled & ~last["right"] & large).sum(),
                    "small_cost": last.loc[~large, "cost"].mean(),
                    "small_open": (~settled[~large]).mean(),
                    "small_regret": last.loc[~large, "regret"].mean(),
                }
            )
    return pd.DataFrame(rows)


def show(table: pd.DataFrame) -> bool:
    """Print the scores; whether the chosen runs reach the grid's rate at half its cost."""
    found = scores(table)
    print(found.round(3).to_string(index=False))
    for policy, own in table.groupby("policy"):
        by_size = own["gap"].abs() > w.ROPE * (1 + 1e-9)
        print(
            f"{policy}: {own.loc[by_size, 'seed'].nunique()} worlds with a gap above the region, "
            f"{own.loc[~by_size, 'seed'].nunique()} with one of at most the region; "
            f"{(own['rhat'] > 1.05).mean():.1%} of {len(own)} fits have an R-hat above 1.05"
        )
    grid_own, chosen_own = (found[found["policy"] == p] for p in ("grid", "chosen"))
    reached = grid_own[grid_own["right"] >= WANTED]
    if not len(reached):
        print(f"the grid does not reach {WANTED:.0%}")
        return False
    goal = reached.iloc[0]
    as_good = chosen_own[chosen_own["right"] >= goal["right"]]
    print(
        f"the grid first reaches {WANTED:.0%} with {goal['right']:.1%} at cost {goal['cost']:.3g}; "
        + (
            f"chosen runs {as_good.iloc[0]['right']:.1%} at {as_good.iloc[0]['cost']:.3g}"
            if len(as_good)
            else "chosen runs do not reach that rate"
        )
    )
    return bool(len(as_good) and as_good.iloc[0]["cost"] <= goal["cost"] / 2)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--policy", choices=POLICIES, help="by default both")
    parser.add_argument("--show", action="store_true", help="print the scores of results/ alone")
    given = parser.parse_args()
    wanted = [*zip(seeds(True), strict=True), *zip(seeds(False), strict=True)]
    done = pd.read_csv(RESULTS) if RESULTS.exists() else pd.DataFrame({"seed": [], "policy": []})
    past = set(zip(done["seed"], done["policy"], strict=True))
    for (seed,) in [] if given.show else wanted:
        for policy in [given.policy] if given.policy else POLICIES:
            if (seed, policy) in past:
                continue
            rows = pd.DataFrame(POLICIES[policy](seed))
            rows.insert(0, "policy", policy)
            rows.insert(0, "seed", seed)
            rows.to_csv(
                RESULTS, mode="a", header=not RESULTS.exists(), index=False, float_format="%.6g"
            )
            last = rows.iloc[-1]
            print(f"{seed} {policy}: right {last['right']}, cost {last['cost']:.3g}",
                  file=sys.stderr, flush=True)  # fmt: skip
    return 0 if show(pd.read_csv(RESULTS)) else 1


if __name__ == "__main__":
    sys.exit(main())
