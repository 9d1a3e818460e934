"""The verbs track and schedules: what they print, and with which exit status."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from command import command
from fakes import diverged, fake_fit_of

import bayes_scaling as bs
from bayes_scaling.models import registry
from bayes_scaling.posterior import Fit

TRUTH = {
    "level": 3.2, "reducible": 0.2, "alpha": 0.5, "gain": 0.05, "memory": 0.1, "delay": 0.003,
}  # fmt: skip
PLANS = {
    "flat": bs.schedules.constant(1e-3, 20_000, 1000),
    "cosine": bs.schedules.cosine(1e-3, 20_000, 1000, 1e-4),
}
WSD = "wsd_linear:peak=1e-3,steps=20000,decay_from=14000,warmup=1000,final=1e-4"


@pytest.fixture(scope="module")
def fit() -> Fit:
    step = np.linspace(1000, 20_000, 20)[1:]
    runs = pd.DataFrame({"step": np.tile(step, 4), "run": np.repeat([*"abcd"], 19)})
    runs["schedule"] = np.repeat(["flat", "cosine"] * 2, 19)
    runs["size"] = np.repeat(["25", "25", "100", "100"], 19)
    return fake_fit_of(
        registry["annealing"], runs, TRUTH, schedules=PLANS, serial=True, draws=250,
        labels={"size": ["100", "25"]}, pool={"level": "partial"},
    )  # fmt: skip


@pytest.fixture(scope="module")
def saved(fit: Fit, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("fits") / "fit.nc"
    fit.save(path)
    return path


@pytest.fixture(scope="module")
def rows(fit: Fit) -> pd.DataFrame:
    """The first half of one more run of size 25."""
    table = pd.DataFrame({"step": np.arange(1500.0, 10_001, 500), "schedule": WSD, "size": "25"})
    draws = bs.forecast(fit, table.assign(run="one")).draws.to_numpy()
    plan = bs.schedules.parse_schedule(WSD)
    return pd.DataFrame(
        {"it": table["step"], "lr": plan.rate(table["step"]), "val": draws[3], "plan": WSD}
    )


@pytest.fixture
def curve(rows: pd.DataFrame, tmp_path: Path) -> Path:
    path = tmp_path / "curve.csv"
    rows.to_csv(path, index=False)
    return path


COLUMNS = ("--input", "step=it", "--response", "val")


def test_a_job_on_track(saved: Path, curve: Path, fit: Fit, rows: pd.DataFrame) -> None:
    own = ("--schedule", WSD, "--group-label", "size=25", "--json")
    found = command("track", saved, curve, *COLUMNS, *own)
    assert (found.status, found.err) == (0, "")
    job = pd.DataFrame({"step": rows["it"], "observed": rows["val"], "schedule": WSD, "size": "25"})
    expected = bs.track(fit, job).summary().iloc[0]
    answer = found.json
    assert answer["alarm"] is False
    assert answer["left_at"] is None
    assert answer["group"] == "25"
    assert answer["final"]["step"] == 20_000
    assert answer["final"]["quantiles"]["0.5"] == pytest.approx(expected["q0.5"])
    assert answer["final"]["before"]["0.95"] == pytest.approx(expected["before_q0.95"])
    assert answer["p_value"] == pytest.approx(expected["p_value"])
    assert [r["step"] for r in answer["observed"]] == rows["it"].tolist()


def test_an_alarm_is_an_answer(saved: Path, rows: pd.DataFrame, tmp_path: Path) -> None:
    rows = rows.copy()
    rows.loc[9, "val"] *= 1.3
    path, figure = tmp_path / "spike.csv", tmp_path / "spike.png"
    rows.to_csv(path, index=False)
    own = ("--schedule-column", "plan", "--group-label", "size=25", "--until", "step=24K")
    found = command("track", saved, path, *COLUMNS, *own, "--figure", figure)
    assert found.status == 0
    assert "not on track: 18 rows up to step 10000" in found.out
    assert "first row outside: step 6000" in found.out
    assert "of the run at step 24000, law annealing" in found.out
    assert "[off-track]" in found.err
    assert "[schedule-ends]" in found.err
    assert figure.read_bytes().startswith(b"\x89PNG")


def test_a_rate_column_is_a_schedule(saved: Path, curve: Path) -> None:
    own = ("--rate", "lr", "--rate-warmup", "1000", "--until", "step=20000", "--where", "it > 2000")
    found = command("track", saved, curve, *COLUMNS, *own)
    assert found.status == 0
    assert "17 rows" not in found.out
    assert "16 rows up to step 10000" in found.out
    assert "[schedule-ends]" in found.err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "law annealing needs the schedule of the run: --schedule cosine:peak=3e-4"),
        (("--schedule", WSD, "--rate", "lr"), "give the schedule once"),
        (("--schedule", WSD, "--group-label", "sise=25"), "--group-label names sise; the fit's"),
        (("--schedule", WSD, "--input", "N=lr"), "--input names N, which law annealing does not"),
        (("--schedule", WSD, "--where", "it >"), "where expression 'it >' cannot be evaluated"),
        (("--schedule", WSD, "--until", "step"), "--until expects NAME=VALUE, got 'step'"),
        (("--rate", "lr", "--rate-warmup", "1000"), "the run is at step 10000 and would end at"),
        (("--schedule", WSD, "--level", "2"), "level is 2.0; it must lie between 0 and 1"),
    ],
)
def test_wrong_use_of_track_ends_with_two(
    saved: Path, curve: Path, options: tuple[str, ...], message: str
) -> None:
    found = command("track", saved, curve, *COLUMNS, *options)
    assert (found.status, found.out) == (2, "")
    assert message in found.err


def test_a_curve_that_cannot_be_read_ends_with_one(saved: Path, tmp_path: Path) -> None:
    found = command("track", saved, tmp_path / "none.csv", "--schedule", WSD)
    assert (found.status, found.out) == (1, "")
    assert "none.csv' does not exist" in found.err


def test_schedules_are_compared(saved: Path, fit: Fit, tmp_path: Path) -> None:
    figure = tmp_path / "schedules.svg"
    chosen = ("--schedule", f"wsd={WSD}", "--schedule", "old=cosine", "--at", "size=25")
    found = command("schedules", saved, *chosen, "--json", "--figure", figure)
    assert found.status == 0
    assert figure.read_bytes().startswith(b"<?xml")
    table = bs.compare_schedules(fit, {"wsd": WSD, "old": "cosine"}, at={"size": "25"}).summary()
    answer = found.json
    assert [s["name"] for s in answer["schedules"]] == table["name"].tolist()
    assert answer["best"] == table["name"].iloc[0]
    assert answer["group"] == "25"
    for own, (_, row) in zip(answer["schedules"], table.iterrows(), strict=True):
        assert own["p_best"] == pytest.approx(row["p_best"])
        assert own["difference"]["quantiles"]["0.95"] == pytest.approx(row["difference_q0.95"])
        assert own["schedule"] in (WSD, "cosine")
    assert sum(s["p_best"] for s in answer["schedules"]) == pytest.approx(1.0)


def test_schedules_as_a_table(saved: Path) -> None:
    hot = "constant:peak=1e-2,steps=20000"
    found = command("schedules", saved, "--schedule", f"w={WSD}", "--schedule", hot)
    assert found.status == 0
    assert "mean loss (nat/token) at the end of schedules, law annealing" in found.out
    assert "P(best)" in found.out
    assert hot in found.out
    assert "[rate-outside]" in found.err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "two schedules or more were expected, each with a name of its own; none came"),
        (("--schedule", "a=cosine", "--schedule", "a=flat"), "--schedule names a twice"),
        (("--schedule", "a=cosine", "--schedule", "b=sine:x=1"), "schedule b: 'sine' is no kind"),
        (("--schedule", "a=cosine", "--schedule", "flat", "--at", "size=7"), "size '7' was not"),
    ],
)
def test_wrong_use_of_schedules_ends_with_two(
    saved: Path, options: tuple[str, ...], message: str
) -> None:
    found = command("schedules", saved, *options)
    assert (found.status, found.out) == (2, "")
    assert message in found.err


def test_a_poor_fit_is_refused_unless_forced(fit: Fit, curve: Path, tmp_path: Path) -> None:
    path = tmp_path / "poor.nc"
    diverged(fit, 400).save(path)
    for arguments in (
        ("track", path, curve, *COLUMNS, "--schedule", WSD),
        ("schedules", path, "--schedule", "cosine", "--schedule", WSD),
    ):
        refused = command(*arguments)
        assert (refused.status, refused.out) == (1, "")
        assert "[unfit]" in refused.err
        assert command(*arguments, "--force").status == 0
