"""Runs of a law with known parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
import pandas as pd

from bayes_scaling.law import Law
from bayes_scaling.law.chain import CARRY
from bayes_scaling.program import Data, build_data, build_spec
from bayes_scaling.program.bounded import BoundedNoise
from bayes_scaling.program.build import references
from bayes_scaling.program.chain import reached
from bayes_scaling.program.noise import Noise, noise_named
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
    trials: int = 2000,
    concentration: float = 200.0,
    gap: float = 1.0,
    noise: str | None = None,
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
    trials : int
        Behind each count, unless the inputs have a column ``trials``.
    concentration, gap : float
        Of counts and scores, and of grades.
    noise : str, optional
        By default that of the law's response.
    seed : int

    Returns
    -------
    DataFrame
        The inputs (of curves ``run`` and ``schedule``, too), and ``response``; of counts
        also ``trials``, and of a chain the ``loss``.
    """
    chosen = noise_named(noise or law.response.noise)
    if law.link:
        return _chain(law, inputs, values, sigma=sigma, nu=nu, noise=noise, seed=seed,
                      trials=trials, concentration=concentration, gap=gap)  # fmt: skip
    if isinstance(chosen, BoundedNoise):
        scalars = {"concentration": concentration} | dict.fromkeys(_gaps(chosen), gap)
        return _bounded(law, inputs, values, chosen, scalars, trials, seed)
    return _continuous(law, inputs, values, chosen, sigma, nu, excess, rho, seed)


def _continuous(
    law: Law,
    inputs: pd.DataFrame,
    values: Mapping[str, float],
    noise: Noise,
    sigma: float,
    nu: float,
    excess: float,
    rho: float,
    seed: int,
) -> pd.DataFrame:
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


def _gaps(noise: BoundedNoise) -> list[str]:
    return [name for name in noise.parameters if name.startswith("gap")]


def _bounded(
    law: Law,
    inputs: pd.DataFrame,
    values: Mapping[str, float],
    noise: BoundedNoise,
    scalars: Mapping[str, float],
    trials: int,
    seed: int,
) -> pd.DataFrame:
    """Counts, scores or grades; each item of a mixture follows one curve."""
    rng = np.random.default_rng(seed)
    columns = {k: inputs[k].to_numpy(dtype=float) for k in law.inputs}
    centred = law.centre(columns, references(law, columns))
    if "item" in inputs:
        assert law.mixture is not None
        items, code = np.unique(inputs["item"], return_inverse=True)
        weights = np.asarray(law.mixture.weights(law.expand(values)), dtype=float)
        curve = rng.choice(len(weights), size=len(items), p=weights / weights.sum())[code]
        curves = np.asarray(law.mixture.curves(centred, law.expand(values)))
        mean = np.broadcast_to(curves, (len(weights), len(inputs)))[curve, np.arange(len(inputs))]
    else:
        mean = np.broadcast_to(np.asarray(law.mean(centred, values)), (len(inputs),))
    given = {**scalars, **law.likelihood_shape(centred, values)}
    own = {k: np.asarray(v) for k, v in given.items()}
    if noise.name == "binomial":
        own.pop("concentration", None)
    table = inputs.copy()
    if noise.counted and "trials" not in table:
        table["trials"] = trials
    out_of = table["trials"].to_numpy(dtype=float) if noise.counted else None
    fraction = noise.draw(rng, np.asarray(noise.to_scale(jnp.asarray(mean))), out_of, own)
    return table.assign(response=noise.value(fraction, out_of))


def _chain(
    law: Law,
    inputs: pd.DataFrame,
    values: Mapping[str, float],
    *,
    sigma: float,
    nu: float,
    noise: str | None,
    seed: int,
    **others: Any,
) -> pd.DataFrame:
    """Losses, and metrics at the losses that their runs reached."""
    link, full = law.link, law.expand(values)
    assert link is not None
    own = {p: full[p] for p in link.first.parameters}
    losses = simulate(
        link.first, inputs[list(link.first.inputs)], own, sigma=sigma, nu=nu, seed=seed
    )
    columns = {k: inputs[k].to_numpy(dtype=float) for k in link.first.inputs}
    centred = link.first.centre(columns, references(link.first, columns))
    expected = np.log(np.asarray(link.first.mean(centred, own)))
    here = np.exp(
        np.asarray(
            reached(jnp.asarray(expected), jnp.asarray(losses["response"].to_numpy()), full[CARRY])
        )
    )
    table = inputs.assign(L=here)
    given = [*link.second.inputs, *(c for c in ("trials",) if c in inputs)]
    metric = simulate(
        link.second, table[given], link.second_values(full), sigma=sigma, noise=noise,
        seed=seed + 1, **others,
    )  # fmt: skip
    kept = [c for c in metric if c in ("response", "trials")]
    return inputs.assign(loss=losses["response"].to_numpy(), **{c: metric[c] for c in kept})


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
