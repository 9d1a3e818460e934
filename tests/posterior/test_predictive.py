"""The tree that ArviZ takes, and leave-one-out scores."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import arviz_stats
import numpy as np
import pandas as pd
import pytest
from fakes import RECIPES, fake_fit, fake_fit_of, held
from metric_fits import decay_fit
from scipy import stats
from scipy.special import logsumexp

import bayes_scaling as bs
from bayes_scaling.errors import UsageError
from bayes_scaling.models import registry
from bayes_scaling.posterior import Fit
from bayes_scaling.posterior.predictive import responses_again
from bayes_scaling.program.noise import SIGMA_MEDIAN, SIGMA_SD

GROUPS = {
    "posterior", "sample_stats", "observed_data", "constant_data", "log_likelihood", "log_prior",
    "posterior_predictive",
}  # fmt: skip


@pytest.fixture(scope="module")
def pooled() -> Fit:
    return fake_fit(RECIPES, rungs=True, draws=50)


def test_the_tree_has_what_arviz_asks_for() -> None:
    pooled = fake_fit(RECIPES, draws=50, noise="lognormal")
    before = set(pooled.tree.children)
    tree = bs.arviz_tree(pooled, prior_draws=30)
    assert set(tree.children) == GROUPS | {"prior", "prior_predictive"}
    assert set(pooled.tree.children) == before
    runs = pooled.tree["observed_data"].sizes["run"]
    assert dict(tree["log_likelihood"].sizes) == {"chain": 4, "draw": 50, "run": runs}
    assert tree["posterior_predictive"]["response"].shape == (4, 50, runs)
    assert tree["prior_predictive"]["response"].shape == (1, 30, runs)
    assert tree["prior"]["level_effect_recipe"].dims == ("chain", "draw", "recipe")
    assert list(tree["prior"]["recipe"].to_numpy()) == RECIPES["recipe"]
    assert set(tree["prior"].data_vars) == set(pooled.structure.sites())
    assert "level_effect_recipe" not in tree["log_prior"]


def test_the_prior_may_be_left_out(pooled: Fit) -> None:
    assert set(bs.arviz_tree(pooled, prior_draws=0).children) == GROUPS


def test_responses_are_drawn_about_the_law() -> None:
    truth = {"level": 2.9, "reducible": 0.4, "share_N": 0.55, "alpha": 0.34, "beta": 0.28}
    fit = held(fake_fit(noise="lognormal"), **truth, sigma=0.02)
    again = responses_again(fit)["response"]
    mean = bs.forecast(fit, fit.runs()[["N", "D"]], kind="mean").summary()["q0.5"].to_numpy()
    off = np.log(again.to_numpy() / mean).reshape(-1, len(mean))
    assert off.std(axis=0) == pytest.approx(np.full(len(mean), 0.02), rel=0.1)
    assert np.abs(off.mean(axis=0)).max() < 0.002
    assert np.abs(np.corrcoef(off.T) - np.eye(len(mean))).max() < 0.15
    assert again.equals(responses_again(fit)["response"])
    assert not again.equals(responses_again(fit, seed=1)["response"])
    assert responses_again(fit, thin=10)["response"].sizes["draw"] == 50


def test_a_chain_draws_its_losses_too() -> None:
    again = responses_again(decay_fit(unseen=[1], unmeasured=[4], draws=20))
    assert again["response"].sizes["run"] == 9
    assert again["loss"].sizes["measured"] == 8


@pytest.mark.filterwarnings("ignore:Estimated shape parameter")
def test_loo_of_a_line_is_that_of_fits_without_each_run(line_fit: Fit, first_line: Any) -> None:
    found = bs.loo(line_fit)
    assert found.n_data_points == len(first_line.y)
    smooth = found.pareto_k.to_numpy() < found.good_k
    assert smooth.sum() >= len(smooth) - 2
    # a linear model with flat coefficients: without a run its residual and the sum of squares
    # follow from its leverage, and sigma, which a stray moves, is integrated out on a grid
    x = np.column_stack([np.ones_like(first_line.log_x), first_line.log_x])
    left = 1 - (x @ np.linalg.solve(x.T @ x, x.T)).diagonal()
    off = first_line.y - x @ np.linalg.lstsq(x, first_line.y)[0]
    log_sigma = np.linspace(-4, 0, 2000)[:, None]
    prior = stats.norm.logpdf(log_sigma, np.log(SIGMA_MEDIAN * line_fit.spec.scale), SIGMA_SD)
    squares = off @ off - off**2 / left
    known = prior - (len(off) - 3) * log_sigma - 0.5 * squares * np.exp(-2 * log_sigma)
    density = stats.norm.logpdf(off / left, scale=np.exp(log_sigma) / np.sqrt(left))
    expected = logsumexp(known + density, axis=0) - logsumexp(known, axis=0)
    assert found.elpd_i.to_numpy()[smooth] == pytest.approx(expected[smooth], abs=0.25)
    pit = arviz_stats.loo_pit(bs.arviz_tree(line_fit, prior_draws=0))["response"]
    assert 0.3 < float(pit.mean()) < 0.7


@pytest.mark.filterwarnings("ignore:Estimated shape parameter")
def test_rows_that_follow_each_other_are_left_out_together() -> None:
    table = pd.DataFrame(
        {"D": np.tile(np.linspace(1e9, 2e10, 6), 3), "run": np.repeat([*"pqr"], 6)}
    )
    truth = {"level": 3.0, "reducible": 0.3, "offset": 0.1, "beta": 0.4}
    fit = fake_fit_of(registry["token_curve"], table, truth, serial=True, draws=50)
    found = bs.loo(fit)
    assert list(found.elpd_i["run"].to_numpy()) == [*"pqr"]


def test_powers_of_densities_are_no_scores(pooled: Fit) -> None:
    capped = replace(pooled, spec=replace(pooled.spec, effective_runs=5.0))
    with pytest.raises(UsageError, match="effective_runs"):
        bs.loo(capped)
