"""Many laws in one compiled program.

Compiling the sampler costs far more than a fit of one table, and almost none of it
depends on the law. Here the law is an argument: the program branches to the mean of
the law that is asked for, on parameters padded to the longest list. Laws must share
their noise, and are fitted without groups or rungs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from bayes_scaling.errors import UsageError
from bayes_scaling.law import Input, Law, Normal, Parameter
from bayes_scaling.law.priors import LINKS
from bayes_scaling.program.build import Spec
from bayes_scaling.program.noise import noise_named
from bayes_scaling.program.structure import Data, Structure

WHICH = "which"


class Together:
    """Laws of one noise as one law whose first input says which of them it is.

    Parameters
    ----------
    laws : sequence of Law
    """

    def __init__(self, laws: Sequence[Law]):
        noises = {law.response.noise for law in laws}
        if len(noises) != 1:
            raise UsageError(f"laws of one noise were expected, got {', '.join(sorted(noises))}")
        self.laws = tuple(laws)
        self.noise = noises.pop()
        self.inputs = [f"x{i}" for i in range(max(len(law.inputs) for law in laws))]
        self.parameters = [f"p{i}" for i in range(max(len(law.parameters) for law in laws))]
        self.law = self._union()

    @property
    def structure(self) -> Structure:
        """Structure of the one program."""
        pooling = tuple((p, ()) for p in self.parameters)
        return Structure(self.law, pooling, (), 0, noise_named(self.noise))

    def data(self, law: Law, data: Data, spec: Spec) -> Data:
        """Arrays of a law's own program, as this program takes them."""
        runs = data.response.shape
        inputs = {WHICH: jnp.full(runs, float(self.laws.index(law)))}
        inputs |= dict.fromkeys(self.inputs, jnp.ones(runs))
        inputs |= dict(zip(self.inputs, (data.inputs[k] for k in law.inputs), strict=False))
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
        branches = [_branch(law) for law in self.laws]

        def mean(which: Array, *xs: Array, **zs: Array) -> Array:
            # all runs are of one law
            index = which[..., 0].astype(int)
            return jax.lax.switch(index, branches, xs, tuple(zs[p] for p in self.parameters))

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
        )


def _branch(law: Law) -> Callable[[tuple[Array, ...], tuple[Array, ...]], Array]:
    def mean(xs: tuple[Array, ...], zs: tuple[Array, ...]) -> Array:
        inputs = dict(zip(law.inputs, xs, strict=False))
        values: dict[str, Any] = {
            name: LINKS[declared.prior.link].to_support(z)
            for (name, declared), z in zip(law.parameters.items(), zs, strict=False)
        }
        return jnp.broadcast_to(law.mean(inputs, values), jnp.shape(xs[0]))

    return mean
