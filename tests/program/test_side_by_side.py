"""Rows of groups side by side: the same density, whatever the order of the table."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from numpyro.infer.util import potential_energy

from bayes_scaling import find_law
from bayes_scaling.posterior.coordinates import Coordinates, Point
from bayes_scaling.program import Data, Structure, build_data, build_spec, program
from bayes_scaling.program.side_by_side import side_by_side
from bayes_scaling.runs import Runs, read_runs


def table(groups: int = 10, seed: int = 0) -> pd.DataFrame:
    """Four to six runs a group, shuffled, at common rungs."""
    rng = np.random.default_rng(seed)
    count = rng.integers(4, 7, size=groups)
    name = np.repeat([f"g{i}" for i in range(groups)], count)
    n = rng.choice(np.geomspace(1e8, 1e9, 4), size=name.size)
    loss = 1.7 + 60 * n**-0.25 + 0.01 * rng.normal(size=name.size)
    frame = pd.DataFrame({"N": n, "D": 20 * n, "recipe": name, "loss": loss})
    return frame.sample(frac=1.0, random_state=seed).reset_index(drop=True)


def built(runs: Runs, **options: Any) -> tuple[Structure, Data]:
    law = find_law("chinchilla")
    spec = build_spec(law, runs, discrepancy=options.pop("discrepancy", False), **options)
    return spec.structure(law), build_data(spec, law, runs)


def densities(one: tuple[Structure, Data], other: tuple[Structure, Data]) -> tuple[float, float]:
    """Log densities of two programs at the same sites, on the unconstrained scale."""
    rng = np.random.default_rng(3)
    sites = {k: jnp.asarray(0.3 * rng.normal(size=s.shape)) for k, s in one[0].sites().items()}
    found, wanted = (-float(potential_energy(program, given, {}, sites)) for given in (one, other))
    return found, wanted


OPTIONS: dict[str, dict[str, Any]] = {
    "groups": {"rung": False},
    "rungs": {"rung": True},
    "discrepancy": {"rung": False, "discrepancy": True},
    "capped": {"rung": False, "effective_runs": 3.0},
}


@pytest.mark.parametrize("name", OPTIONS)
def test_the_density_stays(name: str) -> None:
    runs = read_runs(table(), group="recipe")
    structure, data = built(runs, **OPTIONS[name])
    laid, rows = side_by_side(structure, data)
    assert laid.side_by_side == ("recipe", 6)
    assert rows.response.shape == (60,)
    # unequal groups are filled up with rows that have no likelihood
    assert rows.copies is not None
    assert float(jnp.sum(rows.copies > 0)) == len(runs)
    found, wanted = densities((laid, rows), (structure, data))
    assert found == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize("name", OPTIONS)
def test_the_coordinates_stay(name: str) -> None:
    structure, data = built(read_runs(table(), group="recipe"), **OPTIONS[name])
    found = []
    for own_structure, own_data in ((structure, data), side_by_side(structure, data)):
        coordinates = Coordinates(own_structure, own_data)
        rng = np.random.default_rng(5)
        t = coordinates.t0 + 0.1 * jnp.asarray(rng.normal(size=coordinates.n_t))
        point = Point(coordinates.eta0, t, jnp.zeros(coordinates.n_rungs))
        lin = coordinates.linearise(t, coordinates.weights(point))
        x = jnp.append(
            coordinates.eta0, jnp.asarray(rng.normal(size=coordinates.size - coordinates.n_eta))
        )
        found.append(float(coordinates.log_density(x, lin)))
    assert found[0] == pytest.approx(found[1], rel=1e-10)


def test_diverged_runs_keep_their_places() -> None:
    frame = table()
    frame.loc[[2, 9], "loss"] = np.inf
    structure, data = built(read_runs(frame, group="recipe", diverged_above=9.0), rung=False)
    laid, rows = side_by_side(structure, data)
    assert laid.side_by_side
    assert rows.diverged is not None
    np.testing.assert_array_equal(rows.response[rows.diverged], data.response[data.diverged])
    found, wanted = densities((laid, rows), (structure, data))
    assert found == pytest.approx(wanted, rel=1e-12)


def test_equal_groups_need_no_filling() -> None:
    frame = table().groupby("recipe").head(4)
    structure, data = built(read_runs(frame, group="recipe"), rung=False)
    laid, rows = side_by_side(structure, data)
    assert laid.side_by_side == ("recipe", 4)
    assert rows.copies is None


@pytest.mark.parametrize("why", ["few groups", "unequal groups", "nothing pooled"])
def test_programs_that_would_not_gain_stay_as_they_are(why: str) -> None:
    frame = table(groups=5 if why == "few groups" else 10)
    if why == "unequal groups":
        frame = pd.concat([frame, *[frame[frame["recipe"] == "g1"]] * 8])
    options = {"pool": dict.fromkeys(("level", "alpha", "beta"), "complete")}
    runs = read_runs(frame, group="recipe")
    structure, data = built(runs, rung=False, **(options if why == "nothing pooled" else {}))
    laid, rows = side_by_side(structure, data)
    assert laid is structure
    assert rows is data
    assert replace(laid, side_by_side=None) == structure
