"""The measured sets of the extrapolation benchmark, their splits, rivals and scores."""

from __future__ import annotations

import os
import sys

import numpy as np
import pandas as pd
import pytest

from bayes_scaling.errors import DatasetError, UsageError
from benchmarks.extrapolation import rivals
from benchmarks.extrapolation.sets import (
    MeasuredSet,
    Split,
    distinct,
    measured_sets,
    splits,
    tidy,
)
from benchmarks.extrapolation.tables import READERS

measured = pytest.mark.skipif(
    not os.environ.get("BAYES_SCALING_DATA"),
    reason="BAYES_SCALING_DATA is unset; it names the folder of measured data",
)
ROWS = {"chinchilla": 240, "steplaw": 14, "llama3": 127, "data_constrained": 33, "farseer": 400}


def grid(sizes: int = 5, groups: str = "") -> MeasuredSet:
    """Sizes, and as many token counts, a factor of two apart, under a known law."""
    steps = 2.0 ** np.arange(sizes)
    places = pd.DataFrame({"N": 1e7 * steps}).merge(pd.DataFrame({"D": 1e9 * steps}), "cross")
    if groups:
        places = places.merge(pd.DataFrame({"group": list(groups)}), "cross")
    loss = 1.8 + 0.8 * (places["N"] / 1e7) ** -0.3 + 0.9 * (places["D"] / 1e9) ** -0.4
    return MeasuredSet("grid", "made up", tidy(places.assign(loss=loss)))


def test_a_tidy_table_has_its_columns_once_and_six_n_d() -> None:
    table = pd.DataFrame({"loss": [3.0, 3.0, 2.9, np.nan], "N": [10, 10, 10, 20], "D": 5})
    table["lr"] = [1, 2, 3, 4]
    found = tidy(table)
    assert list(found) == ["N", "D", "C", "loss"]
    assert found["C"].tolist() == [300.0, 300.0]
    assert found["loss"].tolist() == [3.0, 2.9]
    assert tidy(table.assign(C=1.0))["C"].tolist() == [1.0, 1.0]


def test_a_split_fits_cheap_runs_and_scores_the_dearest() -> None:
    near, far = splits(grid(), gaps=(3, 10))
    steps = np.add.outer(np.arange(5), np.arange(5)).ravel()  # compute doubles with each
    assert len(near.fit) == (steps <= 6).sum() == len(grid().frame) - 3
    assert len(far.fit) == (steps <= 4).sum()
    assert len(near.score) == len(far.score) == (steps > 7).sum() == 1
    assert near.skipped == far.skipped == ""
    assert near.fit["C"].max() <= near.set.frame["C"].max() / 3
    with pytest.raises(UsageError, match=r"it must be above 1\.5"):
        splits(grid(), gaps=(1.2,))


def test_a_split_that_cannot_be_fitted_says_why() -> None:
    assert splits(grid(3), gaps=(10,))[0].skipped == "1 distinct N, not 3"
    assert splits(grid(4), gaps=(10,))[0].skipped == "6 fitted runs, not 12"
    assert splits(grid(4), gaps=(10,), parameters=3)[0].skipped == ""


def test_two_runs_a_parameter_are_counted_over_all_groups() -> None:
    assert splits(grid(4, "ab"), gaps=(10,))[0].skipped == ""


def test_scored_groups_have_fitted_runs() -> None:
    whole = grid(5, "ab").frame
    dear = whole["C"] > whole["C"].max() / 10
    one = MeasuredSet("one", "made up", whole[(whole["group"] == "a") | dear])
    split = splits(one, gaps=(10,))[0]
    assert split.skipped == ""
    assert set(split.score["group"]) == {"a"}
    apart = whole.assign(group=np.where(dear, "b", "a"))
    none = splits(MeasuredSet("none", "made up", apart), gaps=(10,))[0]
    assert none.skipped == "no scored run has a group that is fitted"


def test_sizes_are_distinct_in_two_digits() -> None:
    assert distinct(pd.Series([1.01e8, 1.04e8, 1.1e8, 1.1e9])) == 3


def answer(truth: list[float], low: float, mid: float, high: float) -> pd.DataFrame:
    return pd.DataFrame({"truth": truth}).assign(low=low, mid=mid, high=high)


