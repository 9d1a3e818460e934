"""Fit a grown table again, with the model of an earlier fit and from where it ended."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import jax.numpy as jnp
import numpy as np
import pandas as pd
import xarray as xr
from numpyro.infer.util import unconstrain_fn

from bayes_scaling.errors import UsageError
from bayes_scaling.law.law import Law
from bayes_scaling.program import Data, Spec
from bayes_scaling.program.discrepancy import walks_of
from bayes_scaling.program.program import program
from bayes_scaling.program.rungs import rung_labels
from bayes_scaling.program.structure import Structure
from bayes_scaling.runs import Runs, read_runs

from .compiled import draw
from .fit import Fit
from .model import assemble
from .nuts import Settings
from .padding import padded, trimmed

ROLES = ("rung", "seed", "se", "trials", "untuned")
OBSERVED = ("response", "observed")  # other names of the response in more rows
WARM = 300  # warm-up of a fit that starts where another ended


def table_of(fit: Fit) -> pd.DataFrame:
    """Runs of a fit as a table: inputs by the law's names, groups, ``response`` and roles."""
    constants = fit.tree["constant_data"].to_dataset()
    frame = pd.DataFrame({k: constants[k].to_numpy() for k in constants.data_vars})
    frame["response"] = fit.tree["observed_data"]["response"].to_numpy()
    given = [k for k in fit.law.inputs if k in frame]
    return frame[[*given, *fit.groups, "response", *(c for c in ROLES if c in frame)]]


def with_more(fit: Fit, more: pd.DataFrame) -> Runs:
    """Runs of a fit and more of them, read and checked as one table.

    Parameters
    ----------
    fit : Fit
    more : DataFrame
        Inputs by the law's names, grouping columns, and the response under its own name, or as
        ``response`` or ``observed``; roles of columns as in the fitted table. Other columns are
        left out.

    Raises
    ------
    UsageError
        If the fit cannot be grown, or a column is missing.
    TableError
        If the rows are wrong.
    """
    check_growable(fit)
    old, named = table_of(fit), more.copy()
    named.columns = [str(c) for c in named.columns]
    found = next((c for c in (fit.record.response, *OBSERVED) if c in named), None)
    if found is None:
        raise UsageError(
            f"the new runs have no column '{fit.record.response}': name the response so"
        )
    named = named.rename(columns={found: "response"})
    missing = [c for c in old.columns if c not in named and c not in ("se", "seed", "rung")]
    missing = [c for c in missing if c not in fit.law.settings]
    if missing:
        raise UsageError(
            f"the new runs lack {', '.join(missing)}, which the fitted ones have: give them a "
            f"column each"
        )
    if "rung" in old and "rung" not in named:
        raise UsageError(
            "the fitted runs name their rungs in a column 'rung': name those of the new runs, too"
        )
    if "se" in old and "se" not in named:
        named["se"] = old["se"].median()
    if "seed" in old and "seed" not in named:
        named["seed"] = [f"new {i}" for i in range(len(old), len(old) + len(named))]
    whole = pd.concat([old, named[[c for c in old.columns if c in named]]], ignore_index=True)
    roles: dict[str, Any] = {c: c for c in ROLES if c in old}
    runs = read_runs(
        whole,
        inputs={k: k for k in fit.law.inputs if k in old},
        response="response",
        group=list(fit.groups),
        diverged_above=fit.spec.bound,
        unit=fit.record.unit,
        counts_embeddings=fit.record.counts_embeddings,
        flops=fit.record.flops,
        **roles,
    )
    return replace(runs, response=fit.record.response, source=fit.record.source)


