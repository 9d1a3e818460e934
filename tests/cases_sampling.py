"""Rows of laws of repeated samples: coverage, retries, verifiers, drafts."""

from __future__ import annotations

import numpy as np
import pandas as pd
from casekit import HUGE, Case, Check, Values, derived, mean, without
from scipy.special import betaln, expit, gammaln, logit

from bayes_scaling import find_law
from bayes_scaling.law import Law
from bayes_scaling.law.sampling import pass_at

K = np.array([1.0, 4.0, 32.0, 500.0, 1e4])
N = np.array([0.02, 0.7, 1.0, 5.0, 90.0])

# -- coverage -----------------------------------------------------------------

SOLVED = {"rate": 0.04, "rate_N": 0.4, "tail": 0.25, "tail_N": 0.3, "unsolvable": 0.08}
A, B = SOLVED["tail"], SOLVED["tail"] * (1 - SOLVED["rate"]) / SOLVED["rate"]


def shape(law: Law, values: Values, **inputs: np.ndarray | float) -> dict[str, np.ndarray]:
    """What the law says of the likelihood."""
    given = {k: np.asarray(v, float) for k, v in inputs.items()}
    return {k: np.asarray(v) for k, v in law.likelihood_shape(given, values).items()}


def exponents(law: Law, values: Values, size: np.ndarray | float) -> tuple[np.ndarray, ...]:
    """Both exponents of the beta distribution of pass rates, from mean and shape."""
    found = shape(law, values, N=size)
    rate = mean(law, values, N=size) / (1 - found["unsolvable"])
    return rate * found["concentration"], (1 - rate) * found["concentration"]


def covered(law: Law, values: Values, k: np.ndarray) -> np.ndarray:
    """Share of problems solved at the reference, as the law's population says."""
    found = shape(law, values, N=1.0)
    rate = mean(law, values, N=1.0) / (1 - found["unsolvable"])
    return np.asarray(pass_at(k, rate, found["concentration"], found["unsolvable"]))


def problems() -> pd.DataFrame:
    """64 problems at each of six sizes."""
    return pd.DataFrame({"N": np.repeat(np.geomspace(1e8, 1e10, 6), 64)})


def all_solvable(values: Values) -> Values:
    return without(values, "unsolvable")


def kept(law: Law, values: Values) -> Values:
    """Those of the values that the law has."""
    return {k: v for k, v in values.items() if k in law.parameters}


def zero(law: Law) -> float:
    return SOLVED["unsolvable"] if "unsolvable" in law.parameters else 0.0


def unsolved(k: np.ndarray) -> np.ndarray:
    """Share of solvable problems left."""
    return np.exp(betaln(A, B + k) - betaln(A, B))


def left(k: np.ndarray) -> np.ndarray:
    """The leading term of that share."""
    return np.exp(gammaln(A + B) - gammaln(B)) * k**-A


COVERAGE_CHECKS = (
    Check(
        "the left exponent is the tail, a power of N",
        lambda law: exponents(law, kept(law, SOLVED), N)[0],
        lambda _: SOLVED["tail"] * N ** SOLVED["tail_N"],
        rtol=1e-8,
    ),
    Check(
        "the right exponent is the derived b",
        lambda law: exponents(law, kept(law, SOLVED), 1.0)[1],
        lambda law: derived(law, kept(law, SOLVED))["b"],
    ),
    Check(
        "1,000 samples solve the derived share",
        lambda law: covered(law, kept(law, SOLVED), np.array(1e3)),
        lambda law: derived(law, kept(law, SOLVED))["solved_1000"],
    ),
    Check(
        "one sample passes at the mean rate",
        lambda law: covered(law, kept(law, SOLVED), np.array(1.0)),
        lambda law: mean(law, kept(law, SOLVED), N=1.0),
    ),
    Check(
        "the solvable share less what is left by the tail's exponent, at many samples",
        lambda law: covered(law, kept(law, SOLVED), np.array([1e8, 1e9])),
        lambda law: (1 - zero(law)) * (1 - left(np.array([1e8, 1e9]))),
    ),
    Check(
        "a beta function, at few samples",
        lambda law: covered(law, kept(law, SOLVED), K[:3]),
        lambda law: (1 - zero(law)) * (1 - unsolved(K[:3])),
    ),
)

