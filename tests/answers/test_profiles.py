"""Best sizes of isoFLOP profiles, and whether a law agrees with them."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fakes import RECIPES, SIZES, TOKENS, TRUTH, diverged, fake_fit, fake_fit_of, flat

from bayes_scaling.answers import agreement, allocate, profiles
from bayes_scaling.errors import FitError, UsageError
from bayes_scaling.models import registry
from bayes_scaling.posterior import Fit

BUDGETS = {"big": 1e21, "mid": 1e20, "small": 1e19}  # labels are not in their order
EXPONENT = TRUTH["beta"] / (TRUTH["alpha"] + TRUTH["beta"])
RATIOS = (0.25, 0.5, 1.0, 2.0, 4.0)
VALLEY = {"level": 2.9, "reducible": 0.4, "fall": 0.15, "exponent": EXPONENT, "cost": 0.008,
          "cost_C": 0.05, "skew": 0.1, "unrest": 0.1}  # fmt: skip


def best_size(compute: float) -> float:
    """Best size of `fake_fit` at the middle of its draws, by its closed form."""
    alpha, beta, share = (TRUTH[k] for k in ("alpha", "beta", "share_N"))
    steeper = np.log(share * alpha / ((1 - share) * beta))
    more = beta * np.log(compute / (6 * SIZES[1] * TOKENS[1]))
    return float(SIZES[1] * np.exp((steeper + more) / (alpha + beta)))


def tried(ratios: tuple[float, ...] = RATIOS) -> pd.DataFrame:
    """Sizes around the best one of each budget, at its compute."""
    rows = [
        {"budget": label, "N": best_size(c) * r, "C": c}
        for (label, c), r in product(BUDGETS.items(), ratios)
    ]
    return pd.DataFrame(rows)


def profile_fit(
    runs: pd.DataFrame | None = None, law: str = "isoflop", off: float = 1.0, **options: Any
) -> Fit:
    """Fit whose best sizes lie about those of `best_size`, or at a multiple of them."""
    base, _, variant = law.partition(":")
    found = registry[base].variant(variant) if variant else registry[base]
    table = tried() if runs is None else runs.reset_index(drop=True)
    n, c = (float(np.exp(np.log(table[k]).mean())) for k in ("N", "C"))  # the references
    truth = VALLEY | {"best": off * best_size(c) / n} | options.pop("truth", {})
    given = {"labels": {"budget": sorted(BUDGETS)}, "pool": {"level": "partial"}} | options
    return fake_fit_of(found, table, {k: truth[k] for k in found.parameters}, draws=100, **given)


@pytest.fixture(scope="module")
def losses() -> Fit:
    return fake_fit(draws=100)


@pytest.mark.parametrize("law", ["isoflop", "isoflop:parabola"])
def test_the_best_size_of_a_budget_is_its_own(law: str) -> None:
    fit = profile_fit(law=law, pool={"level": "partial", "best": "partial"})
    found = profiles(fit)
    assert (found.law, found.by) == (law, "budget")
    assert found.budgets["label"].tolist() == ["small", "mid", "big"]
    assert found.budgets["budget"].tolist() == sorted(BUDGETS.values())
    x0, exponent = fit.spec.references, flat(fit, "exponent")
    for j, label in enumerate(found.budgets["label"]):
        best = fit.posterior["best"].sel(budget=label).to_numpy().ravel()
        wanted = x0["N"] * best * (BUDGETS[label] / x0["C"]) ** exponent
        np.testing.assert_allclose(found.size.to_numpy()[:, j], wanted, rtol=1e-10)
    np.testing.assert_array_equal(found.exponent, exponent)
    # hand-made effects go from -.1 to .1 on the log scale, from big to small
    over = np.median(found.size, axis=0) / [best_size(c) for c in sorted(BUDGETS.values())]
    np.testing.assert_allclose(over, np.exp([0.1, 0.0, -0.1]), rtol=0.02)
    assert found.warnings == ()


def test_the_table_of_budgets() -> None:
    fit = profile_fit()
    found = profiles(fit)
    table = found.summary()
    assert table["runs"].tolist() == [5, 5, 5]
    wanted = [best_size(c) for c in sorted(BUDGETS.values())]
    np.testing.assert_allclose(table["lowest_N"], 0.25 * np.array(wanted))
    np.testing.assert_allclose(table["highest_N"], 4 * np.array(wanted))
    np.testing.assert_array_equal(table["bracketed"], 1.0)
    sizes = found.size.transpose("sample", "budget").to_numpy()
    np.testing.assert_allclose(table["mean"], sizes.mean(axis=0))
    np.testing.assert_allclose(table["q0.5"], np.median(sizes, axis=0))
    np.testing.assert_allclose(table["q0.5"], wanted, rtol=0.01)  # draws lie about the truth
    assert found.unit == fit.record.unit


def test_a_profile_with_one_side_is_told() -> None:
    runs = tried()
    best = best_size(BUDGETS["small"])
    fit = profile_fit(runs[(runs["budget"] != "small") | (runs["N"] > 1.5 * best)])
    found = profiles(fit)
    np.testing.assert_array_equal(found.budgets["bracketed"], [0.0, 1.0, 1.0])
    (warning,) = found.warnings
    assert warning.code == "open-profile"
    assert warning.message.startswith("the best size of budget 1e+19 may lie outside the sizes")


def test_bracketed_is_the_share_of_draws_between_the_sizes() -> None:
    runs = tried()
    best = best_size(BUDGETS["mid"])
    found = profiles(profile_fit(runs[(runs["budget"] != "mid") | (runs["N"] <= best)]))
    below = (found.size.to_numpy()[:, 1] <= best).mean()
    assert 0.3 < below < 0.7
    np.testing.assert_array_equal(found.budgets["bracketed"], [1.0, below, 1.0])
    assert [w.code for w in found.warnings] == ["open-profile"]


def test_a_law_with_the_same_optimum_agrees(losses: Fit) -> None:
    found = profiles(profile_fit())
    allocation = allocate(losses, found.budgets["budget"].to_numpy())
    answer = agreement(allocation, found)
    assert answer.agrees
    assert answer.table["agrees"].all()
    assert answer.table["budget"].tolist() == sorted(BUDGETS.values())
    np.testing.assert_allclose(answer.table["q0.5"], 1.0, atol=0.03)
    assert answer.statement.startswith(
        "law chinchilla and the profiles agree: the best sizes agree"
    )
    assert "at 3 of 3 budgets; exponent of N 0.45" in answer.statement
    assert answer.statement.endswith("no difference at 90 %")
    table = answer.exponents.set_index("of")
    law = allocation.exponent().to_numpy()[:, 0]
    assert table.loc["law", "mean"] == pytest.approx(law.mean())
    assert table.loc["profiles", "q0.5"] == pytest.approx(np.median(found.exponent))
    gap = table.loc["law", "mean"] - table.loc["profiles", "mean"]
    assert table.loc["difference", "mean"] == pytest.approx(gap)
    # two independent uncertainties
    both = np.hypot(table.loc["law", "sd"], table.loc["profiles", "sd"])
    assert table.loc["difference", "sd"] == pytest.approx(both, rel=0.15)


def test_a_law_with_another_exponent_disagrees(losses: Fit) -> None:
    found = profiles(profile_fit(truth={"exponent": EXPONENT + 0.15}))
    answer = agreement(allocate(losses, found.budgets["budget"].to_numpy()), found)
    assert not answer.agrees
    assert answer.table["agrees"].tolist() == [False, True, False]
    assert "do NOT agree: the best sizes agree at 1 of 3 budgets" in answer.statement
    assert answer.statement.endswith("a difference at 90 %")
    # ten times the compute moves the best size of the profiles by .15 decades more
    np.testing.assert_allclose(answer.table["q0.5"], 10 ** np.array([0.15, 0, -0.15]), rtol=0.03)


def test_sizes_can_disagree_where_exponents_agree(losses: Fit) -> None:
    found = profiles(profile_fit(off=2.0))
    answer = agreement(allocate(losses, found.budgets["budget"].to_numpy()), found)
    assert not answer.agrees
    assert not answer.table["agrees"].any()
    np.testing.assert_allclose(answer.table["q0.5"], 0.5, rtol=0.03)
    assert "at 0 of 3 budgets" in answer.statement
    assert answer.statement.endswith("no difference at 90 %")


def test_exponents_can_disagree_where_no_budget_does(losses: Fit) -> None:
    found = profiles(profile_fit(truth={"exponent": EXPONENT + 0.045}))
    answer = agreement(allocate(losses, found.budgets["budget"].to_numpy()), found)
    assert answer.table["agrees"].all()
    assert not answer.agrees
    assert "do NOT agree: the best sizes agree at 3 of 3 budgets" in answer.statement
    assert answer.statement.endswith("a difference at 90 %")


def test_one_budget_in_many_may_be_off_by_chance(losses: Fit) -> None:
    """The middle one is 2.2 sds off: outside its own 95 % interval, inside that of all three."""
    found = profiles(profile_fit(off=1.12))
    answer = agreement(allocate(losses, found.budgets["budget"].to_numpy()), found)
    assert answer.table["q0.95"].iloc[1] < 1
    assert answer.table["agrees"].all()


@pytest.mark.parametrize("budgets", [[1e19, 1e20], [1e19, 1e20, 2e21], [1e21, 1e20, 1e19]])
def test_an_allocation_of_other_budgets_is_refused(losses: Fit, budgets: list[float]) -> None:
    found = profiles(profile_fit())
    with pytest.raises(UsageError, match="must be of the budgets of the profiles"):
        agreement(allocate(losses, budgets), found)


def test_an_allocation_of_two_questions_is_refused() -> None:
    found = profiles(profile_fit())
    at = [{"recipe": r} for r in RECIPES["recipe"]]
    both = allocate(fake_fit(RECIPES, draws=100), found.budgets["budget"].to_numpy(), at=at)
    with pytest.raises(UsageError, match="and of one question"):
        agreement(both, found)


def test_one_budget_has_no_exponent(losses: Fit) -> None:
    runs = tried()
    found = profiles(profile_fit(runs[runs["budget"] == "mid"], labels={"budget": ["mid"]}))
    with pytest.raises(UsageError, match="needs two budgets or more"):
        agreement(allocate(losses, [1e20]), found)


def test_what_is_no_fit_of_profiles(losses: Fit) -> None:
    with pytest.raises(UsageError, match="from a fit of law isoflop, not of chinchilla"):
        profiles(losses)
    with pytest.raises(
        UsageError, match=r"the one grouping column .--group budget.; the fit has none"
    ):
        profiles(profile_fit(labels={}, pool={}))
    twice = tried().assign(recipe="adam")
    labels = {"budget": sorted(BUDGETS), "recipe": ["adam"]}
    with pytest.raises(UsageError, match="the fit has budget, recipe"):
        profiles(profile_fit(twice, labels=labels))


def test_a_poor_fit_is_refused() -> None:
    poor = diverged(profile_fit(), 200)
    with pytest.raises(FitError, match="divergences"):
        profiles(poor)
    forced = profiles(poor, force=True)
    assert "divergences" in [w.code for w in forced.warnings]
