"""A backtest as an object, as text, and as a figure."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from backtests import chinchilla, fake_backtest

import bayes_scaling as bs
from bayes_scaling import Backtest, ScalingModel
from bayes_scaling.display.backtest import backtest_object, show_backtest
from bayes_scaling.display.plot import save_figure

BOTH = {"wide": ScalingModel(chinchilla()), "narrow": ScalingModel(chinchilla(), noise="lognormal")}


@pytest.fixture(scope="module")
def answer() -> Backtest:
    """Two models, the second with intervals half as wide; three gaps, of which one is too large."""
    found = fake_backtest(BOTH, ["adam", "muon"], gaps=(3, 10, 30))
    middle = found.draws.median("sample")
    half = np.where(found.draws["model"] == "narrow", 0.5, 1.0)[:, None, None]
    return replace(found, draws=middle + half * (found.draws - middle))


@pytest.fixture(autouse=True)
def _close() -> None:
    plt.close("all")


def test_the_object_has_all_tables(answer: Backtest) -> None:
    found = json.loads(json.dumps(backtest_object(answer), allow_nan=False))
    assert found["models"] == ["wide", "narrow"]
    assert (found["by"], found["by_ratio"], found["on_log"]) == ("compute", True, True)
    rows = found["summary"]
    assert [(r["model"], r["gap"]) for r in rows] == [
        (m, g) for m in ("wide", "narrow") for g in (3.0, 10.0, 30.0)
    ]
    assert rows[0]["crps"] == answer.summary()["crps"].iloc[0]
    assert [r["model"] for r in found["leaderboard"]] == answer.leaderboard()["model"].tolist()
    assert found["differences"][0]["right_sign"] == answer.differences()["right_sign"].iloc[0]
    assert len(found["folds"]) == 2 * len(answer.folds)
    assert found["folds"][0]["again"] is False
    assert found["skipped"][0]["reason"] == "2 distinct N, not 3"
    assert found["warnings"] == []


def test_numbers_that_are_none_are_null() -> None:
    one = backtest_object(fake_backtest(BOTH, gaps=(3, 10), origins=1))
    assert one["leaderboard"][1]["se"] is None
    assert one["differences"] == []


def test_the_text(answer: Backtest, capsys: pytest.CaptureFixture[str]) -> None:
    show_backtest(answer)
    out = capsys.readouterr().out
    lines = out.splitlines()
    assert lines[0] == (
        "loss (nat/token) of the dearest runs by compute: 8 folds, 3 origins; fitted up to "
        "origin / gap, scored above origin / 1.5"
    )
    assert lines[1].startswith("errors, interval score and CRPS are relative, in %")
    assert lines[2].split("  ")[0] == "model"
    row = answer.summary().iloc[0]
    for cell in (f"{100 * row['interval_score']:.2f}", f"{row['log_score']:.2f}"):
        assert cell in lines[4]
    assert "models by log score; difference to the best" in out
    assert "differences between recipes at equal inputs" in out
    assert "left out: 1 fold\n" in out
    assert "2 distinct N, not 3" in out


def test_the_text_of_one_model(capsys: pytest.CaptureFixture[str]) -> None:
    model = ScalingModel(chinchilla(), noise="student-t-raw")
    show_backtest(fake_backtest(model, gaps=(3,), origins=1))
    out = capsys.readouterr().out
    assert ": 1 fold, 1 origin;" in out
    assert "CRPS are in nat/token" in out
    assert "models by log score" not in out
    assert "left out" not in out


def test_along_dates_steps_are_differences(
    answer: Backtest, capsys: pytest.CaptureFixture[str]
) -> None:
    show_backtest(replace(answer, by="date", by_ratio=False))
    out = capsys.readouterr().out
    assert "fitted up to origin - gap, scored above origin - 1.5" in out
    assert "decades" not in out


def test_the_figure(answer: Backtest) -> None:
    figure = bs.plot(answer)
    shown = [ax for ax in figure.axes if ax.get_visible()]
    held, score, *residuals = shown
    assert len(residuals) == 2
    assert held.get_xlabel() == "gap (decades of compute)"
    lines = {line.get_label(): line for line in held.get_lines()}
    table = answer.summary()
    for model in ("wide", "narrow"):
        own = table[table["model"] == model]
        assert lines[model].get_xdata() == pytest.approx(own["distance"].to_numpy())
        assert lines[model].get_ydata() == pytest.approx(own["held_90"].to_numpy())
    assert score.get_ylabel() == "interval score (%; less is better)"
    narrow = answer.scores[answer.scores["model"] == "narrow"]
    assert residuals[1].get_title() == (
        f"narrow: {narrow['held_90'].mean():.0%} of {len(narrow)} forecasts held"
    )
    drawn = {line.get_label(): line for line in residuals[1].get_lines()}
    inside, outside = (drawn[f"truth, {k}"].get_ydata() for k in ("inside", "outside"))
    assert len(inside) == narrow["held_90"].sum()
    off = 100 * (narrow["truth"] / narrow["median"] - 1)
    assert np.sort(np.concatenate([inside, outside])) == pytest.approx(np.sort(off))
    assert residuals[0].get_ylim() == residuals[1].get_ylim()


def test_equally_distant_runs_stand_side_by_side(answer: Backtest) -> None:
    ax = bs.plot(answer).axes[2]
    xs = np.concatenate([np.asarray(line.get_xdata()) for line in ax.get_lines()[:2]])
    assert len(np.unique(xs)) == len(xs) == len(answer.points)
    beyond = np.sort(answer.points["beyond"])
    assert np.abs(np.sort(xs) - beyond).max() < 0.05 * np.ptp(beyond)


def test_one_model_has_three_panels_in_a_row(tmp_path: Path) -> None:
    found = fake_backtest(gaps=(3,), origins=1)
    figure = bs.plot(found)
    assert len(figure.axes) == 3
    assert (
        figure.get_suptitle() == "backtest along compute: 1 fold, 1 run forecast from cheaper ones"
    )
    save_figure(found, tmp_path / "found.png")
    assert (tmp_path / "found.png").read_bytes().startswith(b"\x89PNG")


def test_the_tables_are_not_changed_by_showing(answer: Backtest) -> None:
    before = answer.scores.copy()
    show_backtest(answer)
    bs.plot(answer)
    pd.testing.assert_frame_equal(answer.scores, before)
