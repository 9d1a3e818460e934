"""Rows of laws of effective resources: sizes, capacity, distances and scores."""

from __future__ import annotations

import numpy as np
from casekit import HUGE, Case, Check, Values, derived, mean, without
from scipy.optimize import brentq

from bayes_scaling import find_law
from bayes_scaling.law import Law

N = np.array([0.02, 0.4, 1.3, 7.0])
D = np.array([5.0, 0.6, 3.0, 90.0])

# -- parallel_streams ---------------------------------------------------------

STREAMS = {"level": 2.2, "reducible": 0.5, "alpha": 0.3, "k": 0.35, "drift": 0.2}
P = np.array([1.0, 2.0, 4.0, 8.0])


def streams_form(law: Law, drift: float) -> np.ndarray:
    found = derived(law, STREAMS, N=8e8)
    return (
        found["E"]
        + (found["A"] / (N * 8e8 * (STREAMS["k"] * N**drift * np.log(P) + 1))) ** STREAMS["alpha"]
    )


def one_stream(sizes: np.ndarray) -> np.ndarray:
    return mean(find_law("power_law"), without(STREAMS, "k", "drift"), X=sizes)


PARALLEL_STREAMS = Case(
    "parallel_streams",
    truth=STREAMS,
    domain={"N": (3e7, 1e11), "P": (1.0, 8.0)},
    decreasing=("P",),
    slopes={"N": "alpha"},
    published=(
        Check(
            "the form with derived coefficients, at references other than one",
            lambda law: mean(law, STREAMS, N=N, P=P),
            lambda law: streams_form(law, STREAMS["drift"]),
        ),
        Check(
            "one stream is a power law",
            lambda law: mean(law, STREAMS, N=N, P=1.0),
            lambda _: one_stream(N),
        ),
        Check(
            "streams are worth as much as a larger model",
            lambda law: mean(law, STREAMS, N=N, P=P),
            lambda _: one_stream(N * (1 + STREAMS["k"] * N ** STREAMS["drift"] * np.log(P))),
        ),
    ),
    source="Chen et al. 2025: the form, and nesting of power_law",
)

ONE_GAIN = Case(
    "parallel_streams:published",
    truth=without(STREAMS, "drift"),
    domain={"N": (3e7, 1e11), "P": (1.0, 8.0)},
    decreasing=("N", "P"),
    slopes={"N": "alpha"},
    published=(
        Check(
            "the published form with derived coefficients, at references other than one",
            lambda law: mean(law, without(STREAMS, "drift"), N=N, P=P),
            lambda _: streams_form(find_law("parallel_streams"), 0.0),
        ),
        Check(
            "parallel_streams without drift",
            lambda law: mean(law, without(STREAMS, "drift"), N=N, P=P),
            lambda _: mean(find_law("parallel_streams"), STREAMS | {"drift": 0.0}, N=N, P=P),
        ),
    ),
    source="Chen et al. 2025: the form",
)

# -- average_parameters -------------------------------------------------------

AVERAGE = {"level": 2.9, "reducible": 0.4, "share_N": 0.55, "alpha": 0.34, "beta": 0.28}
PRUNED = {"N_start": N, "N_end": 0.3 * N, "D": D}
AVERAGE_DOMAIN = {
    "N_start": (1e8, 1e10),
    "N_end": (1e7, 4e9),
    "D": (1e9, 1e12),
    "begins": (0.0, 0.4),
    "stops": (0.5, 1.0),
}


def of_one_size(sizes: np.ndarray) -> np.ndarray:
    return mean(find_law("chinchilla"), AVERAGE, N=sizes, D=D)


def linear_fall(order: float) -> np.ndarray:
    """Power mean of a size that falls linearly to 0.3 of it from 0.25 to 0.75 of the tokens."""
    m = (1 - 0.3 ** (order + 1)) / (0.7 * (order + 1))
    return N * (0.25 + 0.5 * m + 0.25 * 0.3**order) ** (1 / order)


def geometric_fall() -> np.ndarray:
    """Its limit at order zero: the mean of log x from 0.3 to 1 is (-0.7 - 0.3 log 0.3) / 0.7."""
    during = (-0.7 - 0.3 * np.log(0.3)) / 0.7
    return N * np.exp(0.5 * during + 0.25 * np.log(0.3))


