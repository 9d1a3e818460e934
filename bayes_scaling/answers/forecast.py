"""What a run that nobody has paid for yet will reach."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import jax.numpy as jnp
import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Float

from bayes_scaling.errors import Finding, FitError, UsageError
from bayes_scaling.law.priors import LINKS
from bayes_scaling.posterior.diagnostics import QUANTILES
from bayes_scaling.posterior.fit import Fit
from bayes_scaling.program.build import label_rung
from bayes_scaling.program.noise import RUNG_NU
from bayes_scaling.runs import parse_number

ForecastKind = Literal["mean", "new-run"]
FAR = 1.0  # decades beyond the fitted range where a forecast gets a warning
Points = pd.DataFrame | Sequence[Mapping[str, Any]] | Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Forecast:
    """Predictive draws of a response at points.

    Attributes
    ----------
    law, response, unit : str
    kind : {"mean", "new-run"}
    points : DataFrame
        One row a point: inputs, grouping columns (missing for a group never seen),
        and ``observed`` where the points came with the truth.
    draws : DataArray
        Dimensions ``sample`` and ``point``, in the unit of the response. One sample
        is one joint draw: its points share parameters, a new group and rung effects.
    extrapolation : DataFrame
        Decades beyond the fitted range for each input, zero inside; for inputs that are
        not scales (fractions, dates), in widths of the fitted range.
    warnings : tuple of Finding
    counts_embeddings, flops
        How N and FLOPs are counted, where the user said so with the table.
    """

    law: str
    response: str
    unit: str
    kind: ForecastKind
    groups: tuple[str, ...]
    points: pd.DataFrame
    draws: xr.DataArray
    extrapolation: pd.DataFrame
    warnings: tuple[Finding, ...]
    counts_embeddings: bool | None = None
    flops: str | None = None

    def summary(self) -> pd.DataFrame:
        """One row a point: inputs, groups, mean, sd, quantiles, extrapolation.

        Returns
        -------
        DataFrame
            Quantiles are columns ``q0.025`` to ``q0.975``; ``extrapolation`` is
            "inside" or "outside" the fitted ranges.
        """
        values = self.draws.transpose("sample", "point").to_numpy()
        table = self.points.copy()
        table["mean"], table["sd"] = values.mean(0), values.std(0, ddof=1)
        for q, row in zip(QUANTILES, np.quantile(values, QUANTILES, axis=0), strict=True):
            table[f"q{q:g}"] = row
        outside = (self.extrapolation > 0).any(axis=1)
        table["extrapolation"] = np.where(outside, "outside", "inside")
        return table

    def check(self) -> dict[str, float] | None:
        """Compare with the truth, where the points came with it.

        Returns
        -------
        dict or None
            ``points`` with a truth; how many of them the 90 % interval holds, ``held_90``;
            mean ``relative_error`` of the median. None where no truth is given.
        """
        if "observed" not in self.points or self.points["observed"].isna().all():
            return None
        table = self.summary().dropna(subset="observed")
        truth = table["observed"]
        return {
            "points": len(table),
            "held_90": int(truth.between(table["q0.05"], table["q0.95"]).sum()),
            "relative_error": float((table["q0.5"] / truth - 1).abs().mean()),
        }


def forecast(
    fit: Fit,
    points: Points,
    *,
    kind: ForecastKind = "new-run",
    seed: int = 0,
    force: bool = False,
) -> Forecast:
    """Forecast the response at any inputs, for any group.

    Parameters
    ----------
    fit : Fit
    points : DataFrame, mapping, or sequence of mappings
        Inputs by the law's names and, where the fit has groups, grouping columns. A
        missing label stands for a group never seen, drawn from the population: one
        new group, shared by all points that lack the label. A column ``se`` adds the
        evaluation error of the planned run, a column ``rung`` names its rung, and a
        column ``observed`` is kept beside the forecast.
    kind : {"new-run", "mean"}
        ``"mean"`` is the law's curve; ``"new-run"`` is one more run: it adds noise
        and the rung effect (its posterior for a rung that was fitted, one new draw
        that all groups share for another).
    seed : int
        Of the draws of new groups, rung effects and noise.
    force : bool
        Answer even if the fit's diagnostics are poor.

    Returns
    -------
    Forecast

    Raises
    ------
    UsageError
        If points lack an input, hold a value outside its domain, or name a group
        that was not fitted.
    FitError
        If the fit's diagnostics are poor and `force` is not set.
    """
    if kind not in ("mean", "new-run"):
        raise UsageError(f"kind is '{kind}'; it must be mean or new-run")
    _need_usable(fit, force)
    table = read_points(fit, points)
    rng = np.random.default_rng(seed)
    centre = _centre(fit, table, rng)
    if kind == "new-run":
        centre = centre + _deviations(fit, table, centre, rng)
    draws = np.asarray(fit.structure.noise.from_scale(jnp.asarray(centre)))
    extrapolation = _extrapolation(fit, table)
    return Forecast(
        law=fit.law.name,
        response=fit.record.response,
        unit=fit.record.unit,
        kind=kind,
        groups=fit.groups,
        points=table,
        draws=xr.DataArray(draws, dims=("sample", "point"), name=fit.record.response),
        extrapolation=extrapolation,
        warnings=_warnings(fit, extrapolation),
        counts_embeddings=fit.record.counts_embeddings,
        flops=fit.record.flops,
    )


def read_points(fit: Fit, points: Points) -> pd.DataFrame:
    """Check points against a fit and return them as a table.

    Raises
    ------
    UsageError
        With every problem that was found.
    """
    rows = [points] if isinstance(points, Mapping) else points
    table = pd.DataFrame(rows).reset_index(drop=True)
    if not len(table):
        raise UsageError("no points to forecast: give at least one, such as N=7B,D=1.4T")
    if table.columns.duplicated().any():
        twice = ", ".join(map(str, table.columns[table.columns.duplicated()].unique()))
        raise UsageError(f"points hold more than one column called {twice}; keep one")
    for group in set(fit.groups) & set(table.columns):
        table[group] = [_label(v) for v in table[group]]
    for name in {*fit.law.inputs, "se", "observed"} & set(table.columns):
        table[name] = [_value(v) for v in table[name]]
    problems = [*_input_problems(fit, table), *_label_problems(fit, table)]
    known = {*fit.law.inputs, *fit.groups, "se", "rung", "observed"}
    for column in table.columns:
        if column not in known:
            close = difflib.get_close_matches(str(column), sorted(known), n=1)
            hint = f"; did you mean {close[0]}?" if close else ""
            problems.append(
                f"'{column}' is neither an input nor a grouping column of this fit; "
                f"points have {', '.join([*fit.law.inputs, *fit.groups])}{hint}"
            )
    if problems:
        raise UsageError("\n".join(problems))
    numbers = [*fit.law.inputs, *({"observed"} & set(table.columns))]
    table = table.astype(dict.fromkeys(numbers, float))
    for group in fit.groups:
        if group not in table:
            table[group] = None
    order = [*fit.law.inputs, *fit.groups]
    return table[order + [c for c in table.columns if c not in order]]


def _label(value: Any) -> str | None:
    """Label as reading a table of runs writes it: 1, not 1.0."""
    if value is None or (isinstance(value, float) and np.isnan(value)) or value is pd.NA:
        return None
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _value(value: Any) -> Any:
    """Number of a text such as 7B; other texts are left for the check."""
    try:
        return parse_number(value) if isinstance(value, str) else value
    except UsageError:
        return value


def _input_problems(fit: Fit, table: pd.DataFrame) -> list[str]:
    found = []
    for name, declared in fit.law.inputs.items():
        if name not in table:
            found.append(f"points lack {name} ({declared.meaning}); law {fit.law.name} needs it")
            continue
        bad = table[name][~declared.valid(_finite(table[name]))]
        if len(bad):
            hint = "; write such as 7B" if declared.on_log else ""
            found.append(f"{name} must be {declared.expected}, got {_few(bad)}{hint}")
    if "se" in table:
        bad = table["se"][~(_finite(table["se"]) >= 0)]
        if len(bad):
            found.append(f"se must be zero or a positive number at every point, got {_few(bad)}")
    if "observed" in table:
        given = table["observed"].dropna()
        bad = given[_finite(given).isna()]
        if len(bad):
            found.append(f"observed must be a number, or missing, at every point, got {_few(bad)}")
    return found


def _finite(column: pd.Series) -> pd.Series:
    """Numbers of a column, missing where an entry is none or not finite."""
    values = pd.to_numeric(column, errors="coerce")
    return values.where(np.isfinite(values))


def _few(bad: pd.Series) -> str:
    return ", ".join(str(value) for value in bad.head(5))


def _label_problems(fit: Fit, table: pd.DataFrame) -> list[str]:
    found = []
    for group in fit.groups:
        labels = fit.spec.labels[group]
        if group not in table:
            continue
        for label in table[group].dropna().unique():
            if label in labels:
                continue
            close = difflib.get_close_matches(str(label), labels, n=1)
            hint = f"did you mean {close[0]}? " if close else ""
            found.append(
                f"{group} '{label}' was not fitted ({', '.join(labels)}); {hint}"
                f"leave {group} out to forecast a group never seen"
            )
    return found


def _need_usable(fit: Fit, force: bool) -> None:
    errors = [w for w in fit.warnings if w.severity == "error"]
    if errors and not force:
        codes = ", ".join(w.code for w in errors)
        raise FitError(
            f"the fit is not fit to answer ({codes}): {errors[0].message}; "
            f"use force=True (--force) to answer all the same"
        )


def _flat(fit: Fit, name: str) -> np.ndarray:
    """Draws of a posterior variable with chains and draws in one leading axis."""
    array = fit.posterior[name].to_numpy()
    return array.reshape(-1, *array.shape[2:])


def _centre(
    fit: Fit, table: pd.DataFrame, rng: np.random.Generator
) -> Float[np.ndarray, "sample point"]:
    """The law's mean at the points on the noise's scale, draw by draw."""
    law, structure = fit.law, fit.structure
    values = {}
    for p, parameter in law.parameters.items():
        link = LINKS[parameter.prior.link]
        z = np.asarray(link.to_real(jnp.asarray(_flat(fit, structure.centre_site(p)))))
        own = structure.columns_of(p, "separate")
        if own:
            prior = rng.normal(fit.spec.prior_loc[p], fit.spec.prior_sd[p], len(z))
            z = _by_label(z, prior, _codes(fit, own[0], table))
        else:
            z = z[:, None]
        for c in structure.columns_of(p, "partial"):
            new = rng.normal(size=len(z)) * _flat(fit, f"{p}_sd_{c}")
            z = z + _by_label(_flat(fit, f"{p}_effect_{c}"), new, _codes(fit, c, table))
        values[p] = link.to_support(jnp.asarray(z))
    inputs = {k: jnp.asarray(table[k].to_numpy()) for k in law.inputs}
    mean = law.mean(law.centre(inputs, fit.spec.references), values)
    scaled = np.asarray(structure.noise.to_scale(mean))
    return np.broadcast_to(scaled, (scaled.shape[0], len(table)))


def _by_label(
    fitted: Float[np.ndarray, "sample level"],
    new: Float[np.ndarray, " sample"],
    codes: np.ndarray,
) -> Float[np.ndarray, "sample point"]:
    """Columns of `fitted` by code, and `new` where the code is -1."""
    return np.concatenate([fitted, new[:, None]], axis=1)[:, codes]


def _codes(fit: Fit, group: str, table: pd.DataFrame) -> np.ndarray:
    position = {label: i for i, label in enumerate(fit.spec.labels[group])}
    return np.array([position.get(v, -1) for v in table[group]])


def _deviations(
    fit: Fit, table: pd.DataFrame, centre: np.ndarray, rng: np.random.Generator
) -> Float[np.ndarray, "sample point"]:
    """What one more run adds to the mean: its rung's effect and noise."""
    noise = fit.structure.noise
    values = {name: _flat(fit, name)[:, None] for name in noise.parameters}
    se = jnp.asarray(table["se"].to_numpy(dtype=float)) if "se" in table else None
    spread = noise.spread(jnp.asarray(values["sigma"]), se, jnp.asarray(centre))
    total = noise.draw(rng, np.broadcast_to(np.asarray(spread), centre.shape), values)
    if fit.structure.rungs:
        rungs = _rungs(fit, table)
        effect, sd = _flat(fit, "rung_effect"), _flat(fit, "rung_sd")
        position = {label: i for i, label in enumerate(fit.spec.labels["rung"])}
        for label in dict.fromkeys(rungs):
            shared = (
                effect[:, position[label]]
                if label in position
                else _new_rung(fit, rng, len(sd)) * sd
            )
            total[:, np.array([r == label for r in rungs])] += shared[:, None]
    return total


