"""What a law is, and the special cases and open laws that are made of it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

import jax.numpy as jnp
from jax import Array

from bayes_scaling.errors import UsageError

from .declare import Derived, Input, Mixture, Parameter, Values, Variant
from .discrepancy import DISCREPANCY, departed
from .response import Response
from .travel import packed

SCHEDULE, STEP = "schedule", "step"
REFERENCE = "reference loss"  # of a chain, beside the centred inputs
_SPECIAL = ",:=/"  # they separate names on the command line and in files of fits


@dataclass(frozen=True)
class Link:
    """The two laws of a chain, scale to loss to metric.

    Attributes
    ----------
    first : Law
        Of the loss.
    second : Law
        Of the metric, one of whose inputs is the loss.
    input : str
        That input; the loss is measured from a reference of its own.
    names : mapping of str to str
        Parameter of the second law to its name in the chain.
    """

    first: Law
    second: Law
    input: str
    names: Mapping[str, str]

    def mean(self, inputs: Values, full: Values) -> Array:
        """Metric at the loss that the first law expects."""
        return self.metric(inputs, full, self.loss(inputs, full))

    def loss(self, inputs: Values, full: Values) -> Array:
        """Loss that the first law expects, from all parameters of the chain."""
        own = {p: full[p] for p in self.first.parameters}
        return self.first.mean({k: inputs[k] for k in self.first.inputs}, own)

    def metric(self, inputs: Values, full: Values, loss: Array) -> Array:
        """Metric at a given loss, in its own unit."""
        return self.second.mean(self.second_inputs(inputs, loss), self.second_values(full))

    def second_inputs(self, inputs: Values, loss: Array) -> dict[str, Any]:
        """Inputs of the second law, centred."""
        given = {k: inputs[k] for k in self.second.inputs if k != self.input}
        return given | {self.input: loss / inputs[REFERENCE]}

    def second_values(self, full: Values) -> dict[str, Any]:
        """Parameters of the second law by its own names."""
        return {p: full[name] for p, name in self.names.items()}


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
    response : Response
    citation : str
        Key into `CITATIONS` of the paper whose formula this is.
    references : tuple of str
        Keys of all the papers that this law and its variants serve.
    family : str
        Key into `FAMILIES`.
    derived : tuple of Derived
    shear : callable, optional
        ``shear(parameters)`` gives shifts, by parameter, to the unconstrained scale
        that make the coordinates of the sampler nearly uncorrelated. A shift may
        depend only on parameters that are not shifted themselves, so that the
        change of coordinates has unit Jacobian.
    variants : mapping of str to Variant
    formula : str
        First line of the docstring.
    explanation : str
        The rest of the docstring.
    tried_on : tuple of str
        Public data that the law has been fitted to in this project's case studies.
    open : str
        Name of the input that stands for any number of columns (``*name`` in the
        signature), or "". Such a law is fitted through `over`.
    scheduled : bool
        Whether the loss follows from the learning-rate schedule so far: the function then
        takes a `History` called ``schedule``, and ``step`` is an input of every run.
    scatter : callable, optional
        ``scatter(inputs, parameters)`` is the sd, on the scale of the noise, that runs have
        beyond the common one: where the law is steep, or training unsteady.
    shape : callable, optional
        ``shape(inputs, parameters)`` gives scalars of the likelihood by name, such as
        ``concentration``, that the law knows better than one number for all runs.
    mixture : Mixture, optional
        Items that follow different curves; the law's function is the mean of the set.
    turns : bool
        Whether the mean may turn in scale, so that extrapolating it is an assumption.
    link : Link, optional
        Of a chain, made by `chain`: the law of the loss, and that of the metric given it.
    best_size : callable, optional
        ``best_size(parameters, log_cost, size, data)`` is the log of the best N, over its
        reference, where ``N**size * D**data`` is held fixed at ``exp(log_cost)``, both over
        their references: the closed form of the compute-optimal split.
    """

    name: str
    function: Callable[..., Array]
    inputs: Mapping[str, Input]
    parameters: Mapping[str, Parameter]
    response: Response
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
    explanation: str = ""
    tried_on: tuple[str, ...] = ()
    open: str = ""
    scheduled: bool = False
    scatter: Callable[[Values, Values], Any] | None = None
    shape: Callable[[Values, Values], Mapping[str, Any]] | None = None
    mixture: Mixture | None = None
    turns: bool = False
    link: Link | None = None
    best_size: Callable[..., Array] | None = None

    @property
    def reference_names(self) -> tuple[str, ...]:
        """Names of the references that runs are measured from."""
        through = (self.link.input,) if self.link else ()
        return (*self.inputs, *through, *(("rate", "area") if self.scheduled else ()))

    @property
    def settings(self) -> tuple[str, ...]:
        """Inputs that `tune` looks for the best values of."""
        return tuple(k for k, v in self.inputs.items() if v.setting)

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
            The free parameters, on their natural scale; under ``"discrepancy"``, where there
            is one, the departure from the law.

        Returns
        -------
        array
            In the unit of the response, broadcast shape of all arguments.
        """
        if self.link is not None:
            return self.link.mean(inputs, self.expand(values))
        arguments = {k: inputs[k] for k in self.inputs if k != STEP or not self.scheduled}
        history = {SCHEDULE: inputs[SCHEDULE]} if self.scheduled else {}
        full = self.expand(values)
        discrepancy = full.pop(DISCREPANCY, None)
        mean = self.function(*arguments.values(), **history, **full)
        if discrepancy is None:
            return mean
        return departed(mean, self.floor(full), discrepancy, inputs)

    def floor(self, full: Values) -> Any:
        """Irreducible loss that all parameters say, zero where the law has none."""
        found = [d for d in self.derived if d.floor]
        return found[0].value({}, full) if found else 0.0

    def extra_spread(self, inputs: Values, values: Values) -> Any:
        """Sd of runs beyond the common one, as `mean` takes its arguments; None without any."""
        return None if self.scatter is None else self.scatter(inputs, self.expand(values))

    def likelihood_shape(self, inputs: Values, values: Values) -> dict[str, Any]:
        """Scalars of the likelihood that the law gives, as `mean` takes its arguments."""
        return {} if self.shape is None else dict(self.shape(inputs, self.expand(values)))

    @functools.cached_property
    def shape_names(self) -> tuple[str, ...]:
        """Names of the scalars of the likelihood that the law gives."""
        ones = dict.fromkeys(self.inputs, jnp.ones(()))
        half = dict.fromkeys(self.parameters, jnp.full((), 0.5))
        return tuple(self.likelihood_shape(ones, half))

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

    def over(self, *names: str) -> Law:
        """Return an open law for named columns, the same object at every call.

        Raises
        ------
        UsageError
            If the law is not open, or the names repeat or clash.
        """
        return _over(self, names)

    def centre(self, inputs: Values, references: Values) -> dict[str, Any]:
        """Inputs as the law's function takes them: relative to their references."""
        return (
            {
                k: inputs[k] / references[k] if v.centring == "ratio" else inputs[k] - references[k]
                for k, v in self.inputs.items()
            }
            | {k: inputs[k] for k in (SCHEDULE,) if self.scheduled}
            | ({REFERENCE: references[self.link.input]} if self.link else {})
        )

    def tie(self, name: str, to: str) -> Law:
        """Return the law with parameter `name` equal to parameter `to`."""
        self._need(name, to)
        if name == to:
            raise UsageError(f"parameter '{name}' cannot be tied to itself")
        return _tied(self, name, to)

    def fix(self, name: str, value: float) -> Law:
        """Return the law with parameter `name` held at `value`."""
        self._need(name)
        return _fixed(self, name, float(value))

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

    def __reduce__(self) -> tuple[Callable[[str, str], Law], tuple[str, str]]:
        """Travel to another process by name and source; its function cannot (`travel`)."""
        return packed(self)

    def __repr__(self) -> str:
        return f"Law({self.name}: {', '.join(self.inputs)} -> {self.response.kind})"


