"""The command line: what it prints, where, and with which exit status."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from command import Outcome, command
from fakes import RECIPES, changed, diverged, fake_fit
from synthetic import synthetic_runs

import bayes_scaling as bs
from bayes_scaling.models import registry
from bayes_scaling.posterior import Fit

HEAVY = ("jax", "numpyro", "pandas", "xarray", "arviz_stats", "arviz_plots", "matplotlib")
QUANTILES = ["0.025", "0.05", "0.1", "0.25", "0.5", "0.75", "0.9", "0.95", "0.975"]
AT = ("--at", "N=7B,D=1.4T,recipe=adam")


@pytest.fixture(scope="module")
def pooled() -> Fit:
    return fake_fit(RECIPES, rungs=True)


@pytest.fixture(scope="module")
def saved(pooled: Fit, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("fits") / "fit.nc"
    pooled.save(path)
    return path


def saved_as(fit: Fit, path: Path) -> Path:
    fit.save(path)
    return path


def python(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


# -- starting


def test_help_answers_at_once() -> None:
    seconds = []
    for _ in range(3):
        begun = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "bayes_scaling", "--help"],
            capture_output=True,
            text=True,
            check=False,
        )
        seconds.append(time.perf_counter() - begun)
        assert done.returncode == 0
        assert all(
            verb in done.stdout for verb in ("laws", "check", "fit", "forecast", "tune", "plot")
        )
        assert done.stderr == ""
    assert min(seconds) < 0.7


@pytest.mark.parametrize("arguments", [["--help"], ["fit", "--help"], ["forecast", "-h"]])
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    code = f"""
import sys
from bayes_scaling.cli import main
sys.argv = ["bayes-scaling", *{arguments!r}]
try:
    main()
except SystemExit as stop:
    assert not stop.code
print("LOADED", [name for name in {HEAVY!r} if name in sys.modules])
"""
    assert python(code).splitlines()[-1] == "LOADED []"


def test_the_package_itself_loads_nothing_heavy() -> None:
    code = f"import sys, bayes_scaling; print([n for n in {HEAVY!r} if n in sys.modules])"
    assert python(code).strip() == "[]"


@pytest.mark.parametrize("first", ["arviz_stats.base", "arviz_plots", "arviz_base"])
def test_arviz_may_be_imported_first(first: str) -> None:
    code = f"import {first}\nimport bayes_scaling.models\nprint(*bayes_scaling.models.registry)"
    assert set(python(code).split()) == set(registry)


@pytest.mark.parametrize("verb", ["laws", "check", "fit", "forecast", "tune", "plot", "demo"])
def test_every_verb_has_help(verb: str) -> None:
    found = command(verb, "--help")
    assert (found.status, found.err) == (0, "")
    assert f"bayes-scaling {verb}" in found.out


# -- laws


def test_laws_lists_every_law() -> None:
    found = command("laws")
    assert (found.status, found.err) == (0, "")
    for law in registry.values():
        assert f"{law.name} " in found.out


def test_laws_shows_one_law_in_full() -> None:
    found = command("laws", "chinchilla")
    assert (found.status, found.err) == (0, "")
    law = registry["chinchilla"]
    for name, parameter in law.parameters.items():
        assert name in found.out
        assert parameter.meaning in found.out
    for words in (
        "training tokens", "LogNormal(median 0.3, sd of log 0.5)", "E + A N^{-", "Hoffmann",
        "variant chinchilla:tied: one exponent for N and D", "irreducible loss", "varies",
        "reference point (`level`)", "noise student-t", "a positive number",
        "x / its geometric mean", "Besiroglu", "tried on: chinchilla, ",
    ):  # fmt: skip
        assert words in found.out
    assert "kaplan:" not in found.out


def test_laws_as_json() -> None:
    found = command("laws", "--json")
    assert (found.status, found.err) == (0, "")
    assert list(found.json) == ["laws"]
    laws = {law["name"]: law for law in found.json["laws"]}
    assert set(laws) == set(registry)
    for law in laws.values():
        assert set(law) == {
            "name", "family", "formula", "explanation", "response", "noise", "open", "inputs",
            "parameters", "derived", "variants", "citation", "references", "tried_on",
        }  # fmt: skip
    law = laws["chinchilla"]
    assert law["response"] == {"kind": "loss", "unit": "nat/token"}
    assert law["noise"] == "student-t"
    assert law["explanation"].startswith("Hoffmann et al. 2022, equation 2")
    assert law["inputs"][1] == {
        "name": "D",
        "meaning": "training tokens",
        "unit": "token",
        "domain": "a positive number",
        "centred": "x / its geometric mean",
    }
    assert law["parameters"][3] == {
        "name": "alpha",
        "meaning": "exponent of N",
        "unit": "",
        "prior": "LogNormal(median 0.3, sd of log 0.5)",
        "varies": True,
        "each": False,
    }
    assert law["variants"]["tied"] == "one exponent for N and D"
    assert [d["name"] for d in law["derived"]] == ["E", "A", "B", "N_exponent"]
    assert len(law["references"]) == len(set(law["references"])) == 5
    assert law["citation"] == law["references"][0]
    assert law["tried_on"][0] == "chinchilla"


def test_one_law_as_json() -> None:
    (law,) = command("laws", "chinchilla:tied", "--json").json["laws"]
    assert law["name"] == "chinchilla:tied"
    assert [p["name"] for p in law["parameters"]] == ["level", "reducible", "share_N", "alpha"]


# -- check


@pytest.fixture(scope="module")
def doubtful(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The synthetic runs with one row twice."""
    path = tmp_path_factory.mktemp("tables") / "runs.csv"
    table = synthetic_runs("fit")
    pd.concat([table, table[3:4]]).to_csv(path, index=False)
    return path


