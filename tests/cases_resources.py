"""Rows of laws of effective resources: repeated and filtered data."""

from __future__ import annotations

import numpy as np
import pandas as pd
from casekit import HUGE, Case, Check, Values, derived, mean, spread, without

from bayes_scaling import find_law
from bayes_scaling.law import Law

# -- data_constrained ---------------------------------------------------------

PUBLISHED = {
    "E": float(np.exp(0.6254804)),
    "A": float(np.exp(6.255414)),
    "B": float(np.exp(7.3049974)),
    "alpha": 0.3526596,
    "worth_D": 15.387756,
    "worth_N": 5.309743,
}
CONSTRAINED = {
    "level": 2.9,
    "reducible": 0.5,
    "share_N": 0.55,
    "alpha": 0.34,
    "beta": 0.3,
    "worth_D": 15.0,
    "worth_N": 5.0,
    "harm": 0.03,
    "harm_N": 0.5,
}
# the best size of the reference data is 0.1 of the reference size
EXCESS = CONSTRAINED | {"share_N": 0.3}
# and here 70 times as large
SMALL = CONSTRAINED | {"share_N": 0.7, "alpha": 0.2, "beta": 0.2}
SIZES = np.array([0.02, 0.4, 1.3, 7.0])
TOKENS = np.array([5.0, 0.6, 3.0, 90.0])
UNIQUE = np.array([0.9, 0.6, 0.3, 0.5])


def published_constrained(N0: float, D0: float) -> Values:
    """Parameters at references where no parameter is in excess."""
    a = PUBLISHED["A"] * N0 ** -PUBLISHED["alpha"]
    b = PUBLISHED["B"] * D0 ** -PUBLISHED["alpha"]
    level = PUBLISHED["E"] + a + b
    shares = {"level": level, "reducible": (a + b) / level, "share_N": a / (a + b)}
    return shares | {k: PUBLISHED[k] for k in ("alpha", "worth_D", "worth_N")}


def headline(law: Law) -> np.ndarray:
    """The two models of the paper, 25e9 unique tokens."""
    N, D = np.array([6.34e9, 8.67e9]), np.array([242e9, 178e9])
    values = published_constrained(1e9, 1e11)
    return mean(law, values, N=N / 1e9, D=D / 1e11, U=25e9 / 1e11)


def worth(total: np.ndarray, unique: np.ndarray, most: float) -> np.ndarray:
    repeats = np.maximum(total / unique - 1, 0)
    return np.minimum(total, unique) * (1 + most * (1 - np.exp(-repeats / most)))


def by_coefficients(law: Law, p: Values) -> np.ndarray:
    """The published form and the harm, from derived coefficients at references N0 and D0."""
    N0, D0 = 7e7, 2e9
    full = law.expand(p)
    found = derived(law, p, N=N0, D=D0, U=D0)
    N, D, U = SIZES * N0, TOKENS * D0, UNIQUE * D0
    alpha, beta = full["alpha"], full["beta"]
    G = (alpha * found["A"] / (beta * found["B"])) ** (1 / (alpha + beta))
    best = (U * G) ** (beta / alpha) * G
    used = (N**-20.0 + best**-20.0) ** (-1 / 20)
    size = used * (1 + full["worth_N"] * (1 - np.exp(-(N / used - 1) / full["worth_N"])))
    harm = full["harm"] * SIZES ** full["harm_N"] * (D / U - 1)
    data = worth(D, U, full["worth_D"]) / (1 + harm**2)
    return found["E"] + found["A"] * size**-alpha + found["B"] * data**-beta


def few_repeats() -> pd.DataFrame:
    """Inputs spread over the domain; no run has more unique tokens than tokens."""
    table = spread(DATA_CONSTRAINED)
    return table.assign(U=np.minimum(table["U"], table["D"]))


def same_form(p: Values) -> Check:
    return Check(
        "the published form and the harm from derived coefficients, at references other than one",
        lambda law: mean(law, p, N=SIZES, D=TOKENS, U=UNIQUE),
        lambda law: by_coefficients(law, p),
    )


def best_size(p: Values) -> Check:
    return Check(
        "the best size is (U G)^(beta/alpha) G of derived coefficients",
        lambda law: derived(law, p, N=7e7, D=2e9)["N_opt"],
        lambda law: published_best(law, p),
    )


