"""Fits with hand-made draws: no sampler runs, and every draw is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from bayes_scaling.law import Law
from bayes_scaling.law.priors import LINKS
from bayes_scaling.models import registry
from bayes_scaling.posterior import Fit, Settings
from bayes_scaling.posterior.fit import Record, as_dataset
from bayes_scaling.posterior.model import derived_draws
from bayes_scaling.posterior.whole import whole_discrepancy
from bayes_scaling.program import Spec, Structure
from bayes_scaling.program.bounded import BoundedNoise
from bayes_scaling.program.build import references
from bayes_scaling.program.curves import histories
from bayes_scaling.program.discrepancy import interval_labels, settle_sds, walks_of
from bayes_scaling.program.rungs import label_rung, rung_inputs
from bayes_scaling.runs.schedule import Schedule

SIZES = (1e8, 4e8, 16e8)
TOKENS = (2e9, 8e9, 32e9)
RECIPES = {"recipe": ["adam", "muon"]}
TRUTH = {"level": 2.9, "reducible": 0.4, "share_N": 0.55, "alpha": 0.34, "beta": 0.28}
PRIOR_SD = {"level": 0.5, "reducible": 1.0, "share_N": 1.0, "alpha": 0.5, "beta": 0.5}
SD = 0.02  # of the draws of every parameter, on its unconstrained scale
SIGMA, NU, GROUP_SD, RUNG_SD, EXCESS = 0.01, 8.0, 0.1, 0.02, 0.1
RHO = 0.8  # of neighbouring rows of a run
CONCENTRATION = 200.0
SETTLING = 0.3
SEED_BEYOND = 4  # of the discrepancy beyond the runs
REFERENCE_LOSS = 2.9  # of chains


def curve(
    n: Any, d: Any, level: Any, reducible: Any, share_N: Any, alpha: Any, beta: Any
) -> np.ndarray:
    """The chinchilla law by hand, on inputs divided by their references."""
    decay = share_N * n**-alpha + (1 - share_N) * d**-beta
    return np.asarray(level * (1 - reducible + reducible * decay))


def fake_fit(
    labels: Mapping[str, list[str]] | None = None,
    *,
    pool: Mapping[str, str] | None = None,
    noise: str = "student-t",
    rungs: bool = False,
    discrepancy: bool = False,
    chains: int = 4,
    draws: int = 500,
    seed: int = 11,
) -> Fit:
    """Fit of the chinchilla law to a grid of 3 sizes by 3 token counts for each label.

    Parameters
    ----------
    labels : mapping, optional
        Grouping columns and their labels.
    pool : mapping, optional
        Parameter to pooling over every grouping column; level and alpha are partial
        by default and the others complete.
    rungs : bool
        Whether runs of one rung share an effect.
    discrepancy : bool
        Whether exponents drift, and noise falls with scale.
    """
    labels = {k: list(v) for k, v in (labels or {}).items()}
    frame = pd.DataFrame(list(product(SIZES, TOKENS)), columns=["N", "D"])
    runs = frame.merge(pd.DataFrame(list(product(*labels.values())), columns=[*labels]), "cross")
    settled = {"level": "partial", "alpha": "partial"} | dict(pool or {})
    return fake_fit_of(
        registry["chinchilla"], runs, TRUTH, labels=labels, pool=settled, prior_sd=PRIOR_SD,
        noise=noise, rungs=rungs, discrepancy=discrepancy, chains=chains, draws=draws, seed=seed,
    )  # fmt: skip


def fake_fit_of(
    law: Law,
    runs: pd.DataFrame,
    truth: Mapping[str, float],
    *,
    labels: Mapping[str, list[str]] | None = None,
    pool: Mapping[str, str] | None = None,
    prior_sd: Mapping[str, float] | None = None,
    noise: str | None = None,
    rungs: bool = False,
    discrepancy: bool = False,
    schedules: Mapping[str, Schedule] | None = None,
    serial: bool = False,
    bound: float | None = None,
    unseen: Sequence[int] = (),
    unmeasured: Sequence[int] = (),
    chains: int = 4,
    draws: int = 500,
    seed: int = 11,
) -> Fit:
    """Fit of any law to a table of inputs and grouping columns, responses from `truth`.

    Counts need a column ``trials``. Of a chain, rows `unseen` have no metric and rows
    `unmeasured` no loss. Items that follow different curves have a column ``item``.

    Of a scheduled law, the table has a column ``schedule`` of keys of `schedules`. Rows of
    curves have a column ``run``, and follow each other along the first input; `serial` ties
    them. Responses above `bound` are diverged runs.
    """
    labels, schedules = labels or {}, schedules or {}
    missing = {k: v.default for k, v in law.inputs.items() if k not in runs}
    runs = runs.assign(**missing)
    inputs = {k: runs[k].to_numpy(dtype=float) for k in law.inputs}
    cells = {label_rung(law, row) for row in runs[rung_inputs(law)].to_numpy(dtype=float)}
    centres = (
        references(law, inputs)
        | _history_units(law, runs, schedules)
        | ({law.link.input: REFERENCE_LOSS} if law.link else {})
    )
    walks = walks_of(law, law.centre(inputs, centres)) if discrepancy else ()
    spec = Spec(
        law=law.name,
        pool={p: {c: (pool or {}).get(p, "complete") for c in labels} for p in law.parameters},  # type: ignore[misc]
        noise=noise or law.response.noise,
        labels={**labels, **({"rung": sorted(cells)} if rungs else {})},
        references=centres,
        ranges={k: (float(v.min()), float(v.max())) for k, v in inputs.items()},
        response_scale={"median": 2.9, "smallest": 2.3, "spread": 1.5},
        prior_loc={p: _free(law, p, truth[p]) for p in law.parameters},
        prior_sd=dict.fromkeys(law.parameters, 0.5) | dict(prior_sd or {}),
        scale=1.0,
        serial=serial,
        order=next(iter(law.inputs)) if serial else "",
        lag=float(np.median(runs.groupby("run")[next(iter(law.inputs))].diff().dropna()))
        if serial
        else 1.0,
        bound=bound,
        schedules={k: v.text for k, v in schedules.items()},
        items=sorted(set(runs["item"])) if "item" in runs else [],
        defaults=_defaults(law, runs, labels),
        walks=walks,
        discrepancy_sd=settle_sds(walks, [c for c, own in labels.items() if len(own) > 1], {}),
        settling=discrepancy,
    )
    columns: dict[str, Any] = dict(inputs)
    if law.scheduled:
        columns["schedule"] = histories(spec, runs["schedule"], inputs["step"])
    rng = np.random.default_rng(seed)
    structure = spec.structure(law)
    centred = law.centre(columns, spec.references)
    centre = structure.noise.to_scale(law.mean(centred, truth))
    if law.link is not None:
        expected = np.log(np.asarray(law.link.loss(centred, truth)))
        loss = np.exp(expected + SIGMA * rng.normal(size=len(runs)))
        here = np.exp(expected + truth["carry"] * (np.log(loss) - expected))
        centre = structure.noise.to_scale(law.link.metric(centred, truth, here))
        loss[list(unmeasured)] = np.nan
        runs = runs.assign(through=loss)
    response = _responses(structure, runs, np.asarray(centre), centred, truth, rng)
    response[list(unseen)] = np.nan
    if bound is not None:
        response = np.minimum(response, bound)
    names = [str(v) for v in runs["run"]] if "run" in runs else [*map(str, range(1, len(runs) + 1))]
    tree = xr.DataTree.from_dict(
        {
            "posterior": _posterior(structure, spec, truth, rng, (chains, draws)),
            "sample_stats": as_dataset(
                {
                    "diverging": np.zeros((chains, draws), dtype=bool),
                    "energy": rng.normal(size=(chains, draws)),
                },
                {},
                {},
            ),
            "observed_data": xr.Dataset({"response": ("run", response)}, {"run": names}),
            "constant_data": xr.Dataset(
                {c: ("run", np.asarray(runs[c].tolist())) for c in runs if c != "run"},
                {"run": names},
            ),
        }
    )
    return Fit(law, spec, _record(law, seed), Settings(chains, draws), tree)


def _responses(
    structure: Structure,
    runs: pd.DataFrame,
    centre: np.ndarray,
    inputs: Mapping[str, Any],
    truth: Mapping[str, float],
    rng: np.random.Generator,
) -> np.ndarray:
    noise = structure.noise
    if not isinstance(noise, BoundedNoise):
        return np.array(noise.from_scale(centre + SIGMA * rng.normal(size=len(runs))))
    trials = runs["trials"].to_numpy(dtype=float) if noise.counted else None
    shape = structure.law.likelihood_shape(inputs, truth)
    values = {k: np.asarray(v) for k, v in shape.items()}
    values |= {k: np.asarray(_size_of(k)) for k in structure.own_scalars}
    centre = np.broadcast_to(centre, (len(runs),))
    return np.array(noise.value(noise.draw(rng, centre, trials, values), trials), dtype=float)


def _defaults(
    law: Law, runs: pd.DataFrame, labels: Mapping[str, list[str]]
) -> list[dict[str, Any]]:
    """Values of inputs with a default, as fits have them."""
    names = [k for k, v in law.inputs.items() if v.default is not None]
    return runs[[*names, *labels]].drop_duplicates().to_dict("records") if names else []


def _size_of(scalar: str) -> float:
    """Scalar of the likelihood about which draws lie."""
    known = {
        "concentration": CONCENTRATION, "rung_sd": RUNG_SD, "excess": EXCESS, "settling": SETTLING,
    }  # fmt: skip
    return known.get(scalar, 1.0 if scalar.startswith("gap") else SIGMA)


def _history_units(
    law: Law, runs: pd.DataFrame, schedules: Mapping[str, Schedule]
) -> dict[str, float]:
    """Units of histories, as fits of scheduled laws have them."""
    if not law.scheduled:
        return {}
    areas = [schedules[r["schedule"]].area(np.array(r["step"])) for _, r in runs.iterrows()]
    peak = max(s.peak for s in schedules.values())
    return {"rate": peak, "area": float(np.exp(np.log(areas).mean()))}


def _record(law: Law, seed: int) -> Record:
    return Record(
        unit=law.response.unit,
        response=law.response.kind,
        loss="loss" if law.link else "",
        counts_embeddings=False,
        flops="6ND",
        source="made up",
        sha256="0" * 64,
        law_source="",
        law_sha256="",
        seed=seed,
        versions={},
        seconds={"compile": 1.5, "sample": 2.5},
    )


def changed(
    fit: Fit,
    posterior: Mapping[str, np.ndarray] | None = None,
    stats: Mapping[str, np.ndarray] | None = None,
) -> Fit:
    """The same fit with other values of some variables."""
    groups = {name: node.to_dataset() for name, node in fit.tree.children.items()}
    for group, given in (("posterior", posterior or {}), ("sample_stats", stats or {})):
        for name, values in given.items():
            groups[group] = groups[group].assign({name: groups[group][name].copy(data=values)})
    return replace(fit, tree=xr.DataTree.from_dict(groups))


def held(fit: Fit, **values: float) -> Fit:
    """The same fit with parameters all but known: draws that differ by next to nothing."""
    rng = np.random.default_rng(0)
    shapes = {k: fit.posterior[k].shape for k in values}
    return changed(fit, {k: v * (1 + 1e-9 * rng.normal(size=shapes[k])) for k, v in values.items()})


def same_runs(fit: Fit, other: Fit) -> Fit:
    """The fit as one of the runs of another: responses are the other's."""
    groups = {name: node.to_dataset() for name, node in fit.tree.children.items()}
    groups["observed_data"] = other.tree["observed_data"].to_dataset()
    return replace(fit, tree=xr.DataTree.from_dict(groups))


