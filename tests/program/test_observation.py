"""The likelihood of all rows together: tails, diverged and untuned runs, rows of one run."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import pandas as pd
import pytest
from scipy import integrate, stats

from bayes_scaling.errors import UsageError
from bayes_scaling.law import Law
from bayes_scaling.law.priors import LINKS
from bayes_scaling.models import registry
from bayes_scaling.program import Data, Structure, build_data, build_spec
from bayes_scaling.program.noise import (
    EXCESS_MEDIAN,
    EXCESS_SD,
    NOISES,
    Noise,
    student_t_log_survival,
)
from bayes_scaling.program.observation import (
    Observations,
    correlation,
    excess_log_survival,
    sample_noise,
    spread_of,
)
from bayes_scaling.runs import read_runs

VALUES = {"sigma": 0.05, "nu": 6.0, "excess": 0.3, "rho": 0.7}
CENTRE = np.array([0.9, 1.0, 1.1, 0.8, 1.2, 1.05, 0.95])
SPREAD = np.array([0.05, 0.1, 0.07, 0.3, 0.05, 0.2, 0.05])
OFF = np.array([0.02, -0.15, 0.3, 0.1, -0.01, 0.0, 0.4])
BOUND = 1.1  # on the noise's scale
# three runs, of four, two and one rows, at uneven distances
PREVIOUS = np.array([-1, 0, 1, 2, -1, 4, -1])
LAG = np.array([0.0, 0.5, 1.0, 2.5, 0.0, 1.5, 0.0])
RUN = np.array([0, 0, 0, 0, 1, 1, 2])
PLACE = np.array([0.0, 0.5, 1.5, 4.0, 0.0, 1.5, 0.0])
DRAWS, FEW = 20_000, 2_000

plain = pytest.mark.parametrize("name", ["student-t", "lognormal", "student-t-raw", "normal"])


def observations(name: str, response: np.ndarray, **options: Any) -> Observations:
    """Observations of noise `name`; options are fields of `Data`."""
    noise = NOISES[name]
    structure = Structure(
        registry["power_law"], (), (), 0, noise,
        serial="previous" in options, untuned="untuned" in options,
    )  # fmt: skip
    data = Data(
        inputs={}, response=jnp.asarray(response), levels={},
        rung=jnp.zeros(len(CENTRE), dtype=int), se=None, prior_loc={}, prior_sd={},
        scale=jnp.asarray(1.0), **{k: jnp.asarray(v) for k, v in options.items()},
    )  # fmt: skip
    wanted = {*noise.parameters, "excess", "rho"}
    values = {k: jnp.asarray(v) for k, v in VALUES.items() if k in wanted}
    return Observations(structure, data, jnp.asarray(CENTRE), jnp.asarray(SPREAD), values)


def responses(noise: Noise) -> np.ndarray:
    return np.asarray(noise.from_scale(jnp.asarray(CENTRE + OFF)))


def log_prob(name: str, **options: Any) -> np.ndarray:
    response = responses(NOISES[name])
    return np.asarray(observations(name, response, **options).log_prob(jnp.asarray(response)))


# -- the tail of a Student-t variable

NUS = np.array([2.1, 2.5, 3.0, 5.0, 10.0, 30.0, 100.0])
TS = np.concatenate([np.linspace(-10.0, 10.0, 41), [15.0, 25.0, 40.0, 60.0]])


def test_tail_of_student_t() -> None:
    nu, t = (jnp.asarray(a) for a in np.meshgrid(NUS, TS))
    expected = stats.t.logsf(t, nu)
    found = np.asarray(student_t_log_survival(t, nu))
    # 64 nodes: the largest error is 3.2e-9 at nu 2.1, where the integrand has a cusp at its end
    np.testing.assert_allclose(found, expected, rtol=0, atol=5e-9)
    smooth = nu >= 3.0
    np.testing.assert_allclose(found[smooth], expected[smooth], rtol=0, atol=2e-13)


def test_slopes_of_the_tail_of_student_t() -> None:
    nu, t = (a.ravel() for a in np.meshgrid(NUS, TS[::4]))
    slopes = jax.jit(jax.vmap(jax.grad(student_t_log_survival, argnums=(0, 1))))
    in_t, in_nu = slopes(jnp.asarray(t), jnp.asarray(nu))
    hazard = -np.exp(stats.t.logpdf(t, nu) - stats.t.logsf(t, nu))
    np.testing.assert_allclose(in_t, hazard, rtol=1e-6, atol=1e-8)
    step = 1e-3 * nu
    sides = [stats.t.logsf(t, nu + k * step) for k in (-2, -1, 1, 2)]
    numerical = (sides[0] - 8 * sides[1] + 8 * sides[2] - sides[3]) / (12 * step)
    np.testing.assert_allclose(in_nu, numerical, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize(("spread", "excess"), [(0.05, 0.3), (0.3, 0.05), (0.01, 1.0)])
def test_tail_of_noise_and_excess(spread: float, excess: float) -> None:
    whole = np.hypot(spread, excess)
    above = whole * np.linspace(-4.0, 8.0, 25)
    found = excess_log_survival(jnp.asarray(above), jnp.asarray(spread), jnp.asarray(excess))
    own = stats.skewnorm(excess / spread, scale=whole)
    options = {"limit": 200, "points": [0.0, spread], "epsrel": 1e-11}
    expected = [integrate.quad(own.pdf, a, a + 12 * whole, **options)[0] for a in above]
    np.testing.assert_allclose(found, np.log(expected), atol=1e-8)


# -- rows by themselves


@pytest.mark.parametrize("name", NOISES)
def test_alone_a_row_has_the_density_of_its_noise(name: str) -> None:
    noise, response = NOISES[name], responses(NOISES[name])
    own = observations(name, response)
    expected = noise.distribution(own.centre, own.spread, own.values).log_prob(response)
    np.testing.assert_array_equal(log_prob(name), expected)


def above_bound(name: str) -> np.ndarray:
    """Log chance of each row to lie above the bound."""
    noise = NOISES[name]
    own = stats.t(VALUES["nu"]) if noise.robust else stats.norm()
    return np.asarray(own.logsf((BOUND - CENTRE) / SPREAD))


@plain
@pytest.mark.parametrize("listed", [True, False])
def test_diverged_rows_give_the_chance_of_being_above_the_bound(name: str, listed: bool) -> None:
    noise = NOISES[name]
    bound = noise.from_scale(jnp.asarray(BOUND))
    gone = responses(noise) >= bound
    assert 0 < gone.sum() < gone.size
    options = {"bound": bound} | ({"diverged": np.flatnonzero(gone)} if listed else {})
    expected = np.where(gone, above_bound(name), log_prob(name))
    np.testing.assert_allclose(log_prob(name, **options), expected, rtol=1e-9)


def test_how_far_a_row_has_diverged_does_not_matter() -> None:
    response = responses(NOISES["student-t-raw"])
    gone = response >= BOUND
    own = observations("student-t-raw", response, bound=BOUND)
    at, beyond = (own.log_prob(jnp.where(gone, value, response)) for value in (BOUND, 1e3 * BOUND))
    np.testing.assert_array_equal(at, beyond)


@pytest.mark.parametrize("name", ["upper-frontier", "lower-frontier"])
def test_a_frontier_refuses_diverged_and_untuned_rows(name: str) -> None:
    with pytest.raises(UsageError, match=f"diverged runs cannot be told .* of noise {name}; use"):
        log_prob(name, bound=BOUND)
    own = observations(name, CENTRE, untuned=np.arange(7) < 2)
    with (
        numpyro.handlers.seed(rng_seed=1),
        pytest.raises(UsageError, match=f"untuned runs cannot be told .* of noise {name}; use"),
    ):
        sample_noise(own.structure, own.data)


UNTUNED = np.array([True, False, True, True, False, False, True])


def convolved(off: float, spread: float) -> float:
    """Density of normal noise plus a half-normal excess, at a distance from the centre."""

    def joint(excess: float) -> float:
        return float(
            stats.halfnorm.pdf(excess, scale=VALUES["excess"]) * stats.norm.pdf(off, excess, spread)
        )

    places = [max(off, 0.0)]
    return float(integrate.quad(joint, 0.0, 3.0, points=places, epsabs=1e-12, limit=200)[0])


@plain
def test_untuned_rows_lie_above_by_a_half_normal_excess(name: str) -> None:
    noise = NOISES[name]
    density = np.log([convolved(o, s) for o, s in zip(OFF, SPREAD, strict=True)])
    above = density - (np.log(responses(noise)) if noise.on_log else 0.0)
    expected = np.where(UNTUNED, above, log_prob(name))
    np.testing.assert_allclose(log_prob(name, untuned=UNTUNED), expected, rtol=1e-7, atol=1e-9)


def test_an_untuned_row_diverges_by_noise_and_excess() -> None:
    response = responses(NOISES["normal"])
    gone = response >= BOUND
    assert (gone & UNTUNED).any()
    assert (gone & ~UNTUNED).any()
    options = {"untuned": UNTUNED, "bound": BOUND}
    whole = np.hypot(SPREAD, VALUES["excess"])
    skew = stats.skewnorm.sf(BOUND, VALUES["excess"] / SPREAD, CENTRE, whole)
    expected = np.where(
        gone, np.where(UNTUNED, np.log(skew), above_bound("normal")),
        log_prob("normal", untuned=UNTUNED),
    )  # fmt: skip
    for listed in ({}, {"diverged": np.flatnonzero(gone)}):
        np.testing.assert_allclose(log_prob("normal", **options, **listed), expected, rtol=1e-7)


# -- rows of one run


def covariance() -> np.ndarray:
    gap = np.abs(PLACE[:, None] - PLACE)
    tied = np.where(RUN[:, None] == RUN, VALUES["rho"] ** gap, 0.0)
    return SPREAD[:, None] * SPREAD * tied


def test_correlation_of_neighbours() -> None:
    own = observations("normal", CENTRE, previous=PREVIOUS, lag=LAG)
    expected = np.where(PREVIOUS >= 0, VALUES["rho"] ** LAG, 0.0)
    np.testing.assert_allclose(correlation(own.data, jnp.asarray(VALUES["rho"])), expected)


def test_rows_of_runs_are_one_multivariate_normal() -> None:
    expected = stats.multivariate_normal.logpdf(CENTRE + OFF, CENTRE, covariance())
    found = log_prob("normal", previous=PREVIOUS, lag=LAG).sum()
    assert found == pytest.approx(expected, rel=1e-10)


def test_on_the_log_rows_of_runs_are_one_multivariate_lognormal() -> None:
    expected = stats.multivariate_normal.logpdf(CENTRE + OFF, CENTRE, covariance())
    found = log_prob("lognormal", previous=PREVIOUS, lag=LAG).sum()
    assert found == pytest.approx(expected - (CENTRE + OFF).sum(), rel=1e-10)


def test_a_correlation_of_zero_leaves_rows_alone() -> None:
    own = observations("student-t", CENTRE, previous=PREVIOUS, lag=LAG)
    values = own.values | {"rho": jnp.asarray(1e-300)}
    apart = Observations(own.structure, own.data, own.centre, own.spread, values)
    response = responses(NOISES["student-t"])
    np.testing.assert_allclose(apart.log_prob(response), log_prob("student-t"), rtol=1e-10)


def test_draws_of_runs_have_the_covariance() -> None:
    own = observations("normal", CENTRE, previous=PREVIOUS, lag=LAG)
    drawn = np.asarray(jax.jit(lambda key: own.sample(key, (DRAWS,)))(jax.random.key(2)))
    assert drawn.shape == (DRAWS, len(CENTRE))
    wanted = covariance()
    error = np.sqrt((np.outer(np.diag(wanted), np.diag(wanted)) + wanted**2) / DRAWS)
    assert np.abs((np.cov(drawn.T) - wanted) / error).max() < 4
    assert np.abs((drawn.mean(0) - CENTRE) / SPREAD).max() < 4 / np.sqrt(DRAWS)


def test_the_density_is_that_of_the_draws() -> None:
    """Rows given the rows before them, as the density has them, are independent and uniform."""
    own = observations("student-t", CENTRE, untuned=UNTUNED, previous=PREVIOUS, lag=LAG)
    drawn = jnp.log(jax.jit(lambda key: own.sample(key, (FEW,)))(jax.random.key(4)))
    off = (np.asarray(drawn) - CENTRE) / SPREAD
    tie = np.where(PREVIOUS >= 0, VALUES["rho"] ** LAG, 0.0)
    fresh = SPREAD * (off - tie * off[:, PREVIOUS])
    width = SPREAD * np.sqrt(1 - tie**2)
    for i, value in enumerate(fresh.T):
        own_cdf: Any = stats.t(VALUES["nu"], scale=width[i])
        if UNTUNED[i]:
            own_cdf = stats.skewnorm(
                VALUES["excess"] / width[i], scale=np.hypot(VALUES["excess"], width[i])
            )
        assert stats.kstest(value, own_cdf.cdf).pvalue > 1e-3, i
    tied = np.corrcoef(fresh.T)[~np.eye(7, dtype=bool)]
    assert np.abs(tied).max() < 4 / np.sqrt(FEW)


# -- priors, and what the law adds to the noise


def test_priors_of_the_scalars() -> None:
    own = observations("lognormal", CENTRE, previous=PREVIOUS, lag=LAG, untuned=UNTUNED)

    def sampled(key: jax.Array) -> dict[str, jax.Array]:
        with numpyro.handlers.seed(rng_seed=key):
            return sample_noise(own.structure, own.data._replace(scale=jnp.asarray(2.0)))

    drawn = jax.jit(jax.vmap(sampled))(jax.random.split(jax.random.key(3), FEW))
    assert own.structure.noise_parameters == ("sigma", "excess", "rho")
    assert set(drawn) == set(own.structure.noise_parameters)
    rho = np.asarray(drawn["rho"])
    assert stats.kstest(np.log(rho / (1 - rho)) / 1.5, "norm").pvalue > 1e-3
    excess = np.log(np.asarray(drawn["excess"]) / (2 * EXCESS_MEDIAN)) / EXCESS_SD
    assert stats.kstest(excess, "norm").pvalue > 1e-3


def test_scatter_adds_in_quadrature() -> None:
    law: Law = registry["rate_valley"]
    frame = pd.DataFrame({"N": [1e8, 4e8, 2e8, 8e8], "D": [2e9, 9e9, 3e9, 4e9],
                          "lr": [1e-3, 4e-3, 5e-4, 2e-3], "loss": [3.3, 3.0, 3.1, 2.9],
                          "se": [0.01, 0.02, 0.03, 0.01]})  # fmt: skip
    inputs = {k: k for k in ("N", "D", "lr")}
    runs = read_runs(frame, inputs=inputs, se="se")
    spec = build_spec(law, runs)
    structure, data = spec.structure(law), build_data(spec, law, runs)
    free = {k: data.prior_loc[k] + 0.2 for k in law.parameters}
    centre = jnp.log(jnp.asarray(frame["loss"].to_numpy()))
    scalars = {"sigma": jnp.asarray(0.004)}
    values = {k: LINKS[p.prior.link].to_support(free[k]) for k, p in law.parameters.items()}
    best = data.inputs | {"lr": jnp.full(4, jnp.nan)}
    above = np.log(law.mean(data.inputs, values) / law.mean(best, values))
    assert above.min() > 1e-4
    wanted = np.sqrt(
        0.004**2 + (frame["se"] / frame["loss"]) ** 2 + (values["unrest"] * above) ** 2
    )
    found = spread_of(structure, data, values, scalars, centre)
    np.testing.assert_allclose(found, wanted, rtol=1e-9)
    plain = replace(structure, law=replace(law, scatter=None))
    wanted = np.hypot(0.004, frame["se"] / frame["loss"])
    np.testing.assert_allclose(spread_of(plain, data, values, scalars, centre), wanted, rtol=1e-12)
