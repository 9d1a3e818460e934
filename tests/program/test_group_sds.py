"""Scales of the sds between groups that the user chooses."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from bayes_scaling.errors import UsageError
from bayes_scaling.models import registry
from bayes_scaling.posterior.diagnostics import prior_sds
from bayes_scaling.program import Spec, build_data, build_spec, draw_prior
from bayes_scaling.runs import Runs, read_runs

LAW = registry["chinchilla"]


def table() -> Runs:
    rng = np.random.default_rng(7)
    n = np.tile(np.geomspace(1e8, 3e9, 6), 2)
    d = 20 * n**0.9 * np.tile([10.0, 5.0, 9.0, 7.0, 12.0, 6.0], 2)
    loss = 1.7 + 60 * n**-0.25 + 90 * d**-0.25 + 0.003 * rng.normal(size=12)
    frame = pd.DataFrame({"N": n, "D": d, "loss": loss, "recipe": np.repeat(["a", "b"], 6)})
    return read_runs(frame.assign(corpus=["x", "y", "z"] * 4), group=["recipe", "corpus"])


def spec(group_sd: Any, **options: Any) -> Spec:
    return build_spec(LAW, table(), group_sd=group_sd, **options)


def test_scales_by_parameter_and_by_column() -> None:
    chosen = spec({"alpha": 0.05, "level": {"corpus": 0.01}})
    assert chosen.group_sd == {
        "alpha_sd_recipe": 0.05, "alpha_sd_corpus": 0.05, "level_sd_corpus": 0.01,
    }  # fmt: skip
    structure = chosen.structure(LAW)
    assert structure.group_sd("alpha", "alpha_sd_recipe") == 0.05
    assert structure.group_sd("level", "level_sd_corpus") == 0.01
    own = LAW.parameters["level"].group_sd
    assert own != 0.01
    assert structure.group_sd("level", "level_sd_recipe") == own
    assert spec(None).group_sd == {}
    # fits of other scales share one program, which takes them from its data
    assert structure == spec(None).structure(LAW)
    assert hash(structure) == hash(spec(None).structure(LAW))
    scales = build_data(chosen, LAW, table()).prior_sd
    assert scales["alpha_sd_recipe"] == 0.05
    assert scales["level_sd_recipe"] == own


def test_prior_sds_follow() -> None:
    chosen = spec({"alpha": {"recipe": 0.05, "corpus": 0.02}})
    found = prior_sds(chosen.structure(LAW), chosen.prior_sd)
    assert found["alpha_effect_recipe"] == 0.05
    assert found["alpha_effect_corpus"] == 0.02
    assert found["alpha"] == pytest.approx(np.sqrt(0.5**2 + 0.05**2 + 0.02**2))
    assert found["alpha_centre"] == 0.5
    default = prior_sds(spec(None).structure(LAW), chosen.prior_sd)
    assert found["beta"] == default["beta"]
    assert found["alpha"] < default["alpha"]


def test_the_program_draws_group_sds_from_them() -> None:
    chosen = spec({"alpha": {"recipe": 0.05}}, noise="lognormal", rung=False)
    structure, data = chosen.structure(LAW), build_data(chosen, LAW, table())
    draws = draw_prior(structure, data, jax.random.key(2), 2000)
    own = LAW.parameters["alpha"].group_sd
    for site, scale in (("alpha_sd_recipe", 0.05), ("alpha_sd_corpus", own)):
        assert stats.kstest(draws[site], stats.halfnorm(scale=scale).cdf).pvalue > 1e-3, site


@pytest.mark.parametrize(
    ("group_sd", "message"),
    [
        ({"share_N": 0.1}, "group_sd names share_N, which no column pools partially"),
        ({"share_N": {"recipe": 0.1}}, "names share_N over 'recipe', which is not pooled partial"),
        ({"alpha": {"optimiser": 0.1}}, "group_sd names alpha over 'optimiser', which is not pool"),
        ({"gamma": 0.1}, "group_sd names gamma, which"),
        ({"alpha": 0.0}, "group_sd of alpha is 0.0; it must be positive"),
        ({"alpha": {"recipe": -0.1}}, "group_sd of alpha is -0.1; it must be positive"),
        ({"alpha": float("inf")}, "group_sd of alpha is inf; it must be positive"),
        ({"alpha": float("nan")}, "group_sd of alpha is nan; it must be positive"),
    ],
)
def test_wrong_scales(group_sd: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        spec(group_sd)


def test_a_scale_needs_partial_pooling() -> None:
    with pytest.raises(UsageError, match=r"pool it with pool=\{'alpha': 'partial'\}"):
        spec({"alpha": {"recipe": 0.1}}, pool={"alpha": {"recipe": "separate"}})
    assert spec({"share_N": 0.1}, pool={"share_N": "partial"}).group_sd == {
        "share_N_sd_recipe": 0.1, "share_N_sd_corpus": 0.1,
    }  # fmt: skip
