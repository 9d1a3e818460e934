"""Rows out of line in a measured table, which is read in place."""

from __future__ import annotations

import os

import pytest

import bayes_scaling as bs
from benchmarks.extrapolation.tables import READERS


@pytest.mark.slow
@pytest.mark.skipif("BAYES_SCALING_DATA" not in os.environ, reason="BAYES_SCALING_DATA is not set")
def test_the_odd_batch_size_of_a_published_table_is_named() -> None:
    """Transformers at context 8,192 have 17 runs with half the batch of the others."""
    table = READERS["xlstm"][1]()
    table = table[table["group"].str.contains("8192|16384")].reset_index(drop=True)
    kept = ["N", "D", "group", "loss", "global_batch_size", "lr_peak", "n_blocks"]
    runs = bs.read_runs(table[kept], group="group")
    model = bs.ScalingModel(bs.models.skaling, prior="population")
    fit = model.fit(runs, draws=300, warmup=300)
    said = [w.message for w in fit.warnings if w.code == "suspicious-rows"]
    assert any("global_batch_size 64 of transformer_llama@8192 (17 runs)" in text for text in said)
    assert not any("n_blocks" in text for text in said)
