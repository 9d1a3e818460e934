"""Which settings are best, what others cost, and how wide the plateau around the best is."""

from __future__ import annotations

from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import xarray as xr

from bayes_scaling.errors import Finding, UsageError
from bayes_scaling.posterior.diagnostics import QUANTILES
from bayes_scaling.posterior.fit import Fit

from .extrapolation import extrapolation_of, warnings_of
from .optimum import WIDER, Box, Surface, box_of
from .points import Points, need_usable, read_points
from .predict import centred_inputs, parameter_draws, sample_count
from .swept import fitted_runs, read_settings

CUT = 0.01  # probability of an optimum outside the box that is worth a warning


@dataclass(frozen=True, eq=False)
class Tuning:
    """Draws of the best settings at points, and what other settings cost there.

    Attributes
    ----------
    law, response, unit : str
    groups : tuple of str
    settings : dict of str to str
        Settings of the law and their units.
    points : DataFrame
        One row a point: the other inputs and grouping columns.
    best : DataArray
        Dimensions ``sample``, ``point`` and ``setting``: where each draw of the law's mean
        is smallest.
    loss : DataArray
        Dimensions ``sample`` and ``point``: the mean there.
    recommended : DataArray
        Dimensions ``point`` and ``setting``: of the smallest expected penalty.
    expected_penalty : (point,) array
        Of the recommended settings, as a share of the best loss.
    bound : float
        Expected penalty that makes the plateau.
    plateau : DataFrame
        One row a point and setting: ``low`` and ``high`` of the range whose expected penalty
        is below the bound, other settings as recommended, and ``retuned_low`` and
        ``retuned_high``, other settings following. Missing where no setting is that good.
    judged : DataFrame or None
        The settings asked about, at every point: ``expected_penalty``, quantiles and
        ``within_bound``, the probability of a penalty below the bound.
    ranges : dict of str to (float, float)
        Fitted range of each input.
    runs : DataFrame
        The fitted runs: inputs, groups, response, ``diverged``, and ``excess``, the response
        over the best one at the same other inputs, less one (at the posterior mean).
    extrapolation : DataFrame
        Decades of the points beyond the fitted range, as in a forecast.
    warnings : tuple of Finding
    surfaces : tuple of Surface
        The law's mean over its settings, for each point.
    """

    law: str
    response: str
    unit: str
    groups: tuple[str, ...]
    settings: dict[str, str]
    points: pd.DataFrame
    best: xr.DataArray
    loss: xr.DataArray
    recommended: xr.DataArray
    expected_penalty: np.ndarray
    bound: float
    plateau: pd.DataFrame
    judged: pd.DataFrame | None
    ranges: dict[str, tuple[float, float]]
    runs: pd.DataFrame = field(repr=False)
    extrapolation: pd.DataFrame
    warnings: tuple[Finding, ...]
    surfaces: tuple[Surface, ...] = field(repr=False)

    def penalty(self, settings: Points) -> xr.DataArray:
        """Draws of the loss of given settings over the best one, less one.

        Parameters
        ----------
        settings : DataFrame, mapping, or sequence of mappings
            Every setting of the law; each row is tried at every point.

        Returns
        -------
        DataArray
            Dimensions ``sample``, ``point`` and ``trial``.
        """
        tried = read_settings(self.surfaces[0].law, settings)
        draws = _penalties(self.surfaces, np.log(self.loss.to_numpy()), tried)
        return xr.DataArray(draws, dims=("sample", "point", "trial"))

    def expected(self, settings: Points) -> xr.DataArray:
        """Mean of `penalty` over the draws, for many settings in little memory.

        Returns
        -------
        DataArray
            Dimensions ``point`` and ``trial``.
        """
        tried = read_settings(self.surfaces[0].law, settings)
        least = np.log(self.loss.to_numpy())
        found = [s.expected(s.box.logs(tried), least[:, k]) for k, s in enumerate(self.surfaces)]
        return xr.DataArray(np.stack(found), dims=("point", "trial"))

    def summary(self) -> pd.DataFrame:
        """One row a point and setting: the best value, and the recommended one.

        Returns
        -------
        DataFrame
            Inputs, groups, ``setting``; geometric ``mean``, ``sd_log`` (of the natural log)
            and quantiles (``q0.025``, ...) of the best value; ``recommended``,
            ``plateau_low``, ``plateau_high``, and the ``expected_penalty`` of the
            recommended settings.
        """
        logs = np.log(self.best.transpose("sample", "point", "setting").to_numpy())
        names = list(self.settings)
        table = self.points.loc[self.points.index.repeat(len(names))].reset_index(drop=True)
        table["setting"] = names * len(self.points)
        table["mean"] = np.exp(logs.mean(0)).ravel()
        table["sd_log"] = logs.std(0, ddof=1).ravel()
        for q, values in zip(QUANTILES, np.quantile(logs, QUANTILES, axis=0), strict=True):
            table[f"q{q:g}"] = np.exp(values).ravel()
        table["recommended"] = self.recommended.to_numpy().ravel()
        table["plateau_low"] = self.plateau["low"].to_numpy()
        table["plateau_high"] = self.plateau["high"].to_numpy()
        table["expected_penalty"] = np.repeat(self.expected_penalty, len(names))
        return table


