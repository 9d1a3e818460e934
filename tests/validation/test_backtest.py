"""Backtests: what is fitted and forecast, tables of scores, folds that are fitted again."""

from __future__ import annotations

import os
import pickle
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from backtests import SHORT, SIZES, TOKENS, chinchilla, fake_backtest, fake_folds, grid_runs
from fakes import diverged, fake_fit_of, same_runs
from joblib import parallel_config
from samplers import quick

import bayes_scaling as bs
from bayes_scaling import Backtest, Fit, Runs, ScalingModel
from bayes_scaling.errors import TableError, UsageError
from bayes_scaling.models import registry
from bayes_scaling.posterior import Settings, batch
from bayes_scaling.posterior.weighted import WeightedModel
from bayes_scaling.validation import backtest_work, forward_folds
from bayes_scaling.validation.backtest_plan import named_models
from bayes_scaling.validation.backtest_work import Batch, batches, points_of
from bayes_scaling.validation.backtested import clustered_error
from bayes_scaling.validation.scores import score_draws
from bayes_scaling.validation.simulate import simulate

BOTH = {"drifting": ScalingModel(registry["chinchilla"]),
        "holding": ScalingModel(registry["chinchilla"], discrepancy=False)}  # fmt: skip


@pytest.fixture(scope="module")
def two() -> Backtest:
    """Two models, two recipes, three origins."""
    return fake_backtest(BOTH, ["adam", "muon"], gaps=(3, 10))


# -- what is fitted and forecast


def test_what_is_in_a_backtest(two: Backtest) -> None:
    assert two.models == ("drifting", "holding")
    assert (two.response, two.unit, two.by) == ("loss", "nat/token", "compute")
    assert two.by_ratio
    assert two.on_log
    top = 6 * SIZES[-1] * TOKENS[-1]
    assert two.folds["origin"].tolist() == pytest.approx(np.repeat([top, top / 2, top / 4], 2))
    assert two.folds["fold"].tolist() == [1, 2, 3, 4, 5, 6]
    first = two.points[two.points["fold"] == 1]
    assert len(first) == two.folds["runs"].iloc[0] == 2  # the dearest cell, of both recipes
    assert first["group"].tolist() == ["adam", "muon"]
    assert first["rung"].nunique() == 1
    fitted = 6 * np.outer(SIZES, TOKENS).ravel()
    dearest = fitted[fitted <= top / 3 * (1 + 1e-9)].max()
    assert first["beyond"].tolist() == pytest.approx([np.log10(top / dearest)] * 2)
    assert two.draws.sizes == {"model": 2, "point": len(two.points), "sample": 400}
    assert two.skipped.empty
    assert two.warnings == ()


def test_draws_are_those_of_a_forecast() -> None:
    """The same numbers as the answer `forecast` gives from the fit of a fold."""
    kept: list[Fit] = []

    def keep(*given: Any, **options: Any) -> list[Fit]:
        fits = fake_folds(*given, **options)
        kept.extend(fits)
        return fits

    runs = grid_runs(["adam", "muon"])
    found = fake_backtest(folds=keep, runs=runs, gaps=(3,), origins=1)
    points = found.points[["N", "D", "recipe"]]
    answer = bs.forecast(kept[0], points, kind="new-run", force=True)
    assert found.draws.shape == (1, 2, 400)
    table = found.scores
    rows = answer.summary()
    assert table["median"].tolist() == pytest.approx(rows["q0.5"].tolist(), rel=5e-3)
    assert table["high"].tolist() == pytest.approx(rows["q0.95"].tolist(), rel=1e-2)


def test_one_draw_has_one_set_of_parameters() -> None:
    """Forecasts of one fold go up and down together; noise is left out of the mean."""
    mean = fake_backtest(groups=["adam", "muon"], kind="mean", gaps=(3,), origins=1)
    draws = np.log(mean.draws.to_numpy()[0])
    assert np.corrcoef(draws)[0, 1] > 0.95
    new = fake_backtest(groups=["adam", "muon"], gaps=(3,), origins=1)
    assert np.log(new.draws.to_numpy()[0]).std() > draws.std()