def test_check_as_json(doubtful: Path) -> None:
    found = command("check", doubtful, "--law", "chinchilla", "--group", "recipe", "--json")
    assert (found.status, found.err) == (0, "")
    assert set(found.json) == {"runs", "law", "observed", "prior_predictive", "warnings"}
    assert (found.json["runs"], found.json["law"]) == (46, "chinchilla")
    observed, prior = found.json["observed"], found.json["prior_predictive"]
    losses = pd.read_csv(doubtful)["loss"]
    for q, value in observed.items():
        assert value == pytest.approx(np.quantile(losses, float(q)))
    assert list(observed) == list(prior) == ["0.05", "0.5", "0.95"]
    assert prior["0.05"] < observed["0.05"] < observed["0.95"] < prior["0.95"]
    (warning,) = found.json["warnings"]
    assert set(warning) == {"code", "severity", "message"}
    assert (warning["code"], warning["severity"]) == ("duplicate-rows", "warning")


def test_check_as_text(doubtful: Path) -> None:
    found = command("check", doubtful, "--group", "recipe")
    assert found.status == 0
    assert "46 observed losses" in found.out
    assert "prior predictive" in found.out
    (warning,) = found.err.splitlines()
    assert warning.startswith("warning: row 46 repeats an earlier row")
    assert warning.endswith("[duplicate-rows]")


# -- forecast


def assert_is_point(point: dict[str, Any], *more: str) -> None:
    if point["extrapolation"]["label"] == "outside":
        more = (*more, "sensitivity")
    assert set(point) == {"inputs", "group", "mean", "sd", "quantiles", "extrapolation", *more}
    assert list(point["quantiles"]) == QUANTILES
    values = list(point["quantiles"].values())
    assert values == sorted(values)
    assert values[0] < point["mean"] < values[-1]
    assert point["sd"] > 0
    assert set(point["extrapolation"]) == {"decades", "label"}
    assert set(point["extrapolation"]["decades"]) == set(point["inputs"]) == {"N", "D"}


