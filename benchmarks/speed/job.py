"""One measurement: a function of the benchmark in a process of its own."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
STARTED = "BAYES_SCALING_BENCHMARK_STARTED"  # seconds since the epoch
SKIPPED, FAILED = "skipped", "failed"
Found = dict[str, float] | dict[str, str]  # numbers by name, or the reason why there are none


@dataclass(frozen=True)
class Job:
    """A measurement.

    Attributes
    ----------
    name : str
        What lines call it.
    function : str
        ``module:function`` of this package; it returns numbers by name.
    arguments : mapping
        Of that function, as JSON.
    limit : float
        Seconds after which it is stopped.
    rounds : int
        In how many rounds it takes part at most; the long ones in the first alone.
    seeded : bool
        Whether the function takes a seed, which is another one in each round.
    variables : mapping
        Of the environment.
    """

    name: str
    function: str
    arguments: Mapping[str, object] = field(default_factory=dict)
    limit: float = 600.0
    rounds: int = 100
    seeded: bool = False
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """Name and arguments: what a stored measurement is looked up by."""
        return f"{self.name} {json.dumps(dict(self.arguments), sort_keys=True)}"

    def run(self, number: int) -> Found:
        """Measure in a new process with empty caches, for the round of that number."""
        arguments = dict(self.arguments) | ({"seed": 10 * number + 1} if self.seeded else {})
        command = [sys.executable, "-m", "benchmarks.speed.worker"]
        command += [self.function, json.dumps(arguments)]
        with tempfile.TemporaryDirectory() as cache:
            return _finished(command, environment(cache) | self.variables, self.limit)


def environment(cache: str | Path) -> dict[str, str]:
    """Return the environment of a process whose compilation caches are in a folder."""
    return os.environ | {
        "JAX_COMPILATION_CACHE_DIR": str(Path(cache, "jax")),
        "NUMBA_CACHE_DIR": str(Path(cache, "numba")),
        "PYTENSOR_FLAGS": f"base_compiledir={Path(cache, 'pytensor')}",
        STARTED: repr(time.time()),
    }


def since_start() -> float:
    """Return the seconds since the parent started this process, interpreter included."""
    return time.time() - float(os.environ[STARTED])


def peak_memory() -> float:
    """Return the largest resident memory so far, in MiB, of this process.

    Of several processes (PyMC's own sampler has one a core) the largest child's is added.
    """
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return sum(resource.getrusage(kind).ru_maxrss for kind in kinds) / unit


def _finished(command: list[str], variables: dict[str, str], limit: float) -> Found:
    """Run a command to its end or its limit, and read the JSON object on its last line."""
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # so that its own children can be stopped with it
    ) as process:
        try:
            output, errors = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            return {SKIPPED: f"stopped after {limit:,.0f} s"}
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    if process.returncode:
        return {FAILED: errors.strip()[-2000:] or f"exit status {process.returncode}"}
    return json.loads(output.splitlines()[-1])
