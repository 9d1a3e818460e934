"""Laws of any number of columns."""

from __future__ import annotations

import re
from typing import Annotated

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array

from bayes_scaling.errors import UsageError
from bayes_scaling.law import Derived, Input, Law, LogNormal, Loss, Normal, Parameter, Variant, law


@law(
    response=Loss(),
    citation="kaplan2020",
    family="test",
    derived=(Derived("twice", lambda x0, p: 2 * p["level"] * x0["N"], "twice the level"),),
    shear=lambda p: {"alpha": jnp.log(p["level"])},
    variants={"flat": Variant("no N", fix={"alpha": 0.0})},
)
def mixing(
    N: Annotated[Array, Input("parameters", "1")],
    *shares: Annotated[Array, Input("share of", "1", "fraction", "difference")],
    level: Annotated[Array, Parameter(LogNormal(3.0, 0.5), "level", varies=True)],
    pull: Annotated[Array, Parameter(Normal(0.0, 1.0), "pull of", "nat", group_sd=0.7, each=True)],
    alpha: Annotated[Array, Parameter(LogNormal(0.3, 0.5), "exponent")],
    bend: Annotated[Array, Parameter(Normal(0.0, 1.0), "bend of", each=True)],
) -> Array:
    """$L$"""
    assert len(shares) == len(pull) == len(bend)
    parts = (t * x + b * x**2 for x, t, b in zip(shares, pull, bend, strict=True))
    return level * N**-alpha + sum(parts)


VALUES = {
    "level": 3.0, "pull_web": 1.0, "pull_code": 10.0, "alpha": 0.5,
    "bend_web": 100.0, "bend_code": 1000.0,
}  # fmt: skip
AT = {"N": jnp.asarray(4.0), "web": jnp.asarray(0.5), "code": jnp.asarray(0.25)}
MEAN = 1.5 + 0.5 + 2.5 + 25.0 + 62.5


@pytest.fixture
def two() -> Law:
    return mixing.over("web", "code")


def test_an_open_law_says_so(two: Law) -> None:
    assert mixing.open == "shares"
    assert list(mixing.inputs) == ["N", "shares"]
    assert list(mixing.parameters) == ["level", "pull", "alpha", "bend"]
    assert two.open == ""


def test_each_name_has_an_input_and_parameters_in_order(two: Law) -> None:
    assert two.name == "mixing:web,code"
    assert list(two.inputs) == ["N", "web", "code"]
    assert list(two.parameters) == list(VALUES)
    assert two.inputs["web"] == Input("share of web", "1", "fraction", "difference")
    declared = two.parameters["pull_code"]
    assert declared == Parameter(Normal(0.0, 1.0), "pull of code", "nat", group_sd=0.7)
    assert two.parameters["level"] == mixing.parameters["level"]
    assert (two.citation, two.family, two.formula) == ("kaplan2020", "test", "$L$")
    assert not two.variants


def test_the_mean_gathers_the_parameters_of_each_input(two: Law) -> None:
    assert two.mean(AT, VALUES) == pytest.approx(MEAN)
    # by name, not by the order that they come in
    backwards = dict(reversed(VALUES.items()))
    assert two.mean(dict(reversed(AT.items())), backwards) == pytest.approx(MEAN)


def test_the_order_of_names_does_not_change_the_mean(two: Law) -> None:
    other = mixing.over("code", "web")
    assert other is not two
    assert other.name == "mixing:code,web"
    assert list(other.inputs) == ["N", "code", "web"]
    assert other.mean(AT, VALUES) == pytest.approx(MEAN)


def test_any_number_of_names() -> None:
    names = [f"c{i}" for i in range(7)]
    many = mixing.over(*names)
    assert len(many.parameters) == 2 + 2 * 7
    at = {"N": jnp.ones(3), **{n: jnp.full(3, 0.1) for n in names}}
    values = dict.fromkeys(many.parameters, 1.0)
    np.testing.assert_allclose(many.mean(at, values), 1 + 7 * 0.11)


def test_gradients_reach_every_parameter(two: Law) -> None:
    gradient = jax.grad(lambda v: two.mean(AT, v))({k: jnp.asarray(v) for k, v in VALUES.items()})
    found = {k: float(v) for k, v in gradient.items()}
    assert found == pytest.approx(
        {
            "level": 0.5, "pull_web": 0.5, "pull_code": 0.25, "alpha": -1.5 * np.log(4),
            "bend_web": 0.25, "bend_code": 0.0625,
        }
    )  # fmt: skip


def test_the_same_names_give_the_same_object(two: Law) -> None:
    assert mixing.over("web", "code") is two
    assert mixing.over("web", "code", "books") is not two


def test_the_declared_law_is_left_alone(two: Law) -> None:
    assert two is not mixing
    assert mixing.parameters["pull"].each
    assert mixing.inputs["shares"].meaning == "share of"


def test_derived_shear_and_restrictions_go_along(two: Law) -> None:
    assert two.derive({"N": 5.0, "web": 0.1, "code": 0.1}, VALUES)["twice"] == 30.0
    assert set(two.shifts(VALUES)) == {"alpha"}
    tied = two.tie("bend_web", to="bend_code").fix("pull_web", 0.0)
    assert list(tied.parameters) == ["level", "pull_code", "alpha", "bend_code"]
    free = {k: VALUES[k] for k in tied.parameters}
    assert tied.mean(AT, free) == pytest.approx(1.5 + 2.5 + 250.0 + 62.5)
    flat = mixing.variant("flat").over("web", "code")
    assert flat.name == "mixing:flat:web,code"
    assert flat.mean(AT, {k: v for k, v in VALUES.items() if k != "alpha"}) == pytest.approx(
        MEAN + 1.5
    )


@pytest.mark.parametrize("names", [(), ("web",), ("web", "web"), ("web", "N")])
def test_names_must_be_several_and_different(names: tuple[str, ...]) -> None:
    message = "law mixing needs two or more different names for shares, such as mixing:web,books"
    with pytest.raises(UsageError, match=re.escape(message)):
        mixing.over(*names)


@pytest.mark.parametrize("name", ["", "a,b", "a:b", "a=b", "a/b"])
def test_names_can_be_written_on_the_command_line(name: str) -> None:
    with pytest.raises(UsageError, match=rf"law mixing cannot call an input '{name}'"):
        mixing.over("web", name)


def test_names_whose_parameters_clash() -> None:
    @law(response=Loss(), citation="kaplan2020", family="test")
    def clashing(
        *x: Annotated[Array, Input("share of", "1")],
        a: Annotated[Array, Parameter(Normal(0.0, 1.0), "slope of", each=True)],
        a_sum: Annotated[Array, Parameter(Normal(0.0, 1.0), "sum")],
    ) -> Array:
        """$L$"""
        return a_sum + sum(a)

    assert clashing.over("web", "code").mean(
        {"web": 1.0, "code": 1.0}, {"a_web": 1.0, "a_code": 2.0, "a_sum": 4.0}
    ) == pytest.approx(7.0)
    with pytest.raises(UsageError, match=r"law clashing has a parameter 'a_sum' already"):
        clashing.over("web", "sum")


def test_a_closed_law_takes_no_other_inputs(two: Law) -> None:
    with pytest.raises(UsageError, match="takes the inputs N, web, code and no others"):
        two.over("a", "b")
