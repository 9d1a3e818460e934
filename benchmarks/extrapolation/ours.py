"""Our forecasts of the measured splits, learned without the source that is scored.

A suite is first fitted whole with weak priors. What the suites of the *other* publications say
then is the prior of the fits of its cheap runs, and so are the sizes of the discrepancy. Every
step leaves its result in a folder, so that a run that stops goes on where it was.
"""

from __future__ import annotations

import json
import pickle
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Float

import bayes_scaling as bs
from bayes_scaling.answers.forecast import draw_responses
from bayes_scaling.answers.points import read_points
from bayes_scaling.law import Law
from bayes_scaling.posterior.batch import fit_folds
from bayes_scaling.posterior.nuts import Settings
from bayes_scaling.program.population import Population
from bayes_scaling.runs import Runs, read_runs
from bayes_scaling.validation.population import Suite, learn_population, suite_of
from benchmarks.extrapolation.sets import MeasuredSet, Split, splits

LAWS = ("skaling", "chinchilla")
SETTINGS = Settings(chains=4, draws=300, warmup=300, target_accept=0.9, max_depth=8, window=50)
CURVES = ("porian",)  # checkpoints of runs: their places are no rungs of a ladder
Draws = Float[np.ndarray, "sample run"]


def runs_of(measured: MeasuredSet) -> Runs:
    """Return the set as a table of runs."""
    given = {k: k for k in ("group", "seed") if k in measured.frame}
    return read_runs(measured.frame.drop(columns="C"), **given)


def suite(measured: MeasuredSet, law: Law, folder: Path) -> Suite:
    """Return what a whole set says of a law's parameters, fitted with weak priors."""
    path = folder / f"suite--{law.name}--{measured.name}.pickle"
    if path.exists():
        return pickle.loads(path.read_bytes())
    pool = dict.fromkeys(law.parameters, "partial") if "group" in measured.frame else None
    model = bs.ScalingModel(law, pool=pool, rung=_rung(measured))
    everything = np.ones(len(measured.frame), dtype=bool)
    fit = fit_folds(model, runs_of(measured), [everything], settings=SETTINGS)[0]
    found = suite_of(fit, measured.name)
    path.write_bytes(pickle.dumps(found))
    _note(folder, f"suite {law.name} {measured.name}", fit.diagnostics)
    return found


def counted(measured: MeasuredSet) -> list[Split]:
    """Return the splits of a set that count."""
    return [split for split in splits(measured) if not split.skipped]


def population_without(
    source: str, everyone: Sequence[MeasuredSet], law: Law, folder: Path
) -> Population:
    """Return the population of all sets but those of one publication."""
    path = folder / f"population--{law.name}--without--{source.split(',')[0]}.pickle"
    if path.exists():
        return pickle.loads(path.read_bytes())
    others = [m for m in everyone if m.source != source]
    found = learn_population([suite(m, law, folder) for m in others])
    path.write_bytes(pickle.dumps(found))
    return found


def forecasts(
    measured: MeasuredSet, law: Law, population: Population, folder: Path
) -> dict[float, Draws]:
    """Return draws of new runs at the scored places, by gap."""
    path = folder / f"draws--{law.name}--{measured.name}.npz"
    found = counted(measured)
    if not path.exists():
        frame = measured.frame
        folds = [np.asarray(frame["C"] <= frame["C"].max() / s.gap) for s in found]
        model = bs.ScalingModel(law, prior=population, rung=_rung(measured))
        fits = fit_folds(model, runs_of(measured), folds, settings=SETTINGS)
        drawn = {}
        for split, fit in zip(found, fits, strict=True):
            columns = [c for c in ("N", "D", "group") if c in split.score]
            points = read_points(fit, split.score[columns].reset_index(drop=True))
            rng = np.random.default_rng(0)
            drawn[f"{split.gap:g}"] = draw_responses(fit, points, "new-run", "response", rng)
            _note(folder, f"split {law.name} {measured.name} {split.gap:g}", fit.diagnostics)
        np.savez(path, **drawn)
    with np.load(path) as stored:
        return {split.gap: stored[f"{split.gap:g}"] for split in found}


def answer(split: Split, draws: Draws) -> pd.DataFrame:
    """Return truth, and quantiles of a nominal 90 % interval."""
    low, mid, high = np.quantile(draws, [0.05, 0.5, 0.95], axis=0)
    truth = split.score["loss"].to_numpy()
    return pd.DataFrame({"truth": truth, "low": low, "mid": mid, "high": high})


def _rung(measured: MeasuredSet) -> bool | None:
    return False if measured.name in CURVES else None


def _note(folder: Path, what: str, diagnostics: dict) -> None:
    with (folder / "diagnostics.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps({"fit": what, "at": time.time(), **diagnostics}) + "\n")
