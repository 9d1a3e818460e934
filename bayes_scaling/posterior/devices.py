"""Work that is shared out over devices: of a batch, and of the chains of one fit, which meet."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np
from jax import Array
from jax.sharding import Mesh, PartitionSpec

AXIS = "devices"


class Meet(NamedTuple):
    """Devices that work on shares of one array.

    Attributes
    ----------
    axis : str or None
        Name of the axis of devices inside `jax.shard_map`; None on a single device.
    devices : int
        Number of devices.
    """

    axis: str | None = None
    devices: int = 1

    def share(self, whole: Array) -> Array:
        """Return this device's share of the first axis, all of it where it cannot be shared."""
        if self.axis is None:
            return whole
        size = whole.shape[0] // self.devices
        return jax.lax.dynamic_slice_in_dim(whole, size * jax.lax.axis_index(self.axis), size)

    def gather(self, own: Array, axis: int = 0) -> Array:
        """Return the shares of all devices, along an axis."""
        if self.axis is None:
            return own
        return jax.lax.all_gather(own, self.axis, axis=axis, tiled=True)


ALONE = Meet()


def used(devices: tuple[Any, ...], size: int) -> tuple[Any, ...]:
    """Return as many of the devices as divide the number of what is shared out."""
    return devices[: next(n for n in range(len(devices), 0, -1) if size % n == 0)]


def shared_out(
    function: Callable[..., Any], devices: tuple[Any, ...], size: int, *, common: int = 0
) -> Callable[..., Any]:
    """Let each device work on its share of the first axis of all arguments and results.

    Parameters
    ----------
    function : callable
        Of pytrees of arrays, traced by JAX.
    devices : tuple of JAX devices
    size : int
        Length of the axis.
    common : int
        How many arguments, the first ones, every device gets whole.
    """
    chosen = used(devices, size)
    if len(chosen) == 1:
        return function
    mesh = Mesh(np.array(chosen), (AXIS,))

    def on_devices(*arguments: Any) -> Any:
        share, whole = PartitionSpec(AXIS), PartitionSpec()
        specs = tuple(whole if i < common else share for i in range(len(arguments)))
        # no device hears of another, which JAX cannot see by itself
        mapped = jax.shard_map(
            function, mesh=mesh, in_specs=specs, out_specs=share, check_vma=False
        )
        return mapped(*arguments)

    return on_devices
