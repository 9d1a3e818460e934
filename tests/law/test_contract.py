"""What every law must hold, over all rows of `tests/cases.py`; nothing is sampled."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from casekit import axis
from cases import CASES, Case, Check
from recovery import own_program

from bayes_scaling import find_law
from bayes_scaling.law import CITATIONS, History, Law, ResponseScale
from bayes_scaling.law.priors import LINKS
from bayes_scaling.models import registry
from bayes_scaling.program.build import references
from bayes_scaling.program.curves import histories

RESPONSE = ResponseScale(median=3.0, smallest=2.0, spread=2.5)
DRAWS = 64  # of the prior
BEFORE_A_FALL = History(*(np.ones(1),) * 2, *(np.zeros((1, 1)),) * 3, np.ones((1, 1)))

rows = pytest.mark.parametrize("case", CASES, ids=lambda case: case.law)
with_level = pytest.mark.parametrize(
    "case", [c for c in CASES if "level" in find_law(c.law).parameters], ids=lambda case: case.law
)
with_slopes = pytest.mark.parametrize(
    "case", [c for c in CASES if c.slopes], ids=lambda case: case.law
)
with_scatter = pytest.mark.parametrize(
    "case", [c for c in CASES if find_law(c.law).scatter], ids=lambda case: case.law
)
with_shape = pytest.mark.parametrize(
    "case", [c for c in CASES if find_law(c.law).shape], ids=lambda case: case.law
)
Inputs = dict[str, np.ndarray]
Values = dict[str, jax.Array]


def points(case: Case) -> int:
    """Grid points of each input: fewer where inputs are many."""
    return 5 if len(case.domain) <= 3 else 3


def references_of(case: Case) -> dict[str, float]:
    if find_law(case.law).scheduled:
        return own_program(case)[1].references
    return references(find_law(case.law), {k: np.asarray(v) for k, v in case.domain.items()})


def grid(case: Case, margin: float = 0.0) -> Inputs:
    """Inputs over the domain, or its inside, as the law's function takes them."""
    law = find_law(case.law)
    at = np.linspace(margin, 1.0 - margin, points(case))
    if law.scheduled:
        return along_a_schedule(case, axis(case, "step", at))
    mesh = np.meshgrid(*(axis(case, k, at) for k in case.domain), indexing="ij")
    raw = {k: m.ravel() for k, m in zip(case.domain, mesh, strict=True)}
    return law.centre(raw, references_of(case))


def along_a_schedule(case: Case, step: np.ndarray) -> Inputs:
    """Rows of the run of the design whose rate falls throughout."""
    law, spec, _ = own_program(case)
    text = case.inputs().set_index("run").loc["cosine", "schedule"].iloc[0]
    given = {"step": step, "schedule": histories(spec, pd.Series([text] * len(step)), step)}
    return law.centre(given, spec.references)


def at_reference(case: Case) -> Inputs:
    """The reference point, at the best settings and before the rate falls."""
    law, found = find_law(case.law), references_of(case)
    point = law.centre(found | {"schedule": BEFORE_A_FALL}, found)
    return point | dict.fromkeys(law.settings, np.nan)


def at_best(case: Case, values: Values) -> Inputs:
    """The reference point, at the best values of inputs that have one."""
    return at_reference(case) | {x: values[p] for x, p in case.best.items()}


def on_scale(law: Law, mean: jax.Array) -> jax.Array:
    """Means on the scale of the law's own noise."""
    return jnp.log(mean) if law.response.positive else mean


def at(law: Law, z: Mapping[str, float | np.ndarray]) -> Values:
    """Parameters `z` prior standard deviations from the middle of the prior."""
    values = {}
    for name, parameter in law.parameters.items():
        loc, sd = parameter.prior.resolve(RESPONSE, name)
        values[name] = LINKS[parameter.prior.link].to_support(jnp.asarray(loc + sd * z[name]))
    return values


def middle(law: Law) -> Values:
    return at(law, dict.fromkeys(law.parameters, 0.0))


def prior_draws(law: Law) -> Values:
    rng = np.random.default_rng(20)
    return at(law, {name: rng.normal(size=(DRAWS, 1)) for name in law.parameters})


def names_of(laws: Mapping[str, Law]) -> set[str]:
    return {n for k, law in laws.items() for n in (k, *(f"{k}:{v}" for v in law.variants))}


def row_name(case: Case) -> str:
    """Name that the row stands for: an open law is tried with some names of columns."""
    return case.law.rsplit(":", 1)[0] if "," in case.law else case.law


def without_row(laws: Mapping[str, Law], cases: Iterable[Case]) -> list[str]:
    return sorted(names_of(laws) - {row_name(case) for case in cases})


