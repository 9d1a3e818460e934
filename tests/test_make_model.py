"""Models by the name of a law: weighted laws by default, and options to those that have them."""

from __future__ import annotations

from typing import Any

import pytest

import bayes_scaling as bs
from bayes_scaling.errors import UsageError
from bayes_scaling.law import LogNormal
from bayes_scaling.posterior.weighted import WeightedModel
from bayes_scaling.program import population

TWO = {"chinchilla": 1.0, "skaling": 3.0}


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(population, "law_weights", lambda: TWO)


def test_a_named_law_has_weak_priors() -> None:
    model = bs.make_model("chinchilla:tied", noise="lognormal", discrepancy=False)
    assert isinstance(model, bs.ScalingModel)
    assert model.law is bs.find_law("chinchilla:tied")
    assert (model.population, model.noise, model.discrepancy) == (None, "lognormal", False)
    law = bs.models.kaplan
    assert bs.make_model(law).law is law


def test_by_default_laws_have_their_weights_and_populations() -> None:
    model, weights = bs.make_model(), population.law_weights()
    parts = model.models if isinstance(model, WeightedModel) else (model,)
    assert [part.law.name for part in parts] == list(weights)
    for part in parts:
        assert part.population is population.population_of(part.law)


@pytest.mark.usefixtures("two")
def test_several_laws_are_weighted() -> None:
    model = bs.make_model(prior="weak", rung=False)
    assert isinstance(model, WeightedModel)
    assert model.weights == (0.25, 0.75)
    assert model.law is bs.find_law("chinchilla|skaling")
    assert all(part.rung is False and part.population is None for part in model.models)


@pytest.mark.usefixtures("two")
def test_options_go_to_the_laws_that_have_the_parameter() -> None:
    priors = {"coupling": LogNormal(0.5, 0.1), "alpha": LogNormal(0.4, 0.1)}
    pool: Any = {"coupling": "partial"}
    model = bs.make_model(prior="weak", priors=priors, pool=pool, group_sd={"alpha": 0.05})
    assert isinstance(model, WeightedModel)
    first, second = model.models
    assert set(first.priors) == {"alpha"}
    assert set(second.priors) == {"alpha", "coupling"}
    assert (first.pool, second.pool) == ({}, pool)
    assert first.group_sd == second.group_sd == {"alpha": 0.05}


@pytest.mark.usefixtures("two")
@pytest.mark.parametrize("option", ["pool", "priors", "group_sd"])
def test_a_parameter_that_no_law_has(option: str) -> None:
    with pytest.raises(UsageError, match=r"chinchilla, skaling.*'gamma'"):
        bs.make_model(**{option: {"gamma": "partial"}})


def test_names_of_laws_and_priors() -> None:
    with pytest.raises(UsageError, match="no law named 'chinchila'"):
        bs.make_model("chinchila")
    with pytest.raises(UsageError, match="no population was learned for law vocabulary"):
        bs.make_model("vocabulary", prior="population")