def test_inputs_of_other_laws_are_no_points_of_a_law() -> None:
    runs = grid_runs()
    frame = runs.frame[["N", "D"]].assign(loss=runs.frame["response"], C=1.0)
    more = bs.read_runs(frame, inputs={"N": "N", "D": "D", "C": "C"})
    fit = fake_folds(BOTH["holding"], runs, [np.ones(len(runs), dtype=bool)])[0]
    assert list(points_of(fit, more)) == ["N", "D"]
    fields = more.frame["N"] * more.frame["D"]
    found = fake_backtest(runs=more, by=fields, gaps=(3,), origins=1)
    assert found.by == "cost"


def test_folds_that_some_law_cannot_be_fitted_to_are_left_out() -> None:
    """Common to all models, so that they are compared on the same folds."""

    def smaller(model: ScalingModel, *given: Any, **options: Any) -> list[Fit]:
        return fake_folds(BOTH["holding"], *given, **options)

    alone = fake_backtest(BOTH["holding"], gaps=(3, 10, 30), origins=2)
    larger = {"holding": BOTH["holding"], "farseer": registry["farseer"]}
    both = fake_backtest(larger, folds=smaller, gaps=(3, 10, 30), origins=2)
    assert alone.skipped["reason"].tolist() == ["6 fitted runs, not 10"]
    needed = 2 * len(registry["farseer"].parameters)
    assert len(both.folds) < len(alone.folds) == 5
    assert (alone.folds["fitted"] < needed).any()
    assert (both.folds["fitted"] >= needed).all()
    assert both.skipped["reason"].str.endswith(f"not {needed}").all()


def test_what_a_law_lacks_in_a_fold_is_the_reason_to_skip_it() -> None:
    class Picky(ScalingModel):
        def spec(self, runs: Runs) -> Any:
            if len(runs) < 20:
                raise TableError([bs.errors.Finding("picky", "error", "too few for me")])
            return super().spec(runs)

    found = fake_backtest(Picky(chinchilla()), gaps=(3, 10), origins=1)
    assert found.folds["gap"].tolist() == [3.0]
    assert found.skipped["reason"].tolist() == ["too few for me"]


def test_no_fold_at_all_is_an_error_of_the_table() -> None:
    with pytest.raises(TableError, match=r"no fold of the table counts \(gap 300: \d distinct"):
        fake_backtest(gaps=(300,))


def test_batches_share_a_structure_and_a_width() -> None:
    structures = {
        i: (BOTH["holding" if i % 7 else "drifting"].spec(grid_runs()),) for i in range(8)
    }
    alike: Any = {i: (s[0].law + str(bool(i % 7)),) for i, s in structures.items()}
    found = list(batches("t", "m", alike))
    assert [(b.numbers, b.width) for b in found] == [
        ((0, 7), 2), ((1, 2, 3, 4), 4), ((5, 6), 4),
    ]  # fmt: skip
    assert all(isinstance(b, Batch) for b in found)


