"""Filled-up tables: the same likelihood, and nothing left of what fills them up."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from numpyro import handlers

import bayes_scaling as bs
from bayes_scaling.models import registry
from bayes_scaling.posterior import ScalingModel
from bayes_scaling.posterior.nuts import Draws
from bayes_scaling.posterior.padding import (
    DIVERGED,
    LEVELS,
    ROWS,
    RUNGS,
    WIDER,
    padded,
    room,
    trimmed,
)
from bayes_scaling.program import Data, Structure, build_data
from bayes_scaling.program.program import program

LAW = registry["chinchilla"]


def table(recipes: int = 3, **options: Any) -> bs.Runs:
    cells = [(n, n * m, g) for n in (1e8, 4e8, 16e8) for m in (5, 20, 80) for g in range(recipes)]
    frame = pd.DataFrame(cells, columns=["N", "D", "recipe"])
    frame["recipe"] = frame["recipe"].map("r{}".format)
    noise = np.random.default_rng(0).normal(size=len(frame))
    frame["loss"] = (1.7 + 400 * frame["N"] ** -0.34 + 400 * frame["D"] ** -0.28) * (
        1 + 0.01 * noise
    )
    return bs.read_runs(frame, group="recipe", **options)


def sites_of(structure: Structure, seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {k: rng.uniform(0.2, 0.4, size=s.shape) for k, s in structure.sites().items()}


def log_likelihood(structure: Structure, data: Data, sites: dict[str, Any]) -> float:
    given = handlers.substitute(handlers.seed(program, 0), data=sites)
    response = handlers.trace(given).get_trace(structure, data)["response"]
    return float(response["fn"].log_prob(response["value"]).sum())


@pytest.mark.parametrize("separate", [False, True])
def test_what_fills_up_has_no_likelihood(separate: bool) -> None:
    runs = table(diverged_above=3.5)
    assert 0 < runs.diverged.sum() < DIVERGED
    pool = {"alpha": "separate"} if separate else None
    model = ScalingModel(LAW, pool=pool, rung=True)
    spec = model.spec(runs)
    filled = padded(spec, LAW, runs, groups=runs.groups)
    structure, wider = spec.structure(LAW), filled.structure(LAW)
    assert dict(wider.levels) == {"recipe": room(3, LEVELS)} == {"recipe": 4}
    assert wider.rungs == room(9, RUNGS) == 16
    assert len(filled.runs) == len(filled.kept) == ROWS
    assert filled.runs.diverged.sum() == DIVERGED
    sites = sites_of(wider, 1)
    own = {k: v[tuple(slice(n) for n in structure.sites()[k].shape)] for k, v in sites.items()}
    expected = log_likelihood(structure, build_data(spec, LAW, runs), own)
    assert log_likelihood(wider, filled.data(LAW), sites) == pytest.approx(expected, rel=1e-12)
    # and with other effects of labels that no run has
    other = {k: np.where(np.isin(v, own[k]), v, v + 0.3) for k, v in sites.items()}
    assert log_likelihood(wider, filled.data(LAW), other) == pytest.approx(expected, rel=1e-12)


def test_only_what_is_named_is_filled_up() -> None:
    runs = table()
    spec = ScalingModel(LAW).spec(runs)
    filled = padded(spec, LAW, runs)
    assert filled.spec.labels["recipe"] == spec.labels["recipe"] == ["r0", "r1", "r2"]
    assert filled.spec.references == spec.references
    kept = np.arange(len(runs)) % 2 == 0
    part = padded(spec, LAW, runs, kept)
    np.testing.assert_array_equal(part.kept, [*kept, *[False] * (ROWS - len(runs))])
    np.testing.assert_array_equal(np.asarray(part.data(LAW).copies), part.kept)


def test_spare_rows_of_curves_follow_no_other() -> None:
    step = 1000.0 * np.arange(1, 9)
    frame = pd.DataFrame({"step": np.tile(step, 2), "name": np.repeat(["a", "b"], 8)})
    frame["D"], frame["loss"] = 1e6 * frame["step"], 2.0 + 8.0 * frame["step"] ** -0.2
    runs = bs.read_runs(frame, inputs={"step": "step", "D": "D"}, run="name")
    model = ScalingModel(bs.find_law("token_curve:power"))
    spec = model.spec(runs)
    filled = padded(spec, model.law, runs)
    data = filled.data(model.law)
    assert filled.structure(model.law) == spec.structure(model.law)
    assert data.previous is not None
    assert (np.asarray(data.previous)[len(runs) :] == -1).all()
    sites = sites_of(spec.structure(model.law), 2)
    expected = log_likelihood(spec.structure(model.law), build_data(spec, model.law, runs), sites)
    found = log_likelihood(filled.structure(model.law), data, sites)
    assert found == pytest.approx(expected, rel=1e-12)


def test_sizes_are_few_and_no_table_grows_much() -> None:
    sizes = {room(n, ROWS) for n in range(1, 3001)}
    assert len(sizes) < 16
    assert all(room(n, ROWS) >= n for n in range(1, 3001))
    assert all(room(n, ROWS) <= WIDER * n + ROWS for n in range(1, 3001))
    assert [room(n, LEVELS) for n in (1, 2, 3, 5, 7)] == [2, 2, 4, 6, 10]


def test_draws_are_those_of_the_table_alone() -> None:
    runs = table()
    model = ScalingModel(LAW, rung=True)
    spec = model.spec(runs)
    structure = spec.structure(LAW)
    wider = padded(spec, LAW, runs, groups=runs.groups).structure(LAW)
    assert structure.departing == ("recipe",)
    sites = {
        k: jnp.broadcast_to(jnp.asarray(v), (2, 5, *v.shape)) for k, v in sites_of(wider, 3).items()
    }
    none = jnp.zeros((2, 5))
    drawn = trimmed(Draws(sites, sites, none, none, none, none, jnp.ones(())), structure)
    for kept in (drawn.sites, drawn.free):
        assert {k: v.shape[2:] for k, v in kept.items()} == {
            k: s.shape for k, s in structure.sites().items()
        }
    effect = "discrepancy_own_recipe"
    np.testing.assert_array_equal(drawn.sites[effect], sites[effect][:, :, :3])
