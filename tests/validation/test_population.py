"""Priors from suites of runs: populations that suites were made from come back."""

from __future__ import annotations

import io
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fakes import RECIPES, SD, SETTLING, TRUTH, fake_fit, flat
from scipy import stats

from bayes_scaling.errors import UsageError
from bayes_scaling.law import LogNormal
from bayes_scaling.law.priors import LINKS
from bayes_scaling.models import registry
from bayes_scaling.posterior import ScalingModel
from bayes_scaling.program.population import Population, from_table
from bayes_scaling.runs import read_runs
from bayes_scaling.validation.population import (
    NU,
    SPREAD,
    SPREAD_OF_SIZES,
    Suite,
    learn_population,
    suite_of,
)

LAW = registry["chinchilla"]
NAMES = ("alpha", "beta", "scale", "settling")
LOC, WEAK = np.array([-1.2, -1.2, math.log(0.03), math.log(0.3)]), np.array([1.0, 1.0, 0.7, 0.7])
MU = LOC + np.array([0.3, -0.2, 0.2, -0.3])
BETWEEN = 0.15 * WEAK
SPREADS = (SPREAD, SPREAD, SPREAD_OF_SIZES, SPREAD_OF_SIZES)


def _sds(sd: float, prior: float) -> tuple[np.ndarray, float]:
    """Draws of an sd that is nearly known, and the scale of its prior."""
    return sd * np.linspace(0.99, 1.01, 20), prior


def suites(count: int, error: float, seed: int = 2) -> list[Suite]:
    """Suites of known parameters, which their runs tell with an error; some miss a size.

    They are Student-t around `MU`, all parameters of a suite with one factor.
    """
    rng = np.random.default_rng(seed)
    found = []
    for i in range(count):
        own = MU + BETWEEN * rng.normal(size=4) / np.sqrt(rng.gamma(NU / 2, 2 / NU))
        root = np.linalg.cholesky(np.eye(4) + 0.4)
        covariance = error**2 * root @ root.T
        seen = own + np.linalg.cholesky(covariance) @ rng.normal(size=4)
        kept = [k for k, name in enumerate(NAMES) if not (name == "scale" and i % 4 == 3)]
        precision = np.linalg.inv(covariance[np.ix_(kept, kept)])
        found.append(
            Suite(
                name=f"s{i}",
                law="chinchilla",
                parameters=tuple(NAMES[k] for k in kept),
                moment=precision @ seen[kept],
                precision=precision,
                prior_loc=LOC[kept],
                prior_sd=WEAK[kept],
                between={"alpha": (_sds(0.1, 0.3),)}
                | ({"beta": (_sds(0.05, 0.2),)} if i % 2 else {}),
                sizes=("scale",) if "scale" in {NAMES[k] for k in kept} else (),
            )
        )
    return found


@pytest.fixture(scope="module")
def learned() -> Population:
    return learn_population(suites(40, error=0.03), seed=1)


def pair(found: Population, name: str) -> tuple[float, float]:
    """Mean and sd of a parameter of one more suite, on its unconstrained scale."""
    sizes = {**found.discrepancy, **found.noise}
    if name in sizes:
        median, sd = sizes[name]
        return math.log(median), sd
    return found.parameters[name]


# -- the population


def test_mean_and_sd_of_the_population_come_back(learned: Population) -> None:
    for k, name in enumerate(NAMES):
        loc, sd = pair(learned, name)
        assert abs(loc - MU[k]) < 4 * BETWEEN[k] / np.sqrt(30), name
        # the sd of the normal, of thirty suites
        assert sd == pytest.approx(BETWEEN[k], rel=4 / np.sqrt(2 * 30)), name
        assert sd < WEAK[k] / 3


def test_suites_that_say_little_leave_the_weak_prior(learned: Population) -> None:
    vague = learn_population(suites(4, error=5.0), seed=1)
    for k, name in enumerate(NAMES):
        loc, sd = pair(vague, name)
        assert abs(loc - LOC[k]) < WEAK[k]
        assert sd > 3 * pair(learned, name)[1]
        # of the mean, and of one more suite around it
        assert sd == pytest.approx(WEAK[k] * np.sqrt(1 + SPREADS[k] ** 2), rel=0.15)


def test_suites_that_are_alike_are_close_but_not_equal() -> None:
    """The prior of the sd between suites keeps one more from being known exactly."""
    one = suites(1, error=0.01)[0]
    found = learn_population([one] * 8, seed=3)
    middle = np.linalg.solve(one.precision, one.moment)
    for k, name in enumerate(NAMES):
        loc, sd = pair(found, name)
        assert loc == pytest.approx(middle[k], abs=0.05)
        assert 0 < sd < SPREADS[k] * WEAK[k]


