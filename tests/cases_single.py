"""Rows of laws in one scale: between plateaux, shifted, of either sign, by theory."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pandas as pd
from casekit import HUGE, Case, Check, Values, derived, mean, without

from bayes_scaling import find_law
from bayes_scaling.law import Law

X = np.array([2e4, 6e5, 1.3e7, 4e8])
X0 = 3e6
TINY = 1e-200

M3_VALUES = {"level": 0.3, "saturation": 0.05, "c": 0.4}
M4_VALUES = {"level": 0.35, "reducible": 0.8, "headroom": 1.2, "alpha": 0.7, "c": 0.5}
SHIFTED = {"level": 0.4, "reducible": 0.7, "offset": 0.2, "c": 0.3}
SIGNED = {"level": -0.4, "amplitude": 0.9, "alpha": 0.35}
REGIMES = {"level": 2.7, "reducible": 0.6}
PATCHES = {"level": 0.25, "reducible": 0.4, "alpha": 0.35}


def one_input(values: Values, exponent: float) -> Values:
    """Parameters of power_law with the same level and reducible share."""
    return {"level": values["level"], "reducible": values["reducible"], "alpha": exponent}


def m3_published(law: Law) -> np.ndarray:
    found = derived(law, M3_VALUES, X=X0)
    return found["b"] * (1 / X + found["gamma"]) ** M3_VALUES["c"]


M3 = Case(
    "m3",
    truth={"level": 0.2, "saturation": 0.03, "c": 0.45},
    slopes={"X": "c"},
    domain={"X": (1e4, 1e10)},
    decreasing=("X",),
    published=(
        Check(
            "b (1/X + gamma)^c with the derived numbers, at a reference other than one",
            lambda law: mean(law, M3_VALUES, X=X / X0),
            m3_published,
        ),
        Check(
            "an endless scale leaves the limit, which is b gamma^c",
            lambda law: [mean(law, M3_VALUES, X=HUGE), derived(law, M3_VALUES, X=X0)["limit"]],
            lambda law: (
                [derived(law, M3_VALUES)["b"] * derived(law, M3_VALUES)["gamma"] ** 0.4] * 2
            ),
        ),
        Check(
            "without saturation it is M1",
            lambda law: mean(law, M3_VALUES | {"saturation": TINY}, X=X / X0),
            lambda _: mean(find_law("power_law:no_floor"), {"level": 0.3, "alpha": 0.4}, X=X / X0),
        ),
        Check(
            "at c = 1 it is M2 at c = 1",
            lambda law: mean(law, M3_VALUES | {"c": 1.0}, X=X / X0),
            lambda _: mean(
                find_law("power_law"),
                {"level": 0.3, "reducible": 1 / 1.05, "alpha": 1.0},
                X=X / X0,
            ),
        ),
    ),
    source="Alabdulmohsin et al. 2022, M3: its form, a limit, and nesting",
)


def m4_implicit(law: Law) -> np.ndarray:
    """Left side of M4 over its right side."""
    found = derived(law, M4_VALUES, X=X0)
    y = mean(law, M4_VALUES, X=X / X0)
    left = (y - found["e_inf"]) / (found["e_0"] - y) ** M4_VALUES["alpha"]
    return left / (found["b"] * X ** -M4_VALUES["c"])


def m4_logistic(_: Law) -> np.ndarray:
    """Its closed form at alpha = 1: logistic in log X."""
    level, r, h = M4_VALUES["level"], M4_VALUES["reducible"], M4_VALUES["headroom"]
    ratio = r / h * (X / X0) ** -M4_VALUES["c"]
    return level * (1 - r) + level * (r + h) * ratio / (1 + ratio)


M4 = Case(
    "m4",
    truth={"level": 0.35, "reducible": 0.75, "headroom": 1.2, "alpha": 0.8, "c": 0.6},
    slopes={"X": "c"},
    domain={"X": (1e3, 1e10)},
    decreasing=("X",),
    published=(
        Check(
            "the implicit equation with the derived numbers, at a reference other than one",
            m4_implicit,
            lambda _: np.ones(X.size),
        ),
        Check(
            "alpha = 1 in closed form",
            lambda law: mean(law, M4_VALUES | {"alpha": 1.0}, X=X / X0),
            m4_logistic,
        ),
        Check(
            "alpha = 0 is M2, as long as that is below e_0",
            lambda law: mean(law, M4_VALUES | {"alpha": 1e-9}, X=X[1:] / X0),
            lambda _: mean(find_law("power_law"), one_input(M4_VALUES, 0.5), X=X[1:] / X0),
            rtol=1e-7,
        ),
        Check(
            "the plateaux are e_0 and e_inf",
            lambda law: mean(law, M4_VALUES, X=np.array([TINY, HUGE])),
            lambda law: [derived(law, M4_VALUES)[k] for k in ("e_0", "e_inf")],
        ),
    ),
    source="Alabdulmohsin et al. 2022, M4: its form, limits, and nesting",
)


def from_zero() -> pd.DataFrame:
    """Runs from nothing on."""
    return pd.DataFrame({"X": np.concatenate([np.zeros(8), np.geomspace(1e2, 1e9, 88)])})


def shifted_published(law: Law) -> np.ndarray:
    found = derived(law, SHIFTED, X=X0)
    at = np.array([0.0, *X])
    return found["a"] * (at + found["b"]) ** -SHIFTED["c"] + found["d"]


SHIFTED_POWER = Case(
    "shifted_power",
    truth={"level": 0.3, "reducible": 0.6, "offset": 0.02, "c": 0.4},
    slopes={"X": "c"},
    domain={"X": (0.0, 1e9)},
    design=from_zero,
    decreasing=("X",),
    published=(
        Check(
            "a (X + b)^-c + d with the derived numbers, from zero on",
            lambda law: mean(law, SHIFTED, X=np.array([0.0, *X]) / X0),
            shifted_published,
        ),
        Check(
            "without a shift it is power_law",
            lambda law: mean(law, SHIFTED | {"offset": TINY}, X=X / X0),
            lambda _: mean(find_law("power_law"), one_input(SHIFTED, 0.3), X=X / X0),
        ),
        Check(
            "an endless scale leaves d",
            lambda law: mean(law, SHIFTED, X=HUGE),
            lambda law: derived(law, SHIFTED, X=X0)["d"],
        ),
    ),
    source="Nezhurina et al. 2025 and Bachmann et al. 2023: the form, a limit, and nesting",
)

SHIFTED_NO_FLOOR = Case(
    "shifted_power:no_floor",
    truth={"level": 0.3, "offset": 0.02, "c": 0.25},
    slopes={"X": "c"},
    domain={"X": (0.0, 1e9)},
    design=from_zero,
    decreasing=("X",),
    published=(
        Check(
            "shifted_power with nothing irreducible",
            lambda law: mean(law, without(SHIFTED, "reducible"), X=X / X0),
            lambda _: mean(find_law("shifted_power"), SHIFTED | {"reducible": 1.0}, X=X / X0),
        ),
        Check(
            "of 1 / X it is one over M3",
            lambda law: mean(law, without(SHIFTED, "reducible"), X=X0 / X),
            lambda _: (
                0.4**2 / mean(find_law("m3"), {"level": 0.4, "saturation": 0.2, "c": 0.3}, X=X / X0)
            ),
        ),
    ),
    source="Nezhurina et al. 2025, without d: nesting",
)


def signed_published(law: Law) -> np.ndarray:
    found = derived(law, SIGNED, X=X0)
    return found["E"] + found["A"] * X ** -SIGNED["alpha"]


SIGNED_POWER_LAW = Case(
    "signed_power_law",
    truth={"level": -0.2, "amplitude": 0.8, "alpha": 0.3},
    domain={"X": (1e3, 1e10)},
    decreasing=("X",),
    published=(
        Check(
            "E + A X^-alpha with the derived numbers, at a reference other than one",
            lambda law: mean(law, SIGNED, X=X / X0),
            signed_published,
        ),
        Check(
            "power_law where losses are positive",
            lambda law: mean(law, {"level": 3.0, "amplitude": 1.2, "alpha": 0.3}, X=X / X0),
            lambda _: mean(
                find_law("power_law"),
                {"level": 3.0, "reducible": 0.4, "alpha": 0.3},
                X=X / X0,
            ),
        ),
        Check(
            "an endless scale leaves a negative loss",
            lambda law: mean(law, SIGNED, X=HUGE),
            lambda _: -1.3,
        ),
    ),
    source="Yao et al. 2024, the form in one scale with a floor: limits, and nesting",
)


def quantile(regime: str, at: float) -> float:
    """Value of `regime` at which the exponent is at a quantile of its prior there."""
    return NormalDist().inv_cdf(0.5 * at + 0.5 * (regime == "variance"))


def regime_loss(law: Law, regime: float, d: np.ndarray) -> np.ndarray:
    return mean(law, REGIMES | {"regime": regime}, X=X / X0, d=d)


def powers_of(exponents: np.ndarray) -> np.ndarray:
    values = {"level": REGIMES["level"], "reducible": REGIMES["reducible"]}
    return mean(find_law("power_law"), values | {"alpha": exponents}, X=X / X0)


def least_growth(law: Law) -> float:
    """Smallest growth of the exponent along `regime`, at many d; X below the reference."""
    z = np.linspace(-3, 3, 601)[:, None]
    d = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 7.0, 12.0, 40.0, 200.0])
    loss = mean(law, REGIMES | {"regime": z}, X=0.1, d=d)
    return float(np.diff(loss, axis=0).min())


D = np.array([9.0, 12.0, 20.0, 40.0])
BAND = float(NormalDist().cdf(1.0))

FOUR_REGIMES = Case(
    "four_regimes",
    truth={"level": 2.4, "reducible": 0.5, "regime": -0.8},
    domain={"X": (1e3, 1e8), "d": (8.0, 40.0)},
    decreasing=("X",),
    published=(
        Check(
            "resolution-limited: the median exponent is 4 / d",
            lambda law: regime_loss(law, quantile("resolution", 0.5), D),
            lambda _: powers_of(4 / D),
            rtol=1e-3,
        ),
        Check(
            "resolution-limited: the exponent one sd below the median",
            lambda law: regime_loss(law, quantile("resolution", 1 - BAND), D),
            lambda _: powers_of(4 / D * np.exp(-0.4)),
            rtol=1e-3,
        ),
        Check(
            "variance-limited: the median exponent is 1 at every d",
            lambda law: regime_loss(
                law, quantile("variance", 0.5), np.array([2.0, 4.0, 9.0, 40.0])
            ),
            lambda _: powers_of(np.ones(4)),
            rtol=1e-3,
        ),
        Check(
            "variance-limited: the exponent one sd above the median",
            lambda law: regime_loss(law, quantile("variance", BAND), D),
            lambda _: powers_of(np.full(4, np.exp(0.05))),
            rtol=1e-3,
        ),
        Check(
            "the weight of the variance-limited regime",
            lambda law: [
                derived(law, REGIMES | {"regime": z})["P_variance_limited"]
                for z in (quantile("resolution", 0.5), 0.0, quantile("variance", 0.5))
            ],
            lambda _: [1 / (1 + np.exp(20 * 0.6744897501960817)), 0.5, 1.0],
            rtol=1e-5,
        ),
        Check(
            "the exponent grows with regime at every d",
            lambda law: float(least_growth(law) > 0),
            lambda _: 1.0,
        ),
    ),
    source="Bahri et al. 2021, exponents 1 and 4 / d: nesting in power_law",
)


def ladders() -> pd.DataFrame:
    """Six patches at each of four resolutions, four runs of each."""
    sides = np.array([64.0, 128.0, 224.0, 448.0])
    mesh = np.meshgrid(sides, 2.0 ** np.arange(6), np.arange(4), indexing="ij")
    return pd.DataFrame({"resolution": mesh[0].ravel(), "patch": mesh[1].ravel()})


def at_224(law: Law) -> float:
    found = derived(law, PATCHES, resolution=224, patch=16)
    return found["E"] + found["a"] * 50176 ** -PATCHES["alpha"]


SIDES = np.array([64.0, 128.0, 224.0])

PATCHIFICATION = Case(
    "patchification",
    truth={"level": 0.3, "reducible": 0.5, "alpha": 0.3},
    slopes={"resolution": "alpha"},
    domain={"resolution": (64.0, 448.0), "patch": (1.0, 32.0)},
    design=ladders,
    decreasing=("resolution",),
    increasing=("patch",),
    published=(
        Check(
            "50,176 tokens: patches of one pixel, 224 pixels a side",
            lambda law: mean(law, PATCHES, resolution=1.0, patch=1 / 16),
            at_224,
        ),
        Check(
            "power_law in the number of patches",
            lambda law: mean(law, PATCHES, resolution=SIDES / 128, patch=4 / 8),
            lambda _: mean(find_law("power_law"), PATCHES, X=(SIDES / 4) ** 2 / (128 / 8) ** 2),
        ),
        Check(
            "only the number of patches counts",
            lambda law: mean(law, PATCHES, resolution=SIDES, patch=3.0),
            lambda law: mean(law, PATCHES, resolution=2 * SIDES, patch=6.0),
        ),
    ),
    source="Wang et al. 2025: the number of tokens, and nesting in power_law",
)

ROWS = (
    M3,
    M4,
    SHIFTED_POWER,
    SHIFTED_NO_FLOOR,
    SIGNED_POWER_LAW,
    FOUR_REGIMES,
    PATCHIFICATION,
)
