"""The sampler's coordinates: invertible, and of the same density as the program."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from jax.flatten_util import ravel_pytree
from numpyro.infer.util import constrain_fn, log_density, potential_energy

from bayes_scaling import find_law
from bayes_scaling.posterior.coordinates import Coordinates, Linearised, Point
from bayes_scaling.program import Data, Structure, build_data, build_spec, program
from bayes_scaling.runs import read_runs


def runs_of(groups: tuple[str, ...]) -> Any:
    """Twelve runs: two recipes at six rungs, three corpora across both."""
    rng = np.random.default_rng(3)
    n = np.tile(np.geomspace(1e8, 3e9, 6), 2)
    d = 20 * n * np.tile([1.0, 0.4, 2.0, 0.7, 1.5, 3.0], 2)
    loss = 1.7 + 60 * n**-0.25 + 90 * d**-0.25 + 0.003 * rng.normal(size=12)
    columns = {"N": n, "D": d, "loss": loss, "se": np.linspace(0.001, 0.004, 12)}
    columns |= {"recipe": np.repeat(["adamw", "muon"], 6), "corpus": ["web", "books", "code"] * 4}
    return read_runs(pd.DataFrame(columns), group=groups, se="se")


def curves_of(groups: tuple[str, ...]) -> Any:
    """Three runs of two recipes, of unequal length and at uneven steps."""
    rng = np.random.default_rng(4)
    rows = {"a": [1, 2, 4, 7, 9], "b": [1, 3, 5, 6], "c": [2, 4, 8]}
    names = [name for name, steps in rows.items() for _ in steps]
    step = 1000.0 * np.concatenate(list(rows.values()))
    frame = pd.DataFrame({"step": step, "D": 1e6 * step, "name": names})
    frame["loss"] = 2.0 + 8.0 * step**-0.2 + 0.01 * rng.normal(size=step.size)
    frame["recipe"] = np.where(frame["name"] == "b", "muon", "adamw")
    peaks = {"a": "1e-3,steps=9000", "b": "5e-4,steps=7000,final=1e-4", "c": "2e-3,steps=8000"}
    frame["plan"] = [f"cosine:warmup=500,peak={peaks[name]}" for name in names]
    inputs = {"step": "step", "D": "D"}
    return read_runs(frame, inputs=inputs, run="name", schedule="plan", group=groups)


def sweep_of(groups: tuple[str, ...]) -> Any:
    """A sweep of learning rates at four rungs: some runs diverged, some rates are not known."""
    rng = np.random.default_rng(5)
    n, d = np.repeat([1e8, 1e8, 4e8, 8e8], 4), np.repeat([2e9, 9e9, 4e9, 2e10], 4)
    lr = np.tile([3e-4, 1e-3, 3e-3, 1e-2], 4)
    loss = 1.7 + 60 * n**-0.25 + 90 * d**-0.25 + 0.2 * np.log10(lr / 1e-3) ** 2
    loss = loss + 0.003 * rng.normal(size=n.size)
    frame = pd.DataFrame({"N": n, "D": d, "lr": lr, "loss": loss})
    frame.loc[[3, 11], "loss"] = [np.inf, 30.0]
    frame["rough"] = np.arange(16) % 5 == 0
    frame.loc[frame["rough"], "lr"] = np.nan
    frame["recipe"] = ["adamw", "muon"] * 8
    inputs = {k: k for k in ("N", "D", "lr")}
    options: dict[str, Any] = {"untuned": "rough", "diverged_above": 8.0}
    return read_runs(frame, inputs=inputs, group=groups, **options)


TABLES = {"runs": runs_of, "curves": curves_of, "sweep": sweep_of}
CHOICES: dict[str, dict[str, Any]] = {
    "single": {"groups": ()},
    "single kaplan": {"groups": (), "law": "kaplan"},
    "single without a floor": {"groups": (), "law": "kaplan:no_floor", "noise": "normal"},
    "rungs without groups": {"groups": (), "rung": True},
    "pooled": {"rung": False},
    "pooled and rungs": {"rung": True},
    "tied, pooled and rungs": {"law": "chinchilla:tied", "rung": True, "noise": "lognormal"},
    "two columns": {"groups": ("recipe", "corpus"), "rung": True},
    "separate": {"pool": dict.fromkeys(("level", "alpha", "beta"), "separate")},
    "all separate": {
        "pool": dict.fromkeys(("level", "reducible", "share_N", "alpha", "beta"), "separate")
    },
    "separate shares, one exponent": {
        "pool": {"share_N": "separate", "reducible": "separate", "alpha": "complete"}
    },
    "separate over one column, partial over the other": {
        "groups": ("recipe", "corpus"),
        "pool": {"reducible": {"recipe": "separate"}, "alpha": {"recipe": "separate"}},
    },
    "separate over different columns": {
        "groups": ("recipe", "corpus"),
        "pool": {"reducible": {"recipe": "separate"}, "alpha": {"corpus": "separate"}},
    },
    "shares separate over different columns": {
        "groups": ("recipe", "corpus"),
        "pool": {"reducible": {"recipe": "separate"}, "share_N": {"corpus": "separate"}},
    },
    "own group sds": {"rung": False, "group_sd": {"alpha": 0.02, "level": {"recipe": 0.1}}},
    "curves": {"table": "curves", "law": "token_curve", "groups": ()},
    "curves in turns with rungs": {
        "table": "curves", "law": "token_curve", "noise": "lognormal", "rung": True,
    },
    "pooled curves of a scheduled law": {"table": "curves", "law": "annealing"},
    "sweep": {"table": "sweep", "law": "rate_valley", "groups": (), "rung": True},
    "pooled sweep, raw noise": {"table": "sweep", "law": "rate_valley", "noise": "student-t-raw"},
    "single with a discrepancy": {"groups": (), "discrepancy": True},
    "pooled and rungs with a discrepancy": {"rung": True, "discrepancy": True},
    "two columns with a discrepancy, evidence capped": {
        "groups": ("recipe", "corpus"), "discrepancy": True, "rung": False, "effective_runs": 2.5,
    },
    "sweep with a discrepancy": {"table": "sweep", "law": "rate_valley", "discrepancy": True},
}  # fmt: skip


@dataclass(frozen=True)
class Setting:
    """A program, its coordinates linearised at some point, and a point in them."""

    structure: Structure
    data: Data
    coordinates: Coordinates
    linearised: Linearised
    x: jax.Array


@pytest.fixture(params=CHOICES, scope="module")
def setting(request: pytest.FixtureRequest) -> Setting:
    usual = {"groups": ("recipe",), "law": "chinchilla", "table": "runs", "discrepancy": False}
    options = usual | CHOICES[request.param]
    table = options.pop("table")
    runs, law = TABLES[table](options.pop("groups")), find_law(options.pop("law"))
    spec = build_spec(law, runs, **options)
    # the table brings what it is there for
    assert spec.serial == (table == "curves")
    assert spec.settling == bool(spec.walks) == options["discrepancy"]
    assert (spec.bound is not None) == spec.untuned == (table == "sweep")
    assert (law.scatter is not None) == (table == "sweep" or law.scheduled)
    structure, data = spec.structure(law), build_data(spec, law, runs)
    coordinates = Coordinates(structure, data)
    rng = np.random.default_rng(8)
    # away from the prior's centre, with unequal weights
    t = coordinates.t0 + 0.2 * jnp.asarray(rng.normal(size=coordinates.n_t))
    u = 0.01 * jnp.asarray(rng.normal(size=coordinates.n_rungs))
    point = Point(coordinates.eta0, t, u)
    linearised = coordinates.linearise(t, coordinates.weights(point))
    moves = jnp.asarray(rng.normal(size=coordinates.size))
    x = jnp.concatenate(
        [coordinates.eta0 + 0.3 * moves[: coordinates.n_eta], moves[coordinates.n_eta :]]
    )
    return Setting(structure, data, coordinates, linearised, x)


def test_every_site_has_coordinates(setting: Setting) -> None:
    sites = setting.structure.sites()
    size = sum(int(np.prod(site.shape)) for site in sites.values())
    assert setting.coordinates.size == size == setting.x.size
    point, _ = setting.coordinates.to_point(setting.x, setting.linearised)
    free = setting.coordinates.free(point)
    assert {k: v.shape for k, v in free.items()} == {k: s.shape for k, s in sites.items()}


def test_the_maps_are_inverse(setting: Setting) -> None:
    coordinates, linearised = setting.coordinates, setting.linearised
    point, _ = coordinates.to_point(setting.x, linearised)
    # rounding grows with the condition of the precision, about 1e6
    np.testing.assert_allclose(coordinates.to_x(point, linearised), setting.x, atol=1e-7)
    back, _ = coordinates.to_point(coordinates.to_x(point, linearised), linearised)
    for found, wanted in zip(back, point, strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-8)


def test_log_determinant_is_that_of_the_map_to_the_sites(setting: Setting) -> None:
    coordinates, linearised = setting.coordinates, setting.linearised

    def to_sites(x: jax.Array) -> jax.Array:
        return ravel_pytree(coordinates.free(coordinates.to_point(x, linearised)[0]))[0]

    jacobian = jax.jit(jax.jacfwd(to_sites))(setting.x)
    assert jacobian.shape == (coordinates.size, coordinates.size)
    sign_and_size = jnp.linalg.slogdet(jacobian)
    _, log_det = coordinates.to_point(setting.x, linearised)
    assert abs(float(sign_and_size[0])) == 1.0
    assert float(log_det) == pytest.approx(float(sign_and_size[1]), abs=1e-8)

    point, _ = coordinates.to_point(setting.x, linearised)
    arguments = (setting.structure, setting.data)
    potential = potential_energy(program, arguments, {}, coordinates.free(point))
    found = coordinates.log_density(setting.x, linearised)
    assert float(found) == pytest.approx(float(sign_and_size[1] - potential), rel=1e-10)


def test_density_is_that_of_the_priors_on_the_natural_scale(setting: Setting) -> None:
    """Change of variables from the sampler all the way to the sites that priors are on."""
    coordinates, linearised = setting.coordinates, setting.linearised
    arguments = (setting.structure, setting.data)

    def natural(x: jax.Array) -> dict[str, jax.Array]:
        point, _ = coordinates.to_point(x, linearised)
        return constrain_fn(program, arguments, {}, coordinates.free(point))

    jacobian = jax.jit(jax.jacfwd(lambda x: ravel_pytree(natural(x))[0]))(setting.x)
    on_natural_scale, _ = log_density(program, arguments, {}, natural(setting.x))
    expected = float(on_natural_scale) + float(jnp.linalg.slogdet(jacobian)[1])
    found = float(coordinates.log_density(setting.x, linearised))
    assert np.isfinite(expected)
    assert found == pytest.approx(expected, rel=1e-10)


def test_log_posterior_of_a_loss_that_is_not_finite_is_minus_infinity(setting: Setting) -> None:
    point, _ = setting.coordinates.to_point(setting.x, setting.linearised)
    broken = point._replace(t=point.t.at[0].set(jnp.nan))
    # compiled, as the sampler runs it: NumPyro checks values that it can see
    assert float(jax.jit(setting.coordinates.log_posterior)(broken)) == -np.inf
