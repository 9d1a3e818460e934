"""From a table of runs and modelling choices to a program's structure and arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jax import Array
from jaxtyping import Bool, Float

from bayes_scaling.errors import UsageError
from bayes_scaling.law import Law, Prior, ResponseScale
from bayes_scaling.runs import Runs

from .bounded import LOGIT_UNIT, BoundedNoise
from .check import check_names, check_noise, check_serial
from .curves import histories, history_units, neighbours, order_for, usual_gap
from .discrepancy import Walk, discrepancy_wanted, settle_sds, walks_of
from .noise import AnyNoise, Noise, noise_named
from .observation import SETTLING
from .pooling import Pool, settle_group_sds, settle_pooling
from .population import Population
from .rungs import rung_labels, rung_wanted
from .structure import OWN, Data, Losses, Pooling, Structure, own_site, sd_site


@dataclass(frozen=True)
class Spec:
    """Everything about a model of one table, but the law's function: plain, storable values.

    Attributes
    ----------
    law : str
        Name of the law.
    pool : dict
        Pooling of each parameter over each grouping column.
    noise : str
    labels : dict of str to list of str
        Level labels of each grouping column, and of ``"rung"`` where its effect is on.
    references : dict of str to float
        Where each input is centred, by default its geometric mean over the fitted runs.
    ranges : dict of str to (float, float)
        Smallest and largest fitted value of each input.
    response_scale : dict of str to float
        The statistics of the fitted responses that priors are scaled by.
    prior_loc, prior_sd : dict of str to float
        Prior of each parameter on its unconstrained scale.
    scale : float
        Unit of the noise's prior.
    serial : bool
        Whether neighbouring rows of one run are correlated.
    order : str
        Input along which they follow each other.
    lag : float
        Their usual distance along it.
    untuned : bool
        Whether some runs lie above the law by a one-sided excess.
    bound : float, optional
        Responses at or above it are only known to be so.
    schedules : dict of str to str
        Learning-rate schedules by label, as texts.
    group_sd : dict of str to float
        Scales of priors of group sds, ``parameter_sd_column``, that differ from the law's.
    prior_text : dict of str to str
        The priors in words.
    items : list of str
        Items of which each follows one curve of the law's mixture.
    defaults : dict of str to list
        Values of inputs with a default at the fitted runs, with the labels of their groups:
        what a point takes that does not say.
    walks : tuple of Walk
        How losses may depart from the law; none where it is taken to hold.
    discrepancy_sd : dict of str to (float, float)
        Median of each sd of the discrepancy, by its site, and sd of its logarithm.
    settling : bool
        Whether noise falls with scale.
    settling_prior : (float, float)
        Median, and sd of the logarithm, of its fall over a decade.
    effective_runs : float, optional
        How many runs a group counts for at most, where the likelihood is raised to a power.
    """

    law: str
    pool: dict[str, dict[str, Pooling]]
    noise: str
    labels: dict[str, list[str]]
    references: dict[str, float]
    ranges: dict[str, tuple[float, float]]
    response_scale: dict[str, float]
    prior_loc: dict[str, float]
    prior_sd: dict[str, float]
    scale: float
    serial: bool = False
    order: str = ""
    lag: float = 1.0
    untuned: bool = False
    bound: float | None = None
    schedules: dict[str, str] = field(default_factory=dict)
    group_sd: dict[str, float] = field(default_factory=dict)
    prior_text: dict[str, str] = field(default_factory=dict)
    items: list[str] = field(default_factory=list)
    defaults: list[dict[str, Any]] = field(default_factory=list)
    walks: tuple[Walk, ...] = ()
    discrepancy_sd: dict[str, tuple[float, float]] = field(default_factory=dict)
    settling: bool = False
    settling_prior: tuple[float, float] = SETTLING
    effective_runs: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)

    def structure(self, law: Law) -> Structure:
        """Return the static structure of the program of this spec."""
        groups = [c for c in self.labels if c != "rung"]
        return Structure(
            law=law,
            pooling=tuple((p, tuple(how.items())) for p, how in self.pool.items()),
            levels=tuple((c, len(self.labels[c])) for c in groups),
            rungs=len(self.labels.get("rung", ())),
            noise=noise_named(self.noise),
            serial=self.serial,
            untuned=self.untuned,
            group_sds=tuple(self.group_sd.items()),
            loss_noise=_loss_noise(law),
            items=len(self.items),
            walks=tuple((w.name, len(w.fitted)) for w in self.walks),
            settling=self.settling,
            departing=tuple(c for c in groups if sd_site(own_site(c)) in self.discrepancy_sd),
        )


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
        replaces medians and log sds of ``"discrepancy_sd"`` and ``"discrepancy_sd_own"``.
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
    scale, loss_scale = _response_scales(chosen, law, runs)
    prior = _priors(law, (population.priors(law) if population else {}) | dict(priors or {}))
    of_loss = set(law.link.first.parameters) if law.link else set()
    resolved = {
        p: prior[p].resolve(loss_scale if p in of_loss else scale, p) for p in law.parameters
    }
    inputs = {name: runs.column(name, law.inputs[name].default) for name in law.inputs}
    check_names(law, runs.groups)
    labels = {g: runs.levels(g) for g in runs.groups}
    able = not (chosen.side or chosen.bounded or law.link)
    correlated = (runs.curves and able) if serial is None else serial
    if correlated:
        check_serial(chosen, law, runs)
    order = order_for(law, runs) if correlated else ""
    items = _items(law, chosen, runs)
    alone = bool(items) or chosen.name == "population"
    if alone and rung:
        raise UsageError(
            f"items and problems share no rung effect with noise {chosen.name}; use rung=False "
            f"(--rung off)"
        )
    if not alone and rung_wanted(runs, rung, law):
        labels["rung"] = sorted(set(rung_labels(runs, law)))
    pooling = settle_pooling(law, runs, pool or {}, population.group_sd if population else ())
    centres = references(law, inputs) | history_units(law, runs) | _loss_reference(law, runs)
    wanted = discrepancy if isinstance(discrepancy, bool) else True if discrepancy else None
    walks: tuple[Walk, ...] = ()
    if discrepancy_wanted(law, chosen, wanted, serial=correlated):
        walks = walks_of(law, law.centre(inputs, centres))
    sds = _known_sds(population, walks)
    sds |= discrepancy if isinstance(discrepancy, Mapping) else {}
    return Spec(
        law=law.name,
        pool=pooling,
        noise=chosen.name,
        labels=labels,
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
        discrepancy_sd=settle_sds(walks, [g for g in runs.groups if len(labels[g]) > 1], sds),
        settling=bool(walks),
        effective_runs=effective_runs,
    )


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


def build_data(spec: Spec, law: Law, runs: Runs) -> Data:
    """Arrays of the program for these runs."""
    frame = runs.frame
    groups = [c for c in spec.labels if c != "rung"]
    rungs = np.zeros(len(frame), dtype=np.int64)
    if "rung" in spec.labels:
        rungs = _codes(rung_labels(runs, law), spec.labels["rung"])
    previous, gap = neighbours(runs, spec.order) if spec.serial else (None, None)
    inputs: dict[str, Any] = {k: runs.column(k, law.inputs[k].default) for k in law.inputs}
    if law.scheduled:
        inputs["schedule"] = histories(spec, frame["schedule"], inputs["step"])
    response = frame["response"].to_numpy()
    seen = ~np.isnan(response)
    centred = law.centre(inputs, spec.references)
    logs = {**spec.discrepancy_sd, "settling": spec.settling_prior}
    return Data(
        inputs=jax.tree.map(jnp.asarray, centred),
        # a harmless number where a run of a chain has no metric: one item out of one, of counts
        response=jnp.asarray(
            np.where(seen, response, 1.0 if runs.counted else np.nanmedian(response))
        ),
        levels={g: jnp.asarray(_codes(frame[g].tolist(), spec.labels[g])) for g in groups},
        rung=jnp.asarray(rungs),
        se=jnp.asarray(frame["se"].to_numpy()) if "se" in frame else None,
        prior_loc={k: jnp.asarray(v) for k, v in spec.prior_loc.items()}
        | {k: jnp.log(median) for k, (median, _) in logs.items()},
        prior_sd={k: jnp.asarray(v) for k, v in spec.prior_sd.items()}
        | {k: jnp.asarray(sd) for k, (_, sd) in logs.items()},
        scale=jnp.asarray(spec.scale),
        bound=None if spec.bound is None else jnp.asarray(spec.bound),
        diverged=None if spec.bound is None else jnp.asarray(np.flatnonzero(runs.diverged)),
        untuned=jnp.asarray(frame["untuned"].to_numpy()) if spec.untuned else None,
        previous=None if previous is None else jnp.asarray(previous),
        lag=None if gap is None else jnp.asarray(gap / spec.lag),
        trials=_trials(runs, seen),
        seen=None if seen.all() else jnp.asarray(seen),
        losses=_losses(spec, law, runs) if law.link else None,
        item=jnp.asarray(_codes(frame["item"].tolist(), spec.items)) if spec.items else None,
        copies=_shares(spec, frame, groups),
        scale_decades=jnp.asarray(spec.walks[0].place(centred)) if spec.settling else None,
        departures={w.name: jnp.asarray(w.basis(centred)) for w in spec.walks} or None,
    )


def _known_sds(
    population: Population | None, walks: tuple[Walk, ...]
) -> dict[str, tuple[float, float]]:
    """Sizes of the discrepancy that a population knows, of those that a model has."""
    if population is None:
        return {}
    known = (*(w.name for w in walks), OWN)
    return {k: at for k, at in population.discrepancy.items() if k in known}


def _known_group_sds(
    population: Population | None, pooling: Mapping[str, Mapping[str, Pooling]]
) -> dict[str, float]:
    if population is None:
        return {}
    partial = [(p, c) for p, own in pooling.items() for c, how in own.items() if how == "partial"]
    return {f"{p}_sd_{c}": population.group_sd[p] for p, c in partial if p in population.group_sd}


def _shares(spec: Spec, frame: pd.DataFrame, groups: list[str]) -> Float[Array, " runs"] | None:
    """Power of each row's likelihood, where the evidence of a group is capped."""
    if spec.effective_runs is None:
        return None
    count = frame.groupby(groups)["response"].transform("size") if groups else len(frame)
    return jnp.asarray(np.minimum(1.0, spec.effective_runs / np.broadcast_to(count, len(frame))))


