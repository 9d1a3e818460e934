"""Rows of links from losses to metrics, of emergence, and of scores that turn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from casekit import HUGE, RUNS, Case, Check, Values, derived, mean, without

from bayes_scaling import find_law
from bayes_scaling.law import Law

X = np.array([2e-4, 0.03, 0.9, 40.0, 7e3])
L = np.array([0.5, 0.8, 1.0, 1.3, 2.0])  # over the reference loss
L_0 = 2.6  # nats
GUESS = 0.25
CHANCE = (0.0, 0.25)
OF_COUNTS = "its ceiling is hardly reached within the runs"


def logistic(z: np.ndarray | float) -> np.ndarray:
    return np.asarray(1 / (1 + np.exp(-np.asarray(z))))


def scored(law: Law, values: Values, **inputs: Any) -> np.ndarray:
    """Mean with the chance of four choices."""
    return mean(law, values, chance=GUESS, **inputs)


def ends(law: Law, values: Values, scale: str, worst: float, best: float) -> list[float]:
    """Scores at the worst and the best of a scale, at two chances."""
    at = {scale: np.array([worst, best])}
    return [*scored(law, values, **at), *mean(law, values, chance=0.01, **at)]


def known_ends(law: Law, values: Values) -> list[float]:
    """What they are: chance and the ceiling."""
    ceiling = derived(law, values)["ceiling"]
    return [GUESS, ceiling, 0.01, ceiling]


# -- from the loss ------------------------------------------------------------

DECAY = {"level": 0.6, "slope": 0.8, "limit": 0.55}


def negative_exponential(found: Values, loss: np.ndarray | float) -> np.ndarray:
    return np.asarray(found["eps"] - found["k"] * np.exp(-found["gamma"] * np.asarray(loss)))


ERROR_DECAY = Case(
    "error_decay",
    truth={"level": 0.55, "slope": 0.8, "limit": 0.6},
    domain={"L": (1.8, 4.5)},
    increasing=("L",),
    published=(
        Check(
            "eps - k exp(-gamma L) with derived coefficients",
            lambda law: mean(law, DECAY, L=L),
            lambda law: negative_exponential(derived(law, DECAY, L=L_0), L_0 * L),
        ),
        Check(
            "endless loss gives eps, a share of the way from the level to one",
            lambda law: [mean(law, DECAY, L=HUGE), derived(law, DECAY)["eps"]],
            lambda _: [0.6 + 0.4 * 0.55] * 2,
        ),
        Check(
            "the slope at the reference is that of the published form",
            lambda law: (
                derived(law, DECAY)["k"]
                * derived(law, DECAY)["gamma"]
                * np.exp(-derived(law, DECAY)["gamma"])
            ),
            lambda _: DECAY["slope"],
        ),
        Check(
            "the error is zero at the derived loss",
            lambda law: 1 + mean(law, DECAY, L=derived(law, DECAY, L=L_0)["L_zero"] / L_0),
            lambda _: 1.0,
        ),
    ),
    source="Gadre et al. 2024, the error in the loss: its form and limits",
)

LOGISTIC = {"place": 0.4, "slope": 7.0, "bias": 0.0, "lapse": 0.06}
CERTAIN = 1e3  # a slope that reaches the ends


def published_logistic(law: Law) -> np.ndarray:
    found = derived(law, LOGISTIC, L=L_0)
    p = found["ceiling"] - GUESS
    return p * logistic(found["k"] * (L_0 * L - found["L_0"])) + GUESS


LOGISTIC_ACCURACY = Case(
    "logistic_accuracy",
    truth={"place": 0.3, "slope": 6.0, "bias": 0.2, "lapse": 0.05},
    domain={"L": (0.8, 2.4), "chance": CHANCE},
    decreasing=("L",),
    increasing=("chance",),
    published=(
        Check(
            "p / (1 + exp(-k (L - L_0))) + q with derived coefficients",
            lambda law: scored(law, LOGISTIC, L=L),
            published_logistic,
        ),
        Check(
            "chance and the ceiling",
            lambda law: ends(law, LOGISTIC | {"slope": CERTAIN}, "L", HUGE, 0.0),
            lambda law: known_ends(law, LOGISTIC),
        ),
        Check(
            "half-way between them at the derived loss",
            lambda law: scored(law, LOGISTIC, L=derived(law, LOGISTIC, L=L_0)["L_0"] / L_0),
            lambda law: (GUESS + derived(law, LOGISTIC)["ceiling"]) / 2,
        ),
    ),
    source="Bhagia et al. 2024, accuracy in the loss: its form and limits",
)

LOGISTIC_GUESSING = Case(
    "logistic_accuracy:guessing",
    truth={"place": 0.3, "slope": 6.0, "lapse": 0.05},
    domain={"L": (0.8, 2.4), "chance": CHANCE},
    decreasing=("L",),
    increasing=("chance",),
    published=(
        Check(
            "logistic_accuracy without a bias",
            lambda law: scored(law, without(LOGISTIC, "bias"), L=L),
            lambda _: scored(find_law("logistic_accuracy"), LOGISTIC, L=L),
        ),
    ),
    source="the same form",
)

CLOGLOG = {"place": 0.2, "slope": 3.0, "lapse": 0.06}

CLOGLOG_ACCURACY = Case(
    "cloglog_accuracy",
    truth={"place": 0.0, "slope": 4.0, "lapse": 0.05},
    domain={"L": (0.8, 3.0), "chance": CHANCE},
    decreasing=("L",),
    increasing=("chance",),
    published=(
        Check(
            "ln(-ln p) is a line in ln L with the derived coefficient",
            lambda law: mean(law, CLOGLOG | {"lapse": 0.0}, L=L, chance=0.0),
            lambda law: np.exp(-derived(law, CLOGLOG, L=L_0)["c"] * (L_0 * L) ** 3.0),
        ),
        Check(
            "chance and the ceiling",
            lambda law: ends(law, CLOGLOG, "L", HUGE, 1e-30),
            lambda law: known_ends(law, CLOGLOG),
        ),
        Check(
            "task_emergence at a loss that is a power of the scale",
            lambda law: scored(law, CLOGLOG | {"lapse": 0.0}, L=X**-0.05),
            lambda _: scored(
                find_law("task_emergence:straight"), {"place": 0.2, "alpha": 0.15}, X=X
            ),
        ),
    ),
    source="the link of Hu et al. 2023 on the loss: limits and an identity",
)

BLEU = {"level": 27.0, "slope": 0.08, "beta": 1.6}
PRETRAINED = 3e8  # tokens

BLEU_LOG = Case(
    "bleu_log",
    truth={"level": 25.0, "slope": 0.08, "beta": 0.6},
    domain={"D": (1e6, 1e10)},
    increasing=("D",),
    published=(
        Check(
            "(ln(A D^alpha))^beta with derived coefficients",
            lambda law: mean(law, BLEU, D=X),
            lambda law: (
                (
                    derived(law, BLEU, D=PRETRAINED)["ln_A"]
                    + derived(law, BLEU, D=PRETRAINED)["alpha"] * np.log(PRETRAINED * X)
                )
                ** BLEU["beta"]
            ),
        ),
        Check(
            "a line in ln D for beta = 1",
            lambda law: mean(law, BLEU | {"beta": 1.0}, D=X),
            lambda _: 27.0 * (1 + 0.08 * np.log(X)),
        ),
        Check(
            "score_power for endless beta",
            lambda law: mean(law, BLEU | {"beta": 1e9}, D=X),
            lambda _: mean(find_law("score_power"), {"level": 27.0, "b": 0.08}, X=X),
            rtol=1e-6,
        ),
    ),
    source="Isik et al. 2024, BLEU in the pre-training data: its form and limits",
)

BLEU_POWER = Case(
    "bleu_power",
    truth={"level": 25.0, "p": 0.9},
    domain={"L": (1.0, 2.5)},
    decreasing=("L",),
    published=(
        Check(
            "c L^-p with the derived coefficient",
            lambda law: mean(law, {"level": 27.0, "p": 0.8}, L=L),
            lambda law: derived(law, {"level": 27.0, "p": 0.8}, L=L_0)["c"] * (L_0 * L) ** -0.8,
        ),
        Check(
            "a tenth of the loss is worth a factor",
            lambda law: (
                mean(law, {"level": 27.0, "p": 0.8}, L=0.9)
                / mean(law, {"level": 27.0, "p": 0.8}, L=1.0)
            ),
            lambda _: 0.9**-0.8,
        ),
    ),
    source="Ghorbani et al. 2021, BLEU in the loss: its form",
)

# -- emergence ----------------------------------------------------------------

EMERGING = {"place": 0.7, "alpha": 0.3, "acceleration": 0.12}
STRAIGHT = without(EMERGING, "acceleration")
SIZES = 3e8


def link_slope(law: Law, values: Values, x: float) -> float:
    """Slope of ln(-ln p) in ln X, by differences."""
    step = 1e-5
    at = np.exp(np.array([-step, step])) * x
    z = np.log(-np.log(mean(law, values, X=at, chance=0.0)))
    return float((z[1] - z[0]) / (2 * step))


TASK_EMERGENCE = Case(
    "task_emergence",
    truth={"place": 0.4, "alpha": 0.35, "acceleration": 0.1},
    domain={"X": (2e7, 2e11), "chance": CHANCE},
    increasing=("X", "chance"),
    published=(
        Check(
            "the straight law without acceleration",
            lambda law: scored(law, EMERGING | {"acceleration": 0.0}, X=X),
            lambda _: scored(find_law("task_emergence:straight"), STRAIGHT, X=X),
        ),
        Check(
            "the slope of ln(-ln p) grows as X^acceleration",
            lambda law: [link_slope(law, EMERGING, x) for x in (0.01, 1.0, 100.0)],
            lambda _: [-0.3 * x**0.12 for x in (0.01, 1.0, 100.0)],
            rtol=1e-7,
        ),
        Check(
            "endless scale ends below one where the slope shrinks",
            lambda law: mean(law, EMERGING | {"acceleration": -0.2}, X=HUGE, chance=0.0),
            lambda _: np.exp(-np.exp(0.7 - 0.3 / 0.2)),
        ),
        Check(
            "chance and one",
            lambda law: scored(law, EMERGING, X=np.array([1e-60, 1e60])),
            lambda _: [GUESS, 1.0],
            rtol=1e-3,
        ),
    ),
    source="Hu et al. 2023, pass rates in the scale; the form of their acceleration is this "
    "project's: limits and nesting",
)

TASK_STRAIGHT = Case(
    "task_emergence:straight",
    truth={"place": 0.4, "alpha": 0.35},
    domain={"X": (2e7, 2e11), "chance": CHANCE},
    increasing=("X", "chance"),
    published=(
        Check(
            "exp(-c X^-alpha) with the derived coefficient",
            lambda law: mean(law, STRAIGHT, X=X, chance=0.0),
            lambda law: np.exp(-derived(law, STRAIGHT, X=SIZES)["c"] * (SIZES * X) ** -0.3),
        ),
        Check(
            "ln(-ln p) = ln c - alpha ln X",
            lambda law: np.log(-np.log(mean(law, STRAIGHT, X=X[1:], chance=0.0))),
            lambda _: 0.7 - 0.3 * np.log(X[1:]),
        ),
        Check(
            "chance is what is left at no scale, and nothing is missed at an endless one",
            lambda law: scored(law, STRAIGHT, X=np.array([1e-60, HUGE])),
            lambda _: [GUESS, 1.0],
        ),
    ),
    source="Hu et al. 2023, the task scaling law: its form and limits",
)

CLUSTERS = {"place_1": -1.0, "gap_2": 1.5, "gap_3": 2.0, "slope_1": 0.3, "slope_2": 0.25}
CLUSTERS |= {"slope_3": 0.15, "share_1": 0.4, "share_2": 0.7, "lapse": 0.04}
COMPUTE = 1e21
STICK = [0.4, 0.6 * 0.7, 0.6 * 0.3]


def cluster_curves(law: Law, values: Values, c: np.ndarray, chance: float) -> np.ndarray:
    assert law.mixture is not None
    return np.asarray(law.mixture.curves({"C": c, "chance": np.asarray(chance)}, values))


def published_clusters(law: Law, values: Values, c: np.ndarray, chance: float) -> list[Any]:
    """``q + (1 - q) exp(-a C^-b - c)`` of each cluster, with derived coefficients."""
    found = derived(law, values, C=COMPUTE)
    ceiling = -np.log((found["ceiling"] - chance) / (1 - chance))
    return [
        chance
        + (1 - chance) * np.exp(-found[f"a_{k}"] * (COMPUTE * c) ** -values[f"slope_{k}"] - ceiling)
        for k in (1, 2, 3)
    ]


def alike(values: Values) -> Values:
    """Three clusters that are one."""
    return values | {"gap_2": 0.0, "gap_3": 0.0, "slope_2": 0.3, "slope_3": 0.3}


def items_at_sizes() -> pd.DataFrame:
    """Items, each at four sizes; the sizes of different items lie between one another."""
    item = np.repeat(np.arange(RUNS // 4), 4)
    at = (np.tile(np.arange(4), RUNS // 4) + (item * 0.618) % 1.0) / 4
    return pd.DataFrame(
        {
            "C": 1e19 * 1e6**at,
            "chance": np.where(item % 2, CHANCE[1], CHANCE[0]),
            "item": [f"item {i}" for i in item],
        }
    )


DIFFICULTY_CLUSTERS = Case(
    "difficulty_clusters",
    truth={"place_1": -1.0, "gap_2": 1.8, "gap_3": 1.8}
    | {"slope_1": 0.3, "slope_2": 0.3, "slope_3": 0.3}
    | {"share_1": 0.35, "share_2": 0.5, "lapse": 0.04},
    domain={"C": (1e19, 1e25), "chance": CHANCE},
    increasing=("C", "chance"),
    design=items_at_sizes,
    published=(
        Check(
            "q + (1 - q) exp(-a C^-b - c) in each cluster, with derived coefficients",
            lambda law: cluster_curves(law, CLUSTERS, X, GUESS),
            lambda law: published_clusters(law, CLUSTERS, X, GUESS),
        ),
        Check(
            "the law is the mean over clusters",
            lambda law: scored(law, CLUSTERS, C=X),
            lambda law: np.array(STICK) @ cluster_curves(law, CLUSTERS, X, GUESS),
        ),
        Check(
            "shares of the clusters, of one draw and of several",
            lambda law: [
                law.mixture.weights(CLUSTERS),
                law.mixture.weights(CLUSTERS | {"share_1": np.full((5, 1), 0.4)})[:, 3, 0],
            ],
            lambda law: [STICK, [*STICK[:2], derived(law, CLUSTERS)["share_hard"]]],
        ),
        Check(
            "task_emergence where all clusters are alike",
            lambda law: scored(law, alike(CLUSTERS) | {"lapse": 0.0}, C=X),
            lambda _: scored(
                find_law("task_emergence:straight"), {"place": -1.0, "alpha": 0.3}, X=X
            ),
        ),
        Check(
            "chance and the ceiling",
            lambda law: ends(law, CLUSTERS, "C", 1e-90, 1e200),
            lambda law: known_ends(law, CLUSTERS),
        ),
    ),
    source="Xu et al. 2025, the curve of a cluster: its form, limits and nesting",
)

# -- capabilities -------------------------------------------------------------

SIGMOID = {"place": -0.5, "slope": 0.6, "lapse": 0.05}
CAPABLE = {"place": -0.8, "loading": 1.2, "steepness": 0.5, "efficiency": 0.25, "lapse": 0.05}

CAPABILITY = Case(
    "capability",
    truth={"place": -0.3, "loading": 1.1, "steepness": 0.5, "efficiency": 0.1, "lapse": 0.05},
    domain={"C": (1e19, 1e25), "chance": CHANCE},
    increasing=("C", "chance"),
    unidentified={
        "loading": "without several benchmarks only its product with steepness is known",
        "efficiency": "without several families only its sum with the place is known",
    },
    published=(
        Check(
            "capability_sigmoid of one benchmark and family",
            lambda law: scored(law, CAPABLE, C=X),
            lambda _: scored(
                find_law("capability_sigmoid"),
                {"place": -0.8 + 1.2 * 0.25, "slope": 1.2 * 0.5, "lapse": 0.05},
                C=X,
            ),
        ),
        Check(
            "chance and the ceiling",
            lambda law: ends(law, CAPABLE, "C", 1e-90, HUGE),
            lambda law: known_ends(law, CAPABLE),
        ),
        Check(
            "half-way between them at the derived compute",
            lambda law: scored(law, CAPABLE, C=derived(law, CAPABLE, C=COMPUTE)["C_mid"] / COMPUTE),
            lambda law: (GUESS + derived(law, CAPABLE)["ceiling"]) / 2,
        ),
        Check(
            "the unit and the zero of capability do not matter",
            lambda law: scored(
                law,
                CAPABLE
                | {"loading": 2.4, "steepness": 0.25, "efficiency": 0.0, "place": -0.8 + 0.3},
                C=X,
            ),
            lambda law: scored(law, CAPABLE, C=X),
        ),
        Check(
            "the shifts make the logit at the reference and its slope",
            lambda law: [
                CAPABLE["place"] + law.shifts(CAPABLE)["place"],
                np.log(CAPABLE["steepness"]) + law.shifts(CAPABLE)["steepness"],
            ],
            lambda _: [-0.8 + 1.2 * 0.25, np.log(1.2 * 0.5)],
        ),
    ),
    source="Ruan et al. 2024, sigmoids of a capability that is linear in log compute: limits and "
    "identities",
    alone=True,
)

CAPABILITY_SIGMOID = Case(
    "capability_sigmoid",
    truth={"place": 0.3, "slope": 0.6, "lapse": 0.05},
    domain={"C": (1e19, 1e25), "chance": CHANCE},
    increasing=("C", "chance"),
    published=(
        Check(
            "the logit between the ends is a line in ln C",
            lambda law: mean(law, SIGMOID | {"lapse": 0.0}, C=X, chance=0.0),
            lambda _: logistic(-0.5 + 0.6 * np.log(X)),
        ),
        Check(
            "chance and the ceiling",
            lambda law: ends(law, SIGMOID, "C", 1e-90, HUGE),
            lambda law: known_ends(law, SIGMOID),
        ),
        Check(
            "half-way between them at the derived compute",
            lambda law: scored(law, SIGMOID, C=derived(law, SIGMOID, C=COMPUTE)["C_mid"] / COMPUTE),
            lambda law: (GUESS + derived(law, SIGMOID)["ceiling"]) / 2,
        ),
    ),
    source="the sigmoid of Ruan et al. 2024 in log compute: its form and limits",
)

# -- choices ------------------------------------------------------------------

CHOICE = {"right": 4.0, "reducible_right": 0.6, "alpha": 0.25}
CHOICE |= {"wrong": 5.5, "reducible_wrong": 0.4, "beta": 0.2}


def long_table() -> pd.DataFrame:
    """Every model has a row for each outcome; half of the items have more choices."""
    model = np.repeat(np.arange(RUNS // 3), 3)
    return pd.DataFrame(
        {
            "X": 1e19 * 1e6 ** (model / (RUNS // 3 - 1)),
            "choices": np.where(model % 2, 4.0, 10.0),
            "outcome": np.tile([0.0, 1.0, 2.0], RUNS // 3),
        }
    )


def choice(law: Law, outcome: float, choices: float = 4.0, **changed: float) -> np.ndarray:
    return mean(law, CHOICE | changed, X=X, choices=choices, outcome=outcome)


def log_chance(law: Law, which: str, exponent: str, coefficient: str) -> np.ndarray:
    """The log probability of a choice with derived coefficients."""
    found = derived(law, CHOICE, X=COMPUTE)
    return -(found[f"floor_{which}"] + found[coefficient] * (COMPUTE * X) ** -CHOICE[exponent])


CHOICE_PROBABILITY = Case(
    "choice_probability",
    truth=CHOICE | {"alpha": 0.3, "beta": 0.25},
    domain={"X": (1e19, 1e25), "choices": (2.0, 10.0), "outcome": (0.0, 2.0)},
    design=long_table,
    published=(
        Check(
            "log probabilities of the choices with derived coefficients",
            lambda law: [choice(law, 0.0), choice(law, 1.0)],
            lambda law: [
                log_chance(law, "right", "alpha", "u"),
                log_chance(law, "wrong", "beta", "v"),
            ],
        ),
        Check(
            "a softmax over the choices",
            lambda law: np.exp(choice(law, 2.0)),
            lambda law: (
                np.exp(choice(law, 0.0))
                / (np.exp(choice(law, 0.0)) + 3.0 * np.exp(choice(law, 1.0)))
            ),
        ),
        Check(
            "one choice is certain, and equal ones are guessed",
            lambda law: [
                np.exp(choice(law, 2.0, choices=1.0)),
                np.exp(choice(law, 2.0, wrong=4.0, reducible_wrong=0.6, beta=0.25)),
            ],
            lambda _: [np.ones(5), np.full(5, 0.25)],
        ),
        Check(
            "the margin at the reference and at endless scale",
            lambda law: [
                np.subtract(*(mean(law, CHOICE, X=x, choices=4.0, outcome=o) for o in (0.0, 1.0)))
                for x in (1.0, HUGE)
            ],
            lambda law: [derived(law, CHOICE)["margin"], derived(law, CHOICE)["margin_limit"]],
        ),
    ),
    source="what Schaeffer et al. 2024 join by a softmax; the curves are a form of this project: "
    "limits and identities",
)

# -- turns --------------------------------------------------------------------

FALL = {"before": 0.55, "drop": 0.7, "place": 0.05, "slope_1": 1.5}

U_INVERSE = Case(
    "u_shape:inverse",
    truth={"before": 0.55, "drop": 0.7, "place": 0.5, "slope_1": 0.8},
    domain={"X": (1e18, 1e24)},
    decreasing=("X",),
    published=(
        Check(
            "u_shape without recovery, wherever it would be",
            lambda law: mean(law, FALL, X=X),
            lambda _: mean(
                find_law("u_shape"), FALL | {"recovery": 0.0, "gap": 70.0, "slope_2": 2.0}, X=X
            ),
        ),
        Check(
            "one falling logistic curve",
            lambda law: mean(law, FALL, X=X),
            lambda _: 0.55 * (1 - 0.7 * logistic(1.5 * np.log(X / 0.05))),
        ),
        Check(
            "endless scale leaves the score after the fall",
            lambda law: [mean(law, FALL, X=HUGE), derived(law, FALL)["after"]],
            lambda law: [derived(law, FALL)["bottom"]] * 2,
        ),
    ),
    source="a form of this project for what McKenzie et al. 2023 observe: limits and nesting",
)

TURN = {"before": 0.3, "gain": 0.6, "drop": 0.7}
TURN |= {"place": 0.05, "gap": 400.0, "slope_1": 1.5, "slope_2": 0.9}
FAR = TURN | {"gap": 1e100}

INVERTED_U = Case(
    "inverted_u",
    truth={"before": 0.3, "gain": 0.7, "drop": 0.6}
    | {"place": 0.05, "gap": 100.0, "slope_1": 1.2, "slope_2": 1.0},
    domain={"X": (1e18, 1e24)},
    published=(
        Check(
            "scores of small models, between the turns and at endless scale",
            lambda law: mean(law, FAR, X=np.array([1e-40, 1e40, HUGE])),
            lambda law: [0.3, derived(law, FAR)["top"], derived(law, FAR)["after"]],
        ),
        Check(
            "the mirror image of u_shape",
            lambda law: 1 - mean(law, TURN, X=X),
            lambda _: mean(
                find_law("u_shape"),
                without(TURN, "gain") | {"before": 0.7, "drop": 0.6, "recovery": 0.7},
                X=X,
            ),
        ),
        Check(
            "half of the rise and of the fall is done at the derived places",
            lambda law: [
                mean(law, FAR, X=derived(law, FAR, X=1e21)["x_rise"] / 1e21),
                mean(law, FAR, X=derived(law, FAR)["x_fall"]),
            ],
            lambda law: [
                (0.3 + derived(law, FAR)["top"]) / 2,
                (derived(law, FAR)["top"] + derived(law, FAR)["after"]) / 2,
            ],
        ),
    ),
    source="a form of this project for scores that rise before they fall: limits and an identity",
)

ROWS = (
    ERROR_DECAY,
    LOGISTIC_ACCURACY,
    LOGISTIC_GUESSING,
    CLOGLOG_ACCURACY,
    BLEU_LOG,
    BLEU_POWER,
    TASK_EMERGENCE,
    TASK_STRAIGHT,
    DIFFICULTY_CLUSTERS,
    CAPABILITY,
    CAPABILITY_SIGMOID,
    CHOICE_PROBABILITY,
    U_INVERSE,
    INVERTED_U,
)
