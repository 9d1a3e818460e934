"""The verbs allocate, compare and decide: what they print, with which exit status, bad input."""

from __future__ import annotations

from pathlib import Path

import pytest
from command import command
from decision_fits import THREE, cost_fit, crossing_fit, profiles_fit
from fakes import diverged, fake_fit

import bayes_scaling as bs
from bayes_scaling.display import allocation, comparison

ADAM = ("--at", "recipe=adam")
POINT = ("--at", "N=1B,D=20B")
ALONG = ("--along", "budget=1e18:1e21", "--ratio", "20")
PATH = bs.ScalingPath(1e18, 1e21, ratio=20.0)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fits of each kind, and a table of points."""
    folder = tmp_path_factory.mktemp("fits")
    crossing_fit().save(folder / "two.nc")
    fake_fit(THREE, draws=50).save(folder / "three.nc")
    fake_fit(draws=50).save(folder / "bare.nc")
    profiles_fit().save(folder / "iso.nc")
    cost_fit().save(folder / "cost.nc")
    diverged(crossing_fit(), 50).save(folder / "poor.nc")
    (folder / "points.csv").write_text("N,D\n1e9,2e10\n4e9,8e10\n")
    return folder


@pytest.fixture
def folder(kept: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(kept)
    return kept


# -- allocate


def test_allocate(folder: Path, tmp_path: Path) -> None:
    figure = tmp_path / "split.png"
    found = command(
        "allocate", "two.nc", "--budget", "1e19", "--budget", "1e20", *ADAM, "--cost",
        "overhead=1B,served=10B", "--within", "10M:100B", "--figure", figure, "--json",
    )  # fmt: skip
    assert (found.status, found.err) == (0, f"figure written to {figure}\n")
    assert figure.read_bytes().startswith(b"\x89PNG")
    answer = bs.allocate(
        bs.load("two.nc"), [1e19, 1e20], at={"recipe": "adam"}, within=(1e7, 1e11),
        cost=bs.Cost(overhead=1e9, served=1e10),
    )  # fmt: skip
    assert found.json == allocation.allocation_object(answer)
    assert found.json["cost"] == "(6 N + 1e+09) D + 2 N x 1e+10 served (FLOP)"


def test_allocate_in_words(folder: Path) -> None:
    found = command("allocate", "two.nc", "--budget", "1e24", "--unique", "1e12")
    assert found.status == 0
    assert found.out.startswith("best split of a budget between size N and tokens D, cost 6 N D")
    assert "[far-outside]" in found.err
    assert "[unique-used-up]" in found.err


def test_allocate_for_a_target(folder: Path) -> None:
    arguments = ("allocate", "two.nc", "--target", "2.5", "--target", "2.4", *ADAM)
    fit = bs.load("two.nc")
    answer = bs.cheapest(fit, [2.5, 2.4], at={"recipe": "adam"})
    assert command(*arguments, "--json").json == allocation.cheapest_object(answer)
    text = command(*arguments)
    assert text.out.startswith("smallest cost at which loss (nat/token) reaches a target")
    sized = ("allocate", "two.nc", "--target", "2.5", *ADAM, "--size", "1B", "--size", "300M")
    other = bs.iso_loss(fit, [1e9, 3e8], target=2.5, at={"recipe": "adam"})
    assert command(*sized, "--json").json == allocation.iso_loss_object(other)
    assert "tokens with which a size reaches a target" in command(*sized).out


def test_allocate_with_a_fitted_cost_and_profiles(folder: Path, tmp_path: Path) -> None:
    figure = tmp_path / "profiles.png"
    arguments = ("allocate", "two.nc", *ADAM, "--cost-fit", "cost.nc", "--profiles", "iso.nc")
    found = command(*arguments, "--draw", "profiles", "--figure", figure, "--json")
    assert found.status == 0
    assert figure.exists()
    profiles = bs.profiles(bs.load("iso.nc"))
    budgets = profiles.budgets["budget"].tolist()
    answer = bs.allocate(bs.load("two.nc"), budgets, at={"recipe": "adam"}, cost=bs.load("cost.nc"))
    assert found.json == {
        **allocation.allocation_object(answer),
        "profiles": allocation.profiles_object(profiles),
        "agreement": allocation.agreement_object(bs.agreement(answer, profiles)),
    }
    text = command(*arguments, "--budget", "1e19")
    assert text.status == 0
    assert "best sizes by isoFLOP profiles, law isoflop" in text.out
    assert "agree" in text.out


# -- compare


def test_compare_at_points(folder: Path, tmp_path: Path) -> None:
    figure = tmp_path / "ranks.png"
    found = command(
        "compare", "three.nc", *POINT, "--recipe", "soap", "--recipe", "adam", "--kind", "new-run",
        "--seed", "3", "--figure", figure, "--json",
    )  # fmt: skip
    assert (found.status, found.err) == (0, f"figure written to {figure}\n")
    answer = bs.compare(
        bs.load("three.nc"), ["soap", "adam"], at={"N": 1e9, "D": 2e10}, kind="new-run", seed=3
    )
    assert found.json == {
        "comparison": comparison.comparison_object(answer), "crossover": None, "multiplier": None,
        "warnings": [w.as_dict() for w in answer.warnings],
    }  # fmt: skip
    text = command("compare", "three.nc", "--points", "points.csv")
    assert text.status == 0
    assert text.out.startswith("loss (nat/token) of the law's mean; lower is better")


def test_compare_two_along_a_budget(folder: Path, tmp_path: Path) -> None:
    figure = tmp_path / "crossing.png"
    arguments = ("compare", "two.nc", *ALONG, "--places", "3")
    found = command(*arguments, "--draw", "crossover", "--figure", figure, "--json")
    assert found.status == 0
    assert figure.exists()
    fit = bs.load("two.nc")
    answered = found.json
    warnings = answered.pop("warnings")
    assert [w["code"] for w in warnings].count("common-parameters") == 1  # of three answers
    assert answered == {
        "comparison": comparison.comparison_object(bs.compare(fit, path=PATH, places=3)),
        "crossover": comparison.crossover_object(bs.crossover(fit, "adam", "muon", PATH)),
        "multiplier": comparison.multiplier_object(
            bs.multiplier(fit, "adam", "muon", PATH, places=3)
        ),
    }
    text = command(*arguments)
    assert "crossover of adam and muon along the budget at 20 tokens per parameter" in text.out
    assert "share of the budget of muon with which adam is as good" in text.out


def test_compare_many_along_an_input(folder: Path) -> None:
    found = command(
        "compare", "three.nc", "--along", "N=100M:10B", "--ratio", "D=20", "--places", "2", "--json"
    )
    path = bs.ScalingPath(1e8, 1e10, along="N", ratios={"D": 20.0})
    answer = bs.compare(bs.load("three.nc"), path=path, places=2)
    assert found.json["comparison"] == comparison.comparison_object(answer)
    best = comparison.order_at(answer, 1)
    crossing = found.json["crossover"]
    assert [crossing["first"], crossing["second"]] == best[:2]
    assert found.json["multiplier"] is None


def test_other_inputs_of_a_path(folder: Path) -> None:
    path = ("--along", "N=100M:1B", "--other", "D=20B", "--places", "2")
    found = command("compare", "two.nc", *path, "--json")
    assert [p["inputs"] for p in found.json["comparison"]["points"]] == [{"N": 1e8}, {"N": 1e9}]


# -- decide


def test_decide(folder: Path, tmp_path: Path) -> None:
    figure = tmp_path / "choice.png"
    found = command(
        "decide", "three.nc", *POINT, "--rope", "0.002", "--confidence", "0.9", "--cost", "6ND",
        "--price", "1e-24", "--figure", figure, "--json",
    )  # fmt: skip
    assert (found.status, found.err) == (0, f"figure written to {figure}\n")
    answer = bs.decide(
        bs.load("three.nc"), {"N": 1e9, "D": 2e10}, rope=0.002, confidence=0.9, cost=bs.six_nd,
        price=1e-24,
    )  # fmt: skip
    assert found.json == comparison.decision_object(answer)


def test_not_settled_is_an_answer(folder: Path) -> None:
    found = command("decide", "two.nc", "--budget", "1e20", "--confidence", "0.9999")
    assert found.status == 0
    first, *_ = found.out.splitlines()
    assert first.startswith("budget 1e+20: not settled: ")
    table = command("decide", "two.nc", "--points", "points.csv", "--recipe", "adam", "--recipe",
                    "muon")  # fmt: skip
    assert (table.status, table.out.count("chosen")) == (0, 2)


# -- bad input


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("allocate", "two.nc"), "give a --budget such as 1e22"),
        (("allocate", "two.nc", "--budget", "1e20", "--target", "2"), "give either --budget"),
        (("allocate", "two.nc", "--size", "1B"), "--size needs one --budget or one --target"),
        (("allocate", "two.nc", "--target", "2", "--profiles", "iso.nc"), "--profiles goes with"),
        (("allocate", "two.nc", "--budget", "1e20", "--draw", "profiles"), "--draw profiles needs"),
        (("allocate", "two.nc", "--budget", "much"), "'much' is not a number"),
        (("allocate", "two.nc", "--budget", "1e20", "--within", "1B"), "--within expects FROM:TO"),
        (("allocate", "two.nc", "--budget", "1e20", "--cost", "power=2"), "--cost has no 'power'"),
        (("allocate", "two.nc", "--budget", "1e20", "--cost", "6ND", "--cost-fit", "cost.nc"),
         "give the cost either with --cost or"),
        (("allocate", "two.nc", "--budget", "1e20", "--cost-fit", "iso.nc"),
         "the fit of law isoflop is no cost"),
        (("allocate", "two.nc", "--budget", "1e20", "--at", "N=1B"), "N is what the answer looks"),
        (("allocate", "two.nc", "--profiles", "two.nc"), "profiles are read from a fit of law"),
        (("compare", "two.nc"), "give points (--at N=7B,D=1.4T"),
        (("compare", "two.nc", *POINT, *ALONG), "give points (--at N=7B,D=1.4T"),
        (("compare", "two.nc", *POINT, "--ratio", "20"), "--ratio is of a path"),
        (("compare", "two.nc", *ALONG, "--kind", "new-run"), "along a path the law's means"),
        (("compare", "two.nc", "--along", "budget=1e18:1e21", "--ratio", "D=20"),
         "along a budget --ratio is one number"),
        (("compare", "two.nc", "--along", "1e18:1e21"), "--along expects NAME=VALUE"),
        (("compare", "two.nc", "--along", "budget=1e18"), "--along expects FROM:TO"),
        (("compare", "three.nc", *ALONG, "--draw", "multiplier", "--figure", "m.png"),
         "a multiplier is of two recipes"),
        (("compare", "two.nc", *POINT, "--recipe", "adam"), "two recipes or more"),
        (("compare", "bare.nc", *POINT), "recipes are labels of a grouping column"),
        (("decide", "two.nc"), "give a target: --at N=7B,D=1.4T"),
        (("decide", "two.nc", *POINT, "--price", "1"), "a price needs a cost"),
        (("decide", "two.nc", *POINT, "--rope", "-1"), "rope is -1.0"),
    ],
)  # fmt: skip
def test_wrong_usage_ends_with_two(folder: Path, arguments: tuple[str, ...], message: str) -> None:
    found = command(*arguments)
    assert (found.status, found.out) == (2, "")
    assert found.errors[0].startswith(f"error: {message}")
    assert not (folder / "m.png").exists()


@pytest.mark.parametrize(
    "arguments",
    [("allocate", "--budget", "1e20"), ("compare", *POINT), ("decide", *POINT)],
    ids=["allocate", "compare", "decide"],
)
def test_an_unfit_fit_ends_with_one_unless_forced(folder: Path, arguments: tuple[str, ...]) -> None:
    verb, *rest = arguments
    found = command(verb, "poor.nc", *rest)
    assert found.status == 1
    assert "divergences" in found.err
    assert command(verb, "poor.nc", *rest, "--force").status == 0