def test_every_law_has_a_row() -> None:
    missing = without_row(registry, CASES)
    assert not missing, f"no row for {', '.join(missing)}: add one to tests/cases.py"


def test_the_guard_sees_a_new_law_and_a_new_variant() -> None:
    kaplan = registry["kaplan"]
    new = replace(kaplan, name="new", variants={})
    varied = replace(kaplan, variants={**kaplan.variants, "other": kaplan.variants["no_floor"]})
    assert without_row({"new": new, "kaplan": varied}, CASES) == ["kaplan:other", "new"]


def test_every_row_has_a_law() -> None:
    assert {row_name(case) for case in CASES} <= names_of(registry)
    assert len({case.law for case in CASES}) == len(CASES)


@rows
def test_row_matches_the_law(case: Case) -> None:
    law = find_law(case.law)
    assert law.name == case.law
    assert set(case.domain) == set(law.inputs)
    assert {*case.decreasing, *case.increasing} <= set(law.inputs)
    for name, declared in law.inputs.items():
        low, high = case.domain[name]
        assert low < high
        assert declared.valid(np.array([low, high])).all(), name
    assert set(case.truth) == set(law.parameters)
    assert set(case.unidentified) <= set(law.parameters)
    assert set(case.best) <= set(law.inputs)
    assert set(case.best.values()) <= set(law.parameters)
    assert case.published
    assert case.source


@rows
def test_prior_predictions_are_finite(case: Case) -> None:
    law = find_law(case.law)
    inputs = grid(case)
    mean = np.asarray(law.mean(inputs, middle(law)))
    assert mean.dtype == np.float64
    assert mean.shape == (points(case) ** len(law.inputs),)
    assert np.isfinite(mean).all()
    assert (mean > 0).all() or not law.response.positive
    drawn = np.asarray(law.mean(inputs, prior_draws(law)))
    assert drawn.shape == (DRAWS, mean.size)
    assert np.isfinite(drawn).all()


@with_level
def test_level_is_the_mean_at_the_reference(case: Case) -> None:
    law = find_law(case.law)
    values = prior_draws(law)
    mean = law.mean(at_best(case, values), values)
    np.testing.assert_allclose(mean, values["level"], rtol=1e-12)


@rows
def test_gradients_match_finite_differences(case: Case) -> None:
    law = find_law(case.law)
    inputs = grid(case, margin=0.03)
    n_parameters = len(law.parameters)
    middle_z = np.concatenate([np.zeros(n_parameters), np.zeros(len(law.inputs))])

    def total(shift: jax.Array) -> jax.Array:
        """Sum of means on their scale, parameters moved in prior sds and inputs relatively."""
        values = at(law, dict(zip(law.parameters, shift[:n_parameters], strict=True)))
        moves = dict(zip(law.inputs, shift[n_parameters:], strict=True))
        moved = {k: jnp.asarray(inputs[k]) * jnp.exp(moves[k]) for k in law.inputs}
        return on_scale(law, law.mean(inputs | moved, values)).sum()

    gradient = np.asarray(jax.grad(total)(jnp.asarray(middle_z)))
    step = 1e-5
    differences = np.array(
        [
            (float(total(jnp.asarray(middle_z + e))) - float(total(jnp.asarray(middle_z - e))))
            / (2 * step)
            for e in step * np.eye(middle_z.size)
        ]
    )
    assert np.isfinite(gradient).all()
    # rounding of the sum over step, and curvature times step squared, are both below 1e-8
    np.testing.assert_allclose(gradient, differences, rtol=1e-7, atol=1e-7)
    assert (np.abs(gradient) > 1e-6).any()


@rows
def test_gradients_of_prior_draws_are_finite(case: Case) -> None:
    law = find_law(case.law)
    inputs = grid(case)
    gradients = jax.grad(lambda v: on_scale(law, law.mean(inputs, v)).sum())(prior_draws(law))
    assert set(gradients) == set(law.parameters)
    for name, gradient in gradients.items():
        assert np.isfinite(gradient).all(), name


@with_scatter
def test_scatter_is_a_spread(case: Case) -> None:
    law = find_law(case.law)
    inputs, values = grid(case), prior_draws(law)
    spread = np.asarray(law.extra_spread(inputs, values))
    assert spread.shape == (DRAWS, points(case) ** len(law.inputs))
    assert np.isfinite(spread).all()
    assert (spread >= 0).all()
    assert spread.max() > 0
    if law.settings or case.best:
        assert np.all(law.extra_spread(at_best(case, values), values) == 0)
    for name, gradient in jax.grad(lambda v: law.extra_spread(inputs, v).sum())(values).items():
        assert np.isfinite(gradient).all(), name


