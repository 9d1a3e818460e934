"""Named public tables of runs, pinned by commit and SHA-256.

A table is taken from the folder that the environment variable BAYES_SCALING_DATA
names, when it holds ``upstream/<owner>/<repo>/<commit>/<path>``; otherwise it is
downloaded once from the repository that published it.
"""

from __future__ import annotations

import csv
import functools
import hashlib
import os
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from urllib.parse import quote

import pandas as pd

from bayes_scaling.errors import DatasetError, UsageError

from .read import read_runs
from .table import Runs

_CHINCHILLA = "data/svg_extracted_data.csv"
_FEWEST_RUNS = 3


@dataclass(frozen=True)
class Entry:
    """A published file: where it is, and the bytes that it must have.

    Attributes
    ----------
    repo, commit, path : str
        ``owner/repo`` on GitHub, the full commit, and the path in it.
    sha256, licence : str
    bytes : int
    """

    repo: str
    commit: str
    path: str
    sha256: str
    bytes: int
    licence: str

    @property
    def url(self) -> str:
        """Where the publisher serves the file."""
        return f"https://raw.githubusercontent.com/{self.repo}/{self.commit}/{quote(self.path)}"

    @property
    def name(self) -> str:
        """Short name: ``chinchilla``, or ``scalebench/<task>/<part>``."""
        if self.path == _CHINCHILLA:
            return "chinchilla"
        folder, file = self.path.split("/")[-2:]
        return f"scalebench/{folder.removesuffix('_scaling_law')}/{file.split('-')[0]}"


@functools.cache
def registry() -> tuple[Entry, ...]:
    """Return every file that can be fetched."""
    text = files(__package__).joinpath("registry.tsv").read_text(encoding="utf-8")
    rows = csv.DictReader(text.splitlines(), delimiter="\t")
    return tuple(
        Entry(r["repo"], r["commit"], r["path"], r["sha256"], int(r["bytes"]), r["licence"])
        for r in rows
    )


def names() -> list[str]:
    """Return the sorted names of the public tables, such as ``scalebench/moe/train``."""
    return sorted(entry.name for entry in registry())


def fetch(path_suffix: str) -> Path:
    """Return a local copy of a published file, downloaded if need be.

    Parameters
    ----------
    path_suffix : str
        End of its path in the repository, long enough to name one file.

    Returns
    -------
    Path
        A file whose SHA-256 is the pinned one.

    Raises
    ------
    DatasetError
        If no file, or more than one, has that path, the copy at hand differs from
        the published file, or the download fails.
    """
    found = [entry for entry in registry() if f"/{entry.path}".endswith(path_suffix)]
    if len(found) != 1:
        listed = "\n  ".join(entry.path for entry in found or registry())
        raise DatasetError(
            f"{len(found) or 'no'} known files have a path that ends in '{path_suffix}'; "
            f"name one of:\n  {listed}"
        )
    return _local(found[0]) or _download(found[0])


def chinchilla(drop_highest: int = 5) -> Runs:
    """Return the runs of figure 4 of Hoffmann et al. (2022), read out of the figure by Epoch AI.

    N is in parameters, D = FLOP / (6 N) in tokens, the loss in nat/token, rounded
    by the colour scale of the figure to about 0.01.

    Parameters
    ----------
    drop_highest : int
        How many of the highest losses to leave out; Besiroglu et al. (2024) left out five.

    Returns
    -------
    Runs
        245 runs less `drop_highest`.

    Raises
    ------
    DatasetError
        If the file cannot be had here.
    UsageError
        If `drop_highest` is negative or leaves fewer than three runs.
    """
    table = pd.read_csv(fetch(_CHINCHILLA))
    if not 0 <= drop_highest <= len(table) - _FEWEST_RUNS:
        raise UsageError(
            f"drop_highest is {drop_highest}; from 0 to {len(table) - _FEWEST_RUNS} "
            "runs can be left out"
        )
    table = table.assign(
        N=table["Model Size"],
        D=table["Training FLOP"] / (6 * table["Model Size"]),
        rank=table["loss"].rank(method="first", ascending=False),
    )
    runs = read_runs(table, where=f"rank > {drop_highest}", flops="6ND")
    return replace(runs, source=_entry("chinchilla").url)


