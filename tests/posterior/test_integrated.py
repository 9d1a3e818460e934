"""Effects that are integrated out: which can be, and that the rest keeps its density."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

import bayes_scaling as bs
from bayes_scaling import find_law
from bayes_scaling.errors import UsageError
from bayes_scaling.posterior.coordinates import Coordinates, Point
from bayes_scaling.program import Data, Structure, build_data, build_spec
from bayes_scaling.program.integrable import integrable
from bayes_scaling.runs import Runs, read_runs

EFFECT = "level_effect_recipe"


def runs_of(seed: int = 0) -> Runs:
    rng = np.random.default_rng(seed)
    n = np.tile(np.geomspace(1e8, 1e9, 5), 3)
    level = np.repeat(np.exp(0.05 * rng.normal(size=3)), 5)
    loss = level * (1.7 + 60 * n**-0.25) * np.exp(0.01 * rng.normal(size=15))
    d = n * rng.uniform(10, 40, size=15)
    frame = pd.DataFrame({"N": n, "D": d, "recipe": np.repeat(["a", "b", "c"], 5), "loss": loss})
    return read_runs(frame, group="recipe")


def built(runs: Runs, **options: Any) -> tuple[Structure, Data]:
    law = find_law(options.pop("law", "chinchilla"))
    usual = {"rung": False, "discrepancy": False, "noise": "lognormal"}
    spec = build_spec(law, runs, **{**usual, **options})
    return spec.structure(law), build_data(spec, law, runs)


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({}, (EFFECT,)),  # its log is added to the log mean
        ({"rung": True}, (EFFECT,)),
        ({"discrepancy": True}, (EFFECT,)),
        ({"law": "kaplan:no_floor"}, (EFFECT,)),
    ],
)
def test_which_effects_means_are_linear_in(options: dict[str, Any], wanted: Any) -> None:
    assert integrable(*built(runs_of(), **options)) == wanted


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"noise": "student-t"}, "the noise is student-t"),
        ({"noise": "upper-frontier"}, "the noise is upper-frontier"),
        ({"noise": "normal"}, "law chinchilla is linear in no effect"),
        ({"pool": {"level": "complete"}}, "law chinchilla is linear in no effect"),
    ],
)
def test_what_cannot_be_integrated_out_is_refused(options: dict[str, Any], reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        integrable(*built(runs_of(), **options))


@pytest.mark.parametrize("options", [{}, {"rung": True}, {"discrepancy": True}])
def test_the_density_is_that_of_all_else(options: dict[str, Any]) -> None:
    """Integrated by quadrature over the effect of each group: they are independent."""
    structure, data = built(runs_of(), **options)
    structure = replace(structure, integrated=integrable(structure, data))
    coordinates = Coordinates(structure, data)
    rng = np.random.default_rng(1)
    t = coordinates.t0 + 0.05 * jnp.asarray(rng.normal(size=coordinates.n_t))
    point = Point(coordinates.eta0, t, jnp.zeros(coordinates.n_rungs))
    lin = jax.jit(lambda: coordinates.linearise(t, coordinates.weights(point)))()
    to_point = jax.jit(lambda x: coordinates.to_point(x, lin)[0])
    posterior = jax.jit(jax.vmap(coordinates.log_posterior))
    levels = level_places(coordinates)
    assert coordinates.size == coordinates.eta0.size + t.size + coordinates.n_rungs - levels.size
    grid = jnp.linspace(-0.1, 0.1, 4001)

    def integral(centre: Point) -> float:
        total = (1 - levels.size) * float(coordinates.log_posterior(centre))
        for place in levels:
            ts = jnp.repeat(centre.t[None], grid.size, axis=0).at[:, place].add(grid)
            eta, u = (jnp.repeat(a[None], grid.size, axis=0) for a in (centre.eta, centre.u))
            total += float(jax.scipy.special.logsumexp(posterior(Point(eta, ts, u))))
        return total

    moves = jnp.asarray(rng.normal(size=(2, coordinates.size - coordinates.n_eta)))
    one, other = (jnp.append(coordinates.eta0, z) for z in moves)
    found = coordinates.log_density(one, lin) - coordinates.log_density(other, lin)
    # the Jacobian of all else depends on the scales alone, which are the same
    wanted = integral(to_point(one)) - integral(to_point(other))
    assert float(found) == pytest.approx(wanted, abs=1e-6)


def level_places(coordinates: Coordinates) -> np.ndarray:
    """Places of the effects on the level among centres and effects."""
    sites = coordinates.structure.sites()
    zero, one = (
        coordinates.flat({k: jnp.full(s.shape, v * (k == EFFECT)) for k, s in sites.items()})[0]
        for v in (0.0, 1.0)
    )
    return np.flatnonzero(np.asarray(zero != one))


def test_draws_are_those_of_the_whole_posterior() -> None:
    model = bs.ScalingModel(find_law("power_law"), rung=False, discrepancy=False, noise="lognormal")
    rng = np.random.default_rng(5)
    x = np.tile(np.geomspace(1, 1e3, 10), 4)
    loss = (
        np.repeat([2.0, 2.1, 1.9, 2.05], 10) * (0.6 + x**-0.3) * np.exp(0.01 * rng.normal(size=40))
    )
    frame = pd.DataFrame({"X": x, "loss": loss, "recipe": np.repeat(list("abcd"), 10)})
    runs = bs.read_runs(frame, inputs={"X": "X"}, group="recipe")
    whole, parts = (model.fit(runs, seed=3, integrate=choice) for choice in (False, True))
    for name in ("level", EFFECT, "level_sd_recipe", "alpha", "sigma"):
        one, other = (fit.posterior[name] for fit in (whole, parts))
        sd = one.std(("chain", "draw"))
        assert float(np.abs((one - other).mean(("chain", "draw")) / sd).max()) < 0.12, name
        assert float(np.abs(np.log(other.std(("chain", "draw")) / sd)).max()) < 0.12, name
    assert parts.tree["sample_stats"]["diverging"].sum() == 0
