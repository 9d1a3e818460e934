"""Work that is shared out over devices: of a batch, and of the chains of one fit, which meet."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np
from jax import Array
from jax.sharding import Mesh, PartitionSpec

AXIS = "devices"
SHARE, WHOLE = PartitionSpec(AXIS), PartitionSpec()


class Meet(NamedTuple):
    """Devices that work on shares of one array.

    Attributes
    ----------
    devices : int
        How many; each runs inside `jax.shard_map` unless there is one.
    """

    devices: int = 1

    def share(self, whole: Array) -> Array:
        """Return this device's share of the first axis."""
        if self.devices == 1:
            return whole
        size = whole.shape[0] // self.devices
        return jax.lax.dynamic_slice_in_dim(whole, size * jax.lax.axis_index(AXIS), size)

    def gather(self, own: Array, axis: int = 0) -> Array:
        """Return the shares of all devices, along an axis."""
        if self.devices == 1:
            return own
        return jax.lax.all_gather(own, AXIS, axis=axis, tiled=True)


ALONE = Meet()


def used(devices: tuple[Any, ...], size: int) -> tuple[Any, ...]:
    """Return as many of the devices as divide the number of what is shared out."""
    return devices[: next((n for n in range(len(devices), 0, -1) if size % n == 0), 0)]


def shared_out(
    function: Callable[..., Any],
    devices: tuple[Any, ...],
    size: int,
    *,
    common: int = 0,
    results: Any = SHARE,
) -> Callable[..., Any]:
    """Let each device work on its share of the first axis of arguments and results.

    Parameters
    ----------
    function : callable
        Of pytrees of arrays, traced by JAX.
    devices : tuple of JAX devices
    size : int
        Length of the axis.
    common : int
        How many arguments, the first ones, every device gets whole.
    results : pytree of PartitionSpec
        What of the results is a share, and what is the same on every device.
    """
    chosen = used(devices, size)
    if len(chosen) < 2:
        return function
    mesh = Mesh(np.array(chosen), (AXIS,))

    def on_devices(*arguments: Any) -> Any:
        specs = tuple(WHOLE if i < common else SHARE for i in range(len(arguments)))
        # what is the same on every device is computed on each, which JAX cannot see by itself
        mapped = jax.shard_map(
            function, mesh=mesh, in_specs=specs, out_specs=results, check_vma=False
        )
        return mapped(*arguments)

    return on_devices
