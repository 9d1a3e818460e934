"""Scores of the case study of optima, on made-up tables."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from fakes import fake_fit_of

from bayes_scaling.models import registry
from case_studies.optima import scoring

CELL = pd.DataFrame(
    {
        "lr": [1e-3, 1e-3, 4e-3, 4e-3],
        "B": [1e5, 4e5, 1e5, 4e5],
        "loss": [2.2, 2.1, 2.0, 2.5],
    }
)
TRUTH = {
    "level": 2.4, "reducible": 0.4, "share_N": 0.5, "alpha": 0.3, "beta": 0.3,
    "coupling_ND": 0.7, "rate": 1.2, "rate_N": -0.7, "rate_D": 0.3, "batch": 0.9,
    "batch_N": -0.2, "batch_D": 0.6, "coupling": 0.3, "rate_cost": 0.005, "batch_cost": 0.003,
    "cost_N": 0.0, "cost_D": 0.0, "turn": 0.4, "overshoot": 1.0, "small_batch": 0.5,
    "unrest": 0.1,
}  # fmt: skip


def sweep() -> pd.DataFrame:
    places = pd.DataFrame({"N": [2e8, 2e8, 8e8, 8e8], "D": [4e9, 16e9, 4e9, 16e9]})
    return places.merge(CELL[["lr", "B"]], "cross")


@pytest.mark.parametrize(
    ("best", "loss"),
    [
        ({"lr": 3.9e-3, "B": 1.1e5}, 2.0),
        ({"lr": 1.1e-3, "B": 3e5}, 2.1),
        ({"lr": 1.0, "B": 4e5}, 2.5),
    ],
)
def test_gap_is_that_of_the_nearest_run_in_logs(best: dict[str, float], loss: float) -> None:
    assert scoring.gap(CELL, best, "loss") == pytest.approx(loss / 2.0 - 1)


def test_nearest_weighs_both_settings() -> None:
    # a factor of 1.5 off in the rate is nearer than one of 2 in the batch size
    cell = pd.DataFrame({"lr": [1.5e-3, 1e-3], "B": [1e5, 2e5], "loss": [3.0, 2.0]})
    assert scoring.gap(cell, {"lr": 1e-3, "B": 1e5}, "loss") == pytest.approx(0.5)


def test_gap_of_a_rate_alone() -> None:
    assert scoring.gap(CELL.iloc[[0, 2]], {"lr": 1e-3}, "loss") == pytest.approx(0.1)


def test_optimum_moves_with_N_and_D() -> None:
    fit = fake_fit_of(registry["valley"], sweep(), TRUTH)
    at = {"N": 8e8, "D": 4e9}
    best = scoring.middle(scoring.optimum(fit, at))
    n, d = (np.log(at[x] / fit.spec.references[x]) for x in "ND")
    # geometric means of the settings are 2e-3 and 2e5; draws spread by 2 % around the truth
    assert best["lr"] == pytest.approx(2e-3 * 1.2 * np.exp(-0.7 * n + 0.3 * d), rel=5e-3)
    assert best["B"] == pytest.approx(2e5 * 0.9 * np.exp(-0.2 * n + 0.6 * d), rel=5e-3)


def test_optimum_of_a_variant_has_its_fixed_exponent() -> None:
    law = registry["valley"].variant("step_law")
    fit = fake_fit_of(law, sweep(), TRUTH)
    small, large = (scoring.optimum(fit, {"N": n, "D": 8e9})["B"] for n in (2e8, 8e8))
    np.testing.assert_allclose(small, large)


def test_optimum_of_a_group() -> None:
    fit = fake_fit_of(
        registry["valley"], sweep().assign(recipe="adam"), TRUTH,
        labels={"recipe": ["adam", "muon"]}, pool={"rate": "partial"},
    )  # fmt: skip
    both = [scoring.optimum(fit, {"N": 4e8, "D": 8e9}, {"recipe": r}) for r in ("adam", "muon")]
    # hand-made effects are -.1 and .1 on the log scale
    ratio = scoring.middle(both[1])["lr"] / scoring.middle(both[0])["lr"]
    assert ratio == pytest.approx(np.exp(0.2), rel=5e-3)
    np.testing.assert_allclose(both[0]["B"], both[1]["B"])


def test_optimum_of_a_rate_alone() -> None:
    truth = {k: TRUTH[k] for k in registry["rate_valley"].parameters}
    fit = fake_fit_of(registry["rate_valley"], sweep(), truth)
    assert set(scoring.optimum(fit, {"N": 4e8, "D": 8e9})) == {"lr"}


def test_padded_tables_have_equal_shape_and_hold_the_fitted_rows() -> None:
    fitted = pd.DataFrame({"lr": [1.0, 2.0, 3.0, 4.0], "loss": [2.0, 2.5, 7.0, 8.0]})
    full = scoring.padded(fitted, rows=9, diverged=5, response="loss", above=3.5)
    assert len(full) == 9
    assert (full["loss"] > 3.5).sum() == 5
    pd.testing.assert_frame_equal(full[["lr", "loss"]].head(4), fitted)
    assert (full["se"].head(4) < 1e-6).all()
    assert (full["se"].tail(5) > 1e3).all()


def test_nothing_is_added_to_a_full_table() -> None:
    fitted = pd.DataFrame({"lr": [1.0, 2.0], "loss": [2.0, 7.0]})
    full = scoring.padded(fitted, rows=2, diverged=1, response="loss", above=3.5)
    pd.testing.assert_frame_equal(full[["lr", "loss"]], fitted)


def test_intervals_count_both_sides() -> None:
    draws = np.exp(np.linspace(-1.0, 1.0, 1001))[:, None] * np.ones(4)
    found = scoring.intervals(np.exp([-0.95, 0.0, 0.85, 0.95]), draws)
    assert (found["runs"], found["held"], found["below"], found["above"]) == (4, 2, 1, 1)
    assert found["width"] == pytest.approx(1.8, abs=1e-3)


def test_intervals_leave_missing_draws_out() -> None:
    draws = np.array([[1.0, 2.0, 3.0, np.nan]]).T
    assert scoring.intervals(np.array([2.95]), draws)["held"] == 0
    assert scoring.intervals(np.array([2.85]), draws)["held"] == 1


def test_shape_forgets_the_level() -> None:
    losses = np.array([2.0, 2.5, 3.0])
    np.testing.assert_allclose(scoring.shape(losses), [0.8, 1.0, 1.2])
    np.testing.assert_allclose(scoring.shape(np.stack([losses, 3 * losses])), [[0.8, 1.0, 1.2]] * 2)


def test_chances_of_diverging() -> None:
    draws = np.array([[3.0, 9.0, 2.0], [4.0, 9.0, 2.0]])
    found = scoring.chances(draws, np.array([False, True, False]), above=3.5)
    assert found == {"diverged": 1.0, "finished": 0.25}


def test_no_chance_where_no_run_diverged() -> None:
    found = scoring.chances(np.array([[3.0], [4.0]]), np.array([False]), above=3.5)
    assert found == {"diverged": None, "finished": 0.5}


def test_exponents_of_optima_and_costs() -> None:
    table = scoring.exponents(fake_fit_of(registry["valley"], sweep(), TRUTH))
    names = ["rate_N", "rate_D", "batch_N", "batch_D", "cost_N", "cost_D", "coupling"]
    assert list(table.index) == names
    assert table.loc["rate_N", "mean"] == pytest.approx(-0.7, abs=0.01)
    assert (table["q0.05"] < table["mean"]).all()
    assert (table["mean"] < table["q0.95"]).all()


def test_best_runs_alone_give_the_exponents_of_their_optima() -> None:
    places = sweep()[["N", "D"]].drop_duplicates()
    best = places.assign(
        lr=places["N"] ** -0.7 * places["D"] ** 0.3, B=places["D"] ** 0.6, loss=2.0
    )
    worse = best.assign(lr=1.0, B=1.0, loss=2.1)
    found = scoring.of_best_runs(pd.concat([best, worse], ignore_index=True), "loss", within=0.01)
    np.testing.assert_allclose(found["slope"], [-0.7, 0.3, 0.0, 0.6], atol=1e-6)
    assert list(found.index) == ["rate_N", "rate_D", "batch_N", "batch_D"]
