"""Ours beside what people use today on the measured splits; ``python -m benchmarks.extrapolation``.

Everything that is learned (populations of parameters, sizes of the discrepancy, weights of laws)
is learned without the publication whose runs are scored. A run takes two hours on two cores and
leaves every step in a folder, from which it goes on; ``--publish`` writes what all sets together
teach into the package, and the scores beside this file.
"""

from __future__ import annotations

import argparse
import pickle
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

import bayes_scaling as bs
from bayes_scaling.errors import DatasetError, UsageError
from bayes_scaling.program import population as stored
from bayes_scaling.validation.population import learn_population
from bayes_scaling.validation.scores import log_density
from bayes_scaling.validation.weights import stack
from benchmarks.extrapolation import ours, page, rivals
from benchmarks.extrapolation.sets import MeasuredSet, Split, measured_sets

HERE = Path(__file__).parent
RESULTS = HERE / "results"
WEIGHTED = "weighted laws"
SHRINKAGE, LEAST = 0.1, 0.1  # of a set, for each law; and the least weight that a law is kept for
Answers = dict[tuple[str, float], pd.DataFrame]
Forecasts = Mapping[tuple[str, str], Mapping[float, ours.Draws]]  # by law and set, then gap


def main() -> int:
    """Run what is not there yet, and print the tables; the exit status is 2 without data."""
    asked = argparse.ArgumentParser(prog="python -m benchmarks.extrapolation")
    asked.add_argument("--store", type=Path, default=Path("build/extrapolation"))
    asked.add_argument("--law", action="append", help=f"by default {', '.join(ours.LAWS)}")
    asked.add_argument("--jobs", type=int, default=2, help="processes")
    asked.add_argument("--rival", action="append", help=f"by default {', '.join(rivals.RIVALS)}")
    asked.add_argument("--publish", action="store_true", help="write populations and weights")
    given = asked.parse_args()
    laws = given.law or list(ours.LAWS)
    given.store.mkdir(parents=True, exist_ok=True)
    try:
        sets = measured_sets()
        found = forecast_all(sets, laws, given.store, given.jobs)
        density = densities(sets, laws, found)
        everything = {
            law: answers_of(sets, lambda m, s, k=law: found[k, m.name][s.gap]) for law in laws
        }
        everything[WEIGHTED] = answers_of(sets, weighted(sets, laws, found, density))
        chosen = given.rival or list(rivals.RIVALS)
        everything |= {name: rival_answers(name, sets, given.store) for name in chosen}
    except (DatasetError, UsageError) as error:
        print(f"the benchmark cannot run: {error}", file=sys.stderr)
        return 2
    for name, answers in everything.items():
        print(f"{name}\n{rivals.report(answers)}\n")
    print(f"weights from all sets: {_weights(density, laws)}")
    if given.publish:
        publish(everything, sets, laws, density, given.store)
    return 0


def forecast_all(
    sets: Sequence[MeasuredSet], laws: Sequence[str], store: Path, jobs: int
) -> Forecasts:
    """Fit every suite whole, then every split with what the other publications say."""
    big_first = sorted(sets, key=lambda m: -len(m.frame))
    tasks = [(law, m.name) for law in laws for m in big_first]
    work = Parallel(n_jobs=jobs, backend="loky", batch_size=1)
    for law, name in work(delayed(_suite)(law, name, store) for law, name in tasks):
        print(f"suite {law} {name}", file=sys.stderr)
    scored = [(law, name) for law, name in tasks if ours.counted(_named(sets, name))]
    drawn = work(delayed(_forecasts)(law, name, store) for law, name in scored)
    return dict(zip(scored, drawn, strict=True))


def _suite(law: str, name: str, store: Path) -> tuple[str, str]:
    ours.suite(measured_sets([name])[0], bs.find_law(law), store)
    return law, name


