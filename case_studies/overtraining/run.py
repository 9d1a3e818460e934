"""Forecast 1.4B runs from runs of at most 0.5B, over three corpora: pooled, separate, Huber.

Run as ``python case_studies/overtraining/run.py``, with BAYES_SCALING_DATA naming the
folder that holds ``tables/gadre_overtraining/gadre_104models.csv``.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.optimize import minimize

import bayes_scaling as bs

FIT = "N <= 0.5e9 and token_multiplier <= 160.5"  # the ratios are exact to a digit or two
CORPORA = ("c4_original", "rpj", "rw_original")
BOOTSTRAPS = 400
SEED = 1


def main() -> int:
    """Print the four forecasts of each method and their scores."""
    folder = os.environ.get("BAYES_SCALING_DATA")
    if not folder:
        print("set BAYES_SCALING_DATA to the folder that holds tables/", file=sys.stderr)
        return 1
    path = Path(folder) / "tables" / "gadre_overtraining" / "gadre_104models.csv"
    table = pd.read_csv(path)
    targets = table.query("1e9 < N < 2e9").rename(columns={"loss_c4val": "observed"})
    points = targets[["N", "D", "dataset", "observed"]].reset_index(drop=True)
    methods = {
        "pooled": pooled(path, points),
        "separate Bayesian": separate(path, points),
        "separate Huber": huber(table.query(FIT), points),
    }
    for name, answer in methods.items():
        print(f"\n{name}\n{answer[['dataset', 'N', 'D', 'observed', 'low', 'mid', 'high']]}")
    scores = pd.DataFrame({name: score(answer) for name, answer in methods.items()}).T
    print(f"\n{scores.to_string(float_format='%.2f')}")
    best = scores.loc["pooled"]
    others = scores.drop("pooled")
    passed = (
        best["held of 4"] >= 3
        and (best["error %"] < others["error %"]).all()
        and (best["interval score %"] < others["interval score %"]).all()
    )
    print(
        "\npooled is better in both scores" if passed else "\npooled is NOT better in both scores"
    )
    return 0 if passed else 1


def pooled(path: Path, points: pd.DataFrame) -> pd.DataFrame:
    """One fit; corpora differ in their floor too, so every parameter is pooled partially."""
    runs = bs.read_runs(path, response="loss_c4val", group="dataset", where=FIT)
    every = dict.fromkeys(bs.models.chinchilla.parameters, "partial")
    fit = bs.ScalingModel(bs.models.chinchilla, pool=every, discrepancy=False).fit(
        runs, seed=SEED, target_accept=0.95
    )
    print(fit, fit.diagnostics)
    return interval(bs.forecast(fit, points, seed=SEED), points)


def separate(path: Path, points: pd.DataFrame) -> pd.DataFrame:
    """One fit a corpus."""
    answers = []
    for corpus in CORPORA:
        where = f"{FIT} and dataset == '{corpus}'"
        runs = bs.read_runs(path, response="loss_c4val", where=where)
        fit = bs.ScalingModel(bs.models.chinchilla, discrepancy=False).fit(
            runs, seed=SEED, target_accept=0.95
        )
        mine = points[points["dataset"] == corpus]
        answers.append(interval(bs.forecast(fit, mine.drop(columns="dataset"), seed=SEED), mine))
    return pd.concat(answers, ignore_index=True)


def interval(answer: bs.Forecast, points: pd.DataFrame) -> pd.DataFrame:
    """Median and 90 % interval beside the points."""
    table = answer.summary()
    columns = {"low": "q0.05", "mid": "q0.5", "high": "q0.95"}
    return points.reset_index(drop=True).assign(**{k: table[v] for k, v in columns.items()})


def huber(table: pd.DataFrame, points: pd.DataFrame) -> pd.DataFrame:
    """Huber fits on log loss from many starts, with a bootstrap over runs."""
    rng = np.random.default_rng(SEED)
    answers = []
    for corpus in CORPORA:
        runs = table[table["dataset"] == corpus]
        columns = [runs[c].to_numpy(dtype=float) for c in ("N", "D", "loss_c4val")]
        best = huber_fit(*columns, starts=huber_grid())
        resampled = []
        for _ in range(BOOTSTRAPS):
            rows = rng.integers(0, len(runs), len(runs))
            resampled.append(huber_fit(*(c[rows] for c in columns), starts=[best]))
        for _, point in points[points["dataset"] == corpus].iterrows():
            spread = [np.exp(log_loss(t, point["N"], point["D"])) for t in resampled]
            low, high = np.quantile(spread, [0.05, 0.95])
            mid = float(np.exp(log_loss(best, point["N"], point["D"])))
            answers.append({**point, "low": low, "mid": mid, "high": high})
    return pd.DataFrame(answers)


def huber_grid() -> list[np.ndarray]:
    """Starts for log A, log B, log E, alpha, beta."""
    values = np.meshgrid((0, 8, 16), (0, 8, 16), (-0.5, 0.7), (0.2, 0.5), (0.2, 0.5))
    return list(np.stack([v.ravel() for v in values], axis=1).astype(float))


def log_loss(t: np.ndarray, n, d):
    """Log of E + A / N^alpha + B / D^beta."""
    a, b, e, alpha, beta = t
    terms = np.logaddexp(a - alpha * np.log(n), b - beta * np.log(d))
    return np.logaddexp(terms, e)


def huber_fit(n, d, loss, starts, delta: float = 1e-3) -> np.ndarray:
    """Lowest Huber objective over the starts, with tight tolerances and an exact gradient."""
    log_n, log_d, observed = np.log(n), np.log(d), np.log(loss)

    def objective(t):
        a, b, e, alpha, beta = t
        parts = np.stack([a - alpha * log_n, b - beta * log_d, np.full_like(log_n, e)])
        top = parts.max(axis=0)
        weights = np.exp(parts - top)
        total = weights.sum(axis=0)
        residual = observed - (top + np.log(total))
        slope = -np.clip(residual, -delta, delta) * weights / total
        size = np.abs(residual)
        value = np.where(size <= delta, residual**2 / 2, delta * (size - delta / 2)).sum()
        gradient = [*slope.sum(axis=1), -(slope[0] @ log_n), -(slope[1] @ log_d)]
        return value, np.array(gradient)

    options = {"ftol": 1e-15, "gtol": 1e-11, "maxiter": 5000}
    fits = [minimize(objective, s, jac=True, method="L-BFGS-B", options=options) for s in starts]
    return min(fits, key=lambda f: f.fun).x


def score(answer: pd.DataFrame) -> dict[str, float]:
    """Truths held, mean relative error of the median, and interval score, in % of the truth."""
    y, low, high = (answer[c].to_numpy(dtype=float) for c in ("observed", "low", "high"))
    missed = np.maximum(low - y, 0) + np.maximum(y - high, 0)
    return {
        "held of 4": float(((low <= y) & (y <= high)).sum()),
        "error %": float(100 * np.mean(np.abs(answer["mid"] / y - 1))),
        "interval score %": float(100 * np.mean((high - low + 2 / 0.1 * missed) / y)),
    }


if __name__ == "__main__":
    sys.exit(main())