@functools.cache
def _variant(law: Law, name: str) -> Law:
    if name not in law.variants:
        known = ", ".join(law.variants) or "none"
        raise UsageError(f"law {law.name} has no variant '{name}'; it has: {known}")
    chosen = law.variants[name]
    restricted = law._restrict(f"{law.name}:{name}", chosen.tie, chosen.fix)
    turns = law.turns if chosen.turns is None else chosen.turns
    return replace(restricted, citation=chosen.citation or law.citation, turns=turns)


@functools.cache
def _over(law: Law, names: tuple[str, ...]) -> Law:
    if not law.open:
        raise UsageError(f"law {law.name} takes the inputs {', '.join(law.inputs)} and no others")
    fixed_inputs = [k for k in law.inputs if k != law.open]
    if len(names) < 2 or len({*names, *fixed_inputs}) < len(names) + len(fixed_inputs):
        raise UsageError(
            f"law {law.name} needs two or more different names for {law.open}, such as "
            f"{law.name}:web,books,code; '{','.join(names)}' came"
        )
    for name in names:
        if not name or set(name) & set(_SPECIAL):
            raise UsageError(
                f"law {law.name} cannot call an input '{name}': a name of {law.open} has a "
                f"character or more and none of {' '.join(_SPECIAL)}; map the column to another "
                f"name with --input NAME=COLUMN"
            )
    each = [p for p, declared in law.parameters.items() if declared.each]
    for clash in {f"{p}_{n}" for p in each for n in names} & set(law.parameters):
        raise UsageError(
            f"law {law.name} has a parameter '{clash}' already; call the columns something else"
        )

    def function(*inputs: Array, **values: Array) -> Array:
        gathered = {p: tuple(values.pop(f"{p}_{n}") for n in names) for p in each}
        return law.function(*inputs, **values, **gathered)

    parameters: dict[str, Parameter] = {}
    for p, declared in law.parameters.items():
        if p in each:
            parameters |= {f"{p}_{n}": _named(replace(declared, each=False), n) for n in names}
        else:
            parameters[p] = declared
    inputs = {k: law.inputs[k] for k in fixed_inputs}
    return replace(
        law,
        name=f"{law.name}:{','.join(names)}",
        function=function,
        inputs=MappingProxyType(inputs | {n: _named(law.inputs[law.open], n) for n in names}),
        parameters=MappingProxyType(parameters),
        variants=MappingProxyType({}),
        open="",
    )


def _named[T: (Input, Parameter)](declared: T, name: str) -> T:
    return replace(declared, meaning=f"{declared.meaning} {name}")


@functools.cache
def _tied(law: Law, name: str, to: str) -> Law:
    return law._restrict(f"{law.name}:{name}={to}", {name: to}, {})


@functools.cache
def _fixed(law: Law, name: str, value: float) -> Law:
    return law._restrict(f"{law.name}:{name}={value!r}", {}, {name: value})
