"""NUTS in whitened coordinates: warm start, warm-up and draws as one compiled program.

The kernel is BlackJAX's on the NumPyro density. All iterations run in windows of
one length through one scan, so that the kernel is compiled once. After a warm-up
window the program is linearised again at the window's mean, and the whitening is
learned from the draws of all chains together.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import blackjax
import jax
import jax.numpy as jnp
from blackjax.adaptation.step_size import dual_averaging_adaptation
from jax import Array
from jaxtyping import Float
from numpyro.infer.util import constrain_fn

from bayes_scaling.program.program import program
from bayes_scaling.program.structure import Data, Structure

from .coordinates import Coordinates, Linearised, Point, Weights
from .search import Start, find_start


@dataclass(frozen=True)
class Settings:
    """How to sample.

    Attributes
    ----------
    chains, draws, warmup : int
        Draws and warm-up iterations are a chain.
    target_accept : float
    max_depth : int
        Largest number of doublings of a trajectory.
    window : int
        Iterations between adaptations.
    """

    chains: int = 4
    draws: int = 1000
    warmup: int = 500
    target_accept: float = 0.9
    max_depth: int = 10
    window: int = 100


class Draws(NamedTuple):
    """What the sampler returns; leading shape ``(chains, draws)``.

    Attributes
    ----------
    sites : dict of arrays
        Sites of the program on their natural scale.
    free : dict of arrays
        The same on the unconstrained scale.
    diverging, energy, steps, acceptance : arrays
    step_size : scalar
    """

    sites: dict[str, Array]
    free: dict[str, Array]
    diverging: Array
    energy: Array
    steps: Array
    acceptance: Array
    step_size: Array


class Recorded(NamedTuple):
    """What each iteration of each chain leaves behind."""

    position: Array
    diverging: Array
    energy: Array
    steps: Array
    acceptance: Array


class _Frame(NamedTuple):
    """The current coordinates: ``x = centre + factor @ position``."""

    centre: Float[Array, " n"]
    factor: Float[Array, "n n"]
    linearised: Linearised

    def to_x(self, position: Float[Array, " n"]) -> Float[Array, " n"]:
        return self.centre + self.factor @ position

    def to_position(self, x: Float[Array, " n"]) -> Float[Array, " n"]:
        return jax.scipy.linalg.solve(self.factor, x - self.centre)


@partial(jax.jit, static_argnames=("structure", "settings"))
def sample(
    structure: Structure,
    data: Data,
    key: Array,
    settings: Settings,
    near: dict[str, Array] | None = None,
) -> Draws:
    """Draw from the posterior; compiled once per structure, shapes and settings.

    Parameters
    ----------
    structure : Structure
    data : Data
    key : JAX key
    settings : Settings
    near : dict of arrays, optional
        Sites on the unconstrained scale that the mode is near to, as of a fit of most of the
        runs; by default it is looked for from the prior.
    """
    return sample_traced(structure, data, key, settings, near)


def sample_traced(
    structure: Structure,
    data: Data,
    key: Array,
    settings: Settings,
    near: dict[str, Array] | None = None,
) -> Draws:
    """`sample` without its own compilation, to be used under `jax.vmap`."""
    coordinates = Coordinates(structure, data)
    key_start, key_chains, key_walk = jax.random.split(key, 3)
    start = find_start(structure, data, key_start, near)
    walk = _Walk(coordinates, settings, start)
    positions = 0.5 * jax.random.normal(key_chains, (settings.chains, coordinates.size))
    frame, recorded, step_size = walk.run(positions, key_walk)

    def to_sites(position):
        point, _ = coordinates.to_point(frame.to_x(position), frame.linearised)
        free = coordinates.free(point)
        return free, constrain_fn(program, (structure, data), {}, free)

    flat = recorded.position.reshape(-1, coordinates.size)
    # lax.map in batches: a vmap over all draws would hold every run of every draw
    free, sites = jax.lax.map(to_sites, flat, batch_size=500)
    shape = (settings.draws, settings.chains)

    def shaped(tree):
        return {k: jnp.swapaxes(v.reshape(*shape, *v.shape[1:]), 0, 1) for k, v in tree.items()}

    return Draws(
        shaped(sites),
        shaped(free),
        recorded.diverging.T,
        recorded.energy.T,
        recorded.steps.T,
        recorded.acceptance.T,
        step_size,
    )


class _Walk:
    """The windows of warm-up and draws."""

    def __init__(self, coordinates: Coordinates, settings: Settings, start: Start):
        self.coordinates = coordinates
        self.settings = settings
        self.start = start
        self.kernel = blackjax.nuts.build_kernel()
        self.averaging = dual_averaging_adaptation(settings.target_accept)

    def run(
        self, positions: Float[Array, "chains n"], key: Array
    ) -> tuple[_Frame, Recorded, Array]:
        """Walk all windows; return the last frame, what the draws recorded, and the step size."""
        window, warmup = self.settings.window, self.settings.warmup
        n_warm = max(2, -(-warmup // window))
        n_draw = -(-self.settings.draws // window)
        frame = _Frame(self.start.centre, self.start.factor, self.start.linearised)
        x = jax.vmap(frame.to_x)(positions)
        carry = (x, frame, jnp.asarray(0.5))

        def one(carry, keyed):
            key, index = keyed
            x, frame, step_size = carry
            warming = index < n_warm
            state, recorded, tuned = self._window(x, frame, step_size, warming, key)
            step_size = jnp.where(warming, tuned, step_size)
            # the last warm-up window only settles the step size in the final frame
            adapt = index < n_warm - 1
            x = jax.vmap(frame.to_x)(state)
            x, frame = jax.lax.cond(
                adapt, lambda: self._adapt(x, frame, recorded.position), lambda: (x, frame)
            )
            return (x, frame, step_size), recorded

        keys = jax.random.split(key, n_warm + n_draw)
        (_, frame, step_size), recorded = jax.lax.scan(
            one, carry, (keys, jnp.arange(n_warm + n_draw))
        )
        kept = jax.tree.map(
            lambda a: a[n_warm:].reshape(-1, *a.shape[2:])[: self.settings.draws], recorded
        )
        return frame, kept, step_size

    def _window(
        self,
        x: Float[Array, "chains n"],
        frame: _Frame,
        step_size: Array,
        warming: Array,
        key: Array,
    ) -> tuple[Float[Array, "chains n"], Recorded, Array]:
        """One window of NUTS, all chains together, one step size."""

        # jitted so that BlackJAX's several uses of it are traced once
        @jax.jit
        def density(position: Float[Array, " n"]) -> Float[Array, ""]:
            return self.coordinates.log_density(frame.to_x(position), frame.linearised)

        begin, update, finish = self.averaging
        unit = jnp.ones(self.coordinates.size)
        states = jax.vmap(lambda p: blackjax.nuts.init(p, density))(jax.vmap(frame.to_position)(x))

        def one(carry, key):
            states, averaging = carry
            tuned = jnp.exp(averaging.log_step_size)
            step = self._chain_step(density, jnp.where(warming, tuned, step_size), unit)
            states, info = jax.vmap(step)(jax.random.split(key, self.settings.chains), states)
            averaging = update(averaging, jnp.mean(info.acceptance_rate))
            record = Recorded(
                states.position,
                info.is_divergent,
                info.energy,
                info.num_integration_steps,
                info.acceptance_rate,
            )
            return (states, averaging), record

        carry = (states, begin(step_size))
        (states, averaging), recorded = jax.lax.scan(
            one, carry, jax.random.split(key, self.settings.window)
        )
        return states.position, recorded, finish(averaging)

    def _chain_step(self, density: Callable, step_size: Array, unit: Array) -> Callable:
        def step(key: Array, state: Any) -> Any:
            return self.kernel(
                key,
                state,
                density,
                step_size,
                unit,
                max_num_doublings=self.settings.max_depth,
            )

        return step

    def _adapt(
        self,
        x: Float[Array, "chains n"],
        frame: _Frame,
        positions: Float[Array, "window chains n"],
    ) -> tuple[Float[Array, "chains n"], _Frame]:
        """Linearise again at the window's mean and whiten with its draws."""
        coordinates = self.coordinates
        late = positions[self.settings.window // 3 :].reshape(-1, coordinates.size)

        def visit(position: Float[Array, " n"]) -> tuple[Point, Weights]:
            point, _ = coordinates.to_point(frame.to_x(position), frame.linearised)
            return point, coordinates.weights(point)

        points, weights = jax.vmap(visit)(late)
        lin = coordinates.linearise(points.t.mean(0), jax.tree.map(lambda a: a.mean(0), weights))
        relocated = jax.vmap(lambda p: coordinates.to_x(p, lin))(points)
        centre = relocated.mean(0)
        # in units of the start's whitening, shrunk towards it: few draws, many coordinates
        units = jnp.linalg.solve(self.start.factor, (relocated - centre).T).T
        effective = late.shape[0] / 4.0
        weight = effective / (effective + coordinates.size)
        covariance = weight * jnp.cov(units.T) + (1 - weight) * jnp.eye(coordinates.size)
        factor = self.start.factor @ jnp.linalg.cholesky(covariance)
        moved = jax.vmap(
            lambda v: coordinates.to_x(coordinates.to_point(v, frame.linearised)[0], lin)
        )(x)
        return moved, _Frame(centre, factor, lin)
