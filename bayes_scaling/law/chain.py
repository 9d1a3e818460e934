"""Chains: scale to loss to metric, as one law."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from bayes_scaling.errors import UsageError

from .declare import Derived, Parameter, Values
from .law import Law, Link
from .priors import LogitNormal

CARRY = "carry"
LOSS = "L"  # input of a link that is the loss
_CARRY = Parameter(
    LogitNormal(0.9, 1.5),
    "share of a run's deviation from the law of the loss that the metric sees",
)


@functools.cache
def chain(first: Law, second: Law) -> Law:
    """Return the law of a metric that follows from the loss, which follows from scale.

    Both responses are observed in one table, the loss in the column ``through``; a run may
    lack either. The metric of a run follows its own loss: the parameter `carry` is the share
    of its deviation from the law of the loss that the metric sees. It is below one where
    losses are measured with error.

    Parameters
    ----------
    first : Law
        Of the loss, such as `chinchilla`.
    second : Law
        Of the metric; its input ``L`` is the loss, such as `error_decay`.

    Returns
    -------
    Law
        Called ``first+second``; a parameter of the second law that has the name of one of
        the first is called ``metric_NAME``. The same object at every call.

    Raises
    ------
    UsageError
        If the second law takes no loss, or the laws cannot be chained.
    """
    if LOSS not in second.inputs:
        raise UsageError(
            f"law {second.name} has no input {LOSS}, the loss, so nothing can be chained before "
            f"it; it has {', '.join(second.inputs)}"
        )
    for law in (first, second):
        if law.link or law.scheduled or law.scatter or law.open or law.mixture or law.shape:
            raise UsageError(
                f"law {law.name} cannot be part of a chain: chains join a law of a loss in its "
                f"inputs, such as chinchilla, and a law of a metric in the loss L"
            )
    if not first.response.positive:
        raise UsageError(f"the first law of a chain is that of a positive loss, not {first.name}")
    inputs = dict(first.inputs) | {k: v for k, v in second.inputs.items() if k != LOSS}
    taken = {*first.parameters, CARRY}
    names = {p: f"metric_{p}" if p in taken else p for p in second.parameters}
    parameters = dict(first.parameters)
    parameters |= {names[p]: declared for p, declared in second.parameters.items()}
    link = Link(first, second, LOSS, MappingProxyType(names))
    return replace(
        second,
        name=f"{first.name}+{second.name}",
        inputs=MappingProxyType(inputs),
        parameters=MappingProxyType({**parameters, CARRY: _CARRY}),
        references=tuple(dict.fromkeys((*second.references, *first.references))),
        formula=f"{second.formula}; {first.formula}",
        derived=_derived(link),
        shear=None if first.shear is None else lambda p: first.shifts(_own(first, p)),
        variants=MappingProxyType({}),
        tied=MappingProxyType({}),
        fixed=MappingProxyType({}),
        source=second.source,
        turns=first.turns or second.turns,
        link=link,
    )


def _own(first: Law, p: Values) -> dict[str, Any]:
    return {name: p[name] for name in first.parameters}


class _Own(Mapping[str, Any]):
    """Parameters of one law of a chain by its own names, each looked up when it is asked for.

    So a quantity that two of them determine has no more dimensions than those two.
    """

    def __init__(self, law: Law, names: Mapping[str, str], given: Values):
        self.law, self.names, self.given = law, names, given

    def __getitem__(self, name: str) -> Any:
        if name in self.law.fixed:
            return self.law.fixed[name]
        return self.given[self.names[self.law.tied.get(name, name)]]

    def __iter__(self) -> Iterator[str]:
        return iter((*self.law.parameters, *self.law.fixed, *self.law.tied))

    def __len__(self) -> int:
        return len(self.law.parameters) + len(self.law.fixed) + len(self.law.tied)


def _derived(link: Link) -> tuple[Derived, ...]:
    """Derived quantities of both laws, from the chain's parameters."""
    first, second = link.first, link.second
    taken = {*first.parameters, *(d.name for d in first.derived)}

    def of_first(quantity: Derived) -> Derived:
        names = {p: p for p in first.parameters}
        return replace(quantity, value=lambda x0, p: quantity.value(x0, _Own(first, names, p)))

    def of_second(quantity: Derived) -> Derived:
        name = f"metric_{quantity.name}" if quantity.name in taken else quantity.name
        return replace(
            quantity,
            name=name,
            value=lambda x0, p: quantity.value(x0, _Own(second, link.names, p)),
            bend="" if quantity.bend == link.input else quantity.bend,  # no input of the chain
        )

    return (*map(of_first, first.derived), *map(of_second, second.derived))
