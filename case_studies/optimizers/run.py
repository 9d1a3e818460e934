"""Eleven optimisers in one model: partial pooling with a shared deviation for each rung.

Run as ``python case_studies/optimizers/run.py [FOLDER]``; figures go to FOLDER. It needs
BAYES_SCALING_DATA to name the folder that holds ``tables/fantastic_optimizers``.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path


def main() -> int:
    """Fit without a compilation cache, check the diagnostics, and draw."""
    folder = os.environ.get("BAYES_SCALING_DATA")
    if not folder:
        print("set BAYES_SCALING_DATA to the folder that holds tables/", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as cache:
        os.environ["JAX_COMPILATION_CACHE_DIR"] = cache
        begun = time.perf_counter()
        import bayes_scaling as bs
        from bayes_scaling.display import save_figure

        path = Path(folder) / "tables" / "fantastic_optimizers" / "optimizers.csv"
        runs = bs.read_runs(path, group="optimizer")
        fit = bs.ScalingModel(bs.models.chinchilla, discrepancy=False).fit(runs, seed=0)
        found = fit.diagnostics
        seconds = time.perf_counter() - begun
    print(f"{len(runs)} runs, 11 recipes, cold: {seconds:.0f} s, imports and compilation included")
    print(
        f"divergences {found['divergences']}, max R-hat {found['max_rhat']:.4f}, "
        f"min ESS {found['min_ess_bulk']:.0f} bulk {found['min_ess_tail']:.0f} tail"
    )
    table = fit.summary()
    columns = ["name", "group", "mean", "sd", "rhat", "ess_bulk", "contraction"]
    print(table[table["kind"] != "derived"][columns].to_string(index=False))
    if len(sys.argv) > 1:
        target = Path(sys.argv[1])
        target.mkdir(parents=True, exist_ok=True)
        save_figure(fit, target / "residuals.png", "residuals")
    good = found["divergences"] == 0 and found["max_rhat"] < 1.01
    return 0 if good and seconds < 40 else 1


if __name__ == "__main__":
    sys.exit(main())
