"""Do measured losses ask for more than a sum of powers? Chinchilla, Skaling and Farseer.

Run as ``python case_studies/farseer/run.py [FOLDER]``; the figure is written to FOLDER. Needs the
public table scalebench/farseer, see ``bayes_scaling.datasets``.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd

import bayes_scaling as bs
from bayes_scaling.runs import datasets

SEED = 1
LAWS = ("chinchilla", "skaling", "farseer:quadratic")
SPLITS = {"dearest 15 %": 0.85, "dearer than a tenth of the dearest": None}
ASKED = {  # parameters that are at these values for chinchilla
    "skaling": {"coupling": 1.0},
    "farseer:quadratic": {"data_drift": 0.0, "data_bend": 0.0, "exponent_drift": 0.0},
}


def main(arguments: list[str]) -> int:
    table = datasets.scalebench("farseer")
    compute = 6 * table["N"] * table["D"]
    rows, fits = [], {}
    for split, share in SPLITS.items():
        edge = np.quantile(compute, share) if share else compute.max() / 10
        fitted, held = read(table[compute <= edge]), read(table[compute > edge])
        for name in LAWS:
            fit = bs.ScalingModel(bs.find_law(name), discrepancy=False).fit(
                fitted,
                seed=SEED,
                warmup=1000,
                target_accept=0.98,
                report=lambda text, n=name: print(f"{n}: {text}", file=sys.stderr),
            )
            fits[split, name] = fit, held
            rows.append({"split": split, "law": name} | score(fit, held))
            print(pd.DataFrame(rows[-1:]).to_string(index=False, header=len(rows) == 1), flush=True)
    print(f"\n{pd.DataFrame(rows).to_string(index=False)}\n")
    for (split, name), (fit, _) in fits.items():
        for parameter, nested in ASKED.get(name, {}).items():
            print(f"{split}: {asked(fit, parameter, nested)}")
    if arguments:
        draw(fits, Path(arguments[0]) / "forward.png")
    return 0


def read(table: pd.DataFrame) -> bs.Runs:
    return bs.read_runs(table, unit="bit/character")


def score(fit: bs.Fit, held: bs.Runs) -> dict[str, float | int | str]:
    """Forecast of the runs held out, in per cent of the loss, and the sampling."""
    answer = bs.forecast(fit, held.points(), seed=SEED, force=True).summary()
    y, low, high = (answer[c].to_numpy() for c in ("observed", "q0.05", "q0.95"))
    log_error = np.log(answer["q0.5"].to_numpy() / y)
    missed = np.maximum(low - y, 0) + np.maximum(y - high, 0)
    inside = (low <= y) & (y <= high)
    return {
        "fitted": fit.tree["observed_data"].sizes["run"],
        "held out": len(held),
        "RMSE %": round(100 * float(np.sqrt(np.mean(log_error**2))), 3),
        "bias %": round(100 * float(log_error.mean()), 3),
        "held by 90 %": f"{inside.sum()} of {len(y)}",
        "interval score %": round(100 * float(np.mean((high - low + 2 / 0.1 * missed) / y)), 3),
        "divergences": fit.diagnostics["divergences"],
        "R-hat": round(fit.diagnostics["max_rhat"], 3),
    }


def asked(fit: bs.Fit, parameter: str, nested: float) -> str:
    """Posterior of a parameter beside the value at which the law is chinchilla."""
    row = fit.summary().set_index("name").loc[parameter]
    inside = row["q0.025"] <= nested <= row["q0.975"]
    return (
        f"{fit.law.name} {parameter} {row['mean']:.3f} "
        f"({row['q0.025']:.3f} to {row['q0.975']:.3f}); "
        f"{nested:g} is chinchilla: {'not excluded' if inside else 'excluded'}"
    )


def draw(fits: dict[tuple[str, str], tuple[bs.Fit, bs.Runs]], path: Path) -> None:
    """Error of each forecast along the compute of the runs held out."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(SPLITS), figsize=(5.6 * len(SPLITS), 4), sharey=True)
    for ax, split in zip(axes, SPLITS, strict=True):
        for name, marker in zip(LAWS, "os^", strict=True):
            fit, held = fits[split, name]
            answer = bs.forecast(fit, held.points(), seed=SEED, force=True).summary()
            error = 100 * (answer["q0.5"] / answer["observed"] - 1)
            ax.plot(6 * answer["N"] * answer["D"], error, marker, ms=3, label=name, alpha=0.7)
        ax.axhline(0, color="0.5", lw=0.8)
        ax.set(title=split, xscale="log", xlabel="compute 6 N D (FLOP)")
    axes[0].set_ylabel("forecast / observed - 1 (%)")
    axes[0].legend(frameon=False)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    print(f"figure written to {path}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
