"""The same batch of fits on the CPU and on a GPU; ``python -m benchmarks.devices``.

A batch holds fits of one recipe of the ladder (47 runs), each to its losses with fresh noise of
0.3 %: 4 chains of 300 draws after 300 of warm-up, as in `calibrate`. The program is the same on
both devices; on the CPU the batch is run twice, all fits in step and a few at a time, as
`calibrate` runs them, and the faster counts. Compilation is not counted. Where JAX sees no GPU
the CPU's part is run on small batches, and nothing is said about a GPU.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

import bayes_scaling as bs
from bayes_scaling.jax_setup import one_thread_linear_algebra
from bayes_scaling.models import chinchilla
from bayes_scaling.posterior.batch import TOGETHER
from bayes_scaling.posterior.nuts import sample_traced
from bayes_scaling.program import Data, Structure, build_data
from bayes_scaling.validation.calibration import SETTINGS

RECIPE, NOISE = "transformer-adamw", 0.003
FITS, FITS_WITHOUT_GPU = (1, 64, 1024), (1, 16)


@partial(jax.jit, static_argnames=("structure", "together"))
def _fits(
    structure: Structure, data: Data, responses: Array, keys: Array, together: int
) -> dict[str, Array]:
    """Sample every fit of a batch, so many in step."""

    def one(pair: tuple[Array, Array]) -> dict[str, Array]:
        response, key = pair
        return sample_traced(structure, data._replace(response=response), key, SETTINGS).sites

    return jax.lax.map(one, (responses, keys), batch_size=together)


def one_recipe() -> tuple[Structure, Data]:
    """Return the program and the arrays of the runs of one recipe."""
    runs = bs.datasets.ladder().tuned("fit")
    runs = runs.select(runs.frame["recipe"].to_numpy() == RECIPE)
    model = bs.ScalingModel(chinchilla, rung=False, discrepancy=False)
    spec = model.spec(runs)
    return spec.structure(chinchilla), build_data(spec, chinchilla, runs)


def seconds(
    device: jax.Device, structure: Structure, data: Data, fits: int, together: int
) -> float:
    """Return what a batch takes on a device, once it is compiled for it."""
    noise = np.random.default_rng(1).normal(size=(fits, len(data.response)))
    here = jax.device_put(data, device)
    responses = jax.device_put(here.response * jnp.exp(NOISE * noise), device)
    taken = []
    for seed in (1, 2):
        keys = jax.device_put(jax.random.split(jax.random.key(seed), fits), device)
        begun = time.perf_counter()
        drawn = jax.block_until_ready(_fits(structure, here, responses, keys, together))
        taken.append(time.perf_counter() - begun)
    assert all(bool(jnp.isfinite(v).all()) for v in drawn.values())
    return taken[-1]


def on_cpu(cpu: jax.Device, structure: Structure, data: Data, fits: int) -> float:
    """Time both ways to run a batch on the CPU; print them and return the faster."""
    ways = sorted({min(fits, TOGETHER), fits})
    taken = [seconds(cpu, structure, data, fits, together) for together in ways]
    words = [f"{s:.1f} s, {w} in step" for w, s in zip(ways, taken, strict=True)]
    print(f"{fits} fits, CPU: {'; '.join(words)}", flush=True)
    return min(taken)


def compare(gpu: jax.Device | None, batches: list[int]) -> None:
    """Print the times of every batch."""
    structure, data = one_recipe()
    cpu = jax.devices("cpu")[0]
    for fits in batches:
        with jax.default_device(cpu), one_thread_linear_algebra():
            slow = on_cpu(cpu, structure, data, fits)
        if gpu is None:
            continue
        with jax.default_device(gpu):
            fast = seconds(gpu, structure, data, fits, fits)
        print(
            f"{fits} fits, GPU: {fast:.1f} s, all in step; CPU / GPU {slow / fast:.2f}", flush=True
        )


def visible_gpu() -> jax.Device | None:
    """Return the first GPU that JAX sees, or None."""
    try:
        return jax.devices("gpu")[0]
    except RuntimeError:
        return None


def main() -> int:
    """Time the batches on what there is."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.devices", description=__doc__)
    parser.add_argument("--fits", type=int, nargs="+", help="sizes of batches")
    options = parser.parse_args()
    gpu = visible_gpu()
    print(
        f"CPU: {jax.devices('cpu')[0].device_kind}, {os.cpu_count()} cores, "
        f"load average {os.getloadavg()[0]:.1f}"
    )
    if gpu is None:
        print("GPU: JAX sees none, so no time of one is measured; the batches of the CPU are small")
    else:
        print(f"GPU: {gpu.device_kind}")
    compare(gpu, options.fits or list(FITS_WITHOUT_GPU if gpu is None else FITS))
    return 0


if __name__ == "__main__":
    sys.exit(main())
