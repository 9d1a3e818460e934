"""A line of the table: a number of each round, or the ratio of two, beside its target."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from .job import FAILED, SKIPPED, Found

Round = Mapping[str, Found]  # by name of the job
Value = Callable[[Round], float]


@dataclass(frozen=True)
class Line:
    """What is measured, and what it should be.

    Attributes
    ----------
    section : str
        What `--only` calls it.
    label : str
    needs : tuple of str
        Jobs that it is made of.
    value : callable
        From what a round found to a number.
    over : callable, optional
        The line is then the ratio of `value` and this number, and shows both.
    at_least, at_most : float, optional
        Its target.
    digits : int
        That are significant.
    """

    section: str
    label: str
    needs: tuple[str, ...]
    value: Value
    over: Value | None = None
    at_least: float | None = None
    at_most: float | None = None
    digits: int = 3

    def row(self, rounds: Sequence[Round]) -> str:
        """Return the line over all rounds that have measured what it needs."""
        whole = [r for r in rounds if all(_measured(r.get(name)) for name in self.needs)]
        if not whole:
            reason = why_missing(self.needs, rounds)
            return f"| {self.label} | not measured: {reason} | | | {self._target(None)} |"
        parts = [[of(r) for r in whole] for of in (self.value, self.over) if of]
        values = parts[0] if self.over is None else [a / b for a, b in zip(*parts, strict=True)]
        median = statistics.median(values)
        low, high = (number(end(values), self.digits) for end in (min, max))
        spread = f"{low} to {high}" if len(values) > 1 else ""
        made_of = " / ".join(number(statistics.median(p)) for p in parts) if self.over else ""
        found = number(median, self.digits)
        return f"| {self.label} | {found} | {spread} | {made_of} | {self._target(median)} |"

    def _target(self, found: float | None) -> str:
        if self.at_least is None and self.at_most is None:
            return ""
        if self.at_least is not None:
            words, met = f"at least {self.at_least:g}", found is None or found >= self.at_least
        else:
            assert self.at_most is not None
            words, met = f"at most {self.at_most:g}", found is None or found <= self.at_most
        return f"{words}{' (not shown)' if found is None else '' if met else ' (missed)'}"


def why_missing(needs: Sequence[str], rounds: Sequence[Round]) -> str:
    """Return why a line has no number."""
    for name in needs:
        for found in (r[name] for r in rounds if name in r):
            if FAILED in found:
                return f"{name} failed"
            if SKIPPED in found:
                return f"{name}: {found[SKIPPED]}"
    return "not asked for"


def number(value: float, digits: int = 3) -> str:
    """Return some significant digits, and whole numbers from a hundred on."""
    if not math.isfinite(value):
        return str(value)
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return f"{value:.{decimals}f}"


def exponent(sizes: Sequence[float], costs: Sequence[float]) -> float:
    """Return the slope of log cost in log size, by least squares.

    Parameters
    ----------
    sizes, costs : sequence of float
        Two or more.
    """
    logs = [math.log(size) for size in sizes]
    return statistics.linear_regression(logs, [math.log(cost) for cost in costs]).slope


def _measured(found: Found | None) -> bool:
    return found is not None and SKIPPED not in found and FAILED not in found
