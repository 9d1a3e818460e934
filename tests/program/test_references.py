"""Where inputs are centred."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import pandas as pd
import pytest
from jax import Array

from bayes_scaling.law import Input, Law, LogNormal, Loss, Parameter, law
from bayes_scaling.program import build_data, build_spec
from bayes_scaling.program.build import references
from bayes_scaling.runs import read_runs


def of(**inputs: Input) -> Law:
    """A law of these inputs."""
    return Law(
        name="toy", function=lambda *x, a: a * sum(x), inputs=inputs,
        parameters={"a": Parameter(LogNormal(1.0, 0.5), "a")}, response=Loss(), citation="",
        references=(), family="test", formula="",
    )  # fmt: skip


X = np.array([1.0, 10.0, 100.0])


def found(values: dict[str, np.ndarray], **inputs: Input) -> dict[str, float]:
    return references(of(**inputs), values)


def test_a_ratio_is_centred_at_the_geometric_mean() -> None:
    assert found({"x": X}, x=Input("", "")) == {"x": pytest.approx(10.0, rel=1e-14)}
    wide = np.array([1e-300, 1e300])
    assert found({"x": wide}, x=Input("", "")) == {"x": pytest.approx(1.0)}


def test_zeros_of_a_ratio_are_left_out() -> None:
    with_zeros = np.array([0.0, 1.0, 100.0, 0.0])
    assert found({"x": with_zeros}, x=Input("", "", "nonnegative")) == {"x": pytest.approx(10.0)}
    assert found({"x": np.zeros(3)}, x=Input("", "", "nonnegative")) == {"x": 1.0}


def test_a_difference_is_centred_at_the_mean() -> None:
    declared = Input("", "", "real", "difference")
    assert found({"x": np.array([-4.0, 0.0, 1.0])}, x=declared) == {"x": -1.0}


@pytest.mark.parametrize("declared", [Input("", "", reference=3), Input("", "", reference=3.0)])
def test_a_law_may_fix_the_reference(declared: Input) -> None:
    assert found({"x": X}, x=declared) == {"x": 3.0}
    assert isinstance(found({"x": X}, x=declared)["x"], float)


def test_zero_can_be_a_reference() -> None:
    declared = Input("", "", "real", "difference", reference=0.0)
    assert found({"x": X}, x=declared) == {"x": 0.0}


@pytest.mark.parametrize("order", [("x", "y"), ("y", "x")])
def test_a_reference_is_shared_whatever_the_order(order: tuple[str, str]) -> None:
    inputs = {"x": Input("", ""), "y": Input("", "", reference="x")}
    values = {"x": X, "y": np.array([5.0, 6.0, 7.0])}
    shared = references(of(**{k: inputs[k] for k in order}), values)
    assert list(shared) == list(order)
    assert shared == {"x": pytest.approx(10.0), "y": pytest.approx(10.0)}


def test_shared_fixed_and_of_differences() -> None:
    fixed = {"x": Input("", "", reference=2.0), "y": Input("", "", reference="x")}
    assert found({"x": X, "y": X}, **fixed) == {"x": 2.0, "y": 2.0}
    years = {
        "x": Input("", "", "real", "difference"),
        "y": Input("", "", "real", "difference", reference="x"),
    }
    assert found({"x": X, "y": 2 * X}, **years) == {"x": 37.0, "y": 37.0}


@law(response=Loss(), citation="kaplan2020", family="test")
def trend(
    N: Annotated[Array, Input("parameters", "1")],
    end: Annotated[Array, Input("parameters at the end", "1", reference="N")],
    year: Annotated[Array, Input("date", "year", "real", "difference")],
    part: Annotated[Array, Input("part", "1", "fraction", reference=1.0)],
    *,
    level: Annotated[Array, Parameter(LogNormal(1.0, 0.5), "level")],
) -> Array:
    """$L$"""
    return level + 0 * N


def test_the_references_reach_the_program() -> None:
    """They come from the rows that are fitted, and ranges are in raw units."""
    table = pd.DataFrame(
        {
            "N": [1e8, 1e9, 1e10, 1e20],
            "end": [5e7, 1e9, 1e9, 1.0],
            "year": [2021.0, 2022.0, 2026.0, 0.0],
            "part": [0.0, 0.5, 1.0, 0.5],
            "loss": [3.0, 2.0, 1.0, 9.0],
        }
    )
    runs = read_runs(table, inputs={k: k for k in trend.inputs}).select([True] * 3 + [False])
    spec = build_spec(trend, runs)
    assert spec.references == pytest.approx({"N": 1e9, "end": 1e9, "year": 2023.0, "part": 1.0})
    assert spec.ranges["year"] == (2021.0, 2026.0)
    assert spec.ranges["part"] == (0.0, 1.0)
    inputs = build_data(spec, trend, runs).inputs
    np.testing.assert_allclose(inputs["N"], [0.1, 1, 10])
    np.testing.assert_allclose(inputs["end"], [0.05, 1, 1])
    np.testing.assert_allclose(inputs["year"], [-2, -1, 3])
    np.testing.assert_allclose(inputs["part"], [0, 0.5, 1])
