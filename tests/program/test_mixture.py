"""Items that follow one of several curves: every assignment of items, by brute force."""

from __future__ import annotations

from itertools import product
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import pandas as pd
import pytest
from scipy import stats

from bayes_scaling.errors import UsageError
from bayes_scaling.law.priors import LINKS
from bayes_scaling.models import registry
from bayes_scaling.program import Data, Structure, build_data, build_spec, program
from bayes_scaling.program.mixture import Mixed
from bayes_scaling.runs import Runs, read_runs

LAW = registry["difficulty_clusters"]
C = np.array([1e18, 1e20, 1e22])
ITEMS = {"easy": [5.0, 9.0, 10.0], "odd": [3.0, 2.0, 9.0], "hard": [0.0, 1.0, 4.0]}
PHI = 25.0


def table(items: dict[str, list[float]] | None = None) -> pd.DataFrame:
    """Rows of items, not sorted by item."""
    rows = [
        {"C": c, "right": right[i], "n": 10.0, "q": 0.1, "item": name}
        for i, c in enumerate(C)
        for name, right in (items or ITEMS).items()
    ]
    return pd.DataFrame(rows)


def read(frame: pd.DataFrame, **options: Any) -> Runs:
    return read_runs(
        frame, inputs={"C": "C", "chance": "q"}, response="right", trials="n", item="item",
        **options,
    )  # fmt: skip


def mixed(runs: Runs, **changes: Any) -> tuple[Mixed, Structure, Data, dict[str, Any]]:
    """The distribution of all counts at values a little off the prior's middle."""
    spec = build_spec(LAW, runs)
    structure, data = spec.structure(LAW), build_data(spec, LAW, runs)
    values: dict[str, Any] = {}
    for name, site in structure.sites().items():
        if site.kind == "noise":
            values[name] = jnp.asarray(PHI)
        elif site.kind == "centre":
            link = LINKS[LAW.parameters[site.parameter].prior.link]
            values[name] = link.to_support(data.prior_loc[site.parameter] + 0.2)
        elif site.kind == "group_sd":
            values[name] = jnp.asarray(0.5)
        else:
            values[name] = jnp.linspace(-0.4, 0.4, site.shape[0])
    values |= changes
    fixed = numpyro.handlers.substitute(program, data=values)
    sites = numpyro.handlers.trace(numpyro.handlers.seed(fixed, 0)).get_trace(structure, data)
    found = sites["response"]["fn"]
    assert isinstance(found, Mixed)
    assert "rung" not in spec.labels
    return found, structure, data, values


def curves_by_hand(p: dict[str, Any], c: np.ndarray) -> np.ndarray:
    """Scores in each cluster by the formula, shape (clusters, rows)."""
    places = np.cumsum([float(p[k]) for k in ("place_1", "gap_2", "gap_3")])
    slopes = [float(p[f"slope_{k}"]) for k in (1, 2, 3)]
    log_c = np.log(c / np.exp(np.log(C).mean()))
    knows = [np.exp(-np.exp(a - b * log_c)) for a, b in zip(places, slopes, strict=True)]
    return 0.1 + (0.9 - float(p["lapse"])) * np.array(knows)


def shares_by_hand(p: dict[str, Any]) -> np.ndarray:
    first, second = float(p["share_1"]), float(p["share_2"])
    return np.array([first, (1 - first) * second, (1 - first) * (1 - second)])


def chance_of_rows(mean: np.ndarray, right: np.ndarray) -> np.ndarray:
    return stats.betabinom.pmf(right, 10, mean * PHI, (1 - mean) * PHI)


def test_the_density_sums_over_all_assignments_of_items() -> None:
    runs = read(table())
    found, _, data, p = mixed(runs)
    names = sorted(ITEMS)
    rows = chance_of_rows(curves_by_hand(p, runs.frame["C"].to_numpy()), runs.frame["response"])
    item = np.array([names.index(i) for i in runs.frame["item"]])
    shares = shares_by_hand(p)
    total = 0.0
    for curve in product(range(3), repeat=3):
        chosen = np.array(curve)
        total += shares[chosen].prod() * rows[chosen[item], np.arange(9)].prod()
    assert float(found.log_prob(data.response)) == pytest.approx(np.log(total), rel=1e-7)


