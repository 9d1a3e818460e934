"""The ladder's own sweeps: one recipe over rate and batch size, four recipes over the rate."""

from __future__ import annotations

import numpy as np
import pandas as pd
import scoring
from steplaw import sampled

import bayes_scaling as bs

RESPONSE = "loss"
# every diverged run ended above it; finished ones that did, too, count as no more than that
ABOVE = 2.7
BATCH = 512  # that of the recipes whose batch size was not varied
OPTIONS = {"seed": 0, "draws": 500, "warmup": 500, "target_accept": 0.95}
RECIPE = "transformer-adamw"
SWEEPS, SINGLE = ("tuning", "edges"), ("grid", "seeds")


def table() -> pd.DataFrame:
    """The sweeps, and runs at one rate and batch size a cell, which say how the best loss falls.

    B counts symbols a step; a cell is a shape and a number of symbols.
    """
    frame = bs.datasets.ladder().runs
    frame = frame[frame["study"].isin([*SWEEPS, *SINGLE])]
    frame = frame.rename(columns={"batch": "B"}).reset_index(drop=True)
    shape = frame["width"].astype(str) + "x" + frame["depth"].astype(str)
    return frame.assign(cell=shape + " " + frame["D"].astype(str))


def read(frame: pd.DataFrame, law: bs.Law, **columns: str) -> bs.Runs:
    inputs = {name: name for name in law.inputs}
    return bs.read_runs(
        frame,
        inputs=inputs,
        response=RESPONSE,
        diverged_above=ABOVE,
        unit="nat/symbol",
        counts_embeddings=False,
        **columns,
    )


def groups(law: bs.Law) -> dict[str, str]:
    return {"group": "recipe"} if law.name.startswith("rate_valley") else {}


def swept(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[frame["study"].isin(SWEEPS)]


def optima(fit: bs.Fit, frame: pd.DataFrame) -> pd.DataFrame:
    """Best settings of every recipe at every cell: median, 90 % interval, and the best run."""
    rows = []
    for (recipe, cell), runs in swept(frame).groupby(["recipe", "cell"]):
        at = {"N": float(runs["N"].iloc[0]), "D": float(runs["D"].iloc[0])}
        best = runs.loc[runs[RESPONSE].idxmin()]
        for name, draws in scoring.optimum(fit, at, labels(fit, recipe)).items():
            low, mid, high = np.quantile(draws, (0.05, 0.5, 0.95))
            rows.append((recipe, cell, name, mid, low, high, best[name]))
    return pd.DataFrame(
        rows, columns=["recipe", "cell", "setting", "median", "q0.05", "q0.95", "best run"]
    )


def labels(fit: bs.Fit, recipe: str) -> dict[str, str]:
    return {"recipe": recipe} if fit.groups else {}


def left_out(law: bs.Law, frame: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Gaps, and coverage, of every cell with all its recipes left out in turn."""
    lost = int((frame[RESPONSE] > ABOVE).sum())
    gaps, held = [], []
    for cell, runs in swept(frame).groupby("cell"):
        others = frame[frame["cell"] != cell]
        full = scoring.padded(others, len(frame), lost, RESPONSE, ABOVE)
        fit = bs.ScalingModel(law).fit(read(full, law, se="se", **groups(law)), **OPTIONS)
        print(f"without {cell}: {sampled(fit)}", flush=True)
        points = runs[[*law.inputs, *fit.groups]].reset_index(drop=True)
        draws = bs.forecast(fit, points, force=True).draws.transpose("sample", "point").to_numpy()
        losses = runs[RESPONSE].to_numpy()
        gone = losses > ABOVE
        seen, theirs = losses[~gone], draws[:, ~gone]
        held.append(
            {"cell": cell}
            | scoring.intervals(seen, theirs)
            | {"shape": scoring.intervals(scoring.shape(seen), scoring.shape(theirs))["held"]}
            | {f"chance of {k}": v for k, v in scoring.chances(draws, gone, ABOVE).items()}
        )
        for recipe, own in runs.groupby("recipe"):
            at = {"N": float(own["N"].iloc[0]), "D": float(own["D"].iloc[0])}
            best = scoring.middle(scoring.optimum(fit, at, labels(fit, recipe)))
            gap = 100 * scoring.gap(own, best, RESPONSE)
            gaps.append({"cell": cell, "recipe": recipe, **best, "gap": gap})
    return pd.DataFrame(gaps), pd.DataFrame(held)


def sweep(name: str, frame: pd.DataFrame) -> bs.Fit:
    """One law fitted to all cells and without each of them."""
    law = bs.find_law(name)
    runs = read(frame, law, **groups(law))
    print(f"\n{name}: {len(runs)} runs, {runs.diverged.sum()} above {ABOVE}")
    fit = bs.ScalingModel(law).fit(runs, **OPTIONS)
    print(sampled(fit))
    print(scoring.exponents(fit).round(3).to_string())
    print(optima(fit, frame).to_string(index=False, float_format="%.4g"))
    gaps, held = left_out(law, frame)
    print(gaps.to_string(index=False, float_format="%.3g"))
    print(f"mean gap {gaps['gap'].mean():.2f} %")
    print(held.to_string(index=False, float_format="%.3f"))
    print(
        f"held {held['held'].sum()}, in shape {held['shape'].sum()}, of {held['runs'].sum()}",
        flush=True,
    )
    return fit


def study() -> dict[str, bs.Fit]:
    """Rate and batch size of one recipe, then the rates of all four at one batch size."""
    frame = table()
    one = frame[frame["recipe"] == RECIPE].reset_index(drop=True)
    # rates of the grid follow a rule in N and D, so that misfit of the loss would move exponents
    four = swept(frame[frame["B"] == BATCH]).reset_index(drop=True)
    return {"valley": sweep("valley", one), "rate_valley": sweep("rate_valley", four)}
