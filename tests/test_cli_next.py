"""The verbs next, observe and plan: what they print, what they write, and bad input."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from command import command
from decision_fits import cost_fit, crossing_fit
from fakes import RECIPES, TRUTH, diverged, fake_fit_of

import bayes_scaling as bs
from bayes_scaling import Fit, NextRun, Runs
from bayes_scaling.display import next_run as display

AT = ("--at", "N=10B,D=200B,recipe=muon")
POINT = {"N": 1e10, "D": 2e11, "recipe": "muon"}
FORECAST = ("--goal", "forecast", *AT)
POOL = ("--candidates", "pool.csv")
BOX = ("--box", "N=100M:4B,D=20B,recipe=adam|muon")
PLAN = ("--law", "chinchilla", "--expect", "2.2:3.2", "--goal", "forecast", "--at", "N=7B,D=140B")


def made_up(fit: Fit, runs: Runs, *, seed: int = 0, report: Callable[[str], None]) -> Fit:
    """Stand for a refit: a made-up fit of all runs."""
    report(f"fitting {len(runs)} runs")
    return fake_fit_of(
        fit.law, runs.frame[["N", "D", "recipe"]], TRUTH, labels=RECIPES,
        pool={"level": "partial", "alpha": "partial"}, draws=150, seed=seed,
    )  # fmt: skip


@pytest.fixture(autouse=True)
def _no_sampler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bayes_scaling.answers.loop.refit", made_up)


class Recorder:
    """Stands for a function of the package: keeps what it was asked, gives one answer."""

    def __init__(self, answer: NextRun):
        self.answer = answer
        self.calls: dict[str, tuple[Any, dict[str, Any]]] = {}

    def stand_for(self, name: str) -> Callable[..., NextRun]:
        def run(*given: Any, **options: Any) -> NextRun:
            self.calls[name] = (given, options)
            return self.answer

        return run

    def __call__(self, name: str) -> tuple[Any, dict[str, Any]]:
        return self.calls[name]


@pytest.fixture(scope="module")
def answer(kept: Path) -> NextRun:
    pool = pd.read_csv(kept / "pool.csv")
    return bs.next_run(bs.load(kept / "two.nc"), pool, bs.Goal("forecast", at=POINT))


@pytest.fixture
def recorded(answer: NextRun, monkeypatch: pytest.MonkeyPatch) -> Recorder:
    found = Recorder(answer)
    for name in ("next_run", "first_runs"):
        monkeypatch.setattr(bs, name, found.stand_for(name), raising=False)
    return found


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fits, and tables of runs that could be paid for and that are done."""
    folder = tmp_path_factory.mktemp("fits")
    crossing_fit(draws=150).save(folder / "two.nc")
    cost_fit().save(folder / "cost.nc")
    diverged(crossing_fit(draws=150), 50).save(folder / "poor.nc")
    rows = [(n, 20 * n, r) for n in (1e8, 1e9, 4e9) for r in ("adam", "muon")]
    pool = pd.DataFrame(rows, columns=["N", "D", "recipe"])
    pool.to_csv(folder / "pool.csv", index=False)
    pool.assign(cost=range(1, 7), p_fail=0.1).to_json(
        folder / "priced.jsonl", orient="records", lines=True
    )
    pool.iloc[[0]].to_parquet(folder / "running.parquet")
    pool.iloc[[1, 4]].assign(loss=[2.9, 2.4]).to_csv(folder / "done.csv", index=False)
    pool.iloc[[0]].to_csv(folder / "lossless.csv", index=False)
    pool.iloc[[1]].assign(loss=2.9, cost="dear").to_csv(folder / "dear.csv", index=False)
    (folder / "points.csv").write_text("N,D\n1e10,2e11\n4e9,8e10\n")
    grid = ["X,recipe,cost", "100M,a,1", "1B,a,5", "10B,a,9", "100M,b,1", "1B,b,5", "10B,b,9"]
    (folder / "grid.csv").write_text("\n".join(grid))
    return folder


