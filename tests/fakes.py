"""Fits with hand-made draws: no sampler runs, and every draw is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from bayes_scaling.law.priors import LINKS
from bayes_scaling.models import registry
from bayes_scaling.posterior import Fit, Settings
from bayes_scaling.posterior.fit import Record, as_dataset
from bayes_scaling.program import Spec, Structure

SIZES = (1e8, 4e8, 16e8)
TOKENS = (2e9, 8e9, 32e9)
RECIPES = {"recipe": ["adam", "muon"]}
TRUTH = {"level": 2.9, "reducible": 0.4, "share_N": 0.55, "alpha": 0.34, "beta": 0.28}
PRIOR_SD = {"level": 0.5, "reducible": 1.0, "share_N": 1.0, "alpha": 0.5, "beta": 0.5}
SD = 0.02  # of the draws of every parameter, on its unconstrained scale
SIGMA, NU, GROUP_SD, RUNG_SD = 0.01, 8.0, 0.1, 0.02


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
    """
    labels = {k: list(v) for k, v in (labels or {}).items()}
    settled = {"level": "partial", "alpha": "partial"} | dict(pool or {})
    frame = pd.DataFrame(list(product(SIZES, TOKENS)), columns=["N", "D"])
    cells = [f"N={n:.3g}, D={d:.3g}" for n, d in frame.to_numpy()]
    spec = Spec(
        law="chinchilla",
        pool={p: {c: settled.get(p, "complete") for c in labels} for p in TRUTH},  # type: ignore[misc]
        noise=noise,
        labels=labels | ({"rung": sorted(cells)} if rungs else {}),
        references={k: float(np.exp(np.log(frame[k]).mean())) for k in ("N", "D")},
        ranges={k: (float(frame[k].min()), float(frame[k].max())) for k in ("N", "D")},
        response_scale={"median": 2.9, "smallest": 2.3, "spread": 1.5},
        prior_loc={p: _free(p, v) for p, v in TRUTH.items()},
        prior_sd=dict(PRIOR_SD),
        scale=1.0,
    )
    rng = np.random.default_rng(seed)
    runs = frame.merge(pd.DataFrame(list(product(*labels.values())), columns=[*labels]), "cross")
    ratios = [runs[k].to_numpy() / spec.references[k] for k in ("N", "D")]
    response = curve(*ratios, **TRUTH) * np.exp(SIGMA * rng.normal(size=len(runs)))
    law, names = registry["chinchilla"], [str(i + 1) for i in range(len(runs))]
    tree = xr.DataTree.from_dict(
        {
            "posterior": _posterior(spec.structure(law), spec, rng, (chains, draws)),
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
                {c: ("run", np.asarray(runs[c].tolist())) for c in runs}, {"run": names}
            ),
        }
    )
    record = Record(
        unit="nat/token",
        response="loss",
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
    return Fit(law, spec, record, Settings(chains, draws), tree)


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


def diverged(fit: Fit, count: int) -> Fit:
    """The same fit with this many divergent draws."""
    diverging = fit.tree["sample_stats"]["diverging"].to_numpy().copy()
    diverging.flat[:count] = True
    return changed(fit, stats={"diverging": diverging})


def flat(fit: Fit, name: str) -> np.ndarray:
    """Draws of a variable, chain after chain, as forecasts number their samples."""
    values = fit.posterior[name].to_numpy()
    return values.reshape(-1, *values.shape[2:])


def _free(parameter: str, value: float) -> float:
    link = LINKS[registry["chinchilla"].parameters[parameter].prior.link]
    return float(link.to_real(value))


def _posterior(
    structure: Structure, spec: Spec, rng: np.random.Generator, shape: tuple[int, int]
) -> xr.Dataset:
    """Independent draws of every site, and group values and derived quantities from them."""
    size = {
        "sigma": SIGMA, "rung_sd": RUNG_SD,
        **{k: GROUP_SD for k, s in structure.sites().items() if s.kind == "group_sd"},
    }  # fmt: skip
    arrays, free, dims = {}, {}, {}
    for name, site in structure.sites().items():
        z = SD * rng.normal(size=(*shape, *site.shape))
        dims[name] = site.dims
        if site.kind == "centre":
            free[name] = _free(site.parameter, TRUTH[site.parameter]) + z
            arrays[name] = _support(site.parameter, free[name])
        elif site.kind in ("effect", "rung_effect"):
            spread = GROUP_SD if site.kind == "effect" else RUNG_SD
            free[name] = arrays[name] = np.linspace(-spread, spread, site.shape[0]) + 0.1 * z
        elif name == "nu":
            arrays[name] = 2.0 + (NU - 2.0) * np.exp(10 * z)
        else:
            arrays[name] = size[name] * np.exp(10 * z)
    posterior = as_dataset(arrays, dims, spec.labels)
    for p in TRUTH:
        columns = structure.columns_of(p, "partial")
        if columns:
            z = posterior[f"{p}_centre"].copy(data=free[f"{p}_centre"])
            for c in columns:
                z = z + posterior[f"{p}_effect_{c}"]
            posterior[p] = z.copy(data=_support(p, z.to_numpy()))
    derived = structure.law.derive(spec.references, {p: posterior[p] for p in TRUTH})
    return posterior.assign(derived)


def _support(parameter: str, z: np.ndarray) -> np.ndarray:
    link = LINKS[registry["chinchilla"].parameters[parameter].prior.link]
    return np.asarray(link.to_support(z))
