"""Which effects of groups can be integrated out exactly: those that the law is linear in."""

from __future__ import annotations

from collections.abc import Mapping

import jax.numpy as jnp
import numpy as np
from jax import Array

from bayes_scaling.errors import UsageError

from .noise import Noise
from .program import predict
from .structure import Data, Structure

POINTS = 3  # places at which linearity is looked at
ROUNDING = 1e-9  # of the size of the means


def integrable(structure: Structure, data: Data) -> tuple[str, ...]:
    """Return the sites of effects of one grouping column that means are linear in, given all else.

    The column is the one with the most such effects. Linear means on the scale of the noise and
    on the unconstrained scale of the parameter: with noise on the log, the level of a law.

    Raises
    ------
    UsageError
        If the noise is not normal, or there is no such effect.
    """
    reason = _not_normal(structure, data)
    if reason:
        raise UsageError(
            f"effects can be integrated out exactly where the noise is normal, and {reason}: leave "
            f'integrate away (--integrate), or use noise="lognormal" or "normal" (--noise)'
        )
    sites = structure.sites()
    found: dict[str, list[str]] = {}
    for name, site in sites.items():
        if site.kind == "effect":
            own = found.setdefault(site.dims[0], [])
            if _linear(structure, data, [*own, name]):
                own.append(name)
    best = max(found.values(), key=lambda own: sum(sites[k].shape[0] for k in own), default=[])
    if not best:
        raise UsageError(
            f"law {structure.law.name} is linear in no effect of a group, so that none can be "
            f"integrated out: leave integrate away (--integrate)"
        )
    return tuple(best)


def _not_normal(structure: Structure, data: Data) -> str:
    """Why the likelihood is not that of independent normal rows, or an empty text."""
    noise = structure.noise
    if not isinstance(noise, Noise) or noise.robust or noise.side:
        return f"the noise is {noise.name}"
    reasons = {
        "rows of one run are correlated": structure.serial,
        "some runs are untuned": structure.untuned,
        "some runs diverged": data.bound is not None,
        "losses and metrics are a chain": structure.loss_noise is not None,
        "the law adds noise of its own": structure.law.scatter is not None,
        "standard errors are of losses, and the noise of their logs": data.se is not None
        and noise.on_log,
    }
    return next((reason for reason, holds in reasons.items() if holds), "")


def _linear(structure: Structure, data: Data, names: list[str]) -> bool:
    """Whether means have no second differences along the effects, alone and together."""
    rng = np.random.default_rng(0)
    for _ in range(POINTS):
        at = {k: jnp.asarray(rng.normal(size=s.shape)) for k, s in structure.sites().items()}
        at |= {
            structure.centre_site(p): at[structure.centre_site(p)] * data.prior_sd[p]
            + data.prior_loc[p]
            for p in structure.law.parameters
        }
        here = predict(structure, data, at)
        steps = {k: predict(structure, data, _moved(at, k)) for k in names}
        size = 1.0 + float(jnp.max(jnp.abs(here)))
        for j, first in enumerate(names):
            for second in names[: j + 1]:
                both = predict(structure, data, _moved(_moved(at, first), second))
                bend = both - steps[first] - steps[second] + here
                if not float(jnp.max(jnp.abs(bend))) < ROUNDING * size:
                    return False
    return True


def _moved(free: Mapping[str, Array], name: str) -> dict[str, Array]:
    return {**free, name: free[name] + 1.0}
