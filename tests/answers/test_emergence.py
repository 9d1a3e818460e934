"""Evidence for acceleration: Savage-Dickey against the closed form."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from fakes import changed, diverged
from metric_fits import counts_fit, emergence_fit
from scipy import integrate, stats

from bayes_scaling.answers import emergence
from bayes_scaling.errors import FitError, UsageError
from bayes_scaling.posterior import Fit

PRIOR_SD = 0.1


@pytest.fixture(scope="module")
def pooled() -> Fit:
    return emergence_fit(draws=500, prior_sd={"acceleration": PRIOR_SD})


def alone(mean: float, sd: float, prior_sd: float = PRIOR_SD) -> Fit:
    """One task whose acceleration has a normal posterior."""
    options: dict[str, Any] = {"labels": {}, "pool": {}, "prior_sd": {"acceleration": prior_sd}}
    fit = emergence_fit(draws=1000, **options)
    quantiles = stats.norm.ppf((np.arange(4000) + 0.5) / 4000, mean, sd)
    fit = changed(fit, {"acceleration": quantiles.reshape(4, 1000)})
    centred = dict(fit.spec.prior_loc) | {"acceleration": 0.0}
    return replace(fit, spec=replace(fit.spec, prior_loc=centred))


@pytest.mark.parametrize(
    ("mean", "sd", "prior_sd", "verdict"),
    [
        (0.0, 0.002, 0.1, "straight"),
        (0.0, 0.05, 0.1, "not settled"),
        (0.12, 0.02, 0.1, "accelerates"),
        (-0.12, 0.02, 0.1, "slows down"),
        (0.1, 0.05, 0.1, "seems to accelerate"),
        (-0.1, 0.05, 0.1, "seems to slow down"),
        (0.03, 0.015, 3.0, "straight"),  # a prior that expects far larger ones
    ],
)
def test_evidence_of_a_normal_posterior(
    mean: float, sd: float, prior_sd: float, verdict: str
) -> None:
    row = emergence(alone(mean, sd, prior_sd), force=True).summary().iloc[0]
    wanted = stats.norm.logpdf(0, 0, prior_sd) - stats.norm.logpdf(0, mean, sd)
    # kernels widen a posterior by a few per cent of its sd
    assert row["log_bayes_factor"] == pytest.approx(wanted, abs=0.03 + 0.05 * (mean / sd) ** 2)
    assert row["P_accelerates"] == pytest.approx(stats.norm.sf(0, mean, sd), abs=1e-3)
    assert row["verdict"] == verdict
    assert (row["group"], row["q0.05"]) == (
        "",
        pytest.approx(mean - 1.645 * sd, rel=0.01, abs=1e-4),
    )


def test_of_groups_the_prior_has_their_spread(pooled: Fit) -> None:
    table = emergence(pooled, force=True).summary()
    assert table["group"].tolist() == ["arc", "qa"]
    loc, scale = pooled.spec.prior_loc["acceleration"], 0.1  # that of the half-normal

    def given(sd: float) -> float:
        density = stats.norm.pdf(0, loc, math.hypot(PRIOR_SD, sd))
        return float(density * stats.halfnorm.pdf(sd, scale=scale))

    prior = integrate.quad(given, 0, 2)[0]
    for _, row in table.iterrows():
        draws = pooled.posterior["acceleration"].sel(task=row["group"]).to_numpy().ravel()
        assert row["mean"] == pytest.approx(draws.mean())
        assert row["sd"] == pytest.approx(draws.std(ddof=1))
        z = draws.mean() / draws.std(ddof=1)
        posterior = (
            stats.norm.logpdf(0, draws.mean(), draws.std(ddof=1))
            if abs(z) > 3
            else np.log(stats.gaussian_kde(draws)(0)[0])
        )
        assert row["log_bayes_factor"] == pytest.approx(math.log(prior) - posterior, abs=0.05)
    assert table["verdict"].tolist() == ["not settled", "accelerates"]


def test_how_sure_is_a_choice() -> None:
    fit = alone(0.1, 0.05)
    assert emergence(fit, sure=0.9, force=True).summary()["verdict"].item() == "seems to accelerate"
    assert emergence(fit, sure=0.99, force=True).summary()["verdict"].item() == "not settled"


def test_wrong_usage(pooled: Fit) -> None:
    with pytest.raises(UsageError, match="law capability_sigmoid has no parameter acceleration"):
        emergence(counts_fit(draws=50))
    for sure in (0.5, 1.0, 95):
        with pytest.raises(UsageError, match=f"sure is {sure}; it must lie between"):
            emergence(pooled, sure=sure)
    with pytest.raises(FitError, match="divergences"):
        emergence(diverged(pooled, 1000))
    assert [w.code for w in emergence(diverged(pooled, 1000), force=True).warnings] == [
        "divergences"
    ]
