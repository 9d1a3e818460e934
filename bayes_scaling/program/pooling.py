"""Over which grouping columns each parameter varies, and how much."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from bayes_scaling.errors import UsageError
from bayes_scaling.law import Law
from bayes_scaling.runs import Runs

from .structure import Pooling

POOLINGS: tuple[Pooling, ...] = ("complete", "partial", "separate")
Pool = Mapping[str, Pooling | Mapping[str, Pooling]]


def settle_pooling(
    law: Law, runs: Runs, pool: Pool, known: Collection[str] = ()
) -> dict[str, dict[str, Pooling]]:
    """Pooling of every parameter over every grouping column.

    Parameters that vary are partial by default, and those whose spread between groups is
    `known` from a population.
    """
    groups = runs.groups
    blind = same_losses(law, runs)
    for name in pool:
        if name not in law.parameters:
            raise UsageError(
                f"pool names '{name}', which law {law.name} does not have; "
                f"it has {', '.join(law.parameters)}"
            )
    settled: dict[str, dict[str, Pooling]] = {}
    for p, parameter in law.parameters.items():
        default: Pooling = "partial" if parameter.varies or p in known else "complete"
        asked = pool.get(p, default)
        usual: dict[str, Pooling] = dict.fromkeys(groups, default)
        if law.link and p in law.link.first.parameters:
            usual |= dict.fromkeys(blind, "complete")
        if isinstance(asked, str):
            by_column = dict.fromkeys(groups, asked) if p in pool else usual
        else:
            by_column = usual | dict(asked)
        settled[p] = _checked(p, by_column, groups)
    if pool and not groups:
        raise UsageError("pool needs a grouping column: name one with group= (--group)")
    return settled


def same_losses(law: Law, runs: Runs) -> list[str]:
    """Grouping columns over which the loss of a chain does not change: tasks, say."""
    if law.link is None:
        return []
    found = []
    for column in runs.groups:
        others = [g for g in runs.groups if g != column]
        same = [*law.link.first.inputs, *others, *(c for c in ("run", "seed") if c in runs.frame)]
        cells = runs.frame.dropna(subset="through").groupby(same, dropna=False)
        several = cells[column].nunique() > 1
        if several.any() and (cells["through"].nunique()[several] == 1).all():
            found.append(column)
    return found


def _checked(
    parameter: str, by_column: Mapping[str, Any], groups: tuple[str, ...]
) -> dict[str, Pooling]:
    for column, how in by_column.items():
        if column not in groups:
            raise UsageError(
                f"pool of {parameter} names column '{column}', which is not a grouping "
                f"column; there are: {', '.join(groups) or 'none'}"
            )
        if how not in POOLINGS:
            raise UsageError(
                f"pool of {parameter} is '{how}'; it must be one of {', '.join(POOLINGS)}"
            )
    separate = [c for c, how in by_column.items() if how == "separate"]
    if len(separate) > 1:
        raise UsageError(
            f"{parameter} is separate over {', '.join(separate)}: "
            f"it can be separate over one column only; make the other partial"
        )
    return dict(by_column)


def settle_group_sds(
    pooling: Mapping[str, Mapping[str, Pooling]],
    given: Mapping[str, float | Mapping[str, float]],
) -> dict[str, float]:
    """Scales of group sds by the name of their site."""
    found = {}
    for parameter, scales in given.items():
        partial = [c for c, how in pooling.get(parameter, {}).items() if how == "partial"]
        by_column = scales if isinstance(scales, Mapping) else dict.fromkeys(partial, scales)
        for column, scale in by_column.items():
            if column not in partial:
                raise UsageError(
                    f"group_sd names {parameter} over '{column}', which is not pooled partially; "
                    f"pool it with pool={{'{parameter}': 'partial'}} (--pool {parameter}=partial)"
                )
            if not 0 < float(scale) < float("inf"):
                raise UsageError(f"group_sd of {parameter} is {scale}; it must be positive")
            found[f"{parameter}_sd_{column}"] = float(scale)
        if not partial:
            raise UsageError(f"group_sd names {parameter}, which no column pools partially")
    return found