def test_forecast_as_json(pooled: Fit, saved: Path) -> None:
    found = command("forecast", saved, *AT, "--at", "N=1e9,D=20B", "--seed", "3", "--json")
    assert found.status == 0
    assert found.err == ""
    answer = found.json
    contract = {"law", "response", "unit", "kind", "points", "warnings"}
    assert set(answer) == contract | {"counts_embeddings", "flops"}
    assert (answer["counts_embeddings"], answer["flops"]) == (False, "6ND")
    assert answer["law"] == "chinchilla"
    assert (answer["response"], answer["unit"]) == ("loss", "nat/token")
    assert answer["kind"] == "new-run"
    first, second = answer["points"]
    assert_is_point(first)
    assert_is_point(second)
    assert first["inputs"] == {"N": 7e9, "D": 1.4e12}
    assert second["inputs"] == {"N": 1e9, "D": 20e9}
    assert (first["group"], second["group"]) == ("adam", None)
    assert first["extrapolation"]["decades"]["N"] == pytest.approx(np.log10(7 / 1.6))
    assert first["extrapolation"]["label"] == "outside"
    assert second["extrapolation"] == {"decades": {"N": 0.0, "D": 0.0}, "label": "inside"}
    points = [first["inputs"] | {"recipe": "adam"}, second["inputs"]]
    table = bs.forecast(pooled, points, seed=3).summary()
    for point, (_, row) in zip((first, second), table.iterrows(), strict=True):
        assert point["mean"] == pytest.approx(row["mean"])
        assert point["sd"] == pytest.approx(row["sd"])
        for q in QUANTILES:
            assert point["quantiles"][q] == pytest.approx(row[f"q{q}"])
    (warning,) = answer["warnings"]
    assert set(warning) == {"code", "severity", "message"}
    assert (warning["code"], warning["severity"]) == ("far-outside", "warning")


def test_forecast_of_the_mean_is_narrower(saved: Path) -> None:
    wide, narrow = (
        command("forecast", saved, *AT, "--kind", kind, "--json").json
        for kind in ("new-run", "mean")
    )
    assert narrow["kind"] == "mean"
    assert narrow["points"][0]["sd"] < wide["points"][0]["sd"]


def test_forecast_with_and_without_drift(tmp_path: Path) -> None:
    path = saved_as(fake_fit(RECIPES, discrepancy=True), tmp_path / "fit.nc")
    whole, held = (
        command("forecast", path, *AT, "--kind", "mean", *more, "--json").json["points"][0]
        for more in ((), ("--no-discrepancy",))
    )
    assert_is_point(whole, "discrepancy")
    assert 0 < whole["discrepancy"] < 1
    assert_is_point(held)
    assert held["sd"] < whole["sd"]
    shown = command("forecast", path, *AT, "--kind", "mean").out
    assert f"{whole['discrepancy']:.0%}" in shown


def test_forecast_without_groups(tmp_path: Path) -> None:
    path = saved_as(fake_fit(), tmp_path / "fit.nc")
    (point,) = command("forecast", path, "--at", "N=1B,D=20B", "--json").json["points"]
    assert_is_point(point)
    assert point["group"] is None


def test_forecast_with_two_grouping_columns(tmp_path: Path) -> None:
    path = saved_as(fake_fit(RECIPES | {"corpus": ["x", "y"]}), tmp_path / "fit.nc")
    found = command("forecast", path, "--at", "N=1B,D=20B,corpus=y", "--json")
    assert found.json["points"][0]["group"] == {"recipe": None, "corpus": "y"}


