"""The effective size behind a score, and the density of models: effective over actual size."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Float

from bayes_scaling.errors import Finding, UsageError
from bayes_scaling.posterior.fit import Fit
from bayes_scaling.program.bounded import BoundedNoise
from bayes_scaling.runs.check import name_rows
from bayes_scaling.runs.numbers import parse_cells

from .extrapolation import forced
from .inverse import crossings, mean_along
from .points import need_usable, read_points
from .predict import noise_draws

REACH = 1e3  # factors beyond the reference models on both sides
LOST = 0.05  # of the draws without a size, from where a warning says so


@dataclass(frozen=True, eq=False)
class Densities:
    """Effective sizes and densities of models, draw by draw.

    Attributes
    ----------
    law : str
    models : DataFrame
        The models as they were given.
    size : DataArray
        Dimensions ``sample`` and ``model``: effective size; not a number where no size of the
        reference family reaches the score.
    density : DataArray
        Effective over actual size.
    warnings : tuple of Finding
    """

    law: str
    models: pd.DataFrame
    size: xr.DataArray
    density: xr.DataArray
    warnings: tuple[Finding, ...]

    def summary(self) -> pd.DataFrame:
        """One row a model, ready for `density_trend`.

        Returns
        -------
        DataFrame
            The models, ``size`` (median), ``density`` (median), ``se`` (of the density: its
            median times the sd of its logarithm) and ``lost`` (share of draws without a size).
        """
        size, density = self.size.to_numpy(), self.density.to_numpy()
        table = self.models.copy()
        table["size"] = _by_model(np.median, size)
        table["density"] = _by_model(np.median, density)
        spread = _by_model(lambda own: np.std(np.log(own), ddof=1), density)
        table["se"] = table["density"] * spread
        table["lost"] = np.isnan(size).mean(axis=0)
        return table


def densities(
    fit: Fit,
    models: pd.DataFrame,
    *,
    at: Mapping[str, float] | None = None,
    seed: int = 0,
    force: bool = False,
) -> Densities:
    """Size of the reference family that would have reached each model's score.

    Parameters
    ----------
    fit : Fit
        Of scores of a reference family against N, such as of law `densing`.
    models : DataFrame
        Columns ``score`` and ``N``, and ``trials`` where the number of items is known; others
        are kept.
    at : mapping, optional
        The other inputs of the reference family, such as its D.
    seed : int
        Of the noise of the scores.
    force : bool
        Answer even if the fit's diagnostics are poor.

    Notes
    -----
    Each draw moves the score by the noise that one more evaluation would have had, and then
    inverts the reference curve of that draw. The logarithms of densities share the curve's
    uncertainty; `se` treats them as independent.

    Raises
    ------
    UsageError
        If columns or inputs are missing.
    FitError
        If the fit's diagnostics are poor and `force` is not set.
    """
    need_usable(fit, force)
    given = dict(at or {})
    missing = {"score", "N"} - set(models.columns)
    needed = {k for k, v in fit.law.inputs.items() if v.default is None and not v.setting}
    lacking = needed - {"N"} - set(given)
    if missing or lacking or "N" not in fit.law.inputs or fit.groups or fit.law.scheduled:
        raise UsageError(
            f"densities need models with columns score and N (missing: "
            f"{', '.join(sorted(missing)) or 'none'}), a fit without groups of a law in N, and "
            f"the reference family's other inputs as at= (missing: "
            f"{', '.join(sorted(lacking)) or 'none'})"
        )
    models = _checked(models)
    rng = np.random.default_rng(seed)
    low, high = fit.spec.ranges["N"]
    row = read_points(fit, given | {"N": low}).iloc[0]
    mean = mean_along(fit, row, "N", {}, rng)
    columns = []
    for _, model in models.iterrows():
        level = _noisy(fit, float(model["score"]), model.get("trials"), rng)
        columns.append(crossings(mean, level, low / REACH, high * REACH, True)[0])
    size = np.column_stack(columns)
    sizes = xr.DataArray(size, dims=("sample", "model"))
    lost = np.isnan(size).mean(axis=0)
    found: tuple[Finding, ...] = ()
    if (lost > LOST).any():
        rows = ", ".join(str(i + 1) for i in np.flatnonzero(lost > LOST)[:8])
        found = (
            Finding(
                "no-size",
                "warning",
                f"no size of the reference family reaches the scores of models {rows} in more "
                f"than {LOST:.0%} of the draws: they lie near an end of its curve, where the size "
                f"is not known; their medians leave those draws out",
            ),
        )
    return Densities(
        law=fit.law.name,
        models=models,
        size=sizes,
        density=sizes / xr.DataArray(models["N"].to_numpy(dtype=float), dims="model"),
        warnings=(*forced(fit), *found),
    )


def _by_model(
    of: Callable[[np.ndarray], Any], draws: Float[np.ndarray, "sample model"]
) -> list[float]:
    """Summary of the draws of each model that have a size; not a number where fewer than two do."""
    known = [own[~np.isnan(own)] for own in draws.T]
    return [float(of(own)) if len(own) > 1 else math.nan for own in known]


def _checked(models: pd.DataFrame) -> pd.DataFrame:
    """Models with numbers where there must be some."""
    table = models.reset_index(drop=True)
    for name in ("score", "N", *(["trials"] if "trials" in table else [])):
        cells = table[name].astype(object).where(table[name].notna(), None)
        values, bad = parse_cells(cells.tolist())
        bad |= np.isnan(values) & (name != "trials") | (values <= 0) & (name != "score")
        if bad.any():
            what = "numbers" if name == "score" else "positive numbers"
            raise UsageError(
                f"column '{name}' of the models must hold {what}; "
                f"{name_rows((np.flatnonzero(bad) + 1).tolist())} do not"
            )
        table[name] = values
    return table


def _noisy(fit: Fit, score: float, trials: float | None, rng: np.random.Generator) -> np.ndarray:
    """Scores that the model might truly have: the measured one, less the noise of one run."""
    noise, values = fit.structure.noise, noise_draws(fit)
    draws = fit.posterior.sizes["chain"] * fit.posterior.sizes["draw"]
    if isinstance(noise, BoundedNoise):
        centre = np.full((draws, 1), float(noise.to_scale(jnp.asarray(score))))
        count = None if trials is None or np.isnan(trials) else np.asarray([trials])
        return noise.draw(rng, centre, count, values)[:, 0]
    centre = np.asarray(noise.to_scale(jnp.asarray(score)))
    spread = np.broadcast_to(values["sigma"], (draws, 1))
    return np.asarray(noise.from_scale(centre + noise.draw(rng, spread, values)))[:, 0]
