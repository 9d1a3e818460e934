"""Simulated recipes whose truth is known: do crossovers, differences and allocations hold it?

    python -m case_studies.decisions.run crossovers     # 200 pairs of recipes
    python -m case_studies.decisions.run differences    # 200 tables of one pair, paired and not
    python -m case_studies.decisions.run frontier       # 200 ladders, N* at 100 times their budget
    python -m case_studies.decisions.run common-floor   # 60 of the pairs, pooled as by default

Each writes a row a fit to results/ as it goes and goes on from there; `--show` only prints the
scores of what is there. Everything is synthetic; seeds and effect sizes are those of worlds.py.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import bayes_scaling as bs

from . import worlds as w

RESULTS = Path(__file__).parent / "results"
COUNT = 200
LAW = bs.models.chinchilla
type Pool = dict[str, str]
EVERY: Pool = dict.fromkeys(LAW.parameters, "partial")  # recipes may differ in all, floors included
SAMPLER: dict[str, Any] = {"draws": 500, "warmup": 500, "target_accept": 0.95}
LOW, HIGH = w.GRID[0], w.GRID[-1]
BEYOND = 100.0 * w.DEAREST


def common_floor(seed: int) -> dict[str, Any]:
    """The same with the default pooling, in which recipes share their floor."""
    return crossovers(seed, pool=None)


def crossovers(seed: int, pool: Pool | None = EVERY) -> dict[str, Any]:
    """Fit the two recipes of a world together, and ask where they cross and what the gap is."""
    world = w.world(seed)
    fit = fitted(world.runs, seed, pool)
    found = bs.crossover(fit, "a", "b", bs.ScalingPath(LOW, HIGH), force=True)
    place = found.place.to_numpy()
    # what lies outside the grid of the truth is on one side of it, for both alike
    place = np.where(place > HIGH, np.inf, np.where(place < LOW, -np.inf, place))
    low, high = np.quantile(place, (0.05, 0.95), method="nearest")
    ends = leads(fit, (LOW, w.TARGET, HIGH))
    gains = np.median(ends[:, 2] - ends[:, 0]) > 0
    truth = world.crossing
    if not np.isfinite(truth):  # before or after, by the way the posterior goes
        truth = -np.inf if (world.gap > 0) == gains else np.inf
    gap = ends[:, 1]
    return {
        "family": world.family,
        "kind": world.kind,
        "gap": world.gap,
        "truth": truth,
        "low": low,
        "high": high,
        "held": bool(low <= truth <= high),
        "open": bool(np.isinf(low) and np.isinf(high) and low < high),
        "gap_low": np.quantile(gap, 0.05),
        "gap_high": np.quantile(gap, 0.95),
        "p_a_better": float((gap > 0).mean()),
        "divergences": fit.diagnostics["divergences"],
        "rhat": fit.diagnostics["max_rhat"],
    }


def fitted(table: pd.DataFrame, seed: int, pool: Pool | None = EVERY) -> bs.Fit:
    """One fit of both recipes, by default with every parameter pooled partially."""
    runs = bs.read_runs(table, group="recipe", rung="rung")
    return bs.ScalingModel(LAW, pool=pool, discrepancy=False).fit(runs, seed=seed, **SAMPLER)


def leads(fit: bs.Fit, budgets: tuple[float, ...]) -> np.ndarray:
    """Draws of the loss of b less that of a, each at its own best split of budgets."""
    path = bs.ScalingPath(LOW, HIGH)
    values = bs.compare(fit, ["a", "b"], path=path, places=budgets, force=True).draws
    return np.asarray(values.sel(recipe="b") - values.sel(recipe="a"))


POINTS = {  # in the midst of the runs, at the dearest of them, and beyond
    "middle": {"N": w.N0, "D": 20 * w.N0},
    "dearest": {"N": w.SIZES[-1], "D": w.RATIOS[-1] * w.SIZES[-1]},
    "beyond": {"N": 4 * w.SIZES[-1], "D": 20 * 4 * w.SIZES[-1]},
}
PAIR = (
    {"E": 1.8, "a": 0.8, "b": 0.7, "alpha": 0.34, "beta": 0.33},
    {"E": 1.81, "a": 0.77, "b": 0.66, "alpha": 0.36, "beta": 0.34},
)


def differences(seed: int) -> dict[str, Any]:
    """One more table of the same two recipes: paired at even seeds, each its own rungs at odd."""
    rng, paired = np.random.default_rng(seed), seed % 2 == 0
    tables = [w.runs_of(w.chinchilla, p, label, rng) for label, p in zip("ab", PAIR, strict=True)]
    fit = fitted(w.rungs(tables, rng, paired), seed)
    row: dict[str, Any] = {"paired": paired, "divergences": fit.diagnostics["divergences"]}
    for name, point in POINTS.items():
        found = bs.compare(fit, ["a", "b"], at=point, force=True).draws.to_numpy()[:, 0]
        gap = found[:, 1] - found[:, 0]
        n, d = np.array([point["N"]]), np.array([point["D"]])
        truth = w.chinchilla(n, d, PAIR[1]) - w.chinchilla(n, d, PAIR[0])
        row |= {f"{name}_error": gap.mean() - truth[0], f"{name}_sd": gap.std(ddof=1)}
        row |= {f"{name}_level_sd": found[:, 0].std(ddof=1)}
    return row


def frontier(seed: int) -> dict[str, Any]:
    """Fit one ladder of chinchilla, and ask for N* at a hundred times its largest budget."""
    rng = np.random.default_rng(seed)
    truth = w.recipe(rng)
    runs = bs.read_runs(w.rungs([w.runs_of(w.chinchilla, truth, "a", rng)], rng, True).drop(
        columns=["recipe", "rung"]))  # fmt: skip
    fit = bs.ScalingModel(LAW, discrepancy=False).fit(runs, seed=seed, **SAMPLER)
    answer = bs.allocate(fit, BEYOND, force=True)
    low, middle, high = np.quantile(answer.size, (0.05, 0.5, 0.95))
    best = best_size(truth, BEYOND)
    return {
        "truth": best,
        "low": low,
        "middle": middle,
        "high": high,
        "held": bool(low <= best <= high),
        "divergences": fit.diagnostics["divergences"],
    }


def best_size(p: dict[str, float], budget: float) -> float:
    """N* of chinchilla in closed form (Hoffmann et al. 2022, equation 4)."""
    a, b = p["a"] * w.N0 ** p["alpha"], p["b"] * w.D0 ** p["beta"]
    total = p["alpha"] + p["beta"]
    g = (p["alpha"] * a / (p["beta"] * b)) ** (1 / total)
    return float(g * (budget / 6) ** (p["beta"] / total))


def show_crossovers(table: pd.DataFrame) -> bool:
    """Shares of crossings and gaps that are held, by kind and family."""
    table = table.assign(
        gap_held=table["gap"].between(table["gap_low"], table["gap_high"]),
        sure=(table["p_a_better"] - 0.5).abs() > 0.45,
        right=(table["p_a_better"] > 0.5) == (table["gap"] > 0),
    )
    for by in ("kind", "family"):
        print(table.groupby(by)[["held", "open", "gap_held"]].mean().round(3).to_string())
    held, sure = table["held"].mean(), table[table["sure"]]
    print(
        f"{len(table)} pairs: 90 % intervals hold {table['held'].sum()} crossings ({held:.3f}) and "
        f"{table['gap_held'].sum()} gaps at the target; {table['open'].sum()} intervals are open "
        f"on both sides;\nof {len(sure)} pairs with P(better) above .95, "
        f"{(~sure['right']).sum()} wrong; {(table['divergences'] > 0).sum()} fits with divergences "
        f"(at most {table['divergences'].max()} of 2,000 draws), largest R-hat "
        f"{table['rhat'].max():.3f}"
    )
    return bool(0.85 <= held <= 0.95)


def show_common_floor(table: pd.DataFrame) -> bool:
    """The scores, which are bad: a finding, not a failure."""
    show_crossovers(table)
    return True


def show_differences(table: pd.DataFrame) -> bool:
    """Posterior sd of the difference over its true sampling spread."""
    good = True
    for paired, own in table.groupby("paired"):
        for name in POINTS:
            error, sd = own[f"{name}_error"], own[f"{name}_sd"]
            spread = np.sqrt((error**2).mean())
            ratio = np.sqrt((sd**2).mean()) / spread
            level = np.sqrt((own[f"{name}_level_sd"] ** 2).mean())
            good &= bool(0.9 <= ratio <= 1.2)
            print(
                f"{'paired' if paired else 'unpaired'}, {name}: posterior sd {sd.mean():.5f}, true "
                f"spread {spread:.5f}, ratio {ratio:.2f}; sd of a level {level:.5f} ({len(own)})"
            )
    return good


def show_frontier(table: pd.DataFrame) -> bool:
    """Share of the true best sizes that are held."""
    held = table["held"].mean()
    width = np.log10(table["high"] / table["low"]).median()
    print(
        f"{len(table)} ladders: 90 % intervals hold {table['held'].sum()} of N* ({held:.3f}) at "
        f"100 times the largest budget; median width {width:.2f} decades"
    )
    return bool(0.85 <= held <= 0.95)


STUDIES: dict[str, tuple[Callable[[int], dict[str, Any]], Callable[[pd.DataFrame], bool], int]] = {
    "crossovers": (crossovers, show_crossovers, COUNT),
    "differences": (differences, show_differences, 2 * COUNT),
    "frontier": (frontier, show_frontier, COUNT),
    "common-floor": (common_floor, show_common_floor, 60),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("study", choices=STUDIES)
    parser.add_argument("--show", action="store_true", help="print the scores of results/ alone")
    given = parser.parse_args()
    study, show, count = STUDIES[given.study]
    path = RESULTS / f"{given.study}.csv"
    done = pd.read_csv(path)["seed"].tolist() if path.exists() else []
    if not given.show:
        path.parent.mkdir(exist_ok=True)
        for seed in sorted(set(range(count)) - set(done)):
            row = pd.DataFrame([{"seed": seed, **study(seed)}])
            row.to_csv(path, mode="a", header=not path.exists(), index=False, float_format="%.6g")
            if seed % 20 == 19:
                print(f"{seed + 1} of {count}", file=sys.stderr, flush=True)
    return 0 if show(pd.read_csv(path)) else 1


if __name__ == "__main__":
    sys.exit(main())
