"""Priors: their scales, their words and their errors."""

from __future__ import annotations

import math

import jax.numpy as jnp
import numpy as np
import pytest

from bayes_scaling.errors import UsageError
from bayes_scaling.law import LogitNormal, LogNormal, Normal, Prior, ResponseScale
from bayes_scaling.law.priors import LINKS

RESPONSE = ResponseScale(median=3.0, smallest=2.0, spread=0.5)


def test_response_scale() -> None:
    assert ResponseScale.of(np.array([4.0, 2.0, 2.5, 7.0])) == (3.25, 2.0, 5.0)
    assert ResponseScale.of(np.array([-4.0, 2.0, 1.0])) == (1.0, -4.0, 6.0)


@pytest.mark.parametrize(("level", "spread"), [(3.0, 0.3), (-20.0, 2.0), (0.02, 0.1), (0.0, 0.1)])
def test_equal_responses_have_a_spread(level: float, spread: float) -> None:
    found = ResponseScale.of(np.full(5, level))
    assert found == pytest.approx((level, level, spread))


@pytest.mark.parametrize(
    ("prior", "loc", "sd"),
    [
        (LogNormal(0.3, 0.5), math.log(0.3), 0.5),
        (LogNormal(1.5, 0.5, scale="median"), math.log(4.5), 0.5),
        (LogNormal(1.5, 0.5, scale="smallest"), math.log(3.0), 0.5),
        (LogNormal(1.5, 0.5, scale="spread"), math.log(0.75), 0.5),
        (LogitNormal(0.5, 1.2), 0.0, 1.2),
        (LogitNormal(0.2, 1.2), math.log(0.25), 1.2),
        (Normal(1.5, 2.0), 1.5, 2.0),
        (Normal(1.5, 2.0, scale="spread"), 0.75, 1.0),
        (Normal(1.5, 2.0, origin="median"), 4.5, 2.0),
        (Normal(-1.0, 2.0, scale="spread", origin="smallest"), 1.5, 1.0),
    ],
    ids=str,
)
def test_resolve(prior: Prior, loc: float, sd: float) -> None:
    assert prior.resolve(RESPONSE) == pytest.approx((loc, sd))


def test_a_real_parameter_may_follow_negative_responses() -> None:
    response = ResponseScale(median=-3.0, smallest=-5.0, spread=4.0)
    assert Normal(0.5, 1.0, scale="spread", origin="median").resolve(response) == (-1.0, 4.0)


@pytest.mark.parametrize("median", [0.0, -2.0])
def test_a_positive_parameter_needs_a_positive_statistic(median: float) -> None:
    response = ResponseScale(median=median, smallest=-5.0, spread=4.0)
    with pytest.raises(
        UsageError, match=rf"level is scaled by the median .* is {median:.4g},"
    ) as e:
        LogNormal(1.0, 0.5, scale="median").resolve(response, "level")
    assert "give a prior on the whole line" in str(e.value)
    assert "priors={'level': bs.Normal(" in str(e.value)
    assert LogNormal(2.0, 0.5, scale="spread").resolve(response)[0] == pytest.approx(math.log(8))


@pytest.mark.parametrize(
    ("prior", "text"),
    [
        (LogNormal(0.3, 0.5), "LogNormal(median 0.3, sd of log 0.5)"),
        (LogNormal(1, 0.5, "median"), "LogNormal(median 1 x median response, sd of log 0.5)"),
        (LogitNormal(0.4, 1.0), "LogitNormal(median 0.4, sd of logit 1)"),
        (Normal(0, 2.5), "Normal(0, sd 2.5)"),
        (
            Normal(-1, 2, scale="spread", origin="median"),
            "Normal(median response + -1 x spread response, sd 2 x spread response)",
        ),
    ],
    ids=["log", "log scaled", "logit", "normal", "normal scaled"],
)
def test_words(prior: Prior, text: str) -> None:
    assert str(prior) == text


@pytest.mark.parametrize(("median", "sigma"), [(0.0, 1.0), (-1.0, 1.0), (1.0, 0.0), (1.0, -2.0)])
def test_lognormal_errors(median: float, sigma: float) -> None:
    with pytest.raises(UsageError, match="LogNormal needs positive median and sigma, got"):
        LogNormal(median, sigma)


@pytest.mark.parametrize(("median", "sigma"), [(0.0, 1.0), (1.0, 1.0), (-3.0, 1.0), (0.5, 0.0)])
def test_logitnormal_errors(median: float, sigma: float) -> None:
    with pytest.raises(UsageError, match="median between 0 and 1 and a positive sigma, got"):
        LogitNormal(median, sigma)


@pytest.mark.parametrize("sd", [0.0, -1.0])
def test_normal_errors(sd: float) -> None:
    with pytest.raises(UsageError, match=f"Normal needs a positive sd, got {sd}"):
        Normal(0.0, sd)


@pytest.mark.parametrize("link", list(LINKS))
def test_links_are_inverse_and_agree_with_numpyro(link: str) -> None:
    z = jnp.array([-3.0, -0.2, 0.0, 1.7])
    value = LINKS[link].to_support(z)
    assert np.asarray(LINKS[link].support(value)).all()
    np.testing.assert_allclose(LINKS[link].to_real(value), z, atol=1e-14)
    np.testing.assert_allclose(LINKS[link].transform(z), value, rtol=1e-14)
