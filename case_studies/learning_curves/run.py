"""Forecast the ends of 46 learning curves: Bayesian M1 to M4 beside least squares.

Run as ``python case_studies/learning_curves/run.py [FOLDER]``; a figure goes to FOLDER.
``BAYES_SCALING_DATA`` names the folder that holds ``tables/revisiting_nsl``. With ``check`` instead
of a folder, designs of the likelihood are compared on the 46 other curves, which have no rows to
score: fitted to the first half of x, scored on the second.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import baselines
import jax
import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment

import bayes_scaling as bs

X, Y = "seen_examples", "loss"
LAWS = {
    "M1": bs.models.power_law.variant("no_floor"),
    "M2": bs.models.power_law,
    "M3": bs.models.m3,
    "M4": bs.models.m4,
}
CHOSEN = "M4"  # declared before any row was scored
SAMPLER = {"chains": 4, "warmup": 300, "draws": 500, "target_accept": 0.95, "seed": 1}
SHOWN = (
    ("IC", "bird_5", "MiX/B/16"),
    ("IC", "cal_25", "MiX/B/16"),
    ("IC", "c_10", "ViT/B/16"),
    ("NMT", "log_perplexity", "28 Enc, 6 Dec"),
    ("LM", "val_loss", "2.62e+08"),
    ("BB", "('qa', '1-shot')", "262M"),
)


@dataclass(frozen=True)
class Curve:
    """Rows to fit, without exact duplicates, and rows to forecast, by increasing x."""

    key: tuple[str, str, str]
    fitted: pd.DataFrame
    test: pd.DataFrame


@dataclass(frozen=True)
class Design:
    """Which rows enter the likelihood, and how much the law may miss early ones.

    A curve is thinned to the longest of `lengths` that it has, because every length is compiled
    for itself. `misfit` is a relative standard error at the last fitted x, which grows as
    x^-1/2 towards small x; `within` keeps the rows within so many e-folds of the last.
    """

    lengths: tuple[int, ...] = (19, 9, 5)
    misfit: float | None = 0.01  # the prior median of the noise scale
    within: float = np.inf

    def rows(self, fitted: pd.DataFrame) -> pd.DataFrame:
        """Rows nearest to even spacing in log x, the first and the last among them."""
        z = np.log(fitted[X].to_numpy())
        fitted, z = fitted[z >= z[-1] - self.within], z[z >= z[-1] - self.within]
        length = max(n for n in self.lengths if n <= len(z))
        places = np.linspace(z[0], z[-1], length)
        chosen = linear_sum_assignment(np.abs(z[:, None] - places))[0]
        return self.with_errors(fitted.iloc[np.sort(chosen)], fitted)

    def with_errors(self, rows: pd.DataFrame, fitted: pd.DataFrame) -> pd.DataFrame:
        """Rows with a column se, where there is a misfit; the last fitted loss is the future's."""
        if self.misfit is None:
            return rows
        last = fitted.iloc[-1]
        loss = rows[Y].where(rows[X] <= last[X], last[Y])
        return rows.assign(se=self.misfit * loss * np.sqrt(last[X] / rows[X]))


CHECKED = {
    "40 rows": Design((40, 19, 9, 5), misfit=None),
    "19 rows": Design(misfit=None),
    "19 rows of the last 3 e-folds": Design(misfit=None, within=3.0),
    "19 rows, misfit .3 % x^-1/2": Design(misfit=0.003),
    "19 rows, misfit 1 % x^-1/2": Design(),
}


def scored(rows: pd.DataFrame) -> Iterator[Curve]:
    """The curves that have rows to score."""
    for key, fitted, test in split(rows):
        if len(test):
            yield Curve(key, fitted, test)


def halved(rows: pd.DataFrame) -> Iterator[Curve]:
    """The curves without rows to score, their fitted rows cut at half of the last x."""
    for key, fitted, test in split(rows):
        if test.empty:
            early = fitted[X] <= fitted[X].iloc[-1] / 2
            yield Curve(key, fitted[early], fitted[~early])


def split(rows: pd.DataFrame) -> Iterator[tuple[tuple[str, str, str], pd.DataFrame, pd.DataFrame]]:
    for key, part in rows.groupby(["domain", "task", "model"], sort=False):
        ordered = part.sort_values(X, kind="stable")
        fitted, test = (ordered[ordered["is_fit_split"] == flag] for flag in (1, 0))
        yield key, fitted.drop_duplicates([X, Y]), test


def fit_curve(name: str, curve: Curve, design: Design) -> bs.Fit:
    se = "se" if design.misfit else None
    rows = design.rows(curve.fitted)
    runs = bs.read_runs(rows, inputs={"X": X}, response=Y, se=se, unit="fraction")
    return bs.ScalingModel(LAWS[name]).fit(runs, **SAMPLER)


def points(rows: pd.DataFrame, curve: Curve, design: Design) -> pd.DataFrame:
    known = design.with_errors(rows, curve.fitted).rename(columns={X: "X", Y: "observed"})
    return known[[c for c in ("X", "observed", "se") if c in known]]


