"""Rows of laws of what runs cost, and of the valley of the loss at equal cost."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from casekit import Case, Check, Values, derived, mean, without
from cases_optima import lowest

from bayes_scaling import find_law
from bayes_scaling.law import Law

TINY = 1e-200

# -- training_cost ------------------------------------------------------------

AT = {"N": 3e8, "D": 5e9}  # references of the checks
COST = {"level": 4e19, "overhead": 0.15, "size": 0.93, "data": 1.02}
N = np.array([2e7, 4e8, 6e9, 1e11])
D = np.array([7e9, 1e9, 3e11, 5e8])
ATTENTION = 6 * 48 * 1024 * 1600.0  # a token of a context of 1,024, 48 layers of width 1,600


def at_raw(law: Law, values: Values, size: np.ndarray, data: np.ndarray) -> np.ndarray:
    """Cost of runs in raw units."""
    return mean(law, values, N=size / AT["N"], D=data / AT["D"])


def published_cost(law: Law, values: Values) -> np.ndarray:
    """The formula in raw units, with the derived coefficient and overhead."""
    found = derived(law, values, **AT)
    exponents = {"size": 1.0, "data": 1.0} | values
    per_token = found["coefficient"] * N ** exponents["size"] + found["token_overhead"]
    return per_token * D ** exponents["data"]


def six_flop(overhead: float) -> Values:
    """Six FLOP a parameter and token, and an overhead a token."""
    six = 6 * AT["N"]
    return {
        "level": (six + overhead) * AT["D"],
        "overhead": overhead / (six + overhead),
        "size": 1.0,
        "data": 1.0,
    }


SIX = {"level": 6 * AT["N"] * AT["D"]}

TRAINING_COST = Case(
    "training_cost",
    truth={"level": 3e19, "overhead": 0.2, "size": 0.95, "data": 1.01},
    domain={"N": (1e7, 1e11), "D": (1e9, 1e12)},
    increasing=("N", "D"),
    sigma=0.02,
    published=(
        Check(
            "(k N^p + o) D^q with the derived numbers, at references other than one",
            lambda law: at_raw(law, COST, N, D),
            lambda law: published_cost(law, COST),
        ),
        Check(
            "six FLOP a parameter, and 6 n_layer n_ctx d of attention, come back",
            lambda law: [
                derived(law, six_flop(ATTENTION), **AT)[k]
                for k in ("coefficient", "token_overhead")
            ],
            lambda _: [6.0, ATTENTION],
        ),
        Check(
            "a model of nothing costs the overhead of its tokens",
            lambda law: mean(law, COST, N=TINY, D=1.0),
            lambda _: COST["level"] * COST["overhead"],
        ),
        Check(
            "without an overhead it is variant power",
            lambda law: at_raw(law, COST | {"overhead": TINY}, N, D),
            lambda _: at_raw(find_law("training_cost:power"), without(COST, "overhead"), N, D),
        ),
    ),
    source="Kaplan et al. 2020, section 2.1 and table 1: 6 FLOP, attention; limits and nesting",
)

POWER = Case(
    "training_cost:power",
    truth={"level": 3e19, "size": 0.95, "data": 1.01},
    domain=TRAINING_COST.domain,
    increasing=("N", "D"),
    sigma=0.02,
    published=(
        Check(
            "k N^p D^q with the derived coefficient, at references other than one",
            lambda law: at_raw(law, without(COST, "overhead"), N, D),
            lambda law: published_cost(law, without(COST, "overhead")),
        ),
        Check(
            "exponents of one are variant six_nd",
            lambda law: at_raw(law, SIX | {"size": 1.0, "data": 1.0}, N, D),
            lambda _: at_raw(find_law("training_cost:six_nd"), SIX, N, D),
        ),
    ),
    source="Kaplan et al. 2020, section 2.1, with free exponents: nesting",
)

SIX_ND = Case(
    "training_cost:six_nd",
    truth={"level": 3e19},
    domain=TRAINING_COST.domain,
    increasing=("N", "D"),
    sigma=0.02,
    published=(
        Check(
            "six FLOP a parameter and token, at references other than one",
            lambda law: at_raw(law, SIX, N, D),
            lambda _: 6 * N * D,
        ),
        Check(
            "the coefficient is six",
            lambda law: derived(law, SIX, **AT)["coefficient"],
            lambda _: 6.0,
        ),
        Check(
            "no token costs without a model",
            lambda law: derived(law, SIX, **AT)["token_overhead"],
            lambda _: 0.0,
        ),
    ),
    source="Kaplan et al. 2020, section 2.1: C = 6 N D",
)

# -- isoflop ------------------------------------------------------------------

CENTRE = {"N": 3e8, "C": 1e19}  # of the simulated profiles
PROFILE = {
    "level": 2.8,
    "reducible": 0.4,
    "fall": 0.16,
    "best": 1.3,
    "exponent": 0.48,
    "cost": 0.008,
    "cost_C": 0.05,
    "skew": 0.2,
    "unrest": 0.08,
}
BUDGETS = np.array([1e-2, 0.3, 1.0, 20.0])  # over the reference
RATIOS = np.array([0.1, 0.5, 1.0, 2.0, 7.0])  # sizes over the best


def profiles(truth: Values) -> pd.DataFrame:
    """Twelve budgets over four decades, eight sizes of each within a decade of its best."""
    c = np.repeat(np.log(10.0) * np.linspace(-2.0, 2.0, 12), 8)
    # no two budgets try the same sizes: together they are even
    even = (0.5 + np.arange(1, c.size + 1) * 0.6180339887498949) % 1.0 - 0.5
    n = truth["exponent"] * c + 2 * np.log(10.0) * even
    return pd.DataFrame({"N": CENTRE["N"] * np.exp(n), "C": CENTRE["C"] * np.exp(c)})


def trough(law: Law, values: Values) -> np.ndarray:
    """Sizes of the least loss at each budget, found by search."""
    return np.array([lowest(law, values, ("N",), C=float(c))[0] for c in BUDGETS])


def rise_over_best(law: Law, values: Values, ratio: np.ndarray, c: float = 1.0) -> np.ndarray:
    """Log loss at sizes over the best, less that at the best."""
    best = values["best"] * c ** values["exponent"]
    at = mean(law, values, N=best * np.append(ratio, 1.0), C=c)
    return np.log(at[:-1] / at[-1])


def log_curvature(law: Law, values: Values) -> float:
    """Second derivative of the log loss in log N, at the best size of the reference."""

    def log_loss(log_n: jax.Array) -> jax.Array:
        return jnp.log(law.mean({"N": jnp.exp(log_n), "C": jnp.asarray(1.0)}, values))

    return float(jax.grad(jax.grad(log_loss))(jnp.log(values["best"])))


ISOFLOP = Case(
    "isoflop",
    truth=PROFILE,
    domain={"N": (3e6, 3e10), "C": (1e17, 1e21)},
    best={"N": "best"},
    design=lambda: profiles(PROFILE),
    published=(
        Check(
            "the least loss of every budget lies at the best size",
            lambda law: trough(law, PROFILE),
            lambda _: PROFILE["best"] * BUDGETS ** PROFILE["exponent"],
            rtol=1e-6,
        ),
        Check(
            "the lowest losses are a power of compute on a floor",
            lambda law: mean(law, PROFILE, N=1.3 * BUDGETS**0.48, C=BUDGETS),
            lambda _: mean(
                find_law("power_law"), {"level": 2.8, "reducible": 0.4, "alpha": 0.16}, X=BUDGETS
            ),
        ),
        Check(
            "half and twice the best size cost the stated share to second order",
            lambda law: 0.5 * np.log(2) ** 2 * log_curvature(law, PROFILE),
            lambda _: PROFILE["cost"],
        ),
        Check(
            "the skew is how much steeper the upper side grows",
            lambda law: (
                rise_over_best(law, PROFILE, np.array([8.0]))
                / rise_over_best(law, PROFILE, np.array([0.125]))
            ),
            lambda _: (8**0.2 - 1 - 0.2 * np.log(8)) / (8**-0.2 - 1 + 0.2 * np.log(8)),
        ),
        Check(
            "without a skew it is the parabola",
            lambda law: mean(law, PROFILE | {"skew": 1e-12}, N=RATIOS, C=3.0),
            lambda _: mean(find_law("isoflop:parabola"), without(PROFILE, "skew"), N=RATIOS, C=3.0),
        ),
        Check(
            "the derived best size is that of the reference compute",
            lambda law: derived(law, PROFILE, **CENTRE)["best_N"],
            lambda law: CENTRE["N"] * lowest(law, PROFILE, ("N",), C=1.0)[0],
            rtol=1e-6,
        ),
    ),
    source="Hoffmann et al. 2022, section 3.2; limits and identities",
)


def parabola(law: Law) -> np.ndarray:
    """Log losses of one budget by the parabola through three of its sizes."""
    values, at = without(PROFILE, "skew"), np.log([0.2, 1.0, 6.0])
    losses = np.log(mean(law, values, N=np.exp(at), C=5.0))
    return np.polyval(np.polyfit(at, losses, 2), np.log(RATIOS))


PARABOLA = Case(
    "isoflop:parabola",
    truth=without(PROFILE, "skew"),
    domain=ISOFLOP.domain,
    best={"N": "best"},
    design=lambda: profiles(PROFILE),
    published=(
        Check(
            "the log loss of a budget is a quadratic of log N",
            lambda law: np.log(mean(law, without(PROFILE, "skew"), N=RATIOS, C=5.0)),
            parabola,
        ),
        Check(
            "half and twice the best size cost the stated share, which drifts with compute",
            lambda law: [
                rise_over_best(law, without(PROFILE, "skew"), np.array([0.5, 2.0]), c)
                for c in (0.1, 1.0, 40.0)
            ],
            lambda _: [[0.008 * c**0.05] * 2 for c in (0.1, 1.0, 40.0)],
        ),
    ),
    source="Hoffmann et al. 2022, section 3.2: a parabola for each budget",
)

ROWS = (TRAINING_COST, POWER, SIX_ND, ISOFLOP, PARABOLA)
