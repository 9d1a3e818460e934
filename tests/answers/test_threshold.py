"""Where a response passes a level: the inverse of the law, draw by draw."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from fakes import GROUP_SD, changed, diverged, fake_fit, flat
from metric_fits import TASKS, cloglog_fit, counts_fit, decay_fit
from scipy import special

from bayes_scaling.answers import Threshold, forecast, threshold
from bayes_scaling.errors import FitError, UsageError
from bayes_scaling.posterior import Fit


@pytest.fixture(scope="module")
def counts() -> Fit:
    return counts_fit(draws=100)


def places(answer: Threshold) -> np.ndarray:
    return answer.draws.transpose("sample", "point").to_numpy()


@pytest.mark.parametrize("level", [0.3, 0.6, 0.9])
def test_the_place_is_the_inverse_of_the_law(counts: Fit, level: float) -> None:
    answer = threshold(
        counts, level, "C", at=[{"task": "arc"}, {"task": "qa"}], within=(1e15, 1e30)
    )
    for j, (task, chance) in enumerate(TASKS.items()):
        place = counts.posterior["place"].sel(task=task).to_numpy().ravel()
        slope = counts.posterior["slope"].sel(task=task).to_numpy().ravel()
        share = (level - chance) / (1 - chance - flat(counts, "lapse"))
        wanted = counts.spec.references["C"] * np.exp((special.logit(share) - place) / slope)
        np.testing.assert_allclose(places(answer)[:, j], wanted, rtol=1e-6)
    assert (answer.along, answer.along_unit, answer.on_log) == ("C", "unit of the column", True)
    assert answer.fitted == pytest.approx((1e18, 1e22))
    table = answer.summary()
    assert table["chance"].tolist() == [0.25, 0.0]  # of the fitted runs of the task
    np.testing.assert_array_equal(table["passes"], 1.0)
    assert "C" not in table


def test_the_mean_at_the_place_is_the_level() -> None:
    fit = decay_fit(draws=100)
    answer = threshold(fit, 0.5, "N", at={"D": 1e10}, within=(1e5, 1e15))
    own = places(answer)[:, 0]
    assert np.isfinite(own).all()
    for j in (0, 57, 399):
        at = forecast(fit, {"N": own[j], "D": 1e10}, kind="mean").draws.to_numpy()[j, 0]
        assert at == pytest.approx(0.5, abs=1e-8)


def test_inputs_that_grow_in_proportion() -> None:
    """With beta = alpha and 20 tokens a parameter the loss is a power of N."""
    fit = fake_fit(draws=100)
    alpha = flat(fit, "alpha")
    fit = changed(fit, {"beta": alpha.reshape(4, 100)})
    level = 2.6
    answer = threshold(fit, level, "N", ratios={"D": 20}, within=(1e6, 1e14))
    x0 = fit.spec.references
    part = (level / flat(fit, "level") - 1) / flat(fit, "reducible") + 1
    share = flat(fit, "share_N")
    scale = share * x0["N"] ** alpha + (1 - share) * (x0["D"] / 20) ** alpha
    np.testing.assert_allclose(places(answer)[:, 0], (scale / part) ** (1 / alpha), rtol=1e-6)
    assert answer.ratios == {"D": 20}


def test_what_is_not_reached_and_what_was_passed_before(counts: Fit) -> None:
    at = [{"task": "arc"}, {"task": "qa"}]
    never = threshold(counts, 0.999, "C", at=at).summary()  # above the ceiling
    np.testing.assert_array_equal(never["never"], 1.0)
    assert np.isinf(never[["q0.05", "q0.95"]].to_numpy()).all()
    before = threshold(counts, 0.2, "C", at=at, within=(1e21, 1e23)).summary()
    np.testing.assert_array_equal(before["before"], 1.0)
    assert (before["q0.5"] == -np.inf).all()
    # half-way: a level that the range's end splits
    wide = threshold(counts, 0.7, "C", at=at[1], within=(1e15, 1e30))
    middle = float(np.median(places(wide)))
    cut = threshold(counts, 0.7, "C", at=at[1], within=(1e15, middle)).summary().iloc[0]
    assert cut["never"] == pytest.approx(0.5, abs=0.01)
    assert cut["passes"] + cut["never"] + cut["before"] == pytest.approx(1.0)
    np.testing.assert_allclose(cut["q0.25"], wide.summary()["q0.25"].iloc[0], rtol=1e-6)
    assert cut["q0.75"] == np.inf


def test_losses_fall_through_a_level() -> None:
    fit = fake_fit(draws=100)
    assert threshold(fit, 9.0, "N", at={"D": 8e9}).summary()["before"].iloc[0] == 1
    assert threshold(fit, 1.0, "N", at={"D": 8e9}).summary()["never"].iloc[0] == 1


def test_a_new_group_is_drawn_once_for_all_questions(counts: Fit) -> None:
    at = pd.DataFrame({"chance": [0.0, 0.0]})
    own = np.log(places(threshold(counts, 0.5, "C", at=at, seed=3, within=(1e10, 1e30))))
    np.testing.assert_array_equal(own[:, 0], own[:, 1])
    known = np.log(places(threshold(counts, 0.5, "C", at={"task": "qa"}, within=(1e10, 1e30))))
    # place and slope differ between tasks by GROUP_SD
    assert own.std() > 3 * known.std()
    assert own[:, 0].std() == pytest.approx(GROUP_SD / 0.5, rel=0.3)
    other = places(threshold(counts, 0.5, "C", at=at, seed=4, within=(1e10, 1e30)))
    assert not np.array_equal(np.log(other), own)


def test_of_a_chain_the_metric_is_inverted_through_the_loss() -> None:
    fit = cloglog_fit(draws=100)
    answer = threshold(fit, 0.3, "N", at={"D": 1e10, "task": "qa"}, within=(1e6, 1e13))
    p = {k: flat(fit, k) for k in ("slope", "reducible", "share_N", "beta", "lapse")}
    place = fit.posterior["place"].sel(task="qa").to_numpy().ravel()
    knows = 0.3 / (1 - p["lapse"])
    loss = fit.spec.references["L"] * np.exp((np.log(-np.log(knows)) - place) / p["slope"])
    x0 = fit.spec.references
    part = (loss / flat(fit, "level") - 1) / p["reducible"] + 1
    part = part - (1 - p["share_N"]) * (1e10 / x0["D"]) ** -p["beta"]
    wanted = x0["N"] * (part / p["share_N"]) ** (-1 / flat(fit, "alpha"))
    np.testing.assert_allclose(places(answer)[:, 0], wanted, rtol=1e-5)


def test_the_default_range_and_the_warning_far_out(counts: Fit) -> None:
    answer = threshold(counts, 0.95, "C", at={"task": "qa"})
    assert answer.within == pytest.approx((1e18, 1e25))
    (found,) = answer.warnings
    assert found.code == "far-outside"
    assert "the median place of question 1 lies 1." in found.message
    assert threshold(counts, 0.7, "C", at={"task": "qa"}).warnings == ()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"along": "N"}, "law capability_sigmoid has no input 'N'; it has C, chance"),
        ({"ratios": {"D": 20}}, "no input 'D'"),
        ({"ratios": {"chance": -1}}, "ratios must be positive"),
        ({"ratios": {"C": 2}}, "ratios must be positive, and of other inputs than C"),
        ({"within": (1e22, 1e20)}, "the range of C is 1e.22 to 1e.20; it must go up"),
        ({"within": (-1, 1e20)}, "it must go up, from and to a positive number"),
        ({"at": {"task": "math"}}, "task 'math' was not fitted"),
        ({"at": None}, "chance .* is not known at every point"),
    ],
)
def test_wrong_usage(counts: Fit, options: dict, words: str) -> None:
    given = {"along": "C", "at": {"task": "arc"}} | options
    with pytest.raises(UsageError, match=words):
        threshold(counts, 0.5, **given)


def test_a_poor_fit_is_refused(counts: Fit) -> None:
    poor = diverged(counts, 200)
    with pytest.raises(FitError, match="divergences"):
        threshold(poor, 0.5, "C", at={"task": "arc"})
    forced = threshold(poor, 0.5, "C", at={"task": "arc"}, force=True)
    assert "divergences" in [w.code for w in forced.warnings]
