"""The verb tune: what it prints, where, and with which exit status."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from command import command
from fakes import diverged, fake_fit
from toys import valley_fit

import bayes_scaling as bs
from bayes_scaling.posterior import Fit

AT = ("--at", "N=1e9,D=20B")


@pytest.fixture(scope="module")
def swept() -> Fit:
    return valley_fit(labels={"optimiser": ["adam", "muon"]}, draws=100)


@pytest.fixture(scope="module")
def saved(swept: Fit, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("fits") / "fit.nc"
    swept.save(path)
    return path


def test_json_carries_the_answer(swept: Fit, saved: Path) -> None:
    tried = ("--try", "lr=1e-3,B=0.5M", "--try", "lr=2e-3,B=300K")
    found = command(
        "tune", saved, "--at", "N=1e9,D=20B,optimiser=muon", "--at", "N=4e8,D=8e9", *tried,
        "--bound", "0.002", "--json",
    )  # fmt: skip
    assert found.status == 0
    assert found.err == ""
    at = [{"N": 1e9, "D": 2e10, "optimiser": "muon"}, {"N": 4e8, "D": 8e9}]
    settings = [{"lr": 1e-3, "B": 5e5}, {"lr": 2e-3, "B": 3e5}]
    answer = bs.tune(swept, at, settings=settings, bound=0.002)
    told = found.json
    assert list(told) == ["law", "response", "unit", "bound", "points", "tried", "warnings"]
    assert (told["law"], told["unit"], told["bound"]) == ("valley", "nat/token", 0.002)
    assert [p["group"] for p in told["points"]] == ["muon", None]
    assert told["points"][0]["inputs"] == {"N": 1e9, "D": 2e10}
    table = answer.summary()
    rows = [s for p in told["points"] for s in p["settings"]]
    assert [r["name"] for r in rows] == ["lr", "B", "lr", "B"]
    for key in ("mean", "sd_log", "recommended"):
        np.testing.assert_allclose([r[key] for r in rows], table[key], rtol=1e-6)
    plateau = table[["plateau_low", "plateau_high"]]
    np.testing.assert_allclose([r["plateau"] for r in rows], plateau, rtol=1e-6)
    np.testing.assert_allclose([r["quantiles"]["0.9"] for r in rows], table["q0.9"], rtol=1e-6)
    loss = [p["loss"]["quantiles"]["0.5"] for p in told["points"]]
    np.testing.assert_allclose(loss, answer.loss.quantile(0.5, "sample"), rtol=1e-9)
    assert [t["settings"]["B"] for t in told["tried"]] == [5e5, 3e5, 5e5, 3e5]
    assert answer.judged is not None
    for key in ("expected_penalty", "within_bound"):
        np.testing.assert_allclose([t[key] for t in told["tried"]], answer.judged[key], rtol=1e-6)


def test_text_shows_every_point_and_what_was_tried(saved: Path) -> None:
    found = command("tune", saved, *AT, "--at", "N=50B,D=1T", "--try", "lr=1e-3,B=0.5M")
    assert found.status == 0
    first, *_ = found.out.splitlines()
    assert first.startswith("best settings, law valley; plateau: expected loss less than 0.1 %")
    rows = [line.split() for line in found.out.splitlines()]
    assert [r[3] for r in rows if r[:1] == ["1e+09"]][:2] == ["lr", "B"]
    assert any(r[:3] == ["1e+09", "2e+10", "(new)"] and r[-1] == "1.00" for r in rows)
    assert "[far-outside]" in found.err
    assert "[far-outside]" not in found.out


def test_points_come_from_a_table_and_a_figure_is_drawn(saved: Path, tmp_path: Path) -> None:
    pd.DataFrame({"N": [1e9, 2e9], "D": [2e10, 2e10]}).to_csv(tmp_path / "points.csv", index=False)
    figure = tmp_path / "valley.png"
    found = command(
        "tune", saved, "--points", tmp_path / "points.csv", "--figure", figure, "--json"
    )
    assert len(found.json["points"]) == 2
    assert figure.stat().st_size > 10_000
    assert found.err == f"figure written to {figure}\n"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "give points either with --at"),
        ((*AT, "--try", "lr=1e-3"), "settings lack B"),
        ((*AT, "--try", "lr"), "--try expects NAME=VALUE, got 'lr'"),
        ((*AT, "--bound", "2"), "bound is 2.0"),
        (("--at", "N=1e9,D=20B,lr=1e-3"), "lr is what tune looks for"),
    ],
    ids=["no point", "setting", "pair", "bound", "setting in point"],
)
def test_wrong_usage_ends_with_two(saved: Path, options: tuple[str, ...], message: str) -> None:
    found = command("tune", saved, *options)
    assert found.status == 2
    assert found.out == ""
    assert found.errors[0].startswith(f"error: {message}")


def test_a_law_without_settings_ends_with_two(tmp_path: Path) -> None:
    fake_fit().save(tmp_path / "fit.nc")
    found = command("tune", tmp_path / "fit.nc", *AT, "--json")
    assert found.status == 2
    assert json.loads(found.out)["error"] is True
    assert "law chinchilla has no settings" in found.err


def test_an_unfit_fit_ends_with_one_unless_forced(swept: Fit, tmp_path: Path) -> None:
    diverged(swept, 50).save(tmp_path / "fit.nc")
    found = command("tune", tmp_path / "fit.nc", *AT)
    assert found.status == 1
    assert "divergences" in found.err
    assert command("tune", tmp_path / "fit.nc", *AT, "--force").status == 0
