"""Figures of laws whose inputs are no scales, and of responses that can be negative."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from fakes import fake_fit, fake_fit_of
from matplotlib.axes import Axes
from toys import DRIFT, drift, drift_fit, front, mixing_fit

from bayes_scaling.answers import forecast
from bayes_scaling.display import plot
from bayes_scaling.display.plot import CURVES_A_PANEL, LEGEND_INPUTS
from bayes_scaling.posterior import Fit

INPUTS = ["N", "year", "part", "repeats"]


@pytest.fixture(scope="module")
def fit() -> Fit:
    return drift_fit(labels={"recipe": ["adam", "muon"]}, rungs=True)


@pytest.fixture(scope="module")
def mixed() -> Fit:
    return mixing_fit()


@pytest.fixture(autouse=True)
def close_figures() -> Iterator[None]:
    yield
    plt.close("all")


def panels(fit: Fit, figure: str = "fit") -> list[Axes]:
    drawn = plot(fit, figure)
    drawn.canvas.draw()
    return [ax for ax in drawn.axes if ax.get_visible()]


def curves(ax: Axes) -> list[np.ndarray]:
    return [line.get_xydata() for line in ax.lines if len(line.get_xdata()) == 60]


def dots(ax: Axes) -> list[np.ndarray]:
    return [line.get_xydata() for line in ax.lines if line.get_marker() == "o"]


def legend(ax: Axes) -> list[str]:
    return [text.get_text() for text in ax.get_legend().get_texts()]


# -- the fit


def test_scales_alone_have_log_axes(fit: Fit) -> None:
    axes = panels(fit)
    assert len(axes) == 8
    assert [ax.get_xscale() for ax in axes[:4]] == ["log", "linear", "linear", "linear"]
    assert {ax.get_yscale() for ax in axes} == {"linear"}
    assert [ax.get_xlabel() for ax in axes[:4]] == [
        "N, parameters", "year, date (year)", "part, part kept", "repeats, repeats",
    ]  # fmt: skip
    assert {ax.get_ylabel() for ax in axes} == {"loss (nat/token)"}


def test_curves_go_a_little_beyond_the_runs_and_stay_in_the_domain(fit: Fit) -> None:
    ends = {"N": (1e8, 3e10), "year": (2020, 2025.2), "part": (0.25, 1.0), "repeats": (0, 5.2)}
    for ax, name in zip(panels(fit), INPUTS, strict=False):
        for curve in curves(ax):
            assert curve[[0, -1], 0] == pytest.approx(ends[name])
            steps = np.diff(np.log(curve[:, 0]) if name == "N" else curve[:, 0])
            assert np.ptp(steps) < 1e-6 * steps[0]


def test_an_input_of_one_value_has_a_curve_around_it() -> None:
    def ends(part: float, year: float) -> list[list[float]]:
        table = pd.DataFrame(
            {"N": np.geomspace(1e8, 1e10, 8), "year": year, "part": part, "repeats": 0.0}
        )
        return [
            curves(ax)[0][[0, -1], 0].tolist() for ax in panels(fake_fit_of(drift, table, DRIFT))
        ]

    _, year, part, repeats = ends(1.0, 2020.0)
    assert year[0] < 2020 < year[1]
    assert part[0] == pytest.approx(0.9)
    assert part[1] == 1.0
    assert repeats[0] == 0.0
    assert repeats[1] > 0
    _, year, part, _ = ends(0.0, 0.0)
    assert (part[0], year[0]) == (0.0, -1.0)
    assert 0 < part[1] <= 1


def test_runs_below_zero_are_carried_to_their_curves(fit: Fit) -> None:
    for ax in panels(fit)[:4]:
        own, runs = curves(ax), dots(ax)
        assert len(own) == len(runs)
        assert sum(len(r) for r in runs) == 36
        low = min(c[:, 1].min() for c in own)
        assert low < 0 < max(c[:, 1].max() for c in own)
        for curve, members in zip(own, runs, strict=True):
            on_curve = np.interp(members[:, 0], curve[:, 0], curve[:, 1])
            # the noise is 0.01 and the rungs' effect is not in the mean
            assert np.abs(members[:, 1] - on_curve).max() < 0.06


def test_the_curves_are_told_apart_by_an_input_that_moves() -> None:
    rows = [(n, 2020.0, p, 1.0) for n in (1e8, 1e9) for p in (0.2, 0.5, 0.8)]
    table = pd.DataFrame(rows, columns=INPUTS)
    axes = panels(fake_fit_of(drift, table, DRIFT))
    assert [text.split(", ")[0] for text in legend(axes[0])] == ["part 0.2", "part 0.5", "part 0.8"]
    assert [text.split(", ")[0] for text in legend(axes[2])] == ["N 1e+08", "N 1e+09"]


def test_medians_are_those_of_the_axis_and_dates_are_told_in_full(fit: Fit) -> None:
    axes = panels(fit)
    years = ["year 2020", "year 2022.5", "year 2024"]
    # the median of 0.25 and 1 is not that of their logs, and zeros have none
    assert legend(axes[0]) == [f"{y}, part 0.625, repeats 1" for y in years]
    assert legend(axes[3]) == [f"N {n}, year 2022.5, part 0.625" for n in ("1e+08", "1e+10")]
    assert axes[0].get_legend().get_title().get_text() == ""


def test_the_legend_of_many_inputs_is_short(mixed: Fit) -> None:
    axes = panels(mixed)
    assert len(axes) == 6
    for ax in axes:
        texts = legend(ax)
        assert 2 <= len(texts) <= CURVES_A_PANEL
        assert {len(text.split(", ")) for text in texts} == {LEGEND_INPUTS}
        assert ax.get_legend().get_title().get_text() == "other inputs at medians"
    # four panels a row
    assert len({round(ax.get_position().y0, 3) for ax in axes}) == 2


def test_shares_with_many_values_are_binned(mixed: Fit) -> None:
    ax = panels(mixed)[0]
    assert len(curves(ax)) == CURVES_A_PANEL
    assert sum(len(d) for d in dots(ax)) == 24
    assert ax.get_yscale() == "log"


def test_the_frontier_lies_above_the_curve_of_its_runs() -> None:
    table = pd.DataFrame({"year": np.linspace(2018.0, 2025.0, 12)})
    fit = fake_fit_of(front, table, {"level": 2.0, "pace": 0.5})
    (ax,) = panels(fit)
    runs, frontier = curves(ax)
    assert np.all(frontier[:, 1] > runs[:, 1])
    points = pd.DataFrame({"year": frontier[:, 0]})
    expected = forecast(fit, points, kind="mean").summary()["q0.5"]
    np.testing.assert_allclose(frontier[:, 1], expected)
    assert "dashed: the frontier" in ax.figure.get_suptitle()
    assert ax.get_legend() is None


# -- residuals


def residuals(ax: Axes) -> np.ndarray:
    lines = [line for line in ax.lines if line.get_linestyle() == "None"]
    return np.concatenate([line.get_ydata() for line in lines])


def test_residuals_of_raw_noise_are_differences(fit: Fit) -> None:
    axes = panels(fit, "residuals")
    assert [ax.get_xscale() for ax in axes] == ["log"] + ["linear"] * 5
    assert {ax.get_ylabel() for ax in axes[:4]} == {"observed - mean (nat/token)"}
    assert axes[5].get_xlabel() == "observed - mean (nat/token)"
    points = fit.tree["constant_data"].to_dataset().to_dataframe()[[*INPUTS, "recipe"]]
    mean = forecast(fit, points, kind="mean").summary()["q0.5"].to_numpy()
    expected = fit.tree["observed_data"]["response"].to_numpy() - mean
    for ax in axes[:5]:
        np.testing.assert_allclose(np.sort(residuals(ax)), np.sort(expected), rtol=1e-10)
    assert np.abs(expected).max() < 0.06


def test_positive_responses_with_raw_noise_have_differences_too() -> None:
    axes = panels(fake_fit(noise="normal"), "residuals")
    assert axes[0].get_ylabel() == "observed - mean (nat/token)"
    assert np.abs(residuals(axes[0])).max() < 0.2
    fitted = panels(fake_fit(noise="normal"))
    assert {(ax.get_xscale(), ax.get_yscale()) for ax in fitted} == {("log", "linear")}


def test_rungs_with_zeros_have_an_order(fit: Fit) -> None:
    ax = panels(fit, "residuals")[4]
    adam, muon = (line for line in ax.lines if line.get_linestyle() == "None")
    np.testing.assert_array_equal(adam.get_xdata(), muon.get_xdata())
    assert sorted(adam.get_xdata()) == list(range(36))
    points = fit.tree["constant_data"].to_dataset().to_dataframe().query("recipe == 'adam'")
    ordered = points[INPUTS].to_numpy()[np.argsort(adam.get_xdata())]
    # by size first, then by the others
    assert all(tuple(a) < tuple(b) for a, b in pairwise(ordered))


@pytest.mark.parametrize("figure", ["prior", "trace"])
def test_the_other_figures_can_be_drawn(mixed: Fit, figure: str) -> None:
    assert panels(mixed, figure)


def test_a_forecast_tells_dates_in_full(fit: Fit) -> None:
    at = {"N": 7e9, "year": 2026.5, "part": 1 / 3, "repeats": 0.0, "recipe": "adam"}
    ax = plot(forecast(fit, at)).axes[0]
    (label,) = (text.get_text() for text in ax.get_yticklabels())
    assert label == "adam  N 7e+09, year 2026.5, part 0.333, repeats 0"
