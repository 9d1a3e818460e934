"""Time bayes-scaling against nutpie and PyMC; ``python -m benchmarks.speed [--write]``.

Each measurement is a process of its own with empty caches; the tools take turns, so that
a slow minute of the machine hits them all.
"""

import argparse
import importlib.metadata
import json
import logging
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import xarray as xr

from benchmarks.problem import CHAINS, CORES, chinchilla_runs, free_draws, smallest_ess

ROOT = Path(__file__).resolve().parents[1]
README = Path(__file__).with_name("README.md")
BEGIN, END = "<!-- speed:begin -->", "<!-- speed:end -->"
DRAWS, REPEATS, TIME_LIMIT = 1000, 3, 600
TOOLS = {"ours": "bayes-scaling", "nutpie": "nutpie", "pymc": "PyMC's own sampler"}
PACKAGES = ("bayes-scaling", "jax", "jaxlib", "numpyro", "blackjax", "pymc", "pytensor", "nutpie")
PACKAGES += ("numba",)
Times = dict[str, float]
Refit = Callable[[int], tuple[xr.Dataset, float]]  # seed to draws and seconds of sampling


# -- workers: one process each, the imports made before the clock starts --------


def start_ours() -> Refit:
    """Return a fit with bayes-scaling; its program is compiled by the first call."""
    import bayes_scaling as bs
    from bayes_scaling.models import chinchilla

    runs = chinchilla_runs()
    model = bs.ScalingModel(chinchilla, discrepancy=False)

    def refit(seed: int) -> tuple[xr.Dataset, float]:
        fit = model.fit(runs, seed=seed, chains=CHAINS, draws=DRAWS)
        return fit.posterior, fit.record.seconds["sample"]

    return refit


def start_nutpie() -> Refit:
    """Return a fit with nutpie; the first call compiles the model, later ones reuse it."""
    import nutpie

    from benchmarks.chinchilla_pymc import build

    runs = chinchilla_runs()
    compiled: list[Any] = []

    def refit(seed: int) -> tuple[xr.Dataset, float]:
        if not compiled:
            compiled.append(nutpie.compile_pymc_model(build(runs)))
        begun = time.perf_counter()
        tree = nutpie.sample(
            compiled[0], draws=DRAWS, chains=CHAINS, cores=CORES, seed=seed, progress_bar=False
        )
        return tree["posterior"].to_dataset(), time.perf_counter() - begun

    return refit


def start_pymc() -> Refit:
    """Return a fit with PyMC's own NUTS.

    `pm.sample` compiles at every call; the seconds of sampling that it reports leave
    that out.
    """
    import pymc as pm

    from benchmarks.chinchilla_pymc import build

    logging.getLogger("pymc").setLevel(logging.ERROR)
    runs = chinchilla_runs()
    built: list[pm.Model] = []

    def refit(seed: int) -> tuple[xr.Dataset, float]:
        if not built:
            built.append(build(runs))
        tree = pm.sample(
            DRAWS,
            chains=CHAINS,
            cores=CORES,
            random_seed=seed,
            model=built[0],
            nuts_sampler="pymc",  # by default PyMC would take nutpie where it is installed
            progressbar=False,
            compute_convergence_checks=False,
        )
        return tree["posterior"].to_dataset(), tree["posterior"].attrs["sampling_time"]

    return refit


WORKERS = {"ours": start_ours, "nutpie": start_nutpie, "pymc": start_pymc}


def work(tool: str, seed: int) -> Times:
    """Fit twice in this process: the first fit pays for compilation, the second is warm."""
    refit = WORKERS[tool]()
    begun = time.perf_counter()
    posterior, _ = refit(seed)
    cold = time.perf_counter() - begun
    found = {"cold_seconds": cold, "cold_ess": smallest_ess(free_draws(posterior))}
    posterior, warm = refit(seed + 1)
    return found | {"warm_seconds": warm, "warm_ess": smallest_ess(free_draws(posterior))}


# -- measuring ------------------------------------------------------------------


def environment(cache: str) -> dict[str, str]:
    """Return the environment of a process whose compilation caches are in a folder."""
    return os.environ | {
        "JAX_COMPILATION_CACHE_DIR": str(Path(cache, "jax")),
        "NUMBA_CACHE_DIR": str(Path(cache, "numba")),
        "PYTENSOR_FLAGS": f"base_compiledir={Path(cache, 'pytensor')}",
    }


def run_worker(tool: str, seed: int) -> Times:
    """Run a worker with empty caches."""
    command = [sys.executable, "-m", "benchmarks.speed", "--worker", tool, "--seed", str(seed)]
    with tempfile.TemporaryDirectory() as cache:
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=environment(cache),
            capture_output=True,
            text=True,
            timeout=TIME_LIMIT,
        )
    if done.returncode:
        raise SystemExit(f"the worker of {tool} failed:\n{done.stderr[-2000:]}")
    found = json.loads(done.stdout.splitlines()[-1])
    warm, cold = (found[f"{k}_ess"] / found[f"{k}_seconds"] for k in ("warm", "cold"))
    return found | {"warm": warm, "cold": cold}


