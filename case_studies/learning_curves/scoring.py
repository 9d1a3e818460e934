"""Log score, 90 % intervals and weights of predictive densities of the log loss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln, logsumexp
from scipy.stats import t as student_t

TAILS = (0.05, 0.95)
SEED = 0  # of the noise of new rows
SETTLED = 1e-9  # change of a weight in a step


@dataclass(frozen=True, eq=False)
class Predictive:
    """A mixture of Student-t densities of the log loss, one component a draw, for every row.

    Attributes
    ----------
    centre : (draws, rows) array
        Log of the law's mean.
    spread : (draws, rows) array
        Scale of the noise about it.
    nu : (draws,) array
        Degrees of freedom.
    """

    centre: np.ndarray
    spread: np.ndarray
    nu: np.ndarray

    def at(self, rows: slice) -> Predictive:
        return Predictive(self.centre[:, rows], self.spread[:, rows], self.nu)

    def log_density(self, observed: np.ndarray) -> np.ndarray:
        """Log of the mean density over draws at the log loss of every row."""
        nu = self.nu[:, None]
        scaled = (observed - self.centre) / self.spread
        unit = gammaln((nu + 1) / 2) - gammaln(nu / 2) - 0.5 * np.log(nu * np.pi)
        each = unit - np.log(self.spread) - (nu + 1) / 2 * np.log1p(scaled**2 / nu)
        return logsumexp(each, axis=0) - np.log(len(each))

    def new_rows(self, each: int = 1) -> np.ndarray:
        """Draws of log losses, `each` of them a component."""
        centre, spread, nu = (
            np.repeat(a, each, axis=0) for a in (self.centre, self.spread, self.nu)
        )
        noise = np.random.default_rng(SEED).standard_t(nu[:, None], centre.shape)
        return centre + spread * noise

    def bounds(self) -> np.ndarray:
        """Ends of the 90 % interval of every row: exact for one component, else of draws."""
        if len(self.nu) == 1:
            return self.centre + self.spread * student_t.ppf(np.array(TAILS)[:, None], self.nu)
        return np.quantile(self.new_rows(-(-2000 // len(self.nu))), TAILS, axis=0)


def mixed_density(log_densities: Sequence[np.ndarray], weights: np.ndarray) -> np.ndarray:
    """Log density of every row under weighted laws, from that under each."""
    kept = weights > 0
    parts = np.stack(log_densities)[kept]
    return logsumexp(parts + np.log(weights[kept])[:, None], axis=0)


def mixed_quantiles(
    draws: Sequence[np.ndarray], weights: np.ndarray, at: tuple[float, ...]
) -> np.ndarray:
    """Quantiles of every row under weighted laws, from (samples, rows) draws of each."""
    shares = np.concatenate(
        [np.full(len(d), w / len(d)) for d, w in zip(draws, weights, strict=True)]
    )
    pooled = np.concatenate(draws)
    return np.quantile(pooled, at, axis=0, weights=shares, method="inverted_cdf")


def stack(log_densities: Sequence[np.ndarray], steps: int = 5000) -> np.ndarray:
    """Weights of laws of the best mean log score over curves, that of a curve the mean of its rows.

    Parameters
    ----------
    log_densities : sequence of (laws, rows) arrays
        One array a curve.
    steps : int
        Of expectation and maximisation, each of which raises the score; at most so many.
    """
    every = np.concatenate(log_densities, axis=1)
    share = np.concatenate([np.full(d.shape[1], 1 / d.shape[1]) for d in log_densities])
    share = share / share.sum()
    weights = np.full(len(every), 1 / len(every))
    with np.errstate(divide="ignore"):  # a weight of zero stays zero
        for _ in range(steps):
            joint = np.log(weights)[:, None] + every
            last, weights = weights, np.exp(joint - logsumexp(joint, axis=0)) @ share
            if np.abs(weights - last).max() < SETTLED:
                break
    return weights


def score(
    observed: np.ndarray, middle: np.ndarray, bounds: np.ndarray, log_density: np.ndarray
) -> dict[str, float]:
    """Scores of one curve.

    Parameters
    ----------
    observed, middle, log_density : (rows,) array
        Log losses, what was forecast, and the log density of the observed ones.
    bounds : (2, rows) array
        Ends of the 90 % interval.
    """
    low, high = bounds
    return {
        "rmsle": float(np.sqrt(np.mean((middle - observed) ** 2))),
        "points": len(observed),
        "held": int(((low <= observed) & (observed <= high)).sum()),
        "width": float(np.mean(high - low)),
        "log_score": float(np.mean(log_density)),
    }
