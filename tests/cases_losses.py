"""Rows of losses in size and data beyond chinchilla: skaling, farseer, width_depth, batches."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from casekit import HUGE, Case, Check, Values, derived, mean, without
from cases_classic import centred

from bayes_scaling import find_law
from bayes_scaling.law import Law

N = np.array([1.1e7, 4e8, 1.4e9, 6.9e9])
D = np.array([5e9, 2.2e8, 9e11, 1.4e11])
N0, D0 = 7e7, 2e9
SUM = {"level": 2.7, "reducible": 0.6, "share_N": 0.35, "alpha": 0.2, "beta": 0.3}

# -- skaling ------------------------------------------------------------------

BRACKET = SUM | {"coupling": 0.45}


def published_bracket(law: Law) -> np.ndarray:
    f, k = derived(law, BRACKET, N=N0, D=D0), BRACKET["coupling"]
    inside = f["a"] * N ** -f["bracket_alpha"] + f["b"] * D ** -f["bracket_beta"]
    return f["E"] + inside**k


def larger_term(_: Law) -> np.ndarray:
    floor, rest = SUM["level"] * (1 - SUM["reducible"]), SUM["level"] * SUM["reducible"]
    return floor + rest * np.maximum((N / N0) ** -SUM["alpha"], (D / D0) ** -SUM["beta"])


SKALING = Case(
    "skaling",
    truth={
        "level": 2.9,
        "reducible": 0.4,
        "share_N": 0.55,
        "alpha": 0.3,
        "beta": 0.28,
        "coupling": 0.45,
    },
    slopes={"N": "alpha", "D": "beta"},
    domain={"N": (1e7, 1.6e10), "D": (1e8, 1.4e12)},
    decreasing=("N", "D"),
    published=(
        Check(
            "the published bracket with the derived coefficients, at references other than one",
            lambda law: mean(law, BRACKET, N=N / N0, D=D / D0),
            published_bracket,
        ),
        Check(
            "a coupling of one is chinchilla",
            lambda law: mean(law, SUM | {"coupling": 1.0}, N=N / N0, D=D / D0),
            lambda _: mean(find_law("chinchilla"), SUM, N=N / N0, D=D / D0),
        ),
        Check(
            "a coupling of beta is kaplan",
            lambda law: mean(law, SUM | {"coupling": SUM["beta"]}, N=N / N0, D=D / D0),
            lambda _: mean(find_law("kaplan"), SUM, N=N / N0, D=D / D0),
        ),
        Check(
            "without coupling the larger term counts",
            lambda law: mean(law, SUM | {"coupling": 1e-6}, N=N / N0, D=D / D0),
            larger_term,
            rtol=1e-5,
        ),
    ),
    source="Videau et al., the form; nesting of chinchilla and kaplan, and a limit",
)

# -- farseer ------------------------------------------------------------------

PLAIN = {"data_drift": 0.0, "data_bend": 0.0, "exponent_drift": 0.0}
NO_BENDS = PLAIN | {"size_bend": 0.0, "data_twist": 0.0}
# least powers of the error over the published curve, at references of 1e9 and 10^10.5
CLOSE = {
    "level": 0.29705,
    "reducible": 0.57071,
    "share_N": 0.56267,
    "alpha": 0.38793,
    "beta": 0.24553,
    "size_bend": 0.36194,
    "data_drift": 0.33073,
    "data_bend": -0.01853,
    "data_twist": -0.01007,
    "exponent_drift": -0.22543,
}
CLOSE_QUADRATIC = {
    "level": 0.29737,
    "reducible": 0.99909,
    "share_N": 0.75393,
    "alpha": 0.12971,
    "beta": 0.25204,
    "data_drift": 0.22822,
    "data_bend": -0.02083,
    "exponent_drift": -0.17577,
}
SIZES = np.geomspace(1e8, 1e10, 9)[:, None]
TOKENS = np.geomspace(1e9, 1e12, 13)


def farseer_curve(_: Law) -> np.ndarray:
    size = np.exp(-0.0047 * SIZES**0.239 - 0.8188)
    exponent = np.exp(-0.0209 * SIZES**0.1943 - 0.1826)
    return size + np.exp(62.8936 * SIZES**-0.0614 - 14.0414) * TOKENS**-exponent


def near(values: Values) -> Callable[[Law], np.ndarray]:
    return lambda law: mean(law, values, N=SIZES / 1e9, D=TOKENS / 10**10.5)


def exponent_of_data(law: Law) -> np.ndarray:
    """Log-slope in D of what D still removes, at each size."""
    term = [mean(law, CLOSE, N=N / N0, D=d) - mean(law, CLOSE, N=N / N0, D=HUGE) for d in (2, 6)]
    return np.log(term[1] / term[0]) / np.log(3)


FARSEER = Case(
    "farseer",
    truth={
        "level": 2.6,
        "reducible": 0.5,
        "share_N": 0.55,
        "alpha": 0.35,
        "beta": 0.27,
        "size_bend": 0.15,
        "data_drift": 0.25,
        "data_bend": -0.02,
        "data_twist": -0.008,
        "exponent_drift": -0.15,
    },
    # a bend of the N term is told from a floor by four decades, not by fewer
    domain={"N": (5e6, 5e10), "D": (5e8, 2e12)},
    decreasing=("D",),
    published=(
        Check("the published curve, to three per mille", near(CLOSE), farseer_curve, rtol=3e-3),
        Check(
            "chinchilla where the last five parameters are zero",
            lambda law: mean(law, SUM | NO_BENDS, N=N / N0, D=D / D0),
            lambda _: mean(find_law("chinchilla"), SUM, N=N / N0, D=D / D0),
        ),
        Check(
            "the exponent of D is a power of N",
            exponent_of_data,
            lambda _: -CLOSE["beta"] * (N / N0) ** CLOSE["exponent_drift"],
        ),
    ),
    source="Li et al. 2025, the published curve over 1e8-1e10 parameters and 1e9-1e12 tokens",
)

FARSEER_QUADRATIC = Case(
    "farseer:quadratic",
    truth=without(FARSEER.truth, "size_bend", "data_twist"),
    domain={"N": (5e7, 2e10), "D": (5e8, 2e12)},
    decreasing=("D",),
    published=(
        Check("the published curve, to 1 %", near(CLOSE_QUADRATIC), farseer_curve, rtol=1e-2),
        Check(
            "farseer with neither bend of N nor twist",
            lambda law: mean(law, without(CLOSE, "size_bend", "data_twist"), N=N / N0, D=D / D0),
            lambda _: mean(
                find_law("farseer"),
                CLOSE | {"size_bend": 0.0, "data_twist": 0.0},
                N=N / N0,
                D=D / D0,
            ),
        ),
        Check(
            "chinchilla where the last three parameters are zero",
            lambda law: mean(law, SUM | PLAIN, N=N / N0, D=D / D0),
            lambda _: mean(find_law("chinchilla"), SUM, N=N / N0, D=D / D0),
        ),
    ),
    source="Li et al. 2025, the published curve over 1e8-1e10 parameters and 1e9-1e12 tokens",
)

# -- width_depth --------------------------------------------------------------

SHAPE = {
    "level": 3.0,
    "reducible": 0.5,
    "share_width": 0.4,
    "share_depth": 0.3,
    "alpha_m": 1.0,
    "alpha_l": 1.0,
    "alpha_t": 1 / 3,
}
WIDTH, DEPTH = np.array([256.0, 512.0, 2048.0, 8192.0]), np.array([24.0, 6.0, 48.0, 80.0])


def three_terms(law: Law) -> np.ndarray:
    f = derived(law, SHAPE, width=900.0, depth=15.0, D=D0)
    return f["E"] + f["c_m"] / WIDTH + f["c_l"] / DEPTH + f["c_t"] * D ** (-1 / 3)


WIDTH_DEPTH = Case(
    "width_depth",
    truth=SHAPE | {"share_width": 0.35, "share_depth": 0.45, "alpha_m": 0.9, "alpha_l": 1.2},
    slopes={"width": "alpha_m", "depth": "alpha_l", "D": "alpha_t"},
    domain={"width": (128.0, 8192.0), "depth": (2.0, 96.0), "D": (1e8, 1e12)},
    decreasing=("width", "depth", "D"),
    published=(
        Check(
            "c_m / m + c_l / l + c_t / T^(1/3) with the derived coefficients",
            lambda law: mean(law, SHAPE, width=WIDTH / 900, depth=DEPTH / 15, D=D / D0),
            three_terms,
        ),
        Check(
            "width and depth in proportion leave chinchilla with an exponent of 1/3 for N",
            lambda law: mean(
                law, SHAPE, width=(N / N0) ** (1 / 3), depth=(N / N0) ** (1 / 3), D=D / D0
            ),
            lambda _: mean(
                find_law("chinchilla"),
                {"level": 3.0, "reducible": 0.5, "share_N": 0.58, "alpha": 1 / 3, "beta": 1 / 3},
                N=N / N0,
                D=D / D0,
            ),
        ),
        Check(
            "endless depth and data leave a power law in the width",
            lambda law: mean(law, SHAPE, width=WIDTH / 900, depth=HUGE, D=HUGE),
            lambda _: mean(
                find_law("power_law"),
                {"level": 2.1, "reducible": 2 / 7, "alpha": 1.0},
                X=WIDTH / 900,
            ),
        ),
    ),
    source="Liu et al. 2025: one over the width, one over the depth, the cube root of the time, "
    "and L ~ N^(-1/3)",
)

# -- steps_and_batch ----------------------------------------------------------

STEPS, BATCH = np.array([3e3, 1e5, 2.5e4, 8e3]), np.array([2e6, 3e4, 5e5, 2e7])
OPENAI = {
    "N_c": 6.5e13,
    "S_c": 2.1e3,
    "B_star": 2e8,
    "alpha": 0.077,
    "beta": 0.76,
    "gamma": 0.21,
}
AT = {"N": 3e7, "S": 1e4, "B": 5e5}
STEPWISE = {
    "level": 3.5,
    "share_N": 0.8,
    "alpha": 0.09,
    "beta": 0.7,
    "critical": 1.3,
    "gamma": 0.22,
}


def right_side(p: Values, loss: np.ndarray, n: np.ndarray, s: np.ndarray, b: np.ndarray):
    """Right side of the published equation."""
    wasted = 1 + p["B_star"] * loss ** (-1 / p["gamma"]) / b
    return (p["N_c"] / n) ** p["alpha"] + (p["S_c"] * wasted / s) ** p["beta"]


def solved(p: Values, n: np.ndarray, s: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Loss of the published equation, by bisection."""
    low, high = np.full(np.shape(n), 1e-3), np.full(np.shape(n), 1e3)
    for _ in range(200):
        middle = np.sqrt(low * high)
        below = middle < right_side(p, middle, n, s, b)
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return np.sqrt(low * high)


