"""Simulation-based calibration (Talts et al. 2018) with simultaneous ECDF bands."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from arviz_stats.base import array_stats
from jax.flatten_util import ravel_pytree

import bayes_scaling as bs
from bayes_scaling.posterior.nuts import Settings, sample_traced
from bayes_scaling.program import build_data, draw_prior

pytestmark = pytest.mark.slow

REPLICATES = 200
BLOCK = 40  # replicates of one call
TOGETHER = 2  # replicates that walk in step: more of them wait for the longest tree
RANKS = 100  # draws that each rank is taken among, after thinning
FAMILY_LEVEL = 0.01
SETTINGS = Settings(chains=4, draws=300, warmup=300, target_accept=0.9, max_depth=8)
LONGER = Settings(chains=4, draws=2000, warmup=1500, target_accept=0.97, max_depth=10)


def _table(recipes: int) -> bs.Runs:
    """Inputs of the simulated runs; their responses are replaced."""
    rows = [
        {"N": n, "D": n * ratio, "recipe": f"r{g}", "loss": 3.0 + 0.1 * k}
        for k, (n, ratio) in enumerate((n, m) for n in (3e7, 1.7e8, 1e9) for m in (5, 20, 80))
        for g in range(recipes)
    ]
    table = pd.DataFrame(rows)
    return bs.read_runs(table, group="recipe" if recipes > 1 else None)


def _ranks(recipes: int, seed: int) -> tuple[list[str], np.ndarray]:
    """Names of the quantities and ranks (replicates, quantities) of the truths."""
    runs = _table(recipes)
    model = bs.ScalingModel(bs.models.chinchilla)
    spec = model.spec(runs)
    structure, data = spec.structure(model.law), build_data(spec, model.law, runs)
    truths = draw_prior(structure, data, jax.random.key(seed), REPLICATES)
    responses = truths.pop("response")

    def one(response, key, settings):
        return sample_traced(structure, data._replace(response=response), key, settings).sites

    @jax.jit
    def block(responses, keys):
        return jax.lax.map(
            lambda pair: one(*pair, SETTINGS), (responses, keys), batch_size=TOGETHER
        )

    alone = jax.jit(lambda r, k: one(r, k, LONGER))
    keys = jax.random.split(jax.random.key(seed + 1), REPLICATES)
    names = _names(jax.tree.map(lambda a: a[0], truths))
    found, redone = [], 0
    for start in range(0, REPLICATES, BLOCK):
        chosen = slice(start, start + BLOCK)
        drawn = _flatten(block(responses[chosen], keys[chosen]), 3)
        print(f"{recipes} recipe(s): {start + BLOCK} of {REPLICATES}", flush=True)
        for i in range(BLOCK):
            draws, index = drawn[i], start + i
            if not _settled(draws):
                redone += 1
                draws = _flatten(alone(responses[index], keys[index]), 2)
            truth = np.asarray(ravel_pytree(jax.tree.map(lambda a, k=index: a[k], truths))[0])
            found.append([_rank(draws[..., j], truth[j]) for j in range(truth.size)])
    print(f"{recipes} recipe(s): {redone} of {REPLICATES} replicates redone alone and longer")
    return names, np.array(found)


def _names(sites: dict[str, jax.Array]) -> list[str]:
    return [f"{k}[{i}]" for k in sorted(sites) for i in range(jnp.size(sites[k]))]


def _flatten(sites: dict[str, jax.Array], leading: int) -> np.ndarray:
    """Sites as one array with the quantities last, in the order of `ravel_pytree`."""
    parts = [np.asarray(sites[k]) for k in sorted(sites)]
    return np.concatenate([p.reshape(*p.shape[:leading], -1) for p in parts], axis=-1)


def _settled(draws: np.ndarray) -> bool:
    axes = {"chain_axis": 0, "draw_axis": 1}
    return bool(
        np.all(array_stats.rhat(draws, **axes) < 1.05)
        and np.all(array_stats.ess(draws, method="bulk", **axes) > RANKS)
    )


def _rank(draws: np.ndarray, truth: float) -> float:
    """Rank of the truth among `RANKS` nearly independent draws, as a fraction with jitter."""
    ess = float(array_stats.ess(draws, method="bulk", chain_axis=0, draw_axis=1))
    pooled = draws.T.ravel()  # neighbours of different chains are independent
    step = max(1, math.ceil(pooled.size / max(min(ess, pooled.size), 1)))
    thinned = pooled[::step]
    kept = thinned[np.linspace(0, thinned.size - 1, min(RANKS, thinned.size)).astype(int)]
    jitter = np.random.default_rng(int(abs(truth) * 1e6) % 2**32).uniform()
    return (np.sum(kept < truth) + jitter) / (kept.size + 1)


def _band(replicates: int, level: float) -> float:
    """Largest ECDF deviation, in sds, that uniform ranks exceed with probability `level`."""
    rng = np.random.default_rng(0)
    simulated = [_deviation(rng.uniform(size=replicates)) for _ in range(20_000)]
    return float(np.quantile(simulated, 1 - level))


def _deviation(ranks: np.ndarray) -> float:
    """Largest standardised distance of the ECDF from the uniform one."""
    grid = np.linspace(0.02, 0.98, 49)
    ecdf = np.searchsorted(np.sort(ranks), grid) / ranks.size
    return float(np.max(np.abs(ecdf - grid) / np.sqrt(grid * (1 - grid) / ranks.size)))


@pytest.mark.parametrize(("recipes", "seed"), [(1, 101), (3, 303)], ids=["chinchilla", "pooled"])
def test_ranks_of_the_truth_are_uniform(recipes, seed):
    names, ranks = _ranks(recipes, seed)
    band = _band(REPLICATES, FAMILY_LEVEL / len(names))
    deviations = {name: _deviation(ranks[:, j]) for j, name in enumerate(names)}
    worst = max(deviations, key=deviations.__getitem__)
    print(f"{len(names)} quantities, band {band:.2f}, worst {worst} {deviations[worst]:.2f}")
    outside = {name: round(d, 2) for name, d in deviations.items() if d > band}
    assert not outside, f"outside the band of {band:.2f} sds: {outside}"


def test_the_band_catches_ranks_that_are_not_uniform():
    rng = np.random.default_rng(1)
    band = _band(REPLICATES, FAMILY_LEVEL)
    assert _deviation(rng.beta(0.6, 0.6, REPLICATES)) > band  # intervals too narrow
    assert _deviation(rng.beta(1.6, 1.0, REPLICATES)) > band  # biased
    assert _deviation(rng.uniform(size=REPLICATES)) < band
