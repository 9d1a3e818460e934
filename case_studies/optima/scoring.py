"""How good an optimum is, and what the intervals of runs hold: scores that need no sampler."""

from __future__ import annotations

import numpy as np
import pandas as pd

import bayes_scaling as bs

SETTINGS = {"lr": "rate", "B": "batch"}  # setting to the parameter that is its best value
SAYS_NOTHING = 1e3  # standard error of a row that only fills its table, over its response
SAYS_ALL = 1e-9  # that of a row whose response is known as it is


def gap(cell: pd.DataFrame, best: dict[str, float], response: str) -> float:
    """Loss of the run nearest to the best settings over the least loss of its cell, minus one.

    Nearest is Euclidean in the logs of the settings.
    """
    away = sum((np.log(cell[name]) - np.log(value)) ** 2 for name, value in best.items())
    return float(cell.loc[away.idxmin(), response] / cell[response].min() - 1)


def optimum(
    fit: bs.Fit, at: dict[str, float], labels: dict[str, str] | None = None
) -> dict[str, np.ndarray]:
    """Draws of the best settings at N and D, for the settings that the law has."""
    draws = fit.posterior.sel(labels or {})
    values = fit.law.expand({k: np.ravel(draws[k].to_numpy()) for k in fit.law.parameters})
    found = {}
    for name in fit.law.settings:
        p, best = SETTINGS[name], np.log(values[SETTINGS[name]])
        for x in ("N", "D"):
            best = best + values[f"{p}_{x}"] * np.log(at[x] / fit.spec.references[x])
        found[name] = np.exp(best) * fit.spec.references[name]
    return found


def middle(draws: dict[str, np.ndarray]) -> dict[str, float]:
    """Posterior mean of the logs, as settings."""
    return {name: float(np.exp(np.log(values).mean())) for name, values in draws.items()}


def padded(
    fitted: pd.DataFrame, rows: int, diverged: int, response: str, above: float
) -> pd.DataFrame:
    """The fitted rows, and copies of some whose standard error makes them say nothing.

    All folds then have as many rows, and as many diverged ones, and share one compiled program.

    Parameters
    ----------
    rows, diverged : int
        How many the table returned has.
    above : float
        Losses above it are those of diverged runs.
    """
    lost = fitted[response] > above
    more = diverged - int(lost.sum())
    copies = pd.concat(
        [
            fitted[lost].sample(more, replace=True, random_state=0),
            fitted[~lost].sample(rows - len(fitted) - more, replace=True, random_state=0),
        ]
    )
    copies = copies.assign(se=SAYS_NOTHING * copies[response])
    return pd.concat([fitted.assign(se=SAYS_ALL * fitted[response]), copies], ignore_index=True)


def intervals(observed: np.ndarray, draws: np.ndarray) -> dict[str, float]:
    """Runs inside, below and above the 90 % interval of their draws, and its mean width in logs.

    Parameters
    ----------
    observed : (runs,) array
    draws : (samples, runs) array
        Missing where a draw does not count.
    """
    low, high = np.nanquantile(draws, (0.05, 0.95), axis=0)
    return {
        "runs": len(observed),
        "held": int(((low <= observed) & (observed <= high)).sum()),
        "below": int((observed < low).sum()),
        "above": int((observed > high).sum()),
        "width": float(np.mean(np.log(high / low))),
    }


def shape(losses: np.ndarray) -> np.ndarray:
    """Losses over the median of their cell, which the level of the cell does not enter.

    Parameters
    ----------
    losses : (..., runs) array
    """
    return losses / np.median(losses, axis=-1, keepdims=True)


def chances(draws: np.ndarray, diverged: np.ndarray, above: float) -> dict[str, float | None]:
    """Mean predicted probability of diverging of runs that did, and of those that did not.

    Parameters
    ----------
    draws : (samples, runs) array
    diverged : (runs,) bool array
    above : float
        Losses above it are those of diverged runs.
    """
    chance = (draws > above).mean(axis=0)
    return {
        "diverged": float(chance[diverged].mean()) if diverged.any() else None,
        "finished": float(chance[~diverged].mean()) if (~diverged).any() else None,
    }


def exponents(fit: bs.Fit) -> pd.DataFrame:
    """Posterior mean and 90 % interval of the exponents of optima and costs, and the coupling."""
    moved = [p for p in fit.law.parameters if p.endswith(("_N", "_D")) and p != "share_N"]
    names = [*moved, "coupling"]
    table = fit.summary().set_index("name")
    return table.loc[[n for n in names if n in table.index], ["mean", "q0.05", "q0.95"]]


def of_best_runs(frame: pd.DataFrame, response: str, within: float) -> pd.DataFrame:
    """Exponents of the optima by least squares on the best runs of every cell alone.

    Parameters
    ----------
    within : float
        Runs count whose response is at most this share above the least of their cell.
    """
    least = frame.groupby(["N", "D"])[response].transform("min")
    good = np.log(frame.loc[frame[response] <= (1 + within) * least, ["N", "D", *SETTINGS]])
    cells = good.groupby(["N", "D"], as_index=False).mean()
    design = np.column_stack([np.ones(len(cells)), cells["N"], cells["D"]])
    spread = np.linalg.inv(design.T @ design)
    rows = {}
    for setting, name in SETTINGS.items():
        slopes = spread @ design.T @ cells[setting]
        off = cells[setting] - design @ slopes
        sd = np.sqrt(np.diag(spread) * (off**2).sum() / (len(cells) - 3))
        rows |= {f"{name}_N": (slopes[1], sd[1]), f"{name}_D": (slopes[2], sd[2])}
    return pd.DataFrame.from_dict(rows, orient="index", columns=["slope", "standard error"])