AVERAGE_PARAMETERS = Case(
    "average_parameters",
    truth=AVERAGE | {"order": 0.7},
    domain=AVERAGE_DOMAIN,
    decreasing=("N_start", "N_end", "D"),
    slopes={"N_start": "alpha", "D": "beta"},
    published=(
        Check(
            "one size is chinchilla, whatever the order",
            lambda law: mean(
                law, AVERAGE | {"order": -0.4}, N_start=N, N_end=N, D=D, begins=0.2, stops=0.7
            ),
            lambda _: of_one_size(N),
        ),
        *(
            Check(
                f"order {order}, a linear fall",
                lambda law, order=order: mean(
                    law, AVERAGE | {"order": order}, **PRUNED, begins=0.25, stops=0.75
                ),
                lambda _, order=order: of_one_size(linear_fall(order)),
            )
            for order in (-0.5, 1e-6, 1e-2, 2.0)
        ),
        Check(
            "order zero, a linear fall",
            lambda law: mean(law, AVERAGE | {"order": 0.0}, **PRUNED, begins=0.25, stops=0.75),
            lambda _: of_one_size(geometric_fall()),
        ),
        Check(
            "a model pruned before the first token is of its last size",
            lambda law: mean(law, AVERAGE | {"order": 2.5}, **PRUNED, begins=0.0, stops=0.0),
            lambda _: of_one_size(0.3 * N),
        ),
    ),
    source="Jin et al. 2025: nesting of chinchilla, and means in closed form",
)

AVERAGE_PUBLISHED = Case(
    "average_parameters:average",
    truth=AVERAGE,
    domain=AVERAGE_DOMAIN,
    decreasing=("N_start", "N_end", "D"),
    slopes={"N_start": "alpha", "D": "beta"},
    published=(
        Check(
            "pruned to a third over the middle half: the average of both sizes",
            lambda law: mean(law, AVERAGE, **PRUNED, begins=0.25, stops=0.75),
            lambda _: of_one_size(0.65 * N),
        ),
        Check(
            "a jump at four tenths of the tokens",
            lambda law: mean(law, AVERAGE, **PRUNED, begins=0.4, stops=0.4),
            lambda _: of_one_size((0.4 + 0.6 * 0.3) * N),
        ),
        Check(
            "average_parameters of order one",
            lambda law: mean(law, AVERAGE, **PRUNED, begins=0.1, stops=0.9),
            lambda _: mean(
                find_law("average_parameters"),
                AVERAGE | {"order": 1.0},
                **PRUNED,
                begins=0.1,
                stops=0.9,
            ),
        ),
    ),
    source="Jin et al. 2025: the average number of parameters, and nesting of chinchilla",
)

# -- knowledge_capacity -------------------------------------------------------

KNOWLEDGE = {"capacity": 1.5, "rate": 1.2, "sharpness": 6.0}


def through_both() -> Values:
    """Parameters of the curve through 2 bits at 1000 exposures and 1 at 100, reference 100."""
    # (1 - x^10) / (1 - x) = 2 for x = exp(-100 / e_0)
    x = brentq(lambda x: sum(x**j for j in range(1, 10)) - 1, 0.1, 0.9, xtol=1e-15)
    return {"capacity": 1.0, "rate": -float(np.log(x)), "sharpness": 10.0}


def stored(law: Law, exposures: float) -> np.ndarray:
    """Bits a parameter of a model with more facts than it can hold."""
    return mean(law, through_both(), K=1e30, P=1e6, exposures=exposures / 100)


KNOWLEDGE_CAPACITY = Case(
    "knowledge_capacity",
    truth=KNOWLEDGE,
    domain={"K": (1e8, 2e9), "P": (5e7, 1e9), "exposures": (20.0, 3000.0)},
    increasing=("K", "exposures"),
    decreasing=("P",),
    published=(
        Check(
            "two bits at 1000 exposures, one at 100",
            lambda law: [stored(law, 1000.0), stored(law, 100.0)],
            lambda _: [2.0, 1.0],
        ),
        Check(
            "endless exposures of the same curve stay below the 2.3 bits that none exceeded",
            lambda law: [
                stored(law, HUGE) < 2.3,
                derived(law, through_both(), exposures=100.0)["c_max"] < 2.3,
            ],
            lambda _: [True, True],
        ),
        Check(
            "derived capacity and exposures are those of the curve",
            lambda law: stored(law, 250.0),
            lambda law: (
                derived(law, through_both(), exposures=100.0)["c_max"]
                * (1 - np.exp(-250 / derived(law, through_both(), exposures=100.0)["e_0"]))
            ),
        ),
        Check(
            "few facts are all stored",
            lambda law: mean(law, KNOWLEDGE, K=1e5, P=1e9, exposures=1.0),
            lambda _: 1e-4,
        ),
        Check(
            "few exposures store in proportion",
            lambda law: mean(law, KNOWLEDGE, K=1e30, P=1e6, exposures=2e-12),
            lambda law: 2 * mean(law, KNOWLEDGE, K=1e30, P=1e6, exposures=1e-12),
        ),
    ),
    source="Allen-Zhu and Li 2024: bits a parameter at 1000 and 100 exposures, and their bound",
)

# -- transport_projection -----------------------------------------------------

