"""Settings that a user asks about, and the fitted runs around the best ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
import pandas as pd
import xarray as xr

from bayes_scaling.errors import UsageError
from bayes_scaling.law import Law
from bayes_scaling.posterior.fit import Fit
from bayes_scaling.runs.numbers import parse_cells

from .optimum import best_of, box_of
from .points import Points
from .predict import centred_inputs


def read_settings(law: Law, settings: Points) -> pd.DataFrame:
    """Check settings that are to be judged and return them as a table of numbers.

    Raises
    ------
    UsageError
        If one is missing, unknown, or not a positive number.
    """
    table = pd.DataFrame([settings] if isinstance(settings, Mapping) else settings)
    table = table.reset_index(drop=True)
    names = list(law.settings)
    expected = f"settings of law {law.name} are {', '.join(names)}"
    if not len(table):
        raise UsageError(f"no settings to judge; {expected}")
    problems = [f"settings lack {k} ({law.inputs[k].meaning})" for k in names if k not in table]
    problems += [f"'{k}' is no setting; {expected}" for k in table.columns if k not in names]
    for name in set(names) & set(table.columns):
        given = table[name].tolist()
        table[name] = parse_cells(given)[0]
        bad = table.index[~(np.isfinite(table[name]) & (table[name] > 0))]
        if len(bad):
            shown = ", ".join(str(given[i]) for i in bad[:5])
            problems.append(f"{name} must be a positive number, got {shown}")
    if problems:
        raise UsageError("\n".join(problems))
    return table[names]


def fitted_runs(fit: Fit) -> pd.DataFrame:
    """Fitted runs, which of them diverged, and how far they lie above the best ones.

    Returns
    -------
    DataFrame
        Inputs, groups, ``response``, ``diverged``, and ``excess``: the response over the
        smallest mean at the same other inputs, less one, with parameters at their posterior
        means; missing for runs that diverged.
    """
    runs = fit.runs()[[*fit.law.inputs, *fit.groups, "response", "diverged"]]
    others = [
        k for k in runs if k in fit.groups or (k in fit.law.inputs and k not in fit.law.settings)
    ]
    cells = runs[others].drop_duplicates().reset_index(drop=True)
    cells["least"] = _least(fit, cells)
    least = runs[others].merge(cells, how="left", on=others)["least"].to_numpy()
    return runs.assign(excess=(runs["response"] / least - 1).mask(runs["diverged"]))


def _least(fit: Fit, cells: pd.DataFrame) -> np.ndarray:
    """Smallest mean at the other inputs of each cell, with parameters at posterior means."""
    law, box = fit.law, box_of(fit)
    values: dict[str, Any] = {}
    for p in law.parameters:
        mean = fit.posterior[p].mean(("chain", "draw"))
        own = {str(d): xr.DataArray(cells[str(d)].to_numpy(), dims="cell") for d in mean.dims}
        values[p] = jnp.broadcast_to(jnp.asarray(mean.sel(own).to_numpy()), len(cells))
    table = cells.assign(**dict.fromkeys(law.settings, np.nan))
    inputs = {k: v for k, v in centred_inputs(fit, table).items() if k not in law.settings}
    return np.exp(np.asarray(best_of(law, inputs, values, box.low, box.high)[1]))
