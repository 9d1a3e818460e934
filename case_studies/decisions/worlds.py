"""Simulated ladders of two recipes whose truth is known, beyond the runs as well."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

ROPE = 0.01  # nat/token: the region of practical equivalence
SIZES = 20e6 * 2.0 ** np.arange(6)
RATIOS = (5.0, 10.0, 20.0, 40.0)  # tokens per parameter
SIGMA, RUNG_SD = 0.003, 0.004  # of log loss: between runs, and shared by the runs of a rung
DEAREST = 6.0 * SIZES[-1] ** 2 * RATIOS[-1]
TARGET = 30.0 * DEAREST
REACH = 1000.0
GRID = np.geomspace(DEAREST / 1e4, DEAREST * REACH, 400)
GAPS = (0.5, 1.0, 1.5, 2.0, 3.0)  # at the target, in units of the region
N0, D0 = 1e8, 2e9

Values = dict[str, float]
Mean = Callable[[np.ndarray, np.ndarray, Values], np.ndarray]


def chinchilla(n: np.ndarray, d: np.ndarray, p: Values) -> np.ndarray:
    """E + a (N/N0)^-alpha + b (D/D0)^-beta."""
    return p["E"] + p["a"] * (n / N0) ** -p["alpha"] + p["b"] * (d / D0) ** -p["beta"]


def coupled(n: np.ndarray, d: np.ndarray, p: Values) -> np.ndarray:
    """The same two terms, coupled with an exponent of .6."""
    k = 0.6
    terms = [p["a"] * (n / N0) ** -p["alpha"], p["b"] * (d / D0) ** -p["beta"]]
    return p["E"] + sum(t ** (1 / k) for t in terms) ** k


def drifting(n: np.ndarray, d: np.ndarray, p: Values) -> np.ndarray:
    """An exponent of the tokens that falls slowly with the size, as in Farseer."""
    beta = p["beta"] * (n / N0) ** -0.03
    return p["E"] + p["a"] * (n / N0) ** -p["alpha"] + p["b"] * (d / D0) ** -beta


FAMILIES: dict[str, Mean] = {"chinchilla": chinchilla, "coupled": coupled, "drifting": drifting}


@dataclass(frozen=True)
class World:
    """Two recipes with one law, their runs, and where their curves truly cross.

    Attributes
    ----------
    seed : int
    family : str
    kind : {"inside", "beyond", "never"}
        Where they cross: along the runs, beyond them, or nowhere that is looked at.
    gap : float
        Loss of b less that of a at the target, each at its own best split.
    crossing : float
        Budget; infinite where they do not cross up to a thousand times the dearest run.
    a_gains : bool
        Whether the lead of a grows with scale.
    runs : DataFrame
    recipes : dict
        Values of the family's parameters, by recipe.
    """

    seed: int
    family: str
    kind: str
    gap: float
    crossing: float
    a_gains: bool
    runs: pd.DataFrame
    recipes: dict[str, Values]


def world(seed: int, *, paired: bool = True) -> World:
    """Draw the world of a seed: family, kind and gap go round, the rest is random."""
    rng = np.random.default_rng(seed)
    family = ("chinchilla", "chinchilla", "coupled", "drifting")[seed % 4]
    kind = ("inside", "beyond", "never")[seed // 4 % 3]
    gap = GAPS[seed % len(GAPS)] * ROPE * rng.choice((-1.0, 1.0))
    mean = FAMILIES[family]
    for _ in range(10_000):
        first = recipe(rng)
        second = shifted(mean, first, gap, kind, rng)
        difference = frontier(mean, second) - frontier(mean, first)
        where = crossings(difference)
        if kind == kind_of(where) and np.isfinite(difference).all():
            break
    else:
        raise RuntimeError(f"no world of kind {kind} was found for seed {seed}")
    gains = difference[-1] > difference[0]
    crossing = where[0] if len(where) else (np.inf if (difference[-1] > 0) != gains else -np.inf)
    recipes = {"a": first, "b": second}
    tables = [runs_of(mean, p, label, rng) for label, p in recipes.items()]
    runs = rungs(tables, rng, paired)
    return World(seed, family, kind, gap, float(crossing), bool(gains), runs, recipes)


def observe(world: World, recipe: str, n: float, d: float, replicate: int) -> float:
    """Loss of any run of a world, the same whenever and in whatever order it is asked for.

    The deviation of a setting is common to the recipes and to all replicates, noise is each
    run's own; both are drawn apart from those of `world.runs`.
    """
    place, label = [int(n), int(d)], sorted(world.recipes).index(recipe)
    shared = RUNG_SD * np.random.default_rng([world.seed, 1, *place]).normal()
    own = np.random.default_rng([world.seed, 2 + replicate, label + 1, *place]).standard_t(6)
    mean = FAMILIES[world.family](np.float64(n), np.float64(d), world.recipes[recipe])
    return float(mean * np.exp(shared + SIGMA * own))


def recipe(rng: np.random.Generator) -> Values:
    """One recipe: figures such as published laws have at these sizes."""
    return {
        "E": rng.uniform(1.6, 2.0),
        "a": rng.uniform(0.6, 1.0),
        "b": rng.uniform(0.5, 0.9),
        "alpha": rng.uniform(0.28, 0.40),
        "beta": rng.uniform(0.28, 0.40),
    }


def shifted(mean: Mean, first: Values, gap: float, kind: str, rng: np.random.Generator) -> Values:
    """Another recipe: exponents and floor a few percent off, the rest by what makes the gap."""
    at = np.array([TARGET])
    wanted = frontier(mean, first, at)[0] + gap
    if kind == "never":  # a constant ratio
        scale = wanted / frontier(mean, first, at)[0]
        return {**first, **{k: first[k] * scale for k in ("E", "a", "b")}}
    moved = {k: first[k] * np.exp(0.05 * rng.normal()) for k in ("alpha", "beta")}
    moved["E"] = first["E"] * np.exp(0.01 * rng.normal())
    second = {**first, **moved}
    # what lies above the floor is in proportion to a and b, at the same best splits
    scale = (wanted - second["E"]) / (frontier(mean, second, at)[0] - second["E"])
    return {**second, **{k: second[k] * scale for k in ("a", "b")}}


def frontier(mean: Mean, p: Values, budgets: np.ndarray = GRID) -> np.ndarray:
    """Lowest loss of each budget at 6 N D: a fine grid of sizes and a parabola."""
    log_n = np.log(np.geomspace(1e5, 1e13, 1500))
    n = np.exp(log_n)[:, None]
    loss = mean(n, budgets / (6 * n), p)
    i = np.clip(loss.argmin(axis=0), 1, len(log_n) - 2)
    k = np.arange(loss.shape[1])
    below, at, above = loss[i - 1, k], loss[i, k], loss[i + 1, k]
    return at - (above - below) ** 2 / (8 * (above - 2 * at + below))


def crossings(difference: np.ndarray) -> np.ndarray:
    """Budgets where a difference changes its sign, along the runs first."""
    i = np.flatnonzero(np.sign(difference[1:]) != np.sign(difference[:-1]))
    share = difference[i] / (difference[i] - difference[i + 1])
    return GRID[i] * (GRID[i + 1] / GRID[i]) ** share


def kind_of(where: np.ndarray) -> str:
    """Kind of a world with these crossings; several are of no kind."""
    if len(where) > 1:
        return "several"
    if not len(where):
        return "never"
    return "inside" if where[0] <= DEAREST else "beyond"


def runs_of(mean: Mean, p: Values, label: str, rng: np.random.Generator) -> pd.DataFrame:
    """Runs of one recipe with noise of their own."""
    n, ratio = (g.ravel() for g in np.meshgrid(SIZES, RATIOS))
    loss = mean(n, ratio * n, p) * np.exp(SIGMA * rng.standard_t(6, size=n.size))
    return pd.DataFrame({"recipe": label, "N": n, "D": ratio * n, "loss": loss})


def rungs(tables: list[pd.DataFrame], rng: np.random.Generator, paired: bool) -> pd.DataFrame:
    """Give the runs of a rung a deviation: common to the recipes, or each its own."""
    shared = RUNG_SD * rng.normal(size=len(tables[0]))
    parts = []
    for k, table in enumerate(tables):
        own = shared if paired or k == 0 else RUNG_SD * rng.normal(size=len(table))
        moved = table.assign(loss=table["loss"] * np.exp(own))
        rung = [f"{i}" if paired else f"{table['recipe'].iloc[0]}{i}" for i in range(len(table))]
        parts.append(moved.assign(rung=rung))
    return pd.concat(parts, ignore_index=True)
