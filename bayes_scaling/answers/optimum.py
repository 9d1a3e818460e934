"""Where a law's mean is smallest over its settings: draw by draw, and on average over draws.

Settings enter as logs over their references, in the order of `Law.settings`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

from bayes_scaling.law import Law
from bayes_scaling.posterior.fit import Fit

WIDER = 10.0  # factor beyond the fitted range where optima are still looked for
GRID = 15  # values of a setting that the search starts from
STEPS = 12  # of Newton's method, which doubles the digits in each
RETUNE_STEPS = 2  # for the other settings, after each step along one
END_STEPS = 14  # towards the end of a plateau
LONGEST = 1.5  # step, e-folds of a setting
FLATTEST = 1e-9  # curvature that a step trusts
SHARES = (1.0, 0.5, 0.25, 0.05, 0.0)  # of a step: one of them does not climb
ROUNDING = 1e-13  # of a log mean: a full step near the optimum does not climb by more
CLOSE = 1e-6  # to the end of a plateau, as a share of the root there
AT_ONCE = 64  # settings that are judged together

Scalar = Callable[[Array], Array]
Values = Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Box:
    """Where optima are looked for.

    Attributes
    ----------
    references : (setting,) array
    low, high : (setting,) array
        In logs over the references.
    """

    references: Float[np.ndarray, " setting"]
    low: Float[np.ndarray, " setting"]
    high: Float[np.ndarray, " setting"]

    def logs(self, settings: Any) -> Float[np.ndarray, "*any setting"]:
        """Settings as logs over their references."""
        return np.log(np.asarray(settings, dtype=float) / self.references)

    def values(self, z: Any) -> Float[np.ndarray, "*any setting"]:
        """Settings in their units, from their logs."""
        return np.exp(np.asarray(z)) * self.references

    def cut(self, z: Any) -> tuple[np.ndarray, np.ndarray]:
        """Whether settings lie on the lower, and on the upper edge."""
        return np.asarray(z) <= self.low, np.asarray(z) >= self.high


def box_of(fit: Fit) -> Box:
    """Fitted range of each setting, and a factor beyond."""
    names = fit.law.settings
    references = np.array([fit.spec.references[k] for k in names])
    low, high = np.array([fit.spec.ranges[k] for k in names]).T
    return Box(references, np.log(low / WIDER / references), np.log(high * WIDER / references))


@dataclass(frozen=True, eq=False)
class Surface:
    """The mean of a law over its settings, at one point, draw by draw.

    Attributes
    ----------
    law : Law
    inputs : dict of arrays
        The other inputs of the point, as the law's function takes them.
    parameters : dict of (sample,) arrays
    box : Box
    """

    law: Law
    inputs: dict[str, Any]
    parameters: dict[str, Float[Array, " sample"]]
    box: Box

    def best(self) -> tuple[Float[np.ndarray, "sample setting"], Float[np.ndarray, " sample"]]:
        """Best settings of every draw, and the log of the mean there."""
        samples = len(next(iter(self.parameters.values())))
        inputs = jax.tree.map(lambda x: jnp.broadcast_to(x, (samples, *jnp.shape(x))), self.inputs)
        z, least = best_of(self.law, inputs, self.parameters, self.box.low, self.box.high)
        return np.asarray(z), np.asarray(least)

    def log_means(self, z: Any) -> Float[np.ndarray, "sample trial"]:
        """Log mean of every draw at settings, shape (trial, setting)."""
        return np.asarray(_log_means(self.law, self.inputs, self.parameters, jnp.asarray(z)))

    def expected(self, z: Any, least: Any) -> Float[np.ndarray, " trial"]:
        """Expected penalty of settings, shape (trial, setting), over the best of every draw."""
        return np.asarray(
            _expected(self.law, self.inputs, self.parameters, jnp.asarray(least), jnp.asarray(z))
        )

    def recommend(self, least: Any) -> tuple[Float[np.ndarray, " setting"], float]:
        """Settings of the smallest expected penalty, and that penalty."""
        grid = grid_of(self.box.low, self.box.high)
        start = grid[int(np.argmin(self.expected(grid, least)))]
        z, cost = _recommend(self.law, *self._given(least), start, self.box.low, self.box.high)
        return np.asarray(z), float(cost)

    def plateau(
        self, z: Any, least: Any, bound: float, *, retuned: bool
    ) -> Float[np.ndarray, "setting 2"]:
        """Ends of the range of each setting whose expected penalty is below a bound.

        Parameters
        ----------
        z : (setting,) array
            The recommended settings, whose expected penalty is below the bound.
        least : (sample,) array
            Log of the smallest mean of every draw.
        bound : float
        retuned : bool
            Whether other settings follow, or stay as recommended.

        Returns
        -------
        (setting, 2) array
            The edge of the box where the range is longer.
        """
        ends = [
            [
                _end(
                    self.law, *self._given(least), jnp.asarray(z), self.box.low, self.box.high,
                    bound, j, side, retuned and len(self.law.settings) > 1,
                )
                for side in (-1, 1)
            ]
            for j in range(len(self.law.settings))
        ]  # fmt: skip
        return np.asarray(ends)

    def _given(self, least: Any) -> tuple[dict[str, Any], dict[str, Array], Array]:
        return self.inputs, self.parameters, jnp.asarray(least)


def grid_of(low: Any, high: Any) -> Float[np.ndarray, "trial setting"]:
    """Evenly spaced settings over a box, in logs."""
    axes = [np.linspace(a, b, GRID) for a, b in zip(low, high, strict=True)]
    return np.array(list(product(*axes)))


@functools.partial(jax.jit, static_argnames="law")
def best_of(
    law: Law, inputs: Values, parameters: Values, low: Array, high: Array
) -> tuple[Float[Array, "cell setting"], Float[Array, " cell"]]:
    """Best settings of each cell, and the log of the mean there.

    Parameters
    ----------
    law : Law
    inputs, parameters : dict of (cell, ...) arrays
    low, high : (setting,) array
    """
    sides = jnp.meshgrid(*(jnp.linspace(a, b, GRID) for a, b in zip(low, high, strict=True)))
    grid = jnp.stack([side.ravel() for side in sides], axis=-1)

    def one(x: Values, p: Values) -> tuple[Array, Array]:
        def f(z: Array) -> Array:
            return _log_mean(law, z, x, p)

        z = _descend(f, grid[_least(jax.vmap(f)(grid))], low, high, STEPS)
        return z, f(z)

    return jax.vmap(one)(inputs, parameters)


def _log_mean(law: Law, z: Array, inputs: Values, parameters: Values) -> Array:
    settings = {name: jnp.exp(z[i]) for i, name in enumerate(law.settings)}
    return jnp.log(law.mean({**inputs, **settings}, parameters))


def _least(values: Array) -> Array:
    return jnp.argmin(jnp.where(jnp.isnan(values), jnp.inf, values))


def _descend(f: Scalar, start: Array, low: Array, high: Array, steps: int) -> Array:
    """Minimise a smooth function in a box: Newton's steps, shortened until none climbs."""
    shares = jnp.asarray(SHARES)

    def slope(z: Array) -> tuple[Array, Array]:
        g = jax.jacfwd(f)(z)  # of two settings, forward is as fast and quicker to compile
        return g, g

    curvature = jax.jacfwd(slope, has_aux=True)

    def step(_: Any, z: Array) -> Array:
        h, g = curvature(z)
        # at an edge that the function falls towards, a setting stays
        held = ((z <= low) & (g > 0)) | ((z >= high) & (g < 0))
        g = jnp.where(held, 0.0, g)
        h = jnp.where(held[:, None] | held[None, :], jnp.diag(held.astype(h.dtype)), h)
        size, axes = jnp.linalg.eigh(h)
        move = -axes @ ((axes.T @ g) / jnp.maximum(jnp.abs(size), FLATTEST))
        move = move * jnp.minimum(1.0, LONGEST / jnp.maximum(jnp.abs(move).max(), FLATTEST))
        tried = jnp.clip(z + shares[:, None] * move, low, high)
        values = jax.vmap(f)(tried).at[0].add(-ROUNDING)
        return tried[_least(values)]

    return jax.lax.fori_loop(0, steps, step, start)


