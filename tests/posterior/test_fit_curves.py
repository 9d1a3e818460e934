"""Fits of simulated curves, and of a sweep with diverged and untuned runs."""

from __future__ import annotations

from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

import bayes_scaling as bs
from bayes_scaling.models import registry
from bayes_scaling.posterior import Fit, ScalingModel
from bayes_scaling.runs import Runs, read_runs

RHO, SIGMA, LEVEL, BETA = 0.8, 0.004, 3.0, 0.3
PLAN = "constant:peak=1e-3,steps=4000,warmup=50"
VALLEY = {
    "level": 2.8, "reducible": 0.4, "share_N": 0.5, "alpha": 0.3, "beta": 0.35, "rate": 1.0,
    "rate_N": 0.0, "rate_D": 0.0, "rate_cost": 0.006, "overshoot": 1.0, "unrest": 0.0,
}  # fmt: skip
SEEDS = ("s1", "s2", "s3")


def curves() -> Runs:
    """Three seeds of one run, forty points each, with correlated noise."""
    rng = np.random.default_rng(6)
    step = 100.0 * np.arange(1, 41)
    decay = (step / np.exp(np.log(step).mean())) ** -BETA
    tables = []
    for i, name in enumerate(SEEDS):
        off = SIGMA * rng.normal(size=40)
        for k in range(1, 40):
            off[k] = RHO * off[k - 1] + np.sqrt(1 - RHO**2) * off[k]
        loss = LEVEL * (1 + 0.01 * (i - 1)) * (0.6 + 0.4 * decay) * np.exp(off)
        columns = {"step": step, "D": 1e6 * step, "loss": loss, "name": name, "recipe": name}
        tables.append(pd.DataFrame(columns))
    frame = pd.concat(tables).assign(plan=PLAN)
    inputs = {"step": "step", "D": "D"}
    return read_runs(
        frame, inputs=inputs, run="name", schedule="plan", group="recipe", diverged_above=9.0
    )


@pytest.fixture(scope="module")
def curve_fit() -> Fit:
    model = ScalingModel(
        registry["token_curve"].variant("power"),
        pool={"level": "partial", "beta": "complete"},
        noise="lognormal",
        group_sd={"level": 0.02},
    )  # fmt: skip
    return model.fit(curves(), seed=3, chains=2, draws=150, warmup=200)


def test_correlated_noise_is_recovered(curve_fit: Fit) -> None:
    table = curve_fit.summary().set_index(["name", "group"])
    truth = {"rho": RHO, "sigma": SIGMA, "beta": BETA, "reducible": 0.4}
    assert curve_fit.diagnostics["divergences"] == 0
    for name, wanted in truth.items():
        row = table.loc[(name, "")]
        assert abs(row["mean"] - wanted) < 4 * row["sd"], name
    # known to a good part of themselves
    assert table.loc[("rho", ""), "sd"] < 0.12
    assert table.loc[("sigma", ""), "sd"] < 0.5 * SIGMA
    levels = [table.loc[("level", name), "mean"] for name in SEEDS]
    np.testing.assert_allclose(levels, LEVEL * np.array([0.99, 1.0, 1.01]), rtol=0.01)


def test_what_a_saved_fit_of_curves_keeps(curve_fit: Fit, tmp_path: Path) -> None:
    path = tmp_path / "curves.nc"
    curve_fit.save(path)
    loaded = bs.load(path)
    assert loaded.spec == curve_fit.spec
    spec = loaded.spec
    assert (spec.serial, spec.order, spec.lag, spec.bound) == (True, "D", 1e8, 9.0)
    assert spec.schedules == {PLAN: curves().schedules[PLAN].text}
    assert spec.group_sd == {"level_sd_recipe": 0.02}
    assert loaded.structure == curve_fit.structure
    points = pd.DataFrame({"D": [5e9, 6e9], "recipe": "s2", "run": "new"})
    mine, theirs = (bs.forecast(f, points, seed=4, force=True) for f in (curve_fit, loaded))
    np.testing.assert_array_equal(mine.draws, theirs.draws)
    # points of one run share most of their deviation, and lie on the curve
    centre = np.exp(np.log(100.0 * np.arange(1, 41)).mean()) * 1e6
    wanted = LEVEL * (0.6 + 0.4 * (np.array([5e9, 6e9]) / centre) ** -BETA)
    np.testing.assert_allclose(mine.draws.mean("sample"), wanted, rtol=0.02)


def sweep() -> Runs:
    """Eight rungs at five learning rates: the highest diverges, some settings are unknown."""
    rng = np.random.default_rng(8)
    n, d = np.repeat([5e7, 2e8, 8e8, 3e9], 10), np.tile(np.repeat([4e9, 4e10], 5), 4)
    lr = np.tile([1e-4, 4e-4, 1.6e-3, 6e-3, 0.1], 8)
    # the best rate is 1e-3 everywhere
    x = {"N": n / np.exp(np.log(n).mean()), "D": d / np.exp(np.log(d).mean()), "lr": lr / 1e-3}
    mean = np.asarray(
        registry["rate_valley"].mean({k: jnp.asarray(v) for k, v in x.items()}, VALLEY)
    )
    loss = mean * np.exp(0.003 * rng.normal(size=40))
    frame = pd.DataFrame({"N": n, "D": d, "lr": lr, "loss": loss, "rough": 0})
    frame.loc[frame["lr"] == 0.1, "loss"] = np.inf
    rough = frame.iloc[2::10].assign(rough=1, lr=np.nan)
    rough["loss"] *= np.exp(0.05 * np.abs(rng.normal(size=len(rough))))
    inputs = {k: k for k in ("N", "D", "lr")}
    return read_runs(pd.concat([frame, rough]), inputs=inputs, untuned="rough", diverged_above=8.0)


@pytest.mark.slow
def test_a_sweep_with_diverged_and_untuned_runs() -> None:
    runs = sweep()
    assert runs.diverged.sum() == 8
    model = ScalingModel(registry["rate_valley"], noise="lognormal", rung=False)
    fit = model.fit(runs, seed=5, chains=2, draws=200, warmup=300)
    assert (fit.spec.untuned, fit.spec.bound) == (True, 8.0)
    table = fit.summary().set_index("name")
    for name, wanted in {"best_rate": 1e-3, "rate_cost": 0.006, "alpha": 0.3}.items():
        assert abs(table.loc[name, "mean"] - wanted) < 4 * table.loc[name, "sd"], name
    assert table.loc["best_rate", "sd"] < 5e-4
    assert table.loc["excess", "q0.025"] < 0.05 < table.loc["excess", "q0.975"]
