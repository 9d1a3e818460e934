"""Simulation-based calibration (Talts et al. 2018) with simultaneous ECDF bands."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import numpy as np
import pandas as pd
from arviz_stats.base import array_stats
from jax import Array
from jaxtyping import Bool, Float, Int

from bayes_scaling.errors import UsageError
from bayes_scaling.jax_setup import DeviceName, devices_named, one_thread_linear_algebra
from bayes_scaling.posterior.batch import together_on
from bayes_scaling.posterior.devices import shared_out
from bayes_scaling.posterior.model import ScalingModel
from bayes_scaling.posterior.nuts import Settings, sample_traced
from bayes_scaling.program import Data, Structure, build_data, draw_prior
from bayes_scaling.runs import Runs

STEPS = 5  # of as many replicates as all devices work on at once, in one call
RANKS = 100  # draws that each rank is taken among, after thinning
SETTLED_RHAT = 1.05
SETTINGS = Settings(chains=4, draws=200, warmup=200, target_accept=0.9, max_depth=8)
LONGER = Settings(chains=4, draws=2000, warmup=1500, target_accept=0.97, max_depth=10)
GRID = np.linspace(0.02, 0.98, 49)
KNOWN = 20  # smallest simulated probabilities below which the tail is extrapolated


@dataclass(frozen=True, eq=False)
class Calibration:
    """Ranks of true values among posterior draws, over tables simulated from the prior.

    Attributes
    ----------
    names : list of str
        Quantities.
    ranks : array, shape (replicates, quantities)
        From 0 to 1; uniform where the posterior is calibrated.
    redone : int
        Replicates whose chains had not settled, and were run again for longer.
    """

    names: list[str]
    ranks: Float[np.ndarray, "replicates quantities"]
    redone: int = 0

    def p_values(self) -> dict[str, float]:
        """Chance that uniform ranks leave a band as wide as these do, by quantity."""
        return {name: p_value(self.ranks[:, j]) for j, name in enumerate(self.names)}

    def summary(self, level: float = 0.01) -> pd.DataFrame:
        """One row a quantity: mean rank, p-value, coverage, and whether it keeps to the band.

        Parameters
        ----------
        level : float
            Chance that a calibrated posterior leaves the band in any quantity.
        """
        p = self.p_values()
        table = pd.DataFrame({"name": list(p), "mean_rank": self.ranks.mean(0), "p": p.values()})
        for share in (0.5, 0.9):
            table[f"held_{100 * share:.0f}"] = self.coverage(share)
        return table.assign(inside=table["p"] > level / len(p))

    def coverage(self, share: float = 0.9) -> Float[np.ndarray, " quantities"]:
        """Share of the true values that central posterior intervals of that share hold."""
        return (np.abs(self.ranks - 0.5) <= share / 2).mean(axis=0)


def calibrate(
    model: ScalingModel,
    runs: Runs,
    *,
    replicates: int = 200,
    seed: int = 0,
    device: DeviceName = "auto",
    report: Callable[[str], None] | None = None,
) -> Calibration:
    """Rank the parameters of simulated tables among the draws of their posteriors.

    Truths and tables come from the model's own prior, at the inputs of the runs; so this says
    whether the posterior of the model is computed and summarised right, at those runs, and not
    whether the model is.

    Parameters
    ----------
    model : ScalingModel
    runs : Runs
        Their inputs and groups are simulated at; responses set the scale of the priors.
    replicates : int
        Tables to simulate and fit.
    seed : int
    device : {"auto", "cpu", "gpu"}
        Replicates are shared out over all devices of the kind; ``"auto"`` is the CPU.
    report : callable, optional
        Told how far it is.

    Returns
    -------
    Calibration

    Raises
    ------
    UsageError
        If the model caps its effective runs: a power on the likelihood is no probability of
        data, and there is nothing that it should be calibrated to.
    TableError
        If the table lacks what the law needs.
    """
    if model.effective_runs is not None:
        raise UsageError(
            "a model with effective_runs has a power on its likelihood, from which no table can "
            "be simulated: calibrate it without, and with the discrepancy instead"
        )
    spec = model.spec(runs)
    structure, data = spec.structure(model.law), build_data(spec, model.law, runs)
    return rank_truths(
        structure, data, replicates=replicates, seed=seed, device=device, report=report
    )


def rank_truths(
    structure: Structure,
    data: Data,
    *,
    replicates: int,
    seed: int,
    device: DeviceName = "auto",
    report: Callable[[str], None] | None = None,
) -> Calibration:
    """`calibrate` for a program and its arrays; compiled once for each structure and shape."""
    say = report or (lambda _: None)
    devices, together = devices_named(device), together_on(device)
    truths = draw_prior(structure, data, jax.random.key(seed), replicates)
    responses = {k: truths.pop(k) for k in ("response", "loss") if k in truths}
    data = data._replace(diverged=None)  # each simulated table has others
    keys = jax.random.split(jax.random.key(seed + 1), replicates)
    flat = _flatten(truths, 1)

    def begun(numbers: Int[np.ndarray, " block"]) -> dict[str, Array]:
        some = {k: v[numbers] for k, v in responses.items()}
        return _block(structure, data, some, keys[numbers], devices=devices, together=together)

    def alone(index: int) -> np.ndarray:
        one = {k: v[index] for k, v in responses.items()}
        return _flatten(_alone(structure, data, one, keys[index]), 2)

    blocks = list(_blocks(replicates, together * len(devices)))
    found, redone = np.full((replicates, flat.shape[1]), np.nan), 0
    with jax.default_device(devices[0]), one_thread_linear_algebra():
        # devices work on a block while the one before it is ranked
        for numbers, sites in zip(blocks, _ahead(map(begun, blocks)), strict=True):
            drawn = _flatten(sites, 3)
            settled, ess = _settled(drawn)
            for place, index in enumerate(dict.fromkeys(numbers)):
                draws, effective = drawn[place], ess[place]
                if not settled[place]:
                    redone += 1
                    draws = alone(index)
                    effective = _settled(draws[None])[1][0]
                found[index] = [
                    rank(draws[..., j], truth, effective[j]) for j, truth in enumerate(flat[index])
                ]
            say(f"{numbers[-1] + 1} of {replicates} replicates, {redone} redone")
    return Calibration(_names(truths), found, redone)


def _blocks(replicates: int, unit: int) -> Iterator[Int[np.ndarray, " block"]]:
    """Numbers of the replicates of each call: as many in each, the last one repeated."""
    calls = math.ceil(replicates / (STEPS * unit))
    size = math.ceil(replicates / calls / unit) * unit
    for start in range(0, replicates, size):
        yield np.minimum(np.arange(start, start + size), replicates - 1)


def _ahead[T](items: Iterator[T]) -> Iterator[T]:
    """Items of an iterator, each after the next one has been made."""
    before = next(items)
    for item in items:
        yield before
        before = item
    yield before


def _one(
    structure: Structure, data: Data, simulated: dict[str, Array], key: Array, settings: Settings
) -> dict[str, Array]:
    given = data._replace(response=simulated["response"])
    if "loss" in simulated:
        assert data.losses is not None
        given = given._replace(losses=data.losses._replace(value=simulated["loss"]))
    return sample_traced(structure, given, key, settings).sites


@partial(jax.jit, static_argnames=("structure", "devices", "together"))
def _block(
    structure: Structure,
    data: Data,
    responses: dict[str, Array],
    keys: Array,
    *,
    devices: tuple[Any, ...],
    together: int,
) -> dict[str, Array]:
    """Draws of some replicates, shared out over the devices."""

    def share(data: Data, responses: dict[str, Array], keys: Array) -> dict[str, Array]:
        return jax.lax.map(
            lambda pair: _one(structure, data, pair[0], pair[1], SETTINGS),
            (responses, keys),
            batch_size=together,
        )

    return dict(shared_out(share, devices, len(keys), common=1)(data, responses, keys))


@partial(jax.jit, static_argnames=("structure",))
def _alone(
    structure: Structure, data: Data, simulated: dict[str, Array], key: Array
) -> dict[str, Array]:
    return _one(structure, data, simulated, key, LONGER)


def _names(sites: Mapping[str, Array]) -> list[str]:
    found = []
    for k in sorted(sites):
        size = int(np.prod(sites[k].shape[1:]))
        found += [k] if sites[k].ndim == 1 else [f"{k}[{i}]" for i in range(size)]
    return found


def _flatten(sites: Mapping[str, Array], leading: int) -> np.ndarray:
    """Sites as one array with the quantities last, by name."""
    parts = [np.asarray(sites[k]) for k in sorted(sites)]
    return np.concatenate([p.reshape(*p.shape[:leading], -1) for p in parts], axis=-1)


def _settled(
    draws: Float[np.ndarray, "replicates chains draws quantities"],
) -> tuple[Bool[np.ndarray, " replicates"], Float[np.ndarray, "replicates quantities"]]:
    """Whether chains agree and move enough in all quantities; and the ESS of each."""
    axes = {"chain_axis": 1, "draw_axis": 2}
    rhat = array_stats.rhat(draws, **axes)
    ess = array_stats.ess(draws, method="bulk", **axes)
    return np.all((rhat < SETTLED_RHAT) & (ess > RANKS), axis=1), ess


def rank(draws: Float[np.ndarray, "chains draws"], truth: float, ess: float) -> float:
    """Rank of the truth among `RANKS` nearly independent draws, as a fraction with jitter."""
    pooled = draws.T.ravel()  # neighbours of different chains are independent
    step = max(1, math.ceil(pooled.size / max(min(ess, pooled.size), 1)))
    thinned = pooled[::step]
    kept = thinned[np.linspace(0, thinned.size - 1, min(RANKS, thinned.size)).astype(int)]
    jitter = np.random.default_rng(int(abs(truth) * 1e6) % 2**32).uniform()
    return float((np.sum(kept < truth) + jitter) / (kept.size + 1))


def p_value(ranks: Float[np.ndarray, " replicates"]) -> float:
    """Chance that the ECDF of as many uniform ranks leaves a band as wide as these need.

    The band is that of Sailynoja et al. 2022: equally unlikely to be left at every point.
    """
    smallest, reference = surprise(ranks), _uniform_surprises(ranks.size)
    known = np.searchsorted(reference, smallest, side="right")
    if known >= KNOWN:
        return float(known / reference.size)
    # so far out in the tail both probabilities fall together
    return float(KNOWN / reference.size * smallest / reference[KNOWN - 1])


def surprise(ranks: Float[np.ndarray, " replicates"]) -> float:
    """Smallest two-sided binomial probability of the ECDF over the points of a grid."""
    from scipy.stats import binom

    count = np.searchsorted(np.sort(ranks), GRID)
    below, above = binom.cdf(count, ranks.size, GRID), binom.sf(count - 1, ranks.size, GRID)
    return float(np.min(np.minimum(1.0, 2.0 * np.minimum(below, above))))


@functools.cache
def _uniform_surprises(replicates: int) -> Float[np.ndarray, " simulations"]:
    rng = np.random.default_rng(0)
    return np.sort([surprise(rng.uniform(size=replicates)) for _ in range(10_000)])
