"""Recipes at points and along paths, in joint draws."""

from __future__ import annotations

import numpy as np
import pytest
from decision_fits import THREE, crossing_fit
from fakes import RECIPES, RUNG_SD, SIGMA, curve, diverged, fake_fit, flat
from metric_fits import cloglog_fit

from bayes_scaling.answers import Cost, ScalingPath, allocate, compare, forecast, six_nd
from bayes_scaling.answers.arm import better_of
from bayes_scaling.errors import FitError, UsageError
from bayes_scaling.posterior import Fit

POINT = {"N": 1e9, "D": 2e10}


@pytest.fixture(scope="module")
def fit() -> Fit:
    return fake_fit(RECIPES, rungs=True, draws=200)


def by_hand(fit: Fit, recipe: str, n: float, d: float) -> np.ndarray:
    """Mean of a recipe, draw by draw."""
    x0, own = fit.spec.references, {}
    for p in fit.law.parameters:
        values = fit.posterior[p]
        own[p] = (values.sel(recipe=recipe) if "recipe" in values.dims else values).to_numpy()
    return curve(n / x0["N"], d / x0["D"], **own).ravel()


def test_means_are_those_of_the_law_draw_by_draw(fit: Fit) -> None:
    answer = compare(fit, at=[POINT, {"N": 4e9, "D": 1e11}])
    assert answer.recipes == ("adam", "muon")
    for i, (n, d) in enumerate([(1e9, 2e10), (4e9, 1e11)]):
        for recipe in answer.recipes:
            own = answer.draws.sel(recipe=recipe).isel(point=i)
            np.testing.assert_allclose(own, by_hand(fit, recipe, n, d), rtol=1e-12)
    table = answer.differences()
    gap = by_hand(fit, "adam", 1e9, 2e10) - by_hand(fit, "muon", 1e9, 2e10)
    row = table.iloc[0]
    assert (row["first"], row["second"]) == ("adam", "muon")
    assert row["mean"] == pytest.approx(gap.mean())
    assert row["q0.05"] == pytest.approx(np.quantile(gap, 0.05))
    assert row["p_better"] == pytest.approx((gap < 0).mean())


def test_what_recipes_share_cancels_in_the_difference(fit: Fit) -> None:
    answer = compare(fit, at=POINT, kind="new-run", seed=4)
    values = answer.draws.transpose("sample", "point", "recipe").to_numpy()[:, 0]
    level, gap = values.std(axis=0), (values[:, 0] - values[:, 1]).std()
    assert gap < 0.75 * level.min()
    # means aside, what is left is the noise of two runs: the rung's effect is the same
    means = compare(fit, at=POINT).draws.transpose("sample", "point", "recipe").to_numpy()[:, 0]
    off = np.log(values / means)
    assert off.std(axis=0).min() > 0.9 * RUNG_SD
    left = off[:, 0] - off[:, 1]
    noise = SIGMA * np.sqrt(2 * 8 / 6)  # of Student-t noise with eight degrees of freedom
    assert left.std() == pytest.approx(noise, rel=0.15)


def test_along_a_budget_every_recipe_has_its_own_split(fit: Fit) -> None:
    answer = compare(fit, path=ScalingPath(1e20, 1e23), places=4)
    np.testing.assert_allclose(answer.points["budget"], [1e20, 1e21, 1e22, 1e23])
    for recipe in answer.recipes:
        own = allocate(fit, answer.points["budget"], at={"recipe": recipe})
        np.testing.assert_allclose(answer.draws.sel(recipe=recipe), own.best, rtol=1e-10)
        runs = answer.runs[answer.runs["recipe"] == recipe]
        np.testing.assert_allclose(runs["N"], np.median(own.size, axis=0), rtol=1e-10)
        np.testing.assert_allclose(6 * own.size * own.data / 1e20, [[1, 10, 100, 1000]] * 800)


