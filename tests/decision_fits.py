"""Fits of recipes that cross, and of isoFLOP profiles, with hand-made draws."""

from __future__ import annotations

import numpy as np
import pandas as pd
from fakes import RECIPES, changed, fake_fit, fake_fit_of

from bayes_scaling.models import registry
from bayes_scaling.posterior import Fit

THREE = {"recipe": ["adam", "muon", "soap"]}
BUDGETS = ("1e+18", "1e+19", "1e+20")
PROFILE = {"level": 2.9, "reducible": 0.4, "fall": 0.15, "best": 1.0, "exponent": 0.45,
           "cost": 0.008, "cost_C": 0.0, "skew": 0.1, "unrest": 0.1}  # fmt: skip
COST = {"level": 2e19, "overhead": 0.1, "size": 1.0, "data": 1.0}


def crossing_fit(draws: int = 50) -> Fit:
    """Muon is one per cent worse at the reference, and its exponent of N a fifth larger."""
    fit = fake_fit(RECIPES, draws=draws)
    rng = np.random.default_rng(0)
    level, alpha = (fit.posterior[f"{p}_effect_recipe"].to_numpy() for p in ("level", "alpha"))
    shape = level.shape[:2]
    moved = {
        "level_effect_recipe": level[..., 0] + 0.01 + 0.005 * rng.normal(size=shape),
        "alpha_effect_recipe": alpha[..., 0] + 0.2 + 0.05 * rng.normal(size=shape),
    }
    old = {"level_effect_recipe": level, "alpha_effect_recipe": alpha}
    return changed(fit, {k: np.stack([old[k][..., 0], v], axis=-1) for k, v in moved.items()})


def profiles_fit(draws: int = 120) -> Fit:
    """Seven sizes at each of three budgets, which are called budget."""
    rows = [
        {"N": 4e8 * (float(c) / 1e19) ** 0.45 * k, "C": float(c), "budget": c}
        for c in BUDGETS
        for k in np.geomspace(0.15, 7, 7)
    ]
    return fake_fit_of(
        registry["isoflop"], pd.DataFrame(rows), PROFILE, labels={"budget": list(BUDGETS)},
        pool={"best": "partial", "level": "partial"}, draws=draws,
    )  # fmt: skip


def cost_fit(draws: int = 50) -> Fit:
    """A fitted cost, about 6 N D at the runs of the recipes."""
    runs = pd.DataFrame({"N": [1e8, 4e8, 16e8], "D": [2e9, 8e9, 32e9]})
    return fake_fit_of(registry["training_cost"], runs, COST, draws=draws)
