"""Rows of laws with breaks, bumps and turns, and of trends over time."""

from __future__ import annotations

import numpy as np
from casekit import HUGE, Case, Check, Values, derived, mean, without

from bayes_scaling import find_law
from bayes_scaling.law import Law

X = np.array([2e-4, 0.03, 0.9, 40.0, 7e3])
PLAIN = {"level": 2.7, "reducible": 0.6}
ONE = PLAIN | {"c0": 0.2, "c1": 0.35, "place": 0.4, "width": 0.25}
FIRST = {"c1": -0.5, "place": 0.1, "width_1": 0.25}
SECOND = {"c2": 0.9, "gap": 300.0, "width_2": 0.45}
TWO = PLAIN | {"c0": 0.3} | FIRST | SECOND


def log_slope(law: Law, values: Values, x: float, limit: float) -> float:
    """Log-slope between x and twice x of what lies above a limit."""
    at = np.log([float(mean(law, values, X=x * by)) - limit for by in (1.0, 2.0)])
    return (at[1] - at[0]) / np.log(2.0)


def endless(values: Values) -> Values:
    """The same law without a floor, so that slopes can be seen far away."""
    return values | {"reducible": 1.0}


# -- broken power laws --------------------------------------------------------


def broken(found: Values, x: np.ndarray, c0: float, changes: tuple[float, ...]) -> np.ndarray:
    """The published form with derived coefficients."""
    y = found["b"] * x**-c0
    for i, c in enumerate(changes, start=1):
        d, f = found[f"d{i}"], found[f"f{i}"]
        y = y * (1 + (x / d) ** (1 / f)) ** (-c * f)
    return found["a"] + y


def published_break(a: float, b: float, c0: float, c1: float, d1: float, f1: float) -> Values:
    """Parameters of bnsl for coefficients of the published form, at a reference of one."""
    decay = b * (1 + (1 / d1) ** (1 / f1)) ** (-c1 * f1)
    sizes = {"level": a + decay, "reducible": decay / (a + decay)}
    return sizes | {"c0": c0, "c1": c1, "place": d1, "width": f1 - 0.05}


COEFFICIENTS = {"a": 1.3, "b": 2.4, "c0": 0.15, "c1": 0.5, "d1": 30.0, "f1": 0.6}

BNSL = Case(
    "bnsl",
    truth=PLAIN | {"c0": 0.1, "c1": 0.4, "place": 0.2, "width": 0.4},
    domain={"X": (1e3, 1e9)},
    published=(
        Check(
            "the published form with converted coefficients",
            lambda law: mean(law, published_break(**COEFFICIENTS), X=X),
            lambda _: broken(COEFFICIENTS, X, 0.15, (0.5,)),
        ),
        Check(
            "those coefficients come back",
            lambda law: [
                derived(law, published_break(**COEFFICIENTS))[k] for k in ("a", "b", "d1", "f1")
            ],
            lambda _: [COEFFICIENTS[k] for k in ("a", "b", "d1", "f1")],
        ),
        Check(
            "the published form with derived coefficients, at a reference other than one",
            lambda law: mean(law, ONE, X=X),
            lambda law: broken(derived(law, ONE, X=5e6), 5e6 * X, ONE["c0"], (ONE["c1"],)),
        ),
        Check(
            "power_law without a change",
            lambda law: mean(law, ONE | {"c1": 0.0}, X=X),
            lambda _: mean(find_law("power_law"), PLAIN | {"alpha": ONE["c0"]}, X=X),
        ),
        Check(
            "log-slopes far below and far above the break",
            lambda law: [log_slope(law, endless(ONE), x, 0.0) for x in (1e-12, 1e12)],
            lambda _: [-ONE["c0"], -ONE["c0"] - ONE["c1"]],
        ),
    ),
    source="Caballero et al. 2022, equation 1 with one break: its form, limits and nesting",
)

