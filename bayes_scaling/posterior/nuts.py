"""NUTS in whitened coordinates: warm start, warm-up and draws as one compiled program.

The kernel is BlackJAX's on the NumPyro density. All iterations run in windows of
one length through one scan, so that the kernel is compiled once. After a warm-up
window the program is linearised again at the window's mean, and the whitening is
learned from the draws of all chains together. Chains meet at the ends of windows only,
so they can be shared out over devices.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import blackjax
import jax
import jax.numpy as jnp
from blackjax.adaptation.step_size import dual_averaging_adaptation
from jax import Array
from jaxtyping import Float, Key
from numpyro.infer.util import constrain_fn

from bayes_scaling.program.program import program
from bayes_scaling.program.structure import Data, Structure

from .coordinates import Coordinates, Point
from .devices import ALONE, SHARE, WHOLE, Meet, shared_out, used
from .linearised import Linearised, Weights
from .search import Start, find_start
from .whitening import Frame, learned

AT_ONCE = 200_000  # coordinates of draws that are turned into sites together


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


@partial(jax.jit, static_argnames=("structure", "settings", "devices"))
def sample(
    structure: Structure,
    data: Data,
    key: Array,
    settings: Settings,
    near: dict[str, Array] | None = None,
    *,
    devices: tuple[Any, ...] = (),
) -> Draws:
    """Draw from the posterior; compiled once per structure, shapes, settings and devices.

    Parameters
    ----------
    structure, data, key, settings, near
        As in `sample_traced`.
    devices : tuple of JAX devices
        Chains are shared out over as many of them as divide their number; by default one does
        all the work.
    """
    meet = Meet(max(1, len(used(devices, settings.chains))))
    specs = Draws._make(WHOLE if k == "step_size" else SHARE for k in Draws._fields)

    def on_device(data: Data, key: Array, near: dict[str, Array] | None) -> Draws:
        return sample_traced(structure, data, key, settings, near, meet)

    run = shared_out(on_device, devices, settings.chains, common=3, results=specs)
    return run(data, key, near)


def sample_traced(
    structure: Structure,
    data: Data,
    key: Array,
    settings: Settings,
    near: dict[str, Array] | None = None,
    meet: Meet = ALONE,
) -> Draws:
    """Draw from the posterior, inside a compiled function: of `jax.vmap`, or of each device.

    Parameters
    ----------
    structure : Structure
    data : Data
    key : JAX key
    settings : Settings
    near : dict of arrays, optional
        Sites on the unconstrained scale that the mode is near to, as of a fit of most of the
        runs; by default it is looked for from the prior.
    meet : Meet
        How chains on several devices meet.
    """
    coordinates = Coordinates(structure, data)
    key_start, key_chains, key_walk = jax.random.split(key, 3)
    start = find_start(structure, data, key_start, near, meet)
    walk = _Walk(coordinates, settings, start, meet)
    positions = 0.5 * jax.random.normal(key_chains, (settings.chains, coordinates.size))
    keys = jax.random.split(key_walk, settings.chains)
    frame, lin, recorded, step_size = walk.run(meet.share(positions), meet.share(keys))

    def to_sites(drawn):
        position, key = drawn
        point, _ = coordinates.to_point(coordinates.placed(frame, position), lin, key)
        free = coordinates.free(point)
        return free, constrain_fn(program, (structure, data), {}, free)

    flat = recorded.position.reshape(-1, coordinates.size)
    shape = (settings.draws, settings.chains // meet.devices)
    hidden = None
    if structure.integrated:  # what was integrated out is drawn
        hidden = jax.random.split(jax.random.fold_in(key, 1), (settings.chains, settings.draws))
        hidden = meet.share(hidden).T.ravel()
    # lax.map in batches: a vmap over all draws would hold every run of every draw
    batch = max(1, min(500, AT_ONCE // coordinates.size))
    free, sites = jax.lax.map(to_sites, (flat, hidden), batch_size=batch)

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

    def __init__(self, coordinates: Coordinates, settings: Settings, start: Start, meet: Meet):
        self.coordinates = coordinates
        self.settings = settings
        self.start = start
        self.meet = meet
        self.kernel = blackjax.nuts.build_kernel()
        self.averaging = dual_averaging_adaptation(settings.target_accept)

    def run(
        self, positions: Float[Array, "chains n"], keys: Key[Array, " chains"]
    ) -> tuple[Frame, Linearised, Recorded, Array]:
        """Walk all windows; return the last frame, what the draws recorded, and the step size."""
        window, warmup = self.settings.window, self.settings.warmup
        n_warm = max(2, -(-warmup // window))
        n_draw = -(-self.settings.draws // window)
        frame, lin = self.start
        x = jax.vmap(lambda p: self.coordinates.placed(frame, p))(positions)

        def one(carry, index):
            x, frame, lin, step_size = carry
            warming = index < n_warm
            own = jax.vmap(lambda key: jax.random.fold_in(key, index))(keys)
            positions, recorded, tuned = self._window(x, frame, lin, step_size, warming, own)
            step_size = jnp.where(warming, tuned, step_size)
            # the last warm-up window only settles the step size in the final frame
            adapt = index < n_warm - 1
            x = jax.vmap(lambda p: self.coordinates.placed(frame, p))(positions)
            visited = self.meet.gather(recorded.position, axis=1)
            x, frame, lin = jax.lax.cond(
                adapt, lambda: self._adapt(x, frame, lin, visited), lambda: (x, frame, lin)
            )
            return (x, frame, lin, step_size), recorded

        carry = (x, frame, lin, jnp.asarray(0.5))
        (_, frame, lin, step_size), recorded = jax.lax.scan(one, carry, jnp.arange(n_warm + n_draw))
        kept = jax.tree.map(
            lambda a: a[n_warm:].reshape(-1, *a.shape[2:])[: self.settings.draws], recorded
        )
        return frame, lin, kept, step_size

    def _window(
        self,
        x: Float[Array, "chains n"],
        frame: Frame,
        lin: Linearised,
        step_size: Array,
        warming: Array,
        keys: Key[Array, " chains"],
    ) -> tuple[Float[Array, "chains n"], Recorded, Array]:
        """One window of NUTS, all chains together; also the step size that they tuned."""

        # jitted so that BlackJAX's several uses of it are traced once
        @jax.jit
        def density(position: Float[Array, " n"]) -> Float[Array, ""]:
            return self.coordinates.log_density(self.coordinates.placed(frame, position), lin)

        begin, update, finish = self.averaging
        unit = jnp.ones(self.coordinates.size)

        def step(key: Array, state: Any, averaging: Any) -> tuple[Any, Any, Any]:
            tuned = jnp.where(warming, jnp.exp(averaging.log_step_size), step_size)
            depth = self.settings.max_depth
            state, info = self.kernel(key, state, density, tuned, unit, max_num_doublings=depth)
            return state, update(averaging, info.acceptance_rate), info

        def one(carry, index):
            own = jax.vmap(lambda key: jax.random.fold_in(key, index))(keys)
            states, averaging, info = jax.vmap(step)(own, *carry)
            record = Recorded(
                states.position,
                info.is_divergent,
                info.energy,
                info.num_integration_steps,
                info.acceptance_rate,
            )
            return (states, averaging), record

        positions = jax.vmap(lambda v: self.coordinates.position(frame, v))(x)
        states = jax.vmap(lambda p: blackjax.nuts.init(p, density))(positions)
        averaging = jax.vmap(lambda _: begin(step_size))(x)
        (states, averaging), recorded = jax.lax.scan(
            one, (states, averaging), jnp.arange(self.settings.window)
        )
        tuned = self.meet.gather(jnp.log(jax.vmap(finish)(averaging)))
        return states.position, recorded, jnp.exp(jnp.mean(tuned))

    def _adapt(
        self,
        x: Float[Array, "chains n"],
        frame: Frame,
        lin: Linearised,
        positions: Float[Array, "window all_chains n"],
    ) -> tuple[Float[Array, "chains n"], Frame, Linearised]:
        """Linearise again at the window's mean and whiten with the draws of all chains."""
        coordinates = self.coordinates
        late = positions[self.settings.window // 3 :]

        def visit(position: Float[Array, " n"]) -> tuple[Point, Weights]:
            point, _ = coordinates.to_point(coordinates.placed(frame, position), lin)
            return point, coordinates.weights(point)

        def mean(tree: Any) -> Any:
            return jax.tree.map(lambda a: a.mean(0), tree)

        def visit_all(positions: Float[Array, "all_chains n"]) -> tuple[Point, Weights]:
            points, weights = jax.vmap(visit)(positions)
            return points, mean(weights)

        points, weights = jax.lax.map(visit_all, late)  # one by one: rows may be many
        points = jax.tree.map(jnp.concatenate, points)
        again = coordinates.linearise(points.t.mean(0), mean(weights))
        relocated = jax.vmap(lambda p: coordinates.to_x(p, again))(points)
        whitened = learned(coordinates.whole, self.start.frame.factor, relocated)
        moved = jax.vmap(lambda v: coordinates.to_x(coordinates.to_point(v, lin)[0], again))(x)
        return moved, whitened, again
