"""The sweep: which runs there are, and running those that are not done yet."""

from __future__ import annotations

import itertools
import json
import os
import sys
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import numpy as np
import pandas as pd

HERE = Path(__file__).parent
CONFIG = HERE / "sweep.toml"
RESULTS = HERE / "results" / "runs.jsonl"
LARGEST_EXPONENT = 64  # tokens up to this are powers of two
DEFAULT_BATCH = 4  # windows
REFERENCE_N, REFERENCE_D = 2e4, 1e6  # of the learning rate rules
NEAR_BEST = 4.5  # tuning runs within this factor of the best learning rate make the rule
# One thread a worker: the matrices are too small to share, and two runs fill two cores.
WORKER_FLAGS = {
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false",
    "OMP_NUM_THREADS": "1",
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    "JAX_COMPILATION_CACHE_DIR": str(HERE / "results" / "compiled"),
}


def planned(config: Path = CONFIG, studies: tuple[str, ...] = ()) -> dict[str, tuple[str, object]]:
    """Return every run once: its key, the first study that asks for it, and its setting.

    Parameters
    ----------
    config : Path
    studies : tuple of str
        Only these; empty for all.

    Raises
    ------
    ValueError
        If the file names an unknown study or recipe, or a rule that is not there yet.
    """
    from .train import Setting

    found = tomllib.loads(config.read_text(encoding="utf-8"))
    known = {study["name"] for study in found["studies"]}
    if unknown := set(studies) - known:
        raise ValueError(f"no study {sorted(unknown)} in {config.name}; there are {sorted(known)}")
    runs: dict[str, tuple[str, Setting]] = {}
    for study in found["studies"]:
        if studies and study["name"] not in studies:
            continue
        lists = (
            study["recipes"],
            study["shapes"],
            study["tokens"],
            study.get("batch", [DEFAULT_BATCH]),
            ["rule"] if study.get("lr", "rule") == "rule" else study["lr"],
            study.get("schedule", ["cosine"]),
            study.get("seeds", [0]),
        )
        for recipe, shape, tokens, batch, lr, schedule, seed in itertools.product(*lists):
            width, depth = map(int, shape.split("x"))
            tokens = 2**tokens if tokens <= LARGEST_EXPONENT else tokens
            if _size(width, depth) * tokens > study.get("largest", np.inf):
                continue
            entry = found["recipes"][recipe]
            if lr == "rule":
                peak = _by_rule(entry, recipe, _size(width, depth), tokens)
            else:
                peak = lr
            setting = Setting(
                recipe=recipe,
                architecture=entry["architecture"],
                optimizer=entry["optimizer"],
                width=width,
                depth=depth,
                tokens=tokens,
                batch=batch,
                lr=peak,
                schedule=schedule,
                seed=seed,
            )
            runs.setdefault(setting.key, (study["name"], setting))
    return runs


def sweep(studies: tuple[str, ...], results: Path, workers: int) -> None:
    """Run what is planned and not done, adding one line to `results` for each finished run."""
    runs = planned(studies=studies)
    done = {record["key"] for record in read(results)}
    todo = [(study, setting) for key, (study, setting) in runs.items() if key not in done]
    order = list(dict.fromkeys(study for study, _ in runs.values()))
    # studies in order, long runs first within each: the last runs leave no worker idle
    todo.sort(key=lambda run: (order.index(run[0]), -work(run[1])))
    print(f"{len(runs)} runs, {len(runs) - len(todo)} done", file=sys.stderr)
    begun = time.perf_counter()
    with append_to(results) as file:
        for count, record in enumerate(run_all(todo, workers), start=1):
            file.write(json.dumps(record) + "\n")
            file.flush()
            print(
                f"{count}/{len(todo)} {time.perf_counter() - begun:.0f} s  {record['key']}  "
                f"loss {record['loss']:.4f} {record['status']}, {record['seconds']:.1f} s",
                file=sys.stderr,
                flush=True,
            )