@dataclass(frozen=True, eq=False)
class Ladder:
    """The ladder: small language models trained from scratch, measured, and kept whole.

    `runs/ladder/README.md` in the package is its data card.

    Attributes
    ----------
    runs : DataFrame
        One row a run: setting, sizes, losses in nat/symbol, ``status``, ``split``.
    curves : DataFrame
        About 40 rows a run: ``run``, ``step``, ``lr``, ``train_loss``, ``validation_loss``.
    probes : DataFrame
        One row a run and probe: ``successes`` of ``trials``, and ``chance`` of one by guessing.
    """

    runs: pd.DataFrame
    curves: pd.DataFrame
    probes: pd.DataFrame

    def tuned(self, split: str = "fit") -> Runs:
        """Return the finished runs at their recipe's own learning rate, with cosine schedule.

        Parameters
        ----------
        split : {"fit", "target"}
            The grid and its repeats with other seeds, or the larger runs kept out of fits.

        Returns
        -------
        Runs
            Grouped by ``recipe``, with ``rung`` and ``seed``.

        Raises
        ------
        UsageError
            If there is no such split.
        """
        studies = {"fit": ("grid", "seeds"), "target": ("target",)}
        if split not in studies:
            raise UsageError(f"split is '{split}'; it must be fit or target")
        kept = self.runs["study"].isin(studies[split]) & (self.runs["status"] == "finished")
        runs = read_runs(
            self.runs[kept],
            group="recipe",
            rung="rung",
            seed="seed",
            unit="nat/symbol",
            counts_embeddings=True,
        )
        return replace(runs, source=f"ladder ({split})")


def ladder() -> Ladder:
    """Return the ladder of real runs that comes with the package.

    Byte-level language models of 2.9 thousand to 0.8 million parameters, trained on the
    source of Python's standard library: two architectures by two optimisers.

    Returns
    -------
    Ladder
        Tables ``runs``, ``curves`` and ``probes``; ``tuned()`` gives runs to fit.
    """
    tables = {}
    for name in ("runs", "curves", "probes"):
        with files(__package__).joinpath("ladder", f"{name}.csv").open(encoding="utf-8") as file:
            tables[name] = pd.read_csv(file)
    return Ladder(**tables)


def scalebench(task: str, part: str = "train") -> pd.DataFrame:
    """Return one table of ScaleBench, as published.

    Parameters
    ----------
    task : str
        Such as ``"moe"`` or ``"parallel"``; `names` lists them all.
    part : {"train", "test"}
        Not every task has both here.

    Returns
    -------
    DataFrame
        Columns and units are the publisher's.

    Raises
    ------
    DatasetError
        If there is no such table, or it cannot be had here.
    """
    return pd.read_parquet(fetch(_entry(f"scalebench/{task}/{part}").path))


def _entry(name: str) -> Entry:
    for entry in registry():
        if entry.name == name:
            return entry
    raise DatasetError(f"there is no table '{name}'; there are: {', '.join(names())}")


def _local(entry: Entry) -> Path | None:
    folder = os.environ.get("BAYES_SCALING_DATA")
    if not folder:
        return None
    path = Path(folder, "upstream", entry.repo, entry.commit, entry.path)
    if not path.is_file():
        return None
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest != entry.sha256:
        raise DatasetError(
            f"'{path}' differs from the published file: SHA-256 {entry.sha256} was expected, "
            f"{digest} came; replace it with {entry.url}, or unset BAYES_SCALING_DATA"
        )
    return path


def _download(entry: Entry) -> Path:
    try:
        import pooch  # here, because only a download needs it

        name = pooch.retrieve(
            entry.url,
            known_hash=f"sha256:{entry.sha256}",
            path=Path(pooch.os_cache("bayes-scaling"), entry.repo, entry.commit),
            fname=entry.path.replace("/", "--"),
        )
    except Exception as error:  # no network, no disk, a changed file: one way out for all
        raise DatasetError(
            f"{entry.url} cannot be downloaded ({type(error).__name__}: {error}); set "
            "BAYES_SCALING_DATA to a folder that holds the file as "
            f"upstream/{entry.repo}/{entry.commit}/{entry.path}"
        ) from error
    return Path(name)
