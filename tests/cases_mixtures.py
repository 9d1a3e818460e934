"""Rows of losses in a resource beside size and data: datastores, experts, vocabulary, mixtures."""

from __future__ import annotations

import numpy as np
import pandas as pd
from casekit import HUGE, RUNS, Case, Check, derived, mean, spread, without
from cases_classic import centred

from bayes_scaling import find_law
from bayes_scaling.law import Law

N = np.array([1.1e7, 4e8, 1.4e9, 6.9e9])
D = np.array([5e9, 2.2e8, 9e11, 1.4e11])
N0, D0 = 7e7, 2e9

# -- retrieval ----------------------------------------------------------------

BARE = {"level": 2.7, "reducible": 0.6, "share_N": 0.35, "alpha": 0.2, "beta": 0.3}
STORED = BARE | {"retrievable": 0.3, "onset": 0.2, "gamma": 0.25}
S = np.array([0.0, 2e9, 6e10, 1.4e12])
S0 = 3e10


def stores() -> pd.DataFrame:
    """Sizes and tokens of the domain; one run of five without a datastore, others from 1e8 on."""
    table = spread(RETRIEVAL)
    at = table["S"] / RETRIEVAL.domain["S"][1]
    table["S"] = np.where(at < 0.2, 0.0, 1e8 * 1.4e4 ** ((at - 0.2) / 0.8))
    return table


def with_store(law: Law) -> np.ndarray:
    found = derived(law, STORED, S=S0)
    q = found["q"]
    alone = mean(law, STORED, N=N / N0, D=D / D0, S=0.0)
    return alone * (1 - q + q * (1 + S / found["S_0"]) ** -STORED["gamma"])


def endless_store(law: Law) -> np.ndarray:
    return (1 - derived(law, STORED)["q"]) * mean(law, STORED, N=N, D=D, S=0.0)


RETRIEVAL = Case(
    "retrieval",
    truth={
        "level": 2.6,
        "reducible": 0.4,
        "share_N": 0.55,
        "alpha": 0.34,
        "beta": 0.28,
        "retrievable": 0.35,
        "onset": 0.1,
        "gamma": 0.4,
    },
    slopes={"N": "alpha", "D": "beta", "S": "gamma"},
    domain={"N": (4e7, 1.6e10), "D": (1e9, 1.4e12), "S": (0.0, 1.4e12)},
    design=stores,
    decreasing=("N", "D", "S"),
    published=(
        Check(
            "what a datastore does to the loss, with the derived q and S_0",
            lambda law: mean(law, STORED, N=N / N0, D=D / D0, S=S / S0),
            with_store,
        ),
        Check(
            "chinchilla at the reference datastore",
            lambda law: mean(law, STORED, N=N / N0, D=D / D0, S=1.0),
            lambda _: mean(find_law("chinchilla"), BARE, N=N / N0, D=D / D0),
        ),
        Check(
            "an endless datastore takes the share q",
            lambda law: (
                mean(law, STORED | {"gamma": 3.0}, N=N, D=D, S=HUGE)
                / mean(law, STORED | {"gamma": 3.0}, N=N, D=D, S=0.0)
            ),
            lambda law: 1 - derived(law, STORED | {"gamma": 3.0})["q"],
        ),
        Check(
            "endless models and data without a datastore leave E",
            lambda law: mean(law, STORED, N=HUGE, D=HUGE, S=0.0),
            lambda law: derived(law, STORED)["E"],
        ),
    ),
    source="a form of this project's for Shao et al. 2024: limits, and nesting of chinchilla",
)

# -- routed -------------------------------------------------------------------

ROUTED = {
    "level": 2.7,
    "reducible": 0.6,
    "alpha": 0.2,
    "beta": 0.12,
    "interaction": 0.01,
    "start": 1.7,
    "span": 150.0,
}
EXPERTS = np.array([1.0, 8.0, 64.0, 512.0])


def effective(most: float) -> np.ndarray:
    start = ROUTED["start"]
    return 1 / (1 / (EXPERTS - 1 + 1 / (1 / start - 1 / most)) + 1 / most)


def routed_form(law: Law) -> np.ndarray:
    """Log of the reducible loss from the derived coefficients."""
    values = without(ROUTED, *({"reducible"} - set(law.parameters)))
    f = derived(law, values, N=N0)
    n, e = np.log(N), np.log(effective(f["E_max"]))
    return f["a"] * n + f["b"] * e + ROUTED["interaction"] * n * e + f["d"]