COVERAGE_TRUTH = {"rate": 0.05, "rate_N": 0.6, "tail": 0.3, "tail_N": 0.3, "unsolvable": 0.05}
COVERAGE_SOURCE = (
    "Brown et al. 2024 and Schaeffer et al. 2025, their forms; how rates move with N is a form "
    "of this project: limits and identities"
)

COVERAGE = Case(
    "coverage",
    truth=COVERAGE_TRUTH,
    domain={"N": (1e8, 1e10)},
    design=problems,
    published=(
        *COVERAGE_CHECKS,
        Check(
            "unsolvable problems lower the mean of all by their share",
            lambda law: mean(law, SOLVED, N=N) / (1 - SOLVED["unsolvable"]),
            lambda law: mean(law, SOLVED | {"unsolvable": 0.0}, N=N),
        ),
        Check(
            "endless samples leave the unsolvable",
            lambda law: covered(law, SOLVED | {"tail": 2.0}, np.array(1e9)),
            lambda _: 1 - SOLVED["unsolvable"],
        ),
    ),
    unidentified={"unsolvable": "below one over the samples, a small chance and none look alike"},
    source=COVERAGE_SOURCE,
)

COVERAGE_SOLVABLE = Case(
    "coverage:solvable",
    truth=all_solvable(COVERAGE_TRUTH),
    domain={"N": (1e8, 1e10)},
    design=problems,
    published=(
        *COVERAGE_CHECKS,
        Check(
            "coverage with nothing unsolvable",
            lambda law: mean(law, all_solvable(SOLVED), N=N),
            lambda _: mean(find_law("coverage"), SOLVED | {"unsolvable": 0.0}, N=N),
        ),
    ),
    source=COVERAGE_SOURCE,
)

AVERAGED = {"level": 0.4, "b": 0.35}

COVERAGE_POWER = Case(
    "coverage_power",
    truth=AVERAGED,
    domain={"k": (1.0, 1e4)},
    increasing=("k",),
    published=(
        Check(
            "the published form with the derived coefficient, at a reference other than one",
            lambda law: np.log(mean(law, AVERAGED, k=K / 50)),
            lambda law: -derived(law, AVERAGED, k=50.0)["a"] * K ** -AVERAGED["b"],
        ),
        Check(
            "endless samples solve everything",
            lambda law: mean(law, AVERAGED, k=HUGE),
            lambda _: 1.0,
        ),
        Check(
            "far out the share left falls as a power",
            lambda law: (
                np.diff(np.log(-np.expm1(np.log(mean(law, AVERAGED, k=[1e12, 1e13]))))) / np.log(10)
            ),
            lambda _: [-AVERAGED["b"]],
            rtol=1e-3,
        ),
    ),
    source="Brown et al. 2024, the form: its log, limits",
)

# -- retries ------------------------------------------------------------------

RETRIED = {"first": 0.12, "headroom": 0.6}


def after(law: Law, k: float) -> float:
    return float(mean(law, RETRIED, k=k))


