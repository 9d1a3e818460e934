"""Inputs of laws: the values that make sense, and where they are centred."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array

from bayes_scaling.errors import LawError
from bayes_scaling.law import Input, Law, LogNormal, Loss, Parameter, law
from bayes_scaling.law.declare import Domain

VALUES = np.array([-np.inf, -3.0, -1e-300, 0.0, 0.3, 1.0, 1.0001, 7e9, np.inf, np.nan])
VALID: dict[Domain, list[int]] = {
    "positive": [4, 5, 6, 7],
    "nonnegative": [3, 4, 5, 6, 7],
    "fraction": [3, 4, 5],
    "at least one": [5, 6, 7],
    "real": [1, 2, 3, 4, 5, 6, 7],
}
Size = Annotated[Array, Parameter(LogNormal(1.0, 0.5), "size")]


def declare(function: Callable[..., Array]) -> Law:
    return law(response=Loss(), citation="kaplan2020", family="test")(function)


@pytest.mark.parametrize("domain", VALID)
def test_valid_values(domain: Domain) -> None:
    declared = Input("x", "unit", domain)
    assert np.flatnonzero(declared.valid(VALUES)).tolist() == VALID[domain]
    # elementwise in any shape, and of one number
    assert declared.valid(VALUES.reshape(2, 5)).shape == (2, 5)
    assert declared.valid(1.0)


def test_a_domain_is_told_in_words() -> None:
    words = {domain: Input("x", "unit", domain).expected for domain in VALID}
    assert words == {
        "positive": "a positive number",
        "nonnegative": "zero or a positive number",
        "fraction": "a number from 0 to 1",
        "at least one": "a number of one or more",
        "real": "a number",
    }
    assert Input("x", "unit").domain == "positive"


@pytest.mark.parametrize(
    ("declared", "on_log"),
    [
        (Input("", ""), True),
        (Input("", "", "at least one"), True),
        (Input("", "", reference=1e9), True),
        (Input("", "", centring="difference"), False),
        (Input("", "", "nonnegative"), False),
        (Input("", "", "fraction"), False),
        (Input("", "", "real", "difference"), False),
    ],
)
def test_scales_are_positive_and_centred_by_a_ratio(declared: Input, on_log: bool) -> None:
    assert declared.on_log == on_log


def mixed(
    N: Annotated[Array, Input("size", "1")],
    end: Annotated[Array, Input("size at the end", "1", reference="N")],
    year: Annotated[Array, Input("date", "year", "real", "difference")],
    *,
    a: Size,
) -> Array:
    """$L$"""
    return a * N + 100 * end + 10_000 * year


def test_the_law_sees_ratios_and_differences() -> None:
    made = declare(mixed)
    raw = {
        "N": jnp.array([2.0, 8.0]),
        "end": jnp.array([4.0, 4.0]),
        "year": jnp.array([2020, 2025]),
    }
    references = {"N": 4.0, "end": 4.0, "year": 2023.0}
    centred = made.centre(raw, references)
    np.testing.assert_array_equal(centred["N"], [0.5, 2.0])
    np.testing.assert_array_equal(centred["end"], [1.0, 1.0])
    np.testing.assert_array_equal(centred["year"], [-3.0, 2.0])
    assert list(centred) == ["N", "end", "year"]
    np.testing.assert_allclose(made.mean(centred, {"a": 2.0}), [1 + 100 - 30_000, 4 + 100 + 20_000])


def shares_with_nobody(x: Annotated[Array, Input("", "", reference="y")], *, a: Size) -> Array:
    """$L$"""


def shares_with_itself(x: Annotated[Array, Input("", "", reference="x")], *, a: Size) -> Array:
    """$L$"""


def shares_with_one_that_shares(
    x: Annotated[Array, Input("", "")],
    y: Annotated[Array, Input("", "", reference="x")],
    z: Annotated[Array, Input("", "", reference="y")],
    *,
    a: Size,
) -> Array:
    """$L$"""


def shares_with_a_parameter(x: Annotated[Array, Input("", "", reference="a")], *, a: Size) -> Array:
    """$L$"""


def shares_with_the_open_input(
    x: Annotated[Array, Input("", "", reference="rest")],
    *rest: Annotated[Array, Input("", "")],
    a: Size,
) -> Array:
    """$L$"""


@pytest.mark.parametrize(
    "function",
    [
        shares_with_nobody,
        shares_with_itself,
        shares_with_one_that_shares,
        shares_with_a_parameter,
        shares_with_the_open_input,
    ],
)
def test_a_reference_is_shared_with_an_input_that_has_one(function: Any) -> None:
    with pytest.raises(LawError, match=r"shares the reference of '\w+', which is not an input "):
        declare(function)
