"""Figures of best settings: contours, runs nearby, the plateau, and the files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from toys import kettle_fit, valley_fit

from bayes_scaling.answers import Tuning, tune
from bayes_scaling.display import plot, save_figure


@pytest.fixture(scope="module")
def plane() -> Tuning:
    fit = valley_fit(draws=100)
    return tune(
        replace(fit, spec=replace(fit.spec, bound=3.4)),
        [{"N": 4e8, "D": 8e9}, {"N": 8e8, "D": 16e9}],
    )


@pytest.fixture(scope="module")
def line() -> Tuning:
    fit = kettle_fit(labels={"kind": ["tin", "iron"]}, pool={"level": "partial"})
    fit = replace(fit, spec=replace(fit.spec, bound=4.0))
    return tune(fit, [{"N": 1e9, "kind": "iron"}, {"N": 3e9}])


@pytest.fixture(autouse=True)
def close_figures() -> Iterator[None]:
    yield
    plt.close("all")


def shown(figure: Figure) -> list[Axes]:
    figure.canvas.draw()  # everything that can go wrong in drawing goes wrong here
    return [ax for ax in figure.axes if ax.get_visible()]


def marks(ax: Axes, marker: str) -> np.ndarray:
    found = [own.get_xydata() for own in ax.lines if own.get_marker() == marker]
    return np.concatenate(found) if found else np.empty((0, 2))


def test_two_settings_have_a_panel_a_point_with_contours(plane: Tuning) -> None:
    figure = plot(plane)
    axes = shown(figure)
    assert [ax.get_title() for ax in axes] == [
        "N 4e+08, D 8e+09",
        "N 8e+08, D 1.6e+10, no run nearby",
    ]
    for k, ax in enumerate(axes):
        assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
        assert (ax.get_xlabel(), ax.get_ylabel()) == ("lr", "B (token)")
        np.testing.assert_allclose(marks(ax, "*"), [plane.recommended.isel(point=k)])
        assert {"0.1 %", "1 %"} <= {text.get_text() for text in ax.texts}


def test_runs_nearby_are_dots_and_diverged_ones_crosses(plane: Tuning) -> None:
    near, none = shown(plot(plane))
    runs = plane.runs[(plane.runs["N"] == 4e8) & (plane.runs["D"] == 8e9)]
    lost = runs[runs["diverged"]]
    assert 0 < len(lost) < len(runs)
    np.testing.assert_allclose(marks(near, "x"), lost[["lr", "B"]])
    (dots,) = (c for c in near.collections if c.get_label().startswith("runs nearby"))
    np.testing.assert_allclose(dots.get_offsets(), runs.loc[~runs["diverged"], ["lr", "B"]])
    assert len(marks(none, "x")) == 0


def test_the_ring_holds_nine_tenths_of_the_optima(plane: Tuning) -> None:
    ax = shown(plot(plane))[0]
    (ring,) = (own for own in ax.lines if own.get_label() == "the best settings, 90 %")
    path = matplotlib.path.Path(np.log(ring.get_xydata()))
    held = path.contains_points(np.log(plane.best.isel(point=0).to_numpy())).mean()
    assert held == pytest.approx(0.9, abs=4 * np.sqrt(0.9 * 0.1 / 400))


def test_one_setting_has_a_curve_of_the_expected_penalty(line: Tuning) -> None:
    axes = shown(plot(line))
    assert [ax.get_title() for ax in axes] == [
        "N 1e+09, iron",
        "N 3e+09, a new kind, no run nearby",
    ]
    for k, ax in enumerate(axes):
        assert ax.get_xscale() == "log"
        (curve,) = (own for own in ax.lines if own.get_label() == "expected penalty")
        expected = line.expected([{"heat": x} for x in curve.get_xdata()]).isel(point=k)
        np.testing.assert_allclose(curve.get_ydata(), 100 * expected)
        (span,) = (p for p in ax.patches if p.get_label().startswith("plateau"))
        ends = line.plateau[["low", "high"]].iloc[k]
        np.testing.assert_allclose(
            span.get_extents().transformed(ax.transData.inverted()).intervalx, ends
        )


def test_runs_of_one_setting_lie_at_their_loss_over_the_best(line: Tuning) -> None:
    ax = shown(plot(line))[0]
    runs = line.runs[(line.runs["N"] == 1e9) & (line.runs["kind"] == "iron")]
    kept = runs[~runs["diverged"]]
    np.testing.assert_allclose(marks(ax, "o")[:, 0], kept["heat"])
    np.testing.assert_allclose(marks(ax, "o")[:, 1], 100 * kept["excess"])
    np.testing.assert_allclose(marks(ax, "x")[:, 0], runs.loc[runs["diverged"], "heat"])
    assert runs["diverged"].any()


def test_no_plateau_is_drawn_where_there_is_none(line: Tuning) -> None:
    bare = replace(line, plateau=line.plateau.assign(low=np.nan, high=np.nan))
    for ax in shown(plot(bare)):
        assert not [p for p in ax.patches if p.get_label().startswith("plateau")]


def test_figures_are_written(line: Tuning, tmp_path: Path) -> None:
    save_figure(line, tmp_path / "line.png")
    assert (tmp_path / "line.png").stat().st_size > 10_000
