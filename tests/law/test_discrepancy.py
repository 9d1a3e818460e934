"""How a loss departs from its law: integrated random walks, and what they move."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from cases import CASES, Case
from fakes import TRUTH
from scipy import stats

from bayes_scaling import find_law
from bayes_scaling.law.discrepancy import DISCREPANCY, Discrepancy, along, curve, departed
from bayes_scaling.models import registry
from bayes_scaling.program import build_data, build_spec
from bayes_scaling.program.build import references
from bayes_scaling.program.discrepancy import walks_of
from bayes_scaling.program.program import parameters_of
from bayes_scaling.program.structure import departure_site, own_site
from bayes_scaling.runs import read_runs

LAW = registry["chinchilla"]
STEP = 1e-3  # of finite differences, in decades
RNG = np.random.default_rng(17)
N = np.geomspace(1e8, 3e9, 6)
SCALE = (("N", 1.0), ("D", 1.0))
RATIO = (("N", -1.0), ("D", 1.0))


def drawn(shape: tuple[int, ...] = ()) -> Discrepancy:
    """Two walks of three intervals: sides, places and widths all differ."""
    return Discrepancy(
        directions=(SCALE, RATIO),
        walk=np.array([0, 0, 1]),
        side=np.array([1.0, -1.0, 1.0]),
        start=np.array([0.0, 0.3, 0.5]),
        width=np.array([0.25, 0.5, 2.0]),
        weights=np.random.default_rng(5).normal(size=(3, *shape)),
    )


# -- one interval


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize(("start", "width"), [(0.0, 0.4), (0.7, 0.1), (1.2, 3.0)])
def test_the_curvature_is_one_over_the_root_of_the_width_on_the_interval(
    side: int, start: float, width: float
) -> None:
    def second(x: float) -> float:
        """Second difference that far from the reference, on the side of the interval."""
        left, here, right = (
            float(curve(jnp.asarray(side * (x + k * STEP)), side, start, width)) for k in (-1, 0, 1)
        )
        return (left - 2 * here + right) / STEP**2

    for share in (0.1, 0.5, 0.9):
        assert second(start + share * width) == pytest.approx(1 / np.sqrt(width), rel=1e-6)
    for outside in (start - 0.2, start + width + 0.2, start + width + 3.0, -1.0):
        assert second(outside) == pytest.approx(0.0, abs=1e-8)


@pytest.mark.parametrize("side", [1, -1])
def test_a_walk_starts_flat_and_goes_on_straight(side: int) -> None:
    start, width = 0.7, 0.4
    before = side * np.linspace(-3.0, start, 9)
    np.testing.assert_array_equal(curve(before, side, start, width), np.zeros(9))
    slope = jax.vmap(jax.grad(lambda t: curve(t, side, start, width)))
    np.testing.assert_array_equal(slope(jnp.asarray(before)), np.zeros(9))
    beyond = start + width + np.linspace(0.0, 5.0, 9)
    found = curve(side * beyond, side, start, width)
    # the slope is the integral of the curvature, and the line points at the middle
    np.testing.assert_allclose(found, np.sqrt(width) * (beyond - start - width / 2), rtol=1e-12)


# -- draws of departures


@pytest.mark.parametrize(
    ("weights", "inputs"), [((), ()), ((), (4,)), ((5, 1), (4,)), ((5, 4), (4,)), ((5, 4), (5, 1))]
)
def test_a_departure_is_the_sum_over_its_intervals(
    weights: tuple[int, ...], inputs: tuple[int, ...]
) -> None:
    one = drawn(weights)
    x = {k: np.exp(2.0 * RNG.normal(size=inputs)) for k in ("N", "D")}
    n, d = np.log10(x["N"]), np.log10(x["D"])
    expected: Any = 0.0
    for i, place in enumerate([n + d, n + d, d - n]):
        beyond = np.maximum(one.side[i] * place - one.start[i], 0.0)
        inside = np.minimum(beyond, one.width[i])
        grown = 0.5 * inside**2 + inside * (beyond - inside)  # the integral of its integral
        expected = expected + one.weights[i] * grown / np.sqrt(one.width[i])
    np.testing.assert_allclose(one.at(x), expected, rtol=1e-10, atol=1e-12)
    assert one.at(x).shape == np.broadcast_shapes(weights, inputs)


def test_decades_along_a_direction() -> None:
    assert float(along(RATIO, {"N": 10.0, "D": 1000.0})) == pytest.approx(2.0)
    assert float(along(SCALE, {"N": 1.0, "D": 1.0, "U": 7.0})) == 0.0


def test_at_the_reference_there_is_no_departure() -> None:
    assert float(drawn().at({"N": 1.0, "D": 1.0})) == 0.0


def test_value_and_slope_are_continuous_where_the_fitted_runs_end() -> None:
    x = {"N": jnp.asarray(N / stats.gmean(N)), "D": jnp.asarray(N / stats.gmean(N))}
    for walk in walks_of(LAW, x):
        for interval in walk.beyond:
            end = interval.side * interval.start
            found = Discrepancy(
                (walk.direction,),
                np.zeros(len(walk.intervals), dtype=int),
                *(
                    np.array([float(getattr(i, k)) for i in walk.intervals])
                    for k in ("side", "start", "width")
                ),
                weights=RNG.normal(size=len(walk.intervals)),
            )

            def at(t: Any, found: Discrepancy = found, walk: Any = walk) -> Any:
                # along the direction, whatever its coefficients
                norm = sum(c**2 for _, c in walk.direction)
                return found.at({k: 10.0 ** (t * c / norm) for k, c in walk.direction})

            values = [float(at(end + k * 1e-7)) for k in (-1, 1)]
            slopes = [float(jax.grad(at)(end + k * 1e-7)) for k in (-1, 1)]
            size = float(np.abs(found.weights).sum())
            assert abs(values[1] - values[0]) < 1e-5 * size
            assert abs(slopes[1] - slopes[0]) < 1e-5 * size


def test_departures_travel_through_jax() -> None:
    one = drawn((4,))
    x = {"N": 2.0, "D": 30.0}
    leaves, form = jax.tree.flatten(one)
    assert len(leaves) == 5
    np.testing.assert_array_equal(jax.tree.unflatten(form, leaves).at(x), one.at(x))
    np.testing.assert_allclose(jax.jit(lambda d: d.at(x))(one), one.at(x), rtol=1e-12)


# -- laws


def test_only_the_part_above_the_floor_departs() -> None:
    mean, floor = jnp.asarray([2.5, 3.0, 5.0]), 2.0
    np.testing.assert_allclose(departed(mean, floor, np.log(2.0), {}), [3.0, 4.0, 8.0])
    np.testing.assert_array_equal(departed(mean, floor, 0.0, {}), mean)
    np.testing.assert_allclose(departed(mean, floor, -100.0, {}), 2.0, rtol=1e-12)
    one, x = drawn(), {"N": 3.0, "D": 50.0}
    np.testing.assert_allclose(departed(mean, floor, one, x), departed(mean, floor, one.at(x), x))


def test_the_log_of_the_reducible_loss_departs() -> None:
    x, one = {"N": jnp.asarray([0.1, 1.0, 40.0]), "D": jnp.asarray([0.5, 1.0, 9.0])}, drawn()
    floor = TRUTH["level"] * (1 - TRUTH["reducible"])
    law, moved = (
        np.asarray(LAW.mean(x, TRUTH | more)) - floor for more in ({}, {DISCREPANCY: one})
    )
    np.testing.assert_allclose(np.log(moved / law), one.at(x), rtol=1e-10, atol=1e-12)
    assert moved[1] == law[1]  # at the reference the law holds


def test_a_law_without_a_floor_departs_as_a_whole() -> None:
    law = LAW.variant("no_floor")
    values = {p: TRUTH[p] for p in law.parameters}
    x, one = {"N": jnp.asarray(20.0), "D": jnp.asarray(3.0)}, drawn()
    found = law.mean(x, values | {DISCREPANCY: one})
    assert float(found) == pytest.approx(float(law.mean(x, values) * jnp.exp(one.at(x))))


def test_the_mean_of_draws_is_that_of_the_program() -> None:
    """The same weights, as a function and as columns of the fitted runs."""
    frame = pd.DataFrame({"N": np.tile(N, 2), "recipe": np.repeat(["adam", "muon"], 6)})
    frame["D"] = 20 * frame["N"] ** 0.9 * np.tile([10.0, 5.0, 9.0, 7.0, 12.0, 6.0], 2)
    frame["loss"] = 1.7 + 60 * frame["N"] ** -0.25 + 90 * frame["D"] ** -0.25
    runs = read_runs(frame, group="recipe")
    spec = build_spec(LAW, runs)
    structure, data = spec.structure(LAW), build_data(spec, LAW, runs)
    assert structure.departing == ("recipe",)
    free = {
        k: jnp.asarray(0.3 * RNG.normal(size=s.shape))
        for k, s in structure.sites().items()
        if s.kind in ("centre", "effect", "discrepancy")
    }
    values = parameters_of(structure, data, free)
    own = np.asarray(free[own_site("recipe")])[np.asarray(data.levels["recipe"])].T
    shared = np.concatenate([free[departure_site(w.name)] for w in spec.walks])
    weights = np.repeat(shared[:, None], len(frame), axis=1)
    weights[: len(own)] += own  # of the walks along scale, which come first
    placed = [(i, interval) for i, w in enumerate(spec.walks) for interval in w.fitted]
    one = Discrepancy(
        directions=tuple(w.direction for w in spec.walks),
        walk=np.array([i for i, _ in placed]),
        side=np.array([float(i.side) for _, i in placed]),
        start=np.array([i.start for _, i in placed]),
        width=np.array([i.width for _, i in placed]),
        weights=weights,
    )
    np.testing.assert_allclose(values[DISCREPANCY], one.at(data.inputs), rtol=1e-9, atol=1e-12)
    assert np.ptp(np.asarray(values[DISCREPANCY])) > 0.01
    np.testing.assert_allclose(
        LAW.mean(data.inputs, values),
        LAW.mean(data.inputs, values | {DISCREPANCY: one}),
        rtol=1e-10,
    )


# -- floors


def test_floors_of_laws_with_and_without_one() -> None:
    assert LAW.floor(TRUTH) == pytest.approx(2.9 * 0.6)
    bare = LAW.variant("no_floor")
    given = bare.expand({p: TRUTH[p] for p in bare.parameters})
    assert float(bare.floor(given)) == 0.0
    assert registry["log_linear"].floor({"level": 2.0}) == 0.0  # declares none
    np.testing.assert_allclose(LAW.floor(TRUTH | {"level": np.array([1.0, 2.0])}), [0.6, 1.2])


@pytest.mark.parametrize(
    "name", ["chinchilla", "chinchilla:tied", "skaling", "kaplan", "power_law", "width_depth"]
)
def test_a_floor_is_the_loss_of_an_endless_scale(name: str) -> None:
    law = find_law(name)
    values = {p: TRUTH.get(p, 0.3) for p in law.parameters}
    endless = law.mean(dict.fromkeys(law.inputs, jnp.asarray(1e200)), values)
    assert float(endless) == pytest.approx(float(law.floor(law.expand(values))), rel=1e-9)


def has_floor(case: Case) -> bool:
    law = find_law(case.law)
    return any(d.floor for d in law.derived) and not law.scheduled


@pytest.mark.parametrize("case", [c for c in CASES if has_floor(c)], ids=lambda c: c.law)
def test_no_loss_lies_below_its_floor(case: Case) -> None:
    """Where it did, a departure would move it the other way."""
    law = find_law(case.law)
    (derived,) = [d for d in law.derived if d.floor]
    floor = law.floor(law.expand(case.truth))
    assert derived.value({}, law.expand(case.truth)) == floor  # of no references
    rng = np.random.default_rng(2)
    raw = {
        k: low * (high / low) ** rng.uniform(size=50)
        if low > 0
        else low + (high - low) * rng.uniform(size=50)
        for k, (low, high) in case.domain.items()
    }
    centred = law.centre(raw, references(law, raw))
    assert (np.asarray(law.mean(centred, case.truth)) >= floor).all()