def tune(
    fit: Fit,
    at: Points,
    *,
    settings: Points | None = None,
    bound: float = 0.001,
    seed: int = 0,
    force: bool = False,
) -> Tuning:
    """Find the best settings, such as learning rate and batch size, at any inputs.

    Parameters
    ----------
    fit : Fit
        Of a law with settings, such as valley or rate_valley.
    at : DataFrame, mapping, or sequence of mappings
        The law's other inputs, such as N and D, and grouping columns; a missing label stands
        for a group never seen.
    settings : DataFrame, mapping, or sequence of mappings, optional
        Settings to be judged at every point.
    bound : float
        Expected loss over the best one, as a share, that is worth no more tuning.
    seed : int
        Of the draws of new groups.
    force : bool
        Answer even if the fit's diagnostics are poor.

    Returns
    -------
    Tuning

    Raises
    ------
    UsageError
        If the law has no settings, or points or settings are wrong.
    FitError
        If the fit's diagnostics are poor and `force` is not set.
    """
    need_settings(fit)
    if not 0 < bound < 1:
        raise UsageError(f"bound is {bound}; it must lie between 0 and 1, such as 0.001 for 0.1 %")
    need_usable(fit, force)
    law, names, box = fit.law, list(fit.law.settings), box_of(fit)
    tried = None if settings is None else read_settings(law, settings)
    table = _points(fit, at)
    surfaces = _surfaces(fit, table, box, np.random.default_rng(seed))
    searched = [surface.best() for surface in surfaces]
    z = np.stack([best for best, _ in searched], axis=1)
    least = np.stack([smallest for _, smallest in searched], axis=1)
    advised = [s.recommend(least[:, k]) for k, s in enumerate(surfaces)]
    expected = np.array([cost for _, cost in advised])
    centre = np.stack([own for own, _ in advised])
    points = table.drop(columns=names)
    extrapolation = extrapolation_of(fit, table).drop(columns=names)
    coords = {"setting": names}
    return Tuning(
        law=law.name,
        response=fit.record.response,
        unit=fit.record.unit,
        groups=fit.groups,
        settings={k: law.inputs[k].unit for k in names},
        points=points,
        best=xr.DataArray(box.values(z), coords, ("sample", "point", "setting")),
        loss=xr.DataArray(np.exp(least), dims=("sample", "point"), name=fit.record.response),
        recommended=xr.DataArray(box.values(centre), coords, ("point", "setting")),
        expected_penalty=expected,
        bound=bound,
        plateau=_plateau(surfaces, centre, least, expected, bound),
        judged=None if tried is None else _judge(surfaces, least, tried, points, bound),
        ranges=dict(fit.spec.ranges),
        runs=fitted_runs(fit),
        extrapolation=extrapolation,
        warnings=(
            *warnings_of(fit, extrapolation),
            *_outside(fit, z, box),
            *_uncertain(expected, bound),
        ),
        surfaces=surfaces,
    )


def need_settings(fit: Fit) -> None:
    """Refuse laws without settings to tune, or without a smallest mean.

    Raises
    ------
    UsageError
    """
    law = fit.law
    if not law.settings:
        raise UsageError(
            f"law {law.name} has no settings: inputs with a best value, such as the learning "
            f"rate of rate_valley, or the rate and the batch size of valley; a law file "
            f"declares one with Input(..., setting=True)"
        )
    if not law.response.positive or fit.structure.noise.side < 0:
        raise UsageError(
            f"tune looks for the smallest of a positive response, such as a loss; "
            f"law {law.name} describes a {law.response.kind} that is none"
        )
    for name in law.settings:
        if not law.inputs[name].on_log:
            raise UsageError(
                f"tune looks for the best settings on log scales; {name} of law {law.name} is "
                f"{law.inputs[name].expected}"
            )
        if not np.isfinite(fit.spec.ranges[name]).all():
            raise UsageError(f"no fitted run has a known {name}: its best value is unknown")


