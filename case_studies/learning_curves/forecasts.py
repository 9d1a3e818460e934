"""What the laws say of the rows to forecast: fits, or what was kept of earlier ones."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import jax
import numpy as np
import pandas as pd
from curves import Curve, Design, Key, X, Y, grid
from kept import kept
from scoring import Predictive

import bayes_scaling as bs

LAWS = {
    "M1": bs.models.power_law.variant("no_floor"),
    "M2": bs.models.power_law,
    "M3": bs.models.m3,
    "M4": bs.models.m4,
}
SAMPLER = {"chains": 4, "warmup": 300, "draws": 500, "target_accept": 0.95, "seed": 1}
SHOWN: tuple[Key, ...] = (
    ("IC", "bird_5", "MiX/B/16"),
    ("IC", "cal_25", "MiX/B/16"),
    ("IC", "c_10", "ViT/B/16"),
    ("NMT", "log_perplexity", "28 Enc, 6 Dec"),
    ("LM", "val_loss", "2.62e+08"),
    ("BB", "('qa', '1-shot')", "262M"),
)


@dataclass(frozen=True, eq=False)
class Answer:
    """Predictives of a law at the rows to forecast and, of shown curves, along the curve."""

    ahead: Predictive
    along: Predictive
    diagnostics: dict[str, float]


def answer(name: str, curve: Curve, design: Design) -> Answer:
    """Fit a law to a curve, or read what an earlier fit said."""
    points = wanted(curve, design)
    stored = kept(
        " ".join((name, *curve.key)),
        depends_on(name, curve, design, points),
        lambda: fit_and_draw(name, curve, design, points),
    )
    centre, sigma, nu = stored["centre"].astype(float), stored["sigma"], stored["nu"]
    diagnostics = {k: stored[k].item() for k in ("divergences", "rhat", "refused")}
    known = points["se"].to_numpy() if "se" in points else np.zeros(len(points))
    every = Predictive(centre, np.hypot(sigma[:, None], known * np.exp(-centre)), nu)
    n = len(curve.test)
    return Answer(every.at(slice(n)), every.at(slice(n, None)), diagnostics)


def fit_and_draw(name: str, curve: Curve, design: Design, points: pd.DataFrame) -> dict:
    """Draws of the log mean at points and of the noise, and the diagnostics."""
    # forecasts of many lengths leave more small programs than a process may map
    jax.clear_caches()
    se = "se" if design.misfit else None
    rows = design.rows(curve.fitted)
    runs = bs.read_runs(rows, inputs={"X": X}, response=Y, se=se, unit="fraction")
    fit = bs.ScalingModel(LAWS[name], discrepancy=False).fit(runs, **SAMPLER)
    mean = bs.forecast(fit, points, kind="mean", force=True).draws
    return {
        "centre": np.log(mean.transpose("sample", "point").to_numpy()).astype(np.float32),
        "sigma": fit.posterior["sigma"].to_numpy().ravel(),
        "nu": fit.posterior["nu"].to_numpy().ravel(),
        "divergences": fit.diagnostics["divergences"],
        "rhat": fit.diagnostics["max_rhat"],
        "refused": not fit.usable,
    }


def wanted(curve: Curve, design: Design) -> pd.DataFrame:
    """Points of the rows to forecast and, of shown curves, of places along the curve."""
    rows = [curve.test, *([grid(curve)] if curve.key in SHOWN else [])]
    known = design.with_errors(pd.concat(rows, ignore_index=True), curve.fitted)
    known = known.rename(columns={X: "X"})
    return known[[c for c in ("X", "se") if c in known]]


def depends_on(name: str, curve: Curve, design: Design, points: pd.DataFrame) -> bytes:
    """All that a fit and its points depend on, but for the package's code."""
    law, source = LAWS[name], Path(LAWS[name].source).read_bytes()
    settings = repr((law.name, sorted(SAMPLER.items())))
    tables = design.rows(curve.fitted).to_csv() + points.to_csv()
    return source + (settings + tables).encode()
