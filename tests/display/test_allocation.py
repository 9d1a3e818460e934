"""How budgets are spent, as objects, text and figures."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
from decision_fits import crossing_fit, profiles_fit
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bayes_scaling.answers import (
    Allocation,
    Cheapest,
    Cost,
    IsoLoss,
    Profiles,
    agreement,
    allocate,
    cheapest,
    iso_loss,
    profiles,
)
from bayes_scaling.display import allocation, plot
from bayes_scaling.posterior import Fit

AT = [{"recipe": "adam"}, {}]
QUANTILES = ["0.025", "0.05", "0.1", "0.25", "0.5", "0.75", "0.9", "0.95", "0.975"]


@pytest.fixture(scope="module")
def fit() -> Fit:
    return crossing_fit()


@pytest.fixture(scope="module")
def split(fit: Fit) -> Allocation:
    return allocate(fit, [1e19, 1e20], at=AT)


@pytest.fixture(scope="module")
def cheap(fit: Fit) -> Cheapest:
    """The second target is near the floor of the law: some of the draws never reach it."""
    floor = float(np.median(fit.posterior["E"].to_numpy()[..., 0]))
    return cheapest(fit, [2.5, floor + 0.06], at={"recipe": "adam"})


@pytest.fixture(scope="module")
def sizes(fit: Fit) -> IsoLoss:
    return iso_loss(fit, [5e7, 1e9], budget=1e20, at={"recipe": "adam"})


@pytest.fixture(scope="module")
def found() -> Profiles:
    return profiles(profiles_fit())


@pytest.fixture(autouse=True)
def close_figures() -> Iterator[None]:
    yield
    plt.close("all")


def plain(answer: dict[str, Any]) -> dict[str, Any]:
    """As JSON has it: no nan, no infinity."""
    told = json.loads(json.dumps(answer, allow_nan=False))
    assert isinstance(told, dict)
    return told


def said(capsys: pytest.CaptureFixture[str]) -> list[list[str]]:
    return [line.split() for line in capsys.readouterr().out.splitlines()]


def shown(figure: Figure) -> list[Axes]:
    figure.canvas.draw()  # everything that can go wrong in drawing goes wrong here
    return [ax for ax in figure.axes if ax.get_visible()]


def marks(ax: Axes, marker: str) -> np.ndarray:
    drawn = [own.get_xydata() for own in ax.lines if own.get_marker() == marker]
    return np.concatenate([own for own in drawn if len(own)])


def labels(ax: Axes) -> list[str]:
    return [str(text) for text in ax.get_legend_handles_labels()[1]]


# -- objects and text


def test_an_allocation_has_a_point_a_budget_and_question(split: Allocation) -> None:
    told = plain(allocation.allocation_object(split))
    assert (told["law"], told["response"], told["unit"]) == ("chinchilla", "loss", "nat/token")
    assert told["cost"] == "6 N D (FLOP)"
    assert [p["budget"] for p in told["points"]] == [1e19, 1e20, 1e19, 1e20]
    assert [p["group"] for p in told["points"]] == ["adam", "adam", None, None]
    table = split.summary()
    for key, name in (("N", "N"), ("D", "D"), ("D/N", "D/N"), ("response", "loss")):
        own = table[table["quantity"] == name]
        for q in QUANTILES:
            given = [p[key]["quantiles"][q] for p in told["points"]]
            np.testing.assert_allclose(given, own[f"q{q}"])
        np.testing.assert_allclose([p[key]["mean"] for p in told["points"]], own["mean"])
        np.testing.assert_allclose([p[key]["sd"] for p in told["points"]], own["sd"])
    slopes = table[table["quantity"] == "exponent of loss"]
    given = [p["exponents"]["response"]["mean"] for p in told["points"]]
    np.testing.assert_allclose(given, slopes["mean"])
    for key in ("N", "D", "excess"):
        given = [p["recommended"][key] for p in told["points"]]
        np.testing.assert_allclose(given, split.recommended[key])
    assert [e["group"] for e in told["exponents"]] == ["adam", None]
    np.testing.assert_allclose(
        [e["N"]["mean"] for e in told["exponents"]], split.exponent("N").mean("sample")
    )


def test_one_budget_has_no_exponent_over_budgets(fit: Fit) -> None:
    answer = allocate(fit, 1e20, at={"recipe": "adam"})
    assert allocation.allocation_object(answer)["exponents"] == []


def test_text_of_an_allocation(split: Allocation, capsys: pytest.CaptureFixture[str]) -> None:
    allocation.show_allocation(split)
    rows = said(capsys)
    middle = np.quantile(split.size, (0.05, 0.5, 0.95), axis=0)
    own = [row for row in rows if row[:2] == ["1e+20", "adam"]]
    assert len(own) == 2
    assert own[0][2:5] == [f"{v:.3g}" for v in middle[:, 1]]
    advised = split.recommended.iloc[1]
    assert own[0][-2:] == [f"{advised[k]:.3g}" for k in ("N", "D")]
    loss = np.quantile(split.best, (0.05, 0.5, 0.95), axis=0)[:, 1]
    assert own[1][2:5] == [f"{v:.4f}" for v in loss]
    assert any(row[:4] == ["over", "these", "budgets,", "adam:"] for row in rows)


def test_targets_that_are_not_reached_are_null(
    cheap: Cheapest, capsys: pytest.CaptureFixture[str]
) -> None:
    told = plain(allocation.cheapest_object(cheap))
    near, far = told["points"]
    own = cheap.summary()
    assert (near["reached"], near["target"]) == (1.0, 2.5)
    assert near["budget"]["mean"] == pytest.approx(float(cheap.budget.isel(point=0).mean()))
    assert near["N"]["quantiles"]["0.9"] == pytest.approx(own["q0.9"].iloc[1])
    assert 0.2 < far["reached"] < 0.8
    assert far["budget"]["mean"] is None
    assert far["D"]["quantiles"]["0.95"] is None
    assert far["D"]["quantiles"]["0.025"] is not None
    allocation.show_cheapest(cheap)
    rows = said(capsys)
    infinite = int(np.isinf(own[["q0.05", "q0.5", "q0.95"]].to_numpy()).sum())
    assert infinite >= 3
    assert [row.count("never") for row in rows if row[1:2] == ["adam"]] == [0, infinite]


def test_other_sizes(sizes: IsoLoss, capsys: pytest.CaptureFixture[str]) -> None:
    told = plain(allocation.iso_loss_object(sizes))
    table = sizes.summary()
    assert [(p["budget"], p["N"]) for p in told["points"]] == [(1e20, 5e7), (1e20, 1e9)]
    extra = table[table["quantity"] == "extra cost"]
    for p, (_, row) in zip(told["points"], extra.iterrows(), strict=True):
        given = p["extra_cost"]["quantiles"]["0.5"]
        assert given == (pytest.approx(row["q0.5"]) if np.isfinite(row["q0.5"]) else None)
    assert told["points"][1]["level"]["mean"] == pytest.approx(float(sizes.level.mean()))
    allocation.show_iso_loss(sizes)
    row = next(row for row in said(capsys) if row[3:4] == ["1e+09"])
    assert row[-2] == f"{100 * extra['q0.5'].iloc[1]:.3g}"


def test_profiles_and_agreement(
    fit: Fit, found: Profiles, capsys: pytest.CaptureFixture[str]
) -> None:
    split = allocate(fit, found.budgets["budget"].tolist(), at={"recipe": "adam"})
    same = agreement(split, found)
    told = plain(allocation.profiles_object(found))
    assert [b["label"] for b in told["budgets"]] == ["1e+18", "1e+19", "1e+20"]
    assert [b["runs"] for b in told["budgets"]] == [7, 7, 7]
    table = found.summary()
    np.testing.assert_allclose([b["N"]["quantiles"]["0.05"] for b in told["budgets"]],
                               table["q0.05"])  # fmt: skip
    assert told["exponent"]["mean"] == pytest.approx(float(found.exponent.mean()))
    both = plain(allocation.agreement_object(same))
    assert both["agrees"] == same.agrees
    assert list(both["exponents"]) == ["law", "profiles", "difference"]
    assert [b["agrees"] for b in both["budgets"]] == same.table["agrees"].tolist()
    allocation.show_profiles(found)
    allocation.show_agreement(same)
    rows = said(capsys)
    assert " ".join(next(r for r in rows if r[:1] == ["law"])) == same.statement
    assert sum(row[-1:] in (["yes"], ["NO"]) for row in rows) == 3


# -- figures


def test_the_frontier_and_the_valleys(split: Allocation) -> None:
    left, right = shown(plot(split))
    assert (left.get_xscale(), left.get_yscale(), right.get_xscale()) == ("log",) * 3
    assert labels(left) == [
        "cost of the fitted runs", "N of adam", "D of adam", "N of a new recipe",
        "D of a new recipe", "recommended N",
    ]  # fmt: skip
    np.testing.assert_allclose(marks(left, "*")[:, 1], split.recommended["N"])
    np.testing.assert_allclose(marks(left, "s")[:, 1], np.median(split.data, axis=0))
    line = next(own for own in left.lines if own.get_label() == "N of adam")
    at = np.interp(np.log(1e20), *np.log(line.get_xydata()).T)
    assert at == pytest.approx(np.log(np.median(split.size.isel(point=1))), rel=1e-3)
    np.testing.assert_allclose(marks(right, "*")[:, 0], split.recommended["N"])
    assert labels(right) == ["adam", "a new recipe", "best N, 90 %", "recommended N"]


def test_one_budget_is_drawn_with_a_decade_around(fit: Fit) -> None:
    answer = allocate(fit, 1e21, at={"recipe": "muon"}, cost=Cost(fixed=1e18))
    left, right = shown(plot(answer))
    assert left.get_xlim()[1] == pytest.approx(1e22)
    assert labels(right)[0] == "budget 1e+21"
    bar = next(c for c in right.collections if max(c.get_linewidths(), default=0) > 3)
    ends = bar.get_paths()[0].vertices[:, 0]
    np.testing.assert_allclose(ends, np.quantile(answer.size, (0.05, 0.95)))


def test_fitted_costs_are_not_shaded_where_sizes_are_given(fit: Fit) -> None:
    answer = allocate(fit, 1e20, at={"recipe": "adam"}, within=(1e7, 1e11))
    left, _ = shown(plot(answer))
    assert "cost of the fitted runs" not in labels(left)


def test_profiles_have_their_runs_and_power_law(found: Profiles) -> None:
    left, right = shown(plot(found))
    runs = found.fit.runs()
    np.testing.assert_allclose(sorted(marks(left, "o")[:, 0]), sorted(runs["N"]))
    assert labels(left) == ["1e+18", "1e+19", "1e+20", "best N, 90 %"]
    np.testing.assert_allclose(marks(right, "o")[:, 1], found.summary()["q0.5"])
    middle = float(np.median(found.exponent))
    assert labels(right)[0].startswith(f"N ~ C^{middle:.3f} (")


def test_targets_and_sizes(cheap: Cheapest, sizes: IsoLoss) -> None:
    (ax,) = shown(plot(cheap))
    near, far = (t for t in cheap.points["target"])
    np.testing.assert_allclose(marks(ax, "o")[0], [near, np.median(cheap.budget.isel(point=0))],
                               rtol=1e-2)  # fmt: skip
    reached = cheap.summary()["reached"].iloc[-1]
    assert [t.get_text() for t in ax.texts] == [f"P(reached) {reached:.2f}"]
    assert ax.texts[0].xy[0] == pytest.approx(far)
    (ax,) = shown(plot(sizes))
    extra = sizes.summary().query("quantity == 'extra cost'")["q0.5"].to_numpy()
    np.testing.assert_allclose(marks(ax, "o")[-1], [1e9, 1 + extra[-1]])
    assert ax.get_yscale() == "log"
