"""Rows of laws of the best learning rate and batch size, and of what a batch costs."""

from __future__ import annotations

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from casekit import HUGE, Case, Check, Values, derived, mean, without
from scipy.optimize import minimize

from bayes_scaling import find_law
from bayes_scaling.law import Law

CENTRE = {"N": 1e9, "D": 3e10, "lr": 1e-3, "B": 5e5}  # of the simulated sweeps
TUNED = np.nan
TIGHT = {"overshoot": 1e-4, "small_batch": 1e-4}  # walls so gentle that only the square is left
BATCHES = np.array([1e-3, 0.1, 1.0, 7.0, 1e3])


def sweep(truth: Mapping[str, float], *settings: str) -> pd.DataFrame:
    """Four sizes by four amounts of data, six settings in each around its own best ones.

    Together the 96 settings are even over a decade to either side.
    """
    n, d = (np.log(10.0) * np.linspace(-1.0, 1.0, 4) for _ in range(2))
    n, d = (np.repeat(x.ravel(), 6) for x in np.meshgrid(n, d, indexing="ij"))
    table = {"N": CENTRE["N"] * np.exp(n), "D": CENTRE["D"] * np.exp(d)}
    golden = 1.32471795724475 ** -np.arange(1.0, 3.0)
    even = (0.5 + np.arange(1, n.size + 1)[:, None] * golden) % 1.0 - 0.5
    for j, setting in enumerate(settings):
        best = {"lr": "rate", "B": "batch"}[setting]
        moved = sum(truth.get(f"{best}_{x}", 0.0) * at for x, at in (("N", n), ("D", d)))
        table[setting] = CENTRE[setting] * np.exp(moved + 4.6 * even[:, j])
    return pd.DataFrame(table)


def lowest(law: Law, values: Values, free: tuple[str, ...], **inputs: float) -> np.ndarray:
    """Settings at which the loss is least, found by search."""
    start = np.zeros(len(free))

    def loss(logs: jax.Array) -> jax.Array:
        moved = dict(zip(free, jnp.exp(logs), strict=True))
        return jnp.log(law.mean(inputs | moved, values))

    found = minimize(
        jax.value_and_grad(loss), start, jac=True, method="BFGS", options={"gtol": 1e-11}
    )
    return np.exp(found.x)


def curvature(law: Law, values: Values, **inputs: float) -> np.ndarray:
    """Second derivatives of the log loss in the logs of lr and B, at the best ones."""
    best = np.log(lowest(law, values, ("lr", "B"), **inputs))

    def log_loss(logs: jax.Array) -> jax.Array:
        return jnp.log(law.mean(inputs | {"lr": jnp.exp(logs[0]), "B": jnp.exp(logs[1])}, values))

    return np.asarray(jax.hessian(log_loss)(jnp.asarray(best)))


def cholesky_form(values: Values) -> np.ndarray:
    """The same from the costs of a factor of two and the coupling."""
    rate, batch = (2 * values[k] / np.log(2) ** 2 for k in ("rate_cost", "batch_cost"))
    k = values["coupling"]
    return np.array([[rate, -k * rate], [-k * rate, k**2 * rate + batch]])


# -- valley -------------------------------------------------------------------

SURFACE = {"level": 2.6, "reducible": 0.5, "share_N": 0.45, "alpha": 0.34, "beta": 0.3}
RATE = {"rate": 1.1, "rate_N": -0.45, "rate_D": 0.1}
VALLEY_TRUTH = (
    SURFACE
    | RATE
    | {"coupling_ND": 0.7, "batch": 0.9, "batch_N": 0.05, "batch_D": 0.45, "coupling": 0.55}
    | {"rate_cost": 0.006, "batch_cost": 0.004, "cost_N": -0.08, "cost_D": -0.05}
    | {"turn": 0.35, "overshoot": 0.9, "small_batch": 0.6, "unrest": 0.08}
)
AT = {"N": 2e8, "D": 5e9, "lr": 2e-3, "B": 3e5}  # references of the checks
LARGE = {"N": 1e9 / AT["N"], "D": 1e11 / AT["D"]}


