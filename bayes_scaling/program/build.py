"""From a table of runs and modelling choices to the spec of a model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from bayes_scaling.errors import UsageError
from bayes_scaling.law import Law, Prior, ResponseScale
from bayes_scaling.runs import Runs

from .bounded import LOGIT_UNIT, BoundedNoise
from .check import check_effective_runs, check_names, check_noise, check_serial
from .curves import history_units, order_for, usual_gap
from .discrepancy import Walk, discrepancy_wanted, settle_sds, walks_of
from .noise import AnyNoise, noise_named
from .observation import SETTLING
from .pooling import Pool, settle_group_sds, settle_pooling
from .population import Population
from .rungs import rung_labels, rung_wanted
from .spec import Spec
from .structure import OWN, Pooling


def build_spec(
    law: Law,
    runs: Runs,
    *,
    pool: Pool | None = None,
    noise: str | None = None,
    rung: bool | None = None,
    serial: bool | None = None,
    priors: Mapping[str, Prior] | None = None,
    group_sd: Mapping[str, float | Mapping[str, float]] | None = None,
    discrepancy: bool | Mapping[str, tuple[float, float]] | None = None,
    population: Population | None = None,
    effective_runs: float | None = None,
) -> Spec:
    """Settle pooling, priors, references and labels for a table of runs.

    Parameters
    ----------
    law : Law
    runs : Runs
        The fitted runs: references and prior scales come from these rows only.
    pool : mapping, optional
        Parameter to pooling, or to a mapping from grouping column to pooling.
        By default parameters that vary are pooled partially over every grouping
        column and the others completely.
    noise : str, optional
        By default that of the law's response.
    rung : bool, optional
        Whether runs of one rung share a deviation; by default where at least
        three rungs hold runs of several groups, several seeds, or several settings.
    serial : bool, optional
        Whether neighbouring rows of a run are correlated; by default where runs have
        several rows.
    priors : mapping, optional
        Replaces priors of the law.
    group_sd : mapping, optional
        Parameter to the scale of its group sd's prior, or to a mapping from grouping
        column to one; by default the law's.
    discrepancy : bool or mapping, optional
        Whether losses may depart from the law; by default where they fall in scale. A mapping
        replaces median, and sd of the logarithm, of the sizes of walks by their name, and of
        what every recipe departs by for itself, ``"own"``.
    population : Population, optional
        Learned priors, in the place of the law's; those given one by one come first.
    effective_runs : float, optional
        Caps how many runs a group counts for, by a power on the likelihood.

    Raises
    ------
    UsageError
        If an option names what is not there.
    TableError
        If the responses cannot be used with the noise.
    """
    chosen = noise_named(noise or law.response.noise)
    check_noise(chosen, law, runs)
    check_effective_runs(effective_runs, law, runs)
    scale, loss_scale = _response_scales(chosen, law, runs)
    prior = _priors(law, (population.priors(law) if population else {}) | dict(priors or {}))
    resolved = _resolved(law, prior, scale, loss_scale)
    inputs = {name: runs.column(name, law.inputs[name].default) for name in law.inputs}
    check_names(law, runs.groups)
    correlated = _serial(law, chosen, runs, serial)
    order = order_for(law, runs) if correlated else ""
    items = _items(law, chosen, runs)
    pooling = settle_pooling(law, runs, pool or {}, population.group_sd if population else ())
    centres = references(law, inputs) | history_units(law, runs) | _loss_reference(law, runs)
    wanted = discrepancy if isinstance(discrepancy, bool) else True if discrepancy else None
    walks: tuple[Walk, ...] = ()
    if discrepancy_wanted(law, chosen, wanted, serial=correlated):
        walks = walks_of(law, law.centre(inputs, centres))
    return Spec(
        law=law.name,
        pool=pooling,
        noise=chosen.name,
        labels=_labels(law, chosen, runs, rung, alone=bool(items)),
        references=centres,
        ranges={k: (float(np.nanmin(v)), float(np.nanmax(v))) for k, v in inputs.items()},
        response_scale=dict(scale._asdict()),
        prior_loc={p: loc for p, (loc, _) in resolved.items()},
        prior_sd={p: sd for p, (_, sd) in resolved.items()},
        scale=LOGIT_UNIT if chosen.bounded else 1.0 if chosen.on_log else scale.spread,
        serial=correlated,
        order=order,
        lag=usual_gap(runs, order) if correlated else 1.0,
        untuned="untuned" in runs.frame,
        bound=runs.bound,
        schedules={k: v.text for k, v in runs.schedules.items()},
        group_sd=_known_group_sds(population, pooling) | settle_group_sds(pooling, group_sd or {}),
        settling_prior=population.noise.get("settling", SETTLING) if population else SETTLING,
        prior_text={p: str(prior[p]) for p in law.parameters},
        items=items,
        defaults=_defaults(law, runs, inputs),
        walks=walks,
        discrepancy_sd=_drifts(walks, runs, discrepancy, population),
        settling=bool(walks),
        effective_runs=effective_runs,
    )


def _resolved(
    law: Law, prior: Mapping[str, Prior], scale: ResponseScale, loss_scale: ResponseScale
) -> dict[str, tuple[float, float]]:
    """Mean and sd of every parameter's prior; those of a chain's loss have its scale."""
    of_loss = set(law.link.first.parameters) if law.link else set()
    return {p: prior[p].resolve(loss_scale if p in of_loss else scale, p) for p in law.parameters}


def references(law: Law, inputs: Mapping[str, Float[np.ndarray, " runs"]]) -> dict[str, float]:
    """Return where each input is centred: from the fitted runs unless the law fixes it."""
    found: dict[str, float] = {}
    shared = {k: v.reference for k, v in law.inputs.items() if isinstance(v.reference, str)}
    for name, declared in law.inputs.items():
        values = inputs[name]
        if isinstance(declared.reference, int | float):
            found[name] = float(declared.reference)
        elif declared.centring == "difference":
            found[name] = float(np.nanmean(values))
        elif name not in shared:
            positive = values[values > 0]  # a missing setting is not
            found[name] = float(np.exp(np.log(positive).mean())) if len(positive) else 1.0
    return {k: found[shared.get(k, k)] for k in law.inputs}


def _serial(law: Law, noise: AnyNoise, runs: Runs, serial: bool | None) -> bool:
    """Whether neighbouring rows are correlated: by default those of curves."""
    able = not (noise.side or noise.bounded or law.link)
    found = (runs.curves and able) if serial is None else serial
    if found:
        check_serial(noise, law, runs)
    return found


def _labels(
    law: Law, noise: AnyNoise, runs: Runs, rung: bool | None, *, alone: bool
) -> dict[str, list[str]]:
    """Labels of the levels of grouping columns, and of the rungs that runs share."""
    labels = {g: runs.levels(g) for g in runs.groups}
    alone = alone or noise.name == "population"
    if alone and rung:
        raise UsageError(
            f"items and problems share no rung effect with noise {noise.name}; use rung=False "
            f"(--rung off)"
        )
    if not alone and rung_wanted(runs, rung, law):
        labels["rung"] = sorted(set(rung_labels(runs, law)))
    return labels


def _drifts(
    walks: tuple[Walk, ...],
    runs: Runs,
    given: bool | Mapping[str, tuple[float, float]] | None,
    population: Population | None,
) -> dict[str, tuple[float, float]]:
    """Priors of the sizes of the discrepancy: those given, or known from a population."""
    own = (*(w.name for w in walks), OWN)
    known = population.discrepancy.items() if population else ()
    sds = {k: at for k, at in known if k in own}
    sds |= given if isinstance(given, Mapping) else {}
    return settle_sds(walks, [g for g in runs.groups if len(runs.levels(g)) > 1], sds)


def _known_group_sds(
    population: Population | None, pooling: Mapping[str, Mapping[str, Pooling]]
) -> dict[str, float]:
    if population is None:
        return {}
    partial = [(p, c) for p, own in pooling.items() for c, how in own.items() if how == "partial"]
    return {f"{p}_sd_{c}": population.group_sd[p] for p, c in partial if p in population.group_sd}


def _response_scales(noise: AnyNoise, law: Law, runs: Runs) -> tuple[ResponseScale, ResponseScale]:
    """Statistics of the response (as a fraction, of counts), and of the loss of a chain."""
    response = runs.frame["response"].to_numpy()
    if isinstance(noise, BoundedNoise):
        response = noise.fraction(response, runs.frame.get("trials", pd.Series(1.0)).to_numpy())
    if runs.bound is not None:
        response = response[response < runs.bound]
    own = ResponseScale.of(response[~np.isnan(response)])
    if law.link is None:
        return own, own
    return own, ResponseScale.of(runs.frame["through"].dropna().to_numpy())


def _loss_reference(law: Law, runs: Runs) -> dict[str, float]:
    if law.link is None:
        return {}
    return {law.link.input: float(np.exp(np.log(runs.frame["through"].dropna()).mean()))}


def _items(law: Law, noise: AnyNoise, runs: Runs) -> list[str]:
    if "item" not in runs.frame:
        return []
    if law.mixture is None or not noise.bounded:
        raise UsageError(
            f"item= (--item) names items that follow different curves, which law {law.name} with "
            f"noise {noise.name} does not have; for effects of items use group= (--group)"
        )
    return sorted(set(runs.frame["item"]))


def _defaults(
    law: Law, runs: Runs, inputs: Mapping[str, Float[np.ndarray, " runs"]]
) -> list[dict[str, Any]]:
    names = [k for k, v in law.inputs.items() if v.default is not None]
    if not names:
        return []
    table = pd.DataFrame({k: inputs[k] for k in names} | {g: runs.frame[g] for g in runs.groups})
    return [dict(row) for row in table.drop_duplicates().to_dict("records")]  # type: ignore[arg-type]


def _priors(law: Law, given: Mapping[str, Prior]) -> dict[str, Prior]:
    own = {p: parameter.prior for p, parameter in law.parameters.items()}
    for name, prior in given.items():
        if name not in own:
            raise UsageError(
                f"priors names '{name}', which law {law.name} does not have; "
                f"it has {', '.join(own)}"
            )
        if prior.link != own[name].link:
            raise UsageError(
                f"the prior of {name} must be on the same support as the law's: "
                f"{own[name]}, got {prior}"
            )
    return own | dict(given)
