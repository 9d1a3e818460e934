"""Many laws in one compiled program.

Compiling the sampler costs far more than a fit of one table, and almost none of it
depends on the law. Here the law is an argument: the program branches to the mean of
the law that is asked for, on parameters padded to the longest list. Laws must be of one
kind, and are fitted without groups or rungs; rows of scheduled laws are points of curves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from bayes_scaling.errors import UsageError
from bayes_scaling.law import History, Input, Law, Normal, Parameter
from bayes_scaling.law.declare import Values
from bayes_scaling.law.law import SCHEDULE
from bayes_scaling.law.priors import LINKS
from bayes_scaling.program import Spec
from bayes_scaling.program.noise import noise_named
from bayes_scaling.program.structure import Data, Structure

WHICH = "which"
type _Expansion = Callable[[tuple[Array, ...]], tuple[Array, ...]]
type _Branch = Callable[[tuple[Array, ...], tuple[Array, ...], History | None], Array]


class Kind(NamedTuple):
    """What laws of one program have in common.

    Attributes
    ----------
    noise : str
    scheduled, scatters : bool
        Whether they take schedules, and have noise of their own: both cost time, which
        other laws need not spend.
    alone : str
        Name of a law that shares its program with none: a chain, a mixture of items, or a law
        that gives scalars of the likelihood.
    """

    noise: str
    scheduled: bool
    scatters: bool
    alone: str = ""


def kind_of(law: Law) -> Kind:
    """Return what a law must share with those in its program."""
    alone = law.name if law.link or law.mixture or law.shape else ""
    return Kind(law.response.noise, law.scheduled, law.scatter is not None, alone)


class Together:
    """Laws of one kind as one law whose first input says which of them it is.

    Parameters
    ----------
    laws : sequence of Law
    """

    def __init__(self, laws: Sequence[Law]):
        kinds = {kind_of(law) for law in laws}
        if len(kinds) != 1:
            came = "; ".join(sorted(map(str, kinds)))
            raise UsageError(f"laws of one kind were expected, got {came or 'none'}")
        self.laws = tuple(laws)
        self.kind = kinds.pop()
        self.inputs = [f"x{i}" for i in range(max(len(law.inputs) for law in laws))]
        self.parameters = [f"p{i}" for i in range(max(len(law.parameters) for law in laws))]
        self.law = self._union()

    @property
    def structure(self) -> Structure:
        """Structure of the one program."""
        pooling = tuple((p, ()) for p in self.parameters)
        noise = noise_named(self.kind.noise)
        return Structure(self.law, pooling, (), 0, noise, serial=self.kind.scheduled)

    def data(self, law: Law, data: Data, spec: Spec) -> Data:
        """Arrays of a law's own program, as this program takes them."""
        runs = data.response.shape
        inputs: dict[str, Any] = {WHICH: jnp.full(runs, float(self.laws.index(law)))}
        inputs |= dict.fromkeys(self.inputs, jnp.ones(runs))
        inputs |= dict(zip(self.inputs, (data.inputs[k] for k in law.inputs), strict=False))
        inputs |= {k: data.inputs[k] for k in (SCHEDULE,) if self.kind.scheduled}
        loc = dict.fromkeys(self.parameters, jnp.asarray(0.0))
        sd = dict.fromkeys(self.parameters, jnp.asarray(1.0))
        for p, name in zip(self.parameters, law.parameters, strict=False):
            loc[p], sd[p] = jnp.asarray(spec.prior_loc[name]), jnp.asarray(spec.prior_sd[name])
        return data._replace(inputs=inputs, prior_loc=loc, prior_sd=sd)

    def sites(self, law: Law, drawn: Mapping[str, Array]) -> dict[str, Array]:
        """Draws by the law's own names: parameters on their unconstrained scale, and noise."""
        named = dict(zip(law.parameters, self.parameters, strict=False))
        own = {name: drawn[p] for name, p in named.items()}
        return own | {k: v for k, v in drawn.items() if k not in self.parameters}

    def _union(self) -> Law:
        # variants share a function, which is compiled once
        whole = {law.function: replace(law, tied={}, fixed={}) for law in self.laws}
        names = {law.function: sorted(law.expand(law.parameters)) for law in self.laws}
        width = max(map(len, names.values()))
        expansions = [_expansion(law, names[law.function], width) for law in self.laws]
        place = jnp.array([list(whole).index(law.function) for law in self.laws])
        means = [_branch(law, names[f], law.mean) for f, law in whole.items()]
        spreads = [_branch(law, names[f], law.extra_spread) for f, law in whole.items()]

        def switch(branches: list[_Branch], inputs: Values, values: Values) -> Array:
            # all runs are of one law
            index = inputs[WHICH][..., 0].astype(int)
            xs = tuple(inputs[k] for k in self.inputs)
            zs = tuple(values[p] for p in self.parameters)
            full = jax.lax.switch(index, expansions, zs)
            return jax.lax.switch(place[index], branches, xs, full, inputs.get(SCHEDULE))

        def mean(which: Array, *xs: Array, schedule: History | None = None, **zs: Array) -> Array:
            given = dict(zip(self.inputs, xs, strict=True))
            return switch(means, {WHICH: which, **given, SCHEDULE: schedule}, zs)

        def scatter(inputs: Values, values: Values) -> Array:
            return switch(spreads, inputs, values)

        inputs = {name: Input("padded input", "") for name in (WHICH, *self.inputs)}
        prior = Parameter(Normal(0.0, 1.0), "parameter on the unconstrained scale")
        return Law(
            name="together",
            function=mean,
            inputs=MappingProxyType(inputs),
            parameters=MappingProxyType(dict.fromkeys(self.parameters, prior)),
            response=self.laws[0].response,
            citation="",
            references=(),
            family="",
            formula="",
            scheduled=self.kind.scheduled,
            scatter=scatter if self.kind.scatters else None,
        )


def _expansion(law: Law, names: Sequence[str], width: int) -> _Expansion:
    """Parameters of a law's function by those names, padded, from unconstrained free ones."""

    def expand(zs: tuple[Array, ...]) -> tuple[Array, ...]:
        free = {
            name: LINKS[declared.prior.link].to_support(z)
            for (name, declared), z in zip(law.parameters.items(), zs, strict=False)
        }
        full = law.expand(free)
        padded = [full[name] for name in names] + [1.0] * (width - len(names))
        return tuple(jnp.broadcast_to(jnp.asarray(v, float), jnp.shape(zs[0])) for v in padded)

    return expand


def _branch(law: Law, names: Sequence[str], function: Callable[[Values, Values], Any]) -> _Branch:
    """Mean or extra spread of a function's law, on padded inputs and all its parameters."""

    def branch(xs: tuple[Array, ...], full: tuple[Array, ...], schedule: History | None) -> Array:
        inputs: dict[str, Any] = dict(zip(law.inputs, xs, strict=False))
        inputs |= {SCHEDULE: schedule} if law.scheduled else {}
        values = dict(zip(names, full, strict=False))
        return jnp.broadcast_to(function(inputs, values), jnp.shape(xs[0]))

    return branch
