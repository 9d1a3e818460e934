"""How long it takes to value 2,000 candidates; ``python -m benchmarks.next_run_speed``.

The question is a forecast of the ladder eight times beyond its runs, of a fit with 4,000 draws
that has rungs, recipes and a discrepancy. The first call compiles; later ones, on other
candidates, find every program compiled. The exit status is 1 if the median of these takes more
than the target, 5 s of wall time on 2 cores.
"""

from __future__ import annotations

import os
import statistics
import sys
import time

import bayes_scaling as bs
from bayes_scaling.answers.candidates import drawn_from

CANDIDATES, WARM, TARGET = 2000, 3, 5.0
BOX = {"N": (3e3, 2e5), "D": (1.3e5, 4.2e6)}
AT = {"N": 8e5, "D": 4.2e6, "recipe": "transformer-muon"}


def main() -> int:
    """Time a cold call and warm ones, and print them."""
    fit = bs.fit(bs.datasets.ladder().tuned("fit"), seed=0)
    draws = fit.posterior.sizes["chain"] * fit.posterior.sizes["draw"]
    box = BOX | {"recipe": fit.spec.labels["recipe"]}
    goal = bs.Goal("forecast", at=AT)
    fit.warnings  # noqa: B018 diagnostics belong to the fit, and are kept with it
    taken = []
    for seed in range(1 + WARM):
        table = drawn_from(fit, box, seed, CANDIDATES)
        begun = time.perf_counter()
        found = bs.next_run(fit, table, goal)
        taken.append(time.perf_counter() - begun)
    cold, *warm = taken
    middle = statistics.median(warm)
    weighed = int((found.candidates["method"] == "weights").sum())
    print(
        f"{draws:,} draws, {CANDIDATES:,} candidates, {weighed:,} of them by reweighting: "
        f"{cold:.1f} s cold, {middle:.1f} s warm ({min(warm):.1f} to {max(warm):.1f}); load "
        f"average {os.getloadavg()[0]:.1f}"
    )
    print(f"target: {TARGET:.0f} s warm")
    return int(middle > TARGET)


if __name__ == "__main__":
    sys.exit(main())
