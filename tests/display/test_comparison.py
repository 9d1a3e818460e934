"""Comparisons and choices of recipes as objects, text and figures."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
from decision_fits import THREE, crossing_fit
from fakes import fake_fit
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bayes_scaling.answers import (
    Comparison,
    Crossover,
    Decision,
    Multiplier,
    ScalingPath,
    compare,
    crossover,
    decide,
    multiplier,
    six_nd,
)
from bayes_scaling.display import comparison, plot
from bayes_scaling.posterior import Fit

PATH = ScalingPath(1e18, 1e21, ratio=20.0)
POINTS = [{"N": 1e9, "D": 2e10}, {"N": 4e9, "D": 8e10}]


@pytest.fixture(scope="module")
def fit() -> Fit:
    return crossing_fit()


@pytest.fixture(scope="module")
def ranked() -> Comparison:
    return compare(fake_fit(THREE, draws=50), at=POINTS)


@pytest.fixture(scope="module")
def path(fit: Fit) -> Comparison:
    return compare(fit, path=PATH, places=4)


@pytest.fixture(scope="module")
def cross(fit: Fit) -> Crossover:
    return crossover(fit, "muon", "adam", PATH)


@pytest.fixture(scope="module")
def saves(fit: Fit) -> Multiplier:
    return multiplier(fit, "muon", "adam", PATH, places=3)


@pytest.fixture(scope="module")
def choice(fit: Fit) -> Decision:
    return decide(fit, POINTS, rope=0.001, cost=six_nd, price=1e-24)


@pytest.fixture(autouse=True)
def close_figures() -> Iterator[None]:
    yield
    plt.close("all")


def plain(answer: dict[str, Any]) -> dict[str, Any]:
    """As JSON has it: no nan, no infinity."""
    told = json.loads(json.dumps(answer, allow_nan=False))
    assert isinstance(told, dict)
    return told


def shown(figure: Figure) -> list[Axes]:
    figure.canvas.draw()  # everything that can go wrong in drawing goes wrong here
    return [ax for ax in figure.axes if ax.get_visible()]


# -- objects and text


def test_a_comparison_at_points(ranked: Comparison) -> None:
    told = plain(comparison.comparison_object(ranked))
    assert (told["by"], told["recipes"]) == ("recipe", ["adam", "muon", "soap"])
    assert (told["better"], told["kind"], told["along"]) == ("lower", "mean", None)
    assert [p["inputs"] for p in told["points"]] == POINTS
    table, pairs = ranked.summary(), ranked.differences()
    rows = [r for p in told["points"] for r in p["recipes"]]
    for key in ("mean", "sd", "p_best", "rank"):
        np.testing.assert_allclose([r[key] for r in rows], table[key])
    np.testing.assert_allclose([r["quantiles"]["0.9"] for r in rows], table["q0.9"])
    np.testing.assert_allclose([r["ranks"] for p in told["points"] for r in p["recipes"]],
                               ranked.ranking().to_numpy().reshape(-1, 3))  # fmt: skip
    for i, point in enumerate(told["points"]):
        own = pairs[pairs["N"] == POINTS[i]["N"]]
        assert [d["first"] for d in point["differences"]] == own["first"].tolist()
        np.testing.assert_allclose([d["p_better"] for d in point["differences"]], own["p_better"])
        np.testing.assert_allclose([d["mean"] for d in point["differences"]], own["mean"])


def test_a_comparison_along_a_path(path: Comparison, capsys: pytest.CaptureFixture[str]) -> None:
    told = plain(comparison.comparison_object(path))
    assert told["along"] == "along the budget at 20 tokens per parameter"
    np.testing.assert_allclose([p["budget"] for p in told["points"]], np.geomspace(1e18, 1e21, 4))
    for point in told["points"]:
        for own in point["recipes"]:
            assert own["D"] == pytest.approx(20 * own["N"])
    comparison.show_comparison(path)
    text = capsys.readouterr().out
    assert "lower is better" in text
    assert "differences from muon; P: that the first is the better one" in text
    first = next(line.split() for line in text.splitlines() if line.split()[:1] == ["1e+18"])
    assert first[1] == "adam"  # the better one there comes first


def test_differences_of_many_are_from_the_best_at_the_end(
    ranked: Comparison, capsys: pytest.CaptureFixture[str]
) -> None:
    best = comparison.best_at_end(ranked)
    assert best == ranked.summary().iloc[-3:].sort_values("rank")["recipe"].iloc[0]
    comparison.show_comparison(ranked)
    assert f"differences from {best}" in capsys.readouterr().out


def test_a_crossover(cross: Crossover, capsys: pytest.CaptureFixture[str]) -> None:
    told, row = plain(comparison.crossover_object(cross)), cross.summary().iloc[0]
    for key in ("within", "before", "after", "never", "first_at_high", "several"):
        assert told[key] == pytest.approx(row[key])
    assert told["place"]["quantiles"]["0.5"] == pytest.approx(row["q0.5"])
    assert (told["place"]["mean"] is None) == bool(np.isinf(cross.place).any())
    assert len(told["curve"]) == len(cross.curve)
    assert told["curve"][0]["place"] == pytest.approx(1e18)
    comparison.show_crossover(cross)
    text = capsys.readouterr().out
    assert f"they cross from 1e+18 to 1e+21 with probability {row['within']:.2f}" in text
    assert "at budget 1e+18 adam is ahead with probability" in text
    assert "at budget 1e+21 muon is ahead with probability" in text


def test_the_curve_is_first_less_second(fit: Fit, cross: Crossover, path: Comparison) -> None:
    gap = path.differences("adam")
    np.testing.assert_allclose(cross.curve["q0.5"].iloc[[0, -1]], gap["q0.5"].iloc[[0, -1]])
    other = crossover(fit, "adam", "muon", PATH, better="higher")
    np.testing.assert_allclose(other.curve["mean"], -cross.curve["mean"])


def test_infinite_places_are_null_and_never_in_words(
    cross: Crossover, saves: Multiplier, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = replace(cross, place=cross.place.copy(data=np.full(cross.place.shape, np.inf)))
    assert set(plain(comparison.crossover_object(gone))["place"]["quantiles"].values()) == {None}
    comparison.show_crossover(gone)
    assert capsys.readouterr().out.count("> 1e+24") == 3
    draws = saves.draws.copy(data=np.full(saves.draws.shape, np.inf))
    none = replace(
        saves, draws=draws, trend=saves.trend.copy(data=np.full(saves.trend.shape, np.nan))
    )
    told = plain(comparison.multiplier_object(none))
    assert told["change_per_decade"] == {
        "quantiles": {"0.05": None, "0.5": None, "0.95": None}, "p_grows": None,
    }  # fmt: skip
    comparison.show_multiplier(none)
    text = capsys.readouterr().out
    assert text.count("never") == 9 + 1  # and the column P(never)
    assert "is not known" in text


def test_a_multiplier(saves: Multiplier, capsys: pytest.CaptureFixture[str]) -> None:
    told, table = plain(comparison.multiplier_object(saves)), saves.summary()
    for key in ("p_saves", "never"):
        np.testing.assert_allclose([p[key] for p in told["places"]], table[key])
    np.testing.assert_allclose([p["quantiles"]["0.5"] for p in told["places"]], table["q0.5"])
    change = saves.change()
    assert told["change_per_decade"]["quantiles"]["0.95"] == pytest.approx(change["q0.95"])
    comparison.show_multiplier(saves)
    text = capsys.readouterr().out
    assert text.startswith("share of the budget of adam with which muon is as good")
    assert f"scale favours muon with probability {1 - change['p_grows']:.2f}" in text


def test_a_decision(choice: Decision, capsys: pytest.CaptureFixture[str]) -> None:
    told, table = plain(comparison.decision_object(choice)), choice.summary()
    verdicts = choice.verdicts()
    assert (told["rope"], told["confidence"]) == (0.001, 0.95)
    assert told["settled"] == choice.settled
    assert [t["choice"] for t in told["targets"]] == verdicts["choice"].tolist()
    assert [t["verdict"] for t in told["targets"]] == verdicts["verdict"].tolist()
    rows = [r for t in told["targets"] for r in t["recipes"]]
    for key in ("p_best", "regret", "p_safe"):
        np.testing.assert_allclose([r[key] for r in rows], table[key])
    np.testing.assert_allclose([r["utility"]["mean"] for r in rows], table["mean"])
    np.testing.assert_allclose([r["response"]["mean"] for r in rows],
                               choice.comparison.summary()["mean"])  # fmt: skip
    assert [r["cost"]["mean"] for r in rows] == pytest.approx([1.2e20] * 2 + [1.92e21] * 2)
    comparison.show_decision(choice)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"N 1e+09, D 2e+10: {verdicts['verdict'].iloc[0]}"
    assert sum(line.split()[-1:] == ["chosen"] for line in lines) == 2


# -- figures


def test_ranks_are_a_heat_map(ranked: Comparison) -> None:
    axes = shown(plot(ranked))
    assert len(axes) == 4
    assert [ax.get_title() for ax in axes[::2]] == ["N 1e+09, D 2e+10", "N 4e+09, D 8e+10"]
    order = comparison.order_at(ranked, 0)
    assert [t.get_text() for t in axes[0].get_yticklabels()] == order
    shares = ranked.ranking().isel(point=0).sel(recipe=order)
    np.testing.assert_allclose(axes[1].images[0].get_array(), shares)


def test_a_path_has_levels_and_differences(path: Comparison) -> None:
    left, right = shown(plot(path))
    assert left.get_legend_handles_labels()[1] == ["adam", "muon"]
    assert (left.get_xscale(), right.get_xscale()) == ("log", "log")
    (line,) = (own for own in right.lines if own.get_label() == "adam")
    np.testing.assert_allclose(line.get_ydata(), path.differences("muon")["q0.5"])
    assert "muon" in right.get_ylabel()


def test_a_crossover_has_the_curve_over_its_places(cross: Crossover) -> None:
    top, bottom = shown(plot(cross))
    np.testing.assert_allclose(top.lines[0].get_ydata(), cross.curve["q0.5"])
    row = cross.summary().iloc[0]
    texts = [t.get_text() for t in bottom.texts]
    assert texts == [
        f"P(before) {row['before']:.2f}",
        f"P(along the path) {row['within']:.2f}",
        f"P(after or never) {row['after']:.2f}",
    ]
    assert [t.get_text() for t in top.texts] == ["adam is ahead", "muon is ahead"]
    assert top.get_xlim() == bottom.get_xlim()
    gone = replace(cross, place=cross.place.copy(data=np.full(cross.place.shape, np.inf)))
    assert len(shown(plot(gone))) == 2


def test_a_multiplier_has_a_line_at_one(saves: Multiplier) -> None:
    (ax,) = shown(plot(saves))
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    middle, one = ax.lines
    np.testing.assert_allclose(middle.get_ydata(), saves.summary()["q0.5"])
    assert set(one.get_ydata()) == {1}
    gone = replace(saves, draws=saves.draws.copy(data=np.full(saves.draws.shape, np.inf)))
    (ax,) = shown(plot(gone))
    assert [t.get_text() for t in ax.texts] == ["never\n1.00"] * 3


def test_a_decision_has_regrets_beside_chances(choice: Decision) -> None:
    axes = shown(plot(choice))
    assert len(axes) == 4
    own = choice.summary().iloc[:2].sort_values("regret")
    left, right = axes[:2]
    np.testing.assert_allclose([p.get_width() for p in left.patches], own["regret"])
    np.testing.assert_allclose([p.get_width() for p in right.patches], own["p_best"])
    assert left.lines[0].get_xdata()[0] == choice.rope
    said = "settled" if choice.verdicts()["settled"].iloc[0] else "not settled"
    assert left.get_title() == f"N 1e+09, D 2e+10: {own['recipe'].iloc[0]}, {said}"
