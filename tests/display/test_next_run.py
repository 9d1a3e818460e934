"""Next runs and loops as objects, text and figures."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from decision_fits import crossing_fit
from fakes import RECIPES, fake_fit
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bayes_scaling.answers.goal import Goal
from bayes_scaling.answers.loop import Loop, begin_loop
from bayes_scaling.answers.next_run import NextRun, next_run
from bayes_scaling.display import next_run as display
from bayes_scaling.display import plot
from bayes_scaling.posterior import Fit

TARGETS = [{"N": 1e10, "D": 2e11, "recipe": r} for r in ("muon", "adam")]
GRID = pd.DataFrame(
    [
        {"N": n, "D": 20 * n, "recipe": r, "rung": f"{n:g}"}
        for n in np.geomspace(1e8, 8e9, 6)
        for r in ("adam", "muon", None)
    ]
)
KEYS = {"goal", "answer", "unit", "by", "picks", "candidates", "sds", "p_settled", "stop", "why",
        "warnings"}  # fmt: skip


@pytest.fixture(scope="module")
def fit() -> Fit:
    return crossing_fit(draws=150)


@pytest.fixture(scope="module")
def found(fit: Fit) -> NextRun:
    return next_run(fit, GRID, Goal("forecast", at=TARGETS), count=3, repeats=2, largest=1e21)


@pytest.fixture(scope="module")
def undecided(fit: Fit) -> NextRun:
    return next_run(fit, GRID, Goal("decision", at={"N": 8e8, "D": 1.6e10}))


@pytest.fixture(scope="module")
def loop(fit: Fit) -> tuple[Loop, NextRun]:
    goal = Goal("forecast", at=TARGETS, precision=0.001)
    return begin_loop(fit, GRID.assign(cost=np.arange(1.0, 19.0)), goal, count=2)


@pytest.fixture(autouse=True)
def close_figures() -> Iterator[None]:
    yield
    plt.close("all")


def plain(answer: dict[str, Any]) -> dict[str, Any]:
    """As JSON has it: no nan, no infinity."""
    told = json.loads(json.dumps(answer, allow_nan=False))
    assert isinstance(told, dict)
    return told


def shown(figure: Figure) -> Axes:
    figure.canvas.draw()  # everything that can go wrong in drawing goes wrong here
    (ax,) = figure.axes
    return ax


def labels(ax: Axes) -> list[str]:
    return list(ax.get_legend_handles_labels()[1])


# -- objects and text


def test_a_next_run(found: NextRun) -> None:
    told, table = plain(display.next_run_object(found)), found.candidates
    assert told.keys() == KEYS
    assert (told["unit"], told["by"], told["stop"]) == ("FLOP", "information", "")
    assert Goal.of(told["goal"]) == found.goal
    assert told["why"] == found.explain()
    assert told["p_settled"] is None  # of a forecast nothing is chosen
    assert len(told["candidates"]) == len(GRID)
    rows = told["candidates"]
    assert [r["group"] for r in rows[:3]] == ["adam", "muon", None]
    assert [r["inputs"]["N"] for r in rows] == GRID["N"].tolist()
    assert set(rows[0]) == {"inputs", "group", *display.FOUND}
    for name in ("cost", "information", "removed", "value", "per_cost", "p_diverges"):
        np.testing.assert_allclose([r[name] for r in rows], table[name])
    for name in ("allowed", "frontier", "method"):
        assert [r[name] for r in rows] == table[name].tolist()
    assert len(told["picks"]) == 3
    for pick, (_, row) in zip(told["picks"], found.picks.iterrows(), strict=True):
        assert pick["candidate"] == row["candidate"]
        assert pick["inputs"] == {"N": row["N"], "D": row["D"]}
        assert pick["group"] == (row["recipe"] if isinstance(row["recipe"], str) else None)
        assert pick["information"] == pytest.approx(row["information"])
    assert [s["quantity"] for s in told["sds"]] == found.sds["quantity"].tolist()


def test_a_next_run_in_words(found: NextRun, capsys: pytest.CaptureFixture[str]) -> None:
    display.show_next_run(found)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"{found.goal.text}: {found.answer}"
    assert lines[2].startswith("runs to pay for, by information per cost (FLOP), of 18 candidates")
    assert lines[3].split()[:6] == ["pick", "N", "D", "recipe", "cost", "nats"]
    assert [line.split()[0] for line in lines[5:8]] == ["1", "2", "3"]
    assert lines[8:] == found.explain()


def test_a_decision_does_not_send_to_what_has_just_been_asked(
    undecided: NextRun, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "bayes-scaling next finds the run" in undecided.answer
    told = plain(display.next_run_object(undecided))
    assert told["answer"].startswith("not settled: ")
    assert told["answer"].endswith("nearer to the target")
    assert 0.0 <= told["p_settled"] <= 1.0
    display.show_next_run(undecided)
    text = capsys.readouterr().out
    assert "bayes-scaling next" not in text
    assert "the choice is safe after that with probability" in text


def test_a_question_that_needs_no_run_says_so_once(
    fit: Fit, capsys: pytest.CaptureFixture[str]
) -> None:
    settled = next_run(fit, GRID, Goal("forecast", at=TARGETS, precision=9.0))
    assert plain(display.next_run_object(settled))["picks"] == []
    display.show_next_run(settled)
    assert capsys.readouterr().out.splitlines() == [
        f"{settled.goal.text}: {settled.answer}", "settled: no run is needed",
    ]  # fmt: skip
    poor = next_run(fit, GRID, Goal("forecast", at=TARGETS), budget=1.0)
    display.show_next_run(poor)
    assert capsys.readouterr().out.splitlines()[1:] == [poor.stop]


def test_a_setting_that_is_not_given_is_the_best_one(
    found: NextRun, capsys: pytest.CaptureFixture[str]
) -> None:
    candidates, picks = (t.assign(D=np.nan) for t in (found.candidates, found.picks))
    unset = replace(found, candidates=candidates, picks=picks)
    told = plain(display.next_run_object(unset))
    assert {c["inputs"]["D"] for c in told["candidates"]} == {None}
    display.show_next_run(unset)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[2] for line in lines[5:8]] == ["best"] * 3


def test_a_loop(loop: tuple[Loop, NextRun], capsys: pytest.CaptureFixture[str]) -> None:
    own, found = loop
    told = plain(display.loop_object(own, found))
    assert told.keys() == KEYS | {"runs", "spent"}
    assert (told["runs"], told["spent"]) == (18, 0.0)
    entries = [dict(own.history[0], paid=7.0), dict(own.history[0], spent=7.0)]
    later = replace(own, history=tuple(entries))
    assert display.loop_object(later, found)["spent"] == 7.0
    display.show_loop(later, found)
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == "18 runs, 0 of them bought in this loop for 7"


# -- figures


def test_candidates_are_drawn_by_cost_and_gain(found: NextRun) -> None:
    ax = shown(plot(found))
    table = found.candidates
    assert ax.get_xscale() == "log"
    assert ax.get_xlabel() == "cost of a run (FLOP)"
    assert "information (nats)" in ax.get_ylabel()
    assert [v for v in labels(ax) if v in ("a new recipe", "adam", "muon")] == [
        "a new recipe", "adam", "muon",
    ]  # fmt: skip
    dots = [line for line in ax.lines if line.get_marker() == "o" and line.get_markersize() == 4]
    drawn = np.concatenate([line.get_xdata() for line in dots if len(line.get_xdata())])
    np.testing.assert_allclose(np.sort(drawn), np.sort(table["cost"]))
    faint = [line for line in dots if line.get_alpha() < 0.3 and len(line.get_xdata())]
    dear = np.concatenate([line.get_xdata() for line in faint])
    np.testing.assert_allclose(np.sort(dear), np.sort(table.loc[~table["allowed"], "cost"]))
    assert "cannot be paid for" in labels(ax)


def test_the_frontier_is_a_line_and_picks_are_numbered(found: NextRun) -> None:
    ax = shown(plot(found))
    (edge,) = (line for line in ax.lines if str(line.get_label()).startswith("frontier"))
    expected = found.candidates[found.candidates["frontier"]].sort_values("cost")
    np.testing.assert_allclose(edge.get_xdata(), expected["cost"])
    numbers = ", ".join(t.get_text() for t in ax.texts)
    assert sorted(numbers.split(", ")) == ["1", "2", "3"]
    rings = [line for line in ax.lines if line.get_markersize() == 10]
    assert len(rings) == found.picks["candidate"].nunique()
    (x,) = rings[0].get_xdata()
    assert x == pytest.approx(found.picks["cost"].iloc[0])


def test_gains_that_differ_by_decades_are_on_a_log_axis(found: NextRun) -> None:
    gains = np.geomspace(1e-6, 1.0, len(found.candidates))
    gains[3] = 0.0
    wide = replace(found, candidates=found.candidates.assign(information=gains))
    ax = shown(plot(wide))
    assert ax.get_yscale() == "log"
    low, high = ax.get_ylim()
    assert 1e-4 < low < 1e-2  # three decades
    assert high > 1.0
    drawn = np.concatenate([line.get_ydata() for line in ax.lines])
    assert drawn.min() >= low  # what tells nothing lies on the edge
    even = replace(found, candidates=found.candidates.assign(information=1.0))
    assert shown(plot(even)).get_yscale() == "linear"
    nothing = replace(found, candidates=found.candidates.assign(information=0.0))
    assert shown(plot(nothing)).get_ylim() == (0.0, 1.0)


def test_value_and_no_groups_are_drawn_too(undecided: NextRun) -> None:
    ax = shown(plot(replace(undecided, by="value")))
    assert ax.get_ylabel().startswith("value of information")
    fit, table = fake_fit(draws=100), GRID[["N", "D"]].drop_duplicates().assign(cost=2.0)
    bare = next_run(fit, table, Goal("forecast", at={"N": 1e10, "D": 2e11}))
    ax = shown(plot(bare))
    assert ax.get_xlabel() == "cost of a run"
    assert not set(labels(ax)) & set(RECIPES["recipe"])


def test_many_labels_have_one_colour(found: NextRun) -> None:
    many = [f"recipe {i}" for i in range(len(GRID))]
    other = replace(found, candidates=found.candidates.assign(recipe=many))
    colours = {line.get_color() for line in shown(plot(other)).lines if line.get_markersize() == 4}
    assert colours <= {"C0", "0.3"}


def test_a_loop_is_drawn_by_what_was_spent(loop: tuple[Loop, NextRun]) -> None:
    own, _ = loop
    later = {**own.history[0], "spent": 9.0, "runs": 20, "sds": [0.01, 0.002]}
    ax = shown(plot(replace(own, history=(own.history[0], later))))
    lines = [line for line in ax.lines if line.get_marker() == "o"]
    assert [line.get_label() for line in lines] == [
        "N=1e+10, D=2e+11, recipe=muon", "N=1e+10, D=2e+11, recipe=adam",
    ]  # fmt: skip
    for k, line in enumerate(lines):
        np.testing.assert_allclose(line.get_xdata(), [0.0, 9.0])
        assert line.get_ydata()[0] == own.history[0]["sds"][k]
    assert [t.get_text() for t in ax.texts] == ["18 runs", "20 runs"]
    assert ax.get_yscale() == "log"
    assert "precision asked for" in labels(ax)
    assert len(shown(plot(own)).lines) == 3
