"""What a law is, and how a law file declares one.

A law is a function whose signature is its declaration: positional arguments are
inputs, keyword-only arguments are parameters, and each carries its meaning,
unit and prior in an `Annotated` type. `@law` reads them into a `Law`.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from jax import Array

from bayes_scaling.errors import LawError, UsageError

from .citations import CITATIONS
from .priors import Prior
from .response import Loss

Values = Mapping[str, Any]


@dataclass(frozen=True)
class Input:
    """A quantity that the user sets before a run, positive.

    Attributes
    ----------
    meaning, unit : str
        For the documentation, axes and messages.
    """

    meaning: str
    unit: str


@dataclass(frozen=True)
class Parameter:
    """A quantity that the data inform.

    Attributes
    ----------
    prior : Prior
    meaning, unit : str
    varies : bool
        Whether it may differ between groups of runs; pooled partially by default.
    group_sd : float
        Scale of the half-normal prior on the standard deviation between groups,
        on the unconstrained scale.
    """

    prior: Prior
    meaning: str
    unit: str = ""
    varies: bool = False
    group_sd: float = 0.3


@dataclass(frozen=True)
class Derived:
    """A quantity computed from parameters and reference points, such as a published coefficient.

    Attributes
    ----------
    name, meaning, unit : str
    value : callable
        ``value(references, parameters)``, both mappings from names to arrays.
    """

    name: str
    value: Callable[[Values, Values], Any]
    meaning: str
    unit: str = ""


@dataclass(frozen=True)
class Variant:
    """A named special case of a law: parameters tied to others or fixed.

    Attributes
    ----------
    meaning, citation : str
    tie : mapping of str to str
        Parameter to the parameter that it equals.
    fix : mapping of str to float
        Parameter to its constant value.
    """

    meaning: str
    citation: str = ""
    tie: Mapping[str, str] = field(default_factory=dict)
    fix: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Law:
    """A scaling law: inputs and parameters to the mean response.

    Made by `law`; compared by identity, so that compiled programs are reused.

    Attributes
    ----------
    name : str
        Name in the registry and on the command line; variants read ``law:variant``.
    function : callable
        ``function(*inputs, **parameters)`` on inputs divided by their references.
    inputs : mapping of str to Input
    parameters : mapping of str to Parameter
        Free parameters, without the tied and fixed ones.
    response : Loss
    citation : str
        Key into `CITATIONS` of the paper whose formula this is.
    references : tuple of str
        Keys of all the papers that this law serves.
    family : str
        Family in the catalogue.
    derived : tuple of Derived
    shear : callable, optional
        ``shear(parameters)`` gives shifts, by parameter, to the unconstrained scale
        that make the coordinates of the sampler nearly uncorrelated. A shift may
        depend only on parameters that are not shifted themselves, so that the
        change of coordinates has unit Jacobian.
    variants : mapping of str to Variant
    formula : str
        First line of the docstring.
    """

    name: str
    function: Callable[..., Array]
    inputs: Mapping[str, Input]
    parameters: Mapping[str, Parameter]
    response: Loss
    citation: str
    references: tuple[str, ...]
    family: str
    formula: str
    derived: tuple[Derived, ...] = ()
    shear: Callable[[Values], Mapping[str, Any]] | None = None
    variants: Mapping[str, Variant] = field(default_factory=dict)
    tied: Mapping[str, str] = field(default_factory=dict)
    fixed: Mapping[str, float] = field(default_factory=dict)
    source: str = ""

    def expand(self, values: Values) -> dict[str, Any]:
        """Add tied and fixed parameters to the free ones."""
        full = dict(values) | dict(self.fixed)
        return full | {name: full[other] for name, other in self.tied.items()}

    def mean(self, inputs: Values, values: Values) -> Array:
        """Mean response at inputs divided by their references.

        Parameters
        ----------
        inputs : mapping of str to array
            Positive, ``x / x0``; arrays broadcast against the parameters.
        values : mapping of str to array
            The free parameters, on their natural scale.

        Returns
        -------
        array
            In the unit of the response, broadcast shape of all arguments.
        """
        return self.function(*(inputs[name] for name in self.inputs), **self.expand(values))

    def derive(self, references: Values, values: Values) -> dict[str, Any]:
        """Compute the derived quantities from references and free parameters."""
        full = self.expand(values)
        return {d.name: d.value(references, full) for d in self.derived}

    def shifts(self, values: Values) -> dict[str, Any]:
        """Shifts of the sampler's coordinates, for free parameters only."""
        if self.shear is None:
            return {}
        return {k: v for k, v in self.shear(self.expand(values)).items() if k in self.parameters}

    def variant(self, name: str) -> Law:
        """Return a named special case, the same object at every call.

        Raises
        ------
        UsageError
            If the law has no variant of that name.
        """
        return _variant(self, name)

    def tie(self, name: str, to: str) -> Law:
        """Return the law with parameter `name` equal to parameter `to`."""
        self._need(name, to)
        if name == to:
            raise UsageError(f"parameter '{name}' cannot be tied to itself")
        return _tied(self, name, to)

    def fix(self, name: str, value: float) -> Law:
        """Return the law with parameter `name` held at `value`."""
        self._need(name)
        return _fixed(self, name, value)

    def _need(self, *names: str) -> None:
        for name in names:
            if name not in self.parameters:
                raise UsageError(
                    f"law {self.name} has no free parameter '{name}'; "
                    f"it has {', '.join(self.parameters)}"
                )

    def _restrict(self, name: str, tie: Mapping[str, str], fix: Mapping[str, float]) -> Law:
        self._need(*tie, *tie.values(), *fix)
        free = {k: v for k, v in self.parameters.items() if k not in tie and k not in fix}
        return replace(
            self,
            name=name,
            parameters=MappingProxyType(free),
            tied=MappingProxyType({k: tie.get(v, v) for k, v in self.tied.items()} | dict(tie)),
            fixed=MappingProxyType({**self.fixed, **fix}),
            variants=MappingProxyType({}),
        )

    def __repr__(self) -> str:
        return f"Law({self.name}: {', '.join(self.inputs)} -> {self.response.kind})"


