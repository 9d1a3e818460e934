"""Equal counts as one row: the same density, from fewer rows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from numpyro.infer.util import log_density

from bayes_scaling.models import registry
from bayes_scaling.program import Data, Structure, build_data, build_spec, program
from bayes_scaling.program.counts import BUCKET, merged
from bayes_scaling.runs import Runs, read_runs

LAW = registry["capability_sigmoid"]


def table(rows: int = 400) -> Runs:
    """Many problems at two scales, with few different counts."""
    rng = np.random.default_rng(2)
    columns = {k: np.tile([1.0, 4.0], rows // 2) for k in LAW.inputs}
    frame = pd.DataFrame(columns).assign(trials=20, right=rng.binomial(20, 0.6, rows))
    return read_runs(frame, inputs={k: k for k in LAW.inputs}, response="right", trials="trials",
                     unit="fraction")  # fmt: skip


def sites(structure: Structure) -> dict[str, Any]:
    rng = np.random.default_rng(1)
    return {
        k: jnp.asarray(0.4 * np.exp(0.1 * rng.normal(size=s.shape)))
        for k, s in structure.sites().items()
    }


@pytest.mark.parametrize("cap", [None, 30.0])
def test_merged_rows_have_the_density_of_all(cap: float | None) -> None:
    runs = table()
    spec = build_spec(LAW, runs, effective_runs=cap, rung=False)
    structure, data = spec.structure(LAW), build_data(spec, LAW, runs)
    fewer = merged(structure, data)
    assert len(fewer.response) == BUCKET < len(data.response)
    power = 1.0 if cap is None else cap / 400
    assert float(jnp.sum(fewer.copies)) == pytest.approx(400 * power)

    def density(of: Data) -> float:
        return float(log_density(program, (structure, of), {}, sites(structure))[0])

    assert density(fewer) == pytest.approx(density(data), rel=1e-9)
    whole = build_data(replace(spec, effective_runs=None), LAW, runs)
    assert (density(whole) == pytest.approx(density(data))) == (cap is None)


def test_tables_of_few_rows_come_back_as_they_are() -> None:
    runs = table(60)
    spec = build_spec(LAW, runs, rung=False)
    data = build_data(spec, LAW, runs)
    assert merged(spec.structure(LAW), data) is data
