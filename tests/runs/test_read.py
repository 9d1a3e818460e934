"""Reading tables of runs: formats, columns, and every problem reported at once."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bayes_scaling.errors import Finding, TableError, UsageError
from bayes_scaling.runs import Runs, read_runs


def table(**changes: object) -> pd.DataFrame:
    """Six runs; a keyword replaces or adds a column."""
    columns: dict[str, object] = {
        "N": [1e8, 1e8, 4e8, 4e8, 16e8, 16e8],
        "D": [2e9, 8e9, 2e9, 8e9, 2e9, 8e9],
        "loss": [3.51, 3.22, 3.13, 2.84, 2.95, 2.57],
    }
    return pd.DataFrame(columns | changes)


def surface(rows: int = 24) -> pd.DataFrame:
    """Runs on an exact loss surface, with a ripple of 0.5 % for noise."""
    i = np.arange(rows)
    size, tokens = 1e8 * 2.0 ** (i % 6), 2e9 * 3.0 ** (i // 6)
    loss = 1.8 + 400 * size**-0.34 + 2000 * tokens**-0.37
    return pd.DataFrame({"N": size, "D": tokens, "loss": loss * (1 + 0.005 * np.sin(9.0 * i))})


def problems(source: object, **options: object) -> dict[str, str]:
    with pytest.raises(TableError) as caught:
        read_runs(source, **options)  # type: ignore[arg-type]
    assert all(f.severity == "error" for f in caught.value.findings)
    assert all(f.message in str(caught.value) for f in caught.value.findings)
    return {f.code: f.message for f in caught.value.findings}


def doubts(source: pd.DataFrame, **options: object) -> dict[str, Finding]:
    return {f.code: f for f in read_runs(source, **options).findings}  # type: ignore[arg-type]


def write(frame: pd.DataFrame, path: Path) -> Path:
    if path.suffix == ".parquet":
        frame.to_parquet(path)
    elif path.suffix in (".jsonl", ".ndjson"):
        path.write_text("\n".join(json.dumps(row) for row in frame.to_dict("records")))
    else:
        frame.to_csv(path, index=False, sep="\t" if path.suffix == ".tsv" else ",")
    return path


# What comes out of a good table.


@pytest.mark.parametrize("suffix", ["csv", "tsv", "parquet", "jsonl", "ndjson"])
def test_every_format_gives_the_same_runs(tmp_path: Path, suffix: str) -> None:
    frame = table(loss=[3.51, 3.22, 3.13, 2.84, 0.1 + 0.2, 2.57], recipe=list("aabbcc"))
    path = write(frame, tmp_path / f"runs.{suffix}")
    runs = read_runs(path, group="recipe")
    expected = read_runs(frame, group="recipe")
    pd.testing.assert_frame_equal(runs.frame, expected.frame)
    assert runs.sha256 == expected.sha256
    assert (runs.source, expected.source) == (str(path), "DataFrame")


def test_canonical_frame_has_the_laws_names_and_types() -> None:
    frame = table(corpus=list("xyxyxy"), s=[0, 1, 0, 1, 0, 1], err=0.01, step=list("abcdef"))
    frame = frame.rename(columns={"N": "params", "D": "tokens", "loss": "val loss"})
    runs = read_runs(
        frame,
        inputs={"N": "params", "D": "tokens"},
        response="val loss",
        group="corpus",
        seed="s",
        se="err",
        rung="step",
        unit="bit/byte",
        counts_embeddings=False,
        flops="6ND",
    )
    kinds = {name: kind.kind for name, kind in runs.frame.dtypes.items()}
    assert [n for n, kind in kinds.items() if kind == "f"] == ["N", "D", "response", "se"]
    assert all(isinstance(runs.frame[name][0], str) for name in ("corpus", "seed", "rung"))
    assert runs.frame["row"].tolist() == [1, 2, 3, 4, 5, 6]
    assert runs.frame["seed"].tolist() == ["0", "1"] * 3
    assert (runs.inputs, runs.groups, runs.response) == (("N", "D"), ("corpus",), "val loss")
    assert dict(runs.columns) == {
        "N": "params", "D": "tokens", "response": "val loss",
        "rung": "step", "seed": "s", "se": "err",
    }  # fmt: skip
    assert (runs.unit, runs.counts_embeddings, runs.flops) == ("bit/byte", False, "6ND")


def test_text_with_suffixes_is_read_and_compared_as_numbers() -> None:
    frame = table(N=["100M", "100M", "400M", "0.4B", "1.6b", "1.6e9"])
    assert read_runs(frame).frame["N"].tolist() == [1e8, 1e8, 4e8, 4e8, 16e8, 16e8]
    assert len(read_runs(frame, where="N >= 4e8")) == 4


def test_where_keeps_row_numbers_of_the_source() -> None:
    runs = read_runs(table(loss=[3.5, np.nan, 3.1, 2.8, 2.9, 2.6]), where="loss.notna()")
    assert runs.frame["row"].tolist() == [1, 3, 4, 5, 6]
    assert runs.frame.index.tolist() == [0, 1, 2, 3, 4]


def test_labels_that_look_like_missing_values_or_numbers_stay_labels(tmp_path: Path) -> None:
    frame = table(optimizer=["None", "Adam"] * 3, version=[1.0, 2.0] * 3, part=[1.0, 1.5] * 3)
    runs = read_runs(write(frame, tmp_path / "runs.csv"), group=["optimizer", "version", "part"])
    assert runs.levels("optimizer") == ["Adam", "None"]
    assert runs.levels("version") == ["1", "2"]
    assert runs.levels("part") == ["1.0", "1.5"]


def test_select_and_levels() -> None:
    runs = read_runs(table(recipe=list("bbaacc")), group="recipe")
    chosen = runs.select(runs.frame["recipe"] != "b")
    assert chosen.levels("recipe") == ["a", "c"]
    assert chosen.frame["row"].tolist() == [3, 4, 5, 6]
    assert chosen.frame.index.tolist() == [0, 1, 2, 3]
    assert chosen.sha256 != runs.sha256
    assert runs.select([True] * 6).sha256 == runs.sha256
    with pytest.raises(UsageError, match=r"mask of 6 booleans .* int64 with shape \(2,\)"):
        runs.select(np.array([0, 1], dtype=np.int64))
    with pytest.raises(UsageError, match=r"no grouping column 'seed'; it has: recipe"):
        runs.levels("seed")


def test_runs_as_points_of_a_forecast() -> None:
    source = table(recipe=list("bbaacc"), cell=list("xyxyxy"), other=range(6))
    points = read_runs(source, group="recipe", rung="cell").points()
    assert list(points) == ["N", "D", "recipe", "rung", "observed"]
    assert points["observed"].tolist() == source["loss"].tolist()
    assert list(read_runs(table()).points()) == ["N", "D", "observed"]


def test_hash_follows_the_contents() -> None:
    assert read_runs(table()).sha256 == read_runs(table()).sha256
    changed = table(loss=[3.51, 3.22, 3.13, 2.84, 2.95, np.nextafter(2.57, 3)])
    assert read_runs(changed).sha256 != read_runs(table()).sha256
    small = Runs(pd.DataFrame({"N": [0.1]}), ("N",), "loss", ())
    # sha256 of the bytes "N\n0.1\n", on any platform.
    assert small.sha256 == "0e1234676549e0f4012c5ae752a74a0922d5f9e7e09739941be991a3001384ce"


# Problems that stop.


def test_every_problem_is_reported_at_once() -> None:
    frame = table(N=[1e8, -1, 0, 4e8, 1e9, 1e9], loss=[3, 3, np.nan, 3, np.inf, 3])
    found = problems(frame.rename(columns={"D": "tokens"}), group="recipe")
    assert set(found) == {"missing-column", "not-positive", "not-a-number", "infinite"}


def test_missing_column_names_those_there_and_the_closest() -> None:
    found = problems(table().rename(columns={"D": "tokens"}), inputs={"N": "N", "D": "Tokns"})
    assert "no column 'Tokns' for input D" in found["missing-column"]
    assert "the table has N, tokens, loss: did you mean 'tokens'?" in found["missing-column"]
    assert "--input D=..." in found["missing-column"]


def test_same_column_twice() -> None:
    message = problems(table(), inputs={"N": "N", "D": "N"})["same-column-twice"]
    assert "column 'N' is mapped 2 times (--input N=N, --input D=N)" in message


def test_duplicate_column_names(tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"
    path.write_text("N,D,loss,loss\n1e8,2e9,3,3\n2e8,2e9,3,3\n4e8,2e9,3,3\n")
    assert "named 'loss'" in problems(path)["duplicate-column-names"]
    assert "rename" in problems(path)["duplicate-column-names"]


@pytest.mark.parametrize("options", [{"group": "seed"}, {"inputs": {"row": "N"}}])
def test_reserved_names(options: dict[str, object]) -> None:
    message = problems(table(seed=1), **options)["reserved-name"]
    assert "rename it" in message
    assert "'seed'" in message if "group" in options else "'row'" in message


def test_non_numeric_names_the_values_and_rows() -> None:
    message = problems(table(D=["2B", "lots", "2B", "8B", "many", "8B"]))["non-numeric"]
    assert (
        "column 'D' has 2 values that are no number (rows 2, 5), such as 'lots', 'many'" in message
    )
    assert "--input D=..." in message


@pytest.mark.parametrize("kind", ["Int64", "int64[pyarrow]", "category", "object"])
def test_every_kind_of_missing_number_is_missing(kind: str) -> None:
    frame = table(N=pd.Series([10**8, None, 10**8, 4 * 10**8, 10**9, 10**9], dtype="Int64"))
    found = problems(frame.astype({"N": kind}))
    assert set(found) == {"not-a-number"}
    assert "column 'N' has 1 value that is empty or NaN (row 2)" in found["not-a-number"]
    assert len(read_runs(frame.astype({"N": kind}), where="N.notna()")) == 5


def test_missing_and_infinite_numbers() -> None:
    found = problems(table(N=[None, 1e8, 1e8, 1e8, 1e8, 1e8], loss=[3, 3, 3, np.inf, 3, 3]))
    assert "column 'N' has 1 value that is empty or NaN (row 1)" in found["not-a-number"]
    assert "column 'loss' has 1 value that is infinite (row 4)" in found["infinite"]
    assert "--response ..." in found["infinite"]


def test_not_positive_inputs_and_standard_errors() -> None:
    frame = table(D=[2e9, 0, 2e9, -1, 2e9, 0]).rename(columns={"D": "tokens"})
    message = problems(frame, inputs={"N": "N", "D": "tokens"})["not-positive"]
    assert message == (
        "column 'tokens' has 3 values that are not positive (rows 2, 4, 6); tokens are counts "
        "of training tokens: drop those rows or map another column with --input D=..."
    )
    message = problems(table(err=[0.1, 0.1, 0, 0.1, 0.1, 0.1]), se="err")["not-positive"]
    assert "column 'err' has 1 value that is not positive (row 3)" in message


def test_long_lists_of_rows_are_counted() -> None:
    message = problems(surface(20).assign(D=0.0))["not-positive"]
    assert "(rows 1, 2, 3, 4, 5, 6, 7, 8 and 12 more)" in message


@pytest.mark.parametrize("option", ["group", "rung", "seed", "run"])
def test_missing_labels(option: str) -> None:
    frame = table(label=["a", None, "a", " ", "b", "b"])
    message = problems(frame, **{option: "label"})["missing-label"]
    assert f"column 'label' ({option}) is empty in rows 2, 4" in message
    assert "drop those rows" in message


def test_numbers_in_billions_are_refused() -> None:
    message = problems(table(N=[0.1, 0.1, 0.4, 0.4, 7, 7]))["looks-like-billions"]
    assert "largest value of column 'N' is 7" in message
    assert "write 7B, or multiply the column by 1e9" in message
    other = read_runs(table(P=[1, 2, 4, 1, 2, 4]), inputs={"N": "N", "D": "D", "P": "P"})
    assert other.frame["P"].max() == 4


def test_too_few_rows_and_none() -> None:
    assert "the table has 2 rows" in problems(table().head(2))["too-few-rows"]
    assert "after where 'N > 1e9' (6 before)" in problems(table(), where="N > 1e9")["too-few-rows"]
    assert "no rows left after where 'N > 1e12'" in problems(table(), where="N > 1e12")["no-rows"]
    assert "the DataFrame has no rows" in problems(table().head(0))["no-rows"]


@pytest.mark.parametrize("where", ["size > 3", "N >", "N + 1", "N > @np.pi", "N.str.x", "N = 3"])
def test_bad_where_names_the_expression_and_the_columns(where: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_runs(table(), where=where)
    assert f"where expression '{where}'" in str(caught.value)
    assert "the columns are N, D, loss" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "code", "words"),
    [
        ("absent.csv", None, "no-file", "absent.csv' does not exist"),
        ("runs.xlsx", b"x", "unknown-format", "ends in '.xlsx'; a table of runs is a file .csv"),
        ("runs.csv", b" \n", "no-rows", "has no rows"),
        ("runs.csv", b"N,D,loss\n", "no-rows", "has no rows"),
        ("runs.csv", b"N,D,loss\n1e8,2e9,3,9\n", "unreadable", "cannot be read as .csv"),
        ("runs.csv", b"N,D\n\xff\xfe,1\n", "unreadable", "cannot be read as .csv"),
        ("runs.parquet", b"PAR", "unreadable", "cannot be read as .parquet"),
        ("runs.jsonl", b'{"N": 1}\n{"N": \n', "unreadable", "line 2 is not JSON"),
        ("runs.jsonl", b"[1]\n", "unreadable", "line 1 is not a JSON object"),
        ("runs.jsonl", b"\n", "no-rows", "has no rows"),
    ],
)
def test_bad_files(tmp_path: Path, name: str, content: bytes | None, code: str, words: str) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    found = problems(path)
    assert set(found) == {code}
    assert words in found[code]


def test_wrong_arguments() -> None:
    with pytest.raises(UsageError, match="a path or a DataFrame was expected; dict came"):
        read_runs({"N": [1]})  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="no input is mapped; write inputs="):
        read_runs(table(), inputs={})


# Doubts that qualify.


def test_a_clean_table_raises_no_doubt() -> None:
    assert read_runs(surface()).findings == ()


def test_duplicate_rows() -> None:
    frame = pd.concat([table(seed=1), table(seed=1).iloc[[1]], table(seed=2).iloc[[1]]])
    found = doubts(frame, seed="seed")
    assert found["duplicate-rows"].severity == "warning"
    assert "row 7 repeats an earlier row in N, D, seed, response" in found["duplicate-rows"].message
    assert "replicates-without-seed" not in found


def test_replicates_without_seed() -> None:
    frame = table(D=[2e9, 2e9, 2e9, 8e9, 2e9, 8e9])
    found = doubts(frame)["replicates-without-seed"]
    assert found.severity == "info"
    assert "rows 1, 2 share N, D" in found.message
    assert "seed=<column>" in found.message
    assert doubts(frame.assign(recipe=list("abaaaa")), group="recipe") == {}


def test_perplexity() -> None:
    found = doubts(table(loss=[33.4, 25.0, 22.9, 17.1, 19.1, 13.1]))["looks-like-perplexity"]
    assert found.severity == "warning"
    assert "median of column 'loss' is 21 nat/token" in found.message
    assert "take the logarithm" in found.message
    assert doubts(table(loss=[33.4, 25.0, 22.9, 17.1, 19.1, 13.1]), unit="%") == {}


def test_responses_that_are_not_positive() -> None:
    found = doubts(table(loss=[0.5, 0.2, 0.0, -0.3, -0.2, -0.6]))["not-positive-response"]
    assert found.severity == "warning"
    assert "rows 3, 4, 5, 6" in found.message
    assert 'noise="student-t-raw"' in found.message


@pytest.mark.parametrize("shift", [0.0, -3.0])
def test_outlying_rows_are_named_with_their_values(shift: float) -> None:
    frame = surface()
    frame["loss"] += shift
    diverged = [2, 8, 12, 14, 19, 21]  # a quarter: from least squares they hide one another
    frame.loc[diverged, "loss"] += 1.5
    message = doubts(frame)["outlying-rows"].message
    shown = ", ".join(f"{i + 1} ({frame['loss'][i]:.4g})" for i in diverged)
    assert f"rows {shown}: look for diverged runs" in message


def test_outlying_rows_allow_for_groups_and_need_fifteen_rows() -> None:
    frame = pd.concat([surface().assign(recipe="a"), surface().assign(recipe="b")])
    frame["loss"] *= np.where(frame["recipe"] == "b", 2.0, 1.0)
    assert doubts(frame, group="recipe") == {}
    small = surface(14)
    small.loc[3, "loss"] = 9.0
    assert doubts(small) == {}
