"""The discrepancy of a program: walks, their priors, powers of the likelihood, and settling."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from numpyro.infer.util import log_density
from scipy import stats
from toys import drift, kettle

from bayes_scaling import find_law
from bayes_scaling.errors import UsageError
from bayes_scaling.law import LogNormal
from bayes_scaling.models import registry
from bayes_scaling.program import Data, Spec, Structure, build_data, build_spec, draw_prior, program
from bayes_scaling.program import predict as predict_program
from bayes_scaling.program.discrepancy import (
    BEYOND,
    FITTED,
    NARROWEST,
    OTHER,
    USUAL,
    Walk,
    directions_of,
    discrepancy_wanted,
    walk_names,
    walks_of,
)
from bayes_scaling.program.noise import noise_named
from bayes_scaling.program.observation import settled, spread_of
from bayes_scaling.program.population import Population
from bayes_scaling.program.structure import departure_site, own_site, sd_site
from bayes_scaling.runs import Runs, read_runs

LAW = registry["chinchilla"]
SIZES = np.geomspace(1e8, 3e9, 6)
OWN_SD = sd_site(own_site("recipe"))


def frame(**more: Any) -> pd.DataFrame:
    """Two recipes at six rungs, D and N not proportional."""
    rng = np.random.default_rng(7)
    n = np.tile(SIZES, 2)
    d = 20 * n**0.9 * np.tile([10.0, 5.0, 9.0, 7.0, 12.0, 6.0], 2)
    loss = 1.7 + 60 * n**-0.25 + 90 * d**-0.25 + 0.003 * rng.normal(size=n.size)
    columns = {"N": n, "D": d, "loss": loss, "recipe": np.repeat(["adamw", "muon"], 6)}
    return pd.DataFrame(columns | more)


def table(group: Any = "recipe", data: pd.DataFrame | None = None, **options: Any) -> Runs:
    return read_runs(frame() if data is None else data, group=group, **options)


def built(runs: Runs, **options: Any) -> tuple[Spec, Structure, Data]:
    spec = build_spec(LAW, runs, **options)
    return spec, spec.structure(LAW), build_data(spec, LAW, runs)


def sites_of(structure: Structure, seed: int = 5) -> dict[str, jax.Array]:
    """A value for every site on its natural scale."""
    rng = np.random.default_rng(seed)
    found = {}
    for name, site in structure.sites().items():
        z = rng.normal(size=site.shape)
        if site.kind == "centre":
            value = {"level": 2.6, "reducible": 0.4, "share_N": 0.5}.get(site.parameter, 0.3)
            found[name] = value * (1 + 0.02 * z)
        elif site.kind in ("effect", "discrepancy", "rung_effect"):
            found[name] = 0.05 * z
        elif name == "nu":
            found[name] = np.asarray(6.0)
        else:
            found[name] = 0.02 * np.exp(0.3 * z)
    return {k: jnp.asarray(v) for k, v in found.items()}


def density(structure: Structure, data: Data, values: dict[str, jax.Array]) -> float:
    return float(log_density(program, (structure, data), {}, values)[0])


# -- directions and intervals


@pytest.mark.parametrize(
    ("law", "directions"),
    [
        (LAW, {"scale": {"N": 1, "D": 1}, "early": {"N": 1, "D": 1}, "ratio": {"N": -1, "D": 1}}),
        (registry["power_law"], {"scale": {"X": 1}, "early": {"X": 1}}),
        (
            registry["data_constrained"],
            {"scale": {"N": 1, "D": 1}, "early": {"N": 1, "D": 1}, "ratio": {"N": -1, "D": 1},
             "U": {"U": 1}},
        ),
        (
            registry["average_parameters"],
            {"scale": {"N_start": 1}, "early": {"N_start": 1}, "N_end": {"N_end": 1},
             "D": {"D": 1}},
        ),
        # learning rates are settings, dates and shares no scales
        (registry["rate_valley"],
         {"scale": {"N": 1, "D": 1}, "early": {"N": 1, "D": 1}, "ratio": {"N": -1, "D": 1}}),
        (kettle, {"scale": {"N": 1}, "early": {"N": 1}}),
        (drift, {"scale": {"N": 1}, "early": {"N": 1}}),
        # nor is the chance of guessing
        (registry["error_decay"], {"scale": {"L": 1}, "early": {"L": 1}}),
    ],
    ids=lambda v: getattr(v, "name", ""),
)  # fmt: skip
def test_directions(law: Any, directions: dict[str, dict[str, float]]) -> None:
    assert {k: dict(v) for k, v in directions_of(law).items()} == directions


def test_intervals_cover_the_runs_of_each_side_and_what_lies_beyond() -> None:
    spec, _, data = built(table())
    places = {"scale": np.log10(data.inputs["N"] * data.inputs["D"])}
    places |= {"early": places["scale"], "ratio": np.log10(data.inputs["D"] / data.inputs["N"])}
    assert [w.name for w in spec.walks] == ["scale", "early", "ratio"]
    for walk in spec.walks:
        np.testing.assert_allclose(walk.place(data.inputs), places[walk.name], atol=1e-12)
        sides = {"scale": (1,), "early": (-1,), "ratio": (1, -1)}[walk.name]
        assert {i.side for i in walk.intervals} == set(sides)
        for side in sides:
            fitted = [i for i in walk.fitted if i.side == side]
            beyond = [i for i in walk.beyond if i.side == side]
            assert (len(fitted), len(beyond)) == (FITTED, len(BEYOND))
            assert fitted[0].start == 0.0
            assert fitted[0].width == fitted[1].width
            end = fitted[-1].start + fitted[-1].width
            assert end == pytest.approx((side * places[walk.name]).max())
            for before, after in zip([*fitted, *beyond], [*fitted[1:], *beyond], strict=False):
                if before is not after:
                    assert after.start == pytest.approx(before.start + before.width)
            assert [i.width for i in beyond] == list(BEYOND)


def test_runs_at_one_ratio_know_nothing_of_it() -> None:
    data = frame(D=20 * np.tile(SIZES, 2))
    spec, _, arrays = built(table(data=data))
    (ratio,) = [w for w in spec.walks if w.name == "ratio"]
    assert all(i.width == pytest.approx(NARROWEST) for i in ratio.fitted)
    assert arrays.departures is not None
    np.testing.assert_allclose(arrays.departures["ratio"], 0.0, atol=1e-12)


def test_columns_of_the_fitted_runs_are_their_departures() -> None:
    spec, structure, data = built(table())
    assert data.departures is not None
    assert structure.walks == (("scale", 2), ("early", 2), ("ratio", 4))
    for walk in spec.walks:
        columns = np.asarray(data.departures[walk.name])
        assert columns.shape == (12, len(walk.fitted))
        place = walk.place(data.inputs)
        for side in {i.side for i in walk.fitted}:
            own = [k for k, i in enumerate(walk.fitted) if i.side == side]
            assert (columns[side * place < 0][:, own] == 0).all()
            assert (columns[side * place > 0.3][:, own[0]] > 0).all()


def test_walks_are_stored_as_plain_values() -> None:
    spec, _, _ = built(table())
    for walk in spec.walks:
        assert Walk.of(json.loads(json.dumps(asdict(walk)))) == walk
    assert Spec.of(json.loads(json.dumps(spec.as_dict()))) == spec
    # fits from before there was one have none
    old = json.loads(json.dumps(spec.as_dict()))
    for name in ("walks", "discrepancy_sd", "settling", "settling_prior", "effective_runs"):
        del old[name]
    plain = Spec.of(old)
    assert (plain.walks, plain.discrepancy_sd, plain.settling) == ((), {}, False)
    assert plain.structure(LAW).walks == ()
    ratio = spec.walks[2]
    assert ratio.fitted[0].label.startswith("+0 to +")
    assert ratio.fitted[2].label.startswith("-")
    assert ratio.fitted[2].label.endswith(" to +0") or ratio.fitted[2].label.endswith(" to -0")
    assert len({i.label for i in ratio.intervals}) == len(ratio.intervals)


# -- whether there is one, and the priors of its sizes


def test_losses_that_fall_in_scale_have_one() -> None:
    spec, structure, data = built(table())
    assert spec.settling
    assert structure.departing == ("recipe",)
    assert data.scale_decades is not None
    off, plain, arrays = built(table(), discrepancy=False)
    assert off.walks == () == plain.walks == plain.departing
    assert not off.settling
    assert off.discrepancy_sd == {}
    assert arrays.departures is None is arrays.scale_decades
    added = set(structure.sites()) - set(plain.sites())
    assert added == {
        *spec.discrepancy_sd, "discrepancy_scale", "discrepancy_early", "discrepancy_ratio",
        "discrepancy_own_recipe", "settling",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("law", "noise", "serial"),
    [
        ("rate_valley", "student-t", False),  # of another family
        ("chinchilla", "normal", False),  # not on the log
        ("chinchilla", "lower-frontier", False),
        ("chinchilla", "student-t", True),
        ("capability_sigmoid", "beta-binomial", False),
        ("annealing", "student-t", False),
    ],
)
def test_others_have_none_by_default(law: str, noise: str, serial: bool) -> None:
    assert not discrepancy_wanted(registry[law], noise_named(noise), None, serial=serial)


@pytest.mark.parametrize(
    ("law", "noise", "serial"),
    [
        ("chinchilla", "normal", False),
        ("chinchilla", "student-t-raw", False),
        ("chinchilla", "lower-frontier", False),
        ("chinchilla", "student-t", True),
        ("capability_sigmoid", "beta-binomial", False),
        ("annealing", "student-t", False),
    ],
)
def test_one_that_cannot_be_is_refused_with_the_way_out(law: str, noise: str, serial: bool) -> None:
    message = rf"law {law} .*noise {noise}.*use discrepancy=False \(--no-discrepancy\)"
    with pytest.raises(UsageError, match=message):
        discrepancy_wanted(registry[law], noise_named(noise), True, serial=serial)
    assert not discrepancy_wanted(registry[law], noise_named(noise), False, serial=serial)


def test_a_chain_has_none() -> None:
    chained = find_law("chinchilla+error_decay")
    noise = noise_named(chained.response.noise)
    assert not discrepancy_wanted(chained, noise, None, serial=False)
    with pytest.raises(UsageError, match="no such thing"):
        discrepancy_wanted(chained, noise_named("student-t"), True, serial=False)


def test_other_families_have_one_where_it_is_asked_for() -> None:
    assert discrepancy_wanted(registry["rate_valley"], noise_named("student-t"), True, serial=False)


def test_priors_by_name() -> None:
    spec, _, data = built(table(), discrepancy={"scale": (0.05, 0.3), "own": (0.01, 0.2)})
    assert spec.discrepancy_sd == {
        "discrepancy_scale_sd": (0.05, 0.3),
        "discrepancy_early_sd": USUAL["early"],
        "discrepancy_ratio_sd": USUAL["ratio"],
        OWN_SD: (0.01, 0.2),
    }
    assert float(data.prior_loc["discrepancy_scale_sd"]) == pytest.approx(np.log(0.05))
    assert float(data.prior_sd["discrepancy_scale_sd"]) == 0.3
    usual = registry["data_constrained"]
    rows = frame(U=1e9 * np.arange(1, 13))
    extra = build_spec(usual, read_runs(rows, inputs={k: k for k in usual.inputs}))
    assert extra.discrepancy_sd["discrepancy_U_sd"] == OTHER


def test_of_recipes_there_must_be_two() -> None:
    single = table(data=frame(recipe="adamw"))
    spec, structure, _ = built(single, discrepancy={"own": (0.01, 0.2)})
    assert structure.departing == ()
    assert OWN_SD not in spec.discrepancy_sd
    assert walk_names(spec.walks, []) == {
        w.name: [sd_site(departure_site(w.name))] for w in spec.walks
    }


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"scales": (0.1, 0.1)}, "discrepancy names 'scales'; there are early, own, ratio, scale"),
        ({"scale": (0.0, 0.1)}, r"discrepancy of scale is \(0.0, 0.1\); both must be positive"),
        ({"own": (0.1, -1.0)}, r"discrepancy of own is \(0.1, -1.0\); both must be positive"),
        ({"own": (float("nan"), 1.0)}, "both must be positive"),
    ],
)
def test_wrong_priors(given: dict[str, tuple[float, float]], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        build_spec(LAW, table(), discrepancy=given)


def test_a_population_brings_sizes_and_those_given_come_first() -> None:
    known = Population(
        law="chinchilla",
        parameters={"alpha": (-1.0, 0.1)},
        group_sd={"reducible": 0.07},
        discrepancy={"scale": (0.011, 0.2), "own": (0.022, 0.3), "U": (0.1, 0.1)},
        noise={"settling": (0.15, 0.4)},
    )
    spec, structure, data = built(table(), population=known, discrepancy={"scale": (0.05, 0.1)})
    assert spec.discrepancy_sd["discrepancy_scale_sd"] == (0.05, 0.1)
    assert spec.discrepancy_sd[OWN_SD] == (0.022, 0.3)
    assert spec.discrepancy_sd["discrepancy_ratio_sd"] == USUAL["ratio"]
    assert "discrepancy_U_sd" not in spec.discrepancy_sd
    assert spec.settling_prior == (0.15, 0.4)
    assert float(data.prior_loc["settling"]) == pytest.approx(np.log(0.15))
    assert (spec.prior_loc["alpha"], spec.prior_sd["alpha"]) == (-1.0, 0.1)
    # what is known to differ between recipes is pooled partially
    assert spec.pool["reducible"] == {"recipe": "partial"}
    assert structure.group_sd("reducible", "reducible_sd_recipe") == 0.07
    own = build_spec(LAW, table(), population=known, priors={"alpha": LogNormal(0.5, 0.3)})
    assert own.prior_loc["alpha"] == pytest.approx(np.log(0.5))


# -- what the prior says of the departure


def test_the_spread_of_the_prior_is_that_of_an_integrated_random_walk() -> None:
    tau, draws = 0.05, 4000
    sizes: dict[str, Any] = {k: (tau, 1e-6) for k in ("scale", "early", "ratio", "own")}
    options: dict[str, Any] = {"rung": False, "noise": "lognormal"}
    spec, structure, data = built(table(), discrepancy=sizes, **options)
    assert data.departures is not None
    drawn = draw_prior(structure, data, jax.random.key(2), draws)
    for walk in spec.walks:
        weights = np.asarray(drawn[departure_site(walk.name)])
        departure = weights @ np.asarray(data.departures[walk.name]).T
        exact = tau * np.sqrt((np.asarray(data.departures[walk.name]) ** 2).sum(axis=1))
        reached = exact > 1e-6
        assert reached.any()
        np.testing.assert_allclose(departure[:, ~reached], 0.0, atol=1e-6)
        spread = departure.std(axis=0)[reached]
        np.testing.assert_allclose(spread, exact[reached], rtol=4 / np.sqrt(2 * draws))


@pytest.mark.parametrize("side", [1, -1])
def test_the_variance_grows_with_the_cube_of_the_distance(side: int) -> None:
    """Less by what is lost by constant curvature on intervals, known exactly."""
    spec, _, _ = built(table())
    intervals = [i for i in spec.walks[2].intervals if i.side == side]
    whole = replace(spec.walks[2], fitted=tuple(intervals), beyond=())
    for k, i in enumerate(intervals):
        end = i.start + i.width
        ratio = 10.0 ** (side * end)  # the reference of N stays
        columns = whole.basis({"N": jnp.ones(1), "D": jnp.asarray([ratio])})[0]
        lost = sum(j.width**3 for j in intervals[: k + 1]) / 12
        variance = float((columns**2).sum())
        assert variance == pytest.approx(end**3 / 3 - lost, rel=1e-9)
    assert lost / (end**3 / 3) < 0.05  # far out hardly any


# -- own parts of recipes


def test_recipes_depart_for_themselves_along_scale_and_together() -> None:
    _, structure, data = built(table(), rung=False)
    still = {
        k: jnp.zeros(s.shape)
        for k, s in structure.sites().items()
        if s.kind in ("centre", "effect", "discrepancy")
    }

    def moved(**weights: Any) -> np.ndarray:
        found = predict_program(structure, data, still | weights)
        return np.asarray(found - predict_program(structure, data, still))

    shared = moved(discrepancy_scale=jnp.asarray([0.3, -0.2]))
    np.testing.assert_allclose(shared[:6], shared[6:], rtol=1e-10)
    assert np.abs(shared).max() > 0.01
    own = moved(discrepancy_own_recipe=jnp.asarray([[0.0] * 4, [0.3, -0.2, 0.0, 0.0]]))
    np.testing.assert_array_equal(own[:6], 0.0)
    np.testing.assert_allclose(own[6:], shared[6:], rtol=1e-10)
    early = moved(discrepancy_own_recipe=jnp.asarray([[0.0, 0.0, 0.3, 0.1], [0.0] * 4]))
    wanted = moved(discrepancy_early=jnp.asarray([0.3, 0.1]))
    np.testing.assert_allclose(early[:6], wanted[:6], rtol=1e-10)
    np.testing.assert_array_equal(early[6:], 0.0)


def test_the_density_adds_the_priors_of_the_discrepancy() -> None:
    _, structure, data = built(table(), rung=False)
    _, plain, arrays = built(table(), rung=False, discrepancy=False)
    values = sites_of(structure)
    for name, site in structure.sites().items():
        if site.kind == "discrepancy":
            values[name] = jnp.zeros(site.shape)
    expected = density(plain, arrays, values)
    for name, site in structure.sites().items():
        if site.kind == "discrepancy":
            sd = float(values[structure.owner(name)])
            expected += stats.norm.logpdf(np.zeros(site.shape), 0.0, sd).sum()
        elif site.kind == "discrepancy_sd" or name == "settling":
            median, spread = np.exp(float(data.prior_loc[name])), float(data.prior_sd[name])
            expected += stats.lognorm.logpdf(float(values[name]), s=spread, scale=median)
    # without a fall of the noise, and without a departure, the likelihood is that of the law
    values["settling"] = jnp.asarray(1e-12)
    expected += stats.lognorm.logpdf(1e-12, s=0.7, scale=0.3)
    expected -= stats.lognorm.logpdf(float(sites_of(structure)["settling"]), s=0.7, scale=0.3)
    assert density(structure, data, values) == pytest.approx(expected, rel=1e-9)


# -- powers of the likelihood


@pytest.mark.parametrize("discrepancy", [True, False])
def test_rows_that_are_held_out_have_no_likelihood(discrepancy: bool) -> None:
    runs = table(data=frame(se=np.linspace(0.001, 0.004, 12)), se="se")
    kept = np.arange(12) % 3 != 1
    spec, structure, _ = built(runs, rung=False, discrepancy=discrepancy)
    held = build_data(spec, LAW, runs, kept)
    alone = build_data(spec, LAW, runs.select(kept))
    np.testing.assert_array_equal(held.copies, kept.astype(float))
    assert alone.copies is None
    values = sites_of(structure)
    found = density(structure, held, values)
    assert found == pytest.approx(density(structure, alone, values), rel=1e-12)
    # what they say does not matter
    other = runs.frame.assign(response=np.where(kept, runs.frame["response"], 9.0))
    changed = build_data(spec, LAW, replace(runs, frame=other), kept)
    assert density(structure, changed, values) == found


def test_effective_runs_are_a_power_on_the_likelihood() -> None:
    """Three recipes of five, three and two runs, capped at two and a half."""
    data = frame().iloc[:10].assign(recipe=["a"] * 5 + ["b"] * 3 + ["c"] * 2)
    runs = table(data=data)
    spec, structure, arrays = built(runs, rung=False, effective_runs=2.5)
    power = np.repeat([0.5, 2.5 / 3, 1.0], [5, 3, 2])
    np.testing.assert_allclose(arrays.copies, power)
    values = sites_of(structure)
    whole = build_data(replace(spec, effective_runs=None), LAW, runs)
    none = build_data(spec, LAW, runs, np.zeros(10, dtype=bool))
    prior = density(structure, none, values)
    rows = []
    for i in range(10):
        one = build_data(replace(spec, effective_runs=None), LAW, runs, np.arange(10) == i)
        rows.append(density(structure, one, values) - prior)
    assert density(structure, whole, values) == pytest.approx(prior + sum(rows), rel=1e-10)
    assert density(structure, arrays, values) == pytest.approx(
        prior + float(power @ np.array(rows)), rel=1e-10
    )


def test_effective_runs_count_those_that_are_kept() -> None:
    runs = table()
    spec, _, _ = built(runs, rung=False, effective_runs=2.0)
    kept = np.arange(12) < 9  # six of one recipe and three of the other
    held = build_data(spec, LAW, runs, kept)
    np.testing.assert_allclose(held.copies, np.repeat([1 / 3, 2 / 3, 0.0], [6, 3, 3]))
    single = build_spec(LAW, table(None), effective_runs=4.0)
    np.testing.assert_allclose(build_data(single, LAW, table(None)).copies, np.full(12, 1 / 3))


@pytest.mark.parametrize("cap", [0.0, -1.0, float("inf"), float("nan")])
def test_a_cap_is_a_number_of_runs(cap: float) -> None:
    with pytest.raises(UsageError, match=r"effective_runs is .*; it must be positive"):
        build_spec(LAW, table(), effective_runs=cap)


def test_the_evidence_of_a_chain_cannot_be_capped() -> None:
    chained = find_law("chinchilla+error_decay")
    rows = frame(error=np.linspace(0.9, 0.3, 12)).rename(columns={"loss": "through"})
    runs = read_runs(rows, response="error", through="through", unit="fraction")
    with pytest.raises(UsageError, match=r"law chinchilla\+error_decay do not: leave it out"):
        build_spec(chained, runs, effective_runs=4)


# -- noise that settles


def test_noise_falls_with_scale() -> None:
    _, structure, data = built(table(), rung=False)
    assert data.scale_decades is not None
    decades = np.log10(data.inputs["N"] * data.inputs["D"])
    np.testing.assert_allclose(data.scale_decades, decades, atol=1e-12)
    values = {"sigma": jnp.asarray(0.01), "settling": jnp.asarray(0.4)}
    found = spread_of(structure, data, {}, values, jnp.zeros(12))
    np.testing.assert_allclose(found, 0.01 * np.exp(-0.4 * decades), rtol=1e-12)
    assert float(settled(0.01, 0.4, 0.0)) == pytest.approx(0.01)
    apart = np.asarray(found)[decades.argmin()] / np.asarray(found)[decades.argmax()]
    assert np.log(apart) == pytest.approx(0.4 * np.ptp(decades))


def test_known_errors_do_not_settle() -> None:
    se = np.linspace(0.01, 0.04, 12)
    _, structure, data = built(table(data=frame(se=se), se="se"), rung=False)
    values = {"sigma": jnp.asarray(0.01), "settling": jnp.asarray(0.4)}
    centre = jnp.log(data.response)
    found = spread_of(structure, data, {}, values, centre)
    own = 0.01 * np.exp(-0.4 * np.asarray(data.scale_decades))
    np.testing.assert_allclose(found, np.hypot(own, se / data.response), rtol=1e-10)


def test_the_walks_of_a_spec_are_those_of_its_inputs() -> None:
    spec, _, data = built(table())
    assert walks_of(LAW, data.inputs) == spec.walks
