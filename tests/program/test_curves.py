"""Rows of one run: their neighbours, and the histories behind them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from bayes_scaling.errors import TableError, UsageError
from bayes_scaling.law import History
from bayes_scaling.models import registry
from bayes_scaling.program import Spec, build_data, build_spec
from bayes_scaling.program.curves import (
    KNOTS,
    histories,
    history_units,
    neighbours,
    schedule_named,
    usual_gap,
)
from bayes_scaling.runs import Runs, read_runs
from bayes_scaling.runs.schedule import history, parse_schedule

COSINE = "cosine:peak=1e-3,steps=1000,warmup=100,final=1e-4"
STAGES = "two_stage:peak=6e-4,steps=800,falls_at=400,second=1e-4,warmup=50"
STEPS = {"a": [200, 400, 1000], "b": [100, 300, 500, 600, 800], "c": [150, 350]}
TEXTS = {"a": COSINE, "b": STAGES, "c": COSINE}


def table(order: list[int] | None = None) -> pd.DataFrame:
    rows = [(r, s, TEXTS[r], 4.0 - 1e-3 * s) for r, steps in STEPS.items() for s in steps]
    frame = pd.DataFrame(rows, columns=["name", "step", "plan", "loss"])
    return frame if order is None else frame.iloc[order]


def curves(order: list[int] | None = None) -> Runs:
    return read_runs(table(order), inputs={"step": "step"}, run="name", schedule="plan")


def scheduled_spec() -> Spec:
    return build_spec(registry["annealing"], curves())


def test_neighbours_of_curves_of_unequal_length() -> None:
    previous, gap = neighbours(curves())
    np.testing.assert_array_equal(previous, [-1, 0, 1, -1, 3, 4, 5, 6, -1, 8])
    np.testing.assert_array_equal(gap, [0, 200, 600, 0, 200, 200, 100, 200, 0, 200])


def test_neighbours_do_not_depend_on_the_order_of_the_source() -> None:
    mixed = curves([4, 0, 9, 2, 7, 6, 8, 3, 1, 5])
    # the first run to come stays the first
    assert mixed.frame["run"].tolist() == list("bbbbbaaacc")
    previous, gap = neighbours(mixed)
    np.testing.assert_array_equal(previous, [-1, 0, 1, 2, 3, -1, 5, 6, -1, 8])
    np.testing.assert_array_equal(gap, [0, 200, 200, 100, 200, 0, 200, 600, 0, 200])
    assert usual_gap(mixed) == usual_gap(curves()) == 200.0


def test_the_usual_gap_is_the_median_and_one_without_any() -> None:
    assert usual_gap(curves()) == np.median([200, 600, 200, 200, 100, 200, 200])
    ends = curves().frame["step"].isin([1000, 800, 350]).to_numpy()
    assert usual_gap(curves().select(ends)) == 1.0


def test_lags_are_in_usual_gaps() -> None:
    law, runs = registry["annealing"], curves()
    spec = build_spec(law, runs)
    assert (spec.serial, spec.order, spec.lag) == (True, "step", 200.0)
    data = build_data(spec, law, runs)
    np.testing.assert_allclose(data.lag, [0, 1, 3, 0, 1, 1, 0.5, 1, 0, 1])
    np.testing.assert_array_equal(data.previous, [-1, 0, 1, -1, 3, 4, 5, 6, -1, 8])
    apart = build_spec(law, runs, serial=False)
    assert (apart.serial, apart.order, apart.lag) == (False, "", 1.0)
    assert build_data(apart, law, runs).previous is None


def test_without_a_step_the_moving_input_orders_rows() -> None:
    frame = pd.DataFrame({"N": [1e8] * 3 + [4e8] * 3, "D": [3e9, 1e9, 8e9] * 2,
                          "loss": [3.0, 3.3, 2.8, 2.9, 3.2, 2.7]})  # fmt: skip
    runs = read_runs(frame.assign(id=list("aaabbb")), run="id")
    assert runs.order == "D"
    np.testing.assert_allclose(neighbours(runs)[1], [0, 2e9, 5e9, 0, 2e9, 5e9])


def test_a_law_without_steps_is_ordered_by_an_input_of_its_own() -> None:
    frame = table().assign(D=lambda f: 1e6 * f["step"])
    runs = read_runs(frame, inputs={"step": "step", "D": "D"}, run="name")
    law = registry["token_curve"]
    spec = build_spec(law, runs)
    assert (runs.order, spec.order, spec.lag) == ("step", "D", 200e6)
    np.testing.assert_allclose(
        build_data(spec, law, runs).lag, [0, 1, 3, 0, 1, 1, 0.5, 1, 0, 1], rtol=1e-12
    )


def test_two_rows_at_one_step_cannot_be_neighbours() -> None:
    frame = table()
    frame.loc[4, "step"] = 100  # of run b, as row 4 of the source
    runs = read_runs(frame, inputs={"step": "step"}, run="name", schedule="plan")
    with pytest.raises(
        TableError, match=r"row 5 repeat step of another row of their run"
    ) as caught:
        build_spec(registry["annealing"], runs)
    assert [f.code for f in caught.value.findings] == ["repeated-step"]
    assert "serial=False (--independent)" in str(caught.value)
    assert not build_spec(registry["annealing"], runs, serial=False).serial


def test_a_frontier_carries_no_correlation_along_a_run() -> None:
    law = registry["annealing"]
    assert not build_spec(law, curves(), noise="lower-frontier").serial
    with pytest.raises(UsageError, match="serial=False"):
        build_spec(law, curves(), noise="lower-frontier", serial=True)


def test_units_of_histories() -> None:
    runs = curves()
    units = history_units(registry["annealing"], runs)
    areas = [
        parse_schedule(TEXTS[r]).area(np.array([float(s)]))[0] for r in STEPS for s in STEPS[r]
    ]
    assert units == {"rate": 1e-3, "area": pytest.approx(stats.gmean(areas), rel=1e-12)}
    # what is not fitted has no say
    b = runs.select((runs.frame["run"] == "b").to_numpy())
    assert history_units(registry["annealing"], b)["rate"] == 6e-4
    assert history_units(registry["token_curve"], runs) == {}


def test_a_scheduled_law_needs_schedules() -> None:
    runs = read_runs(table(), inputs={"step": "step"}, run="name")
    with pytest.raises(
        TableError, match=r"law annealing needs the learning rate .* schedule="
    ) as e:
        build_spec(registry["annealing"], runs)
    assert [f.code for f in e.value.findings] == ["missing-schedule"]


def row(found: History, i: int) -> dict[str, np.ndarray]:
    return {k: np.asarray(v)[i] for k, v in found._asdict().items()}


def test_histories_keep_the_order_of_rows_and_their_units() -> None:
    spec = scheduled_spec()
    linear = "wsd_linear:peak=5e-4,steps=900,decay_from=600,warmup=90"
    # fitted labels and texts, in turns
    texts = [COSINE, linear, STAGES, COSINE, linear, STAGES]
    step = np.array([700.0, 650.0, 410.0, 150.0, 900.0, 100.0])
    found = histories(spec, pd.Series(texts), step)
    assert found.fall.shape == (6, KNOTS)
    rate, area, unit = (spec.references[k] for k in ("rate", "area", "step"))
    assert unit == pytest.approx(stats.gmean(np.concatenate(list(STEPS.values()))))
    for i, (text, at) in enumerate(zip(texts, step, strict=True)):
        schedule = parse_schedule(text)
        alone = row(history(schedule, np.array([at]), KNOTS, rate), 0)
        mine = row(found, i)
        np.testing.assert_allclose(mine["steps"], (at - schedule.warmup) / unit, rtol=1e-12)
        np.testing.assert_allclose(
            mine["area"], schedule.area(np.array([at]))[0] / area, rtol=1e-12
        )
        np.testing.assert_allclose(mine["fall"], alone["fall"], rtol=1e-12)
        np.testing.assert_allclose(mine["rate"], alone["rate"], rtol=1e-12)
        np.testing.assert_allclose(mine["steps_since"], alone["steps_since"] / unit, rtol=1e-12)
        np.testing.assert_allclose(mine["area_since"], alone["area_since"] / unit, rtol=1e-12)
        now = schedule.rate(np.array([at]))[0] / rate
        assert schedule.rate(np.array([float(schedule.warmup)]))[0] / rate - mine[
            "fall"
        ].sum() == pytest.approx(now, abs=1e-12)


def test_the_area_of_the_fitted_rows_is_one_on_average() -> None:
    law, runs = registry["annealing"], curves()
    data = build_data(build_spec(law, runs), law, runs)
    area = np.asarray(data.inputs["schedule"].area)
    assert stats.gmean(area) == pytest.approx(1.0, rel=1e-12)
    assert data.inputs["schedule"].fall.shape == (10, KNOTS)


def test_schedules_by_label_and_by_text() -> None:
    frame = table().assign(rate=2e-4)
    runs = read_runs(frame, inputs={"step": "step"}, run="name", rate="rate")
    spec = build_spec(registry["annealing"], runs)
    assert set(spec.schedules) == {"a", "b", "c"}
    assert schedule_named(spec, "b") == runs.schedules["b"]
    assert schedule_named(spec, COSINE) == parse_schedule(COSINE)
    # the spec holds what a schedule is: a label alone is not enough
    empty = replace(spec, schedules={})
    with pytest.raises(Exception, match="'b' is no kind of schedule"):
        schedule_named(empty, "b")
