"""Which recipe to scale up: eleven optimisers, and two architectures at a long context.

    python case_studies/recipes/run.py optimizers [FOLDER]
    python case_studies/recipes/run.py xlstm [FOLDER]

Figures go to FOLDER. BAYES_SCALING_DATA names the folder that holds
``tables/fantastic_optimizers`` and ``tables/xlstm_vs_transformer``.
"""

from __future__ import annotations

import itertools
import os
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.optimize import minimize_scalar
from scipy.special import expit, logit

import bayes_scaling as bs
from bayes_scaling.display import save_figure

LAW = bs.models.chinchilla
EVERY = dict.fromkeys(LAW.parameters, "partial")  # recipes may differ in all, floors included
SMALL, LARGE = ("130m", "300m"), "520m"
CONFIDENCE = 0.95
BOOTSTRAPS = 2000
VOCABULARY = 50304  # tokens that are looked up in the embedding, which costs no FLOP
LONG = ("transformer_llama@16384", "mlstm@16384")


def tables(name: str) -> pd.DataFrame:
    """A table of measured runs."""
    folder = os.environ.get("BAYES_SCALING_DATA")
    if not folder:
        sys.exit("set BAYES_SCALING_DATA to the folder that holds tables/")
    return pd.read_csv(Path(folder) / "tables" / name)


# -- eleven optimisers ---------------------------------------------------------


def optimizers(folder: Path | None) -> bool:
    """Forecast the order of the 520M runs from those of 130M and 300M, three ways."""
    table = tables("fantastic_optimizers/optimizers.csv")
    fitted = table[table["size"].isin(SMALL)]
    targets = table[table["size"] == LARGE].reset_index(drop=True)
    fit = fit_pooled(fitted)
    points = targets[["N", "D", "optimizer"]]
    methods = {
        "pooled": bs.forecast(fit, points, seed=1).draws.transpose("sample", "point").to_numpy(),
        "separate fits": separate(fitted, targets),
    }
    chances = {name: beaten(draws, targets) for name, draws in methods.items()}
    chances["order at 300M"] = largest_measured(table, targets)
    picks = {name: draws.mean(axis=0) for name, draws in methods.items()}
    at_300 = table[table["size"] == "300m"].set_index(["optimizer", "chinchilla"])["loss"]
    picks["order at 300M"] = at_300.loc[
        list(zip(targets["optimizer"], targets["chinchilla"], strict=True))
    ].to_numpy()
    scores = pd.DataFrame(
        {name: score(pairs, regret(picks[name], targets), name) for name, pairs in chances.items()}
    ).T
    print(f"\n{len(chances['pooled'])} pairs of {LARGE} runs in {targets['D'].nunique()} cells")
    print(scores.to_string(float_format="%.3f"))
    choose(fit, targets)
    if folder:
        point = {"N": targets["N"].iloc[0], "D": targets["D"].max()}
        compared = bs.compare(fit, at=point, kind="new-run", seed=1)
        save_figure(compared, folder / "ranks.png")
        save_figure(bs.decide(fit, point, kind="new-run", seed=1), folder / "regret.png")
    pooled, others = scores.loc["pooled"], scores.drop("pooled")
    return bool(
        pooled["wrong of decided"] < 0.03
        and (pooled["log score"] <= others["log score"].min())
        and (pooled["regret"] <= others["regret"].min())
        and pooled["slope 5%"] < 1 < pooled["slope 95%"]
    )


def fit_pooled(table: pd.DataFrame) -> bs.Fit:
    """All optimisers in one model, with a deviation that the runs of a rung share."""
    fit = bs.ScalingModel(LAW, pool=EVERY, discrepancy=False).fit(
        bs.read_runs(table, group="optimizer"), seed=0, target_accept=0.95
    )
    print(fit, fit.diagnostics)
    return fit


def separate(fitted: pd.DataFrame, targets: pd.DataFrame) -> np.ndarray:
    """Draws of new runs from a fit of each optimiser alone."""
    draws = np.empty((4000, len(targets)))
    for k, (name, rows) in enumerate(targets.groupby("optimizer")):
        runs = bs.read_runs(fitted[fitted["optimizer"] == name].drop(columns="optimizer"))
        fit = bs.ScalingModel(LAW, discrepancy=False).fit(runs, seed=k, target_accept=0.95)
        answer = bs.forecast(fit, rows[["N", "D"]], seed=k, force=True)
        draws[:, rows.index] = answer.draws.transpose("sample", "point").to_numpy()
    return draws