def _points(fit: Fit, at: Points) -> pd.DataFrame:
    table = read_points(fit, at)
    given = [k for k in fit.law.settings if table[k].notna().any()]
    if given:
        raise UsageError(
            f"{', '.join(given)} is what tune looks for: leave it out of the points; to learn "
            f"what given settings cost, name them with settings= (--try)"
        )
    return table


def _surfaces(
    fit: Fit, table: pd.DataFrame, box: Box, rng: np.random.Generator
) -> tuple[Surface, ...]:
    law, points = fit.law, len(table)
    values = parameter_draws(fit, table, rng)
    samples = sample_count(law, values)
    # a departure along scale moves all settings alike
    wide = {p: jnp.broadcast_to(values[p], (samples, points)) for p in law.parameters}
    inputs = {k: v for k, v in centred_inputs(fit, table).items() if k not in law.settings}

    def at(k: int) -> Surface:
        own = jax.tree.map(lambda x: x[k], inputs)
        return Surface(law, own, {p: v[:, k] for p, v in wide.items()}, box)

    return tuple(at(k) for k in range(points))


def _penalties(surfaces: tuple[Surface, ...], least: np.ndarray, tried: pd.DataFrame) -> np.ndarray:
    """Relative loss of settings over the best, shape (sample, point, trial)."""
    draws = [
        np.expm1(surface.log_means(surface.box.logs(tried)) - least[:, k, None])
        for k, surface in enumerate(surfaces)
    ]
    return np.stack(draws, axis=1)


def _plateau(
    surfaces: tuple[Surface, ...],
    centre: np.ndarray,
    least: np.ndarray,
    expected: np.ndarray,
    bound: float,
) -> pd.DataFrame:
    rows = []
    for k, surface in enumerate(surfaces):
        names = surface.law.settings
        ends = np.full((len(names), 4), np.nan)
        if expected[k] < bound:
            fixed = surface.plateau(centre[k], least[:, k], bound, retuned=False)
            moved = fixed
            if len(names) > 1:
                moved = surface.plateau(centre[k], least[:, k], bound, retuned=True)
            ends = np.hstack([fixed, moved])
            ends = surface.box.values(ends.T).T
        rows += [(k, name, *own) for name, own in zip(names, ends, strict=True)]
    columns = ["point", "setting", "low", "high", "retuned_low", "retuned_high"]
    return pd.DataFrame(rows, columns=columns)


def _judge(
    surfaces: tuple[Surface, ...],
    least: np.ndarray,
    tried: pd.DataFrame,
    points: pd.DataFrame,
    bound: float,
) -> pd.DataFrame:
    draws = _penalties(surfaces, least, tried)
    table = points.merge(tried, how="cross")  # the points in order, each with every trial
    table["expected_penalty"] = draws.mean(0).ravel()
    for q, values in zip(QUANTILES, np.quantile(draws, QUANTILES, axis=0), strict=True):
        table[f"q{q:g}"] = values.ravel()
    table["within_bound"] = (draws < bound).mean(0).ravel()
    return table


def _outside(fit: Fit, z: np.ndarray, box: Box) -> list[Finding]:
    """Optima that no fitted run was near."""
    found = []
    cut = np.any(box.cut(z), axis=0).mean(0)  # (point, setting)
    middle = box.values(np.median(z, axis=0))
    for k, j in np.ndindex(*cut.shape):
        name = fit.law.settings[j]
        low, high = fit.spec.ranges[name]
        where = f"the fitted runs ({low:.3g} to {high:.3g})"
        if cut[k, j] >= CUT:
            found.append(
                f"the best {name} of point {k + 1} lies beyond {WIDER:g} times the range of "
                f"{where} with probability {cut[k, j]:.2g}; it is cut there"
            )
        elif not low <= middle[k, j] <= high:
            found.append(
                f"the best {name} of point {k + 1}, {middle[k, j]:.3g}, lies beyond {where}; "
                f"no run has shown what it costs there"
            )
    return [Finding("optimum-outside", "warning", message) for message in found]


def _uncertain(expected: np.ndarray, bound: float) -> list[Finding]:
    return [
        Finding(
            "no-plateau",
            "info",
            f"point {k + 1}: no settings are known well enough for an expected penalty below "
            f"{bound:.3g}; that of the recommended ones is {cost:.2g}",
        )
        for k, cost in enumerate(expected)
        if cost >= bound
    ]
