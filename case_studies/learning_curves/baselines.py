"""Least-squares fits of five published learning-curve forms, and their errors past the fitted part.

Run as ``python case_studies/learning_curves/baselines.py``; ``BAYES_SCALING_DATA`` names the folder
of measured data. A curve is one domain, task and model. Every form is fitted to the logarithm of
the loss of the rows marked for fitting; the error of a curve is the root mean squared difference of
log losses over its other rows (RMSLE). Forms M1 to M4: Alabdulmohsin et al. 2022; BNSL with one
break: Caballero et al. 2023.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.optimize import least_squares
from scipy.special import expit, log_expit

type Array = np.ndarray
type Form = Callable[[Array, Array], tuple[Array, Array]]
type Bounds = tuple[list[float], list[float]]

TABLES = ("benchmark_vision.csv", "benchmark_lang.csv")
DOMAINS = ("IC", "NMT", "LM", "BB")
TOLERANCE = 1e-12
REFIT_TOLERANCE = 1e-8  # of the many searches of a bootstrap
STEPS = 400  # evaluations in one search
POLISHED = 6  # searches that follow the grid of starts


def softplus(u: Array) -> Array:
    """log(1 + exp(u))."""
    return -log_expit(-u)


def columns(*parts: Array) -> Array:
    return np.stack(np.broadcast_arrays(*parts), axis=-1)


# A form maps parameters and z = ln(x / x_ref) to ln y and its derivatives, one column a parameter.


def m1(theta: Array, z: Array) -> tuple[Array, Array]:
    """y = b x^-c; theta = (ln b, c)."""
    ln_b, c = theta
    return ln_b - c * z, columns(np.ones_like(z), -z)


def m2(theta: Array, z: Array) -> tuple[Array, Array]:
    """y = e + b x^-c; theta = (ln e, ln b, c)."""
    ln_e, ln_b, c = theta
    decay = ln_b - c * z
    share = expit(decay - ln_e)
    return np.logaddexp(ln_e, decay), columns(1 - share, share, -z * share)


def m3(theta: Array, z: Array) -> tuple[Array, Array]:
    """y = b (1/x + g)^c; theta = (ln b, c, ln g)."""
    ln_b, c, ln_g = theta
    base = np.logaddexp(-z, ln_g)
    return ln_b + c * base, columns(np.ones_like(z), base, c * expit(ln_g + z))


def solve(target: Array, alpha: float) -> Array:
    """u with ln(sigmoid(u)) - alpha ln(sigmoid(-u)) = target; Newton's steps from any start arrive.

    The left side rises with slope between 1 and alpha, and is concave or convex throughout.
    """
    u = np.where(target + (1 - alpha) * np.log(2) < 0, target, target / alpha)
    for _ in range(100):
        step = (log_expit(u) - alpha * log_expit(-u) - target) / (expit(-u) + alpha * expit(u))
        u = u - step
        if np.max(np.abs(step) / (1 + np.abs(u))) < 1e-13:
            break
    return u


def m4(theta: Array, z: Array) -> tuple[Array, Array]:
    """(y - e) / (top - y)^alpha = b x^-c; theta = (ln e, ln(top - 1), ln b', c, ln alpha).

    y = e + (top - e) sigmoid(u), and b' = b (top - e)^(alpha - 1). The largest fitted loss is the
    unit of y, so top is above it.
    """
    ln_e, ln_gap, ln_b, c, ln_alpha = theta
    alpha, floor = np.exp(ln_alpha), np.exp(ln_e)
    top = 1 + np.exp(ln_gap)
    u = solve(ln_b - c * z, alpha)
    y = floor + (top - floor) * expit(u)
    slope = (1 - floor / y) * expit(-u) / (expit(-u) + alpha * expit(u))
    by_floor, by_gap = floor * expit(-u) / y, (top - 1) * expit(u) / y
    jacobian = columns(by_floor, by_gap, slope, -z * slope, -slope * alpha * softplus(u))
    return np.log(y), jacobian


def bnsl(theta: Array, z: Array) -> tuple[Array, Array]:
    """y = a + b x^-c0 (1 + (x/d)^(1/f))^(-c1 f); theta = (ln a, ln b, c0, c1, ln d, ln f)."""
    ln_a, ln_b, c0, c1, ln_d, ln_f = theta
    f = np.exp(ln_f)
    v = (z - ln_d) / f
    bend, turned = f * softplus(v), expit(v)
    decay = ln_b - c0 * z - c1 * bend
    share = expit(decay - ln_a)
    by_f = -c1 * (bend - f * v * turned)
    parts = (share, -z * share, -bend * share, c1 * turned * share, by_f * share)
    return np.logaddexp(ln_a, decay), columns(1 - share, *parts)


@dataclass(frozen=True)
class Curve:
    """Fitted rows of one curve and the rows past them, in units of its last x and largest loss."""

    z: Array
    ln_y: Array
    z_test: Array
    ln_y_test: Array


@dataclass(frozen=True)
class Fit:
    """Parameters of a form on one curve."""

    form: Form
    theta: Array
    cost: float  # sum of squares of log losses

    def predict(self, z: Array) -> Array:
        """The log loss at z."""
        return self.form(self.theta, z)[0]


def line(z: Array, target: Array) -> tuple[float, float]:
    """Intercept and negative slope of a straight line."""
    slope, intercept = np.polyfit(z, target, 1)
    return float(intercept), float(-slope)


def starts_m1(curve: Curve) -> Iterator[list[float]]:
    yield list(line(curve.z, curve.ln_y))


def starts_m2(curve: Curve) -> Iterator[list[float]]:
    lowest = curve.ln_y.min()
    for share in (1e-3, 0.2, 0.4, 0.6, 0.8, 0.9, 0.95, 0.98, 0.995):
        ln_e = lowest + np.log(share)
        yield [ln_e, *line(curve.z, curve.ln_y + np.log(-np.expm1(ln_e - curve.ln_y)))]


def starts_m3(curve: Curve) -> Iterator[list[float]]:
    for ln_g in (-14.0, *np.quantile(-curve.z, np.linspace(0, 1, 7))):
        ln_b, negative = line(np.logaddexp(-curve.z, ln_g), curve.ln_y)
        yield [ln_b, -negative, ln_g]


def starts_m4(curve: Curve) -> Iterator[list[float]]:
    y = np.exp(curve.ln_y)
    shares = (0.01, 0.3, 0.6, 0.8, 0.9, 0.97)
    for share, gap, alpha in product(shares, (0.003, 0.03, 0.3, 3.0), (0.03, 0.3, 1.0, 3.0)):
        e, top = share * y.min(), 1 + gap
        target = np.log((y - e) / (top - e)) - alpha * np.log((top - y) / (top - e))
        yield [np.log(e), np.log(gap), *line(curve.z, target), np.log(alpha)]


def starts_bnsl(curve: Curve) -> Iterator[list[float]]:
    lowest = curve.ln_y.min()
    breaks = np.quantile(curve.z, (0.1, 0.3, 0.5, 0.7, 0.9))
    for share, ln_d, f in product((1e-3, 0.4, 0.7, 0.9, 0.97), breaks, (0.1, 0.5, 1.5)):
        ln_a = lowest + np.log(share)
        bend = f * softplus((curve.z - ln_d) / f)
        basis = np.stack([np.ones_like(curve.z), -curve.z, -bend], axis=1)
        target = curve.ln_y + np.log(-np.expm1(ln_a - curve.ln_y))
        ln_b, c0, c1 = np.linalg.lstsq(basis, target, rcond=None)[0]
        yield [ln_a, ln_b, c0, c1, ln_d, np.log(f)]


def limits(name: str, curve: Curve) -> Bounds:
    """Lower and upper bounds of the parameters of a form; wide, except for the signs."""
    small, large = float(curve.z.min()), float(curve.z.max())
    return {
        "M1": ([-30, -5], [30, 20]),
        "M2": ([-15, -30, 0], [0, 30, 20]),
        "M3": ([-100, 0, -30], [100, 20, 30]),
        "M4": ([-15, -9, -100, 0, -7], [-1e-6, 4, 100, 20, 4]),
        "BNSL": ([-15, -100, -20, -20, small - 3, -5], [0, 100, 20, 20, large + 3, 3]),
    }[name]


FORMS: dict[str, tuple[Form, Callable[[Curve], Iterator[list[float]]]]] = {
    "M1": (m1, starts_m1),
    "M2": (m2, starts_m2),
    "M3": (m3, starts_m3),
    "M4": (m4, starts_m4),
    "BNSL": (bnsl, starts_bnsl),
}


def fit(name: str, curve: Curve) -> Fit:
    """The best of several searches from the best starts of a grid."""
    form, starts = FORMS[name]
    low, high = (np.array(side, float) for side in limits(name, curve))
    inside = 1e-6 * (high - low)
    grid = [np.clip(start, low + inside, high - inside) for start in starts(curve)]
    grid.sort(key=lambda theta: float(np.sum((form(theta, curve.z)[0] - curve.ln_y) ** 2)))
    best: Fit | None = None
    for start in spread(grid, POLISHED):
        found = search(form, curve.z, curve.ln_y, start, (low, high), TOLERANCE)
        if best is None or found.cost < best.cost:
            best = found
    assert best is not None
    return best


def search(
    form: Form, z: Array, ln_y: Array, start: Array, bounds: tuple[Array, Array], tolerance: float
) -> Fit:
    """One search from one start."""
    found = least_squares(
        lambda theta: form(theta, z)[0] - ln_y,
        start,
        jac=lambda theta: form(theta, z)[1],
        bounds=bounds,
        x_scale="jac",
        ftol=tolerance,
        xtol=tolerance,
        gtol=tolerance,
        max_nfev=STEPS,
    )
    return Fit(form, found.x, 2 * found.cost)


def refit(name: str, fitted: Fit, curve: Curve, ln_y: Array) -> Array:
    """Parameters of a form at other log losses of the fitted rows, searched from its fit."""
    low, high = (np.array(side, float) for side in limits(name, curve))
    inside = 1e-6 * (high - low)
    start = np.clip(fitted.theta, low + inside, high - inside)
    return search(fitted.form, curve.z, ln_y, start, (low, high), REFIT_TOLERANCE).theta


def spread(ranked: list[Array], count: int) -> list[Array]:
    """The first half of `count` starts, and as many evenly over the rest."""
    if len(ranked) <= count:
        return ranked
    first = count // 2
    others = np.linspace(first, len(ranked) // 2, count - first).astype(int)
    return ranked[:first] + [ranked[i] for i in others]


def read() -> pd.DataFrame:
    folder = Path(os.environ["BAYES_SCALING_DATA"]) / "tables" / "revisiting_nsl"
    return pd.concat([pd.read_csv(folder / name) for name in TABLES], ignore_index=True)


def curves(rows: pd.DataFrame, *, scored: bool = True) -> dict[tuple[str, str, str], Curve]:
    """Every curve, or those with rows to score."""
    found = {}
    for key, part in rows.groupby(["domain", "task", "model"]):
        fitted, test = (part[part["is_fit_split"] == flag] for flag in (1, 0))
        if scored and test.empty:
            continue
        unit = fitted[["seen_examples", "loss"]].max()
        fitted = fitted.drop_duplicates(["seen_examples", "loss"])
        sides = [
            np.log(side[["seen_examples", "loss"]] / unit).to_numpy() for side in (fitted, test)
        ]
        found[key] = Curve(*sides[0].T, *sides[1].T)
    return found


def rmsle(fitted: Fit, curve: Curve) -> float:
    return float(np.sqrt(np.mean((fitted.predict(curve.z_test) - curve.ln_y_test) ** 2)))


def evaluate(name: str, rows: pd.DataFrame | None = None) -> pd.DataFrame:
    """RMSLE of a form, one row a curve with rows to score; ``train`` is that of the fitted rows."""
    records = []
    for key, curve in curves(read() if rows is None else rows).items():
        fitted = fit(name, curve)
        train = np.sqrt(fitted.cost / len(curve.z))
        records.append((*key, name, float(train), rmsle(fitted, curve)))
    return pd.DataFrame(records, columns=["domain", "task", "model", "form", "train", "rmsle"])


def summary(scores: pd.DataFrame) -> pd.DataFrame:
    """Mean RMSLE of every form, by domain and over all curves, with the number of curves."""
    table = scores.pivot_table(index="domain", columns="form", values="rmsle", sort=False)
    table = table.reindex([domain for domain in DOMAINS if domain in table.index])
    table.insert(0, "curves", scores.groupby("domain")["task"].size() // scores["form"].nunique())
    everything = scores.groupby("form", sort=False)["rmsle"].mean()
    table.loc["all"] = pd.Series({"curves": table["curves"].sum(), **everything})
    return table.astype({"curves": int})


def main() -> None:
    rows = read()
    scores = pd.concat([evaluate(name, rows) for name in FORMS], ignore_index=True)
    print(summary(scores).to_string(float_format=lambda value: f"{value:.4f}"))


if __name__ == "__main__":
    main()
