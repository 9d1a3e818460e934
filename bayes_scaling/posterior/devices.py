"""How what runs on several devices meets: shares of an array, and all shares together."""

from __future__ import annotations

from typing import NamedTuple

import jax
from jax import Array


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
