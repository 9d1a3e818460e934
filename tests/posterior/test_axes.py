"""Common axes of ``s P + Q`` against its Cholesky root, at scales far from the usual one."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

from bayes_scaling import ScalingModel, find_law
from bayes_scaling.posterior.arrow import Split
from bayes_scaling.posterior.axes import axes_of
from bayes_scaling.posterior.coordinates import Coordinates
from bayes_scaling.program import build_data
from bayes_scaling.runs import Runs, read_runs

RNG = np.random.default_rng(3)
DESIGN = RNG.normal(size=(30, 4)) * np.array([1.0, 0.3, 5.0, 0.02])
RUNS = DESIGN.T @ DESIGN
PRIOR = np.diag([1.0, 0.5, 0.0, 2.0])  # one direction that the prior says nothing about
MOMENT, PRIOR_MOMENT, VECTOR = RNG.normal(size=(3, 4))


def split(vector: np.ndarray) -> Split:
    return Split(jnp.zeros((0, 1)), jnp.asarray(vector))


@pytest.mark.parametrize("scale", [1e-2, 1.0, 37.0, 1e6])
def test_axes_are_a_root_of_the_precision_at_every_scale(scale: float) -> None:
    axes = axes_of(*map(jnp.asarray, (RUNS, MOMENT, PRIOR, PRIOR_MOMENT)), usual=jnp.asarray(10.0))
    root, half = axes.at(jnp.asarray(scale))
    dense = scale * RUNS + PRIOR
    covariance = np.linalg.inv(dense)
    np.testing.assert_allclose(root.inverse().border, covariance, rtol=1e-7, atol=1e-12)
    mean = root.solve_transposed(half).border
    np.testing.assert_allclose(mean, covariance @ (scale * MOMENT + PRIOR_MOMENT), rtol=1e-7)
    assert float(root.log_det()) == pytest.approx(0.5 * np.linalg.slogdet(dense)[1], rel=1e-9)
    there = root.times_transposed(split(VECTOR))
    np.testing.assert_allclose(root.solve_transposed(there).border, VECTOR, rtol=1e-9)
    drawn = np.asarray(root.solve_transposed(split(VECTOR)).border)
    assert drawn @ dense @ drawn == pytest.approx(VECTOR @ VECTOR, rel=1e-9)


@pytest.mark.parametrize(
    ("group", "rung", "one"), [((), False, True), (("recipe",), False, False), ((), True, False)]
)
def test_only_programs_without_effects_have_axes(
    group: tuple[str, ...], rung: bool, one: bool
) -> None:
    model = ScalingModel(find_law("chinchilla"), rung=rung, discrepancy=False)
    runs = table(group)
    spec = model.spec(runs)
    coordinates = Coordinates(spec.structure(model.law), build_data(spec, model.law, runs))
    assert coordinates.one_scale is one


def table(group: tuple[str, ...]) -> Runs:
    """Synthetic runs: two recipes and three seeds at each of four sizes."""
    size = np.tile(np.repeat(np.geomspace(1e8, 1e9, 4), 3), 2)
    loss = 2.0 + 50 * size**-0.25 + 0.01 * RNG.normal(size=size.size)
    recipe = np.repeat(["adamw", "muon"], size.size // 2)
    frame = pd.DataFrame({"N": size, "D": 20 * size, "loss": loss, "recipe": recipe})
    return read_runs(frame, group=group)
