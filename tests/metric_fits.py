"""Hand-made fits of counts, chains, populations, verifiers and items; no sampler runs."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from fakes import SIZES, TOKENS, TRUTH, fake_fit_of

from bayes_scaling.law import Law, chain
from bayes_scaling.models import registry
from bayes_scaling.posterior import Fit

TASKS = {"arc": 0.25, "qa": 0.0}  # and their chance levels
SIGMOID = {"place": -0.5, "slope": 0.5, "lapse": 0.03}
EMERGENCE = {"place": 0.5, "alpha": 0.3, "acceleration": 0.1}
COVERAGE = {"rate": 0.1, "rate_N": 0.3, "tail": 0.3, "tail_N": 0.1, "unsolvable": 0.1}
VERIFIER = {"correct": 0.3, "correct_N": 0.4, "false": 0.1, "false_N": 0.0, "phi": 20.0}
DECAY = {"metric_level": 0.55, "slope": 0.9, "limit": 0.6, "carry": 0.8}
CLOGLOG = {"place": 0.2, "metric_slope": 3.0, "slope": 3.0, "lapse": 0.03, "carry": 0.8}
DENSING = {"chance": 0.2, "headroom": 0.8, "place": 0.0, "gain": 2.0, "share_N": 0.5,
           "alpha": 0.3, "beta": 0.3}  # fmt: skip
COMPUTE = np.geomspace(1e18, 1e22, 9)


def of_tasks(frame: pd.DataFrame) -> pd.DataFrame:
    """Every run on every task, with the chance level of the task."""
    tasks = pd.DataFrame({"task": [*TASKS], "chance": [*TASKS.values()]})
    return frame.merge(tasks, "cross")


def counts_fit(**options: Any) -> Fit:
    """Accuracies of two tasks with different chance levels against compute."""
    runs = of_tasks(pd.DataFrame({"C": COMPUTE})).assign(trials=200.0)
    labels = {"task": [*TASKS]}
    law, pool = registry["capability_sigmoid"], {"place": "partial", "slope": "partial"}
    return fake_fit_of(law, runs, SIGMOID, labels=labels, pool=pool, **options)


def emergence_fit(**options: Any) -> Fit:
    """Pass rates of two tasks against scale, which accelerate by a tenth."""
    runs = of_tasks(pd.DataFrame({"X": COMPUTE})).assign(trials=400.0)
    options = {"labels": {"task": [*TASKS]}} | options
    options = {"pool": {"place": "partial", "acceleration": "partial"}} | options
    return fake_fit_of(registry["task_emergence"], runs, EMERGENCE, **options)


def coverage_fit(
    *, law: Law = registry["coverage"], truth: dict[str, float] = COVERAGE, **options: Any
) -> Fit:
    """Forty problems at each of three sizes, 100 samples each."""
    runs = pd.DataFrame({"N": np.repeat(SIZES, 40)}).assign(trials=100.0)
    return fake_fit_of(law, runs, truth, **options)


def verifier_fit(**options: Any) -> Fit:
    """Both outcomes at three sizes."""
    runs = pd.DataFrame(product(SIZES, (0.0, 1.0)), columns=["N", "outcome"]).assign(trials=200.0)
    return fake_fit_of(registry["verifier"], runs, VERIFIER, **options)


def scales() -> pd.DataFrame:
    """Three sizes by three numbers of tokens."""
    return pd.DataFrame(list(product(SIZES, TOKENS)), columns=["N", "D"])


def decay_chain() -> Law:
    return chain(registry["chinchilla"], registry["error_decay"])


def decay_fit(**options: Any) -> Fit:
    """A chain to a continuous error, without groups."""
    return fake_fit_of(decay_chain(), scales(), TRUTH | DECAY, **options)


def cloglog_chain() -> Law:
    return chain(registry["chinchilla"], registry["cloglog_accuracy"])


def cloglog_fit(**options: Any) -> Fit:
    """A chain to counts on two tasks with different chance levels."""
    runs = of_tasks(scales()).assign(trials=300.0)
    law = cloglog_chain()
    truth = {k: v for k, v in (TRUTH | CLOGLOG).items() if k in law.parameters}
    labels = {"task": [*TASKS]}
    return fake_fit_of(law, runs, truth, labels=labels, pool={"place": "partial"}, **options)


def densing_fit(**options: Any) -> Fit:
    """Scores of a reference family."""
    return fake_fit_of(registry["densing"], scales(), DENSING, **options)
