"""The rows of one running job: read, put in order, and continued to its end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
import pandas as pd
from jaxtyping import Float

from bayes_scaling.errors import Finding, UsageError
from bayes_scaling.posterior.fit import Fit
from bayes_scaling.program.curves import schedule_named
from bayes_scaling.runs import Runs, parse_number

from .points import read_points

MOST_ROWS = 200  # more say little more, and each costs a draw of the law
FUTURE_ROWS = 60


@dataclass(frozen=True, eq=False)
class FutureRows:
    """Rows to come, the last at the end of the run."""

    table: pd.DataFrame
    place: Float[np.ndarray, " row"]
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, eq=False)
class RunningJob:
    """Rows of one run so far, in their order.

    Attributes
    ----------
    table : DataFrame
        Inputs, groups, perhaps ``schedule`` and ``se``, and ``observed``.
    order : str
        Input along which they follow each other.
    scaled : (row,) array
        Responses on the scale of the noise.
    """

    table: pd.DataFrame
    order: str
    scaled: Float[np.ndarray, " row"]
    findings: tuple[Finding, ...]

    @property
    def place(self) -> Float[np.ndarray, " row"]:
        """Where the rows lie along `order`."""
        return self.table[self.order].to_numpy(dtype=float)

    def future(self, fit: Fit, until: Mapping[str, Any] | None) -> FutureRows:
        """Rows between the last one and the end.

        Raises
        ------
        UsageError
            If the end is not known, or lies before the last row.
        """
        last = self.table.iloc[-1]
        kept = [*fit.law.inputs, *fit.groups, *(["schedule"] if "schedule" in last else [])]
        end, findings = self._end(fit, until)
        if not end[self.order] > last[self.order]:
            raise UsageError(
                f"the run is at {self.order} {last[self.order]:g} and would end at "
                f"{end[self.order]:g}; give a later end (until=, --until), or for a scheduled "
                f"law the whole plan as schedule (--schedule)"
            )
        share = np.linspace(0, 1, FUTURE_ROWS + 1)[1:]
        columns: dict[str, Any] = {}
        for name in kept:
            columns[name] = [last[name]] * FUTURE_ROWS
        for name, target in end.items():
            start = float(last[name])
            # steps follow the schedule, which is made of straight lines in them
            even = fit.law.scheduled or not fit.law.inputs[name].on_log
            rows = start + share * (target - start) if even else start * (target / start) ** share
            columns[name] = np.append(rows[:-1], target)
        table = read_points(fit, pd.DataFrame(columns))
        return FutureRows(table, table[self.order].to_numpy(dtype=float), findings)

    def _end(
        self, fit: Fit, until: Mapping[str, Any] | None
    ) -> tuple[dict[str, float], tuple[Finding, ...]]:
        if until is None and not fit.law.scheduled:
            raise UsageError(
                f"where does the run end? give until={{'{self.order}': ...}} "
                f"(--until {self.order}=...)"
            )
        end = {k: parse_number(v) if isinstance(v, str) else v for k, v in (until or {}).items()}
        unknown = [k for k in end if k not in fit.law.inputs]
        if unknown:
            raise UsageError(
                f"until names {', '.join(unknown)}, which law {fit.law.name} does not have; it "
                f"has {', '.join(fit.law.inputs)}"
            )
        if not fit.law.scheduled:
            if self.order not in end:
                raise UsageError(f"until must say where the run ends along {self.order}")
            return end, ()
        planned = schedule_named(fit.spec, self.table["schedule"].iloc[0]).last_step
        end.setdefault("step", planned)
        if end["step"] <= planned:
            return end, ()
        beyond = Finding(
            "schedule-ends",
            "warning",
            f"the schedule ends at step {planned:g}, before the end of the run at step "
            f"{end['step']:g}: its last rate is taken to hold",
        )
        return end, (beyond,)


def read_job(fit: Fit, job: Runs | pd.DataFrame | Sequence[Mapping[str, Any]]) -> RunningJob:
    """Read the rows of one running job.

    Raises
    ------
    UsageError
    """
    table, findings = _rows(fit, job)
    for column in ("run", "schedule", *fit.groups):
        values = table[column].drop_duplicates() if column in table else pd.Series([None])
        if len(values) > 1:
            raise UsageError(
                f"one running job was expected; its {column} is "
                f"{', '.join(map(str, values.head(5)))}: give the rows of one of them"
            )
    # it is a run of its own, even where a fitted one bears the same name
    table = table.drop(columns=[c for c in ("run", "rung") if c in table])
    order = _order(fit, table)
    table = table.sort_values(order, kind="stable").reset_index(drop=True)
    if table[order].duplicated().any():
        twice = table[order][table[order].duplicated()].iloc[0]
        raise UsageError(f"two rows of the run lie at {order} {twice:g}; keep one")
    if "schedule" in table and fit.law.scheduled:
        warmup = schedule_named(fit.spec, table["schedule"].iloc[0]).warmup
        warming = table["step"] <= warmup
        if warming.all():
            raise UsageError(
                f"all rows lie in warm-up, up to step {warmup}, where no law holds; come back later"
            )
        if warming.any():
            findings.append(
                Finding("warm-up-rows", "info",
                        f"{int(warming.sum())} rows up to the end of warm-up are left out")
            )  # fmt: skip
        table = table[~warming].reset_index(drop=True)
    if len(table) > MOST_ROWS:
        findings.append(
            Finding("thinned-rows", "info",
                    f"{MOST_ROWS} of {len(table)} rows are used, evenly spread")
        )  # fmt: skip
        kept = np.linspace(0, len(table) - 1, MOST_ROWS).round().astype(int)
        table = table.iloc[kept].reset_index(drop=True)
    scaled = np.asarray(fit.structure.noise.to_scale(jnp.asarray(table["observed"])))
    return RunningJob(table, order, scaled, tuple(findings))


def job_rows(runs: Runs) -> pd.DataFrame:
    """Rows of a table as those of a running job: a schedule is its text, for no fit knows it."""
    columns = [*runs.inputs, *runs.groups]
    columns += [c for c in ("se", "run", "schedule") if c in runs.frame]
    rows = runs.frame[columns].assign(observed=runs.frame["response"])
    if "schedule" in rows:
        rows["schedule"] = [runs.schedules[k].text for k in rows["schedule"]]
    return rows


def _rows(
    fit: Fit, job: Runs | pd.DataFrame | Sequence[Mapping[str, Any]]
) -> tuple[pd.DataFrame, list[Finding]]:
    findings: list[Finding] = []
    if isinstance(job, Runs):
        findings = [f for f in job.findings if f.severity != "error"]
        rows = job_rows(job)
    else:
        rows = pd.DataFrame(job)
        if "observed" not in rows and "response" in rows:
            rows = rows.rename(columns={"response": "observed"})
    table = read_points(fit, rows)
    if "observed" not in table:
        raise UsageError("the rows of the running job lack observed: its response so far")
    missing = table["observed"].isna()
    if missing.any():
        raise UsageError(
            f"observed is missing in {int(missing.sum())} rows, first row "
            f"{int(np.argmax(missing)) + 1}; drop rows without a finite response"
        )
    if fit.structure.noise.on_log and (table["observed"] <= 0).any():
        raise UsageError("observed must be positive: the fit has noise on the log of the response")
    return table, findings


def _order(fit: Fit, table: pd.DataFrame) -> str:
    if fit.spec.order:
        return fit.spec.order
    if "step" in fit.law.inputs:
        return "step"
    moving = (k for k in fit.law.inputs if table[k].nunique() > 1)
    return next(moving, next(iter(fit.law.inputs)))
