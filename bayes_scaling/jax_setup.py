"""JAX as bayes-scaling needs it: double precision, a persistent compilation cache, devices."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Literal

import jax
from platformdirs import user_cache_path

from .errors import UsageError

DeviceName = Literal["auto", "cpu", "gpu"]
MOST_HOST_DEVICES = 8
# how long, in seconds, chains on one device wait for those on another: by default XLA ends the
# process after 40, and trees of different depth take longer
WAITS = (
    "--xla_cpu_collective_call_warn_stuck_timeout_seconds",
    "--xla_cpu_collective_call_terminate_timeout_seconds",
)
PATIENCE = 1_000_000
_host_devices_meet = False


def configure() -> None:
    """Turn on double precision and host devices, and keep compiled programs between processes.

    A cache folder and a number of host devices that the user set (``JAX_COMPILATION_CACHE_DIR``,
    ``JAX_NUM_CPU_DEVICES``) are left alone.
    """
    jax.config.update("jax_enable_x64", True)
    _host_devices()
    if not os.environ.get("JAX_COMPILATION_CACHE_DIR"):
        cache = user_cache_path("bayes-scaling") / "jax"
        jax.config.update("jax_compilation_cache_dir", str(cache))
    # the defaults leave out small and fast-compiling programs, of which there are many
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)


def _host_devices() -> None:
    """Let JAX show a device a core, so that chains and fits run side by side."""
    global _host_devices_meet
    wanted = os.environ.get("JAX_NUM_CPU_DEVICES") or min(usable_cores(), MOST_HOST_DEVICES)
    try:
        jax.config.update("jax_num_cpu_devices", int(wanted))
    except RuntimeError:  # JAX is in use already
        return
    flags = os.environ.get("XLA_FLAGS", "")
    os.environ["XLA_FLAGS"] = " ".join(
        [flags, *(f"{k}={PATIENCE}" for k in WAITS if k not in flags)]
    )
    _host_devices_meet = True


def usable_cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def one_thread_linear_algebra() -> AbstractContextManager[Any]:
    """Keep LAPACK to one thread: on the small matrices of a fit its threads only wait.

    On a busy machine a gradient took ten times as long with them.
    """
    import scipy.linalg  # noqa: F401  (the library that JAX calls must be loaded to be told)
    from threadpoolctl import threadpool_limits

    return threadpool_limits(1, user_api="blas")


def in_worker(packed: bytes, home: int) -> Any:
    """Call a function with arguments in a worker process, on one thread and one device.

    Workers run side by side, one a core: threads of their own would only get in each other's
    way. Function and arguments come packed, so that JAX is told before anything uses it; in a
    process that has used it already, and in that of the caller, nothing is set.

    Parameters
    ----------
    packed : bytes
        `pickle` of a function of a module and the tuple of its arguments.
    home : int
        Process that sends the work: a worker may be a thread of it.
    """
    if os.getpid() != home:
        os.environ.setdefault("PJRT_NPROC", "1")  # threads of JAX on CPUs
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    return on_one_device(*pickle.loads(packed))


def on_one_device(function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    """Call a function whose fits use one device, so that its numbers are those of any process."""
    with jax.default_device(devices_named("auto")[0]):
        return function(*arguments)


def devices_named(name: DeviceName) -> tuple[Any, ...]:
    """Return the JAX devices for a name.

    Parameters
    ----------
    name : {"auto", "cpu", "gpu"}
        ``"auto"`` is the default device of JAX where one was set (``jax.default_device``), that
        one alone, and the CPU otherwise: for one fit a GPU is slower.

    Raises
    ------
    UsageError
        If the name is unknown or JAX sees no such device.
    """
    if name not in ("auto", "cpu", "gpu"):
        raise UsageError(f"device is '{name}'; it must be auto, cpu or gpu")
    chosen = jax.config.jax_default_device
    if name == "auto" and chosen is not None:
        return tuple(jax.devices(chosen)) if isinstance(chosen, str) else (chosen,)
    try:
        found = tuple(jax.devices("gpu" if name == "gpu" else "cpu"))
        return found if name == "gpu" or _host_devices_meet else found[:1]
    except RuntimeError as error:
        raise UsageError(
            "no GPU is visible to JAX; use device='cpu' (--device cpu), or install JAX's "
            "GPU build and check jax.devices()"
        ) from error


configure()
