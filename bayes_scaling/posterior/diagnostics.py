"""What is wrong with a posterior, if anything, and what each quantity has learned."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pandas as pd
import xarray as xr
from arviz_stats.base import array_stats

from bayes_scaling.errors import Finding, Severity
from bayes_scaling.law import Law
from bayes_scaling.law.priors import LINKS
from bayes_scaling.program.noise import NU_FLOOR, SIGMA_SD
from bayes_scaling.program.structure import Site, Structure

QUANTILES = (0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975)
LOG_HALF_NORMAL_SD = math.pi / math.sqrt(8.0)  # sd of the log of a half-normal
LOG_GAMMA_2_SD = math.sqrt(math.pi**2 / 6.0 - 1.0)  # sd of the log of a gamma of shape 2

MAX_RHAT, BAD_RHAT = 1.01, 1.05
MIN_ESS, BAD_ESS = 400, 100
BAD_DIVERGENCES = 0.01  # of the draws
MIN_BFMI, BAD_BFMI = 0.3, 0.2
LITTLE_LEARNED = 0.5


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
    for name, group, values in _elements(posterior):
        kind = kind_of(str(name), law, structure)
        rows.append({"name": name, "group": group, "kind": kind})
        draws.append(values)
        learned.append(_contraction(name, values, law, structure, prior))
    stacked = np.stack(draws, axis=-1)
    flat = stacked.reshape(-1, stacked.shape[-1])
    table = pd.DataFrame(rows)
    table["mean"], table["sd"] = flat.mean(0), flat.std(0, ddof=1)
    for q, row in zip(QUANTILES, np.quantile(flat, QUANTILES, axis=0), strict=True):
        table[f"q{q:g}"] = row
    axes = {"chain_axis": 0, "draw_axis": 1}
    with np.errstate(invalid="ignore", divide="ignore"):  # chains that never moved give nan
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
    for p, parameter in structure.law.parameters.items():
        pooled = len(structure.columns_of(p, "partial"))
        found[p] = math.sqrt(prior_sd[p] ** 2 + pooled * parameter.group_sd**2)
    return found


def _site_sd(name: str, site: Site, structure: Structure, prior_sd: dict[str, float]) -> float:
    if site.kind == "centre":
        return prior_sd[site.parameter]
    if site.kind == "effect":
        return structure.law.parameters[site.parameter].group_sd
    if name == "sigma":
        return SIGMA_SD
    if name == "nu":
        return LOG_GAMMA_2_SD
    return LOG_HALF_NORMAL_SD if site.kind in ("group_sd", "rung_sd") else math.nan


def _elements(posterior: xr.Dataset) -> Iterator[tuple[str, str, np.ndarray]]:
    """Every scalar quantity with its group label and its (chain, draw) array."""
    for name, array in posterior.data_vars.items():
        extra = [d for d in array.dims if d not in ("chain", "draw")]
        values = array.transpose("chain", "draw", *extra)
        if not extra:
            yield str(name), "", values.to_numpy()
            continue
        stacked = values.stack(group=extra)
        for i, label in enumerate(stacked["group"].to_numpy()):
            text = ", ".join(map(str, label)) if isinstance(label, tuple) else str(label)
            yield str(name), text, stacked.isel(group=i).to_numpy()


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
        free = np.log(np.maximum(values - NU_FLOOR, 1e-12) if name == "nu" else values)
    return float(1.0 - free.var(ddof=1) / float(prior[name]) ** 2)


def diagnose(table: pd.DataFrame, stats: xr.Dataset) -> tuple[Finding, ...]:
    """Warnings about the sampling and about what was not learned.

    Parameters
    ----------
    table : DataFrame
        Of `summarise`.
    stats : Dataset
        ``diverging`` and ``energy``, dimensions chain and draw.

    Returns
    -------
    tuple of Finding
        Severity "error" marks a posterior that must not be used.
    """
    found = [*_divergences(stats), *_mixing(table), *_energy(stats), *_unlearned(table)]
    order = {"error": 0, "warning": 1, "info": 2}
    return tuple(sorted(found, key=lambda f: order[f.severity]))


def _divergences(stats: xr.Dataset) -> Iterator[Finding]:
    diverging = stats["diverging"].to_numpy()
    count = int(diverging.sum())
    if count:
        bad = count > BAD_DIVERGENCES * diverging.size
        yield Finding(
            "divergences",
            "error" if bad else "warning",
            f"{count} of {diverging.size} draws diverged: parts of the posterior were not "
            f"explored; raise target_accept (--target-accept 0.98), give tighter priors, or "
            f"pool parameters that the runs cannot tell apart",
        )


def _mixing(table: pd.DataFrame) -> Iterator[Finding]:
    worst = table.iloc[int(table["rhat"].argmax())] if table["rhat"].notna().any() else None
    if worst is None or not table["rhat"].notna().all():
        stuck = ", ".join(table.loc[table["rhat"].isna(), "name"].unique()[:5])
        yield Finding(
            "no-rhat", "error", f"R-hat is not a number for {stuck}: the chains did not move"
        )
        return
    if worst["rhat"] > MAX_RHAT:
        yield Finding(
            "rhat",
            "error" if worst["rhat"] > BAD_RHAT else "warning",
            f"R-hat is {worst['rhat']:.3f} for {_called(worst)} (good: below {MAX_RHAT}): the "
            f"chains disagree; sample longer (--draws, --warmup) and look for two modes",
        )
    for column in ("ess_bulk", "ess_tail"):
        least = table.iloc[int(table[column].argmin())]
        if least[column] < MIN_ESS:
            yield Finding(
                column.replace("_", "-"),
                "error" if least[column] < BAD_ESS else "warning",
                f"{column.replace('_', ' ')} is {least[column]:.0f} for {_called(least)} (good: "
                f"at least {MIN_ESS}): its intervals are noisy; sample longer (--draws)",
            )


def _energy(stats: xr.Dataset) -> Iterator[Finding]:
    lowest = float(np.min(array_stats.bfmi(stats["energy"].to_numpy(), chain_axis=0, draw_axis=1)))
    if lowest < MIN_BFMI:
        yield Finding(
            "e-bfmi",
            "error" if lowest < BAD_BFMI else "warning",
            f"E-BFMI is {lowest:.2f} (good: above {MIN_BFMI}): the tails are explored slowly; "
            f"sample longer (--warmup, --draws) or give tighter priors",
        )


def _unlearned(table: pd.DataFrame) -> Iterator[Finding]:
    severities: dict[str, Severity] = {
        "parameter": "warning",
        "centre": "info",
        "group_sd": "info",
    }
    for kind, severity in severities.items():
        weak = table[(table["kind"] == kind) & (table["contraction"] < LITTLE_LEARNED)]
        if len(weak):
            names = ", ".join(f"{_called(r)} {r['contraction']:.2f}" for _, r in weak.iterrows())
            yield Finding(
                f"prior-dominated-{kind.replace('_', '-')}",
                severity,
                f"the runs say little about {names} (1 - posterior / prior variance): answers "
                f"that depend on it repeat its prior; widen the range of the runs, pool it, "
                f"or give a prior you believe",
            )


def _called(row: pd.Series) -> str:
    return f"{row['name']}[{row['group']}]" if row["group"] else str(row["name"])
