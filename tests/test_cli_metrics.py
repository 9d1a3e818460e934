"""Verbs about metrics: what they print, with which exit status, and bad input to them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from command import command
from fakes import diverged, fake_fit
from metric_fits import (
    TASKS,
    cloglog_fit,
    counts_fit,
    coverage_fit,
    densing_fit,
    emergence_fit,
    verifier_fit,
)

import bayes_scaling as bs
from bayes_scaling.display import metrics

FITS = {
    "counts": counts_fit,
    "emergence": emergence_fit,
    "coverage": coverage_fit,
    "verifier": verifier_fit,
    "densing": densing_fit,
    "chain": cloglog_fit,
    "loss": fake_fit,
}
MODELS = "name,score,N\na,0.5,1B\nb,0.55,300M\n"


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fits of each kind, and tables."""
    folder = tmp_path_factory.mktemp("fits")
    for name, make in FITS.items():
        make(draws=200).save(folder / f"{name}.nc")
    diverged(counts_fit(draws=200), 400).save(folder / "poor.nc")
    (folder / "models.csv").write_text(MODELS)
    (folder / "no_score.csv").write_text("name,N\na,1B\n")
    (folder / "words.csv").write_text("score,N\n0.5,big\n")
    return folder


@pytest.fixture
def folder(kept: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work there; the sampler must not be reached."""

    def refuse(*_: object) -> None:
        raise AssertionError("the sampler was reached")

    monkeypatch.setattr("bayes_scaling.posterior.compiled.compiled_sampler", refuse)
    monkeypatch.chdir(kept)
    return kept


# -- answers


def test_threshold(folder: Path, tmp_path: Path) -> None:
    figure = tmp_path / "t.png"
    found = command(
        "threshold", "counts.nc", "--level", "0.6", "--along", "C", "--at", "task=arc",
        "--at", "task=qa", "--within", "1e16:1e26", "--figure", figure, "--json",
    )  # fmt: skip
    assert (found.status, found.err) == (0, f"figure written to {figure}\n")
    assert figure.read_bytes().startswith(b"\x89PNG")
    answer = bs.threshold(
        bs.load("counts.nc"), 0.6, "C", at=[{"task": t} for t in TASKS], within=(1e16, 1e26)
    )
    assert found.json == metrics.threshold_object(answer)


def test_threshold_with_a_ratio_and_no_points(folder: Path) -> None:
    found = command(
        "threshold", "loss.nc", "--level", "2.6", "--along", "N", "--ratio", "D=20", "--json"
    )
    assert found.status == 0
    answer = bs.threshold(bs.load("loss.nc"), 2.6, "N", ratios={"D": 20.0})
    assert found.json == metrics.threshold_object(answer)
    assert found.json["ratios"] == {"D": 20.0}


def test_warnings_go_to_standard_error(folder: Path) -> None:
    found = command("threshold", "counts.nc", "--level", "0.95", "--along", "C", "--at", "task=qa")
    assert found.status == 0
    assert "[far-outside]" in found.err
    assert "[far-outside]" not in found.out
    assert "P(never)" in found.out


def test_emergence(folder: Path) -> None:
    found = command("emergence", "emergence.nc", "--json")
    assert (found.status, found.err) == (0, "")
    assert found.json == metrics.emergence_object(bs.emergence(bs.load("emergence.nc")))
    text = command("emergence", "emergence.nc")
    assert "accelerates" in text.out


def test_coverage(folder: Path) -> None:
    arguments = (
        "coverage",
        "coverage.nc",
        "--at",
        "N=1e8",
        "--at",
        "N=1.6B",
        "-k",
        "10",
        "-k",
        "50",
    )
    found = command(*arguments, "--price", "0.001", "--same-problems", "--seed", "4", "--json")
    assert (found.status, found.err) == (0, "")
    answer = bs.coverage(
        bs.load("coverage.nc"), [{"N": 1e8}, {"N": 1.6e9}], (10, 50), same_problems=True,
        price=0.001, seed=4,
    )  # fmt: skip
    assert found.json == metrics.coverage_object(answer)
    usual = command("coverage", "coverage.nc", "--at", "N=1e8", "--json")
    assert [row["k"] for row in usual.json["points"][0]["pass_at"]] == [1, 10, 100, 1000, 10_000]
    assert [w["code"] for w in usual.json["warnings"]] == ["far-samples"]


def test_retries(folder: Path) -> None:
    found = command(
        "retries", "verifier.nc", "--at", "N=4e8", "--most", "30", "--cost", "2", "--price", "0.01",
        "--json",
    )  # fmt: skip
    assert (found.status, found.err) == (0, "")
    answer = bs.retries(bs.load("verifier.nc"), {"N": 4e8}, most=30, cost=2.0, price=0.01)
    assert found.json == metrics.retries_object(answer)


def test_density_writes_a_table_for_the_trend(folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "densities.csv"
    found = command("density", "densing.nc", "models.csv", "--at", "D=8B", "-o", output, "--json")
    assert (found.status, found.err) == (0, "")
    models = pd.read_csv("models.csv")
    answer = bs.densities(bs.load("densing.nc"), models, at={"D": 8e9})
    assert found.json == metrics.densities_object(answer)
    written = pd.read_csv(output)
    assert written["name"].tolist() == ["a", "b"]
    np.testing.assert_allclose(written[["density", "se"]], answer.summary()[["density", "se"]])
    assert "size 50%" in command("density", "densing.nc", "models.csv", "--at", "D=8B").out


@pytest.mark.parametrize(
    "arguments",
    [
        ("threshold", "counts.nc", "--level", "0.5", "--along", "C", "--at", "task=qa"),
        ("coverage", "coverage.nc", "--at", "N=1e8", "--price", "0.01"),
        ("retries", "verifier.nc", "--at", "N=1e8"),
    ],
)
def test_figures(folder: Path, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    found = command(*arguments, "--figure", tmp_path / "f.pdf")
    assert found.status == 0
    assert (tmp_path / "f.pdf").read_bytes().startswith(b"%PDF")


def test_a_chain_is_forecast_and_averaged_over_its_tasks(folder: Path) -> None:
    at = ("--at", "N=1e9,D=20B,task=arc", "--at", "N=1e9,D=20B,task=qa")
    points = [{"N": 1e9, "D": 2e10, "task": t} for t in TASKS]
    fit = bs.load("chain.nc")
    loss = command("forecast", "chain.nc", *at, "--of", "loss", "--json").json
    assert loss["unit"] == "nat/token"
    wanted = bs.forecast(fit, points, of="loss").summary()["q0.5"]
    np.testing.assert_allclose([p["quantiles"]["0.5"] for p in loss["points"]], wanted)
    mean = command("forecast", "chain.nc", *at, "--average", "task", "--json").json
    wanted = bs.forecast(fit, points).average_over("task").summary()["mean"]
    assert [p["mean"] for p in mean["points"]] == pytest.approx(wanted.tolist())
    assert mean["points"][0]["group"] is None
    assert mean["points"][0]["inputs"] == {"N": 1e9, "D": 2e10}
    assert command("forecast", "chain.nc", *at, "--average", "task").status == 0


def test_a_poor_fit_must_be_forced(folder: Path) -> None:
    arguments = ("threshold", "poor.nc", "--level", "0.5", "--along", "C", "--at", "task=qa")
    found = command(*arguments)
    assert found.status == 1
    assert "[unfit]" in found.err
    assert command(*arguments, "--force").status == 0


@pytest.mark.parametrize("verb", ["threshold", "emergence", "coverage", "retries", "density"])
def test_every_verb_has_help(verb: str) -> None:
    found = command(verb, "--help")
    assert (found.status, found.err) == (0, "")
    assert f"bayes-scaling {verb}" in found.out


# -- bad input


@dataclass(frozen=True)
class Bad:
    """A command that cannot be carried out, and what must be said of it."""

    command: str
    words: tuple[str, ...]
    status: int = 2
    code: str = "usage"


THRESHOLD = "threshold counts.nc --level 0.5 --at task=qa "
CHAIN = "fit chained.csv -o out.nc --response right --trials n --law chinchilla+cloglog_accuracy "
COUNTS = "fit counts.csv -o out.nc --response right --law capability_sigmoid "
COMMANDS = {
    "malformed range": Bad(THRESHOLD + "--along C --within 1e18", ("FROM:TO", "got '1e18'")),
    "range without an end": Bad(THRESHOLD + "--along C --within 1e18:", ("'' is not a number",)),
    "range in words": Bad(THRESHOLD + "--along C --within low:1e20", ("'low' is not a number",)),
    "range that falls": Bad(THRESHOLD + "--along C --within 1e20:1e18", ("it must go up",)),
    "threshold along no input": Bad(THRESHOLD + "--along N", ("no input 'N'; it has C, chance",)),
    "threshold without a level": Bad("threshold counts.nc --along C", ("--level",)),
    "malformed ratio": Bad(THRESHOLD + "--along C --ratio 20", ("--ratio expects NAME=VALUE",)),
    "ratio of no input": Bad(THRESHOLD + "--along C --ratio D=20", ("no input 'D'",)),
    "threshold of an unknown task": Bad(
        "threshold counts.nc --level 0.5 --along C --at task=qq", ("task 'qq' was not fitted",)
    ),
    "emergence of another law": Bad(
        "emergence counts.nc", ("law capability_sigmoid has no parameter acceleration",)
    ),
    "coverage of another law": Bad(
        "coverage loss.nc --at N=1e8,D=2e9", ("fit is of law chinchilla", "such as coverage")
    ),
    "coverage without points": Bad("coverage coverage.nc", ("--at N=7B,D=1.4T",)),
    "no samples": Bad("coverage coverage.nc --at N=1e8 -k 0", ("whole and positive", "(0,)")),
    "samples in words": Bad("coverage coverage.nc --at N=1e8 -k many", ("-k", "integer")),
    "price of zero": Bad("coverage coverage.nc --at N=1e8 --price 0", ("price of a sample is 0",)),
    "problems that were not fitted": Bad(
        "coverage coverage.nc --at N=3e8 --same-problems", ("point 1 is that of no fitted problem",)
    ),
    "retries of another law": Bad(
        "retries coverage.nc --at N=1e8", ("need a fit of law verifier", "law coverage")
    ),
    "no tries": Bad("retries verifier.nc --at N=1e8 --most 0", ("most must lie from 1",)),
    "density without scores": Bad(
        "density densing.nc no_score.csv --at D=8B", ("columns score and N (missing: score)",)
    ),
    "density without the other inputs": Bad(
        "density densing.nc models.csv", ("other inputs as at= (missing: D)",)
    ),
    "density of words": Bad("density densing.nc words.csv --at D=8B", ("column 'N'", "row 1 do")),
    "density of no file": Bad(
        "density densing.nc no.csv", ("no.csv' does not exist",), 1, "no-file"
    ),
    "density into no folder": Bad(
        "density densing.nc models.csv --at D=8B -o nowhere/d.csv", ("nowhere' of the output",)
    ),
    "trials that are not there": Bad(
        COUNTS + "--trials items", ("no column 'items' for trials", "--trials"), 1, "missing-column"
    ),
    "counts without trials": Bad(COUNTS, ("--trials", "--noise beta"), 1, "no-trials"),
    "more right than items": Bad(
        COUNTS + "--trials few", ("column 'right'", "below zero or above column 'few'"), 1,
        "count-outside",
    ),
    "shares for counts": Bad(
        COUNTS.replace("right", "share") + "--trials n", ("give counts, not shares",), 1,
        "not-a-count",
    ),
    "trials of a loss": Bad(
        "fit counts.csv -o out.nc --response right --trials n --law power_law --input X=C",
        ("does not take", "--noise beta-binomial"),
    ),
    "chain without a loss": Bad(CHAIN, ("is a chain", "--through")),
    "loss that is not there": Bad(
        CHAIN + "--through lss", ("no column 'lss' for through", "did you mean 'loss'?"), 1,
        "missing-column",
    ),
    "loss without a chain": Bad(
        "fit chained.csv -o out.nc --response right --trials n --through loss "
        "--law cloglog_accuracy --input L=N", ("is no chain", "leave out through="),
    ),
    "unknown second law": Bad(
        CHAIN.replace("cloglog_", "clog_"), ("no law named 'clog_accuracy'",)
    ),
    "unknown first law": Bad(CHAIN.replace("chinchilla", "chin"), ("no law named 'chin'",)),
    "second law without a loss": Bad(
        CHAIN.replace("cloglog_accuracy", "capability_sigmoid"), ("has no input L, the loss",)
    ),
    "chain before a chain": Bad(
        CHAIN.replace("cloglog_accuracy", "cloglog_accuracy+error_decay"),
        ("the first law of a chain is that of a positive loss, not cloglog_accuracy",),
    ),
    "item of a law without curves": Bad(
        COUNTS + "--trials n --item name", ("--item", "law capability_sigmoid")
    ),
    "averages at several k": Bad(
        "fit averages.csv -o out.nc --response cov --law coverage_power --group model",
        ("averages at several k of the same samples", "law coverage", "--run"), 1,
        "nested-averages",
    ),
    "loss of what is no chain": Bad(
        "forecast loss.nc --at N=1e9,D=2e10 --of loss", ("where the law is a chain",)
    ),
    "mean over no column": Bad(
        "forecast counts.nc --at C=1e20,task=qa --average model",
        ("no grouping columns model to average over", "there are: task"),
    ),
    "trials of a point that are no number": Bad(
        "forecast counts.nc --at C=1e20,task=qa,trials=1.5", ("trials must be a whole number",)
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", COMMANDS)
def test_bad_command(folder: Path, name: str) -> None:
    rng = np.random.default_rng(0)
    compute = np.geomspace(1e18, 1e22, 12)
    right = np.linspace(20, 90, 12).round()
    pd.DataFrame(
        {"C": compute, "right": right, "share": right / 100, "n": 100, "few": 50, "name": "a"}
    ).to_csv(folder / "counts.csv", index=False)
    sizes = np.repeat([1e8, 4e8, 16e8], 4)
    pd.DataFrame(
        {"N": sizes, "D": np.tile([2e9, 8e9, 32e9, 64e9], 3), "right": right, "n": 100,
         "loss": 3.5 - 0.08 * np.arange(12) + 0.01 * rng.normal(size=12)}
    ).to_csv(folder / "chained.csv", index=False)  # fmt: skip
    pd.DataFrame(
        {"k": [1, 10, 100] * 2, "cov": [0.1, 0.3, 0.5, 0.2, 0.4, 0.6], "model": list("aaabbb")}
    ).to_csv(folder / "averages.csv", index=False)
    bad = COMMANDS[name]
    for json in ((), ("--json",)):
        found = command(*bad.command.split(), *json)
        assert found.status == bad.status, found.err
        assert len(found.errors) == 1, found.err
        for word in (*bad.words, f"[{bad.code}]"):
            assert word in found.err
        for noise in ("Traceback", "defect", 'File "'):
            assert noise not in found.out + found.err
        if json:
            assert [w["code"] for w in found.json["warnings"] if w["severity"] == "error"] == [
                bad.code
            ]
        else:
            assert found.out == ""
    assert not (folder / "out.nc").exists()


def test_the_tables_without_their_faults_are_good(folder: Path) -> None:
    test_bad_command(folder, "counts without trials")  # writes them
    counts = ("counts.csv", "--response", "right", "--law", "capability_sigmoid", "--trials", "n")
    chain = (
        "chained.csv", "--response", "right", "--trials", "n", "--through", "loss",
        "--law", "chinchilla+cloglog_accuracy",
    )  # fmt: skip
    for arguments in (counts, chain):
        found = command("check", *arguments, "--json")
        assert (found.status, found.errors) == (0, []), found.err