def test_scores_are_those_worked_out_by_hand() -> None:
    answers = {
        ("a", 3): answer([2.0, 4.0], 1.8, 2.0, 2.4),  # the second is 1.6 above
        ("a", 10): answer([2.0], 1.9, 2.2, 2.3),
        ("b", 3): answer([1.0], 1.1, 1.3, 1.5),  # 0.1 below
    }
    table = rivals.by_set(answers)
    assert table.index.tolist() == ["a", "b"]
    assert table["runs"].tolist() == [3, 1]
    assert table["held"].tolist() == pytest.approx([(0.5 + 1.0) / 2, 0.0])
    assert table["relative_error"].tolist() == pytest.approx([(0.25 + 0.1) / 2, 0.3])
    first = (0.6 / 2 + (0.6 + 20 * 1.6) / 4) / 2
    assert table["interval_score"].tolist() == pytest.approx([(first + 0.2) / 2, 0.4 + 20 * 0.1])
    whole = rivals.score(answers)
    assert whole["runs"] == 4
    assert whole["held"] == pytest.approx(0.375)
    assert whole["interval_score"] == pytest.approx(((first + 0.2) / 2 + 2.4) / 2)
    assert "mean of 2 sets, 4 runs" in rivals.report(answers)


def test_the_interval_over_sets_holds_the_mean() -> None:
    low, high = rivals.set_interval([0.0, 1.0, 2.0, 3.0], 2_000)
    assert 0.0 < low < 1.5 < high < 3.0
    assert rivals.set_interval([2.0, 2.0], 10) == (2.0, 2.0)


@pytest.fixture
def noisy() -> Split:
    """Two groups of one law, the second with too few cheap runs to be fitted alone."""
    frame = grid(5, "ab").frame
    frame = frame[(frame["group"] == "a") | (frame.index % 16 == 1) | (frame["C"] > 1e19)]
    noise = np.exp(0.003 * np.random.default_rng(0).normal(size=len(frame)))
    split = splits(MeasuredSet("grid", "", frame.assign(loss=frame["loss"] * noise)), (10,))[0]
    assert not split.skipped
    return split


def check(found: pd.DataFrame, split: Split) -> None:
    assert list(found) == ["truth", "low", "mid", "high"]
    assert found["truth"].tolist() == split.score["loss"].tolist()
    assert (found["low"] < found["mid"]).all()
    assert (found["mid"] < found["high"]).all()
    np.testing.assert_allclose(found["mid"], found["truth"], rtol=0.03)


def test_huber_recovers_a_law_and_its_interval_has_the_noise(noisy: Split) -> None:
    found = rivals.huber_bootstrap(noisy, bootstraps=40)
    check(found, noisy)
    assert (found["high"] / found["low"] > 1.006).all()
    exact = splits(grid(), gaps=(10,))[0]
    answer = rivals.huber_bootstrap(exact, bootstraps=10)
    np.testing.assert_allclose(answer["mid"], answer["truth"], rtol=1e-4)


def test_groups_of_too_few_runs_borrow_the_fit_to_all(noisy: Split) -> None:
    own = {len(fitted): places for fitted, places in rivals._groups(noisy)}
    assert len(own) == 2
    assert len(noisy.fit) in own
    assert (noisy.score.iloc[own[len(noisy.fit)]]["group"] == "b").all()


def test_the_package_answers(noisy: Split) -> None:
    pytest.importorskip("simple_scaling_laws", reason="simple-scaling-laws is not installed")
    check(rivals.simple_scaling_laws(noisy, draws=40), noisy)


def test_a_missing_package_is_named(noisy: Split, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "simple_scaling_laws", None)
    with pytest.raises(UsageError, match=r"not installed; pip install"):
        rivals.simple_scaling_laws(noisy)


def test_sets_need_a_folder_and_a_known_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BAYES_SCALING_DATA", raising=False)
    with pytest.raises(DatasetError, match="set BAYES_SCALING_DATA"):
        measured_sets(["gadre"])
    monkeypatch.setenv("BAYES_SCALING_DATA", "nowhere")
    with pytest.raises(DatasetError, match="there is no nowhere"):
        measured_sets(["gadre"])
    with pytest.raises(UsageError, match="no measured set moon; there are: chinchilla"):
        measured_sets(["moon"])


@measured
@pytest.mark.parametrize("name", READERS)
def test_a_set_loads(name: str) -> None:
    (found,) = measured_sets([name])
    assert (found.name, found.source) == (name, READERS[name][0])
    assert set(found.frame) - {"group", "seed"} == {"N", "D", "C", "loss"}
    assert not found.frame.duplicated().any()
    assert (found.frame[["N", "D", "C", "loss"]] > 0).all(axis=None)
    assert len(found.frame) == ROWS.get(name, len(found.frame))
    ratio = found.frame["C"] / (6 * found.frame["N"] * found.frame["D"])
    assert ratio.between(0.7, 1.3).all()
    assert any(split.skipped == "" for split in splits(found)) == (name != "steplaw")
