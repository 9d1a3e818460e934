"""Tables and what is wrong with them on their way to another process."""

from __future__ import annotations

import pickle

import pandas as pd
import pytest

from bayes_scaling.errors import TableError
from bayes_scaling.runs import read_runs

TABLE = pd.DataFrame({"N": [1e8, 2e8, 4e8] * 2, "D": [1e9, 2e9, 4e9] * 2, "loss": 3.0})


def test_a_table_arrives_as_it_was() -> None:
    schedule = "cosine:peak=3e-4,steps=24000,warmup=2160,final=3e-5"
    curves = TABLE.assign(step=[3e3, 6e3, 9e3] * 2, run=list("aaabbb"), schedule=schedule)
    runs = read_runs(curves, inputs={"N": "N", "step": "step"}, run="run", schedule="schedule")
    there = pickle.loads(pickle.dumps(runs))
    assert (there.sha256, there.columns, there.schedules) == (
        runs.sha256, runs.columns, runs.schedules,
    )  # fmt: skip
    assert there.findings == runs.findings
    pd.testing.assert_frame_equal(there.frame, runs.frame)


def test_findings_of_an_error_arrive() -> None:
    with pytest.raises(TableError) as caught:
        read_runs(TABLE.assign(N=-1.0).drop(columns="D"))
    there = pickle.loads(pickle.dumps(caught.value))
    assert there.findings == caught.value.findings
    assert str(there) == str(caught.value)
