"""From a table and modelling choices to a program: defaults, sites, means and densities."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import pandas as pd
import pytest
from numpyro.infer.util import log_density
from scipy import stats
from scipy.special import expit, logit

from bayes_scaling.errors import TableError, UsageError
from bayes_scaling.law import Law, LogitNormal, LogNormal, Normal, Parameter, Prior
from bayes_scaling.models import registry
from bayes_scaling.program import Data, Spec, Structure, build_data, build_spec, draw_prior
from bayes_scaling.program import predict as predict_program
from bayes_scaling.program import program as numpyro_program
from bayes_scaling.runs import Runs, read_runs

SIZES = (1e8, 2e8, 4e8, 8e8, 1.6e9, 3.2e9)
RECIPES = ("adamw", "muon")


def frame(**more: Any) -> pd.DataFrame:
    """Two recipes at six rungs, D and N not proportional."""
    rng = np.random.default_rng(7)
    n = np.tile(SIZES, len(RECIPES))
    d = 20 * n**0.9 * np.tile([10.0, 5.0, 9.0, 7.0, 12.0, 6.0], len(RECIPES))
    loss = 1.7 + 60 * n**-0.25 + 90 * d**-0.25 + 0.003 * rng.normal(size=n.size)
    columns = {"N": n, "D": d, "loss": loss, "recipe": np.repeat(RECIPES, len(SIZES))}
    return pd.DataFrame(columns | more)


def table(group: Any = "recipe", data: pd.DataFrame | None = None, **options: Any) -> Runs:
    return read_runs(frame() if data is None else data, group=group, **options)


def built(law: Law, runs: Runs, **options: Any) -> tuple[Spec, Structure, Data]:
    spec = build_spec(law, runs, **options)
    return spec, spec.structure(law), build_data(spec, law, runs)


def with_own_choices(name: str, varying: tuple[str, ...]) -> Law:
    """A law of the registry with priors and pooling that are fixed here."""
    law = registry[name]
    priors: dict[str, Prior] = {"level": LogNormal(1.0, 0.5, scale="median")}
    priors |= {"share_N": LogitNormal(0.5, 1.0), "reducible": LogitNormal(0.4, 1.0)}
    exponent = LogNormal(0.3, 0.5)
    parameters = {
        p: Parameter(priors.get(p, exponent), p, varies=p in varying, group_sd=0.3)
        for p in law.parameters
    }
    return replace(law, parameters=parameters, variants={})


CHINCHILLA = with_own_choices("chinchilla", ("level", "alpha", "beta"))
POWER_LAW = with_own_choices("power_law", ("level",))


@pytest.fixture
def chinchilla() -> Law:
    return CHINCHILLA


@pytest.fixture
def power_law() -> Law:
    return POWER_LAW


@pytest.fixture
def crossed() -> Runs:
    corpus = np.array(["web", "books", "code"])[np.arange(12) % 3]
    return table(["recipe", "corpus"], frame(corpus=corpus))


def test_defaults(chinchilla: Law) -> None:
    runs = table()
    spec = build_spec(chinchilla, runs)
    assert spec.pool == {
        "level": {"recipe": "partial"},
        "reducible": {"recipe": "complete"},
        "share_N": {"recipe": "complete"},
        "alpha": {"recipe": "partial"},
        "beta": {"recipe": "partial"},
    }
    assert spec.law == "chinchilla"
    assert spec.noise == "student-t"
    assert spec.labels["recipe"] == ["adamw", "muon"]
    assert len(spec.labels["rung"]) == 6
    assert spec.scale == 1.0


def test_constants_come_from_the_table(chinchilla: Law) -> None:
    data = frame()
    spec = build_spec(chinchilla, table())
    for name in ("N", "D"):
        assert spec.references[name] == pytest.approx(stats.gmean(data[name]), rel=1e-12)
        assert spec.ranges[name] == (data[name].min(), data[name].max())
    loss = data["loss"]
    assert spec.response_scale == pytest.approx(
        {"median": loss.median(), "smallest": loss.min(), "spread": loss.max() - loss.min()}
    )
    assert spec.prior_loc["level"] == pytest.approx(np.log(loss.median()))
    assert spec.prior_sd["level"] == 0.5
    assert spec.prior_loc["reducible"] == pytest.approx(logit(0.4))
    assert spec.prior_loc["alpha"] == pytest.approx(np.log(0.3))


def test_arrays(chinchilla: Law) -> None:
    data = frame(se=np.linspace(0.001, 0.002, 12))
    spec, _, arrays = built(chinchilla, table(data=data, se="se"))
    for name in ("N", "D"):
        np.testing.assert_allclose(arrays.inputs[name], data[name] / stats.gmean(data[name]))
    np.testing.assert_array_equal(arrays.response, data["loss"])
    np.testing.assert_array_equal(arrays.levels["recipe"], [0] * 6 + [1] * 6)
    np.testing.assert_array_equal(arrays.se, data["se"])
    labels = np.array(spec.labels["rung"])[np.asarray(arrays.rung)]
    assert labels[0] == "N=1e+08, D=3.17e+09"
    np.testing.assert_array_equal(labels[:6], labels[6:])
    assert len(set(labels[:6])) == 6


def test_rung_effect_is_on_where_recipes_are_crossed_with_rungs(chinchilla: Law) -> None:
    assert built(chinchilla, table())[1].rungs == 6
    assert built(chinchilla, table(), rung=False)[1].rungs == 0
    assert built(chinchilla, table(group=None))[1].rungs == 0
    assert built(chinchilla, table(group=None), rung=True)[1].rungs == 6


@pytest.mark.parametrize(("shared", "rungs"), [(2, 0), (3, 9)])
def test_rung_effect_needs_three_shared_rungs(chinchilla: Law, shared: int, rungs: int) -> None:
    data = frame()
    moved = np.arange(12) >= 6 + shared
    data.loc[moved, "N"] *= 1.1
    assert built(chinchilla, table(data=data))[1].rungs == rungs


def test_rung_effect_is_on_where_seeds_share_rungs(chinchilla: Law) -> None:
    seeds = np.repeat(["0", "1"], 6)
    assert built(chinchilla, table(None, frame(s=seeds), seed="s"))[1].rungs == 6
    one_each = np.array(["0"] * 12)
    assert built(chinchilla, table(None, frame(s=one_each), seed="s"))[1].rungs == 0


def test_a_rung_column_replaces_equal_inputs(chinchilla: Law) -> None:
    spec = build_spec(chinchilla, table(data=frame(step=["a", "b", "c", "c"] * 3), rung="step"))
    assert spec.labels["rung"] == ["a", "b", "c"]


def test_sites_and_shapes(chinchilla: Law) -> None:
    runs = table()
    pool = {"share_N": "separate", "alpha": "complete"}
    spec, structure, data = built(chinchilla, runs, pool=pool)
    shapes = {name: site.shape for name, site in structure.sites().items()}
    assert shapes == {
        "level_centre": (),
        "level_sd_recipe": (),
        "level_effect_recipe": (2,),
        "reducible": (),
        "share_N": (2,),
        "alpha": (),
        "beta_centre": (),
        "beta_sd_recipe": (),
        "beta_effect_recipe": (2,),
        "sigma": (),
        "nu": (),
        "settling": (),
        "discrepancy_scale_sd": (),
        "discrepancy_scale": (2,),
        "discrepancy_early_sd": (),
        "discrepancy_early": (2,),
        "discrepancy_ratio_sd": (),
        "discrepancy_ratio": (4,),
        "discrepancy_own_recipe_sd": (),
        "discrepancy_own_recipe": (2, 4),
        "rung_sd": (),
        "rung_effect": (6,),
    }
    assert structure.centre_site("level") == "level_centre"
    assert structure.centre_site("share_N") == "share_N"
    assert spec.pool["share_N"] == {"recipe": "separate"}
    trace = traced(structure, data)
    assert {k: jnp.shape(v["value"]) for k, v in trace.items()} == shapes | {"response": (12,)}


def traced(structure: Structure, data: Data) -> dict[str, Any]:
    seeded = numpyro.handlers.seed(numpyro_program, jax.random.key(3))
    found = numpyro.handlers.trace(seeded).get_trace(structure, data, observed=False)
    return {k: v for k, v in found.items() if v["type"] == "sample"}


@pytest.mark.parametrize("noise", ["student-t", "lognormal", "normal"])
def test_dims_are_plates(chinchilla: Law, crossed: Runs, noise: str) -> None:
    pool = {"beta": {"recipe": "separate", "corpus": "partial"}, "level": {"corpus": "complete"}}
    _, structure, data = built(chinchilla, crossed, pool=pool, noise=noise, rung=True)
    sites, trace = structure.sites(), traced(structure, data)
    assert list(sites) == [name for name in trace if name != "response"]
    for name, site in sites.items():
        plates = [plate.name for plate in trace[name]["cond_indep_stack"]]
        # weights of the discrepancy are drawn together, as one event
        assert plates == ([] if site.kind == "discrepancy" else list(site.dims)), name
        assert jnp.shape(trace[name]["value"]) == site.shape, name
    assert ("nu" in sites) == (noise == "student-t")


def test_two_crossed_columns(chinchilla: Law, crossed: Runs) -> None:
    pool = {"beta": {"recipe": "separate"}, "level": {"corpus": "complete"}}
    spec, structure, _ = built(chinchilla, crossed, pool=pool)
    assert spec.labels["corpus"] == ["books", "code", "web"]
    assert spec.pool["alpha"] == {"recipe": "partial", "corpus": "partial"}
    assert spec.pool["beta"] == {"recipe": "separate", "corpus": "partial"}
    assert spec.pool["level"] == {"recipe": "partial", "corpus": "complete"}
    sites = structure.sites()
    assert sites["alpha_effect_corpus"].shape == (3,)
    assert sites["alpha_effect_recipe"].shape == (2,)
    assert sites["beta_centre"].dims == ("recipe",)
    assert sites["beta_effect_corpus"].dims == ("corpus",)
    assert "level_effect_corpus" not in sites


def test_without_groups_every_parameter_is_one_site(chinchilla: Law) -> None:
    spec, structure, _ = built(chinchilla, table(group=None), discrepancy=False)
    assert spec.pool == {p: {} for p in chinchilla.parameters}
    assert list(structure.sites()) == [*chinchilla.parameters, "sigma", "nu"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pool": {"gamma": "partial"}}, "pool names 'gamma', which law chinchilla does not have"),
        ({"pool": {"alpha": "some"}}, "pool of alpha is 'some'; it must be one of complete, part"),
        ({"pool": {"alpha": {"optimiser": "partial"}}}, "names column 'optimiser', which is not a"),
        ({"pool": {"alpha": "separate"}}, "alpha is separate over recipe, corpus: it can be"),
        ({"noise": "cauchy"}, "no noise named 'cauchy'; there are student-t, lognormal, stud"),
        ({"priors": {"gamma": LogNormal(1, 1)}}, "priors names 'gamma', which law chinchilla"),
        ({"priors": {"alpha": Normal(0, 1)}}, "prior of alpha must be on the same support as"),
    ],
)
def test_wrong_options(
    chinchilla: Law, crossed: Runs, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        build_spec(chinchilla, crossed, **options)


def test_pool_needs_a_grouping_column(chinchilla: Law) -> None:
    with pytest.raises(UsageError, match=r"pool needs a grouping column: name one with group="):
        build_spec(chinchilla, table(group=None), pool={"alpha": "separate"})


@pytest.mark.parametrize("noise", ["student-t", "lognormal"])
def test_losses_that_are_not_positive(chinchilla: Law, noise: str) -> None:
    data = frame()
    data.loc[[2, 4], "loss"] = [-1.0, 0.0]
    with pytest.raises(TableError, match=r"2 values that are not positive \(rows 3, 5\)") as caught:
        build_spec(chinchilla, table(data=data), noise=noise)
    (finding,) = caught.value.findings
    assert finding.code == "not-positive-response"
    assert "noise='student-t-raw' (--noise student-t-raw)" in finding.message
    assert build_spec(chinchilla, table(data=data), noise="normal").noise == "normal"


def test_priors_replace_the_law_s(chinchilla: Law) -> None:
    spec = build_spec(chinchilla, table(), priors={"alpha": LogNormal(0.5, 0.1)})
    assert spec.prior_loc["alpha"] == pytest.approx(np.log(0.5))
    assert spec.prior_sd["alpha"] == 0.1
    assert spec.prior_sd["beta"] == 0.5
    assert spec.prior_text["alpha"] == "LogNormal(median 0.5, sd of log 0.1)"


@pytest.mark.parametrize("law", ["chinchilla", "kaplan:no_floor", "chinchilla:tied"])
@pytest.mark.parametrize("noise", ["student-t", "lognormal", "normal"])
def test_prior_draws(law: str, noise: str) -> None:
    base, _, variant = law.partition(":")
    chosen = registry[base].variant(variant) if variant else registry[base]
    _, structure, data = built(chosen, table(), noise=noise)
    draws = draw_prior(structure, data, jax.random.key(11), 50)
    shapes = {k: (50, *site.shape) for k, site in structure.sites().items()}
    assert {k: v.shape for k, v in draws.items()} == shapes | {"response": (50, 12)}
    for name, values in draws.items():
        assert np.isfinite(values).all(), name
        assert values.dtype == np.float64, name
    assert np.unique(np.asarray(draws["sigma"])).size == 50


def free_values(structure: Structure) -> dict[str, jax.Array]:
    """A value for each centre and effect on the unconstrained scale, all different."""
    rng = np.random.default_rng(5)
    return {
        k: jnp.asarray(0.2 * rng.normal(size=s.shape))
        for k, s in structure.sites().items()
        if s.kind in ("centre", "effect")
    }


@pytest.mark.parametrize("noise", ["student-t", "normal"])
def test_predict_is_the_mean_by_hand(chinchilla: Law, crossed: Runs, noise: str) -> None:
    pool = {"beta": {"recipe": "separate"}, "level": {"corpus": "complete"}}
    spec, structure, data = built(chinchilla, crossed, pool=pool, noise=noise, discrepancy=False)
    z = {k: np.asarray(v) for k, v in free_values(structure).items()}
    runs = crossed.frame
    expected = []
    for _, run in runs.iterrows():
        r, c = ["adamw", "muon"].index(run["recipe"]), ["books", "code", "web"].index(run["corpus"])
        level = np.exp(z["level_centre"] + z["level_effect_recipe"][r])
        reducible, share = expit(z["reducible"]), expit(z["share_N"])
        alpha = np.exp(
            z["alpha_centre"] + z["alpha_effect_recipe"][r] + z["alpha_effect_corpus"][c]
        )
        beta = np.exp(z["beta_centre"][r] + z["beta_effect_corpus"][c])
        n, d = run["N"] / stats.gmean(runs["N"]), run["D"] / stats.gmean(runs["D"])
        decay = share * n**-alpha + (1 - share) * d**-beta
        expected.append(level * (1 - reducible + reducible * decay))
    found = predict_program(structure, data, free_values(structure))
    np.testing.assert_allclose(
        found, expected if noise == "normal" else np.log(expected), rtol=1e-12
    )
    assert spec.scale == (np.ptp(runs["response"]) if noise == "normal" else 1.0)


SE = np.linspace(0.02, 0.05, 12)
VALUES: dict[str, Any] = {
    "level_centre": 2.9,
    "level_sd_recipe": 0.2,
    "level_effect_recipe": np.array([0.05, -0.1]),
    "reducible": np.array([0.35, 0.55]),
    "alpha": 0.25,
    "sigma": 0.015,
}
RUNGS: dict[str, Any] = {
    "rung_sd": 0.01,
    "rung_effect": np.array([0.01, -0.02, 0.005, 0.0, 0.012, -0.003]),
}


def prior_by_hand(median: float, scale: float) -> float:
    """Log prior density of VALUES on the natural scale, by SciPy."""
    total = stats.lognorm.logpdf(VALUES["level_centre"], s=0.5, scale=median)
    total += stats.halfnorm.logpdf(VALUES["level_sd_recipe"], scale=0.3)
    total += stats.norm.logpdf(VALUES["level_effect_recipe"], 0.0, 0.2).sum()
    fraction = VALUES["reducible"]
    total += stats.norm.logpdf(logit(fraction), logit(0.4), 1.0).sum()
    total -= np.log(fraction * (1 - fraction)).sum()
    total += stats.lognorm.logpdf(VALUES["alpha"], s=0.5, scale=0.3)
    total += stats.lognorm.logpdf(VALUES["sigma"], s=1.0, scale=0.01 * scale)
    return float(total)


def rungs_by_hand(scale: float, robust: bool) -> float:
    sd, effect = RUNGS["rung_sd"], RUNGS["rung_effect"]
    own = stats.t.logpdf(effect, 3, 0.0, sd) if robust else stats.norm.logpdf(effect, 0.0, sd)
    return float(stats.halfnorm.logpdf(sd, scale=0.02 * scale) + own.sum())


def mean_by_hand(n: np.ndarray) -> np.ndarray:
    recipe = np.repeat([0, 1], 6)
    level = np.exp(np.log(VALUES["level_centre"]) + VALUES["level_effect_recipe"][recipe])
    reducible = VALUES["reducible"][recipe]
    return level * (1 - reducible + reducible * (n / stats.gmean(n)) ** -VALUES["alpha"])


@pytest.mark.parametrize("noise", ["student-t", "lognormal", "normal"])
@pytest.mark.parametrize("rungs", [True, False], ids=["rungs", "no rungs"])
def test_log_density_is_the_formula(power_law: Law, noise: str, rungs: bool) -> None:
    pool = {"reducible": "separate", "alpha": "complete"}
    runs = table(data=frame(se=SE), inputs={"X": "N"}, se="se")
    options: dict[str, Any] = {"pool": pool, "noise": noise, "rung": rungs, "discrepancy": False}
    _, structure, data = built(power_law, runs, **options)
    y = frame()["loss"].to_numpy()
    scale = np.ptp(y) if noise == "normal" else 1.0
    nu = 5.5
    values = VALUES | (RUNGS if rungs else {}) | ({"nu": nu} if noise == "student-t" else {})

    # rungs are sorted by their labels: 1.6e+09, 1e+08, 2e+08, 3.2e+09, 4e+08, 8e+08
    effect = np.tile(RUNGS["rung_effect"][[1, 2, 4, 5, 0, 3]], 2) if rungs else 0.0
    mean = mean_by_hand(frame()["N"].to_numpy())
    expected = prior_by_hand(np.median(y), scale)
    expected += rungs_by_hand(scale, robust=noise == "student-t") if rungs else 0.0
    if noise == "normal":
        spread = np.sqrt(VALUES["sigma"] ** 2 + SE**2)
        expected += stats.norm.logpdf(y, mean + effect, spread).sum()
    else:
        spread = np.sqrt(VALUES["sigma"] ** 2 + (SE / mean) ** 2)
        expected -= np.log(y).sum()
        if noise == "lognormal":
            expected += stats.norm.logpdf(np.log(y), np.log(mean) + effect, spread).sum()
        else:
            expected += stats.gamma.logpdf(nu - 2, a=2, scale=10)
            expected += stats.t.logpdf(np.log(y), nu, np.log(mean) + effect, spread).sum()

    substituted = {k: jnp.asarray(v) for k, v in values.items()}
    found, _ = log_density(numpyro_program, (structure, data), {}, substituted)
    assert float(found) == pytest.approx(expected, rel=1e-12)


def test_equal_choices_are_one_structure(chinchilla: Law) -> None:
    """Fits of equal structure share one compiled program."""
    _, first, _ = built(chinchilla, table())
    other = frame()
    other["loss"] *= 1.3
    _, second, _ = built(chinchilla, table(data=other))
    assert first == second
    assert hash(first) == hash(second)
    assert first != built(chinchilla, table(), noise="normal")[1]
    assert first != built(chinchilla, table(), pool={"alpha": "complete"})[1]
