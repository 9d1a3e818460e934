"""Simulated pairs of recipes: do chosen runs settle a decision at half the cost of a grid?

    python -m case_studies.decisions.next_runs                   # 140 worlds, three policies
    python -m case_studies.decisions.next_runs --policy chosen   # or grid, or random
    python -m case_studies.decisions.next_runs --show            # the scores of what is there

Pairs whose curves cross beyond all runs that can be paid for. The policy "grid" runs every setting
for both recipes, a number of times each. The policy "chosen" begins with the cheapest settings,
fits, asks `bs.next_run` what to run, and stops once the decision is settled; "random" is the same
but for runs drawn by chance. All see the same loss where they ask for the same run. A row a world,
policy and budget goes to results/next_runs.csv; what is there is not run again. Everything is
synthetic; seeds and effect sizes are fixed here and in worlds.py.
"""

from __future__ import annotations

import argparse
import functools
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import bayes_scaling as bs
from bayes_scaling.posterior.nuts import Settings
from bayes_scaling.posterior.refit import refit, with_more

from . import worlds as w
from .run import EVERY, LAW

RESULTS = Path(__file__).parent / "results" / "next_runs.csv"
FIRST_SEED = 1000  # worlds that no other study has seen
LARGE, SMALL = 100, 40  # worlds whose gap is above the region, and at most the region
SAMPLER = Settings(chains=4, draws=250, warmup=250, target_accept=0.9)
TRIES, MIXED = 3, 1.05  # a fit whose R-hat is above it is tried again from another seed
COLUMNS = ["recipe", "N", "D"]
TIMES = (0.5, 1.0, 2.0)  # how often a grid runs its settings; half: every other one
WANTED = 0.9  # share of right choices that counts as reached
# in grids: cost of the cheapest runs, to begin with, and what has been spent after each round
START, BUDGETS = 0.05, (0.0625, 0.125, 0.25, 0.375, 0.5, 0.75, 1.0, 1.5, 2.0)
MOST, REPEATS = 32, 8  # runs of a round, and of one setting in it

Row = dict[str, Any]
Picker = Callable[[bs.Fit, pd.DataFrame, float, int], pd.DataFrame]


