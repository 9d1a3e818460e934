"""Every cell of Step Law's runs left out of the fit in turn, and forecast."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import scoring
import steplaw

import bayes_scaling as bs

RESULTS = Path(__file__).parent / "results"
TARGET = 0.12  # mean gap, per cent
COVERED = (0.85, 0.95)  # share of runs that 90 % intervals should hold
FOLD = {"seed": 0, "draws": 300, "warmup": 300, "chains": 4}


def score(fit: bs.Fit, cell: pd.DataFrame) -> dict[str, Any]:
    """Gap, coverage and chances of diverging of one cell that was left out."""
    n, d = float(cell["N"].iloc[0]), float(cell["D"].iloc[0])
    best = scoring.middle(scoring.optimum(fit, {"N": n, "D": d}))
    points = cell[["N", "D", "lr", "B"]]
    draws = bs.forecast(fit, points, kind="new-run", force=True).draws
    draws = draws.transpose("sample", "point").to_numpy()
    losses = cell[steplaw.RESPONSE].to_numpy()
    lost = losses > steplaw.ABOVE
    seen, theirs = losses[~lost], draws[:, ~lost]
    near = seen < np.quantile(seen, 0.5)
    return {
        "N": n,
        "D": d,
        "best": best,
        "gap": 100 * scoring.gap(cell, best, steplaw.RESPONSE),
        "published": 100 * scoring.gap(cell, steplaw.published(n, d), steplaw.RESPONSE),
        "level": 100 * float(np.log(seen[near] / np.median(theirs[:, near], 0)).mean()),
        "all": scoring.intervals(seen, theirs),
        "given finishing": scoring.intervals(
            seen, np.where(theirs > steplaw.ABOVE, np.nan, theirs)
        ),
        "better half": scoring.intervals(seen[near], theirs[:, near]),
        "shape": scoring.intervals(scoring.shape(seen), scoring.shape(theirs)),
        "chance": scoring.chances(draws, lost, steplaw.ABOVE),
        "divergences": fit.diagnostics["divergences"],
        "rhat": fit.diagnostics["max_rhat"],
    }


def study(law: str = "valley", **options: Any) -> pd.DataFrame:
    """Fit without each cell in turn; goes on where an earlier run stopped."""
    frame = steplaw.table()
    rows = len(frame)
    lost = int((frame[steplaw.RESPONSE] > steplaw.ABOVE).sum())
    name = law.replace(":", "-")
    path = RESULTS / f"{name}.jsonl"
    RESULTS.mkdir(exist_ok=True)
    done = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    for (n, d), cell in frame.groupby(["N", "D"]):
        if any((r["N"], r["D"]) == (n, d) for r in done):
            continue
        begun = time.perf_counter()
        kept = RESULTS / f"{name}-{n:.0f}-{d:.0f}.nc"  # not committed
        if kept.exists():
            fit = bs.load(kept)
        else:
            others = frame.drop(cell.index)
            full = scoring.padded(others, rows, lost, steplaw.RESPONSE, steplaw.ABOVE)
            model = bs.ScalingModel(bs.find_law(law), **options)
            fit = model.fit(steplaw.read(full, se="se"), **FOLD)
            fit.save(kept)
        done.append(score(fit, cell.reset_index(drop=True)))
        with path.open("a") as file:
            file.write(json.dumps(done[-1]) + "\n")
        print(f"{n:.3g} {d:.3g}: {time.perf_counter() - begun:.0f} s", file=sys.stderr, flush=True)
    return pd.DataFrame(done)


def passed(scores: pd.DataFrame) -> bool:
    """Print the scores and say whether gap and coverage are as they should be."""
    flat = pd.json_normalize(scores.to_dict("records"))
    flat["all %"] = 100 * flat["all.held"] / flat["all.runs"]
    shown = ["N", "D", "gap", "published", "level", "all.runs", "all %", "all.below", "all.above",
             "all.width", "better half.held", "shape.held", "chance.diverged",
             "chance.finished", "divergences", "rhat"]  # fmt: skip
    print(flat[shown].to_string(index=False, float_format="%.4g"))
    gap = flat["gap"].mean()
    print(f"mean gap {gap:.4f} % (standard error {flat['gap'].sem():.4f}), "
          f"published law {flat['published'].mean():.4f} %")  # fmt: skip
    for part in ("all", "given finishing", "better half", "shape"):
        share = flat[f"{part}.held"].sum() / flat[f"{part}.runs"].sum()
        print(f"90 % intervals, {part}: {share:.1%}, mean width {flat[f'{part}.width'].mean():.4f}")
    share = flat["all.held"].sum() / flat["all.runs"].sum()
    return gap <= TARGET and COVERED[0] <= share <= COVERED[1]
