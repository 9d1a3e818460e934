"""Rows of laws of precision and quantisation."""

from __future__ import annotations

import numpy as np
import pandas as pd
from casekit import HUGE, Case, Check, Values, derived, mean, spread, without
from cases_classic import CHINCHILLA_TRUTH, EPOCH, centred

from bayes_scaling import find_law
from bayes_scaling.law import Law

N = np.array([4.1e7, 1.5e8, 6.8e8, 1.2e9])
D = np.array([1e10, 1e11, 2e10, 5e10])
REFERENCES = {"N": 3e8, "D": 4e10}
FORMAT = {
    "exponent_bits": np.array([1.0, 2.0, 4.0, 5.0]),
    "mantissa_bits": np.array([2.0, 1.0, 3.0, 2.0]),
    "block": np.array([512.0, 128.0, 32.0, 64.0]),
}
E2M1 = {"exponent_bits": 2.0, "mantissa_bits": 1.0, "block": 128.0}
SUN = {"n": 69.2343, "alpha": 0.2368, "d": 68973.0621, "beta": 0.5162, "eps": 1.9061}
ROUNDING = {"gamma": 11334.5197, "delta": 3.1926, "nu": 2.9543}
HARM = {"harm": 0.03, "gamma_N": 0.25, "gamma_D": 0.1, "gamma_G": 0.8}
OUYANG = {"alpha": 0.2261, "beta": 0.5251, "gamma": 5.4967}


# -- training in floating point -----------------------------------------------


def format_noise(exponent_bits: float, mantissa_bits: float, block: float) -> float:
    """Rounding of Sun et al. without the scales N and D: what stands beside D^beta / N^alpha."""
    gamma, delta, nu = ROUNDING.values()
    return np.log2(block) / (gamma * (exponent_bits + 0.5) ** delta * (mantissa_bits + 0.5) ** nu)


def rounded(N0: float = 1.0, D0: float = 1.0) -> Values:
    """Parameters of floating_point_training for the published coefficients."""
    n, alpha, d, beta, eps = SUN.values()
    plain = centred(eps, n, d, alpha, beta, N0, D0)
    harm = format_noise(2, 1, 128) * D0**beta / N0**alpha
    own = {"delta": ROUNDING["delta"], "nu_mantissa": ROUNDING["nu"]}
    return plain | {"rounding": harm / plain["level"]} | own


def loss_of_sun(_: Law) -> np.ndarray:
    n, alpha, d, beta, eps = SUN.values()
    return n / N**alpha + d / D**beta + eps + D**beta / N**alpha * format_noise(**FORMAT)


def formats() -> pd.DataFrame:
    """Formats have whole bits."""
    return spread(FLOATING_POINT_TRAINING).round({"exponent_bits": 0, "mantissa_bits": 0})


FLOATING_POINT_TRAINING = Case(
    "floating_point_training",
    truth={
        "level": 2.8,
        "reducible": 0.35,
        "share_N": 0.65,
        "alpha": 0.25,
        "beta": 0.5,
        "rounding": 0.015,
        "delta": 3.0,
        "nu_mantissa": 2.8,
    },
    slopes={"N": "alpha", "D": "beta"},
    domain={
        "N": (2e7, 2e9),
        "D": (1e9, 1e11),
        "exponent_bits": (1, 5),
        "mantissa_bits": (1, 5),
        "block": (8, 512),
    },
    design=formats,
    decreasing=("N", "exponent_bits", "mantissa_bits"),
    increasing=("block",),
    published=(
        Check(
            "the published form",
            lambda law: mean(law, rounded(), N=N, D=D, **FORMAT),
            loss_of_sun,
        ),
        Check(
            "the published form at other references",
            lambda law: mean(law, rounded(3e8, 4e10), N=N / 3e8, D=D / 4e10, **FORMAT),
            loss_of_sun,
        ),
        Check(
            "coefficients come back from parameters",
            lambda law: [
                derived(law, rounded(3e8, 4e10), **REFERENCES)[k]
                for k in ("n", "d", "eps", "gamma")
            ],
            lambda _: [*(SUN[k] for k in ("n", "d", "eps")), ROUNDING["gamma"]],
        ),
        Check(
            "the critical data size in terms of the published coefficients",
            lambda law: derived(law, rounded(3e8, 4e10), **REFERENCES)["D_crit"],
            lambda _: (
                (SUN["d"] * 3e8 ** SUN["alpha"] / format_noise(2, 1, 128))
                ** (1 / (2 * SUN["beta"]))
            ),
        ),
        Check(
            "there the loss is least",
            lambda law: (
                mean(law, rounded(), N=3e8, D=critical(law) * np.array([0.99, 1.01]), **E2M1)
                > mean(law, rounded(), N=3e8, D=critical(law), **E2M1)
            ),
            lambda _: [1, 1],
        ),
        Check(
            "chinchilla where each number has a scale of its own",
            lambda law: mean(law, rounded(), N=N, D=D, **FORMAT | {"block": 1.0}),
            lambda _: mean(
                find_law("chinchilla"),
                without(rounded(), "rounding", "delta", "nu_mantissa"),
                N=N,
                D=D,
            ),
        ),
    ),
    source="Sun et al. 2025, the coefficients n, alpha, d, beta, eps, gamma, delta and nu",
)


