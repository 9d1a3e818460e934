"""Reading points of curves, their schedules, and runs that diverged or were not tuned."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from bayes_scaling.errors import TableError, UsageError
from bayes_scaling.runs import Runs, read_runs
from bayes_scaling.runs.schedule import parse_schedule

COSINE = "cosine:peak=1e-3,steps=1000,warmup=100,final=1e-4"
FLAT = "constant:peak=5e-4,steps=900"


def curves(**changes: Any) -> pd.DataFrame:
    """Two runs whose rows come in turns and backwards; a keyword replaces a column."""
    columns = {
        "step": [400, 300, 200, 200, 100, 100, 50, 10],
        "name": ["x", "w", "x", "w", "x", "w", "x", "w"],
        "lr": [1e-4, 3e-4, 5e-4, 4e-4, 1e-3, 5e-4, 5e-4, 6e-4],
        "plan": [COSINE, FLAT] * 4,
        "loss": [2.9, 3.1, 3.2, 3.4, 3.6, 3.7, 5.0, 4.4],
    }
    return pd.DataFrame(columns | changes)


def read(frame: pd.DataFrame | None = None, **options: Any) -> Runs:
    chosen: dict[str, Any] = {"inputs": {"step": "step"}, "run": "name"} | options
    return read_runs(curves() if frame is None else frame, **chosen)


def sweep(**changes: Any) -> pd.DataFrame:
    """Runs at several learning rates."""
    columns: dict[str, object] = {
        "N": [1e8, 1e8, 4e8, 4e8, 16e8, 16e8],
        "D": [2e9, 8e9, 2e9, 8e9, 2e9, 8e9],
        "lr": [1e-3, 2e-3, 4e-3, 1e-3, 2e-3, 5e-4],
        "loss": [3.51, 3.22, 3.13, 2.84, 2.95, 2.57],
    }
    return pd.DataFrame(columns | changes)


def read_sweep(frame: pd.DataFrame | None = None, **options: Any) -> Runs:
    chosen: dict[str, Any] = {"inputs": {k: k for k in ("N", "D", "lr")}} | options
    return read_runs(sweep() if frame is None else frame, **chosen)


def problems(*arguments: Any, reading: Any = read, **options: Any) -> dict[str, str]:
    with pytest.raises(TableError) as caught:
        reading(*arguments, **options)
    return {f.code: f.message for f in caught.value.findings}


# -- points of curves


def test_rows_of_one_run_become_neighbours_in_order() -> None:
    frame = read().frame
    assert frame["run"].tolist() == list("xxxxwwww")
    assert frame["step"].tolist() == [50, 100, 200, 400, 10, 100, 200, 300]
    # numbered as in the source
    assert frame["row"].tolist() == [7, 5, 3, 1, 8, 6, 4, 2]
    assert frame["response"].tolist() == [5.0, 3.6, 3.2, 2.9, 4.4, 3.7, 3.4, 3.1]
    assert frame.index.tolist() == list(range(8))


def test_curves_have_three_rows_in_some_run() -> None:
    assert read().curves
    assert not read(curves(name=list("aabbccdd"))).curves
    assert not read_sweep().curves
    assert read().order == "step"


def test_a_log_of_rates_becomes_the_schedule_of_its_run() -> None:
    runs = read(rate="lr")
    assert set(runs.schedules) == {"x", "w"}
    assert "rate" not in runs.frame
    assert (runs.frame["schedule"] == runs.frame["run"]).all()
    # between logged steps the rate is linear
    at = np.array([75.0, 150.0, 300.0])
    np.testing.assert_allclose(runs.schedules["x"].rate(at), [7.5e-4, 7.5e-4, 3e-4], rtol=1e-12)
    np.testing.assert_allclose(runs.schedules["w"].rate(at[:1]), 6e-4 - 65 / 90 * 1e-4, rtol=1e-12)
    assert runs.columns["rate"] == "lr"


def test_rows_of_warm_up_are_left_out() -> None:
    runs = read(rate="lr")
    # run x rises to its peak at step 100; run w never rises
    assert runs.schedules["x"].warmup == 100
    assert runs.frame["row"].tolist() == [3, 1, 8, 6, 4, 2]
    (finding,) = [f for f in runs.findings if f.code == "warm-up-rows"]
    assert finding.severity == "info"
    assert finding.message.startswith("2 rows up to the end of warm-up are left out")
    flat = read(rate="lr", frame=curves(lr=2e-4))
    assert len(flat) == 8
    assert "warm-up-rows" not in {f.code for f in flat.findings}


def test_a_known_warm_up_of_a_log_that_begins_after_it() -> None:
    runs = read(rate="lr", rate_warmup=10)
    assert {k: v.warmup for k, v in runs.schedules.items()} == {"x": 100, "w": 10}
    assert runs.frame["row"].tolist() == [3, 1, 6, 4, 2]
    assert runs.schedules["w"].rate(np.array([5.0]))[0] == pytest.approx(3e-4)


def test_schedules_as_texts() -> None:
    runs = read(schedule="plan")
    assert runs.schedules == {COSINE: parse_schedule(COSINE), FLAT: parse_schedule(FLAT)}
    assert runs.frame["row"].tolist() == [3, 1, 8, 6, 4, 2]
    assert runs.frame["schedule"].tolist() == [COSINE] * 2 + [FLAT] * 4


def test_the_hash_knows_the_schedules() -> None:
    """Without a change to a kept row: a run's own label stands in the table."""
    first = curves()
    second = curves()
    second.loc[6, "lr"] = 4e-4  # a row of warm-up
    hashes = {read(f, rate="lr").sha256 for f in (first, second)}
    assert len(hashes) == 2
    pd.testing.assert_frame_equal(read(first, rate="lr").frame, read(second, rate="lr").frame)
    assert read(first, rate="lr").sha256 in hashes
    assert len({read(rate="lr").sha256, read(schedule="plan").sha256, read().sha256}) == 3


