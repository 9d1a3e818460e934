"""Broken tables and wrong usage: one clear message, an exit status, and nothing left behind."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from command import Outcome, command
from fakes import RECIPES, fake_fit

N = [1e8] * 3 + [4e8] * 3 + [16e8] * 3
D = [2e9, 8e9, 32e9] * 3
LOSS = [3.62, 3.31, 3.13, 3.24, 2.93, 2.74, 2.98, 2.67, 2.49]
RECIPE = ["adam", "muon", "adam"] * 3
LAW_FILE = "from bayes_scaling.law import no_such_name\n"


def table(rows: int = 9, **changes: Any) -> pd.DataFrame:
    return pd.DataFrame({"N": N, "D": D, "loss": LOSS} | changes)[:rows]


def text(frame: pd.DataFrame) -> bytes:
    return frame.to_csv(index=False).encode()


def with_cell(column: str, row: int, value: Any) -> bytes:
    """A good table but for one cell; rows count from 1."""
    frame = table(recipe=RECIPE, err=0.01).astype(object)
    frame.loc[row - 1, column] = value
    return text(frame)


@dataclass(frozen=True)
class BadTable:
    """A table that cannot be used: its bytes, how it is read, and what must be said of it."""

    content: bytes | None
    code: str
    words: tuple[str, ...]
    options: tuple[str, ...] = ()
    file: str = "runs.csv"


TABLES = {
    "missing file": BadTable(None, "no-file", ("runs.csv' does not exist",)),
    "folder": BadTable(None, "no-file", ("folder.csv' is a folder",), file="folder.csv"),
    "unknown format": BadTable(
        b"PK\x03\x04", "unknown-format", ("'.xlsx'", ".csv, .tsv, .parquet"), file="runs.xlsx"
    ),
    "no ending": BadTable(text(table()), "unknown-format", ("runs'", ".csv"), file="runs"),
    "empty file": BadTable(b"", "no-rows", ("runs.csv' has no rows",)),
    "blank file": BadTable(b"\n  \n", "no-rows", ("runs.csv' has no rows",)),
    "header only": BadTable(b"N,D,loss\n", "no-rows", ("runs.csv' has no rows",)),
    "missing response": BadTable(
        text(table().rename(columns={"loss": "Loss_val"})),
        "missing-column",
        ("no column 'loss'", "N, D, Loss_val", "did you mean 'Loss_val'?", "--response"),
    ),
    "missing input": BadTable(
        text(table().rename(columns={"D": "tokens"})),
        "missing-column",
        ("no column 'D' for input D", "--input D="),
    ),
    "missing group column": BadTable(
        text(table(recipe=RECIPE)),
        "missing-column",
        ("no column 'recipes' for group", "did you mean 'recipe'?"),
        ("--group", "recipes"),
    ),
    "non-numeric": BadTable(
        with_cell("loss", 3, "diverged"), "non-numeric", ("column 'loss'", "'diverged'", "row 3")
    ),
    "true for a number": BadTable(
        with_cell("loss", 4, True), "non-numeric", ("column 'loss'", "row 4")
    ),
    "nan loss": BadTable(
        with_cell("loss", 2, "nan"), "not-a-number", ("column 'loss'", "empty or NaN", "row 2")
    ),
    "empty loss": BadTable(
        with_cell("loss", 2, ""), "not-a-number", ("column 'loss'", "empty or NaN", "row 2")
    ),
    "infinite": BadTable(with_cell("loss", 5, "inf"), "infinite", ("column 'loss'", "row 5")),
    "zero N": BadTable(
        with_cell("N", 4, 0), "not-positive", ("column 'N'", "row 4", "model parameters")
    ),
    "negative D": BadTable(
        with_cell("D", 9, -8e9), "not-positive", ("column 'D'", "row 9", "training tokens")
    ),
    "negative se": BadTable(
        with_cell("err", 6, -0.01), "not-positive", ("column 'err'", "row 6"), ("--se", "err")
    ),
    "zero se": BadTable(
        with_cell("err", 6, 0), "not-positive", ("column 'err'", "row 6"), ("--se", "err")
    ),
    "N in billions": BadTable(
        text(table(N=[n / 1e9 for n in N])),
        "looks-like-billions",
        ("column 'N' is 1.6", "write 1.6B"),
    ),
    "D in billions": BadTable(
        text(table(D=[d / 1e9 for d in D])), "looks-like-billions", ("column 'D' is 32",)
    ),
    "missing label": BadTable(
        with_cell("recipe", 4, ""),
        "missing-label",
        ("column 'recipe'", "row 4"),
        ("--group", "recipe"),
    ),
    "duplicate column names": BadTable(
        text(table(more=LOSS).rename(columns={"more": "loss"})),
        "duplicate-column-names",
        ("named 'loss'", "rename"),
    ),
    "one column twice": BadTable(
        text(table()),
        "same-column-twice",
        ("column 'N' is mapped 2 times", "--input N=N", "--input D=N"),
        ("--input", "D=N"),
    ),
    "response as a group": BadTable(
        text(table()), "same-column-twice", ("'loss'", "--group loss"), ("--group", "loss")
    ),
    "reserved name": BadTable(
        text(table(seed=[1, 2, 3] * 3)),
        "reserved-name",
        ("group 'seed'", "rename"),
        ("--group", "seed"),
    ),
    "too few rows": BadTable(text(table(2)), "too-few-rows", ("2 rows", "add runs")),
    "fewer rows than parameters": BadTable(
        text(table(4)), "fewer-rows-than-parameters", ("free parameters (level", "4 runs")
    ),
    "one size": BadTable(text(table(N=4e8)), "few-scales", ("input N has one value only (4e+08)",)),
    "loss at zero": BadTable(
        with_cell("loss", 7, 0.0),
        "not-positive-response",
        ("column 'loss'", "7)", "--noise student-t-raw"),
    ),
    "nothing left": BadTable(
        text(table()),
        "no-rows",
        ("no rows left after where 'N > 1e12' (9 before)",),
        ("--where", "N > 1e12"),
    ),
    "too few left": BadTable(
        text(table()), "too-few-rows", ("after where", "(9 before)"), ("--where", "loss > 3.31")
    ),
    "binary": BadTable(
        b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\xff\xfe\x00", "unreadable", ("runs.csv'", "as .csv")
    ),
    "not utf-8": BadTable(
        text(table(recipe=["café"] * 9)).decode().encode("latin-1"),
        "unreadable",
        ("runs.csv'", "as .csv", "utf-8"),
    ),
    "row longer than the header": BadTable(
        b"N,D,loss\n1e8,2e9,3.6\n4e8,2e9,3.2,9,9\n", "unreadable", ("runs.csv'", "as .csv")
    ),
    "broken parquet": BadTable(
        b"PAR1 and no more", "unreadable", ("runs.parquet'",), file="runs.parquet"
    ),
    "broken json lines": BadTable(
        b'{"N": 1e8, "D": 2e9, "loss": 3.6}\n{"N": 4e8,\n',
        "unreadable",
        ("runs.jsonl'", "line 2 is not JSON"),
        file="runs.jsonl",
    ),
}


@pytest.fixture(autouse=True)
def no_sampling(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bad input must be refused before anything is compiled."""

    def refuse(*_: object) -> None:
        raise AssertionError("the sampler was reached")

    monkeypatch.setattr("bayes_scaling.posterior.compiled.compiled_sampler", refuse)


