"""Warnings about parameters that the runs cannot tell apart, and bends that they do not reach."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from fakes import RECIPES, changed, fake_fit

from bayes_scaling.law import Derived
from bayes_scaling.posterior import Fit


def codes(fit: Fit) -> list[str]:
    return [w.code for w in fit.warnings]


def message(fit: Fit, code: str) -> str:
    (found,) = [w.message for w in fit.warnings if w.code == code]
    return found


def together(correlation: float) -> Fit:
    """A fit whose exponents are correlated, on the log scale."""
    fit = fake_fit()
    rng = np.random.default_rng(5)
    first, other = rng.normal(size=(2, *fit.posterior["alpha"].shape))
    second = correlation * first + np.sqrt(1 - correlation**2) * other
    return changed(fit, {"alpha": 0.3 * np.exp(0.05 * first), "beta": 0.3 * np.exp(0.02 * second)})


@pytest.mark.parametrize("correlation", [0.99, -0.99])
def test_parameters_that_move_together(correlation: float) -> None:
    fit = together(correlation)
    assert "confounded-parameters" in codes(fit)
    text = message(fit, "confounded-parameters")
    sign = "+0.9" if correlation > 0 else "-0.9"
    assert text.startswith(f"alpha and beta have posterior correlation {sign}")
    assert "fix or tie one" in text
    assert fit.usable


@pytest.mark.parametrize("correlation", [0.0, 0.9, -0.95])
def test_parameters_that_move_apart(correlation: float) -> None:
    assert "confounded-parameters" not in codes(together(correlation))


def test_groups_that_move_together_are_named() -> None:
    fit = fake_fit(RECIPES, pool={"beta": "partial"})
    z = np.random.default_rng(6).normal(size=fit.posterior["alpha"].shape)
    values = {"alpha": 0.3 * np.exp(0.05 * z), "beta": 0.3 * np.exp(0.02 * z)}
    text = message(changed(fit, values), "confounded-parameters")
    assert all(label in text for label in RECIPES["recipe"])


def with_bend(places: np.ndarray) -> Fit:
    """A fit of a law that derives the place of a bend in N."""
    fit = fake_fit()
    bend = Derived("N_c", lambda x0, p: p["level"], "place of the bend", "parameter", bend="N")
    tree = fit.tree.copy()
    tree["posterior"] = tree["posterior"].to_dataset().assign(N_c=fit.posterior["A"])
    law = replace(fit.law, derived=(*fit.law.derived, bend))
    return changed(replace(fit, law=law, tree=tree), {"N_c": places})


@pytest.mark.parametrize(
    ("factor", "side"), [(0.01, "below"), (100.0, "above")], ids=["below", "above"]
)
def test_a_bend_that_the_runs_do_not_reach(factor: float, side: str) -> None:
    fit = fake_fit()
    low, high = fit.spec.ranges["N"]
    spread = np.exp(0.1 * np.random.default_rng(7).normal(size=fit.posterior["alpha"].shape))
    edge = low if side == "below" else high
    found = with_bend(edge * factor * spread)
    text = message(found, "bend-outside")
    assert text.startswith(f"N_c (place of the bend) lies {side} the fitted runs (N = ")
    assert "with probability 1.00" in text
    inside = with_bend(np.sqrt(low * high) * spread)
    assert "bend-outside" not in codes(inside)
