"""The trainer of the ladder: its text, its plan, its resumption and its tables."""

from __future__ import annotations

import json
import math
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("equinox", reason="the trainer needs the extra [ladder]")
pytest.importorskip("joblib", reason="the trainer needs the extra [ladder]")

from bayes_scaling.runs import datasets
from case_studies.ladder import corpus, probes, sweep, tables, train

TINY = train.Setting(
    recipe="transformer-muon", architecture="transformer", optimizer="muon",
    width=8, depth=1, tokens=2**12, batch=4, lr=0.02, schedule="cosine", seed=0,
)  # fmt: skip


def test_symbols_of_a_text() -> None:
    assert corpus.encode("\n ~é").tolist() == [0, 1, 95, corpus.OTHER, corpus.OTHER]


def test_splits_share_no_file() -> None:
    found = corpus.load()
    assert all(len(found.texts[split]) > 10 for split in corpus.SPLITS)
    assert max(found.symbols["train"]) < corpus.VOCABULARY
    test, trained = set(found.texts["test"]), set(found.texts["train"])
    assert not {text for text in test & trained if len(text) > 200}


def test_windows_follow_each_other() -> None:
    found = corpus.windows(np.arange(20, dtype=np.uint8), 4)
    assert found[:, 0].tolist() == [0, 4, 8, 12]
    assert found[0].tolist() == [0, 1, 2, 3, 4]
    assert corpus.windows(np.arange(20, dtype=np.uint8), 4, most=2)[:, 0].tolist() == [0, 8]


def test_every_planned_run_is_in_the_tables() -> None:
    planned = sweep.planned()
    runs = datasets.ladder().runs
    assert len(runs) == len(planned)
    assert runs["study"].tolist() == [study for study, _ in planned.values()]
    assert runs["lr"].tolist() == [setting.lr for _, setting in planned.values()]


def test_schedules_warm_up_and_decay() -> None:
    steps = 1000
    number = np.arange(steps)
    rates = {
        name: np.array(train._learning_rate(number, 1.0, steps, index))
        for index, name in enumerate(train.SCHEDULES)
    }
    for name, rate in rates.items():
        assert rate[:50] == pytest.approx((number[:50] + 1) / 50, rel=1e-5), name
    assert (rates["constant"][50:] == 1).all()
    assert rates["cosine"][-1] == pytest.approx(train.COSINE_FLOOR)
    assert (np.diff(rates["cosine"][50:]) <= 0).all()
    assert (rates["wsd"][50:799] == 1).all()
    assert rates["wsd"][-1] < 0.01


@pytest.mark.parametrize("name", probes.NAMES)
def test_a_probe_asks_fairly(name: str) -> None:
    probe = train.text().probes[name]
    assert len(probe.contexts) == probes.TRIALS
    assert (probe.lengths <= train.CONTEXT).all()
    assert (probe.candidates.sum(axis=1) <= 1).all()  # no symbol stands for two choices
    rng = np.random.default_rng(1)
    guesses = rng.integers(probe.candidates.shape[1], size=20_000)
    assert (guesses == 0).mean() == pytest.approx(probe.chance, abs=0.02)


def test_a_run_trains_and_is_the_same_again() -> None:
    first, again = train.train(TINY), train.train(TINY)
    assert first["loss"] < math.log(corpus.VOCABULARY)
    assert first["status"] == "finished"
    assert first["loss"] == again["loss"]
    assert first["D"] == TINY.tokens
    assert first["curve"]["step"][-1] == TINY.steps


def test_a_run_longer_than_the_text_is_refused() -> None:
    with pytest.raises(ValueError, match="windows of 128 symbols; the training text has"):
        train.train(replace(TINY, tokens=2**30))


@pytest.mark.parametrize(
    ("losses", "last", "status"),
    [
        ([3.0, 2.5, 2.0], 2.0, "finished"),
        ([6.0, 5.0, 2.8], 2.7, "finished"),  # slow to begin
        ([3.0, 9.0, 2.9], 2.9, "diverged"),
        ([6.0, 30.0, 3.0], 3.0, "diverged"),
        ([3.0, 2.5, 2.0], math.nan, "diverged"),
        ([3.0, math.nan], math.nan, "diverged"),
    ],
)
def test_diverged_runs_are_told_from_slow_ones(
    losses: list[float], last: float, status: str
) -> None:
    assert train.status({"train_loss": losses}, last) == status


def test_a_sweep_goes_on_after_an_interruption(tmp_path: Path) -> None:
    results = tmp_path / "runs.jsonl"
    tables.restore(results)
    whole = sweep.read(results)
    text = results.read_text()
    results.write_text(text[: text.rindex('"curve"')])  # cut within the last line
    assert len(sweep.read(results)) == len(whole) - 1
    with sweep.append_to(results) as file:
        file.write(json.dumps(whole[-1]) + "\n")
    assert [r["key"] for r in sweep.read(results)] == [r["key"] for r in whole]


def test_tables_restored_and_written_are_the_same(tmp_path: Path) -> None:
    tables.restore(tmp_path / "runs.jsonl")
    tables.write(tmp_path / "runs.jsonl", tmp_path)
    for name in ("runs.csv", "curves.csv", "probes.csv"):
        assert (tmp_path / name).read_bytes() == (tables.PACKAGE / name).read_bytes()


def test_rules_in_the_plan_come_from_the_tuning_runs(tmp_path: Path) -> None:
    tables.restore(tmp_path / "runs.jsonl")
    found = sweep.rules(tmp_path / "runs.jsonl").set_index("recipe")
    planned = tomllib.loads(sweep.CONFIG.read_text())["recipes"]
    for recipe, entry in planned.items():
        assert entry["rule"]["lr"] == pytest.approx(found.loc[recipe, "lr"], rel=0.02)
        assert entry["rule"]["N"] == pytest.approx(found.loc[recipe, "N"], abs=0.01)
        assert entry["rule"]["D"] == pytest.approx(found.loc[recipe, "D"], abs=0.01)
