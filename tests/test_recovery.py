"""Every law finds the parameters that runs were simulated from; one program for all of a kind."""

from __future__ import annotations

import jax
import pytest
import results
from cases import CASES, Case
from recovery import BY_NAME, SETTINGS, compared, recover, simulated

from bayes_scaling.posterior.nuts import sample
from bayes_scaling.program import build_data, build_spec
from bayes_scaling.runs import read_runs


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.law)
def test_recovery(case: Case) -> None:
    found = recover(case.law)
    assert not found.faults(tuple(case.unidentified))


def test_runs_above_a_bound_leave_the_valley_where_it_is() -> None:
    """Of the worst rates only that their loss is above the bound is known."""
    case = BY_NAME["rate_valley"]
    law, runs = simulated(case)
    table = runs.frame.drop(columns="row")
    bound = table["response"].quantile(0.92)
    seen = read_runs(
        table.assign(response=table["response"].where(table["response"] < bound)),
        inputs={k: k for k in law.inputs},
        response="response",
        diverged_above=bound,
    )
    assert seen.diverged.sum() == 8
    spec = build_spec(law, seen, rung=False)
    data = build_data(spec, law, seen)
    drawn = sample(spec.structure(law), data, jax.random.key(1), SETTINGS)
    found = compared(case, spec, drawn, drawn.free)
    assert not found.faults(tuple(case.unidentified))


def test_faults_are_seen() -> None:
    """A wrong truth, a design without information and chains that disagree are told."""
    found = recover("power_law")
    wrong = found.__class__(
        **found.__dict__
        | {"divergences": 2, "rhat": 1.2, "z": {"alpha": 5.0}, "contraction": {"alpha": 0.1}}
    )
    assert wrong.faults(()) == [
        "2 divergences",
        "R-hat 1.200",
        "alpha +5.0 sd off",
        "alpha contracts by 0.10",
    ]
    assert "alpha contracts by 0.10" not in wrong.faults(("alpha",))


def test_the_table_of_results_is_current() -> None:
    table = results.read()
    assert not results.stale(table), "run python tests/results.py"
    assert set(table["law"]) == {case.law for case in CASES}
    assert results.PAGE.read_text() == results.page(table), "run python tests/results.py"


def test_the_table_of_results_shows_no_fault() -> None:
    table = results.read()
    assert (table["faults"] == "").all()
    assert results.uncalibrated(table).empty, results.uncalibrated(table).to_string()