def _new_rung(fit: Fit, rng: np.random.Generator, draws: int) -> Float[np.ndarray, " sample"]:
    """Draw the standardised effect of a rung that was not fitted."""
    if fit.structure.noise.robust:
        return rng.standard_t(RUNG_NU, size=draws)
    return rng.normal(size=draws)


def _rungs(fit: Fit, table: pd.DataFrame) -> list[str]:
    """Label of each point's rung: its column where given, otherwise its inputs."""
    nominal = [label_rung(fit.law, row) for row in table[list(fit.law.inputs)].to_numpy()]
    if "rung" not in table:
        return nominal
    return [str(r) if pd.notna(r) else n for r, n in zip(table["rung"], nominal, strict=True)]


def _extrapolation(fit: Fit, table: pd.DataFrame) -> pd.DataFrame:
    columns = {}
    for name, (low, high) in fit.spec.ranges.items():
        x = table[name].to_numpy()
        if fit.law.inputs[name].on_log:
            beyond = np.maximum(np.log10(x) - np.log10(high), np.log10(low) - np.log10(x))
        else:
            beyond = np.maximum(x - high, low - x) / ((high - low) or 1.0)
        # a nominal size written with three digits is not outside
        columns[name] = np.where(beyond > 1e-3, beyond, 0.0)
    return pd.DataFrame(columns)


def _warnings(fit: Fit, extrapolation: pd.DataFrame) -> tuple[Finding, ...]:
    found = [w for w in fit.warnings if w.severity == "error"]
    farthest = extrapolation.max(axis=1)
    if (farthest > FAR).any():
        worst = int(farthest.argmax())
        where = ", ".join(
            f"{d:.1f} {'decades' if fit.law.inputs[str(n)].on_log else 'range widths'} in {n}"
            for n, d in extrapolation.loc[worst].items()
            if d > 0
        )
        found.append(
            Finding(
                "far-outside",
                "warning",
                f"point {worst + 1} lies {where} beyond the fitted runs; the interval "
                f"holds if law {fit.law.name} holds there, which no run has shown",
            )
        )
    return tuple(found)
