"""Made-up laws with inputs and responses of every kind, and fits of them by hand."""

from __future__ import annotations

from itertools import product
from typing import Annotated, Any

import jax.numpy as jnp
import numpy as np
import pandas as pd
from fakes import fake_fit_of
from jax import Array

from bayes_scaling.law import Frontier, Input, LogNormal, Loss, Normal, Parameter, law
from bayes_scaling.models import registry
from bayes_scaling.posterior import Fit

Real = Annotated[Array, Parameter(Normal(0.0, 1.0), "a real number", "nat", varies=True)]
Positive = Annotated[Array, Parameter(LogNormal(0.3, 0.5), "a positive number")]


@law(response=Loss(signed=True), citation="kaplan2020", family="test")
def drift(
    N: Annotated[Array, Input("parameters", "1")],
    year: Annotated[Array, Input("date", "year", "real", "difference")],
    part: Annotated[Array, Input("part kept", "1", "fraction", reference=1.0)],
    repeats: Annotated[Array, Input("repeats", "1", "nonnegative")],
    *,
    level: Real,
    alpha: Positive,
    pace: Positive,
    cost: Positive,
    harm: Positive,
) -> Array:
    """$y = l + N^{-a} - 1 - p (t - t_0) + c (1 - s) + h R$"""
    return level + N**-alpha - 1 - pace * year + cost * (1 - part) + harm * repeats


DRIFT = {"level": 0.05, "alpha": 0.3, "pace": 0.2, "cost": 0.4, "harm": 0.02}


def drift_by_hand(fit: Fit, at: dict[str, Any], values: dict[str, Any]) -> np.ndarray:
    x0 = fit.spec.references
    decay = (at["N"] / x0["N"]) ** -values["alpha"]
    moved = values["level"] + decay - 1 - values["pace"] * (at["year"] - x0["year"])
    rest = values["cost"] * (1 - at["part"]) + values["harm"] * at["repeats"] / x0["repeats"]
    return np.asarray(moved + rest)


def drift_fit(**options: Any) -> Fit:
    """Signed losses over two sizes, three years, two parts kept and three numbers of repeats."""
    rows = product([1e8, 1e10], [2020.0, 2022.5, 2024.0], [0.25, 1.0], [0.0, 1.0, 4.0])
    table = pd.DataFrame(rows, columns=["N", "year", "part", "repeats"])
    labels = options.get("labels", {})
    names = pd.DataFrame(list(product(*labels.values())), columns=[*labels])
    return fake_fit_of(drift, table.merge(names, "cross"), DRIFT, **options)


@law(response=Frontier("density", "1", of="largest"), citation="kaplan2020", family="test")
def front(
    year: Annotated[Array, Input("date", "year", "real", "difference")],
    *,
    level: Annotated[Array, Parameter(LogNormal(1.0, 0.5, scale="median"), "density")],
    pace: Annotated[
        Array,
        Parameter(
            Normal(
                0.0,
                1.0,
            ),
            "growth of the log in a year",
            "1/year",
        ),
    ],
) -> Array:
    """$y = l e^{p (t - t_0)}$"""
    return level * jnp.exp(pace * year)


@law(response=Loss(), citation="kaplan2020", family="test")
def mixing(
    N: Annotated[Array, Input("parameters", "1")],
    *shares: Annotated[Array, Input("share of", "1", "fraction", "difference")],
    level: Annotated[Array, Parameter(LogNormal(3.0, 0.5), "level", "nat")],
    alpha: Positive,
    pull: Annotated[Array, Parameter(Normal(0.0, 1.0), "pull of", each=True)],
) -> Array:
    """$L = l N^{-a} e^{\\sum p_j s_j}$"""
    return level * N**-alpha * jnp.exp(sum(p * x for p, x in zip(pull, shares, strict=True)))


def mixing_fit(names: tuple[str, ...] = ("web", "code", "books", "talk", "maths")) -> Fit:
    """Losses over four sizes and shares of several corpora, which add to one."""
    rng = np.random.default_rng(8)
    law = mixing.over(*names)
    shares = rng.dirichlet(np.ones(len(names)), 24)
    table = pd.DataFrame(
        {"N": np.tile([1e8, 4e8, 16e8, 64e8], 6), **dict(zip(names, shares.T, strict=True))}
    )
    pulls = {f"pull_{n}": 0.3 * (i - 2) for i, n in enumerate(names)}
    return fake_fit_of(law, table, {"level": 3.0, "alpha": 0.1} | pulls)


@law(response=Loss(), citation="kaplan2020", family="test")
def kettle(
    N: Annotated[Array, Input("parameters", "1")],
    heat: Annotated[Array, Input("a setting", "1", setting=True)],
    *,
    level: Annotated[Array, Parameter(LogNormal(3.0, 0.5), "level", "nat", varies=True)],
    alpha: Positive,
    slope: Positive,
    cost: Positive,
) -> Array:
    """$L = l N^{-a} + s h + c / h$"""
    return level * N**-alpha + slope * heat + cost / heat


KETTLE = {"level": 3.0, "alpha": 0.1, "slope": 0.2, "cost": 0.1}


def kettle_fit(**options: Any) -> Fit:
    """Losses over three sizes and seven values of the setting, best near a root of a half."""
    labels = options.get("labels", {})
    names = pd.DataFrame(list(product(*labels.values())), columns=[*labels])
    rows = product([1e8, 1e9, 1e10], np.geomspace(1e-3, 1.0, 7))
    table = pd.DataFrame(rows, columns=["N", "heat"]).merge(names, "cross")
    return fake_fit_of(kettle, table, KETTLE, **options)


VALLEY = {
    "level": 2.9, "reducible": 0.4, "share_N": 0.55, "alpha": 0.34, "beta": 0.28,
    "coupling_ND": 0.7, "rate": 1.1, "rate_N": -0.5, "rate_D": 0.2, "batch": 0.9,
    "batch_N": 0.05, "batch_D": 0.4, "coupling": 0.6, "rate_cost": 0.006, "batch_cost": 0.003,
    "cost_N": -0.1, "cost_D": -0.1, "turn": 0.4, "overshoot": 1.2, "small_batch": 0.6,
    "unrest": 0.1,
}  # fmt: skip


def valley_runs() -> pd.DataFrame:
    """Sweeps of five rates and four batch sizes at three sizes and three token counts."""
    rows = product(
        [1e8, 4e8, 16e8], [2e9, 8e9, 32e9], np.geomspace(1e-4, 1e-2, 5), np.geomspace(5e4, 2e6, 4)
    )
    return pd.DataFrame(rows, columns=["N", "D", "lr", "B"])


def valley_fit(**options: Any) -> Fit:
    labels = options.get("labels", {})
    names = pd.DataFrame(list(product(*labels.values())), columns=[*labels])
    return fake_fit_of(registry["valley"], valley_runs().merge(names, "cross"), VALLEY, **options)