def test_the_means_shrink_suites_that_are_unlike_all_others() -> None:
    usual = suites(20, error=0.03)
    far = suites(1, error=0.03, seed=7)[0]
    shift = np.full(4, 3.0)
    odd = Suite(**{**far.__dict__, "name": "odd", "moment": far.moment + far.precision @ shift})
    plain, both = learn_population(usual, seed=1), learn_population([*usual, odd], seed=1)
    for k, name in enumerate(NAMES):
        # a mean of suites would move by three twenty-firsts
        assert abs(pair(both, name)[0] - pair(plain, name)[0]) < 0.6 * 3 / 21, name
        assert pair(both, name)[1] < 3 * BETWEEN[k]


def test_what_a_population_holds(learned: Population) -> None:
    assert learned.law == "chinchilla"
    assert set(learned.parameters) == {"alpha", "beta"}
    assert set(learned.discrepancy) == {"scale"}
    assert set(learned.noise) == {"settling"}
    assert set(learned.group_sd) == {"alpha", "beta"}
    assert all(0 < scale < 0.3 for scale in learned.group_sd.values())
    assert learned.suites == tuple(f"s{i}" for i in range(40))
    again = learn_population(suites(40, error=0.03), seed=1)
    assert again == learned
    assert learn_population(suites(40, error=0.03), seed=2) != learned


@pytest.mark.parametrize("error", [0.0005, 0.03])
@pytest.mark.parametrize("count", [12, 48])
def test_the_scale_of_sds_between_groups_comes_back(count: int, error: float) -> None:
    """Sds of suites are half-normal, and told with an error that the fit's prior has met."""
    rng = np.random.default_rng(3)
    usual = suites(1, error=0.03)[0]
    sds = 0.05 * stats.halfnorm.ppf((np.arange(count) + 0.5) / count)
    given = []
    for sd in sds:
        seen = sd + error * rng.normal()
        usable = np.linspace(1e-4, 1.0, 20_000)
        height = stats.norm.pdf(usable, seen, error) * stats.halfnorm.pdf(usable, scale=0.3)
        drawn = rng.choice(usable, 1000, p=height / height.sum())
        given.append(replace(usual, between={"alpha": ((drawn, 0.3),)}))
    found = learn_population(given, seed=1).group_sd["alpha"]
    assert found == pytest.approx(0.05, rel=3 / np.sqrt(2 * count))


