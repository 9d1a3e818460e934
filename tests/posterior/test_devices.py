"""Chains and batches shared out over devices."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

import bayes_scaling as bs
from bayes_scaling import jax_setup
from bayes_scaling.errors import UsageError
from bayes_scaling.jax_setup import devices_named, on_one_device, usable_cores
from bayes_scaling.posterior.compiled import draw
from bayes_scaling.posterior.devices import shared_out, used
from bayes_scaling.posterior.nuts import Settings
from bayes_scaling.program import build_data

TWO = len(jax.devices("cpu")) >= 2
several = pytest.mark.skipif(not TWO, reason="JAX shows a single CPU device")


def test_there_is_a_device_a_core() -> None:
    wanted = os.environ.get("JAX_NUM_CPU_DEVICES")
    assert len(jax.devices("cpu")) == int(
        wanted or min(usable_cores(), jax_setup.MOST_HOST_DEVICES)
    )
    assert devices_named("auto") == devices_named("cpu") == tuple(jax.devices("cpu"))


def test_a_default_device_is_the_only_one_used() -> None:
    last = jax.devices("cpu")[-1]
    with jax.default_device(last):
        assert devices_named("auto") == (last,)
    assert on_one_device(devices_named, ("auto",)) == (jax.devices("cpu")[0],)


def test_unknown_devices_are_refused() -> None:
    with pytest.raises(UsageError, match="it must be auto, cpu or gpu"):
        devices_named("tpu")  # type: ignore[arg-type]


def test_devices_that_came_too_late_are_not_shared() -> None:
    """XLA ends a process whose devices wait long, unless it is told before it is used."""
    code = (
        "import jax; jax.devices();"
        "from bayes_scaling.jax_setup import devices_named; print(len(devices_named('auto')))"
    )
    env = {k: v for k, v in os.environ.items() if k not in ("JAX_NUM_CPU_DEVICES", "XLA_FLAGS")}
    env["XLA_FLAGS"] = "--xla_force_host_platform_device_count=2"
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["1"]


@pytest.mark.parametrize(("size", "wanted"), [(4, 4), (6, 3), (5, 1), (2, 2), (1, 1)])
def test_as_many_devices_as_divide_the_work(size: int, wanted: int) -> None:
    assert used(tuple(range(4)), size) == tuple(range(wanted))


@several
def test_shares_come_together_in_order() -> None:
    devices = devices_named("cpu")[:2]

    def scaled(factor: Any, rows: Any) -> Any:
        return {"twice": factor * rows, "place": jnp.full(len(rows), rows[0])}

    rows = jnp.arange(6.0)
    found = jax.jit(shared_out(scaled, devices, 6, common=1))(jnp.asarray(2.0), rows)
    np.testing.assert_array_equal(found["twice"], 2.0 * rows)
    np.testing.assert_array_equal(found["place"], [0, 0, 0, 3, 3, 3])


@several
def test_chains_on_two_devices_draw_the_same_posterior() -> None:
    """Also draws of their own: chains of one device must not be those of the other."""
    rng = np.random.default_rng(2)
    x = np.geomspace(1, 1e3, 30)
    loss = (0.6 + x**-0.3) * np.exp(0.02 * rng.normal(size=30))
    runs = bs.read_runs(pd.DataFrame({"X": x, "loss": loss}), inputs={"X": "X"})
    law = bs.find_law("power_law")
    spec = bs.ScalingModel(law, discrepancy=False).spec(runs)
    structure, data = spec.structure(law), build_data(spec, law, runs)
    settings = Settings(chains=4, draws=600, warmup=300)
    devices = devices_named("cpu")[:2]
    one, two = (
        draw(structure, data, settings, 1, devices=chosen)[0] for chosen in (devices[:1], devices)
    )
    assert two.free["alpha"].shape == (4, 600)
    assert two.diverging.sum() == 0
    assert len(np.unique(np.asarray(two.free["alpha"])[:, 0])) == 4
    for name in ("alpha", "level", "sigma"):
        first, second = (np.asarray(drawn.free[name]) for drawn in (one, two))
        assert abs(first.mean() - second.mean()) < 0.15 * first.std(), name
        assert abs(np.log(first.std() / second.std())) < 0.15, name
