"""Rows of products of powers, of scores, and of laws in two inputs or three."""

from __future__ import annotations

import numpy as np
import pandas as pd
from casekit import Case, Check, Values, derived, mean

from bayes_scaling import find_law
from bayes_scaling.law import Law

N = np.array([1.1e7, 4e7, 2.6e8, 9e8])
N0 = 7e7
TINY = 1e-200

SCORE = {"level": 0.6, "b": 0.05}
LANGUAGES = {"level": 0.5, "leap": 0.3, "beta": 0.12}
THREE = {"level": 0.3, "alpha": 0.1, "beta": 0.2, "gamma": 0.4}
HALVES = {"level": 2.2, "reducible": 0.6, "p_e": 0.18, "p_d": 0.31}
PAIR = {"level": 2.2, "reducible": 0.6, "alpha": 0.3, "c1": 0.4, "c2": 0.7, "c3": 1.2}
DIMENSION = {"level": 0.6, "kappa": 0.8, "gamma": 1.1}

SCORE_POWER = Case(
    "score_power",
    truth={"level": 0.6, "b": 0.05},
    domain={"X": (1e7, 4e9)},
    increasing=("X",),
    published=(
        Check(
            "a X^b with the derived coefficient, at a reference other than one",
            lambda law: mean(law, SCORE, X=N / N0),
            lambda law: derived(law, SCORE, X=N0)["a"] * N ** SCORE["b"],
        ),
        Check(
            "power_law:no_floor of 1 / X",
            lambda law: mean(law, SCORE, X=N / N0),
            lambda _: mean(find_law("power_law:no_floor"), {"level": 0.6, "alpha": 0.05}, X=N0 / N),
        ),
    ),
    source="Li et al. 2024, the form S = a X^b: nesting",
)


def counts() -> pd.DataFrame:
    """Twelve runs with each number of parallel languages from none to seven."""
    return pd.DataFrame({"X": np.repeat(np.arange(8.0), 12)})


COUNTS = np.array([1.0, 2.0, 4.0, 7.0])

PARALLEL_LANGUAGES = Case(
    "parallel_languages",
    truth={"level": 0.5, "leap": 0.3, "beta": 0.15},
    domain={"X": (0.0, 7.0)},
    design=counts,
    increasing=("X",),
    published=(
        Check(
            "score_power from the first language on",
            lambda law: mean(law, LANGUAGES, X=COUNTS),
            lambda _: mean(find_law("score_power"), {"level": 0.5, "b": 0.12}, X=COUNTS),
        ),
        Check(
            "the start and the leap",
            lambda law: [derived(law, LANGUAGES)[k] for k in ("start", "first_leap")],
            lambda law: [
                mean(law, LANGUAGES, X=0.0),
                mean(law, LANGUAGES, X=1.0) - mean(law, LANGUAGES, X=0.0),
            ],
        ),
    ),
    source="Yang et al. 2025, a power of X from one on and a leap before: nesting",
)

HOURS, PIXELS = np.array([20.0, 300.0, 1100.0, 4800.0]), np.array([64.0, 112.0, 224.0, 476.0])


def straight(law: Law) -> np.ndarray:
    intercept = derived(law, THREE, N=N0, D=500.0, R=200.0)["intercept"]
    a, b, c = THREE["alpha"], THREE["beta"], THREE["gamma"]
    return intercept - a * np.log(N) - b * np.log(HOURS) - c * np.log(PIXELS)


LOG_LINEAR = Case(
    "log_linear",
    truth={"level": 0.35, "alpha": 0.1, "beta": 0.2, "gamma": 0.4},
    domain={"N": (1e7, 6.33e8), "D": (10.0, 5e3), "R": (64.0, 476.0)},
    decreasing=("N", "D", "R"),
    published=(
        Check(
            "straight in logs with the derived intercept, at references other than one",
            lambda law: np.log(mean(law, THREE, N=N / N0, D=HOURS / 500, R=PIXELS / 200)),
            straight,
        ),
        Check(
            "inputs that grow alike show the sum of the exponents",
            lambda law: mean(law, THREE, N=N / N0, D=N / N0, R=N / N0),
            lambda _: mean(find_law("power_law:no_floor"), {"level": 0.3, "alpha": 0.7}, X=N / N0),
        ),
    ),
    source="Orhan 2023, log-linear in N, D and R: the form, and nesting",
)


def halves(law: Law) -> np.ndarray:
    found = derived(law, HALVES, N_e=N0, N_d=2e8)
    sizes = (N0 / N) ** HALVES["p_e"] * (2e8 / N[::-1]) ** HALVES["p_d"]
    return found["alpha"] * sizes + found["E"]


def with_one_coefficient(law: Law) -> np.ndarray:
    found = derived(law, HALVES, N_e=N0, N_d=2e8)
    return found["A"] * N ** -HALVES["p_e"] * N[::-1] ** -HALVES["p_d"] + found["E"]


def best_share(law: Law) -> float:
    """Share of the decoder at the lowest loss, from a grid."""
    share = np.linspace(0.01, 0.99, 981)
    return float(share[mean(law, HALVES, N_e=1 - share, N_d=share).argmin()])


