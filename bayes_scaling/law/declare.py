"""What a law file declares: inputs, parameters, derived quantities, variants."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from .priors import Prior

Values = Mapping[str, Any]
Domain = Literal["positive", "nonnegative", "fraction", "at least one", "real"]

_WITHIN: dict[Domain, Callable[[Any], Any]] = {
    "positive": lambda x: x > 0,
    "nonnegative": lambda x: x >= 0,
    "fraction": lambda x: (x >= 0) & (x <= 1),
    "at least one": lambda x: x >= 1,
    "real": lambda x: np.ones_like(x, dtype=bool),
}
_EXPECTED: dict[Domain, str] = {
    "positive": "a positive number",
    "nonnegative": "zero or a positive number",
    "fraction": "a number from 0 to 1",
    "at least one": "a number of one or more",
    "real": "a number",
}


@dataclass(frozen=True)
class Input:
    """A quantity that the user sets before a run.

    Attributes
    ----------
    meaning, unit : str
        For the documentation, axes and messages.
    domain : {"positive", "nonnegative", "fraction", "at least one", "real"}
        Values that make sense.
    centring : {"ratio", "difference"}
        Whether the law sees ``x / x0`` or ``x - x0``.
    reference : float or str, optional
        The reference x0, or the input whose reference this one shares. By default it
        is computed from the fitted runs: the geometric mean of the positive values for
        a ratio, the mean for a difference.
    setting : bool
        Whether it is a hyper-parameter with a best value, which `tune` looks for. A
        missing value stands for the best one.
    default : float, optional
        Value where a table has no such column, and where a point does not say; a chance
        level, for example.
    nested : bool
        Whether averages at several of its values come from the same samples, as pass@k at
        several k does: rows of one run are then no separate evidence.
    """

    meaning: str
    unit: str
    domain: Domain = "positive"
    centring: Literal["ratio", "difference"] = "ratio"
    reference: float | str | None = None
    setting: bool = False
    default: float | None = None
    nested: bool = False

    def valid(self, x: Any) -> Any:
        """Return whether values are in the domain, or missing where that has a meaning."""
        fits = np.isfinite(x) & _WITHIN[self.domain](x)
        return fits | np.isnan(x) if self.setting else fits

    @property
    def expected(self) -> str:
        """The domain in words."""
        return _EXPECTED[self.domain]

    @property
    def centred(self) -> str:
        """What the law sees of a value x, in words."""
        ratio = self.centring == "ratio"
        if self.reference == (1 if ratio else 0):
            return "x"
        found = "its geometric mean" if ratio else "its mean"
        if isinstance(self.reference, str):
            found = f"that of {self.reference}"
        elif self.reference is not None:
            found = f"{self.reference:g}"
        return f"x {'/' if ratio else '-'} {found}"

    @property
    def on_log(self) -> bool:
        """Whether the input is a scale, seen on the log axis."""
        return self.centring == "ratio" and self.domain in ("positive", "at least one")


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
    each : bool
        Whether there is one for each of the law's open inputs; the law's function then
        gets a tuple, in the order of the inputs.
    """

    prior: Prior
    meaning: str
    unit: str = ""
    varies: bool = False
    group_sd: float = 0.3
    each: bool = False


@dataclass(frozen=True)
class Derived:
    """A quantity computed from parameters and reference points, such as a published coefficient.

    Attributes
    ----------
    name, meaning, unit : str
    value : callable
        ``value(references, parameters)``, both mappings from names to arrays.
    bend : str
        Input on whose axis this quantity is the place of a bend, or "": a bend outside
        the fitted runs is reported.
    floor : bool
        Whether it is the loss that no scale removes, a function of the parameters alone.
    """

    name: str
    value: Callable[[Values, Values], Any]
    meaning: str
    unit: str = ""
    bend: str = ""
    floor: bool = False


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
    turns : bool, optional
        Whether its mean may turn in scale; by default as that of the law.
    """

    meaning: str
    citation: str = ""
    tie: Mapping[str, str] = field(default_factory=dict)
    fix: Mapping[str, float] = field(default_factory=dict)
    turns: bool | None = None


@dataclass(frozen=True)
class Mixture:
    """Items that follow one of several curves.

    Attributes
    ----------
    curves : callable
        ``curves(inputs, parameters)`` is the mean of each curve, in a leading axis.
    weights : callable
        ``weights(parameters)`` is the share of items on each, in the same axis.
    count : int
        Number of curves.
    """

    curves: Callable[[Values, Values], Any]
    weights: Callable[[Values], Any]
    count: int