@pytest.mark.parametrize("cost", [six_nd, Cost(overhead=3e9, fixed=1e18)], ids=lambda c: c.text)
def test_paths_of_a_fixed_ratio_or_size_spend_their_budget(fit: Fit, cost: Cost) -> None:
    at = [1e20, 1e22]
    ratio = compare(fit, path=ScalingPath(1e20, 1e22, ratio=20, cost=cost), places=at).runs
    np.testing.assert_allclose(ratio["D"] / ratio["N"], 20)
    np.testing.assert_allclose(cost.of(ratio["N"], ratio["D"]), ratio["budget"], rtol=1e-9)
    fixed = compare(fit, path=ScalingPath(1e20, 1e22, size=2e9, cost=cost), places=at).runs
    np.testing.assert_allclose(fixed["N"], 2e9)
    np.testing.assert_allclose(cost.of(fixed["N"], fixed["D"]), fixed["budget"], rtol=1e-9)


def test_along_an_input_others_follow_or_stay(fit: Fit) -> None:
    grown = compare(fit, path=ScalingPath(1e8, 1e10, along="N", ratios={"D": 20}), places=3)
    there = compare(fit, at=[{"N": n, "D": 20 * n} for n in (1e8, 1e9, 1e10)])
    np.testing.assert_allclose(grown.draws, there.draws, rtol=1e-10)
    assert grown.runs.empty
    held = compare(fit, path=ScalingPath(1e8, 1e10, along="N"), at={"D": 2e10}, places=2)
    there = compare(fit, at=[{"N": n, "D": 2e10} for n in (1e8, 1e10)])
    np.testing.assert_allclose(held.draws, there.draws, rtol=1e-10)


def test_recipes_may_differ_in_their_cost(fit: Fit) -> None:
    dearer = {"adam": six_nd, "muon": Cost(coefficient=12.0)}
    answer = compare(fit, path=ScalingPath(1e20, 1e22, cost=dearer), places=[1e22])
    half = compare(fit, path=ScalingPath(1e20, 1e22), places=[5e21])
    np.testing.assert_allclose(
        answer.draws.sel(recipe="muon"), half.draws.sel(recipe="muon"), rtol=1e-10
    )


def test_ranks_are_probabilities_of_the_order() -> None:
    fit = fake_fit(THREE, draws=100)
    answer = compare(fit, at=POINT)
    ranking = answer.ranking()
    np.testing.assert_allclose(ranking.sum("rank"), 1)
    np.testing.assert_allclose(ranking.sum("recipe"), 1)
    values = answer.draws.transpose("sample", "point", "recipe").to_numpy()[:, 0]
    second = [int(np.argsort(row)[1]) for row in values]
    for k in range(3):
        assert float(ranking[0, k, 1]) == pytest.approx(np.mean([s == k for s in second]))
    table = answer.summary()
    np.testing.assert_allclose(table["p_best"], ranking.sel(rank=1).to_numpy().ravel())
    np.testing.assert_allclose(table["rank"].sum(), 6)
    assert answer.differences("soap")["second"].unique().tolist() == ["soap"]
    assert len(answer.differences()) == 3


def test_losses_are_better_lower_and_scores_as_scale_takes_them(fit: Fit) -> None:
    assert better_of(fit) == "lower"
    assert better_of(cloglog_fit(draws=20)) == "higher"
    turned = compare(fit, at=POINT, better="higher").differences()["p_better"]
    np.testing.assert_allclose(turned, 1 - compare(fit, at=POINT).differences()["p_better"])


def test_a_chain_is_compared_by_its_metric() -> None:
    fit = cloglog_fit(draws=50)
    answer = compare(fit, at=POINT)
    alone = forecast(fit, [POINT | {"task": t} for t in answer.recipes], kind="mean")
    np.testing.assert_allclose(answer.draws[:, 0], alone.draws, rtol=1e-10)


