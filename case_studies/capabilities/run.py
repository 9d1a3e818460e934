"""Benchmark scores of the largest model of each family, from all other models.

Run as ``python case_studies/capabilities/run.py``, with BAYES_SCALING_DATA naming the folder that
holds ``tables/obs_scaling/base_llm_benchmark_eval.csv``.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pandas as pd

import bayes_scaling as bs

SEED, DRAWS = 1, 300
CHANCE = {"MMLU": 0.25, "ARC-C": 0.25, "HellaSwag": 0.25, "Winograd": 0.5, "XWinograd": 0.5}
BENCHMARKS = ("MMLU", "ARC-C", "HellaSwag", "Winograd", "TruthfulQA", "GSM8K", "XWinograd",
              "HumanEval")  # fmt: skip
FEWEST = 3  # models of a family; others say nothing of its curve
EDGE = 0.002  # scores of exactly zero are a count that was rounded away


def main() -> int:
    """Print log score, absolute error and coverage of every method."""
    folder = os.environ.get("BAYES_SCALING_DATA")
    if not folder:
        print("set BAYES_SCALING_DATA to the folder that holds tables/", file=sys.stderr)
        return 1
    wide = read(Path(folder) / "tables" / "obs_scaling" / "base_llm_benchmark_eval.csv")
    long = wide.melt(["model", "family", "C"], list(BENCHMARKS), "benchmark", "score").dropna()
    long["score"] = long["score"].clip(EDGE, 1 - EDGE)
    long["cell"] = long["family"] + " " + long["benchmark"]
    long["chance"] = long["benchmark"].map(CHANCE).fillna(0.0)
    held = long["model"].isin(largest(wide))
    fitted, targets = long[~held], long[held].reset_index(drop=True)
    print(f"{len(fitted)} scores of {fitted['model'].nunique()} models fitted; {len(targets)} of "
          f"{targets['model'].nunique()} held out")  # fmt: skip
    methods = {
        "one factor, families, models": factor(fitted, targets),
        "sigmoids of tasks and families": sigmoids(fitted, targets),
        "line per family and benchmark": lines(fitted, targets),
        "three components per family": components(wide, targets),
    }
    scores = pd.DataFrame({k: scored(targets["score"], v) for k, v in methods.items()}).T
    print(scores.round(3).to_string())
    ours, theirs = scores.iloc[:2], scores.iloc[2:]
    better = ours["log score"].max() > theirs["log score"].max()
    return 0 if better and ours["error"].min() < theirs["error"].min() else 1


def read(path: Path) -> pd.DataFrame:
    names = {"Model": "model", "Model Family": "family", "FLOPs (1E21)": "C"}
    wide = pd.read_csv(path).rename(columns=names).dropna(subset="C")
    wide = wide.groupby("family").filter(lambda rows: len(rows) >= FEWEST)
    return wide.assign(C=wide["C"] * 1e21)


def largest(wide: pd.DataFrame) -> list[str]:
    return wide.loc[wide.groupby("family")["C"].idxmax(), "model"].tolist()


# -- ours ---------------------------------------------------------------------


def factor(fitted: pd.DataFrame, targets: pd.DataFrame) -> np.ndarray:
    """Draws of the held-out scores by the one-factor model."""
    by = ("benchmark", "cell", "family", "model")
    over = {
        "place": ("benchmark", "cell"),
        "loading": ("benchmark",),
        "steepness": ("family",),
        "efficiency": ("family", "model"),
        "lapse": (),
    }
    pool = {p: {c: "partial" if c in own else "complete" for c in by} for p, own in over.items()}
    scales = {"place": {"benchmark": 1.0, "cell": 0.3}, "efficiency": {"family": 1.0, "model": 0.5}}
    return drawn("capability", fitted, targets, by, pool, scales, unseen=("model",))


def sigmoids(fitted: pd.DataFrame, targets: pd.DataFrame) -> np.ndarray:
    """Draws by sigmoids in compute, pooled over benchmarks, families and pairs of them."""
    by = ("benchmark", "cell", "family")
    over = {"place": by, "slope": ("benchmark", "family"), "lapse": ()}
    pool = {p: {c: "partial" if c in own else "complete" for c in by} for p, own in over.items()}
    scales = {"place": {"benchmark": 1.0, "cell": 0.3, "family": 0.5}}
    return drawn("capability_sigmoid", fitted, targets, by, pool, scales, noise="beta")


def drawn(
    law: str,
    fitted: pd.DataFrame,
    targets: pd.DataFrame,
    by: tuple[str, ...],
    pool: dict[str, dict[str, str]],
    scales: dict[str, dict[str, float]],
    noise: str | None = None,
    unseen: tuple[str, ...] = (),
) -> np.ndarray:
    runs = bs.read_runs(
        fitted, inputs={"C": "C", "chance": "chance"}, response="score", group=by, unit="fraction"
    )
    model = bs.ScalingModel(
        bs.find_law(law), pool=pool, noise=noise, group_sd=scales, rung=False, discrepancy=False
    )
    fit = model.fit(runs, seed=SEED, draws=DRAWS, warmup=DRAWS, report=say)
    say(f"{fit} {fit.diagnostics}")
    points = targets[["C", "chance", *by]].copy()
    answers = np.empty((4 * DRAWS, len(points)))
    # a model never seen is one draw that its benchmarks share, and another one for each model
    for number, rows in enumerate(points.groupby(targets["model"]).indices.values()):
        own = points.iloc[rows].drop(columns=list(unseen))
        answer = bs.forecast(fit, own, seed=SEED + number, force=True)
        answers[:, rows] = answer.draws.to_numpy()
    return answers


# -- recipes in use -------------------------------------------------------------


def lines(fitted: pd.DataFrame, targets: pd.DataFrame) -> np.ndarray:
    """Least-squares line in log compute for every family and benchmark, one pooled sd."""
    x, y = np.log(fitted["C"]), fitted["score"]
    cells, residuals, free = {}, [], 0
    for cell, rows in fitted.groupby("cell").indices.items():
        design = np.column_stack([np.ones(len(rows)), x.iloc[rows]])
        coefficients = np.linalg.lstsq(design, y.iloc[rows], rcond=None)[0]
        cells[cell] = coefficients, np.linalg.pinv(design.T @ design)
        residuals.append(y.iloc[rows] - design @ coefficients)
        free += max(len(rows) - 2, 0)
    sd = np.sqrt(sum((r**2).sum() for r in residuals) / free)
    mean, scale = [], []
    for _, row in targets.iterrows():
        coefficients, covariance = cells[row["cell"]]
        at = np.array([1.0, np.log(row["C"])])
        mean.append(at @ coefficients)
        scale.append(sd * np.sqrt(1 + at @ covariance @ at))
    return normal(mean, scale)


def components(wide: pd.DataFrame, targets: pd.DataFrame) -> np.ndarray:
    """Three principal components of the scores, each a line in log compute for every family."""
    names = list(BENCHMARKS)
    out = wide["model"].isin(targets["model"].unique())
    filled = wide[names].fillna(wide.loc[~out, names].mean())
    centre = filled[~out].mean()
    _, _, axes = np.linalg.svd(filled[~out] - centre, full_matrices=False)
    loadings = axes[:3]
    parts = (filled - centre).to_numpy() @ loadings.T
    mean: dict[tuple[str, str], float] = {}
    leverage, squares, free = {}, np.zeros(len(names)), 0
    for family, own in wide.assign(at=range(len(wide)))[~out].groupby("family"):
        design = np.column_stack([np.ones(len(own)), np.log(own["C"])])
        slopes = np.linalg.lstsq(design, parts[own["at"]], rcond=None)[0]
        back = centre.to_numpy() + design @ slopes @ loadings
        squares += ((filled.iloc[own["at"]].to_numpy() - back) ** 2).sum(axis=0)
        free += max(len(own) - 2, 0)
        cross = np.linalg.pinv(design.T @ design)
        for _, row in wide[out & (wide["family"] == family)].iterrows():
            at = np.array([1.0, np.log(row["C"])])
            leverage[row["model"]] = np.sqrt(1 + at @ cross @ at)
            for name, value in zip(names, centre + at @ slopes @ loadings, strict=True):
                mean[row["model"], name] = value
    sd = dict(zip(names, np.sqrt(squares / free), strict=True))
    rows = targets[["model", "benchmark"]].itertuples(index=False)
    at = [(mean[m, b], sd[b] * leverage[m]) for m, b in rows]
    return normal(*zip(*at, strict=True))


def normal(mean: object, sd: object) -> np.ndarray:
    rng = np.random.default_rng(SEED)
    return np.asarray(mean) + np.asarray(sd) * rng.normal(size=(4 * DRAWS, len(np.asarray(mean))))


def scored(truth: pd.Series, draws: np.ndarray) -> dict[str, float]:
    """Mean log score (a kernel density of the draws), absolute error of the median, coverage."""
    width = 1.06 * draws.std(axis=0) * len(draws) ** -0.2
    unit = width * np.sqrt(2 * np.pi)
    kernels = np.exp(-0.5 * ((draws - truth.to_numpy()) / width) ** 2) / unit
    low, mid, high = np.quantile(draws, [0.05, 0.5, 0.95], axis=0)
    # far in the tail kernels vanish: a normal density is kinder to every method
    tail = -0.5 * ((truth - draws.mean(0)) / draws.std(0)) ** 2 - np.log(
        draws.std(0) * np.sqrt(2 * np.pi)
    )
    log = np.where(kernels.mean(0) > 1e-8, np.log(np.maximum(kernels.mean(0), 1e-300)), tail)
    held = (low <= truth) & (truth <= high)
    return {
        "log score": float(log.mean()),
        "error": float(np.abs(mid - truth).mean()),
        "held": float(held.mean()),
    }


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