def score(name: str, curve: Curve, design: Design) -> tuple[dict[str, float], bs.Fit]:
    """Error of the posterior median, what the 90 % interval of a new run holds, diagnostics."""
    fit = fit_curve(name, curve, design)
    ahead = points(curve.test, curve, design)
    middle = bs.forecast(fit, ahead, kind="mean", force=True).summary()
    found = {
        "rmsle": float(np.sqrt(np.mean(np.log(middle["q0.5"] / middle["observed"]) ** 2))),
        "points": len(ahead),
        "divergences": fit.diagnostics["divergences"],
        "rhat": fit.diagnostics["max_rhat"],
        "refused": not fit.usable,
    }
    if name == CHOSEN:
        answer = bs.forecast(fit, ahead, force=True).summary()
        found["held"] = answer["observed"].between(answer["q0.05"], answer["q0.95"]).sum()
        found["width"] = float(np.log(answer["q0.95"] / answer["q0.05"]).mean())
    return found, fit


def run_all(
    names: list[str], wanted: list[Curve], design: Design, begun: float
) -> tuple[pd.DataFrame, dict[tuple[str, str, str], bs.Fit]]:
    """Scores of every law on every curve, and the fits of the chosen law to the shown curves."""
    records, kept = [], {}
    for name in names:
        for i, curve in enumerate(wanted, 1):
            # forecasts of many lengths leave more small programs than a process may map
            jax.clear_caches()
            found, fit = score(name, curve, design)
            records.append({"domain": curve.key[0], "task": curve.key[1], "form": name, **found})
            if name == CHOSEN and curve.key in SHOWN:
                kept[curve.key] = fit
            seconds = time.perf_counter() - begun
            print(f"{name} {i}/{len(wanted)} {curve.key} {seconds:.0f} s", file=sys.stderr)
    return pd.DataFrame(records), kept


def sampling(table: pd.DataFrame) -> str:
    return (
        f"divergences {table['divergences'].sum()}, largest R-hat {table['rhat'].max():.3f}, "
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


def study(rows: pd.DataFrame, folder: Path | None) -> int:
    """Score the laws and the baselines."""
    begun = time.perf_counter()
    squares = pd.concat([baselines.evaluate(name, rows) for name in baselines.FORMS])
    wanted, design = list(scored(rows)), Design()
    bayes, kept = run_all(list(LAWS), wanted, design, begun)
    for title, table in (("least squares", squares), ("Bayesian", bayes)):
        print(f"mean RMSLE, {title}\n{baselines.summary(table).to_string(float_format='%.4f')}\n")
    chosen = bayes[bayes["form"] == CHOSEN]
    print(f"90 % intervals of {CHOSEN} hold {coverage(chosen)}")
    for domain, part in chosen.groupby("domain", sort=False):
        print(f"  {domain}: {coverage(part)}")
    for name, part in bayes.groupby("form", sort=False):
        print(f"{name}: {sampling(part)}")
    print(f"{time.perf_counter() - begun:.0f} s")
    if folder:
        draw(kept, {curve.key: curve for curve in wanted}, design, folder)
    limit = squares[squares["form"].isin(["M4", "BNSL"])].groupby("form")["rmsle"].mean()
    passed = chosen["rmsle"].mean() <= limit.min()
    print(f"{CHOSEN} is {'' if passed else 'NOT '}at or below least-squares M4 and BNSL")
    return 0 if passed else 1


def check(rows: pd.DataFrame) -> int:
    """Compare designs on curves that the study does not score."""
    begun = time.perf_counter()
    for title, design in CHECKED.items():
        table, _ = run_all([CHOSEN], list(halved(rows)), design, begun)
        errors = table.groupby("domain", sort=False)["rmsle"].mean()
        shown = " ".join(f"{domain} {value:.4f}" for domain, value in errors.items())
        print(f"{title}: mean RMSLE {table['rmsle'].mean():.4f} ({shown})")
        print(f"  held {coverage(table)}\n  {sampling(table)}", flush=True)
    print(f"{time.perf_counter() - begun:.0f} s")
    return 0


def draw(kept: dict, known: dict, design: Design, folder: Path) -> None:
    """Six curves with median and 90 % interval of the chosen law."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 6), layout="constrained")
    for axes, key in zip(figure.subplots(2, 3).flat, SHOWN, strict=True):
        curve, fit = known[key], kept[key]
        ends = curve.fitted[X].min(), curve.test[X].max()
        grid = pd.DataFrame({X: np.geomspace(*ends, 80), Y: 0.0})
        places = pd.DataFrame({X: curve.fitted[X].to_numpy(), Y: curve.fitted[Y].to_numpy()})
        grid[Y] = np.exp(np.interp(np.log(grid[X]), np.log(places[X]), np.log(places[Y])))
        answer = bs.forecast(fit, points(grid, curve, design), force=True).summary()
        axes.fill_between(answer["X"], answer["q0.05"], answer["q0.95"], alpha=0.3)
        axes.plot(answer["X"], answer["q0.5"])
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
