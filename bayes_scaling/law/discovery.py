"""Finding laws: by file in a package, by entry point, and from a single file."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import pkgutil
import sys
from collections.abc import Iterable
from pathlib import Path

from bayes_scaling.errors import LawError

from .law import Law

ENTRY_POINT_GROUP = "bayes_scaling.laws"


def laws_of_package(package: str, path: Iterable[str]) -> dict[str, Law]:
    """Import every module of `package` and return the law that each declares.

    Raises
    ------
    LawError
        If a file cannot be imported or does not declare a law of its own name.
    """
    found: dict[str, Law] = {}
    for module in pkgutil.iter_modules(list(path)):
        if module.name.startswith("_"):
            continue
        try:
            loaded = importlib.import_module(f"{package}.{module.name}")
        except Exception as error:
            raise LawError(f"law file {module.name}.py cannot be imported: {error}") from error
        law = getattr(loaded, module.name, None)
        if not isinstance(law, Law):
            raise LawError(
                f"law file {module.name}.py declares no law named '{module.name}'; "
                f"decorate a function of that name with @law, or start the file's name with _"
            )
        found[law.name] = law
    return found


def laws_of_entry_points() -> dict[str, Law]:
    """Return the laws that installed packages offer under `bayes_scaling.laws`."""
    found: dict[str, Law] = {}
    for point in importlib.metadata.entry_points(group=ENTRY_POINT_GROUP):
        law = point.load()
        if not isinstance(law, Law):
            raise LawError(
                f"entry point '{point.name}' of group {ENTRY_POINT_GROUP} gives a "
                f"{type(law).__name__}, not a Law; point it at a function decorated with @law"
            )
        found[point.name] = law
    return found


def law_of_file(path: Path) -> Law:
    """Load the one law that a Python file declares.

    Raises
    ------
    LawError
        If the file is missing, fails to run, or declares no law or several.
    """
    if not path.is_file():
        raise LawError(f"law file '{path}' does not exist")
    name = f"_bayes_scaling_law_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise LawError(f"'{path}' is not a Python file; a law file ends in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except LawError:
        raise
    except Exception as error:
        raise LawError(f"law file '{path}' cannot be run: {error}") from error
    laws = [v for v in vars(module).values() if isinstance(v, Law)]
    if len(laws) != 1:
        names = ", ".join(found.name for found in laws) or "none"
        raise LawError(f"law file '{path}' must declare exactly one law with @law, found: {names}")
    return laws[0]