ROUTED_LAW = Case(
    "routed",
    truth=ROUTED | {"alpha": 0.3, "reducible": 0.5},
    domain={"N": (5e6, 5e9), "experts": (1.0, 512.0)},
    published=(
        Check(
            "the published form above the floor, at a reference other than one",
            lambda law: np.log(
                mean(law, ROUTED, N=N / N0, experts=EXPERTS) - derived(law, ROUTED)["E"]
            ),
            routed_form,
        ),
        Check(
            "power_law at one expert",
            lambda law: mean(law, ROUTED, N=N / N0, experts=1.0),
            lambda _: mean(
                find_law("power_law"),
                {k: ROUTED[k] for k in ("level", "reducible", "alpha")},
                X=N / N0,
            ),
        ),
        Check(
            "endless experts are worth E_max / start experts without saturation",
            lambda law: mean(law, ROUTED, N=1.0, experts=HUGE),
            lambda law: (
                ROUTED["level"]
                * (0.4 + 0.6 * (derived(law, ROUTED)["E_max"] / ROUTED["start"]) ** -ROUTED["beta"])
            ),
        ),
    ),
    source="Clark et al. 2022, the form: limits, and nesting of power_law",
)

ROUTED_NO_FLOOR = Case(
    "routed:no_floor",
    truth=without(ROUTED, "reducible") | {"alpha": 0.1},
    domain={"N": (5e6, 5e9), "experts": (1.0, 512.0)},
    published=(
        Check(
            "the published form, at a reference other than one",
            lambda law: np.log(mean(law, without(ROUTED, "reducible"), N=N / N0, experts=EXPERTS)),
            routed_form,
        ),
        Check(
            "routed with nothing irreducible",
            lambda law: mean(law, without(ROUTED, "reducible"), N=N / N0, experts=EXPERTS),
            lambda _: mean(
                find_law("routed"), ROUTED | {"reducible": 1.0}, N=N / N0, experts=EXPERTS
            ),
        ),
    ),
    source="Clark et al. 2022, the form",
)

SIMPLE = without(ROUTED, "interaction")
ROUTED_SIMPLE = Case(
    "routed:simple",
    truth=SIMPLE,
    domain={"N": (5e6, 5e9), "experts": (1.0, 512.0)},
    decreasing=("N", "experts"),
    published=(
        Check(
            "experts are worth as much as a larger model",
            lambda law: mean(law, SIMPLE | {"beta": SIMPLE["alpha"]}, N=N / N0, experts=HUGE),
            lambda law: mean(
                law,
                SIMPLE,
                N=N / N0 * derived(law, SIMPLE)["E_max"] / SIMPLE["start"],
                experts=1.0,
            ),
        ),
        Check(
            "routed without interaction",
            lambda law: mean(law, SIMPLE, N=N / N0, experts=EXPERTS),
            lambda _: mean(
                find_law("routed"), ROUTED | {"interaction": 0.0}, N=N / N0, experts=EXPERTS
            ),
        ),
    ),
    source="Clark et al. 2022, the form without c: nesting",
)

# -- vocabulary ---------------------------------------------------------------

WORDS = {
    "level": -4.5,
    "size_N": 0.72,
    "size_V": 0.26,
    "size_D": 0.62,
    "alpha": 0.3,
    "alpha_V": 0.5,
    "beta": 0.4,
    "crowding": 0.1,
}
APART = without(WORDS, "crowding")
V = np.array([4e3, 1.6e4, 6.4e4, 2.56e5])


def three_terms(law: Law, crowding: float) -> np.ndarray:
    f = derived(law, WORDS | {"crowding": crowding}, N=N0, V=2e4, D=D0)
    terms = f["A_1"] * N**-0.3 + f["A_2"] * V**-0.5 + f["B"] * V**crowding * D**-0.4
    return -f["E"] + terms


def as_chinchilla(_: Law) -> np.ndarray:
    """chinchilla with the terms in N and D of WORDS, raised by nine."""
    first, second = WORDS["size_N"], WORDS["size_D"]
    raised = centred(9.0 - 4.5 - 1.6, first, second, WORDS["alpha"], WORDS["beta"])
    return mean(find_law("chinchilla"), raised, N=N / N0, D=D / D0) - 9.0


VOCABULARY_DOMAIN = {"N": (1e7, 3e9), "V": (1e3, 5e5), "D": (1e9, 1e12)}
VOCABULARY = Case(
    "vocabulary",
    truth=WORDS,
    domain=VOCABULARY_DOMAIN,
    decreasing=("N", "D"),
    published=(
        Check(
            "the form with the derived coefficients",
            lambda law: mean(law, WORDS, N=N / N0, V=V / 2e4, D=D / D0),
            lambda law: three_terms(law, WORDS["crowding"]),
        ),
        Check(
            "endless size and data leave -E and the term of V",
            lambda law: mean(law, WORDS, N=HUGE, V=V / 2e4, D=HUGE),
            lambda law: (
                -derived(law, WORDS, V=2e4)["E"] + derived(law, WORDS, V=2e4)["A_2"] * V**-0.5
            ),
        ),
    ),
    source="Tao et al. 2024, the form, with an interaction of this project",
)

