"""A weighted set of fits as one: each joint draw follows one law, for all points and recipes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import xarray as xr

from bayes_scaling.errors import UsageError
from bayes_scaling.law.mixed import INDEX, mixed, own_name
from bayes_scaling.program import Spec
from bayes_scaling.program.structure import Pooling

from .fit import Fit
from .pointwise import UNREAD

DATA = ("observed_data", "constant_data", UNREAD)
SAME = ("labels", "references", "ranges", "noise", "scale", "serial", "untuned", "bound", "walks")


def combine(fits: Sequence[Fit], weights: Sequence[float], *, seed: int = 0) -> Fit:
    """Put fits of several laws to one table together, each with its share of the draws.

    The fit that comes back answers like any other. Its law is a mixed one, whose parameters
    have the names of their laws before them (``chinchilla.alpha``); `law_index` says which law a
    draw follows. That is one law for all points and all recipes, so that curves stay continuous
    and differences paired.

    Parameters
    ----------
    fits : sequence of Fit
        Of different laws with the same inputs, to the same runs, with as many draws.
    weights : sequence of float
        Probability of each law; need not sum to one.
    seed : int
        Of the choice of draws.

    Returns
    -------
    Fit

    Raises
    ------
    UsageError
        If the fits differ in more than their law, or weights are not probabilities.
    """
    share = shares(len(fits), weights)
    kept = [i for i, w in enumerate(share) if w > 0]
    fits, share = [fits[i] for i in kept], share[kept]
    if len(fits) == 1:
        return fits[0]
    _check(fits)
    first = fits[0]
    law = mixed(*(fit.law for fit in fits))
    sizes = first.posterior.sizes
    index = _indices(share, (sizes["chain"], sizes["draw"]), seed)
    places = {k: first.posterior[k] for k in ("chain", "draw")}
    which = xr.DataArray(index, dims=("chain", "draw"), coords=places)
    own: dict[str, xr.DataArray] = {}
    common: dict[str, xr.DataArray] = {}
    for fit in fits:
        names = _own_names(fit)
        own |= {names[k]: v for k, v in fit.posterior.items() if k in names}
    shared = [str(k) for k in first.posterior if all(_is_common(f, k) for f in fits)]
    for name in shared:
        common[name] = _select(which, [fit.posterior[name] for fit in fits])
    floors = [fit.posterior["E"] for fit in fits if "E" in fit.posterior]
    if len(floors) == len(fits):
        common["E"] = _select(which, floors)
    posterior = xr.Dataset({INDEX: which.astype(float), **own, **common})
    stats = [fit.tree["sample_stats"].to_dataset() for fit in fits]
    kept_stats = {k: _select(which, [s[k] for s in stats]) for k in stats[0]}
    tree = xr.DataTree.from_dict(
        {
            "posterior": posterior,
            "sample_stats": xr.Dataset(kept_stats, attrs=stats[0].attrs),
            **{k: first.tree[k].to_dataset() for k in DATA if k in first.tree},
        }
    )
    seconds = {k: sum(f.record.seconds[k] for f in fits) for k in first.record.seconds}
    record = replace(first.record, law_source="", law_sha256="", seconds=seconds)
    return Fit(law, _spec(fits, law.name), record, first.settings, tree)


def shares(count: int, weights: Sequence[float]) -> np.ndarray:
    """Weights that sum to one.

    Raises
    ------
    UsageError
        If they are not one number a law, none negative and not all zero.
    """
    share = np.asarray(weights, dtype=float)
    if share.shape != (count,) or not (share >= 0).all() or not share.sum() > 0:
        raise UsageError(
            f"weights are one number a law, none negative and not all zero: {count} laws came "
            f"with {list(map(float, np.ravel(share)))}"
        )
    return share / share.sum()


def _check(fits: Sequence[Fit]) -> None:
    first = fits[0]
    for fit in fits[1:]:
        differ = [k for k in SAME if getattr(fit.spec, k) != getattr(first.spec, k)]
        if not _same_runs(fit, first):
            differ.append("runs")
        if fit.structure.rungs != first.structure.rungs:
            differ.append("rung effects")
        if fit.posterior.sizes["draw"] != first.posterior.sizes["draw"]:
            differ.append("draws")
        if fit.posterior.sizes["chain"] != first.posterior.sizes["chain"]:
            differ.append("chains")
        if differ:
            raise UsageError(
                f"fits of {first.law.name} and {fit.law.name} differ in {', '.join(differ)}: only "
                f"fits of the same runs, with the same options, are weighted against each other"
            )


def _same_runs(one: Fit, other: Fit) -> bool:
    """Whether both have the same responses of the same runs."""
    first, second = (fit.tree["observed_data"].to_dataset() for fit in (one, other))
    return first.equals(second)


def _indices(share: np.ndarray, shape: tuple[int, int], seed: int) -> np.ndarray:
    """Law of each draw: each has its share as exactly as whole draws allow, in random places."""
    edges = np.round(np.cumsum(share) * np.prod(shape))
    order = np.random.default_rng(seed).permutation(int(np.prod(shape)))
    return np.searchsorted(edges, order, side="right").reshape(shape)


def _select(which: xr.DataArray, values: Sequence[xr.DataArray]) -> xr.DataArray:
    found = values[0]
    for i, value in enumerate(values[1:], start=1):
        found = xr.where(which == i, value, found)
    return found.transpose("chain", "draw", ...)


def _own_names(fit: Fit) -> dict[str, str]:
    """Names in the combined posterior of a fit's parameters, centres, effects and their sds."""
    found = {}
    for name, site in fit.structure.sites().items():
        if site.parameter in fit.law.parameters:
            found[name] = own_name(fit.law, name)
    return found | {p: own_name(fit.law, p) for p in fit.law.parameters}


def _is_common(fit: Fit, name: Any) -> bool:
    sites = fit.structure.sites()
    return name in sites and sites[name].parameter not in fit.law.parameters


def _spec(fits: Sequence[Fit], name: str) -> Spec:
    def gathered(key: str) -> dict[str, Any]:
        return {own_name(f.law, p): v for f in fits for p, v in getattr(f.spec, key).items()}

    first = fits[0].spec
    complete: dict[str, Pooling] = dict.fromkeys(fits[0].groups, "complete")
    return replace(
        first,
        law=name,
        pool={INDEX: complete, **gathered("pool")},
        prior_loc={INDEX: 0.0, **gathered("prior_loc")},
        prior_sd={INDEX: 1e3, **gathered("prior_sd")},
        prior_text={INDEX: "weights of the laws", **gathered("prior_text")},
        group_sd=gathered("group_sd"),
    )