@functools.partial(jax.jit, static_argnames="law")
def _log_means(law: Law, inputs: Values, parameters: Values, z: Array) -> Array:
    def at(own: Array) -> Array:
        return jax.vmap(lambda p: _log_mean(law, own, inputs, p))(dict(parameters))

    return jax.lax.map(at, z, batch_size=AT_ONCE).T


@functools.partial(jax.jit, static_argnames="law")
def _expected(law: Law, inputs: Values, parameters: Values, least: Array, z: Array) -> Array:
    return jax.lax.map(_penalty(law, inputs, parameters, least), z, batch_size=AT_ONCE)


def _penalty(law: Law, inputs: Values, parameters: Values, least: Array) -> Scalar:
    """Expected penalty of one value of the settings."""

    def penalty(z: Array) -> Array:
        means = jax.vmap(lambda p: _log_mean(law, z, inputs, p))(dict(parameters))
        return jnp.expm1(means - least).mean()

    return penalty


@functools.partial(jax.jit, static_argnames="law")
def _recommend(
    law: Law, inputs: Values, parameters: Values, least: Array, start: Array, low: Array,
    high: Array,
) -> tuple[Array, Array]:  # fmt: skip
    f = _penalty(law, inputs, parameters, least)
    z = _descend(f, start, low, high, STEPS)
    return z, f(z)


