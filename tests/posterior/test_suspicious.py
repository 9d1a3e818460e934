"""Rows that are out of line, and rows that are not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from fakes import RECIPES, TRUTH, changed, fake_fit, fake_fit_of, flat, held
from metric_fits import counts_fit, decay_fit
from scipy.stats import norm

import bayes_scaling as bs
from bayes_scaling.errors import Finding, UsageError
from bayes_scaling.models import registry
from bayes_scaling.posterior import Fit
from bayes_scaling.posterior.levels import odd_sets
from bayes_scaling.posterior.pointwise import UNREAD
from bayes_scaling.posterior.suspicious import COPY, FAR, LEAST, SET, stray_chances

SIGMA = 0.01


def known(fit: Fit) -> Fit:
    """The fit with draws that hardly move, so that rows lie where the law puts them."""
    return held(fit, **TRUTH, sigma=SIGMA, nu=30.0) if not fit.groups else fit


def with_responses(fit: Fit, factors: Mapping[int, float]) -> Fit:
    """The same fit with other responses in some rows, numbered from zero."""
    response = fit.tree["observed_data"]["response"].to_numpy().copy()
    for row, factor in factors.items():
        response[row] *= factor
    return with_table(fit, response=response)


def with_table(fit: Fit, response: np.ndarray | None = None, **columns: np.ndarray) -> Fit:
    groups = {k: v.to_dataset() for k, v in fit.tree.children.items()}
    if response is not None:
        groups["observed_data"] = groups["observed_data"].assign(response=("run", response))
    for name, values in columns.items():
        groups["constant_data"] = groups["constant_data"].assign({name: ("run", values)})
    return replace(fit, tree=xr.DataTree.from_dict(groups))


def lattice(rows: int) -> Fit:
    """Fit to a number of runs along tokens at three sizes."""
    sizes = np.resize([1e8, 4e8, 16e8], rows)
    table = pd.DataFrame({"N": sizes, "D": np.geomspace(2e9, 3e10, rows)})
    return known(fake_fit_of(registry["chinchilla"], table, TRUTH, draws=100))


def pooled(rungs: bool = True) -> Fit:
    """Two recipes that do not differ, at nine rungs."""
    fit = fake_fit(RECIPES, pool=dict.fromkeys(TRUTH, "complete"), rungs=rungs, draws=100)
    still = held(fit, **TRUTH, sigma=SIGMA, nu=30.0)
    if not rungs:
        return still
    return changed(still, {"rung_effect": 0.1 * still.posterior["rung_effect"].to_numpy()})


def findings(fit: Fit) -> list[Finding]:
    return [w for w in fit.warnings if w.code == "suspicious-rows"]


# -- the mixture


@pytest.mark.parametrize("rows", [12, 40, 245])
def test_student_t_noise_is_hardly_ever_accused(rows: int) -> None:
    rng, tables = np.random.default_rng(rows), 300
    z = rng.standard_t(4, size=(tables, rows))
    accused = [(stray_chances(one)[np.abs(one) >= LEAST] > 0.5).any() for one in z]
    assert np.mean(accused) < 0.09
    far = (np.abs(z) >= LEAST) & (2 * norm.sf(np.abs(z)) < 0.01 / rows)
    if rows > 100:  # what five sds and a normal tail alone would say
        assert far.any(axis=1).mean() > 0.5


@pytest.mark.parametrize(("rows", "found"), [(12, 0.4), (40, 0.4), (245, 0.6), (1000, 0.9)])
def test_a_run_off_schedule_is_found_in_normal_noise(rows: int, found: float) -> None:
    rng, hits = np.random.default_rng(rows), 0
    for _ in range(60):
        z = rng.normal(size=rows)
        z[3] = 2.0 / 0.3
        chances = stray_chances(z)
        hits += bool(chances[3] > 0.5)
        assert (np.delete(chances, 3) < 0.5).all()
    assert hits / 60 > found


def test_strays_do_not_hide_one_another() -> None:
    z = np.random.default_rng(0).standard_t(6, size=200)
    z[:8] = 14.0 + np.arange(8)
    chances = stray_chances(z)
    assert (chances[:8] > 0.5).all()
    assert (chances[8:] < 0.5).all()
    assert (stray_chances(-z) == chances).all()
    assert not stray_chances(z / 10).any()


# -- fits


def test_clean_rows_are_in_line() -> None:
    fit = lattice(60)
    table = bs.suspicious(fit)
    assert list(table.columns) == [
        "row", "N", "D", "response", "expected", "residual", "pull", "tail", "chance", "reason",
    ]  # fmt: skip
    assert set(table["row"]) == set(range(1, 61))
    assert (table["reason"] == "").all()
    assert table["residual"].std() == pytest.approx(1.0, abs=0.25)
    assert (table["residual"].abs().diff().dropna() <= 0).all()
    expected = 2 * norm.sf(table["residual"].abs())
    assert table["tail"].to_numpy() == pytest.approx(expected, rel=1e-6)
    assert not findings(fit)


@pytest.mark.parametrize("factor", [1.3, 0.5])
def test_a_run_far_off_is_named(factor: float) -> None:
    fit = with_responses(lattice(60), {16: factor})
    worst = bs.suspicious(fit).iloc[0]
    assert (worst["row"], worst["reason"]) == (17, FAR)
    assert worst["response"] == pytest.approx(factor * worst["expected"], rel=0.05)
    assert worst["residual"] == pytest.approx(np.log(factor) / SIGMA, abs=4)
    assert worst["pull"] < 0.1
    (found,) = findings(fit)
    assert found.severity == "warning"
    assert found.message.startswith("1 row is out of line, whatever tail the noise has: row 17 (N ")
    assert f"{worst['response']:.4g} for {worst['expected']:.4g}" in found.message
    assert fit.usable


def test_the_worst_five_are_named_and_the_others_counted() -> None:
    fit = with_responses(lattice(80), {i: 1.2 + 0.02 * i for i in range(8)})
    (found,) = findings(fit)
    assert found.message.startswith("8 rows are out of line")
    assert "row 8 (" in found.message
    assert "row 1 (" not in found.message
    assert "and 3 more, see suspicious(fit)" in found.message
    assert (bs.suspicious(fit)["reason"] == FAR).sum() == 8


def test_known_errors_are_part_of_the_noise() -> None:
    fit = with_responses(lattice(60), {16: 1.3})
    sure = with_table(fit, se=np.full(60, 1e-6))
    assert bs.suspicious(sure).iloc[0]["reason"] == FAR
    se = np.full(60, 1e-6)
    se[16] = 0.5
    assert (bs.suspicious(with_table(fit, se=se))["reason"] == "").all()


def test_normal_noise_that_strays_have_widened() -> None:
    fit = held(fake_fit_of(registry["chinchilla"], lattice_table(40), TRUTH, noise="lognormal",
                           draws=100), **TRUTH, sigma=0.08)  # fmt: skip
    off = with_responses(fit, {3: 1.3, 30: 1.35})
    assert set(bs.suspicious(off).query("reason != ''")["row"]) == {4, 31}


def lattice_table(rows: int) -> pd.DataFrame:
    sizes = np.resize([1e8, 4e8, 16e8], rows)
    return pd.DataFrame({"N": sizes, "D": np.geomspace(2e9, 3e10, rows)})


def test_a_row_that_holds_the_law_to_itself() -> None:
    fit = lattice(60)
    moving = fit.posterior["level"].to_numpy()
    rng = np.random.default_rng(0)
    loose = changed(fit, {"level": moving * np.exp(0.7 * SIGMA * rng.normal(size=moving.shape))})
    assert bs.suspicious(loose)["pull"].max() == pytest.approx(0.5, abs=0.05)


def test_diverged_runs_are_known_already() -> None:
    table = lattice_table(40)
    fit = known(fake_fit_of(registry["chinchilla"], table, TRUTH, draws=100, bound=3.2))
    diverged = int(fit.runs()["diverged"].sum())
    assert 0 < diverged < 40
    assert len(bs.suspicious(fit)) == 40 - diverged


# -- rungs and copies


def test_a_bad_rung_is_named_with_its_runs() -> None:
    fit = pooled()
    assert not findings(fit)
    effect = fit.posterior["rung_effect"].to_numpy().copy()
    rung_sd = flat(fit, "rung_sd").mean()
    effect[..., 4] = 25 * rung_sd
    label = fit.spec.labels["rung"][4]
    rows = np.flatnonzero([r == label for r in rungs_of(fit)])
    off = {int(i): float(np.exp(25 * rung_sd)) for i in rows}
    bad = with_responses(changed(fit, {"rung_effect": effect}), off)
    (found,) = findings(bad)
    assert found.message.startswith(f"1 rung is out of line with the other rungs: {label} (2 runs)")
    assert set(bs.suspicious(bad).query("reason == 'rung far from the law'")["row"]) == {
        int(i) + 1 for i in rows
    }


def rungs_of(fit: Fit) -> list[str]:
    from bayes_scaling.posterior.pointwise import runs_of
    from bayes_scaling.program.rungs import rung_labels

    return rung_labels(runs_of(fit), fit.law)


def test_a_run_alone_in_its_rung_is_judged_with_it() -> None:
    fit = fake_fit_of(registry["chinchilla"], lattice_table(30), TRUTH, rungs=True, draws=100)
    still = held(fit, **TRUTH, sigma=SIGMA, nu=30.0, rung_sd=SIGMA)
    zero = 1e-6 * still.posterior["rung_effect"].to_numpy()
    effect = zero.copy()
    place = fit.spec.labels["rung"].index(rungs_of(fit)[7])
    effect[..., place] = 0.4  # the rung has taken up what the run is off
    off = with_responses(changed(still, {"rung_effect": effect}), {7: np.exp(0.4)})
    worst = bs.suspicious(off).iloc[0]
    assert (worst["row"], worst["reason"]) == (8, FAR)
    assert worst["residual"] == pytest.approx(0.4 / np.hypot(SIGMA, SIGMA), rel=0.1)
    assert worst["expected"] == pytest.approx(worst["response"] / np.exp(0.4), rel=0.05)


def test_a_copy_under_another_label_is_named() -> None:
    fit = pooled(rungs=False)
    response = fit.tree["observed_data"]["response"].to_numpy().copy()
    response[11] = response[10]  # the same run as both recipes
    (found,) = findings(with_table(fit, response=response))
    assert found.message.startswith("1 row is equal to another row in inputs and response, under")
    assert "row 12 (" in found.message
    assert f"{COPY} row 11" in found.message
    # two digits are equal by chance
    assert not findings(with_table(fit, response=response.round(2)))
    # under one label, reading the table has said so
    same = with_table(fit, response=response, recipe=np.resize(["adam"], len(response)))
    assert not findings(same)


# -- what is not judged


# -- sets of rows


def batches(off: float, *, every: int = 4, rows: int = 60) -> Fit:
    """Every fourth run has another batch size, and a loss that is off by as many sds."""
    fit = lattice(rows)
    batch = np.where(np.arange(rows) % every == 1, "64", "256")
    labels = xr.Dataset(
        {"label": (("run", "column"), np.column_stack([batch, np.where(batch == "64", "a", "b")]))},
        {"run": fit.tree["observed_data"]["run"].to_numpy(), "column": ["batch", "host"]},
    )
    tree = xr.DataTree.from_dict(
        {**{k: v.to_dataset() for k, v in fit.tree.children.items()}, UNREAD: labels}
    )
    moved = {i: np.exp(off * SIGMA) for i in np.flatnonzero(batch == "64")}
    return with_responses(replace(fit, tree=tree), moved)


def test_a_batch_size_out_of_line_is_named() -> None:
    fit = batches(2.5)
    (found,) = findings(fit)
    assert found.message.startswith("rows that share a label are out of line together: ")
    assert "batch 64 (15 runs), +2." in found.message
    assert "host a (15 runs)" in found.message
    table = bs.suspicious(fit)
    named = table[table["reason"].str.startswith(SET)]
    assert (named["row"] % 4 == 2).all()
    assert len(named) == 15
    assert len(bs.suspicious(batches(0.0)).query("reason != ''")) == 0


def test_clean_sets_are_hardly_ever_named() -> None:
    rng, named = np.random.default_rng(5), 0
    frame = lattice_table(80).assign(recipe=np.resize([*"pq"], 80))
    for _ in range(200):
        labels = pd.DataFrame({"batch": rng.choice([*"abc"], 80), "host": rng.choice([*"xy"], 80)})
        z = rng.standard_t(4, size=80)
        named += bool(odd_sets(z, labels, frame, ("N", "D"), ("recipe",)))
    assert named <= 4


def test_sets_of_one_group_and_columns_that_inputs_tell() -> None:
    rng = np.random.default_rng(6)
    frame = lattice_table(80).assign(recipe=np.repeat([*"pq"], 40))
    batch = np.resize([*"aabaa"], 80)
    odd = (batch == "b") & (frame["recipe"] == "q").to_numpy()
    layers = frame["N"].astype(str)
    z = rng.normal(size=80) + 3.0 * odd + 1.5 * (layers == layers[0])
    labels = pd.DataFrame({"batch": batch, "layers": layers})
    worst, *_ = odd_sets(z, labels, frame, ("N", "D"), ("recipe",))
    assert worst.named == "batch b of q"
    assert (worst.rows == odd).all()
    assert not odd_sets(z, labels[["layers"]], frame, ("N", "D"), ("recipe",))


def test_columns_that_a_fit_does_not_read_stay_with_it() -> None:
    table = lattice_table(40).assign(
        loss=3.0, batch=[64, 128] * 20, note=[f"n{i}" for i in range(40)], same="x",
        flop=[1e21, 2e21, np.nan, 3e21] * 10,
    )  # fmt: skip
    runs = bs.read_runs(table)
    assert runs.unread_labels.columns.tolist() == ["batch", "flop"]
    assert set(runs.unread_labels["flop"]) == {"1e+21", "2e+21", "3e+21", ""}
    chosen = runs.select(runs.frame["row"].to_numpy() % 4 == 1)
    assert set(chosen.unread_labels["batch"]) == {"64"}
    assert list(bs.read_runs(table, group="batch").unread_labels) == ["flop"]


# -- what is not judged


@pytest.mark.parametrize(
    ("fit", "said"),
    [
        (counts_fit(draws=20), "noise beta-binomial"),
        (decay_fit(draws=20), "in a chain"),
        (fake_fit(noise="lower-frontier", draws=20), "noise lower-frontier"),
    ],
)
def test_other_noises_are_not_judged(fit: Fit, said: str) -> None:
    assert not findings(fit)
    with pytest.raises(UsageError, match=said):
        bs.suspicious(fit)


def test_points_of_curves_are_not_judged() -> None:
    table = pd.DataFrame(
        {"D": np.tile(np.linspace(1e9, 2e10, 6), 3), "run": np.repeat([*"pqr"], 6)}
    )
    truth = {"level": 3.0, "reducible": 0.3, "offset": 0.1, "beta": 0.4}
    fit = fake_fit_of(registry["token_curve"], table, truth, serial=True, draws=20)
    assert not findings(fit)
    with pytest.raises(UsageError, match="serial correlation"):
        bs.suspicious(fit)


def test_runs_have_their_names() -> None:
    table = lattice_table(40).assign(run=[f"run-{i}" for i in range(40)])
    fit = known(fake_fit_of(registry["chinchilla"], table, TRUTH, draws=100))
    off = with_responses(fit, {5: 1.5})
    assert bs.suspicious(off).iloc[0]["run"] == "run-5"
    assert "run-5 (N " in findings(off)[0].message
