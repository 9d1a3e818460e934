"""Densities of rows and sites, recomputed from the program at the draws of a fit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from fakes import RECIPES, changed, fake_fit, fake_fit_of, flat
from metric_fits import cloglog_fit, counts_fit, coverage_fit, decay_fit, verifier_fit
from numpyro.infer.util import log_density
from scipy.stats import halfnorm, norm

import bayes_scaling as bs
from bayes_scaling.law.priors import LINKS
from bayes_scaling.models import registry
from bayes_scaling.posterior import Fit, pointwise
from bayes_scaling.posterior.pointwise import (
    data_of,
    drawn_sites,
    log_likelihood,
    log_prior,
    log_scores,
    runs_of,
    top_level,
)
from bayes_scaling.program import program

CURVE = {"level": 3.0, "reducible": 0.3, "offset": 0.1, "beta": 0.4}


def curves_fit(draws: int) -> Fit:
    """Curves of two corpora, correlated along each, some of whose rows diverged."""
    table = pd.DataFrame(
        {"D": np.tile(np.linspace(1e9, 2e10, 8), 4), "run": np.repeat([*"pqrs"], 8),
         "corpus": np.repeat(["web", "code"], 16)}
    )  # fmt: skip
    return fake_fit_of(
        registry["token_curve"], table, CURVE, labels={"corpus": ["code", "web"]}, draws=draws,
        pool={"level": "partial"}, serial=True, bound=3.2,
    )  # fmt: skip


def items_fit(draws: int) -> Fit:
    """Items at two sizes, each on one of three curves."""
    table = pd.DataFrame(
        {"C": np.resize([1e20, 1e23], 24), "item": np.repeat([*"abcdefghijkl"], 2)}
    )
    truth = {"place_1": -1.0, "gap_2": 1.8, "gap_3": 1.8, "share_1": 0.35, "share_2": 0.5}
    truth |= {"slope_1": 0.3, "slope_2": 0.3, "slope_3": 0.3, "lapse": 0.04}
    law = registry["difficulty_clusters"]
    return fake_fit_of(law, table.assign(trials=4.0), truth, draws=draws)


FITS: dict[str, Callable[..., Fit]] = {
    "pooled": partial(fake_fit, RECIPES, rungs=True),
    "separate": partial(fake_fit, RECIPES, pool={"level": "separate"}, noise="normal"),
    "frontier": partial(fake_fit, noise="lower-frontier"),
    "counts": counts_fit,
    "problems": coverage_fit,
    "verifier": verifier_fit,
    "chain": partial(decay_fit, unseen=[1], unmeasured=[4]),
    "chain to counts": cloglog_fit,
    "curves": curves_fit,
    "items": items_fit,
}


@pytest.mark.parametrize("name", FITS)
def test_the_densities_are_those_of_the_program(name: str) -> None:
    fit = FITS[name](draws=20)
    rows, sites = log_likelihood(fit), log_prior(fit)
    expected = {"run": fit.tree["observed_data"].sizes["run"]} if name != "items" else {"item": 12}
    assert dict(rows.sizes) == {"chain": 4, "draw": 20, **expected}
    for chain, draw in ((0, 0), (3, 19)):
        at = {"chain": chain, "draw": draw}
        values = {str(k): jnp.asarray(v[at].to_numpy()) for k, v in drawn_sites(fit).items()}
        whole, trace = log_density(program, (fit.structure, data_of(fit)), {}, values)
        for label, site in trace.items():
            if site["type"] != "sample" or site["is_observed"]:
                continue
            whole -= float(jnp.sum(site["fn"].log_prob(site["value"])))
            assert np.isfinite(sites[label][at]).all()
        assert float(rows[at].sum()) == pytest.approx(float(whole), rel=1e-9)


def test_priors_are_on_the_scale_where_they_are_declared() -> None:
    fit = fake_fit(RECIPES, rungs=True, draws=20)
    found, spec = log_prior(fit), fit.spec
    free = np.asarray(LINKS["log"].to_real(flat(fit, "level_centre")))
    expected = norm.logpdf(free, spec.prior_loc["level"], spec.prior_sd["level"])
    assert found["level_centre"].to_numpy().ravel() == pytest.approx(expected)
    sd = fit.structure.group_sd("level", "level_sd_recipe")
    expected = halfnorm.logpdf(flat(fit, "level_sd_recipe"), scale=sd)
    assert found["level_sd_recipe"].to_numpy().ravel() == pytest.approx(expected)
    effect, own_sd = flat(fit, "level_effect_recipe"), flat(fit, "level_sd_recipe")
    assert found["level_effect_recipe"].dims == ("chain", "draw", "recipe")
    expected = norm.logpdf(effect, 0, own_sd[:, None])
    assert found["level_effect_recipe"].to_numpy().reshape(-1, 2) == pytest.approx(expected)


def test_the_prior_that_is_scaled_leaves_effects_out() -> None:
    fit = fake_fit(RECIPES, rungs=True, draws=20)
    own = top_level(fit.structure)
    assert {"level_centre", "level_sd_recipe", "beta", "sigma", "nu", "rung_sd"} <= set(own)
    assert not {"level_effect_recipe", "rung_effect"} & set(own)
    scores, sites = log_scores(fit), log_prior(fit)
    assert scores["prior"].to_numpy() == pytest.approx(sum(sites[k].to_numpy() for k in own))
    total = log_likelihood(fit).sum("run").to_numpy()
    assert scores["likelihood"].to_numpy() == pytest.approx(total)
    assert fit.log_scores is fit.log_scores
    separate = fake_fit(RECIPES, pool={"level": "separate"}, draws=20)
    assert "level" in top_level(separate.structure)
    assert log_scores(separate)["prior"].shape == (4, 20)


def test_batches_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    fit = fake_fit(draws=25)
    at_once = log_likelihood(fit)
    monkeypatch.setattr(pointwise, "CELLS", 7 * 9)
    assert log_likelihood(fit).to_numpy() == pytest.approx(at_once.to_numpy())


def test_the_table_comes_back(first_line: Any, line_fit: Fit) -> None:
    told, fitted = first_line.runs, runs_of(line_fit)
    pd.testing.assert_frame_equal(fitted.frame[told.frame.columns], told.frame, check_dtype=False)
    assert (fitted.response, fitted.unit, fitted.groups) == ("loss", "nat/token", ())
    assert "run" not in fitted.frame


def test_the_table_comes_back_from_a_file(tmp_path: Path) -> None:
    fit = curves_fit(draws=20)
    fit.save(tmp_path / "fit.nc")
    again = runs_of(bs.load(tmp_path / "fit.nc"))
    assert again.groups == ("corpus",)
    assert again.curves
    assert again.bound == 3.2
    assert again.diverged.sum() == fit.runs()["diverged"].sum() > 0
    pd.testing.assert_frame_equal(again.frame, runs_of(fit).frame, check_dtype=False)


def test_what_lies_beyond_the_fitted_runs_is_no_site() -> None:
    fit = fake_fit(RECIPES, rungs=True, draws=20)
    whole = fit.posterior["rung_effect"]
    more = changed(fit, {})
    longer = whole.pad(rung=(0, 2), constant_values=0.0).assign_coords(
        rung=[*whole["rung"].to_numpy(), "x", "y"]
    )
    groups = {k: v.to_dataset() for k, v in more.tree.children.items()}
    groups["posterior"] = groups["posterior"].drop_dims("rung").assign(rung_effect=longer)
    found = drawn_sites(replace(more, tree=xr.DataTree.from_dict(groups)))
    assert found["rung_effect"].equals(whole)