@pytest.mark.parametrize("suffix", ["csv", "parquet", "jsonl"])
def test_forecast_of_a_file_of_points(saved: Path, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"points.{suffix}"
    table = pd.DataFrame(
        {"N": [7e9, 1e9], "D": [1.4e12, 2e10], "recipe": ["muon", None], "observed": [2.1, 2.6]}
    )
    if suffix == "csv":
        table.to_csv(path, index=False)
    elif suffix == "parquet":
        table.to_parquet(path)
    else:
        table.to_json(path, orient="records", lines=True)
    found = command("forecast", saved, "--points", path, "--json")
    assert found.status == 0
    first, second = found.json["points"]
    assert_is_point(first, "observed")
    assert (first["group"], second["group"]) == ("muon", None)
    assert (first["observed"], second["observed"]) == (2.1, 2.6)
    assert set(found.json["check"]) == {"points", "held_90", "relative_error"}
    listed = command("forecast", saved, "--at", "N=7B,D=1.4T,recipe=muon", "--at", "N=1B,D=20B",
                     "--json").json["points"]  # fmt: skip
    assert [p["mean"] for p in listed] == [first["mean"], second["mean"]]


def test_a_file_of_points_may_use_suffixes(saved: Path, tmp_path: Path) -> None:
    """As the table of runs may, and as the message about bad points tells people to."""
    path = tmp_path / "points.csv"
    path.write_text("N,D,recipe\n7B,1.4T,adam\n")
    found = command("forecast", saved, "--points", path, "--json")
    assert found.status == 0, found.err
    assert found.json == command("forecast", saved, *AT, "--json").json


def test_labels_that_are_numbers_are_found_in_a_file(tmp_path: Path) -> None:
    fit = saved_as(fake_fit({"version": ["1", "2"]}), tmp_path / "fit.nc")
    path = tmp_path / "points.csv"
    path.write_text("N,D,version\n7e9,1.4e12,2\n7e9,1.4e12,\n")
    found = command("forecast", fit, "--points", path, "--json")
    assert found.status == 0, found.err
    assert [p["group"] for p in found.json["points"]] == ["2", None]


def test_a_missing_truth_is_null(saved: Path, tmp_path: Path) -> None:
    path = tmp_path / "points.csv"
    path.write_text("N,D,observed\n7e9,1.4e12,2.1\n9e9,1.4e12,\n")
    found = command("forecast", saved, "--points", path, "--json")
    assert [p["observed"] for p in found.json["points"]] == [2.1, None]


def test_forecast_as_text(saved: Path) -> None:
    found = command("forecast", saved, *AT, "--at", "N=1B,D=20B,observed=2.61")
    assert found.status == 0
    heading, *lines = found.out.splitlines()
    assert heading.startswith("loss (nat/token) of new-run, law chinchilla")
    assert heading.endswith("; N without embeddings; FLOPs as 6ND")
    words = [line.split() for line in lines]
    assert ["N", "D", "recipe", "5%", "50%", "95%", "observed", "range"] in words
    (adam,) = [row for row in words if "adam" in row]
    (new,) = [row for row in words if "(new)" in row]
    assert adam[-1] == "outside"
    assert new[-1] == "inside"
    assert new[-2] == "2.6100"
    assert found.out.splitlines()[-1].startswith("observed: 1 of 1 inside the 90 % interval; mean")
    answer = command("forecast", saved, *AT, "--at", "N=1B,D=20B", "--json").json
    assert float(adam[4]) == pytest.approx(answer["points"][0]["quantiles"]["0.5"], abs=6e-5)
    (warning,) = found.err.splitlines()
    assert warning.startswith("warning: point 1 lies")
    assert warning.endswith("[far-outside]")


def test_the_seed_settles_the_forecast(saved: Path) -> None:
    first, again, other = (
        command("forecast", saved, *AT, "--seed", seed, "--json").json for seed in "778"
    )
    assert first == again
    assert first["points"][0]["mean"] != other["points"][0]["mean"]


def test_forecast_draws_a_figure(saved: Path, tmp_path: Path) -> None:
    path = tmp_path / "forecast.png"
    found = command("forecast", saved, *AT, "--figure", path, "--json")
    assert found.status == 0
    assert found.err == f"figure written to {path}\n"
    assert set(found.json) >= {"points"}
    assert path.read_bytes().startswith(b"\x89PNG")


def test_a_poor_fit_is_refused_unless_forced(pooled: Fit, tmp_path: Path) -> None:
    path = saved_as(diverged(pooled, 100), tmp_path / "fit.nc")
    refused = command("forecast", path, *AT, "--json")
    assert refused.status == 1
    assert [w["code"] for w in refused.json["warnings"]] == ["unfit"]
    assert "100 of 2000 draws diverged" in refused.err
    assert "--force" in refused.err
    assert command("forecast", path, *AT).out == ""
    forced = command("forecast", path, *AT, "--force", "--json")
    assert forced.status == 0
    found = {w["code"]: w["severity"] for w in forced.json["warnings"]}
    assert found == {"divergences": "error", "far-outside": "warning"}


# -- plot


@pytest.mark.parametrize("figure", ["fit", "prior", "residuals", "trace"])
def test_plot(saved: Path, tmp_path: Path, figure: str) -> None:
    path = tmp_path / "figure.pdf"
    found = command("plot", saved, "-o", path, "--figure", figure)
    assert (found.status, found.out) == (0, "")
    assert found.err == f"figure written to {path}\n"
    assert path.read_bytes().startswith(b"%PDF")


def test_the_chains_of_a_poor_fit_can_be_looked_at(pooled: Fit, tmp_path: Path) -> None:
    fit = saved_as(diverged(pooled, 100), tmp_path / "fit.nc")
    found = command("plot", fit, "-o", tmp_path / "trace.png", "--figure", "trace")
    assert found.status == 0, found.err


# -- fit, without sampling


@pytest.fixture
def sampled(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Fit]]:
    """Fits that `ScalingModel.fit` hands out in place of sampling."""
    ready: list[Fit] = []
    monkeypatch.setattr(bs.ScalingModel, "fit", lambda *_, **__: ready.pop())
    yield ready
    assert not ready


