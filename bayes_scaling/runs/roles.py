"""What each column of a source is for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

NUMBERS = ("response", "se", "rate", "trials", "through", "through_se")


@dataclass(frozen=True)
class Role:
    """What a source column is for, under `name` in the canonical frame."""

    name: str
    column: str
    kind: str  # input, group, flag, label, or one of `NUMBERS`

    @property
    def numeric(self) -> bool:
        """Whether its cells are numbers."""
        return self.kind in ("input", *NUMBERS)

    @property
    def option(self) -> str:
        """How the user maps it, up to the column."""
        if self.kind == "input":
            return f"--input {self.name}="
        if self.name == "seed":
            return "seed="  # on the command line, --seed is that of the sampler
        return "--group " if self.kind == "group" else f"--{self.name.replace('_', '-')} "


def roles_of(
    inputs: Mapping[str, str], groups: Sequence[str], others: Mapping[str, str | None]
) -> list[Role]:
    """Say what each mapped column is for."""
    roles = [Role(name, column, "input") for name, column in inputs.items()]
    roles += [Role(column, column, "group") for column in groups]
    for name, column in others.items():
        if column is not None:
            kind = name if name in NUMBERS else "label"
            roles.append(Role(name, column, "flag" if name == "untuned" else kind))
    return roles
