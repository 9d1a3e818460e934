"""What a new process pays: the stages of a fit, the command line, and its help."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from .job import ROOT, STARTED, since_start

STAGES = ("imports", "table, model and data", "tracing and lowering", "XLA compilation")
STAGES += ("sampling", "assembling", "diagnostics and saving")
CACHES = ("empty", "filled")
COMPILATION = "/jax/core/compile/backend_compile_duration"  # reading the cache is part of it


def twice() -> dict[str, float]:
    """Run `stages` in two processes, the second with the caches that the first has left."""
    found = {}
    for cache in CACHES:
        command = [sys.executable, "-m", "benchmarks.speed.worker"]
        command += ["benchmarks.speed.cold:stages", "{}"]
        done = _run(command, ROOT)
        stages = json.loads(done.stdout.splitlines()[-1])
        found |= {f"{cache} {name}": seconds for name, seconds in stages.items()}
    return found


def stages() -> dict[str, float]:
    """Fit the core problem in this process, and save the fit; seconds of each stage.

    Compilation (or reading its cache) is counted in one place, wherever it happens.
    """
    import bayes_scaling as bs
    from bayes_scaling.models import chinchilla

    clock = _Clock()
    clock.done("imports")
    runs = bs.datasets.chinchilla()

    def report(words: str) -> None:
        clock.done("tracing and lowering" if words.startswith("sampl") else "table, model and data")

    fit = bs.ScalingModel(chinchilla, discrepancy=False).fit(runs, report=report)
    clock.split("assembling", "sampling", fit.record.seconds["sample"])
    with tempfile.TemporaryDirectory() as folder:
        bool(fit.warnings)
        fit.save(Path(folder, "fit.nc"))
    clock.done("diagnostics and saving")
    return clock.seconds | {"in all": since_start()}


class _Clock:
    """Seconds by stage, and apart from them those of compilation."""

    def __init__(self) -> None:
        from jax import monitoring

        self.seconds = {"XLA compilation": 0.0}
        self._before = 0.0
        self._compiled = 0.0
        monitoring.register_event_duration_secs_listener(self._listen)

    def done(self, stage: str) -> None:
        """End a stage: what has passed since the last one, less compilation."""
        now, compiled = since_start(), self.seconds["XLA compilation"]
        self.seconds[stage] = now - self._before - (compiled - self._compiled)
        self._before, self._compiled = now, compiled

    def split(self, stage: str, inside: str, seconds: float) -> None:
        """End a stage of which part is known to be another one."""
        self.done(stage)
        self.seconds[stage] -= seconds
        self.seconds[inside] = seconds

    def _listen(self, event: str, seconds: float, **_: object) -> None:
        if event == COMPILATION:
            self.seconds["XLA compilation"] += seconds


def command_line() -> dict[str, float]:
    """Return the seconds of `bayes-scaling fit` with empty caches, and with those it has left."""
    from bayes_scaling.runs import datasets

    frame = datasets.chinchilla().frame[["N", "D", "response"]]
    found = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        frame.rename(columns={"response": "loss"}).to_csv(folder / "runs.csv", index=False)
        command = [sys.executable, "-m", "bayes_scaling", "fit", "runs.csv", "--law", "chinchilla"]
        command += ["--no-discrepancy", "-o", "fit.nc", "--json"]
        for cache in CACHES:
            begun = time.perf_counter()
            done = _run(command, folder)
            found[cache] = time.perf_counter() - begun
            json.loads(done.stdout)
    return found


def help_text() -> dict[str, float]:
    """Return the seconds of `bayes-scaling --help`, once its files have been read."""
    seconds = []
    for _ in range(3):
        begun = time.perf_counter()
        _run([sys.executable, "-m", "bayes_scaling", "--help"], ROOT)
        seconds.append(time.perf_counter() - begun)
    return {"seconds": min(seconds[1:])}


def _run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command in this process's environment, or fail with what it said."""
    variables = os.environ | {STARTED: repr(time.time())}
    done = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    return done
