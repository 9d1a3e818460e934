"""What the warnings of a fit say: about the sampling, and about what was not learned."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations

import numpy as np
import pandas as pd
import xarray as xr
from arviz_stats.base import array_stats

from bayes_scaling.errors import Finding, Severity
from bayes_scaling.law import Law
from bayes_scaling.law.priors import LINKS

from .diagnostics import elements

MAX_RHAT, BAD_RHAT = 1.01, 1.05
MIN_ESS, BAD_ESS = 400, 100
BAD_DIVERGENCES = 0.01  # of the draws
MIN_BFMI, BAD_BFMI = 0.3, 0.2
LITTLE_LEARNED = 0.5
CONFOUNDED = 0.98  # correlation of two parameters
BEYOND = 0.5  # of the draws of a bend's place outside the fitted runs


def diagnose(
    table: pd.DataFrame,
    stats: xr.Dataset,
    posterior: xr.Dataset,
    law: Law,
    ranges: Mapping[str, tuple[float, float]],
) -> tuple[Finding, ...]:
    """Warnings about the sampling and about what was not learned.

    Parameters
    ----------
    table : DataFrame
        Of `summarise`.
    stats : Dataset
        ``diverging`` and ``energy``, dimensions chain and draw.
    posterior : Dataset
    law : Law
    ranges : mapping
        Smallest and largest fitted value of each input.

    Returns
    -------
    tuple of Finding
        Severity "error" marks a posterior that must not be used.
    """
    found = [
        *_divergences(stats),
        *_mixing(table),
        *_energy(stats),
        *_unlearned(table),
        *_confounded(posterior, law),
        *_bends(posterior, law, ranges),
    ]
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


def _confounded(posterior: xr.Dataset, law: Law) -> Iterator[Finding]:
    """Pairs of parameters that the runs know only together."""
    by_group: dict[str, dict[str, np.ndarray]] = {}
    own = [p for p in law.parameters if p in posterior]
    for name, group, values in elements(posterior[own]):
        free = np.asarray(LINKS[law.parameters[name].prior.link].to_real(values))
        by_group.setdefault(group, {})[name] = free.ravel()
    pairs: dict[tuple[str, str], list[tuple[str, float]]] = {}
    for group, draws in by_group.items():
        moving = [name for name, values in draws.items() if values.std() > 0]
        for a, b in combinations(moving, 2):
            correlation = float(np.corrcoef(draws[a], draws[b])[0, 1])
            if abs(correlation) > CONFOUNDED:
                pairs.setdefault((a, b), []).append((group, correlation))
    for (a, b), where in pairs.items():
        worst = max(where, key=lambda pair: abs(pair[1]))
        groups = f" in {', '.join(g for g, _ in where[:5])}" if where[0][0] else ""
        yield Finding(
            "confounded-parameters",
            "warning",
            f"{a} and {b} have posterior correlation {worst[1]:+.3f}{groups}: the runs know them "
            f"only together; read neither alone, add runs that move one without the other, or "
            f"fix or tie one (a variant, law.fix, law.tie)",
        )


def _bends(
    posterior: xr.Dataset, law: Law, ranges: Mapping[str, tuple[float, float]]
) -> Iterator[Finding]:
    """Bends and ceilings that the fitted runs do not reach."""
    for quantity in law.derived:
        if not quantity.bend or quantity.name not in posterior:
            continue
        low, high = ranges[quantity.bend]
        for name, group, values in elements(posterior[[quantity.name]]):
            below, above = float((values < low).mean()), float((values > high).mean())
            if max(below, above) <= BEYOND:
                continue
            side, edge = ("below", low) if below > above else ("above", high)
            yield Finding(
                "bend-outside",
                "warning",
                f"{_in_group(name, group)} ({quantity.meaning}) lies {side} the fitted runs "
                f"({quantity.bend} = {edge:.3g}) with probability {max(below, above):.2f}: what "
                f"the law says beyond it is its prior; add runs there, or use a law without that "
                f"bend",
            )


def _called(row: pd.Series) -> str:
    return _in_group(row["name"], row["group"])


def _in_group(name: str, group: str) -> str:
    return f"{name}[{group}]" if group else name