def run_fit(folder: Path, *options: str) -> Outcome:
    table = folder.with_suffix(".csv")  # beside the folder, which holds what is written
    synthetic_runs("fit").to_csv(table, index=False)
    law = ("--law", "chinchilla")
    return command("fit", table, *law, "--group", "recipe", "-o", folder / "fit.nc", *options)


def assert_is_fit(answer: dict[str, Any]) -> None:
    assert set(answer) >= {"law", "references", "parameters", "derived", "diagnostics", "warnings"}
    for row in [*answer["parameters"], *answer["derived"]]:
        assert set(row) >= {
            "name", "group", "mean", "sd", "quantiles", "rhat", "ess_bulk", "ess_tail",
        }  # fmt: skip
        assert list(row["quantiles"]) == QUANTILES
        assert row["quantiles"]["0.025"] < row["mean"] < row["quantiles"]["0.975"]
    assert set(answer["diagnostics"]) == {
        "divergences", "max_rhat", "min_ess_bulk", "min_ess_tail", "seconds",
    }  # fmt: skip
    assert set(answer["diagnostics"]["seconds"]) == {"compile", "sample"}
    assert all(set(w) == {"code", "severity", "message"} for w in answer["warnings"])


def test_fit_as_text(pooled: Fit, sampled: list[Fit], tmp_path: Path) -> None:
    sampled.append(pooled)
    found = run_fit(tmp_path)
    assert found.status == 0
    rows = [line.split() for line in found.out.splitlines()]
    assert ["parameter", "group", "mean", "sd", "5%", "50%", "95%", "R-hat", "ESS"] in rows
    (alpha,) = [row for row in rows if row[:2] == ["alpha", "muon"]]
    draws = pooled.posterior["alpha"].sel(recipe="muon")
    assert float(alpha[2]) == pytest.approx(float(draws.mean()), rel=1e-3)
    assert "0 divergences; compiled in 1.5 s, sampled in 2.5 s" in found.err
    assert f"saved to {tmp_path / 'fit.nc'}" in found.err
    assert bs.load(tmp_path / "fit.nc").spec == pooled.spec


def test_a_poor_fit_is_saved_with_exit_status_1(
    pooled: Fit, sampled: list[Fit], tmp_path: Path
) -> None:
    for options in ((), ("--json",)):
        sampled.append(diverged(pooled, 100))
        found = run_fit(tmp_path, *options)
        assert found.status == 1
        assert [p.name for p in tmp_path.iterdir()] == ["fit.nc"]
        if options:
            assert_is_fit(found.json)
            assert found.json["diagnostics"]["divergences"] == 100
            codes = {w["code"]: w["severity"] for w in found.json["warnings"]}
            assert codes == {"divergences": "error"}
        else:
            assert "error: 100 of 2000 draws diverged" in found.err
    assert command("forecast", tmp_path / "fit.nc", *AT).status == 1