@functools.partial(jax.jit, static_argnames=("law", "retuned"))
def _end(
    law: Law, inputs: Values, parameters: Values, least: Array, best: Array, low: Array,
    high: Array, bound: float, j: int, side: int, retuned: bool,
) -> Array:  # fmt: skip
    """Find the end of a plateau on one side along setting j.

    The root of an excess over the smallest penalty is nearly straight, so that Newton's
    method finds its end in a few steps; bisection takes over where a step leaves the bracket.
    """
    f = _penalty(law, inputs, parameters, least)
    smallest = f(best)
    edge = jnp.where(side < 0, low[j], high[j])
    target = jnp.sqrt(jnp.maximum(bound - smallest, 0.0))
    bend = jnp.maximum(jax.jacfwd(jax.jacfwd(f))(best)[j, j], FLATTEST)

    def between(x: Array, a: Array, b: Array) -> Array:
        return (x > jnp.minimum(a, b)) & (x < jnp.maximum(a, b))

    def step(_: Any, carry: tuple[Array, ...]) -> tuple[Array, ...]:
        value, inside, outside, z, found = carry
        z = z.at[j].set(value)
        if retuned:
            z = _descend(f, z, low.at[j].set(value), high.at[j].set(value), RETUNE_STEPS)
        cost, slope = f(z), jax.jacfwd(f)(z)
        over = cost > bound
        inside, outside = jnp.where(over, inside, value), jnp.where(over, value, outside)
        root = jnp.sqrt(jnp.maximum(cost - smallest, 0.0))
        newton = value - (root - target) * 2.0 * root / slope[j]
        close = jnp.abs(root - target) <= CLOSE * target
        trusted = close | between(newton, inside, outside)
        value = jnp.where(trusted, newton, 0.5 * (inside + outside))
        return value, inside, outside, z, found | over | close

    guess = best[j] + side * target * jnp.sqrt(2.0 / bend)
    guess = jnp.where(between(guess, best[j], edge), guess, 0.5 * (best[j] + edge))
    carry = (guess, best[j], edge, best, jnp.asarray(False))
    value, *_, found = jax.lax.fori_loop(0, END_STEPS, step, carry)
    return jnp.where(found, value, edge)
