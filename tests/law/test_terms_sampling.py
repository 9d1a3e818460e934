"""The pieces of laws of repeated samples."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gradients import assert_broadcasts, assert_smooth
from scipy.special import betaln, expit, gammaln

from bayes_scaling.law.sampling import accepted_accuracy, accepted_length, one_of, pass_at, tilted

PIECES: dict[str, tuple[Callable[..., Any], Sequence[float]]] = {
    "tilted": (tilted, [0.2, 0.7]),
    "one_of": (one_of, [7.0, 0.1]),
    "pass_at": (pass_at, [40.0, 0.1, 3.0, 0.05]),
    "pass_at, few samples": (pass_at, [2.0, 0.3, 20.0, 0.05]),
    "accepted_accuracy": (accepted_accuracy, [7.0, 0.2, 0.1, 5.0]),
    "accepted_length": (accepted_length, [0.7, 4.0]),
}
ALIKE = 1e12  # concentration of problems that do not differ


@pytest.mark.parametrize("name", PIECES)
def test_derivatives(name: str) -> None:
    assert_smooth(*PIECES[name])


@pytest.mark.parametrize("name", PIECES)
def test_broadcasting(name: str) -> None:
    assert_broadcasts(*PIECES[name])


def test_tilted_multiplies_the_odds() -> None:
    chance = np.array([1e-9, 0.2, 0.5, 0.97])
    moved = np.asarray(tilted(jnp.asarray(chance), np.log(3.0)))
    np.testing.assert_allclose(moved / (1 - moved), 3.0 * chance / (1 - chance), rtol=1e-12)


def test_one_of_keeps_the_digits_of_rare_successes() -> None:
    np.testing.assert_allclose(one_of(1.0, jnp.array([1e-12, 0.3, 0.999])), [1e-12, 0.3, 0.999])
    np.testing.assert_allclose(one_of(5.0, jnp.asarray(0.3)), 1 - 0.7**5, rtol=1e-14)
    np.testing.assert_allclose(one_of(2.0, jnp.asarray(1e-9)), 2e-9 - 1e-18, rtol=1e-14)


# -- pass_at


def solved(k: float, rate: float, concentration: float) -> float:
    """The expectation of ``1 - (1 - p)**k`` over a beta distribution, by quadrature."""
    a, b = rate * concentration, (1 - rate) * concentration
    # in the logit of p, where the integrand is smooth and the trapezoid rule exact
    step = 0.02
    u = np.arange(-60.0, 40.0 + 40.0 / b, step)
    log_density = -a * np.logaddexp(0, -u) - b * np.logaddexp(0, u) - betaln(a, b)
    return float(step * (-np.expm1(-k * np.logaddexp(0, u)) * np.exp(log_density)).sum())


@pytest.mark.parametrize("a", [0.01, 0.2, 1.0, 7.0])
@pytest.mark.parametrize("rate", [1e-4, 0.03, 0.6])
@pytest.mark.parametrize("k", [1.0, 13.0, 1e3, 1e6])
def test_pass_at_is_an_average_over_problems(a: float, rate: float, k: float) -> None:
    expected = solved(k, rate, a / rate)
    np.testing.assert_allclose(pass_at(k, rate, a / rate), expected, rtol=1e-9)
    np.testing.assert_allclose(pass_at(k, rate, a / rate, 0.3), 0.7 * expected, rtol=1e-9)


@pytest.mark.parametrize("concentration", [1e-3, 0.7, 40.0, 1e6, 1e15])
def test_one_sample_passes_at_the_mean_rate(concentration: float) -> None:
    rate = jnp.array([1e-6, 0.02, 0.5, 0.999])
    np.testing.assert_allclose(pass_at(1.0, rate, concentration), rate, rtol=1e-9)


def test_problems_that_are_alike_have_one_rate() -> None:
    k, rate = np.array([1.0, 30.0, 1e4]), np.array([[1e-5], [0.02], [0.4]])
    found = pass_at(jnp.asarray(k), jnp.asarray(rate), ALIKE)
    np.testing.assert_allclose(found, one_of(k, rate), rtol=1e-8)


def test_two_samples_know_the_spread() -> None:
    """Both of two fail with chance ``(b / c) (b + 1) / (c + 1)``."""
    rate, c = 0.3, np.array([0.01, 1.0, 100.0, 1e8])
    b = (1 - rate) * c
    np.testing.assert_allclose(pass_at(2.0, rate, c), 1 - b / c * (b + 1) / (c + 1), rtol=1e-12)


def test_what_is_left_falls_as_a_power() -> None:
    a, rate = 0.3, 0.02
    b = a * (1 - rate) / rate
    k = 1e9
    left = 1 - float(pass_at(k, rate, a / rate))
    leading = np.exp(gammaln(a + b) - gammaln(b)) * k**-a
    np.testing.assert_allclose(left, leading, rtol=1e-7)


def test_gradients_are_finite_far_out() -> None:
    k, rate, c = np.meshgrid([1.0, 1e3, 1e6], [1e-8, 0.1, 1 - 1e-8], [1e-4, 1.0, 1e9])
    gradients = jax.grad(lambda *x: pass_at(*x).sum(), (0, 1, 2, 3))(k, rate, c, 0.1 + 0 * c)
    assert all(np.isfinite(g).all() for g in gradients)


# -- verifiers and drafts


def test_endless_tries_reach_the_ceiling() -> None:
    found = accepted_accuracy(1e12, 0.2, 0.1, jnp.array([5.0, 1e6]))
    np.testing.assert_allclose(found, [2 / 3, 2 / 3], rtol=1e-9)


def test_a_verifier_without_errors_is_a_pass() -> None:
    k = np.array([1.0, 7.0, 200.0])
    np.testing.assert_allclose(
        accepted_accuracy(k, 0.2, 0.0, 3.0), pass_at(jnp.asarray(k), 0.2, 3.0), rtol=1e-14
    )


def test_accuracy_of_first_accepted_samples() -> None:
    """Against simulated problems, tries and verdicts."""
    rng = np.random.default_rng(0)
    correct, wrong, phi, k = 0.15, 0.1, 4.0, 5
    n = 400_000
    chances = rng.dirichlet(phi * np.array([correct, wrong, 1 - correct - wrong]), n)
    verdict = rng.uniform(size=(n, k))
    right = verdict < chances[:, :1]
    accepted = verdict < chances[:, :2].sum(1, keepdims=True)
    first = accepted.argmax(1)
    share = (accepted.any(1) & right[np.arange(n), first]).mean()
    expected = float(accepted_accuracy(float(k), correct, wrong, phi))
    assert abs(share - expected) < 4 * np.sqrt(expected * (1 - expected) / n)


def test_verdicts_of_problems_that_are_alike() -> None:
    found = accepted_accuracy(np.array([1.0, 4.0]), 0.2, 0.1, ALIKE)
    np.testing.assert_allclose(found, 2 / 3 * (1 - 0.7 ** np.array([1, 4])), rtol=1e-8)


def test_accepted_length_is_a_geometric_sum() -> None:
    rate = expit(np.array([-3.0, 0.0, 4.0, 14.0]))
    expected = sum(rate**i for i in range(6))
    np.testing.assert_allclose(accepted_length(jnp.asarray(rate), 5.0), expected, rtol=1e-9)
