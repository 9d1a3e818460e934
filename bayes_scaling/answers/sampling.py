"""What repeated samples reach: pass@k, and where another sample no longer pays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr
from jax.scipy.special import betaln, gammaln
from jaxtyping import Float

from bayes_scaling.errors import Finding, UsageError
from bayes_scaling.posterior.diagnostics import QUANTILES
from bayes_scaling.posterior.fit import Fit

from .extrapolation import extrapolation_of, warnings_of
from .points import Points, need_usable, read_points
from .predict import centred_inputs, parameter_draws

MOST_SAMPLES = 1e9  # where the search for a budget ends
HALVINGS = 60
FAR_SAMPLES = 10.0  # times the fitted samples, from where a warning says so

type Paths = Float[np.ndarray, "sample point"]


@dataclass(frozen=True, eq=False)
class Coverage:
    """Pass@k of problems at points, draw by draw.

    Attributes
    ----------
    law, response : str
    groups : tuple of str
        Grouping columns of the points.
    points : DataFrame
        One row a point: inputs and groups.
    k : tuple of int
        Numbers of samples.
    draws : DataArray
        Dimensions ``sample``, ``point`` and ``k``: the share of problems that k samples solve.
    same_problems : bool
        Whether of the fitted problems, given their counts, or of the population.
    price : float, optional
        Of a sample, in units of the worth of a solved problem.
    worth : DataArray, optional
        Dimensions ``sample`` and ``point``: number of samples after which another one costs
        more than it is expected to bring, up to a billion.
    limit : DataArray
        Share of problems that endless samples solve.
    warnings : tuple of Finding
    """

    law: str
    response: str
    groups: tuple[str, ...]
    points: pd.DataFrame
    k: tuple[int, ...]
    draws: xr.DataArray
    same_problems: bool
    price: float | None
    worth: xr.DataArray | None
    limit: xr.DataArray
    warnings: tuple[Finding, ...]

    def summary(self) -> pd.DataFrame:
        """One row a point and k: the point, ``k``, mean, sd and quantiles of pass@k."""
        rows = []
        for i, point in self.points.iterrows():
            for j, k in enumerate(self.k):
                values = self.draws.to_numpy()[:, int(str(i)), j]
                rows.append({**point, "k": k, **described(values)})
        return pd.DataFrame(rows)

    def budget(self) -> pd.DataFrame:
        """One row a point: samples after which another one no longer pays, with quantiles.

        Raises
        ------
        UsageError
            If no price was given.
        """
        if self.worth is None:
            raise UsageError("a budget needs the price of a sample: coverage(..., price=1e-4)")
        rows = [
            {**point, **described(self.worth.to_numpy()[:, int(str(i))])}
            for i, point in self.points.iterrows()
        ]
        return pd.DataFrame(rows)


def coverage(
    fit: Fit,
    at: Points,
    k: Sequence[int] = (1, 10, 100, 1000, 10_000),
    *,
    same_problems: bool = False,
    price: float | None = None,
    seed: int = 0,
    force: bool = False,
) -> Coverage:
    """Share of problems that k samples solve, from a fit of counts of single problems.

    Parameters
    ----------
    fit : Fit
        Of a law of a population of problems, such as `coverage`.
    at : points
        Inputs and groups.
    k : sequence of int
    same_problems : bool
        Of the problems of the fitted rows at each point, whose samples so far are the first
        of the k; or of problems drawn at random.
    price : float, optional
        Of a sample, in units of the worth of a solved problem.
    seed, force
        As in `forecast`.

    Raises
    ------
    UsageError
        If the law gives no population, or points are not those of fitted problems.
    FitError
        If the fit's diagnostics are poor and `force` is not set.
    """
    if fit.spec.noise != "population":
        raise UsageError(
            f"pass@k needs counts of single problems, fitted with a law of their population such "
            f"as coverage; this fit is of law {fit.law.name} with noise {fit.spec.noise}"
        )
    ks = _counts(k)
    if price is not None and not price > 0:
        raise UsageError(f"the price of a sample is {price}; it must be positive")
    need_usable(fit, force)
    table = read_points(fit, at)
    rng = np.random.default_rng(seed)
    population = _population(fit, table, rng)
    if same_problems:
        luck = int(rng.integers(2**32))  # the same at every k: what k solve, more solve, too
        draws = np.stack([_same(fit, table, population, one, luck) for one in ks], axis=-1)
    else:
        draws = np.stack([population.solved(float(one)) for one in ks], axis=-1)
    worth = None if price is None else population.worth(price)
    found = warnings_of(fit, extrapolation_of(fit, table))
    return Coverage(
        law=fit.law.name,
        response=fit.record.response,
        groups=fit.groups,
        points=table,
        k=ks,
        draws=xr.DataArray(draws, dims=("sample", "point", "k"), coords={"k": list(ks)}),
        same_problems=same_problems,
        price=price,
        worth=None if worth is None else by_point(worth),
        limit=by_point(1.0 - population.zero),
        warnings=(*found, *_far_samples(fit, ks), *_endless(worth)),
    )


@dataclass(frozen=True, eq=False)
class _Population:
    """Beta population of pass rates with a share at zero; arrays (sample, point)."""

    a: Paths
    b: Paths
    zero: Paths

    def unsolved(self, k: float | Paths, drawn: float | Paths = 0.0) -> Paths:
        """Chance that a solvable problem that `drawn` samples left open is open after k."""
        more = betaln(self.a, self.b + k) - betaln(self.a, self.b + drawn)
        return np.exp(np.asarray(more))

    def solved(self, k: float) -> Paths:
        return (1.0 - self.zero) * (1.0 - self.unsolved(k))

    def gain(self, k: Paths) -> Paths:
        """Expected share of problems that sample k + 1 solves."""
        more = betaln(self.a + 1.0, self.b + k) - betaln(self.a, self.b)
        return (1.0 - self.zero) * np.exp(np.asarray(more))

    def worth(self, price: float) -> Paths:
        """Samples after which another one brings less than its price."""
        return _last(lambda k: self.gain(k) > price, self.a.shape)


def _population(fit: Fit, table: pd.DataFrame, rng: np.random.Generator) -> _Population:
    values = parameter_draws(fit, table, rng)
    inputs = centred_inputs(fit, table)
    mean = np.asarray(fit.law.mean(inputs, values))
    shape = {k: np.asarray(v) for k, v in fit.law.likelihood_shape(inputs, values).items()}
    zero = np.broadcast_to(shape["unsolvable"], mean.shape)
    rate = mean / (1.0 - zero)
    return _Population(rate * shape["concentration"], (1 - rate) * shape["concentration"], zero)


def _same(fit: Fit, table: pd.DataFrame, population: _Population, k: int, luck: int) -> Paths:
    """Share of the fitted problems of each point that k samples solve, counts included."""
    rows, rng = fit.runs(), np.random.default_rng(luck)
    found = []
    for i, point in table.iterrows():
        j = int(str(i))
        own = rows
        for name in (*fit.law.inputs, *fit.groups):
            own = own[own[name] == point[name]]
        if own.empty:
            raise UsageError(
                f"point {j + 1} is that of no fitted problem: same_problems needs inputs and "
                f"groups of fitted rows"
            )
        trials = own["trials"].to_numpy()
        passes = np.rint(own["response"].to_numpy() * trials)
        one = _Population(*(v[:, [j]] for v in (population.a, population.b, population.zero)))
        found.append(_solved_of(one, passes, trials, k, rng).mean(axis=1))
    return np.column_stack(found)


def _solved_of(
    one: _Population, passes: np.ndarray, trials: np.ndarray, k: int, rng: np.random.Generator
) -> Float[np.ndarray, "sample problem"]:
    """Which problems k samples solve; for fewer samples than were drawn, how likely they do."""
    left = np.asarray(_log_choose(trials - passes, k) - _log_choose(trials, k))
    fewer = np.where(trials - passes >= k, 1.0 - np.exp(left), 1.0)
    # a problem without a pass so far: unsolvable, or unlucky
    unlucky = (1.0 - one.zero) * np.maximum(one.unsolved(trials), 1e-300)
    hopeless = one.zero / (one.zero + unlucky)
    open_still = hopeless + (1.0 - hopeless) * one.unsolved(float(k), trials)
    more = (passes > 0) | (rng.uniform(size=open_still.shape) > open_still)
    return np.where(k <= trials, fewer, more)


def _log_choose(n: np.ndarray, k: int) -> np.ndarray:
    safe = np.maximum(n, k)
    found = gammaln(safe + 1.0) - gammaln(k + 1.0) - gammaln(safe - k + 1.0)
    return np.asarray(found)


def _last(pays: Callable[[Paths], np.ndarray], shape: tuple[int, ...]) -> Paths:
    """Samples after which another one does not pay, found by halving on the log."""
    low, high = np.zeros(shape), np.full(shape, np.log1p(MOST_SAMPLES))
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        more = pays(np.expm1(middle))
        low, high = np.where(more, middle, low), np.where(more, high, middle)
    return np.ceil(np.expm1(low))


def _counts(k: Sequence[int]) -> tuple[int, ...]:
    found = tuple(int(one) for one in k)
    if not found or min(found) < 1:
        raise UsageError(f"numbers of samples must be whole and positive, got {tuple(k)}")
    return found


def by_point(values: Paths) -> xr.DataArray:
    """Name the axes of draws at points."""
    return xr.DataArray(values, dims=("sample", "point"))


def described(values: np.ndarray) -> dict[str, float]:
    """Mean, sd and quantiles of draws, by the names that tables have."""
    quantiles = np.quantile(values, QUANTILES)
    moments = {"mean": float(values.mean()), "sd": float(values.std(ddof=1))}
    return moments | {f"q{q:g}": float(v) for q, v in zip(QUANTILES, quantiles, strict=True)}


def _far_samples(fit: Fit, ks: tuple[int, ...]) -> tuple[Finding, ...]:
    drawn = float(fit.runs()["trials"].max())
    if max(ks) <= FAR_SAMPLES * drawn:
        return ()
    return (
        Finding(
            "far-samples",
            "warning",
            f"k = {max(ks):,} is {max(ks) / drawn:.0f} times the samples that were drawn of any "
            f"problem ({drawn:,.0f}): pass rates below one in that many are known by the shape of "
            f"the population alone, and the share of problems that cannot be solved not at all",
        ),
    )


def _endless(worth: Paths | None) -> tuple[Finding, ...]:
    share = 0.0 if worth is None else float((worth > MOST_SAMPLES - 1).mean())
    if not share:
        return ()
    return (
        Finding(
            "budget-bound",
            "warning",
            f"in {100 * share:.1f} % of the draws a sample still pays after {MOST_SAMPLES:,.0f}; "
            f"the budget ends there: its upper quantiles and its mean are bounds",
        ),
    )
