"""What is shipped: the packages, their data, the laws' link and the tested versions.

That nothing imports the top-level `models` is held by `second_copies` in test_architecture.py.
"""

from __future__ import annotations

import fnmatch
import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import bayes_scaling.models

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "bayes_scaling"
CONFIG = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LOCKS = ("*.lock", "*.lock.txt", "pylock*.toml", "conda-lock.y*ml", "*-lock.json", "*-lock.yaml")
# in parts, so that this file does not name them
HOSTS = [
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("pypi", "python", "org"),
        ("pythonhosted", "org"),
        ("anaconda", "org"),
        ("npmjs", "org"),
        ("crates", "io"),
        ("download", "pytorch", "org"),
    )
]
INDEX_OPTIONS = [f"{kind}-{what}" for kind, what in (("index", "url"), ("find", "links"))]


def shipped() -> dict[str, list[Path]]:
    """Files of each package by its dotted name; the laws are reached through the link."""
    found: dict[str, list[Path]] = {}
    for folder, _, names in os.walk(PACKAGE, followlinks=True):
        here = Path(folder)
        if any(name.endswith(".py") for name in names):
            package = ".".join(here.relative_to(ROOT).parts)
            found[package] = [here / name for name in names]
    return found


def project_files() -> list[Path]:
    """Files that are tracked, or new and not ignored; every file where there is no git."""
    if not (ROOT / ".git").exists():
        return [p for p in ROOT.rglob("*") if p.is_file()]
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    paths = (ROOT / name for name in listed.stdout.split("\0") if name)
    return [p for p in paths if p.is_file()]


def pins() -> list[str]:
    return (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()


def test_the_laws_are_linked_into_the_package() -> None:
    link = PACKAGE / "models"
    assert link.is_symlink()
    assert link.readlink() == Path("../models")
    assert link.resolve() == (ROOT / "models").resolve()
    assert CONFIG["tool"]["setuptools"]["package-dir"] == {"bayes_scaling.models": "models"}


def test_the_laws_know_their_package() -> None:
    assert bayes_scaling.models.__name__ == "bayes_scaling.models"
    for name, law in bayes_scaling.models.registry.items():
        assert law.function.__module__ == f"bayes_scaling.models.{name}"


def test_the_second_copy_of_the_laws_is_banned() -> None:
    lint = CONFIG["tool"]["ruff"]["lint"]
    assert "TID" in lint["select"]
    assert "models" in lint["flake8-tidy-imports"]["banned-api"]


def test_packages_are_those_on_disk() -> None:
    declared = CONFIG["tool"]["setuptools"]["packages"]
    assert sorted(declared) == sorted(shipped())


def test_every_data_file_is_shipped() -> None:
    patterns = CONFIG["tool"]["setuptools"]["package-data"]
    unmatched = [
        path
        for package, paths in shipped().items()
        for path in paths
        if path.suffix not in (".py", ".pyc")
        and not any(fnmatch.fnmatch(path.name, p) for p in patterns.get(package, []))
    ]
    assert not unmatched, f"add to package-data in pyproject.toml: {unmatched}"
    assert (PACKAGE / "py.typed").is_file()


def test_the_licence_is_the_declared_one() -> None:
    assert CONFIG["project"]["license"] == "Apache-2.0"
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Version 2.0, January 2004" in text
    assert text.rstrip().endswith("limitations under the License.")


def test_constraints_are_sorted_exact_versions() -> None:
    lines = pins()
    assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*==[0-9][0-9a-z.]*", line) for line in lines)
    names = [line.partition("==")[0] for line in lines]
    assert names == sorted(set(names))


def test_constraints_satisfy_what_the_project_asks_for() -> None:
    tested = dict(line.split("==") for line in pins())
    extras = CONFIG["project"]["optional-dependencies"]
    for text in [*CONFIG["project"]["dependencies"], *(d for e in extras.values() for d in e)]:
        asked = Requirement(text)
        name = canonicalize_name(asked.name)
        assert name in tested, f"constraints.txt has no version of {name}"
        assert asked.specifier.contains(tested[name]), f"{text}, but {tested[name]} is tested"


def test_no_lock_file_is_part_of_the_project() -> None:
    locks = [p for p in project_files() if any(fnmatch.fnmatch(p.name, k) for k in LOCKS)]
    assert not locks


@pytest.mark.parametrize("needle", [*HOSTS, *INDEX_OPTIONS])
def test_no_file_names_a_package_registry(needle: str) -> None:
    found = [p.relative_to(ROOT) for p in project_files() if needle.encode() in p.read_bytes()]
    assert not found, f"{needle} is named in {found}"
