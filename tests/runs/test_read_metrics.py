"""Reading counts, losses that a metric follows, items, and averages at several k."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from bayes_scaling.errors import TableError
from bayes_scaling.law import Law, chain
from bayes_scaling.models import registry
from bayes_scaling.program import build_spec
from bayes_scaling.runs import Runs, check_runs, read_runs

COUNTS = registry["capability_sigmoid"]


def table(**changes: object) -> pd.DataFrame:
    columns: dict[str, object] = {
        "C": ["1e18", "1e19", "1e20", "1e21", "1e22", "1e23"],
        "right": [20, 31, 45, 60, 78, 90],
        "n": 100,
    }
    return pd.DataFrame(columns | changes)


def read(frame: pd.DataFrame, **options: object) -> Runs:
    given = {"inputs": {"C": "C"}, "response": "right", "trials": "n"}
    return read_runs(frame, **(given | options))  # type: ignore[arg-type]


def problems(frame: pd.DataFrame, **options: object) -> dict[str, str]:
    with pytest.raises(TableError) as caught:
        read(frame, **options)
    return {f.code: f.message for f in caught.value.findings}


def refused(law: Law, runs: Runs, **options: object) -> dict[str, str]:
    with pytest.raises(TableError) as caught:
        build_spec(law, runs, **options)  # type: ignore[arg-type]
    return {f.code: f.message for f in caught.value.findings}


# -- counts


def test_counts_are_read_beside_their_trials() -> None:
    runs = read(table(n=["100", "100", "0.1K", "100", "100", "100"]))
    assert runs.counted
    np.testing.assert_array_equal(runs.frame["trials"], 100.0)
    np.testing.assert_array_equal(runs.frame["response"], [20, 31, 45, 60, 78, 90])
    assert runs.columns["trials"] == "n"
    assert runs.unit == "fraction"


def test_points_hold_shares_and_the_trials_of_their_evaluation() -> None:
    points = read(table(n=[100, 100, 50, 100, 100, 200])).points()
    np.testing.assert_allclose(points["observed"], [0.2, 0.31, 0.9, 0.6, 0.78, 0.45])
    np.testing.assert_array_equal(points["trials"], [100, 100, 50, 100, 100, 200])


def test_counts_raise_no_doubts_of_losses() -> None:
    runs = read(table(right=[0, 0, 40, 40, 100, 100], C=["1e18", "1e18", *["1e20"] * 4]))
    assert runs.findings == ()


@pytest.mark.parametrize("bad", [0, -5])
def test_trials_must_be_positive(bad: int) -> None:
    found = problems(table(n=[bad, *[100] * 5]))
    assert list(found) == ["not-positive"]
    assert "column 'n'" in found["not-positive"]
    assert "--trials" in found["not-positive"]


def test_trials_must_be_there() -> None:
    found = problems(table(n=[np.nan, *[100] * 5]))
    assert list(found) == ["not-a-number"]


def test_more_right_than_items_is_refused() -> None:
    found = refused(COUNTS, read(table(right=[20, 31, 45, 60, 101, -1])))
    assert list(found) == ["count-outside"]
    assert "2 values below zero or above column 'n' (rows 5, 6)" in found["count-outside"]


def test_shares_are_no_counts() -> None:
    found = refused(COUNTS, read(table(right=[0.2, 0.31, 0.45, 0.6, 0.78, 0.9])))
    assert list(found) == ["not-a-count"]
    assert "give counts, not shares" in found["not-a-count"]


def test_trials_are_whole_numbers() -> None:
    found = refused(COUNTS, read(table(n=[100.5, *[100] * 5])))
    assert list(found) == ["not-a-count"]
    assert "column 'n' has 1 values no whole number (row 1)" in found["not-a-count"]


def test_fewer_samples_than_passes_are_refused() -> None:
    runs = read(table(right=[2, 31, 45, 60, 78, 90], n=5))
    found = refused(COUNTS, runs, noise="negative-binomial")
    assert "1 values below the passes in column 'n' (row 1)" in found["count-outside"]


def test_counts_without_trials() -> None:
    found = refused(COUNTS, read(table(), trials=None))
    assert "--trials" in found["no-trials"]
    assert "--noise beta" in found["no-trials"]


def test_trials_that_the_noise_does_not_take() -> None:
    found = refused(COUNTS, read(table()), noise="beta")
    assert "takes no trials" in found["trials-unused"]


def test_scores_at_an_end_are_no_beta() -> None:
    frame = table(right=[0.0, 0.3, 0.4, 0.6, 0.7, 1.0])
    found = refused(COUNTS, read(frame, trials=None), noise="beta")
    assert "2 values not strictly between 0 and 1 (rows 1, 6)" in found["score-outside"]


def test_grades_beyond_the_best_are_refused() -> None:
    frame = table(right=[0, 1, 2, 3, 4, 5])
    found = refused(COUNTS, read(frame, trials=None), noise="ordered-4")
    assert "1 values outside 0 to 4 (row 6)" in found["grade-outside"]


def test_a_chance_level_has_a_default_and_may_be_the_same_in_all_runs() -> None:
    runs = read(table())
    np.testing.assert_array_equal(runs.column("chance", 0.25), 0.25)
    assert check_runs(runs, COUNTS) == []
    with_it = read(table(q=0.25), inputs={"C": "C", "chance": "q"})
    np.testing.assert_array_equal(with_it.column("chance", 0.0), 0.25)
    assert check_runs(with_it, COUNTS) == []
    outside = read(table(q=1.25), inputs={"C": "C", "chance": "q"})
    (found,) = (f for f in check_runs(outside, COUNTS) if f.severity == "error")
    assert "chance (score of guessing) must be a number from 0 to 1" in found.message


# -- losses that a metric follows


def chained(**changes: object) -> pd.DataFrame:
    losses = {"loss": [3.5, 3.3, 3.1, 2.9, 2.7, 2.6], "err": 0.01}
    return table(**(losses | changes))


def through(frame: pd.DataFrame, **options: object) -> Runs:
    return read(frame, through="loss", through_se="err", **options)


def test_the_loss_stands_beside_the_metric() -> None:
    runs = through(chained())
    np.testing.assert_allclose(runs.frame["through"], [3.5, 3.3, 3.1, 2.9, 2.7, 2.6])
    np.testing.assert_allclose(runs.frame["through_se"], 0.01)
    assert (runs.columns["through"], runs.columns["through_se"]) == ("loss", "err")


def test_a_run_may_lack_the_loss_or_the_metric() -> None:
    right = [np.nan, 31, 45, 60, 78, 90]
    frame = chained(right=right, n=[np.nan, *[100] * 5], loss=[3.5, 3.3, 3.1, 2.9, 2.7, np.nan])
    runs = through(frame)
    np.testing.assert_array_equal(np.isnan(runs.frame["response"]), [True, *[False] * 5])
    np.testing.assert_array_equal(np.isnan(runs.frame["through"]), [*[False] * 5, True])


def test_a_run_must_have_one_of_them() -> None:
    frame = chained(right=[np.nan, 31, 45, 60, 78, 90], loss=[np.nan, 3.3, 3.1, 2.9, 2.7, 2.6])
    with pytest.raises(TableError, match="row 1 have neither the response nor the loss"):
        through(frame)


def test_a_metric_needs_its_trials() -> None:
    with pytest.raises(TableError, match="row 3 have a response without its trials"):
        through(chained(n=[100, 100, np.nan, 100, 100, 100]))


@pytest.mark.parametrize(("column", "what"), [("right", "response"), ("loss", "loss that the")])
def test_a_few_runs_must_have_each(column: str, what: str) -> None:
    values = chained()[column].astype(float).to_numpy().copy()
    values[2:] = np.nan
    with pytest.raises(TableError, match=f"only 2 rows have the {what}.*; 3 are the fewest"):
        through(chained(**{column: values}))


@pytest.mark.parametrize("column", ["loss", "err"])
def test_losses_and_their_errors_are_positive(column: str) -> None:
    option = {"loss": "--through ", "err": "--through-se "}[column]
    with pytest.raises(TableError, match=f"column '{column}' has 1 value.*not positive.*{option}"):
        through(chained(**{column: [-0.1, *chained()[column][1:]]}))


def test_the_points_of_a_chain_can_be_forecast_though_some_metrics_are_missing() -> None:
    right = [np.nan, 31, 45, 60, 78, 90]
    points = through(chained(right=right, n=[np.nan, *[100] * 5])).points()
    np.testing.assert_array_equal(points["observed"].isna(), [True, *[False] * 5])


def test_an_input_or_group_cannot_have_the_name_of_a_role() -> None:
    for name in ("trials", "through", "item", "loss"):
        found = problems(table(**{name: 1.0}), inputs={"C": "C", name: name}, trials=None)
        assert "reserved-name" in found


# -- items


def test_items_are_labels() -> None:
    runs = read(table(q=[1, 1, 2, 2, 3, 3]), item="q")
    assert runs.frame["item"].tolist() == ["1", "1", "2", "2", "3", "3"]
    found = problems(table(q=["a", None, "b", "b", "c", "c"]), item="q")
    assert "column 'q' (item) is empty in row 2" in found["missing-label"]


# -- averages at several numbers of samples


def averages(**changes: object) -> pd.DataFrame:
    columns: dict[str, object] = {"k": [1, 10, 100, 1000] * 2, "model": ["a"] * 4 + ["b"] * 4,
                                  "cov": [0.1, 0.3, 0.5, 0.7, 0.2, 0.4, 0.6, 0.8]}  # fmt: skip
    return pd.DataFrame(columns | changes)


def nested(frame: pd.DataFrame, **options: object) -> list[str]:
    runs = read_runs(frame, inputs={"k": "k"}, response="cov", **options)  # type: ignore[arg-type]
    law = registry["coverage_power"]
    return [f.message for f in check_runs(runs, law) if f.code == "nested-averages"]


def test_averages_at_several_k_are_refused_with_the_reason() -> None:
    (message,) = nested(averages(), group="model")
    for words in ("rows 1, 2, 3", "same samples", "law coverage", "--run"):
        assert words in message


def test_averages_at_one_k_each_are_taken() -> None:
    frame = averages(model=list("abcdefgh"))
    assert nested(frame, group="model") == []
    assert len(nested(frame)) == 1  # nothing tells the models apart


def test_averages_of_samples_of_their_own_are_taken() -> None:
    assert nested(averages(sampling=range(8)), group="model", run="sampling") == []
    assert len(nested(averages(name=["a"] * 4 + ["b"] * 4), group="model", run="name")) == 1


def test_a_chain_reads_the_inputs_of_both_laws() -> None:
    law = chain(registry["power_law"], registry["cloglog_accuracy"])
    runs = through(chained(), inputs={"X": "C"})
    assert check_runs(runs, law) == []
    spec = build_spec(law, runs)
    assert set(spec.references) == {"X", "chance", "L"}
    assert spec.references["L"] == pytest.approx(np.exp(np.log(chained()["loss"]).mean()))
    assert spec.defaults == [{"chance": 0.0}]


def test_of_a_chain_measurements_are_counted_against_parameters() -> None:
    law = chain(registry["power_law"], registry["cloglog_accuracy"])
    assert len(law.parameters) == 7
    gone = chained(right=[20, 31, 45, np.nan, np.nan, np.nan], loss=[*[np.nan] * 3, 2.9, 2.7, 2.6])
    found = check_runs(through(gone, inputs={"X": "C"}), law)
    assert [f.code for f in found] == ["fewer-rows-than-parameters"]
    assert "7 free parameters" in found[0].message
    assert "the table has 6 measurements" in found[0].message