def diverged(fit: Fit, count: int) -> Fit:
    """The same fit with this many divergent draws."""
    diverging = fit.tree["sample_stats"]["diverging"].to_numpy().copy()
    diverging.flat[:count] = True
    return changed(fit, stats={"diverging": diverging})


def flat(fit: Fit, name: str) -> np.ndarray:
    """Draws of a variable, chain after chain, as forecasts number their samples."""
    values = fit.posterior[name].to_numpy()
    return values.reshape(-1, *values.shape[2:])


def _free(law: Law, parameter: str, value: float) -> float:
    return float(LINKS[law.parameters[parameter].prior.link].to_real(value))


def _posterior(
    structure: Structure,
    spec: Spec,
    truth: Mapping[str, float],
    rng: np.random.Generator,
    shape: tuple[int, int],
) -> xr.Dataset:
    """Independent draws of every site, and group values and derived quantities from them."""
    law = structure.law
    arrays, free, dims = {}, {}, {}
    for name, site in structure.sites().items():
        z = SD * rng.normal(size=(*shape, *site.shape))
        dims[name] = site.dims
        if site.kind == "centre":
            free[name] = _free(law, site.parameter, truth[site.parameter]) + z
            arrays[name] = _support(law, site.parameter, free[name])
        elif site.kind in ("effect", "rung_effect"):
            spread = GROUP_SD if site.kind == "effect" else RUNG_SD
            free[name] = arrays[name] = np.linspace(-spread, spread, site.shape[0]) + 0.1 * z
        elif name in ("nu", "loss_nu"):
            arrays[name] = 2.0 + (NU - 2.0) * np.exp(10 * z)
        elif name == "rho":
            arrays[name] = 1.0 - (1.0 - RHO) * np.exp(z)
        elif site.kind == "discrepancy_sd":
            arrays[name] = spec.discrepancy_sd[name][0] * np.exp(10 * z)
        elif site.kind == "discrepancy":
            sd = arrays[structure.owner(name)]
            arrays[name] = sd.reshape(*shape, *[1] * len(site.shape)) * z / SD
        else:
            size = GROUP_SD if site.kind == "group_sd" else _size_of(name)
            arrays[name] = size * np.exp(10 * z)
    arrays |= whole_discrepancy(spec.walks, structure, arrays, SEED_BEYOND)
    posterior = as_dataset(arrays, dims, spec.labels | interval_labels(spec.walks))
    for p in law.parameters:
        columns = structure.columns_of(p, "partial")
        if columns:
            z = posterior[f"{p}_centre"].copy(data=free[f"{p}_centre"])
            for c in columns:
                z = z + posterior[f"{p}_effect_{c}"]
            posterior[p] = z.copy(data=_support(law, p, z.to_numpy()))
    values = {p: posterior[p] for p in law.parameters}
    return posterior.assign(derived_draws(law, spec.references, values))


def _support(law: Law, parameter: str, z: np.ndarray) -> np.ndarray:
    return np.asarray(LINKS[law.parameters[parameter].prior.link].to_support(z))
