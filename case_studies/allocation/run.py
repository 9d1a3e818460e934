"""How to split compute: Chinchilla's budget, and the settings that move Kaplan's exponent.

    python case_studies/allocation/run.py chinchilla [FOLDER]
    python case_studies/allocation/run.py porian [FOLDER]        # needs tables/porian_isoflop
    python case_studies/allocation/run.py porian-all [FOLDER]    # with the far sides of profiles

Figures go to FOLDER. BAYES_SCALING_DATA names the folder that holds the tables; the points of
chinchilla are downloaded where it does not hold them.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pandas as pd

import bayes_scaling as bs
from bayes_scaling.display import save_figure

GOPHER = 5.76e23  # FLOP: the budget that Hoffmann et al. 2022 spent anew
EPOCH_EXPONENT = (0.513, 0.020)  # of N*, with its standard error: Besiroglu et al. 2024
# E + A / N^alpha + B / D^beta: coefficients as published, Hoffmann's exponents unrounded
PUBLISHED = {
    "Hoffmann, approach 3": {"A": 406.4, "B": 410.7, "alpha": 0.33917, "beta": 0.28491},
    "Epoch": {"A": 482.01, "B": 2085.43, "alpha": 0.3478, "beta": 0.3658},
}
# from memory of Hoffmann et al. 2022, figures 2 and 3; not checked against the paper
RECALLED = {"Hoffmann, approach 1": (67e9, 1.5e12), "Hoffmann, approach 2": (63e9, 1.4e12)}

COLUMNS = ["hparams", "warmup", "decay", "param_count"]
# refined web, one change at a time from the setting of Kaplan et al. to that of Hoffmann et al.
SETTINGS = {
    "as Kaplan": (("base", "long", "kaplan", "kaplan"), 0.834),
    "last layer counted": (("base", "long", "kaplan", "standard"), 0.701),
    "short warm-up": (("base", "short", "kaplan", "standard"), 0.604),
    "decay to the end": (("base", "short", "chinchilla", "standard"), 0.571),
    "tuned": (("tuned", "short", "const", "standard"), 0.497),
}
NEAR = 0.10  # runs of loss within this share of the lowest of their budget: the sides beyond
# belong to models with too few steps, and follow no law of N and D
CAREFUL = {"target_accept": 0.97, "warmup": 1000}


def chinchilla(folder: Path | None) -> bool:
    """N*, D* and their ratio at Gopher's budget, beside what was published."""
    fit = bs.ScalingModel(bs.models.chinchilla, discrepancy=False).fit(
        bs.datasets.chinchilla(), seed=0
    )
    answer = bs.allocate(fit, GOPHER)
    table = answer.summary().set_index("quantity")
    print(f"{GOPHER:.3g} FLOP, 240 points of figure 4; 80 % intervals")
    for name, unit in (("N", 1e9), ("D", 1e12), ("D/N", 1), ("exponent of N", 1)):
        row = table.loc[name] / unit if name in ("N", "D") else table.loc[name]
        print(f"  {name:14s} {row['q0.5']:.4g}  [{row['q0.1']:.4g}, {row['q0.9']:.4g}]")
    for name, p in PUBLISHED.items():
        n = closed_form(p)
        d = GOPHER / (6 * n)
        share = p["beta"] / (p["alpha"] + p["beta"])
        print(f"  {name:22s} N {n / 1e9:5.1f} B, D {d / 1e12:.2f} T, D/N {d / n:5.1f}, "
              f"exponent {share:.3f}")  # fmt: skip
    for name, (n, d) in RECALLED.items():
        print(f"  {name:22s} N {n / 1e9:5.1f} B, D {d / 1e12:.2f} T, D/N {d / n:5.1f} (recalled)")
    if folder:
        save_figure(bs.allocate(fit, [1e20, 1e21, 1e22, GOPHER]), folder / "allocation.png")
    middle, width = EPOCH_EXPONENT
    inside = abs(table.loc["exponent of N", "q0.5"] - middle) < 1.645 * width
    print(f"  exponent of N inside Epoch's 90 % interval: {inside}")
    return bool(inside)


