"""Pass@k, budgets of samples, and retries behind an imperfect verifier."""

from __future__ import annotations

import importlib

import numpy as np
import pandas as pd
import pytest
from fakes import diverged, fake_fit, flat
from metric_fits import COVERAGE, counts_fit, coverage_fit, verifier_fit
from scipy import special, stats

from bayes_scaling.answers import Coverage, Retries, coverage, retries
from bayes_scaling.answers.retries import _open_and_used
from bayes_scaling.errors import FitError, UsageError
from bayes_scaling.models import registry
from bayes_scaling.posterior import Fit

SIZES = [{"N": 1e8}, {"N": 16e8}]
KS = (1, 7, 100, 5000)


@pytest.fixture(scope="module")
def problems() -> Fit:
    return coverage_fit(draws=100)


@pytest.fixture(scope="module")
def verified() -> Fit:
    return verifier_fit(draws=100)


def population(fit: Fit, n: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Shape of the beta distribution of pass rates, and the share at zero, by the formulas."""
    log_n = np.log(n / fit.spec.references["N"])
    rate = special.expit(special.logit(flat(fit, "rate")) + flat(fit, "rate_N") * log_n)
    tail = flat(fit, "tail") * np.exp(flat(fit, "tail_N") * log_n)
    return tail, tail * (1 - rate) / rate, flat(fit, "unsolvable")


def values(answer: Coverage) -> np.ndarray:
    return answer.draws.transpose("sample", "point", "k").to_numpy()


# -- pass@k


def test_pass_at_k_averages_over_problems(problems: Fit) -> None:
    answer = coverage(problems, SIZES, KS)
    for i, n in enumerate((1e8, 16e8)):
        a, b, zero = population(problems, n)
        for j, k in enumerate(KS):
            left = np.exp(special.betaln(a, b + k) - special.betaln(a, b))
            np.testing.assert_allclose(values(answer)[:, i, j], (1 - zero) * (1 - left), rtol=1e-6)
        np.testing.assert_allclose(values(answer)[:, i, 0], (1 - zero) * a / (a + b), rtol=1e-6)
    np.testing.assert_allclose(answer.limit.isel(point=0), 1 - flat(problems, "unsolvable"))
    assert (np.diff(values(answer), axis=-1) > 0).all()
    table = answer.summary()
    assert table["k"].tolist() == [*KS, *KS]
    np.testing.assert_allclose(table["mean"], values(answer).mean(0).ravel())
    np.testing.assert_allclose(table["q0.9"], np.quantile(values(answer), 0.9, axis=0).ravel())


def test_pass_at_k_is_what_simulated_problems_reach(problems: Fit) -> None:
    (a, b, zero), rng = population(problems, 1e8), np.random.default_rng(0)
    p = rng.beta(a[:1], b[:1], size=200_000) * (rng.uniform(size=200_000) > zero[0])
    for j, k in enumerate((3, 50)):
        solved = 1 - (1 - p) ** k
        found = values(coverage(problems, SIZES[:1], (3, 50)))[0, 0, j]
        assert found == pytest.approx(solved.mean(), abs=5 * solved.std() / np.sqrt(200_000))


def test_a_budget_ends_where_a_sample_costs_more_than_it_brings(problems: Fit) -> None:
    price = 2e-4
    answer = coverage(problems, SIZES[:1], KS, price=price)
    assert answer.worth is not None
    worth = answer.worth.to_numpy()[:, 0]
    a, b, zero = population(problems, 1e8)

    def gain(k: np.ndarray) -> np.ndarray:
        """Of sample k + 1."""
        open_after = [np.exp(special.betaln(a, b + j) - special.betaln(a, b)) for j in (k, k + 1)]
        return (1 - zero) * (open_after[0] - open_after[1])

    assert (gain(worth) <= price).all()
    assert (gain(worth - 1) > price).all()
    budget = answer.budget().iloc[0]
    assert budget["q0.5"] == pytest.approx(np.median(worth))
    # nobody buys a sample that never pays, and everybody one that is free of cost
    assert coverage(problems, SIZES, price=0.9).budget()["q0.975"].tolist() == [0, 0]
    free = coverage(problems, SIZES, price=1e-30).budget()["q0.5"]
    assert free.tolist() == pytest.approx([1e9, 1e9])
    assert not [w for w in answer.warnings if w.code == "budget-bound"]
    endless = [
        w for w in coverage(problems, SIZES, price=1e-30).warnings if w.code == "budget-bound"
    ]
    assert "in 100.0 % of the draws a sample still pays after 1,000,000,000" in endless[0].message
    with pytest.raises(UsageError, match="needs the price of a sample"):
        coverage(problems, SIZES).budget()


def test_of_the_same_problems_few_samples_are_counted(problems: Fit) -> None:
    """Of at most the samples drawn, the unbiased estimate of pass@k, without uncertainty."""
    answer = coverage(problems, SIZES, (1, 10, 100), same_problems=True)
    runs = problems.runs()
    for i, n in enumerate((1e8, 16e8)):
        passes = np.rint(runs["response"][runs["N"] == n] * 100)
        for j, k in enumerate((1, 10, 100)):
            wanted = 1 - stats.hypergeom.pmf(0, 100, passes, k)
            np.testing.assert_allclose(values(answer)[:, i, j], wanted.mean(), atol=1e-7)


def test_of_the_same_problems_more_samples_solve_what_is_still_open(problems: Fit) -> None:
    k = 1000
    own = values(coverage(problems, SIZES[:1], (k,), same_problems=True))[:, 0, 0]
    runs = problems.runs()
    passes = np.rint(runs["response"][runs["N"] == 1e8] * 100).to_numpy()
    missed = (passes == 0).sum()
    a, b, zero = population(problems, 1e8)
    # chance of a problem with no pass in 100 samples to get none in 1000, by Bayes' theorem
    none = np.exp(special.betaln(a, b + 100) - special.betaln(a, b))
    still = np.exp(special.betaln(a, b + k) - special.betaln(a, b))
    open_chance = (zero + (1 - zero) * still) / (zero + (1 - zero) * none)
    wanted = 1 - missed / 40 * open_chance
    error = np.sqrt((missed * open_chance * (1 - open_chance)).mean()) / 40 / np.sqrt(len(own))
    assert own.mean() == pytest.approx(wanted.mean(), abs=5 * error)
    assert own.std() == pytest.approx(error * np.sqrt(len(own)), rel=0.2)


def test_of_the_same_problems_what_k_samples_solve_more_solve_too(problems: Fit) -> None:
    own = values(coverage(problems, SIZES, (100, 200, 400, 5000), same_problems=True))
    assert (np.diff(own, axis=-1) >= 0).all()


def test_the_variant_without_unsolvable_problems_has_no_gap() -> None:
    law = registry["coverage"].variant("solvable")
    fit = coverage_fit(law=law, truth=COVERAGE | {"rate": 0.5, "tail": 300.0}, draws=50)
    # alike problems: that one of them is passed by none of many samples has no chance at all
    for k in (10, 10**8):
        own = values(coverage(fit, SIZES[:1], (k,), same_problems=True))
        np.testing.assert_allclose(own, 1.0, atol=1e-2)


def test_far_more_samples_than_were_drawn_are_a_warning(problems: Fit) -> None:
    assert coverage(problems, SIZES, (1, 1000)).warnings == ()
    (found,) = coverage(problems, SIZES, (1, 1001)).warnings
    assert found.code == "far-samples"
    assert "k = 1,001 is 10 times the samples" in found.message


def test_wrong_usage_of_coverage(problems: Fit) -> None:
    with pytest.raises(UsageError, match="fit is of law chinchilla with noise student-t"):
        coverage(fake_fit(draws=50), {"N": 1e9, "D": 1e10})
    with pytest.raises(UsageError, match="law capability_sigmoid with noise beta-binomial"):
        coverage(counts_fit(draws=50), {"C": 1e20, "task": "qa"})
    for k in ((), (0,), (5, -1)):
        with pytest.raises(UsageError, match="numbers of samples must be whole and positive"):
            coverage(problems, SIZES, k)
    with pytest.raises(UsageError, match="the price of a sample is 0"):
        coverage(problems, SIZES, price=0)
    with pytest.raises(UsageError, match="point 2 is that of no fitted problem"):
        coverage(problems, [{"N": 1e8}, {"N": 2e8}], same_problems=True)
    with pytest.raises(FitError, match="divergences"):
        coverage(diverged(problems, 200), SIZES)


# -- retries


def chances(fit: Fit, n: float) -> tuple[np.ndarray, np.ndarray]:
    """Chances that a sample is accepted and right, or accepted and wrong."""
    log_n = np.log(n / fit.spec.references["N"])
    right = special.expit(special.logit(flat(fit, "correct")) + flat(fit, "correct_N") * log_n)
    wrong = special.expit(special.logit(flat(fit, "false")) + flat(fit, "false_N") * log_n)
    return right, (1 - right) * wrong


def test_retries_by_simulation_of_problems(verified: Fit) -> None:
    """One draw of the posterior: problems with Dirichlet chances, tried until one is accepted."""
    answer = retries(verified, {"N": 1e8}, most=20)
    right, wrong = (float(c[0]) for c in chances(verified, 1e8))
    phi, rng, count = float(flat(verified, "phi")[0]), np.random.default_rng(1), 200_000
    p = rng.dirichlet(phi * np.array([right, wrong, 1 - right - wrong]), size=count)
    first = rng.geometric(np.maximum(p[:, 0] + p[:, 1], 1e-12))
    is_right = rng.uniform(size=count) < p[:, 0] / (p[:, 0] + p[:, 1])
    for k in (1, 4, 20):
        at = {"sample": 0, "point": 0, "k": answer.k.index(k)}
        for draws, seen in (
            (answer.correct, (first <= k) & is_right),
            (answer.wrong, (first <= k) & ~is_right),
            (answer.used, np.minimum(first, k)),
        ):
            error = 5 * seen.std() / np.sqrt(count)
            assert float(draws.isel(at)) == pytest.approx(seen.mean(), abs=error)


def test_utility_and_the_recommendation(verified: Fit) -> None:
    answer = retries(verified, SIZES, most=200, cost=2.0, price=0.01)
    wanted = answer.correct - 2 * answer.wrong - 0.01 * answer.used
    np.testing.assert_allclose(answer.utility, wanted)
    expected = wanted.mean("sample").to_numpy()
    ks = np.array(answer.k)
    for row, chosen in zip(expected, answer.recommended, strict=True):
        near = ks[row >= row.max() - 1e-3]  # the curve ends flat: the fewest tries that do
        assert chosen == near.min()
    np.testing.assert_array_equal(answer.best, ks[answer.utility.to_numpy().argmax(axis=-1)])
    for i, n in enumerate((1e8, 16e8)):
        right, wrong = chances(verified, n)
        np.testing.assert_allclose(answer.ceiling[:, i], right / (right + wrong), rtol=1e-6)
    table = answer.summary()
    assert table["recommended"].tolist() == answer.recommended
    np.testing.assert_allclose(table["utility"], expected.max(axis=1), atol=1e-3)


def test_one_try_is_the_acceptance_of_a_sample(verified: Fit) -> None:
    answer = retries(verified, SIZES, most=1)
    assert answer.k == (1,)
    right, wrong = chances(verified, 1e8)
    np.testing.assert_allclose(answer.correct[:, 0, 0], right, rtol=1e-6)
    np.testing.assert_allclose(answer.wrong[:, 0, 0], wrong, rtol=1e-6)
    np.testing.assert_array_equal(answer.used, 1.0)


def test_dear_samples_and_dear_errors_are_not_tried(verified: Fit) -> None:
    assert retries(verified, SIZES, price=5.0).recommended == [1, 1]
    free = retries(verified, SIZES, cost=0.0, most=500)
    utility = free.utility.mean("sample").to_numpy()
    assert (utility.argmax(axis=1) == len(free.k) - 1).all()  # every try brings something
    assert max(free.recommended) < 100  # but not a thousandth


def test_many_tries_are_summed_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    accepted, phi = rng.uniform(0.01, 0.9, (7, 2)), rng.uniform(1, 50, (7, 2))
    ks = (1, 2, 50, 3000)
    whole = _open_and_used(accepted, phi, ks)
    a, b = accepted * phi, (1 - accepted) * phi
    for j, k in enumerate(ks):
        left = np.exp(special.betaln(a, b + k) - special.betaln(a, b))
        np.testing.assert_allclose(whole[0][..., j], left, rtol=1e-9)
    steps = special.betaln(a[..., None], b[..., None] + np.arange(3000))
    wanted = np.exp(steps - special.betaln(a, b)[..., None]).sum(-1)
    np.testing.assert_allclose(whole[1][..., 3], wanted, rtol=1e-9)
    module = importlib.import_module("bayes_scaling.answers.retries")  # not the function
    monkeypatch.setattr(module, "LARGEST", 2 * 3000 * 2)
    for part, one in zip(_open_and_used(accepted, phi, ks), whole, strict=True):
        np.testing.assert_array_equal(part, one)


def test_wrong_usage_of_retries(verified: Fit, problems: Fit) -> None:
    with pytest.raises(
        UsageError, match=r"need a fit of law verifier.*this one is of law coverage"
    ):
        retries(problems, SIZES)
    for options in ({"most": 0}, {"most": 200_000}, {"cost": -1.0}, {"price": -0.1}):
        with pytest.raises(UsageError, match="most must lie from 1 to 100,000"):
            retries(verified, SIZES, **options)
    with pytest.raises(UsageError, match="points lack N"):
        retries(verified, pd.DataFrame({"se": [0.1]}))


def test_points_may_be_one_mapping_several_or_a_table(verified: Fit) -> None:
    one: Retries = retries(verified, {"N": 1e8}, most=5)
    many = retries(verified, SIZES, most=5)
    table = retries(verified, pd.DataFrame(SIZES), most=5)
    assert one.recommended == many.recommended[:1]
    pd.testing.assert_frame_equal(many.summary(), table.summary())
    assert "outcome" not in many.points
