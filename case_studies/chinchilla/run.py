"""The posterior of Chinchilla's law on the extraction of its figure 4, beside Epoch's intervals.

Run as ``python case_studies/chinchilla/run.py [FOLDER]``; figures go to FOLDER.
"""

from __future__ import annotations

import sys
from pathlib import Path

import bayes_scaling as bs
from bayes_scaling.display import save_figure

# Besiroglu et al. 2024, 95 % bootstrap intervals
PUBLISHED = {
    "E": (1.769, 1.871),
    "A": (285, 744),
    "B": (1042, 5810),
    "alpha": (0.317, 0.373),
    "beta": (0.331, 0.415),
}


def main() -> int:
    """Fit the 240 points, compare, and draw."""
    fit = bs.ScalingModel(bs.models.chinchilla, discrepancy=False).fit(
        bs.datasets.chinchilla(), seed=0
    )
    table = fit.summary().set_index("name")
    print("parameter  median    95 % interval        published 95 % interval")
    inside = True
    for name, (low, high) in PUBLISHED.items():
        row = table.loc[name]
        inside &= low <= row["q0.5"] <= high
        print(
            f"{name:9s}  {row['q0.5']:<8.4g}  {row['q0.025']:<8.4g} {row['q0.975']:<8.4g}    "
            f"{low} {high}"
        )
    found = fit.diagnostics
    print(
        f"divergences {found['divergences']}, max R-hat {found['max_rhat']:.4f}, "
        f"min ESS {found['min_ess_bulk']:.0f} bulk {found['min_ess_tail']:.0f} tail, "
        f"{found['seconds']['sample']:.2f} s sampling"
    )
    if len(sys.argv) > 1:
        folder = Path(sys.argv[1])
        folder.mkdir(parents=True, exist_ok=True)
        for figure in ("fit", "prior", "residuals", "trace"):
            save_figure(fit, folder / f"{figure}.png", figure)
    sampled = found["divergences"] == 0 and found["max_rhat"] < 1.01
    enough = min(found["min_ess_bulk"], found["min_ess_tail"]) > 1000
    return 0 if inside and sampled and enough else 1


if __name__ == "__main__":
    sys.exit(main())
