"""What public suites of runs say of one more: priors of a law learned from a population."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Literal

import pandas as pd

from bayes_scaling.errors import UsageError
from bayes_scaling.law import Law, Prior

FILE, WEIGHTS = "population.csv", "weights.csv"
Kind = Literal["parameter", "group_sd", "discrepancy", "noise"]


@dataclass(frozen=True)
class Population:
    """Priors of one law for one more suite of runs.

    Attributes
    ----------
    law : str
    parameters : dict of str to (float, float)
        Mean and sd of each parameter on its unconstrained scale.
    group_sd : dict of str to float
        Scale of the half-normal prior of its sd between groups.
    discrepancy : dict of str to (float, float)
        Median, and sd of the logarithm, of each size of the discrepancy.
    noise : dict of str to (float, float)
        The same of ``settling``.
    suites : tuple of str
        That it was learned from.
    """

    law: str
    parameters: Mapping[str, tuple[float, float]]
    group_sd: Mapping[str, float]
    discrepancy: Mapping[str, tuple[float, float]]
    noise: Mapping[str, tuple[float, float]]
    suites: tuple[str, ...] = ()

    def priors(self, law: Law) -> dict[str, Prior]:
        """Priors of the parameters that the population knows."""
        own = law.parameters
        return {p: own[p].prior.moved(*at) for p, at in self.parameters.items() if p in own}

    def table(self) -> pd.DataFrame:
        """One row a number pair: law, kind, name, loc, sd (logs of sizes; nothing for scales)."""
        rows: list[tuple[str, str, float, float]] = []
        rows += [("parameter", p, loc, sd) for p, (loc, sd) in self.parameters.items()]
        rows += [("group_sd", p, scale, math.nan) for p, scale in self.group_sd.items()]
        rows += [("discrepancy", k, math.log(m), s) for k, (m, s) in self.discrepancy.items()]
        rows += [("noise", k, math.log(m), s) for k, (m, s) in self.noise.items()]
        table = pd.DataFrame(rows, columns=["kind", "name", "loc", "sd"])
        return table.assign(law=self.law, suites=" ".join(self.suites))[
            ["law", "kind", "name", "loc", "sd", "suites"]
        ]


def from_table(table: pd.DataFrame) -> Population:
    """Read what `Population.table` wrote."""

    def kind(name: Kind) -> pd.DataFrame:
        return table[table["kind"] == name].set_index("name")

    def sizes(name: Kind) -> dict[str, tuple[float, float]]:
        return {str(k): (math.exp(r["loc"]), float(r["sd"])) for k, r in kind(name).iterrows()}

    return Population(
        law=str(table["law"].iloc[0]),
        parameters={str(k): (r["loc"], r["sd"]) for k, r in kind("parameter").iterrows()},
        group_sd={str(k): float(r["loc"]) for k, r in kind("group_sd").iterrows()},
        discrepancy=sizes("discrepancy"),
        noise=sizes("noise"),
        suites=tuple(str(table["suites"].iloc[0]).split()),
    )


@functools.cache
def published() -> dict[str, Population]:
    """Return the populations that come with the package, by law."""
    with files(__package__).joinpath(FILE).open(encoding="utf-8") as file:
        table = pd.read_csv(file)
    return {str(law): from_table(own) for law, own in table.groupby("law", sort=False)}


@functools.cache
def law_weights() -> dict[str, float]:
    """Return the weights of laws that forecast public suites best, by name: ``law="auto"``.

    The table lists the laws that competed; those without a weight are not in the set.
    """
    with files(__package__).joinpath(WEIGHTS).open(encoding="utf-8") as file:
        table = pd.read_csv(file)
    table = table[table["weight"] > 0]
    return dict(zip(table["law"], table["weight"].astype(float), strict=True))


def population_of(law: Law) -> Population:
    """Return the population of a law that comes with the package.

    Raises
    ------
    UsageError
        If none was learned for it.
    """
    if law.name not in published():
        raise UsageError(
            f"no population was learned for law {law.name}; there are {', '.join(published())}: "
            f"use prior='weak' (--prior weak)"
        )
    return published()[law.name]
