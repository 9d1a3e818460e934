"""Modes of sds of effects: against a search of the density."""

from __future__ import annotations

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
import pytest
from scipy import optimize, stats

from bayes_scaling.posterior.modes import log_normal_mode, scale_mode

EFFECTS = [([0.3, -0.2, 0.1], 0.3), ([0.01], 0.3), ([2.0, -3.0, 1.0, 0.5], 0.1)]


def searched(effects: list[float], log_prior: Callable[[float], float]) -> float:
    """Log sd at which the density of effects and of the log of their sd is largest."""

    def down(x: float) -> float:
        return -(stats.norm.logpdf(effects, 0.0, np.exp(x)).sum() + log_prior(x))

    return float(optimize.minimize_scalar(down, bounds=(-8, 4), options={"xatol": 1e-10}).x)


@pytest.mark.parametrize(("effects", "scale"), EFFECTS)
def test_of_a_half_normal_prior(effects: list[float], scale: float) -> None:
    total = jnp.asarray(np.sum(np.square(effects)))
    found = float(scale_mode(total, len(effects), scale))
    wanted = searched(effects, lambda x: stats.halfnorm.logpdf(np.exp(x), scale=scale) + x)
    assert found == pytest.approx(wanted, abs=1e-6)


@pytest.mark.parametrize(("effects", "median"), EFFECTS)
@pytest.mark.parametrize("sd", [0.2, 1.0])
def test_of_a_log_normal_prior(effects: list[float], median: float, sd: float) -> None:
    total = jnp.asarray(np.sum(np.square(effects)))
    given = jnp.asarray(np.log(median)), jnp.asarray(sd)
    found = float(log_normal_mode(total, len(effects), *given))
    wanted = searched(effects, lambda x: stats.norm.logpdf(x, np.log(median), sd))
    assert found == pytest.approx(wanted, abs=1e-6)


def test_without_effects_a_log_normal_prior_keeps_the_sd_away_from_zero() -> None:
    found = float(log_normal_mode(jnp.asarray(0.0), 4, jnp.log(0.02), jnp.asarray(0.5)))
    assert np.exp(found) == pytest.approx(0.02 * np.exp(-4 * 0.5**2), rel=1e-6)