def step_law() -> Values:
    """Parameters of valley:step_law for the published optimum, at the references of the checks."""
    rate = 1.79 * AT["N"] ** -0.713 * AT["D"] ** 0.307 / AT["lr"]
    batch = 0.58 * AT["D"] ** 0.571 / AT["B"]
    kept = without(VALLEY_TRUTH, "batch_N")
    rates = {"rate": rate, "rate_N": -0.713, "rate_D": 0.307}
    return kept | rates | {"batch": batch, "batch_D": 0.571}


def in_compute(names: tuple[str, ...], truth: Values) -> Values:
    """Parameters of a variant `compute` for DeepSeek's optima, at the references of the checks."""
    compute = 6 * AT["N"] * AT["D"]
    found = {"rate": 0.3118 * compute**-0.125 / AT["lr"], "rate_N": -0.125}
    found |= {"batch": 0.292 * compute**0.3271 / AT["B"], "batch_N": 0.3271}
    return without(truth, *(f"{k}_D" for k in names)) | {
        k: v for k, v in found.items() if k.split("_")[0] in names
    }


def raw(found: np.ndarray, *names: str) -> np.ndarray:
    return found * [AT[k] for k in names]


def best_rate_ratio(law: Law, values: Values, by: float) -> float:
    """Factor on the best rate for a factor on the batch size, away from the best batch."""
    low, high = (lowest(law, values, ("lr",), N=1.0, D=1.0, B=2.0 * b)[0] for b in (1.0, by))
    return high / low


def valley_case(variant: str, published: tuple[Check, ...], source: str, **change: float) -> Case:
    law = find_law(f"valley:{variant}" if variant else "valley")
    full = VALLEY_TRUTH | change
    truth = {k: v for k, v in full.items() if k in law.parameters}
    return Case(
        law.name,
        truth=truth,
        slopes={"N": "alpha", "D": "beta"},
        domain={"N": (1e8, 1e10), "D": (3e9, 3e11), "lr": (1e-5, 1e-1), "B": (1e4, 3e7)},
        design=lambda: sweep(full, "lr", "B"),
        published=published,
        source=source,
    )


SKALING = {k: VALLEY_TRUTH[k] for k in SURFACE} | {"coupling": VALLEY_TRUTH["coupling_ND"]}

VALLEY = valley_case(
    "",
    (
        Check(
            "skaling at the best settings",
            lambda law: mean(law, VALLEY_TRUTH, N=BATCHES, D=3.0, lr=TUNED, B=TUNED),
            lambda _: mean(find_law("skaling"), SKALING, N=BATCHES, D=3.0),
        ),
        Check(
            "the same is the least loss over all settings, which lies at the derived ones",
            lambda law: lowest(law, VALLEY_TRUTH, ("lr", "B"), N=1.0, D=1.0),
            lambda law: [derived(law, VALLEY_TRUTH)[k] for k in ("best_rate", "best_batch")],
            rtol=1e-6,
        ),
        Check(
            "curvature in rate and batch size, from the costs and the coupling",
            lambda law: curvature(law, VALLEY_TRUTH, N=1.0, D=1.0),
            lambda _: cholesky_form(VALLEY_TRUTH),
            rtol=1e-6,
        ),
        Check(
            "half and twice the best rate cost the stated share where walls are gentle",
            lambda law: np.log(
                mean(law, VALLEY_TRUTH | TIGHT, N=1.0, D=1.0, B=TUNED, lr=1.1 * np.array([0.5, 2]))
                / VALLEY_TRUTH["level"]
            ),
            lambda _: [VALLEY_TRUTH["rate_cost"]] * 2,
            rtol=1e-3,
        ),
        Check(
            "so does the batch size with the rate that is best for it",
            lambda law: np.log(
                mean(law, VALLEY_TRUTH | TIGHT, N=1.0, D=1.0, lr=TUNED, B=0.9 * np.array([0.5, 2]))
                / VALLEY_TRUTH["level"]
            ),
            lambda _: [VALLEY_TRUTH["batch_cost"]] * 2,
            rtol=1e-3,
        ),
    ),
    "a form of this project around the optima of Li et al. 2025: limits and identities",
)

