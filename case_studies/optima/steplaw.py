"""Step Law's 1,627 runs: one valley for all, and every cell left out in turn."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import scoring

import bayes_scaling as bs

RESPONSE = "smooth_loss"
INPUTS = {"N": "N", "D": "D", "lr": "lr", "B": "tokens_per_batch"}
ABOVE = 3.5  # nothing lies between 3.25 and 3.5
PUBLISHED = {"rate_N": -0.713, "rate_D": 0.307, "batch_N": 0.0, "batch_D": 0.571}
WHOLE = {"seed": 0, "draws": 500, "warmup": 400}
TARGET = 0.10  # mean gap, per cent


def table() -> pd.DataFrame:
    """The runs; the tag says on which rate the schedule ends, and 1.0 stands for 1e-5."""
    folder = Path(os.environ["BAYES_SCALING_DATA"]) / "tables" / "steplaw"
    frame = pd.read_csv(folder / "steplaw_dense.csv").rename(columns={INPUTS["B"]: "B"})
    return frame.assign(tag=np.where(frame["min_lr_tag"] < 0.5, "fixed", "one"))


def read(frame: pd.DataFrame, **columns: str) -> bs.Runs:
    inputs = {name: name for name in INPUTS}
    return bs.read_runs(
        frame, inputs=inputs, response=RESPONSE, diverged_above=ABOVE, unit="nat/token", **columns
    )


def published(n: float, d: float) -> dict[str, float]:
    """The optimum by Li et al. 2025."""
    return {
        "lr": 1.79 * n ** PUBLISHED["rate_N"] * d ** PUBLISHED["rate_D"],
        "B": 0.58 * d ** PUBLISHED["batch_D"],
    }


def gaps(frame: pd.DataFrame, fit: bs.Fit | None, tag: str | None = None) -> pd.Series:
    """Gap of each cell in per cent, by the fit or by the published law."""
    found = {}
    for (n, d), cell in frame.groupby(["N", "D"]):
        if fit is None:
            best = published(n, d)
        else:
            at = {"N": n, "D": d}
            best = scoring.middle(
                scoring.optimum(fit, at, {"tag": cell["tag"].iloc[0]} if tag else None)
            )
        found[n, d] = 100 * scoring.gap(cell, best, RESPONSE)
    return pd.Series(found)


def sampled(fit: bs.Fit) -> str:
    """Seconds and diagnostics of a fit."""
    d, seconds = fit.diagnostics, fit.record.seconds
    return (
        f"compiled in {seconds['compile']:.0f} s, sampled in {seconds['sample']:.0f} s, "
        f"{d['divergences']} divergences, R-hat "
        f"{d['max_rhat']:.4f}, ESS at least {min(d['min_ess_bulk'], d['min_ess_tail']):.0f}"
    )


def fitted(title: str, runs: bs.Runs, law: str = "valley", **options: Any) -> bs.Fit:
    begun, busy = time.perf_counter(), time.process_time()
    fit = bs.ScalingModel(bs.find_law(law), **options).fit(runs, **WHOLE)
    seconds, busy = time.perf_counter() - begun, time.process_time() - busy
    print(f"\n{title}: {seconds:.0f} s ({busy:.0f} s of the processor); {sampled(fit)}")
    print(scoring.exponents(fit).round(3).to_string(), flush=True)
    return fit


def study() -> tuple[dict[str, bs.Fit], float]:
    """Four fits to all runs, and the mean gap of the first."""
    frame = table()
    runs = read(frame)
    cells = frame.groupby(["N", "D"]).ngroups
    print(f"{len(runs)} runs, {runs.diverged.sum()} diverged, in {cells} cells")
    for within in (0.0, 0.0025):
        found = scoring.of_best_runs(frame, RESPONSE, within)
        title = f"{within:.2%} above the best of their cell"
        print(f"\nleast squares on runs at most {title}\n{found.round(3).to_string()}")
    fits = {"valley": fitted("valley", runs)}
    fits["step_law"] = fitted("batch size by D alone (valley:step_law)", runs, "valley:step_law")
    vary = {p: "partial" for p in ("rate", "batch", "level")}
    rest = dict.fromkeys(set(bs.find_law("valley").parameters) - set(vary), "complete")
    fits["tag"] = fitted("grouped by the tag", read(frame, group="tag"), pool=vary | rest)
    clean = frame[frame["tag"] == "fixed"]
    fits["fixed"] = fitted("without the cells tagged 1.0", read(clean))
    compared = {"published law": gaps(frame, None)}
    for name, fit in fits.items():
        compared[name] = gaps(frame, fit, "tag" if name == "tag" else None)
    print("\ngap, per cent of the least loss of the cell")
    scores = pd.DataFrame(compared)
    print(scores.round(3).to_string())
    print(f"mean\n{scores.mean().round(4).to_string()}")
    print(
        f"standard error of the mean\n{(scores.std() / np.sqrt(len(scores))).round(4).to_string()}"
    )
    used = scores.loc[[*clean.groupby(["N", "D"]).groups]].mean().round(4)
    print(f"mean over the cells that are not tagged 1.0\n{used.to_string()}")
    return fits, float(scores["valley"].mean())
