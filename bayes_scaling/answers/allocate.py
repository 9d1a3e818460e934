"""How to spend a budget: the best size, its tokens, and the loss that they reach."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Float

from bayes_scaling.errors import Finding, UsageError
from bayes_scaling.posterior.fit import Fit

from .arm import DATA, SIZE, UNIQUE, Arm, Better, arms_of, need_split, read_rows
from .cost import AnyCost, six_nd
from .extrapolation import extrapolation_of, warnings_of
from .moments import moments
from .points import Points, need_usable
from .split import loss_of, tokens_of, train

STEP = 0.1  # of log compute, between which exponents are taken
TRIED = 81  # sizes among which the recommended one is looked for
CUT = 0.01  # share of draws without an interior optimum, from where a warning says so

type Draws = Float[np.ndarray, "sample point"]


@dataclass(frozen=True, eq=False)
class Allocation:
    """The compute-optimal split of budgets, draw by draw.

    Attributes
    ----------
    law, response, unit : str
    cost : tuple of str
        How each point's cost is counted.
    groups : tuple of str
    points : DataFrame
        One row a budget and question: ``budget``, other inputs, groups.
    size, data : DataArray
        Dimensions ``sample`` and ``point``: the best N, and the D that is left for it.
    best : DataArray
        The expected response there.
    exponents : DataArray
        Dimensions ``sample``, ``point`` and ``quantity`` (N, D, response): local exponents of
        the frontier in compute.
    interior : DataArray
        False where the best size is cut at the end of the sizes that are looked at.
    recommended : DataFrame
        One row a point: ``N`` and ``D`` of the smallest expected loss, and ``excess``: how much
        that is above the expected loss of knowing the best size.
    extrapolation : DataFrame
        Decades of the median N and D beyond the fitted runs.
    warnings : tuple of Finding
    arms : tuple of Arm
        The law's mean at each point, for figures.
    """

    law: str
    response: str
    unit: str
    cost: tuple[str, ...]
    groups: tuple[str, ...]
    points: pd.DataFrame
    size: xr.DataArray
    data: xr.DataArray
    best: xr.DataArray
    exponents: xr.DataArray
    interior: xr.DataArray
    recommended: pd.DataFrame
    extrapolation: pd.DataFrame
    warnings: tuple[Finding, ...]
    arms: tuple[Arm, ...] = field(repr=False)

    @property
    def quantities(self) -> dict[str, Draws]:
        """Draws of everything that `summary` shows, shape (sample, point)."""
        size, data = (x.transpose("sample", "point").to_numpy() for x in (self.size, self.data))
        found = {
            SIZE: size,
            DATA: data,
            "D/N": data / size,
            self.response: self.best.transpose("sample", "point").to_numpy(),
        }
        slopes = self.exponents.transpose("quantity", "sample", "point").to_numpy()
        names = self.exponents["quantity"].to_numpy()
        return found | {f"exponent of {k}": v for k, v in zip(names, slopes, strict=True)}

    def summary(self) -> pd.DataFrame:
        """One row a point and quantity: N, D, D/N, the response, and exponents in compute.

        Returns
        -------
        DataFrame
            ``budget``, other inputs, groups, ``quantity``, mean, sd and quantiles (``q0.025``,
            ...), ``recommended`` (of N, D and D/N) and ``interior`` (share of draws).
        """
        found = self.quantities
        inside = self.interior.mean("sample").to_numpy()
        rows = []
        for i, (_, point) in enumerate(self.points.iterrows()):
            advised = self.recommended.iloc[i]
            known = {SIZE: advised[SIZE], DATA: advised[DATA]}
            known["D/N"] = known[DATA] / known[SIZE]
            for name, draws in found.items():
                own = draws[:, i]
                rows.append(
                    {**point, "quantity": name, **moments(own),
                     "recommended": known.get(name, np.nan), "interior": inside[i]}
                )  # fmt: skip
        return pd.DataFrame(rows)

    def exponent(self, quantity: str = SIZE) -> xr.DataArray:
        """Draws of the exponent over all budgets: least squares of logs on log budget.

        Parameters
        ----------
        quantity : {"N", "D"}

        Returns
        -------
        DataArray
            Dimensions ``sample`` and ``question`` (points that differ in their budget alone).

        Raises
        ------
        UsageError
            If there is one budget only.
        """
        budgets = self.points["budget"].unique()
        if len(budgets) < 2:
            raise UsageError("an exponent over budgets needs two budgets or more")
        logs = np.log({SIZE: self.size, DATA: self.data}[quantity].to_numpy())
        logs = logs.reshape(len(logs), -1, len(budgets))
        centred = np.log(budgets) - np.log(budgets).mean()
        return xr.DataArray(logs @ centred / (centred @ centred), dims=("sample", "question"))


def allocate(
    fit: Fit,
    budgets: float | Sequence[float],
    *,
    cost: AnyCost = six_nd,
    at: Points | None = None,
    by: str = "",
    unique: float | None = None,
    within: tuple[float, float] | None = None,
    better: Better | None = None,
    seed: int = 0,
    force: bool = False,
) -> Allocation:
    """Split budgets between model size and tokens, by minimising every draw of the law's mean.

    In closed form where the law has one and the cost is a power of N and D; otherwise by a
    bracketed search over log N.

    Parameters
    ----------
    fit : Fit
        Of a law of N and D. Of a chain the loss is minimised, and the metric reported.
    budgets : float or sequence of float
        In the unit of the cost.
    cost : Cost, Fit, or mapping from recipe to one of these
        ``bs.six_nd`` by default; a fit of law training_cost for measured costs.
    at : points, optional
        Labels of groups and other inputs, one row a question; each is asked at every budget.
    by : str, optional
        Grouping column that a mapping of costs goes by; by default the only one.
    unique : float, optional
        Unique tokens that there are. A law of repeated data (with an input U) repeats them;
        with any other no more tokens are trained on than these.
    within : (float, float), optional
        Sizes that can be trained; by default a thousand times beyond the fitted ones, and
        further for budgets beyond the fitted runs.
    better : {"lower", "higher"}, optional
        Which responses are better; losses are better lower, others where scale takes them.
    seed : int
        Of the draws of groups never seen.
    force : bool
        Answer even if the fit's diagnostics are poor.

    Raises
    ------
    UsageError
        If the law does not know N and D, or budgets or points are wrong.
    FitError
        If the fit's diagnostics are poor and `force` is not set.

    Notes
    -----
    Hoffmann et al. 2022, equation 4, draw by draw. The recommended size has the smallest
    *expected* loss, which is not the median of the best sizes where one side of the valley is
    steeper.
    """
    need_split(fit)
    need_usable(fit, force)
    spent, rows = read_budgets(budgets), read_rows(fit, at)
    arms = arms_of(
        fit, rows, cost=cost, by=by, unique=unique, within=within, better=better, seed=seed,
        force=force,
    )  # fmt: skip
    size, data, best, slopes, interior, advised = (
        np.concatenate(part, axis=0 if i == 5 else 1)
        for i, part in enumerate(zip(*(_split(arm, spent) for arm in arms), strict=True))
    )
    middle = rows.loc[rows.index.repeat(len(spent))].reset_index(drop=True)
    points = middle.drop(columns=[SIZE, DATA, UNIQUE], errors="ignore")
    points.insert(0, "budget", np.tile(spent, len(rows)))
    middle = middle.assign(N=np.median(size, axis=0), D=np.median(data, axis=0))
    extrapolation = extrapolation_of(fit, middle)[[SIZE, DATA]]
    names = [f"the best run of budget {b:.3g}" for b in points["budget"]]
    repeated = tuple(arm for arm in arms for _ in spent)
    quantities = {"quantity": [SIZE, DATA, fit.record.response]}
    return Allocation(
        law=fit.law.name,
        response=fit.record.response,
        unit=fit.record.unit,
        cost=tuple(arm.cost.text for arm in repeated),
        groups=fit.groups,
        points=points,
        size=xr.DataArray(size, dims=("sample", "point")),
        data=xr.DataArray(data, dims=("sample", "point")),
        best=xr.DataArray(best, dims=("sample", "point")),
        exponents=xr.DataArray(slopes, quantities, ("sample", "point", "quantity")),
        interior=xr.DataArray(interior, dims=("sample", "point")),
        recommended=pd.DataFrame(advised, columns=[SIZE, DATA, "excess"]),
        extrapolation=extrapolation,
        warnings=(
            *warnings_of(fit, extrapolation, names),
            *_not_interior(interior, names, within),
            *_used_up(repeated, data, names),
        ),
        arms=repeated,
    )


def read_budgets(budgets: float | Sequence[float]) -> Float[np.ndarray, " budget"]:
    """Budgets as an array.

    Raises
    ------
    UsageError
        If there are none, or one is not positive.
    """
    return as_numbers(budgets, "budgets are positive numbers, such as 1e22", positive=True)


def as_numbers(
    given: float | Sequence[float], expected: str, *, positive: bool = False
) -> Float[np.ndarray, " number"]:
    """One number or several as an array.

    Raises
    ------
    UsageError
        If there are none, or one is not finite or, where asked, not positive.
    """
    try:
        found = np.atleast_1d(np.asarray(given, dtype=float))
    except (TypeError, ValueError) as error:
        raise UsageError(f"{expected}; got {given!r}") from error
    fits = np.isfinite(found) & ((found > 0) | (not positive))
    if not found.size or not fits.all():
        raise UsageError(f"{expected}; got {given}")
    return found


def _split(arm: Arm, spent: Float[np.ndarray, " budget"]) -> tuple[np.ndarray, ...]:
    """Best size, tokens, response, exponents, whether interior, and the recommended size."""
    steps = np.array([0.0, -STEP, STEP])
    made = train(arm, (spent[:, None] * np.exp(steps)).ravel()[None])
    n, d, reached, interior = (
        np.asarray(x).reshape(-1, len(spent), 3)[:, :, 0]
        for x in (made.size, made.data, made.mean, made.interior)
    )
    if not np.isfinite(d).all():
        short = spent[~np.isfinite(d).all(axis=0)]
        raise UsageError(
            f"a budget of {short[0]:g} does not pay for any run: fixed costs and serving take more"
        )
    logs = np.log(np.abs(np.stack(made[:3], axis=-1))).reshape(len(n), len(spent), 3, 3)
    slopes = (logs[:, :, 2] - logs[:, :, 1]) / (2 * STEP)
    lows, highs = np.quantile(n, (0.005, 0.995), axis=0)
    least = np.asarray(loss_of(arm, n, d)).mean(axis=0)
    advised = [
        _recommend(arm, budget, np.geomspace(low, high, TRIED)[None], float(lowest))
        for budget, low, high, lowest in zip(spent, lows, highs, least, strict=True)
    ]
    return n, d, reached, slopes, interior, np.array(advised)


def _recommend(
    arm: Arm, budget: float, sizes: np.ndarray, lowest: float
) -> tuple[float, float, float]:
    """Size of the smallest expected loss, its tokens, and what not knowing the best costs."""
    data = np.asarray(tokens_of(arm, sizes, budget))
    expected = np.asarray(loss_of(arm, sizes, data)).mean(axis=0)
    chosen = int(np.nanargmin(expected))
    return (
        float(sizes[0, chosen]),
        float(np.median(data[:, chosen])),
        float(expected[chosen] - lowest),
    )


def _not_interior(
    interior: np.ndarray, names: Sequence[str], within: tuple[float, float] | None
) -> list[Finding]:
    share = 1.0 - interior.mean(axis=0)
    worst = int(share.argmax())
    if share[worst] < CUT:
        return []
    why = (
        "the sizes of within (--sizes) end before it"
        if within
        else "in those draws one of N and D does not lower the loss within the sizes looked at"
    )
    message = (
        f"{names[worst]} has no interior optimum in {100 * share[worst]:.0f} % of the draws: {why}"
    )
    return [Finding("no-interior-optimum", "warning", message)]


def _used_up(arms: Sequence[Arm], data: np.ndarray, names: Sequence[str]) -> list[Finding]:
    found = []
    for arm, own, name in zip(arms, data.T, names, strict=True):
        share = float((own >= 0.999 * np.asarray(arm.unique)).mean())
        if share >= 0.5:
            what = (
                "the rest of the budget goes into size; a law of repeated data, such as "
                "data_constrained, says what repeating them is worth"
                if arm.capped
                else "they are repeated"
            )
            found.append(
                Finding(
                    "unique-used-up",
                    "info",
                    f"{name} uses up the {float(arm.unique):.3g} unique tokens in "
                    f"{100 * share:.0f} % of the draws; {what}",
                )
            )
    return found
