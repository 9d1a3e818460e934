"""Simulation-based calibration of chinchilla, alone and pooled, and of every law."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from cases import CASES, Case
from results import REPLICATES, calibration, catalogue_band

import bayes_scaling as bs
from bayes_scaling.validation import calibrate
from bayes_scaling.validation.calibration import band, deviation

FAMILY_LEVEL = 0.01
slow = pytest.mark.slow


def table(recipes: int) -> bs.Runs:
    """Inputs of the simulated runs; their responses only set the scale of the priors."""
    rows = [
        {"N": n, "D": n * ratio, "recipe": f"r{g}", "loss": 3.0 + 0.1 * k}
        for k, (n, ratio) in enumerate((n, m) for n in (3e7, 1.7e8, 1e9) for m in (5, 20, 80))
        for g in range(recipes)
    ]
    return bs.read_runs(pd.DataFrame(rows), group="recipe" if recipes > 1 else None)


@slow
@pytest.mark.parametrize(("recipes", "seed"), [(1, 101), (3, 303)], ids=["chinchilla", "pooled"])
def test_ranks_of_the_truth_are_uniform(recipes: int, seed: int) -> None:
    model = bs.ScalingModel(bs.models.chinchilla)
    found = calibrate(model, table(recipes), seed=seed, report=print).summary(FAMILY_LEVEL)
    print(found.to_string())
    assert found["inside"].all(), found[~found["inside"]].to_string()


@slow
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.law)
def test_every_law_is_calibrated(case: Case) -> None:
    """The band is that of the whole catalogue: one quantity in a hundred catalogues leaves it."""
    quantities = sum(len(bs.find_law(c.law).parameters) + 2 for c in CASES)
    deviations = calibration(case).deviations()
    worst = max(deviations, key=deviations.__getitem__)
    assert deviations[worst] <= catalogue_band(REPLICATES, quantities), worst


def test_the_band_catches_ranks_that_are_not_uniform() -> None:
    rng = np.random.default_rng(1)
    limit = band(200, FAMILY_LEVEL)
    assert deviation(rng.beta(0.6, 0.6, 200)) > limit  # intervals too narrow
    assert deviation(rng.beta(1.6, 1.0, 200)) > limit  # biased
    assert deviation(rng.uniform(size=200)) < limit


def test_the_band_of_the_catalogue_is_wider_than_that_of_a_law() -> None:
    alone = band(REPLICATES, FAMILY_LEVEL)
    assert alone < catalogue_band(REPLICATES, 10) < catalogue_band(REPLICATES, 400) < 2 * alone