def test_rows_that_count_together_are_fitted_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of a chain, whose losses several rows share."""
    asked: list[tuple[int, dict[str, Any]]] = []

    def alone(self: ScalingModel, runs: Runs, **options: Any) -> Fit:
        asked.append((len(runs), options))
        return fake_folds(BOTH["holding"], runs, [np.ones(len(runs), bool)])[0]

    monkeypatch.setattr(ScalingModel, "fit", alone)
    runs, chained = grid_runs(), ScalingModel(bs.find_law("chinchilla+error_decay"))
    folds = forward_folds(runs.frame, np.arange(25.0) + 1, scales=["N"], gaps=(2, 4))
    fits = backtest_work.fit_together(chained, runs, folds, 4, SHORT, 0)
    assert [n for n, _ in asked] == [f.fitted.sum() for f in folds] == [12, 6]
    assert [(o["draws"], o["warmup"]) for _, o in asked] == [(100, 200)] * 2
    assert len({o["seed"] for _, o in asked}) == len(fits) == 2


def test_the_seed_changes_the_draws_and_nothing_else() -> None:
    options: dict[str, Any] = {"gaps": (3,), "origins": 1}
    one, same, other = (fake_backtest(seed=seed, **options) for seed in (1, 1, 2))
    assert one.draws.equals(same.draws)
    assert not one.draws.equals(other.draws)
    pd.testing.assert_frame_equal(one.points, other.points)


def test_a_weighted_model_is_scored_as_one() -> None:
    laws = [ScalingModel(registry[name], discrepancy=False) for name in ("chinchilla", "kaplan")]
    name = "|".join(m.law.name for m in laws)

    def of_both(model: ScalingModel, *given: Any, **options: Any) -> list[Fit]:
        if model.law.name == "chinchilla":
            return fake_folds(model, *given, **options)
        return kaplan_folds(model, *given, **options)

    found = fake_backtest(WeightedModel(laws, [0.75, 0.25]), folds=of_both, gaps=(3,), origins=1)
    assert found.models == (name,)
    assert found.draws.sizes["sample"] == 400
    assert np.isfinite(found.draws).all()


def kaplan_folds(
    model: ScalingModel,
    runs: Runs,
    masks: Sequence[np.ndarray],
    *,
    seed: int = 0,
    settings: Settings = SHORT,
) -> list[Fit]:
    like = fake_folds(BOTH["holding"], runs, masks, seed=seed, settings=settings)
    truth = {p: {"level": 2.9, "reducible": 0.4}.get(p, 0.5) for p in model.law.parameters}
    return [
        same_runs(
            fake_fit_of(
                model.law, runs.frame.loc[mask, [*model.law.inputs]], truth,
                chains=settings.chains, draws=settings.draws, seed=seed,
            ),
            fit,
        )
        for mask, fit in zip(masks, like, strict=True)
    ]  # fmt: skip


# -- tables


def test_scores_and_their_means(two: Backtest) -> None:
    truth, draws = two.points["truth"].to_numpy(), two.draws.to_numpy()
    own = score_draws(truth, draws[1])
    rows = two.scores[two.scores["model"] == "holding"].reset_index(drop=True)
    for column in own:
        assert rows[column].tolist() == own[column].tolist()
    folds = two.by_fold()
    assert folds["model"].tolist() == ["drifting"] * 6 + ["holding"] * 6
    third = (two.points["fold"] == 3).to_numpy()
    row = folds[(folds["model"] == "holding") & (folds["fold"] == 3)].iloc[0]
    assert row["crps"] == pytest.approx(own["crps"][third].mean())
    assert row["runs"] == third.sum()
    assert (row["divergences"], row["again"]) == (0, False)
    summary = two.summary()
    assert summary[["model", "gap"]].to_numpy().tolist() == [
        ["drifting", 3.0], ["drifting", 10.0], ["holding", 3.0], ["holding", 10.0],
    ]  # fmt: skip
    chosen = folds[(folds["model"] == "holding") & (folds["gap"] == 3)]
    line = summary.iloc[2]
    assert (line["folds"], line["runs"]) == (len(chosen), chosen["runs"].sum())
    assert line["log_score"] == pytest.approx(chosen["log_score"].mean())
    assert line["distance"] == pytest.approx(np.log10(3))


def shifted(answer: Backtest, model: str, factor: float) -> Backtest:
    """The same backtest with forecasts of a model that are off by a factor."""
    scale = np.where(answer.draws["model"].to_numpy() == model, factor, 1.0)
    return replace(answer, draws=answer.draws * scale[:, None, None])


def test_the_leaderboard_orders_by_log_score(two: Backtest) -> None:
    table = shifted(two, "drifting", 1.03).leaderboard()
    assert table["model"].tolist() == ["holding", "drifting"]
    assert table["difference"].iloc[0] == table["se"].iloc[0] == 0.0
    folds = shifted(two, "drifting", 1.03).by_fold()
    wide = folds.pivot(index="fold", columns="model", values="log_score")
    gap = wide["drifting"] - wide["holding"]
    assert table["difference"].iloc[1] == pytest.approx(gap.mean())
    off = gap.to_numpy().reshape(3, 2).sum(axis=1) - 2 * gap.mean()  # by origin
    assert table["se"].iloc[1] == pytest.approx(np.sqrt(1.5 * (off**2).sum()) / 6)
    assert shifted(two, "holding", 1.03).leaderboard()["model"].iloc[0] == "drifting"


def test_the_error_of_a_mean_over_clusters() -> None:
    values = pd.Series([1.0, 2.0, 4.0, 7.0])
    alone = pd.Series([1, 2, 3, 4])
    assert clustered_error(values, alone) == pytest.approx(values.std() / 2)
    assert np.isnan(clustered_error(values, pd.Series([1, 1, 1, 1])))


def test_differences_between_recipes(two: Backtest) -> None:
    pairs = two.pairs
    assert (pairs[["first", "second"]].to_numpy() == ["adam", "muon"]).all()
    own = two.points.reset_index()
    place = own[own["fold"] == 1].set_index("group")["index"]
    draws = np.log(two.draws.sel(model="holding").to_numpy())
    gap = draws[place["adam"]] - draws[place["muon"]]
    first = pairs[(pairs["model"] == "holding") & (pairs["fold"] == 1)].iloc[0]
    assert first["median"] == pytest.approx(np.median(gap))
    truth = np.log(two.points["truth"].to_numpy())
    assert first["difference"] == pytest.approx(truth[place["adam"]] - truth[place["muon"]])
    table = two.differences()
    assert table["pairs"].sum() == len(pairs)
    assert table[["model", "gap"]].drop_duplicates().shape == (4, 2)
    assert table["right_sign"].between(0, 1).all()
    alone = fake_backtest(gaps=(3,), origins=1)
    assert alone.differences().empty
    assert (alone.points["group"] == "").all()


def test_log_densities_are_what_stacking_takes(two: Backtest) -> None:
    table = two.log_densities()
    assert list(table) == ["fold", "run", "drifting", "holding"]
    assert len(table) == len(two.points)
    own = score_draws(two.points["truth"].to_numpy(), two.draws.to_numpy()[0])["log_score"]
    joined = table.merge(two.points.assign(own=own), on=["fold", "run"])
    assert joined["drifting"].tolist() == joined["own"].tolist()
    weights = bs.stack(shifted(two, "drifting", 1.05).log_densities(), laws=two.models)
    assert weights["holding"] > 0.6


def test_scores_of_other_noise_are_of_the_response_itself() -> None:
    model = ScalingModel(chinchilla(), noise="student-t-raw")
    found = fake_backtest({"raw": model, "log": BOTH["holding"]}, gaps=(3,), origins=1)
    assert not found.on_log
    raw = found.scores.iloc[0]
    assert raw["relative_error"] == pytest.approx(abs(raw["median"] - raw["truth"]))


# -- folds that are fitted again


@pytest.mark.parametrize("still", [False, True])
def test_poor_folds_are_fitted_again_alone(still: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, dict[str, Any]]] = []

    def poor_second(*given: Any, **options: Any) -> list[Fit]:
        fits = fake_folds(*given, **options)
        return [fits[0], diverged(fits[1], 5), *fits[2:]]  # of 400 draws, more than 1 %

    def alone(self: ScalingModel, runs: Runs, **options: Any) -> Fit:
        asked.append((len(runs), options))
        settings = Settings(options["chains"], options["draws"])
        fit = fake_folds(self, runs, [np.ones(len(runs), bool)], settings=settings)[0]
        return diverged(fit, 40) if still else fit

    monkeypatch.setattr(ScalingModel, "fit", alone)
    found = fake_backtest(folds=poor_second, gaps=(3,), origins=3)
    ((count, options),) = asked
    assert count == found.folds["fitted"].iloc[1]
    assert (options["chains"], options["draws"]) == (4, 400)
    assert (options["warmup"], options["target_accept"]) == (1500, 0.97)
    assert found.sampling["again"].tolist() == [False, True, False]
    assert found.draws.sizes["sample"] == 400  # every fourth
    codes = [(w.code, w.severity) for w in found.warnings]
    assert codes[0] == ("folds-again", "info")
    assert "1 of 3 folds of chinchilla" in found.warnings[0].message
    assert "fold 2 (5 of 400 draws diverged, R-hat 1." in found.warnings[0].message
    assert codes[1:] == ([("poor-folds", "warning")] if still else [])
    assert found.sampling["divergences"].tolist() == [0, 40 if still else 0, 0]


def test_chains_that_never_moved_are_poor() -> None:
    health = backtest_work.Health(0, 400, float("nan"), 1.0)
    assert health.poor
    assert str(health) == "0 of 400 draws diverged, R-hat not a number"
    assert backtest_work.Health(0, 400, 1.06, 1.0).poor
    assert not backtest_work.Health(4, 400, 1.04, 1.0).poor


# -- options


def test_models_have_names() -> None:
    law, model = registry["kaplan"], ScalingModel(chinchilla())
    assert list(named_models(law)) == ["kaplan"]
    assert named_models([model, law])["chinchilla"] is model
    assert list(named_models({"mine": law, "yours": model})) == ["mine", "yours"]
    with pytest.raises(UsageError, match="models are called chinchilla, chinchilla; hand"):
        named_models([model, chinchilla()])
    with pytest.raises(UsageError, match="no models"):
        named_models([])
    with pytest.raises(UsageError, match="a model cannot be called run"):
        named_models({"run": law})
    with pytest.raises(UsageError, match="needs a Law such as"):
        named_models(["chinchilla"])  # type: ignore[list-item]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "median"}, "kind is 'median'"),
        ({"settings": Settings(chains=1)}, "chains is 1; it must be at least 2"),
        ({"settings": Settings(draws=10)}, "draws is 10; it must be at least 100"),
        ({"by": "M"}, "by is 'M'"),
        ({"models": registry["power_law"]}, "law power_law needs input X; the table was read"),
        ({"backend": "pigeons"}, "joblib cannot work with backend pigeons"),
    ],
)
def test_wrong_usage(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        fake_backtest(**options)


def test_progress_is_told() -> None:
    told: list[str] = []
    fake_backtest(BOTH, ["adam", "muon"], gaps=(3, 10), report=told.append)
    assert told == [
        "drifting: 4 of 12 folds", "drifting: 6 of 12 folds",
        "holding: 10 of 12 folds", "holding: 12 of 12 folds",
    ]  # fmt: skip


# -- several tables, several processes


def test_several_tables_in_threads_as_in_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backtest_work, "fit_folds", fake_folds)
    tables = {"a": grid_runs(seed=1), "b": grid_runs(["adam", "muon"], seed=2)}
    told: list[str] = []
    options: dict[str, Any] = {"gaps": (3,), "settings": SHORT}
    row = bs.backtest_many(BOTH["holding"], tables, report=told.append, **options)
    assert list(row) == ["a", "b"]
    assert told[0] == "a, chinchilla: 3 of 6 folds"
    with parallel_config(backend="threading", n_jobs=2):
        context = bs.backtest_many(BOTH["holding"], tables, **options)
    named = bs.backtest_many(BOTH["holding"], tables, backend="threading", jobs=2, **options)
    for other in (context, named):
        for name in tables:
            assert other[name].draws.equals(row[name].draws)
            pd.testing.assert_frame_equal(other[name].points, row[name].points)
    assert row["a"].draws.equals(fake_backtest(runs=tables["a"], gaps=(3,)).draws)


def test_a_law_that_cannot_travel_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backtest_work, "fit_folds", fake_folds)
    mine = replace(chinchilla(), name="nobody_else_s")
    options: dict[str, Any] = {"gaps": (3,), "origins": 1, "settings": SHORT}
    assert bs.backtest(mine, grid_runs(), **options).models == ("nobody_else_s",)
    with pytest.raises(UsageError, match=r"nobody_else_s cannot be sent to another process.*file"):
        bs.backtest(mine, grid_runs(), backend="threading", jobs=2, **options)


def test_a_backtest_can_be_pickled(two: Backtest) -> None:
    again = pickle.loads(pickle.dumps(two))
    pd.testing.assert_frame_equal(again.summary(), two.summary())


def test_tables_of_about_one_size_share_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Six tables of different lengths and labels: those of up to 32 runs, and of up to 64."""
    monkeypatch.setattr(batch, "sample_traced", quick)
    settings = replace(SHORT, draws=101)  # of no other test: compiled programs are kept
    tables = {
        f"{count} runs": power_law_runs(count, count, recipes)
        for count, recipes in ((20, 3), (28, 4), (35, 3), (43, 3), (52, 4), (60, 4))
    }
    before = batch._together._cache_size()
    found = bs.backtest_many(POWER_LAW, tables, **{**OF_X, "settings": settings})
    assert batch._together._cache_size() - before == 2
    assert [len(backtest.folds) for backtest in found.values()] == [4] * 6
    for backtest in found.values():
        assert not backtest.sampling["again"].any()
        assert np.isfinite(backtest.draws).all()


