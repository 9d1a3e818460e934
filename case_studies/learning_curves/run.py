"""Forecast the ends of 46 learning curves: Bayesian M1 to M4 beside least squares.

Run as ``python case_studies/learning_curves/run.py [FOLDER]``; a figure goes to FOLDER.
``BAYES_SCALING_DATA`` names the folder that holds ``tables/revisiting_nsl``. With ``check`` instead
of a folder, designs of the likelihood are compared on the 46 other curves, which have no rows to
score: fitted to the first half of x, scored on the second. Weights of the laws are learned on the
same curves. What a fit said is kept in the user's cache folder, so that a run goes on where an
earlier one stopped.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import baselines
import forecasts
import intervals
import numpy as np
import pandas as pd
from curves import Curve, Design, Key, X, Y, grid, halved, scored
from forecasts import LAWS, SHOWN, Answer
from kept import kept
from scoring import Predictive, mixed_density, mixed_quantiles, score, stack

CHOSEN = "M4"  # declared before any row was scored
PARTS = ("centre", "spread", "nu")  # of a predictive
EQUAL = np.full(len(LAWS), 1 / len(LAWS))
RESULTS = Path(__file__).parent / "results" / "scores.csv"
CHECKED = {
    "40 rows": Design((40, 19, 9, 5), misfit=None),
    "19 rows": Design(misfit=None),
    "19 rows of the last 3 e-folds": Design(misfit=None, within=3.0),
    "19 rows, misfit .3 % x^-1/2": Design(misfit=0.003),
    "19 rows, misfit 1 % x^-1/2": Design(),
}


# -- ours -------------------------------------------------------------------------------------


def answers(
    names: list[str], wanted: list[Curve], design: Design
) -> Iterator[tuple[Curve, dict[str, Answer]]]:
    """What each law says of each curve, curve by curve."""
    begun = time.perf_counter()
    for i, curve in enumerate(wanted, 1):
        yield curve, {name: forecasts.answer(name, curve, design) for name in names}
        seconds = time.perf_counter() - begun
        print(f"{i}/{len(wanted)} {curve.key} {seconds:.0f} s", file=sys.stderr)


def log_losses(curve: Curve) -> np.ndarray:
    return np.log(curve.test[Y].to_numpy())


def of_law(found: Answer, curve: Curve) -> dict[str, float]:
    """Scores of one law, with the diagnostics of its fit."""
    ahead, observed = found.ahead, log_losses(curve)
    middle = np.median(ahead.centre, axis=0)
    scores = score(observed, middle, ahead.bounds(), ahead.log_density(observed))
    return scores | found.diagnostics


def of_mixture(
    parts: list[Predictive], weights: np.ndarray, observed: np.ndarray
) -> dict[str, float]:
    """Scores of weighted laws."""
    draws = [part.new_rows(-(-2000 // len(part.nu))) for part in parts]
    low, middle, high = mixed_quantiles(draws, weights, (0.05, 0.5, 0.95))
    density = mixed_density([part.log_density(observed) for part in parts], weights)
    return score(observed, middle, np.stack([low, high]), density)


def learn(rows: pd.DataFrame, design: Design) -> dict[str, np.ndarray]:
    """Weights of the laws from the curves without rows to score: from all, and without a domain."""
    found: dict[Key, np.ndarray] = {}
    for curve, said in answers(list(LAWS), list(halved(rows)), design):
        observed = log_losses(curve)
        found[curve.key] = np.stack([a.ahead.log_density(observed) for a in said.values()])
    weights = {"all": stack(list(found.values()))}
    for domain in baselines.DOMAINS:
        weights[domain] = stack([d for key, d in found.items() if key[0] != domain])
    return weights


def ours(
    rows: pd.DataFrame, design: Design, weights: Mapping[str, np.ndarray]
) -> tuple[pd.DataFrame, dict[Key, Answer]]:
    """Scores of every law and of their mixtures, and the answers that are drawn."""
    records, drawn = [], {}
    for curve, said in answers(list(LAWS), list(scored(rows)), design):
        domain, task, model = curve.key
        about = {"domain": domain, "task": task, "model": model, "method": "posterior"}
        records += [about | {"form": k, **of_law(a, curve)} for k, a in said.items()]
        parts, observed = [a.ahead for a in said.values()], log_losses(curve)
        mixtures = {"equal": EQUAL, "stacked": weights["all"], "stacked elsewhere": weights[domain]}
        records += [
            about | {"form": k, **of_mixture(parts, w, observed)} for k, w in mixtures.items()
        ]
        if curve.key in SHOWN:
            drawn[curve.key] = said[CHOSEN]
    return pd.DataFrame(records), drawn


# -- least squares ----------------------------------------------------------------------------


def least_squares(rows: pd.DataFrame) -> pd.DataFrame:
    """Scores of every form with both intervals, and of M1 to M4 at equal weights."""
    records = []
    for key, curve in baselines.curves(rows).items():
        about = dict(zip(("domain", "task", "model"), key, strict=True))
        deltas = {}
        for name in baselines.FORMS:
            fit = baselines.fit(name, curve)
            said = both_intervals(key, name, fit, curve)
            deltas[name] = said["delta"]
            for method, ahead in said.items():
                density = ahead.log_density(curve.ln_y_test)
                found = score(curve.ln_y_test, fit.predict(curve.z_test), ahead.bounds(), density)
                records.append(about | {"method": method, "form": name, **found})
        mixture = of_mixture([deltas[name] for name in LAWS], EQUAL, curve.ln_y_test)
        records.append(about | {"method": "delta", "form": "equal", **mixture})
        print(f"least squares {key}", file=sys.stderr)
    return pd.DataFrame(records)


def both_intervals(
    key: Key, name: str, fit: baselines.Fit, curve: baselines.Curve
) -> dict[str, Predictive]:
    known = (fit.form, fit.theta, curve.z, curve.ln_y, curve.z_test)

    def refit(ln_y: np.ndarray) -> np.ndarray:
        return baselines.refit(name, fit, curve, ln_y)

    def refits() -> dict[str, np.ndarray]:
        return dict(zip(PARTS, intervals.bootstrap(*known, refit), strict=True))

    rows = np.concatenate([curve.z, curve.ln_y, curve.z_test])
    inputs = repr((name, intervals.BOOTSTRAPS, intervals.SEED)).encode() + rows.tobytes()
    stored = kept(" ".join(("bootstrap", name, *key)), inputs, refits)
    return {
        "delta": Predictive(*intervals.delta(*known)),
        "bootstrap": Predictive(**stored),
    }


# -- tables -----------------------------------------------------------------------------------


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """Means over curves by method and form, for every domain and for all."""
    whole = [("all", table), *((d, table[table["domain"] == d]) for d in baselines.DOMAINS)]
    records = []
    for domain, part in whole:
        for (method, form), own in part.groupby(["method", "form"], sort=False):
            share = own["held"] / own["points"]
            records.append(
                {
                    "domain": domain,
                    "method": method,
                    "form": form,
                    "curves": len(own),
                    "rmsle": own["rmsle"].mean(),
                    "held_rows": own["held"].sum() / own["points"].sum(),
                    "held_curves": share.mean(),
                    "under_half": (share < 0.5).sum(),
                    "width": own["width"].mean(),
                    "log_score": own["log_score"].mean(),
                    "log_score_median": own["log_score"].median(),
                }
            )
    return pd.DataFrame(records)


def show(table: pd.DataFrame) -> str:
    """The rows of all curves, with the log score of each domain beside them."""
    every = table[table["domain"] == "all"].drop(columns=["domain", "curves"])
    index = ["method", "form"]
    parts = table[table["domain"] != "all"].pivot(index=index, columns="domain", values="log_score")
    joined = every.set_index(index).join(parts[list(baselines.DOMAINS)])
    return joined.to_string(float_format=lambda value: f"{value:.4f}")


def against(table: pd.DataFrame) -> str:
    """How the chosen law's log score compares with the best of least squares, curve by curve."""
    by = table.set_index(["domain", "task", "model"])
    own = by[(by["method"] == "posterior") & (by["form"] == CHOSEN)]["log_score"]
    rivals = by[by["method"] != "posterior"].groupby(["method", "form"])
    best = max(rivals, key=lambda item: item[1]["log_score"].mean())
    gain = own - best[1]["log_score"]
    error = gain.std() / np.sqrt(len(gain))
    return (
        f"{CHOSEN}'s log score less that of {' '.join(best[0])}: {gain.mean():.3f} (standard error "
        f"{error:.3f} over curves), higher on {(gain > 0).sum()} of {len(gain)} curves"
    )