def _loss_noise(law: Law) -> Noise | None:
    if law.link is None:
        return None
    noise = noise_named(law.link.first.response.noise)
    assert isinstance(noise, Noise)
    return noise


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


def _trials(runs: Runs, seen: Bool[np.ndarray, " runs"]) -> Float[Array, " runs"] | None:
    if not runs.counted:
        return None
    return jnp.asarray(np.where(seen, runs.frame["trials"].to_numpy(), 1.0))


def _losses(spec: Spec, law: Law, runs: Runs) -> Losses:
    """Losses of a chain: one that several rows of a run repeat is one measurement."""
    assert law.link is not None
    frame = runs.frame
    known = np.flatnonzero(frame["through"].notna())
    moving = [
        g
        for g in runs.groups
        if any(spec.pool[p][g] != "complete" for p in law.link.first.parameters)
    ]
    same = [*law.link.first.inputs, *moving, *(c for c in ("run", "seed") if c in frame), "through"]
    first = frame.iloc[known].groupby(same, dropna=False, sort=False).ngroup().to_numpy()
    of = np.full(len(frame), -1)
    of[known] = first
    row = known[np.unique(first, return_index=True)[1]]
    se = frame["through_se"].to_numpy()[row] if "through_se" in frame else None
    return Losses(
        value=jnp.asarray(frame["through"].to_numpy()[row]),
        se=None if se is None else jnp.asarray(se),
        row=jnp.asarray(row),
        of=jnp.asarray(of),
        unknown=jnp.asarray(np.flatnonzero(of < 0)),
    )


def _codes(values: list[str], labels: list[str]) -> Float[np.ndarray, " runs"]:
    position = {label: i for i, label in enumerate(labels)}
    return np.array([position[v] for v in values], dtype=np.int64)


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
