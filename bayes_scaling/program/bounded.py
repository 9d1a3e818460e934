"""Likelihoods of responses between 0 and 1: counts, pass rates of problems, scores, grades.

All work on the logit of the law's mean, where rung effects are added.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from jax import Array
from jax.nn import log_sigmoid
from jax.scipy.special import betaln, expit, gammaln, logit, xlog1py, xlogy
from jaxtyping import Float

CONCENTRATION_MEDIAN, CONCENTRATION_SD = 200.0, 1.5  # of a beta distribution; sd of the logarithm
SHARE_MEDIAN = 50.0  # the same for scores without counts
GAP_MEDIAN, GAP_SD = 1.0, 0.7  # logits between grades; sd of the logarithm
LOGIT_UNIT = 10.0  # a hundredth on the log is as common as a tenth on the logit
_EDGE = 1e-12  # no mean is so sure that its logit is infinite
NEAREST = 1e-9  # scores closer than this to 0 or 1 are kept as this far from it
MOST_COUNTED = 1e15  # failures beyond which their own chance no longer matters
_FURTHEST = 3.0  # logits that one run may pull in the normal approximation

Values = Mapping[str, Any]
Trials = Any  # an array, or None where nothing is counted


@dataclass(frozen=True)
class BoundedNoise:
    """A likelihood of a response between 0 and 1.

    Attributes
    ----------
    name : str
        ``binomial`` and ``beta-binomial``: items right out of `trials`;
        ``negative-binomial``: samples that `trials` passes took; ``population``: passes of
        one problem out of `trials`, of problems that differ as the law's shape says;
        ``beta``: scores; ``ordered-K``: grades from 0 to K.
    """

    name: str

    bounded: ClassVar[bool] = True
    on_log: ClassVar[bool] = False
    robust: ClassVar[bool] = False
    side: ClassVar[int] = 0

    @property
    def counted(self) -> bool:
        """Whether each response comes with a number of trials."""
        return self.name in ("binomial", "beta-binomial", "negative-binomial", "population")

    @cached_property
    def grades(self) -> int:
        """The best grade, of ordered scores; 0 for others."""
        return int(self.name.split("-")[1]) if self.name.startswith("ordered") else 0

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the scalars that it needs."""
        if self.name in ("beta-binomial", "beta"):
            return ("concentration",)
        return tuple(f"gap_{j}" for j in range(1, self.grades))

    def sample_scalars(self, names: tuple[str, ...]) -> dict[str, Array]:
        """Sample scalars of the likelihood inside a NumPyro program."""
        priors = {name: dist.LogNormal(*self.prior(name)) for name in names}
        return {name: numpyro.sample(name, prior) for name, prior in priors.items()}

    def prior(self, name: str) -> tuple[float, float]:
        """Prior mean and sd of the logarithm of a scalar."""
        if name.startswith("gap"):
            return math.log(GAP_MEDIAN), GAP_SD
        median = SHARE_MEDIAN if self.name == "beta" else CONCENTRATION_MEDIAN
        return math.log(median), CONCENTRATION_SD

    def to_scale(self, mean: Float[Array, "*runs"]) -> Float[Array, "*runs"]:
        """Carry a chance to its logit."""
        return logit(jnp.clip(mean, _EDGE, 1.0 - _EDGE))

    def from_scale(self, centre: Float[Array, "*runs"]) -> Float[Array, "*runs"]:
        """Carry a logit back to the chance."""
        return expit(centre)

    def fraction(self, value: Any, trials: Any) -> Any:
        """Response as a fraction, whatever it counts."""
        if self.grades:
            return value / self.grades
        if self.name == "negative-binomial":
            return trials / value
        return value / trials if self.counted else value

    def value(self, fraction: Any, trials: Any) -> Any:
        """Response of a fraction; the inverse of `fraction`."""
        if self.grades:
            return np.rint(fraction * self.grades)
        if self.name == "negative-binomial":
            return np.rint(trials / fraction)
        return np.rint(fraction * trials) if self.counted else fraction

    def guess(self, value: Float[Array, " runs"], trials: Trials) -> Float[Array, " runs"]:
        """Logit that a response by itself suggests, where a search starts."""
        if self.grades:
            return logit((value + 0.5) / (self.grades + 1.0))
        if self.name == "negative-binomial":
            return logit(trials / (value + 0.5))
        return logit((value + 0.5) / (trials + 1.0)) if self.counted else logit(value)

    def log_prob(
        self,
        value: Float[Array, "*runs"],
        centre: Float[Array, "*runs"],
        trials: Trials,
        values: Values,
    ) -> Float[Array, "*runs"]:
        """Log probability (density, of scores) of responses given their logits."""
        if self.name == "binomial":
            return _choices(trials, value) + _binomial(value, trials, centre)
        if self.name == "beta-binomial":
            return _beta_binomial(value, trials, expit(centre), values["concentration"])
        if self.name == "population":
            return _population(value, trials, expit(centre), values)
        if self.name == "negative-binomial":
            return _choices(value - 1.0, trials - 1.0) + _binomial(trials, value, centre)
        if self.name == "beta":
            return _beta(value, expit(centre), values["concentration"])
        return self._grade_log_prob(value, centre, values)

    def information(
        self,
        centre: Float[Array, "*runs"],
        trials: Trials,
        values: Values,
    ) -> Float[Array, "*runs"]:
        """Fisher information of responses on their logit, or close to it."""
        p = expit(centre)
        spread = p * (1.0 - p)
        if self.grades:
            return jnp.full_like(p, 0.25)
        if self.name == "negative-binomial":
            return jnp.maximum(trials * (1.0 - p), 1e-6)
        if self.name == "beta":
            return spread * (1.0 + values["concentration"])
        if self.name == "binomial":
            return trials * spread
        return trials * spread / (1.0 + (trials - 1.0) / (1.0 + values["concentration"]))

    def working(
        self,
        value: Float[Array, " runs"],
        centre: Float[Array, " runs"],
        trials: Trials,
        values: Values,
    ) -> tuple[Float[Array, " runs"], Float[Array, " runs"]]:
        """Weights and observed logits of the normal approximation at `centre`."""
        score = jax.grad(lambda c: self.log_prob(value, c, trials, values).sum())(centre)
        weight = self.information(centre, trials, values) + 1e-9
        return weight, centre + jnp.clip(score / weight, -_FURTHEST, _FURTHEST)

    def sample(
        self,
        key: Array,
        centre: Float[Array, " runs"],
        trials: Trials,
        values: Values,
    ) -> Float[Array, " runs"]:
        """Draw responses inside a NumPyro program."""
        key_rate, key_count = jax.random.split(key)
        p = expit(centre)
        if self.grades:
            above = centre[..., None] - self.cuts(values)
            return (jax.random.logistic(key_count, above.shape[:-1])[..., None] + above > 0).sum(-1)
        if self.name == "population":
            solvable = 1.0 - values["unsolvable"]
            key_rate, key_zero = jax.random.split(key_rate)
            a, b = _beta_shape(p / solvable, values["concentration"])
            p = jax.random.beta(key_rate, a, b) * jax.random.bernoulli(key_zero, solvable, p.shape)
        elif "concentration" in values:
            p = jax.random.beta(key_rate, *_beta_shape(p, values["concentration"]))
        if self.name == "beta":
            return jnp.clip(p, NEAREST, 1.0 - NEAREST)
        if self.name == "negative-binomial":
            rate = jax.random.gamma(key_rate, trials) * (1.0 - p) / p
            return trials + jax.random.poisson(key_count, rate)
        return jax.random.binomial(key_count, trials, p)

    def draw(
        self,
        rng: np.random.Generator,
        centre: Float[np.ndarray, "*runs"],
        trials: Trials,
        values: Mapping[str, Float[np.ndarray, "*#runs"]],
    ) -> Float[np.ndarray, "*runs"]:
        """Draw the fraction of one more run; without trials, of endless ones."""
        p = 1.0 / (1.0 + np.exp(-centre))
        if self.grades:
            above = centre[..., None] - np.asarray(self.cuts(values))
            return (rng.logistic(size=(*centre.shape, 1)) + above > 0).mean(-1)
        zero = np.broadcast_to(values.get("unsolvable", np.asarray(0.0)), p.shape)
        if "concentration" in values:
            a, b = _beta_shape(np.minimum(p / (1.0 - zero), 1 - 1e-12), values["concentration"])
            p = np.clip(rng.beta(np.maximum(a, 1e-300), np.maximum(b, 1e-300)), 1e-300, 1 - 1e-9)
        p = np.where(rng.uniform(size=p.shape) < zero, 0.0, p)
        if trials is None or not self.counted:
            return p
        planned = np.broadcast_to(trials, p.shape)
        count = np.where(np.isnan(planned), 1.0, planned)
        if self.name == "negative-binomial":
            # failures before the last pass, as numbers that may be too large for integers
            rate = rng.gamma(count) * (1.0 - p) / np.maximum(p, 1e-300)
            failures = np.where(
                rate < MOST_COUNTED, rng.poisson(np.minimum(rate, MOST_COUNTED)), rate
            )
            share = count / (count + failures)
        else:
            share = rng.binomial(count.astype(np.int64), p) / count
        return np.where(np.isnan(planned), p, share)

    def expected_grade(self, centre: Array, values: Values) -> Array:
        """Expected grade at a logit, as a share of the best one."""
        return expit(centre[..., None] - self.cuts(values)).mean(-1)

    def cuts(self, values: Values) -> Array:
        """Logits between grades, centred, in the last axis."""
        gaps = [jnp.asarray(values[name]) for name in self.parameters]
        places = jnp.cumsum(jnp.stack([jnp.zeros_like(gaps[0]), *gaps], -1), -1)
        return places - places.mean(-1, keepdims=True)

    def _grade_log_prob(self, value: Array, centre: Array, values: Values) -> Array:
        ends = jnp.pad(self.cuts(values), (1, 1), constant_values=(-jnp.inf, jnp.inf))
        grade = value.astype(int)
        low, high = ends[grade], ends[grade + 1]
        inner = jnp.where(jnp.isfinite(high) & jnp.isfinite(low), high - low, 1.0)
        # P(low < z < high) of a logistic z: a product of two tails and their distance
        lowest = jnp.where(jnp.isfinite(low), log_sigmoid(centre - jnp.where(
            jnp.isfinite(low), low, 0.0)), 0.0)  # fmt: skip
        highest = jnp.where(jnp.isfinite(high), log_sigmoid(jnp.where(
            jnp.isfinite(high), high, 0.0) - centre), 0.0)  # fmt: skip
        both = jnp.isfinite(low) & jnp.isfinite(high)
        return lowest + highest + jnp.where(both, jnp.log(-jnp.expm1(-inner)), 0.0)


