"""Runs of three invented recipes from known laws, with noise and rung effects."""

from __future__ import annotations

import numpy as np
import pandas as pd

TRUTH = {
    # E, A, B, alpha, beta of each recipe
    "baseline": (1.80, 420.0, 1100.0, 0.34, 0.33),
    "muon-like": (1.79, 415.0, 980.0, 0.34, 0.326),
    "wide": (1.83, 390.0, 1000.0, 0.342, 0.325),
}
SIZES = (2.5e7, 5e7, 1e8, 2e8, 4e8)
RATIOS = (5, 20, 80)
TARGETS = ((1.6e9, 20), (3.2e9, 20))
SEED = 20
NOISE, RUNG = 0.003, 0.004  # sds of the log loss


def synthetic_runs(split: str) -> pd.DataFrame:
    """Columns recipe, N, D, loss; the split is "fit" (45 runs) or "target" (6 larger ones)."""
    rng = np.random.default_rng(SEED)
    rungs = [(n, m, "fit") for n in SIZES for m in RATIOS]
    rungs += [(n, m, "target") for n, m in TARGETS]
    rows = []
    for n, ratio, part in rungs:
        shared = RUNG * rng.standard_normal()
        for recipe, (e, a, b, alpha, beta) in TRUTH.items():
            mean = e + a * n**-alpha + b * (ratio * n) ** -beta
            loss = mean * np.exp(shared + NOISE * rng.standard_normal())
            rows.append((recipe, n, ratio * n, round(loss, 4), part))
    table = pd.DataFrame(rows, columns=["recipe", "N", "D", "loss", "split"])
    return table[table["split"] == split].drop(columns="split").reset_index(drop=True)
