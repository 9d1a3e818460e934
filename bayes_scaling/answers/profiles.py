"""IsoFLOP profiles: the best size of every budget without a law, and whether a law agrees."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Float

from bayes_scaling.errors import Finding, UsageError
from bayes_scaling.posterior.fit import Fit

from .allocate import Allocation
from .arm import SIZE
from .extrapolation import forced
from .moments import moments
from .points import need_usable
from .predict import flat_draws, parameter_draws

COMPUTE = "C"
NEEDED = ("best", "exponent")  # parameters of a law of profiles
BRACKETED = 0.9  # probability that the best size lies among those tried, below which a warning
HELD = (0.05, 0.95)


@dataclass(frozen=True, eq=False)
class Profiles:
    """Best sizes of budgets by their isoFLOP profiles, draw by draw.

    Attributes
    ----------
    law, unit : str
    by : str
        Grouping column of the budgets.
    budgets : DataFrame
        One row a budget, the smallest first: its ``label``, ``budget`` (median compute of its
        runs), ``runs``, ``lowest_N`` and ``highest_N`` tried, and ``bracketed``, the probability
        that the best size lies between them.
    size : DataArray
        Dimensions ``sample`` and ``budget``: the best N.
    exponent : DataArray
        Dimension ``sample``: exponent of compute in the best N, over the budgets.
    fit : Fit
    warnings : tuple of Finding
    """

    law: str
    unit: str
    by: str
    budgets: pd.DataFrame
    size: xr.DataArray
    exponent: xr.DataArray
    fit: Fit
    warnings: tuple[Finding, ...]

    def summary(self) -> pd.DataFrame:
        """One row a budget: the table of budgets, with mean, sd and quantiles of the best N.

        Returns
        -------
        DataFrame
        """
        return self.budgets.assign(**moments(self.size.transpose("sample", "budget").to_numpy()))


@dataclass(frozen=True, eq=False)
class Agreement:
    """Whether the best sizes of a law are those of the profiles.

    Attributes
    ----------
    table : DataFrame
        One row a budget: quantiles (``q0.05``, ``q0.5``, ``q0.95``) of the law's best N over
        that of the profile, and ``agrees``: whether the 90 % interval of all budgets together
        holds one there.
    exponents : DataFrame
        Rows ``law``, ``profiles`` and ``difference``: mean, sd and quantiles of the exponent of
        N.
    agrees : bool
        Whether every budget agrees, and the 90 % interval of the difference of the exponents
        holds zero.
    statement : str
        The same in words.
    """

    table: pd.DataFrame
    exponents: pd.DataFrame
    agrees: bool
    statement: str


def profiles(fit: Fit, *, force: bool = False) -> Profiles:
    """Read the best size of every budget from a fit of isoFLOP profiles.

    Parameters
    ----------
    fit : Fit
        Of law isoflop (or its variant parabola), with the budget as grouping column:
        ``read_runs(table, inputs={"N": "N", "C": "C"}, group="budget")``.
    force : bool
        Answer even if the fit's diagnostics are poor.

    Raises
    ------
    UsageError
        If the fit is not one of profiles.
    FitError
        If the fit's diagnostics are poor and `force` is not set.

    Notes
    -----
    Approach 2 of Hoffmann et al. 2022, section 3.2: nothing is assumed of the loss as a whole,
    only that it has a smooth valley at each budget. Best sizes scatter about a power law of
    compute, and the exponent's uncertainty includes that scatter.
    """
    law = fit.law
    if not (set(NEEDED) <= set(law.parameters) and {SIZE, COMPUTE} <= set(law.inputs)):
        raise UsageError(
            f"profiles are read from a fit of law isoflop, not of {law.name}: fit the table with "
            f"--law isoflop --input N=... --input C=... --group budget"
        )
    if len(fit.groups) != 1:
        raise UsageError(
            f"profiles need the budget as the one grouping column (--group budget); the fit has "
            f"{', '.join(fit.groups) or 'none'}"
        )
    need_usable(fit, force)
    by = fit.groups[0]
    table = (
        fit.runs()
        .groupby(by)
        .agg(budget=(COMPUTE, "median"), runs=(SIZE, "size"), lowest_N=(SIZE, "min"),
             highest_N=(SIZE, "max"))
        .rename_axis("label").sort_values("budget").reset_index()
    )  # fmt: skip
    labelled = pd.DataFrame({by: table["label"]})  # `by` may be called budget itself
    drawn = parameter_draws(fit, labelled, np.random.default_rng(0))
    x0 = fit.spec.references
    growth = np.log(table["budget"].to_numpy() / x0[COMPUTE])
    size = x0[SIZE] * np.asarray(drawn["best"]) * np.exp(np.asarray(drawn["exponent"]) * growth)
    inside = (size >= table["lowest_N"].to_numpy()) & (size <= table["highest_N"].to_numpy())
    table["bracketed"] = inside.mean(axis=0)
    return Profiles(
        law=law.name,
        unit=fit.record.unit,
        by=by,
        budgets=table,
        size=xr.DataArray(size, dims=("sample", "budget")),
        exponent=xr.DataArray(flat_draws(fit, "exponent"), dims="sample"),
        fit=fit,
        warnings=(*forced(fit), *_open(table)),
    )


def agreement(allocation: Allocation, found: Profiles) -> Agreement:
    """Compare the best sizes of a law with those of the profiles.

    Parameters
    ----------
    allocation : Allocation
        Of one question, at the budgets of the profiles:
        ``allocate(fit, found.budgets["budget"])``.
    found : Profiles

    Raises
    ------
    UsageError
        If the allocation is of other budgets, or there is one budget only.

    Notes
    -----
    Both are fitted to the same runs. Their errors are taken as independent, which makes the
    intervals of the differences wide rather than narrow.
    """
    budgets = found.budgets["budget"].to_numpy()
    given = allocation.points["budget"].to_numpy()
    if given.shape != budgets.shape or not np.allclose(np.log(given), np.log(budgets), atol=1e-3):
        raise UsageError(
            "the allocation must be of the budgets of the profiles, and of one question: "
            "allocate(fit, profiles.budgets['budget'])"
        )
    by_law, by_profile = np.log(allocation.size.to_numpy()), np.log(found.size.to_numpy())
    ratio = _differences(by_law, by_profile)
    each = 0.5 * (HELD[0] / len(budgets))  # simultaneous over the budgets
    low, high = np.quantile(ratio, (each, 1 - each), axis=0)
    quantiles = np.exp(np.quantile(ratio, (0.05, 0.5, 0.95), axis=0))
    table = pd.DataFrame(
        {"budget": budgets, **dict(zip(("q0.05", "q0.5", "q0.95"), quantiles, strict=True))}
    ).assign(agrees=(low <= 0) & (high >= 0))
    law_draws, profile_draws = allocation.exponent().to_numpy()[:, 0], found.exponent.to_numpy()
    gap = _differences(law_draws[:, None], profile_draws[:, None])[:, 0]
    exponents = pd.DataFrame(
        [
            {"of": name, **moments(d)}
            for name, d in (("law", law_draws), ("profiles", profile_draws), ("difference", gap))
        ]
    )
    same = bool(np.quantile(gap, HELD[0]) <= 0 <= np.quantile(gap, HELD[1]))
    count = int(table["agrees"].sum())
    agrees = same and count == len(table)
    middle = exponents.set_index("of")["q0.5"]
    statement = (
        f"law {allocation.law} and the profiles {'agree' if agrees else 'do NOT agree'}: the best "
        f"sizes agree at {count} of {len(table)} budgets; exponent of N {middle['law']:.3f} (law) "
        f"and {middle['profiles']:.3f} (profiles), "
        f"{'no' if same else 'a'} difference at 90 %"
    )
    return Agreement(table, exponents, agrees, statement)


def _differences(
    first: Float[np.ndarray, "sample k"], second: Float[np.ndarray, "other k"]
) -> Float[np.ndarray, "sample k"]:
    """Draws of differences of two posteriors that share no draws."""
    order = np.random.default_rng(0).permutation(len(first))
    return first - second[order % len(second)]


def _open(table: pd.DataFrame) -> list[Finding]:
    loose = table[table["bracketed"] < BRACKETED]
    if loose.empty:
        return []
    listed = ", ".join(f"{b:.3g}" for b in loose["budget"])
    message = (
        f"the best size of budget {listed} may lie outside the sizes that were tried there: the "
        f"profile has one side only, and its place is an extrapolation"
    )
    return [Finding("open-profile", "warning", message)]