# -- with the sampler


def power_law_runs(seed: int, count: int = 30, recipes: int = 0) -> Runs:
    inputs = pd.DataFrame({"X": np.geomspace(1e6, 1e10, count)})
    truth = {"level": 2.9, "reducible": 0.4, "alpha": 0.3}
    table = simulate(registry["power_law"], inputs, truth, seed=seed)
    group = "recipe" if recipes else None
    if recipes:
        table["recipe"] = [f"r{i % recipes}" for i in range(count)]
    return bs.read_runs(table, inputs={"X": "X"}, response="response", group=group)


POWER_LAW = ScalingModel(registry["power_law"], discrepancy=False)
OF_X: dict[str, Any] = {"by": "X", "gaps": (3, 10), "origins": 2, "settings": SHORT}


@pytest.fixture(scope="session")
def sampled() -> Backtest:
    return bs.backtest(POWER_LAW, power_law_runs(1), **OF_X)


def test_a_sampled_backtest(sampled: Backtest) -> None:
    assert sampled.folds["distance"].round(3).unique().tolist() == [0.477, 1.0]
    table = sampled.summary()
    assert (table["relative_error"] < 0.01).all()
    assert (table["log_score"] > 3.0).all()
    assert (sampled.sampling["max_rhat"] < 1.05).all()
    assert sampled.warnings == ()
    wide = table["interval_score"].tolist()
    assert wide[0] < wide[1]  # the further, the wider