STEP_LAW = valley_case(
    "step_law",
    (
        Check(
            "published coefficients 1.79 and .58",
            lambda law: [
                derived(law, step_law(), **AT)[f"{k}_coefficient"] for k in ("rate", "batch")
            ],
            lambda _: [1.79, 0.58],
        ),
        Check(
            "the least loss of 1B parameters and 100B tokens lies at the published optimum",
            lambda law: raw(lowest(law, step_law(), ("lr", "B"), **LARGE), "lr", "B"),
            lambda _: [1.79 * 1e9**-0.713 * 1e11**0.307, 0.58 * 1e11**0.571],
            rtol=1e-6,
        ),
    ),
    "Li et al. 2025 (Step Law), best rate 1.79 N^-.713 D^.307 and batch .58 D^.571",
)

SQUARE_ROOT = valley_case(
    "square_root",
    (
        Check(
            "four times the batch takes twice the rate",
            lambda law: best_rate_ratio(law, without(VALLEY_TRUTH | TIGHT, "coupling"), 4.0),
            lambda _: 2.0,
            rtol=1e-4,
        ),
    ),
    "Malladi et al. 2022: Adam's rate grows with the root of the batch size",
)

LINEAR = valley_case(
    "linear",
    (
        Check(
            "four times the batch takes four times the rate",
            lambda law: best_rate_ratio(law, without(VALLEY_TRUTH | TIGHT, "coupling"), 4.0),
            lambda _: 4.0,
            rtol=1e-4,
        ),
    ),
    "Granziol et al. 2020: the rate of SGD grows with the batch size",
)

COMPUTE = valley_case(
    "compute",
    (
        Check(
            "the least loss of 1B parameters and 100B tokens lies at the published optimum",
            lambda law: raw(
                lowest(law, in_compute(("rate", "batch"), VALLEY_TRUTH), ("lr", "B"), **LARGE),
                "lr",
                "B",
            ),
            lambda _: [0.3118 * 6e20**-0.125, 0.292 * 6e20**0.3271],
            rtol=1e-6,
        ),
    ),
    "DeepSeek-AI 2024, best rate .3118 C^-.125 and batch .292 C^.3271 with C = 6 N D",
    rate_N=-0.125,
    rate_D=-0.125,
    batch_N=0.3271,
    batch_D=0.3271,
)

TRANSFER = valley_case(
    "transfer",
    (
        Check(
            "the best rate of a model a thousand times larger is the same",
            lambda law: (
                lowest(law, without(VALLEY_TRUTH, "rate_N"), ("lr", "B"), N=1e3, D=2.0)[0]
                / lowest(law, without(VALLEY_TRUTH, "rate_N"), ("lr", "B"), N=1.0, D=2.0)[0]
            ),
            lambda _: 1.0,
            rtol=1e-6,
        ),
    ),
    "Yang et al. 2022: rates transfer between sizes",
    rate_N=0.0,
)

# -- rate_valley --------------------------------------------------------------

RATE_TRUTH = SURFACE | RATE | {"rate_cost": 0.006, "overshoot": 0.9, "unrest": 0.08}


BJORCK = RATE_TRUTH | {"rate_N": -0.23, "rate_D": -0.32}


def tenfold(law: Law, values: Values, name: str) -> float:
    """Factor on the best rate for ten times an input."""
    points = ({"N": 1.0, "D": 1.0} | {name: x} for x in (1.0, 10.0))
    low, high = (lowest(law, values, ("lr",), **at)[0] for at in points)
    return high / low


def rate_case(variant: str, published: tuple[Check, ...], source: str, **change: float) -> Case:
    law = find_law(f"rate_valley:{variant}" if variant else "rate_valley")
    full = RATE_TRUTH | change
    return Case(
        law.name,
        truth={k: v for k, v in full.items() if k in law.parameters},
        slopes={"N": "alpha", "D": "beta"},
        domain={"N": (1e8, 1e10), "D": (3e9, 3e11), "lr": (1e-5, 1e-1)},
        design=lambda: sweep(full, "lr"),
        published=published,
        source=source,
    )


