"""Simulation-based calibration of chinchilla, alone and pooled, and of every law."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from cases import CASES, Case
from results import FAMILY_LEVEL, calibration

import bayes_scaling as bs
from bayes_scaling.validation import calibrate
from bayes_scaling.validation.calibration import p_value

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
    p = calibration(case).p_values()
    worst = min(p, key=p.__getitem__)
    assert p[worst] > FAMILY_LEVEL / quantities, f"{worst}: {p[worst]:.2g}"


def test_p_values_catch_ranks_that_are_not_uniform() -> None:
    rng = np.random.default_rng(1)
    assert p_value(rng.beta(0.6, 0.6, 200)) < 1e-3  # intervals too narrow
    assert p_value(rng.beta(1.6, 1.0, 200)) < 1e-3  # biased
    assert p_value(rng.beta(1.0, 0.02, 200)) < 1e-12  # far in the tail


def test_p_values_of_uniform_ranks_are_uniform() -> None:
    rng = np.random.default_rng(2)
    found = np.array([p_value(rng.uniform(size=100)) for _ in range(1000)])
    # three standard errors of a proportion
    for level in (0.05, 0.3, 0.7):
        assert abs((found <= level).mean() - level) < 3 * np.sqrt(level * (1 - level) / 1000)
