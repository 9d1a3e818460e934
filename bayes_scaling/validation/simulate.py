"""Runs of a law with known parameters."""

from __future__ import annotations

from collections.abc import Mapping

import jax.numpy as jnp
import numpy as np
import pandas as pd

from bayes_scaling.law import Law
from bayes_scaling.program.build import references
from bayes_scaling.program.noise import noise_named


def simulate(
    law: Law,
    inputs: pd.DataFrame,
    values: Mapping[str, float],
    *,
    sigma: float = 0.003,
    nu: float = 6.0,
    excess: float = 0.1,
    seed: int = 0,
) -> pd.DataFrame:
    """Simulate one response for each row of inputs.

    Parameters
    ----------
    law : Law
    inputs : DataFrame
        One column an input, in raw units.
    values : mapping of str to float
        Free parameters, at the references of these inputs.
    sigma, nu, excess : float
        Of the law's own noise. Where that works on the raw response, sigma is in units of
        the spread of the means.
    seed : int

    Returns
    -------
    DataFrame
        The inputs, and ``response``.
    """
    noise = noise_named(law.response.noise)
    columns = {k: inputs[k].to_numpy(dtype=float) for k in law.inputs}
    centred = law.centre(columns, references(law, columns))
    mean = jnp.broadcast_to(law.mean(centred, values), (len(inputs),))
    centre = np.asarray(noise.to_scale(mean))
    unit = 1.0 if noise.on_log else float(np.ptp(centre))
    drawn = noise.draw(
        np.random.default_rng(seed),
        np.full(len(inputs), sigma * unit),
        {"nu": np.asarray(nu), "excess": np.asarray(excess)},
    )
    response = np.asarray(noise.from_scale(jnp.asarray(centre + drawn)))
    return inputs[list(law.inputs)].assign(response=response)
