"""What a run is expected to tell: normal draws against closed forms, weights against both."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from arviz_stats.base import array_stats
from scipy.stats import norm

from bayes_scaling.answers.candidates import Outlook
from bayes_scaling.answers.information import (
    ENOUGH,
    RELIABLE,
    Question,
    Trust,
    by_normal,
    by_weights,
    conditioned,
    directions,
    pareto_k,
)
from bayes_scaling.answers.picking import State

SAMPLES = 8000
# of two quantities and what four runs reach, all of unit variance
COVARIANCE = np.array(
    [
        [1.0, 0.5, 0.9, 0.6, 0.3, 0.0],
        [0.5, 1.0, 0.5, 0.6, 0.7, 0.0],
        [0.9, 0.5, 1.0, 0.7, 0.3, 0.0],
        [0.6, 0.6, 0.7, 1.0, 0.5, 0.0],
        [0.3, 0.7, 0.3, 0.5, 1.0, 0.0],
        [0.0, 0.0, 0.0, 0.0, 0.0, 1.0],
    ]
)
SIGMA = np.array([0.5, 0.7, 0.6, 0.5])  # noise of the runs
EXACT = 4 / SAMPLES  # variances over the number of draws, or over one less


@pytest.fixture(scope="module")
def draws() -> np.ndarray:
    """Normal draws whose sample means and covariance are exactly those."""
    raw = np.random.default_rng(4).normal(size=(SAMPLES, len(COVARIANCE)))
    raw -= raw.mean(axis=0)
    white = raw @ np.linalg.inv(np.linalg.cholesky(np.cov(raw.T, ddof=0))).T
    return white @ np.linalg.cholesky(COVARIANCE).T


@pytest.fixture(scope="module")
def seen(draws: np.ndarray) -> Outlook:
    latent = 3.0 + draws[:, 2:]
    return Outlook(latent, np.broadcast_to(SIGMA, latent.shape), None, SIGMA**2, math.inf)


def asked(values: np.ndarray, choices: np.ndarray | None = None) -> Question:
    count = values.shape[1]
    nothing = np.zeros((len(values), 0, 1))
    names = tuple(f"quantity {i}" for i in range(count))
    return Question(names, values, np.full(count, 2.0), nothing if choices is None else choices)


@pytest.fixture(scope="module")
def question(draws: np.ndarray) -> Question:
    return asked(5.0 + 0.1 * draws[:, :2])


def after(runs: list[int]) -> np.ndarray:
    """Covariance of both quantities once runs are seen, in closed form."""
    rows = [2 + k for k in runs]
    of_runs = COVARIANCE[np.ix_(rows, rows)] + np.diag(SIGMA[runs] ** 2)
    across = COVARIANCE[np.ix_([0, 1], rows)]
    return np.asarray(COVARIANCE[:2, :2] - across @ np.linalg.solve(of_runs, across.T))


def fall(runs: list[int]) -> float:
    """Fall of their entropy."""
    before = np.linalg.slogdet(COVARIANCE[:2, :2])[1]
    return float(0.5 * (before - np.linalg.slogdet(after(runs))[1]))


def left() -> np.ndarray:
    """Share of the variance of each quantity that is left, a row a run."""
    return 1.0 - COVARIANCE[2:, :2] ** 2 / (1.0 + SIGMA**2)[:, None]


# -- closed forms


def test_information_and_variance_are_those_of_a_linear_law(
    seen: Outlook, question: Question
) -> None:
    none = np.zeros((1, 0, 1))
    worth = by_normal(seen.latent, seen.noise, question, none)
    np.testing.assert_allclose(worth.information, [fall([k]) for k in range(4)], rtol=EXACT,
                               atol=1e-9)  # fmt: skip
    np.testing.assert_allclose(worth.kept, left(), rtol=EXACT)
    sds = 0.1 * (1.0 - np.sqrt(left()))
    np.testing.assert_allclose(worth.value, (2.0 * sds).sum(axis=1), rtol=EXACT, atol=1e-9)


def test_one_quantity_has_the_information_of_a_correlation(
    seen: Outlook, draws: np.ndarray
) -> None:
    one = asked(draws[:, :1])
    worth = by_normal(seen.latent, seen.noise, one, np.zeros((1, 0, 1)))
    squared = COVARIANCE[0, 2:] ** 2 / (1.0 + SIGMA**2)
    np.testing.assert_allclose(worth.information, -0.5 * np.log(1.0 - squared), rtol=EXACT,
                               atol=1e-9)  # fmt: skip


def gradient(gap: float, moves: np.ndarray) -> np.ndarray:
    """Knowledge gradient of two choices that differ by `gap`, which a run moves by `moves`."""
    known = np.where(moves > 0, moves, 1.0)
    gain = known * norm.pdf(gap / known) - gap * norm.cdf(-gap / known)
    return np.where(moves > 0, gain, 0.0)


@pytest.mark.parametrize("gap", [0.0, 0.3, 1.0])
def test_the_value_of_two_choices_is_the_knowledge_gradient(
    seen: Outlook, draws: np.ndarray, gap: float
) -> None:
    worth_of = np.stack([draws[:, 0], np.full(SAMPLES, gap)], axis=1)[:, None]
    question = asked(draws[:, :1], worth_of)
    means = worth_of.mean(axis=0)[None]
    worth = by_normal(seen.latent, seen.noise, question, means)
    moves = COVARIANCE[0, 2:] / np.sqrt(1.0 + SIGMA**2)
    np.testing.assert_allclose(worth.value, gradient(gap, moves), rtol=0.01, atol=1e-6)
    assert worth.value[3] == pytest.approx(0.0, abs=1e-6)


def test_values_of_targets_add_up(seen: Outlook, draws: np.ndarray) -> None:
    one = np.stack([draws[:, 0], np.full(SAMPLES, 0.3)], axis=1)[:, None]
    both = np.concatenate([one, 3.0 * one], axis=1)
    found = by_normal(seen.latent, seen.noise, asked(draws[:, :1], both), both.mean(axis=0)[None])
    alone = by_normal(seen.latent, seen.noise, asked(draws[:, :1], one), one.mean(axis=0)[None])
    np.testing.assert_allclose(found.value, 4.0 * alone.value, rtol=1e-4, atol=1e-6)


def test_a_quantity_that_is_known_is_no_direction(draws: np.ndarray) -> None:
    both = np.column_stack([draws[:, 0], np.full(SAMPLES, 2.0), 3.0 * draws[:, 0]])
    assert directions(both).shape == (SAMPLES, 1)
    found = directions(draws[:, :2])
    np.testing.assert_allclose(np.cov(found.T, ddof=1), np.eye(2), atol=1e-9)


# -- weights


def test_weights_agree_with_normal_draws(seen: Outlook, question: Question) -> None:
    worth, trust = by_weights(seen, question, np.random.default_rng(0))
    assert trust.good.all()
    np.testing.assert_allclose(worth.information, [fall([k]) for k in range(4)], rtol=0.05,
                               atol=0.01)  # fmt: skip
    np.testing.assert_allclose(worth.kept, left(), rtol=0.04)
    sds = (0.2 * (1.0 - np.sqrt(left()))).sum(axis=1)
    np.testing.assert_allclose(worth.value, sds, rtol=0.06, atol=0.003)


def test_weights_give_the_knowledge_gradient(seen: Outlook, draws: np.ndarray) -> None:
    worth_of = np.stack([draws[:, 0], np.full(SAMPLES, 0.3)], axis=1)[:, None]
    worth, _ = by_weights(seen, asked(draws[:, :1], worth_of), np.random.default_rng(0))
    moves = COVARIANCE[0, 2:] / np.sqrt(1.0 + SIGMA**2)
    np.testing.assert_allclose(worth.value, gradient(0.3, moves), rtol=0.06, atol=0.01)


def test_weights_see_what_normal_draws_do_not(draws: np.ndarray) -> None:
    """The square of a quantity is uncorrelated with it, and tells of it all the same."""
    latent = draws[:, :1] ** 2
    spread = np.full_like(latent, 0.1)
    squared = Outlook(latent, spread, None, np.array([0.01]), math.inf)
    value = asked(np.abs(draws[:, :1]))
    linear = by_normal(latent, squared.noise, value, np.zeros((1, 0, 1)))
    weighed, _ = by_weights(squared, value, np.random.default_rng(0))
    assert weighed.information[0] > 1.3 * linear.information[0]


@pytest.mark.parametrize("nu", [3.0, 8.0])
def test_strays_of_student_t_noise_tell_less(seen: Outlook, question: Question, nu: float) -> None:
    """More than normal noise of their variance would, less than that of their information."""
    heavy = replace(seen, nu=np.full(SAMPLES, nu))
    found, _ = by_weights(heavy, question, np.random.default_rng(0))
    least, most = (
        by_normal(seen.latent, of * SIGMA**2, question, np.zeros((1, 0, 1))).information
        for of in (nu / (nu - 2.0), (nu + 3.0) / (nu + 1.0))
    )
    assert (least[:3] < found.information[:3]).all()
    assert (found.information[:3] < 1.02 * most[:3]).all()


def test_a_run_that_ends_above_the_bound_says_only_that(draws: np.ndarray) -> None:
    """A bound far above changes nothing; one in the middle leaves one bit or less, and some."""
    latent = draws[:, 2:3]
    spread = np.full_like(latent, 0.3)
    question = asked(draws[:, :1])

    def information(bound: float) -> float:
        own = Outlook(latent, spread, None, np.array([0.09]), bound)
        return float(by_weights(own, question, np.random.default_rng(0))[0].information[0])

    free = information(math.inf)
    assert information(50.0) == pytest.approx(free, rel=1e-4)
    assert 0.0 < information(0.0) < free
    # all that is seen of nearly all runs is that they diverged
    assert 0.0 <= information(-3.0) < 0.02
    assert 0.0 < information(-1.0) < information(0.0) < information(1.0) < free


@pytest.mark.parametrize("shape", [0.1, 0.5, 0.9, 1.5])
def test_pareto_k_is_that_of_arviz(shape: float) -> None:
    """Of weights with tails of several shapes."""
    rng = np.random.default_rng(7)
    log_weights = shape * rng.exponential(size=(6, 4000))
    found = pareto_k(log_weights)
    expected = [float(array_stats.psislw(-row)[1]) for row in log_weights]
    np.testing.assert_allclose(found, expected, atol=0.05)
    assert np.mean(found) == pytest.approx(shape, abs=0.15)


def test_pareto_k_of_likelihoods_is_that_of_arviz(seen: Outlook) -> None:
    """Of the bounded weights of a precise run at an outcome in the middle and in a tail."""
    for sigma in (0.5, 0.2):
        rows = [-0.5 * ((v - seen.latent[:, 0]) / sigma) ** 2 for v in (3.0, 5.0)]
        expected = [float(array_stats.psislw(-row)[1]) for row in rows]
        np.testing.assert_allclose(pareto_k(np.array(rows)), expected, atol=0.05)


def test_few_effective_draws_are_not_trusted() -> None:
    trust = Trust(np.array([0.1, 0.1, 0.9, np.nan]), np.array([500.0, 20.0, 500.0, np.nan]))
    assert trust.good.tolist() == [True, False, False, False]
    assert (RELIABLE, ENOUGH) == (0.7, 100.0)


def test_a_precise_run_far_from_most_draws_is_not_trusted(draws: np.ndarray) -> None:
    latent = draws[:, 2:3]
    sharp = Outlook(latent, np.full_like(latent, 1e-3), None, np.array([1e-6]), math.inf)
    _, trust = by_weights(sharp, asked(draws[:, :1]), np.random.default_rng(0))
    assert not trust.good.any()
    assert trust.effective[0] < ENOUGH


# -- given earlier runs


def test_conditioning_removes_the_correlation_and_leaves_the_conditional_covariance(
    draws: np.ndarray,
) -> None:
    run, others = draws[:, 2], np.delete(draws, 2, axis=1)
    found = conditioned(others, run)
    assert found.shape == others.shape
    np.testing.assert_allclose((run - run.mean()) @ found / SAMPLES, 0.0, atol=1e-9)
    np.testing.assert_allclose(found.mean(axis=0), others.mean(axis=0), atol=1e-9)
    rest = [0, 1, 3, 4, 5]
    across = COVARIANCE[rest, 2]
    expected = COVARIANCE[np.ix_(rest, rest)] - np.outer(across, across)
    np.testing.assert_allclose(np.cov(found.T, ddof=0), expected, atol=1e-9)


def test_conditioning_keeps_shapes(draws: np.ndarray) -> None:
    choices = draws[:, :4].reshape(-1, 2, 2)
    found = conditioned(choices, draws[:, 5])
    np.testing.assert_allclose(found, choices, atol=1e-9)  # of an uncorrelated run nothing changes
    assert conditioned(choices, draws[:, 2]).shape == choices.shape


@pytest.mark.parametrize("runs", [[0, 1], [2, 2], [3, 0, 2]])
def test_what_picks_tell_adds_up_to_what_they_tell_together(
    seen: Outlook, question: Question, runs: list[int]
) -> None:
    """The chain rule: the sum over picks, each given those before, is one log determinant."""
    state = State(seen, question, np.random.default_rng(3))
    told = 0.0
    for run in runs:
        told += float(state.worth().information[run])
        state.see(run)
    assert told == pytest.approx(fall(runs), rel=0.05)
    shrunk = np.cov(state.question.values.T, ddof=0)
    np.testing.assert_allclose(shrunk, 0.01 * after(runs), atol=0.01 * 0.05)


def test_values_of_choices_after_a_pick_are_the_knowledge_gradient_of_what_is_left(
    seen: Outlook, draws: np.ndarray
) -> None:
    """Over the ways in which a first run may turn out, the second adds what both give less it."""
    gap = 0.3
    worth_of = np.stack([draws[:, 0], np.full(SAMPLES, gap)], axis=1)[:, None]
    state = State(seen, asked(draws[:, :1], worth_of), np.random.default_rng(3))
    first = float(state.worth().value[1])
    state.see(1)
    second = float(state.worth().value[0])
    moves = np.sqrt(1.0 - after([0, 1])[0, 0])
    assert first + second == pytest.approx(float(gradient(gap, np.array([moves]))[0]), rel=0.05)