RATE_VALLEY = rate_case(
    "",
    (
        Check(
            "ten times the parameters, or the tokens, move the best rate by published powers",
            lambda law: [tenfold(law, BJORCK, k) for k in ("N", "D")],
            lambda _: [10**-0.23, 10**-0.32],
            rtol=1e-6,
        ),
        Check(
            "the derived coefficient gives the best rate, at a reference other than one",
            lambda law: derived(law, BJORCK, **AT)["rate_coefficient"] * 1e9**-0.23 * 1e11**-0.32,
            lambda law: raw(lowest(law, BJORCK, ("lr",), **LARGE), "lr")[0],
            rtol=1e-6,
        ),
        Check(
            "chinchilla at the best rate",
            lambda law: mean(law, RATE_TRUTH, N=BATCHES, D=3.0, lr=TUNED),
            lambda _: mean(find_law("chinchilla"), SURFACE, N=BATCHES, D=3.0),
        ),
        Check(
            "half and twice the best rate cost the stated share where the wall is gentle",
            lambda law: np.log(
                mean(law, RATE_TRUTH | {"overshoot": 1e-4}, N=1.0, D=1.0, lr=[0.55, 2.2])
                / RATE_TRUTH["level"]
            ),
            lambda _: [RATE_TRUTH["rate_cost"]] * 2,
            rtol=1e-3,
        ),
    ),
    "Bjorck et al. 2024, exponents -.23 and -.32 of the best rate; limits and identities",
)

RATE_COMPUTE = rate_case(
    "compute",
    (
        Check(
            "the least loss of 1B parameters and 100B tokens lies at the published rate",
            lambda law: raw(lowest(law, in_compute(("rate",), RATE_TRUTH), ("lr",), **LARGE), "lr"),
            lambda _: 0.3118 * 6e20**-0.125,
            rtol=1e-6,
        ),
    ),
    "DeepSeek-AI 2024, best rate .3118 C^-.125 with C = 6 N D",
    rate_N=-0.125,
    rate_D=-0.125,
)

RATE_TRANSFER = rate_case(
    "transfer",
    (
        Check(
            "the best rate of a model a thousand times larger is the same",
            lambda law: lowest(law, without(RATE_TRUTH, "rate_N"), ("lr",), N=1e3, D=1.0),
            lambda law: derived(law, without(RATE_TRUTH, "rate_N") | {"rate_N": 0.0})["best_rate"],
            rtol=1e-6,
        ),
    ),
    "Yang et al. 2022: rates transfer between sizes",
    rate_N=0.0,
)

# -- critical_rate ------------------------------------------------------------

CRITICAL_TRUTH = RATE_TRUTH | {"critical": 2.0, "noise_scale": 1.2, "power": 0.7}


def best_at_batches(law: Law, values: Values) -> np.ndarray:
    """Best rates in raw units, at the references of the checks but for the batch size."""
    found = [lowest(law, values, ("lr",), N=1.0, D=1.0, B=float(b))[0] for b in BATCHES]
    return np.array(found) * AT["lr"]


def levelling(law: Law, values: Values, power: float) -> np.ndarray:
    """Published form: the best rate of endless batches, less what noise costs."""
    found = derived(law, values, **AT)
    return found["rate_limit"] * (1 + found["B_noise"] / (BATCHES * AT["B"])) ** -power


def useful(law: Law, values: Values, tokens: float) -> np.ndarray:
    """Loss of a plain surface at the tokens that batches do not waste."""
    waste = (1 + BATCHES / values["critical"]) / (1 + 1 / values["critical"])
    return mean(find_law("chinchilla"), SURFACE, N=2.0, D=tokens / waste)