def published_best(law: Law, p: Values) -> float:
    found, full = derived(law, p, N=7e7, D=2e9), law.expand(p)
    alpha, beta = full["alpha"], full["beta"]
    G = (alpha * found["A"] / (beta * found["B"])) ** (1 / (alpha + beta))
    return float((2e9 * G) ** (beta / alpha) * G)


CONSTRAINED_DOMAIN = {"N": (1e7, 5e9), "D": (1e9, 3e11), "U": (1e9, 9e10)}

DATA_CONSTRAINED = Case(
    "data_constrained",
    truth=CONSTRAINED,
    domain=CONSTRAINED_DOMAIN,
    decreasing=(),
    published=(
        same_form(CONSTRAINED),
        same_form(EXCESS),
        best_size(EXCESS),
        Check(
            "small models on new data are those of chinchilla",
            lambda law: mean(law, SMALL, N=SIZES, D=TOKENS, U=TOKENS * 1.1),
            lambda _: mean(
                find_law("chinchilla"),
                {k: SMALL[k] for k in ("level", "reducible", "share_N", "alpha", "beta")},
                N=SIZES,
                D=TOKENS,
            ),
        ),
        Check(
            "endless repeats leave nothing of the data",
            lambda law: mean(law, CONSTRAINED, N=1.0, D=HUGE, U=1.0) > 1e20,
            lambda _: True,
        ),
    ),
    design=few_repeats,
    source="Muennighoff et al. 2023: their form, and nesting of chinchilla; "
    "the harm is this project's",
)

NO_HARM = Case(
    "data_constrained:no_harm",
    truth=without(CONSTRAINED, "harm", "harm_N"),
    domain=CONSTRAINED_DOMAIN,
    decreasing=("N", "D"),
    published=(
        same_form(without(EXCESS, "harm", "harm_N")),
        Check(
            "data_constrained without harm",
            lambda law: mean(
                law, without(CONSTRAINED, "harm", "harm_N"), N=SIZES, D=TOKENS, U=UNIQUE
            ),
            lambda _: mean(
                find_law("data_constrained"),
                CONSTRAINED | {"harm": 1e-30},
                N=SIZES,
                D=TOKENS,
                U=UNIQUE,
            ),
        ),
        Check(
            "endless repeats are worth R_D* times the unique data",
            lambda law: mean(law, without(SMALL, "harm", "harm_N"), N=SIZES, D=HUGE, U=UNIQUE),
            lambda law: mean(
                law,
                without(SMALL, "harm", "harm_N"),
                N=SIZES,
                D=UNIQUE * (1 + SMALL["worth_D"]),
                U=HUGE,
            ),
        ),
    ),
    design=few_repeats,
    source="Muennighoff et al. 2023: their form, and a limit",
)

CONSTRAINED_PUBLISHED = Case(
    "data_constrained:published",
    truth=without(CONSTRAINED, "beta", "harm", "harm_N"),
    domain=CONSTRAINED_DOMAIN,
    decreasing=("N", "D"),
    published=(
        Check(
            "predictions of 6.34e9 parameters on 242e9 tokens and 8.67e9 on 178e9, 25e9 unique",
            headline,
            lambda _: [2.2256, 2.2270],
            rtol=2.3e-5,
        ),
        Check(
            "coefficients come back from parameters at the references",
            lambda law: [
                derived(law, published_constrained(1e9, 1e11), N=1e9, D=1e11)[k] for k in "EAB"
            ],
            lambda _: [PUBLISHED[k] for k in "EAB"],
        ),
        same_form(without(EXCESS, "beta", "harm", "harm_N")),
        best_size(without(EXCESS, "beta", "harm", "harm_N")),
    ),
    design=few_repeats,
    source="Muennighoff et al. 2023, their notebook: coefficients and predictions",
)

# -- repeated_capacity --------------------------------------------------------

CAPACITY = {
    "level": 2.9,
    "reducible": 0.5,
    "share_N": 0.45,
    "alpha": 0.34,
    "beta": 0.3,
    "capacity": 12.0,
    "drift": -0.4,
    "sharpness": 2.0,
}


REPEATS = ("capacity", "drift", "sharpness")


