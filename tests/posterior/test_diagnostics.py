"""Warnings about posteriors that are broken on purpose, and the files of fits."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from fakes import GROUP_SD, RECIPES, changed, diverged, fake_fit, flat

import bayes_scaling as bs
from bayes_scaling.errors import Finding, FitError
from bayes_scaling.models import registry
from bayes_scaling.posterior import Fit

SHAPE = (4, 500)


@pytest.fixture(scope="module")
def single() -> Fit:
    return fake_fit()


@pytest.fixture(scope="module")
def pooled() -> Fit:
    return fake_fit(RECIPES, rungs=True)


def severities(fit: Fit) -> dict[str, str]:
    return {w.code: w.severity for w in fit.warnings}


def finding(fit: Fit, code: str) -> Finding:
    (found,) = [w for w in fit.warnings if w.code == code]
    return found


def noise(shape: tuple[int, ...] = SHAPE, seed: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


def walk(rho: float) -> np.ndarray:
    """Chains with autocorrelation `rho` and unit variance; their E-BFMI is 2 (1 - rho)."""
    steps, x = noise((4, 20_000)), np.zeros((4, 20_000))
    for i in range(1, x.shape[1]):
        x[:, i] = rho * x[:, i - 1] + math.sqrt(1 - rho**2) * steps[:, i]
    return x


def with_share(fit: Fit, z: np.ndarray) -> Fit:
    """The fit with `share_N` moving by 0.02 `z` about its centre."""
    return changed(fit, {"share_N": 0.55 + 0.02 * z})


@pytest.mark.parametrize("name", ["single", "pooled"])
def test_a_clean_posterior_has_no_warnings(name: str, request: pytest.FixtureRequest) -> None:
    fit = request.getfixturevalue(name)
    assert fit.warnings == ()
    assert fit.usable
    assert repr(fit).endswith("runs, ok)")


@pytest.mark.parametrize(("count", "severity"), [(1, "warning"), (20, "warning"), (21, "error")])
def test_divergences(single: Fit, count: int, severity: str) -> None:
    fit = diverged(single, count)
    assert severities(fit) == {"divergences": severity}
    message = finding(fit, "divergences").message
    assert message.startswith(f"{count} of 2000 draws diverged")
    assert "--target-accept" in message
    assert fit.diagnostics["divergences"] == count
    assert fit.usable is (severity == "warning")
    assert ("NOT USABLE" in repr(fit)) is (severity == "error")


@pytest.mark.parametrize(("shift", "severity"), [(0.4, "warning"), (3.0, "error")])
def test_rhat(single: Fit, shift: float, severity: str) -> None:
    z = noise()
    z[0] += shift
    fit = with_share(single, z)
    assert severities(fit)["rhat"] == severity
    message = finding(fit, "rhat").message
    assert message.startswith(f"R-hat is {fit.diagnostics['max_rhat']:.3f} for share_N (good")


def test_rhat_names_the_group(pooled: Fit) -> None:
    values = pooled.posterior["alpha"].to_numpy().copy()
    values[0, :, 1] *= 1.3
    assert "for alpha[muon] (good" in finding(changed(pooled, {"alpha": values}), "rhat").message


def test_chains_that_do_not_move(single: Fit) -> None:
    fit = with_share(single, np.full(SHAPE, 0.25))
    assert severities(fit)["no-rhat"] == "error"
    assert "for share_N: the chains did not move" in finding(fit, "no-rhat").message


def test_one_chain_that_does_not_move(single: Fit) -> None:
    z = noise()
    z[0] = 0.25
    fit = with_share(single, z)
    assert severities(fit)["rhat"] == "error"
    assert "for share_N (good" in finding(fit, "rhat").message


def test_chains_that_do_not_move_at_places_of_their_own(single: Fit) -> None:
    fit = with_share(single, np.repeat([[0.0], [1.0], [2.0], [3.0]], SHAPE[1], axis=1))
    assert not fit.usable
    assert {"no-rhat", "rhat"} & set(severities(fit))


@pytest.mark.parametrize(
    ("draws", "severity"), [(60, "warning"), (15, "error")], ids=["few", "very few"]
)
def test_too_few_draws(draws: int, severity: str) -> None:
    fit = fake_fit(draws=draws)
    found = severities(fit)
    assert found["ess-bulk"] == severity
    assert "at least 400" in finding(fit, "ess-bulk").message
    least = fit.table.loc[fit.table["ess_bulk"].idxmin()]
    expected = f"ess bulk is {least['ess_bulk']:.0f} for {least['name']} (good"
    assert finding(fit, "ess-bulk").message.startswith(expected)


def test_draws_too_large_to_be_squared_have_quantiles(single: Fit) -> None:
    row = changed(single, {"A": np.exp(650 + 5 * noise())}).summary().set_index("name").loc["A"]
    assert np.log(row["q0.5"]) == pytest.approx(650, abs=0.5)
    assert row["rhat"] < 1.01
    assert not math.isfinite(row["sd"])


def test_slow_tails_alone(single: Fit) -> None:
    """Stretches of large draws of either sign: the middle mixes well and the tails do not."""
    large = np.arange(SHAPE[1]) % 250 < 25
    z = noise()
    fit = with_share(single, np.where(large, 3.0 * np.sign(z), 0.0) + 0.3 * z)
    assert severities(fit) == {"ess-tail": "warning"}
    assert "for share_N" in finding(fit, "ess-tail").message


@pytest.mark.parametrize(("rho", "severity"), [(0.875, "warning"), (0.95, "error"), (0.8, None)])
def test_energy(rho: float, severity: str | None) -> None:
    fit = changed(fake_fit(draws=20_000), stats={"energy": walk(rho)})
    assert severities(fit) == ({"e-bfmi": severity} if severity else {})
    if severity:
        value = float(finding(fit, "e-bfmi").message.split()[2])
        assert value == pytest.approx(2 * (1 - rho), abs=0.02)


@pytest.mark.parametrize(
    ("name", "code", "severity"),
    [
        ("beta", "prior-dominated-parameter", "warning"),
        ("alpha_centre", "prior-dominated-centre", "info"),
        ("alpha_sd_recipe", "prior-dominated-group-sd", "info"),
        ("sigma", None, None),
        ("nu", None, None),
        ("rung_sd", None, None),
    ],
)
def test_prior_dominated(pooled: Fit, name: str, code: str | None, severity: str | None) -> None:
    free = 0.8 * {"beta": 0.5, "alpha_centre": 0.5}.get(name, 1.0) * noise()
    fit = changed(pooled, {name: 2.0 + np.exp(free) if name == "nu" else 0.2 * np.exp(free)})
    assert severities(fit) == ({code: severity} if code else {})
    if code:
        assert f"little about {name} 0." in finding(fit, code).message
    assert fit.usable


def test_errors_come_first_then_warnings(pooled: Fit) -> None:
    z = noise()
    z[0] += 3
    trouble = {
        "share_N": 0.55 + 0.02 * z,
        "alpha_sd_recipe": np.exp(noise()),
        "beta": 0.3 * np.exp(0.5 * noise()),
    }
    fit = changed(diverged(pooled, 3), trouble)
    found = severities(fit)
    assert found["rhat"] == "error"
    assert found["divergences"] == found["prior-dominated-parameter"] == "warning"
    assert found["prior-dominated-group-sd"] == "info"
    order = [("error", "warning", "info").index(w.severity) for w in fit.warnings]
    assert order == sorted(order)


def test_findings_of_the_table_are_kept(single: Fit) -> None:
    found = {"code": "duplicate-rows", "severity": "warning", "message": "row 4 repeats"}
    single.record.findings.append(found)
    try:
        fit = changed(single)
        assert fit.warnings == (Finding(**found),)  # type: ignore[arg-type]
        assert fit.usable
    finally:
        single.record.findings.clear()


# -- contraction and the summary


def contraction(free: np.ndarray, prior_sd: float) -> float:
    return float(1 - np.var(free, ddof=1) / prior_sd**2)


def test_contraction_by_hand(pooled: Fit) -> None:
    def logit(p: np.ndarray) -> np.ndarray:
        return np.log(p / (1 - p))

    expected = {
        ("reducible", ""): contraction(logit(flat(pooled, "reducible")), 1.0),
        ("beta", ""): contraction(np.log(flat(pooled, "beta")), 0.5),
        ("level_centre", ""): contraction(np.log(flat(pooled, "level_centre")), 0.5),
        # a group's own value has the spread of the centre and of the group's deviation
        ("alpha", "muon"): contraction(np.log(flat(pooled, "alpha")[:, 1]), math.hypot(0.5, 0.3)),
        ("alpha_effect_recipe", "adam"): contraction(
            flat(pooled, "alpha_effect_recipe")[:, 0], 0.3
        ),
        ("sigma", ""): contraction(np.log(flat(pooled, "sigma")), 1.0),
        # variance of the log of a gamma of shape 2: trigamma(2)
        ("nu", ""): contraction(np.log(flat(pooled, "nu") - 2), math.sqrt(math.pi**2 / 6 - 1)),
        # of the log of a half-normal: trigamma(1/2) / 4
        ("alpha_sd_recipe", ""): contraction(
            np.log(flat(pooled, "alpha_sd_recipe")), math.sqrt(math.pi**2 / 8)
        ),
        ("rung_sd", ""): contraction(np.log(flat(pooled, "rung_sd")), math.sqrt(math.pi**2 / 8)),
    }
    table = pooled.table.set_index(["name", "group"])["contraction"]
    for key, value in expected.items():
        assert table[key] == pytest.approx(value, rel=1e-9), key
    assert table.loc[["E", "N_exponent"]].isna().all()


def test_summary_describes_the_draws(pooled: Fit) -> None:
    table = pooled.summary().set_index(["name", "group"])
    draws = flat(pooled, "alpha")[:, 1]
    row = table.loc[("alpha", "muon")]
    assert row["kind"] == "parameter"
    assert row["mean"] == pytest.approx(draws.mean())
    assert row["sd"] == pytest.approx(draws.std(ddof=1))
    assert row["q0.05"] == pytest.approx(np.quantile(draws, 0.05))
    assert 0.99 < row["rhat"] < 1.01
    assert 1500 < row["ess_bulk"] < 2500
    kinds = dict(zip(table.index.get_level_values(0), table["kind"], strict=True))
    assert kinds["alpha_centre"] == "centre"
    assert kinds["alpha_sd_recipe"] == "group_sd"
    assert kinds["E"] == "derived"
    assert kinds["sigma"] == kinds["nu"] == "noise"
    assert not {"effect", "rung_effect"} & set(kinds.values())
    assert table.loc[("alpha_sd_recipe", "")]["mean"] == pytest.approx(GROUP_SD, rel=0.1)


# -- files


def test_a_saved_fit_comes_back(pooled: Fit, tmp_path: Path) -> None:
    path = tmp_path / "fit.nc"
    pooled.save(path)
    assert [p.name for p in tmp_path.iterdir()] == ["fit.nc"]
    back = bs.load(path)
    assert back.law is registry["chinchilla"]
    assert (back.spec, back.record, back.settings) == (pooled.spec, pooled.record, pooled.settings)
    for group in ("posterior", "sample_stats", "observed_data", "constant_data"):
        xr.testing.assert_identical(
            back.tree[group].to_dataset().drop_attrs(),
            pooled.tree[group].to_dataset().drop_attrs(),
        )
    np.testing.assert_allclose(back.summary()["mean"], pooled.summary()["mean"])


def test_a_fit_is_not_saved_where_there_is_no_folder(single: Fit, tmp_path: Path) -> None:
    with pytest.raises(FitError, match=r"cannot be written to '.*a_fit\.nc'.*folder that exists"):
        single.save(tmp_path / "nowhere" / "a_fit.nc")
    assert list(tmp_path.iterdir()) == []


def test_a_fit_is_not_saved_over_a_folder(single: Fit, tmp_path: Path) -> None:
    (tmp_path / "fit.nc").mkdir()
    with pytest.raises(FitError, match="cannot be written"):
        single.save(tmp_path / "fit.nc")
    assert [p.name for p in tmp_path.iterdir()] == ["fit.nc"]


def test_saving_again_replaces_the_file(single: Fit, tmp_path: Path) -> None:
    path = tmp_path / "fit.nc"
    path.write_text("something else")
    single.save(path)
    assert len(bs.load(path).posterior["alpha"].draw) == SHAPE[1]
    assert [p.name for p in tmp_path.iterdir()] == ["fit.nc"]


@pytest.mark.parametrize("attributes", [{}, {"bayes_scaling_format": 99}])
def test_a_file_of_another_format_is_refused(tmp_path: Path, attributes: dict[str, Any]) -> None:
    path = tmp_path / "other.nc"
    tree = xr.DataTree.from_dict({"posterior": xr.Dataset({"a": ("x", [1.0])})})
    tree.attrs = attributes
    tree.to_netcdf(path, engine="h5netcdf")
    with pytest.raises(FitError, match=r"other\.nc' is not a fit of this version .*format 1"):
        bs.load(path)


@pytest.mark.parametrize("content", [b"", b"N,D,loss\n1,2,3\n", b"\x89HDF\r\n\x1a\n\x00\x00"])
def test_a_file_that_is_no_netcdf_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "table.nc"
    path.write_bytes(content)
    with pytest.raises(FitError, match=r"table\.nc' is not a fit: it cannot be read as netCDF"):
        bs.load(path)


def test_a_truncated_fit_is_refused(single: Fit, tmp_path: Path) -> None:
    path = tmp_path / "fit.nc"
    single.save(path)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(FitError, match="is not a fit"):
        bs.load(path)


def test_a_missing_fit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        FitError, match=r"none\.nc' does not exist; make one with bayes-scaling fit"
    ):
        bs.load(tmp_path / "none.nc")


def test_a_fit_of_another_law_is_refused(single: Fit, tmp_path: Path) -> None:
    single.save(tmp_path / "fit.nc")
    with pytest.raises(FitError, match=r"another version of law chinchilla .*alpha, beta"):
        bs.load(tmp_path / "fit.nc", law=registry["power_law"])
