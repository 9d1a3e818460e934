"""The speed suite without its measurements: lines, the store, the table, and its problems."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import check_grad

from benchmarks import huber_grid, pooled
from benchmarks.speed import __main__ as command
from benchmarks.speed import store as store_module
from benchmarks.speed.job import Job
from benchmarks.speed.line import Line, Round, exponent, number
from benchmarks.speed.store import Store
from benchmarks.speed.suite import QUICK, SECTIONS, Sizes, suite

HERE = "test_benchmarks"


def speed(r: Round) -> float:
    return float(r["ours"]["speed"])


def rival(r: Round) -> float:
    return float(r["theirs"]["speed"])


LINE = Line("core", "ratio", ("ours", "theirs"), speed, rival, at_least=10)


def cells(row: str) -> list[str]:
    return [cell.strip() for cell in row.strip("| ").split("|")]


def rounds(*pairs: tuple[float, float]) -> list[Round]:
    return [{"ours": {"speed": a}, "theirs": {"speed": b}} for a, b in pairs]


def test_a_ratio_is_taken_round_by_round_and_shows_what_it_is_made_of() -> None:
    row = LINE.row(rounds((20, 1), (40, 4), (90, 3)))
    assert cells(row) == ["ratio", "20.0", "10.0 to 30.0", "40.0 / 3.00", "at least 10"]


@pytest.mark.parametrize(
    ("bounds", "target"),
    [
        ({"at_least": 10}, "at least 10 (missed)"),
        ({"at_least": 9}, "at least 9"),
        ({"at_least": None, "at_most": 8}, "at most 8 (missed)"),
        ({"at_least": None, "at_most": 9.5}, "at most 9.5"),
    ],
)
def test_a_missed_target_is_called_so(bounds: dict[str, float], target: str) -> None:
    row = dataclasses.replace(LINE, **bounds).row(rounds((9, 1)))
    assert cells(row)[-1] == target


@pytest.mark.parametrize(
    ("theirs", "reason"),
    [
        ({"theirs": {"skipped": "pymc is not installed"}}, "theirs: pymc is not installed"),
        ({"theirs": {"failed": "Traceback"}}, "theirs failed"),
        ({}, "not asked for"),
    ],
)
def test_a_line_without_its_measurements_says_why(theirs: Round, reason: str) -> None:
    row = LINE.row([{"ours": {"speed": 1.0}, **theirs}])
    assert f"not measured: {reason}" in row
    assert "at least 10 (not shown)" in row


def test_the_number_of_a_line_has_the_digits_that_were_asked_for() -> None:
    line = dataclasses.replace(LINE, digits=4)
    assert cells(line.row(rounds((1.00638, 1))))[1] == "1.006"


def test_a_round_without_a_measurement_does_not_count() -> None:
    found = [*rounds((20, 1)), {"ours": {"speed": 1e9}}]
    assert cells(LINE.row(found))[1] == "20.0"


def test_an_exponent_is_that_of_a_power_law() -> None:
    sizes = [8, 64, 512]
    assert exponent(sizes, [3e-4 * s**1.2 for s in sizes]) == pytest.approx(1.2)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (1.00438, "1.00"), (0.04321, "0.0432"), (12.34, "12.3"), (4321.6, "4,322")],
)
def test_numbers_have_three_digits(value: float, text: str) -> None:
    assert number(value) == text
    assert number(1.00438, 4) == "1.004"


def found(size: int, seed: int = 0) -> dict[str, float]:
    """What jobs of these tests run in their own process."""
    return {"size": size, "seed": seed}


def without_pymc() -> None:
    raise ModuleNotFoundError("No module named 'pymc'", name="pymc")


def broken() -> None:
    raise ZeroDivisionError("on purpose")


def hanging() -> None:
    import time

    time.sleep(60)


@pytest.fixture
def _tests_on_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))


@pytest.mark.usefixtures("_tests_on_path")
def test_a_job_runs_in_a_process_of_its_own_with_the_seed_of_its_round() -> None:
    job = Job("size", f"{HERE}:found", {"size": 3}, seeded=True)
    assert job.run(2) == {"size": 3, "seed": 21}


@pytest.mark.usefixtures("_tests_on_path")
def test_what_cannot_be_measured_comes_back_with_its_reason() -> None:
    assert "pymc is not installed" in Job("a", f"{HERE}:without_pymc").run(0)["skipped"]
    assert "on purpose" in Job("b", f"{HERE}:broken").run(0)["failed"]
    assert "stopped after 1 s" in Job("c", f"{HERE}:hanging", limit=1).run(0)["skipped"]


class Counted(Job):
    """Counts how often it is run."""

    runs = 0

    def run(self, number: int) -> dict[str, float]:
        Counted.runs += 1
        return {"number": float(number)}


def test_finished_measurements_are_not_made_again(tmp_path: Path) -> None:
    path, job = tmp_path / "kept.json", Counted("counted", "none")
    Counted.runs = 0
    assert Store(path).get(job, 1) is None
    Store(path).measure(job, 1)
    assert Store(path).get(job, 1) == {"number": 1.0}
    assert Store(path).get(job, 2) is None
    assert Store(path).get(Counted("counted", "none", {"size": 2}), 1) is None
    assert Store(path, fresh=True).get(job, 1) is None
    assert Counted.runs == 1


def test_measurements_of_other_code_are_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, job = tmp_path / "kept.json", Counted("counted", "none")
    Store(path).measure(job, 0)
    monkeypatch.setattr(store_module, "source_hash", lambda: "changed")
    assert Store(path).get(job, 0) is None


def test_what_failed_is_measured_again(tmp_path: Path) -> None:
    path, job = tmp_path / "kept.json", Counted("counted", "none")
    kept = Store(path)
    kept.measure(job, 0)
    stored = json.loads(path.read_text())
    stored["found"][f"0 {job.key}"] = {"failed": "out of memory"}
    path.write_text(json.dumps(stored))
    assert Store(path).get(job, 0) is None


@pytest.mark.parametrize("sizes", [Sizes(), QUICK, dataclasses.replace(QUICK, groups=(8,))])
def test_every_line_is_made_of_jobs_of_the_suite(sizes: Sizes) -> None:
    whole = suite(sizes)
    assert {line.section for line in whole.lines} == set(SECTIONS)
    needed = {name for line in whole.lines for name in line.needs}
    assert needed == set(whole.jobs)
    assert len({line.label for line in whole.lines}) == len(whole.lines)
    assert set(whole.only(["huber"]).jobs) == {"huber", "command line"}


def test_scaled_numbers_are_called_so() -> None:
    def labels(sizes: Sizes) -> str:
        return "\n".join(line.label for line in suite(sizes).only(["huber"]).lines)

    assert "scaled from 450 and 400" in labels(QUICK)
    assert "scaled" not in labels(Sizes())


@pytest.mark.parametrize("option", [["--quick"], ["--only", "cold"]])
def test_a_part_of_the_table_is_not_written(
    option: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["speed", "--write", *option])
    with pytest.raises(SystemExit):
        command.parse()
    assert "whole table" in capsys.readouterr().err


def test_a_smaller_number_of_groups_is_the_one_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["speed", "--groups", "4", "16"])
    sizes = command.asked_sizes(command.parse())
    assert (sizes.groups, sizes.compared) == ((4, 16), (16,))


def test_the_gradient_of_the_huber_objective() -> None:
    assert len(huber_grid.STARTS) == 4500
    rng = np.random.default_rng(3)
    log_n, log_d = rng.uniform(17, 23, 30), rng.uniform(20, 26, 30)
    theta = np.array([6.0, 7.0, 0.6, 0.35, 0.37])
    y = np.log(1.8 + 400 * np.exp(-0.34 * log_n) + 1000 * np.exp(-0.36 * log_d))
    table = (log_n, log_d, y + 0.003 * rng.normal(size=30), rng.poisson(1.0, 30).astype(float))

    def value(at: np.ndarray) -> float:
        return huber_grid.objective(at, *table)[0]

    def slope(at: np.ndarray) -> np.ndarray:
        return huber_grid.objective(at, *table)[1]

    assert check_grad(value, slope, theta) < 1e-5 * np.linalg.norm(slope(theta))


def test_recipes_of_the_synthetic_table_have_places_of_their_own() -> None:
    table = pooled.synthetic_table(5)
    assert table.groupby("recipe").size().tolist() == [40] * 5
    for name in ("N", "D"):
        ends = table.groupby("recipe")[name].agg(["min", "max"])
        assert ends["min"].nunique() == 5
        assert (np.log10(ends["max"] / ends["min"]) < pooled.DECADES).all()
    assert pooled.synthetic_table(5).equals(table)
