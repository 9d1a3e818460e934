"""The shape of the code, read from its syntax trees.

Each rule is a function from a file to its breaches, tried on a made-up file too.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "bayes_scaling"
LAWS = ROOT / "models"

# imports point to the left only; names on one rung may not import one another
ORDER = (
    ("errors", "jax_setup"),
    ("law",),
    ("runs",),
    ("program",),
    ("posterior",),
    ("answers",),
    ("validation",),
    ("display",),
    ("cli.arguments",),
    ("cli",),
)
RANK = {name: i for i, names in enumerate(ORDER) for name in names} | {"errors": -1}
TOP = ("bayes_scaling", "bayes_scaling.__main__")
LAW_IMPORTS = ("bayes_scaling.law", "jax", "numpyro", "typing", "__future__")
MAX_FUNCTION, MAX_FILE = 60, 400


@dataclass(frozen=True)
class Source:
    """A Python file: its dotted module name and text."""

    module: str
    text: str
    is_package: bool = False

    @property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)


@dataclass(frozen=True)
class Import:
    """A module, or a name in one, that a line imports."""

    line: int
    level: int
    target: str


def source(path: Path, root: Path = ROOT) -> Source:
    parts = path.relative_to(root).with_suffix("").parts
    is_package = parts[-1] == "__init__"
    return Source(".".join(parts[:-1] if is_package else parts), path.read_text(), is_package)


def files(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*.py") if "__pycache__" not in p.parts)


# the laws are reached through a link in the package and read under their own folder
CODE = [source(p) for p in files(PACKAGE) if "models" not in p.relative_to(PACKAGE).parts]
MODELS = [source(p) for p in files(LAWS)]
REST = [source(p) for f in ("tests", "case_studies", "benchmarks") for p in files(ROOT / f)]


def imports(file: Source) -> Iterator[Import]:
    package = file.module.split(".") if file.is_package else file.module.split(".")[:-1]
    for node in ast.walk(file.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(node.lineno, 0, alias.name)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            stem = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                yield Import(node.lineno, node.level, f"{stem}.{alias.name}")


def within(target: str, module: str) -> bool:
    return target == module or target.startswith(f"{module}.")


def room(name: str) -> str:
    """Part of the package that a dotted name lies in, "" for the package itself.

    A module with its own place in ORDER is its own part.
    """
    parts = name.split(".")
    if parts[0] == "bayes_scaling" and ".".join(parts[1:3]) in RANK:
        return ".".join(parts[1:3])
    return parts[1] if len(parts) > 1 and parts[0] == "bayes_scaling" else ""


def upward_imports(file: Source) -> Iterator[str]:
    if file.module in TOP:
        return
    own = room(file.module)
    for found in imports(file):
        if found.target.split(".")[0] != "bayes_scaling":
            continue
        to = room(found.target)
        if room(file.module) in ("cli.arguments", "cli") and to not in RANK:
            continue  # a public name of the package
        if to not in (own, "models") and RANK.get(to, len(ORDER)) >= RANK[own]:
            yield f"{file.module}:{found.line} imports {found.target}"


def law_lookups(file: Source) -> Iterator[str]:
    if file.module in TOP or room(file.module) == "cli":
        return
    for found in imports(file):
        if within(found.target, "bayes_scaling.models"):
            yield f"{file.module}:{found.line} imports {found.target}"


def foreign_imports_of_laws(file: Source) -> Iterator[str]:
    for found in imports(file):
        if found.level or not any(within(found.target, allowed) for allowed in LAW_IMPORTS):
            yield f"{file.module}:{found.line} imports {found.target}"


def second_copies(file: Source) -> Iterator[str]:
    for found in imports(file):
        if not found.level and within(found.target, "models"):
            yield f"{file.module}:{found.line} imports {found.target}: use bayes_scaling.models"


def parent_imports(file: Source) -> Iterator[str]:
    for found in imports(file):
        if found.level > 1:
            yield f"{file.module}:{found.line} imports {found.target} from a parent"


def long_functions(file: Source) -> Iterator[str]:
    for node in ast.walk(file.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            # a numpydoc docstring is as long as the signature needs
            doc = node.body[0] if ast.get_docstring(node) else None
            words = (doc.end_lineno or doc.lineno) - doc.lineno + 1 if doc else 0
            lines = (node.end_lineno or node.lineno) - node.lineno + 1 - words
            if lines >= MAX_FUNCTION:
                yield f"{file.module}:{node.lineno} {node.name} has {lines} lines"


def long_files(file: Source) -> Iterator[str]:
    lines = len(file.text.splitlines())
    if lines >= MAX_FILE:
        yield f"{file.module} has {lines} lines"


Rule = Callable[[Source], Iterator[str]]
RULES: list[tuple[Rule, list[Source]]] = [
    (upward_imports, CODE),
    (law_lookups, CODE),
    (foreign_imports_of_laws, MODELS),
    (second_copies, [*CODE, *MODELS, *REST]),
    (parent_imports, [*CODE, *MODELS, *REST]),
    (long_functions, [*CODE, *MODELS]),
    (long_files, [*CODE, *MODELS]),
]


@pytest.mark.parametrize(("rule", "sources"), RULES, ids=[rule.__name__ for rule, _ in RULES])
def test_the_code_keeps_the_rule(rule: Rule, sources: list[Source]) -> None:
    assert sources
    found = [breach for file in sources for breach in rule(file)]
    assert not found, "\n".join(found)


def test_every_room_has_a_place_in_the_order() -> None:
    rooms = {room(file.module) for file in CODE} - {"", "__main__"}
    assert rooms <= set(RANK), f"not in ORDER of {Path(__file__).name}: {rooms - set(RANK)}"


def breaches(rule: Rule, module: str, text: str, *, is_package: bool = False) -> list[str]:
    return list(rule(Source(module, text, is_package)))


@pytest.mark.parametrize(
    ("module", "text"),
    [
        ("bayes_scaling.law.law", "from bayes_scaling.runs import Runs"),
        ("bayes_scaling.law.law", "import bayes_scaling.posterior.fit"),
        ("bayes_scaling.law.law", "from bayes_scaling import find_law"),
        ("bayes_scaling.law.law", "import bayes_scaling as bs"),
        ("bayes_scaling.program", "from bayes_scaling.posterior.fit import Fit"),
        ("bayes_scaling.answers.forecast", "from bayes_scaling.display import plot"),
        ("bayes_scaling.errors", "from .jax_setup import configure"),
        ("bayes_scaling.errors", "from . import law"),
        ("bayes_scaling.display.plot", "def f():\n    from bayes_scaling.cli import main"),
        ("bayes_scaling.display.plot", "from bayes_scaling.cli.arguments import Figure"),
        ("bayes_scaling.cli.arguments", "from .output import say"),
        ("bayes_scaling.cli.arguments", "from bayes_scaling import cli"),
    ],
)
def test_upward_imports_are_seen(module: str, text: str) -> None:
    assert breaches(upward_imports, module, text)


@pytest.mark.parametrize(
    ("module", "text"),
    [
        ("bayes_scaling.law.law", "from bayes_scaling.errors import LawError"),
        ("bayes_scaling.law", "from bayes_scaling import jax_setup as jax_setup"),
        ("bayes_scaling.jax_setup", "from .errors import UsageError"),
        ("bayes_scaling.answers.forecast", "from bayes_scaling.posterior import Fit"),
        ("bayes_scaling", "from .cli import main"),
        ("bayes_scaling.law.law", "import jax\nfrom .priors import Prior"),
        ("bayes_scaling.cli.arguments", "from bayes_scaling import find_law"),
        ("bayes_scaling.cli.fitting", "from .arguments import read_table\nfrom .output import say"),
        ("bayes_scaling.cli", "from .fitting import check"),
    ],
)
def test_downward_imports_pass(module: str, text: str) -> None:
    package = module in ("bayes_scaling", "bayes_scaling.law", "bayes_scaling.cli")
    assert not breaches(upward_imports, module, text, is_package=package)


def test_the_other_rules_see_breaches() -> None:
    inside = "bayes_scaling.runs.read"
    assert breaches(law_lookups, inside, "from bayes_scaling.models import registry")
    assert breaches(law_lookups, inside, "from bayes_scaling import models")
    assert not breaches(law_lookups, "bayes_scaling.cli", "from bayes_scaling import models")
    assert not breaches(law_lookups, "bayes_scaling.cli.x", "from bayes_scaling import models")
    assert breaches(law_lookups, "bayes_scaling.cli.arguments", "from bayes_scaling import models")
    assert breaches(foreign_imports_of_laws, "models.mine", "import numpy as np")
    assert breaches(foreign_imports_of_laws, "models.mine", "from bayes_scaling.errors import LawE")
    assert breaches(foreign_imports_of_laws, "models.mine", "from .kaplan import slopes")
    assert not breaches(foreign_imports_of_laws, "models.mine", "import jax.numpy as jnp")
    assert breaches(second_copies, inside, "import models.kaplan")
    assert breaches(second_copies, "tests.test_x", "from models import kaplan")
    assert not breaches(second_copies, "bayes_scaling", "from .models import registry")
    assert breaches(parent_imports, inside, "from ..law import Law")
    assert not breaches(parent_imports, inside, "from .table import Runs")
    body = "\n".join("    x = 1" for _ in range(MAX_FUNCTION - 1))
    assert breaches(long_functions, inside, f"class A:\n  def f():\n{body}")
    assert not breaches(long_functions, inside, f"def f():\n{body[10:]}")
    assert breaches(long_files, inside, "x = 1\n" * MAX_FILE)
    assert not breaches(long_files, inside, "x = 1\n" * (MAX_FILE - 1))
