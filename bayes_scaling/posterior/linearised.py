"""The program around a point: a linear model with weights, and sums over its rows.

Its unknowns are centres, effects and rung effects. Each row knows one group and one rung, so
the precision is an arrow: the blocks are the groups of one column, or the rungs, whichever
leaves the smaller border.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float, Int

from bayes_scaling.program.structure import Structure

from .arrow import Arrow, Layout, Split
from .axes import Axes
from .rows import Rows


class Linearised(NamedTuple):
    """The program around a point: a linear model with weights.

    Attributes
    ----------
    precision, moment : Arrow and Split
        Weighted cross products of the Jacobian, without 1 / sigma^2, for each measure: a
        chain has two, the loss and the metric, with a noise of its own each.
    prior_precision, prior_moment : (b, b) and (b,) arrays
        Of the centres, which are in the border; the effects' prior enters through their sds.
    axes : Axes, optional
        Of a program without effects, whose precision follows one scale.
    weights, observed : (rows,) arrays
        Weights of rows, and what they observed on the scale of their noise.
    rung_weight, rung_prior : (rungs,) arrays
        Sums of weights by rung; weights of the rungs' prior, relative to 1 / rung_sd^2.
    """

    precision: Arrow
    moment: Split
    prior_precision: Float[Array, "b b"]
    prior_moment: Float[Array, " b"]
    axes: Axes | None
    weights: Float[Array, " rows"]
    observed: Float[Array, " rows"]
    rung_weight: Float[Array, " rungs"]
    rung_prior: Float[Array, " rungs"]


class Weights(NamedTuple):
    """The normal approximation of the likelihood around a point.

    Weights of rows and rungs, correlation of neighbouring rows, and what rows observed on
    the scale of their noise.
    """

    runs: Float[Array, " rows"]
    rungs: Float[Array, " rungs"]
    rho: Float[Array, ""]
    observed: Float[Array, " rows"]


class Sums:
    """Sums over rows of products of the Jacobian, as an arrow.

    Parameters
    ----------
    structure : Structure
    rows : Rows
    places : mapping of str to int array
        Positions of the centres, effects and weights of walks, of the shape of their site.
    """

    def __init__(self, structure: Structure, rows: Rows, places: Mapping[str, np.ndarray]):
        self.rows, self.rungs = rows, structure.rungs
        self.n_t = sum(p.size for p in places.values())
        of_rungs = self.n_t + np.arange(self.rungs)
        own = {c: _own(structure, places, c) for c, _ in structure.levels}
        self.column = max(own, key=lambda c: own[c].size, default=None)
        if structure.integrated:  # these must be in the blocks
            self.column = structure.sites()[structure.integrated[0]].dims[0]
        # either the groups leave the border, or the rungs
        elif self.column is not None and own[self.column].size <= self.rungs:
            self.column = None
        slots = np.zeros((0, 1), int) if self.column is None else own[self.column]
        border = np.setdiff1d(np.arange(self.n_t), slots)
        self.slots = 0 if self.column is None else slots.shape[1]
        self.by_rung = bool(self.rungs) and self.column is None
        # directions in which the program is differentiated: a slot of all groups at once,
        # since a row knows one of them, and each element of the border
        self.tangents = np.zeros((self.slots + border.size, self.n_t))
        for j in range(self.slots):
            self.tangents[j, slots[:, j]] = 1.0
        self.tangents[self.slots + np.arange(border.size), border] = 1.0
        if self.by_rung:
            self.layout = Layout(of_rungs[:, None], border)
        else:
            self.layout = Layout(slots, np.concatenate([border, of_rungs]))
        laid = structure.side_by_side
        self.side_by_side = laid is not None and laid[0] == self.column

    def jacobian(
        self, predict: Callable[[Array], Array], t: Float[Array, " d"]
    ) -> tuple[Float[Array, " rows"], Float[Array, "rows c"], Float[Array, " rows"]]:
        """Means at `t`, their derivatives along the tangents, and those along `t` itself."""
        value, push = jax.linearize(predict, t)
        return value, jax.vmap(push)(jnp.asarray(self.tangents)).T, push(t)

    def arrow(
        self,
        columns: Float[Array, "rows c"],
        pseudo: Float[Array, " rows"],
        weight: Float[Array, " rows"],
    ) -> tuple[Arrow, Split]:
        """Weighted products of the columns with each other, and with the pseudo-responses."""
        border, weighted = columns[:, self.slots :], weight[:, None] * columns[:, self.slots :]
        inner, outer = border.T @ weighted, weighted.T @ pseudo
        own = jnp.ones((len(weight), 1)) if self.by_rung else columns[:, : max(self.slots, 1)]
        heavy = weight[:, None] * own
        found = Arrow(
            self.by_blocks(heavy[:, :, None] * own[:, None, :]),
            self.by_blocks(heavy[:, :, None] * border[:, None, :]),
            inner,
        )
        moment = Split(self.by_blocks(heavy * pseudo[:, None]), outer)
        if self.by_rung or not self.rungs:
            return found, moment
        return self._with_rungs(found, moment, heavy, weighted, pseudo, weight)

    def _with_rungs(
        self,
        found: Arrow,
        moment: Split,
        heavy: Float[Array, "rows k"],
        weighted: Float[Array, "rows b"],
        pseudo: Float[Array, " rows"],
        weight: Float[Array, " rows"],
    ) -> tuple[Arrow, Split]:
        """Add rungs to the border."""
        blocks = len(self.layout.own)
        pair = jnp.where(self.rows.rung < self.rungs, self._block * self.rungs + self.rows.rung, -1)
        own = jax.ops.segment_sum(heavy, pair, blocks * self.rungs)
        own = jnp.swapaxes(own.reshape(blocks, self.rungs, -1), 1, 2)
        side = self.by_rungs(weighted).T
        border = jnp.block([[found.border, side], [side.T, jnp.diag(self.by_rungs(weight))]])
        return (
            Arrow(found.own, jnp.concatenate([found.cross, own], axis=2), border),
            Split(moment.own, jnp.append(moment.border, self.by_rungs(weight * pseudo))),
        )

    def by_rungs(self, values: Float[Array, "rows *k"]) -> Float[Array, "rungs *k"]:
        """Sums by rung."""
        # rows without a rung have a number beyond the last, and are left out
        return jax.ops.segment_sum(values, self.rows.rung, self.rungs)

    def by_blocks(self, values: Float[Array, "rows *k"]) -> Float[Array, "blocks *k"]:
        """Sums by block."""
        blocks = len(self.layout.own)
        if self.side_by_side:
            return values.reshape(blocks, -1, *values.shape[1:]).sum(1)
        return jax.ops.segment_sum(values, self._block, blocks)

    @property
    def _block(self) -> Int[Array, " rows"]:
        if self.by_rung:
            return self.rows.rung
        if self.column is None:
            return jnp.zeros(self.rows.size, dtype=int)
        return self.rows.level(self.column)


def _own(
    structure: Structure, places: Mapping[str, np.ndarray], column: str
) -> Int[np.ndarray, "groups k"]:
    """Positions of what each group of a column has for itself."""
    sites = structure.sites()
    groups = dict(structure.levels)[column]
    names = [
        name
        for name in places
        if sites[name].kind in ("effect", "discrepancy") and sites[name].dims[0] == column
    ]
    # what is integrated out comes first: the coordinates of the others do not depend on it
    names.sort(key=lambda name: name not in structure.integrated)
    parts = [places[name].reshape(groups, -1) for name in names]
    return np.concatenate(parts, axis=1) if parts else np.zeros((0, 1), int)
