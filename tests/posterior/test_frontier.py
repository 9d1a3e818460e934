"""Runs below a frontier: the fit finds the frontier, and forecasts fall short of it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from toys import front

from bayes_scaling.answers import forecast
from bayes_scaling.posterior import Fit, ScalingModel
from bayes_scaling.runs import read_runs

TRUTH = {"level": 2.0, "pace": 0.5, "sigma": 0.1, "excess": 0.4}
RUNS = 150


@pytest.fixture(scope="module")
def fit() -> Fit:
    rng = np.random.default_rng(6)
    year = np.linspace(2018.0, 2025.0, RUNS)
    log_front = np.log(TRUTH["level"]) + TRUTH["pace"] * (year - year.mean())
    short = TRUTH["excess"] * np.abs(rng.normal(size=RUNS))
    response = np.exp(log_front - short + TRUTH["sigma"] * rng.normal(size=RUNS))
    runs = read_runs(
        pd.DataFrame({"year": year, "density": response}),
        inputs={"year": "year"},
        response="density",
    )
    return ScalingModel(front).fit(runs, seed=3)


def test_the_noise_is_that_of_the_response(fit: Fit) -> None:
    assert fit.spec.noise == "upper-frontier"
    assert fit.structure.noise.side == -1
    assert fit.spec.scale == 1.0
    assert not [w for w in fit.warnings if w.severity == "error"]


@pytest.mark.parametrize("name", TRUTH)
def test_the_truth_is_recovered(fit: Fit, name: str) -> None:
    draws = fit.posterior[name].to_numpy().ravel()
    assert abs(draws.mean() - TRUTH[name]) < 3.5 * draws.std()
    # and the runs, not the prior, have told
    widest = {"level": 0.1, "pace": 0.03, "sigma": 0.05, "excess": 0.08}
    assert draws.std() < widest[name]


def test_the_frontier_lies_above_the_runs(fit: Fit) -> None:
    points = fit.tree["constant_data"].to_dataset().to_dataframe()[["year"]]
    mean = forecast(fit, points, kind="mean").summary()["q0.5"].to_numpy()
    observed = fit.tree["observed_data"]["response"].to_numpy()
    assert (observed < mean).mean() > 0.8
    middle = np.exp(np.log(observed / mean).mean())
    assert middle == pytest.approx(np.exp(-TRUTH["excess"] * np.sqrt(2 / np.pi)), abs=0.08)


def test_new_runs_fall_short_of_the_frontier(fit: Fit) -> None:
    at = {"year": 2026.0}
    mean = forecast(fit, at, kind="mean").draws.to_numpy()
    new = forecast(fit, at).draws.to_numpy()
    short = np.log(new / mean)[:, 0]
    sigma, excess = (fit.posterior[k].to_numpy().ravel() for k in ("sigma", "excess"))
    expected = (0.5 + np.arctan(excess / sigma) / np.pi).mean()
    assert expected > 0.85
    assert (short < 0).mean() == pytest.approx(expected, abs=4 * 0.4 / np.sqrt(len(short)))
    shortfall = (excess * np.sqrt(2 / np.pi)).mean()
    assert short.mean() == pytest.approx(-shortfall, abs=4 * excess.mean() / np.sqrt(len(short)))
