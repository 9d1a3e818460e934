"""What a table lacks for inputs that are not scales, and for inputs that others determine."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from bayes_scaling.errors import Finding
from bayes_scaling.law import Input, Law, LogNormal, Loss, Parameter
from bayes_scaling.runs import check_runs, read_runs

SCALE = Input("model parameters", "parameter")
PART = Input("part of the data that is code", "1", "fraction", reference=1.0)
DATE = Input("date of release", "year", "real", "difference")
COUNT = Input("experts", "1", "at least one", reference=1.0)
REPEATS = Input("repeats of the data", "1", "nonnegative")


def found(columns: dict[str, list[float]], **inputs: Input) -> list[Finding]:
    law = Law(
        name="toy", function=lambda *x, a: a * sum(x), inputs=inputs,
        parameters={"a": Parameter(LogNormal(1.0, 0.5), "a")}, response=Loss(), citation="",
        references=(), family="test", formula="",
    )  # fmt: skip
    size = len(next(iter(columns.values())))
    frame = pd.DataFrame(columns | {"loss": np.linspace(3.0, 2.0, size)})
    return check_runs(read_runs(frame, inputs={k: k for k in inputs}), law)


def by_code(findings: list[Finding]) -> dict[str, Finding]:
    assert len({f.code for f in findings}) == len(findings)
    return {f.code: f for f in findings}


# -- domains


@pytest.mark.parametrize(
    ("declared", "values", "message"),
    [
        (PART, [0.0, 0.5, 1.2, 1.0, -0.1], "a number from 0 to 1; rows 3, 5 hold 1.2, -0.1"),
        (COUNT, [1.0, 8.0, 0.0, 16.0, 64.0], "a number of one or more; row 3 hold"),
        (REPEATS, [0.0, -1.0, 3.0, 2.0, 9.0], "zero or a positive number; row 2 hold"),
        (SCALE, [1e8, 0.0, -4e8, 1e9, 8e9], "a positive number; rows 2, 3 hold 0, -4e+08"),
    ],
)
def test_outside_the_domain(declared: Input, values: list[float], message: str) -> None:
    (finding,) = (f for f in found({"x": values}, x=declared) if f.code == "outside-domain")
    assert finding.severity == "error"
    assert f"input x ({declared.meaning}) must be {message}" in finding.message
    assert "drop those rows or map another column with --input x=" in finding.message


@pytest.mark.parametrize(
    ("declared", "values"),
    [
        (PART, [0.0, 0.5, 1.0]),
        (COUNT, [1.0, 8.0, 64.0]),
        (REPEATS, [0.0, 3.0, 40.0]),
        (DATE, [2020.0, 2023.5, 2025.0]),
        (DATE, [-1.0, 0.0, 1.0]),
        (SCALE, [1e8, 1e9, 1e10]),
    ],
)
def test_every_value_of_a_domain_passes(declared: Input, values: list[float]) -> None:
    assert found({"x": values}, x=declared) == []


def test_each_input_is_reported() -> None:
    findings = found({"x": [2.0, 0.5, 0.1], "y": [0.0, 2.0, 4.0]}, x=PART, y=COUNT)
    outside = [f.message for f in findings if f.code == "outside-domain"]
    assert [m.split(" (")[0] for m in outside] == ["input x", "input y"]


# -- values that are all the same


@pytest.mark.parametrize(
    ("declared", "value", "severity"),
    [
        (SCALE, 1e8, "error"),
        (Input("", "", "at least one"), 8.0, "error"),
        # the law knows where it is without the runs
        (COUNT, 8.0, "warning"),
        (Input("", "", reference=1e9), 1e8, "warning"),
        (Input("", "", reference="N"), 1e8, "warning"),
        # no scale
        (PART, 1.0, "warning"),
        (DATE, 2024.0, "warning"),
        (REPEATS, 0.0, "warning"),
    ],
)
def test_one_value_only(declared: Input, value: float, severity: str) -> None:
    columns = {"N": [1e8, 1e9, 1e10, 1e11], "x": [value] * 4}
    finding = by_code(found(columns, N=SCALE, x=declared))["few-scales"]
    assert finding.severity == severity
    assert f"input x has one value only ({value:g})" in finding.message


@pytest.mark.parametrize("declared", [SCALE, PART, DATE])
def test_two_values_are_a_warning(declared: Input) -> None:
    columns = {"N": [1e8, 1e9, 1e10, 1e11], "x": [1.0, 0.5, 0.5, 1.0]}
    finding = by_code(found(columns, N=SCALE, x=declared))["few-scales"]
    assert finding.severity == "warning"
    assert "input x has two values only (0.5 and 1)" in finding.message


def test_only_scales_have_decades() -> None:
    values = [1.0, 1.5, 2.0]
    assert list(by_code(found({"x": values}, x=SCALE))) == ["narrow-range"]
    assert found({"x": values}, x=DATE) == []
    assert found({"x": values}, x=REPEATS) == []


# -- inputs that others determine


def design(runs: int = 20, seed: int = 2) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {
        "N": 1e8 * 10 ** rng.uniform(0, 2, runs),
        "D": 1e9 * 10 ** rng.uniform(0, 2, runs),
        "part": rng.uniform(0, 1, runs),
        "year": 2020 + 5 * rng.uniform(0, 1, runs),
    }


INPUTS = {"N": SCALE, "D": SCALE, "part": PART, "year": DATE}


def codes(columns: dict[str, np.ndarray], **inputs: Input) -> list[str]:
    return [f.code for f in found({k: list(v) for k, v in columns.items()}, **inputs)]


def test_a_spread_design_is_silent() -> None:
    assert codes(design(), **INPUTS) == []


def test_two_inputs_on_axes_of_their_own() -> None:
    """A scale that grows exponentially with the date is straight on the log axis."""
    columns = design()
    columns["N"] = 1e8 * np.exp(2.0 * (columns["year"] - 2020))
    (finding,) = found({k: list(v) for k, v in columns.items()}, **INPUTS)
    assert finding.code == "collinear-inputs"
    assert "log N and year have correlation 1.000" in finding.message
    assert "add runs that change N at fixed year" in finding.message
    # a straight line in the scale itself is bent there
    columns["N"] = 1e8 * (1 + 1e3 * (columns["year"] - columns["year"].min()))
    assert codes(columns, **INPUTS) == []


def test_an_input_that_several_others_determine() -> None:
    columns = design()
    columns["C"] = 6 * columns["N"] * columns["D"]
    (finding,) = found(
        {k: list(v) for k, v in columns.items()}, N=SCALE, D=SCALE, part=PART, C=SCALE
    )
    assert (finding.code, finding.severity) == ("collinear-inputs", "warning")
    assert "follows from the other inputs (R2 1.000)" in finding.message
    assert "log N follows" in finding.message
    assert "add runs that change N alone" in finding.message
    # one of them alone is not enough
    assert codes(columns, N=SCALE, part=PART, C=SCALE) == []


def test_shares_that_add_to_one() -> None:
    rng = np.random.default_rng(4)
    shares = rng.dirichlet([2.0, 2.0, 2.0], 20)
    columns = {k: list(shares[:, i]) for i, k in enumerate(("web", "code", "books"))}
    open_share = Input("share of", "1", "fraction", "difference")
    (finding,) = found(columns, **dict.fromkeys(columns, open_share))
    assert "web follows from the other inputs (R2 1.000)" in finding.message
    columns["books"] = list(rng.uniform(0, 1, 20))
    assert found(columns, **dict.fromkeys(columns, open_share)) == []


def test_few_runs_determine_nothing_of_each_other() -> None:
    """With a run or two a coefficient everything follows from everything."""
    for runs in (4, 5):
        assert codes(design(runs), **INPUTS) == []


def test_an_input_that_does_not_move_is_not_determined() -> None:
    columns = design() | {"part": np.ones(20)}
    assert codes(columns, **INPUTS) == ["few-scales"]
