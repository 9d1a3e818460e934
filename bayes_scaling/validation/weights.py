"""Weights of laws by what they said of dearer runs: stacking of forward validations."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy.special import logsumexp

from bayes_scaling.errors import UsageError

SHRINKAGE = 1.0  # folds that each law is given beforehand
ROUNDS = 2000


def stack(
    log_density: pd.DataFrame,
    *,
    laws: Sequence[str],
    within: Sequence[str] = ("fold",),
    shrinkage: float = SHRINKAGE,
    least: float = 0.0,
) -> dict[str, float]:
    r"""Weights of laws whose mixture forecasts best, shrunk to equal ones.

    Maximises :math:`\sum_f \overline{\log \sum_k w_k\, p_k(y)} + \lambda \sum_k \log w_k` over
    folds f, the bar a mean over the runs of a fold: runs of one fold err together, so that a fold
    is one piece of evidence, however many runs it scores. (Yao et al. 2018, with forward
    validation in the place of leave-one-out, which scores interpolation.)

    Parameters
    ----------
    log_density : DataFrame
        One row a scored run: columns of `within`, and the log predictive density of each law.
        Means are taken from the last of `within` to the first: of runs in a fold, of folds in a
        data set.
    laws : sequence of str
    within : sequence of str
        Columns that nest, outermost first, such as ``("set", "fold")``: every outermost label
        counts once.
    shrinkage : float
        Pieces of evidence that every law is given beforehand; zero does not shrink.
    least : float
        Laws of less weight have none, and the others are weighed again: a law in the tail of a
        mixture costs as much to fit as any other.

    Returns
    -------
    dict of str to float
        Sums to one.

    Raises
    ------
    UsageError
        If a column is missing, a density is not a number, shrinkage is negative, or `least` is
        so large that no law might be left.
    """
    missing = [c for c in (*laws, *within) if c not in log_density]
    if missing or not len(log_density) or not laws:
        raise UsageError(
            f"stacking needs scored runs with columns {', '.join((*within, *laws))}; "
            f"{', '.join(missing) or 'rows'} are missing"
        )
    if not shrinkage >= 0:
        raise UsageError(f"shrinkage is {shrinkage}; it must be zero or positive")
    if not 0 <= least <= 1 / len(laws):
        raise UsageError(f"least is {least}; it must be from 0 to 1 / {len(laws)}, for any law")
    densities = log_density[list(laws)].to_numpy(dtype=float)
    if np.isnan(densities).any() or np.isposinf(densities).any():
        raise UsageError("a log density is not a number: leave out runs that were not forecast")
    if np.isneginf(densities).all(axis=1).any():
        raise UsageError("no law gives a run any chance: no weights do, so leave that run out")
    evidence = _evidence(log_density, within)
    weights = _mixture(densities, evidence, shrinkage)
    kept = weights >= min(least, weights.max())  # equal ones may be rounded
    if not kept.all():
        weights[kept] = _mixture(densities[:, kept], evidence, shrinkage)
        weights[~kept] = 0.0
    return dict(zip(laws, map(float, weights), strict=True))


def _mixture(
    densities: Float[np.ndarray, "run law"], evidence: Float[np.ndarray, " run"], shrinkage: float
) -> Float[np.ndarray, " law"]:
    """Weights of the best mean log score of the mixture, shrunk to equal ones."""
    laws = densities.shape[1]
    weights = np.full(laws, 1.0 / laws)
    for _ in range(ROUNDS):  # expectation-maximisation; the objective is concave
        joint = np.log(np.maximum(weights, 1e-300)) + densities
        share = np.exp(joint - logsumexp(joint, axis=1, keepdims=True))
        total = evidence @ share + shrinkage
        weights = total / total.sum()
    return weights


def _evidence(table: pd.DataFrame, within: Sequence[str]) -> Float[np.ndarray, " runs"]:
    """How much each run counts: every outermost label once, shared out evenly on the way down."""
    share = pd.Series(1.0, index=table.index)
    for depth, column in enumerate(within):
        outer = list(within[:depth])
        if outer:
            count = table.groupby(outer, dropna=False)[column].transform("nunique")
            share /= count
    return (
        share / table.groupby(list(within), dropna=False)[within[0]].transform("size")
    ).to_numpy()
