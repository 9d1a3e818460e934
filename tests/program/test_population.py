"""The populations and weights that come with the package."""

from __future__ import annotations

import math

import pytest

from bayes_scaling import find_law
from bayes_scaling.errors import UsageError
from bayes_scaling.models import registry
from bayes_scaling.program.discrepancy import directions_of
from bayes_scaling.program.population import (
    Population,
    from_table,
    law_weights,
    population_of,
    published,
)


def test_laws_that_are_weighted_by_default_have_a_population() -> None:
    weights = law_weights()
    assert all(weight > 0 for weight in weights.values())
    assert set(weights) <= set(published())
    laws = [find_law(name) for name in weights]
    assert all(set(law.inputs) == {"N", "D"} for law in laws)


@pytest.mark.parametrize("found", published().values(), ids=lambda p: p.law)
def test_published_populations_fit_their_law(found: Population) -> None:
    law = find_law(found.law)
    assert found.law == law.name
    assert population_of(law) is found
    assert len(found.suites) >= 3
    # the level is that of a suite's own runs
    assert set(found.parameters) == set(law.parameters) - {"level"}
    assert set(found.group_sd) <= set(law.parameters)
    assert set(found.discrepancy) <= {*directions_of(law), "own"}
    assert set(found.noise) == {"settling"}
    for loc, sd in found.parameters.values():
        assert math.isfinite(loc)
        assert sd > 0
    for name, (median, sd) in {**found.discrepancy, **found.noise}.items():
        assert 0 < median < 1, name
        assert sd > 0
    assert all(0 < scale < 1 for scale in found.group_sd.values())
    for name, prior in found.priors(law).items():
        # what suites say is narrower than the law's own prior
        assert prior.link == law.parameters[name].prior.link
        assert prior.sd < law.parameters[name].prior.sd
    again = from_table(found.table())
    assert (again.law, again.suites) == (found.law, found.suites)
    assert again.discrepancy["scale"] == pytest.approx(found.discrepancy["scale"])


def test_other_laws_have_none() -> None:
    assert "vocabulary" not in published()
    message = r"no population was learned for law vocabulary; .*use prior='weak' \(--prior weak\)"
    with pytest.raises(UsageError, match=message):
        population_of(registry["vocabulary"])
