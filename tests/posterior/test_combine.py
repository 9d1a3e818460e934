"""Weighted fits as one: every draw follows one law, and is answered as that law's fit answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from fakes import RECIPES, SIZES, TOKENS, TRUTH, changed, fake_fit, fake_fit_of, flat, same_runs
from scipy.stats import norm

import bayes_scaling as bs
from bayes_scaling.answers import Cost, ScalingPath, allocate, compare, crossover, decide, forecast
from bayes_scaling.errors import UsageError
from bayes_scaling.law.mixed import INDEX, mixed
from bayes_scaling.models import registry
from bayes_scaling.posterior import Fit, ScalingModel
from bayes_scaling.posterior.combine import combine, shares
from bayes_scaling.posterior.weighted import WeightedModel
from bayes_scaling.runs import read_runs

SKALING = registry["skaling"]
POINTS = [{"N": n, "D": d, "recipe": r} for n, d in ((7e9, 1.4e12), (2e8, 5e9)) for r in
          ("adam", "muon")]  # fmt: skip
POOL = {"level": "partial", "alpha": "partial"}
WIDE = ScalingPath(1e18, 1e25)


def grid() -> pd.DataFrame:
    rows = product(SIZES, TOKENS, RECIPES["recipe"])
    return pd.DataFrame(rows, columns=["N", "D", "recipe"])


def other_law(first: Fit, **options: Any) -> Fit:
    """A fit of skaling to the runs of a fit of chinchilla, less sure and elsewhere."""
    truth = TRUTH | {"coupling": 0.7, "level": 3.0}
    found = fake_fit_of(
        SKALING, grid(), truth, labels=RECIPES, pool=POOL, noise="lognormal", seed=12, **options
    )
    return same_runs(found, first)


def pair(draws: int = 100, **options: Any) -> list[Fit]:
    first = fake_fit(RECIPES, noise="lognormal", draws=draws, **options)
    return [first, other_law(first, draws=draws, **options)]


@pytest.fixture(scope="module", params=[False, True], ids=["law holds", "discrepancy"])
def fits(request: pytest.FixtureRequest) -> list[Fit]:
    return pair(discrepancy=request.param, rungs=True)


@pytest.fixture(scope="module")
def whole(fits: list[Fit]) -> Fit:
    return combine(fits, [3, 1])


def followed(whole: Fit) -> np.ndarray:
    return flat(whole, INDEX).round().astype(int)


def each_law(whole: Fit, fits: list[Fit], draws: Callable[[Fit], np.ndarray]) -> None:
    """Draws of the whole are those of the law that each of them follows."""
    index, found = followed(whole), draws(whole)
    for i, fit in enumerate(fits):
        wanted = draws(fit)
        assert found.shape == wanted.shape
        np.testing.assert_allclose(found[index == i], wanted[index == i], rtol=1e-9)
        assert not np.allclose(found[index != i], wanted[index != i])


# -- shares and draws


@pytest.mark.parametrize(
    ("weights", "counts"),
    [
        ([3, 1], [300, 100]),
        ([1, 1], [200, 200]),
        ([0.001, 2], [0, 400]),
        ([0.333, 0.667], [133, 267]),
    ],
)
def test_shares_are_exact(weights: list[float], counts: list[int]) -> None:
    found = followed(combine(pair(), weights))
    assert np.bincount(found, minlength=2).tolist() == counts


def test_draws_of_a_law_lie_in_random_places() -> None:
    fits = pair()
    index = combine(fits, [1, 1]).posterior[INDEX]
    assert index.dims == ("chain", "draw")
    by_chain = index.mean("draw").to_numpy()
    assert ((by_chain > 0.3) & (by_chain < 0.7)).all()
    assert not index.identical(combine(fits, [1, 1], seed=1).posterior[INDEX])
    assert index.identical(combine(fits, [5, 5]).posterior[INDEX])


def test_a_law_of_no_weight_is_left_out() -> None:
    fits = pair()
    assert combine(fits, [1, 0]) is fits[0]
    assert combine(fits, [0, 0.2]) is fits[1]


def test_parameters_have_the_names_of_their_laws(whole: Fit, fits: list[Fit]) -> None:
    assert whole.law.name == "chinchilla|skaling"
    assert set(whole.law.parameters) == {
        INDEX,
        *(f"{fit.law.name}.{p}" for fit in fits for p in fit.law.parameters),
    }
    for fit in fits:
        for name in ("level", "level_centre", "level_effect_recipe", "level_sd_recipe", "beta"):
            own = whole.posterior[f"{fit.law.name}.{name}"]
            assert own.dims == fit.posterior[name].dims
            np.testing.assert_array_equal(own, fit.posterior[name])
    index = whole.posterior[INDEX]
    for name in ("sigma", "rung_effect", "E", *(["settling"] if whole.spec.walks else [])):
        wanted = xr.where(index == 0, fits[0].posterior[name], fits[1].posterior[name])
        xr.testing.assert_equal(
            whole.posterior[name], wanted.transpose(*fits[0].posterior[name].dims)
        )


def test_floors_of_other_groups_are_put_together() -> None:
    first = fake_fit(RECIPES, pool={"level": "complete"}, noise="lognormal", draws=100)
    second = other_law(first, draws=100)
    found = combine([first, second], [1, 1])
    assert first.posterior["E"].dims == ("chain", "draw")
    assert found.posterior["E"].dims == ("chain", "draw", "recipe")
    each = found.posterior["E"].isel(recipe=1).to_numpy().ravel()
    index = followed(found)
    np.testing.assert_array_equal(each[index == 0], flat(first, "E")[index == 0])
    np.testing.assert_array_equal(each[index == 1], flat(second, "E")[index == 1, 1])


def test_the_summary_and_warnings_of_a_weighted_fit(whole: Fit) -> None:
    table = whole.summary().set_index(["name", "group"])
    assert table.loc[(INDEX, ""), "mean"] == pytest.approx(0.25)
    assert ("skaling.coupling", "") in table.index
    assert ("chinchilla.level", "adam") in table.index
    assert ("E", "muon") in table.index
    assert whole.usable
    assert not [w for w in whole.warnings if w.severity == "error"]
    assert repr(whole) == "Fit(chinchilla|skaling, 18 runs, ok)"


def test_a_draw_has_the_priors_of_the_law_that_it_follows(whole: Fit, fits: list[Fit]) -> None:
    """The prior of the index is the same for all draws, to a part in a million."""

    def scores(fit: Fit) -> np.ndarray:
        found = fit.log_scores["prior"].to_numpy().ravel()
        of_index = INDEX in fit.posterior
        return found - (norm.logpdf(0.0, 0.0, 1e3) if of_index else 0.0)

    index, found = followed(whole), scores(whole)
    for i, fit in enumerate(fits):
        assert found[index == i] == pytest.approx(scores(fit)[index == i], abs=1e-4)


# -- answers: one law a draw, for all points and all recipes


def test_forecasts(whole: Fit, fits: list[Fit]) -> None:
    def means(fit: Fit) -> np.ndarray:
        draws = forecast(fit, POINTS, kind="mean").draws
        return draws.transpose("sample", "point").to_numpy()

    each_law(whole, fits, means)


def test_new_runs_of_a_new_recipe(whole: Fit) -> None:
    answer = forecast(whole, [{"N": 7e9, "D": 1.4e12}])
    assert answer.draws.sizes["sample"] == 400
    assert np.isfinite(answer.draws).all()
    assert answer.law == "chinchilla|skaling"


def test_comparisons_stay_paired(whole: Fit, fits: list[Fit]) -> None:
    """The difference of two recipes in one draw is one law's."""

    def gap(fit: Fit) -> np.ndarray:
        draws = compare(fit, at={"N": 7e9, "D": 1.4e12}).draws
        values = draws.transpose("sample", "point", "recipe").to_numpy()[:, 0]
        return values[:, 0] - values[:, 1]

    each_law(whole, fits, gap)


