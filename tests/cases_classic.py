"""Rows of chinchilla, kaplan and power_law."""

from __future__ import annotations

import numpy as np
from casekit import HUGE, Case, Check, Values, derived, mean, without

from bayes_scaling import find_law
from bayes_scaling.law import Law

CHINCHILLA_TRUTH = {"level": 2.9, "reducible": 0.4, "share_N": 0.55, "alpha": 0.34, "beta": 0.28}
KAPLAN_TRUTH = {"level": 2.9, "reducible": 0.5, "share_N": 0.45, "alpha": 0.3, "beta": 0.4}
POWER_TRUTH = {"level": 3.1, "reducible": 0.5, "alpha": 0.3}


def centred(
    E: float, A: float, B: float, alpha: float, beta: float, N0: float = 1.0, D0: float = 1.0
) -> Values:
    """Parameters of chinchilla for published coefficients and a reference point."""
    a, b = A * N0**-alpha, B * D0**-beta
    return {
        "level": E + a + b,
        "reducible": (a + b) / (E + a + b),
        "share_N": a / (a + b),
        "alpha": alpha,
        "beta": beta,
    }


def bracketed(N_c: float, D_c: float, alpha: float, beta: float) -> Values:
    """Parameters of kaplan without a floor for published coefficients, references of one."""
    first = N_c ** (alpha / beta)
    share = {"share_N": first / (first + D_c)}
    return {"level": (first + D_c) ** beta, "alpha": alpha, "beta": beta} | share


N = np.array([1.1e7, 4e8, 1.4e9, 6.9e9])
D = np.array([5e9, 2.2e8, 9e11, 1.4e11])
M = D / N
STEPS = np.array([3e3, 2e5, 1.7e4, 9e5])
EPOCH = {"E": 1.8169, "A": 482.0, "B": 2085.4, "alpha": 0.3478, "beta": 0.3659}
HOFFMANN = {
    "E": float(np.exp(0.5267228)),
    "A": float(np.exp(6.0073404)),
    "B": float(np.exp(6.0179186)),
    "alpha": 0.33917084,
    "beta": 0.2849083,
}
GADRE = {"E": 1.8366, "a": 166.2, "b": 366.7, "h": 0.2729}
PYTHIA = {"N_c": 4.74e19, "D_c": 7.63e10, "alpha": 0.045, "beta": 0.399}
BRACKET = {"level": 2.7, "reducible": 0.6, "share_N": 0.35, "alpha": 0.2, "beta": 0.3}
ONE_INPUT = {"level": 2.7, "reducible": 0.6, "alpha": 0.2}


def additive(E: float, A: float, B: float, alpha: float, beta: float) -> np.ndarray:
    return E + A * N**-alpha + B * D**-beta


def bracket(found: Values) -> np.ndarray:
    alpha, beta = BRACKET["alpha"], BRACKET["beta"]
    return found["E"] + ((found["N_c"] / N) ** (alpha / beta) + found["D_c"] / D) ** beta


def tied_values() -> Values:
    h = GADRE["h"]
    full = centred(GADRE["E"], GADRE["a"], GADRE["b"] * 6 ** (-h / 2), h, h)
    return without(full, "beta")


def stepwise() -> Values:
    """Parameters of L(N, S_min) of Kaplan et al. at references of one."""
    full = centred(0.0, 6.5e13**0.077, 2.1e3**0.76, 0.077, 0.76)
    return without(full, "reducible")


def over_training(_: Law) -> np.ndarray:
    """Form of Gadre et al. in N and the tokens a parameter M = D / N."""
    E, a, b, h = GADRE.values()
    return a * N**-h + b * 6 ** (-h / 2) * (M * N) ** -h + E


def over_training_in_compute(_: Law) -> np.ndarray:
    """The same in compute C = 6 N D and M."""
    E, a, b, h = GADRE.values()
    first, second = a * 6 ** (h / 2), b * 6 ** (-h / 2) * 6 ** (h / 2)
    return E + (first * M ** (h / 2) + second * M ** (-h / 2)) * (6 * N * D) ** (-h / 2)


