"""What the texts of the command line mean: pairs, models, tables and points."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bayes_scaling.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

    from bayes_scaling.posterior import Fit


class Kind(StrEnum):
    """Kinds of forecast."""

    mean = "mean"
    new_run = "new-run"


class ForecastOf(StrEnum):
    """What of a chain is forecast."""

    response = "response"
    loss = "loss"


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
        numbers = {*fit.law.inputs, "se", "observed", "trials", "loss"}
        rows.append({k: parse_number(v) if k in numbers else v for k, v in pairs.items()})
    return pd.DataFrame(rows)
