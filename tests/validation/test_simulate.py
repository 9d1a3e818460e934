"""Simulated runs have the noise that a law and its curves ask for."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from recovery import BY_NAME, own_program

from bayes_scaling import find_law
from bayes_scaling.errors import UsageError
from bayes_scaling.law.priors import LINKS
from bayes_scaling.validation import Together, kind_of, simulate

LONG = 4000  # rows; a correlation is known to about one over its root
SCHEDULE = "constant:peak=1e-3,steps=50000,warmup=500"


def curve(steps: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame({"run": "a", "schedule": SCHEDULE, "step": steps})


def residuals(inputs: pd.DataFrame, sigma: float, rho: float) -> np.ndarray:
    law, truth = find_law("annealing"), BY_NAME["annealing"].truth | {"delay": 1e-12}
    noisy, bare = (simulate(law, inputs, truth, sigma=s, rho=rho) for s in (sigma, 1e-12))
    return np.log(noisy["response"] / bare["response"]).to_numpy()


@pytest.mark.parametrize("rho", [0.0, 0.6])
def test_neighbours_of_a_run_are_correlated(rho: float) -> None:
    left = residuals(curve(1000.0 + 10.0 * np.arange(LONG)), 0.01, rho)
    found = np.corrcoef(left[1:], left[:-1])[0, 1]
    assert abs(found - rho) < 4 / np.sqrt(LONG)
    # so many rows give the sd to a few hundredths, though correlated ones count as fewer
    np.testing.assert_allclose(left.std(), 0.01, rtol=0.1)


def test_rows_of_warm_up_are_left_out_and_runs_stand_together() -> None:
    steps = np.array([400.0, 3000.0, 2000.0, 4000.0])
    table = pd.concat([curve(steps), curve(steps).assign(run="b")]).sort_values("step")
    found = simulate(find_law("annealing"), table, BY_NAME["annealing"].truth)
    assert found["run"].tolist() == ["a"] * 3 + ["b"] * 3
    assert found["step"].tolist() == [2000.0, 3000.0, 4000.0] * 2


def test_scatter_widens_runs_away_from_the_best() -> None:
    law, truth = find_law("rate_valley"), BY_NAME["rate_valley"].truth | {"unrest": 0.5}
    rates = np.tile([1e-4, 1e-3, 1e-2], LONG // 3)
    table = pd.DataFrame({"N": 1e9, "D": 3e10, "lr": rates})
    noisy, bare = (
        simulate(law, table, truth | {"unrest": u}, sigma=s)["response"].to_numpy()
        for u, s in ((0.5, 0.003), (1e-12, 1e-12))
    )
    left = np.log(noisy / bare).reshape(-1, 3)
    # the middle rate is a tenth of an e-fold from the best one, which costs next to nothing
    penalty = np.log(bare[:3] / bare[1])
    expected = np.sqrt(1.5) * np.hypot(0.003, 0.5 * penalty)
    np.testing.assert_allclose(left.std(axis=0), expected, rtol=0.15)


def test_laws_of_several_kinds_share_no_program() -> None:
    kinds = {kind_of(find_law(name)) for name in ("chinchilla", "valley", "annealing", "u_shape")}
    assert len(kinds) == 4
    with pytest.raises(UsageError, match="laws of one kind were expected"):
        Together([find_law("chinchilla"), find_law("valley")])


OPEN = next(name for name in BY_NAME if "," in name)


@pytest.mark.parametrize(
    "name", ["valley:compute", "critical_rate:sgd", "multi_power", "chinchilla:tied", OPEN]
)
def test_the_common_program_has_the_mean_and_scatter_of_each_law(name: str) -> None:
    law, spec, data = own_program(BY_NAME[name])
    others = {c for c in map(find_law, BY_NAME) if kind_of(c) == kind_of(law)}
    program = Together(sorted(others, key=lambda other: other.name))
    joined = program.data(law, data, spec)
    rng = np.random.default_rng(3)
    values, free = {}, dict.fromkeys(program.parameters, np.asarray(0.3))
    for p, (own, declared) in zip(program.parameters, law.parameters.items(), strict=False):
        free[p] = np.asarray(spec.prior_loc[own] + 0.5 * spec.prior_sd[own] * rng.normal())
        values[own] = LINKS[declared.prior.link].to_support(free[p])
    np.testing.assert_allclose(
        program.law.mean(joined.inputs, free), law.mean(data.inputs, values), rtol=1e-12
    )
    if law.scatter:
        np.testing.assert_allclose(
            program.law.extra_spread(joined.inputs, free),
            law.extra_spread(data.inputs, values),
            rtol=1e-12,
        )
    assert program.structure.serial == law.scheduled
