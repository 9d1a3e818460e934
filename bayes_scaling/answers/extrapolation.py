"""How far points lie beyond the fitted runs, and what is said of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from bayes_scaling.errors import Finding
from bayes_scaling.posterior.fit import Fit

FAR = 1.0  # decades beyond the fitted range where an answer gets a warning


def extrapolation_of(fit: Fit, table: pd.DataFrame) -> pd.DataFrame:
    """Decades of points beyond the fitted range of each input, zero inside.

    For inputs that are not scales (fractions, dates), in widths of the fitted range.
    """
    columns = {}
    for name, (low, high) in fit.spec.ranges.items():
        x = table[name].to_numpy()
        if fit.law.inputs[name].on_log:
            beyond = np.maximum(np.log10(x) - np.log10(high), np.log10(low) - np.log10(x))
        else:
            beyond = np.maximum(x - high, low - x) / ((high - low) or 1.0)
        # a nominal size written with three digits is not outside
        columns[name] = np.where(beyond > 1e-3, beyond, 0.0)
    return pd.DataFrame(columns)


def forced(fit: Fit) -> tuple[Finding, ...]:
    """Errors of the fit in spite of which it answers."""
    return tuple(w for w in fit.warnings if w.severity == "error")


def warnings_of(
    fit: Fit, extrapolation: pd.DataFrame, names: Sequence[str] = ()
) -> tuple[Finding, ...]:
    """Errors of the fit that were forced, and the point that lies far outside, by its name."""
    found = [*forced(fit)]
    farthest = extrapolation.max(axis=1)
    if (farthest > FAR).any():
        worst = int(farthest.argmax())
        where = ", ".join(
            f"{d:.1f} {'decades' if fit.law.inputs[str(n)].on_log else 'range widths'} in {n}"
            for n, d in extrapolation.loc[worst].items()
            if d > 0
        )
        called = names[worst] if names else f"point {worst + 1}"
        found.append(
            Finding(
                "far-outside",
                "warning",
                f"{called} lies {where} beyond the fitted runs; the interval "
                f"holds if law {fit.law.name} holds there, which no run has shown",
            )
        )
    if fit.law.turns and (farthest > 0).any():
        found.append(
            Finding(
                "turning-law",
                "warning",
                f"law {fit.law.name} can turn, and points lie beyond the fitted runs: that the "
                f"curve goes on as it does, or turns where the law says, is an assumption that no "
                f"run has tested",
            )
        )
    return tuple(found)
