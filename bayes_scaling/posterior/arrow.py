r"""Normal distributions whose precision is an arrow: many small blocks and one border.

Unknowns of different blocks (of groups, or of rungs) meet only in the border (centres,
what all share), so

.. math:: P = \begin{pmatrix} O & X \\ X^\top & B \end{pmatrix}, \qquad P = C C^\top

with O block diagonal has a Cholesky root C of the same shape, and its cost grows with the
number of blocks and not with its cube.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.lax import linalg
from jaxtyping import Float, Int

MANY, SMALL = 100, 4  # so many blocks of that size at most are worked on element by element


class Split(NamedTuple):
    """A vector, as that of each block and that of the border."""

    own: Float[Array, "blocks k"]
    border: Float[Array, " b"]


class Arrow(NamedTuple):
    """A symmetric matrix: blocks, block by border, and border; or its Cholesky root."""

    own: Float[Array, "*m blocks k k"]
    cross: Float[Array, "*m blocks k b"]
    border: Float[Array, "*m b b"]

    def inner(self, other: Arrow) -> Float[Array, ""]:
        """Sum of the products of all elements, both halves of the symmetric matrices counted."""
        twice = 2.0 * jnp.sum(self.cross * other.cross)
        return jnp.sum(self.own * other.own) + twice + jnp.sum(self.border * other.border)

    def diagonal(self) -> Split:
        """Diagonal of a symmetric matrix."""
        return Split(jnp.diagonal(self.own, axis1=-2, axis2=-1), jnp.diagonal(self.border))

    def times(self, vector: Split) -> Split:
        """Product of a symmetric matrix and a vector."""
        own = jnp.einsum("gij,gj->gi", self.own, vector.own) + self.cross @ vector.border
        border = jnp.einsum("gib,gi->b", self.cross, vector.own) + self.border @ vector.border
        return Split(own, border)

    def plus_diagonal(self, extra: Split) -> Arrow:
        """Add to the diagonal."""
        size = self.own.shape[-1]
        own = self.own + jnp.eye(size) * extra.own[..., None]
        return Arrow(own, self.cross, self.border + jnp.diag(extra.border))

    def root(self) -> Root:
        """Cholesky root of a positive definite matrix."""
        own = cholesky(self.own)
        cross = solve_lower(own, self.cross)
        border = self.border - jnp.einsum("gib,gic->bc", cross, cross)
        return Root(own, cross, cholesky(border))


class Root(NamedTuple):
    """Cholesky root C of an arrow: lower triangular, the border last.

    `cross` is held as block by border: the transpose of what stands in C.
    """

    own: Float[Array, "blocks k k"]
    cross: Float[Array, "blocks k b"]
    border: Float[Array, "b b"]

    def solve(self, vector: Split) -> Split:
        """Return ``C^-1 v``."""
        own = solve_lower(self.own, vector.own[..., None])[..., 0]
        left = vector.border - jnp.einsum("gib,gi->b", self.cross, own)
        return Split(own, solve_lower(self.border, left[:, None])[:, 0])

    def solve_transposed(self, vector: Split) -> Split:
        """Return ``C^-T v``."""
        border = solve_lower(self.border, vector.border[:, None], transposed=True)[:, 0]
        left = vector.own - self.cross @ border
        return Split(solve_lower(self.own, left[..., None], transposed=True)[..., 0], border)

    def times_transposed(self, vector: Split) -> Split:
        """Return ``C^T v``."""
        own = jnp.einsum("gji,gj->gi", self.own, vector.own) + self.cross @ vector.border
        return Split(own, self.border.T @ vector.border)

    def log_det(self) -> Float[Array, ""]:
        """Logarithm of the determinant of C."""
        own = jnp.sum(jnp.log(jnp.diagonal(self.own, axis1=-2, axis2=-1)))
        return own + jnp.sum(jnp.log(jnp.diag(self.border)))

    def inverse(self) -> Arrow:
        """Inverse of ``C C^T`` in the places where the arrow has elements."""
        b, k = self.border.shape[0], self.own.shape[-1]
        half = solve_lower(self.border, jnp.eye(b))
        border = half.T @ half
        slope = solve_lower(self.own, self.cross, transposed=True)  # of a block against the border
        cross = -slope @ border
        inverse = solve_lower(self.own, jnp.broadcast_to(jnp.eye(k), self.own.shape))
        own = jnp.swapaxes(inverse, -1, -2) @ inverse - cross @ jnp.swapaxes(slope, -1, -2)
        return Arrow(own, cross, border)


class Layout:
    """Which elements of a vector belong to each block, and which to the border.

    Parameters
    ----------
    own : (blocks, k) int array
    border : (b,) int array
    """

    def __init__(self, own: Int[np.ndarray, "blocks k"], border: Int[np.ndarray, " b"]):
        self.own, self.border = own, border
        self._order = np.argsort(np.concatenate([own.ravel(), border]))

    def split(self, vector: Float[Array, " n"]) -> Split:
        """Take a vector apart."""
        return Split(vector[self.own], vector[self.border])

    def join(self, parts: Split) -> Float[Array, " n"]:
        """Put a vector together."""
        return jnp.concatenate([parts.own.ravel(), parts.border])[self._order]


def cholesky(matrix: Float[Array, "*m k k"]) -> Float[Array, "*m k k"]:
    """Return the lower Cholesky root of positive definite matrices."""
    k = matrix.shape[-1]
    if not _unrolled(matrix):
        return linalg.cholesky(matrix, symmetrize_input=False)
    zero = jnp.zeros_like(matrix[..., 0, 0])
    root = [[zero] * k for _ in range(k)]
    for j in range(k):
        for i in range(j, k):
            left = matrix[..., i, j] - sum(root[i][m] * root[j][m] for m in range(j))
            root[i][j] = jnp.sqrt(left) if i == j else left / root[j][j]
    return jnp.stack([jnp.stack(row, -1) for row in root], -2)


def solve_lower(
    root: Float[Array, "*m k k"], right: Float[Array, "*m k c"], *, transposed: bool = False
) -> Float[Array, "*m k c"]:
    """Return ``L^-1 r``, or ``L^-T r``, of lower triangles."""
    k = root.shape[-1]
    if not _unrolled(root):
        return linalg.triangular_solve(
            root, right, left_side=True, lower=True, transpose_a=transposed
        )
    found: dict[int, Array] = {}
    for i in reversed(range(k)) if transposed else range(k):
        left = right[..., i, :]
        for j, known in found.items():
            left = left - (root[..., j, i] if transposed else root[..., i, j])[..., None] * known
        found[i] = left / root[..., i, i, None]
    return jnp.stack([found[i] for i in range(k)], -2)


def semi_definite(matrix: Float[Array, "k k"]) -> Float[Array, "k k"]:
    """Return the nearest positive semi-definite matrix."""
    values, vectors = jnp.linalg.eigh(matrix)
    return (vectors * jnp.maximum(values, 0.0)) @ vectors.T


def _unrolled(matrix: Float[Array, "*m k k"]) -> bool:
    """Whether many small matrices are worked on element by element: LAPACK takes one at a time.

    For fewer it is not worth the longer compilation.
    """
    return matrix.ndim > 2 and matrix.shape[-3] >= MANY and matrix.shape[-1] <= SMALL
