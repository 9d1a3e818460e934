"""Answers about metrics as objects, text and figures, and figures of fits of counts and chains."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from metric_fits import (
    cloglog_fit,
    counts_fit,
    coverage_fit,
    decay_fit,
    densing_fit,
    emergence_fit,
    verifier_fit,
)

from bayes_scaling.answers import (
    Coverage,
    Densities,
    Emergence,
    Retries,
    Threshold,
    coverage,
    densities,
    emergence,
    retries,
    threshold,
)
from bayes_scaling.display import metrics, plot
from bayes_scaling.posterior import Fit

TASKS = [{"task": "arc"}, {"task": "qa"}]
SIZES = [{"N": 1e8}, {"N": 16e8}]
QUANTILES = ["0.025", "0.05", "0.1", "0.25", "0.5", "0.75", "0.9", "0.95", "0.975"]


@pytest.fixture(scope="module")
def counts() -> Fit:
    return counts_fit(draws=200)


@pytest.fixture(scope="module")
def place(counts: Fit) -> Threshold:
    """Of the task qa the level is passed for sure, of arc not: the range ends at its median."""
    whole = threshold(counts, 0.9, "C", at=TASKS, within=(1e18, 1e26))
    middle = float(np.median(whole.draws.isel(point=0)))
    assert float(whole.draws.isel(point=1).max()) < middle
    return threshold(counts, 0.9, "C", at=TASKS, within=(1e18, middle))


@pytest.fixture(scope="module")
def cover() -> Coverage:
    return coverage(coverage_fit(draws=200), SIZES, (1, 10, 100), price=2e-3)


@pytest.fixture(scope="module")
def tries() -> Retries:
    return retries(verifier_fit(draws=200), SIZES, most=50, cost=2.0, price=0.02)


@pytest.fixture(scope="module")
def evidence() -> Emergence:
    return emergence(emergence_fit(draws=200))


@pytest.fixture(scope="module")
def dense() -> Densities:
    models = pd.DataFrame(
        {"name": ["a", "b"], "score": [0.5, 0.9999], "N": ["1B", 1e9], "open": [True, False]}
    )
    return densities(densing_fit(draws=200), models, at={"D": 8e9})


@pytest.fixture(autouse=True)
def close_figures() -> Iterator[None]:
    yield
    plt.close("all")


def plain(answer: dict[str, Any]) -> dict[str, Any]:
    """As JSON has it: no nan, no infinity."""
    found = json.loads(json.dumps(answer, allow_nan=False))
    assert isinstance(found, dict)
    return found


def said(capsys: pytest.CaptureFixture[str]) -> list[list[str]]:
    return [line.split() for line in capsys.readouterr().out.splitlines()]


# -- objects


def test_a_threshold_has_null_where_it_is_not_reached(place: Threshold) -> None:
    told = plain(metrics.threshold_object(place))
    assert (told["law"], told["level"], told["along"]) == ("capability_sigmoid", 0.9, "C")
    assert told["within"] == list(place.within)
    assert told["fitted"] == pytest.approx([1e18, 1e22])
    arc, qa = told["points"]
    assert (arc["group"], qa["group"]) == ("arc", "qa")
    assert arc["inputs"] == {"chance": 0.25}
    assert list(arc["quantiles"]) == QUANTILES
    table = place.summary()
    for j, point in enumerate((arc, qa)):
        for key in ("passes", "before", "never"):
            assert point[key] == pytest.approx(table[key][j])
    assert arc["never"] == pytest.approx(0.5, abs=0.01)
    assert (arc["mean"], arc["sd"], arc["quantiles"]["0.9"]) == (None, None, None)
    assert arc["quantiles"]["0.1"] == pytest.approx(table["q0.1"][0])
    assert qa["never"] == 0
    draws = place.draws.isel(point=1).to_numpy()
    assert qa["mean"] == pytest.approx(draws.mean())
    assert qa["sd"] == pytest.approx(draws.std(ddof=1))
    assert told["warnings"] == [w.as_dict() for w in place.warnings]


def test_coverage_is_by_point_and_k(cover: Coverage) -> None:
    told = plain(metrics.coverage_object(cover))
    table, budget = cover.summary(), cover.budget()
    assert [p["inputs"] for p in told["points"]] == SIZES
    assert [p["group"] for p in told["points"]] == [None, None]
    rows = [row for p in told["points"] for row in p["pass_at"]]
    assert [row["k"] for row in rows] == [1, 10, 100] * 2
    for key in ("mean", "sd"):
        np.testing.assert_allclose([row[key] for row in rows], table[key])
    np.testing.assert_allclose([row["quantiles"]["0.9"] for row in rows], table["q0.9"])
    assert [p["budget"]["quantiles"]["0.5"] for p in told["points"]] == budget["q0.5"].tolist()
    limit = cover.limit.isel(point=0).to_numpy()
    assert told["points"][0]["limit"]["mean"] == pytest.approx(limit.mean())
    assert (told["price"], told["same_problems"]) == (2e-3, False)


def test_retries_as_an_object(tries: Retries) -> None:
    told = plain(metrics.retries_object(tries))
    assert (told["cost"], told["price"], told["most"]) == (2.0, 0.02, 50)
    table = tries.summary()
    assert [p["recommended"] for p in told["points"]] == tries.recommended
    assert [p["inputs"] for p in told["points"]] == SIZES
    for key in ("utility", "correct", "wrong", "ceiling"):
        np.testing.assert_allclose([p[key] for p in told["points"]], table[key])
    assert [p["best"]["quantiles"]["0.5"] for p in told["points"]] == table["q0.5"].tolist()


def test_emergence_as_an_object(evidence: Emergence) -> None:
    told = plain(metrics.emergence_object(evidence))
    table = evidence.summary()
    assert [t["group"] for t in told["tasks"]] == ["arc", "qa"]
    assert [t["verdict"] for t in told["tasks"]] == table["verdict"].tolist()
    for key in ("mean", "sd", "P_accelerates", "log_bayes_factor"):
        np.testing.assert_allclose([t[key] for t in told["tasks"]], table[key])
    assert told["tasks"][0]["quantiles"].keys() == {"0.05", "0.95"}


def test_densities_keep_the_columns_of_the_models(dense: Densities) -> None:
    told = plain(metrics.densities_object(dense))
    a, b = told["models"]
    assert a["model"] == {"name": "a", "score": 0.5, "N": 1e9, "open": True}
    density = dense.density.isel(model=0).to_numpy()
    assert a["density"]["mean"] == pytest.approx(density.mean())
    assert a["density"]["quantiles"]["0.5"] == pytest.approx(np.median(density))
    assert a["se"] == pytest.approx(dense.summary()["se"][0])
    assert (b["lost"], b["se"], b["size"]["mean"]) == (1.0, None, None)
    assert set(b["size"]["quantiles"].values()) == {None}
    assert [w["code"] for w in told["warnings"]] == ["no-size"]


# -- text


def test_a_threshold_in_words(place: Threshold, capsys: pytest.CaptureFixture[str]) -> None:
    metrics.show_threshold(place)
    out = capsys.readouterr().out
    assert out.startswith("C at which accuracy (fraction) passes 0.9, looked for from 1e+18 to ")
    rows = [line.split() for line in out.splitlines()]
    assert rows[1] == ["chance", "task", "P(before)", "P(within)", "P(never)", "5%", "50%", "95%"]
    arc = next(row for row in rows if "arc" in row)
    table = place.summary().iloc[0]
    assert arc[:5] == ["0.25", "arc", "0.000", f"{table['passes']:.3f}", f"{table['never']:.3f}"]
    assert arc[5] == f"{table['q0.05']:.4g}"
    assert arc[-2:] == [">", f"{place.within[1]:.3g}"]


def test_a_threshold_along_inputs_in_proportion(capsys: pytest.CaptureFixture[str]) -> None:
    answer = threshold(decay_fit(draws=200), 0.5, "N", ratios={"D": 20}, within=(1e6, 1e12))
    metrics.show_threshold(answer)
    assert "D = 20 N" in capsys.readouterr().out


def test_the_other_answers_in_words(
    cover: Coverage,
    tries: Retries,
    evidence: Emergence,
    dense: Densities,
    capsys: pytest.CaptureFixture[str],
) -> None:
    metrics.show_coverage(cover)
    rows = said(capsys)
    table = cover.summary()
    first = ["1e+08", "1", *(f"{table[q][0]:.4f}" for q in ("q0.05", "q0.5", "q0.95"))]
    assert first in rows
    assert ["1e+08", *(f"{cover.budget()[q][0]:.4g}" for q in ("q0.05", "q0.5", "q0.95"))] in rows
    metrics.show_retries(tries)
    rows = said(capsys)
    best = tries.summary().iloc[1]
    assert ["1.6e+09", str(tries.recommended[1]), f"{best['utility']:.4f}"] in [r[:3] for r in rows]
    metrics.show_emergence(evidence)
    rows = said(capsys)
    assert next(row for row in rows if row[:1] == ["qa"])[-1] == "accelerates"
    metrics.show_densities(dense)
    rows = said(capsys)
    assert next(row for row in rows if row[:1] == ["b"])[-1] == "1.000"


def test_a_budget_is_told_only_where_there_is_a_price(capsys: pytest.CaptureFixture[str]) -> None:
    answer = coverage(coverage_fit(draws=200), SIZES, (1, 10))
    metrics.show_coverage(answer)
    assert "price" not in capsys.readouterr().out
    assert all("budget" not in p for p in metrics.coverage_object(answer)["points"])
    assert metrics.coverage_object(answer)["price"] is None


# -- figures of answers


def shown(figure: Figure) -> list[Axes]:
    figure.canvas.draw()  # everything that can go wrong in drawing goes wrong here
    return [ax for ax in figure.axes if ax.get_visible()]


def legend(ax: Axes) -> list[str]:
    found = ax.get_legend()
    return [t.get_text() for t in found.get_texts()] if found else []


def line(ax: Axes, label: str) -> np.ndarray:
    return next(np.asarray(one.get_xydata()) for one in ax.lines if one.get_label() == label)


def stars(ax: Axes) -> np.ndarray:
    return np.array([one.get_xydata()[0] for one in ax.lines
                     if one.get_marker() == "*" and len(one.get_xdata())])  # fmt: skip


def test_the_figure_of_a_threshold(place: Threshold) -> None:
    axes = shown(plot(place))
    assert [ax.get_title() for ax in axes] == ["arc, chance 0.25", "qa, chance 0"]
    table = place.summary()
    for i, ax in enumerate(axes):
        assert ax.get_xscale() == "log"
        words = {t.get_text() for t in ax.texts}
        assert words == {f"P({k}) {table[k][i]:.2f}" for k in ("before", "never")}
        bars = [p for p in ax.patches if p.get_height() > 0 and p.get_y() == 0]
        heights = sum(b.get_height() for b in bars if b.get_label() != "fitted range")
        own = place.draws.isel(point=i).to_numpy()
        assert heights == pytest.approx(np.isfinite(own).mean(), abs=0.01)
        low, high = ax.get_xlim()
        assert low < np.quantile(own[np.isfinite(own)], 0.05) < high
        assert low < 1e22 < high  # the end of the fitted runs
    assert line(axes[1], "median")[0, 0] == pytest.approx(table["q0.5"][1])
    assert axes[-1].get_xlabel() == "C (unit of the column)"


def test_the_figure_of_a_threshold_that_is_never_reached(counts: Fit) -> None:
    (ax,) = shown(plot(threshold(counts, 0.999, "C", at=TASKS[:1])))
    assert "P(never) 1.00" in {t.get_text() for t in ax.texts}
    assert not [one for one in ax.lines if one.get_label() == "median"]


def test_the_figure_of_coverage(cover: Coverage) -> None:
    (ax,) = shown(plot(cover))
    assert ax.get_xscale() == "log"
    table = cover.summary()
    for i, label in enumerate(("N 1e+08", "N 1.6e+09")):
        curve = line(ax, label)
        assert curve[:, 0].tolist() == [1, 10, 100]
        np.testing.assert_allclose(curve[:, 1], table["q0.5"][3 * i : 3 * i + 3])
    budget = cover.budget()["q0.5"].to_numpy()
    np.testing.assert_allclose(stars(ax)[:, 0], np.clip(budget, 1, 100))
    assert legend(ax)[:2] == ["N 1e+08", "N 1.6e+09"]
    assert "price of 0.002" in legend(ax)[2]


def test_coverage_without_a_price_and_in_any_order_of_k() -> None:
    answer = coverage(coverage_fit(draws=200), SIZES[:1], (100, 1, 10))
    (ax,) = shown(plot(answer))
    assert line(ax, "N 1e+08")[:, 0].tolist() == [1, 10, 100]
    assert np.all(np.diff(line(ax, "N 1e+08")[:, 1]) > 0)
    assert len(stars(ax)) == 0


def test_the_figure_of_retries(tries: Retries) -> None:
    (ax,) = shown(plot(tries))
    assert ax.get_xscale() == "log"
    mean = tries.utility.mean("sample").to_numpy()
    for i, label in enumerate(("N 1e+08", "N 1.6e+09")):
        np.testing.assert_allclose(line(ax, label)[:, 1], mean[i])
    at = [tries.k.index(k) for k in tries.recommended]
    np.testing.assert_allclose(stars(ax), np.c_[tries.recommended, mean[[0, 1], at]])
    bands = [c.get_paths()[0] for c in ax.collections]
    for band, label in zip(bands, ("N 1e+08", "N 1.6e+09"), strict=True):
        assert band.contains_points(line(ax, label)[3:-3]).all()


# -- figures of fits


def dots(ax: Axes) -> np.ndarray:
    return np.concatenate([one.get_xydata() for one in ax.lines if one.get_marker() == "o"])


def test_counts_are_drawn_as_shares_without_a_panel_of_chance(counts: Fit) -> None:
    axes = shown(plot(counts))
    assert [ax.get_title() for ax in axes] == ["arc", "qa"]
    runs = counts.runs()
    for ax, task in zip(axes, ("arc", "qa"), strict=True):
        assert ax.get_xlabel().startswith("C, training compute")
        assert (ax.get_yscale(), ax.get_ylabel()) == ("linear", "accuracy (fraction)")
        own = runs[runs["task"] == task]
        np.testing.assert_allclose(dots(ax), own[["C", "response"]])
        assert legend(ax) == []
        (curve,) = [one for one in ax.lines if len(one.get_xdata()) > 20]
        assert np.all(np.diff(curve.get_ydata()) > 0)  # smooth, though counts are steps


def test_an_input_with_a_default_that_moves_has_its_panel() -> None:
    fit = counts_fit(draws=200)
    constants = fit.tree["constant_data"].to_dataset()
    moved = constants.assign(chance=constants["chance"] + np.arange(18) / 100)
    tree = {name: node.to_dataset() for name, node in fit.tree.children.items()}
    tree["constant_data"] = moved
    changed_fit = type(fit)(
        fit.law, fit.spec, fit.record, fit.settings, type(fit.tree).from_dict(tree)
    )
    labels = [ax.get_xlabel() for ax in shown(plot(changed_fit))]
    assert labels[1] == "chance, score of guessing (fraction)"
    assert len(labels) == 4


def test_outcomes_are_curves_of_their_own_and_no_axis() -> None:
    (ax,) = shown(plot(verifier_fit(draws=50)))
    assert ax.get_xlabel().startswith("N")
    assert sorted(t.get_text() for t in ax.get_legend().get_texts()) == ["outcome 0", "outcome 1"]


def test_the_band_of_counts_holds_their_counting_error(counts: Fit) -> None:
    """A band of endless items would be narrower than that of the 200 of the runs."""
    ax = shown(plot(counts))[0]
    ends = ax.collections[0].get_paths()[0].vertices
    middle = np.abs(np.log(ends[:, 0] / 1e20)) < 0.2
    width = np.ptp(ends[middle, 1])
    sd = np.sqrt(0.5 * 0.5 * (1 / 200 + 1 / 200))  # of counting, and of a concentration of 200
    assert width == pytest.approx(2 * 1.645 * sd, rel=0.3)


def test_a_chain_has_a_panel_of_its_link() -> None:
    fit = cloglog_fit(draws=200, unseen=(0, 5), unmeasured=(3,))
    axes = shown(plot(fit))
    assert [ax.get_title() for ax in axes] == ["arc"] * 3 + ["qa"] * 3
    assert [ax.get_xlabel()[:1] for ax in axes] == ["N", "D", "l"] * 2
    runs = fit.runs()
    for own, task in ((axes[:3], "arc"), (axes[3:], "qa")):
        mine = runs[runs["task"] == task]
        seen = mine.dropna(subset="response")
        for ax, along in zip(own, ("N", "D"), strict=False):
            assert sorted(dots(ax)[:, 0]) == sorted(seen[along])
            assert all("chance" not in text for text in legend(ax))
        link = own[2]
        both = mine.dropna(subset=["response", "through"])
        np.testing.assert_allclose(line(link, "runs"), both[["through", "response"]])
        assert link.get_xlabel() == "loss (nat/token)"
        assert legend(link) == ["90 % of one more run", "90 % of the mean", "runs"]
        (curve,) = [one for one in link.lines if len(one.get_xdata()) == 50]
        assert np.all(np.diff(curve.get_ydata()) < 0)
        low, high = mine["through"].min(), mine["through"].max()
        assert curve.get_xdata()[[0, -1]] == pytest.approx([low / 1.02, high * 1.02])
        wide, narrow = (c.get_paths()[0] for c in link.collections)
        assert narrow.contains_points(curve.get_xydata()[3:-3]).all()
        assert wide.contains_points(curve.get_xydata()[3:-3]).all()
        assert np.ptp(wide.vertices[:, 1]) > np.ptp(narrow.vertices[:, 1])


def test_residuals_leave_out_runs_without_a_metric_and_inputs_that_stand_still() -> None:
    fit = cloglog_fit(draws=200, unseen=(0, 5), unmeasured=(3,))
    axes = shown(plot(fit, "residuals"))
    assert [ax.get_xlabel()[:8] for ax in axes] == ["N, model", "D, train", "observed"]
    number = sum(len(one.get_xdata()) for one in axes[0].lines if one.get_marker() in "os")
    assert number == 16


@pytest.mark.parametrize("name", ["prior", "trace"])
def test_other_figures_of_a_chain(name: str) -> None:
    assert shown(plot(decay_fit(draws=200), name))


def test_single_problems_can_be_drawn() -> None:
    (ax,) = shown(plot(coverage_fit(draws=200)))
    assert len(dots(ax)) == 120