def test_the_chance_of_a_curve_is_that_of_the_assignments_that_have_it() -> None:
    runs = read(table())
    found, _, data, p = mixed(runs)
    chances = np.asarray(found.chances(data.response))
    np.testing.assert_allclose(chances.sum(axis=0), 1.0, rtol=1e-9)
    rows = chance_of_rows(curves_by_hand(p, runs.frame["C"].to_numpy()), runs.frame["response"])
    for name in ITEMS:
        mine = (runs.frame["item"] == name).to_numpy()
        joint = shares_by_hand(p) * rows[:, mine].prod(axis=1)
        wanted = joint / joint.sum()
        np.testing.assert_allclose(chances[:, mine], np.tile(wanted[:, None], 3), rtol=1e-6)
    assert chances[0, (runs.frame["item"] == "easy").to_numpy()].min() > 0.5


def test_items_of_groups_have_the_shares_of_their_group() -> None:
    """Families with shares of their own: the weights of an item are those of its rows."""
    frame = table({f"{k}_{f}": v for f in "ab" for k, v in ITEMS.items()})
    frame["family"] = frame["item"].str[-1]
    runs = read(frame, group="family")
    found, structure, data, p = mixed(runs)
    assert structure.columns_of("share_1", "partial") == ("family",)
    wanted = 0.0
    for j, family in enumerate("ab"):
        own = dict(p)
        for name in LAW.parameters:
            link = LINKS[LAW.parameters[name].prior.link]
            if structure.columns_of(name, "partial"):
                z = link.to_real(p[f"{name}_centre"]) + p[f"{name}_effect_family"][j]
                own[name] = link.to_support(z)
        mine = runs.frame[runs.frame["family"] == family]
        for _, rows in mine.groupby("item"):
            likely = chance_of_rows(curves_by_hand(own, rows["C"].to_numpy()), rows["response"])
            wanted += np.log((shares_by_hand(own) * likely.prod(axis=1)).sum())
    assert float(found.log_prob(data.response)) == pytest.approx(wanted, rel=1e-7)


def test_draws_follow_the_curves_in_their_shares() -> None:
    """With counts that give the curve away, the items of a draw split as the shares do."""
    runs = read(table())
    sure = {
        "place_1": -9.0, "gap_2": 9.0, "gap_3": 6.0, "slope_1": 0.01, "slope_2": 0.01,
        "slope_3": 0.01, "lapse": 1e-6, "concentration": 1e6,
    }  # fmt: skip
    found, _, _, p = mixed(runs, **{k: jnp.asarray(v) for k, v in sure.items()})
    draw = jax.jit(lambda key: found.sample(key, (4000,)))
    drawn = np.asarray(draw(jax.random.key(2)))
    mean = curves_by_hand(p, C)[:, 1]
    assert mean[0] > 0.99
    assert mean[2] < 0.11
    total = np.stack([drawn[:, runs.frame["item"] == name].sum(1) for name in ITEMS], axis=1)
    share = (total == 30).mean()  # all right at all sizes: the easiest curve
    first = shares_by_hand(p)[0]
    second = shares_by_hand(p)[1] * mean[1] ** 30
    error = np.sqrt(share * (1 - share) / total.size)
    assert share == pytest.approx(first * mean[0] ** 30 + second, abs=5 * error)
    # each item chooses by itself
    easy = (total == 30).astype(float)
    assert np.abs(np.corrcoef(easy.T)[~np.eye(3, dtype=bool)]).max() < 4 / np.sqrt(4000)


def test_without_items_the_mean_of_the_set_is_fitted() -> None:
    runs = read_runs(table(), inputs={"C": "C", "chance": "q"}, response="right", trials="n")
    spec = build_spec(LAW, runs)
    assert spec.items == []
    p = {k: 0.3 for k in LAW.parameters}
    inputs = {"C": jnp.asarray(C / 1e20), "chance": jnp.asarray(0.1)}
    wanted = (shares_by_hand(p)[:, None] * curves_by_hand(p, C)).sum(axis=0)
    np.testing.assert_allclose(LAW.mean(inputs, p), wanted, rtol=1e-6)


def test_items_of_other_laws_are_refused() -> None:
    with pytest.raises(UsageError, match=r"item= \(--item\) names items that follow different"):
        build_spec(registry["capability_sigmoid"], read(table()))
