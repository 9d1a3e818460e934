"""Many tables as few programs: the posteriors of tables fitted alone, and what is refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fakes import fake_fit

import bayes_scaling as bs
import bayes_scaling.posterior.many as module
from bayes_scaling import Fit, ManyFits, Runs, ScalingModel
from bayes_scaling.errors import TableError, UsageError
from bayes_scaling.models import registry
from bayes_scaling.posterior import Settings
from bayes_scaling.posterior.batch import _together
from bayes_scaling.posterior.nuts import Draws
from bayes_scaling.posterior.refit import moved
from bayes_scaling.posterior.weighted import WeightedModel
from bayes_scaling.validation.simulate import simulate

LAW = registry["power_law"]
MODEL = ScalingModel(LAW, discrepancy=False)
SETTINGS = Settings(chains=4, draws=150, warmup=200)
TRUTH = {"level": 2.9, "reducible": 0.4, "alpha": 0.3}


def runs_of(count: int, seed: int, groups: Sequence[str] = ()) -> Runs:
    inputs = pd.DataFrame({"X": np.geomspace(1e6, 1e10, count)})
    table = simulate(LAW, inputs, TRUTH, seed=seed)
    if groups:
        table["recipe"] = [groups[i % len(groups)] for i in range(count)]
    return bs.read_runs(
        table, inputs={"X": "X"}, response="response", group="recipe" if groups else None
    )


TABLES = {"a": runs_of(20, 1), "b": runs_of(40, 2), "c": runs_of(31, 3), "d": runs_of(28, 4)}


@pytest.fixture(scope="module")
def compiled() -> list[int]:
    return [_together._cache_size()]


@pytest.fixture(scope="module")
def many(compiled: list[int]) -> ManyFits:
    told: list[str] = []
    found = bs.fit_many(MODEL, TABLES, seed=3, settings=SETTINGS, report=told.append)
    compiled.append(_together._cache_size())
    assert told == ["3 of 4 tables", "4 of 4 tables"]
    return found


def test_every_table_has_the_posterior_of_its_runs(many: ManyFits) -> None:
    assert list(many) == list(TABLES)
    for name, fit in many.items():
        runs = TABLES[name]
        assert fit.spec == MODEL.spec(runs)
        assert fit.record.sha256 == runs.sha256
        assert fit.settings == SETTINGS
        np.testing.assert_array_equal(fit.runs()["response"], runs.frame["response"])
        assert fit.usable
    alone = MODEL.fit(TABLES["c"], seed=8, draws=500).table.set_index("name")
    found = many["c"].table.set_index("name")
    for name in alone.index:
        errors = [t.loc[name, "sd"] / np.sqrt(t.loc[name, "ess_bulk"]) for t in (found, alone)]
        assert abs(found.loc[name, "mean"] - alone.loc[name, "mean"]) < 5 * np.hypot(*errors)
        assert found.loc[name, "sd"] == pytest.approx(alone.loc[name, "sd"], rel=0.35), name


def test_tables_of_one_size_share_a_program(many: ManyFits, compiled: list[int]) -> None:
    """Three tables of up to 32 runs, and one of up to 64."""
    before, after = compiled
    assert after - before == 2


def test_health_is_that_of_the_fits(many: ManyFits) -> None:
    table = many.summary().set_index("table")
    assert table["runs"].to_dict() == {name: len(runs) for name, runs in TABLES.items()}
    for name, fit in many.items():
        found = fit.diagnostics
        assert table.loc[name, "max_rhat"] == pytest.approx(found["max_rhat"])
        assert table.loc[name, "min_ess"] == pytest.approx(found["min_ess_bulk"])
        assert table.loc[name, "divergences"] == found["divergences"]
        assert table.loc[name, "draws"] == 600
    assert not table["again"].any()
    assert (table["seconds"] > 0).all()
    assert many.warnings == ()
    assert repr(many) == "ManyFits(4 tables, 0 fitted again, 0 poor)"


def test_threads_draw_what_one_process_draws(many: ManyFits) -> None:
    listed = bs.fit_many(
        MODEL, list(TABLES.values()), seed=3, settings=SETTINGS, backend="threading", jobs=2
    )
    assert list(listed) == [0, 1, 2, 3]
    for fit, again in zip(many.values(), listed.values(), strict=True):
        assert fit.posterior.equals(again.posterior)


def test_tables_and_seeds_have_draws_of_their_own(many: ManyFits) -> None:
    seeds = {fit.record.seed for fit in many.values()}
    assert len(seeds) == len(many)
    drawn = [fit.posterior["alpha"].to_numpy().ravel() for fit in many.values()]
    assert np.intersect1d(drawn[0], drawn[2]).size == 0


# -- the sampler made up


def made_up(structure: Any, data: Any, settings: Settings, seed: int) -> Draws:
    """Draws about the truth."""
    rng, shape = np.random.default_rng(seed), (settings.chains, settings.draws)
    sites = {
        name: np.exp(0.1 * rng.normal(size=(*shape, *site.shape)) - 1)
        for name, site in structure.sites().items()
    }
    none = np.zeros(shape)
    return Draws(sites, dict(sites), none > 0, none, none, none, np.ones(()))


class Sampler:
    """Stands for the sampler; tables of some numbers diverge."""

    def __init__(self, poor: Sequence[int] = (), still: bool = False):
        self.poor, self.still = set(poor), still
        self.widths: list[int] = []
        self.alone: list[Settings] = []
        self.near: list[Any] = []

    def drawn_together(
        self, structure: Any, data: Any, keys: Any, settings: Settings, width: int, *given: Any
    ) -> Any:
        done = sum(self.widths)
        self.widths.append(len(data))
        self.near.append(given[1])
        drawn = [made_up(structure, d, settings, done + i) for i, d in enumerate(data)]
        worse = [
            d._replace(diverging=~d.diverging) if done + i in self.poor else d
            for i, d in enumerate(drawn)
        ]
        return worse, {"compile": 0.0, "sample": 1.0}

    def draw(
        self, structure: Any, data: Any, settings: Settings, seed: int, *, devices: Any
    ) -> Any:
        assert len(devices) == 1
        self.alone.append(settings)
        drawn = made_up(structure, data, settings, seed)
        drawn = drawn._replace(diverging=~drawn.diverging) if self.still else drawn
        return drawn, {"compile": 5.0, "sample": 2.0}


def sampler(monkeypatch: pytest.MonkeyPatch, **options: Any) -> Sampler:
    found = Sampler(**options)
    monkeypatch.setattr(module, "drawn_together", found.drawn_together)
    monkeypatch.setattr(module, "draw", found.draw)
    return found


@pytest.mark.parametrize("still", [False, True])
def test_poor_fits_are_done_again_alone(still: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    used = sampler(monkeypatch, poor=[1], still=still)
    found = bs.fit_many(MODEL, TABLES, settings=SETTINGS)
    assert used.widths == [3, 1]
    (longer,) = used.alone
    assert (longer.draws, longer.warmup, longer.target_accept) == (600, 1500, 0.97)
    assert list(found.again) == ["c"]  # the second of those of up to 32 runs
    assert found.again["c"].divergences == 600
    assert found["c"].posterior.sizes["draw"] == SETTINGS.draws
    assert found.health["c"].divergences == (2400 if still else 0)
    assert (found.seconds["a"], found.seconds["c"]) == (1.0, 8.0)
    assert found.summary()["again"].tolist() == [False, False, True, False]
    codes = [w.code for w in found.warnings]
    assert codes == (["fits-again", "poor-fits"] if still else ["fits-again"])
    assert "1 of 4 fits were sampled poorly" in found.warnings[0].message
    assert "c (600 of 600 draws diverged, R-hat" in found.warnings[0].message
    assert found.health["c"].poor == still


def test_chunks_do_not_depend_on_the_number_of_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    tables = [runs_of(10 + i, i) for i in range(9)]
    widths = []
    for jobs in (None, 3):
        used = sampler(monkeypatch)
        bs.fit_many(MODEL, tables, settings=SETTINGS, backend=jobs and "threading", jobs=jobs)
        widths.append(sorted(used.widths))
    assert widths[0] == widths[1] == [1, 4, 4]


def test_labels_are_those_of_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    used = sampler(monkeypatch)
    tables = [runs_of(20, 1, ["x", "y", "z"]), runs_of(24, 2, ["p", "q", "r", "s"])]
    found = bs.fit_many(MODEL, tables, settings=SETTINGS)
    assert used.widths == [2]  # three labels and one to spare
    labels = [fit.posterior["level"]["recipe"].to_numpy().tolist() for fit in found.values()]
    assert labels == [["x", "y", "z"], ["p", "q", "r", "s"]]


def test_what_cannot_be_filled_up_is_fitted_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, Any]] = []

    def alone(self: ScalingModel, runs: Runs, **options: Any) -> Fit:
        asked.append(options)
        return fake_fit(draws=options["draws"])

    monkeypatch.setattr(ScalingModel, "fit", alone)
    monkeypatch.setattr(ScalingModel, "spec", lambda *_: None)
    model = ScalingModel(bs.find_law("chinchilla+error_decay"))
    found = bs.fit_many(model, [TABLES["a"], TABLES["c"]], settings=SETTINGS)
    assert [(o["draws"], o["warmup"]) for o in asked] == [(150, 200)] * 2
    assert asked[0]["seed"] != asked[1]["seed"]
    assert len(found) == 2


def test_a_weighted_model_is_one_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    used = sampler(monkeypatch, poor=[0])
    laws = [ScalingModel(registry[name], discrepancy=False) for name in ("chinchilla", "kaplan")]
    cells = [(n, n * m) for n in (1e8, 4e8, 16e8) for m in (5, 20, 80)]
    frame = pd.DataFrame(cells, columns=["N", "D"]).assign(loss=np.linspace(3.5, 2.5, 9))
    found = bs.fit_many(WeightedModel(laws, [0.5, 0.5]), [bs.read_runs(frame)], settings=SETTINGS)
    assert used.widths == [1, 1]
    assert len(used.alone) == 2  # both laws again
    assert found[0].law.name == "chinchilla|kaplan"
    assert found[0].posterior.sizes["draw"] == SETTINGS.draws


def test_a_batch_starts_where_a_fit_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    used = sampler(monkeypatch)
    like = bs.fit_many(MODEL, {"a": TABLES["a"]}, settings=replace(SETTINGS, warmup=900))["a"]
    found = bs.fit_many(MODEL, TABLES, like=like)
    for name, fit in found.items():
        assert fit.spec == moved(like.spec, LAW, TABLES[name])
        assert fit.spec.references == like.spec.references
        assert fit.spec.ranges == MODEL.spec(TABLES[name]).ranges
        assert fit.settings == replace(SETTINGS, warmup=300)
    alpha = np.log(like.posterior["alpha"].mean().item())
    begun = [float(near["alpha"]) for some in used.near[1:] for near in some]
    assert begun == pytest.approx([alpha] * 4)


def test_a_warm_batch_is_sampled_well(many: ManyFits) -> None:
    found = bs.fit_many(MODEL, {"d": TABLES["d"]}, settings=SETTINGS, like=many["c"])["d"]
    assert found.usable
    for name in ("alpha", "sigma"):
        mean, sd = (getattr(many["d"].posterior[name], k)().item() for k in ("mean", "std"))
        assert found.posterior[name].mean().item() == pytest.approx(mean, abs=0.5 * sd)


# -- what is refused


def test_tables_that_cannot_be_fitted_are_named() -> None:
    with pytest.raises(UsageError, match="no tables"):
        bs.fit_many(MODEL, {})
    with pytest.raises(TableError, match="table short: "):
        bs.fit_many(MODEL, {"a": TABLES["a"], "short": TABLES["a"].select(np.arange(20) < 1)})
    with pytest.raises(UsageError, match="table a: priors names 'gamma'"):
        bs.fit_many(ScalingModel(LAW, priors={"gamma": bs.Normal(0, 1)}), TABLES)


def test_a_fit_of_another_model_is_no_start() -> None:
    like = fake_fit(draws=20)
    with pytest.raises(UsageError, match="like is a fit of law chinchilla, and the model of power"):
        bs.fit_many(MODEL, TABLES, like=like)
    cells = [(n, n * m) for n in (1e8, 4e8, 16e8) for m in (5, 20, 80)]
    frame = pd.DataFrame(cells, columns=["N", "D"]).assign(loss=np.linspace(3.5, 2.5, 9))
    model = ScalingModel(registry["chinchilla"], noise="lognormal", discrepancy=False)
    with pytest.raises(UsageError, match=r"table 0: like was fitted with noise student-t, and the"):
        bs.fit_many(model, [bs.read_runs(frame)], like=like)
