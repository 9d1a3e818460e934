"""The eight tasks of ScaleBench: what a run costs, the law that is fitted, what is forecast.

Four tasks come with a test part. Of the others a part of the train rows is held out that lies
beyond the rest (`Task.held`), and is no candidate: the dearest tenth (farseer), the largest models
(lr_bsz), the most tokens of the second phase (sparsity), and the mixtures that hold least of the
fifth domain (domain_mixture: a corner of the simplex). With ``part="train"`` the first four are
split so as well, so that a choice can be made without their test parts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

import bayes_scaling as bs
from bayes_scaling.posterior.fit import Fit
from bayes_scaling.posterior.prior import prior_fit
from bayes_scaling.runs import Runs, datasets
from case_studies.scalebench.run import TASKS as FITTED

DRAWS = 250  # of the prior, in each of four chains
DOMAINS = ("1", "2", "3", "4", "5")
SHARES = tuple(f"proportion_domain_{d}" for d in DOMAINS)
Table = pd.DataFrame


@dataclass(frozen=True)
class Task:
    """A task: candidates, costs, law and question.

    Attributes
    ----------
    law : str
    inputs : mapping
        Input of the law to column.
    response : str
    expected : (float, float)
        Best and worst response that somebody who has run nothing would name; priors get their
        scale from them.
    cost : callable
        Cost of each run of a table.
    held : callable
        Rows that a split by scale holds out.
    budgets : tuple of float
        Shares of the cost of all candidates.
    groups : tuple of str
        Grouping columns.
    options : mapping
        Of the model.
    published : mapping
        Best published R2 on the test part, by budget.
    everything : float, optional
        R2 of the law that the benchmark's authors fitted to all train data.
    """

    law: str
    inputs: Mapping[str, str]
    response: str
    expected: tuple[float, float]
    cost: Callable[[Table], pd.Series]
    held: Callable[[Table], pd.Series]
    budgets: tuple[float, ...] = (0.01, 0.05, 0.10)
    groups: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    published: Mapping[float, float] = field(default_factory=dict)
    everything: float | None = None


@dataclass(frozen=True, eq=False)
class Problem:
    """A task as it is solved.

    Attributes
    ----------
    name : str
    task : Task
    pool, test : DataFrame
        Inputs by the law's names, groups and ``response``. A run has one row, or one on each
        domain: column ``run`` holds its number, from 0 in the pool.
    cost : (run,) array
    runs : Runs
        The pool, read and checked.
    prior : Fit
        Draws of the prior.
    """

    name: str
    task: Task
    pool: Table
    test: Table
    cost: Float[np.ndarray, " run"]
    runs: Runs
    prior: Fit

    @property
    def budgets(self) -> Float[np.ndarray, " budget"]:
        """Budgets in the unit of the cost."""
        return np.array(self.task.budgets) * self.cost.sum()

    @property
    def columns(self) -> list[str]:
        """Columns of points: inputs and groups."""
        return [*self.prior.law.inputs, *self.task.groups]


def six_nd(size: str, data: str) -> Callable[[Table], pd.Series]:
    """6 N D of two columns."""
    return lambda table: 6.0 * table[size] * table[data]


def largest(column: str) -> Callable[[Table], pd.Series]:
    """Rows of the largest value of a column."""
    return lambda table: table[column] == table[column].max()


def dearest_tenth(cost: Callable[[Table], pd.Series]) -> Callable[[Table], pd.Series]:
    """Rows of the highest costs."""
    return lambda table: cost(table) > cost(table).quantile(0.9)


def _measured(name: str, **own: Any) -> Task:
    """One of the four with a test part, with the law of the case study."""
    known = FITTED[name]
    return Task(
        law=known.law,
        inputs=known.inputs,
        response=known.response,
        groups=(known.group,) if known.group else (),
        options=known.options,
        everything=known.published_r2,
        **own,
    )


LOSSES = (2.0, 5.0)  # of small language models, in nats
FARSEER = six_nd("N", "D")
CONSTRAINED = six_nd("params", "tokens")

TASKS = {
    "parallel": _measured(
        "parallel",
        expected=LOSSES,
        cost=lambda t: t["num_params"].astype(float),
        held=largest("parallel_size"),
        budgets=(0.05, 0.10),
        published={0.05: 0.77, 0.10: 0.99},
    ),
    "moe": _measured(
        "moe",
        expected=LOSSES,
        cost=lambda t: t["dense_parameter_count"] * t["num_experts"],
        held=largest("dense_parameter_count"),
        published={0.01: 0.67, 0.05: 0.80, 0.10: 0.83},
    ),
    "data_constrained": _measured(
        "data_constrained",
        expected=LOSSES,
        cost=CONSTRAINED,
        held=dearest_tenth(CONSTRAINED),
        published={0.01: 0.73, 0.05: 0.85, 0.10: 0.86},
    ),
    "vocab": _measured(
        "vocab",
        expected=(-6.0, 0.0),
        cost=six_nd("non_vocab_parameters", "num_characters"),
        held=largest("vocab_size"),
        published={0.01: 0.96, 0.05: 0.98, 0.10: 0.98},
    ),
    "farseer": Task(
        "farseer",
        {"N": "N", "D": "D"},
        "loss",
        expected=(0.4, 1.0),  # bits a character
        cost=FARSEER,
        held=dearest_tenth(FARSEER),
    ),
    "lr_bsz": Task(
        "valley",
        {"N": "non_embedding_param_size", "D": "data_size", "lr": "lr", "B": "bsz"},
        "lm_loss",
        expected=LOSSES,
        cost=six_nd("non_embedding_param_size", "data_size"),
        held=largest("non_embedding_param_size"),
    ),
    "domain_mixture": Task(
        f"domain_mixture:{','.join(SHARES)}",
        {share: share for share in SHARES},
        "loss",
        expected=LOSSES,
        cost=lambda t: pd.Series(1.0, t.index),
        held=lambda t: t["proportion_domain_5"] < 0.2,
        budgets=(0.20, 0.35, 0.50),
        groups=("domain", "size"),
        # what a share does to a domain is the same at every size
        options={
            "pool": {
                "level": {"domain": "partial", "size": "partial"},
                "reducible": {"domain": "partial", "size": "complete"},
                **{f"slope_{share}": {"domain": "partial", "size": "complete"} for share in SHARES},
            }
        },
    ),
    "sparsity": Task(
        "average_parameters",
        {k: k for k in ("N_start", "N_end", "D", "begins", "stops")},
        "loss",
        expected=LOSSES,
        cost=lambda t: 6.0 * (t["N_dense"] * t["D1"] + t["N_active"] * t["D2"]),
        held=largest("D2"),
        budgets=(0.20, 0.35, 0.50),
    ),
}


def problem(name: str, part: str = "test") -> Problem:
    """Read a task; ``part="train"`` leaves its test part alone and splits the train part."""
    task = TASKS[name]
    train = datasets.scalebench(name, "train")
    if part == "test" and task.published:
        pool, test = train, datasets.scalebench(name, "test")
    else:
        held = task.held(train)
        pool, test = train[~held], train[held]
    cost = task.cost(pool).to_numpy(dtype=float)
    rows, asked = _rows(name, pool), _rows(name, test)
    runs = read(task, rows)
    law = bs.find_law(task.law)
    model = bs.ScalingModel(law, **{"rung": False, "discrepancy": False, **task.options})
    prior = prior_fit(model, read(task, guessed(task, rows, cost)), draws=DRAWS)
    return Problem(name, task, rows, asked, cost, runs, prior)


def read(task: Task, rows: Table) -> Runs:
    """Rows as a checked table of runs."""
    names = {name: name for name in task.inputs}
    return bs.read_runs(rows, inputs=names, response="response", group=list(task.groups))


def guessed(task: Task, rows: Table, cost: Float[np.ndarray, " run"]) -> Table:
    """Rows with the responses that somebody who has run nothing would expect: dear runs are best.

    They only give the priors their scale.
    """
    order = np.argsort(np.argsort(-cost, kind="stable"))
    share = order[rows["run"]] / max(len(cost) - 1, 1)
    low, high = task.expected
    return rows.assign(response=low + (high - low) * share)


def _rows(name: str, table: Table) -> Table:
    """Inputs by the law's names, groups, ``response`` and ``run``."""
    task, table = TASKS[name], table.reset_index(drop=True)
    table = table.assign(run=range(len(table)))
    if name == "domain_mixture":
        parts = [
            table.assign(domain=d, size=table["group"], loss=table[f"loss_domain_{d}"])
            for d in DOMAINS
        ]
        table = pd.concat(parts).sort_values("run", kind="stable", ignore_index=True)
    if name == "sparsity":
        total = table["D1"] + table["D2"]
        share = table["D1"] / total
        sizes = {"N_start": 1e9 * table["N_dense"], "N_end": 1e9 * table["N_active"]}
        table = table.assign(**sizes, D=1e9 * total, begins=share, stops=share)
    named = {column: own for own, column in task.inputs.items()} | {task.response: "response"}
    return table.rename(columns=named)[[*task.inputs, *task.groups, "response", "run"]]