BNSL_TWO = Case(
    "bnsl_two",
    truth=PLAIN
    | {"c0": 0.35, "c1": -0.3, "c2": 0.45, "place": 0.05, "gap": 300.0}
    | {"width_1": 0.4, "width_2": 0.4},
    domain={"X": (1e2, 1e10)},
    published=(
        Check(
            "the published form with derived coefficients, at a reference other than one",
            lambda law: mean(law, TWO, X=X),
            lambda law: broken(
                derived(law, TWO, X=5e6), 5e6 * X, TWO["c0"], (TWO["c1"], TWO["c2"])
            ),
        ),
        Check(
            "bnsl without the second change",
            lambda law: mean(law, TWO | {"c2": 0.0}, X=X),
            lambda _: mean(find_law("bnsl"), first_break(TWO), X=X),
        ),
        Check(
            "bnsl at the second place without the first change",
            lambda law: mean(law, TWO | {"c1": 0.0}, X=X),
            lambda _: mean(find_law("bnsl"), second_break(TWO), X=X),
        ),
        Check(
            "log-slopes far below, between and far above the breaks",
            lambda law: [
                log_slope(law, endless(TWO) | {"gap": 1e12}, x, 0.0) for x in (1e-12, 1e5, 1e30)
            ],
            lambda _: [-TWO["c0"], -TWO["c0"] - TWO["c1"], -TWO["c0"] - TWO["c1"] - TWO["c2"]],
        ),
    ),
    source="Caballero et al. 2022, equation 1 with two breaks: its form, limits and nesting",
)


def first_break(values: Values) -> Values:
    kept = {k: values[k] for k in ("level", "reducible", "c0", "c1", "place")}
    return kept | {"width": values["width_1"]}


def second_break(values: Values) -> Values:
    kept = {k: values[k] for k in ("level", "reducible", "c0")}
    place = values["place"] * (1 + values["gap"])
    return kept | {"c1": values["c2"], "place": place, "width": values["width_2"]}


# -- double descent -----------------------------------------------------------

BUMPED = PLAIN | {"alpha": 0.25, "height": 0.4, "place": 0.5, "width": 0.7}


def base_curve(found: Values, x: np.ndarray | float) -> np.ndarray:
    return np.asarray(found["E"] + found["A"] * x ** -BUMPED["alpha"])


DOUBLE_DESCENT = Case(
    "double_descent",
    truth={"level": 0.3, "reducible": 0.8, "alpha": 0.3}
    | {"height": 0.4, "place": 0.4, "width": 0.7},
    domain={"X": (1e4, 1e8)},
    published=(
        Check(
            "power_law without a bump",
            lambda law: mean(law, BUMPED | {"height": 0.0}, X=X),
            lambda _: mean(find_law("power_law"), without(BUMPED, "height", "place", "width"), X=X),
        ),
        Check(
            "E + A X^-alpha away from the bump, at a reference other than one",
            lambda law: mean(law, BUMPED, X=np.array([1e-7, 1e7])),
            lambda law: base_curve(derived(law, BUMPED, X=5e6), np.array([5e-1, 5e13])),
        ),
        Check(
            "at its place the bump is as high as derived",
            lambda law: mean(law, BUMPED, X=BUMPED["place"]),
            lambda law: (
                base_curve(derived(law, BUMPED), BUMPED["place"])
                * (1 + derived(law, BUMPED)["excess_at_peak"])
            ),
        ),
        Check(
            "one sd away it is exp(-1/2) as high, in the log",
            lambda law: [
                np.log(mean(law, BUMPED, X=x) / base_curve(derived(law, BUMPED), x))
                for x in BUMPED["place"] * np.exp([-BUMPED["width"], BUMPED["width"]])
            ],
            lambda _: [BUMPED["height"] * np.exp(-0.5)] * 2,
        ),
    ),
    source="a form of this project for what Nakkiran et al. 2019 observe: limits and nesting",
)