RETRY_CEILING = Case(
    "retry_ceiling",
    truth={"first": 0.2, "headroom": 0.5},
    domain={"k": (1.0, 64.0)},
    increasing=("k",),
    published=(
        Check(
            "the published form with derived coefficients",
            lambda law: mean(law, RETRIED, k=K),
            lambda law: (
                derived(law, RETRIED)["F_max"] * (1 - (1 - derived(law, RETRIED)["p"]) ** K)
            ),
        ),
        Check(
            "one attempt",
            lambda law: after(law, 1.0),
            lambda _: RETRIED["first"],
        ),
        Check(
            "endless attempts",
            lambda law: mean(law, RETRIED, k=1e9),
            lambda law: derived(law, RETRIED)["F_max"],
        ),
        Check(
            "few rare successes do not know the ceiling",
            lambda law: mean(law, {"first": 1e-9, "headroom": 0.2}, k=5.0),
            lambda law: mean(law, {"first": 1e-9, "headroom": 0.9}, k=5.0),
            rtol=1e-7,
        ),
        Check(
            "saturation as the paper has it, for a gain of a thousandth",
            lambda law: derived(law, RETRIED)["saturation"],
            lambda law: np.ceil(
                np.log(1e-3 / (derived(law, RETRIED)["F_max"] * derived(law, RETRIED)["p"]))
                / np.log(1 - derived(law, RETRIED)["p"])
            ),
        ),
        Check(
            "one more attempt gains more before it, and less from there on",
            lambda law: [
                after(law, k + 1) - after(law, k) > 1e-3
                for k in derived(law, RETRIED)["saturation"] + np.array([-1.0, 0.0])
            ],
            lambda _: [True, False],
        ),
    ),
    source="Wang et al. 2025, the form and its saturation: identities and limits",
)

# -- sampled actions ----------------------------------------------------------

ACTED = {"level": 0.3, "b": 0.2}


def nearest(d: int) -> float:
    """Log-slope of the mean distance of the nearest of k draws, from 50 to 200."""
    rng = np.random.default_rng(1)
    found = [
        np.sqrt((rng.uniform(-1, 1, (3000, k, d)) ** 2).sum(-1)).min(-1).mean() for k in (50, 200)
    ]
    return float(np.log(found[1] / found[0]) / np.log(4.0))


SAMPLED_ERROR = Case(
    "sampled_error",
    truth={"level": 0.25, "b": 0.15},
    domain={"k": (1.0, 1e3)},
    decreasing=("k",),
    published=(
        Check(
            "the published form with the derived coefficient, at a reference other than one",
            lambda law: mean(law, ACTED, k=K / 20),
            lambda law: derived(law, ACTED, k=20.0)["a"] * K ** -ACTED["b"],
        ),
        Check(
            "power_law without a floor",
            lambda law: mean(law, ACTED, k=K),
            lambda _: mean(
                find_law("power_law"),
                {"level": ACTED["level"], "reducible": 1.0, "alpha": ACTED["b"]},
                X=K,
            ),
        ),
        Check(
            "the nearest of draws in a plane, by simulation",
            lambda law: np.log(mean(law, ACTED | {"b": 0.5}, k=4.0) / ACTED["level"]) / np.log(4),
            lambda _: nearest(2),
            rtol=0.05,
        ),
        Check(
            "the plane has two dimensions",
            lambda law: derived(law, ACTED | {"b": 0.5})["dimension"],
            lambda _: 2.0,
        ),
    ),
    source="Kwok et al. 2025, the form; extreme values of distances: identities and a simulation",
)

# -- verifiers ----------------------------------------------------------------

VERDICTS = {"correct": 0.35, "correct_N": 0.5, "false": 0.12, "false_N": -0.2, "phi": 30.0}


def verdicts() -> pd.DataFrame:
    """Four rows of each outcome at twelve sizes."""
    sizes = np.repeat(np.geomspace(1e8, 1e11, 12), 8)
    return pd.DataFrame({"N": sizes, "outcome": np.tile([0.0, 1.0], 48)})


def accepted(law: Law, values: Values, size: np.ndarray | float) -> np.ndarray:
    return mean(law, values, N=size, outcome=0.0)


