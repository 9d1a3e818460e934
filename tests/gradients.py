"""Derivatives by automatic differentiation against differences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

STEP = 1e-5  # times the size of each argument, or one where that is small
# the step squared times the third derivative, and rounding over the step, are below these
RTOL, ATOL = 1e-7, 1e-9


def differences(function: Callable[..., Any], at: Sequence[float]) -> np.ndarray:
    """Central differences of a function of scalars, one row an argument."""
    middle = np.array(at, float)
    steps = STEP * np.where(np.abs(middle) < 0.01, 1.0, np.abs(middle))
    return np.array(
        [
            (np.asarray(function(*(middle + e))) - np.asarray(function(*(middle - e))))
            / (2 * e.sum())
            for e in np.diag(steps)
        ]
    )


def assert_smooth(function: Callable[..., Any], at: Sequence[float]) -> None:
    """First and second derivatives in every argument are those of differences."""
    arguments = tuple(range(len(at)))
    point = [jnp.asarray(x, float) for x in at]
    gradient = jax.jit(jax.grad(function, arguments))
    found = np.array(gradient(*point))
    np.testing.assert_allclose(found, differences(function, at), rtol=RTOL, atol=ATOL)
    second = np.array(jax.hessian(function, arguments)(*point))
    by_hand = differences(lambda *x: np.array(gradient(*x)), at)
    np.testing.assert_allclose(second, by_hand, rtol=RTOL, atol=ATOL)


def assert_broadcasts(function: Callable[..., Any], at: Sequence[float]) -> None:
    """Draws in front of runs give what each pair gives alone."""
    first, rest = at[0] * np.array([1.0, 1.01, 0.98]), np.array(at[1:])[:, None, None]
    moved = rest * np.array([[1.0], [1.02]])
    found = np.asarray(function(jnp.asarray(first), *map(jnp.asarray, moved)))
    expected = [[function(*map(jnp.asarray, (x, *m))) for x in first] for m in moved[:, :, 0].T]
    np.testing.assert_allclose(found, expected, rtol=1e-13)