@pytest.mark.slow
def test_processes_answer_as_one(sampled: Backtest) -> None:
    tables = {"first": power_law_runs(1), "second": power_law_runs(2)}
    found = bs.backtest_many(POWER_LAW, tables, jobs=2, **OF_X)
    assert found["first"].draws.equals(sampled.draws)
    assert found["second"].draws.equals(bs.backtest(POWER_LAW, tables["second"], **OF_X).draws)


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # of a cluster that starts and stops
def test_a_cluster_answers_as_one() -> None:
    """A hundred folds of two tables, by two workers."""
    distributed = pytest.importorskip("distributed")
    tables = {"first": power_law_runs(1, 40), "second": power_law_runs(2, 40)}
    options = {**OF_X, "gaps": (2, 3), "origins": 25, "scored_above": 1.2}
    alone = bs.backtest_many(POWER_LAW, tables, **options)
    assert sum(len(backtest.folds) for backtest in alone.values()) == 100
    local = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with distributed.LocalCluster(**local) as cluster, distributed.Client(cluster) as client:
        with parallel_config(backend="dask"):
            found = bs.backtest_many(POWER_LAW, tables, **options)
        assert set(client.run(_threads_of_jax).values()) == {"1"}
    for name, backtest in alone.items():
        assert found[name].draws.equals(backtest.draws)
        pd.testing.assert_frame_equal(found[name].scores, backtest.scores)
    assert not found["second"].draws.equals(found["first"].draws)


def _threads_of_jax() -> str | None:
    return os.environ.get("PJRT_NPROC")
