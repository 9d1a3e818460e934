"""Calibration by simulation, beside a loop of fits."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np

import bayes_scaling as bs
from bayes_scaling.validation.calibration import SETTINGS

from .problems import core


def calibrated(replicates: int) -> dict[str, float]:
    """Calibrate the core problem twice; seconds of both calls, and what was sampled again."""
    asked = core()
    seconds = []
    for seed in (0, 1):
        begun = time.perf_counter()
        found = bs.calibrate(asked.model, asked.runs, replicates=replicates, seed=seed)
        seconds.append(time.perf_counter() - begun)
    return {"first": seconds[0], "warm": seconds[1], "redone": found.redone}


def looped(fits: int) -> dict[str, float]:
    """Fit tables simulated from the prior one by one, warm; seconds a fit.

    With the chains, draws and warm-up of `calibrate`.
    """
    asked = core()
    drawn = asked.model.prior_predictive(asked.runs, draws=fits + 1, seed=0)["response"]
    responses = drawn.transpose("draw", "run").to_numpy()
    seconds = []
    for seed, response in enumerate(responses):
        runs = replace(asked.runs, frame=asked.runs.frame.assign(response=response))
        begun = time.perf_counter()
        asked.model.fit(
            runs,
            seed=seed,
            chains=SETTINGS.chains,
            draws=SETTINGS.draws,
            warmup=SETTINGS.warmup,
            target_accept=SETTINGS.target_accept,
        )
        seconds.append(time.perf_counter() - begun)
    return {"seconds": float(np.mean(seconds[1:]))}  # the first one compiles