def closed_form(p: dict[str, float]) -> float:
    """N* of published coefficients (Hoffmann et al. 2022, equation 4)."""
    total = p["alpha"] + p["beta"]
    g = (p["alpha"] * p["A"] / (p["beta"] * p["B"])) ** (1 / total)
    return float(g * (GOPHER / 6) ** (p["beta"] / total))


def porian_all(folder: Path | None) -> bool:
    """The same with all runs, whatever their loss; fits are forced to answer."""
    return porian(folder, near=np.inf)


def porian(folder: Path | None, near: float = NEAR) -> bool:
    """Exponent of N* in five settings, by the profiles and by two laws."""
    data = os.environ.get("BAYES_SCALING_DATA")
    if not data:
        sys.exit("set BAYES_SCALING_DATA to the folder that holds tables/")
    table = pd.read_csv(Path(data) / "tables" / "porian_isoflop" / "porian_isoflop_points.csv")
    rows = []
    for name, (setting, published) in SETTINGS.items():
        own = table[(table["dataset"] == "rw") & (table[COLUMNS] == list(setting)).all(axis=1)]
        lowest = own.groupby("C")["loss"].transform("min")
        own = own[own["loss"] <= (1 + near) * lowest]
        rows.append({"setting": name, "runs": len(own), "published": published})
        found, agreed = exponents(own.assign(budget=own["C"].map("{:.3g}".format)), folder, name)
        rows[-1] |= found
        print(f"{name}: {agreed}", flush=True)
    scores = pd.DataFrame(rows).set_index("setting")
    print(scores.to_string())
    order = [np.diff(scores[f"{by} 50%"]).max() < 0 for by in ("profiles", "chinchilla", "skaling")]
    print(
        f"same order as published: profiles {order[0]}, chinchilla {order[1]}, skaling {order[2]}"
    )
    return all(order)


def exponents(
    own: pd.DataFrame, folder: Path | None, name: str
) -> tuple[dict[str, float | str], str]:
    """Exponents of one setting with 90 % intervals, and whether law and profiles agree."""
    profile_fit = bs.ScalingModel(bs.models.isoflop, discrepancy=False).fit(
        bs.read_runs(own, inputs={"N": "N", "C": "C"}, group="budget"), seed=0, **CAREFUL
    )
    found = bs.profiles(profile_fit, force=True)
    row: dict[str, float | str] = quantiles("profiles", found.exponent.to_numpy())
    statements, faults = [], f"{profile_fit.diagnostics['divergences']}"
    for law in (bs.models.chinchilla, bs.models.skaling):
        fit = bs.ScalingModel(law, discrepancy=False).fit(bs.read_runs(own), seed=0, **CAREFUL)
        answer = bs.allocate(fit, found.budgets["budget"], force=True)
        faults += f"; {law.name} {fit.diagnostics['divergences']}"
        row |= quantiles(law.name, answer.exponent().to_numpy()[:, 0])
        statements.append(bs.agreement(answer, found).statement)
    if folder:
        save_figure(found, folder / f"profiles-{name.replace(' ', '-')}.png")
    statements.append(f"divergences of 4,000: profiles {faults}")
    return row, "; ".join(statements)


def quantiles(name: str, draws: np.ndarray) -> dict[str, float | str]:
    """Median and 90 % interval."""
    low, middle, high = np.quantile(draws, (0.05, 0.5, 0.95))
    return {f"{name} 50%": round(float(middle), 3), f"{name} 90%": f"{low:.3f} to {high:.3f}"}


def main() -> int:
    studies = {"chinchilla": chinchilla, "porian": porian, "porian-all": porian_all}
    if len(sys.argv) < 2 or sys.argv[1] not in studies:
        print(__doc__, file=sys.stderr)
        return 2
    folder = Path(sys.argv[2]) if len(sys.argv) > 2 else None
    if folder:
        folder.mkdir(parents=True, exist_ok=True)
    return 0 if studies[sys.argv[1]](folder) else 1


if __name__ == "__main__":
    sys.exit(main())
