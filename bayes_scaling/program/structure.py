"""What a program is made of: its static structure, its sites, and its arrays.

`Structure` is hashable and holds everything that changes the compiled program;
`Data` holds the arrays. Fits of equal structure and shape share one program.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float, Int

from bayes_scaling.law import Law
from bayes_scaling.law.discrepancy import DISCREPANCY

from .noise import AnyNoise, Noise

OWN, OWN_WALKS = "own", 2
LOSS_PREFIX = "loss_"  # of the scalars of a chain's first noise
Pooling = Literal["complete", "partial", "separate"]
Kind = Literal[
    "centre",
    "effect",
    "group_sd",
    "rung_effect",
    "rung_sd",
    "noise",
    "discrepancy",
    "discrepancy_sd",
]


class Site(NamedTuple):
    """One random variable of a program.

    Attributes
    ----------
    kind : str
        Its part in the program.
    parameter : str
        The law's parameter that it belongs to, or "".
    dims : tuple of str
        Names of its plates.
    shape : tuple of int
    """

    kind: Kind
    parameter: str
    dims: tuple[str, ...] = ()
    shape: tuple[int, ...] = ()


@dataclass(frozen=True)
class Structure:
    """The static part of a program.

    Attributes
    ----------
    law : Law
    pooling : tuple
        For each parameter, its pooling over each grouping column:
        ``((parameter, ((column, pooling), ...)), ...)``.
    levels : tuple
        ``((column, number of levels), ...)``.
    rungs : int
        Number of rungs with a shared effect; 0 leaves the effect out.
    noise : Noise
    serial : bool
        Whether neighbouring rows of one run are correlated.
    untuned : bool
        Whether some runs lie above the law by a one-sided excess.
    group_sds : tuple
        Scales of priors of group sds that differ from the law's: ``((site, scale), ...)``. The
        program takes them from its data, so that they do not change it.
    loss_noise : Noise, optional
        Of the loss in a chain; `noise` is then that of the metric.
    items : int
        Number of items of which each follows one curve of the law's mixture; 0 where the
        mean of the set is fitted.
    walks : tuple
        ``((name, fitted intervals), ...)`` of the discrepancy; none where the law is taken to
        hold.
    departing : tuple of str
        Grouping columns each of whose levels departs for itself as well, along the walks of
        scale, which are the first `OWN_WALKS`.
    settling : bool
        Whether noise falls with scale, along the first walk.
    side_by_side : tuple, optional
        Grouping column whose levels have equally many rows each, one level after another, and
        how many.
    integrated : tuple of str
        Effects of one grouping column that the sampler integrates out, and draws afterwards: see
        `program/integrable.py`.
    """

    law: Law
    pooling: tuple[tuple[str, tuple[tuple[str, Pooling], ...]], ...]
    levels: tuple[tuple[str, int], ...]
    rungs: int
    noise: AnyNoise
    serial: bool = False
    untuned: bool = False
    group_sds: tuple[tuple[str, float], ...] = field(default=(), compare=False)
    loss_noise: Noise | None = None
    items: int = 0
    walks: tuple[tuple[str, int], ...] = ()
    departing: tuple[str, ...] = ()
    settling: bool = False
    side_by_side: tuple[str, int] | None = None
    integrated: tuple[str, ...] = ()

    def group_sd(self, parameter: str, site: str) -> float:
        """Scale of the half-normal prior of a parameter's group sd, by the name of its site."""
        return dict(self.group_sds).get(site, self.law.parameters[parameter].group_sd)

    @property
    def noise_parameters(self) -> tuple[str, ...]:
        """Names of the scalars that the likelihood needs."""
        return (
            *self.own_scalars,
            *(LOSS_PREFIX + name for name in self.loss_parameters),
            *(("excess",) if self.untuned else ()),
            *(("rho",) if self.serial else ()),
            *(("settling",) if self.settling else ()),
        )

    @property
    def own_scalars(self) -> tuple[str, ...]:
        """Scalars of the noise of the response that the law does not give."""
        return tuple(n for n in self.noise.parameters if n not in self.law.shape_names)

    @property
    def rung_noise(self) -> AnyNoise:
        """Noise on whose scale rung effects lie: that of the loss in a chain."""
        return self.loss_noise or self.noise

    @property
    def loss_parameters(self) -> tuple[str, ...]:
        """Names of the scalars of the noise of the loss, without their prefix."""
        return self.loss_noise.parameters if self.loss_noise else ()

    def loss_values(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Scalars of the noise of the loss by their own names."""
        return {name: values[LOSS_PREFIX + name] for name in self.loss_parameters}

    def columns_of(self, parameter: str, pooling: Pooling) -> tuple[str, ...]:
        """Grouping columns over which a parameter is pooled in the given way."""
        return tuple(c for c, how in dict(self.pooling)[parameter] if how == pooling)

    def centre_site(self, parameter: str) -> str:
        """Name of the site that holds a parameter's own or central value."""
        return f"{parameter}_centre" if self.columns_of(parameter, "partial") else parameter

    def owner(self, effect: str) -> str:
        """Name of the sd of an effect's prior, by the names of their sites."""
        site = self.sites()[effect]
        if site.kind == "discrepancy":
            return sd_site(effect)
        return f"{site.parameter}_sd_{site.dims[0]}"

    def sites(self) -> dict[str, Site]:
        """All latent sites, in the order in which the program samples them."""
        sizes = dict(self.levels)
        found: dict[str, Site] = {}
        for p in self.law.parameters:
            own = self.columns_of(p, "separate")
            shape = tuple(sizes[c] for c in own)
            found[self.centre_site(p)] = Site("centre", p, own, shape)
            for c in self.columns_of(p, "partial"):
                found[f"{p}_sd_{c}"] = Site("group_sd", p)
                found[f"{p}_effect_{c}"] = Site("effect", p, (c,), (sizes[c],))
        for walk, count in self.walks:
            name = departure_site(walk)
            found[sd_site(name)] = Site("discrepancy_sd", DISCREPANCY)
            found[name] = Site("discrepancy", DISCREPANCY, (intervals_of(walk),), (count,))
        own_count = sum(count for _, count in self.walks[:OWN_WALKS])
        for c in self.departing:
            name = own_site(c)
            found[sd_site(name)] = Site("discrepancy_sd", DISCREPANCY)
            dims = (c, intervals_of(OWN))
            found[name] = Site("discrepancy", DISCREPANCY, dims, (sizes[c], own_count))
        found |= {name: Site("noise", "") for name in self.noise_parameters}
        if self.rungs:
            found["rung_sd"] = Site("rung_sd", "")
            found["rung_effect"] = Site("rung_effect", "", ("rung",), (self.rungs,))
        return found


def departure_site(walk: str) -> str:
    """Name of the site of a walk's weights."""
    return f"{DISCREPANCY}_{walk}"


def intervals_of(walk: str) -> str:
    """Name of the dimension of a walk's weights."""
    return f"{walk}_interval"


def own_site(column: str) -> str:
    """Name of the site of the weights that each level of a grouping column has for itself."""
    return f"{DISCREPANCY}_{OWN}_{column}"


def sd_site(weights: str) -> str:
    """Name of the site of the sd of weights."""
    return f"{weights}_sd"


class Losses(NamedTuple):
    """The losses of a chain, one for each run whose loss is known.

    Attributes
    ----------
    value : (losses,) array
    se : (losses,) array, or None
        Known standard errors.
    row : (losses,) int array
        Row of the table that each stands in first.
    of : (runs,) int array
        Loss of each row; -1 where it is not known.
    unknown : (k,) int array
        Rows whose loss is not known.
    """

    value: Float[Array, " losses"]
    se: Float[Array, " losses"] | None
    row: Int[Array, " losses"]
    of: Int[Array, " runs"]
    unknown: Int[Array, " k"]


class Data(NamedTuple):
    """The arrays of a program: runs, labels and prior constants.

    Attributes
    ----------
    inputs : dict of (runs,) arrays
        Inputs relative to their references; under ``"schedule"`` the `History` of each row,
        where the law asks for it.
    response : (runs,) array
    levels : dict of (runs,) int arrays
        Level of each run in each grouping column.
    rung : (runs,) int array
    se : (runs,) array, or None
        Known standard error of each response.
    prior_loc, prior_sd : dict of scalars
        Prior of each parameter on its unconstrained scale; under the names of their sites,
        scales of group sds (in `prior_sd`), log medians and log sds of sizes of the discrepancy.
    scale : scalar
        Unit of the noise's prior: one on the log scale, the spread of the response
        on the raw scale.
    bound : scalar, or None
        Responses at or above it are only known to be so: diverged runs.
    diverged : (k,) int array, or None
        Rows at or above the bound; None where the responses themselves say so.
    untuned : (runs,) bool array, or None
        Runs at settings worse than the law's best: above it by a one-sided excess.
    previous : (runs,) int array, or None
        Row before this one in the same run, -1 for the first.
    lag : (runs,) array, or None
        Distance to that row, in units of the usual one.
    trials : (runs,) array, or None
        Number of items, samples or passes behind each count.
    seen : (runs,) bool array, or None
        Rows whose metric is known, of a chain.
    losses : Losses, or None
        Of a chain.
    item : (runs,) int array, or None
        Item of each row, where items follow different curves.
    copies : (runs,) array, or None
        How many runs each row stands for: several where equal counts were merged, none where
        a run is held out, a fraction where the evidence of many is capped.
    departures : dict of (runs, intervals) arrays
        Departure of each row's log reducible loss for a weight of one on each fitted interval
        of each walk.
    scale_decades : (runs,) array, or None
        Decades of each row above the reference, along the first walk.
    """

    inputs: dict[str, Any]
    response: Float[Array, " runs"]
    levels: dict[str, Int[Array, " runs"]]
    rung: Int[Array, " runs"]
    se: Float[Array, " runs"] | None
    prior_loc: dict[str, Float[Array, ""]]
    prior_sd: dict[str, Float[Array, ""]]
    scale: Float[Array, ""]
    bound: Float[Array, ""] | None = None
    diverged: Int[Array, " k"] | None = None
    untuned: Bool[Array, " runs"] | None = None
    previous: Int[Array, " runs"] | None = None
    lag: Float[Array, " runs"] | None = None
    trials: Float[Array, " runs"] | None = None
    seen: Bool[Array, " runs"] | None = None
    losses: Losses | None = None
    item: Int[Array, " runs"] | None = None
    copies: Float[Array, " runs"] | None = None
    departures: dict[str, Float[Array, "runs intervals"]] | None = None
    scale_decades: Float[Array, " runs"] | None = None


def at_rows(structure: Structure, data: Data, column: str, values: Array) -> Array:
    """Return what the levels of a grouping column have, (levels, ...), for each row."""
    if structure.side_by_side and structure.side_by_side[0] == column:
        return jnp.repeat(values, structure.side_by_side[1], axis=0)
    return values[data.levels[column]]


def rung_unit(structure: Structure, data: Data) -> Float[Array, ""]:
    """Unit of rung effects: that of the noise they lie on, which is log loss in a chain."""
    return jnp.ones(()) if structure.loss_noise else data.scale