@pytest.fixture(scope="module")
def fit_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("fits") / "fit.nc"
    fake_fit(RECIPES, rungs=True).save(path)
    return path


@pytest.fixture
def folder(tmp_path: Path, fit_file: Path) -> Path:
    """A good table, a fit, and files that are broken in one way each."""
    (tmp_path / "good.csv").write_bytes(text(table(recipe=RECIPE)))
    (tmp_path / "fit.nc").write_bytes(fit_file.read_bytes())
    (tmp_path / "broken_law.py").write_text(LAW_FILE)
    (tmp_path / "no_law.py").write_text("x = 1\n")
    (tmp_path / "points.csv").write_text("N,D\n7e9,1.4e12\n")
    (tmp_path / "unknown_column.csv").write_text("N,D,recipy\n7e9,1.4e12,adam\n")
    (tmp_path / "header.csv").write_text("N,D\n")
    (tmp_path / "twice.csv").write_text("N,D,D\n7e9,1.4e12,1e12\n")
    (tmp_path / "no_number.csv").write_text("N,D\n7e9,lots\n")
    (tmp_path / "gap.csv").write_text("N,D\n7e9,\n")
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "out").mkdir()
    return tmp_path


def listing(folder: Path) -> dict[str, bytes]:
    return {
        str(p.relative_to(folder)): p.read_bytes() if p.is_file() else b""
        for p in folder.rglob("*")
    }


