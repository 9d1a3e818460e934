"""Forecasts from hand-made draws: every number can be worked out without the package."""

from __future__ import annotations

import contextlib
from typing import Any

import jax
import numpy as np
import pandas as pd
import pytest
from fakes import RECIPES, TRUTH, changed, curve, diverged, fake_fit, flat
from scipy import stats

from bayes_scaling.answers import forecast
from bayes_scaling.errors import FitError, UsageError
from bayes_scaling.posterior import Fit

CORPORA = {"corpus": ["x", "y", "z"]}
POINT = {"N": 7e9, "D": 1.4e12}
DRAWS = 2000
FOUR_SE = 4 / np.sqrt(2 * DRAWS)  # of the standard deviation of a unit normal


@pytest.fixture(scope="module")
def single() -> Fit:
    return fake_fit(noise="lognormal")


@pytest.fixture(scope="module")
def pooled() -> Fit:
    """Two recipes with rung effects, all scales of noise known."""
    fit = fake_fit(RECIPES, noise="lognormal", rungs=True)
    return steady(fit, sigma=0.01, rung_sd=0.02)


def steady(fit: Fit, **values: float) -> Fit:
    """The fit with variables that move by a millionth only, for chains must move."""
    wobble = 1 + 1e-6 * np.random.default_rng(5).normal(size=(4, DRAWS // 4))
    return changed(fit, {k: v * wobble for k, v in values.items()})


def values(fit: Fit, points: Any, **options: Any) -> np.ndarray:
    """Draws, shape (sample, point)."""
    return forecast(fit, points, **options).draws.transpose("sample", "point").to_numpy()


def means(fit: Fit, points: Any, **options: Any) -> np.ndarray:
    return values(fit, points, kind="mean", **options)


def beyond_mean(fit: Fit, points: Any) -> np.ndarray:
    """What a new run adds to the mean of a fitted group, on the log scale."""
    return np.log(values(fit, points)) - np.log(means(fit, points))


def by_hand(fit: Fit, n: float, d: float, **replaced: np.ndarray) -> np.ndarray:
    parameters = {p: replaced[p] if p in replaced else flat(fit, p) for p in TRUTH}
    return curve(n / fit.spec.references["N"], d / fit.spec.references["D"], **parameters)


def reference(fit: Fit, **labels: str) -> dict[str, Any]:
    """The point where the mean is `level` itself."""
    return fit.spec.references | labels


def assert_standard_normal(x: np.ndarray) -> None:
    assert abs(x.mean()) < 4 / np.sqrt(len(x))
    assert abs(x.std() - 1) < FOUR_SE
    assert stats.kstest(x, "norm").pvalue > 1e-3


# -- the mean


def test_the_mean_is_the_law_in_every_draw(single: Fit) -> None:
    found = means(single, [POINT, {"N": 2e8, "D": 5e9}])
    assert found.shape == (DRAWS, 2)
    np.testing.assert_allclose(found[:, 0], by_hand(single, 7e9, 1.4e12), rtol=1e-12)
    np.testing.assert_allclose(found[:, 1], by_hand(single, 2e8, 5e9), rtol=1e-12)


def test_a_group_has_its_own_mean(pooled: Fit) -> None:
    found = means(pooled, [POINT | {"recipe": r} for r in ("muon", "adam")])
    for column, i in ((0, 1), (1, 0)):
        own = {p: flat(pooled, p)[:, i] for p in ("level", "alpha")}
        np.testing.assert_allclose(found[:, column], by_hand(pooled, 7e9, 1.4e12, **own))


def test_crossed_columns_add_their_effects() -> None:
    fit = fake_fit(RECIPES | CORPORA)
    found = means(fit, POINT | {"recipe": "muon", "corpus": "x"})[:, 0]
    own = {p: flat(fit, p)[:, 1, 0] for p in ("level", "alpha")}
    np.testing.assert_allclose(found, by_hand(fit, 7e9, 1.4e12, **own))
    level = flat(fit, "level_centre") * np.exp(
        flat(fit, "level_effect_recipe")[:, 1] + flat(fit, "level_effect_corpus")[:, 0]
    )
    np.testing.assert_allclose(means(fit, reference(fit, recipe="muon", corpus="x"))[:, 0], level)


def test_a_fitted_recipe_on_a_new_corpus_varies_by_the_corpus_only() -> None:
    fit = fake_fit(RECIPES | CORPORA)
    found = np.log(means(fit, reference(fit, recipe="muon"))[:, 0])
    known = np.log(flat(fit, "level_centre")) + flat(fit, "level_effect_recipe")[:, 1]
    assert_standard_normal((found - known) / flat(fit, "level_sd_corpus"))


# -- a group never seen


def test_a_new_group_is_the_centre_and_the_group_sd(pooled: Fit) -> None:
    found = np.log(means(pooled, reference(pooled))[:, 0])
    scaled = (found - np.log(flat(pooled, "level_centre"))) / flat(pooled, "level_sd_recipe")
    assert_standard_normal(scaled)


def test_each_varying_parameter_of_a_new_group_has_a_deviation_of_its_own(pooled: Fit) -> None:
    n = 10.0
    larger = reference(pooled) | {"N": n * pooled.spec.references["N"]}
    level, mean = means(pooled, [reference(pooled), larger]).T
    reducible, share = flat(pooled, "reducible"), flat(pooled, "share_N")
    decay = (mean / level - 1 + reducible) / reducible
    alpha = -np.log((decay - 1 + share) / share) / np.log(n)
    scaled = (np.log(alpha) - np.log(flat(pooled, "alpha_centre"))) / flat(
        pooled, "alpha_sd_recipe"
    )
    assert_standard_normal(scaled)
    of_level = (np.log(level) - np.log(flat(pooled, "level_centre"))) / flat(
        pooled, "level_sd_recipe"
    )
    assert abs(np.corrcoef(scaled, of_level)[0, 1]) < 4 / np.sqrt(DRAWS)


@pytest.mark.parametrize("missing", [{}, {"recipe": None}, {"recipe": np.nan}])
def test_points_without_a_label_share_one_new_group(pooled: Fit, missing: dict[str, Any]) -> None:
    points = [reference(pooled) | missing, reference(pooled), reference(pooled, recipe="adam")]
    first, second, fitted = means(pooled, points).T
    np.testing.assert_array_equal(first, second)
    assert abs(np.corrcoef(first, fitted)[0, 1]) < 0.5
    summary = forecast(pooled, points).summary()
    assert summary["recipe"].isna().tolist() == [True, True, False]


def test_separate_pooling_uses_the_own_value_and_the_prior_for_a_new_group() -> None:
    fit = fake_fit(RECIPES, pool={"level": "complete", "alpha": "complete", "beta": "separate"})
    own = means(fit, POINT | {"recipe": "muon"})[:, 0]
    np.testing.assert_allclose(own, by_hand(fit, 7e9, 1.4e12, beta=flat(fit, "beta")[:, 1]))
    d = 10.0
    level, mean = means(fit, [reference(fit), reference(fit) | {"D": d * reference(fit)["D"]}]).T
    np.testing.assert_allclose(level, flat(fit, "level"))
    reducible, share = flat(fit, "reducible"), flat(fit, "share_N")
    decay = (mean / level - 1 + reducible) / reducible
    beta = -np.log((decay - share) / (1 - share)) / np.log(d)
    assert_standard_normal((np.log(beta) - fit.spec.prior_loc["beta"]) / fit.spec.prior_sd["beta"])


# -- one more run


def test_a_new_run_adds_sigma(single: Fit) -> None:
    assert_standard_normal(beyond_mean(single, POINT)[:, 0] / flat(single, "sigma"))


def test_noise_of_two_runs_is_independent(single: Fit) -> None:
    first, second = beyond_mean(single, [POINT, POINT]).T
    assert abs(np.corrcoef(first, second)[0, 1]) < 4 / np.sqrt(DRAWS)


def test_student_t_noise_has_the_tails_of_nu() -> None:
    fit = fake_fit(noise="student-t")
    fit = steady(fit, nu=3.0)
    scaled = beyond_mean(fit, POINT)[:, 0] / flat(fit, "sigma")
    assert stats.kstest(scaled, "t", args=(3,)).pvalue > 1e-3
    assert stats.kstest(scaled, "norm").pvalue < 1e-3


def test_normal_noise_adds_to_the_raw_loss() -> None:
    fit = fake_fit(noise="normal")
    added = values(fit, POINT) - means(fit, POINT)
    assert_standard_normal(added[:, 0] / flat(fit, "sigma"))


def test_a_new_rung_is_shared_by_the_recipes(pooled: Fit) -> None:
    other = {"N": 3e9, "D": 64e9}
    points = [POINT | {"recipe": "adam"}, POINT | {"recipe": "muon"}, other | {"recipe": "adam"}]
    added = beyond_mean(pooled, points)
    expected = np.hypot(0.01, 0.02)
    assert np.all(np.abs(added.std(0) / expected - 1) < FOUR_SE)
    correlation = np.corrcoef(added.T)
    # 0.02^2 / (0.01^2 + 0.02^2); the error of a correlation r is (1 - r^2) / sqrt(n)
    assert correlation[0, 1] == pytest.approx(0.8, abs=4 * 0.36 / np.sqrt(DRAWS))
    assert abs(correlation[0, 2]) < 4 / np.sqrt(DRAWS)


def test_a_new_rung_of_robust_noise_is_t_with_three_degrees_of_freedom() -> None:
    fit = fake_fit(RECIPES, noise="student-t", rungs=True)
    fit = steady(fit, sigma=1e-12)
    shared = beyond_mean(fit, POINT | {"recipe": "adam"})[:, 0] / flat(fit, "rung_sd")
    assert stats.kstest(shared, "t", args=(3,)).pvalue > 1e-3


@pytest.mark.parametrize(
    "where",
    [{"N": 4e8, "D": 8e9}, {"N": 4.0001e8, "D": 8e9}, POINT | {"rung": "N=4e+08, D=8e+09"}],
    ids=["its inputs", "nominal inputs", "its name"],
)
def test_a_fitted_rung_uses_its_posterior(pooled: Fit, where: dict[str, Any]) -> None:
    position = pooled.spec.labels["rung"].index("N=4e+08, D=8e+09")
    effect = flat(pooled, "rung_effect")[:, position]
    assert effect.mean() > 0.015  # it can be seen beside sigma
    added = beyond_mean(pooled, where | {"recipe": "muon"})[:, 0]
    assert_standard_normal((added - effect) / 0.01)


def test_a_rung_without_a_name_is_that_of_its_inputs(pooled: Fit) -> None:
    points = [
        {"N": 4e8, "D": 8e9, "recipe": "adam", "rung": None},
        POINT | {"recipe": "adam", "rung": "a new one"},
        POINT | {"recipe": "muon", "rung": "a new one"},
    ]
    added = beyond_mean(pooled, points)
    position = pooled.spec.labels["rung"].index("N=4e+08, D=8e+09")
    assert_standard_normal((added[:, 0] - flat(pooled, "rung_effect")[:, position]) / 0.01)
    assert np.corrcoef(added[:, 1], added[:, 2])[0, 1] > 0.6


def test_the_known_error_adds_in_quadrature(single: Fit) -> None:
    fit = steady(single, sigma=0.03)
    loss = float(np.median(means(fit, POINT)))
    added = beyond_mean(fit, [POINT | {"se": 0.04 * loss}, POINT | {"se": 1e-12}])
    # 3, 4, 5; the mean varies by less than the Monte Carlo error
    assert added[:, 0].std() == pytest.approx(0.05, rel=1.5 * FOUR_SE)
    assert added[:, 1].std() == pytest.approx(0.03, rel=FOUR_SE)
    raw = fake_fit(noise="normal")
    raw = steady(raw, sigma=0.03)
    added = values(raw, POINT | {"se": 0.04}) - means(raw, POINT)
    assert added.std() == pytest.approx(0.05, rel=FOUR_SE)


def test_a_missing_error_is_refused_or_counts_as_none(single: Fit) -> None:
    points = [POINT | {"se": 0.04}, POINT | {"se": None}]
    with contextlib.suppress(UsageError):
        assert np.isfinite(values(single, points)).all()


# -- what comes back


def test_the_same_seed_gives_the_same_numbers(pooled: Fit) -> None:
    first, again = values(pooled, POINT, seed=5), values(pooled, POINT, seed=5)
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, values(pooled, POINT, seed=6), rtol=1e-6)


def test_points_may_be_a_mapping_a_list_or_a_table(pooled: Fit) -> None:
    rows = [POINT | {"recipe": "adam"}, POINT | {"recipe": "muon"}]
    table = pd.DataFrame(rows, index=[7, 7])
    listed = values(pooled, rows)
    np.testing.assert_array_equal(listed, values(pooled, table))
    assert table.index.tolist() == [7, 7]
    alone = forecast(pooled, rows[0], kind="mean")
    np.testing.assert_array_equal(alone.draws.to_numpy(), means(pooled, rows)[:, :1])
    assert alone.points[["N", "D", "recipe"]].to_dict("records") == rows[:1]


def test_the_summary_describes_the_draws(pooled: Fit) -> None:
    answer = forecast(pooled, [POINT | {"recipe": "adam"}, POINT])
    draws, table = answer.draws.to_numpy(), answer.summary()
    np.testing.assert_allclose(table["mean"], draws.mean(0))
    np.testing.assert_allclose(table["sd"], draws.std(0, ddof=1))
    names = [c for c in table if c.startswith("q")]
    assert names == [
        "q0.025", "q0.05", "q0.1", "q0.25", "q0.5", "q0.75", "q0.9", "q0.95", "q0.975",
    ]  # fmt: skip
    for name in names:
        np.testing.assert_allclose(table[name], np.quantile(draws, float(name[1:]), axis=0))
    assert (answer.law, answer.response, answer.unit) == ("chinchilla", "loss", "nat/token")
    assert (answer.kind, answer.groups) == ("new-run", ("recipe",))
    assert (answer.counts_embeddings, answer.flops) == (False, "6ND")


def test_the_truth_is_kept_beside_the_forecast(single: Fit) -> None:
    points = [POINT | {"observed": 2.1}, {"N": 1e9, "D": 2e10, "observed": 2.6}]
    assert forecast(single, points).summary()["observed"].tolist() == [2.1, 2.6]
    assert "observed" not in forecast(single, POINT).summary()
    plain = [{k: p[k] for k in "ND"} for p in points]
    np.testing.assert_array_equal(values(single, points), values(single, plain))


def test_a_forecast_is_checked_against_the_truth(single: Fit) -> None:
    table = forecast(single, POINT).summary()
    inside, above = table["q0.5"][0], table["q0.95"][0] * 1.01
    points = [POINT | {"observed": truth} for truth in (inside, above, None)]
    answer = forecast(single, points)
    checked = answer.check()
    assert checked is not None
    assert (checked["points"], checked["held_90"]) == (2, 1)
    middle = answer.summary()["q0.5"]
    errors = [abs(middle[0] / inside - 1), abs(middle[1] / above - 1)]
    assert checked["relative_error"] == pytest.approx(np.mean(errors))
    assert forecast(single, POINT).check() is None
    assert forecast(single, POINT | {"observed": None}).check() is None


def test_a_truth_that_is_no_number_is_refused(single: Fit) -> None:
    with pytest.raises(UsageError, match=r"observed must be a number, or missing, .* got low"):
        forecast(single, POINT | {"observed": "low"})


def test_extrapolation_counts_decades_beyond_the_fitted_range(single: Fit) -> None:
    inside = {"N": 4e8, "D": 32e9}
    points = [inside, {"N": 16e9, "D": 8e9}, {"N": 4e8, "D": 2e8}, {"N": 1.6005e9, "D": 8e9}]
    answer = forecast(single, points)
    np.testing.assert_allclose(answer.extrapolation["N"], [0, 1, 0, 0], atol=1e-12)
    np.testing.assert_allclose(answer.extrapolation["D"], [0, 0, 1, 0], atol=1e-12)
    labels = answer.summary()["extrapolation"].tolist()
    assert labels == ["inside", "outside", "outside", "inside"]


def test_a_point_far_outside_gets_a_warning(single: Fit) -> None:
    near = {"N": 16e9 * 0.99, "D": 8e9}
    assert forecast(single, near).warnings == ()
    far = {"N": 1.6e9 * 10**1.5, "D": 32e9 * 10**2.2}
    (found,) = forecast(single, [near, far]).warnings
    assert (found.code, found.severity) == ("far-outside", "warning")
    assert found.message.startswith("point 2 lies 1.5 decades in N, 2.2 decades in D beyond")


# -- refusals


def test_poor_diagnostics_are_refused_unless_forced(single: Fit) -> None:
    poor = diverged(single, 100)
    with pytest.raises(FitError, match=r"\(divergences\): 100 of 2000 draws diverged.*--force"):
        forecast(poor, POINT)
    forced = forecast(poor, {"N": 1e9, "D": 1e10}, force=True)
    assert [(w.code, w.severity) for w in forced.warnings] == [("divergences", "error")]
    answered = forecast(diverged(single, 5), {"N": 1e9, "D": 1e10})
    assert answered.warnings == ()


@pytest.mark.parametrize(
    ("points", "message"),
    [
        ([], "no points to forecast"),
        ({"N": 7e9}, r"points lack D \(training tokens\)"),
        (POINT | {"N": -7e9}, r"N must be a positive number, got -7"),
        (POINT | {"N": 0}, r"N must be a positive number, got 0"),
        (POINT | {"N": np.inf}, r"N must be a positive number, got inf"),
        (POINT | {"N": np.nan}, r"N must be a positive number, got nan"),
        (POINT | {"N": "many"}, r"N must be a positive number, got many"),
        (POINT | {"recipe": "adan"}, r"'adan' was not fitted \(adam, muon\); did you mean adam\?"),
        (POINT | {"recipes": "adam"}, r"'recipes' is neither .* did you mean recipe\?"),
        (POINT | {"se": "small"}, r"\bse\b.*small"),
        (POINT | {"se": -0.1}, r"\bse\b.*-0\.1"),
    ],
    ids=[
        "none", "missing", "negative", "zero", "infinite", "nan", "text", "label", "column",
        "se text", "se negative",
    ],
)  # fmt: skip
def test_bad_points(pooled: Fit, points: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        forecast(pooled, points)


def test_every_bad_point_is_reported_at_once(pooled: Fit) -> None:
    with pytest.raises(UsageError) as caught:
        forecast(pooled, {"N": -1.0, "recipe": "nobody", "colour": "red"})
    message = str(caught.value)
    for problem in ("points lack D", "N must be a positive", "recipe 'nobody'", "'colour'"):
        assert problem in message


def test_an_unknown_kind_is_refused(single: Fit) -> None:
    with pytest.raises(UsageError, match="kind is 'median'; it must be mean or new-run"):
        forecast(single, POINT, kind="median")  # type: ignore[arg-type]


def test_labels_that_are_numbers_are_found(single: Fit) -> None:
    fit = fake_fit({"version": ["1", "2"]})
    named = means(fit, [POINT | {"version": "1"}, POINT | {"version": "2"}])
    np.testing.assert_array_equal(named, means(fit, [POINT | {"version": v} for v in (1, 2)]))


def test_other_points_and_draws_of_the_same_shape_compile_nothing() -> None:
    def compiled(fit: Fit, points: Any) -> int:
        found = []

        def listen(event: str, _: float, **__: object) -> None:
            found.append(event)

        jax.monitoring.register_event_duration_secs_listener(listen)
        try:
            forecast(fit, points)
        finally:
            jax.monitoring.unregister_event_duration_listener(listen)
        return found.count("/jax/core/compile/backend_compile_duration")

    one, other = (fake_fit(noise="lognormal", seed=s) for s in (7, 8))
    jax.clear_caches()
    assert compiled(one, POINT) > 0
    assert compiled(one, {"N": 9e9, "D": 2e12}) == 0
    assert compiled(other, POINT) == 0