def sampling(table: pd.DataFrame) -> str:
    return (
        f"divergences {table['divergences'].sum():.0f}, largest R-hat {table['rhat'].max():.3f}, "
        f"fits that diagnostics refuse {table['refused'].sum()} of {len(table)}"
    )


def coverage(table: pd.DataFrame) -> str:
    share = table["held"] / table["points"]
    return (
        f"{table['held'].sum():.0f} of {table['points'].sum()} points "
        f"({table['held'].sum() / table['points'].sum():.0%}), {share.mean():.0%} in the mean over "
        f"curves, all points on {(share == 1).sum()} and under half on {(share < 0.5).sum()} of "
        f"{len(table)} curves; mean width {table['width'].mean():.3f} in log loss"
    )


# -- commands ---------------------------------------------------------------------------------


def study(rows: pd.DataFrame, folder: Path | None) -> int:
    """Score the laws and the baselines."""
    begun, design = time.perf_counter(), Design()
    bayes, drawn = ours(rows, design, weights := learn(rows, design))
    squares = least_squares(rows)
    single, points = bayes[bayes["form"].isin(LAWS)], squares[squares["method"] == "delta"]
    for title, table in (("least squares", points), ("Bayesian", bayes)):
        print(f"mean RMSLE, {title}\n{baselines.summary(table).to_string(float_format='%.4f')}\n")
    every = pd.concat([bayes, squares], ignore_index=True)
    found = summary(every)
    print(f"intervals and log scores, means over curves\n{show(found)}\n")
    RESULTS.parent.mkdir(exist_ok=True)
    found.to_csv(RESULTS, index=False, float_format="%.4f")
    for title, values in weights.items():
        title = title if title == "all" else f"all but {title}"
        shares = ", ".join(f"{k} {v:.3f}" for k, v in zip(LAWS, values, strict=True))
        print(f"weights from the other curves of {title}: {shares}")
    print(against(every))
    chosen = bayes[bayes["form"] == CHOSEN]
    print(f"90 % intervals of {CHOSEN} hold {coverage(chosen)}")
    for domain, part in chosen.groupby("domain", sort=False):
        print(f"  {domain}: {coverage(part)}")
    for name, part in single.groupby("form", sort=False):
        print(f"{name}: {sampling(part)}")
    print(f"{time.perf_counter() - begun:.0f} s")
    if folder:
        draw(drawn, {curve.key: curve for curve in scored(rows)}, design, folder)
    limit = points[points["form"].isin(["M4", "BNSL"])].groupby("form")["rmsle"].mean()
    passed = chosen["rmsle"].mean() <= limit.min()
    print(f"{CHOSEN} is {'' if passed else 'NOT '}at or below least-squares M4 and BNSL")
    return 0 if passed else 1


