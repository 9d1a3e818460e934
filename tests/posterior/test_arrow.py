"""Arrow matrices against dense ones, and the coordinates of programs of many groups."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bayes_scaling.posterior.arrow import Arrow, Layout, Split, cholesky, solve_lower
from bayes_scaling.posterior.whitening import factor_of, independent, learned

SHAPES = {  # blocks, size of a block, size of the border
    "few small blocks": (5, 3, 4),
    "many small blocks": (110, 3, 4),
    "blocks of one": (6, 1, 3),
    "large blocks": (3, 6, 2),
    "no blocks": (0, 1, 4),
    "no border": (3, 2, 0),
}


class Case:
    """A precision that is an arrow after a permutation, dense and in parts."""

    def __init__(self, blocks: int, k: int, b: int):
        rng = np.random.default_rng(blocks + 10 * k)
        size = blocks * k + b
        order = rng.permutation(size)
        self.own, self.border = order[: blocks * k].reshape(blocks, k), order[blocks * k :]
        design = np.zeros((60 + 4 * blocks, size))
        for row in design:
            row[self.border] = rng.normal(size=b)
            if blocks:
                row[self.own[rng.integers(blocks)]] = rng.normal(size=k)
        self.dense = design.T @ design + np.eye(size)
        self.layout = Layout(self.own, self.border)
        self.arrow = self.parts(self.dense)
        self.vector = rng.normal(size=size)

    def parts(self, dense: np.ndarray) -> Arrow:
        own, border = self.own, self.border
        return Arrow(
            jnp.asarray(dense[own[:, :, None], own[:, None, :]]),
            jnp.asarray(dense[own[:, :, None], border[None, None, :]]),
            jnp.asarray(dense[np.ix_(border, border)]),
        )

    def split(self, vector: np.ndarray) -> Split:
        return self.layout.split(jnp.asarray(vector))


@pytest.fixture(params=SHAPES)
def case(request: pytest.FixtureRequest) -> Case:
    return Case(*SHAPES[request.param])


def test_a_vector_comes_back_together(case: Case) -> None:
    np.testing.assert_array_equal(case.layout.join(case.split(case.vector)), case.vector)


def test_products_and_diagonals_are_those_of_the_dense_matrix(case: Case) -> None:
    join, split = case.layout.join, case.split
    close = np.testing.assert_allclose
    close(join(case.arrow.times(split(case.vector))), case.dense @ case.vector, atol=1e-12)
    close(join(case.arrow.diagonal()), np.diag(case.dense))
    wider = case.dense + np.diag(case.vector**2)
    for found, wanted in zip(
        case.arrow.plus_diagonal(split(case.vector**2)), case.parts(wider), strict=True
    ):
        close(found, wanted)


def test_the_root_solves_and_has_the_determinant_of_the_dense_matrix(case: Case) -> None:
    root, join = case.arrow.root(), case.layout.join
    found = root.solve_transposed(root.solve(case.split(case.vector)))
    np.testing.assert_allclose(join(found), np.linalg.solve(case.dense, case.vector), atol=1e-12)
    assert 2 * float(root.log_det()) == pytest.approx(np.linalg.slogdet(case.dense)[1], abs=1e-10)
    back = root.times_transposed(root.solve_transposed(case.split(case.vector)))
    np.testing.assert_allclose(join(back), case.vector, atol=1e-12)


def test_white_noise_gets_the_covariance(case: Case) -> None:
    root = case.arrow.root()
    columns = [
        case.layout.join(root.solve_transposed(case.split(e))) for e in np.eye(len(case.dense))
    ]
    np.testing.assert_allclose(
        np.array(columns).T @ np.array(columns), np.linalg.inv(case.dense), atol=1e-12
    )


def test_the_inverse_is_right_where_the_arrow_has_elements(case: Case) -> None:
    covariance = np.linalg.inv(case.dense)
    found = case.arrow.root().inverse()
    for part, wanted in zip(found, case.parts(covariance), strict=True):
        np.testing.assert_allclose(part, wanted, atol=1e-12)
    # the trace of a matrix and its inverse
    assert float(case.arrow.inner(found)) == pytest.approx(len(case.dense), rel=1e-10)


@pytest.mark.parametrize("count", [7, 110])
@pytest.mark.parametrize("k", [1, 2, 4, 5])
def test_small_roots_and_solves_are_those_of_lapack(k: int, count: int) -> None:
    rng = np.random.default_rng(k)
    half = rng.normal(size=(count, k, k))
    matrices = half @ np.swapaxes(half, 1, 2) + np.eye(k)
    root = cholesky(jnp.asarray(matrices))
    np.testing.assert_allclose(root, np.linalg.cholesky(matrices), atol=1e-12)
    right = rng.normal(size=(count, k, 3))
    for transposed in (False, True):
        found = solve_lower(root, jnp.asarray(right), transposed=transposed)
        triangle = np.swapaxes(root, 1, 2) if transposed else np.asarray(root)
        np.testing.assert_allclose(triangle @ found, right, atol=1e-12)


def test_a_factor_is_learned_from_draws() -> None:
    """Blocks and core get the covariance of the draws, of whatever size beforehand."""
    case = Case(4, 2, 3)
    covariance = np.linalg.inv(case.dense)
    rng = np.random.default_rng(0)
    draws = rng.multivariate_normal(case.vector, covariance, size=20_000)
    first = independent(case.layout, jnp.full(len(case.dense), 0.3))
    frame = learned(case.layout, first, jnp.asarray(draws))
    wanted = factor_of(case.layout, jnp.asarray(covariance))
    np.testing.assert_allclose(frame.centre, case.vector, atol=0.02)
    for found, right in zip(frame.factor, wanted, strict=True):
        np.testing.assert_allclose(found, right, atol=0.02)
    z = case.split(case.vector)
    back = frame.factor.solve(frame.factor.times(z))
    np.testing.assert_allclose(case.layout.join(back), case.vector, atol=1e-10)


def test_a_few_draws_do_not_say_much_of_a_large_block() -> None:
    """Forty draws count as ten: two thirds of the first factor stay in a core of twenty."""
    layout = Layout(np.zeros((0, 1), int), np.arange(20))
    draws = 1e-3 * np.random.default_rng(1).normal(size=(40, 20))
    frame = learned(layout, independent(layout, jnp.full(20, 0.3)), jnp.asarray(draws))
    variances = np.diag(np.asarray(frame.factor.core @ frame.factor.core.T))
    np.testing.assert_allclose(variances, 0.3**2 * 2 / 3, rtol=1e-3)


def test_the_cost_of_a_root_does_not_grow_with_the_cube_of_the_groups() -> None:
    """Counted in floating-point operations of the compiled program."""

    def operations(groups: int) -> float:
        arrow = Arrow(
            jnp.broadcast_to(2.0 * jnp.eye(3), (groups, 3, 3)), jnp.ones((groups, 3, 5)), jnp.eye(5)
        )
        compiled = jax.jit(lambda a: a.root().log_det()).lower(arrow).compile()
        return float(compiled.cost_analysis()["flops"])

    assert operations(1280) < 10.5 * operations(128)
