"""Running jobs against fits by hand: exact answers, coverage, alarms, and what is refused."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
import pandas as pd
import pytest
from fakes import RECIPES, changed, fake_fit, fake_fit_of, flat
from jax import Array
from scipy import stats

import bayes_scaling as bs
from bayes_scaling.answers.serial import tied, untied
from bayes_scaling.answers.track import Tracking, track
from bayes_scaling.errors import UsageError
from bayes_scaling.law import Input, Loss, Normal, Parameter, law
from bayes_scaling.models import registry
from bayes_scaling.posterior import Fit

DRAWS = 4000
PLAN = "wsd_linear:peak=1e-3,steps=20000,decay_from=14000,warmup=1000,final=1e-4"
PLANS = {
    "flat": bs.schedules.constant(1e-3, 20_000, 1000),
    "cosine": bs.schedules.cosine(1e-3, 20_000, 1000, 1e-4),
}
ANNEALING = {
    "level": 3.2,
    "reducible": 0.2,
    "alpha": 0.5,
    "gain": 0.05,
    "memory": 0.1,
    "delay": 0.003,
}
CURVE = {"level": 3.0, "reducible": 0.4, "offset": 0.05, "beta": 0.35}


@law(response=Loss(signed=True), citation="kaplan2020", family="test")
def line(
    x: Annotated[Array, Input("tokens", "token")],
    *,
    a: Annotated[Array, Parameter(Normal(0.0, 1.0), "level", varies=True)],
    b: Annotated[Array, Parameter(Normal(0.0, 1.0), "slope", varies=True)],
) -> Array:
    """$y = a + b (x / x_0 - 1)$"""
    return a + b * (x - 1.0)


def steady(fit: Fit, **values: float) -> Fit:
    """The fit with scalars that hardly move."""
    wobble = 1 + 1e-6 * np.random.default_rng(5).normal(size=(4, DRAWS // 4))
    return changed(fit, {k: v * wobble for k, v in values.items()})


def linear_fit(rho: float = 0.7) -> Fit:
    runs = pd.DataFrame({"x": np.tile(np.arange(1.0, 9), 3), "run": np.repeat([*"abc"], 8)})
    runs["recipe"] = np.repeat(["adam", "muon", "muon"], 8)
    fit = fake_fit_of(
        line, runs, {"a": 1.0, "b": 0.5}, labels=RECIPES, pool={"a": "partial", "b": "partial"},
        noise="normal", serial=True, draws=DRAWS // 4,
    )  # fmt: skip
    return steady(fit, sigma=0.05, rho=rho)


def curves_fit(noise: str = "student-t") -> Fit:
    """Curves in tokens of four corpora."""
    corpora = {"corpus": [*"wxyz"]}
    runs = pd.DataFrame(
        {"D": np.tile(np.linspace(1e9, 2e10, 20), 4), "run": np.repeat([*"pqrs"], 20)}
    )
    runs["corpus"] = np.repeat(corpora["corpus"], 20)
    pool = {"level": "partial", "beta": "partial"}
    return fake_fit_of(
        registry["token_curve"], runs, CURVE, labels=corpora, pool=pool, serial=True, noise=noise
    )


@pytest.fixture(scope="module")
def curves() -> Fit:
    return curves_fit()


@pytest.fixture(scope="module")
def annealed() -> Fit:
    step = np.linspace(1000, 20_000, 39)[1:]
    runs = pd.DataFrame(
        {
            "step": np.tile(step, 2),
            "run": np.repeat([*PLANS], 38),
            "schedule": np.repeat([*PLANS], 38),
        }
    )
    return fake_fit_of(
        registry["annealing"], runs, ANNEALING, schedules=PLANS, serial=True, draws=250
    )


def simulated(fit: Fit, table: pd.DataFrame, sample: int, seed: int = 0) -> np.ndarray:
    """Responses of one more run, drawn from the fit."""
    answer = bs.forecast(fit, table.assign(run="one"), seed=seed)
    return answer.draws.transpose("sample", "point").to_numpy()[sample]


# -- the exact answer


def test_a_linear_law_with_normal_noise_is_conditioned_exactly() -> None:
    fit, rho, sigma = linear_fit(), 0.7, 0.05
    x0 = fit.spec.references["x"]
    seen, end = np.array([1.0, 2, 3, 5]), np.array([8.0, 9])
    y = np.array([0.42, 0.71, 0.60, 1.02])
    job = pd.DataFrame({"x": seen, "observed": y})
    found = track(fit, job, until={"x": 9.0})

    # a new recipe: moments of its parameters, then the normal conditional by hand
    rng = np.random.default_rng(3)
    z = np.column_stack(
        [
            flat(fit, f"{p}_centre") + flat(fit, f"{p}_sd_recipe") * rng.normal(size=DRAWS)
            for p in "ab"
        ]
    )
    place = np.concatenate([seen, end])
    design = np.column_stack([np.ones(6), place / x0 - 1])
    noise = sigma**2 * rho ** np.abs(place[:, None] - place)
    joint = design @ np.cov(z.T) @ design.T + noise
    mean = design @ z.mean(axis=0)
    gain = joint[4:, :4] @ np.linalg.inv(joint[:4, :4])
    expected = mean[4:] + gain @ (y - mean[:4])
    covariance = joint[4:, 4:] - gain @ joint[:4, 4:]
    values = found.future.to_numpy()
    last = values[:, -1]
    sd = np.sqrt(covariance[1, 1])
    assert abs(last.mean() - expected[1]) < 5 * sd / np.sqrt(DRAWS) + 0.02 * sd
    assert last.std() == pytest.approx(sd, rel=0.05)
    assert stats.kstest((last - expected[1]) / sd, "norm").pvalue > 1e-3
    # the row at 8 and the end hang together as they should
    at_eight = int(np.abs(found.points["x"] - 8.0).argmin())
    moved = np.corrcoef(values[:, at_eight], last)[0, 1]
    exact = covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1])
    assert moved == pytest.approx(exact, abs=0.05)
    # before, it is the forecast of any new run
    before = found.before.to_numpy()[:, -1]
    assert before.mean() == pytest.approx(mean[5], abs=4 * before.std() / np.sqrt(DRAWS))
    assert before.std() == pytest.approx(np.sqrt(joint[5, 5]), rel=0.05)
    assert last.std() < 0.7 * before.std()


def test_the_steps_follow_a_curved_law() -> None:
    """Against draws of the population weighted by the likelihood of the same rows."""
    wobble = 1 + 1e-6 * np.random.default_rng(5).normal(size=(4, 500))
    fit = changed(curves_fit("lognormal"), {"sigma": 0.03 * wobble, "rho": 0.5 * wobble})
    seen = np.array([1e9, 2e9, 4e9])
    observed = np.array([3.75, 3.30, 3.05])
    found = track(fit, pd.DataFrame({"D": seen, "observed": observed}), until={"D": 2e10})
    ends = [*seen, 2e10]
    logs, weights = [], []
    for seed in range(40):
        mean = bs.forecast(fit, pd.DataFrame({"D": ends}), kind="mean", seed=seed).draws.to_numpy()
        gaps = np.abs(np.subtract.outer(seen, seen)) / fit.spec.lag
        away = np.log(observed) - np.log(mean[:, :3])
        precision = np.linalg.inv(0.03**2 * 0.5**gaps)
        weights.append(-0.5 * np.einsum("si,ij,sj->s", away, precision, away))
        logs.append(np.log(mean[:, 3]))
    weight = np.exp(np.concatenate(weights) - np.max(weights))
    weight /= weight.sum()
    assert 1 / (weight**2).sum() > 500
    expected = np.concatenate(logs) @ weight
    sd = np.sqrt((np.concatenate(logs) - expected) ** 2 @ weight)
    ours = np.log(found.future_mean.to_numpy()[:, -1])
    assert ours.mean() == pytest.approx(expected, abs=0.25 * sd)
    assert ours.std() == pytest.approx(sd, rel=0.15)


def test_innovations_and_deviations_are_inverse() -> None:
    rng = np.random.default_rng(0)
    ties = rng.uniform(0.1, 0.9, size=(5, 7))
    ties[:, 0] = 0.0
    innovations = rng.normal(size=(5, 7))
    np.testing.assert_allclose(untied(tied(innovations, ties), ties), innovations)


# -- many runs


@pytest.fixture(scope="module")
def repeated(curves: Fit) -> list[tuple[Tracking, float]]:
    """Runs simulated from the fit, tracked over their first part, and their ends."""
    place = np.linspace(1e9, 2e10, 20)
    whole = pd.DataFrame({"D": place})
    found = []
    for i in range(150):
        y = simulated(curves, whole, sample=7 * i + 3, seed=i)
        job = whole.assign(observed=y)[:8]
        found.append((track(curves, job, until={"D": 2e10}, level=0.1, seed=i), y[-1]))
    return found


def test_intervals_of_the_end_hold_it(repeated: list[tuple[Tracking, float]]) -> None:
    held = [
        row["q0.05"] <= truth <= row["q0.95"]
        for found, truth in repeated
        for _, row in found.summary().iterrows()
    ]
    assert 0.85 <= np.mean(held) <= 0.95
    narrower = [t.final.std().item() / t.before.to_numpy()[:, -1].std() for t, _ in repeated]
    assert np.median(narrower) < 0.5


def test_false_alarms_are_as_rare_as_the_level_says(repeated: list[tuple[Tracking, float]]) -> None:
    alarms = np.mean([found.alarm for found, _ in repeated])
    assert 0.02 <= alarms <= 0.1 + 3 * np.sqrt(0.1 * 0.9 / len(repeated))
    for found, _ in repeated:
        assert found.alarm == (found.left_at is not None) == found.observed["outside"].any()
        assert found.alarm == any(w.code == "off-track" for w in found.warnings)


# -- alarms


def test_a_spike_is_seen_where_it_is(annealed: Fit) -> None:
    step = np.arange(1500.0, 10_001, 500)
    job = pd.DataFrame({"step": step, "schedule": PLAN})
    job["observed"] = simulated(annealed, job, sample=5)
    calm = track(annealed, job)
    assert not calm.alarm
    assert calm.left_at is None
    job.loc[12, "observed"] *= 1.2
    found = track(annealed, job)
    assert found.alarm
    assert found.left_at == step[12]
    assert found.observed["outside"].idxmax() == 12
    assert found.p_value <= 2 / 1001
    # and says little about the end
    shift = float(found.future_mean.isel(row=-1).mean() - calm.future_mean.isel(row=-1).mean())
    assert abs(shift) < 2 * float(calm.final.std())
    (finding,) = [w for w in found.warnings if w.code == "off-track"]
    assert f"step {step[12]:g}" in finding.message


def test_a_run_at_another_level_leaves_the_band(annealed: Fit) -> None:
    job = pd.DataFrame({"step": np.arange(1500.0, 10_001, 500), "schedule": PLAN})
    job["observed"] = 1.15 * simulated(annealed, job, sample=5)
    found = track(annealed, job)
    assert found.alarm
    assert found.p_band < 0.005
    assert found.left_at == 1500
    assert (found.observed["z"] > 3).all()


# -- what comes out


def test_the_end_of_a_schedule_is_the_end_of_the_run(annealed: Fit) -> None:
    job = pd.DataFrame({"step": np.arange(500.0, 8001, 500), "schedule": PLAN})
    job["observed"] = 3.4
    found = track(annealed, job, seed=4)
    assert len(found.observed) == 14  # warm-up ends at 1000
    assert [w.code for w in found.warnings if w.severity == "info"] == ["warm-up-rows"]
    assert found.points["step"].iloc[-1] == 20_000
    assert found.points["step"].is_monotonic_increasing
    assert found.points["step"].iloc[0] > 8000
    row = found.summary().iloc[0]
    assert len(found.summary()) == 1
    assert row["step"] == 20_000
    np.testing.assert_allclose(row["q0.5"], np.median(found.final))
    np.testing.assert_allclose(row["mean"], found.future.to_numpy()[:, -1].mean())
    assert list(found.future.dims) == ["sample", "row"]
    assert found.future.shape == found.before.shape == found.future_mean.shape
    same = track(annealed, job, seed=4)
    np.testing.assert_array_equal(found.future, same.future)
    longer = track(annealed, job, until={"step": "24K"})
    assert longer.points["step"].iloc[-1] == 24_000
    assert "schedule-ends" in [w.code for w in longer.warnings]


def test_a_run_that_reaches_its_end_ends_where_it_is(annealed: Fit) -> None:
    job = pd.DataFrame({"step": np.arange(1500.0, 20_000, 250), "schedule": PLAN})
    job["observed"] = y = simulated(annealed, job, sample=8)
    found = track(annealed, job, until={"step": 19_751})
    # one step on, the noise has hardly moved
    assert float(found.final.mean()) == pytest.approx(y[-1], rel=2e-3)
    assert float(found.final.std()) < 0.2 * float(found.before.isel(row=-1).std())


def test_a_fitted_group_keeps_its_own_effects(curves: Fit) -> None:
    job = pd.DataFrame({"D": [1e9, 2e9], "observed": [3.8, 3.5], "corpus": "x"})
    named, new = (
        track(curves, job, until={"D": 2e10}),
        track(curves, job.drop(columns="corpus"), until={"D": 2e10}),
    )
    assert float(named.before.isel(row=-1).std()) < 0.7 * float(new.before.isel(row=-1).std())
    own = bs.forecast(curves, {"D": 2e10, "corpus": "x"})
    np.testing.assert_allclose(
        float(named.before.isel(row=-1).mean()), float(own.draws.mean()), rtol=3e-3
    )


def test_a_table_of_runs_is_a_job(annealed: Fit) -> None:
    plan = bs.schedules.parse_schedule(PLAN)
    step = np.arange(1500.0, 10_001, 500)
    table = pd.DataFrame({"step": step, "lr": plan.rate(step), "loss": 3.4, "run": "mine"})
    runs = bs.read_runs(
        table.assign(text=PLAN), inputs={"step": "step"}, run="run", schedule="text"
    )
    by_hand = pd.DataFrame({"step": step, "observed": 3.4, "schedule": PLAN})
    np.testing.assert_allclose(track(annealed, runs).future, track(annealed, by_hand).future)
    logged = bs.read_runs(table, inputs={"step": "step"}, run="run", rate="lr", rate_warmup=1000)
    with pytest.raises(UsageError, match="the run is at step 10000 and would end at 10000; give"):
        track(annealed, logged)


def test_long_jobs_are_thinned(annealed: Fit) -> None:
    step = np.arange(1500.0, 10_001, 25)
    found = track(annealed, pd.DataFrame({"step": step, "schedule": PLAN, "observed": 3.4}))
    assert len(found.observed) == 200
    assert found.observed["step"].iloc[[0, -1]].tolist() == [1500, 10_000]
    assert "thinned-rows" in [w.code for w in found.warnings]


def test_a_fit_of_single_runs_warns_that_it_knows_no_curves() -> None:
    fit = fake_fit(rungs=True)
    job = [{"N": 4e8, "D": d, "observed": 3.0} for d in (4e9, 8e9)]
    found = track(fit, job, until={"D": 32e9})
    assert "no-serial" in [w.code for w in found.warnings]
    assert found.order == "D"
    assert found.points.iloc[-1][["N", "D"]].tolist() == [4e8, 32e9]


# -- refusals


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, r"where does the run end\? give until=\{'D': \.\.\.\}"),
        ({"until": {"D": 1e9}}, "the run is at D 2e\\+09 and would end at 1e\\+09"),
        ({"until": {"N": 1e9}}, "until names N, which law token_curve does not have"),
        ({"until": {"D": 2e10}, "level": 0}, "level is 0; it must lie between 0 and 1"),
    ],
)
def test_wrong_options_are_refused(curves: Fit, options: dict[str, Any], message: str) -> None:
    job = pd.DataFrame({"D": [1e9, 2e9], "observed": [3.8, 3.5]})
    with pytest.raises(UsageError, match=message):
        track(curves, job, **options)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"observed": [3.8, np.nan]}, "observed is missing in 1 rows, first row 2"),
        ({"observed": [3.8, -1.0]}, "observed must be positive"),
        ({"D": [1e9, 1e9]}, r"two rows of the run lie at D 1e\+09"),
        ({"run": ["a", "b"]}, "one running job was expected; its run is a, b"),
        ({"corpus": ["x", "y"]}, "one running job was expected; its corpus is x, y"),
        ({"corpus": ["q", "q"]}, "corpus 'q' was not fitted"),
    ],
)
def test_rows_of_no_single_run_are_refused(
    curves: Fit, change: dict[str, Any], message: str
) -> None:
    job = pd.DataFrame({"D": [1e9, 2e9], "observed": [3.8, 3.5]}).assign(**change)
    with pytest.raises(UsageError, match=message):
        track(curves, job, until={"D": 2e10})


def test_a_frontier_says_nothing_about_curves() -> None:
    fit = fake_fit(noise="lower-frontier")
    with pytest.raises(UsageError, match="noise lower-frontier says how far"):
        track(fit, [{"N": 4e8, "D": 4e9, "observed": 3.0}], until={"D": 32e9})


def test_rows_of_warm_up_alone_are_refused(annealed: Fit) -> None:
    job = pd.DataFrame({"step": [100.0, 200.0], "observed": 9.0, "schedule": PLAN})
    with pytest.raises(UsageError, match="all rows lie in warm-up, up to step 1000"):
        track(annealed, job)


def test_a_job_without_responses_is_refused(curves: Fit) -> None:
    with pytest.raises(UsageError, match="lack observed"):
        track(curves, pd.DataFrame({"D": [1e9]}), until={"D": 2e9})
