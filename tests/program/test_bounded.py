"""Likelihoods of counts, populations, scores and grades, against scipy and by simulation."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special, stats

from bayes_scaling.errors import UsageError
from bayes_scaling.program.bounded import NEAREST, BoundedNoise
from bayes_scaling.program.noise import noise_named

CENTRE = np.array([-6.0, -1.5, -0.2, 0.0, 0.9, 2.5, 5.0])
P = special.expit(CENTRE)
TRIALS = np.array([40.0, 7.0, 1.0, 1000.0, 12.0, 3.0, 40.0])
SCALARS = {"concentration": 30.0, "unsolvable": 0.2, "gap_1": 1.3, "gap_2": 0.4, "gap_3": 2.0}
COUNTED = ("binomial", "beta-binomial", "population", "negative-binomial")
EVERY = (*COUNTED, "beta", "ordered-4")
DRAWS = 20_000


def scalars(noise: BoundedNoise) -> dict[str, jax.Array]:
    extra = ("concentration", "unsolvable") if noise.name == "population" else ()
    return {k: jnp.asarray(SCALARS[k]) for k in (*noise.parameters, *extra)}


# JAX gives log-gammas to about 1e-8
def log_prob(name: str, value: Any, centre: Any = CENTRE, trials: Any = TRIALS) -> np.ndarray:
    noise = BoundedNoise(name)
    given = jnp.asarray(trials) if noise.counted else None
    return np.asarray(
        noise.log_prob(jnp.asarray(value), jnp.asarray(centre), given, scalars(noise))
    )


def solvable(p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Shape of the beta distribution of problems that can be solved."""
    rate = p / (1 - SCALARS["unsolvable"])
    return rate * SCALARS["concentration"], (1 - rate) * SCALARS["concentration"]


def by_scipy(name: str, value: np.ndarray, p: np.ndarray, n: np.ndarray) -> np.ndarray:
    phi = SCALARS["concentration"]
    if name == "binomial":
        return stats.binom.logpmf(value, n, p)
    if name == "beta-binomial":
        return stats.betabinom.logpmf(value, n, p * phi, (1 - p) * phi)
    if name == "population":
        zero = SCALARS["unsolvable"]
        seen = (1 - zero) * stats.betabinom.pmf(value, n, *solvable(p))
        return np.log(seen + zero * (value == 0))
    if name == "negative-binomial":  # scipy counts failures
        return stats.nbinom.logpmf(value - n, n, p)
    return stats.beta.logpdf(value, p * phi, (1 - p) * phi)


