"""How laws travel to other processes: by name, and the file of a law that no registry has.

The function of a law cannot be pickled, because its name in its module is that of the law. A law
that is looked up again in one process is the same object, so that compiled programs are reused.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bayes_scaling.errors import UsageError

if TYPE_CHECKING:
    from .law import Law


def law_by_name(name: str, source: str) -> Law:
    """Return the law of that name, from the registry or from the file that declares it.

    Raises
    ------
    UsageError
        If there is none.
    """
    changed = Path(source).stat().st_mtime_ns if source and Path(source).is_file() else 0
    return _found(name, source, changed)


@functools.cache
def _found(name: str, source: str, changed: int) -> Law:
    # laws lie below the package that knows their names: it is asked when a law arrives
    package: Any = importlib.import_module("bayes_scaling")
    found: Law = package.find_law(name, source)
    return found


def packed(law: Law) -> tuple[Callable[[str, str], Law], tuple[str, str]]:
    """What `pickle` keeps of a law: how to find it again.

    Raises
    ------
    UsageError
        If a look-up of its name gives no law, or another one.
    """
    where = (law.name, law.source)
    try:
        found = law_by_name(*where)
    except UsageError as error:
        raise UsageError(
            f"law {law.name} cannot be sent to another process: {error}; declare it in a law "
            f"file of its own (my_law.py)"
        ) from error
    alike = (found.name, found.source) == where
    alike = alike and dict(found.parameters) == dict(law.parameters)
    if found is not law and not alike:
        raise UsageError(
            f"law {law.name} cannot be sent to another process: by that name another law is "
            f"found there ({found.source or 'the registry'}); give it a name of its own in a "
            f"law file (my_law.py)"
        )
    return law_by_name, where
