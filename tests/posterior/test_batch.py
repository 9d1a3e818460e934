"""Parts of one table as one program: the same posteriors, from the runs of each part alone."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pandas as pd
import pytest

from bayes_scaling import find_law
from bayes_scaling.errors import TableError, UsageError
from bayes_scaling.models import registry
from bayes_scaling.posterior import Fit, ScalingModel, Settings
from bayes_scaling.posterior.batch import TOGETHER, _together, batches, fit_folds, whole_labels
from bayes_scaling.program import Structure
from bayes_scaling.runs import Runs, read_runs

LAW = registry["chinchilla"]
MODEL = ScalingModel(LAW, noise="lognormal")
SETTINGS = Settings(chains=2, draws=250, warmup=250, window=50, max_depth=7)


def frame(recipes: int = 1) -> pd.DataFrame:
    """Twenty places, five sizes by four ratios, and what they cost."""
    rows = product(np.geomspace(3e7, 3e9, 5), (5.0, 15.0, 40.0, 120.0), range(recipes))
    table = pd.DataFrame(rows, columns=["N", "ratio", "recipe"])
    table["D"] = table["N"] * table["ratio"]
    noise = np.random.default_rng(3).normal(size=len(table))
    mean = 1.7 + 400 * table["N"] ** -0.34 + 400 * table["D"] ** -0.28 + 0.02 * table["recipe"]
    table["loss"] = mean * np.exp(0.004 * noise)
    table["C"] = 6 * table["N"] * table["D"]
    return table.assign(recipe=table["recipe"].map(lambda i: "abc"[i]))


RUNS = read_runs(frame().drop(columns=["ratio", "recipe", "C"]))
COST = frame()["C"].to_numpy()
FOLDS = [np.asarray(np.quantile(COST, q) >= COST) for q in (0.8, 0.6)]


@pytest.fixture(scope="module")
def told() -> list[str]:
    return []


@pytest.fixture(scope="module")
def fits(told: list[str]) -> list[Fit]:
    return fit_folds(MODEL, RUNS, FOLDS, seed=5, settings=SETTINGS, report=told.append)


def test_a_part_has_the_posterior_of_its_runs(fits: list[Fit]) -> None:
    fold, found = FOLDS[1], fits[1]
    alone = MODEL.fit(RUNS.select(fold), seed=2, chains=2, draws=500)
    assert set(alone.posterior) == set(found.posterior)
    tables = [fit.table.set_index(["name", "group"]) for fit in (found, alone)]
    inside = [k for k in tables[0].index if tables[0].loc[k, "kind"] != "discrepancy"]
    assert len(inside) > 10
    for key in inside:
        one, other = (t.loc[key] for t in tables)
        error = np.hypot(*(r["sd"] / np.sqrt(min(r["ess_bulk"], 500)) for r in (one, other)))
        assert abs(one["mean"] - other["mean"]) < 5 * error, key
    # what the part says of dearer runs
    for name in ("E", "alpha", "beta"):
        one, other = (t.loc[(name, "")] for t in tables)
        assert one["sd"] == pytest.approx(other["sd"], rel=0.35), name


def test_the_choices_of_a_part_are_those_of_its_runs(fits: list[Fit], told: list[str]) -> None:
    for fold, fit in zip(FOLDS, fits, strict=True):
        part = RUNS.select(fold)
        assert fit.spec == MODEL.spec(part)
        assert fit.record.sha256 == part.sha256
        assert fit.posterior.sizes["chain"] == SETTINGS.chains
        assert fit.settings == SETTINGS
        assert len(fit.runs()) == fold.sum()
        np.testing.assert_array_equal(fit.runs()["response"], part.frame["response"])
        assert fit.structure.walks
    assert fits[0].spec.references != fits[1].spec.references
    assert fits[0].spec.prior_loc["level"] != fits[1].spec.prior_loc["level"]
    assert told == ["2 of 2 folds"]


def test_runs_that_are_left_out_change_nothing(fits: list[Fit]) -> None:
    """Not one bit of any draw; and no other program is compiled."""
    out = ~FOLDS[0]  # of both
    table = RUNS.frame.copy()
    table.loc[out, "response"] = [9.0, 0.1, 3.0, 2.0][: out.sum()]
    table.loc[out, ["N", "D"]] = 7e10
    compiled = _together._cache_size()
    again = fit_folds(
        MODEL, replace(RUNS, frame=table, sha256=""), FOLDS, seed=5, settings=SETTINGS
    )
    assert _together._cache_size() == compiled == 1
    for before, after in zip(fits, again, strict=True):
        assert after.spec == before.spec
        for name, values in before.posterior.items():
            np.testing.assert_array_equal(after.posterior[name], values, err_msg=str(name))


def test_parts_and_seeds_have_draws_of_their_own(fits: list[Fit]) -> None:
    one, other = (fit.posterior["alpha"].to_numpy().ravel() for fit in fits)
    assert np.intersect1d(one, other).size == 0
    # beyond the runs too: each draw has its own function there
    beyond = fits[0].posterior["discrepancy_scale"].isel(scale_interval=-1).to_numpy().ravel()
    assert np.unique(beyond).size == beyond.size


# -- what shares a program


def structures() -> tuple[Structure, Structure]:
    """With and without rung effects."""
    runs = read_runs(frame(recipes=2).drop(columns=["ratio", "C"]), group="recipe")
    return tuple(  # type: ignore[return-value]
        ScalingModel(LAW, rung=rung).spec(runs).structure(LAW) for rung in (None, False)
    )


def test_only_folds_of_one_structure_share_a_batch() -> None:
    one, other = structures()
    assert one != other
    found = list(batches([one, other, one, one, other, one, one]))
    assert found == [(one, [0, 2, 3, 5]), (one, [6, 6, 6, 6]), (other, [1, 4])]
    assert list(batches([])) == []
    whole = list(batches([one] * (2 * TOGETHER)))
    assert [numbers for _, numbers in whole] == [
        [*range(TOGETHER)], [*range(TOGETHER, 2 * TOGETHER)],
    ]  # fmt: skip


def test_labels_are_those_of_the_whole_table() -> None:
    runs = read_runs(frame(recipes=3).drop(columns=["ratio", "C"]), group="recipe")
    part = runs.select(runs.frame["recipe"].isin(["a", "b"]) & (runs.frame["N"] < 1e9))
    model = ScalingModel(LAW)
    own = model.spec(part)
    assert own.labels["recipe"] == ["a", "b"]
    found = whole_labels(own, model, runs)
    assert found.labels["recipe"] == ["a", "b", "c"]
    assert len(found.labels["rung"]) == 20 > len(own.labels["rung"])
    assert found.references == own.references
    plain = whole_labels(ScalingModel(LAW, rung=False).spec(part), model, runs)
    assert "rung" not in plain.labels


# -- what is refused


def nothing() -> np.ndarray:
    return np.zeros(len(RUNS), dtype=bool)


@pytest.mark.parametrize(
    ("fold", "error", "message"),
    [
        (nothing(), UsageError, "a fold holds no runs: nothing can be fitted to it"),
        (np.ones(3, dtype=bool), UsageError, "a mask of 20 booleans was expected"),
        (np.ones(len(RUNS)), UsageError, "a mask of 20 booleans was expected"),
        (np.arange(len(RUNS)) < 1, TableError, "distinct|runs"),
    ],
    ids=["empty", "short", "not boolean", "too small"],
)
def test_bad_folds(fold: np.ndarray, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        fit_folds(MODEL, RUNS, [FOLDS[0], fold], settings=SETTINGS)


def test_losses_of_a_chain_cannot_be_left_out() -> None:
    model = ScalingModel(find_law("chinchilla+error_decay"))
    with pytest.raises(UsageError, match=r"chinchilla\+error_decay one by one"):
        fit_folds(model, RUNS, FOLDS)


def curves() -> Runs:
    step = 1000.0 * np.arange(1, 9)
    table = pd.DataFrame({"step": np.tile(step, 2), "name": np.repeat(["a", "b"], 8)})
    table["D"], table["loss"] = 1e6 * table["step"], 2.0 + 8.0 * table["step"] ** -0.2
    return read_runs(table, inputs={"step": "step", "D": "D"}, run="name")


def test_a_row_of_a_curve_is_not_kept_without_the_row_before_it() -> None:
    runs, model = curves(), ScalingModel(find_law("token_curve:power"))
    kept = np.ones(16, dtype=bool)
    kept[3] = False
    with pytest.raises(UsageError, match=r"keeps the next.*serial=False \(--independent\)"):
        fit_folds(model, runs, [kept])