@pytest.mark.parametrize("name", [*COUNTED, "beta"])
def test_log_prob_is_that_of_scipy(name: str) -> None:
    # of a population, more cannot be passed than can be solved
    centre = np.minimum(CENTRE, 1.0) if name == "population" else CENTRE
    for share in (0.0, 0.3, 1.0):
        value = np.rint(share * TRIALS)
        if name == "negative-binomial":
            value = np.rint(TRIALS * (1 + 3 * share))
        if name == "beta":
            value = np.full(len(CENTRE), 0.05 + 0.85 * share)
        wanted = by_scipy(name, value, special.expit(centre), TRIALS)
        np.testing.assert_allclose(log_prob(name, value, centre), wanted, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("end", [0, 1])
def test_a_score_at_the_clip_has_the_chance_of_all_beyond_it(end: int) -> None:
    """Means from where no score reaches the clip to where nearly every one does."""
    centre = np.array([-14.0, -9.0, -5.0, -3.0, 0.0]) * (1 if end == 0 else -1)
    a, b = (
        part * SCALARS["concentration"] for part in (special.expit(centre), special.expit(-centre))
    )
    beyond = stats.beta.cdf(NEAREST, *((a, b) if end == 0 else (b, a)))
    value = np.full(len(centre), NEAREST if end == 0 else 1.0 - NEAREST)
    np.testing.assert_allclose(
        log_prob("beta", value, centre), np.log(beyond), rtol=1e-6, atol=1e-6
    )


@pytest.mark.parametrize("best", [2, 4, 7])
def test_grades_are_differences_of_logistic_tails(best: int) -> None:
    noise = BoundedNoise(f"ordered-{best}")
    gaps = np.linspace(0.3, 1.5, best - 1)
    cuts = np.concatenate([[0.0], np.cumsum(gaps)])
    ends = np.concatenate([[-np.inf], cuts - cuts.mean(), [np.inf]])
    values = {f"gap_{j + 1}": jnp.asarray(gap) for j, gap in enumerate(gaps)}
    total = np.zeros(len(CENTRE))
    for grade in range(best + 1):
        wanted = stats.logistic.cdf(ends[grade + 1] - CENTRE) - stats.logistic.cdf(
            ends[grade] - CENTRE
        )
        value = jnp.full(len(CENTRE), float(grade))
        found = np.exp(noise.log_prob(value, jnp.asarray(CENTRE), None, values))
        np.testing.assert_allclose(found, wanted, rtol=1e-8, atol=1e-14)
        total += found
    np.testing.assert_allclose(total, 1.0, rtol=1e-12)


@pytest.mark.parametrize("name", ["binomial", "beta-binomial", "population", "ordered-4"])
def test_probabilities_sum_to_one(name: str) -> None:
    n = 12 if name != "ordered-4" else 4
    centre = jnp.asarray([-3.0, 0.1, 0.9])
    values = jnp.arange(n + 1.0)[:, None]
    found = np.exp(log_prob(name, values, centre, np.full(3, 12.0)))
    np.testing.assert_allclose(found.sum(axis=0), 1.0, rtol=1e-6)


@pytest.mark.parametrize("name", ["binomial", "negative-binomial"])
def test_information_is_the_expected_square_of_the_score(name: str) -> None:
    """Exact for these two; `working` then gives the observed logit of Fisher's scoring."""
    noise, centre = BoundedNoise(name), jnp.asarray([-1.0, 0.3, 1.2])
    n = np.array([6.0, 9.0, 4.0])
    top = np.arange(2000.0) if name == "negative-binomial" else np.arange(10.0)
    given = jnp.asarray(n)

    def of(value: jax.Array) -> jax.Array:
        def total(c: jax.Array) -> jax.Array:
            return noise.log_prob(value, c, given, {}).sum()

        return jax.grad(total)(centre)

    wanted = np.zeros(3)
    for j, own in enumerate(n):
        value = top + own if name == "negative-binomial" else top[top <= own]
        score = np.array([float(s[j]) for s in jax.vmap(of)(jnp.tile(value[:, None], 3))])
        chance = np.exp(by_scipy(name, value, special.expit(float(centre[j])), own))
        assert chance.sum() == pytest.approx(1.0, abs=1e-9)
        wanted[j] = (chance * score**2).sum()
    found = noise.information(centre, given, {})
    np.testing.assert_allclose(found, wanted, rtol=1e-6)


@pytest.mark.parametrize(("phi", "n"), [(30.0, 50.0), (5.0, 8.0), (300.0, 20.0)])
def test_information_of_beta_binomials_is_close(phi: float, n: float) -> None:
    """What the mean alone tells (quasi-likelihood); the whole distribution tells little more."""
    noise, values = BoundedNoise("beta-binomial"), {"concentration": jnp.asarray(phi)}
    centre, count = jnp.asarray([-1.0, 0.0, 1.5]), jnp.full(3, n)
    value = jnp.arange(n + 1)

    def score(one: jax.Array) -> jax.Array:
        def total(c: jax.Array) -> jax.Array:
            return noise.log_prob(jnp.full(3, one), c, count, values).sum()

        return jax.grad(total)(centre)

    p = special.expit(np.asarray(centre))
    chance = stats.betabinom.pmf(np.asarray(value)[:, None], n, p * phi, (1 - p) * phi)
    exact = (chance * np.asarray(jax.vmap(score)(value)) ** 2).sum(axis=0)
    found = np.asarray(noise.information(centre, count, values))
    assert np.all(found <= exact * (1 + 1e-9))
    assert np.all(found > 0.75 * exact)


def test_working_is_one_step_of_fisher_scoring() -> None:
    noise, n = BoundedNoise("binomial"), jnp.asarray([50.0, 50.0, 50.0])
    value, centre = jnp.asarray([20.0, 25.0, 50.0]), jnp.asarray([-0.3, 0.0, -4.0])
    weight, observed = noise.working(value, centre, n, {})
    p = special.expit(np.asarray(centre))
    np.testing.assert_allclose(weight, 50 * p * (1 - p), rtol=1e-7)
    step = (np.asarray(value) - 50 * p) / (50 * p * (1 - p))
    np.testing.assert_allclose(observed, np.asarray(centre) + np.clip(step, -3, 3), rtol=1e-7)
    assert step[2] > 3  # one run does not carry the search away


def moments(name: str, p: np.ndarray, n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance of the fraction."""
    phi, zero = SCALARS["concentration"], SCALARS["unsolvable"]
    if name == "binomial":
        return p, p * (1 - p) / n
    if name == "beta":
        return p, p * (1 - p) / (1 + phi)
    if name == "beta-binomial":
        return p, stats.betabinom.var(n, p * phi, (1 - p) * phi) / n**2
    if name == "population":
        a, b = solvable(p)
        square = stats.betabinom.var(n, a, b) / n**2 + (p / (1 - zero)) ** 2
        return p, (1 - zero) * square - p**2
    gaps = [SCALARS[f"gap_{j}"] for j in (1, 2, 3)]
    cuts = np.concatenate([[0.0], np.cumsum(gaps)])
    ends = np.concatenate([[-np.inf], cuts - cuts.mean(), [np.inf]])
    chance = np.diff(stats.logistic.cdf(ends[:, None] - special.logit(p)), axis=0)
    share = np.arange(5)[:, None] / 4
    mean = (chance * share).sum(0)
    return mean, (chance * share**2).sum(0) - mean**2


def assert_moments(drawn: np.ndarray, mean: np.ndarray, variance: np.ndarray) -> None:
    """Mean and variance within five standard errors, the latter from the draws themselves."""
    error = np.sqrt(variance / DRAWS)
    assert np.abs((drawn.mean(0) - mean) / error).max() < 5
    square = (drawn - mean) ** 2
    assert np.abs((square.mean(0) - variance) / (square.std(0) / np.sqrt(DRAWS))).max() < 5


@pytest.mark.parametrize("name", ["binomial", "beta-binomial", "population", "beta", "ordered-4"])
@pytest.mark.parametrize("how", ["draw", "sample"])
def test_moments_of_draws(name: str, how: str) -> None:
    noise, n = BoundedNoise(name), np.array([40.0, 7.0, 2.0, 25.0])
    centre = np.array([-2.0, -0.5, 0.0, 0.8])
    values = scalars(noise)
    if how == "draw":
        rng = np.random.default_rng(3)
        own = {k: np.full((DRAWS, 1), float(v)) for k, v in values.items()}
        drawn = noise.draw(rng, np.tile(centre, (DRAWS, 1)), n, own)
    else:
        keys = jax.random.split(jax.random.key(5), DRAWS)
        given = jnp.asarray(n) if noise.counted else None
        one = jax.jit(jax.vmap(lambda key: noise.sample(key, jnp.asarray(centre), given, values)))
        drawn = np.asarray(noise.fraction(one(keys), n))
    assert_moments(drawn, *moments(name, special.expit(centre), n))


@pytest.mark.parametrize("how", ["draw", "sample"])
def test_samples_until_so_many_passed(how: str) -> None:
    noise, passes, p = BoundedNoise("negative-binomial"), np.array([1.0, 5.0]), 0.2
    centre = np.full(2, special.logit(p))
    if how == "draw":
        rng = np.random.default_rng(4)
        drawn = passes / noise.draw(rng, np.tile(centre, (DRAWS, 1)), passes, {})
    else:
        keys = jax.random.split(jax.random.key(6), DRAWS)
        own = jnp.asarray(passes)
        drawn = np.asarray(jax.vmap(lambda k: noise.sample(k, jnp.asarray(centre), own, {}))(keys))
    assert_moments(drawn, passes / p, passes * (1 - p) / p**2)


def test_samples_of_a_chance_that_hardly_is_one() -> None:
    noise = BoundedNoise("negative-binomial")
    centre = np.array([[-30.0, -200.0]])
    drawn = noise.draw(np.random.default_rng(0), centre, np.array([10.0, 10.0]), {})
    assert np.all(drawn > 0)
    assert np.all(np.abs(np.log(drawn) - centre) < 2)


@pytest.mark.parametrize("name", ["binomial", "beta-binomial", "negative-binomial"])
def test_a_run_without_planned_trials_has_no_counting_error(name: str) -> None:
    noise, rng = BoundedNoise(name), np.random.default_rng(1)
    values = {k: np.full((500, 1), 1e9) for k in noise.parameters}
    drawn = noise.draw(rng, np.full((500, 2), 0.4), np.array([np.nan, 10.0]), values)
    np.testing.assert_allclose(drawn[:, 0], special.expit(0.4), rtol=1e-3)
    assert len(np.unique(drawn[:, 1])) > 5


@pytest.mark.parametrize("name", EVERY)
def test_fractions_and_values_are_inverse(name: str) -> None:
    noise = BoundedNoise(name)
    value = np.array([4.0, 2.0, 1.0]) if name != "beta" else np.array([0.2, 0.5, 0.9])
    trials = np.array([4.0, 8.0, 20.0])
    if name == "negative-binomial":
        value = np.array([4.0, 20.0, 60.0])
    np.testing.assert_allclose(noise.value(noise.fraction(value, trials), trials), value)


@pytest.mark.parametrize("name", EVERY)
def test_a_guess_is_finite_and_near_the_observed_fraction(name: str) -> None:
    noise = BoundedNoise(name)
    value = jnp.asarray([0.3, 0.9]) if name == "beta" else jnp.asarray([1.0, 3.0])
    trials = jnp.asarray([3.0, 3.0]) if name != "negative-binomial" else jnp.asarray([1.0, 3.0])
    found = special.expit(np.asarray(noise.guess(value, trials)))
    fraction = np.asarray(noise.fraction(value, trials))
    assert np.abs(found - fraction).max() < 0.35
    if name in ("binomial", "beta-binomial"):
        zero = noise.guess(jnp.zeros(1), jnp.asarray([200.0]))
        assert float(special.expit(zero[0])) == pytest.approx(0.5 / 201)


def test_names() -> None:
    assert noise_named("ordered-4").parameters == ("gap_1", "gap_2", "gap_3")
    assert noise_named("population").parameters == ()
    for name in ("ordered-1", "ordered-x", "ordered", "binomials"):
        with pytest.raises(UsageError, match=f"no noise named '{name}'"):
            noise_named(name)