def capacity_form(law: Law) -> np.ndarray:
    found = derived(law, CAPACITY, N=7e7, D=2e9, U=2e9)
    N, D, U = SIZES * 7e7, TOKENS * 2e9, UNIQUE * 2e9
    g = CAPACITY["sharpness"]
    tokens = (D**-g + (found["s"] * U * N ** CAPACITY["drift"]) ** -g) ** (-1 / g)
    return (
        found["E"] + found["A"] * N ** -CAPACITY["alpha"] + found["B"] * tokens ** -CAPACITY["beta"]
    )


REPEATED_CAPACITY = Case(
    "repeated_capacity",
    truth=CAPACITY,
    domain=CONSTRAINED_DOMAIN,
    decreasing=("D", "U"),
    published=(
        Check(
            "the form with derived coefficients, at references other than one",
            lambda law: mean(law, CAPACITY, N=SIZES, D=TOKENS, U=UNIQUE),
            capacity_form,
        ),
        Check(
            "endless capacity is chinchilla",
            lambda law: mean(law, CAPACITY | {"capacity": 1e30}, N=SIZES, D=TOKENS, U=UNIQUE),
            lambda _: mean(find_law("chinchilla"), without(CAPACITY, *REPEATS), N=SIZES, D=TOKENS),
        ),
        Check(
            "with sharpness one, endless passes are one endless stream of as much again",
            lambda law: mean(
                law, CAPACITY | {"drift": 0.0, "sharpness": 1.0}, N=SIZES, D=HUGE, U=UNIQUE
            ),
            lambda _: mean(
                find_law("chinchilla"),
                without(CAPACITY, *REPEATS),
                N=SIZES,
                D=UNIQUE * (1 + CAPACITY["capacity"]),
            ),
        ),
    ),
    design=few_repeats,
    source="a form of this project: limits, and nesting of chinchilla",
)

# -- data_filtering -----------------------------------------------------------

FILTERING = {"level": 0.6, "reducible": 0.7, "utility": 0.25, "half_life": 3.0}
SEEN = np.array([0.2, 1.7, 9.3, 40.0, 2.0])
POOL = np.array([0.5, 1.0, 0.8, 3.0, 2.0])


def pass_by_pass(law: Law, pools: float) -> np.ndarray:
    """The published product, in samples, from the derived scale and floor."""
    n0, b = 2e8, FILTERING["utility"]
    found = derived(law, FILTERING, n=n0, P=n0)
    errors = []
    for n, P in zip(SEEN * n0, POOL * n0, strict=True):
        y = (min(n, P) / found["n_c"]) ** -b
        for j in range(2, int(np.ceil(n / P)) + 1):
            y *= (min(n, j * P) / ((j - 1) * P)) ** (
                -b * 0.5 ** ((j - 1) / (FILTERING["half_life"] * pools))
            )
        errors.append(y + found["floor"])
    return np.array(errors)


def seen_once(law: Law, samples: np.ndarray) -> np.ndarray:
    """power_law with the utility as its exponent."""
    values = {k: FILTERING[k] for k in ("level", "reducible")} | {"alpha": FILTERING["utility"]}
    return mean(find_law("power_law"), values, X=samples)


DATA_FILTERING = Case(
    "data_filtering",
    truth=FILTERING,
    domain={"n": (3e7, 3e9), "P": (1.1e7, 4e8), "pools": (1.0, 4.0)},
    decreasing=("n",),
    published=(
        Check(
            "the product over passes, at references other than one",
            lambda law: mean(law, FILTERING, n=SEEN, P=POOL, pools=1.0),
            lambda law: pass_by_pass(law, 1.0),
        ),
        Check(
            "the product over passes of a mixture of three pools",
            lambda law: mean(law, FILTERING, n=SEEN, P=POOL, pools=3.0),
            lambda law: pass_by_pass(law, 3.0),
        ),
        Check(
            "data that do not wear out are a power law in samples seen",
            lambda law: mean(law, FILTERING | {"half_life": 1e30}, n=SEEN, P=POOL, pools=1.0),
            lambda law: seen_once(law, SEEN),
        ),
        Check(
            "data that wear out at once are a power law in the pool",
            lambda law: mean(law, FILTERING | {"half_life": 1e-3}, n=SEEN, P=POOL, pools=1.0),
            lambda law: seen_once(law, np.minimum(SEEN, POOL)),
        ),
    ),
    source="Goyal et al. 2024: the product over passes, and limits",
)

ROWS = (
    DATA_CONSTRAINED,
    NO_HARM,
    CONSTRAINED_PUBLISHED,
    REPEATED_CAPACITY,
    DATA_FILTERING,
)
