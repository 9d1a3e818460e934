"""Scores of draws: by hand, and against closed forms of the normal distribution."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from bayes_scaling.validation.scores import log_density, score_differences, score_draws

M = 4001
NORMAL = stats.norm.ppf((np.arange(M) + 0.5) / M)  # as good as a sample can be


def normal(mean: float, sd: float) -> np.ndarray:
    return mean + sd * NORMAL


def test_scores_by_hand() -> None:
    steps = np.linspace(1.0, 3.0, 2001)  # quantiles are linear
    truth = np.array([2.2, 3.4])
    table = score_draws(truth, np.stack([steps, steps]))
    assert table["median"].tolist() == pytest.approx([2.0, 2.0])
    assert table["low"].tolist() == pytest.approx([1.1, 1.1])
    assert table["high"].tolist() == pytest.approx([2.9, 2.9])
    assert table["relative_error"].tolist() == pytest.approx([0.2 / 2.2, 1.4 / 3.4])
    # 1.8 wide, and 2 / .1 times the .5 that the second lies above
    assert table["interval_score"].tolist() == pytest.approx([1.8 / 2.2, (1.8 + 10.0) / 3.4])
    assert table["held_90"].tolist() == [1.0, 0.0]
    inner = score_draws(np.array([2.2, 2.6, 2.85]), np.stack([steps] * 3))
    assert inner[["held_50", "held_80", "held_90"]].to_numpy().tolist() == [
        [1, 1, 1], [0, 1, 1], [0, 0, 1],
    ]  # fmt: skip


def test_the_crps_of_a_normal() -> None:
    """Gneiting and Raftery (2007), equation 21."""
    z = np.array([-2.0, 0.0, 0.7])
    sd, mean = 0.03, 1.1
    expected = sd * (z * (2 * stats.norm.cdf(z) - 1) + 2 * stats.norm.pdf(z) - 1 / np.sqrt(np.pi))
    truth, draws = mean + sd * z, np.stack([normal(mean, sd)] * 3)
    found = score_draws(np.exp(truth), np.exp(draws))["crps"]
    assert found.tolist() == pytest.approx(expected.tolist(), rel=2e-3)
    raw = score_draws(truth, draws, on_log=False)
    assert raw["crps"].tolist() == pytest.approx(expected.tolist(), rel=2e-3)


def test_errors_of_other_responses_are_their_own() -> None:
    draws = np.stack([normal(-1.0, 0.5), normal(0.0, 0.5)])
    table = score_draws(np.array([-1.2, 0.1]), draws, on_log=False)
    assert table["relative_error"].tolist() == pytest.approx([0.2, 0.1])
    width = 2 * 1.6449 * 0.5
    assert table["interval_score"].tolist() == pytest.approx([width, width], rel=2e-3)


@pytest.mark.parametrize("z", [0.0, 1.0, -2.0])
def test_the_log_density_of_a_normal(z: float) -> None:
    sd = 0.02
    found = log_density(np.array([0.5 + z * sd]), normal(0.5, sd)[None])[0]
    assert found == pytest.approx(stats.norm.logpdf(z) - math.log(sd), abs=0.07)


def test_the_log_density_does_not_fall_off_a_cliff() -> None:
    sd = 0.02
    for z in (8.0, 30.0, 1000.0):
        found = log_density(np.array([z * sd]), normal(0.0, sd)[None])[0] + math.log(sd)
        assert -4 * math.log(z) - 4 < found < -4 * math.log(z) - 3


def test_a_few_far_draws_do_not_widen_the_density() -> None:
    sd = 0.02
    spoiled = normal(0.0, sd)
    spoiled[:8] = -5.0
    found = log_density(np.array([0.0]), spoiled[None])[0]
    assert found == pytest.approx(stats.norm.logpdf(0.0) - math.log(sd), abs=0.06)


def test_draws_that_are_all_alike_have_a_finite_density() -> None:
    draws = np.stack([np.full(100, 0.25), np.zeros(100), np.repeat([0.0, 0.1], [80, 20])])
    assert np.isfinite(log_density(np.array([0.5, 0.0, 0.0]), draws)).all()


def test_differences_by_hand() -> None:
    """Three recipes at one rung, two of them at another, one with two seeds."""
    shared = np.linspace(-0.5, 0.5, 2001)  # cancels in differences
    levels = {"a": 1.0, "b": 0.9, "c": 0.8}
    groups, rungs = [*"abc", *"aab"], ["x"] * 3 + ["y"] * 3
    spread = 0.1 * shared  # of a alone
    draws = np.stack([levels[g] + shared + (spread if g == "a" else 0.0) for g in groups])
    truth = np.exp([1.0, 1.02, 0.5, 1.3, 1.1, 0.9])
    table = score_differences(truth, np.exp(draws), groups, rungs)
    assert table[["rung", "first", "second"]].to_numpy().tolist() == [
        ["x", "a", "b"], ["x", "a", "c"], ["x", "b", "c"], ["y", "a", "b"],
    ]  # fmt: skip
    assert table["difference"].tolist() == pytest.approx([-0.02, 0.5, 0.52, 0.3])
    assert table["median"].tolist() == pytest.approx([0.1, 0.2, 0.1, 0.1])
    assert table["low"].tolist() == pytest.approx([0.055, 0.155, 0.1, 0.055])
    assert table["error"].tolist() == pytest.approx([0.12, 0.3, 0.42, 0.2])
    assert table["held_90"].tolist() == [0.0, 0.0, 0.0, 0.0]
    assert table["right_sign"].tolist() == [0.0, 1.0, 1.0, 1.0]
    raw = score_differences(np.array([1.0, 0.91]), draws[:2], groups[:2], rungs[:2], on_log=False)
    assert raw["difference"].tolist() == pytest.approx([0.09])
    assert raw["held_90"].tolist() == [1.0]


def test_a_true_difference_of_zero_has_no_right_sign() -> None:
    draws = np.stack([normal(1.0, 0.1), normal(0.9, 0.1)])
    found = score_differences(np.array([2.0, 2.0]), draws, ["a", "b"], ["x", "x"], on_log=False)
    assert found["right_sign"].isna().all()
    assert score_differences(np.array([2.0]), draws[:1], ["a"], ["x"]).empty
