"""The simulated worlds of the decisions study, and what its results say."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from case_studies.decisions import run as study
from case_studies.decisions import worlds


@pytest.mark.parametrize("seed", [0, 1, 2, 3, 4, 7, 8])
def test_a_world_is_what_it_says(seed: int) -> None:
    world = worlds.world(seed)
    again = worlds.world(seed)
    pd.testing.assert_frame_equal(world.runs, again.runs)
    assert np.isclose(abs(world.gap), np.multiply(worlds.GAPS, worlds.ROPE)).any()
    if world.kind == "never":
        assert np.isinf(world.crossing)
    else:
        assert (world.crossing <= worlds.DEAREST) == (world.kind == "inside")
    assert len(world.runs) == 2 * len(worlds.SIZES) * len(worlds.RATIOS)
    assert world.runs.groupby("rung")["recipe"].nunique().eq(2).all()


def test_the_gap_at_the_target_is_that_of_the_frontiers() -> None:
    rng = np.random.default_rng(5)
    for mean in worlds.FAMILIES.values():
        first = worlds.recipe(rng)
        second = worlds.shifted(mean, first, 0.02, "beyond", rng)
        at = np.array([worlds.TARGET])
        gap = worlds.frontier(mean, second, at) - worlds.frontier(mean, first, at)
        assert gap[0] == pytest.approx(0.02, abs=1e-6)


def test_the_frontier_is_that_of_the_closed_form() -> None:
    p = worlds.recipe(np.random.default_rng(1))
    n = study.best_size(p, study.BEYOND)
    lowest = worlds.frontier(worlds.chinchilla, p, np.array([study.BEYOND]))
    there = worlds.chinchilla(np.array([n]), np.array([study.BEYOND / (6 * n)]), p)
    assert lowest[0] == pytest.approx(there[0], rel=1e-7)


def test_paired_tables_share_rungs_and_others_do_not() -> None:
    rng = np.random.default_rng(2)
    tables = [
        worlds.runs_of(worlds.chinchilla, p, k, rng) for k, p in zip("ab", study.PAIR, strict=True)
    ]
    paired = worlds.rungs(tables, np.random.default_rng(3), True)
    apart = worlds.rungs(tables, np.random.default_rng(3), False)
    assert paired["rung"].nunique() == len(tables[0])
    assert apart["rung"].nunique() == 2 * len(tables[0])
    noise = [
        np.log(t["loss"].to_numpy() / pd.concat(tables)["loss"].to_numpy()).reshape(2, -1)
        for t in (paired, apart)
    ]
    np.testing.assert_allclose(noise[0][0], noise[0][1], atol=1e-12)
    assert abs(np.corrcoef(noise[1])[0, 1]) < 0.6


@pytest.mark.parametrize("name", ["crossovers", "differences", "frontier"])
def test_the_committed_results_are_whole_and_keep_their_bounds(name: str) -> None:
    _, show, count = study.STUDIES[name]
    table = pd.read_csv(study.RESULTS / f"{name}.csv")
    assert sorted(table["seed"]) == list(range(count))
    assert show(table)


@pytest.mark.slow
def test_one_world_again_gives_the_committed_row() -> None:
    """A fit of another machine differs by rounding, and its intervals by Monte Carlo error."""
    row = pd.read_csv(study.RESULTS / "crossovers.csv").set_index("seed").loc[12]
    again = study.crossovers(12)
    assert again["truth"] == pytest.approx(row["truth"], rel=1e-4)
    assert again["held"] == row["held"]
    for end in ("low", "high"):
        assert np.log(again[end] / row[end]) == pytest.approx(0.0, abs=0.5)


@pytest.mark.slow
def test_the_sd_of_a_difference_is_its_true_sampling_spread() -> None:
    """The study's tables fitted again: a ratio of .9 to 1.2 needs some two hundred of each."""
    table = pd.DataFrame([{"seed": s, **study.differences(s)} for s in range(2 * study.COUNT)])
    assert study.show_differences(table)
