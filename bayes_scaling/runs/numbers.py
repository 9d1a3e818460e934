"""Numbers as people write them: 7B parameters, 1.4T tokens, 1e21 FLOPs."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from bayes_scaling.errors import UsageError

_EXPONENTS = {"k": 3, "m": 6, "b": 9, "t": 12}
_NUMBER = re.compile(
    r"(?P<digits>[+-]?(?:\d+\.?\d*|\.\d+))(?:e(?P<exponent>[+-]?\d+)|\s*(?P<suffix>[kmbt]))?",
    re.IGNORECASE | re.ASCII,
)
_MISSING = {"", "na", "n/a", "nan", "none", "null"}


def parse_number(text: str) -> float:
    """Read one number with an optional suffix K, M, B or T, in either case.

    Parameters
    ----------
    text : str
        Such as ``"7B"``, ``"1.4T"``, ``"350m"``, ``"1e9"`` or ``"-0.5"``. K is
        10^3, M is 10^6, B is 10^9 and T is 10^12.

    Returns
    -------
    float
        Finite; the double nearest to the decimal number written.

    Raises
    ------
    UsageError
        If the text is anything else.
    """
    match = _NUMBER.fullmatch(text.strip())
    if match is not None:
        suffix = match["suffix"]
        exponent = _EXPONENTS[suffix.lower()] if suffix else match["exponent"] or 0
        # One decimal literal, because 1.1 * 1e12 is not always the double nearest to 1.1e12.
        value = float(f"{match['digits']}e{exponent}")
        if math.isfinite(value):
            return value
    raise UsageError(
        f"'{text}' is not a number; write digits with an exponent or a suffix "
        "K, M, B or T, such as 7B, 1.4T, 350M or 1e9"
    )


def parse_cells(cells: Iterable[object]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Read the cells of one column as numbers.

    Parameters
    ----------
    cells : iterable of object
        Numbers, text that `parse_number` reads, or missing values.

    Returns
    -------
    values : array, shape (cells,)
        NaN where the cell is missing or unreadable.
    unreadable : array of bool, shape (cells,)
        Where the cell holds something that is not a number; a missing cell is readable.
    """
    pairs = [_parse_cell(cell) for cell in cells]
    values = np.array([value for value, _ in pairs], dtype=np.float64)
    return values, np.array([unreadable for _, unreadable in pairs], dtype=bool)


def _parse_cell(cell: object) -> tuple[float, bool]:
    if cell is None:
        return math.nan, False
    if isinstance(cell, str):
        if cell.strip().lower() in _MISSING:
            return math.nan, False
        try:
            return parse_number(cell), False
        except UsageError:
            return math.nan, True
    # Python would read True as 1, and a flag is no quantity.
    if isinstance(cell, bool | np.bool_):
        return math.nan, True
    try:
        return float(cell), False  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return math.nan, True
