"""What a table lacks for laws with settings, and for laws of curves."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from bayes_scaling.errors import Finding
from bayes_scaling.models import registry
from bayes_scaling.runs import Runs, check_runs, read_runs


def sweep(**changes: Any) -> Runs:
    """Runs at four rungs and five learning rates; those of the last rate are untuned."""
    n, d = np.repeat([1e8, 1e8, 8e8, 3e9], 5), np.repeat([2e9, 3e10, 8e9, 2e10], 5)
    lr = np.tile([3e-4, 1e-3, 3e-3, 1e-2, np.nan], 4)
    loss = 1.7 + 60 * n**-0.25 + 90 * d**-0.25 + 0.01 * np.arange(20) % 0.03
    columns = {"N": n, "D": d, "lr": lr, "loss": loss, "rough": np.isnan(lr)} | changes
    inputs = {k: k for k in ("N", "D", "lr")}
    return read_runs(pd.DataFrame(columns), inputs=inputs, untuned="rough", diverged_above=50.0)


def found(runs: Runs, law: str = "rate_valley") -> dict[str, Finding]:
    return {finding.code: finding for finding in check_runs(runs, registry[law])}


def test_a_missing_setting_is_in_its_domain() -> None:
    assert found(sweep()) == {}


def test_another_input_must_not_be_missing() -> None:
    n = sweep().frame["N"].to_numpy().copy()
    n[[4, 9]] = np.nan  # untuned rows, whose settings alone may be empty
    finding = found(sweep(N=n))["outside-domain"]
    assert finding.severity == "error"
    assert "input N (model parameters" in finding.message
    assert "rows 5, 10 hold nan, nan" in finding.message


def test_settings_outside_their_domain() -> None:
    lr = sweep().frame["lr"].to_numpy().copy()
    lr[[0, 1]] = [0.0, -1e-3]
    assert "rows 1, 2 hold 0, -0.001" in found(sweep(lr=lr))["outside-domain"].message


def test_known_settings_alone_are_counted() -> None:
    one = np.where(np.isnan(sweep().frame["lr"]), np.nan, 1e-3)
    finding = found(sweep(lr=one))["few-scales"]
    assert "input lr has one value only (0.001)" in finding.message
    two = np.where(np.arange(20) % 5 < 2, 1e-2, one)
    finding = found(sweep(lr=two))["few-scales"]
    assert finding.severity == "warning"
    assert "input lr has two values only (0.001 and 0.01)" in finding.message


def test_collinear_inputs_are_seen_beside_missing_settings() -> None:
    frame = sweep().frame
    lr = np.where(np.isnan(frame["lr"]), np.nan, 1e-3 * (frame["N"] / 1e8) ** -0.5)
    message = found(sweep(lr=lr))["collinear-inputs"].message
    assert "log N and log lr have correlation -1.000" in message


def curves(**changes: Any) -> Runs:
    columns = {
        "step": np.tile([1e3, 2e3, 4e3, 8e3], 2),
        "loss": [3.4, 3.2, 3.0, 2.9, 3.5, 3.3, 3.1, 2.95],
        "name": np.repeat(["a", "b"], 4),
    }
    frame = pd.DataFrame(columns | changes).assign(D=lambda f: 1e6 * f["step"])
    return read_runs(frame, inputs={"step": "step", "D": "D"}, run="name")


def test_curves_that_suffice() -> None:
    assert found(curves(), "token_curve") == {}


def test_points_of_two_runs_at_one_place_are_no_repeats() -> None:
    same = curves(loss=np.tile([3.4, 3.2, 3.0, 2.9], 2))
    assert {f.code for f in same.findings} == set()
    # without the names of runs they are
    bare = pd.DataFrame({"D": same.frame["D"], "loss": same.frame["response"]})
    codes = {f.code for f in read_runs(bare, inputs={"D": "D"}).findings}
    assert "duplicate-rows" in codes


def test_points_of_curves_are_no_outlying_runs() -> None:
    """A spike of the loss is part of a curve; among runs it is a doubtful one."""
    step = np.geomspace(10, 1e4, 40)
    loss = 2.5 + step**-0.3 + 1e-3 * np.sin(9 * step)
    loss[20] *= 1.5
    frame = pd.DataFrame({"D": step, "loss": loss, "name": "a"})
    codes = [
        {f.code for f in read_runs(frame, inputs={"D": "D"}, run=run).findings}
        for run in (None, "name")
    ]
    assert codes == [{"outlying-rows"}, set()]
