"""Pass@10,000 of five models from 100 samples a problem, against fits to averages.

Run as ``python case_studies/repeated_samples/run.py [subsets]``, with BAYES_SCALING_DATA naming
the folder that holds ``tables/monkeys_pass_at_k/original_MATH_counts.csv``.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.optimize import curve_fit
from scipy.special import gammaln

import bayes_scaling as bs

SAMPLES, TARGET, SUBSETS, SEED = 100, 10_000, 50, 1
# models differ in their rate by far more than the law's line in N says
GROUP_SD = {"rate": 1.0, "tail": 0.3}


def main(subsets: int) -> int:
    """Print held truths and errors of the posterior and of the fits to averages."""
    folder = os.environ.get("BAYES_SCALING_DATA")
    if not folder:
        print("set BAYES_SCALING_DATA to the folder that holds tables/", file=sys.stderr)
        return 1
    table = pd.read_csv(Path(folder) / "tables" / "monkeys_pass_at_k" / "original_MATH_counts.csv")
    table["N"] = table["model"].str.extract(r"([\d.]+[MB])")[0]
    truth = (table["n_correct"] > 0).groupby(table["model"]).mean()
    rng = np.random.default_rng(SEED)
    rows = []
    for number in range(subsets):
        drawn = rng.hypergeometric(
            table["n_correct"].astype(int), (table["n_samples"] - table["n_correct"]).astype(int),
            SAMPLES,
        )  # fmt: skip
        subset = table[["model", "N"]].assign(passes=drawn, samples=SAMPLES)
        rows += [{"subset": number, **row} for row in forecasts(subset, truth)]
        if (number + 1) % 10 == 0:
            scored = pd.DataFrame(rows)
            print(f"{number + 1} subsets: held {scored['held'].mean():.3f}, error "
                  f"{scored['error'].mean():.4f}", file=sys.stderr, flush=True)  # fmt: skip
    return report(pd.DataFrame(rows), truth)


def forecasts(subset: pd.DataFrame, truth: pd.Series) -> list[dict[str, object]]:
    """Posterior and fits to averages for one subset, model by model."""
    runs = bs.read_runs(
        subset, inputs={"N": "N"}, response="passes", trials="samples", group="model"
    )
    law = bs.find_law("coverage:solvable")
    model = bs.ScalingModel(law, pool={"tail": "partial"}, group_sd=GROUP_SD)
    fit = model.fit(runs, seed=SEED, draws=500, target_accept=0.95)
    at = runs.frame[["N", "model"]].drop_duplicates()
    answer = bs.coverage(fit, at, [TARGET], same_problems=True, seed=SEED, force=True)
    found = []
    for (_, point), draws in zip(at.iterrows(), answer.draws.to_numpy()[..., 0].T, strict=True):
        low, mid, high = np.quantile(draws, [0.05, 0.5, 0.95])
        goal = float(truth[point["model"]])
        passes = subset.loc[subset["model"] == point["model"], "passes"].to_numpy()
        powers = {f"error_{how}": abs(power_law(passes, how) - goal) for how in ("exp", "log")}
        found.append(
            {"model": point["model"], "truth": goal, "low": low, "mid": mid, "high": high,
             "held": low <= goal <= high, "error": abs(mid - goal), **powers,
             "divergences": fit.diagnostics["divergences"], "rhat": fit.diagnostics["max_rhat"]}
        )  # fmt: skip
    return found


def averages(passes: np.ndarray, k: np.ndarray) -> np.ndarray:
    """Unbiased pass@k, averaged over problems."""
    left = SAMPLES - passes[:, None]
    log_miss = gammaln(left + 1) - gammaln(np.maximum(left - k, 0) + 1)
    log_miss += gammaln(SAMPLES - k + 1) - gammaln(SAMPLES + 1)
    return 1 - np.where(left >= k, np.exp(log_miss), 0.0).mean(axis=0)


def power_law(passes: np.ndarray, how: str) -> float:
    """Fit exp(a k^b) to averages at k = 1 to 100, on their own scale or as a line in logs."""
    k = np.arange(1, SAMPLES + 1)
    y = averages(passes, k)
    line = np.polyfit(np.log(k), np.log(-np.log(y)), 1)
    if how == "log":
        return float(np.exp(-np.exp(line[1]) * TARGET ** line[0]))
    start = (-np.exp(line[1]), line[0])
    (a, b), _ = curve_fit(lambda k, a, b: np.exp(a * k**b), k, y, p0=start, maxfev=20_000)
    return float(np.exp(a * TARGET**b))


def report(scored: pd.DataFrame, truth: pd.Series) -> int:
    columns = ["held", "error", "error_exp", "error_log"]
    by_model = scored.groupby("model")[columns].mean().assign(truth=truth)
    print(by_model.sort_values("truth").round(4).to_string())
    held, error, fitted, line = scored[columns].mean()
    print(f"\n90 % intervals hold {held:.3f} of {len(scored)}; mean absolute error {error:.4f}; "
          f"exp(a k^b) to the averages {fitted:.4f}, as a line in logs {line:.4f}")  # fmt: skip
    print(f"{(scored['divergences'] > 0).sum()} of the fits with divergences, largest R-hat "
          f"{scored['rhat'].max():.3f}")  # fmt: skip
    passed = 0.8 <= held <= 0.97 and error < fitted
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else SUBSETS))
