"""The sampler: against an independent posterior, and on simulated runs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
from arviz_stats.base import array_stats
from scipy import stats

import bayes_scaling as bs
from bayes_scaling.errors import FitError
from bayes_scaling.posterior import Fit, ScalingModel, load_fit
from bayes_scaling.posterior.compiled import compilations

AXES = {"chain_axis": 0, "draw_axis": 1}


class Moments(NamedTuple):
    """Mean and standard deviation of a quantity."""

    mean: float
    sd: float


class LinePosterior(NamedTuple):
    """Posterior of y = a + b log x + noise: a and b exactly, sigma on a grid.

    Attributes
    ----------
    sigma, weight : (grid,) arrays
    mean, covariance : (grid, 2) and (grid, 2, 2) arrays
        Of a and b given sigma.
    """

    sigma: np.ndarray
    weight: np.ndarray
    mean: np.ndarray
    covariance: np.ndarray

    def moments(self) -> dict[str, Moments]:
        found = {}
        for i, name in enumerate("ab"):
            mean = self.weight @ self.mean[:, i]
            spread = self.covariance[:, i, i] + (self.mean[:, i] - mean) ** 2
            found[name] = Moments(mean, np.sqrt(self.weight @ spread))
        sigma = self.weight @ self.sigma
        sd = np.sqrt(self.weight @ (self.sigma - sigma) ** 2)
        return found | {"sigma": Moments(sigma, sd)}

    def slope_cdf(self, value: float) -> float:
        sds = np.sqrt(self.covariance[:, 1, 1])
        return float(self.weight @ stats.norm.cdf(value, self.mean[:, 1], sds))


def line_posterior(log_x: np.ndarray, y: np.ndarray) -> LinePosterior:
    design = np.column_stack([np.ones_like(log_x), log_x])
    prior_mean, prior_covariance = np.array([0.5, 0.0]), np.diag([2.0**2, 1.5**2])
    prior_precision = np.linalg.inv(prior_covariance)
    log_sigma = np.linspace(np.log(0.02), np.log(1.0), 2000)
    # log sigma is normal a priori, around a hundredth of the spread of y
    log_weight = stats.norm.logpdf(log_sigma, np.log(0.01 * np.ptp(y)), 1.0)
    means, covariances = [], []
    for i, variance in enumerate(np.exp(2 * log_sigma)):
        covariance = np.linalg.inv(design.T @ design / variance + prior_precision)
        means.append(covariance @ (design.T @ y / variance + prior_precision @ prior_mean))
        covariances.append(covariance)
        marginal = design @ prior_covariance @ design.T + variance * np.eye(y.size)
        log_weight[i] += stats.multivariate_normal.logpdf(y, design @ prior_mean, marginal)
    weight = np.exp(log_weight - log_weight.max())
    assert weight[[0, -1]].max() < 1e-6  # the grid holds the posterior
    weight /= weight.sum()
    return LinePosterior(np.exp(log_sigma), weight, np.array(means), np.array(covariances))


def compare(fit: Fit, wanted: Mapping[str, Moments]) -> None:
    table = fit.table.set_index("name")
    assert set(wanted) == set(table.index)
    for name, (mean, sd) in wanted.items():
        row = table.loc[name]
        # four standard errors of the mean, whose draws are worth ess_bulk independent ones
        assert abs(row["mean"] - mean) < 4 * sd / np.sqrt(row["ess_bulk"]), name
        assert row["sd"] == pytest.approx(sd, rel=0.1), name
        assert row["ess_bulk"] > 1000, name


def test_moments_of_a_linear_law(line_fit: Fit, first_line: Any) -> None:
    assert (first_line.y < 0).any()
    assert (first_line.y > 0).any()
    compare(line_fit, line_posterior(first_line.log_x, first_line.y).moments())


def test_quantiles_of_a_linear_law(line_fit: Fit, first_line: Any) -> None:
    wanted = line_posterior(first_line.log_x, first_line.y)
    slope = line_fit.posterior["b"].to_numpy()
    for q in (0.05, 0.25, 0.75, 0.95):
        quantile = np.quantile(slope, q)
        # draws below the quantile, as many as independent ones would be
        ess = array_stats.ess((slope <= quantile).astype(float), method="mean", **AXES)
        error = np.sqrt(q * (1 - q) / ess)
        assert wanted.slope_cdf(quantile) == pytest.approx(q, abs=4 * error)


def test_another_table_of_the_same_shape_adds_no_program(
    line_fit: Fit, line_model: ScalingModel, second_line: Any
) -> None:
    before = compilations()
    assert before > 0
    other = line_model.fit(second_line.runs, seed=4)
    assert compilations() == before
    compare(other, line_posterior(second_line.log_x, second_line.y).moments())
    assert not np.array_equal(other.posterior["a"], line_fit.posterior["a"])


def test_the_same_seed_gives_the_same_draws(
    line_fit: Fit, line_model: ScalingModel, first_line: Any
) -> None:
    again = line_model.fit(first_line.runs, seed=4)
    for name in ("a", "b", "sigma"):
        np.testing.assert_array_equal(again.posterior[name], line_fit.posterior[name])
    other = line_model.fit(first_line.runs, seed=5)
    for name in ("a", "b", "sigma"):
        shared = np.intersect1d(other.posterior[name], line_fit.posterior[name])
        assert shared.size == 0, name


def test_chains_differ_and_have_their_lengths(line_fit: Fit) -> None:
    draws = line_fit.posterior["a"]
    assert draws.sizes == {"chain": 4, "draw": 1000}
    assert np.unique(draws.to_numpy()).size > 3000


def check_sampling(fit: Fit) -> None:
    assert fit.diagnostics["divergences"] == 0
    assert fit.diagnostics["max_rhat"] < 1.01
    assert fit.diagnostics["min_ess_bulk"] > 400
    assert fit.usable


def test_recovery(recovery: Any) -> None:
    check_sampling(recovery.fit)
    table = recovery.fit.table.set_index("name")
    for name, truth in recovery.truth.items():
        assert abs(table.loc[name, "mean"] - truth) < 4 * table.loc[name, "sd"], name


def test_wide_grids_identify_every_parameter(recovery: Any) -> None:
    table = recovery.fit.table.set_index("name")
    for name in (*recovery.fit.law.parameters, "sigma"):
        assert table.loc[name, "contraction"] >= 0.5, name


def test_derived_quantities_follow_the_draws(recovery: Any) -> None:
    fit = recovery.fit
    posterior = fit.posterior
    wanted = posterior["level"] * (1 - posterior["reducible"])
    np.testing.assert_allclose(posterior["E"], wanted, rtol=1e-12)
    assert set(fit.table.loc[fit.table["kind"] == "derived", "name"]) == {
        d.name for d in fit.law.derived
    }


def test_pooled_recovery(pooled: Fit, pooled_truth: Mapping[tuple[str, str], float]) -> None:
    check_sampling(pooled)
    assert pooled.structure.rungs == 12
    assert pooled.structure.levels == (("recipe", 4),)
    table = pooled.table.set_index(["name", "group"])
    for key, truth in pooled_truth.items():
        assert abs(table.loc[key, "mean"] - truth) < 4 * table.loc[key, "sd"], key
    for name in ("level", "alpha"):
        for group in "abcd":
            assert table.loc[(name, group), "contraction"] >= 0.5, (name, group)


def test_group_values_are_centres_and_effects(pooled: Fit) -> None:
    posterior = pooled.posterior
    wanted = posterior["level_centre"] * np.exp(posterior["level_effect_recipe"])
    np.testing.assert_allclose(posterior["level"], wanted.transpose(*posterior["level"].dims))
    assert list(posterior["recipe"].to_numpy()) == ["a", "b", "c", "d"]


def test_summary_leaves_effects_out(pooled: Fit) -> None:
    names = set(pooled.summary()["name"])
    assert {"level", "level_centre", "level_sd_recipe", "rung_sd", "sigma", "E"} <= names
    assert not {"level_effect_recipe", "rung_effect"} & names
    assert {"level_effect_recipe", "rung_effect"} <= set(pooled.table["name"])


def test_save_and_load(pooled: Fit, tmp_path: Path) -> None:
    path = tmp_path / "fit.nc"
    pooled.save(path)
    loaded = bs.load(path)
    assert [p.name for p in tmp_path.iterdir()] == ["fit.nc"]
    pd.testing.assert_frame_equal(loaded.summary(), pooled.summary())
    assert loaded.law is pooled.law
    assert loaded.spec == pooled.spec
    assert loaded.record == pooled.record
    assert loaded.settings == pooled.settings
    assert loaded.structure == pooled.structure
    assert loaded.warnings == pooled.warnings
    for group in ("posterior", "sample_stats", "observed_data", "constant_data"):
        assert loaded.tree[group].to_dataset().identical(pooled.tree[group].to_dataset()), group


def test_a_law_that_is_not_in_the_registry_is_handed_over(line_fit: Fit, tmp_path: Path) -> None:
    path = tmp_path / "fit.nc"
    line_fit.save(path)
    loaded = load_fit(path, lambda name, source: line_fit.law)
    pd.testing.assert_frame_equal(loaded.summary(), line_fit.summary())


def test_files_that_are_no_fits(line_fit: Fit, tmp_path: Path) -> None:
    with pytest.raises(FitError, match="does not exist"):
        bs.load(tmp_path / "none.nc")
    (tmp_path / "text.nc").write_text("words")
    with pytest.raises(FitError, match=r"text\.nc' is not a fit"):
        bs.load(tmp_path / "text.nc")
    with pytest.raises(FitError, match="cannot be written to"):
        line_fit.save(tmp_path / "no folder" / "fit.nc")
