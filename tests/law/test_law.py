"""Declaring laws, and restricting them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any

import jax.numpy as jnp
import pytest
from jax import Array

from bayes_scaling.errors import LawError, UsageError
from bayes_scaling.law import Derived, Input, Law, LogNormal, Loss, Parameter, Variant, law
from bayes_scaling.law.terms import power

X = Annotated[Array, Input("scale", "unit")]
Size = Annotated[Array, Parameter(LogNormal(1.0, 0.5), "size", "nat/token", varies=True)]
Exponent = Annotated[Array, Parameter(LogNormal(0.3, 0.5), "exponent")]


def declare(function: Callable[..., Array], **options: Any) -> Law:
    chosen = {"response": Loss(), "citation": "kaplan2020", "family": "A"} | options
    return law(**chosen)(function)


def toy(x: X, y: X, *, a: Size, p: Exponent, q: Exponent) -> Array:
    """$L = a x^{-p} y^{-q}$

    More words.
    """
    return a * power(x, p) * power(y, q)


SAME = Variant("one exponent", citation="gadre2024", tie={"q": "p"})
FLAT = Variant("no y", fix={"q": 0.0})
VALUES = {"a": 2.0, "p": 0.5, "q": 1.0}
INPUTS = {"x": jnp.asarray(4.0), "y": jnp.asarray(10.0)}


@pytest.fixture
def made() -> Law:
    return declare(
        toy,
        references=("kaplan2020", "hestness2017"),
        derived=(Derived("A", lambda x0, p: p["a"] * x0["x"] ** p["q"], "coefficient"),),
        shear=lambda p: {"p": jnp.log(p["a"]), "q": jnp.log(p["a"])},
        variants={"same": SAME, "flat": FLAT},
    )


def test_the_signature_is_the_declaration(made: Law) -> None:
    assert made.name == "toy"
    assert list(made.inputs) == ["x", "y"]
    assert list(made.parameters) == ["a", "p", "q"]
    assert made.parameters["a"] == Parameter(
        LogNormal(1.0, 0.5), "size", "nat/token", varies=True, group_sd=0.3
    )
    assert made.inputs["y"] == Input("scale", "unit")
    assert made.formula == "$L = a x^{-p} y^{-q}$"
    assert made.references == ("kaplan2020", "hestness2017", "gadre2024")  # a variant's, too
    assert made.source == __file__
    assert repr(made) == "Law(toy: x, y -> loss)"
    assert made.mean(INPUTS, VALUES) == pytest.approx(2 / 2 / 10)


def test_a_law_cannot_be_changed(made: Law) -> None:
    with pytest.raises(TypeError, match="does not support item assignment"):
        made.parameters["b"] = made.parameters["a"]  # type: ignore[index]
    with pytest.raises(AttributeError, match="cannot assign to field"):
        made.name = "other"  # type: ignore[misc]


def no_note(x: X, *, a: Size, p) -> Array:
    """$L$"""


def bare_array(x: Array, *, a: Size) -> Array:
    """$L$"""


def parameter_in_place_of_input(x: X, a: Size) -> Array:
    """$L$"""


def input_in_place_of_parameter(x: X, *, y: X) -> Array:
    """$L$"""


def no_input(*, a: Size) -> Array:
    """$L$"""


def no_parameter(x: X) -> Array:
    """$L$"""


def no_formula(x: X, *, a: Size) -> Array:
    return a


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (no_note, "argument 'p' is not annotated; write p: Annotated[Array, Parameter(...)]"),
        (bare_array, "argument 'x' is not annotated; write x: Annotated[Array, Input(...)]"),
        (
            parameter_in_place_of_input,
            "argument 'a' is not annotated; write a: Annotated[Array, In",
        ),
        (
            input_in_place_of_parameter,
            "argument 'y' is not annotated; write y: Annotated[Array, Pa",
        ),
        (no_input, "a law needs an input and a keyword-only parameter"),
        (no_parameter, "a law needs an input and a keyword-only parameter"),
        (no_formula, "the docstring is missing; its first line is the formula"),
    ],
)
def test_declaration_errors(function: Callable[..., Array], message: str) -> None:
    with pytest.raises(LawError, match=re.escape(message)) as caught:
        declare(function)
    assert str(caught.value).startswith(f"law {function.__name__} ({__file__}): ")


@pytest.mark.parametrize(
    "options",
    [
        {"citation": "nobody1999"},
        {"references": ("kaplan2020", "nobody1999")},
        {"variants": {"flat": Variant("no y", citation="nobody1999", fix={"q": 0.0})}},
    ],
)
def test_unknown_citations(options: dict[str, Any]) -> None:
    with pytest.raises(LawError, match=r"citation 'nobody1999' is not in .*citations\.py") as e:
        declare(toy, **options)
    assert f"law toy ({__file__})" in str(e.value)


def test_unknown_family() -> None:
    with pytest.raises(LawError, match=r"no family 'Z'; there are A \(sums of") as caught:
        declare(toy, family="Z")
    assert f"law toy ({__file__})" in str(caught.value)


@pytest.mark.parametrize(
    ("declared", "words"),
    [
        (Input("", ""), "x / its geometric mean"),
        (Input("", "", reference=1e9), "x / 1e+09"),
        (Input("", "", reference=1.0), "x"),
        (Input("", "", reference="N"), "x / that of N"),
        (Input("", "", "fraction", "difference"), "x - its mean"),
        (Input("", "", "fraction", "difference", reference=0.5), "x - 0.5"),
        (Input("", "", "real", "difference", reference=0.0), "x"),
        (Input("", "", "real", "difference", reference=1.0), "x - 1"),
    ],
)
def test_centring_in_words(declared: Input, words: str) -> None:
    assert declared.centred == words


@pytest.mark.parametrize(
    "variant",
    [
        Variant("", tie={"r": "p"}),
        Variant("", tie={"p": "r"}),
        Variant("", fix={"r": 1.0}),
    ],
)
def test_a_variant_of_a_parameter_that_is_not_there(variant: Variant) -> None:
    with pytest.raises(LawError, match="no free parameter 'r'; it has a, p, q") as caught:
        declare(toy, variants={"broken": variant})
    assert __file__ in str(caught.value)
    assert "broken" in str(caught.value)


def test_variants_are_the_same_object_at_every_call(made: Law) -> None:
    assert made.variant("same") is made.variant("same")
    assert made.variant("same") is not made.variant("flat")


def test_tied_variant(made: Law) -> None:
    same = made.variant("same")
    assert same.name == "toy:same"
    assert same.citation == "gadre2024"
    assert list(same.parameters) == ["a", "p"]
    assert not same.variants
    assert same.mean(INPUTS, {"a": 2.0, "p": 0.5}) == pytest.approx(2 / 40**0.5)
    assert same.derive({"x": 9.0, "y": 1.0}, {"a": 2.0, "p": 0.5})["A"] == pytest.approx(6.0)
    assert set(same.shifts({"a": 2.0, "p": 0.5})) == {"p"}


def test_fixed_variant(made: Law) -> None:
    flat = made.variant("flat")
    assert flat.citation == "kaplan2020"
    assert list(flat.parameters) == ["a", "p"]
    assert flat.mean(INPUTS, {"a": 2.0, "p": 0.5}) == pytest.approx(1.0)


def test_a_variant_turns_as_its_law_unless_it_says_otherwise() -> None:
    variants = {"flat": FLAT, "falling": Variant("no rise", fix={"q": 0.0}, turns=False)}
    turning = declare(toy, turns=True, variants=variants)
    assert turning.variant("flat").turns
    assert not turning.variant("falling").turns
    assert not declare(toy, variants=variants).variant("flat").turns


def test_unknown_variant(made: Law) -> None:
    with pytest.raises(UsageError, match=r"law toy has no variant 'tied'; it has: same, flat"):
        made.variant("tied")
    with pytest.raises(UsageError, match=r"law toy:same has no variant 'same'; it has: none"):
        made.variant("same").variant("same")


def test_tie_and_fix(made: Law) -> None:
    both = made.tie("q", to="p").fix("a", 3.0)
    assert both.name == "toy:q=p:a=3.0"
    assert list(both.parameters) == ["p"]
    assert both.expand({"p": 0.5}) == {"p": 0.5, "q": 0.5, "a": 3.0}
    assert both.mean(INPUTS, {"p": 0.5}) == pytest.approx(3 / 40**0.5)
    assert list(made.parameters) == ["a", "p", "q"]


def test_a_fixed_parameter_carries_those_tied_to_it(made: Law) -> None:
    fixed = made.tie("q", to="p").fix("p", 0.5)
    assert fixed.expand({"a": 1.0}) == {"a": 1.0, "p": 0.5, "q": 0.5}


def test_ties_follow_one_another(made: Law) -> None:
    chain = made.tie("q", to="p").tie("p", to="a")
    assert chain.expand({"a": 2.0}) == {"a": 2.0, "p": 2.0, "q": 2.0}


def test_a_parameter_cannot_be_tied_to_itself(made: Law) -> None:
    with pytest.raises(UsageError, match="'p'"):
        made.tie("p", to="p")


@pytest.mark.parametrize(
    "restrict",
    [
        lambda m: m.tie("r", to="p"),
        lambda m: m.tie("p", to="r"),
        lambda m: m.fix("r", 1.0),
        lambda m: m.fix("x", 1.0),
        lambda m: m.fix("q", 1.0).fix("q", 2.0),
        lambda m: m.fix("q", 1.0).tie("p", to="q"),
    ],
)
def test_only_free_parameters_are_restricted(made: Law, restrict: Callable[[Law], Law]) -> None:
    with pytest.raises(UsageError, match=r"law toy.* has no free parameter '[rqx]'; it has a, p"):
        restrict(made)


def test_no_shear_means_no_shifts() -> None:
    assert declare(toy).shifts(VALUES) == {}