def _forecasts(law: str, name: str, store: Path) -> dict[float, ours.Draws]:
    sets, found = measured_sets(), bs.find_law(law)
    own = _named(sets, name)
    population = ours.population_without(own.source, sets, found, store)
    return ours.forecasts(own, found, population, store)


def _named(sets: Sequence[MeasuredSet], name: str) -> MeasuredSet:
    return next(m for m in sets if m.name == name)


def answers_of(
    sets: Sequence[MeasuredSet], draws: Callable[[MeasuredSet, Split], ours.Draws]
) -> Answers:
    """Answers of all splits that count, by set and gap."""
    return {
        (m.name, split.gap): ours.answer(split, draws(m, split))
        for m in sets
        for split in ours.counted(m)
    }


def densities(sets: Sequence[MeasuredSet], laws: Sequence[str], found: Forecasts) -> pd.DataFrame:
    """Log predictive density of every scored run under every law."""
    tables = []
    for m in sets:
        for split in ours.counted(m):
            truth = np.log(split.score["loss"].to_numpy())
            own = {k: log_density(truth, np.log(found[k, m.name][split.gap].T)) for k in laws}
            labels = {"source": m.source, "set": m.name, "gap": split.gap}
            tables.append(pd.DataFrame(own).assign(**labels))
    return pd.concat(tables, ignore_index=True)


def weighted(
    sets: Sequence[MeasuredSet], laws: Sequence[str], found: Forecasts, density: pd.DataFrame
) -> Callable[[MeasuredSet, Split], ours.Draws]:
    """Mixture of the laws, by weights that the other publications' sets gave."""
    weights = {m.source: _weights(density[density["source"] != m.source], laws) for m in sets}

    def draws(m: MeasuredSet, split: Split) -> ours.Draws:
        parts = []
        for law, weight in weights[m.source].items():
            own = found[law, m.name][split.gap]
            chosen = np.random.default_rng(0).permutation(len(own))[: round(weight * len(own))]
            parts.append(own[chosen])
        return np.concatenate(parts)

    return draws


def _weights(density: pd.DataFrame, laws: Sequence[str]) -> dict[str, float]:
    if len(laws) == 1:
        return {laws[0]: 1.0}
    within = ("set", "gap")
    return stack(density, laws=laws, within=within, shrinkage=SHRINKAGE, least=LEAST)


def rival_answers(name: str, sets: Sequence[MeasuredSet], store: Path) -> Answers:
    """Answers of a rival, kept in the folder."""
    path = store / f"rival--{name}.pickle"
    if not path.exists():
        answers = {(m.name, s.gap): rivals.RIVALS[name](s) for m in sets for s in ours.counted(m)}
        path.write_bytes(pickle.dumps(answers))
    return pickle.loads(path.read_bytes())


def publish(
    everything: Mapping[str, Answers],
    sets: Sequence[MeasuredSet],
    laws: Sequence[str],
    density: pd.DataFrame,
    store: Path,
) -> None:
    """Write what all sets together teach into the package, and the scores beside this file."""
    package = Path(stored.__file__).parent
    populations = [
        learn_population([ours.suite(m, bs.find_law(law), store) for m in sets]).table()
        for law in laws
    ]
    pd.concat(populations).to_csv(package / stored.FILE, index=False, float_format="%.4g")
    weights = pd.DataFrame(_weights(density, laws).items(), columns=["law", "weight"])
    weights.to_csv(package / stored.WEIGHTS, index=False, float_format="%.3f")
    RESULTS.mkdir(exist_ok=True)
    tables = [rivals.by_set(a).reset_index().assign(by=name) for name, a in everything.items()]
    pd.concat(tables).to_csv(RESULTS / "scores.csv", index=False, float_format="%.5g")
    shown = {k: v for k, v in everything.items() if k == WEIGHTED or k in rivals.RIVALS}
    page.write_page(everything, WEIGHTED)
    page.draw(shown)


if __name__ == "__main__":
    sys.exit(main())