def test_far_paths_carry_a_warning(fit: Fit) -> None:
    far, common = compare(fit, path=ScalingPath(1e20, 1e26)).warnings
    assert far.code == "far-outside"
    assert "budget 1e+26" in far.message
    # level and alpha differ between the recipes of this fit, and nothing else
    assert common.code == "common-parameters"
    assert "reducible, share_N, beta are common to every recipe" in common.message
    assert "--pool reducible=partial" in common.message
    assert compare(fit, at=POINT).warnings == ()
    every = fake_fit(RECIPES, pool=dict.fromkeys(fit.law.parameters, "partial"), draws=50)
    (alone,) = compare(every, path=ScalingPath(1e20, 1e26)).warnings
    assert alone.code == "far-outside"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "give points to compare at"),
        ({"at": POINT, "recipes": ["adam"]}, "two recipes or more"),
        ({"at": POINT, "recipes": ["adam", "adam"]}, "each once"),
        ({"at": POINT, "recipes": ["adam", "sgd"]}, "recipe 'sgd' was not fitted"),
        ({"at": POINT | {"recipe": "adam"}}, "recipe is what is compared"),
        ({"at": POINT, "by": "corpus"}, "no grouping column 'corpus'"),
        ({"at": {"N": 1e9}}, "points lack D"),
        ({"path": ScalingPath(1e20, 1e22), "kind": "new-run"}, "new runs are at points"),
        ({"path": ScalingPath(1e20, 1e22), "places": 1}, "two places or more"),
        ({"path": ScalingPath(1e8, 1e9, along="C")}, "no input 'C' to go along"),
        ({"path": ScalingPath(1e8, 1e9, along="N")}, "points lack D"),
        ({"path": ScalingPath(1e8, 1e9), "at": {"N": 1e9}}, "N is what the answer looks for"),
        ({"path": ScalingPath(1e8, 1e9, along="N", ratios={"C": 2})}, "no input 'C'"),
        ({"path": ScalingPath(1e20, 1e22, cost={"adam": six_nd})}, "no cost of muon"),
        ({"path": ScalingPath(1e18, 1e22, cost=Cost(fixed=1e20))}, "does not pay for any run"),
    ],
)
def test_wrong_usage(fit: Fit, options: dict, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        compare(fit, **options)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"low": 2.0, "high": 1.0}, "a path goes up"),
        ({"low": -1.0, "high": 1.0}, "begins above zero"),
        ({"ratio": 20, "size": 1e9}, "not both"),
        ({"ratio": -1.0}, "ratio of a path is -1"),
        ({"ratios": {"D": 20}}, "ratio= gives tokens per parameter"),
        ({"along": "N", "ratio": 20}, "of paths along a budget"),
    ],
)
def test_paths_that_make_no_sense(options: dict, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        ScalingPath(**({"low": 1e20, "high": 1e22} | options))


def test_fits_without_recipes_and_poor_fits_are_refused(fit: Fit) -> None:
    with pytest.raises(UsageError, match="the fit has none: fit with group="):
        compare(fake_fit(draws=200), at=POINT)
    poor = diverged(fit, 200)
    with pytest.raises(FitError, match="divergences"):
        compare(poor, at=POINT)
    assert "divergences" in [w.code for w in compare(poor, at=POINT, force=True).warnings]


def test_recipes_of_several_columns_need_a_name() -> None:
    fit = fake_fit({"recipe": ["adam", "muon"], "corpus": ["c4", "pile"]}, draws=200)
    with pytest.raises(UsageError, match="say which with by="):
        compare(fit, at=POINT)
    answer = compare(fit, by="recipe", at=[POINT | {"corpus": c} for c in ("c4", None)])
    assert answer.points["corpus"].tolist()[0] == "c4"
    effects = [flat(fit, f"{p}_effect_corpus") for p in ("level", "alpha")]
    assert all(e.shape == (800, 2) for e in effects)
    gap = answer.draws.sel(recipe="muon") / answer.draws.sel(recipe="adam")
    # the corpus multiplies both recipes alike but for the exponent, so that the ratios are close
    assert float(np.abs(gap[:, 0] / gap[:, 1] - 1).max()) < 0.2


def test_the_crossing_fit_crosses() -> None:
    gaps = compare(crossing_fit(), path=ScalingPath(1e18, 1e25), places=2).differences()["mean"]
    assert gaps[0] < 0 < gaps[1]
