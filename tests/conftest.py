"""Fits that several tests of the sampler look at; each structure is compiled once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from jax import Array
from recovery import BY_NAME, simulated

from bayes_scaling.jax_setup import one_thread_linear_algebra
from bayes_scaling.law import Input, LogitNormal, LogNormal, Loss, Normal, Parameter, law
from bayes_scaling.models import registry
from bayes_scaling.posterior import Fit, ScalingModel
from bayes_scaling.runs import Runs, read_runs

one_thread_linear_algebra()  # for tests that sample without a model, and until the end


@pytest.fixture(scope="module", autouse=True)
def _forget_small_programs() -> Iterator[None]:
    """Thousands of small programs are more than a process may map; fits keep their own."""
    yield
    jax.clear_caches()


@law(response=Loss(), citation="kaplan2020", family="test")
def line(
    x: Annotated[Array, Input("scale", "unit")],
    *,
    a: Annotated[Array, Parameter(Normal(0.5, 2.0), "mean at the reference")],
    b: Annotated[Array, Parameter(Normal(0.0, 1.5), "slope")],
) -> Array:
    """$a + b \\log x$"""
    return a + b * jnp.log(x)


@dataclass(frozen=True)
class Line:
    """Runs of a linear law with normal noise, and their arrays."""

    runs: Runs
    log_x: np.ndarray
    y: np.ndarray


@dataclass(frozen=True)
class Recovery:
    """A fit to runs simulated from known parameters."""

    fit: Fit
    truth: dict[str, float]


def line_runs(seed: int) -> Line:
    rng = np.random.default_rng(seed)
    x = np.geomspace(1e3, 1e8, 24)
    log_x = np.log(x) - np.log(x).mean()
    y = 0.1 - 0.08 * log_x + 0.15 * rng.normal(size=x.size)
    runs = read_runs(pd.DataFrame({"x": x, "loss": y}), inputs={"x": "x"})
    return Line(runs, log_x, y)


@pytest.fixture(scope="session")
def line_model() -> ScalingModel:
    return ScalingModel(line, noise="normal")


@pytest.fixture(scope="session")
def first_line() -> Line:
    return line_runs(1)


@pytest.fixture(scope="session")
def second_line() -> Line:
    return line_runs(2)


@pytest.fixture(scope="session")
def line_fit(line_model: ScalingModel, first_line: Line) -> Fit:
    return line_model.fit(first_line.runs, seed=4)


SIGMA, NU = 0.003, 6.0


@pytest.fixture(scope="session")
def recovery() -> Recovery:
    """One law's own program, shear included; `test_recovery.py` fits every law."""
    case = BY_NAME["kaplan"]
    law, runs = simulated(case)
    truth = dict(case.truth) | {"sigma": SIGMA, "nu": NU}
    return Recovery(ScalingModel(law, rung=False, discrepancy=False).fit(runs, seed=1), truth)


LEVELS = {"a": 2.8, "b": 2.95, "c": 3.05, "d": 3.2}
EXPONENTS = {"a": 0.27, "b": 0.33, "c": 0.29, "d": 0.31}


@pytest.fixture(scope="session")
def pooled() -> Fit:
    """Four recipes crossed with twelve rungs, whose runs share a deviation."""
    rng = np.random.default_rng(9)
    x = np.geomspace(10**-2.5, 10**2.5, 12)
    shared = 0.004 * rng.normal(size=x.size)
    tables = []
    for group, level in LEVELS.items():
        mean = level * (1 - 0.5 + 0.5 * x ** -EXPONENTS[group])
        noise = SIGMA * rng.standard_t(NU, size=x.size)
        columns = {"X": x * 1e9, "loss": mean * np.exp(shared + noise), "recipe": group}
        tables.append(pd.DataFrame(columns))
    runs = read_runs(pd.concat(tables), inputs={"X": "X"}, group="recipe")
    pool = {"level": "partial", "alpha": "partial", "reducible": "complete"}
    priors = {
        "level": LogNormal(1.0, 0.5, scale="median"),
        "reducible": LogitNormal(0.4, 1.0),
        "alpha": LogNormal(0.3, 0.5),
    }
    return ScalingModel(registry["power_law"], pool=pool, priors=priors).fit(runs, seed=2)


@pytest.fixture(scope="session")
def pooled_truth() -> dict[tuple[str, str], float]:
    """Truth by name and group."""
    truth = {("level", g): v for g, v in LEVELS.items()}
    truth |= {("alpha", g): v for g, v in EXPONENTS.items()}
    return truth | {("reducible", ""): 0.5, ("sigma", ""): SIGMA, ("rung_sd", ""): 0.004}