ENCODER_DECODER = Case(
    "encoder_decoder",
    truth={"level": 2.2, "reducible": 0.5, "p_e": 0.25, "p_d": 0.4},
    slopes={"N_e": "p_e", "N_d": "p_d"},
    domain={"N_e": (5e6, 2e9), "N_d": (5e6, 2e9)},
    decreasing=("N_e", "N_d"),
    published=(
        Check(
            "the published form with the derived alpha and L_inf",
            lambda law: mean(law, HALVES, N_e=N / N0, N_d=N[::-1] / 2e8),
            halves,
        ),
        Check(
            "the same with one coefficient",
            lambda law: mean(law, HALVES, N_e=N / N0, N_d=N[::-1] / 2e8),
            with_one_coefficient,
        ),
        Check(
            "the best share of the decoder is p_d / (p_e + p_d)",
            best_share,
            lambda law: derived(law, HALVES)["decoder_share"],
            rtol=2e-3,
        ),
        Check(
            "halves that grow alike show the sum of the exponents",
            lambda law: mean(law, HALVES, N_e=N / N0, N_d=N / N0),
            lambda _: mean(
                find_law("power_law"),
                {"level": 2.2, "reducible": 0.6, "alpha": 0.49},
                X=N / N0,
            ),
        ),
    ),
    source="Ghorbani et al. 2021: the form and the best split of the parameters",
)

WEIGHTS = np.array([0.05, 0.3, 0.6, 0.9])
WHOLE: Values = {k: PAIR[k] for k in ("level", "reducible", "alpha")}


def share_of(p: np.ndarray | float) -> np.ndarray:
    return np.asarray(p + PAIR["c1"] * p ** PAIR["c2"] * (1 - p) ** PAIR["c3"])


def pair_published(law: Law) -> np.ndarray:
    found = derived(law, PAIR, N=N0)
    return found["beta_1"] * (share_of(WEIGHTS) * N) ** -PAIR["alpha"] + found["E"]


MULTILINGUAL = Case(
    "multilingual",
    truth={"level": 2.0, "reducible": 0.6, "alpha": 0.4, "c1": 0.6, "c2": 0.7, "c3": 1.0},
    slopes={"N": "alpha"},
    domain={"N": (2e6, 1e9), "p": (0.05, 1.0)},
    decreasing=("N",),
    published=(
        Check(
            "the published form with the derived coefficients, at a reference other than one",
            lambda law: mean(law, PAIR, N=N / N0, p=WEIGHTS),
            pair_published,
        ),
        Check(
            "a weight of one is power_law",
            lambda law: mean(law, PAIR, N=N / N0, p=1.0),
            lambda _: mean(find_law("power_law"), WHOLE, X=N / N0),
        ),
        Check(
            "without a lift the pair has its weight of the model",
            lambda law: mean(law, PAIR | {"c1": TINY}, N=N / N0, p=WEIGHTS),
            lambda _: mean(find_law("power_law"), WHOLE, X=WEIGHTS * N / N0),
        ),
        Check(
            "the share of a weight of one half",
            lambda law: derived(law, PAIR)["half"],
            lambda _: share_of(0.5),
        ),
    ),
    source="Fernandes et al. 2023, the form with the fitted share: limits, and nesting",
)

SAMPLES = np.array([300.0, 1700.0, 9000.0, 60000.0])
DIMENSIONS, SHARPNESS = np.array([8.0, 14.0, 25.0, 40.0]), np.array([2e-3, 5e-4, 1e-2, 3e-3])


def regression(law: Law) -> np.ndarray:
    c = derived(law, DIMENSION, N=1e3, d=10.0, K=3e-3)["c"]
    slopes = DIMENSION["gamma"] / DIMENSIONS
    return c + DIMENSION["kappa"] * np.log(SHARPNESS) - slopes * np.log(SAMPLES)


INTRINSIC_DIMENSION = Case(
    "intrinsic_dimension",
    truth={"level": 0.6, "kappa": 0.8, "gamma": 1.1},
    domain={"N": (1e2, 1e5), "d": (5.0, 60.0), "K": (3e-4, 3e-2)},
    decreasing=("N",),
    increasing=("d", "K"),
    published=(
        Check(
            "linear in logs with the derived constant",
            lambda law: np.log(
                mean(law, DIMENSION, N=SAMPLES / 1e3, d=DIMENSIONS / 10, K=SHARPNESS / 3e-3)
            ),
            regression,
        ),
        Check(
            "at one dimension a power law with exponent gamma / d",
            lambda law: mean(law, DIMENSION, N=SAMPLES / 1e3, d=2.0, K=1.0),
            lambda law: (
                mean(law, DIMENSION, N=1.0, d=2.0, K=1.0)
                * mean(
                    find_law("power_law:no_floor"),
                    {"level": 1.0, "alpha": 1.1 / 20},
                    X=SAMPLES / 1e3,
                )
            ),
        ),
        Check(
            "curves of all dimensions meet at one sample",
            lambda law: mean(law, DIMENSION, N=1e-3, d=DIMENSIONS / 10, K=1.0),
            lambda law: np.full(4, mean(law, DIMENSION, N=1e-3, d=1.0, K=1.0)),
        ),
    ),
    source="Konz and Mazurowski 2024, the bound as an equation: its form, and nesting",
)

ROWS = (
    SCORE_POWER,
    PARALLEL_LANGUAGES,
    LOG_LINEAR,
    ENCODER_DECODER,
    MULTILINGUAL,
    INTRINSIC_DIMENSION,
)