@functools.cache
def _variant(law: Law, name: str) -> Law:
    if name not in law.variants:
        known = ", ".join(law.variants) or "none"
        raise UsageError(f"law {law.name} has no variant '{name}'; it has: {known}")
    chosen = law.variants[name]
    restricted = law._restrict(f"{law.name}:{name}", chosen.tie, chosen.fix)
    return replace(restricted, citation=chosen.citation or law.citation)


@functools.cache
def _tied(law: Law, name: str, to: str) -> Law:
    return law._restrict(f"{law.name}[{name}={to}]", {name: to}, {})


@functools.cache
def _fixed(law: Law, name: str, value: float) -> Law:
    return law._restrict(f"{law.name}[{name}={value:g}]", {}, {name: value})


def law(
    *,
    response: Loss,
    citation: str,
    family: str,
    references: tuple[str, ...] = (),
    derived: tuple[Derived, ...] = (),
    shear: Callable[[Values], Mapping[str, Any]] | None = None,
    variants: Mapping[str, Variant] | None = None,
) -> Callable[[Callable[..., Array]], Law]:
    """Declare a law from the signature of its mean function.

    Positional arguments are inputs, annotated ``Annotated[Array, Input(...)]``;
    keyword-only arguments are parameters, annotated ``Annotated[Array,
    Parameter(...)]``. The first line of the docstring is the formula.

    Raises
    ------
    LawError
        If an argument is not annotated, the docstring or a citation is missing,
        or a variant names a parameter that is not there.
    """

    def declare(function: Callable[..., Array]) -> Law:
        where = f"law {function.__name__} ({inspect.getsourcefile(function) or 'unknown file'})"
        inputs, parameters = _read_signature(function, where)
        for key in (citation, *references, *(v.citation for v in (variants or {}).values())):
            if key and key not in CITATIONS:
                raise LawError(
                    f"{where}: citation '{key}' is not in bayes_scaling/law/citations.py; add it"
                )
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
            references=tuple(dict.fromkeys((citation, *references))),
            family=family,
            formula=doc.splitlines()[0],
            derived=derived,
            shear=shear,
            variants=MappingProxyType(dict(variants or {})),
            source=inspect.getsourcefile(function) or "",
        )
        for name in made.variants:
            try:
                made.variant(name)
            except UsageError as error:
                raise LawError(f"{where}: variant '{name}': {error}") from error
        return made

    return declare


def _read_signature(
    function: Callable[..., Array], where: str
) -> tuple[dict[str, Input], dict[str, Parameter]]:
    hints = get_type_hints(function, include_extras=True)
    inputs: dict[str, Input] = {}
    parameters: dict[str, Parameter] = {}
    for name, argument in inspect.signature(function).parameters.items():
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
    if not inputs or not parameters:
        raise LawError(f"{where}: a law needs an input and a keyword-only parameter")
    return inputs, parameters
