"""What a table lacks for a law."""

from __future__ import annotations

import jax.numpy as jnp
import pandas as pd
import pytest

from bayes_scaling.errors import Finding
from bayes_scaling.law import Input, Law, LogNormal, Loss, Parameter
from bayes_scaling.runs import check_runs, read_runs

LAW = Law(
    name="toy",
    function=lambda n, d, *, c, a, b: c + jnp.power(n, -a) + jnp.power(d, -b),
    inputs={
        "N": Input(meaning="model parameters", unit="parameter"),
        "D": Input(meaning="training tokens", unit="token"),
    },
    parameters={name: Parameter(LogNormal(1.0, 0.5), meaning=name) for name in ("c", "a", "b")},
    response=Loss(),
    citation="",
    references=(),
    family="toy",
    formula="c + N^-a + D^-b",
)


def found(sizes: list[float], tokens: list[float]) -> dict[str, Finding]:
    losses = [3.0 - 0.1 * i for i in range(len(sizes))]
    runs = read_runs(pd.DataFrame({"N": sizes, "D": tokens, "loss": losses}))
    return {finding.code: finding for finding in check_runs(runs, LAW)}


def test_a_sufficient_table_is_silent() -> None:
    assert found([1e8, 2e8, 4e8, 4e8, 1e8], [1e9, 8e9, 2e9, 8e9, 2e9]) == {}


def test_missing_input() -> None:
    frame = pd.DataFrame({"N": [1e8, 2e8, 4e8], "loss": [3.0, 2.9, 2.8]})
    (finding,) = check_runs(read_runs(frame, inputs={"N": "N"}), LAW)
    assert (finding.code, finding.severity) == ("missing-input", "error")
    assert "law toy needs input D (training tokens); the table was read with N" in finding.message
    assert "--input D=..." in finding.message


def test_one_scale_is_an_error_and_two_a_warning() -> None:
    one = found([1e8] * 4, [1e9, 2e9, 4e9, 8e9])["few-scales"]
    assert one.severity == "error"
    assert "input N has one value only (1e+08)" in one.message
    assert "exponent cannot be learned" in one.message
    two = found([1e8, 8e8, 8e8, 1e8], [1e9, 2e9, 4e9, 8e9])["few-scales"]
    assert two.severity == "warning"
    assert "input N has two values only (1e+08 and 8e+08)" in two.message
    assert "a third value of N" in two.message


def test_fewer_rows_than_parameters() -> None:
    runs = read_runs(pd.DataFrame({"N": [1e8, 4e8, 2e8], "D": [1e9, 2e9, 8e9], "loss": [3, 2, 1]}))
    codes = [f.code for f in check_runs(runs, LAW)]
    assert "fewer-rows-than-parameters" not in codes
    (finding,) = [
        f for f in check_runs(runs.select([True, True, False]), LAW)
        if f.code == "fewer-rows-than-parameters"
    ]  # fmt: skip
    assert finding.severity == "error"
    assert "law toy has 3 free parameters (c, a, b) and the table has 2 runs" in finding.message


@pytest.mark.parametrize("power", [1, -1])
def test_collinear_inputs(power: int) -> None:
    sizes = [1e8, 2e8, 4e8, 8e8]
    finding = found(sizes, [1e10 * (n / 1e8) ** power for n in sizes])["collinear-inputs"]
    assert finding.severity == "warning"
    assert f"log N and log D have correlation {power:.3f}" in finding.message
    assert "change N at fixed D" in finding.message


def test_narrow_range() -> None:
    finding = found([1e8, 2e8, 3e8, 1e8], [1e9, 1e9, 4e9, 8e9])["narrow-range"]
    assert finding.severity == "info"
    assert "input N spans 0.48 decades (1e+08 to 3e+08)" in finding.message
    assert "narrow-range" not in found([1e8, 2e8, 3.2e8, 1e8], [1e9, 1e9, 4e9, 8e9])


def test_errors_come_first() -> None:
    severities = [f.severity for f in found([1e8, 2e8, 1e8], [1e9] * 3).values()]
    assert severities == sorted(severities, key=["error", "warning", "info"].index)
