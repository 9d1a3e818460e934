"""Power-scaling of answers: how much they depend on the prior, and on the runs."""

from __future__ import annotations

import arviz_stats
import numpy as np
import pytest
import xarray as xr
from fakes import RECIPES, fake_fit

import bayes_scaling as bs
from bayes_scaling.answers.sensitivity import CONFLICT, FINE, STRONG_PRIOR
from bayes_scaling.errors import UsageError
from bayes_scaling.posterior import Fit
from bayes_scaling.posterior.predictive import arviz_tree

SHAPE = (4, 1000)


def normal_fit(prior: tuple[float, float], data: tuple[float, float]) -> tuple[Fit, np.ndarray]:
    """A fit whose densities are those of a normal mean, and its exact posterior draws."""
    (m0, s0), (m1, s1) = prior, data
    precision = 1 / s0**2 + 1 / s1**2
    mean, sd = (m0 / s0**2 + m1 / s1**2) / precision, precision**-0.5
    value = mean + sd * np.random.default_rng(1).normal(size=SHAPE)
    scores = {
        "prior": (("chain", "draw"), -0.5 * ((value - m0) / s0) ** 2),
        "likelihood": (("chain", "draw"), -0.5 * ((value - m1) / s1) ** 2),
    }
    fit = fake_fit(draws=SHAPE[1])
    fit.__dict__["log_scores"] = xr.Dataset(scores)
    return fit, value.reshape(-1, 1)


@pytest.mark.parametrize(
    ("prior", "data", "diagnosis"),
    [
        ((0.0, 10.0), (0.5, 0.3), FINE),  # wide
        ((0.0, 1.0), (4.0, 1.0), CONFLICT),  # far off
        ((0.0, 0.2), (0.1, 5.0), STRONG_PRIOR),  # nothing learned
    ],
)
def test_what_decides_a_value_is_named(
    prior: tuple[float, float], data: tuple[float, float], diagnosis: str
) -> None:
    fit, value = normal_fit(prior, data)
    (row,) = bs.prior_sensitivity(fit, value).to_dict("records")
    assert row["diagnosis"] == diagnosis
    assert (row["prior"] > 0.05) == (diagnosis != FINE)


def test_one_row_a_point_whatever_its_unit() -> None:
    fit, value = normal_fit((0.0, 1.0), (4.0, 1.0))
    same = np.column_stack([value, 1e-3 * value + 7, np.full(len(value), 2.9)])
    found = bs.prior_sensitivity(fit, same)
    assert list(found.columns) == ["prior", "likelihood", "diagnosis"]
    assert found.iloc[2].to_list() == [0.0, 0.0, FINE]
    other = np.random.default_rng(3).normal(size=(len(value), 1))  # known to neither
    assert bs.prior_sensitivity(fit, other)["diagnosis"].to_list() == [FINE]


def test_forecasts_are_weighted_as_their_draws() -> None:
    fit = fake_fit(RECIPES, rungs=True, draws=100)
    points = [{"N": 1e9, "D": 1e10, "recipe": "adam"}, {"N": 1e12, "D": 1e13, "recipe": "muon"}]
    means = bs.forecast(fit, points, kind="mean").draws.transpose("sample", "point").to_numpy()
    assert len(bs.prior_sensitivity(fit, means)) == 2


def test_of_parameters_it_is_what_arviz_says() -> None:
    fit = fake_fit(RECIPES, rungs=True, draws=100)
    names = ["beta", "sigma", "reducible"]
    draws = np.column_stack([fit.posterior[k].to_numpy().ravel() for k in names])
    ours = bs.prior_sensitivity(fit, draws)
    tree = arviz_tree(fit, prior_draws=0)
    for group in ("prior", "likelihood"):
        theirs = arviz_stats.psense(tree, var_names=names, group=group)
        assert ours[group].to_list() == pytest.approx([float(theirs[k]) for k in names])


@pytest.mark.parametrize("shape", [(400,), (399, 2), (2, 400)])
def test_values_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(UsageError, match="one row for each of the 400 draws"):
        bs.prior_sensitivity(fake_fit(draws=100), np.zeros(shape))
