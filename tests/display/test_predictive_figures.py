"""The figure of a posterior predictive check."""

from __future__ import annotations

from collections.abc import Iterator

import matplotlib.pyplot as plt
import numpy as np
import pytest
from fakes import RECIPES, changed, fake_fit
from metric_fits import counts_fit, decay_fit

from bayes_scaling.display import plot
from bayes_scaling.posterior import Fit


@pytest.fixture(autouse=True)
def close_figures() -> Iterator[None]:
    yield
    plt.close("all")


@pytest.mark.parametrize(
    ("fit", "label"),
    [
        (fake_fit(RECIPES, rungs=True, draws=50), "loss (nat/token)"),
        (counts_fit(draws=50), "accuracy (fraction)"),
        (decay_fit(unseen=[1], draws=50), "score (fraction)"),
    ],
    ids=["losses", "counts", "chain"],
)
def test_runs_are_drawn_against_runs_like_them(fit: Fit, label: str) -> None:
    figure = plot(fit, "ppc")
    figure.canvas.draw()
    left, right = figure.axes[:2]
    assert left.get_xlabel() == label
    assert len(left.lines) == 51  # fifty draws of the table, and the table
    assert right.get_xlabel() == "share of its draws that lie below a run"
    response = fit.runs()["response"].dropna()
    low, high = left.get_xlim()
    assert low < response.min() < response.max() < high


def test_runs_far_above_their_draws_are_seen() -> None:
    fit = fake_fit(draws=50)
    low = changed(fit, {"level": 0.5 * fit.posterior["level"].to_numpy()})
    right = plot(low, "ppc").axes[1]
    ecdf = max((np.asarray(line.get_ydata()) for line in right.lines), key=len)
    assert ecdf.min() < -0.8  # every run lies above all of its draws
