"""Figures of hand-made fits: axes, units, the truth, and the files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
from fakes import RECIPES, SIZES, TOKENS, diverged, fake_fit
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bayes_scaling.answers import Forecast, forecast
from bayes_scaling.display import plot, save_figure
from bayes_scaling.errors import UsageError
from bayes_scaling.posterior import Fit

FIGURES = ["fit", "prior", "residuals", "trace"]
POINTS = [
    {"N": 7e9, "D": 1.4e12, "recipe": "adam", "observed": 2.05},
    {"N": 3e9, "D": 6e11, "observed": 2.2},
]


@pytest.fixture(scope="module")
def single() -> Fit:
    return fake_fit()


@pytest.fixture(scope="module")
def pooled() -> Fit:
    return fake_fit(RECIPES, rungs=True)


@pytest.fixture(scope="module")
def answer(pooled: Fit) -> Forecast:
    return forecast(pooled, POINTS)


@pytest.fixture(autouse=True)
def close_figures() -> Iterator[None]:
    yield
    plt.close("all")


def shown(figure: Figure) -> list[Axes]:
    figure.canvas.draw()  # everything that can go wrong in drawing goes wrong here
    return [ax for ax in figure.axes if ax.get_visible()]


def legend(ax: Axes) -> list[str]:
    found = ax.get_legend()
    return [t.get_text() for t in found.get_texts()] if found else []


def curves(ax: Axes) -> list[np.ndarray]:
    return [line.get_xydata() for line in ax.lines if len(line.get_xdata()) > 10]


def dots(ax: Axes) -> np.ndarray:
    return np.concatenate([line.get_xydata() for line in ax.lines if line.get_marker() == "o"])


@pytest.mark.parametrize("name", ["single", "pooled"])
def test_the_fit_has_one_row_a_group_and_one_column_an_input(
    name: str, request: pytest.FixtureRequest
) -> None:
    fit = request.getfixturevalue(name)
    axes = shown(plot(fit))
    labels = ["adam", "muon"] if fit.groups else [""]
    assert [ax.get_title() for ax in axes] == [label for label in labels for _ in "ND"]
    for i, ax in enumerate(axes):
        assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
        expected = ["N, model parameters (parameter)", "D, training tokens (token)"][i % 2]
        assert ax.get_xlabel() == expected
        assert ax.get_ylabel() == "loss (nat/token)"
        held = [f"{'DN'[i % 2]} {v:.2g}" for v in (TOKENS, SIZES)[i % 2]]
        assert legend(ax) == held
        assert len(curves(ax)) == len(ax.collections) == 3
        assert len(dots(ax)) == 9
        assert all(text.get_text() for text in ax.get_yticklabels())


def test_the_runs_lie_on_their_curves_and_the_curves_fall(single: Fit) -> None:
    for ax in shown(plot(single)):
        for curve in curves(ax):
            assert np.all(np.diff(curve[:, 1]) < 0.02)
            assert curve[0, 1] > curve[-1, 1] + 0.2
        run_x = dots(ax)
        nearest = [
            min(abs(np.interp(x, c[:, 0], c[:, 1]) / y - 1) for c in curves(ax)) for x, y in run_x
        ]
        assert max(nearest) < 0.05
        low, high = curves(ax)[0][[0, -1], 0]
        fitted = SIZES if ax.get_xlabel().startswith("N") else TOKENS
        assert (low, high) == pytest.approx((fitted[0], 3 * fitted[-1]))


def test_the_bands_hold_the_medians(single: Fit) -> None:
    for ax in shown(plot(single)):
        for band, curve in zip(ax.collections, curves(ax), strict=True):
            area = band.get_paths()[0]
            assert area.contains_points(curve[5:-5]).all()


def test_the_prior_stands_beside_the_posterior(pooled: Fit) -> None:
    axes = shown(plot(pooled, "prior"))
    assert [ax.get_xlabel() for ax in axes] == [
        "level, centre (nat/token)", "reducible", "share_N", "alpha, centre", "beta",
    ]  # fmt: skip
    assert legend(axes[0]) == ["prior", "posterior"]
    for ax in axes:
        prior, posterior = (np.array([bar.get_height() for bar in bars]) for bars in ax.containers)
        # the fake has learned much: its density is far higher than the prior's
        assert posterior.max() > 5 * prior.max() > 0


def test_the_residuals_are_relative_by_input_rung_and_group(pooled: Fit) -> None:
    axes = shown(plot(pooled, "residuals"))
    percent = "observed / mean - 1 (%)"
    assert [ax.get_xlabel() for ax in axes] == [
        "N, model parameters (parameter)", "D, training tokens (token)",
        "rung, from the smallest to the largest", percent,
    ]  # fmt: skip
    assert [ax.get_xscale() for ax in axes] == ["log", "log", "linear", "linear"]
    assert axes[0].get_ylabel() == percent
    assert [t.get_text() for t in axes[3].get_yticklabels()] == ["adam", "muon"]
    points = pooled.tree["constant_data"].to_dataset().to_dataframe()[["N", "D", "recipe"]]
    mean = forecast(pooled, points, kind="mean").summary()["q0.5"].to_numpy()
    loss = pooled.tree["observed_data"]["response"].to_numpy()
    residual = 100 * (loss / mean - 1)
    for i, recipe in enumerate(["adam", "muon"]):
        mine = (points["recipe"] == recipe).to_numpy()
        for ax, x in zip(axes[:2], "ND", strict=True):
            drawn = [line for line in ax.lines if len(line.get_xdata()) == 9][i]
            np.testing.assert_allclose(drawn.get_xdata(), points[x][mine])
            np.testing.assert_allclose(drawn.get_ydata(), residual[mine])
        by_group = [line for line in axes[3].lines if len(line.get_xdata()) == 9][i]
        np.testing.assert_allclose(by_group.get_xdata(), residual[mine])
        assert set(by_group.get_ydata()) == {i}


def test_rungs_stand_in_the_order_of_their_size(pooled: Fit) -> None:
    ax = shown(plot(pooled, "residuals"))[2]
    adam, muon = [line for line in ax.lines if len(line.get_xdata()) == 9]
    assert sorted(adam.get_xdata()) == list(range(9))
    np.testing.assert_array_equal(adam.get_xdata(), muon.get_xdata())  # one place a rung
    runs = pooled.tree["constant_data"].to_dataset().to_dataframe().query("recipe == 'adam'")
    cost = (runs["N"] * runs["D"]).to_numpy()[np.argsort(adam.get_xdata())]
    assert np.all(cost[1:] > 0.99 * cost[:-1])


def test_residuals_of_one_group(single: Fit) -> None:
    axes = shown(plot(single, "residuals"))
    assert len(axes) == 2
    assert [len(line.get_xdata()) for line in axes[0].lines] == [9, 2]


def test_the_trace_has_every_scalar(pooled: Fit) -> None:
    figure = plot(pooled, "trace")
    assert isinstance(figure, Figure)
    words = " ".join(t.get_text() for ax in shown(figure) for t in ax.texts)
    words += " ".join(ax.get_title() + ax.get_xlabel() + ax.get_ylabel() for ax in figure.axes)
    for name in ("level_centre", "level_sd_recipe", "beta", "sigma", "nu", "rung_sd"):
        assert name in words
    assert "rung_effect" not in words


def test_the_forecast_shows_the_truth(answer: Forecast) -> None:
    (ax,) = shown(plot(answer))
    assert ax.get_xlabel() == "loss (nat/token)"
    assert ax.get_title() == "chinchilla: forecast of one more run"
    labels = [t.get_text() for t in ax.get_yticklabels()]
    assert sorted(labels) == ["(new)  N 3e+09, D 6e+11", "adam  N 7e+09, D 1.4e+12"]
    assert legend(ax) == ["90 % interval", "50 % interval", "median", "observed"]
    lines = {line.get_label(): line.get_xdata() for line in ax.lines}
    np.testing.assert_allclose(lines["observed"], [2.05, 2.2])
    table = answer.summary()
    np.testing.assert_allclose(lines["median"], table["q0.5"])
    wide, narrow = (np.array([s[:, 0] for s in c.get_segments()]) for c in ax.collections)
    np.testing.assert_allclose(wide, table[["q0.05", "q0.95"]])
    np.testing.assert_allclose(narrow, table[["q0.25", "q0.75"]])
    ticks = dict(zip(labels, ax.get_yticks(), strict=True))
    assert ticks["adam  N 7e+09, D 1.4e+12"] == wide_height(ax, 0)


def wide_height(ax: Axes, row: int) -> float:
    return float(ax.collections[0].get_segments()[row][0, 1])


def test_the_forecast_without_the_truth(single: Fit) -> None:
    (ax,) = shown(plot(forecast(single, {"N": 7e9, "D": 1.4e12}, kind="mean")))
    assert "observed" not in legend(ax)
    assert ax.get_title() == "chinchilla: forecast of the law's mean"
    assert [t.get_text() for t in ax.get_yticklabels()] == ["N 7e+09, D 1.4e+12"]


def test_two_grouping_columns() -> None:
    fit = fake_fit(RECIPES | {"corpus": ["x", "y"]})
    titles = [ax.get_title() for ax in shown(plot(fit))]
    assert titles[::2] == ["adam, x", "adam, y", "muon, x", "muon, y"]
    axes = shown(plot(fit, "residuals"))
    assert [t.get_text() for t in axes[-1].get_yticklabels()] == titles[::2]


@pytest.mark.parametrize("figure", FIGURES)
def test_a_poor_fit_can_be_looked_at(single: Fit, figure: str) -> None:
    assert shown(plot(diverged(single, 400), figure))


@pytest.mark.parametrize(
    ("figure", "suffix"),
    [
        *((figure, suffix) for figure in [*FIGURES, "forecast"] for suffix in (".png", ".pdf")),
        ("forecast", ".svg"),
        ("forecast", ".PNG"),
    ],
)
def test_files(pooled: Fit, answer: Forecast, tmp_path: Path, figure: str, suffix: str) -> None:
    path = tmp_path / f"figure{suffix}"
    if figure == "forecast":
        save_figure(answer, path)
    else:
        save_figure(pooled, path, figure)
    start = {".png": b"\x89PNG", ".pdf": b"%PDF", ".svg": b"<?xml"}[suffix.lower()]
    assert path.read_bytes().startswith(start)
    assert path.stat().st_size > 5000
    assert plt.get_fignums() == []  # it closes what it drew


def test_an_unknown_figure_is_refused(single: Fit, tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match="no figure 'pie'; there are fit, prior, residuals, ppc, trace"
    ):
        plot(single, "pie")
    with pytest.raises(UsageError, match="no figure 'pie'"):
        save_figure(single, tmp_path / "a.png", "pie")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["figure.jpeg2", "figure", "figure.csv"])
def test_an_unknown_format_is_refused(single: Fit, tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match=rf"{name}' must end in one of \.png, \.pdf, \.svg"):
        save_figure(single, tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_refused(single: Fit, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nowhere' of the figure does not exist; make it first"):
        save_figure(single, tmp_path / "nowhere" / "figure.png")
    assert list(tmp_path.iterdir()) == []