# -- data pruning -------------------------------------------------------------

PRUNED = {"level": 0.4, "reducible": 0.9, "nu0": 0.25, "kappa": 0.8, "q1": 0.5, "q2": 0.7}


def fraction_law(law: Law, kept: float) -> np.ndarray:
    """``E + a_f P^-nu_f`` with the law of one kept fraction written out."""
    found, out = derived(law, PRUNED, P=2e4), 1 - kept
    a = found["a"] * np.exp(PRUNED["q1"] * out + PRUNED["q2"] * out**2)
    nu = PRUNED["nu0"] * np.exp(PRUNED["kappa"] * out)
    # a_f is given at the reference, where the curves of all fractions have their sizes
    return found["E"] + a * 2e4 ** -PRUNED["nu0"] * X**-nu


DATA_PRUNING = Case(
    "data_pruning",
    truth={"level": 0.3, "reducible": 0.8, "nu0": 0.3, "kappa": 0.6, "q1": 0.4, "q2": 0.5},
    slopes={"P": "nu0"},
    domain={"P": (5e3, 1e6), "kept": (0.1, 1.0)},
    decreasing=("P",),
    published=(
        Check(
            "power_law without pruning",
            lambda law: mean(law, PRUNED, P=X, kept=1.0),
            lambda _: mean(
                find_law("power_law"),
                without(PRUNED, "nu0", "kappa", "q1", "q2") | {"alpha": PRUNED["nu0"]},
                X=X,
            ),
        ),
        Check(
            "the kept fraction does not matter where nothing depends on it",
            lambda law: mean(
                law, PRUNED | dict.fromkeys(("kappa", "q1", "q2"), 0.0), P=X, kept=0.3
            ),
            lambda law: mean(law, PRUNED, P=X, kept=1.0),
        ),
        Check(
            "a power law for one kept fraction",
            lambda law: mean(law, PRUNED, P=X, kept=0.3),
            lambda law: fraction_law(law, 0.3),
        ),
        Check(
            "endless examples leave the same floor for all fractions",
            lambda law: mean(law, PRUNED, P=HUGE, kept=np.array([0.2, 0.6, 1.0])),
            lambda law: [derived(law, PRUNED)["E"]] * 3,
        ),
    ),
    source="Sorscher et al. 2022, a power law for each kept fraction; how its exponent and "
    "coefficient depend on the fraction is a form of this project: limits and nesting",
)

# -- U-shapes -----------------------------------------------------------------

TURNING = {"before": 0.55, "drop": 0.7, "recovery": 0.8}
TURN = TURNING | {"place": 0.05, "gap": 400.0, "slope_1": 1.5, "slope_2": 0.9}
FAR = TURN | {"gap": 1e100}


def logistic(x: np.ndarray | float) -> np.ndarray:
    return np.asarray(1 / (1 + np.exp(-np.asarray(x))))


U_SHAPE = Case(
    "u_shape",
    truth=TURNING | {"place": 0.05, "gap": 100.0, "slope_1": 1.2, "slope_2": 1.0},
    domain={"X": (1e18, 1e24)},
    published=(
        Check(
            "scores of small models, between the turns and at endless scale",
            lambda law: mean(law, FAR, X=np.array([1e-40, 1e40, HUGE])),
            lambda law: [
                TURN["before"],
                derived(law, FAR)["bottom"],
                derived(law, FAR)["after"],
            ],
        ),
        Check(
            "half of the fall is done at the derived place, at a reference other than one",
            lambda law: mean(law, FAR, X=derived(law, FAR, X=1e21)["x_fall"] / 1e21),
            lambda law: (TURN["before"] + derived(law, FAR)["bottom"]) / 2,
        ),
        Check(
            "half of the recovery is done at the derived place",
            lambda law: mean(law, FAR, X=derived(law, FAR)["x_recovery"]),
            lambda law: (derived(law, FAR)["bottom"] + derived(law, FAR)["after"]) / 2,
        ),
        Check(
            "one falling logistic curve without recovery: inverse scaling",
            lambda law: mean(law, TURN | {"recovery": 0.0}, X=X),
            lambda _: TURN["before"] * (1 - TURN["drop"] * logistic(1.5 * np.log(X / 0.05))),
        ),
        Check(
            "one rising logistic curve without a fall",
            lambda law: mean(law, TURN | {"drop": 0.0}, X=X),
            lambda _: 0.55 + 0.8 * 0.45 * logistic(0.9 * np.log(X / (0.05 * 401))),
        ),
    ),
    source="a form of this project for what Wei et al. 2022 and McKenzie et al. 2023 observe: "
    "limits and nesting",
)