def parameters_of(p: Values) -> Values:
    """Parameters of steps_and_batch for published coefficients at the reference."""
    level = float(solved(p, *(np.asarray(x) for x in AT.values())))
    return {
        "level": level,
        "share_N": (p["N_c"] / AT["N"]) ** p["alpha"] / level,
        "alpha": p["alpha"],
        "beta": p["beta"],
        "critical": p["B_star"] * level ** (-1 / p["gamma"]) / AT["B"],
        "gamma": p["gamma"],
    }


def at_reference(law: Law, values: Values) -> np.ndarray:
    return mean(law, values, N=N / AT["N"], S=STEPS / AT["S"], B=BATCH / AT["B"])


def without_waste(_: Law) -> np.ndarray:
    """chinchilla:no_floor in N and steps, with the coefficients of STEPWISE."""
    size = STEPWISE["level"] * STEPWISE["share_N"]
    steps = STEPWISE["level"] - size
    steps *= (1 + STEPWISE["critical"]) ** -STEPWISE["beta"]
    found = centred(0.0, size, steps, STEPWISE["alpha"], STEPWISE["beta"])
    return mean(
        find_law("chinchilla:no_floor"),
        without(found, "reducible"),
        N=N / AT["N"],
        D=STEPS / AT["S"],
    )


