"""From a table of runs and its spec to the arrays of a program."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jax import Array
from jaxtyping import Bool, Float

from bayes_scaling.law import Law
from bayes_scaling.runs import Runs

from .curves import histories, neighbours
from .rungs import rung_labels
from .spec import Spec
from .structure import Data, Losses


def build_data(
    spec: Spec, law: Law, runs: Runs, kept: Bool[np.ndarray, " runs"] | None = None
) -> Data:
    """Arrays of the program for these runs; those that are not `kept` have no likelihood."""
    frame = runs.frame
    groups = [c for c in spec.labels if c != "rung"]
    rungs = np.zeros(len(frame), dtype=np.int64)
    if "rung" in spec.labels:
        rungs = _codes(rung_labels(runs, law), spec.labels["rung"])
    previous, gap = neighbours(runs, spec.order) if spec.serial else (None, None)
    inputs: dict[str, Any] = {k: runs.column(k, law.inputs[k].default) for k in law.inputs}
    if law.scheduled:
        inputs["schedule"] = histories(spec, frame["schedule"], inputs["step"])
    response = frame["response"].to_numpy()
    seen = ~np.isnan(response)
    centred = law.centre(inputs, spec.references)
    logs = {**spec.discrepancy_sd, "settling": spec.settling_prior}
    return Data(
        inputs=jax.tree.map(jnp.asarray, centred),
        # a harmless number where a run of a chain has no metric: one item out of one, of counts
        response=jnp.asarray(
            np.where(seen, response, 1.0 if runs.counted else np.nanmedian(response))
        ),
        levels={g: jnp.asarray(_codes(frame[g].tolist(), spec.labels[g])) for g in groups},
        rung=jnp.asarray(rungs),
        se=jnp.asarray(frame["se"].to_numpy()) if "se" in frame else None,
        prior_loc={k: jnp.asarray(v) for k, v in spec.prior_loc.items()}
        | {k: jnp.log(median) for k, (median, _) in logs.items()},
        prior_sd={k: jnp.asarray(v) for k, v in spec.prior_sd.items()}
        | {k: jnp.asarray(sd) for k, (_, sd) in logs.items()}
        | {k: jnp.asarray(sd) for k, sd in _group_sds(spec, law).items()},
        scale=jnp.asarray(spec.scale),
        bound=None if spec.bound is None else jnp.asarray(spec.bound),
        diverged=None if spec.bound is None else jnp.asarray(np.flatnonzero(runs.diverged)),
        untuned=jnp.asarray(frame["untuned"].to_numpy()) if spec.untuned else None,
        previous=None if previous is None else jnp.asarray(previous),
        lag=None if gap is None else jnp.asarray(gap / spec.lag),
        trials=_trials(runs, seen),
        seen=None if seen.all() else jnp.asarray(seen),
        losses=_losses(spec, law, runs) if law.link else None,
        item=jnp.asarray(_codes(frame["item"].tolist(), spec.items)) if spec.items else None,
        copies=_shares(spec, frame, groups, kept),
        scale_decades=jnp.asarray(spec.walks[0].place(centred)) if spec.settling else None,
        departures={w.name: jnp.asarray(w.basis(centred)) for w in spec.walks} or None,
    )


def _group_sds(spec: Spec, law: Law) -> dict[str, float]:
    """Scales of the priors of group sds, by site."""
    partial = [(p, c) for p, own in spec.pool.items() for c, how in own.items() if how == "partial"]
    return {
        f"{p}_sd_{c}": spec.group_sd.get(f"{p}_sd_{c}", law.parameters[p].group_sd)
        for p, c in partial
    }


def _shares(
    spec: Spec, frame: pd.DataFrame, groups: list[str], kept: Bool[np.ndarray, " runs"] | None
) -> Float[Array, " runs"] | None:
    """Power of each row's likelihood, where the evidence of a group is capped."""
    if spec.effective_runs is None:
        return None if kept is None else jnp.asarray(kept.astype(float))
    seen = frame.assign(seen=1.0 if kept is None else kept.astype(float))
    count = seen.groupby(groups)["seen"].transform("sum") if groups else seen["seen"].sum()
    capped = np.minimum(1.0, spec.effective_runs / np.maximum(count, 1.0))
    return jnp.asarray(seen["seen"].to_numpy() * np.broadcast_to(capped, len(frame)))


def _trials(runs: Runs, seen: Bool[np.ndarray, " runs"]) -> Float[Array, " runs"] | None:
    if not runs.counted:
        return None
    return jnp.asarray(np.where(seen, runs.frame["trials"].to_numpy(), 1.0))


def _losses(spec: Spec, law: Law, runs: Runs) -> Losses:
    """Losses of a chain: one that several rows of a run repeat is one measurement."""
    assert law.link is not None
    frame = runs.frame
    known = np.flatnonzero(frame["through"].notna())
    moving = [
        g
        for g in runs.groups
        if any(spec.pool[p][g] != "complete" for p in law.link.first.parameters)
    ]
    same = [*law.link.first.inputs, *moving, *(c for c in ("run", "seed") if c in frame), "through"]
    first = frame.iloc[known].groupby(same, dropna=False, sort=False).ngroup().to_numpy()
    of = np.full(len(frame), -1)
    of[known] = first
    row = known[np.unique(first, return_index=True)[1]]
    se = frame["through_se"].to_numpy()[row] if "through_se" in frame else None
    return Losses(
        value=jnp.asarray(frame["through"].to_numpy()[row]),
        se=None if se is None else jnp.asarray(se),
        row=jnp.asarray(row),
        of=jnp.asarray(of),
        unknown=jnp.asarray(np.flatnonzero(of < 0)),
    )


def _codes(values: list[str], labels: list[str]) -> Float[np.ndarray, " runs"]:
    position = {label: i for i, label in enumerate(labels)}
    return np.array([position[v] for v in values], dtype=np.int64)