def test_select_keeps_schedules_and_bound() -> None:
    runs = read(rate="lr", diverged_above=4.0)
    kept = runs.select((runs.frame["run"] == "w").to_numpy())
    assert kept.schedules == runs.schedules
    assert kept.bound == 4.0
    assert kept.diverged.tolist() == [True, False, False, False]
    assert kept.sha256 != runs.sha256
    assert kept.frame["row"].tolist() == [8, 6, 4, 2]


def test_points_of_curves() -> None:
    points = read(schedule="plan").points()
    assert points.columns.tolist() == ["step", "run", "schedule", "observed"]
    assert points["observed"].tolist() == [3.2, 2.9, 4.4, 3.7, 3.4, 3.1]
    assert points["run"].tolist() == list("xxwwww")
    assert read_sweep().points().columns.tolist() == ["N", "D", "lr", "observed"]
    # runs that have a name each are no curves
    named = read_sweep(sweep(name=list("abcdef")), run="name")
    assert "run" not in named.points()


@pytest.mark.parametrize("missing", [{"run": None}, {"inputs": {"tokens": "step"}}])
@pytest.mark.parametrize("given", [{"rate": "lr"}, {"schedule": "plan"}])
def test_a_schedule_needs_run_and_step(missing: dict[str, Any], given: dict[str, str]) -> None:
    with pytest.raises(UsageError, match=r"needs the run and the step of each row: .*\(--run\)"):
        read(**given, **missing)


def test_other_wrong_uses_of_schedules() -> None:
    with pytest.raises(UsageError, match="give either rate= or schedule="):
        read(rate="lr", schedule="plan")
    with pytest.raises(UsageError, match="rate_warmup belongs to a column of learning rates"):
        read(rate_warmup=10)


def test_bad_schedules() -> None:
    texts = [COSINE, "cosin:peak=1", COSINE, "cosin:peak=1", COSINE, FLAT, COSINE, FLAT]
    found = problems(curves(plan=texts), schedule="plan")
    assert list(found) == ["bad-schedule"]
    # as numbered in the source, in the order of the run
    assert found["bad-schedule"].startswith("rows 4, 2: 'cosin' is no kind of schedule")
    assert "did you mean cosine?" in found["bad-schedule"]
    found = problems(curves(step=[400, 300, 200, 200, 100, 100, 200, 10]), rate="lr")
    assert found["bad-schedule"].startswith("run 'x': a log of rates needs ascending steps")
    negative = curves()
    negative.loc[1, "lr"] = -1e-4
    assert (
        "run 'w': a log of rates needs finite rates"
        in problems(negative, rate="lr")["bad-schedule"]
    )
    alone = curves(name=["x", "w", "x", "w", "x", "w", "x", "other"])
    assert (
        "run 'other': a log of rates needs two points" in problems(alone, rate="lr")["bad-schedule"]
    )
    late = problems(curves(), rate="lr", rate_warmup=50)
    assert "came warmup=50 and first step 10" in late["bad-schedule"]


def test_cells_of_rates_and_schedules() -> None:
    text = problems(curves(lr=["1e-4"] * 7 + ["low"]), rate="lr")
    assert "column 'lr' has 1 value that is no number (row 8), such as 'low'" in text["non-numeric"]
    empty = problems(curves(plan=[COSINE] * 7 + [None]), schedule="plan")
    assert "column 'plan' (schedule) is empty in row 8" in empty["missing-label"]
    absent = problems(curves(), rate="learning rate")
    assert "there is no column 'learning rate' for rate rate" in absent["missing-column"]
    assert "--rate ..." in absent["missing-column"]