VERIFIER = Case(
    "verifier",
    truth={"correct": 0.3, "correct_N": 0.5, "false": 0.1, "false_N": -0.2, "phi": 40.0},
    domain={"N": (1e8, 1e11), "outcome": (0.0, 1.0)},
    design=verdicts,
    published=(
        Check(
            "a sample is correct and accepted with logits linear in ln N",
            lambda law: logit(accepted(law, VERDICTS, N) * mean(law, VERDICTS, N=N, outcome=1.0)),
            lambda _: logit(VERDICTS["correct"]) + VERDICTS["correct_N"] * np.log(N),
        ),
        Check(
            "what is not accepted is neither correct nor passed by mistake",
            lambda law: 1 - accepted(law, VERDICTS, N),
            lambda _: (
                expit(-logit(VERDICTS["correct"]) - VERDICTS["correct_N"] * np.log(N))
                * expit(-logit(VERDICTS["false"]) - VERDICTS["false_N"] * np.log(N))
            ),
        ),
        Check(
            "the ceiling is the share of correct among accepted samples",
            lambda law: derived(law, VERDICTS)["ceiling"],
            lambda law: mean(law, VERDICTS, N=1.0, outcome=1.0),
        ),
        Check(
            "a verifier without errors has no ceiling",
            lambda law: derived(law, VERDICTS | {"false": 0.0})["ceiling"],
            lambda _: 1.0,
        ),
        Check(
            "ten tries with problems that are alike",
            lambda law: derived(law, VERDICTS | {"phi": 1e12})["accuracy_10"],
            lambda law: (
                derived(law, VERDICTS)["ceiling"] * (1 - (1 - accepted(law, VERDICTS, 1.0)) ** 10)
            ),
            rtol=1e-8,
        ),
        Check(
            "variances and covariance of the first verdict are those of a Dirichlet distribution",
            lambda law: two_step_moments(law),
            lambda law: dirichlet_moments(law),
        ),
    ),
    source="Stroebl et al. 2024, the setting; its equations are this project's: limits, moments",
)


def two_step_moments(law: Law) -> list[float]:
    """Second moments of the chances t (correct, accepted) and q (accepted), in two steps."""
    at = [{"N": 1.0, "outcome": o} for o in (0.0, 1.0)]
    (q, r), (c, d) = (
        [float(mean(law, VERDICTS, **x)) for x in at],
        [float(shape(law, VERDICTS, **x)["concentration"]) for x in at],
    )
    squares = [m * (m * s + 1) / (s + 1) for m, s in ((q, c), (r, d))]
    return [squares[0] * squares[1], squares[0], squares[0] * r]


def dirichlet_moments(law: Law) -> list[float]:
    phi, q = VERDICTS["phi"], float(accepted(law, VERDICTS, 1.0))
    t = VERDICTS["correct"]
    moment = [t * (phi * t + 1), q * (phi * q + 1), t * (phi * t + 1) + phi * t * (q - t)]
    return [m / (phi + 1) for m in moment]


# -- drafts -------------------------------------------------------------------

DRAFTED = {"level": 0.65, "slope_D": 0.15, "slope_N": 0.1}

ACCEPTANCE_RATE = Case(
    "acceptance_rate",
    truth={"level": 0.6, "slope_D": 0.15, "slope_N": 0.12},
    domain={"D": (1e9, 1e12), "N": (1e8, 1e10)},
    published=(
        Check(
            "logits linear in ln D and ln N",
            lambda law: logit(mean(law, DRAFTED, D=N, N=K)),
            lambda _: (
                logit(DRAFTED["level"])
                + DRAFTED["slope_D"] * np.log(N)
                + DRAFTED["slope_N"] * np.log(K)
            ),
        ),
        Check(
            "the published line in ln D, near the reference",
            lambda law: mean(law, DRAFTED, D=1.001, N=1.0) - mean(law, DRAFTED, D=1 / 1.001, N=1.0),
            lambda _: 2 * np.log(1.001) * DRAFTED["slope_D"] * 0.65 * 0.35,
            rtol=1e-6,
        ),
        Check(
            "a step yields its draft up to the first rejection, and a token",
            lambda law: derived(law, DRAFTED)["length_4"],
            lambda _: sum(DRAFTED["level"] ** i for i in range(5)),
        ),
    ),
    source="Yan et al. 2025, log-linear in tokens and capacity; on the logit here: identities",
)

ROWS = (
    COVERAGE,
    COVERAGE_SOLVABLE,
    COVERAGE_POWER,
    RETRY_CEILING,
    SAMPLED_ERROR,
    VERIFIER,
    ACCEPTANCE_RATE,
)
