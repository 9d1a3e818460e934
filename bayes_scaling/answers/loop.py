"""Propose, observe, fit again: a question, its runs and their whole history in one file."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bayes_scaling.errors import Finding, FitError, UsageError
from bayes_scaling.posterior.fit import Fit
from bayes_scaling.posterior.refit import refit, table_of, with_more
from bayes_scaling.program.noise import Noise

from .candidates import COST, Box, costs_of, read_candidates, table_from
from .cost import AnyCost, Cost
from .forecast import draw_responses
from .goal import Goal, words_of
from .next_run import By, NextRun, next_run
from .points import Points, read_points

NOTE = "bayes_scaling_loop"
NOTHING = 1e-300  # a cost below all others
SAME = 1e-6  # relative difference of inputs of one setting
EXPECTED = 0.99  # probability that none of the runs of a step is called unexpected


@dataclass(frozen=True)
class Options:
    """How a loop picks: plain values, as of `next_run`.

    Attributes
    ----------
    cost : dict, optional
        Numbers of the `Cost` that budgets of the goal are in, and runs that were no candidates.
    unit : str
        Of the costs of candidates.
    priced : bool
        Whether these came from a column, or a fitted cost: what other runs cost must be told.
    count, repeats, budget, largest, by, price, seed, force
        As of `next_run`; the budget is that of the whole loop.
    """

    cost: dict[str, Any] | None = None
    unit: str = ""
    priced: bool = False
    count: int = 1
    repeats: int = 1
    budget: float | None = None
    largest: float | None = None
    by: By = "auto"
    price: float = 0.0
    seed: int = 0
    force: bool = False


@dataclass(frozen=True, eq=False)
class Loop:
    """A question, a fit, candidates, and what has been proposed and observed so far.

    Attributes
    ----------
    fit : Fit
        Of all runs up to now.
    goal : Goal
    candidates : DataFrame
        Inputs, labels and ``cost``, and ``bought``: how often each has been run.
    options : Options
    history : tuple of dict
        One entry a step: ``proposed`` (rows), ``why`` (sentences), ``answer``, ``sds``,
        ``stop``, ``runs`` and ``spent``; once there is something, ``observed`` (rows), what was
        ``paid`` for it, and what was ``unexpected`` of it (sentences).
    """

    fit: Fit
    goal: Goal
    candidates: pd.DataFrame
    options: Options
    history: tuple[dict[str, Any], ...] = ()

    @property
    def spent(self) -> float:
        """Cost of all runs that were bought."""
        return float(sum(entry.get("paid", 0.0) for entry in self.history))

    def save(self, path: str | Path) -> None:
        """Write the loop; the file is a fit as well, for every other question.

        It is replaced as a whole, so that an interruption leaves the one before.

        Raises
        ------
        FitError
            If the file cannot be written.
        """
        note = {
            "goal": self.goal.as_dict(),
            "options": asdict(self.options),
            "candidates": json.loads(self.candidates.to_json(orient="split", double_precision=15)),
            "history": list(self.history),
        }
        self.fit.save(path, {NOTE: json.dumps(note)})


def begin_loop(
    fit: Fit,
    candidates: Points | Box,
    goal: Goal,
    *,
    cost: AnyCost | None = None,
    **options: Any,
) -> tuple[Loop, NextRun]:
    """Begin a loop, with its first proposal.

    Parameters
    ----------
    fit : Fit
    candidates : points, or mapping of ranges and choices
        A box is filled once.
    goal : Goal
    cost : Cost, Fit, or mapping from recipe to one of these, optional
        As of `next_run`; costs are reckoned once and kept.
    **options
        Fields of `Options`.

    Returns
    -------
    (Loop, NextRun)

    Raises
    ------
    UsageError
        As `next_run`; or if the fit cannot be grown, or the goal has a budget in a cost that is
        no plain `Cost`.
    """
    seed, force = options.get("seed", 0), options.get("force", False)
    given = table_from(fit, candidates, seed)
    pool = read_candidates(fit, given, cost, force=force)
    plain = _plain(cost, goal)
    priced = COST in given or (cost is not None and plain is None)
    try:
        chosen = Options(cost=plain, unit=pool.unit, priced=priced, **options)
    except TypeError as error:
        raise UsageError(f"begin_loop does not take these options: {error}") from error
    with_more(fit, table_of(fit).iloc[:0])  # whether it can be grown
    table = pool.points.assign(cost=pool.cost, p_fail=pool.failure, bought=0)
    return _proposed(Loop(fit, goal, table, chosen))


def propose(loop: Loop, *, running: Points | None = None) -> NextRun:
    """Choose the next runs of a loop.

    Parameters
    ----------
    loop : Loop
    running : points, optional
        Runs that are under way.

    Returns
    -------
    NextRun
        Whose candidates are those that can still be run; it stops where none can.
    """
    own, pool = loop.options, loop.candidates
    room = own.repeats - pool["bought"].to_numpy()
    rows = np.flatnonzero(room > 0) if (room > 0).any() else np.arange(len(pool))
    budget = None if own.budget is None else max(own.budget - loop.spent, NOTHING)
    found = next_run(
        loop.fit, pool.iloc[rows].drop(columns="bought").reset_index(drop=True), loop.goal,
        cost=None if own.cost is None else Cost(**own.cost), count=own.count, budget=budget,
        largest=own.largest if (room > 0).any() else NOTHING,
        repeats=np.maximum(room[rows], 1).tolist(), running=running, by=own.by, price=own.price,
        seed=own.seed, force=own.force,
    )  # fmt: skip
    stop = found.stop
    if not (room > 0).any() and not stop.startswith("settled"):
        stop = "every candidate has been run as often as asked"
    return replace(found, unit=own.unit, stop=stop)


def observe(
    loop: Loop,
    observed: pd.DataFrame,
    *,
    report: Callable[[str], None] | None = None,
) -> tuple[Loop, NextRun]:
    """Add runs that are done, fit again, and propose the next ones.

    Parameters
    ----------
    loop : Loop
    observed : DataFrame
        As `posterior.refit.with_more` takes it: inputs, labels and the response; runs that were
        not proposed are welcome. A column ``cost`` holds what they did cost.
    report : callable, optional
        Told in a few words what is being done.

    Returns
    -------
    (Loop, NextRun)
        With a warning for each run that lies where the fit before did not expect it.

    Raises
    ------
    UsageError, TableError
        If the runs are wrong; the loop is then as it was.
    """
    runs = with_more(loop.fit, observed.drop(columns=COST, errors="ignore"))
    new = runs.frame.iloc[len(table_of(loop.fit)) :].reset_index(drop=True)
    matched = [_candidate(loop, row) for _, row in new.iterrows()]
    if COST in observed:
        paid = _told(observed)
    else:
        paid = _paid(loop, new, matched)
    bought = np.bincount([i for i in matched if i is not None], minlength=len(loop.candidates))
    candidates = loop.candidates.assign(bought=loop.candidates["bought"] + bought)
    surprises = _unexpected(loop.fit, new, loop.options.seed)
    grown = refit(loop.fit, runs, seed=loop.options.seed + len(loop.history), report=report)
    entry = {
        "observed": json.loads(new.to_json(orient="records", double_precision=15)),
        "paid": float(paid.sum()),
        "unexpected": [surprise.message for surprise in surprises],
    }
    history = (*loop.history[:-1], {**loop.history[-1], **entry})
    later, found = _proposed(replace(loop, fit=grown, candidates=candidates, history=history))
    return later, replace(found, warnings=(*surprises, *found.warnings))


def _unexpected(fit: Fit, new: pd.DataFrame, seed: int) -> tuple[Finding, ...]:
    """Runs outside the interval that a fit without them has for a new run at their inputs.

    The interval is one for all of them together. Nothing is said of counts and of runs that did
    not finish.
    """
    ended = new[new["response"].notna()]
    if not isinstance(fit.structure.noise, Noise) or ended.empty:
        return ()
    points = _points(fit, ended)
    draws = draw_responses(fit, points, "new-run", "response", np.random.default_rng(seed))
    aside = 0.5 * (1.0 - EXPECTED) / len(ended)
    low, high = np.quantile(draws, [aside, 1.0 - aside], axis=0)
    found = []
    for k, seen in enumerate(ended["response"]):
        if low[k] <= seen <= high[k]:
            continue
        where = words_of(points.iloc[k].dropna().to_dict())
        message = (
            f"{fit.record.response} {seen:.4g} at {where} is outside {low[k]:.4g} to "
            f"{high[k]:.4g}, where the runs before let it be expected "
            f"({100 * (1 - 2 * aside):.4g} %): look at the run, then at the law"
        )
        found.append(Finding("unexpected-run", "warning", message))
    return tuple(found)


def loop_of(fit: Fit, path: str | Path = "") -> Loop:
    """Read the loop that a file holds beside its fit.

    Raises
    ------
    FitError
        If it holds none.
    """
    if NOTE not in fit.tree.attrs:
        raise FitError(
            f"'{path}' is a fit and no loop: begin one with bayes-scaling next FIT -o LOOP"
        )
    note = json.loads(fit.tree.attrs[NOTE])
    stored = note["candidates"]
    table = pd.DataFrame(stored["data"], columns=stored["columns"])
    return Loop(
        fit, Goal.of(note["goal"]), table, Options(**note["options"]), tuple(note["history"])
    )


def _proposed(loop: Loop) -> tuple[Loop, NextRun]:
    found = propose(loop)
    shown = found.picks.drop(columns="candidate")
    entry = {
        "runs": len(table_of(loop.fit)),
        "spent": loop.spent,
        "answer": found.answer,
        "sds": [float(v) for v in found.sds["now"]],
        "proposed": json.loads(shown.to_json(orient="records", double_precision=15)),
        "why": found.explain(),
        "stop": found.stop,
    }
    return replace(loop, history=(*loop.history, entry)), found


def _candidate(loop: Loop, row: pd.Series) -> int | None:
    """Candidate of the setting of an observed run, where there is one."""
    match = np.ones(len(loop.candidates), dtype=bool)
    for name in loop.fit.law.inputs:
        own = loop.candidates[name].to_numpy(dtype=float)
        value = float(row.get(name, np.nan))
        match &= np.isclose(own, value, rtol=SAME, atol=0.0, equal_nan=True)
    for group in loop.fit.groups:
        match &= (loop.candidates[group] == row[group]).to_numpy()
    found = np.flatnonzero(match)
    return int(found[0]) if len(found) else None


def _told(observed: pd.DataFrame) -> np.ndarray:
    paid = pd.to_numeric(observed[COST], errors="coerce").to_numpy(dtype=float)
    if not (np.isfinite(paid) & (paid >= 0)).all():
        raise UsageError(f"column '{COST}' of the new runs must hold what each did cost")
    return paid


def _paid(loop: Loop, new: pd.DataFrame, matched: list[int | None]) -> np.ndarray:
    paid = np.array([0.0 if i is None else float(loop.candidates[COST].iloc[i]) for i in matched])
    others = np.array([i is None for i in matched])
    if others.any() and loop.options.priced:
        raise UsageError(
            f"{others.sum()} of the new runs are no candidates, whose costs are not of N and D: "
            f"say what the new runs did cost in a column '{COST}'"
        )
    if others.any():
        cost = None if loop.options.cost is None else Cost(**loop.options.cost)
        paid[others], _ = costs_of(loop.fit, _points(loop.fit, new[others]), cost, force=True)
    return paid


def _points(fit: Fit, runs: pd.DataFrame) -> pd.DataFrame:
    """Inputs and labels of runs as points of a fit."""
    return read_points(fit, runs[[n for n in (*fit.law.inputs, *fit.groups) if n in runs]])


def _plain(cost: AnyCost | None, goal: Goal) -> dict[str, Any] | None:
    if isinstance(cost, Cost):
        numbers = asdict(cost)
        if all(isinstance(v, int | float | str) for v in numbers.values()):
            return numbers
    if cost is not None and goal.budget:
        raise UsageError(
            "a loop keeps the cost that its goal's budget is in as plain numbers: give a bs.Cost "
            "instead of a fitted one, or one a recipe"
        )
    return None
