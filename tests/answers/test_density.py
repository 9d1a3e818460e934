"""Effective sizes and densities: the inverse of the reference family's curve."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from fakes import SIGMA, diverged, fake_fit_of, flat, held
from metric_fits import cloglog_fit, densing_fit
from scipy import special

from bayes_scaling.answers import densities
from bayes_scaling.errors import FitError, UsageError
from bayes_scaling.models import registry
from bayes_scaling.posterior import Fit

AT = {"D": 8e9}
MODELS = pd.DataFrame({"name": ["a", "b"], "score": [0.45, 0.55], "N": ["1B", 2e8]})


@pytest.fixture(scope="module")
def family() -> Fit:
    return densing_fit(draws=100)


def noiseless(fit: Fit) -> Fit:
    return held(fit, sigma=1e-12)


def by_hand(fit: Fit, score: np.ndarray | float) -> np.ndarray:
    """Size at which the sigmoid in the decaying loss has a score."""
    p = {k: flat(fit, k) for k in fit.law.parameters}
    share = (score - p["chance"]) / ((1 - p["chance"]) * p["headroom"])
    loss = 1 + (p["place"] - special.logit(share)) / p["gain"]
    x0 = fit.spec.references
    part = loss - (1 - p["share_N"]) * (AT["D"] / x0["D"]) ** -p["beta"]
    return np.asarray(x0["N"] * (part / p["share_N"]) ** (-1 / p["alpha"]))


def test_sizes_are_the_inverse_of_the_curve(family: Fit) -> None:
    fit = noiseless(family)
    answer = densities(fit, MODELS, at=AT)
    for j, (score, n) in enumerate(((0.45, 1e9), (0.55, 2e8))):
        np.testing.assert_allclose(answer.size[:, j], by_hand(fit, score), rtol=1e-6)
        np.testing.assert_allclose(answer.density[:, j], by_hand(fit, score) / n, rtol=1e-6)
    table = answer.summary()
    assert table["name"].tolist() == ["a", "b"]
    wanted = by_hand(fit, 0.45) / 1e9
    assert table["density"][0] == pytest.approx(np.median(wanted), rel=1e-6)
    assert table["se"][0] == pytest.approx(np.median(wanted) * np.log(wanted).std(ddof=1), rel=1e-5)
    assert table["lost"].tolist() == [0, 0]
    assert answer.warnings == ()


def test_the_noise_of_the_score_is_carried_through(family: Fit) -> None:
    """Of a curve that is known, the spread of the size is that of the score over the slope."""
    known = {k: flat(family, k).mean() for k in family.law.parameters}
    fit = held(family, **known, sigma=SIGMA, nu=1e6)
    found = np.log(densities(fit, MODELS[:1], at=AT).size.to_numpy()[:, 0])
    step = 1e-5
    slope = np.log(by_hand(fit, 0.45 + step) / by_hand(fit, 0.45 - step))[0] / (2 * step)
    assert found.std() == pytest.approx(slope * SIGMA, rel=0.15)
    assert found.mean() == pytest.approx(np.log(by_hand(fit, 0.45)[0]), abs=0.3 * slope * SIGMA)


def test_counts_bring_the_noise_of_their_number() -> None:
    runs = pd.DataFrame({"N": np.geomspace(1e8, 1e10, 9)})
    truth = {"chance": 0.2, "headroom": 0.8, "place": 0.0, "gain": 2.0, "share_N": 0.5,
             "alpha": 0.3, "beta": 0.3}  # fmt: skip
    fit = fake_fit_of(
        registry["densing"], runs.assign(D=8e9, trials=100.0), truth, noise="binomial", draws=2000
    )
    fit = held(fit, **{k: flat(fit, k).mean() for k in fit.law.parameters})
    models = pd.DataFrame({"score": [0.45] * 3, "N": [1e9] * 3, "trials": [100, 10_000, np.nan]})
    spread = np.log(densities(fit, models, at=AT).size.to_numpy()).std(axis=0)
    step = 1e-5
    slope = np.log(by_hand(fit, 0.45 + step) / by_hand(fit, 0.45 - step))[0] / (2 * step)
    sd = np.sqrt(0.45 * 0.55 / np.array([100, 10_000]))
    # the curve bends within the wide one
    np.testing.assert_allclose(spread[:2], slope * sd, rtol=0.25)
    assert spread[2] < 1e-6


def test_scores_beyond_the_curve_have_no_size(family: Fit) -> None:
    models = pd.DataFrame({"score": [0.45, 0.9999, 0.01], "N": [1e9, 1e9, 1e9]})
    answer = densities(family, models, at=AT)
    table = answer.summary()
    assert table["lost"].tolist() == [0, 1, 1]
    for name in ("size", "density", "se"):
        assert table[name].isna().tolist() == [False, True, True]
    (found,) = answer.warnings
    assert found.code == "no-size"
    assert "models 2, 3 in more than 5%" in found.message


def test_inputs_with_a_default_may_be_left_out() -> None:
    """A chain to counts without groups: the chance level is that of the fitted runs."""
    whole = cloglog_fit(draws=200)
    truth = {k: float(flat(whole, k).mean()) for k in whole.law.parameters}
    runs = whole.runs()[["N", "D"]].drop_duplicates().assign(trials=100.0, chance=0.25)
    fit = fake_fit_of(whole.law, runs, truth, draws=200)
    models = pd.DataFrame({"score": [0.5], "N": [1e9], "trials": [1000]})
    wanted = densities(fit, models, at=AT | {"chance": 0.25}).size
    np.testing.assert_allclose(densities(fit, models, at=AT).size, wanted)


@pytest.mark.parametrize(
    ("models", "at", "words"),
    [
        (MODELS.drop(columns="score"), AT, r"columns score and N \(missing: score\)"),
        (MODELS, {}, r"other inputs as at= \(missing: D\)"),
        (MODELS.assign(N=["1B", "big"]), AT, "column 'N' .* must hold positive numbers; row 2 do"),
        (MODELS.assign(N=[0, -1]), AT, "column 'N' .* rows 1, 2 do not"),
        (MODELS.assign(score=["x", None]), AT, "column 'score' .* must hold numbers; rows 1, 2"),
        (MODELS.assign(trials=[0, 5]), AT, "column 'trials' .* positive numbers; row 1"),
        (MODELS, AT | {"E": 1.0}, "'E' is neither an input"),
        (MODELS, {"D": -1.0}, "D must be a positive number"),
    ],
)
def test_wrong_usage(family: Fit, models: pd.DataFrame, at: dict, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        densities(family, models, at=at)


def test_fits_of_other_laws_or_of_poor_quality(family: Fit) -> None:
    with pytest.raises(UsageError, match="a fit without groups"):
        densities(cloglog_fit(draws=200), MODELS, at=AT)
    with pytest.raises(FitError, match="divergences"):
        densities(diverged(family, 200), MODELS, at=AT)
    forced = densities(diverged(family, 200), MODELS, at=AT, force=True)
    assert [w.code for w in forced.warnings] == ["divergences"]
