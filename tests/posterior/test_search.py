"""The start of the sampler: the mode of laws that have a say in the noise."""

from __future__ import annotations

from typing import Annotated

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from jax import Array
from scipy import optimize

from bayes_scaling.law import Input, Law, LogNormal, Loss, Normal, Parameter, law
from bayes_scaling.models import registry
from bayes_scaling.posterior.coordinates import Coordinates
from bayes_scaling.posterior.search import Start, find_start
from bayes_scaling.program import build_data, build_spec
from bayes_scaling.runs import read_runs

TRUTHS = {
    "bowl": {"level": 3.0, "best": 0.4, "cost": 0.05, "unrest": 0.4},
    "rate_valley": {
        "level": 3.0, "reducible": 0.4, "share_N": 0.5, "alpha": 0.3, "beta": 0.35, "rate": 1.3,
        "rate_N": -0.25, "rate_D": 0.1, "rate_cost": 0.008, "overshoot": 1.2, "unrest": 0.2,
    },
}  # fmt: skip
SIGMA = 0.003


@law(
    response=Loss(),
    citation="bjorck2024",
    family="test",
    scatter=lambda x, p: p["unrest"] * p["cost"] * (jnp.log(x["lr"]) - p["best"]) ** 2,
)
def bowl(
    lr: Annotated[Array, Input("learning rate", "")],
    *,
    level: Annotated[Array, Parameter(LogNormal(1.0, 0.5, scale="median"), "loss at the best")],
    best: Annotated[Array, Parameter(Normal(0.0, 1.0), "log of the best rate")],
    cost: Annotated[Array, Parameter(LogNormal(0.02, 1.0), "relative loss of an e-fold")],
    unrest: Annotated[Array, Parameter(LogNormal(0.1, 1.0), "noise, a share of that loss")],
) -> Array:
    r"""$L e^{c (\\log x - b)^2}$"""
    return level * jnp.exp(cost * (jnp.log(lr) - best) ** 2)


def sweep(chosen: Law, seed: int) -> pd.DataFrame:
    """Ten rungs at six learning rates, noisier far from the best rate."""
    rng, truth = np.random.default_rng(seed), TRUTHS[chosen.name]
    n, d = np.repeat(np.geomspace(5e7, 2e9, 5), 2), np.tile([3e9, 3e10], 5) * np.repeat([1, 2], 5)
    frame = pd.DataFrame({"N": np.repeat(n, 6), "D": np.repeat(d, 6)})
    frame["lr"] = np.tile(np.geomspace(2e-4, 1e-2, 6), 10) * np.exp(0.2 * rng.normal(size=60))
    frame = frame[list(chosen.inputs)]
    x = {k: jnp.asarray(v / np.exp(np.log(v).mean())) for k, v in frame.items()}
    spread = np.hypot(SIGMA, chosen.extra_spread(x, truth))
    mean = np.asarray(chosen.mean(x, truth))
    return frame.assign(loss=mean * np.exp(spread * rng.normal(size=60)))


@pytest.fixture(
    scope="module", params=["bowl", pytest.param("rate_valley", marks=pytest.mark.slow)]
)
def found(request: pytest.FixtureRequest) -> tuple[Coordinates, Start]:
    chosen = bowl if request.param == "bowl" else registry["rate_valley"]
    runs = read_runs(sweep(chosen, 3), inputs={k: k for k in chosen.inputs})
    spec = build_spec(chosen, runs, rung=False, noise="lognormal")
    structure, data = spec.structure(chosen), build_data(spec, chosen, runs)
    start = jax.jit(find_start, static_argnums=0)(structure, data, jax.random.key(0))
    return Coordinates(structure, data), start


def test_the_start_is_the_mode(found: tuple[Coordinates, Start]) -> None:
    """As SciPy's BFGS finds it from there and from around it, in the sampler's coordinates."""
    coordinates, start = found
    down = jax.jit(jax.value_and_grad(lambda x: -coordinates.log_density(x, start.linearised)))

    def slope(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        value, gradient = down(jnp.asarray(x))
        return np.asarray(value), np.asarray(gradient)

    def search(x: np.ndarray) -> float:
        with np.errstate(invalid="ignore", over="ignore"):
            return -float(optimize.minimize(slope, x, jac=True, method="BFGS").fun)

    centre, rng = np.asarray(start.frame.centre), np.random.default_rng(1)
    here = -float(slope(centre)[0])
    others = [search(centre), *(search(centre + rng.normal(size=centre.size)) for _ in range(3))]
    assert max(others) - here < 0.02, (here, others)


def test_the_start_is_near_the_truth(found: tuple[Coordinates, Start]) -> None:
    coordinates, start = found
    point = coordinates.to_point(start.frame.centre, start.linearised)[0]
    free, truth = coordinates.free(point), TRUTHS[coordinates.structure.law.name]
    assert float(jnp.exp(free["sigma"])) == pytest.approx(SIGMA, rel=0.6)
    assert float(jnp.exp(free["level"])) == pytest.approx(truth["level"], rel=0.02)
    cost = "cost" if "cost" in truth else "rate_cost"
    assert float(jnp.exp(free[cost])) == pytest.approx(truth[cost], rel=0.3)
    assert float(jnp.exp(free["unrest"])) == pytest.approx(truth["unrest"], rel=0.5)
