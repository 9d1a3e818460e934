"""The ladder of real runs: what a scaling study needs, and the numbers of its card."""

from __future__ import annotations

import re
import sys
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

import bayes_scaling as bs
from bayes_scaling.errors import UsageError
from bayes_scaling.runs import datasets
from case_studies.ladder import corpus
from case_studies.ladder.smoke import seed_noise

FOLDER = Path(str(files("bayes_scaling.runs") / "ladder"))
DECADES = 1.5
BYTES = 1_000_000


@pytest.fixture(scope="module")
def ladder() -> datasets.Ladder:
    return datasets.ladder()


@pytest.fixture(scope="module")
def card() -> dict[str, str]:
    """The numbers of the data card: rows of its tables with two cells."""
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    return {k.strip(): v.strip() for k, v in re.findall(r"^\|([^|]+)\|([^|]+)\|$", text, re.M)}


def test_the_card_tells_what_the_tables_hold(ladder: datasets.Ladder, card: dict[str, str]) -> None:
    runs, fit = ladder.runs, ladder.runs.query("split == 'fit'")
    target = ladder.runs.query("split == 'target'")
    finished = runs.query("status == 'finished'")
    c = 6 * runs["N"] * runs["D"]
    expected = {
        "runs": f"{len(runs)}",
        "runs of split fit": f"{len(fit)}",
        "runs of split target": f"{len(target)}",
        "diverged runs": f"{(runs['status'] == 'diverged').sum()}",
        "curve points": f"{len(ladder.curves)}",
        "probe rows": f"{len(ladder.probes)}",
        "N of split fit": f"{fit['N'].min()} to {fit['N'].max()}",
        "N of split target": f"{target['N'].min()} to {target['N'].max()}",
        "D of split fit": f"{fit['D'].min()} to {fit['D'].max()}",
        "D of split target": f"{target['D'].min()} to {target['D'].max()}",
        "largest 6ND of split fit": f"{c[fit.index].max():.3g}",
        "6ND of split target over that": (
            f"{c[target.index].min() / c[fit.index].max():.1f} to "
            f"{c[target.index].max() / c[fit.index].max():.1f}"
        ),
        "loss of finished runs": (f"{finished['loss'].min():.3f} to {finished['loss'].max():.3f}"),
        "sd of log loss between seeds": f"{seed_noise(runs):.4f}",
        "largest standard error of evaluation": f"{finished['loss_se'].max():.4f}",
        "hours of training, one core": f"{runs['seconds'].sum() / 3600:.1f}",
    }
    assert {name: card.get(name) for name in expected} == expected
    assert card["corpus SHA-256"].strip("`").startswith(runs["corpus"].unique().item())


def test_it_has_what_a_scaling_study_needs(ladder: datasets.Ladder) -> None:
    runs = ladder.runs
    fit, target = runs.query("split == 'fit'"), runs.query("split == 'target'")
    assert len(runs) >= 250
    assert runs["recipe"].nunique() >= 4
    for size in ("N", "D"):
        assert np.log10(fit[size].max() / fit[size].min()) >= DECADES
    assert fit.groupby(["width", "depth"]).ngroups >= 5
    assert set(runs["schedule"]) == {"constant", "cosine", "wsd"}
    assert len(target) >= 6
    dearest = (fit["N"] * fit["D"]).max()
    assert ((target["N"] * target["D"] / dearest).between(5, 20)).all()
    assert (runs["status"] == "diverged").sum() >= 5

    tuning = fit.query("study in ('tuning', 'edges') and recipe == 'transformer-adamw'")
    cells = tuning.groupby(["N", "D"])
    assert cells.ngroups >= 3
    assert (cells["lr"].nunique() >= 5).all()
    assert (cells["batch"].nunique() >= 4).all()
    for _, line in tuning.query("status == 'finished'").groupby(["N", "D", "batch"]):
        ordered = line.sort_values("lr")["validation_loss"].to_numpy()
        assert 0 < ordered.argmin() < len(ordered) - 1, "the optimum is not bracketed"

    seeds = fit.groupby(["recipe", "rung", "batch", "lr", "schedule"])["seed"].nunique()
    assert (seeds >= 3).sum() >= 3


def test_curves_and_probes_belong_to_runs(ladder: datasets.Ladder) -> None:
    runs = ladder.runs.set_index("run")
    assert runs.index.is_unique
    points = ladder.curves.groupby("run").size()
    assert set(points.index) == set(runs.index)
    finished = runs.index[runs["status"] == "finished"]
    assert points[finished].between(38, 40).all()
    last = ladder.curves.groupby("run")["step"].max()
    assert (last[finished] == runs.loc[finished, "steps"]).all()
    assert (runs["D"] == runs["batch"] * runs["steps"]).all()

    probes = ladder.probes
    assert probes["successes"].between(0, probes["trials"]).all()
    assert (probes.groupby("run")["probe"].nunique() == probes["probe"].nunique()).all()
    largest = probes[probes["run"].isin(runs.index[runs["split"] == "target"])]
    share = (largest["successes"] / largest["trials"]).groupby(largest["probe"]).max()
    chance = largest.groupby("probe")["chance"].first()
    assert (share > chance + 0.3).any(), "no probe emerges"


def test_tuned_runs_are_ready_to_fit(ladder: datasets.Ladder) -> None:
    fit, target = ladder.tuned(), ladder.tuned("target")
    assert fit.groups == ("recipe",)
    assert len(fit) >= 150
    assert len(target) == (ladder.runs["split"] == "target").sum()
    assert not set(fit.frame["rung"]) & set(target.frame["rung"])
    with pytest.raises(UsageError, match="must be fit or target"):
        ladder.tuned("all")


def test_a_pooled_fit_forecasts_the_targets(ladder: datasets.Ladder) -> None:
    fit = bs.ScalingModel(bs.models.chinchilla, discrepancy=False).fit(ladder.tuned("fit"), seed=0)
    assert [w.code for w in fit.warnings] == []
    points = ladder.tuned("target").points()
    checked = bs.forecast(fit, points).check()
    assert checked is not None
    assert checked["points"] == len(points) == 8
    assert checked["held_90"] >= 5 / 6 * len(points)
    assert checked["relative_error"] < 0.03


def test_the_tables_are_small() -> None:
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < BYTES


@pytest.mark.skipif(
    sys.version_info[:3] != (3, 12, 1), reason="the corpus is the library of Python 3.12.1"
)
def test_the_corpus_is_that_of_the_card(card: dict[str, str]) -> None:
    found = corpus.load()
    assert card["corpus SHA-256"].strip("`") == found.sha256
    splits = "train, validation, test"
    sizes = [len(found.symbols[split]) for split in splits.split(", ")]
    assert card[f"symbols of {splits}"] == ", ".join(map(str, sizes))
    files_of = [len(found.texts[split]) for split in splits.split(", ")]
    assert card[f"files of {splits}"] == ", ".join(map(str, files_of))


def test_schedules_end_as_the_story_says(ladder: datasets.Ladder) -> None:
    runs = ladder.runs
    cosine = runs[runs["study"] == "grid"].set_index(["recipe", "rung"])["loss"]
    others = runs[runs["study"] == "schedules"].set_index(["recipe", "rung"])
    excess = others["loss"] / cosine.reindex(others.index) - 1
    assert excess[others["schedule"] == "wsd"].abs().max() < 0.02
    assert excess[others["schedule"] == "constant"].between(0.07, 0.16).all()