@pytest.fixture
def folder(kept: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(kept)
    return kept


@pytest.fixture(scope="module")
def written(kept: Path) -> bytes:
    """A loop that the verb began."""
    path = kept / "begun.nc"
    begun = command(
        "next", kept / "two.nc", *FORECAST, "--candidates", kept / "pool.csv", "--count", "2",
        "--spend", "1e22", "-o", path,
    )  # fmt: skip
    assert begun.status == 0
    return path.read_bytes()


@pytest.fixture
def loop(folder: Path, written: bytes, tmp_path: Path) -> Path:
    path = tmp_path / "loop.nc"
    path.write_bytes(written)
    return path


# -- next


def test_next(folder: Path, tmp_path: Path) -> None:
    figure = tmp_path / "next.png"
    found = command(
        "next", "two.nc", *FORECAST, "--kind", "new-run", "--candidates", "priced.jsonl",
        "--spend", "9", "--largest", "5", "--repeats", "2", "--maximise", "value", "--seed", "3",
        "--precision", "1e-4", "--running", "running.parquet", "--figure", figure, "--json",
    )  # fmt: skip
    assert found.status == 0
    assert figure.read_bytes().startswith(b"\x89PNG")
    answer = bs.next_run(
        bs.load("two.nc"), pd.read_json("priced.jsonl", lines=True),
        bs.Goal("forecast", at=POINT, kind="new-run", precision=1e-4), budget=9.0, largest=5.0,
        repeats=2, by="value", seed=3, running=pd.read_parquet("running.parquet"),
    )  # fmt: skip
    assert found.json == display.next_run_object(answer)
    assert found.json["picks"]


def test_next_in_words(folder: Path) -> None:
    found = command("next", "two.nc", *FORECAST, *POOL)
    assert found.status == 0
    lines = found.out.splitlines()
    assert lines[0].startswith("forecast at N=1e+10, D=2e+11, recipe=muon: ")
    assert lines[-1].startswith("log of loss at N=1e+10, D=2e+11, recipe=muon: sd ")
    stopped = command("next", "two.nc", *FORECAST, *POOL, "--spend", "1")
    assert (stopped.status, stopped.out.splitlines()[1]) == (
        0, "no candidate can be paid for: the cheapest costs 1.2e+18 FLOP",
    )  # fmt: skip


def test_next_for_a_decision_at_a_budget_from_a_box(folder: Path, recorded: Recorder) -> None:
    found = command(
        "next", "two.nc", "--goal", "decision", "--budget", "1e21", "--recipe", "muon",
        "--recipe", "adam", "--by", "recipe", "--rope", "0.001", "--confidence", "0.99", *BOX,
        "--cost", "served=1T", "--price", "1e-24", "--json",
    )  # fmt: skip
    (fit, box, goal), options = recorded("next_run")
    assert fit.spec == bs.load("two.nc").spec
    assert box == {"N": (1e8, 4e9), "D": 2e10, "recipe": ["adam", "muon"]}
    assert goal == bs.Goal(
        "decision", budget=1e21, recipes=("muon", "adam"), by="recipe", rope=0.001, confidence=0.99
    )
    assert options == {
        "cost": bs.Cost(served=1e12), "price": 1e-24, "count": None, "budget": None, "by": "auto",
        "largest": None, "repeats": 1, "running": None, "seed": 0, "force": False,
    }  # fmt: skip
    assert found.json == display.next_run_object(recorded.answer)


def test_next_for_allocations_with_a_fitted_cost(folder: Path, recorded: Recorder) -> None:
    found = command(
        "next", "two.nc", "--goal", "allocation", "--budget", "1e21", "--budget", "1e22",
        "--at", "recipe=muon", *POOL, "--cost-fit", "cost.nc",
    )  # fmt: skip
    assert found.status == 0
    (_, pool, goal), options = recorded("next_run")
    assert goal == bs.Goal("allocation", budget=(1e21, 1e22), at={"recipe": "muon"})
    pd.testing.assert_frame_equal(pool, pd.read_csv("pool.csv"), check_dtype=False)
    assert options["cost"].law.name == "training_cost"


def test_points_of_a_goal_may_be_a_file(folder: Path, recorded: Recorder) -> None:
    command("next", "two.nc", "--goal", "forecast", "--points", "points.csv", *POOL)
    (_, _, goal), _ = recorded("next_run")
    assert goal.at == ({"N": 1e10, "D": 2e11}, {"N": 4e9, "D": 8e10})


# -- loops


def test_a_loop_is_begun_asked_and_observed(loop: Path, tmp_path: Path) -> None:
    asked = command("next", loop, "--json").json
    fit = bs.load("two.nc")
    goal = bs.Goal("forecast", at=POINT)
    own, answer = bs.begin_loop(fit, pd.read_csv("pool.csv"), goal, count=2, budget=1e22)
    assert asked == display.loop_object(own, answer)
    assert (asked["runs"], asked["spent"], len(asked["picks"])) == (18, 0.0, 2)
    later = command("next", loop, "--running", "running.parquet", "--json").json
    assert later["sds"][0]["now"] < asked["sds"][0]["now"]

    figure = tmp_path / "after.png"
    found = command("observe", loop, "--points", "done.csv", "--figure", figure, "--json")
    assert found.status == 0
    assert figure.exists()
    assert found.err.splitlines() == [
        "fitting 20 runs", f"figure written to {figure}", f"loop written to {loop}",
    ]  # fmt: skip
    assert found.json["runs"] == 20
    assert found.json["spent"] == pytest.approx(6 * 20 * (1e8**2 + 4e9**2))
    kept = bs.load_loop(loop)
    surprises = [w for w in found.json["warnings"] if w["code"] == "unexpected-run"]
    assert surprises  # these losses are no line of the fit
    assert [w["message"] for w in surprises] == kept.history[0]["unexpected"]
    proposed = display.loop_object(kept, bs.propose(kept))
    assert found.json == {**proposed, "warnings": surprises + proposed["warnings"]}
    assert [len(e.get("observed", [])) for e in kept.history] == [2, 0]
    again = command("observe", loop, "--points", "done.csv")
    assert again.out.splitlines()[-1] == "22 runs, 4 of them bought in this loop for 3.842e+21"
    # the file is a fit as well
    assert command("forecast", loop, *AT, "--json").status == 0
    assert command("next", loop, *FORECAST, *POOL, "--json").json["candidates"]


def test_a_loop_in_words(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "loop.nc"
    found = command("next", "two.nc", *FORECAST, *POOL, "-o", path)
    assert found.err.splitlines()[-1] == f"loop written to {path}"
    assert found.out.splitlines()[-1] == "18 runs, 0 of them bought in this loop for 0"
    assert found.out == command("next", path).out


def test_runs_that_are_wrong_leave_the_loop_as_it_was(loop: Path) -> None:
    before = loop.read_bytes()
    for file, status in (("lossless.csv", 2), ("no.csv", 1)):
        found = command("observe", loop, "--points", file)
        assert (found.status, found.out, len(found.errors)) == (status, "", 1)
    assert loop.read_bytes() == before


# -- plan


def test_plan(folder: Path, tmp_path: Path, recorded: Recorder) -> None:
    figure = tmp_path / "plan.png"
    found = command(
        "plan", *PLAN, "--prior", "population", "--isoflop", "1e18,1e19", "--cost", "overhead=1B",
        "--spend", "3e19", "--largest", "1e19", "--maximise", "information", "--seed", "4",
        "--figure", figure, "--json",
    )  # fmt: skip
    assert found.status == 0
    assert figure.exists()
    (model, grid, goal, expected), options = recorded("first_runs")
    assert model.law.name == "chinchilla"
    assert model.population is not None
    cost = bs.Cost(overhead=1e9)
    pd.testing.assert_frame_equal(grid, bs.isoflop_grid([1e18, 1e19], cost=cost))
    assert goal == bs.Goal("forecast", at={"N": 7e9, "D": 1.4e11})
    assert expected == (2.2, 3.2)
    assert options == {
        "groups": (), "cost": cost, "count": None, "budget": 3e19, "largest": 1e19,
        "by": "information", "seed": 4,
    }  # fmt: skip
    assert found.json == display.next_run_object(recorded.answer)


def test_a_plan_of_a_table(folder: Path, recorded: Recorder) -> None:
    found = command(
        "plan", "--law", "power_law", "--expect", "2.2:3.2", "--goal", "forecast", "--at",
        "X=1T,recipe=a", "--candidates", "grid.csv", "--group", "recipe", "--count", "2",
    )  # fmt: skip
    assert found.status == 0
    assert found.out.splitlines()[0] == f"{recorded.answer.goal.text}: {recorded.answer.answer}"
    (_, pool, goal, _), options = recorded("first_runs")
    assert pool["X"].tolist() == [1e8, 1e9, 1e10] * 2
    assert pool["cost"].tolist() == [1, 5, 9] * 2
    assert goal.at == ({"X": 1e12, "recipe": "a"},)
    assert (options["groups"], options["count"], options["cost"]) == (["recipe"], 2, None)


def test_a_plan_follows_one_law(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    several = bs.WeightedModel(
        [bs.ScalingModel(bs.models.chinchilla), bs.ScalingModel(bs.models.skaling)], [1, 1]
    )
    monkeypatch.setattr("bayes_scaling.make_model", lambda *_, **__: several)
    found = command("plan", *PLAN[2:], "--isoflop", "1e18")
    assert (found.status, found.errors) == (
        2, ["error: a plan follows one law, and auto is several: name one (--law) [usage]"],
    )  # fmt: skip


# -- bad input


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("next", "two.nc"), "'two.nc' is a fit and no loop: say what runs are to make sharp"),
        (("next", "two.nc", *POOL), "say what the runs are to make sharp: --goal forecast, alloc"),
        (("next", "two.nc", *FORECAST), "give the runs that could be paid for either with"),
        (("next", "two.nc", *FORECAST, *POOL, *BOX), "give the runs that could be paid for either"),
        (("next", "two.nc", "--goal", "glory", *POOL), "Invalid value for '--goal'"),
        (("next", "two.nc", "--goal", "forecast", *POOL), "a forecast is asked at points"),
        (("next", "two.nc", "--goal", "allocation", *POOL), "an allocation is of budgets"),
        (("next", "two.nc", "--goal", "decision", *POOL), "give a target to decide about"),
        (("next", "two.nc", *FORECAST, *POOL, "--points", "points.csv"), "give points either"),
        (("next", "two.nc", *FORECAST, *POOL, "--budget", "1e20"), "a forecast is asked at poin"),
        (("next", "two.nc", *FORECAST, *POOL, "--precision", "-1"), "precision is -1.0; it must"),
        (("next", "two.nc", *FORECAST, *POOL, "--spend", "much"), "'much' is not a number"),
        (("next", "two.nc", *FORECAST, *POOL, "--count", "0"), "count is 0; it must be one or"),
        (("next", "two.nc", *FORECAST, *POOL, "--count", "0", "-o", "l.nc"), "count is 0; it must"),
        (("next", "two.nc", *FORECAST, *POOL, "--largest", "-1"), "largest is -1.0; it must be"),
        (("next", "two.nc", *FORECAST, *POOL, "--price", "-1"), "price is -1.0; it must be zero"),
        (("next", "two.nc", *FORECAST, *POOL, "--maximise", "luck"), "Invalid value for '--maxim"),
        (("next", "two.nc", *FORECAST, *POOL, "--cost", "power=2"), "--cost has no 'power'"),
        (("next", "two.nc", *FORECAST, *POOL, "--running", "running.parquet", "-o", "l.nc"),
         "a loop begins with nothing under way"),
        (("next", "two.nc", *FORECAST, "--box", "N=4B:1B,D=1B"), "the range of N is 4e+09 to"),
        (("next", "two.nc", *FORECAST, "--box", "N"), "--box expects NAME=VALUE, got 'N'"),
        (("next", "two.nc", *FORECAST, "--box", "N=1B:x,D=1B"), "'x' is not a number"),
        (("next", "two.nc", *FORECAST, "--box", "N=1B:4B,D=1B,recipe=soap"), "recipe 'soap' was"),
        (("next", "two.nc", *FORECAST, *POOL, "-o", "nowhere/l.nc"), "folder 'nowhere' of the out"),
        (("next", "two.nc", *FORECAST, *POOL, "-o", "."), "output '.' is a folder"),
        (("next", "two.nc", *FORECAST, *POOL, "-o", "l.nc", "--figure", "l.doc"), "'l.doc' must"),
        (("next", "loop.nc", "--count", "2"), "--count is settled when a loop begins"),
        (("next", "loop.nc", "--at", "N=1B"), "--at is settled when a loop begins"),
        (("observe", "loop.nc"), "give the runs that are done with --points FILE"),
        (("observe", "two.nc", "--points", "done.csv"), "'two.nc' is a fit and no loop"),
        (("observe", "loop.nc", "--points", "lossless.csv"), "the new runs have no column 'loss'"),
        (("observe", "loop.nc", "--points", "dear.csv"), "'dear' is not a number"),
        (("observe", "loop.nc", "--points", "done.csv", "--figure", "f.doc"), "'f.doc' must end"),
        (("plan", *PLAN[:2]), "give the best and the worst response to be expected"),
        (("plan", *PLAN), "give the runs that could be paid for either with --candidates FILE or"),
        (("plan", *PLAN, "--isoflop", "1e18", *POOL), "give the runs that could be paid for"),
        (("plan", *PLAN[:4], "--isoflop", "1e18"), "say what the runs are to make sharp"),
        (("plan", *PLAN, "--isoflop", "1e18,much"), "'much' is not a number"),
        (("plan", *PLAN, "--isoflop", "-1"), "budgets must be positive numbers"),
        (("plan", *PLAN, "--isoflop", "1e18", "--group", "recipe"), "--group is a column of"),
        (("plan", *PLAN, *POOL, "--group", "corpus"), "the candidates have no column 'corpus'"),
        (("plan", *PLAN[:2], "--expect", "3:2", *PLAN[4:], "--isoflop", "1e18"), "expected is 3"),
        (("plan", *PLAN[:2], "--expect", "3", *PLAN[4:], "--isoflop", "1e18"), "--expect expects"),
        (("plan", "--law", "hope", *PLAN[2:], "--isoflop", "1e18"), "no law named 'hope'"),
    ],
)  # fmt: skip
def test_wrong_usage_ends_with_two(
    folder: Path, loop: Path, arguments: tuple[str, ...], message: str
) -> None:
    before = loop.read_bytes()
    given = [str(loop) if a == "loop.nc" else a for a in arguments]
    found = command(*given)
    assert (found.status, found.out) == (2, "")
    assert len(found.errors) == 1
    assert found.errors[0].startswith(f"error: {message}")
    assert loop.read_bytes() == before
    assert not (folder / "l.nc").exists()


def test_an_unfit_fit_ends_with_one_unless_forced(folder: Path, tmp_path: Path) -> None:
    found = command("next", "poor.nc", *FORECAST, *POOL, "-o", tmp_path / "loop.nc")
    assert found.status == 1
    assert "divergences" in found.err
    assert not (tmp_path / "loop.nc").exists()
    assert command("next", "poor.nc", *FORECAST, *POOL, "--force").status == 0


def test_a_table_that_is_none_ends_with_one(folder: Path) -> None:
    found = command("next", "two.nc", *FORECAST, "--candidates", "no.csv")
    assert found.status == 1
    assert "no.csv' does not exist" in found.err
