"""Compiled samplers, kept for fits of the same shape, and draws from them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import jax

from bayes_scaling.jax_setup import devices_named, one_thread_linear_algebra
from bayes_scaling.program import Data, Structure

from .nuts import Draws, Settings, sample

_compiled: dict[Any, Any] = {}


def compilations() -> int:
    """Return how many sampling programs this process has compiled."""
    return len(_compiled)


def compiled_sampler(
    structure: Structure,
    data: Data,
    settings: Settings,
    near: Mapping[str, Any] | None = None,
    devices: tuple[Any, ...] | None = None,
) -> Any:
    """Compiled sampler, kept for fits of the same structure and shapes on the same devices."""
    devices = devices or devices_named("auto")
    shapes = tuple((a.shape, str(a.dtype)) for a in jax.tree.leaves((data, near)))
    key = (structure, shapes, settings, devices)
    if key not in _compiled:
        lowered = sample.lower(structure, data, jax.random.key(0), settings, near, devices=devices)
        _compiled[key] = lowered.compile()
    return _compiled[key]


def draw(
    structure: Structure,
    data: Data,
    settings: Settings,
    seed: int,
    *,
    near: Mapping[str, Any] | None = None,
    devices: tuple[Any, ...] | None = None,
    tell: Callable[[], None] = lambda: None,
) -> tuple[Draws, dict[str, float]]:
    """Draws of a posterior, and the seconds that compiling and sampling took.

    Parameters
    ----------
    structure, data, settings, near
        As in `sample_traced`.
    seed : int
    devices : tuple of JAX devices, optional
        By default those of `devices_named`.
    tell : callable
        Called between compiling and sampling.
    """
    devices = devices or devices_named("auto")
    with jax.default_device(devices[0]), one_thread_linear_algebra():
        begun = time.perf_counter()
        run = compiled_sampler(structure, data, settings, near, devices)
        compiled = time.perf_counter()
        tell()
        drawn = jax.block_until_ready(run(data, jax.random.key(seed), near))
        seconds = {"compile": compiled - begun, "sample": time.perf_counter() - compiled}
    return drawn, seconds
