"""Stacking: against a brute-force optimum, and what counts as one piece of evidence."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import optimize
from scipy.special import logsumexp, softmax

from bayes_scaling.errors import UsageError
from bayes_scaling.validation.weights import stack

LAWS = ("a", "b", "c")


def scored(counts: list[int], better: list[float], seed: int = 3) -> pd.DataFrame:
    """Runs of several folds, and log densities; `better` is how much law a leads in a fold."""
    rng = np.random.default_rng(seed)
    parts = []
    for fold, (count, lead) in enumerate(zip(counts, better, strict=True)):
        table = pd.DataFrame(rng.normal(size=(count, 3)), columns=[*LAWS])
        parts.append(table.assign(a=table["a"] + lead, fold=fold, set=f"s{fold % 2}"))
    return pd.concat(parts, ignore_index=True)


def objective(
    weights: np.ndarray, table: pd.DataFrame, evidence: np.ndarray, shrinkage: float
) -> float:
    log_mix = logsumexp(table[[*LAWS]].to_numpy() + np.log(weights), axis=1)
    return float(evidence @ log_mix + shrinkage * np.log(weights).sum())


def brute_force(table: pd.DataFrame, evidence: np.ndarray, shrinkage: float) -> np.ndarray:
    """Weights by BFGS on their logits, from several starts."""
    starts = np.random.default_rng(1).normal(size=(4, 3))
    found = [
        optimize.minimize(lambda z: -objective(softmax(z), table, evidence, shrinkage), start)
        for start in starts
    ]
    return softmax(min(found, key=lambda r: r.fun).x)


@pytest.mark.parametrize("shrinkage", [0.3, 1.0, 5.0])
@pytest.mark.parametrize("better", [[0.0, 0.0, 0.0], [1.0, -0.5, 2.0]])
def test_weights_are_the_optimum(shrinkage: float, better: list[float]) -> None:
    table = scored([5, 9, 2], better)
    evidence = 1.0 / table.groupby("fold")["a"].transform("size").to_numpy()
    found = stack(table, laws=LAWS, shrinkage=shrinkage)
    assert list(found) == [*LAWS]
    assert sum(found.values()) == pytest.approx(1.0)
    wanted = brute_force(table, evidence, shrinkage)
    np.testing.assert_allclose(list(found.values()), wanted, atol=2e-4)


def test_without_shrinkage_a_law_may_have_no_weight() -> None:
    table = scored([5, 9, 2], [3.0, 3.0, 3.0])
    table["c"] = table["a"] - 1.0  # worse everywhere
    found = stack(table, laws=LAWS, shrinkage=0.0)
    assert found["c"] < 1e-6
    evidence = 1.0 / table.groupby("fold")["a"].transform("size").to_numpy()
    own = np.maximum(list(found.values()), 1e-300)
    rng = np.random.default_rng(4)
    best = max(objective(w, table, evidence, 0.0) for w in rng.dirichlet(np.ones(3), 20_000))
    assert objective(own, table, evidence, 0.0) > best - 1e-3


def test_shrinkage_pulls_to_equal_weights() -> None:
    table = scored([20, 20, 20], [4.0, 4.0, 4.0])
    found = [stack(table, laws=LAWS, shrinkage=s)["a"] for s in (0.0, 0.3, 1.0, 10.0, 1e6)]
    assert found == sorted(found, reverse=True)
    assert found[0] > 0.99
    assert found[-1] == pytest.approx(1 / 3, abs=1e-5)


def test_a_law_in_the_tail_is_left_out_and_the_others_weighed_again() -> None:
    table = scored([20, 20, 20], [1.0, 0.5, 1.5])
    table["c"] = table["a"] - 3.0
    whole = stack(table, laws=LAWS, shrinkage=0.1)
    assert 0 < whole["c"] < 0.05
    found = stack(table, laws=LAWS, shrinkage=0.1, least=0.05)
    assert found["c"] == 0.0
    two = stack(table, laws=("a", "b"), shrinkage=0.1)
    assert (found["a"], found["b"]) == pytest.approx((two["a"], two["b"]))
    table["b"] = table["c"] = table["a"]
    assert min(stack(table, laws=LAWS, least=1 / 3).values()) == pytest.approx(1 / 3)


def test_laws_that_say_the_same_share_their_weight() -> None:
    table = scored([6, 6], [1.0, 0.0])
    table["b"] = table["a"]
    found = stack(table, laws=LAWS)
    assert found["a"] == pytest.approx(found["b"])


def test_a_fold_with_many_runs_counts_as_one() -> None:
    few = scored([4, 4], [2.0, -2.0])
    many = pd.concat([few, *[few[few["fold"] == 0]] * 99], ignore_index=True)
    first, second = (stack(t, laws=LAWS) for t in (few, many))
    assert second == pytest.approx(first, abs=1e-9)
    alone = stack(many.assign(run=range(len(many))), laws=LAWS, within=["run"])
    assert alone["a"] > first["a"] + 0.05  # where every run counts, the many win


def test_a_set_with_many_folds_counts_as_one() -> None:
    rng = np.random.default_rng(6)
    lead = {"x": 2.0, "y": -2.0}
    rows = [
        {"set": name, "fold": fold, "a": lead[name] + 0.1 * rng.normal(), "b": 0.0, "c": -1.0}
        for name, folds in (("x", 30), ("y", 1))
        for fold in range(folds)
        for _ in range(3)
    ]
    table = pd.DataFrame(rows)
    found = stack(table, laws=LAWS, within=("set", "fold"), shrinkage=0.1)
    evidence = table["set"].map({"x": 1 / 90, "y": 1 / 3}).to_numpy()
    np.testing.assert_allclose(list(found.values()), brute_force(table, evidence, 0.1), atol=2e-4)
    assert found["b"] > 0.3
    by_fold = stack(table.assign(fold=table["set"] + table["fold"].astype(str)), laws=LAWS,
                    shrinkage=0.1)  # fmt: skip
    assert by_fold["a"] > found["a"] + 0.2


def test_labels_of_folds_may_repeat_between_sets() -> None:
    rows = pd.DataFrame({"set": ["x", "x", "y"], "fold": [0, 1, 0], "a": 0.0, "b": [1.0, 1.0, -1]})
    named = rows.assign(fold=["x0", "x1", "y0"])
    one, other = (stack(t, laws=("a", "b"), within=("set", "fold")) for t in (rows, named))
    assert one == other


def test_a_density_of_zero_rules_a_law_out_of_a_run() -> None:
    table = pd.DataFrame({"fold": [0, 1], "a": [-np.inf, 0.0], "b": [0.0, 0.0]})
    found = stack(table, laws=("a", "b"), shrinkage=0.0)
    assert found["b"] == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"laws": ("a", "d")}, "needs scored runs with columns fold, a, d; d are missing"),
        ({"within": ("set", "part")}, "part are missing"),
        ({"laws": ()}, "rows are missing"),
        ({"shrinkage": -1.0}, "shrinkage is -1.0; it must be zero or positive"),
        ({"shrinkage": float("nan")}, "shrinkage is nan"),
        ({"least": 0.4}, "least is 0.4; it must be from 0 to 1 / 3"),
    ],
)
def test_what_stacking_needs(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        stack(scored([3, 3], [0.0, 0.0]), **{"laws": LAWS, **options})


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.nan, "a log density is not a number"),
        (np.inf, "a log density is not a number"),
        (-np.inf, "no law gives a run any chance"),
    ],
)
def test_densities_must_be_numbers(value: float, message: str) -> None:
    table = scored([3, 3], [0.0, 0.0])
    table.loc[2, [*LAWS]] = value
    with pytest.raises(UsageError, match=message):
        stack(table, laws=LAWS)


def test_an_empty_table_has_no_weights() -> None:
    with pytest.raises(UsageError, match="rows are missing"):
        stack(scored([3], [0.0]).iloc[:0], laws=LAWS)
