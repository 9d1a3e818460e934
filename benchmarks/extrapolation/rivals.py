"""What people use today, on the same splits; ``python -m benchmarks.extrapolation.rivals``.

A rival takes a split and returns a row for each scored run: the ``truth``, and ``low``, ``mid``
and ``high`` of a nominal 90 % interval of a new run.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from bayes_scaling.errors import DatasetError, UsageError
from benchmarks.extrapolation import huber
from benchmarks.extrapolation.sets import Split, measured_sets, splits

LEVEL = 0.9
TAILS = (0.5 - LEVEL / 2, 0.5 + LEVEL / 2)
FEWEST_RUNS = 6  # of a group that is fitted on its own
GRID_STEPS, STEPS = 300, 1_200
SEED = 1
PER_RUN = ("held", "relative_error", "interval_score")
Answers = Mapping[tuple[str, float], pd.DataFrame]  # by name of set, and gap


def huber_bootstrap(split: Split, bootstraps: int = 200) -> pd.DataFrame:
    """Forecast with Chinchilla's law fitted by Huber loss on the log, and a bootstrap over runs.

    Every group is fitted on its own, from a grid of starts; a group of fewer than six runs
    borrows the fit to all groups together. The middle is the curve of the fit. The interval is of
    the bootstrapped curves, each with every residual of the fit added (enlarged by
    sqrt(runs / (runs - 5)), the five parameters that were fitted to them).

    Parameters
    ----------
    split : Split
    bootstraps : int

    Returns
    -------
    DataFrame
        ``truth``, ``low``, ``mid``, ``high``; rows as in `Split.score`.
    """
    return _answer(split, lambda fitted, scored: _huber_group(fitted, scored, bootstraps))


def simple_scaling_laws(split: Split, draws: int = 1_000) -> pd.DataFrame:
    """Forecast with simple-scaling-laws from PyPI: its separable power law and new-run intervals.

    Every group is fitted on its own; a group of fewer than six runs, for which the package may
    give intervals without width, borrows the fit to all groups together.

    Parameters
    ----------
    split : Split
    draws : int
        Of the package's own bootstrap, by default as many as it takes itself.

    Returns
    -------
    DataFrame
        ``truth``, ``low``, ``mid``, ``high``; rows as in `Split.score`.

    Raises
    ------
    UsageError
        If the package is not installed.
    """
    return _answer(split, lambda fitted, scored: _package_group(fitted, scored, draws))


RIVALS = {"huber bootstrap": huber_bootstrap, "simple-scaling-laws": simple_scaling_laws}


def by_set(answers: Answers) -> pd.DataFrame:
    """Score every set: means over its splits, the runs of a split counting alike.

    Parameters
    ----------
    answers : mapping
        From name of set and gap to ``truth``, ``low``, ``mid``, ``high``.

    Returns
    -------
    DataFrame
        One row a set: ``held``, the share inside; ``relative_error``, the mean of
        |mid / truth - 1|; ``interval_score``, that of the 90 % interval over the truth; ``runs``
        of all splits.
    """
    rows = [{"set": name} | _split_score(rows) for (name, _), rows in answers.items()]
    table = pd.DataFrame(rows).groupby("set", sort=False)
    return table[list(PER_RUN)].mean().assign(runs=table["runs"].sum())


def score(answers: Answers) -> dict[str, float | int]:
    """Return the scores of `by_set`, averaged over sets, and the number of runs."""
    table = by_set(answers)
    means = {name: float(table[name].mean()) for name in PER_RUN}
    return means | {"runs": int(table["runs"].sum())}


def set_interval(values: Sequence[float], resamples: int = 10_000) -> tuple[float, float]:
    """Return the 90 % bootstrap interval of a mean over sets, the sets resampled."""
    drawn = np.random.default_rng(SEED).choice(np.asarray(values), (resamples, len(values)))
    low, high = np.quantile(drawn.mean(axis=1), TAILS)
    return float(low), float(high)


def _split_score(rows: pd.DataFrame) -> dict[str, float | int]:
    truth, low, mid, high = (rows[name].to_numpy() for name in ("truth", "low", "mid", "high"))
    missed = np.maximum(low - truth, 0) + np.maximum(truth - high, 0)
    return {
        "held": float(np.mean((low <= truth) & (truth <= high))),
        "relative_error": float(np.mean(np.abs(mid / truth - 1))),
        "interval_score": float(np.mean((high - low + 2 / (1 - LEVEL) * missed) / truth)),
        "runs": len(rows),
    }


# -- one group at a time ------------------------------------------------------

GroupForecast = Callable[[pd.DataFrame, pd.DataFrame], np.ndarray]  # low, mid, high a row


def _answer(split: Split, forecast: GroupForecast) -> pd.DataFrame:
    """Forecast the scored runs group by group, in their order."""
    bounds = np.full((len(split.score), 3), np.nan)
    for fitted, places in _groups(split):
        bounds[places] = forecast(fitted, split.score.iloc[places])
    answer = pd.DataFrame(bounds, columns=["low", "mid", "high"])
    return answer.assign(truth=split.score["loss"].to_numpy())[["truth", "low", "mid", "high"]]


def _groups(split: Split) -> Iterator[tuple[pd.DataFrame, np.ndarray]]:
    """The runs that each scored group is fitted to, and where its scored runs are."""
    if "group" not in split.score:
        yield split.fit, np.arange(len(split.score))
        return
    for name in split.score["group"].unique():
        own = split.fit[split.fit["group"] == name]
        places = np.flatnonzero(split.score["group"] == name)
        yield own if len(own) >= FEWEST_RUNS else split.fit, places


def _huber_group(fitted: pd.DataFrame, scored: pd.DataFrame, bootstraps: int) -> np.ndarray:
    sizes = np.log(fitted[["N", "D"]].to_numpy())
    n, d = (sizes - sizes.mean(axis=0)).T
    y, rows = np.log(fitted["loss"].to_numpy()), len(fitted)
    grid = huber.starts(fitted["loss"].to_numpy())
    found, value = huber.minimise(grid, np.ones((len(grid), rows)), n, d, y, GRID_STEPS)
    drawn = np.random.default_rng(SEED).multinomial(rows, np.full(rows, 1 / rows), bootstraps)
    weight = np.vstack([np.ones(rows), drawn])  # the first fit is to the runs themselves
    first = np.tile(found[np.argmin(value)], (len(weight), 1))
    theta, _ = huber.minimise(first, weight, n, d, y, STEPS)
    residual = y - huber.log_loss(theta[:1], n, d)[0]
    residual = residual * np.sqrt(rows / max(rows - huber.PARAMETERS, 1))
    places = np.log(scored[["N", "D"]].to_numpy()) - sizes.mean(axis=0)
    curves = huber.log_loss(theta, *places.T)
    new = curves[1:, None, :] + residual[None, :, None]
    low, high = np.quantile(new.reshape(-1, len(scored)), TAILS, axis=0)
    return np.exp(np.stack([low, curves[0], high], axis=1))


def _package_group(fitted: pd.DataFrame, scored: pd.DataFrame, draws: int) -> np.ndarray:
    try:
        import polars
        from simple_scaling_laws import fit
    except ImportError as error:
        raise UsageError(
            'simple-scaling-laws is not installed; pip install -e ".[benchmarks]"'
        ) from error

    def sizes(table: pd.DataFrame) -> dict[str, np.ndarray]:
        return {
            "model_size__N": table["N"].to_numpy(),
            "dataset_size__D": table["D"].to_numpy(),
        }

    runs = {
        "training_run_id": [str(i) for i in range(len(fitted))],
        "test_set_id": ["validation"] * len(fitted),
        "test_loss__loss": fitted["loss"].to_numpy(),
    }
    with warnings.catch_warnings():  # it says that the points are extrapolated
        warnings.simplefilter("ignore")
        model = fit(
            polars.DataFrame(runs | sizes(fitted)),
            law="separable-power",
            n_draws=draws,
            seed=SEED,
        )
        answer = model.predict(
            polars.DataFrame(sizes(scored)), kind="new-run", quantiles=[TAILS[0], 0.5, TAILS[1]]
        )
    columns = [name for name in answer.columns if name.startswith("test_loss__loss__")]
    return answer.select(columns).to_numpy()


# -- the table ----------------------------------------------------------------


def report(answers: Answers) -> str:
    """Return the scores by set, and their mean with an interval over sets, in per cent."""
    scores = by_set(answers)
    lines = [f"{'set':17}{'runs':>6}{'held':>7}{'error %':>9}{'score %':>9}"]
    for name, row in scores.iterrows():
        lines.append(
            f"{name:17}{row['runs']:6.0f}{row['held']:7.2f}{100 * row['relative_error']:9.2f}"
            f"{100 * row['interval_score']:9.2f}"
        )
    means = score(answers)
    lines.append(f"mean of {len(scores)} sets, {means['runs']} runs")
    for name in PER_RUN:
        low, high = set_interval(scores[name].tolist())
        lines.append(f"  {name:16}{means[name]:8.4f}  90 % over sets {low:.4f} to {high:.4f}")
    return "\n".join(lines)


def main() -> int:
    """Print the table of each rival; the exit status is 2 without data or a rival."""
    try:
        counted = [s for m in measured_sets() for s in splits(m) if not s.skipped]
        for name, rival in RIVALS.items():
            began = time.monotonic()
            answers = {(split.set.name, split.gap): rival(split) for split in counted}
            print(f"{name} ({time.monotonic() - began:.0f} s)\n{report(answers)}\n", flush=True)
    except (DatasetError, UsageError) as error:
        print(f"the benchmark cannot run: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
