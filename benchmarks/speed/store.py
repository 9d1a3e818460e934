"""Finished measurements, kept as they come, so that a broken run goes on where it stopped."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import platform
from pathlib import Path

from .job import FAILED, ROOT, Found, Job

FOLDER = ROOT / "build" / "benchmarks"
PACKAGES = ("bayes-scaling", "jax", "jaxlib", "numpyro", "blackjax", "pymc", "pytensor", "nutpie")
PACKAGES += ("numba", "scipy")


class Store:
    """Measurements of one state of the package on one machine, in one file.

    Parameters
    ----------
    path : Path
        A file of another state of the package, or of another machine, is not read, and is
        written over.
    fresh : bool
        Whether to leave out what the file holds.
    """

    def __init__(self, path: Path, *, fresh: bool = False):
        self.path = path
        self.facts = facts()
        self.source = source_hash()
        self.found: dict[str, Found] = {}
        self.loads: dict[str, float] = {}  # before each measurement
        if path.is_file() and not fresh:
            self._read()

    def get(self, job: Job, number: int) -> Found | None:
        """Return what a round found, or None; what failed is measured again."""
        found = self.found.get(f"{number} {job.key}")
        return None if found is None or FAILED in found else found

    def measure(self, job: Job, number: int) -> Found:
        """Measure, and keep what was found."""
        key = f"{number} {job.key}"
        self.loads[key] = os.getloadavg()[0]
        self.found[key] = job.run(number)
        self._write()
        return self.found[key]

    def _read(self) -> None:
        kept = json.loads(self.path.read_text(encoding="utf-8"))
        if (kept["facts"], kept["source"]) == (self.facts, self.source):
            self.found, self.loads = kept["found"], kept["loads"]

    def _write(self) -> None:
        kept = {"facts": self.facts, "source": self.source}
        kept |= {"loads": self.loads, "found": self.found}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        partial = self.path.with_suffix(".part")
        partial.write_text(json.dumps(kept, indent=1), encoding="utf-8")
        partial.replace(self.path)


def source_hash() -> str:
    """Return a hash of the code that is measured: the package and its laws."""
    digest = hashlib.sha256()
    for folder in ("bayes_scaling", "models"):
        for file in sorted((ROOT / folder).rglob("*.py")):
            digest.update(str(file.relative_to(ROOT)).encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


def facts() -> str:
    """Return the machine and the versions in words."""
    versions = ", ".join(filter(None, map(_version, PACKAGES)))
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


def _version(name: str) -> str:
    try:
        return f"{name} {importlib.metadata.version(name)}"
    except importlib.metadata.PackageNotFoundError:
        return ""
