"""Rows of laws of training curves: under learning-rate schedules, and of rewards."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
from casekit import HUGE, Case, Check, Values, derived, mean

from bayes_scaling import find_law
from bayes_scaling.law import History, Law
from bayes_scaling.program.curves import histories
from bayes_scaling.runs.schedule import parse_schedule

X = np.array([2e-4, 0.03, 0.9, 40.0, 7e3])

# -- schedules ----------------------------------------------------------------

RUN = "peak=3e-4,steps=24000,warmup=2160"
COSINE, STAGES = f"cosine:{RUN},final=3e-5", f"two_stage:{RUN},falls_at=8000,second=9e-5"
UNITS = {"rate": 3e-4, "area": 3.0, "step": 1e4}  # references of the checks
AT = np.array([3000.0, 7999.0, 9000.0, 16000.0, 24000.0])
FLAT = History(*(np.ones(3),) * 2, *(np.zeros((3, 1)),) * 3, np.ones((3, 1)))


def history_of(text: str, at: np.ndarray, units: dict[str, float] = UNITS) -> History:
    """What a schedule has done, in units of the references."""
    spec: Any = SimpleNamespace(references=units, schedules={})
    return histories(spec, pd.Series([text] * len(at)), at)


def under(law: Law, values: Values, text: str) -> np.ndarray:
    """Mean of a law along a schedule."""
    return mean(law, values, step=AT / UNITS["step"], schedule=history_of(text, AT))


def rates(text: str) -> np.ndarray:
    """Learning rate of each step up to the last; that of the first is at index one."""
    schedule = parse_schedule(text)
    return schedule.rate(np.arange(0.0, 24001.0))


def falls(text: str) -> tuple[np.ndarray, np.ndarray]:
    """Steps after warm-up, and the fall of the rate at each."""
    steps = np.arange(2161, 24001)
    return steps, -np.diff(rates(text))[2160:]


PEAK = "peak=4e-4,steps=24000,warmup=1000"
SCHEDULES = {
    "high": f"two_stage:{PEAK},falls_at=6000,second=2e-4",
    "cosine": f"cosine:{PEAK},final=4e-5",
    "low": f"two_stage:{PEAK},falls_at=6000,second=1e-5",
    "wsd": f"wsd:{PEAK},decay_from=17000,final=2e-5",
}


def curves() -> pd.DataFrame:
    """Four runs under different schedules, 24 rows of each, more of them after a sudden fall."""
    even = np.linspace(1500.0, 24000.0, 24)
    after = np.append(np.linspace(1500.0, 6000.0, 8), 6000.0 + np.geomspace(60.0, 18000.0, 16))
    tables = [
        pd.DataFrame(
            {"run": run, "schedule": text, "step": after.round() if "two" in text else even}
        )
        for run, text in SCHEDULES.items()
    ]
    return pd.concat(tables, ignore_index=True)


# -- annealing ----------------------------------------------------------------

LATE = {"delay": 0.003}
ANNEALED = {"level": 3.2, "reducible": 0.12, "alpha": 0.5, "gain": 0.035, "memory": 0.06}
ANNEALED |= LATE


def recursion(law: Law, text: str) -> np.ndarray:
    """Published form: the momentum of annealing summed step by step."""
    found, rate = derived(law, ANNEALED, **UNITS), rates(text)
    _, fall = falls(text)
    momentum, total, sums = 0.0, 0.0, np.zeros(24001)
    for i, lower in enumerate(fall, start=2161):
        momentum = found["decay"] * momentum + lower
        total += momentum
        sums[i] = total
    forward = np.cumsum(rate)
    i = AT.astype(int)
    return found["E"] + found["A"] * forward[i] ** -ANNEALED["alpha"] - found["C"] * sums[i]


ANNEALING = Case(
    "annealing",
    truth={"level": 3.2, "reducible": 0.15, "alpha": 0.5, "gain": 0.04, "memory": 0.08} | LATE,
    domain={"step": (1500.0, 24000.0)},
    design=curves,
    unidentified={"delay": "the prior is narrow, and few early rows speak of it"},
    sigma=0.001,
    published=(
        Check(
            "the momentum of annealing, step by step under a cosine",
            lambda law: under(law, ANNEALED, COSINE),
            lambda law: recursion(law, COSINE),
            rtol=1e-4,
        ),
        Check(
            "the same under a rate that falls once",
            lambda law: under(law, ANNEALED, STAGES),
            lambda law: recursion(law, STAGES),
            rtol=1e-4,
        ),
        Check(
            "power_law in the sum of rates while none has fallen",
            lambda law: mean(law, ANNEALED, step=X[:3], schedule=FLAT._replace(area=X[:3])),
            lambda _: mean(
                find_law("power_law"),
                {k: ANNEALED[k] for k in ("level", "reducible", "alpha")},
                X=X[:3],
            ),
        ),
    ),
    source="Tissue et al. 2024, its recursion summed step by step",
)

# -- multi_power --------------------------------------------------------------

PUBLISHED = {"L0": 3.0405, "A": 0.5247, "B": 363.8, "C": 2.066}
EXPONENTS = {"alpha": 0.5079, "beta": 0.5828, "gamma": 0.6414}


def small_model() -> Values:
    """Parameters for the published fit of 25M parameters, at the references of the checks."""
    decay = PUBLISHED["A"] * UNITS["area"] ** -EXPONENTS["alpha"]
    level = PUBLISHED["L0"] + decay
    pace = UNITS["rate"] ** (EXPONENTS["gamma"] - 1) / PUBLISHED["C"]
    sizes = {"level": level, "reducible": decay / level}
    drop = {"gain": PUBLISHED["B"] * UNITS["rate"] / level, "memory": pace / UNITS["step"]}
    return sizes | drop | EXPONENTS | LATE


def drops(text: str) -> np.ndarray:
    """Published form, the drops of the loss summed step by step."""
    rate = rates(text)
    steps, fall = falls(text)
    forward = np.cumsum(rate)
    found = []
    for i in AT.astype(int):
        done = steps <= i
        k = steps[done]
        since = forward[i] - forward[k - 1]
        inside = PUBLISHED["C"] * rate[k] ** -EXPONENTS["gamma"] * since + 1
        drop = PUBLISHED["B"] * np.sum(fall[done] * (1 - inside ** -EXPONENTS["beta"]))
        found.append(PUBLISHED["L0"] + PUBLISHED["A"] * forward[i] ** -EXPONENTS["alpha"] - drop)
    return np.array(found)


MULTI_POWER = Case(
    "multi_power",
    truth={"level": 3.2, "reducible": 0.15, "alpha": 0.5, "gain": 0.05, "memory": 0.01}
    | {"beta": 0.5, "gamma": 0.6}
    | LATE,
    domain={"step": (1500.0, 24000.0)},
    design=curves,
    unidentified={"delay": "the prior is narrow, and few early rows speak of it"},
    sigma=0.001,
    published=(
        Check(
            "coefficients of 25M parameters come back",
            lambda law: [derived(law, small_model(), **UNITS)[k] for k in ("E", "A", "B", "C")],
            lambda _: list(PUBLISHED.values()),
        ),
        Check(
            "the published sum over steps under a cosine",
            lambda law: under(law, small_model(), COSINE),
            lambda _: drops(COSINE),
            rtol=1e-4,
        ),
        Check(
            "the same under a rate that falls once",
            lambda law: under(law, small_model(), STAGES),
            lambda _: drops(STAGES),
            rtol=1e-4,
        ),
        Check(
            "power_law in the sum of rates while none has fallen",
            lambda law: mean(law, small_model(), step=X[:3], schedule=FLAT._replace(area=X[:3])),
            lambda _: mean(
                find_law("power_law"),
                {k: small_model()[k] for k in ("level", "reducible", "alpha")},
                X=X[:3],
            ),
        ),
    ),
    source="Luo et al. 2025, the fit of 25M parameters and its sum over steps",
)

# -- rewards and tokens -------------------------------------------------------

REWARDED = {"start": 0.25, "gain": 0.55, "middle": 1.6, "steepness": 1.3}


def rewards(law: Law, values: Values, x: np.ndarray) -> np.ndarray:
    """Published form in raw compute, at a reference of 3e3."""
    found = derived(law, values, C=3e3)
    risen = 1 / (1 + (found["C_mid"] / x) ** values["steepness"])
    return values["start"] + (found["A"] - values["start"]) * risen


REWARD_CURVE = Case(
    "reward_curve",
    truth=REWARDED,
    domain={"C": (50.0, 1e5)},
    increasing=("C",),
    sigma=0.01,
    published=(
        Check(
            "reward before training, at half of the gain, and of endless training",
            lambda law: mean(law, REWARDED, C=[0.0, REWARDED["middle"], HUGE]),
            lambda law: (
                REWARDED["start"]
                + (derived(law, REWARDED)["A"] - REWARDED["start"]) * np.array([0.0, 0.5, 1.0])
            ),
        ),
        Check(
            "the published form with derived coefficients",
            lambda law: mean(law, REWARDED, C=X),
            lambda law: rewards(law, REWARDED, 3e3 * X),
        ),
    ),
    source="Khatri et al. 2025, their Hill curve: its form and limits",
)

SHIFTED = {"level": 2.9, "reducible": 0.45, "offset": 0.08, "beta": 0.35}


def plain(values: Values) -> Values:
    return {"level": values["level"], "reducible": values["reducible"], "alpha": values["beta"]}


TOKEN_CURVE = Case(
    "token_curve",
    truth=SHIFTED,
    domain={"D": (1e8, 1e12)},
    decreasing=("D",),
    published=(
        Check(
            "shifted_power in tokens",
            lambda law: mean(law, SHIFTED, D=X),
            lambda _: mean(
                find_law("shifted_power"),
                {k: SHIFTED[k] for k in ("level", "reducible", "offset")} | {"c": SHIFTED["beta"]},
                X=X,
            ),
        ),
        Check(
            "endless tokens leave the floor",
            lambda law: mean(law, SHIFTED, D=HUGE),
            lambda law: derived(law, SHIFTED)["E"],
        ),
        Check(
            "below the shift tokens hardly matter",
            lambda law: mean(law, SHIFTED, D=1e-12),
            lambda law: mean(law, SHIFTED, D=1e-13),
        ),
    ),
    source="Choshen et al. 2024, a power of the tokens: limits and nesting",
)

TOKEN_POWER = Case(
    "token_curve:power",
    truth={k: v for k, v in SHIFTED.items() if k != "offset"},
    domain={"D": (1e8, 1e12)},
    decreasing=("D",),
    published=(
        Check(
            "power_law in tokens",
            lambda law: mean(law, {k: SHIFTED[k] for k in law.parameters}, D=X),
            lambda _: mean(find_law("power_law"), plain(SHIFTED), X=X),
        ),
    ),
    source="Choshen et al. 2024, a power of the tokens: nesting",
)

ROWS = (ANNEALING, MULTI_POWER, REWARD_CURVE, TOKEN_CURVE, TOKEN_POWER)
