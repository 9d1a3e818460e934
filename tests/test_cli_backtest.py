"""The verb backtest: what it prints, with which exit status, and bad input."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from backtests import SHORT, chinchilla, fake_backtest, fake_folds, grid_runs
from command import command

import bayes_scaling as bs
from bayes_scaling import Fit, ScalingModel
from bayes_scaling.display.backtest import backtest_object
from bayes_scaling.validation import backtest_work

QUICK = ("--draws", "100", "--warmup", "200")
LAW = ("--law", "chinchilla", *QUICK)
TIED = "chinchilla:tied"


def of_any_law(model: ScalingModel, *given: Any, **options: Any) -> list[Fit]:
    return fake_folds(ScalingModel(chinchilla()), *given, **options)


@pytest.fixture(autouse=True)
def _made_up(monkeypatch: pytest.MonkeyPatch, kept: Path) -> None:
    monkeypatch.setattr(backtest_work, "fit_folds", of_any_law)
    monkeypatch.chdir(kept)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tables")
    frame = grid_runs(["adam", "muon"]).frame.rename(columns={"response": "loss"})
    table = frame[["N", "D", "recipe", "loss"]]
    table.to_csv(folder / "runs.csv", index=False)
    more = table.assign(C=1e21 * (table["D"] / table["D"].min()), flop=6 * table["N"] * table["D"])
    more.to_csv(folder / "with_c.csv", index=False)
    renamed = table.rename(columns={"N": "params", "loss": "nats"})
    renamed.to_csv(folder / "renamed.csv", index=False)
    return folder


def test_one_law(tmp_path: Path) -> None:
    figure = tmp_path / "found.png"
    found = command(
        "backtest", "runs.csv", *LAW, "--group", "recipe", "--gap", "3", "--gap", "10",
        "--figure", figure, "--json",
    )  # fmt: skip
    assert found.status == 0
    assert figure.read_bytes().startswith(b"\x89PNG")
    told = found.err.splitlines()
    assert told == [
        "chinchilla: 4 of 6 folds", "chinchilla: 6 of 6 folds", f"figure written to {figure}",
    ]  # fmt: skip
    answer = fake_backtest(
        runs=bs.read_runs("runs.csv", group="recipe"), folds=of_any_law, gaps=(3, 10)
    )
    rows, own = found.json, backtest_object(answer)
    for table in (rows, own):
        for row in table["folds"]:
            row.pop("seconds")
    assert rows == own


def test_several_laws_in_words() -> None:
    found = command("backtest", "runs.csv", *LAW, "--law", TIED, "--gap", "3", "--origins", "2")
    assert found.status == 0
    lines = found.out.splitlines()
    assert lines[0].startswith(
        "loss (nat/token) of the dearest runs by compute: 2 folds, 2 origins"
    )
    assert lines[4].startswith("chinchilla ")
    assert lines[5].startswith("chinchilla:tied ")
    assert "models by log score" in found.out
    assert "chinchilla:tied: 4 of 4 folds" in found.err


def test_columns_as_in_fit() -> None:
    found = command(
        "backtest", "renamed.csv", *LAW, "--input", "N=params", "--response", "nats", "--group",
        "recipe", "--by", "N", "--gap", "2.5", "--scored-above", "1.2", "--seed", "3", "--json",
    )  # fmt: skip
    assert found.status == 0
    runs = bs.read_runs(
        "renamed.csv", inputs={"N": "params", "D": "D"}, response="nats", group="recipe"
    )
    answer = fake_backtest(
        runs=runs, folds=of_any_law, by="N", gaps=(2.5,), scored_above=1.2, seed=3
    )
    assert found.json["response"] == "nats"
    assert found.json["summary"] == backtest_object(answer)["summary"]
    assert found.json["by"] == "N"


@pytest.mark.parametrize("named", [False, True])
def test_a_column_of_compute_counts(named: bool) -> None:
    told = ("--input", "C=flop") if named else ()
    found = command("backtest", "with_c.csv", *LAW, *told, "--gap", "3", "--origins", "1", "--json")
    (row,) = found.json["folds"]
    frame = pd.read_csv("with_c.csv")
    assert row["origin"] == pytest.approx(frame["flop" if named else "C"].max())
    assert row["runs"] == (2 if named else 10)


def test_the_usual_model_and_gaps() -> None:
    found = command("backtest", "runs.csv", *QUICK, "--origins", "1", "--json")
    assert found.status == 0
    assert found.json["models"] == ["auto"]
    gaps = {row["gap"] for row in (*found.json["folds"], *found.json["skipped"])}
    assert gaps == {3.0, 10.0, 30.0}


def test_settings_reach_the_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def watched(*given: Any, **options: Any) -> list[Fit]:
        asked.append(options["settings"])
        return of_any_law(*given, **options)

    monkeypatch.setattr(backtest_work, "fit_folds", watched)
    command("backtest", "runs.csv", "--law", "chinchilla", "--gap", "3", "--origins", "1")
    command("backtest", "runs.csv", *LAW, "--chains", "2", "--gap", "3", "--origins", "1")
    assert [(s.chains, s.draws, s.warmup) for s in asked] == [(4, 250, 300), (2, 100, 200)]
    assert (SHORT.draws, SHORT.warmup) == (100, 200)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--law", "nobody"), "no law named 'nobody'"),
        (("--by", "M"), "no column 'M'"),
        (("--gap", "1.2"), "a gap is 1.2; it must be above 1.5"),
        (("--gap", "much"), "'much' is not a number"),
        (("--origins", "0"), "origins is 0"),
        (("--scored-above", "1"), "scored_above is 1"),
        (("--chains", "1"), "chains is 1"),
        (("--input", "X=N"), "--input names X"),
        (("--figure", "found.txt"), "'found.txt' must end in one of .png"),
    ],
)
def test_wrong_usage_ends_with_two(arguments: tuple[str, ...], message: str) -> None:
    found = command("backtest", "runs.csv", *LAW, *arguments)
    assert (found.status, found.out) == (2 if message != "no column 'M'" else 1, "")
    assert message in found.errors[0]


def test_a_table_without_folds_ends_with_one() -> None:
    found = command("backtest", "runs.csv", *LAW, "--gap", "300", "--json")
    assert found.status == 1
    assert found.json["warnings"][0]["code"] == "no-folds"
    missing = command("backtest", "nowhere.csv", *LAW)
    assert (missing.status, missing.out) == (1, "")
