"""Backtests whose fits are made by hand: no sampler runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fakes import PRIOR_SD, TRUTH, curve, fake_fit_of

import bayes_scaling as bs
from bayes_scaling import Backtest, Fit, Runs, ScalingModel
from bayes_scaling.law import Law
from bayes_scaling.models import registry
from bayes_scaling.posterior import Settings
from bayes_scaling.validation import backtest_work

SIZES, TOKENS = np.geomspace(1e8, 1.6e9, 5), np.geomspace(2e9, 3.2e10, 5)
N0, D0 = 4e8, 8e9  # where the truth of `fakes` is
SHORT = Settings(chains=4, draws=100, warmup=200)
LEADS = {"adam": 0.0, "muon": -0.02}  # of the log loss
Folds = Callable[..., list[Fit]]


def chinchilla() -> Law:
    return registry["chinchilla"]


def grid_runs(groups: Sequence[str] = (), sigma: float = 0.01, seed: int = 1) -> Runs:
    """Losses of the law of `fakes`, 5 sizes by 5 token counts, for every recipe."""
    cells = pd.DataFrame([(n, d) for n in SIZES for d in TOKENS], columns=["N", "D"])
    frame = cells.merge(pd.DataFrame({"recipe": list(groups) or ["one"]}), "cross")
    mean = curve(frame["N"] / N0, frame["D"] / D0, **TRUTH)
    noise = sigma * np.random.default_rng(seed).normal(size=len(frame))
    lead = frame["recipe"].map(LEADS).fillna(0.0).to_numpy()
    frame = frame.assign(loss=mean * np.exp(noise + lead))
    return bs.read_runs(frame, group="recipe" if groups else None)


def truth_at(part: pd.DataFrame) -> dict[str, float]:
    """Parameters of the same curve at the references of some of the runs."""
    n, d = (float(np.exp(np.log(part[k]).mean())) for k in "ND")
    whole = TRUTH["level"] * TRUTH["reducible"]
    size = whole * TRUTH["share_N"] * (n / N0) ** -TRUTH["alpha"]
    data = whole * (1 - TRUTH["share_N"]) * (d / D0) ** -TRUTH["beta"]
    level = TRUTH["level"] - whole + size + data
    shares = {"reducible": (size + data) / level, "share_N": size / (size + data)}
    return {**TRUTH, "level": level, **shares}


def fake_folds(
    model: ScalingModel,
    runs: Runs,
    masks: Sequence[np.ndarray],
    *,
    seed: int = 0,
    settings: Settings = SHORT,
    **_: Any,
) -> list[Fit]:
    """Fits in the place of those of `posterior.batch.fit_folds`, about the truth."""
    labels = {g: runs.levels(g) for g in runs.groups}
    parts = [runs.frame.loc[mask, [*model.law.inputs, *runs.groups]] for mask in masks]
    return [
        fake_fit_of(
            model.law, part, truth_at(part), labels=labels, prior_sd=PRIOR_SD,
            chains=settings.chains, draws=settings.draws, seed=seed + i,
        )
        for i, part in enumerate(parts)
    ]  # fmt: skip


def fake_backtest(
    models: Any = None,
    groups: Sequence[str] = (),
    folds: Folds = fake_folds,
    runs: Runs | None = None,
    **options: Any,
) -> Backtest:
    """Backtest of Chinchilla's law, or other models, with fits from `folds`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(backtest_work, "fit_folds", folds)
        return bs.backtest(
            chinchilla() if models is None else models,
            grid_runs(groups) if runs is None else runs,
            **{"settings": SHORT, **options},
        )
