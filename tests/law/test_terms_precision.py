"""The pieces of laws of precision: bits and rounding."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest
from gradients import assert_broadcasts, assert_smooth

from bayes_scaling.law.terms import float_noise, precision_share

PIECES = {
    "precision_share": (precision_share, [5.0, 2.5]),
    "float_noise": (float_noise, [4.0, 3.0, 128.0, 3.1, 2.9]),
}


@pytest.mark.parametrize("name", PIECES)
def test_derivatives(name: str) -> None:
    assert_smooth(*PIECES[name])


@pytest.mark.parametrize("name", PIECES)
def test_broadcasting(name: str) -> None:
    assert_broadcasts(*PIECES[name])


def test_precision_share_grows_from_nothing_to_all() -> None:
    bits, scale = jnp.array([0.0, 2.5 * np.log(2), 5.0, 1e4]), jnp.asarray(2.5)
    expected = [0.0, 0.5, 1 - np.exp(-2), 1.0]
    np.testing.assert_allclose(precision_share(bits, scale), expected, rtol=1e-14)
    # no digits are lost where nearly nothing counts
    assert precision_share(jnp.asarray(1e-20), scale) == pytest.approx(4e-21, rel=1e-14)


def test_float_noise_is_the_formula_of_its_docstring() -> None:
    # E4M3 in blocks of 128
    found = float_noise(*map(jnp.asarray, (4.0, 3.0, 128.0, 3.0, 2.0)))
    assert found == pytest.approx(7.0 / (4.5**3 * 3.5**2), rel=1e-13)
    # no mantissa at all can be worked with
    found = float_noise(*map(jnp.asarray, (4.0, 0.0, 2.0, 3.0, 2.0)))
    assert found == pytest.approx(1.0 / (4.5**3 * 0.5**2), rel=1e-13)


def test_float_noise_falls_with_bits_and_grows_with_the_block() -> None:
    bits, one = jnp.array([1.0, 3.0, 7.0]), jnp.asarray(1.0)
    assert np.all(np.diff(float_noise(bits, one, jnp.asarray(32.0), one, one)) < 0)
    assert np.all(np.diff(float_noise(one, bits, jnp.asarray(32.0), one, one)) < 0)
    assert np.all(np.diff(float_noise(one, one, jnp.array([32.0, 128.0, 1e300]), one, one)) > 0)
