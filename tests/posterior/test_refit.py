"""A grown table fitted again: the same posterior as a fresh fit, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax
import numpy as np
import pandas as pd
import pytest
from fakes import RECIPES, TRUTH, fake_fit, fake_fit_of
from metric_fits import coverage_fit, decay_fit
from numpyro.infer.util import constrain_fn

import bayes_scaling.posterior.refit as module
from bayes_scaling.errors import TableError, UsageError
from bayes_scaling.models import registry
from bayes_scaling.posterior import Fit, Settings, compiled
from bayes_scaling.posterior.compiled import compilations, compiled_sampler
from bayes_scaling.posterior.coordinates import Coordinates
from bayes_scaling.posterior.model import assemble
from bayes_scaling.posterior.nuts import Draws
from bayes_scaling.posterior.padding import padded
from bayes_scaling.posterior.refit import (
    grown,
    means_of,
    near_sites,
    refit,
    table_of,
    with_more,
)
from bayes_scaling.posterior.search import find_start
from bayes_scaling.program import Spec, build_data
from bayes_scaling.program.program import program

SHORT = Settings(chains=2, draws=150, warmup=150)


def line_rows(x: list[float], seed: int = 6) -> pd.DataFrame:
    """More runs of the line, some of them beyond the others."""
    noise = 0.15 * np.random.default_rng(seed).normal(size=len(x))
    return pd.DataFrame({"x": x, "loss": 0.1 - 0.08 * np.log(np.array(x) / 10**5.5) + noise})


def fresh(fit: Fit, more: pd.DataFrame, seed: int) -> Fit:
    """Fit of the same model to all runs, from nowhere and with nothing filled up."""
    runs = with_more(fit, more)
    spec = grown(fit.spec, fit.law, runs)
    data = build_data(spec, fit.law, runs)
    run = compiled_sampler(spec.structure(fit.law), data, fit.settings)
    drawn = run(data, jax.random.key(seed), None)
    return assemble(fit.law, spec, runs, drawn, fit.settings, seed, {"compile": 0, "sample": 0})


@pytest.fixture(scope="module")
def more() -> pd.DataFrame:
    return line_rows([2e2, 5e3, 1e8, 5e8, 2e9])


@pytest.fixture(scope="module")
def again(line_fit: Fit, more: pd.DataFrame) -> Fit:
    return refit(line_fit, with_more(line_fit, more), seed=2)


# -- the posterior


def test_a_refit_has_the_posterior_of_a_fresh_fit(
    line_fit: Fit, more: pd.DataFrame, again: Fit
) -> None:
    assert again.usable
    one, other = (f.table.set_index("name") for f in (again, fresh(line_fit, more, 9)))
    assert one.index.equals(other.index)
    for name in one.index:
        errors = [t.loc[name, "sd"] / np.sqrt(t.loc[name, "ess_bulk"]) for t in (one, other)]
        gap = one.loc[name, "mean"] - other.loc[name, "mean"]
        assert abs(gap) < 5 * np.hypot(*errors), name
        assert one.loc[name, "sd"] == pytest.approx(other.loc[name, "sd"], rel=0.12), name
    before = line_fit.table.set_index("name")
    error = before.loc["b", "sd"] / np.sqrt(before.loc["b", "ess_bulk"])
    assert abs(one.loc["b", "mean"] - before.loc["b", "mean"]) > 10 * error  # the runs count


def test_the_model_stays_what_it_was(line_fit: Fit, more: pd.DataFrame, again: Fit) -> None:
    assert again.spec.references == line_fit.spec.references
    for name in ("prior_loc", "prior_sd", "scale", "pool", "noise"):
        assert getattr(again.spec, name) == getattr(line_fit.spec, name)
    assert again.spec.ranges["x"] == (2e2, 2e9)
    assert again.settings == replace(line_fit.settings, warmup=300)
    table = table_of(again)
    pd.testing.assert_frame_equal(table.iloc[:24], table_of(line_fit))
    np.testing.assert_array_equal(table["response"].iloc[24:], more["loss"])
    assert again.record.response == line_fit.record.response == "loss"


def test_one_program_serves_a_table_that_grows(line_fit: Fit, again: Fit) -> None:
    compiled = compilations()
    told: list[str] = []
    twice = refit(again, with_more(again, line_rows([3e4, 3e5])), report=told.append)
    assert compilations() == compiled
    assert told == ["fitting 31 runs"]
    assert len(twice.runs()) == 31


def test_the_same_seed_gives_the_same_draws(line_fit: Fit, more: pd.DataFrame, again: Fit) -> None:
    other = refit(line_fit, with_more(line_fit, more), seed=2)
    np.testing.assert_array_equal(other.posterior["b"], again.posterior["b"])


def about_the_start(structure: Any, data: Any, settings: Settings, near: Any, devices: Any) -> Any:
    """Stand for a compiled sampler: draws a hundredth about where it begins."""
    shape = (settings.chains, settings.draws)

    def run(data: Any, key: Any, near: Any) -> Draws:
        assert all(np.isfinite(v).all() for v in near.values())
        start = constrain_fn(program, (structure, data), {}, near)
        rng = np.random.default_rng(0)
        sites = {}
        for name, site in structure.sites().items():
            assert start[name].shape == site.shape
            sites[name] = start[name] * np.exp(0.01 * rng.normal(size=(*shape, *site.shape)))
        none = np.zeros(shape)
        return Draws(sites, dict(sites), none.astype(bool), none, none, none, np.ones(()))

    return run


def test_rungs_and_recipes_may_be_new(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "compiled_sampler", about_the_start)
    fit = fake_fit(RECIPES, rungs=True, draws=100)
    rows = [
        {"N": 8e9, "D": 1.6e11, "recipe": "soap", "loss": 2.2},
        {"N": 8e9, "D": 1.6e11, "recipe": "adam", "loss": 2.25},
    ]
    found = refit(fit, with_more(fit, pd.DataFrame(rows)), settings=SHORT)
    assert found.spec.labels["recipe"] == ["adam", "muon", "soap"]
    assert len(found.spec.labels["rung"]) == len(fit.spec.labels["rung"]) + 1
    assert found.posterior["level"].sizes["recipe"] == 3
    effects = found.posterior["rung_effect"]  # without those that only fill up the program
    assert effects["rung"].to_numpy().tolist() == found.spec.labels["rung"]
    assert found.posterior.sizes["draw"] == SHORT.draws
    assert len(found.runs()) == 20
    # where the fit begins: what the one before it found, and for a new recipe the centre
    before = fit.posterior["level_effect_recipe"].mean(("chain", "draw"))
    begun = found.posterior["level_effect_recipe"].mean(("chain", "draw"))
    np.testing.assert_allclose(begun.sel(recipe=["adam", "muon"]), before, rtol=0.01)
    assert begun.sel(recipe="soap") == 0.0


@pytest.mark.parametrize("warm", [True, False])
def test_a_start_does_not_run_away_where_rungs_take_up_the_residuals(warm: bool) -> None:
    """Every run has a rung of its own: the joint density of noise and rungs has no bound."""
    fit = fake_fit(rungs=True, discrepancy=True, draws=20)
    runs = with_more(fit, pd.DataFrame({"N": [2e10], "D": [3e11], "response": [2.2]}))
    spec = grown(fit.spec, fit.law, runs)
    structure, data = spec.structure(fit.law), build_data(spec, fit.law, runs)
    assert structure.settling
    near = near_sites(means_of(fit), structure, data, spec) if warm else None
    start = jax.jit(lambda near: find_start(structure, data, jax.random.key(0), near))(near)
    coordinates = Coordinates(structure, data)
    height = jax.jit(coordinates.log_density)(start.frame.centre, start.linearised)
    assert np.isfinite(start.frame.centre).all()
    assert np.isfinite(height)


def test_a_start_that_leads_nowhere_is_left(
    line_fit: Fit, more: pd.DataFrame, again: Fit, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nowhere(*args: Any) -> Any:
        return {k: np.nan * v for k, v in near_sites(*args).items()}

    told: list[str] = []
    monkeypatch.setattr(module, "near_sites", nowhere)
    found = refit(line_fit, with_more(line_fit, more), seed=2, report=told.append)
    assert told == ["fitting 29 runs", "fitting 29 runs again, from the prior"]
    assert found.usable
    assert found.settings == line_fit.settings
    mean, sd = (getattr(again.posterior["b"], k)().item() for k in ("mean", "std"))
    assert found.posterior["b"].mean().item() == pytest.approx(mean, abs=0.3 * sd)


def test_tables_of_about_one_size_share_a_program() -> None:
    """Rows, rungs and diverged rows are filled up; what only fills up is not kept."""
    runs = pd.DataFrame({"N": [1e8, 1e9, 3e9] * 4, "D": [2e9, 2e10, 6e10] * 4})
    runs["D"] *= 1 + np.arange(12) // 3
    fit = fake_fit_of(registry["chinchilla"], runs, TRUTH, bound=3.2, rungs=True, draws=20)
    assert fit.runs()["diverged"].sum() == 4

    def shapes(more: pd.DataFrame) -> tuple[Any, ...]:
        table = with_more(fit, more)
        spec = grown(fit.spec, fit.law, table)
        filled = padded(spec, fit.law, table)
        assert filled.kept.sum() == len(table)
        own = filled.runs.frame["response"][filled.kept]
        np.testing.assert_array_equal(own, table.frame["response"])
        leaves = jax.tree.leaves(filled.data(fit.law))
        return filled.structure(fit.law), [leaf.shape for leaf in leaves]

    one = pd.DataFrame({"N": [5e9], "D": [1e11], "loss": [2.4]})
    three = pd.DataFrame({"N": [5e9, 6e9, 1e7], "D": [1e11, 2e11, 1e8], "loss": [2.4, 2.3, 9.0]})
    assert shapes(one) == shapes(three)


def test_walks_follow_the_runs() -> None:
    """Beyond the fitted runs the departure is drawn from its prior; where runs are, it is not."""
    fit = fake_fit(discrepancy=True, draws=20)
    rows = pd.DataFrame({"N": [2e10], "D": [4e11], "response": [2.2]})
    spec = grown(fit.spec, fit.law, with_more(fit, rows))

    def reach(of: Spec) -> float:
        return max(i.start + i.width for w in of.walks if w.name == "scale" for i in w.fitted)

    assert reach(spec) > reach(fit.spec) + 1.0  # twelve times the size and the tokens
    assert spec.ranges["N"] == (1e8, 2e10)


# -- tables


def test_a_fit_is_a_table_again() -> None:
    fit = fake_fit(RECIPES)
    table = table_of(fit)
    assert list(table) == ["N", "D", "recipe", "response"]
    assert len(table) == 18
    whole = with_more(fit, table.iloc[:2].assign(response=[3.0, 2.9]))
    assert len(whole) == 20
    assert whole.groups == ("recipe",)
    assert whole.unit == fit.record.unit


@pytest.mark.parametrize("name", ["loss", "response", "observed"])
def test_the_response_has_several_names(name: str) -> None:
    fit = fake_fit()
    row = pd.DataFrame({"N": ["2B"], "D": [4e10], name: [2.5], "note": ["first"]})
    whole = with_more(fit, row)
    assert whole.frame["response"].iloc[-1] == 2.5
    assert whole.frame["N"].iloc[-1] == 2e9


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"N": 1e9, "D": 2e10, "recipe": "adam"}, "the new runs have no column 'loss'"),
        ({"N": 1e9, "recipe": "adam", "loss": 2.5}, "the new runs lack D, which the fitted ones"),
        ({"N": 1e9, "D": 2e10, "loss": 2.5}, "the new runs lack recipe, which the fitted ones"),
    ],
)
def test_runs_that_lack_a_column_are_refused(row: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        with_more(fake_fit(RECIPES), pd.DataFrame([row]))


def test_wrong_rows_are_refused() -> None:
    with pytest.raises(TableError):
        with_more(fake_fit(), pd.DataFrame({"N": [-1e9], "D": [2e10], "loss": [2.5]}))


def test_named_rungs_have_names() -> None:
    runs = pd.DataFrame({"N": [1e8, 1e9] * 4, "D": [2e9, 2e10] * 4, "rung": ["a", "b"] * 4})
    fit = fake_fit_of(registry["chinchilla"], runs, TRUTH)
    row = {"N": [4e9], "D": [8e10], "loss": [2.4]}
    with pytest.raises(UsageError, match="the fitted runs name their rungs in a column 'rung'"):
        with_more(fit, pd.DataFrame(row))
    assert with_more(fit, pd.DataFrame(row | {"rung": ["c"]})).frame["rung"].iloc[-1] == "c"


def capped(fit: Fit) -> Fit:
    return replace(fit, spec=replace(fit.spec, defaults=[{"chance": 0.25}]))


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: decay_fit(draws=20), "it is a chain of two laws"),
        (lambda: capped(fake_fit(draws=20)), "its known inputs are those of its runs"),
        (
            lambda: replace(
                fake_fit(draws=20), spec=replace(fake_fit(draws=20).spec, items=["a", "b"])
            ),
            "its rows are items",
        ),
    ],
)
def test_what_cannot_grow_run_by_run_is_refused(make: Callable[[], Fit], reason: str) -> None:
    fit = make()
    with pytest.raises(UsageError) as refused:
        with_more(fit, table_of(fit).iloc[:1])
    assert f"cannot be grown run by run, since {reason}: fit the" in str(refused.value)


def test_counts_are_counts_again() -> None:
    fit = coverage_fit(draws=20)
    row = table_of(fit).iloc[:1].assign(response=7.0)
    whole = with_more(fit, row)
    assert whole.counted
    assert whole.frame["response"].iloc[-1] == 7.0
