"""The discrepancy beyond the runs, as fits store it."""

from __future__ import annotations

import numpy as np
import pytest
from fakes import RECIPES, fake_fit, flat

from bayes_scaling.posterior import Fit
from bayes_scaling.posterior.diagnostics import prior_sds
from bayes_scaling.posterior.whole import whole_discrepancy


@pytest.fixture(scope="module")
def fit() -> Fit:
    return fake_fit(RECIPES, discrepancy=True, draws=250)


def arrays(fit: Fit) -> dict[str, np.ndarray]:
    """Draws as the sampler leaves them: weights of the fitted intervals only."""
    found = {}
    for name, site in fit.structure.sites().items():
        values = fit.posterior[name].to_numpy()
        if site.kind == "discrepancy" and "own" not in name:
            values = values[..., : site.shape[-1]]
        elif site.kind == "discrepancy":
            scale, early, _ = fit.spec.walks
            ends = len(scale.intervals)
            parts = values[..., : len(scale.fitted)], values[..., ends : ends + len(early.fitted)]
            values = np.concatenate(parts, axis=-1)
        found[name] = values
    return found


def test_fitted_weights_stay_and_others_have_the_sd_of_their_site(fit: Fit) -> None:
    given = arrays(fit)
    found = whole_discrepancy(fit.spec.walks, fit.structure, given, seed=7)
    assert set(found) == {n for n, s in fit.structure.sites().items() if s.kind == "discrepancy"}
    for name, whole in found.items():
        assert whole.shape == fit.posterior[name].shape
        own = "own" in name
        walks = fit.spec.walks[:2] if own else [w for w in fit.spec.walks if w.name in name]
        inside = np.array([i in w.fitted for w in walks for i in w.intervals])
        np.testing.assert_array_equal(whole[..., inside], given[name])
        sd = given[fit.structure.owner(name)]
        z = whole[..., ~inside] / sd.reshape(*sd.shape, *[1] * (whole.ndim - 2))
        # independent standard normals, of every draw and interval
        assert abs(z.mean()) < 4 / np.sqrt(z.size)
        assert abs(z.std() - 1) < 4 / np.sqrt(2 * z.size)
        assert np.unique(z).size == z.size


def test_the_same_seed_gives_the_same_function(fit: Fit) -> None:
    given = arrays(fit)
    one, two, other = (
        whole_discrepancy(fit.spec.walks, fit.structure, given, seed) for seed in (7, 7, 8)
    )
    for name, values in one.items():
        np.testing.assert_array_equal(two[name], values)
        assert not np.array_equal(other[name], values)


def test_without_walks_there_is_nothing() -> None:
    fit = fake_fit(draws=100)
    assert whole_discrepancy((), fit.structure, {}, 1) == {}


def test_a_fit_names_the_intervals_of_its_weights(fit: Fit) -> None:
    scale, early, ratio = fit.spec.walks
    for walk in (scale, early, ratio):
        labels = fit.posterior[f"discrepancy_{walk.name}"][f"{walk.name}_interval"].to_numpy()
        assert labels.tolist() == [i.label for i in walk.intervals]
        assert len(set(labels)) == len(labels)
    own = fit.posterior["discrepancy_own_recipe"]
    assert own.dims == ("chain", "draw", "recipe", "own_interval")
    assert own["own_interval"].to_numpy().tolist() == [
        i.label for w in (scale, early) for i in w.intervals
    ]


def test_the_summary_has_sizes_and_leaves_weights_out(fit: Fit) -> None:
    names = set(fit.summary()["name"])
    assert {"settling", "discrepancy_scale_sd", "discrepancy_own_recipe_sd"} <= names
    assert not {"discrepancy_scale", "discrepancy_own_recipe"} & names
    assert {"discrepancy_scale", "discrepancy_own_recipe"} <= set(fit.table["name"])
    table = fit.table.set_index("name")
    # what a law cannot know need not be learned
    sds = prior_sds(fit.structure, fit.spec.prior_sd)
    assert np.isnan(sds["discrepancy_scale_sd"])
    assert sds["settling"] == 0.7
    spread = np.log(flat(fit, "settling")).std(ddof=1)
    assert table.loc["settling", "contraction"] == pytest.approx(1 - spread**2 / 0.7**2, rel=1e-3)
