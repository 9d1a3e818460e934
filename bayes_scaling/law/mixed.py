"""Several laws as one: each joint draw follows one of them, everywhere."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import jax.numpy as jnp
from jax import Array

from bayes_scaling.errors import UsageError

from .declare import Derived, Parameter, Values
from .law import Law
from .priors import Normal

BETWEEN = "|"  # of the names of laws in that of the mixed one
INDEX = "law_index"


def own_name(law: Law, parameter: str) -> str:
    """Name of a law's parameter in the mixed law."""
    return f"{law.name}.{parameter}"


def owner(law: Law, parameter: str) -> int | None:
    """Place among the laws of a mixed one of that whose parameter it is; None for a common one."""
    names = law.name.split(BETWEEN)
    return next((i for i, name in enumerate(names) if parameter.startswith(f"{name}.")), None)


@functools.cache
def mixed(*laws: Law) -> Law:
    """Make one law of several, which a parameter `law_index` chooses among.

    Its parameters are those of all laws, ``chinchilla.alpha``. It is made for draws: posteriors
    of its laws are put together by `bayes_scaling.posterior.combine`, and it is not fitted.

    Parameters
    ----------
    laws : Law
        Two or more of the same inputs and noise, all different.

    Raises
    ------
    UsageError
        If they cannot be mixed.
    """
    first = laws[0]
    names = [law.name for law in laws]
    if len(laws) < 2 or len(set(names)) < len(laws):
        raise UsageError(f"two or more different laws can be weighted, got {', '.join(names)}")
    for law in laws[1:]:
        if set(law.inputs) != set(first.inputs) or law.response != first.response:
            raise UsageError(
                f"laws are weighted against each other where they have the same inputs and "
                f"response: {first.name} has {', '.join(first.inputs)} and {first.response.kind}, "
                f"{law.name} has {', '.join(law.inputs)} and {law.response.kind}"
            )
    for law in laws:
        if law.link or law.scheduled or law.mixture or law.scatter or law.shape:
            raise UsageError(f"law {law.name} brings its own likelihood: it cannot be weighted")
    parameters = {own_name(law, p): d for law in laws for p, d in law.parameters.items()}
    which = Parameter(Normal(0.0, 1e3), f"which of {', '.join(names)} a draw follows")

    def mean(*inputs: Array, **values: Any) -> Array:
        given = dict(zip(first.inputs, inputs, strict=True))
        return _chosen(laws, values, lambda law, own: law.mean(given, own))

    closed = all(law.best_size is not None for law in laws)
    return Law(
        name=BETWEEN.join(names),
        function=mean,
        inputs=first.inputs,
        parameters=MappingProxyType({INDEX: which, **parameters}),
        response=first.response,
        citation=first.citation,
        references=tuple(dict.fromkeys(r for law in laws for r in law.references)),
        family=first.family,
        formula="one of " + "; ".join(law.formula for law in laws),
        derived=(Derived("E", _floor(laws), "irreducible loss", first.response.unit, floor=True),),
        turns=any(law.turns for law in laws),
        best_size=_best_size(laws) if closed else None,
    )


def _own(law: Law, values: Values) -> dict[str, Any]:
    return {p: values[own_name(law, p)] for p in law.parameters}


def _chosen(laws: Sequence[Law], values: Values, of: Any) -> Array:
    """Value of the law that each draw follows."""
    index = jnp.round(jnp.asarray(values[INDEX]))
    found = of(laws[0], _own(laws[0], values))
    for i, law in enumerate(laws[1:], start=1):
        found = jnp.where(index == i, of(law, _own(law, values)), found)
    return found


def _floor(laws: Sequence[Law]) -> Any:
    def value(references: Mapping[str, Any], values: Values) -> Array:
        return _chosen(laws, values, lambda law, own: law.floor(law.expand(own)))

    return value


def _best_size(laws: Sequence[Law]) -> Any:
    def best(values: Values, log_cost: Any, size: Any, data: Any) -> Array:
        def of(law: Law, own: Values) -> Any:
            assert law.best_size is not None
            return law.best_size(law.expand(own), log_cost, size, data)

        return _chosen(laws, values, of)

    return best
