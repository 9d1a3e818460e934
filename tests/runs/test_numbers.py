"""Numbers with suffixes, as people write them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bayes_scaling.errors import UsageError
from bayes_scaling.runs.numbers import parse_cells, parse_number


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("7B", 7e9),
        ("1.4T", 1.4e12),
        ("350m", 350e6),
        ("64K", 64e3),
        ("64k", 64e3),
        ("1e9", 1e9),
        ("2.5E-3", 2.5e-3),
        (" 12 M ", 12e6),
        (".5b", 5e8),
        ("-0.25", -0.25),
        ("+3", 3.0),
    ],
)
def test_reads_suffixes_and_exponents(text: str, value: float) -> None:
    assert parse_number(text) == value


def test_gives_the_double_nearest_to_the_decimal() -> None:
    # 0.0011 * 1e12 would be 1100000000.0000002.
    assert parse_number("0.0011T") == 1.1e9


@pytest.mark.parametrize(
    "text",
    ["", "B", "7G", "seven", "1,000", "1_000", "1e9B", "nan", "inf", "1e999", "7 B B", "\u0667"],
)
def test_refuses_anything_else(text: str) -> None:
    with pytest.raises(UsageError, match=r"is not a number; write .* 7B, 1\.4T") as caught:
        parse_number(text)
    assert f"'{text}'" in str(caught.value)


def test_cells_tell_missing_from_unreadable() -> None:
    cells = ["7B", 3, np.float32(0.5), None, "NA", " ", math.nan, "x", True, np.True_, [1]]
    values, unreadable = parse_cells(cells)
    np.testing.assert_array_equal(values[:3], [7e9, 3.0, 0.5])
    assert np.isnan(values[3:]).all()
    assert unreadable.tolist() == [False] * 7 + [True] * 4