# -- trends over time ---------------------------------------------------------

DOUBLING = 3.3  # months
DENSITY = {"level": 0.4, "growth": np.log(2) / (DOUBLING / 12), "change": 0.4}
YEARS = np.array([-2.5, -0.4, 0.0, 0.3, 2.1])  # since the release of ChatGPT
DENSITY_NOISE = 0.02  # of the log of a density; models fall short by five times as much
DENSITY_TRUTH = {"level": 0.4, "growth": 2.2, "change": 0.4}


def steady(values: Values) -> Values:
    return without(values, "change")


DENSITY_TREND = Case(
    "density_trend",
    truth=DENSITY_TRUTH,
    domain={"date": (2020.4, 2025.3)},
    sigma=DENSITY_NOISE,
    increasing=("date",),
    published=(
        Check(
            "a density that doubles in 3.3 months after the release",
            lambda law: mean(law, DENSITY, date=(1 + np.arange(4)) * DOUBLING / 12),
            lambda _: DENSITY["level"] * np.array([2.0, 4.0, 8.0, 16.0]),
        ),
        Check(
            "the doubling time comes back from parameters",
            lambda law: derived(law, DENSITY)["doubling_time"],
            lambda _: DOUBLING,
        ),
        Check(
            "before the release it doubled in the derived time",
            lambda law: mean(
                law, DENSITY, date=-derived(law, DENSITY)["doubling_time_before"] / 12
            ),
            lambda _: DENSITY["level"] / 2,
        ),
        Check(
            "the change is the log of the ratio of the doubling times",
            lambda law: np.log(
                derived(law, DENSITY)["doubling_time_before"]
                / derived(law, DENSITY)["doubling_time"]
            ),
            lambda _: DENSITY["change"],
        ),
    ),
    source="Xiao et al. 2024, the doubling time of 3.3 months; the change of growth: identities",
)

DENSITY_STEADY = Case(
    "density_trend:steady",
    truth=steady(DENSITY_TRUTH),
    domain={"date": (2020.4, 2025.3)},
    sigma=DENSITY_NOISE,
    increasing=("date",),
    published=(
        Check(
            "ln density is A t + B, with a doubling in 3.3 months",
            lambda law: np.log(mean(law, steady(DENSITY), date=YEARS)),
            lambda _: np.log(2) * YEARS * 12 / DOUBLING + np.log(DENSITY["level"]),
        ),
        Check(
            "the doubling time comes back from parameters, before and after",
            lambda law: [
                derived(law, steady(DENSITY))[k] for k in ("doubling_time", "doubling_time_before")
            ],
            lambda _: [DOUBLING, DOUBLING],
        ),
        Check(
            "density_trend without a change",
            lambda law: mean(law, steady(DENSITY), date=YEARS),
            lambda _: mean(find_law("density_trend"), DENSITY | {"change": 0.0}, date=YEARS),
        ),
    ),
    source="Xiao et al. 2024, the doubling time of 3.3 months",
)

ROWS = (
    BNSL,
    BNSL_TWO,
    DOUBLE_DESCENT,
    DATA_PRUNING,
    U_SHAPE,
    DENSITY_TREND,
    DENSITY_STEADY,
)
