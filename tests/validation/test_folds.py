"""Forward splits: who is fitted, who is scored, and which folds count."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from backtests import grid_runs

import bayes_scaling as bs
from bayes_scaling.errors import UsageError
from bayes_scaling.models import registry
from bayes_scaling.validation import Fold, forward_folds
from bayes_scaling.validation.backtest_plan import scorable
from bayes_scaling.validation.folds import Cost, cost_of

COSTS = np.array([1.0, 2.0, 3.0, 6.0, 9.0, 13.0, 18.0, 27.0])
TABLE = pd.DataFrame({"N": COSTS, "group": list("abababab")})
LAW = registry["chinchilla"]


def folds(**options: Any) -> list[Fold]:
    return forward_folds(TABLE, COSTS, scales=["N"], **{"gaps": (3,), **options})


def costs(mask: np.ndarray) -> list[float]:
    return COSTS[mask].tolist()


def test_fitted_and_scored_runs() -> None:
    (fold,) = folds()
    assert (fold.origin, fold.gap, fold.skipped) == (27.0, 3.0, "")
    assert fold.distance == pytest.approx(np.log10(3))
    assert costs(fold.fitted) == [1.0, 2.0, 3.0, 6.0, 9.0]  # a run at the limit is fitted
    assert costs(fold.scored) == [27.0]  # and one at the edge of the window is not scored
    (wide,) = folds(scored_above=2.0)
    assert costs(wide.scored) == [18.0, 27.0]


def test_rounding_does_not_move_a_run_over_an_edge() -> None:
    off = COSTS * (1 + 1e-12 * np.array([1, -1, 1, -1, 1, -1, 1, -1]))
    (fold,) = forward_folds(TABLE, off, scales=["N"], gaps=(3,))
    assert costs(fold.fitted) == [1.0, 2.0, 3.0, 6.0, 9.0]
    assert costs(fold.scored) == [27.0]


def test_origins_step_down_to_runs_that_are_there() -> None:
    found = folds(origins=3, gaps=(2, 3))
    assert [(f.origin, f.gap) for f in found] == [
        (27.0, 2.0), (27.0, 3.0), (18.0, 2.0), (18.0, 3.0), (9.0, 2.0), (9.0, 3.0),
    ]  # fmt: skip
    scored = [costs(f.scored) for f in found if f.gap == 2.0]
    assert scored == [[27.0], [13.0, 18.0], [9.0]]  # nobody twice
    assert not found[2].fitted[6:].any()  # dearer than the origin: not even fitted
    given = folds(origins=[9.0, 20.0])
    assert [f.origin for f in given] == [20.0, 9.0]
    assert costs(given[0].scored) == [18.0]
    assert len(folds(origins=99)) == 7  # until there is no cheaper run


def test_the_reasons_of_folds_that_do_not_count() -> None:
    assert folds(gaps=(10,))[0].skipped == "2 distinct N, not 3"
    assert folds(parameters=3)[0].skipped == "5 fitted runs, not 6"
    assert folds(origins=[100.0], gaps=(20,))[0].skipped == "no run to forecast from 66.7 to 100"
    apart = TABLE.assign(group=list("aaaaaaab"))
    (fold,) = forward_folds(apart, COSTS, scales=["N"], groups=["group"], gaps=(3,))
    assert fold.skipped == "no scored run has a group that is fitted"
    close = TABLE.assign(N=[1.01, 1.02, 1.04, 2.0, 2.01, 1, 1, 1])  # equal to two digits
    assert forward_folds(close, COSTS, scales=["N"], gaps=(3,))[0].skipped == "2 distinct N, not 3"


def test_only_fitted_groups_and_known_runs_are_scored() -> None:
    some = TABLE.assign(group=list("aaaabbab"))
    options: dict[str, Any] = {"scales": ["N"], "groups": ["group"], "scored_above": 2.5}
    (fold,) = forward_folds(some, COSTS, gaps=(3,), **options)
    assert costs(fold.scored) == [13.0, 18.0, 27.0]
    (fold,) = forward_folds(some, COSTS, gaps=(3.1,), **options)
    assert costs(fold.scored) == [18.0]  # b is not fitted any more
    known = COSTS != 27.0
    (fold,) = forward_folds(some, COSTS, gaps=(3,), scorable=known, **options)
    assert costs(fold.scored) == [13.0, 18.0]


def test_along_dates_steps_are_differences() -> None:
    dates = Cost("date", np.array([2020.0, 2021, 2022, 2023, 2024, 2025, 2026, 2027]), on_log=False)
    (fold,) = forward_folds(TABLE, dates, scales=["N"], gaps=(3,), scored_above=1.5)
    assert dates.values[fold.fitted].max() == 2024
    assert dates.values[fold.scored].tolist() == [2026, 2027]
    assert fold.distance == 3.0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"gaps": ()}, "no gaps"),
        ({"gaps": (1.5,)}, r"a gap is 1.5; it must be above 1.5"),
        ({"gaps": (np.inf,)}, "a gap is inf"),
        ({"scored_above": 1.0}, "scored_above is 1; it must be above 1"),
        ({"origins": 0}, "origins is 0"),
        ({"origins": []}, "no origins"),
        ({"origins": [-1.0]}, "an origin is -1; costs are positive"),
    ],
)
def test_wrong_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        folds(**options)
    with pytest.raises(UsageError, match="cost must be positive"):
        forward_folds(TABLE, COSTS - 1.0, scales=["N"])


def test_what_runs_are_ordered_by() -> None:
    runs = grid_runs()
    n, d = (runs.frame[k].to_numpy() for k in "ND")
    assert cost_of(runs, "compute", [LAW]).values == pytest.approx(6 * n * d)
    found = cost_of(runs, "N", [LAW])
    assert (found.name, found.on_log, found.values.tolist()) == ("N", True, n.tolist())
    own = np.arange(1.0, len(runs) + 1)
    assert cost_of(runs, own, [LAW]) == ("cost", pytest.approx(own), True)
    table = runs.frame[["N", "D"]].assign(loss=runs.frame["response"], C=own, year=own - 3)
    inputs = {"N": "N", "D": "D", "C": "C", "year": "year"}
    more = bs.read_runs(table, inputs=inputs)
    assert cost_of(more, "compute", [LAW]).values.tolist() == own.tolist()  # not 6 N D
    assert not cost_of(more, "year", [LAW]).on_log  # not positive, and no scale of the law
    with pytest.raises(UsageError, match="by is 'M'; it must be compute or an input"):
        cost_of(runs, "M", [LAW])
    with pytest.raises(UsageError, match=r"shape \(3,\); one cost a run was expected, 25"):
        cost_of(runs, [1.0, 2.0, 3.0], [LAW])
    only = bs.read_runs(table, inputs={"N": "N"})
    with pytest.raises(UsageError, match=r"compute is 6 N D or a column C.*by='N'"):
        cost_of(only, "compute", [LAW])


def test_a_curve_is_divided_nowhere_and_scored_at_its_end() -> None:
    steps = np.tile([1.0, 2.0, 4.0], 4)
    frame = pd.DataFrame({"D": steps * 1e9, "N": np.repeat([1e8, 2e8, 4e8, 8e8], 3)})
    frame = frame.assign(run=np.repeat(list("abcd"), 3), loss=3.0)
    runs = bs.read_runs(frame, run="run")
    cost = cost_of(runs, "compute", [LAW]).values
    assert cost.reshape(4, 3) == pytest.approx(np.outer(2.4e18 * 2.0 ** np.arange(4), np.ones(3)))
    assert scorable(runs).reshape(4, 3).tolist() == [[False, False, True]] * 4


def test_diverged_and_untuned_runs_are_not_scored() -> None:
    frame = grid_runs().frame[["N", "D"]].assign(loss=3.0, untuned=0)
    frame.loc[3, "loss"], frame.loc[5, "untuned"] = 9.0, 1
    runs = bs.read_runs(frame, untuned="untuned", diverged_above=8.0)
    assert np.flatnonzero(~scorable(runs)).tolist() == [3, 5]