def assert_one_message(found: Outcome, words: tuple[str, ...]) -> None:
    assert len(found.errors) == 1, found.err
    for word in words:
        assert word in found.err
    assert_clean(found)


def assert_clean(found: Outcome) -> None:
    for noise in ("Traceback", "defect", "Warning", 'File "'):
        assert noise not in found.out + found.err


def assert_json_error(found: Outcome, *codes: str) -> None:
    answer = found.json
    assert answer["error"] is True
    errors = [w for w in answer["warnings"] if w["severity"] == "error"]
    assert [w["code"] for w in errors] == list(codes)
    for w in answer["warnings"]:
        assert set(w) == {"code", "severity", "message"}
        assert w["message"] in found.err


@pytest.mark.parametrize("verb", ["check", "fit"])
@pytest.mark.parametrize("name", TABLES)
def test_bad_table(folder: Path, name: str, verb: str) -> None:
    bad = TABLES[name]
    path = folder / bad.file
    if bad.content is not None:
        path.write_bytes(bad.content)
    before = listing(folder)
    output = ("-o", folder / "out" / "fit.nc") if verb == "fit" else ()
    for json in ((), ("--json",)):
        found = command(verb, path, *bad.options, *output, *json)
        assert found.status == 1
        assert_one_message(found, (*bad.words, f"[{bad.code}]"))
        if json:
            assert_json_error(found, bad.code)
        else:
            assert found.out == ""
    assert listing(folder) == before


def test_the_table_without_its_fault_is_good(folder: Path) -> None:
    found = command("check", folder / "good.csv", "--group", "recipe", "--json")
    assert (found.status, found.errors) == (0, [])
    assert found.json["runs"] == 9


def test_every_problem_is_reported_at_once(folder: Path) -> None:
    frame = table(N=[0.0, *N[1:]], loss=["bad", "", *LOSS[2:]], recipe=["", *RECIPE[1:]])
    path = folder / "runs.csv"
    path.write_bytes(text(frame.rename(columns={"D": "tokens"})))
    before = listing(folder)
    output = folder / "out" / "fit.nc"
    found = command("fit", path, "--group", "recipe", "-o", output, "--json")
    assert found.status == 1
    codes = {"missing-column", "not-positive", "non-numeric", "not-a-number", "missing-label"}
    assert {w["code"] for w in found.json["warnings"]} == codes
    assert len(found.errors) == len(codes)
    assert_clean(found)
    assert listing(folder) == before


@dataclass(frozen=True)
class Bad:
    """A command that cannot be carried out; file names are those of `folder`."""

    command: str
    words: tuple[str, ...]
    status: int = 2
    code: str = "usage"