def test_decisions(whole: Fit, fits: list[Fit]) -> None:
    answer = decide(whole, {"N": 7e9, "D": 1.4e12}, rope=0.05)
    single = [compare(fit, at={"N": 7e9, "D": 1.4e12}) for fit in fits]
    index = followed(whole)
    values = np.stack([a.draws.transpose("sample", "point", "recipe")[:, 0] for a in single])
    own = values[index, np.arange(len(index))]
    table = answer.summary()
    for k, (_, row) in enumerate(table.iterrows()):
        assert row["p_best"] == pytest.approx((own[:, k] == own.min(axis=1)).mean())
        assert row["regret"] == pytest.approx((own[:, k] - own.min(axis=1)).mean())


@pytest.mark.parametrize("cost", [Cost(), Cost(overhead=2e9)], ids=["power", "overhead"])
def test_budgets_are_split_as_each_law_says(cost: Cost) -> None:
    fits = pair(draws=50)
    whole = combine(fits, [1, 1])

    def sizes(fit: Fit) -> np.ndarray:
        answer = allocate(fit, [1e20, 1e22], cost=cost, at={"recipe": "adam"})
        return answer.size.transpose("sample", "point").to_numpy()

    each_law(whole, fits, lambda fit: sizes(fit).round(-3))


def test_the_closed_form_of_the_best_size_is_that_of_each_law() -> None:
    law = mixed(registry["chinchilla"], SKALING)
    assert law.best_size is not None
    values = {INDEX: jnp.asarray([0.0, 1.0, 1.0])}
    truths = {registry["chinchilla"]: TRUTH, SKALING: TRUTH | {"coupling": 0.6}}
    values |= {f"{k.name}.{p}": jnp.asarray(v) for k, t in truths.items() for p, v in t.items()}
    found = np.asarray(law.best_size(values, jnp.log(50.0), 1.0, 1.0))
    for i, (own, truth) in enumerate(truths.items()):
        assert own.best_size is not None
        wanted = own.best_size({k: jnp.asarray(v) for k, v in truth.items()}, jnp.log(50.0), 1, 1)
        assert found[i] == pytest.approx(float(wanted))
    assert found[1] == found[2] != found[0]
    assert mixed(registry["chinchilla"], registry["farseer"]).best_size is None


