"""Rows of many groups side by side: the same number of rows for each, one group after another.

What groups have for themselves is then repeated along rows, and gradients are sums over rows of
a group; looked up by group both take twice the time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Int

from .structure import Data, Structure

FEWEST_GROUPS = 8
MOST_FILLED = 1.5  # rows with the filling, to rows without it


def side_by_side(structure: Structure, data: Data) -> tuple[Structure, Data]:
    """Put the rows of each group side by side, filled up with rows without likelihood.

    The structure and data come back as they are where that would not pay, or rows hang together
    otherwise: points of curves, losses of chains, items.
    """
    column = _column(structure)
    tied = (data.previous, data.losses, data.item)
    if column is None or structure.law.scheduled or any(a is not None for a in tied):
        return structure, data
    level = np.asarray(data.levels[column])
    groups = dict(structure.levels)[column]
    count = np.bincount(level, minlength=groups)
    each = int(count.max())
    if groups < FEWEST_GROUPS or groups * each > MOST_FILLED * level.size:
        return structure, data
    # place of each row, and the row that stands in each place: the first where there is none
    order = np.argsort(level, kind="stable")
    within = np.arange(level.size) - np.repeat(np.cumsum(count) - count, count)
    place = np.empty(level.size, dtype=int)
    place[order] = level[order] * each + within
    row = np.zeros(groups * each, dtype=int)
    row[place] = np.arange(level.size)
    taken = np.zeros(row.size)
    taken[place] = 1.0
    laid = _rows_taken(data, row)
    if level.size < row.size:
        copies = taken if data.copies is None else taken * np.asarray(laid.copies)
        laid = laid._replace(copies=jnp.asarray(copies))
    gone = None if data.diverged is None else jnp.asarray(place[np.asarray(data.diverged)])
    levels = laid.levels | {column: jnp.repeat(jnp.arange(groups), each)}
    laid = laid._replace(diverged=gone, levels=levels)
    return replace(structure, side_by_side=(column, each)), laid


def _column(structure: Structure) -> str | None:
    """Grouping column with the most effects."""
    effects = [s.dims[0] for s in structure.sites().values() if s.kind == "effect"]
    sizes = dict(structure.levels)
    return max(effects, key=lambda c: sizes[c] * effects.count(c), default=None)


def _rows_taken(data: Data, row: Int[np.ndarray, " places"]) -> Data:
    """Rows of all arrays that have one element a row."""

    def take(tree: Any) -> Any:
        return jax.tree.map(lambda a: a[row], tree)

    names: Sequence[str] = (
        *("inputs", "response", "levels", "rung", "se", "untuned", "trials", "seen", "copies"),
        *("departures", "scale_decades"),
    )
    return data._replace(**{name: take(getattr(data, name)) for name in names})