VOCABULARY_PUBLISHED = Case(
    "vocabulary:published",
    truth=APART,
    domain=VOCABULARY_DOMAIN,
    decreasing=("N", "V", "D"),
    published=(
        Check(
            "the published form with the derived coefficients",
            lambda law: mean(law, APART, N=N / N0, V=V / 2e4, D=D / D0),
            lambda _: three_terms(find_law("vocabulary"), 0.0),
        ),
        Check(
            "an endless vocabulary leaves chinchilla, which is positive, moved down",
            lambda law: mean(law, APART, N=N / N0, V=HUGE, D=D / D0),
            as_chinchilla,
        ),
        Check(
            "all inputs endless leave -E",
            lambda law: mean(law, APART, N=HUGE, V=HUGE, D=HUGE),
            lambda law: -derived(law, APART)["E"],
        ),
    ),
    source="Tao et al. 2024, the form: limits, and nesting of chinchilla",
)

# -- domain_mixture -----------------------------------------------------------

MIXTURE = {
    "level": 2.7,
    "reducible": 0.6,
    "slope_web": -1.2,
    "slope_books": 0.7,
    "slope_code": 0.9,
}
DOMAINS = ("web", "books", "code")
MEANS = {"web": 0.5, "books": 0.3, "code": 0.2}
# rows are mixtures
SHARES = {
    "web": np.array([0.5, 0.2, 0.7, 1.0]),
    "books": np.array([0.25, 0.2, 0.3, 0.0]),
    "code": np.array([0.25, 0.6, 0.0, 0.0]),
}


def mixtures() -> pd.DataFrame:
    """Mixtures spread evenly over the simplex: the gaps between two sorted numbers."""
    steps = 1.32471795724474602596 ** -np.arange(1, 3)
    at = np.sort((0.5 + np.arange(1, RUNS + 1)[:, None] * steps) % 1.0, axis=1)
    gaps = np.diff(at, prepend=0.0, append=1.0, axis=1)
    return pd.DataFrame(dict(zip(DOMAINS, gaps.T, strict=True)))


def mixed(law: Law, values: dict[str, float]) -> np.ndarray:
    return mean(law, values, **{k: SHARES[k] - MEANS[k] for k in DOMAINS})


def effects() -> np.ndarray:
    return np.asarray(sum(MIXTURE[f"slope_{k}"] * SHARES[k] for k in DOMAINS))


def mixing_form(law: Law) -> np.ndarray:
    found = {k: float(v) for k, v in law.derive(MEANS, MIXTURE).items()}
    return found["E"] + found["k"] * np.exp(effects())


def shifted() -> dict[str, float]:
    return MIXTURE | {f"slope_{k}": MIXTURE[f"slope_{k}"] + 2.5 for k in DOMAINS}


OVER = {"web": (0.0, 1.0), "books": (0.0, 1.0), "code": (0.0, 1.0)}

DOMAIN_MIXTURE = Case(
    "domain_mixture:web,books,code",
    truth=MIXTURE,
    domain=OVER,
    design=mixtures,
    published=(
        Check(
            "c + k exp(sum t r) with the derived c and k",
            lambda law: mixed(law, MIXTURE),
            mixing_form,
        ),
        Check(
            "a number added to all slopes changes nothing on the simplex",
            lambda law: mixed(law, shifted()),
            lambda law: mixed(law, MIXTURE),
        ),
        Check(
            "one domain at a rising share is a power law in the exponential of the share",
            lambda law: mean(law, MIXTURE, web=SHARES["web"], books=0.0, code=0.0),
            lambda _: mean(
                find_law("power_law"),
                {"level": 2.7, "reducible": 0.6, "alpha": 1.2},
                X=np.exp(SHARES["web"]),
            ),
        ),
    ),
    source="Ye et al. 2024, the form: nesting, and an identity on the simplex",
)

LOG_LINEAR = Case(
    "domain_mixture:log_linear:web,books,code",
    truth=without(MIXTURE, "reducible"),
    domain=OVER,
    design=mixtures,
    published=(
        Check(
            "straight in logs: a step of the mixture has one effect",
            lambda law: np.diff(np.log(mixed(law, without(MIXTURE, "reducible")))),
            lambda _: np.diff(effects()),
        ),
        Check(
            "domain_mixture with nothing irreducible",
            lambda law: mixed(law, without(MIXTURE, "reducible")),
            lambda _: mixed(
                find_law("domain_mixture:web,books,code"), MIXTURE | {"reducible": 1.0}
            ),
        ),
    ),
    source="Liu et al. 2024, the form",
)

ROWS = (
    RETRIEVAL,
    ROUTED_LAW,
    ROUTED_NO_FLOOR,
    ROUTED_SIMPLE,
    VOCABULARY,
    VOCABULARY_PUBLISHED,
    DOMAIN_MIXTURE,
    LOG_LINEAR,
)
