"""How responses are observed: densities and draws of every noise, by SciPy."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import pytest
from scipy import stats

from bayes_scaling.errors import UsageError
from bayes_scaling.program.noise import (
    NOISES,
    SIGMA_SHARE,
    SIGMA_SHARE_SD,
    FrontierNoise,
    Noise,
    noise_named,
)

DRAWS = 200_000
FOUR_SE = 4 / np.sqrt(DRAWS)  # of the mean of a unit normal
SIGMA, EXCESS, NU = 0.3, 0.7, 6.0
VALUES = {"sigma": SIGMA, "excess": EXCESS, "nu": NU}
SIDES = {"upper-frontier": -1, "lower-frontier": 1}

frontiers = pytest.mark.parametrize("name", SIDES)
every = pytest.mark.parametrize("name", NOISES)


def around(name: str) -> Any:
    """What one run adds to the centre, as a distribution of SciPy."""
    if name in SIDES:
        return stats.skewnorm(SIDES[name] * EXCESS / SIGMA, scale=np.hypot(SIGMA, EXCESS))
    return stats.t(NU, scale=SIGMA) if NOISES[name].robust else stats.norm(scale=SIGMA)


def values_of(noise: Noise) -> dict[str, jax.Array]:
    return {k: jnp.asarray(VALUES[k]) for k in noise.parameters}


def test_names_and_scales() -> None:
    assert {k: v.name for k, v in NOISES.items()} == {k: k for k in NOISES}
    assert {k for k, v in NOISES.items() if v.on_log} == {
        "student-t", "lognormal", "upper-frontier", "lower-frontier",
    }  # fmt: skip
    assert NOISES["student-t-raw"].parameters == ("sigma", "nu")
    assert NOISES["normal"].parameters == ("sigma",)
    for name in SIDES:
        assert NOISES[name].parameters == ("sigma", "excess")
    with pytest.raises(UsageError, match="no noise named 'gumbel'; there are student-t, lognormal"):
        noise_named("gumbel")


@every
def test_there_and_back(name: str) -> None:
    noise, mean = NOISES[name], jnp.array([0.2, 3.0])
    expected = np.log(mean) if noise.on_log else mean
    np.testing.assert_allclose(noise.to_scale(mean), expected, rtol=1e-14)
    np.testing.assert_allclose(noise.from_scale(noise.to_scale(mean)), mean, rtol=1e-14)


def test_raw_noise_takes_negative_means() -> None:
    mean = jnp.array([-2.0, 0.0])
    np.testing.assert_array_equal(NOISES["student-t-raw"].to_scale(mean), mean)
    np.testing.assert_array_equal(NOISES["student-t-raw"].from_scale(mean), mean)


@every
def test_the_known_error_adds_in_quadrature(name: str) -> None:
    noise, mean = NOISES[name], jnp.asarray(2.0)
    se = 0.04 * mean if noise.on_log else 0.04
    spread = noise.spread(jnp.asarray(0.03), jnp.asarray(se), noise.to_scale(mean))
    assert spread == pytest.approx(0.05)
    assert noise.spread(jnp.asarray(0.03), None, mean) == 0.03


@every
def test_the_density_of_the_response(name: str) -> None:
    noise, centre = NOISES[name], np.array([-0.4, 0.0, 0.9])
    own = noise.distribution(jnp.asarray(centre), jnp.asarray(SIGMA), values_of(noise))
    on_scale = np.array([[-1.0], [0.1], [0.8]])
    response = np.exp(on_scale) if noise.on_log else on_scale
    expected = around(name).logpdf(on_scale - centre)
    # of the response, not of its logarithm
    expected = expected - on_scale if noise.on_log else expected
    np.testing.assert_allclose(own.log_prob(jnp.asarray(response)), expected, rtol=1e-10)


@every
def test_draws_for_a_forecast(name: str) -> None:
    noise = NOISES[name]
    spread = np.full((DRAWS, 2), SIGMA) * [1.0, 1e-9]
    values = {k: np.full((DRAWS, 1), VALUES[k]) for k in noise.parameters}
    drawn = noise.draw(np.random.default_rng(3), spread, values)
    own = around(name)
    assert drawn.shape == (DRAWS, 2)
    assert abs(drawn[:, 0].mean() - own.mean()) < own.std() * FOUR_SE
    # the error of a standard deviation is that of the fourth moment
    fourth = float(own.stats("k")) + 2
    assert abs(drawn[:, 0].std() / own.std() - 1) < FOUR_SE * np.sqrt(fourth) / 2
    assert stats.kstest(drawn[:20_000, 0], own.cdf).pvalue > 1e-3
    # without noise the shortfall is left
    if noise.side:
        assert np.all(noise.side * drawn[:, 1] > -1e-6)
        assert abs(noise.side * drawn[:, 1].mean() - EXCESS * np.sqrt(2 / np.pi)) < EXCESS * FOUR_SE
    else:
        assert np.abs(drawn[:, 1]).max() < 1e-6
    assert abs(np.corrcoef(drawn.T)[0, 1]) < FOUR_SE


@every
def test_simulated_responses(name: str) -> None:
    """What the program draws is what the forecast draws."""
    noise = NOISES[name]
    own = noise.distribution(jnp.asarray([0.4]), jnp.asarray(SIGMA), values_of(noise))
    drawn = np.asarray(own.sample(jax.random.key(5), (20_000,)))
    assert drawn.shape == (20_000, 1)
    on_scale = np.asarray(noise.to_scale(drawn))[:, 0] - 0.4
    assert stats.kstest(on_scale, around(name).cdf).pvalue > 1e-3


@every
def test_priors_scale_with_the_response(name: str) -> None:
    noise = NOISES[name]

    def sampled(key: jax.Array, scale: float) -> dict[str, jax.Array]:
        with numpyro.handlers.seed(rng_seed=key):
            return noise.sample_parameters(jnp.asarray(scale))

    keys = jax.random.split(jax.random.key(7), 20_000)
    one, large = (jax.vmap(lambda k, s=s: sampled(k, s))(keys) for s in (1.0, 50.0))
    assert set(one) == set(noise.parameters)
    # the noise of a frontier is a part of its excess
    medians = {"sigma": 0.01, "excess": 0.1}
    sds = {"sigma": 1.0, "excess": 1.0}
    if noise.side:
        medians["sigma"], sds["sigma"] = SIGMA_SHARE * one["excess"], SIGMA_SHARE_SD
    for parameter in set(medians) & set(one):
        standardised = np.log(np.asarray(one[parameter] / medians[parameter])) / sds[parameter]
        assert stats.kstest(standardised, "norm").pvalue > 1e-3
        np.testing.assert_allclose(large[parameter], 50 * one[parameter], rtol=1e-12)
    if "nu" in one:
        assert stats.kstest(np.asarray(one["nu"]) - 2, stats.gamma(2, scale=10).cdf).pvalue > 1e-3
        np.testing.assert_array_equal(large["nu"], one["nu"])


# -- frontiers


@frontiers
@pytest.mark.parametrize(("sigma", "excess"), [(0.1, 1.0), (1.0, 0.1), (0.5, 0.5)])
def test_a_frontier_is_skew_normal(name: str, sigma: float, excess: float) -> None:
    side = SIDES[name]
    x = np.linspace(-3, 3, 25)
    own = FrontierNoise(jnp.asarray(0.5), jnp.asarray(sigma), jnp.asarray(excess), side)
    expected = stats.skewnorm.logpdf(x, side * excess / sigma, 0.5, np.hypot(sigma, excess))
    np.testing.assert_allclose(own.log_prob(jnp.asarray(x)), expected, rtol=1e-10)


@frontiers
def test_moments_of_a_frontier(name: str) -> None:
    side = SIDES[name]
    own = FrontierNoise(*map(jnp.asarray, (2.0, SIGMA, EXCESS)), side)
    drawn = np.asarray(own.sample(jax.random.key(1), (DRAWS,)))
    sd = np.sqrt(SIGMA**2 + EXCESS**2 * (1 - 2 / np.pi))
    assert abs(drawn.mean() - 2.0 - side * EXCESS * np.sqrt(2 / np.pi)) < sd * FOUR_SE
    assert abs(drawn.std() / sd - 1) < FOUR_SE
    assert np.sign(stats.skew(drawn)) == side
    # the sum of a normal and a half-normal is beyond the centre with this probability
    beyond = 0.5 + np.arctan(EXCESS / SIGMA) / np.pi
    assert abs((side * (drawn - 2.0) > 0).mean() - beyond) < FOUR_SE / 2


def test_the_two_frontiers_mirror_each_other() -> None:
    x = jnp.linspace(-2.0, 2.0, 9)
    upper, lower = (FrontierNoise(*map(jnp.asarray, (0.0, 0.3, 0.7)), s) for s in (-1, 1))
    np.testing.assert_allclose(upper.log_prob(x), lower.log_prob(-x), rtol=1e-13)


def test_shapes_of_a_frontier() -> None:
    own = FrontierNoise(jnp.zeros((4, 1)), jnp.ones(3), jnp.asarray(0.5), 1)
    assert own.batch_shape == (4, 3)
    assert own.sample(jax.random.key(0), (7,)).shape == (7, 4, 3)
    assert own.log_prob(jnp.zeros((7, 4, 3))).shape == (7, 4, 3)


@frontiers
def test_a_frontier_far_from_its_runs_has_gradients(name: str) -> None:
    def density(centre: jax.Array, sigma: jax.Array, excess: jax.Array) -> jax.Array:
        return FrontierNoise(centre, sigma, excess, SIDES[name]).log_prob(jnp.asarray(0.0))

    for centre in (-300.0, 300.0):
        found, slopes = jax.value_and_grad(density, (0, 1, 2))(
            *map(jnp.asarray, (centre, 0.01, 0.1))
        )
        assert np.isfinite([found, *slopes]).all()
