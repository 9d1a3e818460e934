"""Schedules compared on a fit by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from fakes import diverged, fake_fit, fake_fit_of

import bayes_scaling as bs
from bayes_scaling.errors import FitError, UsageError
from bayes_scaling.models import registry
from bayes_scaling.posterior import Fit

TRUTH = {"level": 3.2, "reducible": 0.2, "alpha": 0.5, "gain": 0.05, "memory": 0.1, "delay": 0.003}
PLANS = {
    "flat": bs.schedules.constant(1e-3, 20_000, 1000),
    "cosine": bs.schedules.cosine(1e-3, 20_000, 1000, 1e-4),
}
WSD = "wsd_linear:peak=1e-3,steps=20000,decay_from=16000,warmup=1000,final=1e-4"


@pytest.fixture(scope="module")
def fit() -> Fit:
    step = np.linspace(1000, 20_000, 20)[1:]
    runs = pd.DataFrame(
        {"step": np.tile(step, 4), "run": np.repeat([*"abcd"], 19),
         "schedule": np.repeat(["flat", "cosine"] * 2, 19),
         "size": np.repeat(["25", "25", "100", "100"], 19)}
    )  # fmt: skip
    return fake_fit_of(
        registry["annealing"], runs, TRUTH, schedules=PLANS, serial=True, draws=250,
        labels={"size": ["100", "25"]}, pool={"level": "partial"},
    )  # fmt: skip


def test_chances_and_differences_come_from_joint_draws(fit: Fit) -> None:
    found = bs.compare_schedules(fit, {"flat": "flat", "cosine": "cosine", "wsd": WSD})
    values = found.draws.transpose("sample", "schedule").to_numpy()
    assert values.shape == (1000, 3)
    table = found.summary().set_index("name")
    assert table["p_best"].sum() == pytest.approx(1.0)
    assert table.index[0] == found.best == table["mean"].idxmin()
    for i, name in enumerate(("flat", "cosine", "wsd")):
        row = table.loc[name]
        assert row["mean"] == pytest.approx(values[:, i].mean())
        assert row["p_best"] == pytest.approx((values.argmin(axis=1) == i).mean())
        assert row["regret"] == pytest.approx((values[:, i] - values.min(axis=1)).mean())
    # the level of a new size is unknown, and shared: differences are known far better
    width = table.loc["flat", "difference_q0.95"] - table.loc["flat", "difference_q0.05"]
    assert width < 0.5 * (table.loc["flat", "q0.95"] - table.loc["flat", "q0.05"])
    assert table.loc[found.best, ["difference", "difference_q0.05"]].tolist() == [0.0, 0.0]


def test_the_ends_are_forecasts_of_the_mean(fit: Fit) -> None:
    found = bs.compare_schedules(fit, ["cosine", WSD], at={"size": 25})
    points = [{"step": 20_000, "schedule": s, "size": "25"} for s in ("cosine", WSD)]
    expected = bs.forecast(fit, points, kind="mean").draws.to_numpy()
    np.testing.assert_allclose(found.draws, expected)
    assert found.points["size"].tolist() == ["25", "25"]
    assert found.points["name"].tolist() == ["cosine", WSD]


def test_equal_schedules_end_equally(fit: Fit) -> None:
    same = bs.schedules.parse_schedule(WSD)
    found = bs.compare_schedules(fit, {"text": WSD, "object": same})
    table = found.summary()
    assert (table["difference"] == 0).all()
    assert (table["regret"] == 0).all()
    assert table["p_best"].tolist() == [0.5, 0.5]


def test_curves_end_where_the_draws_are(fit: Fit) -> None:
    found = bs.compare_schedules(fit, {"cosine": "cosine", "wsd": WSD}, rows=30)
    assert list(found.curves.columns) == ["name", "step", "rate", "q0.05", "q0.5", "q0.95"]
    for i, (name, rows) in enumerate(found.curves.groupby("name", sort=False)):
        assert len(rows) == 30
        assert rows["step"].iloc[[0, -1]].tolist() == pytest.approx([1000 + 19_000 / 30, 20_000])
        last = rows.iloc[-1]
        assert last["q0.5"] == pytest.approx(np.median(found.draws[:, i]))
        assert last["rate"] == pytest.approx(1e-4)
        assert rows["rate"].iloc[0] <= 1e-3
        assert name in ("cosine", "wsd")
    assert found.warnings == ()


def test_what_makes_a_comparison_doubtful_is_said(fit: Fit) -> None:
    found = bs.compare_schedules(
        fit,
        {"short": "cosine", "long": "cosine:peak=1e-3,steps=40000,warmup=1000",
         "hot": "cosine:peak=3e-3,steps=20000,warmup=1000",
         "far": "cosine:peak=1e-3,steps=400000,warmup=1000"},
    )  # fmt: skip
    told = {w.code: w.message for w in found.warnings}
    assert set(told) == {"unequal-ends", "rate-outside", "far-outside"}
    assert "long at step 40000" in told["unequal-ends"]
    assert "hot has learning rates up to 0.003" in told["rate-outside"]
    assert "the end of far lies 1.3 decades in step" in told["far-outside"]


@pytest.mark.parametrize(
    ("schedules", "options", "message"),
    [
        (["cosine"], {}, "two schedules or more were expected"),
        ("cosine", {}, "needs two schedules or more, by name or in a list"),
        (["cosine", "cosine"], {}, "each with a name of its own; cosine, cosine came"),
        ({"a": "cosine", "b": "sine:peak=1"}, {}, "schedule b: 'sine' is no kind of schedule"),
        (["cosine", WSD], {"at": {"size": "7"}}, "size '7' was not fitted"),
        (["cosine", WSD], {"rows": 1}, "rows is 1"),
    ],
)
def test_wrong_use_is_refused(
    fit: Fit, schedules: Any, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        bs.compare_schedules(fit, schedules, **options)


def test_laws_without_schedules_are_refused() -> None:
    with pytest.raises(UsageError, match="law chinchilla does not know the learning-rate schedule"):
        bs.compare_schedules(fake_fit(), ["cosine", WSD])


def test_a_poor_fit_answers_only_when_forced(fit: Fit) -> None:
    poor = diverged(fit, 400)
    with pytest.raises(FitError, match="divergences"):
        bs.compare_schedules(poor, ["cosine", WSD])
    found = bs.compare_schedules(poor, ["cosine", WSD], force=True)
    assert "divergences" in [w.code for w in found.warnings]
