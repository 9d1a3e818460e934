"""From finished runs to the tables that the package holds, and back."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path

import numpy as np
import pandas as pd

from bayes_scaling import datasets

from . import probes, sweep
from .train import CONTEXT, Setting, text

PACKAGE = Path(__file__).parents[2] / "bayes_scaling" / "runs" / "ladder"
HASH_DIGITS = 12


def write(results: Path, folder: Path = PACKAGE) -> None:
    """Write runs.csv, curves.csv and probes.csv, runs in the order of sweep.toml."""
    records = {record["key"]: record for record in sweep.read(results)}
    planned = sweep.planned()
    found = [
        {**records[key], "study": study} for key, (study, _) in planned.items() if key in records
    ]
    for number, record in enumerate(found, start=1):
        record["run"] = number
    folder.mkdir(parents=True, exist_ok=True)
    for name, make in (("runs", _runs), ("curves", _curves), ("probes", _probes)):
        make(found).to_csv(folder / f"{name}.csv", index=False, lineterminator="\n")
    print(f"{len(found)} of {len(planned)} planned runs written to {folder}")


def restore(results: Path) -> None:
    """Write the package's runs into `results`, so that a sweep adds to them."""
    ladder = datasets.ladder()
    curves = {run: rows.drop(columns="run") for run, rows in ladder.curves.groupby("run")}
    successes = {
        run: dict(zip(rows["probe"], rows["successes"].tolist(), strict=True))
        for run, rows in ladder.probes.groupby("run")
    }
    done = {record["key"] for record in sweep.read(results)}
    count = 0
    with sweep.append_to(results) as file:
        for row in ladder.runs.to_dict("records"):
            row |= {"tokens": row["D"], "batch": row["batch"] // CONTEXT}
            setting = Setting(**{field.name: row[field.name] for field in fields(Setting)})
            if setting.key in done:
                continue
            record = {
                "key": setting.key,
                **row,
                "corpus_sha256": row["corpus"],
                "curve": curves[row["run"]].to_dict("list"),
                "probes": successes[row["run"]],
            }
            file.write(json.dumps(record) + "\n")
            count += 1
    print(f"{count} runs of the package added to {results}")


def _runs(records: list[dict]) -> pd.DataFrame:
    table = pd.DataFrame(records)
    finite = np.isfinite(table["loss"])
    return pd.DataFrame(
        {
            "run": table["run"],
            "study": table["study"],
            "split": np.where(table["study"] == "target", "target", "fit"),
            "recipe": table["recipe"],
            "architecture": table["architecture"],
            "optimizer": table["optimizer"],
            "width": table["width"],
            "depth": table["depth"],
            "N": table["N"],
            "N_embedding": table["N_embedding"],
            "D": table["D"],
            "flops": table["flops"].map("{:.4g}".format),
            "batch": table["batch"] * CONTEXT,
            "steps": table["steps"],
            "lr": table["lr"],
            "schedule": table["schedule"],
            "seed": table["seed"],
            "rung": [f"{w}x{n}-{d}" for w, n, d in table[["width", "depth", "D"]].to_numpy()],
            "status": table["status"],
            "loss": table["loss"].where(finite).round(5),
            "loss_se": table["loss_se"].where(finite).round(5),
            "validation_loss": table["validation_loss"].where(finite).round(5),
            "seconds": table["seconds"].round(1),
            "corpus": table["corpus_sha256"].str[:HASH_DIGITS],
        }
    )


def _curves(records: list[dict]) -> pd.DataFrame:
    parts = [pd.DataFrame(record["curve"]).assign(run=record["run"]) for record in records]
    table = pd.concat(parts, ignore_index=True)
    table["lr"] = table["lr"].map("{:.4g}".format)
    losses = ["train_loss", "validation_loss"]
    table[losses] = table[losses].round(4)
    return table[["run", "step", "lr", *losses]]


def _probes(records: list[dict]) -> pd.DataFrame:
    chance = {name: probe.chance for name, probe in text().probes.items()}
    return pd.DataFrame(
        [
            (record["run"], name, record["probes"][name], probes.TRIALS, round(chance[name], 4))
            for record in records
            for name in probes.NAMES
        ],
        columns=["run", "probe", "successes", "trials", "chance"],
    )
