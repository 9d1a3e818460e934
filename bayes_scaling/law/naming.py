"""What follows the name of a law in a text: a second law, columns, variants, held parameters."""

from __future__ import annotations

from collections.abc import Callable

from .chain import chain
from .law import Law


def chained(find: Callable[[str, str], Law], first: str, second: str, source: str) -> Law:
    """Join two laws; what follows the second is of the chain where the second lacks it."""
    before = find(first, "")
    base, *parts = second.split(":")
    after, own = find(base, source), []
    for part in parts:
        name = part.partition("=")[0]
        known = name in after.parameters and name not in before.parameters
        if "=" in part and not known:
            own.append(part)
        else:
            after = restricted(after, part) if "=" in part else after.variant(part)
    found = chain(before, after)
    for part in own:
        found = restricted(found, part)
    return found


def restricted(law: Law, text: str) -> Law:
    """Hold or tie a parameter, ``alpha=0.35`` or ``beta=alpha``."""
    name, _, value = text.partition("=")
    try:
        return law.fix(name, float(value))
    except ValueError:
        return law.tie(name, value)


def variants(law: Law) -> list[str]:
    """Names of a law's variants."""
    return [f"{law.name}:{variant}" for variant in law.variants]