FIT = "fit good.csv -o out/fit.nc "
POINT = "forecast fit.nc --at "
COMMANDS = {
    # of fit
    "unknown law": Bad(FIT + "--law chinchila", ("no law named 'chinchila'", "chinchilla")),
    "unknown variant": Bad(FIT + "--law chinchilla:tie", ("no variant 'tie'", "it has: tied")),
    "unknown option": Bad(FIT + "--gruop recipe", ("No such option", "--gruop", "--help")),
    "no output": Bad("fit good.csv", ("Missing option", "--output")),
    "no table": Bad("fit -o out/fit.nc", ("Missing argument", "--help")),
    "unknown input": Bad(FIT + "--input P=N", ("--input names P", "it has N, D")),
    "malformed input": Bad(FIT + "--input N", ("--input expects NAME=VALUE, got 'N'",)),
    "input without column": Bad(FIT + "--input N=", ("--input expects NAME=VALUE, got 'N='",)),
    "input twice": Bad(FIT + "--input N=N --input N=D", ("--input names N twice",)),
    "malformed pool": Bad(
        FIT + "--group recipe --pool alpha", ("--pool expects NAME=VALUE, got 'alpha'",)
    ),
    "unknown pooling": Bad(
        FIT + "--group recipe --pool alpha=half",
        ("pool of alpha is 'half'", "complete, partial, separate"),
    ),
    "unknown pool parameter": Bad(
        FIT + "--law chinchilla --group recipe --pool gamma=partial",
        ("pool names 'gamma'", "it has level"),
    ),
    "pool parameter that no default law has": Bad(
        FIT + "--group recipe --pool gamma=partial", ("none of the laws", "a parameter 'gamma'")
    ),
    "pool without group": Bad(FIT + "--pool alpha=partial", ("pool needs a grouping", "--group")),
    "group called like a parameter": Bad(
        "fit named.csv -o out/fit.nc --group alpha", ("cannot be called 'alpha'", "rename")
    ),
    "unknown noise": Bad(
        FIT + "--noise cauchy", ("no noise named 'cauchy'", "student-t, lognormal, student-t-raw")
    ),
    "unknown device": Bad(FIT + "--device tpu", ("--device", "tpu", "cpu")),
    "no chains": Bad(FIT + "--chains 0", ("chains is 0", "at least 2")),
    "one chain": Bad(FIT + "--chains 1", ("chains is 1", "at least 2")),
    "few draws": Bad(FIT + "--draws 5", ("draws is 5", "at least 100")),
    "little warm-up": Bad(FIT + "--warmup 3", ("warmup is 3", "at least 200")),
    "target above one": Bad(FIT + "--target-accept 2", ("target_accept is 2", "below 1")),
    "target not a number": Bad(FIT + "--target-accept nan", ("target_accept is nan",)),
    "chains in words": Bad(FIT + "--chains four", ("--chains", "integer")),
    "seed in words": Bad(FIT + "--seed lucky", ("--seed", "integer")),
    "no output folder": Bad(
        "fit good.csv -o nowhere/fit.nc", ("folder", "nowhere' of the output does not exist")
    ),
    "output is a folder": Bad("fit good.csv -o out", ("out'", "folder")),
    "missing law file": Bad(FIT + "--law no.py", ("law file", "no.py' does not exist")),
    "broken law file": Bad(FIT + "--law broken_law.py", ("broken_law.py", "no_such_name")),
    "law file without a law": Bad(
        FIT + "--law no_law.py", ("no_law.py", "exactly one law", "found: none")
    ),
    "malformed where": Bad(FIT + "--where N>", ("where expression 'N>'", "N, D, loss, recipe")),
    "where of an unknown column": Bad(FIT + "--where M>1", ("where expression 'M>1'", "M")),
    "where without a condition": Bad(FIT + "--where N", ("where expression 'N'", "true or false")),
    # of forecast
    "no points": Bad("forecast fit.nc", ("--at N=7B,D=1.4T", "--points FILE")),
    "both kinds of points": Bad(
        POINT + "N=7B,D=1.4T --points points.csv", ("either", "--at", "--points")
    ),
    "malformed point": Bad(POINT + "N:7B,D=1.4T", ("--at expects NAME=VALUE, got 'N:7B'",)),
    "empty point": Bad(POINT + "N=,D=1.4T", ("--at expects NAME=VALUE, got 'N='",)),
    "input of a point twice": Bad(POINT + "N=7B,N=8B", ("--at names N twice",)),
    "bad number": Bad(POINT + "N=7X,D=1.4T", ("'7X' is not a number", "7B")),
    "not positive": Bad(POINT + "N=-7B,D=1.4T", ("N must be a positive number", "-7")),
    "missing input of a point": Bad(POINT + "N=7B", ("points lack D", "training tokens")),
    "unknown label": Bad(
        POINT + "N=7B,D=1.4T,recipe=moun", ("recipe 'moun' was not fitted", "did you mean muon?")
    ),
    "unknown name in a point": Bad(
        POINT + "N=7B,D=1.4T,recipy=muon", ("'recipy' is neither", "did you mean recipe?")
    ),
    "unknown kind": Bad(POINT + "N=7B,D=1.4T --kind median", ("--kind", "median", "new-run")),
    "points with an unknown column": Bad(
        "forecast fit.nc --points unknown_column.csv", ("'recipy'", "did you mean recipe?")
    ),
    "points that are no numbers": Bad(
        "forecast fit.nc --points no_number.csv", ("D must be a positive number, got lots",)
    ),
    "points with a gap": Bad(
        "forecast fit.nc --points gap.csv", ("D must be a positive number, got nan",)
    ),
    "points with a column twice": Bad("forecast fit.nc --points twice.csv", ("D",)),
    "missing points file": Bad(
        "forecast fit.nc --points no.csv", ("no.csv' does not exist",), 1, "no-file"
    ),
    "points file without points": Bad(
        "forecast fit.nc --points header.csv", ("header.csv' has no rows",), 1, "no-rows"
    ),
    "missing fit": Bad(
        "forecast no.nc --at N=7B,D=1.4T", ("no.nc' does not exist", "bayes-scaling fit"), 1,
        "unfit",
    ),
    "not a fit": Bad(
        "forecast good.csv --at N=7B,D=1.4T", ("good.csv' is not a fit",), 1, "unfit"
    ),
    "fit of another law": Bad(
        POINT + "N=7B,D=1.4T --law power_law", ("another version of law chinchilla",), 1, "unfit"
    ),
    "fit of a law with the same parameters": Bad(
        POINT + "N=7B,D=1.4T --law kaplan", ("chinchilla",), 1, "unfit"
    ),
    "figure with an unknown ending": Bad(
        POINT + "N=7B,D=1.4T --figure out/f.txt", ("f.txt' must end in one of .png, .pdf, .svg",)
    ),
    "figure without a folder": Bad(
        POINT + "N=7B,D=1.4T --figure nowhere/f.png", ("nowhere' of the figure does not exist",)
    ),
    # of the others
    "plot with an unknown ending": Bad(
        "plot fit.nc -o out/f.doc", ("f.doc' must end in one of .png, .pdf, .svg",)
    ),
    "plot without a folder": Bad("plot fit.nc -o nowhere/f.png", ("nowhere' of the figure",)),
    "unknown figure": Bad(
        "plot fit.nc -o out/f.png --figure pie", ("--figure", "pie", "residuals")
    ),
    "plot of a missing fit": Bad(
        "plot no.nc -o out/f.png", ("no.nc' does not exist",), 1, "unfit"
    ),
    "laws of an unknown name": Bad("laws caplan", ("no law named 'caplan'", "kaplan")),
    "demo into a file": Bad("demo -o good.csv", ("good.csv", "folder")),
    "unknown verb": Bad("forecats fit.nc", ("No such command", "forecats", "--help")),
}  # fmt: skip