def pairs_of(targets: pd.DataFrame) -> pd.DataFrame:
    """All pairs of optimisers in each cell, and which was better."""
    rows = [
        {"i": i, "j": j, "first": targets["optimizer"][i], "second": targets["optimizer"][j],
         "won": bool(targets["loss"][i] < targets["loss"][j])}
        for _, cell in targets.groupby("D")
        for i, j in itertools.combinations(cell.index, 2)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def beaten(draws: np.ndarray, targets: pd.DataFrame) -> pd.DataFrame:
    """Pairs with the probability that the first is better."""
    pairs = pairs_of(targets)
    ahead = draws[:, pairs["i"]] < draws[:, pairs["j"]]
    return pairs.assign(p=ahead.mean(axis=0))


def largest_measured(table: pd.DataFrame, targets: pd.DataFrame) -> pd.DataFrame:
    """The order at 300M, with the share of pairs whose order was the same at 130M and 300M."""
    losses = table.set_index(["optimizer", "size", "chinchilla"])["loss"]

    def first_ahead(pair: pd.Series, size: str) -> bool:
        ratio = targets["chinchilla"][pair["i"]]
        return bool(losses[pair["first"], size, ratio] < losses[pair["second"], size, ratio])

    pairs = pairs_of(targets)
    small, large = (
        np.array([first_ahead(pair, size) for _, pair in pairs.iterrows()]) for size in SMALL
    )
    kept = (small == large).mean()
    return pairs.assign(p=np.where(large, kept, 1 - kept))


def regret(predicted: np.ndarray, targets: pd.DataFrame) -> float:
    """Loss of the run that is chosen in a cell over the lowest there, averaged over cells."""
    lost = [
        targets["loss"][cell.index[predicted[cell.index].argmin()]] - cell["loss"].min()
        for _, cell in targets.groupby("D")
    ]
    return float(np.mean(lost))


def score(pairs: pd.DataFrame, lost: float, name: str) -> dict[str, float]:
    """Accuracy, log score, regret, calibration and what abstention leaves."""
    p, won = pairs["p"].to_numpy(), pairs["won"].to_numpy()
    right = (p > 0.5) == won
    decided = np.maximum(p, 1 - p) >= CONFIDENCE
    bounded = np.clip(p, 1 / 8000, 1 - 1 / 8000)  # half a draw of 4,000
    low, middle, high = slopes(pairs.assign(p=bounded)) if name == "pooled" else [np.nan] * 3
    return {
        "accuracy": right.mean(),
        "log score": -np.log(np.where(won, bounded, 1 - bounded)).mean(),
        "regret": lost,
        "decided": decided.mean(),
        "wrong of decided": (~right)[decided].mean() if decided.any() else np.nan,
        "slope 5%": low,
        "slope": middle,
        "slope 95%": high,
    }


def slopes(pairs: pd.DataFrame) -> np.ndarray:
    """Slope of the truth on the log odds, with a bootstrap over recipes."""
    rng = np.random.default_rng(0)
    names = sorted({*pairs["first"], *pairs["second"]})
    odds, won = logit(pairs["p"].to_numpy()), pairs["won"].to_numpy()

    def slope(weights: np.ndarray) -> float:
        def loss(s: float) -> float:
            return float(-(weights * np.log(expit(np.where(won, 1, -1) * s * odds))).sum())

        return float(minimize_scalar(loss, bounds=(0.0, 10.0), method="bounded").x)

    drawn = []
    for _ in range(BOOTSTRAPS):
        count = pd.Series(rng.choice(names, len(names))).value_counts().reindex(names, fill_value=0)
        drawn.append(slope(count[pairs["first"]].to_numpy() * count[pairs["second"]].to_numpy()))
    low, high = np.quantile(drawn, (0.05, 0.95))
    return np.array([low, slope(np.ones(len(pairs))), high])


def choose(fit: bs.Fit, targets: pd.DataFrame) -> None:
    """Print the choice in every cell beside the truth."""
    points = targets[["N", "D"]].drop_duplicates().to_dict("records")
    decision = bs.decide(fit, points, kind="new-run", rope=0.002, confidence=0.9, seed=1)
    for row, (_, cell) in zip(
        decision.verdicts().to_dict("records"), targets.groupby("D"), strict=True
    ):
        best = cell.loc[cell["loss"].idxmin()]
        print(f"D {row['D']:.3g}: {row['verdict']}; lowest measured {best['optimizer']}")
    level = bs.forecast(fit, targets.loc[targets["optimizer"].isin(["muon", "adamw"])].drop(
        columns=["loss", "size", "chinchilla"]), kind="new-run", seed=1).summary()  # fmt: skip
    gap = bs.compare(fit, ["muon", "adamw"], at=points, kind="new-run", seed=1).differences()
    print(
        f"muon and adamw: sd of a new run {level['sd'].mean():.4f}, of the difference of two "
        f"{gap['sd'].mean():.4f}"
    )


# -- xLSTM and transformer -----------------------------------------------------


def xlstm(folder: Path | None) -> bool:
    """Compare the architectures at equal FLOP, attention and recurrence counted."""
    table = measured_flops(tables("xlstm_vs_transformer/isoflop_final.csv"))
    spread = np.log(table["flop"]).groupby(table["experiment"]).std()
    print(
        f"FLOP within the isoFLOP groups differ by {100 * spread.median():.1f} % (6 N D: "
        f"{100 * np.log(table['C_6ND']).groupby(table['experiment']).std().median():.1f} %)"
    )
    # sizes and tokens differ from one recipe to the next: no runs that share a deviation
    cost = bs.ScalingModel(bs.models.training_cost, rung=False, discrepancy=False).fit(
        bs.read_runs(table, response="flop", group="recipe", unit="FLOP"),
        seed=0,
        target_accept=0.95,
    )
    fit = bs.ScalingModel(LAW, pool=EVERY, rung=False, discrepancy=False).fit(
        bs.read_runs(table, response="val_loss", group="recipe"), seed=0, target_accept=0.95
    )
    for name, one in (("cost", cost), ("loss", fit)):
        print(name, one, one.diagnostics)
    fitted = table.loc[table["recipe"].isin(LONG), "flop"]
    path = bs.ScalingPath(fitted.min(), 1e3 * fitted.max(), cost=cost)
    crossing = bs.crossover(fit, *LONG, path)
    row = crossing.summary().iloc[0]
    print(f"\nat context 16384, {path.text}, {path.low:.3g} to {path.high:.3g} FLOP")
    print(
        f"P(crossover within) {row['within']:.3f}, beyond {row['after']:.3f}, before "
        f"{row['before']:.3f}, never up to {crossing.reach[1]:.2g} {row['never']:.3f}; "
        f"P(mLSTM better throughout) {row['second_throughout']:.3f}"
    )
    inside = bs.ScalingPath(fitted.min(), fitted.max(), cost=cost)
    again = bs.crossover(fit, *LONG, inside).summary().iloc[0]
    print(
        f"P(crossover within the fitted budgets) {again['within']:.3f}, above them "
        f"{again['after']:.3f}, below {again['before']:.3f}"
    )
    saved = bs.multiplier(fit, "mlstm@16384", "transformer_llama@16384", path, places=4)
    print("compute that mLSTM needs of the transformer's:")
    print(saved.summary()[["budget", "p_saves", "q0.05", "q0.5", "q0.95"]].to_string(index=False))
    print("change over a decade:", {k: round(v, 3) for k, v in saved.change().items()})
    sizes = bs.compare(fit, list(LONG), path=inside, places=2)
    print(sizes.runs.to_string(index=False))
    if folder:
        save_figure(crossing, folder / "crossover.png")
        save_figure(saved, folder / "multiplier.png")
    return fit.usable and cost.usable


def measured_flops(table: pd.DataFrame) -> pd.DataFrame:
    """Training FLOP of every run, and N without the embedding, which is looked up.

    Matrix products, attention or recurrence; backward costs twice what forward does. Causal
    attention takes two products with half the context each; the recurrence of mLSTM updates and
    reads, for each head, a state of its value width times half of it.
    """
    wide, deep = table["d_model"], table["n_blocks"]
    heads = table["name"].str.extract(r"_nh(\d+)_")[0].astype(float)
    attention = 2 * wide * table["ctx"]
    recurrence = 2 * wide * (wide / heads)
    mixer = np.where(table["arch"] == "mlstm", recurrence, attention)
    multiplied = table["N"] - VOCABULARY * wide
    per_token = 6 * multiplied + 3 * deep * mixer
    label = table["arch"] + "@" + table["ctx"].astype(int).astype(str)
    return table.assign(N=multiplied, flop=per_token * table["D"], recipe=label)


def main() -> int:
    studies = {"optimizers": optimizers, "xlstm": xlstm}
    if len(sys.argv) < 2 or sys.argv[1] not in studies:
        print(__doc__, file=sys.stderr)
        return 2
    folder = Path(sys.argv[2]) if len(sys.argv) > 2 else None
    if folder:
        folder.mkdir(parents=True, exist_ok=True)
    return 0 if studies[sys.argv[1]](folder) else 1


if __name__ == "__main__":
    sys.exit(main())
