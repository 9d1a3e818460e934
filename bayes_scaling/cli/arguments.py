"""What the texts of the command line mean: pairs, models, tables and points."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bayes_scaling.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

    from bayes_scaling.law import Law
    from bayes_scaling.posterior import Fit, ScalingModel
    from bayes_scaling.runs import Runs


class Kind(StrEnum):
    """Kinds of forecast."""

    mean = "mean"
    new_run = "new-run"


class Device(StrEnum):
    """Where to sample."""

    auto = "auto"
    cpu = "cpu"
    gpu = "gpu"


class Figure(StrEnum):
    """Figures of a fit."""

    fit = "fit"
    prior = "prior"
    residuals = "residuals"
    trace = "trace"


def read_pairs(texts: list[str] | None, option: str) -> dict[str, str]:
    """Read NAME=VALUE texts."""
    found: dict[str, str] = {}
    for text in texts or []:
        name, equals, value = text.partition("=")
        if not equals or not name or not value:
            raise UsageError(f"{option} expects NAME=VALUE, got '{text}'")
        if name in found:
            raise UsageError(f"{option} names {name} twice")
        found[name] = value
    return found


def make_model(
    law: str, pool: list[str] | None, noise: str | None, rung: str | None
) -> ScalingModel:
    """Make the model that the options describe."""
    from bayes_scaling import ScalingModel, find_law

    return ScalingModel(
        find_law(law),
        pool=read_pairs(pool, "--pool"),  # type: ignore[arg-type]
        noise=noise,
        rung=False if rung == "off" else None,
    )


def read_table(
    path: Path,
    law: Law,
    inputs: list[str] | None,
    response: str,
    group: list[str] | None,
    rung: str | None,
    se: str | None,
    run: str | None,
    replicate: str | None,
    where: str | None,
    unit: str,
    embeddings: bool | None,
    flops: str | None,
) -> Runs:
    """Read the table of runs for a law."""
    from bayes_scaling import read_runs

    named = read_pairs(inputs, "--input")
    for name in named:
        if name not in law.inputs:
            raise UsageError(
                f"--input names {name}, which law {law.name} does not have; "
                f"it has {', '.join(law.inputs)}"
            )
    return read_runs(
        path,
        inputs={name: named.get(name, name) for name in law.inputs},
        response=response,
        group=group,
        rung=None if rung == "off" else rung,
        seed=replicate,
        se=se,
        run=run,
        where=where,
        unit=unit,
        counts_embeddings=embeddings,
        flops=flops,
    )


def load_fit(path: Path, law: str | None) -> Fit:
    """Load a fit, with a law file where it is given."""
    from bayes_scaling import find_law, load

    return load(path, find_law(law) if law else None)


def read_points(fit: Fit, at: list[str] | None, file: Path | None) -> pd.DataFrame:
    """Read points from --at or from a file."""
    import pandas as pd

    from bayes_scaling.runs import parse_number
    from bayes_scaling.runs.table import load_table

    if bool(at) == (file is not None):
        raise UsageError("give points either with --at N=7B,D=1.4T or with --points FILE")
    if file is not None:
        return load_table(file)
    rows: list[dict[str, Any]] = []
    for text in at or []:
        pairs = read_pairs(text.split(","), "--at")
        numbers = {*fit.law.inputs, "se", "observed"}
        rows.append({k: parse_number(v) if k in numbers else v for k, v in pairs.items()})
    return pd.DataFrame(rows)
