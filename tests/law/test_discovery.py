"""Finding laws by file, in a package and by entry point."""

from __future__ import annotations

import importlib.metadata
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bayes_scaling import find_law
from bayes_scaling.errors import LawError, UsageError
from bayes_scaling.law.discovery import law_of_file, laws_of_entry_points, laws_of_package
from bayes_scaling.models import registry

LAW_FILE = '''
from typing import Annotated

from jax import Array

from bayes_scaling.law import Input, LogNormal, Loss, Parameter, Variant, law


@law(
    response=Loss(),
    citation="kaplan2020",
    family="A",
    variants={{"flat": Variant("no slope", fix={{"b": 0.0}})}},
)
def {name}(
    x: Annotated[Array, Input("scale", "unit")],
    *,
    a: Annotated[Array, Parameter(LogNormal(1.0, 0.5), "size")],
    b: Annotated[Array, Parameter(LogNormal(0.3, 0.5), "slope")],
) -> Array:
    """$L = a x^{{-b}}$"""
    return a * x**-b
'''


def write(path: Path, *names: str) -> Path:
    path.write_text("\n".join(LAW_FILE.format(name=name) for name in names))
    return path


@pytest.fixture(autouse=True)
def forget_modules() -> Iterator[None]:
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.startswith(("_bayes_scaling_law_", "laws_for_test")):
            del sys.modules[name]


def test_law_of_file(tmp_path: Path) -> None:
    path = write(tmp_path / "mine.py", "bent")
    found = law_of_file(path)
    assert found.name == "bent"
    assert found.source == str(path)
    assert found.mean({"x": 4.0}, {"a": 3.0, "b": 0.5}) == pytest.approx(1.5)


def test_find_law_takes_a_file_and_its_variant(tmp_path: Path) -> None:
    path = write(tmp_path / "mine.py", "bent")
    assert find_law(str(path)).name == "bent"
    assert find_law(f"{path}:flat").name == "bent:flat"
    assert list(find_law("bent:flat", source=str(path)).parameters) == ["a"]


def test_find_law_takes_names() -> None:
    assert find_law("kaplan") is registry["kaplan"]
    assert find_law("kaplan:no_floor") is registry["kaplan"].variant("no_floor")
    with pytest.raises(UsageError, match=r"no law named 'caplan'; there are .*kaplan:no_floor"):
        find_law("caplan")
    with pytest.raises(UsageError, match=r"no variant 'tied'"):
        find_law("kaplan:tied")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "does not exist"),
        ("", "must declare exactly one law with @law, found: none"),
        ("x = 1\n", "must declare exactly one law with @law, found: none"),
        (
            "import no_such_module_at_all\n",
            "cannot be run: No module named 'no_such_module_at_all'",
        ),
        ("def broken(:\n", "cannot be run: "),
        ("raise ValueError('my own words')\n", "cannot be run: my own words"),
        (LAW_FILE.format(name="a") + LAW_FILE.format(name="b"), "found: a, b"),
        (LAW_FILE.format(name="a").replace("kaplan2020", "nobody"), "citation 'nobody'"),
    ],
    ids=["missing", "empty", "no law", "import", "syntax", "raises", "two", "bad declaration"],
)
def test_bad_law_files(tmp_path: Path, content: str | None, message: str) -> None:
    path = tmp_path / "mine.py"
    if content is not None:
        path.write_text(content)
    with pytest.raises(LawError, match=message) as caught:
        law_of_file(path)
    assert str(path) in str(caught.value)


def test_not_a_python_file(tmp_path: Path) -> None:
    path = tmp_path / "law.txt"
    path.write_text("x = 1\n")
    with pytest.raises(LawError, match=r"is not a Python file; a law file ends in \.py"):
        law_of_file(path)


def package(root: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> Path:
    folder = root / name
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(str(root))
    return folder


def test_a_dropped_file_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = package(tmp_path, monkeypatch, "laws_for_test_good")
    write(folder / "bent.py", "bent")
    write(folder / "other.py", "other")
    (folder / "_helper.py").write_text("x = 1\n")
    found = laws_of_package("laws_for_test_good", [str(folder)])
    assert sorted(found) == ["bent", "other"]
    assert found["bent"].name == "bent"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("x = 1\n", r"law file bent\.py declares no law named 'bent'; decorate a function"),
        (LAW_FILE.format(name="crooked"), r"law file bent\.py declares no law named 'bent'"),
        ("bent = 3\n", r"law file bent\.py declares no law named 'bent'"),
        ("1 / 0\n", r"law file bent\.py cannot be imported: division by zero"),
    ],
    ids=["none", "other name", "not a law", "raises"],
)
def test_a_bad_file_in_the_package(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    content: str,
    message: str,
) -> None:
    folder = package(tmp_path, monkeypatch, "laws_for_test_bad")
    (folder / "bent.py").write_text(content)
    with pytest.raises(LawError, match=message):
        laws_of_package("laws_for_test_bad", [str(folder)])


class _Point:
    def __init__(self, name: str, value: object):
        self.name = name
        self.value = value

    def load(self) -> object:
        return self.value


def offer(monkeypatch: pytest.MonkeyPatch, *points: _Point) -> None:
    def entry_points(*, group: str) -> tuple[_Point, ...]:
        assert group == "bayes_scaling.laws"
        return points

    monkeypatch.setattr(importlib.metadata, "entry_points", entry_points)


def test_entry_points(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bent = law_of_file(write(tmp_path / "mine.py", "bent"))
    offer(monkeypatch, _Point("bent", bent))
    assert laws_of_entry_points() == {"bent": bent}
    offer(monkeypatch)
    assert laws_of_entry_points() == {}


def test_an_entry_point_that_is_no_law(monkeypatch: pytest.MonkeyPatch) -> None:
    offer(monkeypatch, _Point("bent", lambda x: x))
    with pytest.raises(LawError, match=r"entry point 'bent' .* gives a function, not a Law"):
        laws_of_entry_points()


def test_the_registry_holds_the_laws_of_the_folder() -> None:
    assert {"chinchilla", "kaplan", "power_law"} <= set(registry)
    assert all(name == found.name for name, found in registry.items())


def test_find_law_takes_held_and_tied_parameters() -> None:
    """The name of a restricted law finds it again, to the last digit: fits keep the name."""
    held = registry["chinchilla"].fix("alpha", 0.1 + 0.2).tie("beta", "reducible")
    assert find_law(held.name) is held
    assert find_law("chinchilla:tied:alpha=0.5").fixed == {"alpha": 0.5}
    with pytest.raises(UsageError, match="no free parameter 'gamma'"):
        find_law("chinchilla:gamma=1")
