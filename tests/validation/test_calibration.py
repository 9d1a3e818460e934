"""Replicates of a calibration: shared out over devices, ranked, and redone where need be."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
import pandas as pd
import pytest
from samplers import quick

import bayes_scaling as bs
from bayes_scaling.jax_setup import devices_named
from bayes_scaling.models import registry
from bayes_scaling.posterior.batch import TOGETHER
from bayes_scaling.program import Data, Structure, build_data, draw_prior
from bayes_scaling.validation import calibration
from bayes_scaling.validation.calibration import RANKS, rank, rank_truths

LAW = registry["power_law"]


def program() -> tuple[Structure, Data]:
    frame = pd.DataFrame({"X": np.geomspace(1e6, 1e9, 12), "loss": np.linspace(3.5, 2.5, 12)})
    runs = bs.read_runs(frame, inputs={"X": "X"})
    spec = bs.ScalingModel(LAW, discrepancy=False).spec(runs)
    return spec.structure(LAW), build_data(spec, LAW, runs)


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The made-up sampler, of which no compiled program is kept."""
    monkeypatch.setattr(calibration, "sample_traced", quick)
    calibration._block.clear_cache()
    yield
    calibration._block.clear_cache()


# -- devices


@pytest.mark.parametrize("replicates", [1, 7, 20, 41, 100, 200])
@pytest.mark.parametrize("devices", [1, 2, 8])
def test_every_replicate_is_in_one_block(replicates: int, devices: int) -> None:
    unit = TOGETHER * devices
    blocks = list(calibration._blocks(replicates, unit))
    assert sorted({int(i) for block in blocks for i in block}) == list(range(replicates))
    assert sum(len(set(map(int, block))) for block in blocks) == replicates
    (size,) = {len(block) for block in blocks}  # one compiled program
    assert size % unit == 0
    assert size <= calibration.STEPS * unit
    assert len(blocks) * size < replicates + len(blocks) * unit


def test_replicates_do_not_depend_on_the_devices(made_up: None) -> None:
    structure, data = program()
    responses = {"response": 2.5 + np.random.default_rng(1).uniform(size=(16, 12))}
    keys = jax.random.split(jax.random.key(4), 16)
    devices = devices_named("cpu")
    shared = calibration._block(structure, data, responses, keys, devices=devices, together=4)
    assert len(shared["alpha"].sharding.device_set) == len(devices)
    alone = calibration._block(structure, data, responses, keys, devices=devices[:1], together=4)
    assert len(alone["alpha"].sharding.device_set) == 1
    for name, values in alone.items():
        np.testing.assert_allclose(shared[name], values, rtol=1e-12, err_msg=name)


def test_blocks_begin_before_the_one_before_them_is_ranked() -> None:
    order: list[str] = []

    def begun(i: int) -> int:
        order.append(f"begin {i}")
        return i

    for i in calibration._ahead(map(begun, range(3))):
        order.append(f"rank {i}")
    assert order == ["begin 0", "begin 1", "rank 0", "begin 2", "rank 1", "rank 2"]


# -- ranks


def from_the_prior(structure: Structure, data: Data, seed: int, count: int) -> dict[str, Any]:
    """Independent draws of the prior as those of the chains of one posterior."""
    drawn = draw_prior(structure, data, jax.random.key(seed), count)
    return {k: np.array(v) for k, v in drawn.items() if k != "response"}


class Prior:
    """Stands for the sampler: where the prior is the posterior, truths rank uniformly."""

    def __init__(self, stuck: tuple[int, ...] = ()):
        self.stuck, self.done, self.alone = stuck, 0, 0

    def block(
        self, structure: Structure, data: Data, responses: Any, keys: Any, **_: Any
    ) -> dict[str, Any]:
        shape = (len(keys), 4, 200)
        drawn = from_the_prior(structure, data, 70 + self.done, int(np.prod(shape)))
        found = {k: v.reshape(*shape, *v.shape[1:]) for k, v in drawn.items()}
        for i in self.stuck:
            found["alpha"][i, 0] += 3.0  # a chain that is somewhere else
        self.done += 1
        return found

    def redo(self, structure: Structure, data: Data, simulated: Any, key: Any) -> dict[str, Any]:
        self.alone += 1
        drawn = from_the_prior(structure, data, 90 + self.alone, 800)
        return {k: v.reshape(4, 200, *v.shape[1:]) for k, v in drawn.items()}


def ranked(monkeypatch: pytest.MonkeyPatch, sampler: Prior, **options: Any) -> Any:
    monkeypatch.setattr(calibration, "_block", sampler.block)
    monkeypatch.setattr(calibration, "_alone", sampler.redo)
    return rank_truths(*program(), seed=2, **options)


def test_truths_rank_uniformly_among_draws_of_their_prior(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    found = ranked(monkeypatch, Prior(), replicates=90, report=told.append)
    assert found.ranks.shape == (90, len(found.names))
    assert found.redone == 0
    assert told[-1] == "90 of 90 replicates, 0 redone"
    assert found.summary()["inside"].all()


def test_chains_that_disagree_are_run_again_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    sampler = Prior(stuck=(1, 2))
    found = ranked(monkeypatch, sampler, replicates=6)
    assert found.redone == sampler.alone == 2
    plain = ranked(monkeypatch, Prior(), replicates=6)
    same = (found.ranks == plain.ranks).all(axis=1)
    assert same.tolist() == [True, False, False, True, True, True]


def test_a_rank_is_that_among_nearly_independent_draws() -> None:
    draws = np.random.default_rng(5).normal(size=(4, 200))
    for truth in (-1.0, 0.0, 1.0):
        found = rank(draws, truth, ess=800.0)
        kept = draws.T.ravel()[np.linspace(0, 799, RANKS).astype(int)]
        assert abs(found - (kept < truth).mean()) < 1.5 / RANKS
