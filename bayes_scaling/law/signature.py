"""How a law file declares a law.

A law is a function whose signature is its declaration: positional arguments are
inputs, keyword-only arguments are parameters, and each carries its meaning,
unit and prior in an `Annotated` type. `@law` reads them into a `Law`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from jax import Array

from bayes_scaling.errors import LawError, UsageError

from .citations import CITATIONS
from .declare import Derived, Input, Mixture, Parameter, Values, Variant
from .families import FAMILIES
from .history import History
from .law import SCHEDULE, STEP, Law
from .response import Response


def law(
    *,
    response: Response,
    citation: str,
    family: str,
    references: tuple[str, ...] = (),
    derived: tuple[Derived, ...] = (),
    shear: Callable[[Values], Mapping[str, Any]] | None = None,
    scatter: Callable[[Values, Values], Any] | None = None,
    shape: Callable[[Values, Values], Mapping[str, Any]] | None = None,
    mixture: Mixture | None = None,
    turns: bool = False,
    best_size: Callable[..., Array] | None = None,
    variants: Mapping[str, Variant] | None = None,
    tried_on: tuple[str, ...] = (),
) -> Callable[[Callable[..., Array]], Law]:
    """Declare a law from the signature of its mean function.

    Positional arguments are inputs, annotated ``Annotated[Array, Input(...)]``;
    keyword-only arguments are parameters, annotated ``Annotated[Array,
    Parameter(...)]``. A ``*name`` input stands for any number of columns. The first
    line of the docstring is the formula, the rest its explanation. An argument
    ``schedule: History`` makes it a law of curves under learning-rate schedules.

    Raises
    ------
    LawError
        If an argument is not annotated, the docstring or a citation is missing,
        the family is unknown, or a variant names a parameter that is not there.
    """

    def declare(function: Callable[..., Array]) -> Law:
        where = f"law {function.__name__} ({inspect.getsourcefile(function) or 'unknown file'})"
        inputs, parameters, open_input, scheduled = _read_signature(function, where)
        papers = [citation, *references, *(v.citation for v in (variants or {}).values())]
        _check_catalogue(papers, family, where)
        doc = inspect.getdoc(function)
        if not doc:
            raise LawError(f"{where}: the docstring is missing; its first line is the formula")
        made = Law(
            name=function.__name__,
            function=function,
            inputs=MappingProxyType(inputs),
            parameters=MappingProxyType(parameters),
            response=response,
            citation=citation,
            references=tuple(dict.fromkeys(filter(None, papers))),
            family=family,
            formula=doc.splitlines()[0],
            derived=derived,
            shear=shear,
            scatter=scatter,
            shape=shape,
            mixture=mixture,
            turns=turns,
            best_size=best_size,
            variants=MappingProxyType(dict(variants or {})),
            source=inspect.getsourcefile(function) or "",
            explanation="\n".join(doc.splitlines()[1:]).strip(),
            tried_on=tried_on,
            open=open_input,
            scheduled=scheduled,
        )
        for name in made.variants:
            try:
                made.variant(name)
            except UsageError as error:
                raise LawError(f"{where}: variant '{name}': {error}") from error
        return made

    return declare


def _check_catalogue(papers: Sequence[str], family: str, where: str) -> None:
    """Refuse papers and families that the catalogue does not have."""
    for key in papers:
        if key and key not in CITATIONS:
            raise LawError(
                f"{where}: citation '{key}' is not in bayes_scaling/law/citations.py; add it"
            )
    if family not in FAMILIES:
        known = ", ".join(f"{k} ({v})" for k, v in FAMILIES.items())
        raise LawError(f"{where}: no family '{family}'; there are {known}")


def _read_signature(
    function: Callable[..., Array], where: str
) -> tuple[dict[str, Input], dict[str, Parameter], str, bool]:
    hints = get_type_hints(function, include_extras=True)
    inputs: dict[str, Input] = {}
    parameters: dict[str, Parameter] = {}
    open_input = ""
    scheduled = hints.get(SCHEDULE) is History
    if scheduled:
        # rows of a run are ordered by it, and its history is known at it
        inputs[STEP] = Input("optimiser steps done", "step")
    for name, argument in inspect.signature(function).parameters.items():
        if scheduled and name == SCHEDULE:
            continue
        is_parameter = argument.kind is inspect.Parameter.KEYWORD_ONLY
        wanted = Parameter if is_parameter else Input
        hint = hints.get(name)
        extras = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
        note = next((e for e in extras if isinstance(e, wanted)), None)
        if note is None:
            raise LawError(
                f"{where}: argument '{name}' is not annotated; "
                f"write {name}: Annotated[Array, {wanted.__name__}(...)]"
            )
        if isinstance(note, Parameter):
            parameters[name] = note
        else:
            inputs[name] = note
        if argument.kind is inspect.Parameter.VAR_POSITIONAL:
            open_input = name
    if not inputs or not parameters:
        raise LawError(f"{where}: a law needs an input and a keyword-only parameter")
    own = {k for k, v in inputs.items() if not isinstance(v.reference, str)} - {open_input}
    for name, declared in inputs.items():
        if isinstance(declared.reference, str) and declared.reference not in own:
            raise LawError(
                f"{where}: input '{name}' shares the reference of '{declared.reference}', which "
                "is not an input with a reference of its own"
            )
    return inputs, parameters, open_input, scheduled
