"""What each quantity of a posterior is, and what it has learned."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import product

import numpy as np
import pandas as pd
import xarray as xr
from arviz_stats.base import array_stats

from bayes_scaling.law import Law
from bayes_scaling.law.priors import LINKS
from bayes_scaling.program.bounded import BoundedNoise
from bayes_scaling.program.noise import EXCESS_SD, NU_FLOOR, SIGMA_SD
from bayes_scaling.program.observation import SETTLING
from bayes_scaling.program.structure import Site, Structure

QUANTILES = (0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975)
NUS = ("nu", "loss_nu")
LOG_HALF_NORMAL_SD = math.pi / math.sqrt(8.0)  # sd of the log of a half-normal
LOG_GAMMA_2_SD = math.sqrt(math.pi**2 / 6.0 - 1.0)  # sd of the log of a gamma of shape 2


def summarise(
    posterior: xr.Dataset, law: Law, structure: Structure, prior: xr.Dataset
) -> pd.DataFrame:
    """One row for each quantity: moments, quantiles, R-hat, ESS, contraction.

    Parameters
    ----------
    posterior : Dataset
        Dimensions ``chain``, ``draw`` and those of the groups.
    law, structure : Law, Structure
    prior : Dataset
        Prior standard deviations on the unconstrained scale, by variable.

    Returns
    -------
    DataFrame
        Columns name, group, kind, mean, sd, one a quantile, rhat, ess_bulk,
        ess_tail and contraction: one minus the ratio of posterior to prior
        variance on the unconstrained scale (not a number for derived quantities).
    """
    rows, draws, learned = [], [], []
    for name, group, values in elements(posterior):
        kind = kind_of(str(name), law, structure)
        rows.append({"name": name, "group": group, "kind": kind})
        draws.append(values)
        learned.append(_contraction(name, values, law, structure, prior))
    stacked = np.stack(draws, axis=-1)
    flat = stacked.reshape(-1, stacked.shape[-1])
    table = pd.DataFrame(rows)
    axes = {"chain_axis": 0, "draw_axis": 1}
    # chains that never moved give nan; a scale that a flat curve never reaches may be too large
    # to be squared
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        table["mean"], table["sd"] = flat.mean(0), flat.std(0, ddof=1)
        for q, row in zip(QUANTILES, np.quantile(flat, QUANTILES, axis=0), strict=True):
            table[f"q{q:g}"] = row
        table["rhat"] = array_stats.rhat(stacked, **axes)
        table["ess_bulk"] = array_stats.ess(stacked, method="bulk", **axes)
        table["ess_tail"] = array_stats.ess(stacked, method="tail", prob=(0.05, 0.95), **axes)
    table["contraction"] = learned
    return table


def kind_of(name: str, law: Law, structure: Structure) -> str:
    """Return "parameter", "derived" or the kind of the site of that name."""
    if name in law.parameters:
        return "parameter"
    if name in {d.name for d in law.derived}:
        return "derived"
    return structure.sites()[name].kind


def prior_sds(structure: Structure, prior_sd: dict[str, float]) -> dict[str, float]:
    """Prior standard deviation of each quantity on its unconstrained scale."""
    found: dict[str, float] = {}
    for name, site in structure.sites().items():
        found[name] = _site_sd(name, site, structure, prior_sd)
    for p in structure.law.parameters:
        pooled = structure.columns_of(p, "partial")
        between = [structure.group_sd(p, f"{p}_sd_{c}") for c in pooled]
        found[p] = math.hypot(prior_sd[p], *between)
    return found


def _site_sd(name: str, site: Site, structure: Structure, prior_sd: dict[str, float]) -> float:
    if site.kind == "centre":
        return prior_sd[site.parameter]
    if site.kind in ("discrepancy", "discrepancy_sd"):
        return math.nan  # what a law cannot know need not be learned
    if site.kind == "effect":
        return structure.group_sd(site.parameter, f"{site.parameter}_sd_{site.dims[0]}")
    if name in ("sigma", "loss_sigma"):
        return SIGMA_SD
    if name == "settling":
        return SETTLING[1]
    if name == "excess":
        return EXCESS_SD
    if name in NUS:
        return LOG_GAMMA_2_SD
    if isinstance(structure.noise, BoundedNoise) and name in structure.noise.parameters:
        return structure.noise.prior(name)[1]
    return LOG_HALF_NORMAL_SD if site.kind in ("group_sd", "rung_sd") else math.nan


def elements(posterior: xr.Dataset) -> Iterator[tuple[str, str, np.ndarray]]:
    """Every scalar quantity with its group label and its (chain, draw) array."""
    for name, array in posterior.data_vars.items():
        extra = [d for d in array.dims if d not in ("chain", "draw")]
        values = array.transpose("chain", "draw", *extra)
        if not extra:
            yield str(name), "", values.to_numpy()
            continue
        labels = product(*(values[d].to_numpy() for d in extra))
        flat = values.to_numpy().reshape(*values.shape[:2], -1)
        for i, label in enumerate(labels):
            yield str(name), ", ".join(map(str, label)), flat[..., i]


def _contraction(
    name: str, values: np.ndarray, law: Law, structure: Structure, prior: xr.Dataset
) -> float:
    if name not in prior or math.isnan(float(prior[name])):
        return math.nan
    kind = kind_of(name, law, structure)
    if kind in ("parameter", "centre"):
        parameter = law.parameters[name.removesuffix("_centre")]
        free = np.asarray(LINKS[parameter.prior.link].to_real(values))
    elif kind == "effect":
        free = values
    else:
        # rounding can put nu on its floor
        free = np.log(np.maximum(values - NU_FLOOR, 1e-12) if name in NUS else values)
    return float(1.0 - free.var(ddof=1) / float(prior[name]) ** 2)