def critical_case(variant: str, power: float, source: str) -> Case:
    law = find_law(f"critical_rate:{variant}" if variant else "critical_rate")
    full = CRITICAL_TRUTH | {"power": power}
    truth = {k: v for k, v in full.items() if k in law.parameters}
    checks = (
        Check(
            "best rates at batch sizes in the published form",
            lambda law: best_at_batches(law, truth),
            lambda law: levelling(law, truth, power),
            rtol=1e-6,
        ),
        Check(
            "chinchilla at the best rate and the tokens that are not wasted",
            lambda law: mean(law, truth, N=2.0, D=5.0, B=BATCHES, lr=TUNED),
            lambda law: useful(law, truth, 5.0),
        ),
        Check(
            "the critical batch size needs twice the tokens of endlessly small ones",
            lambda law: mean(
                law, truth, N=1.0, D=[2.0, 1.0], B=[derived(law, truth)["B_crit"], 1e-30], lr=TUNED
            )[0],
            lambda law: mean(law, truth, N=1.0, D=1.0, B=1e-30, lr=TUNED),
        ),
    )
    return Case(
        law.name,
        truth=truth,
        slopes={"N": "alpha", "D": "beta"},
        domain={"N": (1e8, 1e10), "D": (3e9, 3e11), "B": (1e4, 3e7), "lr": (1e-5, 1e-1)},
        design=lambda: sweep(full, "lr", "B"),
        published=checks,
        source=source,
    )


CRITICAL_RATE = critical_case(
    "", 0.7, "McCandlish et al. 2018 with a free exponent: limits and identities"
)
ADAM = critical_case("adam", 0.5, "Malladi et al. 2022: the root of small batches")
SGD = critical_case("sgd", 1.0, "McCandlish et al. 2018, eps_max / (1 + B_noise / B)")

# -- batch size ---------------------------------------------------------------

SPENT = {"level": 2e4, "critical": 1.5}


def hyperbola(law: Law) -> np.ndarray:
    """Left side of the published equation, in raw steps and examples."""
    found, batch = derived(law, SPENT, B=3e5), BATCHES * 3e5
    steps = mean(law, SPENT, B=BATCHES)
    return (steps / found["S_min"] - 1) * (steps * batch / found["E_min"] - 1)


STEPS_EXAMPLES = Case(
    "steps_examples",
    truth=SPENT,
    domain={"B": (1e4, 1e7)},
    decreasing=("B",),
    published=(
        Check("the hyperbola of steps and examples", hyperbola, lambda _: np.ones(5)),
        Check(
            "endless batches take the fewest steps",
            lambda law: mean(law, SPENT, B=HUGE),
            lambda law: derived(law, SPENT)["S_min"],
        ),
        Check(
            "at the critical batch size both are twice the fewest",
            lambda law: (
                mean(law, SPENT, B=SPENT["critical"])
                * np.array([1.0, SPENT["critical"]])
                / [derived(law, SPENT)[k] for k in ("S_min", "E_min")]
            ),
            lambda _: [2.0, 2.0],
        ),
    ),
    source="McCandlish et al. 2018, equation 2.11: its form and limits",
)


def openai() -> Values:
    """Published numbers, at a reference loss of 3."""
    return {"level": 2e8 * 3.0 ** (-1 / 0.21), "gamma": 0.21}


CRITICAL_BATCH = Case(
    "critical_batch",
    truth={"level": 2e6, "gamma": 0.21},
    domain={"L": (2.0, 6.0)},
    decreasing=("L",),
    published=(
        Check(
            "published B* = 2e8 comes back",
            lambda law: derived(law, openai(), L=3.0)["B_star"],
            lambda _: 2e8,
        ),
        Check(
            "the published power of the loss",
            lambda law: mean(law, openai(), L=np.array([2.0, 4.0]) / 3.0),
            lambda _: 2e8 / np.array([2.0, 4.0]) ** (1 / 0.21),
        ),
    ),
    source="Kaplan et al. 2020, equation 5.3, B* = 2e8 tokens and exponent 1 / .21",
)

ROWS = (
    VALLEY,
    STEP_LAW,
    SQUARE_ROOT,
    LINEAR,
    COMPUTE,
    TRANSFER,
    RATE_VALLEY,
    RATE_COMPUTE,
    RATE_TRANSFER,
    CRITICAL_RATE,
    ADAM,
    SGD,
    STEPS_EXAMPLES,
    CRITICAL_BATCH,
)
