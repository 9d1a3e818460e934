"""What a row of `tests/cases.py` is made of, and helpers to write one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from bayes_scaling import find_law
from bayes_scaling.law import Law

Values = dict[str, float]
Range = tuple[float, float]

HUGE = 1e200  # a term at this multiple of its reference has vanished
RUNS = 96  # of a simulated design: equal numbers share compiled programs


@dataclass(frozen=True)
class Check:
    """A published number, a limit or an identity: what the law gives, and what it must give.

    Attributes
    ----------
    what : str
    got, expected : callable
        From the law to numbers.
    rtol : float
        The digits to which the number was published; rounding alone for identities.
    """

    what: str
    got: Callable[[Law], Any]
    expected: Callable[[Law], Any]
    rtol: float = 1e-9


@dataclass(frozen=True)
class Case:
    """A law, where it is used, and what is known about it.

    Attributes
    ----------
    law : str
        Name, as ``find_law`` takes it.
    domain : mapping of str to (float, float)
        Range of each input in raw units; also that of the simulated design.
    published : tuple of Check
    source : str
        Where the numbers or identities come from.
    truth : mapping of str to float
        Parameters that runs are simulated from, at the references of the design.
    decreasing, increasing : tuple of str
        Inputs in which the mean falls, or rises, everywhere for any parameters.
    slopes : mapping of str to str
        Inputs to the exponents that the law's shear turns into log-slopes of the mean at
        the reference.
    best : mapping of str to str
        Inputs with a best value to the parameter that is that value at the reference; they are
        no settings, because they are never missing.
    unidentified : mapping of str to str
        Parameters that even the simulated design leaves at their prior, and why.
    design : callable, optional
        Table of inputs to simulate at; by default spread evenly over the domain. That of a
        law of schedules has the columns ``run``, ``schedule`` and ``step``.
    sigma : float
        Noise of the simulated runs, in units of the noise's scale.
    alone : bool
        Fitted in a program of its own, with the law's shear, which shared programs leave out.
    """

    law: str
    domain: Mapping[str, Range]
    published: tuple[Check, ...]
    source: str
    truth: Mapping[str, float]
    decreasing: tuple[str, ...] = ()
    increasing: tuple[str, ...] = ()
    slopes: Mapping[str, str] = field(default_factory=dict)
    best: Mapping[str, str] = field(default_factory=dict)
    unidentified: Mapping[str, str] = field(default_factory=dict)
    design: Callable[[], pd.DataFrame] | None = None
    sigma: float = 0.003
    alone: bool = False

    def inputs(self) -> pd.DataFrame:
        """Inputs of the simulated runs."""
        return self.design() if self.design else spread(self)


def axis(case: Case, name: str, at: np.ndarray) -> np.ndarray:
    """Values of an input at fractions of its domain, even on its own axis."""
    low, high = case.domain[name]
    if find_law(case.law).inputs[name].on_log:
        return np.asarray(low * (high / low) ** at)
    return low + (high - low) * at


def spread(case: Case) -> pd.DataFrame:
    """Points of an additive recurrence: even in every input and in all of them together."""
    d = len(case.domain)
    golden = 1.5
    for _ in range(60):
        golden = (1.0 + golden) ** (1.0 / (d + 1))
    steps = golden ** -np.arange(1, d + 1)
    at = (0.5 + np.arange(1, RUNS + 1)[:, None] * steps) % 1.0
    return pd.DataFrame({k: axis(case, k, at[:, i]) for i, k in enumerate(case.domain)})


def mean(law: Law, values: Mapping[str, Any], **inputs: Any) -> np.ndarray:
    """Mean of a law at inputs as its function takes them (relative to references)."""
    given = {k: v if k == "schedule" else np.asarray(v, float) for k, v in inputs.items()}
    return np.asarray(law.mean(given, values))


def derived(law: Law, values: Mapping[str, Any], **references: float) -> Values:
    """Derived quantities; references are one where they are not given."""
    points = dict.fromkeys(law.reference_names, 1.0) | references
    return {k: float(v) for k, v in law.derive(points, values).items()}


def without(values: Mapping[str, float], *names: str) -> Values:
    return {k: v for k, v in values.items() if k not in names}