def test_a_table_of_warm_up_alone() -> None:
    plan = "constant:peak=5e-4,steps=9000,warmup=400"
    found = problems(curves(plan=plan), schedule="plan")
    assert found == {"only-warm-up": "every row lies in warm-up, where no law holds"}


# -- runs that diverged


@pytest.mark.parametrize("cell", [None, np.nan, np.inf, 9.0, 4.0, "nan", ""])
def test_diverged_runs_are_at_the_bound(cell: Any) -> None:
    frame = sweep()
    frame["loss"] = [*frame["loss"][:5].astype(object), cell]
    runs = read_sweep(frame, diverged_above=4.0)
    assert runs.frame["response"].tolist() == [3.51, 3.22, 3.13, 2.84, 2.95, 4.0]
    assert runs.diverged.tolist() == [False] * 5 + [True]
    assert runs.bound == 4.0


@pytest.mark.parametrize(("cell", "code"), [(None, "not-a-number"), (np.inf, "infinite")])
def test_without_a_bound_a_response_must_be_finite(cell: Any, code: str) -> None:
    frame = sweep(loss=[3.51, 3.22, 3.13, 2.84, 2.95, cell])
    assert "column 'loss' has 1 value" in problems(frame, reading=read_sweep)[code]
    assert not read_sweep().diverged.any()


@pytest.mark.parametrize(("cell", "code"), [("high", "non-numeric"), (-np.inf, "infinite")])
def test_a_bound_does_not_excuse_every_response(cell: Any, code: str) -> None:
    frame = sweep(loss=[3.51, 3.22, 3.13, 2.84, 2.95, cell])
    found = problems(frame, reading=read_sweep, diverged_above=4.0)
    assert list(found) == [code]
    assert "(row 6)" in found[code]


def test_a_bound_is_finite_and_above_some_runs() -> None:
    for bound in (np.nan, np.inf):
        with pytest.raises(UsageError, match=f"diverged_above is {bound}; it must be a finite"):
            read_sweep(diverged_above=bound)
    found = problems(reading=read_sweep, diverged_above=2.0)
    assert list(found) == ["all-diverged"]
    assert "no value of column 'loss' is below diverged_above (2)" in found["all-diverged"]


# -- runs that were not tuned


@pytest.mark.parametrize(
    "flags",
    [[0, 1, 0, 0, 1, 0], [False, True, False, False, True, False],
     ["no", "Yes", "false", "0", "TRUE", "No"], [0.0, 1.0, 0.0, 0.0, 1.0, 0.0]],
)  # fmt: skip
def test_untuned_runs(flags: list[Any]) -> None:
    frame = sweep(rough=flags, lr=[1e-3, None, 4e-3, 1e-3, None, 5e-4])
    runs = read_sweep(frame, untuned="rough")
    assert runs.frame["untuned"].dtype == bool
    assert runs.frame["untuned"].tolist() == [False, True, False, False, True, False]
    assert np.isnan(runs.frame["lr"]).tolist() == [False, True, False, False, True, False]
    assert runs.columns["untuned"] == "rough"


def test_flags_are_true_or_false() -> None:
    frame = sweep(rough=["0", "maybe", "1", "2", "0", "maybe"])
    found = problems(frame, reading=read_sweep, untuned="rough")
    assert list(found) == ["not-a-flag"]
    assert "column 'rough' (untuned) holds '2', 'maybe' in rows 2, 4, 6" in found["not-a-flag"]
    empty = problems(
        sweep(rough=["0", None, "1", "1", "0", "1"]), reading=read_sweep, untuned="rough"
    )
    assert "column 'rough' (untuned) is empty in row 2" in empty["missing-label"]


def test_settings_are_empty_only_where_runs_are_untuned() -> None:
    rates = [1e-3, None, 4e-3, None, None, 5e-4]
    frame = sweep(rough=[0, 1, 0, 0, 1, 0], lr=rates)
    found = problems(frame, reading=read_sweep, untuned="rough")
    assert list(found) == ["not-a-number"]
    assert "column 'lr' has 1 value that is empty or NaN (row 4)" in found["not-a-number"]
    found = problems(sweep(lr=rates), reading=read_sweep)
    assert "3 values that are empty or NaN (rows 2, 4, 5)" in found["not-a-number"]


def test_an_untuned_run_needs_its_loss() -> None:
    frame = sweep(rough=[0, 1, 0, 0, 1, 0], loss=[3.51, None, 3.13, 2.84, 2.95, 2.57])
    assert list(problems(frame, reading=read_sweep, untuned="rough")) == ["not-a-number"]
