"""What the texts of the command line mean: pairs, models, tables and points."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bayes_scaling.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

    from bayes_scaling import Cost
    from bayes_scaling.posterior import Fit


class PriorName(StrEnum):
    """Where priors come from."""

    weak = "weak"
    population = "population"


class Kind(StrEnum):
    """Kinds of forecast."""

    mean = "mean"
    new_run = "new-run"


class ForecastOf(StrEnum):
    """What of a chain is forecast."""

    response = "response"
    loss = "loss"


class Asks(StrEnum):
    """What runs are to make sharp."""

    forecast = "forecast"
    allocation = "allocation"
    tuning = "tuning"
    decision = "decision"


class Gain(StrEnum):
    """What is maximised per unit of cost."""

    auto = "auto"
    information = "information"
    value = "value"


class Better(StrEnum):
    """Which responses are better."""

    less = "lower"  # lower itself is a method of texts
    more = "higher"


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
    ppc = "ppc"
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
    from bayes_scaling.runs.table import load_table

    if bool(at) == (file is not None):
        raise UsageError("give points either with --at N=7B,D=1.4T or with --points FILE")
    if file is not None:
        return load_table(file)
    return read_rows(fit, at or [])


def read_rows(fit: Fit, texts: list[str], option: str = "--at") -> pd.DataFrame:
    """Read texts such as N=7B,recipe=muon as a table: numbers of inputs, labels of groups."""
    import pandas as pd

    from bayes_scaling.runs import parse_number

    rows: list[dict[str, Any]] = []
    for text in texts:
        pairs = read_pairs(text.split(","), option)
        numbers = {*fit.law.inputs, "se", "observed", "trials", "loss"}
        rows.append({k: parse_number(v) if k in numbers else v for k, v in pairs.items()})
    return pd.DataFrame(rows)


def read_range(text: str, option: str) -> tuple[float, float]:
    """Read FROM:TO."""
    from bayes_scaling.runs import parse_number

    low, colon, high = text.partition(":")
    if not colon:
        raise UsageError(f"{option} expects FROM:TO, such as 1e8:1e12, got '{text}'")
    return parse_number(low), parse_number(high)


def read_number(text: str | None) -> float | None:
    """Read a number such as 1T where it is given."""
    from bayes_scaling.runs import parse_number

    return None if text is None else parse_number(text)


def read_numbers(texts: list[str] | None) -> list[float]:
    """Read numbers such as 1e22."""
    from bayes_scaling.runs import parse_number

    return [parse_number(text) for text in texts or []]


def read_cost(text: str | None, fit: Path | None) -> Cost | Fit | None:
    """Read --cost, or load the fit of --cost-fit; None where neither is given."""
    if text is not None and fit is not None:
        raise UsageError("give the cost either with --cost or with --cost-fit")
    if fit is not None:
        return load_fit(fit, None)
    return None if text is None else cost_from(text)


def cost_from(text: str) -> Cost:
    """Read a cost: served=1T,overhead=1e9 and so on, or 6ND."""
    from bayes_scaling import Cost
    from bayes_scaling.answers.cost import NUMBERS
    from bayes_scaling.runs import parse_number

    if text.replace(" ", "").upper() == "6ND":
        return Cost()
    pairs = read_pairs(text.split(","), "--cost")
    unit = pairs.pop("unit", "FLOP")
    unknown = [k for k in pairs if k not in NUMBERS]
    if unknown:
        raise UsageError(
            f"--cost has no '{unknown[0]}'; it has {', '.join(NUMBERS)} and unit, or is 6ND"
        )
    return Cost(**{k: parse_number(v) for k, v in pairs.items()}, unit=unit)
