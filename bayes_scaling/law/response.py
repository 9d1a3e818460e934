"""What a law predicts. How it is observed (the likelihood) is `program.noise`'s part."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Loss:
    """A mean loss per unit of text.

    Attributes
    ----------
    unit : str
        Default unit, for example ``"nat/token"``; a table of runs may say otherwise.
    """

    unit: str = "nat/token"
    kind: str = "loss"
