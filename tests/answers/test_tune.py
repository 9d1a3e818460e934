"""Best settings of hand-made draws: closed forms, brute force, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fakes import diverged, fake_fit, fake_fit_of, flat
from toys import VALLEY, drift_fit, kettle_fit, valley_fit, valley_runs

from bayes_scaling.answers import Tuning, forecast, tune
from bayes_scaling.errors import FitError, UsageError
from bayes_scaling.models import registry
from bayes_scaling.posterior import Fit

AT = [{"N": 1e9, "D": 2e10}, {"N": 4e8, "D": 8e9}]
TRIED = [{"lr": 1e-3, "B": "0.5M"}, {"lr": 2e-3, "B": 3e5}]
RECIPES = {"recipe": ["adam", "muon"]}


@pytest.fixture(scope="module")
def swept() -> Fit:
    return valley_fit(draws=100)


@pytest.fixture(scope="module")
def tuned(swept: Fit) -> Tuning:
    return tune(swept, AT, settings=TRIED)


@pytest.fixture(scope="module")
def heated() -> Fit:
    return kettle_fit()


def by_hand(fit: Fit, name: str, n: float, d: float) -> np.ndarray:
    """Best setting of the valley in every draw."""
    x0, short = fit.spec.references, {"lr": "rate", "B": "batch"}[name]
    moved = (n / x0["N"]) ** flat(fit, f"{short}_N") * (d / x0["D"]) ** flat(fit, f"{short}_D")
    return np.asarray(flat(fit, short) * moved * x0[name])


def kettle_mean(fit: Fit, n: float, heat: np.ndarray | float) -> np.ndarray:
    x0, p = fit.spec.references, {k: flat(fit, k) for k in ("level", "alpha", "slope", "cost")}
    h = heat / x0["heat"]
    return np.asarray(p["level"] * (n / x0["N"]) ** -p["alpha"] + p["slope"] * h + p["cost"] / h)


def wide_kettle() -> Fit:
    """Draws whose optima spread over a factor of several, in a curved valley."""
    fit = kettle_fit()
    posterior = fit.posterior
    spread = np.random.default_rng(3).normal(size=posterior["cost"].shape)
    tree = fit.tree.copy()
    tree["posterior"] = posterior.assign(cost=posterior["cost"] * np.exp(0.5 * spread))
    return replace(fit, tree=tree)


# -- the optimum


def test_the_best_settings_of_the_valley_are_its_closed_form(swept: Fit, tuned: Tuning) -> None:
    for k, at in enumerate(AT):
        for name in ("lr", "B"):
            found = tuned.best.sel(setting=name).isel(point=k).to_numpy()
            np.testing.assert_allclose(found, by_hand(swept, name, at["N"], at["D"]), rtol=1e-7)


def test_the_loss_is_that_of_the_law_at_missing_settings(swept: Fit, tuned: Tuning) -> None:
    expected = forecast(swept, AT, kind="mean").draws.to_numpy()
    np.testing.assert_allclose(tuned.loss.to_numpy(), expected, rtol=1e-12)


def test_a_law_that_declares_no_optimum_has_one(heated: Fit) -> None:
    answer = tune(heated, {"N": 3e9})
    best = np.sqrt(flat(heated, "cost") / flat(heated, "slope")) * heated.spec.references["heat"]
    np.testing.assert_allclose(answer.best.to_numpy()[:, 0, 0], best, rtol=1e-6)
    np.testing.assert_allclose(answer.loss.to_numpy()[:, 0], kettle_mean(heated, 3e9, best))


def test_groups_have_their_own_best_settings_and_a_new_one_varies() -> None:
    names = set(registry["rate_valley"].parameters)
    truth = {k: v for k, v in VALLEY.items() if k in names}
    runs = valley_runs().drop(columns="B").drop_duplicates()
    runs = runs.merge(pd.DataFrame(RECIPES), "cross")
    fit = fake_fit_of(
        registry["rate_valley"], runs, truth, labels=RECIPES, pool={"rate": "partial"}
    )
    answer = tune(fit, [AT[0] | {"recipe": "muon"}, AT[0] | {"recipe": "adam"}, AT[0]])
    x0, best = fit.spec.references, answer.best.sel(setting="lr").to_numpy()
    moved = (1e9 / x0["N"]) ** flat(fit, "rate_N") * (2e10 / x0["D"]) ** flat(fit, "rate_D")
    for k, level in ((0, 1), (1, 0)):
        expected = flat(fit, "rate")[:, level] * moved * x0["lr"]
        np.testing.assert_allclose(best[:, k], expected, rtol=1e-7)
    beyond = np.log(best[:, 2] / (flat(fit, "rate_centre") * moved * x0["lr"]))
    beyond /= flat(fit, "rate_sd_recipe")
    assert abs(beyond.std() - 1) < 4 / np.sqrt(2 * len(beyond))
    assert answer.summary()["recipe"].tolist()[:2] == ["muon", "adam"]
    np.testing.assert_array_equal(best, tune(fit, answer.points).best.sel(setting="lr"))


# -- penalties


def test_the_penalty_is_zero_at_the_best_of_a_draw_and_positive_elsewhere(tuned: Tuning) -> None:
    sample = [0, 57, 399]
    rows = tuned.best.isel(sample=sample, point=0).to_numpy()
    own = tuned.penalty(pd.DataFrame(rows, columns=["lr", "B"])).to_numpy()[sample, 0]
    np.testing.assert_allclose(np.diag(own), 0, atol=1e-13)
    assert (own[~np.eye(3, dtype=bool)] > 0).all()
    far = tuned.penalty([{"lr": 1e-4, "B": 1e6}, {"lr": 5e-3, "B": 1e5}]).to_numpy()
    assert (far > 0.01).all()


def test_the_penalty_is_the_ratio_of_means_by_hand(heated: Fit) -> None:
    answer = tune(heated, {"N": 3e9})
    best = answer.loss.to_numpy()[:, 0]
    found = answer.penalty([{"heat": 0.1}, {"heat": 0.4}])
    assert found.dims == ("sample", "point", "trial")
    for k, heat in enumerate((0.1, 0.4)):
        expected = kettle_mean(heated, 3e9, heat) / best - 1
        np.testing.assert_allclose(found.to_numpy()[:, 0, k], expected, rtol=1e-9)
    expected = found.mean("sample").to_numpy()
    np.testing.assert_allclose(answer.expected([{"heat": 0.1}, {"heat": 0.4}]), expected)


def test_the_recommended_setting_has_the_smallest_expected_penalty_by_brute_force() -> None:
    fit = wide_kettle()
    answer = tune(fit, {"N": 1e9})
    grid = np.geomspace(5e-3, 0.2, 4001)
    best = kettle_mean(fit, 1e9, answer.best.to_numpy()[:, 0, 0])
    cost = np.array([(kettle_mean(fit, 1e9, h) / best - 1).mean() for h in grid])
    found = answer.recommended.item()
    assert found == pytest.approx(grid[cost.argmin()], rel=2 * np.log(grid[1] / grid[0]))
    assert answer.expected_penalty[0] == pytest.approx(cost.min(), rel=1e-5)
    # not the mean optimum, which costs more
    mean = float(np.exp(np.log(answer.best).mean()))
    assert abs(np.log(found / mean)) > 10 * np.log(grid[1] / grid[0])
    assert answer.expected({"heat": mean}).item() > answer.expected_penalty[0]


def test_the_plateau_ends_where_the_expected_penalty_is_the_bound(swept: Fit) -> None:
    for bound in (0.0005, 0.01):
        answer = tune(swept, AT, bound=bound)
        for k, name, low, high, *_ in answer.plateau.itertuples(index=False):
            advised = answer.recommended.isel(point=k).to_series().to_dict()
            assert low < advised[name] < high
            cost = answer.expected([advised | {name: low}, advised | {name: high}])
            np.testing.assert_allclose(cost.isel(point=k), bound, rtol=1e-6)


def test_the_retuned_plateau_lets_the_other_setting_follow(tuned: Tuning) -> None:
    for k, name, low, high, *ends in tuned.plateau.itertuples(index=False):
        (other,) = {"lr", "B"} - {name}
        advised = tuned.recommended.isel(point=k).sel(setting=other).item()
        grid = advised * np.geomspace(1 / 8, 8, 801)
        for end in ends:
            cost = tuned.expected(pd.DataFrame({name: end, other: grid})).isel(point=k)
            assert float(cost.min()) == pytest.approx(tuned.bound, rel=2e-3)
        assert ends[0] < low
        assert ends[1] > high


def test_a_plateau_longer_than_the_search_ends_with_it(heated: Fit) -> None:
    spec = replace(heated.spec, ranges=heated.spec.ranges | {"heat": (0.01, 0.03)})
    (row,) = tune(replace(heated, spec=spec), {"N": 1e9}, bound=0.8).plateau.itertuples()
    assert row.low > 0.00101  # where the loss has grown by as much
    assert row.high == pytest.approx(0.3)


# -- what comes back


def test_the_summary_describes_the_draws(tuned: Tuning) -> None:
    table = tuned.summary()
    assert table["setting"].tolist() == ["lr", "B", "lr", "B"]
    assert table["N"].tolist() == [1e9, 1e9, 4e8, 4e8]
    logs = np.log(tuned.best.to_numpy()).reshape(400, 4)
    np.testing.assert_allclose(table["mean"], np.exp(logs.mean(0)))
    np.testing.assert_allclose(table["sd_log"], logs.std(0, ddof=1))
    np.testing.assert_allclose(table["q0.05"], np.exp(np.quantile(logs, 0.05, axis=0)))
    np.testing.assert_array_equal(table["recommended"], tuned.recommended.to_numpy().ravel())
    np.testing.assert_array_equal(table["plateau_high"], tuned.plateau["high"])
    np.testing.assert_array_equal(table["expected_penalty"], tuned.expected_penalty.repeat(2))


def test_settings_that_are_asked_about_are_judged_at_every_point(tuned: Tuning) -> None:
    judged = tuned.judged
    assert judged is not None
    assert judged["N"].tolist() == [1e9, 1e9, 4e8, 4e8]
    assert judged["B"].tolist() == [5e5, 3e5, 5e5, 3e5]
    draws = tuned.penalty(TRIED).to_numpy().reshape(400, 4)
    np.testing.assert_allclose(judged["expected_penalty"], draws.mean(0))
    np.testing.assert_allclose(judged["q0.95"], np.quantile(draws, 0.95, axis=0))
    np.testing.assert_allclose(judged["within_bound"], (draws < tuned.bound).mean(0))
    assert judged["within_bound"].tolist()[:2] == [1.0, 0.0]


def test_fitted_runs_come_with_their_loss_over_the_best(heated: Fit) -> None:
    response = heated.tree["observed_data"]["response"].to_numpy()
    bound = float(np.sort(response)[-3])
    fit = replace(heated, spec=replace(heated.spec, bound=bound))
    runs = tune(fit, {"N": 1e9}).runs
    assert runs["diverged"].sum() == 3
    assert runs["excess"].isna().tolist() == runs["diverged"].tolist()
    p = {k: flat(fit, k).mean() for k in ("level", "alpha", "slope", "cost")}
    n = runs["N"] / fit.spec.references["N"]
    least = p["level"] * n ** -p["alpha"] + 2 * np.sqrt(p["slope"] * p["cost"])
    kept = ~runs["diverged"]
    np.testing.assert_allclose(runs["excess"][kept], (response / least - 1)[kept], atol=1e-12)


# -- findings


def test_an_optimum_beyond_the_fitted_settings_is_reported(swept: Fit, tuned: Tuning) -> None:
    assert tuned.warnings == ()
    spec = replace(swept.spec, ranges=swept.spec.ranges | {"lr": (1e-4, 6e-4)})
    (found,) = tune(replace(swept, spec=spec), AT[0]).warnings
    assert (found.code, found.severity) == ("optimum-outside", "warning")
    assert found.message.startswith("the best lr of point 1, 0.00083")
    spec = replace(swept.spec, ranges=swept.spec.ranges | {"lr": (1e-6, 2e-5)})
    answer = tune(replace(swept, spec=spec), AT[0])
    (found,) = (w for w in answer.warnings if w.code == "optimum-outside")
    assert "beyond 10 times the range" in found.message
    assert "with probability 1;" in found.message
    np.testing.assert_allclose(answer.best.sel(setting="lr"), 2e-4)
    # at a rate that is too low, the best batch is another: the edge is searched, too
    batch = answer.best.sel(setting="B").isel(point=0)
    assert (batch < 0.9 * by_hand(swept, "B", **{k.lower(): v for k, v in AT[0].items()})).all()


def test_settings_that_nothing_is_known_of_have_no_plateau() -> None:
    answer = tune(wide_kettle(), {"N": 1e9}, bound=1e-3)
    assert answer.expected_penalty[0] > 1e-3
    assert answer.plateau[["low", "high"]].isna().all(axis=None)
    (found,) = answer.warnings
    assert (found.code, found.severity) == ("no-plateau", "info")


def test_a_point_far_outside_gets_a_warning(swept: Fit) -> None:
    found = tune(swept, {"N": 1.6e9 * 10**1.5, "D": 8e9}).warnings
    assert found[0].code == "far-outside"
    assert found[0].message.startswith("point 1 lies 1.5 decades in N beyond")


# -- refusals


def test_laws_without_settings_or_without_a_smallest_mean_are_refused() -> None:
    with pytest.raises(UsageError, match="law chinchilla has no settings: inputs with a best"):
        tune(fake_fit(), AT)
    with pytest.raises(UsageError, match="law drift has no settings"):
        tune(drift_fit(), AT)
    raw = valley_fit(noise="upper-frontier")
    with pytest.raises(UsageError, match="smallest of a positive response"):
        tune(raw, AT)


def test_a_setting_that_no_run_knows_is_refused(swept: Fit) -> None:
    spec = replace(swept.spec, ranges=swept.spec.ranges | {"B": (np.nan, np.nan)})
    with pytest.raises(UsageError, match="no fitted run has a known B"):
        tune(replace(swept, spec=spec), AT)


@pytest.mark.parametrize(
    ("at", "options", "message"),
    [
        (AT[0] | {"lr": 1e-3}, {}, r"lr is what tune looks for.*settings= \(--try\)"),
        ({"N": 1e9}, {}, r"points lack D \(training tokens\)"),
        (AT, {"bound": 0.0}, "bound is 0.0; it must lie between 0 and 1"),
        (AT, {"settings": []}, "no settings to judge; settings of law valley are lr, B"),
        (AT, {"settings": {"lr": 1e-3}}, r"settings lack B \(tokens of a batch\)"),
        (AT, {"settings": {"lr": -1.0, "B": 1e5}}, r"lr must be a positive number, got -1\.0"),
        (AT, {"settings": {"lr": "low", "B": 1e5}}, r"lr must be a positive number, got low"),
        (AT, {"settings": {"lr": 1e-3, "B": 1e5, "N": 1e9}}, "'N' is no setting"),
    ],
    ids=["point", "input", "bound", "none", "lacks", "negative", "text", "input tried"],
)
def test_bad_questions(swept: Fit, at: Any, options: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        tune(swept, at, **options)


def test_poor_diagnostics_are_refused_unless_forced(heated: Fit) -> None:
    poor = diverged(heated, 100)
    with pytest.raises(FitError, match="--force"):
        tune(poor, {"N": 1e9})
    forced = tune(poor, {"N": 1e9}, force=True)
    assert [w.code for w in forced.warnings] == ["divergences"]
