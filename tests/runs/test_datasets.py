"""Named public tables: pinned files, read in place or downloaded."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bayes_scaling.errors import DatasetError, UsageError
from bayes_scaling.runs import datasets

measured = pytest.mark.skipif(
    not os.environ.get("BAYES_SCALING_DATA"),
    reason="BAYES_SCALING_DATA is unset; it names the folder of measured data",
)
CHINCHILLA = "data/svg_extracted_data.csv"


def test_every_file_is_pinned_under_a_name_of_its_own() -> None:
    entries = datasets.registry()
    assert len({entry.name for entry in entries}) == len(entries) == 13
    for entry in entries:
        assert len(entry.commit) == 40
        assert len(entry.sha256) == 64
        assert int(entry.commit, 16)
        assert int(entry.sha256, 16)
    assert {"chinchilla", "scalebench/moe/test", "scalebench/farseer/train"} <= set(
        datasets.names()
    )


def test_fetch_needs_the_path_of_one_file() -> None:
    with pytest.raises(DatasetError, match=r"no known files .* 'nothing.csv'") as caught:
        datasets.fetch("nothing.csv")
    assert CHINCHILLA in str(caught.value)
    with pytest.raises(DatasetError, match=r"4 known files .* 'test-00000-of-00001.parquet'"):
        datasets.fetch("test-00000-of-00001.parquet")


@pytest.mark.parametrize(("task", "part"), [("farseer", "test"), ("nothing", "train")])
def test_unknown_tables_name_what_there_is(task: str, part: str) -> None:
    with pytest.raises(DatasetError, match=f"no table 'scalebench/{task}/{part}'") as caught:
        datasets.scalebench(task, part)
    assert "scalebench/farseer/train" in str(caught.value)


def test_a_changed_copy_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = next(e for e in datasets.registry() if e.name == "chinchilla")
    copy = tmp_path / "upstream" / entry.repo / entry.commit / entry.path
    copy.parent.mkdir(parents=True)
    copy.write_text("loss\n1\n")
    monkeypatch.setenv("BAYES_SCALING_DATA", str(tmp_path))
    with pytest.raises(DatasetError, match=f"{entry.sha256} was expected"):
        datasets.fetch(CHINCHILLA)


@pytest.mark.parametrize("folder", [None, "empty"])
def test_a_file_not_at_hand_is_downloaded_from_its_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str | None
) -> None:
    pooch = pytest.importorskip("pooch")
    asked: dict[str, object] = {}

    def retrieve(url: str, **options: object) -> str:
        asked.update(options, url=url)
        return str(tmp_path / "file")

    monkeypatch.setattr(pooch, "retrieve", retrieve)
    if folder:
        monkeypatch.setenv("BAYES_SCALING_DATA", str(tmp_path / folder))
    else:
        monkeypatch.delenv("BAYES_SCALING_DATA", raising=False)
    assert datasets.fetch(CHINCHILLA) == tmp_path / "file"
    assert asked["url"] == (
        "https://raw.githubusercontent.com/epoch-research/analyzing-chinchilla/"
        "92258837425e1b5f2851d624287f0120583a3d0e/data/svg_extracted_data.csv"
    )
    assert str(asked["known_hash"]).startswith("sha256:193478df")


def test_a_failed_download_names_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    pooch = pytest.importorskip("pooch")

    def retrieve(url: str, **options: object) -> str:
        raise OSError("no network")

    monkeypatch.setattr(pooch, "retrieve", retrieve)
    monkeypatch.delenv("BAYES_SCALING_DATA", raising=False)
    with pytest.raises(
        DatasetError, match=r"cannot be downloaded \(OSError: no network\)"
    ) as caught:
        datasets.fetch(CHINCHILLA)
    assert "set BAYES_SCALING_DATA to a folder" in str(caught.value)
    assert "upstream/epoch-research/analyzing-chinchilla/" in str(caught.value)


@measured
def test_chinchilla_leaves_out_the_five_highest_losses() -> None:
    runs, everything = datasets.chinchilla(), datasets.chinchilla(drop_highest=0)
    assert (len(runs), len(everything)) == (240, 245)
    left_out = everything.frame["response"].nlargest(5)
    assert runs.frame["response"].max() < left_out.min()
    assert set(runs.frame["row"]).isdisjoint(everything.frame["row"][left_out.index])
    flops = 6 * runs.frame["N"] * runs.frame["D"]
    assert 1e18 < flops.min() < 2e18
    assert 1e22 < flops.max() < 2e22
    with pytest.raises(UsageError, match="drop_highest is 243; from 0 to 242"):
        datasets.chinchilla(drop_highest=243)


@measured
@pytest.mark.parametrize("name", datasets.names())
def test_measured_files_match_their_pins(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(entry: datasets.Entry) -> Path:
        pytest.fail(f"{entry.path} is not in the folder")

    monkeypatch.setattr(datasets, "_download", refuse)
    if name == "chinchilla":
        assert datasets.fetch(CHINCHILLA).is_file()
    else:
        _, task, part = name.split("/")
        assert len(datasets.scalebench(task, part)) > 10