def refit(
    fit: Fit,
    runs: Runs,
    *,
    seed: int = 0,
    settings: Settings | None = None,
    report: Callable[[str], None] | None = None,
) -> Fit:
    """Fit runs with the model of an earlier fit, from where that one ended.

    References and priors are those of the earlier fit, so that a question means the same
    before and after. Tables are filled up with rows that have no likelihood, so that a few
    compiled programs serve a table that grows.

    Parameters
    ----------
    fit : Fit
    runs : Runs
        All runs, as `with_more` gives them.
    seed : int
    settings : Settings, optional
        By default those of the earlier fit, with a shorter warm-up.
    report : callable, optional
        Told in a few words what is being done.

    Raises
    ------
    UsageError
        If the fit cannot be grown.
    """
    check_growable(fit)
    law, say = fit.law, report or (lambda _: None)
    chosen = settings or warm_settings(fit)
    spec = grown(fit.spec, law, runs)
    filled = padded(spec, law, runs)
    structure, data = filled.structure(law), filled.data(law)
    near = near_sites(means_of(fit), structure, data, filled.spec)
    words = f"fitting {len(runs)} runs"
    drawn, seconds = draw(structure, data, chosen, seed, near=near, tell=lambda: say(words))
    if drawn.diverging.all():  # the earlier fit led nowhere: begin from the prior
        chosen = replace(chosen, warmup=max(chosen.warmup, fit.settings.warmup))
        words += " again, from the prior"
        drawn, seconds = draw(structure, data, chosen, seed, tell=lambda: say(words))
    own = trimmed(drawn, spec.structure(law))
    return assemble(law, spec, runs, own, chosen, seed, seconds)


def warm_settings(fit: Fit) -> Settings:
    """Settings of a fit that starts where another ended: its own, with a shorter warm-up."""
    return replace(fit.settings, warmup=min(WARM, fit.settings.warmup))


def grown(spec: Spec, law: Law, runs: Runs) -> Spec:
    """Spec of the same model for more runs: labels, ranges and walks follow them."""
    return _over(spec, law, runs, {g: {*spec.labels[g], *runs.levels(g)} for g in runs.groups})


def moved(spec: Spec, law: Law, runs: Runs) -> Spec:
    """Spec of the same model for other runs, whose labels are theirs alone."""
    found = _over(spec, law, runs, {g: set(runs.levels(g)) for g in runs.groups})
    return replace(found, bound=runs.bound, untuned="untuned" in runs.frame)


def _over(spec: Spec, law: Law, runs: Runs, known: Mapping[str, set[str]]) -> Spec:
    """Spec with these labels of groups, laid over the runs."""
    labels = {g: sorted(known[g]) for g in spec.labels if g != "rung"}
    if "rung" in spec.labels:
        labels["rung"] = sorted(set(rung_labels(runs, law)))
    inputs = {k: runs.column(k, law.inputs[k].default) for k in law.inputs}
    walks = walks_of(law, law.centre(inputs, spec.references)) if spec.walks else ()
    ranges = {k: (float(np.nanmin(v)), float(np.nanmax(v))) for k, v in inputs.items()}
    return replace(spec, labels=labels, ranges=ranges, walks=walks)


def check_growable(fit: Fit) -> None:
    """Refuse a fit whose model cannot be taken to other runs.

    Raises
    ------
    UsageError
    """
    law, frame = fit.law, fit.tree["constant_data"]
    reasons = {
        "its rows are points of curves": law.scheduled or fit.spec.serial,
        "it is a chain of two laws": law.link is not None,
        "it is a weighted set of laws": "law_index" in law.parameters,
        "its rows are items": bool(fit.spec.items) or "item" in frame,
        "its known inputs are those of its runs": bool(fit.spec.defaults),
    }
    for reason, found in reasons.items():
        if found:
            raise UsageError(
                f"the fit of law {law.name} cannot be grown run by run, since {reason}: fit the "
                f"whole table again"
            )


def means_of(fit: Fit) -> xr.Dataset:
    """Posterior means of a fit: all that a fit which starts there needs of its draws."""
    return fit.posterior.mean(("chain", "draw"))


def near_sites(means: xr.Dataset, structure: Structure, data: Data, spec: Spec) -> dict[str, Any]:
    """Posterior means of an earlier fit as sites of another program, unconstrained."""
    sites: dict[str, Any] = {}
    for name, site in structure.sites().items():
        old = means.get(name)
        if site.kind == "discrepancy" or (site.kind == "rung_effect") or old is None:
            sites[name] = jnp.zeros(site.shape)  # their intervals have moved; found at once
        elif site.dims:
            labels = spec.labels[site.dims[0]]
            own = old.reindex({site.dims[0]: labels})
            fallback = float(old.mean()) if site.kind == "centre" else 0.0
            sites[name] = jnp.asarray(own.fillna(fallback).to_numpy())
        else:
            sites[name] = jnp.asarray(old.to_numpy())
    return dict(unconstrain_fn(program, (structure, data), {}, sites))
