"""Forecasts of counts and of chains: what one more run adds, known losses, means over tasks."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from fakes import CONCENTRATION, SIGMA, fake_fit, flat, held
from metric_fits import TASKS, cloglog_fit, counts_fit, decay_fit
from scipy import special

from bayes_scaling.answers import Forecast, forecast
from bayes_scaling.answers.chained import draw_link
from bayes_scaling.errors import UsageError
from bayes_scaling.posterior import Fit

POINT = {"C": 3e21, "task": "arc"}
SCALE = {"N": 1e9, "D": 2e10}


@pytest.fixture(scope="module")
def counts() -> Fit:
    return counts_fit(draws=1000)


@pytest.fixture(scope="module")
def decay() -> Fit:
    return decay_fit(draws=1000)


@pytest.fixture(scope="module")
def tasks() -> Fit:
    return cloglog_fit(draws=200)


def draws(answer: Forecast) -> np.ndarray:
    return answer.draws.transpose("sample", "point").to_numpy()


# -- counts


def test_the_truth_is_a_share(counts: Fit) -> None:
    held_it = forecast(counts, POINT | {"observed": 0.5, "trials": 200}).check()
    assert held_it is not None
    with pytest.raises(UsageError, match=r"observed must be a share from 0 to 1.*got 57"):
        forecast(counts, POINT | {"observed": 57})


def test_the_mean_of_grades_is_what_one_more_is_expected_to_be() -> None:
    fit = counts_fit(draws=1000, noise="ordered-4")
    mean = draws(forecast(fit, POINT, kind="mean"))[:, 0]
    new = draws(forecast(fit, POINT))[:, 0]
    assert set(np.unique(new)) <= {0.0, 0.25, 0.5, 0.75, 1.0}
    assert new.mean() == pytest.approx(mean.mean(), abs=4 * new.std() / np.sqrt(4000))


def test_the_mean_is_a_chance_with_the_chance_level_of_the_task(counts: Fit) -> None:
    found = draws(forecast(counts, [POINT, {"C": 3e21, "task": "qa"}], kind="mean"))
    for j, (task, chance) in enumerate(TASKS.items()):
        place, slope = (
            counts.posterior[k].sel(task=task).to_numpy().ravel() for k in ("place", "slope")
        )
        share = special.expit(place + slope * np.log(3e21 / counts.spec.references["C"]))
        wanted = chance + (1 - chance - flat(counts, "lapse")) * share
        np.testing.assert_allclose(found[:, j], wanted, rtol=1e-6)


@pytest.mark.parametrize("trials", [25, 400, None])
def test_one_more_run_adds_what_its_number_of_items_does(counts: Fit, trials: int | None) -> None:
    fit = held(counts, concentration=CONCENTRATION)
    point = POINT if trials is None else POINT | {"trials": trials}
    mean = draws(forecast(fit, POINT, kind="mean"))[:, 0]
    new = draws(forecast(fit, point))[:, 0]
    variance = mean * (1 - mean) / (1 + CONCENTRATION)
    if trials is not None:
        variance = mean * (1 - mean) / trials * (1 + (trials - 1) / (1 + CONCENTRATION))
        np.testing.assert_allclose(new * trials, np.rint(new * trials), atol=1e-9)
    z = (new - mean) / np.sqrt(variance)
    assert z.mean() == pytest.approx(0, abs=5 / np.sqrt(4000))
    assert z.var() == pytest.approx(1, abs=0.15)


def test_points_without_trials_beside_others_have_no_counting_error(counts: Fit) -> None:
    fit = held(counts, concentration=1e9)
    table = pd.DataFrame([POINT | {"trials": 20.0}, POINT | {"trials": np.nan}])
    found, mean = draws(forecast(fit, table)), draws(forecast(fit, POINT, kind="mean"))[:, 0]
    assert (found[:, 0] - mean).std() > 0.05
    np.testing.assert_allclose(found[:, 1], mean, atol=1e-3)


def test_the_chance_level_comes_from_the_fitted_runs_or_the_point(counts: Fit) -> None:
    known = forecast(counts, POINT).points["chance"].tolist()
    assert known == [0.25]
    assert forecast(counts, POINT | {"chance": 0.5}).points["chance"].tolist() == [0.5]
    with pytest.raises(UsageError, match=r"chance .* is not known at every point.*give chance"):
        forecast(counts, {"C": 3e21})  # a new task, whose chance level nobody knows
    with pytest.raises(UsageError, match="chance must be a number from 0 to 1"):
        forecast(counts, POINT | {"chance": 25})
    assert forecast(counts, {"C": 3e21, "chance": 0.25}).points["task"].tolist() == [None]


@pytest.mark.parametrize(
    ("point", "words"),
    [
        (POINT | {"trials": 0}, "trials must be a whole number of one or more"),
        (POINT | {"trials": 10.5}, "trials must be a whole number of one or more.*got 10.5"),
        (POINT | {"loss": 2.5}, "points hold a loss, and law capability_sigmoid is no chain"),
    ],
)
def test_wrong_points_of_counts(counts: Fit, point: dict, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        forecast(counts, point)
    with pytest.raises(UsageError, match="points hold trials, and noise student-t does not count"):
        forecast(fake_fit(draws=200), SCALE | {"trials": 10})


def test_the_check_compares_shares(counts: Fit) -> None:
    found = forecast(counts, POINT | {"trials": 200, "observed": 0.75}).check()
    assert found is not None
    assert (found["points"], found["held_90"]) == (1, 1)


# -- chains


def expected_loss(fit: Fit, n: float, d: float) -> np.ndarray:
    p = {k: flat(fit, k) for k in ("reducible", "share_N", "beta", "level", "alpha")}
    x0 = fit.spec.references
    decay = p["share_N"] * (n / x0["N"]) ** -p["alpha"]
    decay = decay + (1 - p["share_N"]) * (d / x0["D"]) ** -p["beta"]
    return np.asarray(p["level"] * (1 - p["reducible"] + p["reducible"] * decay))


def error_at(fit: Fit, loss: np.ndarray) -> np.ndarray:
    p = {k: flat(fit, k) for k in ("metric_level", "slope", "limit")}
    gap = (1 - p["metric_level"]) * p["limit"]
    ratio = loss / fit.spec.references["L"]
    return np.asarray(p["metric_level"] + gap - gap * np.exp(p["slope"] * (1 - ratio) / gap))


def test_the_mean_of_a_chain_goes_through_the_loss(decay: Fit) -> None:
    loss = expected_loss(decay, 1e9, 2e10)
    of_loss = forecast(decay, SCALE, kind="mean", of="loss")
    np.testing.assert_allclose(draws(of_loss)[:, 0], loss, rtol=1e-6)
    assert (of_loss.response, of_loss.unit) == ("loss", "nat/token")
    metric = forecast(decay, SCALE, kind="mean")
    np.testing.assert_allclose(draws(metric)[:, 0], error_at(decay, loss), rtol=1e-6)
    assert (metric.response, metric.unit) == ("score", "fraction")


def test_one_more_run_of_a_chain_has_the_noise_of_both(decay: Fit) -> None:
    """Its deviation in the loss moves the metric by carry times the slope of the link."""
    fit = held(decay, nu=1e6, loss_nu=1e6, sigma=0.004, loss_sigma=SIGMA)
    loss = expected_loss(fit, 1e9, 2e10)
    seen = np.log(draws(forecast(fit, SCALE, of="loss"))[:, 0] / loss)
    assert seen.std() == pytest.approx(SIGMA, rel=0.06)
    off = draws(forecast(fit, SCALE))[:, 0] - error_at(fit, loss)
    slope = (error_at(fit, loss * 1.001) - error_at(fit, loss * 0.999)) / 0.002
    wanted = np.hypot(0.004, flat(fit, "carry") * slope * SIGMA).mean()
    assert off.std() == pytest.approx(wanted, rel=0.06)


def test_a_loss_that_is_known_moves_the_metric_by_carry(decay: Fit) -> None:
    expected = expected_loss(decay, 1e9, 2e10)
    points = [SCALE | {"loss": 2.4}, SCALE, SCALE | {"loss": np.nan}]
    found = draws(forecast(decay, points, kind="mean"))
    carry = flat(decay, "carry")
    reached = np.exp(np.log(expected) + carry * (np.log(2.4) - np.log(expected)))
    np.testing.assert_allclose(found[:, 0], error_at(decay, reached), rtol=1e-6)
    np.testing.assert_allclose(found[:, 1], error_at(decay, expected), rtol=1e-6)
    np.testing.assert_array_equal(found[:, 1], found[:, 2])
    known = draws(forecast(decay, points[:1], of="loss"))
    np.testing.assert_allclose(known, 2.4)


def test_a_known_loss_leaves_only_the_noise_of_the_metric(decay: Fit) -> None:
    fit = held(decay, nu=1e6, sigma=SIGMA)
    point = SCALE | {"loss": 2.4}
    off = draws(forecast(fit, point)) - draws(forecast(fit, point, kind="mean"))
    assert off.std() == pytest.approx(SIGMA, rel=0.06)


def test_the_link_is_the_second_law_at_a_loss(decay: Fit) -> None:
    table = pd.DataFrame([SCALE | {"loss": 2.4}, {"N": 1e8, "D": 2e9, "loss": 2.4}])
    found = draw_link(decay, table, np.random.default_rng(0), new_run=False)
    for column in found.T:  # whatever the scale
        np.testing.assert_allclose(column, error_at(decay, np.full(4000, 2.4)), rtol=1e-6)


def test_what_of_a_chain() -> None:
    with pytest.raises(UsageError, match="of is 'metric'; it must be response, or loss"):
        forecast(decay_fit(draws=200), SCALE, of="metric")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"or loss where the law is a chain.*chinchilla"):
        forecast(fake_fit(draws=200), SCALE, of="loss")
    with pytest.raises(UsageError, match="loss must be a positive number, or missing, got -1"):
        forecast(decay_fit(draws=200), SCALE | {"loss": -1.0})


# -- means over tasks


def test_the_mean_over_tasks_is_taken_draw_by_draw(tasks: Fit) -> None:
    rows = [SCALE | {"task": t, "observed": o} for t, o in (("arc", 0.5), ("qa", 0.3))]
    rows += [{"N": 1e8, "D": 2e9, "task": t, "observed": 0.2} for t in TASKS]
    answer = forecast(tasks, rows, kind="mean")
    whole = answer.average_over("task")
    wanted = draws(answer).reshape(-1, 2, 2).mean(axis=2)
    np.testing.assert_allclose(draws(whole), wanted)
    assert whole.groups == ()
    assert whole.points["observed"].tolist() == [0.4, 0.2]
    assert whole.points[["N", "D"]].to_numpy().tolist() == [[1e9, 2e10], [1e8, 2e9]]
    assert list(whole.extrapolation.columns) == ["N", "D"]
    assert len(whole.summary()) == 2


def test_the_mean_over_tasks_in_any_order_of_rows(tasks: Fit) -> None:
    rows = [{"N": n, "D": 2e10, "task": t} for t in TASKS for n in (1e9, 2e8)]
    whole = forecast(tasks, rows, kind="mean").average_over("task")
    assert whole.points["N"].tolist() == [1e9, 2e8]
    by_size = [forecast(tasks, [r for r in rows if r["N"] == n], kind="mean") for n in (1e9, 2e8)]
    for j, one in enumerate(by_size):
        np.testing.assert_allclose(draws(whole)[:, j], draws(one).mean(axis=1))


def test_the_mean_over_pairs_of_columns_and_labels_that_are_missing() -> None:
    labels = {"task": [*TASKS], "set": ["x", "y"], "recipe": ["adam", "muon"]}
    fit = fake_fit(labels, draws=200)
    rows = [
        SCALE | {"task": t, "set": s, "recipe": r}
        for r in ("muon", None)
        for t, s in (("arc", "x"), ("qa", "x"), ("qa", "y"))
    ]
    answer = forecast(fit, rows, kind="mean")
    whole = answer.average_over("task", ["set"])
    assert whole.groups == ("recipe",)
    assert [r if isinstance(r, str) else None for r in whole.points["recipe"]] == ["muon", None]
    np.testing.assert_allclose(draws(whole), draws(answer).reshape(-1, 2, 3).mean(axis=2))


def test_a_mean_over_no_column_is_refused(tasks: Fit) -> None:
    answer = forecast(tasks, SCALE | {"task": "qa"})
    with pytest.raises(UsageError, match=r"no grouping columns recipe to average over.*: task"):
        answer.average_over("recipe")