def _beta_shape(mean: Any, concentration: Any) -> tuple[Any, Any]:
    return mean * concentration, (1.0 - mean) * concentration


def _beta(value: Any, mean: Array, concentration: Any) -> Array:
    a, b = _beta_shape(mean, concentration)
    density = xlogy(a - 1.0, value) + xlog1py(b - 1.0, -value) - betaln(a, b)
    # a score at the clip stands for all beyond it: the chance of that tail, to order NEAREST
    low = jnp.where(value <= NEAREST, jnp.log(NEAREST / a), 0.0)
    high = jnp.where(value >= 1.0 - NEAREST, jnp.log(NEAREST / b), 0.0)
    return density + low + high


def _choices(n: Any, k: Any) -> Array:
    return gammaln(n + 1.0) - gammaln(k + 1.0) - gammaln(n - k + 1.0)


def _binomial(passes: Any, trials: Any, centre: Array) -> Array:
    return passes * log_sigmoid(centre) + (trials - passes) * log_sigmoid(-centre)


def _beta_binomial(value: Any, trials: Any, mean: Array, concentration: Any) -> Array:
    a, b = _beta_shape(jnp.clip(mean, 1e-12, 1.0 - 1e-12), concentration)
    return _choices(trials, value) + betaln(value + a, trials - value + b) - betaln(a, b)


def _population(value: Any, trials: Any, mean: Array, values: Values) -> Array:
    zero = values["unsolvable"]
    seen = _beta_binomial(value, trials, mean / (1.0 - zero), values["concentration"])
    none = jnp.where(value == 0, jnp.log(jnp.maximum(zero, 1e-300)), -jnp.inf)
    return jnp.logaddexp(jnp.log1p(-zero) + seen, none)
