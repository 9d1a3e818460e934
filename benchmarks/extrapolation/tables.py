"""One reader a measured set: which published rows count, and under which names."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from bayes_scaling.errors import DatasetError
from bayes_scaling.runs import datasets

FOLDER = "BAYES_SCALING_DATA"


def data_folder() -> Path:
    """Return the folder of measured data, or raise `DatasetError` where none is named."""
    folder = os.environ.get(FOLDER)
    if not folder:
        raise DatasetError(f"set {FOLDER} to the folder of measured data that holds tables/")
    return Path(folder)


def _table(path: str) -> pd.DataFrame:
    file = data_folder() / "tables" / path
    if not file.is_file():
        raise DatasetError(f"there is no {file}; {FOLDER} must name the folder that holds tables/")
    return pd.read_csv(file)


def _best_of_cell(table: pd.DataFrame, loss: str) -> pd.DataFrame:
    return table.loc[table.groupby(["N", "D"])[loss].idxmin()]


def _chinchilla() -> pd.DataFrame:
    """240 of 245 runs: without the five highest losses, 3.4 to 5.0, as Besiroglu et al. 2024."""
    return datasets.chinchilla().frame.rename(columns={"response": "loss"})


def _gadre() -> pd.DataFrame:
    """All 99 runs, N with embeddings, loss on C4; no run diverged."""
    table = _table("gadre_overtraining/gadre_104models.csv")
    return table.rename(columns={"dataset": "group", "loss_c4val": "loss"})


def _steplaw() -> pd.DataFrame:
    """The best of about 115 runs of each of 14 cells, which leaves out all that diverged."""
    table = _table("steplaw/steplaw_dense.csv")
    return _best_of_cell(table, "smooth_loss").assign(loss=lambda t: t["smooth_loss"])


def _xlstm() -> pd.DataFrame:
    """Runs that reached the end of their plan, C = 6 N D.

    Losses above 5 are of runs that diverged although they count as finished: two of the full
    table are said to, none of the 305 here, which end below 3.6.
    """
    table = _table("xlstm_vs_transformer/isoflop_final.csv")
    table = table[table["finished"] & (table["step"] >= table["steps_planned"])]
    label = table["arch"] + "@" + table["ctx"].astype(int).astype(str)
    return table[table["val_loss"] < 5.0].assign(group=label, loss=table["val_loss"])


def _isoflops(source: str) -> pd.DataFrame:
    table = _table("isoflops_open_athena/isoflops.csv")
    table = table[table["source"].str.startswith(source)]
    return table.rename(columns={"params": "N", "tokens": "D", "budget": "C"})


def _llama3() -> pd.DataFrame:
    """All 127 points of the figure, as plotted: the other form is exp of this one, no loss in nats.

    The eleven that the collectors flag (ends of their parabolas, points that nearly coincide)
    lie along the others, so they stay.
    """
    table = _isoflops("llama_3")
    return table[table["condition"] == "raw_loss"]


def _marin() -> pd.DataFrame:
    """All 213 runs on three mixes.

    Of the 19 that the collectors flag 18 belong to budgets with too few runs for a parabola. One
    is off its parabola: 156M parameters on DCLM at the largest budget end 5 % above the run of
    half as many tokens. That is no divergence, so all stay.
    """
    return _isoflops("marin").assign(group=lambda t: t["dataset"])


def _optimizers() -> pd.DataFrame:
    """All 134 tuned cells; N and D are nominal, no run diverged."""
    return _table("fantastic_optimizers/optimizers.csv").rename(columns={"optimizer": "group"})


def _data_constrained() -> pd.DataFrame:
    """The 33 runs that saw no token twice, names without a seed counted as seed 0.

    Losses of 6 to 8 are of 100 million tokens, so none diverged.
    """
    table = _table("data_constrained/datablations_val_loss.csv")
    table = table[table["U"] >= table["D"]]
    return table.assign(seed=table["seed"].fillna(0).astype(int))


def _olmo() -> pd.DataFrame:
    """All 24 final losses on C4; a rerun is another seed, no run diverged."""
    table = _table("olmo_ladder/ladder_final.csv")[["run", "N", "total_tokens", "c4_en_loss"]]
    table = table.rename(columns={"total_tokens": "D", "c4_en_loss": "loss"})
    return table.assign(seed=table["run"].str.endswith("-rerun").astype(int))


def _porian() -> pd.DataFrame:
    """The eight settings counted with the head, on validation data: 10 % around each budget's best.

    Points of one N are checkpoints of one run, except where the decay is Chinchilla's. Those
    further up the profile of their budget, with losses of up to 9, are of large models after a
    few million tokens, during warm-up; none diverged.
    """
    table = _table("porian_isoflop/porian_isoflop_points.csv")
    table = table[(table["param_count"] == "standard") & (table["loss_split"] == "val")]
    table = table.assign(
        group=table[["dataset", "hparams", "warmup", "decay"]].agg(" ".join, axis=1)
    )
    best = table.groupby(["group", "C"])["loss"].transform("min")
    return table[table["loss"] <= 1.1 * best]


def _misfitting() -> pd.DataFrame:
    """The best of up to four learning rates a cell, at the end of its schedule.

    The worst rate of a cell is up to 11 % above the best one.
    """
    table = _table("misfitting/misfitting_final.csv")
    table = table[table["portion_steps_elapsed"] >= 1.0]
    return _best_of_cell(table, "loss_c4").rename(columns={"loss_c4": "loss"})


def _farseer() -> pd.DataFrame:
    """All 400 distinct runs, loss in bits a character; four rows are there twice, none diverged."""
    return datasets.scalebench("farseer", "train").drop(columns="group")


# name: publication, reader
READERS: dict[str, tuple[str, Callable[[], pd.DataFrame]]] = {
    "chinchilla": ("Hoffmann et al. 2022, arXiv 2203.15556", _chinchilla),
    "gadre": ("Gadre et al. 2024, arXiv 2403.08540", _gadre),
    "steplaw": ("Li et al. 2025, arXiv 2503.04715", _steplaw),
    "xlstm": ("Beck et al. 2025, arXiv 2510.02228", _xlstm),
    "llama3": ("Llama team 2024, arXiv 2407.21783", _llama3),
    "marin": ("Czech et al. 2026, arXiv 2603.22339", _marin),
    "optimizers": ("Wen et al. 2025, arXiv 2509.02046", _optimizers),
    "data_constrained": ("Muennighoff et al. 2023, arXiv 2305.16264", _data_constrained),
    "olmo_ladder": ("Bhagia et al. 2024, arXiv 2412.04403", _olmo),
    "porian": ("Porian et al. 2024, arXiv 2406.19146", _porian),
    "misfitting": ("Li et al. 2025, arXiv 2502.18969", _misfitting),
    "farseer": ("Li et al. 2025, arXiv 2506.10972", _farseer),
}
