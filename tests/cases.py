"""One row a law for the contract tests; a new law or variant needs a row in a file of this list.

`casekit.py` says what a row holds. Rows lie in ``cases_*.py``, each with a tuple ``ROWS``.
"""

from __future__ import annotations

import cases_classic
import cases_costs
import cases_links
import cases_losses
import cases_mixtures
import cases_optima
import cases_precision
import cases_products
import cases_regimes
import cases_resources
import cases_sampling
import cases_single
import cases_sizes
import cases_trajectories
from casekit import Case, Check

CASES: tuple[Case, ...] = (
    *cases_classic.ROWS,
    *cases_single.ROWS,
    *cases_products.ROWS,
    *cases_losses.ROWS,
    *cases_mixtures.ROWS,
    *cases_precision.ROWS,
    *cases_resources.ROWS,
    *cases_sizes.ROWS,
    *cases_regimes.ROWS,
    *cases_optima.ROWS,
    *cases_trajectories.ROWS,
    *cases_links.ROWS,
    *cases_sampling.ROWS,
    *cases_costs.ROWS,
)

__all__ = ["CASES", "Case", "Check"]