def test_a_stuck_fit_is_still_one_json_object(
    pooled: Fit, sampled: list[Fit], tmp_path: Path
) -> None:
    sampled.append(changed(pooled, {"beta": np.full((4, 500), 0.28)}))
    with warnings.catch_warnings():  # that they are given is another test's matter
        warnings.simplefilter("ignore", RuntimeWarning)
        found = run_fit(tmp_path, "--json")
    assert found.status == 1
    assert "no-rhat" in [w["code"] for w in found.json["warnings"]]
    (beta,) = [p for p in found.json["parameters"] if p["name"] == "beta"]
    assert beta["rhat"] is None


def test_what_the_table_counts_is_printed(pooled: Fit, sampled: list[Fit], tmp_path: Path) -> None:
    record = replace(pooled.record, counts_embeddings=True, flops="6ND", unit="bit/byte")
    sampled.append(replace(pooled, record=record))
    answer = run_fit(tmp_path, "--json").json
    assert (answer["counts_embeddings"], answer["flops"]) == (True, "6ND")
    assert answer["unit"] == "bit/byte"
    assert answer["references"] == pytest.approx({"N": 4e8, "D": 8e9})


def test_demo_writes_its_table_fit_and_figure(sampled: list[Fit], tmp_path: Path) -> None:
    ladder = bs.datasets.ladder()
    fit, target = ladder.tuned("fit"), ladder.tuned("target")
    sampled.append(fake_fit({"recipe": fit.levels("recipe")}, rungs=True))
    folder = tmp_path / "made" / "demo"
    found = command("demo", "-o", folder, "--json")
    assert found.status == 0
    assert f"{len(fit)} measured runs" in found.err
    assert sorted(p.name for p in folder.iterdir()) == [
        "fit.nc", "forecast.png", "runs.csv", "targets.csv",
    ]  # fmt: skip
    again = bs.read_runs(folder / "runs.csv", group="recipe", rung="rung", seed="seed")
    assert len(again) == len(fit)
    assert [p["observed"] for p in found.json["points"]] == target.frame["response"].tolist()
    for point in found.json["points"]:
        assert_is_point(point, "observed")


# -- fit, for real


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Outcome]:
    folder = tmp_path_factory.mktemp("real")
    return folder, run_fit(folder, "--no-embeddings", "--flops", "6ND", "--json")


def test_fit_for_real(real: tuple[Path, Outcome]) -> None:
    folder, found = real
    assert found.status == 0, found.err
    assert [p.name for p in folder.iterdir()] == ["fit.nc"]
    assert found.err.splitlines() == ["compiling", "sampling 4 chains of 500 + 1000"]
    answer = found.json
    assert_is_fit(answer)
    assert answer["law"] == "chinchilla"
    assert (answer["counts_embeddings"], answer["flops"]) == (False, "6ND")
    named = {(p["name"], p["group"]) for p in answer["parameters"]}
    recipes = ("baseline", "muon-like", "wide")
    assert {("alpha", r) for r in recipes} | {("reducible", None), ("sigma", None)} <= named
    assert {d["name"] for d in answer["derived"]} == {"E", "A", "B", "N_exponent"}
    assert answer["diagnostics"]["max_rhat"] < 1.05
    assert answer["diagnostics"]["min_ess_bulk"] > 100


def test_the_real_fit_forecasts_the_runs_held_out(
    real: tuple[Path, Outcome], tmp_path: Path
) -> None:
    folder, _ = real
    path = tmp_path / "points.csv"
    target = synthetic_runs("target").rename(columns={"loss": "observed"})
    target.to_csv(path, index=False)
    found = command("forecast", folder / "fit.nc", "--points", path, "--json")
    assert found.status == 0, found.err
    for point in found.json["points"]:
        assert abs(point["observed"] - point["mean"]) < 5 * point["sd"]
        assert point["sd"] < 0.2
    assert json.loads(found.out)["points"][0]["group"] in ("baseline", "muon-like", "wide")
