"""Scores of predictive draws against the truth (Gneiting and Raftery 2007)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pandas as pd
from jaxtyping import Float

LEVELS = (0.5, 0.8, 0.9)  # of central intervals whose coverage is counted
INTERVAL = 0.9  # of the interval score, and of differences
TAILS = (0.5 - INTERVAL / 2, 0.5 + INTERVAL / 2)
TAIL_SHARE = 0.01  # of the mixture that a density is estimated by
TAIL_NU = 3.0
IQR_OF_NORMAL = 1.349
SILVERMAN = 1.06
SMALLEST = 1e-9  # spread of draws that are all alike, relative to them

type Draws = Float[np.ndarray, "point sample"]
type Values = Float[np.ndarray, " point"]


def score_draws(truth: Values, draws: Draws, *, on_log: bool = True) -> pd.DataFrame:
    """Score predictive draws of positive responses, or of any on their own scale.

    Parameters
    ----------
    truth : (point,) array
    draws : (point, sample) array
        In the same unit.
    on_log : bool
        Whether responses are positive and errors relative. Otherwise errors are in the unit of
        the response.

    Returns
    -------
    DataFrame
        One row a point. ``median``, ``low`` and ``high`` (the 90 % interval) in the unit of the
        response; ``held_50``, ``held_80`` and ``held_90``, whether that central interval holds
        the truth (0 or 1); ``relative_error``, of the median, ``|median / truth - 1|``;
        ``interval_score``, that of the 90 % interval over the truth; ``crps``, the continuous
        ranked probability score of the log response, which is a relative error again; and
        ``log_score``, the log density of the log response in nats (`log_density`). Smaller is
        better but for the log score. Where `on_log` is not set, all are of the response itself,
        and errors are not divided by the truth.
    """
    import scoringrules

    unit = truth if on_log else np.ones_like(truth)
    turned, seen = (np.log(draws), np.log(truth)) if on_log else (draws, truth)
    low, median, high = np.quantile(draws, [TAILS[0], 0.5, TAILS[1]], axis=1)
    table = {"median": median, "low": low, "high": high}
    for level in LEVELS:
        ends = np.quantile(draws, [0.5 - level / 2, 0.5 + level / 2], axis=1)
        held = (ends[0] <= truth) & (truth <= ends[1])
        table[f"held_{100 * level:.0f}"] = held.astype(float)
    table["relative_error"] = np.abs(median - truth) / np.abs(unit)
    wide = scoringrules.interval_score(truth, low, high, 1 - INTERVAL, backend="numpy")
    table["interval_score"] = wide / np.abs(unit)
    table["crps"] = scoringrules.crps_ensemble(seen, turned, estimator="qd", backend="numpy")
    table["log_score"] = log_density(seen, turned)
    return pd.DataFrame(table)


def log_density(truth: Values, draws: Draws) -> Values:
    """Log predictive density of the truth, estimated from draws.

    A mixture: 99 % a Gaussian kernel density with Silverman's bandwidth, whose spread is the
    smaller of sd and interquartile range over 1.349, so that a few far draws do not widen it;
    and 1 % a Student-t with 3 degrees of freedom about the median, with that spread. Without the
    second part the density beyond the last draw falls as fast as one kernel does, a quarter of
    an sd wide, and one run there would outweigh all others. With it the log score of a truth z
    sds out is no less than about ``-4 log z - 4`` nats.

    Parameters
    ----------
    truth : (point,) array
    draws : (point, sample) array

    Returns
    -------
    (point,) array
        In nats, of a density per unit of `truth`.
    """
    import scoringrules

    lower, middle, upper = np.quantile(draws, [0.25, 0.5, 0.75], axis=1)
    sd, inner = draws.std(axis=1), (upper - lower) / IQR_OF_NORMAL
    # more than half of the draws of a count may be alike
    spread = np.where(inner > 0, np.minimum(sd, inner), sd)
    spread = np.maximum(spread, SMALLEST * (np.abs(middle) + SMALLEST))
    width = SILVERMAN * spread * draws.shape[1] ** -0.2
    with np.errstate(divide="ignore"):  # far from every draw the kernels underflow
        near = -np.asarray(scoringrules.logs_ensemble(truth, draws, bw=width, backend="numpy"))
    far = -np.asarray(scoringrules.logs_t(truth, TAIL_NU, middle, spread, backend="numpy"))
    mixed: np.ndarray = np.logaddexp(np.log1p(-TAIL_SHARE) + near, np.log(TAIL_SHARE) + far)
    return mixed


def score_differences(
    truth: Values,
    draws: Draws,
    groups: Sequence[str],
    rungs: Sequence[str],
    *,
    on_log: bool = True,
) -> pd.DataFrame:
    """Score differences between groups at equal inputs, from joint draws.

    Runs of one group and rung, such as seeds, are averaged first.

    Parameters
    ----------
    truth : (point,) array
    draws : (point, sample) array
        Joint: one sample of all points has the same parameters and rung effects.
    groups, rungs : sequence of str
        Label of the recipe of each point, and of the inputs that recipes are compared at.
    on_log : bool
        Whether differences are of the log response, so relative.

    Returns
    -------
    DataFrame
        One row a pair of groups at a rung: ``rung``, ``first``, ``second``, the true
        ``difference``, its ``median`` and 90 % interval ``low`` to ``high``; ``error`` of the
        median, ``held_90`` and ``right_sign`` (0 or 1; missing where the truth is zero).
    """
    turned, seen = (np.log(draws), np.log(truth)) if on_log else (draws, truth)
    labels = pd.DataFrame({"rung": list(rungs), "group": list(groups)})
    rows = []
    for rung, members in labels.groupby("rung", sort=False):
        cells = members.groupby("group").indices
        places = {str(g): members.index[rows_of].to_numpy() for g, rows_of in cells.items()}
        for first, second in combinations(places, 2):
            a, b = places[first], places[second]
            true = float(seen[a].mean() - seen[b].mean())
            drawn = turned[a].mean(axis=0) - turned[b].mean(axis=0)
            low, median, high = np.quantile(drawn, [TAILS[0], 0.5, TAILS[1]])
            rows.append({
                "rung": rung, "first": first, "second": second, "difference": true,
                "median": median, "low": low, "high": high, "error": abs(median - true),
                "held_90": float(low <= true <= high),
                "right_sign": float(median * true > 0) if true else np.nan,
            })  # fmt: skip
    return pd.DataFrame(rows, columns=DIFFERENCES)


DIFFERENCES = ["rung", "first", "second", "difference", "median", "low", "high", "error",
               "held_90", "right_sign"]  # fmt: skip