def test_all_grouping_columns_tell_the_scale() -> None:
    usual = suites(1, error=0.03)[0]
    near, far = (_sds(sd, 0.3) for sd in (0.01, 0.2))
    one, both = (
        learn_population([replace(usual, between={"alpha": own})] * 6).group_sd["alpha"]
        for own in ((near,), (near, far))
    )
    assert both > 5 * one


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], "a population needs 3 suites or more of one law, got none"),
        (suites(2, 0.1), r"needs 3 suites or more of one law, got s0 \(chinchilla\), s1 \(chinch"),
    ],
)
def test_too_few_suites(given: list[Suite], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        learn_population(given)


def test_suites_of_several_laws() -> None:
    given = suites(4, 0.1)
    other = Suite(**{**given[0].__dict__, "law": "kaplan"})
    with pytest.raises(UsageError, match=r"of one law, got .*kaplan"):
        learn_population([*given, other])


# -- what a fit says


@pytest.mark.parametrize("discrepancy", [False, True])
def test_a_suite_is_the_likelihood_of_a_fit(discrepancy: bool) -> None:
    """Draws are independent normals: of each the prior is divided out."""
    fit = fake_fit(RECIPES, discrepancy=discrepancy, draws=500)
    found = suite_of(fit, "mine")
    assert (found.name, found.law) == ("mine", "chinchilla")
    sizes = ("scale", "early", "ratio", "own") if discrepancy else ()
    assert found.sizes == sizes
    extra = (*sizes, "settling") if discrepancy else ()
    assert found.parameters == ("reducible", "share_N", "alpha", "beta", *extra)
    posterior = np.linalg.inv(found.precision + np.diag(found.prior_sd**-2.0))
    for k, p in enumerate(found.parameters):
        if p in LAW.parameters:
            link = LINKS[LAW.parameters[p].prior.link]
            draws = np.asarray(link.to_real(flat(fit, fit.structure.centre_site(p))))
            assert (found.prior_loc[k], found.prior_sd[k]) == (
                fit.spec.prior_loc[p], fit.spec.prior_sd[p],
            )  # fmt: skip
        else:
            site = {"settling": "settling", "own": "discrepancy_own_recipe_sd"}
            draws = np.log(flat(fit, site.get(p, f"discrepancy_{p}_sd")))
        # prior and likelihood together are the posterior again
        whole = posterior @ (found.moment + found.prior_loc / found.prior_sd**2)
        assert whole[k] == pytest.approx(draws.mean(), rel=1e-6)
        assert np.sqrt(posterior[k, k]) == pytest.approx(draws.std(ddof=1), rel=1e-6)
    at = np.linalg.solve(found.precision, found.moment)[found.parameters.index("alpha")]
    assert at == pytest.approx(np.log(TRUTH["alpha"]), abs=0.01)
    assert set(found.between) == {"level", "alpha"}
    ((drawn, scale),) = found.between["alpha"]
    assert drawn == pytest.approx(flat(fit, "alpha_sd_recipe"))
    assert scale == LAW.parameters["alpha"].group_sd
    if discrepancy:
        assert np.exp(found.prior_loc[-1]) == pytest.approx(SETTLING)


def test_what_the_runs_do_not_know_counts_for_next_to_nothing() -> None:
    """A posterior as wide as the prior, or wider by chance, gives no negative precision."""
    fit = fake_fit(draws=500)
    narrow = dict.fromkeys(fit.spec.prior_sd, 1.005 * SD)
    found = suite_of(replace(fit, spec=replace(fit.spec, prior_sd=narrow)), "mine")
    values = np.linalg.eigvalsh(found.precision * np.outer(found.prior_sd, found.prior_sd))
    assert (values > 0).all()
    assert values.max() < 0.5


def test_separate_parameters_have_no_centre() -> None:
    fit = fake_fit(RECIPES, pool={"beta": "separate"}, draws=100)
    with pytest.raises(UsageError, match=r"beta is separate over recipe"):
        suite_of(fit, "mine")


# -- tables, and priors


KNOWN = Population(
    law="chinchilla",
    parameters={"alpha": (-1.1, 0.15), "reducible": (0.2, 0.4)},
    group_sd={"alpha": 0.05, "reducible": 0.1},
    discrepancy={"scale": (0.02, 0.3), "own": (0.01, 0.5)},
    noise={"settling": (0.2, 0.3)},
    suites=("one", "two", "three"),
)


def test_a_population_is_written_and_read() -> None:
    table = KNOWN.table()
    assert list(table.columns) == ["law", "kind", "name", "loc", "sd", "suites"]
    assert len(table) == 7
    assert table["kind"].value_counts().to_dict() == {
        "parameter": 2, "group_sd": 2, "discrepancy": 2, "noise": 1,
    }  # fmt: skip
    text = table.to_csv(index=False)
    back = from_table(pd.read_csv(io.StringIO(text)))
    assert back.law == KNOWN.law
    assert back.suites == KNOWN.suites
    assert back.group_sd == KNOWN.group_sd
    for name in ("parameters", "discrepancy", "noise"):
        one, other = getattr(back, name), getattr(KNOWN, name)
        assert one.keys() == other.keys()
        for key in one:
            assert one[key] == pytest.approx(other[key])


def test_the_learned_population_makes_the_round_trip(learned: Population) -> None:
    back = from_table(learned.table())
    for name in NAMES:
        assert pair(back, name) == pytest.approx(pair(learned, name))


def test_priors_are_the_law_s_moved() -> None:
    found = KNOWN.priors(LAW)
    assert set(found) == {"alpha", "reducible"}
    own = LAW.parameters["alpha"].prior
    assert found["alpha"] == LogNormal(math.exp(-1.1), 0.15) or (
        found["alpha"].loc, found["alpha"].sd, found["alpha"].link,
    ) == (-1.1, 0.15, own.link)  # fmt: skip
    assert found["reducible"].link == LAW.parameters["reducible"].prior.link
    # a law without a parameter is not given one
    assert set(KNOWN.priors(LAW.variant("no_floor"))) == {"alpha"}


def test_a_model_with_a_population() -> None:
    rows = pd.DataFrame({"N": np.geomspace(1e8, 1e10, 9), "D": 2e9 * np.arange(1, 10.0) ** 1.5})
    runs = read_runs(rows.assign(loss=np.linspace(4.0, 2.5, 9)))
    weak, known = (ScalingModel(LAW, prior=p).spec(runs) for p in ("weak", KNOWN))
    assert (known.prior_loc["alpha"], known.prior_sd["alpha"]) == (-1.1, 0.15)
    assert known.prior_loc["level"] == weak.prior_loc["level"]
    assert known.discrepancy_sd["discrepancy_scale_sd"] == (0.02, 0.3)
    assert known.settling_prior == (0.2, 0.3)
    assert known.structure(LAW) == weak.structure(LAW)  # one program for both


def test_names_of_priors() -> None:
    wrong: Any = "strong"
    with pytest.raises(UsageError, match=r"prior is 'strong'; it must be weak or population"):
        ScalingModel(LAW, prior=wrong)