def critical(law: Law) -> float:
    return derived(law, rounded(3e8, 4e10), **REFERENCES)["D_crit"]


# -- quantisation-aware training ----------------------------------------------

QAT = centred(**EPOCH, N0=3e8, D0=4e10) | HARM


def pairs() -> pd.DataFrame:
    """Each run in full precision has a quantised one beside it."""
    half = spread(QUANTISATION_AWARE)[::2]
    return pd.concat([half.assign(quantised=q) for q in (0.0, 1.0)], ignore_index=True)


def harm_of(law: Law, values: Values, **inputs: np.ndarray | float) -> np.ndarray:
    """Loss of a quantised run less that of the one in full precision."""
    return mean(law, values, quantised=1.0, **inputs) - mean(law, values, quantised=0.0, **inputs)


def published_harm(law: Law) -> np.ndarray:
    k = derived(law, QAT, **REFERENCES)["k"]
    scale = D ** HARM["gamma_D"] / N ** HARM["gamma_N"]
    return k * scale * np.log2(FORMAT["block"]) ** HARM["gamma_G"]


QUANTISATION_AWARE = Case(
    "quantisation_aware",
    truth=CHINCHILLA_TRUTH | HARM,
    slopes={"N": "alpha", "D": "beta"},
    domain={"N": (5e7, 5e9), "D": (1e9, 1e11), "group": (8, 512), "quantised": (0, 1)},
    design=pairs,
    decreasing=("N",),
    increasing=("quantised",),
    published=(
        Check(
            "chinchilla for runs in full precision",
            lambda law: mean(law, QAT, N=N, D=D, group=FORMAT["block"], quantised=0.0),
            lambda _: mean(find_law("chinchilla"), without(QAT, *HARM), N=N, D=D),
        ),
        Check(
            "chinchilla for groups of one number",
            lambda law: mean(law, QAT, N=N, D=D, group=1.0, quantised=1.0),
            lambda _: mean(find_law("chinchilla"), without(QAT, *HARM), N=N, D=D),
        ),
        Check(
            "coefficients of chinchilla come back from parameters",
            lambda law: [derived(law, QAT, **REFERENCES)[k] for k in "EAB"],
            lambda _: [EPOCH[k] for k in "EAB"],
        ),
        Check(
            "the harm is k D^gamma_D (log2 G)^gamma_G / N^gamma_N with the derived k",
            lambda law: harm_of(law, QAT, N=N / 3e8, D=D / 4e10, group=FORMAT["block"]),
            published_harm,
        ),
        Check(
            "the harm at the reference is a part of the level, in groups of 128",
            lambda law: harm_of(law, QAT, N=1.0, D=1.0, group=128.0),
            lambda _: QAT["harm"] * QAT["level"],
        ),
    ),
    source="Chen et al. 2025, the form of the harm: identities, and nesting of chinchilla",
)

# -- quantisation after training ----------------------------------------------

PTQ_TRUTH = {"level": 0.1, "alpha": 0.25, "beta": 0.5, "gamma": 5.0, "drift": 0.6}
PTQ_DOMAIN = {"N": (1e8, 1e10), "D": (1e9, 3e11), "bits": (2.0, 4.0)}
PTQ = {"level": 0.017, **OUYANG}
BITS = np.array([2.0, 3.0, 4.0, 3.0])


def whole_bits() -> pd.DataFrame:
    return spread(POST_TRAINING_QUANTISATION).round({"bits": 0})


def gap_of_ouyang(_: Law) -> np.ndarray:
    alpha, beta, gamma = OUYANG.values()
    return 0.017 * D**beta / (N**alpha * BITS**gamma)


def moved_references() -> Values:
    """The published law at references other than one."""
    alpha, beta, gamma = OUYANG.values()
    return PTQ | {"level": 0.017 * 4e10**beta / (3e8**alpha * 3.0**gamma)}


def slope_in_D(law: Law, bits: np.ndarray) -> np.ndarray:
    values = PTQ | {"drift": 0.7}
    at = [np.log(mean(law, values, N=2.0, D=d, bits=bits)) for d in (1.0, np.e)]
    return at[1] - at[0]


