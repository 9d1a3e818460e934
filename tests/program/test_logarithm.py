"""Logarithms of many numbers, against those of NumPy."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest

from bayes_scaling.program.logarithm import log, log1p
from bayes_scaling.program.noise import StudentT

RNG = np.random.default_rng(0)
WIDE = np.concatenate([10.0 ** RNG.uniform(-307, 308, 20_000), np.linspace(0.5, 2.0, 20_001)])
# where 1 + x loses most of x, and where it is all of it
SMALL = np.concatenate([10.0 ** RNG.uniform(-300, 300, 20_000), -RNG.uniform(0, 1, 20_000)])


@pytest.mark.parametrize("compiled", [False, True])
def test_logarithms_are_right_to_the_last_digits(compiled: bool) -> None:
    turn = jax.jit if compiled else lambda f: f
    np.testing.assert_allclose(turn(log)(jnp.asarray(WIDE)), np.log(WIDE), rtol=1e-15)
    np.testing.assert_allclose(turn(log1p)(jnp.asarray(SMALL)), np.log1p(SMALL), rtol=1e-15)


def test_logarithms_at_the_edges() -> None:
    edges = np.array([0.0, np.inf, -1.0, np.nan, 1.0, np.finfo(float).tiny, np.finfo(float).max])
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(log(jnp.asarray(edges)), np.log(edges), rtol=1e-15)
        np.testing.assert_allclose(log1p(jnp.asarray(edges)), np.log1p(edges), rtol=1e-15)
    single = jnp.asarray([0.5, 3.0], dtype=jnp.float32)
    assert log(single).dtype == jnp.float32


def test_derivatives_of_logarithms() -> None:
    for x in (1e-3, 0.7, 40.0):
        for order, want in ((1, 1 / x), (2, -1 / x**2)):
            found: object = log
            for _ in range(order):
                found = jax.grad(found)
            assert float(found(x)) == pytest.approx(want, rel=1e-14)
        assert float(jax.grad(log1p)(x)) == pytest.approx(1 / (1 + x), rel=1e-14)
    rows = jnp.asarray([2.0, 5.0])
    np.testing.assert_allclose(jax.vmap(jax.grad(log))(rows), 1 / rows)
    np.testing.assert_allclose(jax.jacfwd(log)(rows), jnp.diag(1 / rows))


def test_students_t_is_that_of_numpyro() -> None:
    nu, loc, scale = jnp.asarray(3.5), jnp.asarray([0.0, 1.0, 2.0]), jnp.asarray(0.01)
    value = jnp.asarray([0.003, 1.5, -4e3])
    ours, theirs = StudentT(nu, loc, scale), dist.StudentT(nu, loc, scale)
    np.testing.assert_allclose(ours.log_prob(value), theirs.log_prob(value), rtol=1e-13)