def crossing(fit: Fit) -> Fit:
    """The second recipe is one per cent worse at the reference, and its exponent larger."""
    moved = {}
    for p, by in (("level", 0.01), ("alpha", 0.2)):
        effects = fit.posterior[f"{p}_effect_recipe"].to_numpy()
        first = effects[..., 0]
        moved[f"{p}_effect_recipe"] = np.stack([first, first + by + 0.01 * effects[..., 1]], -1)
    return changed(fit, moved)


def test_curves_that_cross() -> None:
    fits = [crossing(fit) for fit in pair(discrepancy=True)]
    whole = combine(fits, [1, 1])
    assert np.isfinite(crossover(whole, "adam", "muon", WIDE).place).mean() > 0.5
    each_law(whole, fits, lambda fit: crossover(fit, "adam", "muon", WIDE).place.to_numpy().ravel())


# -- files


def test_a_weighted_fit_is_saved_and_loaded_by_its_name(whole: Fit, tmp_path: Path) -> None:
    whole.save(tmp_path / "fit.nc")
    back = bs.load(tmp_path / "fit.nc")
    assert back.law is whole.law is bs.find_law("chinchilla|skaling")
    assert (back.spec, back.record, back.settings) == (whole.spec, whole.record, whole.settings)
    assert back.structure == whole.structure
    first, again = (forecast(fit, POINTS, seed=3).draws.to_numpy() for fit in (whole, back))
    np.testing.assert_array_equal(first, again)
    assert combine([back], [1.0]) is back


# -- the mixed law


def test_the_mean_and_floor_are_those_of_the_law_that_a_draw_follows() -> None:
    one, two = registry["chinchilla"].variant("no_floor"), registry["kaplan"]
    law = mixed(one, two)
    values = {f"{k.name}.{p}": TRUTH[p] for k in (one, two) for p in k.parameters}
    x = {"N": jnp.asarray([0.3, 4.0]), "D": jnp.asarray([2.0, 0.5])}
    for i, own in enumerate((one, two)):
        given = {p: TRUTH[p] for p in own.parameters}
        np.testing.assert_allclose(law.mean(x, values | {INDEX: i}), own.mean(x, given))
        floor = law.floor(values | {INDEX: i})
        assert float(floor) == pytest.approx(float(own.floor(own.expand(given))))
        moved = law.mean(x, values | {INDEX: i, "discrepancy": jnp.asarray([0.3, -0.2])})
        np.testing.assert_allclose(
            moved, own.mean(x, given | {"discrepancy": jnp.asarray([0.3, -0.2])})
        )
    assert "one of" in law.formula
    assert mixed(one, two) is law
    assert set(law.references) >= {one.citation, two.citation} & {*one.references, *two.references}