def seeds(*, large: bool) -> list[int]:
    """Worlds of kind beyond whose gap is above the region, or not."""
    every = range(FIRST_SEED, FIRST_SEED + 60 * (LARGE + SMALL))
    beyond = [s for s in every if s // 4 % 3 == 1]
    fitting = [s for s in beyond if (w.GAPS[s % len(w.GAPS)] > 1) == large]
    return fitting[: LARGE if large else SMALL]


def settings() -> pd.DataFrame:
    """Every run that can be paid for and its cost in grids of one run each, cheapest first."""
    size, ratio = (g.ravel() for g in np.meshgrid(w.SIZES, w.RATIOS))
    own = pd.DataFrame({"N": size, "D": ratio * size, "cost": size**2 * ratio})
    both = pd.concat([own.assign(recipe=recipe) for recipe in ("a", "b")])
    both["cost"] /= both["cost"].sum()
    return both.sort_values(["cost", "N", "recipe"], ignore_index=True)


world = functools.lru_cache(maxsize=1)(w.world)  # one policy after the other asks for it


class Lab:
    """Runs of one world, each the next replicate of its setting, and what they have cost."""

    def __init__(self, seed: int):
        self.world = world(seed)
        self.table = settings()
        self.prices = self.table.set_index(COLUMNS)["cost"].to_dict()
        self.seen: Counter[tuple[Any, ...]] = Counter()

    @property
    def cost(self) -> float:
        """Cost of all runs so far, in grids."""
        return float(sum(self.prices[run] * count for run, count in self.seen.items()))

    def run(self, wanted: pd.DataFrame) -> pd.DataFrame:
        """Run settings, and return them with their losses."""
        losses = []
        for recipe, n, d in wanted[COLUMNS].itertuples(index=False, name=None):
            losses.append(w.observe(self.world, recipe, n, d, self.seen[recipe, n, d]))
            self.seen[recipe, n, d] += 1
        return wanted[COLUMNS].assign(loss=losses)


def fitted(runs: pd.DataFrame, seed: int, before: bs.Fit | None = None) -> bs.Fit:
    """Fit runs, or grow a fit by them; of a few tries the one that mixes best."""
    model = bs.ScalingModel(LAW, pool=EVERY, discrepancy=False, rung=True)
    best: bs.Fit | None = None
    for k in range(TRIES):
        own = seed + 10**6 * k
        if before is not None:
            fit = refit(before, with_more(before, runs), seed=own, settings=SAMPLER)
        else:
            fit = model.fit(
                bs.read_runs(runs, group="recipe"), seed=own, chains=SAMPLER.chains,
                draws=SAMPLER.draws, warmup=SAMPLER.warmup, target_accept=SAMPLER.target_accept,
            )  # fmt: skip
        if best is None or fit.diagnostics["max_rhat"] < best.diagnostics["max_rhat"]:
            best = fit
        if best.diagnostics["max_rhat"] <= MIXED:
            break
    assert best is not None
    return best


def grid(seed: int) -> Iterator[Row]:
    """Run all settings, more and more often; fit and decide each time."""
    lab, fit = Lab(seed), None
    table = lab.table
    place = np.log2(table["N"] / w.SIZES[0]) + np.log2(table["D"] / table["N"] / w.RATIOS[0])
    first = place.round() % 2 == 0  # as on a chess board, with the dearest setting in it
    for times in TIMES:
        if times <= 1:
            new = table[first if times < 1 else ~first]
        else:  # as often again as so far
            new = pd.concat([table] * int(times / 2))
        fit = fitted(lab.run(new), seed, fit)
        yield decided(lab, fit, times)


def bought(seed: int, pick: Picker) -> Iterator[Row]:
    """Begin with the cheapest runs, and buy more in rounds until the decision is settled."""
    lab = Lab(seed)
    fit = fitted(lab.run(lab.table[lab.table["cost"].cumsum() <= START]), seed)
    row = decided(lab, fit, START)
    yield row
    for budget in BUDGETS:
        if row["settled"]:
            return
        picks = pick(fit, lab.table, budget - lab.cost, seed)
        if len(picks):
            fit = fitted(lab.run(picks), seed, fit)
        row = decided(lab, fit, budget)
        yield row


def chosen(seed: int) -> Iterator[Row]:
    """Buy what `next_run` picks."""
    goal = bs.Goal("decision", budget=w.TARGET, rope=w.ROPE)

    def pick(fit: bs.Fit, table: pd.DataFrame, left: float, seed: int) -> pd.DataFrame:
        return bs.next_run(
            fit, table, goal, count=MOST, budget=left, repeats=REPEATS, seed=seed, force=True
        ).picks

    return bought(seed, pick)


def drawn(seed: int) -> Iterator[Row]:
    """Buy runs by chance, each among those that the round can still pay for."""
    rng = np.random.default_rng([seed, 3])

    def pick(fit: bs.Fit, table: pd.DataFrame, left: float, seed: int) -> pd.DataFrame:
        rows: list[int] = []
        while len(rows) < MOST and (affordable := np.flatnonzero(table["cost"] <= left)).size:
            rows.append(int(rng.choice(affordable)))
            left -= table["cost"].iloc[rows[-1]]
        return table.iloc[rows]

    return bought(seed, pick)


def decided(lab: Lab, fit: bs.Fit, budget: float) -> Row:
    """Decide at the target, and compare with the truth."""
    found = bs.decide(fit, budget=w.TARGET, rope=w.ROPE, force=True)
    verdict, worth = found.verdicts().iloc[0], found.worth[:, 0]
    gap = worth[:, 0] - worth[:, 1]
    right = bool(verdict["choice"] == ("a" if lab.world.gap > 0 else "b"))
    return {
        "family": lab.world.family,
        "gap": lab.world.gap,
        "budget": budget,
        "cost": lab.cost,
        "runs": lab.seen.total(),
        "right": right,
        "regret": 0.0 if right else abs(lab.world.gap),
        "p_safe": verdict["p_safe"],
        "settled": bool(verdict["settled"]),
        "gap_mean": gap.mean(),
        "gap_sd": gap.std(ddof=1),
        "divergences": fit.diagnostics["divergences"],
        "rhat": fit.diagnostics["max_rhat"],
    }


POLICIES: dict[str, Callable[[int], Iterator[Row]]] = {
    "grid": grid,
    "chosen": chosen,
    "random": drawn,
}


def until_settled(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of a policy up to the first of each world that is settled."""
    rows = rows.sort_values(["seed", "budget"])
    before = rows.groupby("seed")["settled"].cumsum() - rows["settled"]
    return rows[before == 0]


def scores(table: pd.DataFrame) -> pd.DataFrame:
    """Scores of policies at budgets, over worlds of large and of small gaps.

    What is settled has been decided, at the cost until then. The grid is scored as a grid,
    and as one that stops between its repetitions.
    """
    policies = {policy: own for policy, own in table.groupby("policy")}
    if "grid" in policies:
        policies["grid, stopping"] = until_settled(policies["grid"])
    found = []
    for policy, own in policies.items():
        for budget in sorted(own["budget"].unique()):
            last = own[own["budget"] <= budget].sort_values("budget").groupby("seed").last()
            for size, part in last.groupby(large_gap(last).map({True: "large", False: "small"})):
                found.append(
                    {
                        "gaps": size,
                        "policy": policy,
                        "worlds": len(part),
                        "budget": budget,
                        "cost": part["cost"].mean(),
                        "runs": part["runs"].mean(),
                        "right": part["right"].mean(),
                        "regret": part["regret"].mean(),
                        "settled": part["settled"].mean(),
                        "settled wrong": int((part["settled"] & ~part["right"]).sum()),
                    }
                )
    return pd.DataFrame(found)


def large_gap(table: pd.DataFrame) -> pd.Series:
    """Whether the gap of a world is above the region of practical equivalence."""
    return table["gap"].abs() > w.ROPE * 1.01


def show(table: pd.DataFrame) -> bool:
    """Print scores; whether chosen runs reach the rate of the grid at half its cost."""
    found = scores(table)
    for size, part in found.groupby("gaps"):
        print(f"worlds of {size} gaps; cost in grids of one run each")
        print(part.drop(columns="gaps").round(3).to_string(index=False))
    print(
        f"{len(table)} fits, of which {(table['rhat'] > MIXED).sum()} with an R-hat above {MIXED}"
    )
    shared = table[table.groupby("seed")["policy"].transform("nunique") == len(POLICIES)]
    print(f"{shared['seed'].nunique()} worlds that all policies have seen")
    print(scores(shared).round(3).to_string(index=False))
    large = found[found["gaps"] == "large"]
    print(large_by_family(table).round(3).to_string())
    return reached(large)


def large_by_family(table: pd.DataFrame) -> pd.DataFrame:
    """Share of right choices at each policy's largest budget, by the family of the truth."""
    last = table[large_gap(table)].sort_values("budget").groupby(["policy", "seed"]).last()
    return last.pivot_table(index="policy", columns="family", values="right")


def reached(large: pd.DataFrame) -> bool:
    """Whether chosen runs reach the rate at half the cost of the grid that first does."""
    whole, own = (large[large["policy"] == p] for p in ("grid", "chosen"))
    enough = whole[whole["right"] >= WANTED].head(1)
    if not len(enough):
        print(f"no grid reaches {WANTED:.0%}")
        return False
    rate, cost = enough.iloc[0][["right", "cost"]]
    print(f"grid: {rate:.1%} right at cost {cost:.3g}, the first of at least {WANTED:.0%}")
    as_good = own[own["right"] >= rate].head(1)
    if not len(as_good):
        print("chosen: never as often right")
        return False
    first = as_good.iloc[0]
    print(f"chosen: {first['right']:.1%} right at cost {first['cost']:.3g}")
    return bool(first["cost"] <= cost / 2)


def missing(past: set[tuple[int, str]], policy: str | None) -> Iterator[tuple[int, str]]:
    """Worlds and policies without rows; what is compared first comes first."""
    for policies in ([policy],) if policy else (("grid", "chosen"), ("random",)):
        for seed in (*seeds(large=True), *seeds(large=False)):
            yield from ((seed, p) for p in policies if (seed, p) not in past)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--policy", choices=POLICIES, help="by default all")
    parser.add_argument("--show", action="store_true", help="print the scores of results/ alone")
    given = parser.parse_args()
    past: set[tuple[int, str]] = set()
    if RESULTS.exists():
        past = set(pd.read_csv(RESULTS)[["seed", "policy"]].itertuples(index=False, name=None))
    for seed, policy in () if given.show else missing(past, given.policy):
        rows = pd.DataFrame(POLICIES[policy](seed))
        rows.insert(0, "seed", seed)
        rows.insert(1, "policy", policy)
        header = not RESULTS.exists()
        rows.to_csv(RESULTS, mode="a", header=header, index=False, float_format="%.6g")
        last = rows.iloc[-1]
        print(
            f"world {seed}, {policy}: {len(rows)} fits, cost {last['cost']:.3g}, "
            f"{'right' if last['right'] else 'wrong'}",
            file=sys.stderr,
            flush=True,
        )
    return 0 if show(pd.read_csv(RESULTS)) else 1


if __name__ == "__main__":
    sys.exit(main())