def run_all(todo: list[tuple[str, object]], workers: int) -> Iterator[dict]:
    """Train runs in `workers` processes; yield each record with its study as it comes."""
    os.environ.update(WORKER_FLAGS)
    import joblib  # its workers have the environment of their start

    jobs = (joblib.delayed(_one)(study, setting) for study, setting in todo)
    return joblib.Parallel(n_jobs=workers, return_as="generator_unordered", pre_dispatch=workers)(
        jobs
    )


def append_to(results: Path) -> TextIO:
    """Open the results for more lines, after one that an interruption may have cut short."""
    results.parent.mkdir(parents=True, exist_ok=True)
    cut_short = results.is_file() and not results.read_bytes().endswith(b"\n")
    file = results.open("a", encoding="utf-8")
    if cut_short:
        file.write("\n")
    return file


def read(results: Path) -> list[dict]:
    """Return the finished runs; the line that an interruption cut short is left out."""
    if not results.is_file():
        return []
    records = []
    for line in results.read_text(encoding="utf-8").splitlines():
        try:
            records.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return records


def rules(results: Path) -> pd.DataFrame:
    """Return the best learning rate of each recipe as a power of N and D, from tuning runs.

    Least squares of the log validation loss of the runs near the best of each cell: a parabola
    in the log learning rate. Curvature and both exponents are common to the recipes, since four
    cells each say too little about exponents that the larger runs lean on.

    Returns
    -------
    DataFrame
        ``recipe``, ``lr`` at `REFERENCE_N` and `REFERENCE_D`, exponents ``N`` and ``D``.
    """
    from scipy.optimize import least_squares

    table = pd.DataFrame(read(results))
    table = table[(table["study"] == "tuning") & (table["batch"] == DEFAULT_BATCH)]
    by_cell = ["recipe", "width", "depth", "tokens"]
    best = table.loc[table.groupby(by_cell)["validation_loss"].idxmin()].set_index(by_cell)["lr"]
    ratio = table["lr"] / table.set_index(by_cell).index.map(best)
    near = table[np.abs(np.log(ratio)) < np.log(NEAR_BEST)]
    cell = near.groupby(by_cell).ngroup().to_numpy()
    recipe, names = pd.factorize(near["recipe"])
    n = np.log(_size(near["width"], near["depth"]) / REFERENCE_N)
    d = np.log(near["tokens"] / REFERENCE_D)
    x, y = np.log(near["lr"]), np.log(near["validation_loss"])

    def misfit(p):
        by_n, by_d, curvature = p[:3]
        lowest = p[3 : 3 + len(names)][recipe] + by_n * n + by_d * d
        return y - p[3 + len(names) :][cell] - np.exp(curvature) * (x - lowest) ** 2

    start = np.r_[0.0, 0.0, np.log(0.02), np.full(len(names), np.log(0.02)), y.groupby(cell).min()]
    found = least_squares(misfit, start).x
    rates = np.exp(found[3 : 3 + len(names)])
    return pd.DataFrame({"recipe": names, "lr": rates, "N": found[0], "D": found[1]})


def _one(study: str, setting: object) -> dict:
    from .train import train

    return {"study": study, **train(setting)}


def _by_rule(recipe: dict, name: str, size: int, tokens: int) -> float:
    rule = recipe.get("rule")
    if rule is None:
        raise ValueError(
            f"recipe '{name}' has no rule for its learning rate: run the study 'tuning', then "
            "`python -m case_studies.ladder rules`, and write its numbers into sweep.toml"
        )
    peak = rule["lr"] * (size / REFERENCE_N) ** rule["N"] * (tokens / REFERENCE_D) ** rule["D"]
    return float(f"{peak:.3g}")


def _size(width, depth):
    """Return about the number of parameters in the blocks of either architecture."""
    return 12 * width**2 * depth


def work(setting) -> float:
    """Return the size times the tokens of a run."""
    return _size(setting.width, setting.depth) * setting.tokens
