"""Figures of curves: fitted runs, a running job, schedules."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from fakes import fake_fit_of
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import bayes_scaling as bs
from bayes_scaling.display import plot, save_figure
from bayes_scaling.models import registry
from bayes_scaling.posterior import Fit

CURVE = {"level": 3.0, "reducible": 0.4, "offset": 0.05, "beta": 0.35}
PLANS = {
    "flat": bs.schedules.constant(1e-3, 20_000, 1000),
    "cosine": bs.schedules.cosine(1e-3, 20_000, 1000, 1e-4),
}
WSD = "wsd_linear:peak=1e-3,steps=20000,decay_from=14000,warmup=1000,final=1e-4"


def curves_fit(runs: int = 2, bound: float | None = None) -> Fit:
    """Curves in tokens of two corpora, `runs` of each."""
    names = [f"run{i}" for i in range(2 * runs)]
    table = pd.DataFrame(
        {"D": np.tile(np.linspace(1e9, 2e10, 20), 2 * runs), "run": np.repeat(names, 20),
         "corpus": np.repeat(["web", "code"], 20 * runs)}
    )  # fmt: skip
    return fake_fit_of(
        registry["token_curve"], table, CURVE, labels={"corpus": ["code", "web"]}, draws=100,
        pool={"level": "partial"}, serial=True, bound=bound, noise="student-t",
    )  # fmt: skip


@pytest.fixture(scope="module")
def annealed() -> Fit:
    law = registry["annealing"]
    step = np.linspace(1000, 20_000, 39)[1:]
    runs = pd.DataFrame({"step": np.tile(step, 2), "run": np.repeat([*PLANS], 38)})
    truth = {
        "level": 3.2,
        "reducible": 0.2,
        "alpha": 0.5,
        "gain": 0.05,
        "memory": 0.1,
        "delay": 0.003,
    }
    return fake_fit_of(
        law, runs.assign(schedule=runs["run"]), truth, schedules=PLANS, serial=True, draws=100
    )


@pytest.fixture(autouse=True)
def close_figures() -> Iterator[None]:
    yield
    plt.close("all")


def shown(figure: Figure) -> list[Axes]:
    figure.canvas.draw()
    return [ax for ax in figure.axes if ax.get_visible()]


def legend(ax: Axes) -> list[str]:
    found = ax.get_legend()
    return [t.get_text() for t in found.get_texts()] if found else []


def test_a_fit_of_curves_has_a_panel_a_group_with_each_run() -> None:
    fit = curves_fit()
    axes = shown(plot(fit))
    assert [ax.get_title() for ax in axes] == ["code", "web"]
    assert [legend(ax) for ax in axes] == [["run2", "run3"], ["run0", "run1"]]
    frame = fit.runs()
    for ax, corpus in zip(axes, ["code", "web"], strict=True):
        assert ax.get_xlabel() == "D, tokens seen so far (token)"
        dots = [line for line in ax.lines if line.get_marker() == "o"]
        drawn = np.concatenate([line.get_ydata() for line in dots])
        np.testing.assert_allclose(drawn, frame.loc[frame["corpus"] == corpus, "response"])
        fitted = [line for line in ax.lines if line.get_label().startswith("run")]
        points = frame[(frame["corpus"] == corpus)][["D", "corpus"]][:20]
        expected = bs.forecast(fit, points).summary()["q0.5"]
        np.testing.assert_allclose(fitted[0].get_ydata(), expected)


def test_many_runs_are_thinned() -> None:
    axes = shown(plot(curves_fit(runs=9)))
    assert [ax.get_title() for ax in axes] == ["code, 6 of 9 runs", "web, 6 of 9 runs"]
    assert [len(legend(ax)) for ax in axes] == [6, 6]


def test_diverged_rows_are_marked_and_have_no_residual() -> None:
    fit = curves_fit(bound=3.6)
    frame = fit.runs()
    lost = int(frame["diverged"].sum())
    assert 0 < lost < len(frame) / 2
    axes = shown(plot(fit))
    marks = [line for ax in axes for line in ax.lines if line.get_marker() == "^"]
    assert sum(len(line.get_xdata()) for line in marks) == lost
    assert all("diverged" in line.get_label() for line in marks)
    (first, *_) = shown(plot(fit, "residuals"))
    dots = [line for line in first.lines if line.get_marker() in "os"]
    assert sum(len(line.get_xdata()) for line in dots) == len(frame) - lost


def test_single_runs_that_diverged_are_marked() -> None:
    runs = pd.DataFrame({"D": np.geomspace(1e9, 2e10, 12)})
    fit = fake_fit_of(registry["token_curve"], runs, CURVE, draws=100, bound=3.4)
    (ax,) = shown(plot(fit))
    (marks,) = [line for line in ax.lines if line.get_marker() == "^"]
    assert (marks.get_ydata() == 3.4).all()
    assert len(marks.get_xdata()) == int(fit.runs()["diverged"].sum()) > 0
    assert marks.get_label() == "diverged: at the bound or above"


@pytest.mark.parametrize("figure", ["fit", "residuals", "prior"])
def test_scheduled_fits_are_drawn(annealed: Fit, figure: str) -> None:
    axes = shown(plot(annealed, figure))
    if figure == "fit":
        assert legend(axes[0]) == ["flat", "cosine"]
        assert axes[0].get_xscale() == "linear"
    if figure == "residuals":
        own = {"step": "step, optimiser steps done (step)"}
        assert [ax.get_xlabel() for ax in axes] == list(own.values())
        residual = axes[0].lines[0].get_ydata()
        assert len(residual) == 76
        assert abs(np.median(residual)) < 3


def job(fit: Fit, spike: float = 1.0) -> pd.DataFrame:
    """Half of one more run, with its thirteenth loss times `spike`."""
    rows = pd.DataFrame({"step": np.arange(1500.0, 10_001, 500), "schedule": WSD})
    observed = bs.forecast(fit, rows.assign(run="one")).draws.to_numpy()[5].copy()
    observed[12] *= spike
    return rows.assign(observed=observed)


def test_a_running_job_is_drawn_with_its_end(annealed: Fit) -> None:
    found = bs.track(annealed, job(annealed), level=1e-6)
    whole, off = shown(plot(found))
    assert whole.get_title().startswith("annealing: the run is on track")
    assert legend(whole) == [
        "90 % of runs like earlier ones", "90 % given its rows", "its mean", "observed",
    ]  # fmt: skip
    lines = {line.get_label(): line for line in whole.lines}
    np.testing.assert_allclose(lines["observed"].get_ydata(), found.observed["observed"])
    below = {line.get_label(): line for line in off.lines}
    share = 100 * (found.observed["observed"] / found.observed["q0.5"] - 1)
    np.testing.assert_allclose(below["observed"].get_ydata(), share)
    row = found.summary().iloc[0]
    (words,) = [t.get_text() for t in whole.texts]
    assert words == f"{row['q0.5']:.4g}\n({row['q0.05']:.4g} to {row['q0.95']:.4g})"


def test_the_alarm_is_marked_at_its_row(annealed: Fit) -> None:
    found = bs.track(annealed, job(annealed, 1.3), level=0.05)
    assert found.left_at == 7500
    for ax in shown(plot(found)):
        (mark,) = [line for line in ax.lines if line.get_label() == "alarm at step 7500"]
        assert mark.get_xdata()[0] == 7500
    assert plt.gcf().axes[0].get_title().startswith("annealing: the run is not on track")


def test_schedules_have_rates_curves_and_labels(annealed: Fit) -> None:
    found = bs.compare_schedules(annealed, {"flat": "flat", "again": "flat", "wsd": WSD})
    rates, losses = shown(plot(found))
    table = found.summary().set_index("name")
    for ax, column in ((rates, "rate"), (losses, "q0.5")):
        for line, (_, rows) in zip(ax.lines, found.curves.groupby("name", sort=False), strict=True):
            np.testing.assert_allclose(line.get_xydata(), rows[["step", column]])
    words = sorted(t.get_text() for t in losses.texts)
    last = found.curves.groupby("name").tail(1).set_index("name")["q0.5"]
    assert words == sorted(
        f"{n}: {last[n]:.4f}, best with {table.loc[n, 'p_best']:.2f}" for n in table.index
    )
    # labels of equal ends do not lie on each other
    heights = sorted(t.xyann[1] for t in losses.texts)
    low, high = losses.get_ylim()
    assert min(np.diff(heights)) > 0.04 * (high - low)


@pytest.mark.parametrize("which", ["track", "schedules"])
def test_files(annealed: Fit, tmp_path: Path, which: str) -> None:
    path = tmp_path / "figure.png"
    answer = (
        bs.track(annealed, job(annealed))
        if which == "track"
        else bs.compare_schedules(annealed, ["flat", WSD])
    )
    save_figure(answer, path)
    assert path.read_bytes().startswith(b"\x89PNG")
