"""Priors: a normal distribution on the unconstrained scale of a parameter.

Keeping every prior normal on one unconstrained scale makes partial pooling the
same for each parameter (group values are normal around a centre there) and
gives the prior's spread, hence the contraction check, in closed form.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

import jax.numpy as jnp
import numpy as np
import numpyro
from jax.scipy.special import expit, logit
from jaxtyping import Float
from numpyro.distributions import constraints, transforms

from bayes_scaling.errors import UsageError

# arviz-base leaves a lazy numpyro behind, through which submodules are lost: load it whole
numpyro.__version__  # noqa: B018

Statistic = Literal["median", "smallest", "spread"]


class ResponseScale(NamedTuple):
    """What priors may know of the fitted responses: three numbers, never the rows.

    Computed from the fitted rows only, stored with the model and then frozen.
    """

    median: float
    smallest: float
    spread: float

    @classmethod
    def of(cls, response: Float[np.ndarray, " runs"]) -> ResponseScale:
        """Measure the fitted responses (shape ``(runs,)``)."""
        low, high = float(np.min(response)), float(np.max(response))
        spread = high - low or max(abs(high), 1.0) * 0.1
        return cls(float(np.median(response)), low, spread)


class Link(NamedTuple):
    """A bijection from the real line to the support of a parameter."""

    to_support: Callable[[Any], Any]
    to_real: Callable[[Any], Any]
    transform: transforms.Transform
    support: constraints.Constraint


LINKS: dict[str, Link] = {
    "identity": Link(lambda z: z, lambda v: v, transforms.IdentityTransform(), constraints.real),
    "log": Link(jnp.exp, jnp.log, transforms.ExpTransform(), constraints.positive),
    "logit": Link(expit, logit, transforms.SigmoidTransform(), constraints.unit_interval),
}


@dataclass(frozen=True)
class Prior:
    """A normal prior on the unconstrained scale; make one with the functions below.

    Attributes
    ----------
    link : {"log", "logit", "identity"}
        From the real line to the parameter's support.
    loc, sd : float
        Mean and standard deviation before scaling, on the unconstrained scale
        (for ``"identity"`` on the natural scale, in units of `scale`).
    scale : {"median", "smallest", "spread"}, optional
        Statistic of the fitted responses that multiplies the parameter.
    origin : {"median", "smallest"}, optional
        Statistic that is added (``"identity"`` only).
    """

    link: Literal["log", "logit", "identity"]
    loc: float
    sd: float
    scale: Statistic | None = None
    origin: Statistic | None = None

    def resolve(self, response: ResponseScale, name: str = "the parameter") -> tuple[float, float]:
        """Return mean and standard deviation on the unconstrained scale.

        Raises
        ------
        UsageError
            If a positive parameter is scaled by a statistic that is not positive.
        """
        unit = getattr(response, self.scale) if self.scale else 1.0
        origin = getattr(response, self.origin) if self.origin else 0.0
        if self.link == "identity":
            return origin + self.loc * unit, self.sd * unit
        if self.link == "log":
            if unit <= 0:
                raise UsageError(
                    f"the prior of {name} is scaled by the {self.scale} response, which is "
                    f"{unit:.4g}, but {name} is positive; give a prior on the whole line, "
                    f"for example priors={{'{name}': bs.Normal(0, 1, scale='spread', "
                    f"origin='median')}}"
                )
            return self.loc + math.log(unit), self.sd
        return self.loc, self.sd

    def moved(self, loc: float, sd: float) -> Prior:
        """Prior on the same support with another mean and sd on the unconstrained scale."""
        return replace(self, loc=loc, sd=sd)

    def __str__(self) -> str:
        unit = f" x {self.scale} response" if self.scale else ""
        if self.link == "log":
            return f"LogNormal(median {math.exp(self.loc):.3g}{unit}, sd of log {self.sd:g})"
        if self.link == "logit":
            median = 1 / (1 + math.exp(-self.loc))
            return f"LogitNormal(median {median:.3g}, sd of logit {self.sd:g})"
        origin = f"{self.origin} response + " if self.origin else ""
        return f"Normal({origin}{self.loc:g}{unit}, sd {self.sd:g}{unit})"


def LogNormal(median: float, sigma: float, scale: Statistic | None = None) -> Prior:
    """Prior of a positive parameter.

    Parameters
    ----------
    median : float
        Median, in units of `scale`.
    sigma : float
        Standard deviation of the logarithm.
    scale : {"median", "smallest", "spread"}, optional
        Statistic of the fitted responses that the median is a multiple of.
    """
    if median <= 0 or sigma <= 0:
        raise UsageError(f"LogNormal needs positive median and sigma, got {median} and {sigma}")
    return Prior("log", math.log(median), sigma, scale)


def LogitNormal(median: float, sigma: float) -> Prior:
    """Prior of a fraction: its logit is normal with standard deviation `sigma`."""
    if not 0 < median < 1 or sigma <= 0:
        raise UsageError(
            f"LogitNormal needs a median between 0 and 1 and a positive sigma, "
            f"got {median} and {sigma}"
        )
    return Prior("logit", math.log(median / (1 - median)), sigma)


def Normal(
    mean: float, sd: float, scale: Statistic | None = None, origin: Statistic | None = None
) -> Prior:
    """Prior of a real parameter: ``origin + mean * scale``, sd ``sd * scale``."""
    if sd <= 0:
        raise UsageError(f"Normal needs a positive sd, got {sd}")
    return Prior("identity", mean, sd, scale, origin)
