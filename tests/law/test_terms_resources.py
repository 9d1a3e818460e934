"""The pieces of laws that count data, parameters and experts as what they are worth."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gradients import assert_broadcasts, assert_smooth
from scipy import integrate

from bayes_scaling.law.resources import (
    average_size,
    expert_saturation,
    harmed,
    mixture_share,
    parallel_streams,
    pool_learning,
    repeated,
)

PIECES = {
    "repeated": (repeated, [7.3, 2.1, 4.0]),
    "repeated, less than a pass": (repeated, [1.3, 2.1, 4.0]),
    "harmed": (harmed, [5.0, 7.3, 2.1, 0.1]),
    "parallel_streams": (parallel_streams, [4.0, 0.2]),
    "average_size": (average_size, [3.0, 2.0, 0.2, 0.7, 0.5]),
    "average_size, order near 0": (average_size, [3.0, 2.0, 0.2, 0.7, 1e-4]),
    "average_size, order 0": (average_size, [3.0, 2.0, 0.2, 0.7, 0.0]),
    "pool_learning": (pool_learning, [5.3, 2.0]),
    "mixture_share": (mixture_share, [0.3, 0.4, 0.8, 1.2]),
    "expert_saturation": (expert_saturation, [8.0, 1.4, 60.0]),
}


@pytest.mark.parametrize("name", PIECES)
def test_derivatives(name: str) -> None:
    assert_smooth(*PIECES[name])


@pytest.mark.parametrize("name", PIECES)
def test_broadcasting(name: str) -> None:
    assert_broadcasts(*PIECES[name])


def numbers(*values: float) -> list[jax.Array]:
    return [jnp.asarray(v) for v in values]


# -- repeated data


def test_data_seen_once_are_worth_themselves() -> None:
    total = jnp.array([0.1, 1.0, 2.0])
    np.testing.assert_allclose(repeated(total, *numbers(2.0, 4.0)), total, rtol=1e-14)
    effective = jnp.array([0.1, 1.0, 2.0])
    found = harmed(effective, total, *numbers(2.0, 0.3))
    np.testing.assert_array_equal(found, effective)


def test_repeated_data_are_worth_less_and_less() -> None:
    # four passes, so three repeats
    assert repeated(*numbers(8.0, 2.0, 4.0)) == pytest.approx(2 * (1 + 4 * (1 - np.exp(-0.75))))
    found = np.asarray(repeated(2.0 * jnp.arange(1, 50), *numbers(2.0, 4.0)))
    gains = np.diff(found)
    # the first repeat is nearly as good as new data, if the worth is large
    assert repeated(*numbers(4.0, 2.0, 1e9)) == pytest.approx(4.0, rel=1e-8)
    assert np.all((gains > 0) & (gains < 2.0))
    assert np.all(np.diff(gains) < 0)


def test_endless_repeats_are_worth_the_unique_data_many_times() -> None:
    assert repeated(*numbers(1e300, 2.0, 4.0)) == pytest.approx(2.0 * (1 + 4.0))
    slopes = jax.grad(repeated, (0, 1, 2))(*numbers(1e300, 2.0, 4.0))
    np.testing.assert_allclose(slopes, [0.0, 5.0, 2.0], atol=1e-100)


def test_the_slope_does_not_jump_after_the_first_pass() -> None:
    slope = jax.vmap(jax.grad(repeated), (0, None, None))
    found = slope(jnp.array([1.999, 2.0, 2.001]), *numbers(2.0, 4.0))
    np.testing.assert_allclose(found, 1.0, rtol=1e-3)


def test_harm_halves_and_then_takes_all() -> None:
    # five passes, so four repeats
    assert harmed(*numbers(6.0, 10.0, 2.0, 0.25)) == pytest.approx(3.0)
    assert harmed(*numbers(6.0, 10.0, 2.0, 0.0)) == 6.0
    assert harmed(*numbers(6.0, 10.0, 2.0, 0.5)) == pytest.approx(6.0 / 5)
    assert harmed(*numbers(6.0, 1e100, 2.0, 0.25)) < 1e-100


# -- parameters


def test_parallel_streams() -> None:
    assert parallel_streams(*numbers(1.0, 0.3)) == 1.0
    assert parallel_streams(*numbers(np.e**2, 0.3)) == pytest.approx(1.6)
    assert parallel_streams(*numbers(8.0, 0.0)) == 1.0


def power_mean(start: float, end: float, begins: float, stops: float, order: float) -> float:
    """By quadrature over the tokens."""

    def size(t: float) -> float:
        return start + (end - start) * np.clip((t - begins) / (stops - begins), 0, 1)

    def total(of: Callable[[float], float]) -> float:
        ends = [0.0, begins, stops, 1.0]
        return sum(
            integrate.quad(lambda t: of(size(t)), a, b, epsabs=1e-13)[0] for a, b in pairwise(ends)
        )

    if order == 0:
        return float(np.exp(total(np.log)))
    return float(total(lambda n: n**order) ** (1 / order))


ORDERS = [-2.0, -1.0, -0.3, -1e-9, 0.0, 1e-9, 1e-4, 1e-2, 0.34, 1.0, 2.0]


@pytest.mark.parametrize("order", ORDERS)
def test_a_size_that_does_not_change_is_its_own_average(order: float) -> None:
    found = average_size(*numbers(3.0, 3.0, 0.2, 0.7, order))
    assert found == pytest.approx(3.0, rel=1e-14)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("end", [0.3, 2.0, 30.0])
def test_average_size_is_the_power_mean(order: float, end: float) -> None:
    found = average_size(*numbers(3.0, end, 0.2, 0.7, order))
    expected = power_mean(3.0, end, 0.2, 0.7, order if abs(order) > 1e-6 else 0.0)
    assert found == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize("order", [-1.0, 0.34, 1.0, 2.0])
def test_a_jump_is_the_mean_weighted_by_tokens(order: float) -> None:
    found = average_size(*numbers(3.0, 1.2, 0.4, 0.4, order))
    assert found == pytest.approx((0.4 * 3.0**order + 0.6 * 1.2**order) ** (1 / order), rel=1e-13)
    geometric = average_size(*numbers(3.0, 1.2, 0.4, 0.4, 0.0))
    assert geometric == pytest.approx(3.0**0.4 * 1.2**0.6, rel=1e-13)


def test_order_one_is_the_area_under_the_trapezoid() -> None:
    found = average_size(*numbers(3.0, 1.0, 0.2, 0.7, 1.0))
    assert found == pytest.approx(0.2 * 3 + 0.5 * 2 + 0.3 * 1, rel=1e-10)
    assert average_size(*numbers(3.0, 1.0, 1.0, 1.0, 1.0)) == pytest.approx(3.0, rel=1e-13)
    assert average_size(*numbers(3.0, 1.0, 0.0, 0.0, 1.0)) == pytest.approx(1.0, rel=1e-13)


@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_average_size_is_smooth_where_its_series_ends(sign: float) -> None:
    edge = sign * 1e-3 / np.log(10.0)

    def log_size(order: jax.Array) -> jax.Array:
        return jnp.log(average_size(*numbers(3.0, 30.0, 0.2, 0.7), order))

    inside, outside = (float(jax.grad(log_size)(edge * f)) for f in (0.9999, 1.0001))
    assert inside == pytest.approx(outside, rel=1e-6)


def test_average_size_of_huge_models_is_finite() -> None:
    at = numbers(1e12, 1e9, 0.2, 0.7, -30.0)
    found, slopes = jax.value_and_grad(average_size, (0, 1, 2, 3, 4))(*at)
    assert 1e9 < found < 1e12
    assert np.isfinite(np.array(slopes)).all()


# -- a pool of samples seen again and again


def test_samples_that_keep_their_utility_count_in_full() -> None:
    passes = np.array([0.01, 0.5, 1.0, 3.3, 20.0, 1000.0])
    found = pool_learning(jnp.asarray(passes), jnp.asarray(1e12))
    np.testing.assert_allclose(found, np.log(passes), rtol=1e-9, atol=1e-12)


def test_the_first_pass_counts_in_full() -> None:
    passes = jnp.array([1e-6, 0.3, 1.0])
    found = pool_learning(passes, jnp.asarray(0.5))
    np.testing.assert_allclose(found, jnp.log(passes), atol=1e-15)


def test_the_utility_halves_every_half_life() -> None:
    half_life = 2.0
    edges = np.log(np.arange(1, 8))
    gains = np.diff(pool_learning(jnp.arange(1.0, 8.0), jnp.asarray(half_life)))
    np.testing.assert_allclose(gains / np.diff(edges), 0.5 ** (np.arange(1, 7) / 2), rtol=1e-12)
    # within a pass
    within = pool_learning(jnp.array([2.0, 2.6]), jnp.asarray(half_life))
    assert within[1] - within[0] == pytest.approx(0.5 * np.log(1.3))


def test_late_passes_share_the_utility_of_the_last() -> None:
    few = pool_learning(jnp.array([4.0, 40.0, 400.0]), jnp.asarray(2.0), most=4)
    np.testing.assert_allclose(np.diff(few), 0.5**2 * np.log(10), rtol=1e-12)
    # nothing is lost by telling no more passes apart than there are
    many = pool_learning(jnp.array([3.7]), jnp.asarray(2.0))
    few = pool_learning(jnp.array([3.7]), jnp.asarray(2.0), most=4)
    np.testing.assert_allclose(many, few, rtol=1e-14)


def test_pool_learning_has_gradients_at_the_ends_of_passes() -> None:
    passes = jnp.array([1e-9, 1.0, 2.0, 64.0, 1e9])
    slopes = jax.grad(lambda p, h: pool_learning(p, h).sum(), (0, 1))(passes, jnp.asarray(2.0))
    for slope in slopes:
        assert np.isfinite(slope).all()
    assert np.all(np.asarray(slopes[0]) > 0)
    assert slopes[1] > 0


# -- tasks and experts


def test_a_task_alone_has_the_whole_model_and_none_without_weight() -> None:
    weight = jnp.array([0.0, 1.0])
    for shape in ((0.4, 0.8, 1.2), (5.0, 0.1, 0.1), (-0.3, 2.0, 3.0)):
        found, slope = jax.value_and_grad(
            lambda c, w=weight: mixture_share(w, *c).sum()
        )(numbers(*shape))  # fmt: skip
        np.testing.assert_array_equal(mixture_share(weight, *numbers(*shape)), [0.0, 1.0])
        assert found == 1.0
        np.testing.assert_array_equal(slope, [0.0, 0.0, 0.0])


def test_mixture_share_is_the_formula_of_its_docstring() -> None:
    p = np.array([1e-6, 0.1, 0.5, 0.999])
    found = mixture_share(jnp.asarray(p), *numbers(0.4, 0.8, 1.2))
    np.testing.assert_allclose(found, p + 0.4 * p**0.8 * (1 - p) ** 1.2, rtol=1e-12)
    np.testing.assert_allclose(mixture_share(jnp.asarray(p), *numbers(0.0, 0.8, 1.2)), p)


def test_mixture_share_has_no_jump_at_the_ends() -> None:
    p = jnp.array([0.0, 1e-10, 1 - 1e-10, 1.0])
    np.testing.assert_allclose(mixture_share(p, *numbers(0.4, 0.8, 1.2)), [0, 0, 1, 1], atol=1e-7)


def test_experts_go_from_the_start_to_the_most() -> None:
    found = expert_saturation(jnp.array([1.0, 1e12]), *numbers(1.4, 60.0))
    np.testing.assert_allclose(found, [1.4, 60.0], rtol=1e-9)
    few = np.asarray(expert_saturation(jnp.arange(1.0, 500.0), *numbers(1.4, 60.0)))
    assert np.all(np.diff(few) > 0)
    assert np.all(few < 60.0)


def test_without_an_end_experts_count_in_full() -> None:
    experts = jnp.array([1.0, 8.0, 512.0])
    found = expert_saturation(experts, *numbers(1.4, 1e15))
    np.testing.assert_allclose(found, experts + 0.4, rtol=1e-10)