@pytest.mark.parametrize(
    ("laws", "message"),
    [
        (["chinchilla"], "two or more different laws can be weighted, got chinchilla"),
        (["chinchilla", "chinchilla"], "two or more different laws"),
        (["chinchilla", "power_law"], "power_law has X"),
        (["power_law", "densing"], "same inputs and response|brings its own|same inputs"),
        (["capability_sigmoid", "cloglog_accuracy"], "same inputs"),
        (["rate_valley", "rate_valley:flat"], "no law|no variant|brings its own likelihood"),
    ],
)
def test_laws_that_cannot_be_mixed(laws: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        mixed(*(bs.find_law(name) for name in laws))


# -- what is refused


@pytest.mark.parametrize(
    "weights", [[1.0], [1, 1, 1], [-1, 2], [0, 0], [float("nan"), 1], [float("inf"), -1]]
)
def test_weights_that_are_no_probabilities(weights: list[float]) -> None:
    with pytest.raises(UsageError, match="weights are one number a law, none negative and not all"):
        combine(pair(), weights)


def test_weights_need_not_sum_to_one() -> None:
    np.testing.assert_allclose(shares(2, [30, 10]), [0.75, 0.25])


def drop_runs(fit: Fit) -> Fit:
    groups = {name: node.to_dataset() for name, node in fit.tree.children.items()}
    for name in ("observed_data", "constant_data"):
        groups[name] = groups[name].isel(run=slice(0, -1))
    return replace(fit, tree=xr.DataTree.from_dict(groups))


def short(fit: Fit, **kept: slice) -> Fit:
    groups = {name: node.to_dataset() for name, node in fit.tree.children.items()}
    for name in ("posterior", "sample_stats"):
        groups[name] = groups[name].isel(kept)
    return replace(fit, tree=xr.DataTree.from_dict(groups))


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (drop_runs, "runs"),
        (lambda fit: same_runs(fit, fake_fit(RECIPES, noise="lognormal", seed=99)), "runs"),
        (lambda fit: short(fit, draw=slice(0, 50)), "draws"),
        (lambda fit: short(fit, chain=slice(0, 2)), "chains"),
        (lambda fit: replace(fit, spec=replace(fit.spec, references={"N": 1.0, "D": 1.0})), "refe"),
        (lambda fit: replace(fit, spec=replace(fit.spec, noise="student-t")), "noise"),
        (lambda fit: other_law(fit, rungs=True, draws=100), "labels, rung effects"),
        (lambda fit: other_law(fit, discrepancy=True, draws=100), "walks"),
    ],
    ids=["fewer runs", "responses", "draws", "chains", "references", "noise", "rungs", "walks"],
)  # fmt: skip
def test_fits_that_differ_in_more_than_their_law(change: Callable[[Fit], Fit], what: str) -> None:
    first, second = pair()
    with pytest.raises(UsageError, match=f"differ in .*{what}.*only fits of the same runs"):
        combine([first, change(second)], [1, 1])


def test_fits_of_one_law_are_not_weighted() -> None:
    first, _ = pair()
    with pytest.raises(UsageError, match="two or more different laws"):
        combine([first, fake_fit(RECIPES, noise="lognormal", draws=100)], [1, 1])


# -- the model


def test_a_weighted_model_keeps_laws_of_some_weight() -> None:
    names = ("chinchilla", "skaling", "kaplan")
    models = [ScalingModel(registry[k], noise="lognormal") for k in names]
    found = WeightedModel(models, [2, 0, 6])
    assert [m.law.name for m in found.models] == ["chinchilla", "kaplan"]
    assert found.weights == (0.25, 0.75)
    assert found.law is mixed(registry["chinchilla"], registry["kaplan"])
    for weights in ([1, 0, 0], [1, 1], [-1, 1, 1]):
        with pytest.raises(UsageError, match="weights"):
            WeightedModel(models, weights)


def test_the_prior_of_a_weighted_model_has_the_shares_of_its_laws() -> None:
    models = [ScalingModel(registry[k], noise="lognormal") for k in ("chinchilla", "kaplan")]
    table = grid().query("recipe == 'adam'").drop(columns="recipe")
    runs = read_runs(table.assign(loss=3.0 - 0.01 * np.arange(len(table))))
    found = WeightedModel(models, [1, 3]).prior_predictive(runs, draws=40, seed=2)
    assert found["response"].sizes == {"draw": 40, "run": 9}
    parts = [
        m.prior_predictive(runs, draws=n, seed=2) for m, n in zip(models, (10, 30), strict=True)
    ]
    np.testing.assert_array_equal(
        found["response"], np.concatenate([p["response"].to_numpy() for p in parts])
    )
