"""Runs of a law with known parameters."""

from __future__ import annotations

from collections.abc import Mapping

import jax.numpy as jnp
import numpy as np
import pandas as pd

from bayes_scaling.law import Law
from bayes_scaling.program import Data, build_data, build_spec
from bayes_scaling.program.build import references
from bayes_scaling.program.noise import noise_named
from bayes_scaling.program.observation import accumulate, correlation
from bayes_scaling.runs import read_runs


def simulate(
    law: Law,
    inputs: pd.DataFrame,
    values: Mapping[str, float],
    *,
    sigma: float = 0.003,
    nu: float = 6.0,
    excess: float = 0.1,
    rho: float = 0.5,
    seed: int = 0,
) -> pd.DataFrame:
    """Simulate one response for each row of inputs.

    Parameters
    ----------
    law : Law
    inputs : DataFrame
        One column an input, in raw units. Of curves also ``run`` and, where the law asks
        for it, ``schedule`` as text; rows of warm-up are left out.
    values : mapping of str to float
        Free parameters, at the references of these inputs.
    sigma, nu, excess : float
        Of the law's own noise. Where that works on the raw response, sigma is in units of
        the spread of the means. What the law's scatter adds comes on top, in quadrature.
    rho : float
        Correlation of neighbouring rows of a run, at their usual distance.
    seed : int

    Returns
    -------
    DataFrame
        The inputs (of curves ``run`` and ``schedule``, too), and ``response``.
    """
    noise = noise_named(law.response.noise)
    inputs = inputs[[*law.inputs, *(c for c in ("run", "schedule") if c in inputs)]]
    curves = None
    if "run" in inputs:
        inputs, curves = _curves(law, inputs)
        centred = curves.inputs
    else:
        columns = {k: inputs[k].to_numpy(dtype=float) for k in law.inputs}
        centred = law.centre(columns, references(law, columns))
    mean = jnp.broadcast_to(law.mean(centred, values), (len(inputs),))
    centre = np.asarray(noise.to_scale(mean))
    unit = 1.0 if noise.on_log else float(np.ptp(centre))
    spread = np.full(len(inputs), sigma * unit)
    if law.scatter is not None:
        spread = np.hypot(spread, np.asarray(law.extra_spread(centred, values)))
    rng = np.random.default_rng(seed)
    scalars = {"nu": np.asarray(nu), "excess": np.asarray(excess)}
    if curves is None:
        drawn = noise.draw(rng, spread, scalars)
    else:
        fresh = noise.draw(rng, np.ones(len(inputs)), scalars)
        drawn = spread * _serial(fresh, curves, rho)
    response = np.asarray(noise.from_scale(jnp.asarray(centre + drawn)))
    return inputs.assign(response=response)


def _curves(law: Law, inputs: pd.DataFrame) -> tuple[pd.DataFrame, Data]:
    """Rows after warm-up in the order of their runs, and their arrays."""
    runs = read_runs(
        inputs.assign(response=1.0),
        inputs={k: k for k in law.inputs},
        response="response",
        run="run",
        schedule="schedule" if law.scheduled else None,
    )
    spec = build_spec(law, runs, rung=False, serial=True)
    return inputs.iloc[runs.frame["row"].to_numpy() - 1], build_data(spec, law, runs)


def _serial(fresh: np.ndarray, curves: Data, rho: float) -> np.ndarray:
    """Turn deviations of rows by themselves into those of runs that remember."""
    assert curves.previous is not None
    tie = correlation(curves, jnp.asarray(rho))
    return np.asarray(accumulate(jnp.sqrt(1.0 - tie**2) * fresh, tie, curves.previous))