PTQ_CHECKS = (
    Check(
        "the published coefficients",
        lambda law: mean(law, law_values(law, PTQ), N=N, D=D, bits=BITS),
        gap_of_ouyang,
    ),
    Check(
        "the published coefficients at other references",
        lambda law: mean(
            law, law_values(law, moved_references()), N=N / 3e8, D=D / 4e10, bits=BITS / 3
        ),
        gap_of_ouyang,
    ),
    Check(
        "the coefficient comes back from parameters",
        lambda law: derived(law, law_values(law, moved_references()), **REFERENCES, bits=3.0)["k"],
        lambda _: 0.017,
    ),
)


def law_values(law: Law, values: Values) -> Values:
    """The published law has no drift, which may be fixed."""
    return values | {"drift": 0.0} if "drift" in law.parameters else values


POST_TRAINING_QUANTISATION = Case(
    "post_training_quantisation",
    truth=PTQ_TRUTH,
    domain=PTQ_DOMAIN,
    design=whole_bits,
    decreasing=("N",),
    increasing=("D",),
    published=(
        *PTQ_CHECKS,
        Check(
            "the exponent of D is a power of the bits",
            lambda law: slope_in_D(law, BITS / 3),
            lambda _: OUYANG["beta"] * (BITS / 3) ** 0.7,
        ),
    ),
    source="Ouyang et al. 2024, the pooled fit: coefficient and exponents of N, D and bits",
)

POOLED = Case(
    "post_training_quantisation:pooled",
    truth=without(PTQ_TRUTH, "drift"),
    domain=PTQ_DOMAIN,
    design=whole_bits,
    decreasing=("N", "bits"),
    increasing=("D",),
    published=PTQ_CHECKS,
    source="Ouyang et al. 2024, the pooled fit: coefficient and exponents of N, D and bits",
)

# -- precision of training ----------------------------------------------------

NEED = 0.4
PRECISION_VALUES = centred(**EPOCH, N0=3e8, D0=4e10) | {"need": NEED}
PRECISION_BITS = np.array([3.0, 16.0, 8.0, 4.0])


def effective_form(found: Values) -> np.ndarray:
    effective = N * (1 - np.exp(-PRECISION_BITS / found["gamma"]))
    return found["E"] + found["A"] * effective ** -EPOCH["alpha"] + found["B"] * D ** -EPOCH["beta"]


PRECISION = Case(
    "precision",
    truth=CHINCHILLA_TRUTH | {"need": 0.45},
    slopes={"N": "alpha", "D": "beta"},
    domain={"N": (3e7, 3e9), "D": (1e9, 1e11), "bits": (3, 16)},
    decreasing=("N", "D", "bits"),
    published=(
        Check(
            "the published form with the derived coefficients, at references other than one",
            lambda law: mean(law, PRECISION_VALUES, N=N / 3e8, D=D / 4e10, bits=PRECISION_BITS / 8),
            lambda law: effective_form(derived(law, PRECISION_VALUES, **REFERENCES, bits=8.0)),
        ),
        Check(
            "with endless bits it is chinchilla with that A",
            lambda law: mean(law, PRECISION_VALUES, N=N / 3e8, D=D / 4e10, bits=HUGE),
            lambda law: full_precision(derived(law, PRECISION_VALUES, **REFERENCES)),
        ),
        Check(
            "at the reference bits it is chinchilla",
            lambda law: mean(law, PRECISION_VALUES, N=N / 3e8, D=D / 4e10, bits=1.0),
            lambda _: mean(
                find_law("chinchilla"), without(PRECISION_VALUES, "need"), N=N / 3e8, D=D / 4e10
            ),
        ),
        Check(
            "where bits are far too few, twice the bits are twice the parameters",
            lambda law: mean(law, PRECISION_VALUES | {"need": 1e9}, N=N, D=D, bits=2.0),
            lambda law: mean(law, PRECISION_VALUES | {"need": 1e9}, N=2 * N, D=D, bits=1.0),
            rtol=1e-8,
        ),
    ),
    source="Kumar et al. 2024, the form: limits and nesting of chinchilla",
)


def full_precision(found: Values) -> np.ndarray:
    values = centred(found["E"], found["A"], found["B"], EPOCH["alpha"], EPOCH["beta"])
    return mean(find_law("chinchilla"), values, N=N, D=D)


ROWS = (
    FLOATING_POINT_TRAINING,
    QUANTISATION_AWARE,
    POST_TRAINING_QUANTISATION,
    POOLED,
    PRECISION,
)