def check(rows: pd.DataFrame) -> int:
    """Compare designs on curves that the study does not score."""
    begun = time.perf_counter()
    for title, design in CHECKED.items():
        table = pd.DataFrame(
            {"domain": curve.key[0], **of_law(said[CHOSEN], curve)}
            for curve, said in answers([CHOSEN], list(halved(rows)), design)
        )
        errors = table.groupby("domain", sort=False)["rmsle"].mean()
        shown = " ".join(f"{domain} {value:.4f}" for domain, value in errors.items())
        print(f"{title}: mean RMSLE {table['rmsle'].mean():.4f} ({shown})")
        print(f"  held {coverage(table)}, log score {table['log_score'].mean():.3f}")
        print(f"  {sampling(table)}", flush=True)
    print(f"{time.perf_counter() - begun:.0f} s")
    return 0


def draw(drawn: dict[Key, Answer], known: dict[Key, Curve], design: Design, folder: Path) -> None:
    """Six curves with median and 90 % interval of the chosen law."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 6), layout="constrained")
    for axes, key in zip(figure.subplots(2, 3).flat, SHOWN, strict=True):
        curve, draws = known[key], np.exp(drawn[key].along.new_rows())
        places = grid(curve)[X]
        low, middle, high = np.quantile(draws, (0.05, 0.5, 0.95), axis=0)
        axes.fill_between(places, low, high, alpha=0.3)
        axes.plot(places, middle)
        axes.plot(curve.fitted[X], curve.fitted[Y], ".", color="0.6", label="not fitted (thinned)")
        used = design.rows(curve.fitted)
        axes.plot(used[X], used[Y], "k.", label="fitted")
        axes.plot(curve.test[X], curve.test[Y], ".", ms=3, color="tab:red", label="scored")
        axes.axvline(curve.fitted[X].max(), color="0.7", lw=0.8)
        axes.set(xscale="log", yscale="log", title=" ".join(key))
    axes.legend()
    figure.supxlabel("examples or tokens seen")
    figure.supylabel("loss")
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(folder / "curves.png", dpi=110)


def main() -> int:
    if not os.environ.get("BAYES_SCALING_DATA"):
        print("set BAYES_SCALING_DATA to the folder that holds tables/", file=sys.stderr)
        return 1
    rows = baselines.read()
    if sys.argv[1:] == ["check"]:
        return check(rows)
    return study(rows, Path(sys.argv[1]) if len(sys.argv) > 1 else None)


if __name__ == "__main__":
    sys.exit(main())
