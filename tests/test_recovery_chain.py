"""Chains find the parameters that losses and metrics were simulated from, with either missing."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import bayes_scaling as bs
from bayes_scaling.law.priors import LINKS
from bayes_scaling.validation import calibrate, simulate

LAW = bs.chain(bs.models.chinchilla, bs.models.cloglog_accuracy)
TRUTH = {
    "level": 3.0, "reducible": 0.5, "share_N": 0.5, "alpha": 0.3, "beta": 0.28,
    "place": 0.2, "slope": 4.0, "lapse": 0.03, "carry": 0.8,
}  # fmt: skip


def table() -> pd.DataFrame:
    """Losses that depart from their law by a few per cent, and counts that follow them."""
    n, ratio = np.meshgrid(np.geomspace(1e7, 1e10, 8), (5.0, 20.0, 80.0))
    inputs = pd.DataFrame({"N": n.ravel(), "D": (n * ratio).ravel(), "chance": 0.25})
    drawn = simulate(LAW, inputs, TRUTH, sigma=0.03, trials=20_000, concentration=2e4, seed=3)
    drawn.loc[[2, 11], "loss"] = np.nan
    drawn.loc[[5, 17], ["response", "trials"]] = np.nan
    return drawn


def runs() -> bs.Runs:
    return bs.read_runs(
        table(), inputs={"N": "N", "D": "D", "chance": "chance"}, response="response",
        trials="trials", through="loss", unit="fraction",
    )  # fmt: skip


def test_a_chain_recovers_both_laws_with_runs_that_lack_either_response() -> None:
    # where counts are nearly binomial the posterior is narrower than elsewhere: smaller steps
    fit = bs.ScalingModel(LAW).fit(runs(), seed=1, draws=500, target_accept=0.95)
    table = fit.summary().set_index("name")
    assert fit.diagnostics["divergences"] == 0
    assert fit.diagnostics["max_rhat"] < 1.01
    for name, truth in TRUTH.items():
        link = LINKS[LAW.parameters[name].prior.link]
        draws = np.asarray(link.to_real(fit.posterior[name].to_numpy())).ravel()
        assert abs(draws.mean() - float(link.to_real(np.asarray(truth)))) < 4 * draws.std(), name
    weak = set(table.index[table["contraction"] < 0.5]) & set(TRUTH)
    assert weak <= {"lapse"}


@pytest.mark.slow
def test_a_chain_is_calibrated() -> None:
    found = calibrate(bs.ScalingModel(LAW), runs(), replicates=100, seed=5, report=print)
    summary = found.summary(0.01)
    print(summary.to_string())
    assert summary["inside"].all(), summary[~summary["inside"]].to_string()
