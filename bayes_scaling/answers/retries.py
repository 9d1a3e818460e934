"""How often to try when an imperfect verifier accepts the answers."""

from __future__ import annotations

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Float

from bayes_scaling.errors import Finding, UsageError
from bayes_scaling.posterior.fit import Fit

from .extrapolation import extrapolation_of, warnings_of
from .points import Points, as_table, need_usable, read_points
from .predict import centred_inputs, parameter_draws
from .sampling import Paths, by_point, described

LARGEST = 10_000_000  # numbers in one array

FLAT = 1e-3  # of the worth of a correct answer: curves of utility end flat


@dataclass(frozen=True, eq=False)
class Retries:
    """What samples until a verifier accepts one bring, and how many pay; draw by draw.

    Attributes
    ----------
    law : str
    groups : tuple of str
        Grouping columns of the points.
    points : DataFrame
    k : tuple of int
        Most samples that are drawn.
    correct, wrong, used : DataArray
        Dimensions ``sample``, ``point``, ``k``: chance that a correct, or a wrong, sample is
        accepted within k, and the expected number of samples drawn.
    utility : DataArray
        ``correct - cost * wrong - price * used``.
    best : DataArray
        Dimensions ``sample`` and ``point``: the k of largest utility.
    ceiling : DataArray
        Accuracy of endless tries.
    cost, price : float
    warnings : tuple of Finding
    """

    law: str
    groups: tuple[str, ...]
    points: pd.DataFrame
    k: tuple[int, ...]
    correct: xr.DataArray
    wrong: xr.DataArray
    used: xr.DataArray
    utility: xr.DataArray
    best: xr.DataArray
    ceiling: xr.DataArray
    cost: float
    price: float
    warnings: tuple[Finding, ...]

    @property
    def recommended(self) -> list[int]:
        """Fewest samples whose expected utility is within a thousandth of the largest, by point."""
        expected = self.utility.mean("sample").transpose("point", "k").to_numpy()
        enough = expected >= expected.max(axis=1, keepdims=True) - FLAT
        return [self.k[j] for j in enough.argmax(axis=1)]

    def summary(self) -> pd.DataFrame:
        """One row a point: ``recommended`` k, its utility, and quantiles of the best k."""
        rows = []
        for i, point in self.points.iterrows():
            j = int(str(i))
            at = self.k.index(self.recommended[j])
            here = {"sample": slice(None), "point": j, "k": at}
            rows.append(
                {
                    **point,
                    "recommended": self.recommended[j],
                    "utility": float(self.utility.isel(here).mean()),
                    "correct": float(self.correct.isel(here).mean()),
                    "wrong": float(self.wrong.isel(here).mean()),
                    "ceiling": float(self.ceiling.isel(point=j).mean()),
                    **described(self.best.isel(point=j).to_numpy()),
                }
            )
        return pd.DataFrame(rows)


def retries(
    fit: Fit,
    at: Points,
    *,
    most: int = 1000,
    cost: float = 1.0,
    price: float = 0.0,
    seed: int = 0,
    force: bool = False,
) -> Retries:
    """How often to try when an imperfect verifier accepts what it takes for correct.

    Parameters
    ----------
    fit : Fit
        Of law `verifier`.
    at : points
        Inputs and groups.
    most : int
        Largest number of samples that is considered.
    cost : float
        Of an accepted wrong answer, in units of the worth of a correct one.
    price : float
        Of a sample, in the same units.
    seed, force
        As in `forecast`.

    Raises
    ------
    UsageError
        If the fit is of another law.
    FitError
        If the fit's diagnostics are poor and `force` is not set.
    """
    if "outcome" not in fit.law.inputs or fit.law.shape is None:
        raise UsageError(
            f"retries need a fit of law verifier, which knows what is accepted correctly and "
            f"wrongly; this one is of law {fit.law.name}"
        )
    if not 1 <= most <= 100_000 or cost < 0 or price < 0:
        raise UsageError("most must lie from 1 to 100,000, and cost and price be zero or positive")
    need_usable(fit, force)
    rng = np.random.default_rng(seed)
    table = read_points(fit, as_table(at).assign(outcome=0.0))
    values = parameter_draws(fit, table, rng)
    inputs = centred_inputs(fit, table)
    accepted = np.asarray(fit.law.mean(inputs, values))
    right = np.asarray(fit.law.mean(inputs | {"outcome": jnp.ones(len(table))}, values))
    phi = np.asarray(fit.law.likelihood_shape(inputs, values)["concentration"])
    ks = _spaced(most)
    open_after, used = _open_and_used(accepted, np.broadcast_to(phi, accepted.shape), ks)
    stopped = 1.0 - open_after
    correct, wrong = right[..., None] * stopped, (1.0 - right[..., None]) * stopped
    utility = correct - cost * wrong - price * used
    best = np.asarray(ks)[utility.argmax(axis=-1)]
    dims = ("sample", "point", "k")
    return Retries(
        law=fit.law.name,
        groups=fit.groups,
        points=table.drop(columns="outcome"),
        k=ks,
        correct=xr.DataArray(correct, dims=dims),
        wrong=xr.DataArray(wrong, dims=dims),
        used=xr.DataArray(used, dims=dims),
        utility=xr.DataArray(utility, dims=dims),
        best=by_point(best),
        ceiling=by_point(right),
        cost=cost,
        price=price,
        warnings=warnings_of(fit, extrapolation_of(fit, table)),
    )


def _open_and_used(
    accepted: Paths, phi: Paths, ks: tuple[int, ...]
) -> tuple[Float[np.ndarray, "sample point k"], Float[np.ndarray, "sample point k"]]:
    """Chance that none of k samples was accepted, and the expected number drawn."""
    at = np.asarray(ks)
    open_after, used = (np.empty((*accepted.shape, len(ks))) for _ in range(2))
    size = max(1, LARGEST // (ks[-1] * accepted.shape[1]))  # every k of all draws fills the memory
    for first in range(0, len(accepted), size):
        part = slice(first, first + size)
        left = _still_open(accepted[part], phi[part], ks[-1])
        open_after[part], used[part] = left[..., at], np.cumsum(left, axis=-1)[..., at - 1]
    return open_after, used


def _still_open(accepted: Paths, phi: Paths, most: int) -> Float[np.ndarray, "sample point k"]:
    """Chance that none of k samples was accepted, for k from 0, over problems that differ."""
    a, b = accepted * phi, (1.0 - accepted) * phi
    steps = np.log((b[..., None] + np.arange(most)) / ((a + b)[..., None] + np.arange(most)))
    open_after = np.exp(np.cumsum(steps, axis=-1))
    return np.concatenate([np.ones((*accepted.shape, 1)), open_after], axis=-1)


def _spaced(most: int) -> tuple[int, ...]:
    """Whole numbers to 100, and from there on ever further apart."""
    far = np.unique(np.geomspace(100, max(most, 100), 120).astype(int))
    return tuple(int(k) for k in np.unique([*range(1, min(most, 100) + 1), *far[far <= most]]))