@pytest.mark.parametrize("name", COMMANDS)
def test_bad_command(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    (folder / "named.csv").write_bytes(text(table(alpha=RECIPE)))
    monkeypatch.chdir(folder)
    before, bad = listing(folder), COMMANDS[name]
    for json in ((), ("--json",)):
        if bad.command.startswith("plot") and json:
            continue
        found = command(*bad.command.split(), *json)
        assert found.status == bad.status, found.err
        assert_one_message(found, (*bad.words, f"[{bad.code}]"))
        if json:
            assert_json_error(found, bad.code)
        else:
            assert found.out == ""
    assert listing(folder) == before


def test_no_verb_shows_the_help() -> None:
    found = command()
    assert found.status == 2
    shown = found.out + found.err
    assert all(verb in shown for verb in ("laws", "check", "fit", "forecast", "plot", "demo"))
    assert_clean(found)


def test_several_bad_points_are_reported_at_once(folder: Path) -> None:
    found = command("forecast", folder / "fit.nc", "--at", "N=-1,recipe=sgd,colour=red", "--json")
    assert found.status == 2
    message = " ".join(w["message"] for w in found.json["warnings"])
    for problem in ("points lack D", "N must be a positive", "'sgd'", "'colour'"):
        assert problem in message
    assert_clean(found)


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["check", "no.csv"], 1, "no.csv' does not exist"),
        (["fit", "good.csv", "-o", "out/fit.nc", "--law", "nope"], 2, "no law named 'nope'"),
        (["fit", "good.csv", "--bad-option"], 2, "--bad-option"),
    ],
    ids=["table", "law", "option"],
)
def test_in_a_process_of_its_own(
    folder: Path, arguments: list[str], status: int, words: str
) -> None:
    before = listing(folder)
    done = subprocess.run(
        [sys.executable, "-m", "bayes_scaling", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    found = Outcome(done.returncode, done.stdout, done.stderr)
    assert (found.status, found.out) == (status, "")
    assert_one_message(found, (words,))
    assert len(found.err.strip().splitlines()) == 1
    assert listing(folder) == before