CHINCHILLA = Case(
    "chinchilla",
    truth=CHINCHILLA_TRUTH,
    slopes={"N": "alpha", "D": "beta"},
    domain={"N": (4e7, 1.6e10), "D": (1e8, 1.4e12)},
    decreasing=("N", "D"),
    published=(
        Check(
            "the published form (Epoch refit)",
            lambda law: mean(law, centred(**EPOCH), N=N, D=D),
            lambda _: additive(**EPOCH),
        ),
        Check(
            "the published form (Hoffmann et al.)",
            lambda law: mean(law, centred(**HOFFMANN), N=N, D=D),
            lambda _: additive(**HOFFMANN),
        ),
        Check(
            "coefficients come back from parameters at references of one",
            lambda law: [derived(law, centred(**EPOCH))[k] for k in "EAB"],
            lambda _: [EPOCH[k] for k in "EAB"],
        ),
        Check(
            "coefficients come back from parameters at other references",
            lambda law: [
                derived(law, centred(**EPOCH, N0=7e8, D0=2e10), N=7e8, D=2e10)[k] for k in "EAB"
            ],
            lambda _: [EPOCH[k] for k in "EAB"],
        ),
        Check(
            "exponent of the compute-optimal N (Epoch refit)",
            lambda law: derived(law, centred(**EPOCH))["N_exponent"],
            lambda _: 0.513,
            rtol=1e-3,
        ),
        Check(
            "endless data leave E + A / N^alpha",
            lambda law: mean(law, centred(**EPOCH), N=N, D=HUGE),
            lambda _: EPOCH["E"] + EPOCH["A"] * N ** -EPOCH["alpha"],
        ),
        Check(
            "an endless model and endless data leave E",
            lambda law: mean(law, centred(**EPOCH), N=HUGE, D=HUGE),
            lambda _: EPOCH["E"],
        ),
    ),
    source="Besiroglu et al. 2024 (E, A, B, alpha, beta and their N exponent); "
    "Hoffmann et al. 2022, approach 3 before rounding",
)

TIED = Case(
    "chinchilla:tied",
    truth=without(CHINCHILLA_TRUTH, "beta"),
    slopes={"N": "alpha"},
    domain={"N": (1.1e7, 6.9e9), "D": (2e8, 9e11)},
    decreasing=("N", "D"),
    published=(
        Check(
            "L(N, M) of Gadre et al.",
            lambda law: mean(law, tied_values(), N=N, D=D),
            over_training,
        ),
        Check(
            "L(C, M) of Gadre et al.",
            lambda law: mean(law, tied_values(), N=N, D=D),
            over_training_in_compute,
        ),
        Check(
            "tied exponents grow N and D alike",
            lambda law: derived(law, tied_values())["N_exponent"],
            lambda _: 0.5,
        ),
        Check(
            "chinchilla with beta = alpha",
            lambda law: mean(law, tied_values(), N=N, D=D),
            lambda _: mean(find_law("chinchilla"), tied_values() | {"beta": GADRE["h"]}, N=N, D=D),
        ),
    ),
    source="Gadre et al. 2024, the form; coefficients of a refit of their five RedPajama runs",
)

NO_FLOOR = Case(
    "chinchilla:no_floor",
    truth=without(CHINCHILLA_TRUTH, "reducible"),
    slopes={"N": "alpha", "D": "beta"},
    domain={"N": (1e6, 1.6e10), "D": (1e3, 1e6)},
    decreasing=("N", "D"),
    published=(
        Check(
            "L(N, S_min) of Kaplan et al.",
            lambda law: mean(law, stepwise(), N=N, D=STEPS),
            lambda _: (6.5e13 / N) ** 0.077 + (2.1e3 / STEPS) ** 0.76,
        ),
        Check(
            "chinchilla with nothing irreducible",
            lambda law: mean(law, stepwise(), N=N, D=STEPS),
            lambda _: mean(find_law("chinchilla"), stepwise() | {"reducible": 1.0}, N=N, D=STEPS),
        ),
        Check(
            "endless steps leave power_law:no_floor",
            lambda law: mean(law, stepwise(), N=N, D=HUGE),
            lambda _: mean(
                find_law("power_law:no_floor"), {"level": 6.5e13**0.077, "alpha": 0.077}, X=N
            ),
        ),
    ),
    source="Kaplan et al. 2020, equation 1.6: N_c, S_c and exponents of L(N, S_min)",
)

KAPLAN = Case(
    "kaplan",
    truth=KAPLAN_TRUTH,
    slopes={"N": "alpha", "D": "beta"},
    domain={"N": (1e5, 1.5e9), "D": (2.2e7, 2.3e10)},
    decreasing=("N", "D"),
    published=(
        Check(
            "endless data leave E + (N_c / N)^alpha",
            lambda law: mean(law, BRACKET, N=N, D=HUGE),
            lambda law: (
                derived(law, BRACKET)["E"] + (derived(law, BRACKET)["N_c"] / N) ** BRACKET["alpha"]
            ),
        ),
        Check(
            "an endless model leaves E + (D_c / D)^beta",
            lambda law: mean(law, BRACKET, N=HUGE, D=D),
            lambda law: (
                derived(law, BRACKET)["E"] + (derived(law, BRACKET)["D_c"] / D) ** BRACKET["beta"]
            ),
        ),
        Check(
            "the published form with the derived scales, at references other than one",
            lambda law: mean(law, BRACKET, N=N / 7e7, D=D / 2e9),
            lambda law: bracket(derived(law, BRACKET, N=7e7, D=2e9)),
        ),
        Check(
            "with beta = 1 it is chinchilla with beta = 1",
            lambda law: mean(law, BRACKET | {"beta": 1.0}, N=N, D=D),
            lambda _: mean(find_law("chinchilla"), BRACKET | {"beta": 1.0}, N=N, D=D),
        ),
    ),
    source="Kaplan et al. 2020, equation 1.5: limits, and nesting in chinchilla",
)