@with_shape
def test_shape_of_the_likelihood_is_finite(case: Case) -> None:
    law = find_law(case.law)
    inputs, values = grid(case), prior_draws(law)
    for name, found in law.likelihood_shape(inputs, values).items():
        assert np.isfinite(found).all(), name
        assert np.all(np.asarray(found) >= 0), name

    def total(values: Values) -> jax.Array:
        return sum(jnp.sum(v) for v in law.likelihood_shape(inputs, values).values())

    for name, gradient in jax.grad(total)(values).items():
        assert np.isfinite(gradient).all(), name


@rows
def test_mean_moves_as_declared(case: Case) -> None:
    law = find_law(case.law)
    inputs = grid(case)
    shape = (DRAWS, *(points(case) for _ in law.inputs))
    drawn = np.asarray(law.mean(inputs, prior_draws(law))).reshape(shape)
    at_middle = np.asarray(law.mean(inputs, middle(law))).reshape(shape[1:])
    for axis_, name in enumerate(law.inputs):
        sign = (name in case.increasing) - (name in case.decreasing)
        if sign:
            # a term can fall below the last digit of the response, but never turn
            lost = 1e-15 * np.abs(drawn).max()
            assert (sign * np.diff(drawn, axis=axis_ + 1) >= -lost).all(), name
            assert (sign * np.diff(at_middle, axis=axis_) > 0).all(), name


@pytest.mark.parametrize(
    ("case", "check"),
    [pytest.param(c, k, id=f"{c.law}: {k.what}") for c in CASES for k in c.published],
)
def test_published(case: Case, check: Check) -> None:
    law = find_law(case.law)
    np.testing.assert_allclose(check.got(law), check.expected(law), rtol=check.rtol)


@rows
def test_meaning_and_unit(case: Case) -> None:
    law = find_law(case.law)
    for name, found in law.inputs.items():
        assert found.meaning, name
        assert found.unit, name
    for name, parameter in law.parameters.items():
        assert parameter.meaning, name
        assert isinstance(parameter.unit, str), name
        assert parameter.group_sd > 0, name
    for quantity in law.derived:
        assert quantity.meaning, quantity.name
        assert isinstance(quantity.unit, str), quantity.name


@rows
def test_names_do_not_collide(case: Case) -> None:
    law = find_law(case.law)
    names = [*law.inputs, *law.parameters, *(d.name for d in law.derived), "sigma", "nu"]
    assert len(set(names)) == len(names)


@rows
def test_citations_are_known(case: Case) -> None:
    law = find_law(case.law)
    assert law.citation in CITATIONS
    assert law.references
    assert set(law.references) <= set(CITATIONS)
    assert law.citation in law.references


@rows
def test_formula_and_family(case: Case) -> None:
    law = find_law(case.law)
    assert law.formula.startswith("$")
    assert law.formula.endswith("$")
    assert law.family


@rows
def test_derived_quantities_are_finite(case: Case) -> None:
    law = find_law(case.law)
    found = law.derive(references_of(case), middle(law))
    assert set(found) == {d.name for d in law.derived}
    for name, value in found.items():
        assert np.isfinite(value), name


@with_level
def test_the_level_has_the_unit_and_scale_of_the_response(case: Case) -> None:
    law = find_law(case.law)
    assert law.parameters["level"].unit == law.response.unit
    prior = law.parameters["level"].prior
    in_nats = np.array(prior.resolve(RESPONSE, "level"))
    in_bits = np.array(prior.resolve(ResponseScale(*(v / np.log(2) for v in RESPONSE)), "level"))
    if prior.link == "log":
        np.testing.assert_allclose(in_bits - in_nats, [-np.log(np.log(2)), 0.0], atol=1e-12)
    elif prior.link == "identity":
        np.testing.assert_allclose(in_bits / in_nats, 1 / np.log(2))
    else:
        np.testing.assert_allclose(in_bits, in_nats)  # a fraction has no unit to change


@with_slopes
def test_shifted_exponents_are_slopes(case: Case) -> None:
    """The exponents as the sampler sees them are the log-slopes of the mean at the reference."""
    law = find_law(case.law)
    values = prior_draws(law)
    shifts = law.shifts(values)
    assert set(shifts) == set(case.slopes.values())

    def log_mean(moves: Values) -> jax.Array:
        ones = at_reference(case)
        moved = {k: ones[k] * jnp.exp(moves[k]) if k in moves else ones[k] for k in law.inputs}
        return jnp.log(law.mean(moved, values)).sum()

    slopes = jax.grad(log_mean)({k: jnp.zeros((DRAWS, 1)) for k in case.slopes})
    for x, exponent in case.slopes.items():
        shifted = jnp.exp(jnp.log(values[exponent]) + shifts[exponent])
        np.testing.assert_allclose(shifted, -slopes[x], rtol=1e-9, err_msg=x)