def run_command_line(folder: Path) -> Times:
    """Return the seconds of two fits by command line: with empty caches, then with those."""
    table = folder / "runs.csv"
    frame = chinchilla_runs().frame[["N", "D", "response"]]
    frame.rename(columns={"response": "loss"}).to_csv(table, index=False)
    command = [sys.executable, "-m", "bayes_scaling", "fit", str(table), "--law", "chinchilla"]
    command += ["--no-discrepancy"]
    command += ["--input", "N=N", "--input", "D=D", "--response", "loss"]
    command += ["-o", str(folder / "fit.nc"), "--json"]
    seconds = {}
    for cache in ("empty", "filled"):
        begun = time.perf_counter()
        done = subprocess.run(
            command,
            cwd=folder,
            env=environment(str(folder)),
            capture_output=True,
            text=True,
            timeout=TIME_LIMIT,
        )
        seconds[f"cli_{cache}"] = time.perf_counter() - begun
        if done.returncode:
            print(f"the command line failed:\n{done.stderr[-500:]}", file=sys.stderr)
            return {}
        json.loads(done.stdout)
    return seconds


def measure(repeats: int) -> list[dict[str, Times]]:
    """Return one mapping a repeat: tool to its measurements, and ``"cli"``."""
    rounds = []
    for i in range(repeats):
        found = {}
        for tool in TOOLS:
            found[tool] = run_worker(tool, seed=10 * i + 1)
            print(f"repeat {i + 1}, {tool}: {rounded(found[tool])}", file=sys.stderr)
        with tempfile.TemporaryDirectory() as folder:
            found["cli"] = run_command_line(Path(folder))
        print(f"repeat {i + 1}, command line: {rounded(found['cli'])}", file=sys.stderr)
        rounds.append(found)
    return rounds


def rounded(times: Times) -> Times:
    """Return the same to four digits."""
    return {k: float(f"{v:.4g}") for k, v in times.items()}


# -- reporting ------------------------------------------------------------------


def report(rounds: list[dict[str, Times]], load: float) -> str:
    """Return machine facts, the table of ratios, and what the ratios are made of."""
    lines = [f"{facts()} Load average before the first measurement: {load:.1f}.", ""]
    lines += [f"| measured (repeats: {len(rounds)}) | median | min to max | target |"]
    lines += ["|---|---:|---:|---:|"]
    words = {"warm": "warm refit", "cold": "first fit, compilation counted"}
    wanted = {
        ("warm", "nutpie"): 10,
        ("warm", "pymc"): 50,
        ("cold", "nutpie"): 1.3,
        ("cold", "pymc"): 2.5,
    }
    for (kind, tool), target in wanted.items():
        ratios = [r["ours"][kind] / r[tool][kind] for r in rounds]
        missed = " (missed)" if statistics.median(ratios) < target else ""
        label = f"ESS per second, {words[kind]}: bayes-scaling / {TOOLS[tool]}"
        lines.append(row(label, ratios, f"at least {target}{missed}"))
    for cache, target in (("filled", 9), ("empty", 15)):
        seconds = [r["cli"][f"cli_{cache}"] for r in rounds if r["cli"]]
        label = f"`bayes-scaling fit`, new process, {cache} compilation cache: seconds"
        lines.append(row(label, seconds, f"at most {target}"))
    return "\n".join([*lines, "", *details(rounds)])


def row(label: str, values: list[float], target: str) -> str:
    """Return a line of the table of ratios."""
    if not values:
        return f"| {label} | not measured | | {target} |"
    median = statistics.median(values)
    return f"| {label} | {median:.2f} | {min(values):.2f} to {max(values):.2f} | {target} |"


def details(rounds: list[dict[str, Times]]) -> list[str]:
    """Return the table of medians, one line a tool."""
    lines = ["| medians | ESS, warm | seconds, warm | ESS, first fit | seconds, first fit |"]
    lines.append("|---|---:|---:|---:|---:|")
    for tool, name in TOOLS.items():
        names = ("warm_ess", "warm_seconds", "cold_ess", "cold_seconds")
        ess, warm, first_ess, cold = (statistics.median(r[tool][k] for r in rounds) for k in names)
        lines.append(f"| {name} | {ess:,.0f} | {warm:.2f} | {first_ess:,.0f} | {cold:.1f} |")
    return lines


def facts() -> str:
    """Return the machine and the versions in words."""
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{os.cpu_count()} cores ({cpu_name()}), {memory:.0f} GiB, {platform.system()}, "
        f"Python {platform.python_version()}; {versions}."
    )


def cpu_name() -> str:
    """Return the model of the processor, or the architecture where it is not told."""
    listing = Path("/proc/cpuinfo")
    lines = listing.read_text().splitlines() if listing.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def write(text: str) -> None:
    """Put the report between the markers of the README."""
    page = README.read_text(encoding="utf-8")
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    README.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", encoding="utf-8")


def main() -> None:
    """Measure and report, or be a worker."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed", description=__doc__)
    parser.add_argument("--write", action="store_true", help="put the table into README.md")
    parser.add_argument("--repeats", type=int, default=REPEATS)
    parser.add_argument("--worker", choices=TOOLS, help="measure one tool in this process")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    if options.worker:
        print(json.dumps(work(options.worker, options.seed)))
        return
    chinchilla_runs()  # leave before anything is measured if there are no data
    load = os.getloadavg()[0]  # above about 0.5, others were using the machine
    text = report(measure(options.repeats), load)
    print(text)
    if options.write:
        write(text)


if __name__ == "__main__":
    main()
