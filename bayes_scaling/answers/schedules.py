"""Which learning-rate schedule ends at the lowest loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
import pandas as pd
import xarray as xr

from bayes_scaling.errors import Finding, UsageError
from bayes_scaling.posterior.diagnostics import QUANTILES
from bayes_scaling.posterior.fit import Fit
from bayes_scaling.program.curves import schedule_named
from bayes_scaling.runs.schedule import Schedule

from .extrapolation import extrapolation_of, warnings_of
from .points import need_usable, read_points
from .predict import draw_centre

CURVE_ROWS = 60


@dataclass(frozen=True, eq=False)
class ScheduleComparison:
    """The mean response at the end of each schedule, draw by draw.

    Attributes
    ----------
    law, response, unit : str
    groups : tuple of str
    points : DataFrame
        The end of each schedule: ``name``, inputs, groups, ``schedule``.
    draws : DataArray
        Dimensions ``sample`` and ``schedule``. One sample is one joint draw: its schedules
        share parameters and the effects of a new group.
    curves : DataFrame
        Rows from the end of warm-up to the end: ``name``, ``step``, ``rate`` and quantiles
        ``q0.05``, ``q0.5``, ``q0.95`` of the mean response.
    warnings : tuple of Finding
    """

    law: str
    response: str
    unit: str
    groups: tuple[str, ...]
    points: pd.DataFrame
    draws: xr.DataArray
    curves: pd.DataFrame
    warnings: tuple[Finding, ...]

    @property
    def best(self) -> str:
        """Schedule with the lowest expected response at its end."""
        means = self.draws.mean("sample").to_numpy()
        return str(self.draws["schedule"].to_numpy()[int(means.argmin())])

    def summary(self) -> pd.DataFrame:
        """One row a schedule, the best first.

        Returns
        -------
        DataFrame
            ``name``, ``step``, ``mean``, ``sd``, quantiles ``q0.025`` to ``q0.975``;
            ``p_best``, the chance that it ends lowest (shared where schedules are equal);
            ``regret``, how much higher than the lowest it ends on average; ``difference``
            to the best, mean and quantiles ``difference_q0.05``, ``difference_q0.95``.
        """
        values = self.draws.transpose("sample", "schedule").to_numpy()
        lowest = values.min(axis=1, keepdims=True)
        wins = values == lowest
        table = self.points[["name", "step"]].copy()
        table["mean"], table["sd"] = values.mean(0), values.std(0, ddof=1)
        for q in QUANTILES:
            table[f"q{q:g}"] = np.quantile(values, q, axis=0)
        table["p_best"] = (wins / wins.sum(axis=1, keepdims=True)).mean(axis=0)
        table["regret"] = (values - lowest).mean(axis=0)
        difference = values - values[:, [int(values.mean(0).argmin())]]
        table["difference"] = difference.mean(axis=0)
        for q in (0.05, 0.95):
            table[f"difference_q{q:g}"] = np.quantile(difference, q, axis=0)
        return table.sort_values("mean", kind="stable").reset_index(drop=True)


def compare_schedules(
    fit: Fit,
    schedules: Mapping[str, str | Schedule] | Sequence[str | Schedule],
    *,
    at: Mapping[str, Any] | None = None,
    rows: int = CURVE_ROWS,
    seed: int = 0,
    force: bool = False,
) -> ScheduleComparison:
    """Compare the mean response at the end of learning-rate schedules.

    Parameters
    ----------
    fit : Fit
        Of a law of curves under schedules, such as ``annealing`` or ``multi_power``.
    schedules : mapping or sequence
        Two or more, by name: each a `Schedule`, a text such as
        ``"cosine:peak=3e-4,steps=24000,warmup=2160,final=3e-5"``, or the label of a fitted
        run's.
    at : mapping, optional
        Other inputs of the law, and labels of groups; a group that is left out is one
        never seen, the same for all schedules.
    rows : int
        Of each curve.
    seed : int
        Of the draws of a new group.
    force : bool
        Answer even if the fit's diagnostics are poor.

    Raises
    ------
    UsageError
        If the law has no schedule, or a schedule or label cannot be read.
    FitError
        If the fit's diagnostics are poor and `force` is not set.
    """
    if not fit.law.scheduled:
        raise UsageError(
            f"law {fit.law.name} does not know the learning-rate schedule; fit curves with a "
            f"law that does, such as annealing or multi_power"
        )
    if rows < 2:
        raise UsageError(f"rows is {rows}; a curve needs two at least")
    need_usable(fit, force)
    named = _named(schedules)
    plans = {name: _plan(fit, name, text) for name, text in named.items()}
    steps = {name: _steps(plan, rows) for name, plan in plans.items()}
    parts = [
        pd.DataFrame({"step": steps[name], "schedule": named[name]}).assign(**dict(at or {}))
        for name in named
    ]
    table = read_points(fit, pd.concat(parts, ignore_index=True))
    centre, _ = draw_centre(fit, table, np.random.default_rng(seed))
    values = np.asarray(fit.structure.noise.from_scale(jnp.asarray(centre)))
    names = np.repeat(list(named), rows)
    rates = np.concatenate([plans[name].rate(steps[name]) for name in named])
    low, middle, high = np.quantile(values, (0.05, 0.5, 0.95), axis=0)
    ends = np.arange(len(named)) * rows + rows - 1
    points = table.iloc[ends].reset_index(drop=True)
    points.insert(0, "name", list(named))
    called = [f"the end of {name}" for name in named]
    return ScheduleComparison(
        law=fit.law.name,
        response=fit.record.response,
        unit=fit.record.unit,
        groups=fit.groups,
        points=points,
        draws=xr.DataArray(
            values[:, ends], dims=("sample", "schedule"), coords={"schedule": list(named)},
            name=fit.record.response,
        ),
        curves=pd.DataFrame(
            {"name": names, "step": table["step"], "rate": rates,
             "q0.05": low, "q0.5": middle, "q0.95": high}
        ),
        warnings=(
            *warnings_of(fit, extrapolation_of(fit, points), called),
            *rate_findings(fit, named),
            *_unequal_ends(plans),
        ),
    )  # fmt: skip


def rate_findings(fit: Fit, schedules: Mapping[str, str]) -> list[Finding]:
    """Warnings of schedules, by name, whose rate goes beyond every fitted one."""
    highest = fit.spec.references["rate"]
    return [
        Finding(
            "rate-outside",
            "warning",
            f"{name} has learning rates up to {peak:.3g}, and the fitted runs had {highest:.3g} "
            f"at most: the law knows nothing of training that higher rates make unsteady",
        )
        for name, text in schedules.items()
        if (peak := schedule_named(fit.spec, text).peak) > 1.001 * highest
    ]


def _named(schedules: Mapping[str, str | Schedule] | Sequence[str | Schedule]) -> dict[str, str]:
    """Texts or fitted labels by name; without names a text is its own."""
    if isinstance(schedules, str):
        raise UsageError("compare_schedules needs two schedules or more, by name or in a list")
    texts = [s.text if isinstance(s, Schedule) else str(s) for s in (
        schedules.values() if isinstance(schedules, Mapping) else schedules)]  # fmt: skip
    names = [*map(str, schedules)] if isinstance(schedules, Mapping) else texts
    if len(set(names)) < max(2, len(names)):
        raise UsageError(
            f"two schedules or more were expected, each with a name of its own; "
            f"{', '.join(names) or 'none'} came"
        )
    return dict(zip(names, texts, strict=True))


def _plan(fit: Fit, name: str, text: str) -> Schedule:
    try:
        return schedule_named(fit.spec, text)
    except UsageError as error:
        raise UsageError(f"schedule {name}: {error}") from error


def _steps(plan: Schedule, rows: int) -> np.ndarray:
    """Steps of a curve, after warm-up and up to the end."""
    return np.linspace(plan.warmup, plan.last_step, rows + 1)[1:]


def _unequal_ends(plans: Mapping[str, Schedule]) -> list[Finding]:
    ends = {name: plan.last_step for name, plan in plans.items()}
    if len(set(ends.values())) == 1:
        return []
    said = ", ".join(f"{name} at step {end:g}" for name, end in ends.items())
    return [
        Finding(
            "unequal-ends",
            "warning",
            f"the schedules end at different steps ({said}): longer ones cost more, so the "
            f"lowest response is not the best use of one budget",
        )
    ]