KAPLAN_NO_FLOOR = Case(
    "kaplan:no_floor",
    truth=without(KAPLAN_TRUTH, "reducible"),
    slopes={"N": "alpha", "D": "beta"},
    domain={"N": (1e5, 1.5e9), "D": (2.2e7, 2.3e10)},
    decreasing=("N", "D"),
    published=(
        Check(
            "the published bracket (Pythia, 16 bit)",
            lambda law: mean(law, bracketed(**PYTHIA), N=N, D=D),
            lambda _: ((4.74e19 / N) ** (0.045 / 0.399) + 7.63e10 / D) ** 0.399,
        ),
        Check(
            "coefficients come back from parameters",
            lambda law: [derived(law, bracketed(**PYTHIA))[k] for k in ("N_c", "D_c")],
            lambda _: [4.74e19, 7.63e10],
        ),
        Check(
            "kaplan with nothing irreducible",
            lambda law: mean(law, without(BRACKET, "reducible"), N=N, D=D),
            lambda _: mean(find_law("kaplan"), BRACKET | {"reducible": 1.0}, N=N, D=D),
        ),
    ),
    source="the fit of this form to the 16-bit losses of the Pythia suite",
)

POWER_LAW = Case(
    "power_law",
    truth=POWER_TRUTH,
    slopes={"X": "alpha"},
    domain={"X": (1e15, 1e22)},
    decreasing=("X",),
    published=(
        Check(
            "chinchilla with endless data",
            lambda law: mean(law, ONE_INPUT, X=N),
            lambda _: mean(find_law("chinchilla"), one_term(ONE_INPUT), N=N, D=HUGE),
        ),
        Check(
            "E + (X_c / X)^alpha with the derived scale, at a reference other than one",
            lambda law: mean(law, ONE_INPUT, X=N / 1e9),
            lambda law: (
                derived(law, ONE_INPUT, X=1e9)["E"]
                + (derived(law, ONE_INPUT, X=1e9)["X_c"] / N) ** ONE_INPUT["alpha"]
            ),
        ),
        Check(
            "E + A X^-alpha with the derived coefficient, at a reference other than one",
            lambda law: mean(law, ONE_INPUT, X=N / 1e9),
            lambda law: (
                derived(law, ONE_INPUT, X=1e9)["E"]
                + derived(law, ONE_INPUT, X=1e9)["A"] * N ** -ONE_INPUT["alpha"]
            ),
        ),
        Check(
            "an endless scale leaves E",
            lambda law: mean(law, ONE_INPUT, X=HUGE),
            lambda _: ONE_INPUT["level"] * (1 - ONE_INPUT["reducible"]),
        ),
    ),
    source="Henighan et al. 2020, equation 1.1: its form, a limit, and nesting in chinchilla",
)

POWER_LAW_NO_FLOOR = Case(
    "power_law:no_floor",
    truth=without(POWER_TRUTH, "reducible"),
    slopes={"X": "alpha"},
    domain={"X": (1e5, 1.5e9)},
    decreasing=("X",),
    published=(
        Check(
            "(N_c / N)^alpha of Kaplan et al. with N_c = 6.5e13, alpha = .077",
            lambda law: mean(law, {"level": 6.5e13**0.077, "alpha": 0.077}, X=N),
            lambda _: (6.5e13 / N) ** 0.077,
        ),
        Check(
            "the critical scale comes back from parameters",
            lambda law: derived(law, {"level": 6.5e13**0.077, "alpha": 0.077})["X_c"],
            lambda _: 6.5e13,
        ),
        Check(
            "kaplan:no_floor with endless data",
            lambda law: mean(law, {"level": 6.5e13**0.077, "alpha": 0.077}, X=N),
            lambda _: mean(
                find_law("kaplan:no_floor"), bracketed(6.5e13, 1.0, 0.077, 0.5), N=N, D=HUGE
            ),
        ),
    ),
    source="Kaplan et al. 2020, N_c and alpha_N of L(N, S)",
)


def one_term(values: Values) -> Values:
    """Parameters of chinchilla whose term in N is that of a power law in one input."""
    floor, term = values["level"] * (1 - values["reducible"]), values["level"] * values["reducible"]
    return centred(floor, term, 1.0, values["alpha"], 0.5)


ROWS = (CHINCHILLA, TIED, NO_FLOOR, KAPLAN, KAPLAN_NO_FLOOR, POWER_LAW, POWER_LAW_NO_FLOOR)