TRANSPORT = {"level": 2.4, "slope": -0.15, "pull": 0.8, "drift": -0.05}
DISTANCE = np.array([0.0, 0.3, 1.0, 2.5])


def projected(law: Law, N0: float, N1: float, N2: float) -> np.ndarray:
    """Losses at N2 from those at N0 and N1, the published projection."""
    first, second = (mean(law, TRANSPORT, N=n, distance=DISTANCE) for n in (N0, N1))
    return (np.log(N2 / N0) * second - np.log(N2 / N1) * first) / np.log(N1 / N0)


def line_in_distance(law: Law) -> np.ndarray:
    found = derived(law, TRANSPORT, N=1e4, distance=20.0)
    return found["a"] * 20.0 * DISTANCE + found["b"]


TRANSPORT_PROJECTION = Case(
    "transport_projection",
    truth=TRANSPORT,
    domain={"N": (1e3, 1e6), "distance": (2.0, 60.0)},
    published=(
        Check(
            "the projection from two scales to a third",
            lambda law: mean(law, TRANSPORT, N=50.0, distance=DISTANCE),
            lambda law: projected(law, 0.1, 2.0, 50.0),
        ),
        Check(
            "a line in the distance with derived coefficients",
            lambda law: mean(law, TRANSPORT, N=1.0, distance=DISTANCE),
            line_in_distance,
        ),
        Check(
            "without a pull the distance is nothing, and the loss that of log N",
            lambda law: mean(law, TRANSPORT | {"pull": 0.0, "drift": 0.0}, N=N, distance=DISTANCE),
            lambda _: TRANSPORT["level"] + TRANSPORT["slope"] * np.log(N),
        ),
    ),
    source="Kang et al. 2023: the projection",
)

# -- densing ------------------------------------------------------------------

DENSING = {
    "chance": 0.25,
    "headroom": 0.85,
    "place": -0.5,
    "gain": 5.0,
    "share_N": 0.5,
    "alpha": 0.3,
    "beta": 0.35,
}
SIGMOID = {"a": 30.0, "b": 80.0, "alpha": 0.2, "beta": 0.25, "gamma": -3.0, "l": 0.9}
ENDS = {"c": 0.6, "d": 0.25}


def scored(gamma: float, scale: float) -> Values:
    """Parameters of densing for a steepness and a loss in other units."""
    N0, D0 = 7e8, 2e10
    first = scale * SIGMOID["a"] * N0 ** -SIGMOID["alpha"]
    second = scale * SIGMOID["b"] * D0 ** -SIGMOID["beta"]
    loss = first + second
    return {
        "chance": ENDS["d"],
        "headroom": ENDS["c"] / (1 - ENDS["d"]),
        "place": gamma * (loss - scale * SIGMOID["l"]),
        "gain": -gamma * loss,
        "share_N": first / loss,
        "alpha": SIGMOID["alpha"],
        "beta": SIGMOID["beta"],
    }


def published_score(_: Law) -> np.ndarray:
    loss = (
        SIGMOID["a"] * (N * 7e8) ** -SIGMOID["alpha"]
        + SIGMOID["b"] * (D * 2e10) ** -SIGMOID["beta"]
    )
    return ENDS["c"] / (1 + np.exp(-SIGMOID["gamma"] * (loss - SIGMOID["l"]))) + ENDS["d"]


DENSING_ROW = Case(
    "densing",
    truth=DENSING,
    domain={"N": (1e7, 1e12), "D": (1e8, 1e14)},
    increasing=("N", "D"),
    published=(
        Check(
            "the published form, a sigmoid of a loss in N and D",
            lambda law: mean(law, scored(SIGMOID["gamma"], 1.0), N=N, D=D),
            published_score,
        ),
        Check(
            "a loss in other units scores the same",
            lambda law: mean(law, scored(SIGMOID["gamma"] / 1.7, 1.7), N=N, D=D),
            published_score,
        ),
        Check(
            "models too small to learn guess",
            lambda law: mean(law, DENSING, N=1 / HUGE, D=D),
            lambda _: np.full(D.shape, DENSING["chance"]),
        ),
        Check(
            "an endless model and endless data reach the derived limit",
            lambda law: mean(law, DENSING, N=HUGE, D=HUGE),
            lambda law: derived(law, DENSING)["limit"],
        ),
        Check(
            "the top is both ends of the sigmoid",
            lambda law: derived(law, scored(SIGMOID["gamma"], 1.0))["top"],
            lambda _: ENDS["c"] + ENDS["d"],
        ),
    ),
    source="Xiao et al. 2024: the form, and limits",
)

ROWS = (
    PARALLEL_STREAMS,
    ONE_GAIN,
    AVERAGE_PARAMETERS,
    AVERAGE_PUBLISHED,
    KNOWLEDGE_CAPACITY,
    TRANSPORT_PROJECTION,
    DENSING_ROW,
)
