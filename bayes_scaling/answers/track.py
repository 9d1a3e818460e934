"""Whether a running job is on track, and where it will end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax.numpy as jnp
import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Float

from bayes_scaling.errors import Finding, UsageError
from bayes_scaling.posterior.diagnostics import QUANTILES
from bayes_scaling.posterior.fit import Fit
from bayes_scaling.runs import Runs

from .condition import RunDraws, condition, draw_innovations, draw_run
from .extrapolation import extrapolation_of, warnings_of
from .points import need_usable
from .running import FutureRows, RunningJob, read_job
from .schedules import rate_findings
from .serial import Paths, tied, untied

CENTRAL = 0.6827  # of a distribution: one sd around the median, if it is normal


@dataclass(frozen=True, eq=False)
class Tracking:
    """Where a running job stands among the runs of a fit, and where it will end.

    Attributes
    ----------
    law, response, unit : str
    order : str
        Input along which the run's rows follow each other.
    observed : DataFrame
        Rows so far: inputs, groups, ``observed``; ``q0.05``, ``q0.5`` and ``q0.95`` that
        earlier runs predict there; ``fitted``, the run's own mean as it is known now (the
        median); ``z``, the distance from the median of the prediction in its sds (half its
        central 68 %); ``jump``, the part of the run's own noise that is new at the row, in
        sds; ``outside``, whether either is too large for the whole curve.
    points : DataFrame
        Rows to come: inputs, groups, perhaps ``schedule``. The last is the end.
    future, future_mean : DataArray
        Dimensions ``sample`` and ``row``: draws of the response and of the run's mean at
        `points`, given the rows so far.
    before : DataArray
        Draws of the response at `points` as earlier runs predict it.
    p_band, p_jump : float
        Chance that a run like the earlier ones lies as far outside the band somewhere, and
        that its noise has as large a jump.
    level : float
        Chance of an alarm in a run like the earlier ones, at most.
    left_at : float, optional
        Value of `order` at the first row outside, if the alarm is raised.
    warnings : tuple of Finding
    """

    law: str
    response: str
    unit: str
    order: str
    groups: tuple[str, ...]
    observed: pd.DataFrame
    points: pd.DataFrame
    future: xr.DataArray
    future_mean: xr.DataArray
    before: xr.DataArray
    p_band: float
    p_jump: float
    level: float
    left_at: float | None
    warnings: tuple[Finding, ...]

    @property
    def p_value(self) -> float:
        """Chance that a run like the earlier ones looks as odd, by band or by jump."""
        return min(1.0, 2.0 * min(self.p_band, self.p_jump))

    @property
    def alarm(self) -> bool:
        """Whether that chance is below `level`."""
        return self.p_value < self.level

    @property
    def final(self) -> xr.DataArray:
        """Draws of the response at the end, dimension ``sample``."""
        return self.future.isel(row=-1)

    def summary(self) -> pd.DataFrame:
        """One row: the end of the run, and whether it is on track.

        Returns
        -------
        DataFrame
            Inputs of the end; ``mean``, ``sd`` and quantiles ``q0.025`` to ``q0.975`` of
            the response there; ``before_q0.05``, ``before_q0.5`` and ``before_q0.95``
            without the rows so far; ``p_value``, ``p_band``, ``p_jump``, ``alarm`` and
            ``left_at``.
        """
        values, before = self.final.to_numpy(), self.before.isel(row=-1).to_numpy()
        table = self.points.tail(1).reset_index(drop=True)
        table["mean"], table["sd"] = values.mean(), values.std(ddof=1)
        for q in QUANTILES:
            table[f"q{q:g}"] = np.quantile(values, q)
        for q in (0.05, 0.5, 0.95):
            table[f"before_q{q:g}"] = np.quantile(before, q)
        return table.assign(
            p_value=self.p_value,
            p_band=self.p_band,
            p_jump=self.p_jump,
            alarm=self.alarm,
            left_at=np.nan if self.left_at is None else self.left_at,
        )


def track(
    fit: Fit,
    job: Runs | pd.DataFrame | Sequence[Mapping[str, Any]],
    *,
    until: Mapping[str, Any] | None = None,
    level: float = 0.01,
    seed: int = 0,
    force: bool = False,
) -> Tracking:
    """Compare a running job with earlier runs, and forecast its end from its first part.

    The job is one more run: it shares the law with the fitted runs and has effects of its
    own where its group is not named. Its rows move draws of its parameters as
    `answers.condition` says: exact for linear laws with normal noise; otherwise the law is
    taken as a straight line only among the draws that the rows leave, and spikes of
    Student-t noise are given less weight. Its noise at rows to come goes on from its
    deviation at the last row.

    An alarm has two reasons, each with half of `level`. The band: the largest distance of
    the rows from what earlier runs predict, in its sds, against that of whole simulated
    curves. The jump: the largest new part of the run's own noise, against that of simulated
    noise: a spike of the loss, which the band of a new run may well hold.

    Parameters
    ----------
    fit : Fit
        Of earlier runs, best of their whole curves (`read_runs` with ``run``).
    job : Runs, DataFrame or sequence of mappings
        Rows of one run so far: the law's inputs, the response as ``observed`` (or
        ``response``), perhaps grouping columns, and for a scheduled law ``schedule``: a
        fitted run's, or a text that holds the whole plan.
    until : mapping, optional
        Inputs at the end of the run, such as ``{"step": 24000}``; others stay as they are.
        By default the last step of the schedule.
    level : float
        Chance of a false alarm.
    seed : int
    force : bool
        Answer even if the fit's diagnostics are poor.

    Returns
    -------
    Tracking

    Raises
    ------
    UsageError
        If the rows cannot be read, are not those of one run, or the end is not known.
    FitError
        If the fit's diagnostics are poor and `force` is not set.
    """
    if not 0 < level < 1:
        raise UsageError(f"level is {level}; it must lie between 0 and 1")
    need_usable(fit, force)
    if fit.structure.noise.side:
        raise UsageError(
            f"noise {fit.structure.noise.name} says how far single runs fall short of the best "
            f"ones, not how a run goes on; fit curves with noise student-t"
        )
    if fit.structure.noise.bounded or fit.law.link:
        raise UsageError(
            f"track follows the loss of a running job; the fit is of law {fit.law.name}, whose "
            f"response is a {fit.law.response.kind}"
        )
    given = read_job(fit, job)
    ahead = given.future(fit, until)
    rng = np.random.default_rng(seed)
    paths = _Paths(fit, given, ahead, rng)
    p_band, p_jump, table, outside = _judge(fit, given, paths, level, rng)
    alarm = 2.0 * min(p_band, p_jump) < level
    left_at = float(given.place[int(np.argmax(outside))]) if alarm else None
    findings = [*_doubts(fit, given, ahead)]
    if alarm:
        findings.append(_off_track(given, float(left_at or 0.0), p_band, p_jump))
    return Tracking(
        law=fit.law.name,
        response=fit.record.response,
        unit=fit.record.unit,
        order=given.order,
        groups=fit.groups,
        observed=table,
        points=ahead.table,
        future=_draws(fit, paths.future),
        future_mean=_draws(fit, paths.future_mean),
        before=_draws(fit, paths.before[:, len(given.table) :]),
        p_band=p_band,
        p_jump=p_jump,
        level=level,
        left_at=left_at,
        warnings=tuple(findings),
    )


class _Paths:
    """Draws along the whole run: as earlier runs predict it, and given its rows so far."""

    def __init__(self, fit: Fit, given: RunningJob, ahead: FutureRows, rng: np.random.Generator):
        n = len(given.table)
        whole = pd.concat([given.table, ahead.table], ignore_index=True)
        place = np.concatenate([given.place, ahead.place])
        prior = draw_run(fit, whole, rng)
        ties = prior.ties(place)
        innovations = draw_innovations(prior, rng, len(whole))
        self.before = prior.centre(whole) + prior.spread * tied(innovations, ties)
        self.replicated = innovations[:, :n]
        seen: RunDraws = replace(prior, spread=prior.spread[:, :n])
        found = condition(seen, given.table, given.place, given.scaled, rng)
        centre = found.centre(whole)
        self.fitted, self.future_mean = centre[:, :n], centre[:, n:]
        deviations = (given.scaled - self.fitted) / seen.spread
        self.jumps = untied(deviations, ties[:, :n])
        fresh = draw_innovations(prior, rng, len(ahead.table))
        onward = tied(fresh, ties[:, n:], start=deviations[:, -1])
        self.future = self.future_mean + prior.spread[:, n:] * onward


def _judge(
    fit: Fit, given: RunningJob, paths: _Paths, level: float, rng: np.random.Generator
) -> tuple[float, float, pd.DataFrame, Float[np.ndarray, " row"]]:
    """P-values of band and jump, the observed rows with both, and which rows lie outside."""
    noise = fit.structure.noise
    predicted = paths.before[:, : len(given.table)]
    low, middle, high = np.quantile(predicted, (0.5 - CENTRAL / 2, 0.5, 0.5 + CENTRAL / 2), axis=0)
    half = (high - low) / 2
    z = (given.scaled - middle) / half
    farthest = np.abs((predicted - middle) / half).max(axis=1)
    largest = np.abs(paths.replicated).max(axis=1)
    p_band = _tail(farthest >= np.abs(z).max())
    p_jump = _tail(largest >= np.abs(paths.jumps).max(axis=1))
    jump = np.median(paths.jumps, axis=0)
    # a row is outside by the same reason, and at the same level, as the run
    outside = np.zeros(len(z), dtype=bool)
    for p, size, limits in ((p_band, z, farthest), (p_jump, jump, largest)):
        if 2.0 * p < level:
            beyond = np.abs(size) > np.quantile(limits, 1 - level / 2)
            outside |= beyond if beyond.any() else np.abs(size) == np.abs(size).max()
    table = given.table.copy()
    for q in (0.05, 0.5, 0.95):
        table[f"q{q:g}"] = np.asarray(noise.from_scale(np.quantile(predicted, q, axis=0)))
    table["fitted"] = np.asarray(noise.from_scale(np.median(paths.fitted, axis=0)))
    return p_band, p_jump, table.assign(z=z, jump=jump, outside=outside), outside


def _tail(as_odd: np.ndarray) -> float:
    return float((1 + as_odd.sum()) / (1 + len(as_odd)))


def _draws(fit: Fit, scaled: Paths) -> xr.DataArray:
    values = np.asarray(fit.structure.noise.from_scale(jnp.asarray(scaled)))
    return xr.DataArray(values, dims=("sample", "row"), name=fit.record.response)


def _doubts(fit: Fit, given: RunningJob, ahead: FutureRows) -> list[Finding]:
    last = ahead.table.tail(1).reset_index(drop=True)
    found = [*warnings_of(fit, extrapolation_of(fit, last), ["the end"]), *given.findings]
    found += ahead.findings
    if not fit.structure.serial:
        found.append(
            Finding(
                "no-serial",
                "warning",
                "the fit does not know how rows of one run hang together, and takes them as "
                "separate runs: intervals are too narrow and alarms too many; fit whole curves, "
                "with the column of the run (run=, --run)",
            )
        )
    if fit.law.scheduled:
        found += rate_findings(fit, {"the run": str(given.table["schedule"].iloc[0])})
    return found


def _off_track(given: RunningJob, left_at: float, p_band: float, p_jump: float) -> Finding:
    where = f"{given.order} {left_at:g}"
    what = (
        f"the run left the band of earlier runs at {where}"
        if p_band <= p_jump
        else f"the response jumped at {where} as it does not in earlier runs"
    )
    return Finding(
        "off-track",
        "warning",
        f"{what} (p = {min(1.0, 2 * min(p_band, p_jump)):.2g}): the forecast of its end takes it "
        f"for one more of them, and holds only if the rest of the run is; look at the run",
    )