def implied(law: Law) -> np.ndarray:
    p = STEPWISE | derived(law, STEPWISE, **AT)
    return right_side(p, at_reference(law, STEPWISE), N, STEPS, BATCH)


STEPS_AND_BATCH = Case(
    "steps_and_batch",
    truth=STEPWISE,
    slopes={"N": "alpha"},
    domain={"N": (1e6, 1e9), "S": (1e3, 2e5), "B": (3e4, 3e7)},
    decreasing=("N", "S", "B"),
    published=(
        Check(
            "the published equation, solved by bisection",
            lambda law: at_reference(law, parameters_of(OPENAI)),
            lambda _: solved(OPENAI, N, STEPS, BATCH),
        ),
        Check(
            "coefficients come back from parameters",
            lambda law: [
                derived(law, parameters_of(OPENAI), **AT)[k] for k in ("N_c", "S_c", "B_star")
            ],
            lambda _: [OPENAI[k] for k in ("N_c", "S_c", "B_star")],
        ),
        Check(
            "both sides of the equation with the derived coefficients",
            lambda law: at_reference(law, STEPWISE),
            implied,
        ),
        Check(
            "endless batches leave chinchilla:no_floor with steps for tokens",
            lambda law: mean(law, STEPWISE, N=N / AT["N"], S=STEPS / AT["S"], B=HUGE),
            without_waste,
        ),
        Check(
            "a hyperbola of steps and batches leads to one loss",
            lambda law: mean(
                law,
                STEPWISE,
                N=1.0,
                S=(1 + STEPWISE["critical"] * AT["B"] / BATCH) / (1 + STEPWISE["critical"]),
                B=BATCH / AT["B"],
            ),
            lambda _: np.full(4, STEPWISE["level"]),
        ),
    ),
    source="Kaplan et al. 2020 (N_c, S_c, B_star and exponents); Su et al. 2024, the form",
)

ROWS = (SKALING, FARSEER, FARSEER_QUADRATIC, WIDTH_DEPTH, STEPS_AND_BATCH)
