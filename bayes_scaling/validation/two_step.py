"""The two-step fit in use today, to compare a chain with: loss from scale, metric from loss.

Both steps are least squares, each group by itself, and the intervals come from a bootstrap
over runs. The second step takes the predicted loss as if it were known, as usual.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jax import Array
from jaxtyping import Float

from bayes_scaling.errors import UsageError
from bayes_scaling.law import Law
from bayes_scaling.law.priors import LINKS, ResponseScale
from bayes_scaling.program.build import references
from bayes_scaling.runs import Runs

STARTS = 24
Residuals = Callable[[Array], Array]


def two_step(
    law: Law,
    runs: Runs,
    points: pd.DataFrame,
    *,
    bootstraps: int = 200,
    level: float = 0.9,
    seed: int = 0,
) -> pd.DataFrame:
    """Forecast a metric as is usual today: point fits of both laws and a bootstrap over runs.

    Parameters
    ----------
    law : Law
        A chain; runs that lack the loss or the metric are left out, as is usual.
    runs : Runs
    points : DataFrame
        Inputs and grouping columns; every group must have been fitted.
    bootstraps : int
    level : float
        Of the interval.
    seed : int

    Returns
    -------
    DataFrame
        The points, with ``low``, ``mid`` and ``high``.

    Raises
    ------
    UsageError
        If the law is no chain, or a point has a group that was not fitted.
    """
    if law.link is None:
        raise UsageError(f"two_step compares chains such as chinchilla+error_decay, not {law.name}")
    frame = runs.frame.dropna(subset=["response", "through"])
    if runs.counted:
        frame = frame.assign(response=frame["response"] / frame["trials"])
    for name, declared in law.inputs.items():
        if name not in frame and declared.default is not None:
            frame, points = (t.assign(**{name: declared.default}) for t in (frame, points))
    rng = np.random.default_rng(seed)
    answers = []
    keys = list(runs.groups)
    parts = points.groupby(keys) if keys else [((), points)]
    for key, wanted in parts:
        own = frame
        for name, label in zip(keys, key, strict=True):
            own = own[own[name] == label]
        if own.empty:
            raise UsageError(f"no fitted run of {', '.join(map(str, key))}: two_step cannot pool")
        known = [k for k, v in law.inputs.items() if v.default is not None and k not in wanted]
        wanted = wanted.assign(**{k: own[k].median() for k in known})
        answers.append(_group(law, own, wanted, bootstraps, level, rng))
    return pd.concat(answers).loc[points.index]


def _group(
    law: Law,
    frame: pd.DataFrame,
    points: pd.DataFrame,
    bootstraps: int,
    level: float,
    rng: np.random.Generator,
) -> pd.DataFrame:
    link = law.link
    assert link is not None
    metric = frame.assign(**{link.input: frame["through"]})
    first = _Curve(link.first, frame, frame["through"].to_numpy(), on_log=True)
    second = _Curve(link.second, metric, frame["response"].to_numpy(), on_log=False)
    even = np.ones(len(frame))
    best = first.fit(even, first.starts(rng)), second.fit(even, second.starts(rng))

    def predict(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        loss = first.mean(a, points)
        return second.mean(b, points.assign(**{link.input: loss}))

    drawn = []
    for _ in range(bootstraps):
        weights = np.bincount(rng.integers(0, len(frame), len(frame)), minlength=len(frame))
        a = first.fit(weights, [best[0]])
        b = second.fit(weights, [best[1]])
        drawn.append(predict(a, b))
    low, high = np.nanquantile(drawn, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return points.assign(low=low, mid=predict(*best), high=high)


class _Curve:
    """A law fitted by least squares in the unconstrained scale of its parameters."""

    def __init__(self, law: Law, frame: pd.DataFrame, response: np.ndarray, *, on_log: bool):
        self.law = law
        inputs = {k: frame[k].to_numpy(dtype=float) for k in law.inputs}
        self.references = references(law, inputs)
        self.inputs = law.centre(inputs, self.references)
        scale = ResponseScale.of(response)
        resolved = [p.prior.resolve(scale, name) for name, p in law.parameters.items()]
        self.loc, self.sd = (np.array(part) for part in zip(*resolved, strict=True))
        goal = np.log(response) if on_log else response

        def residuals(z: Array) -> Array:
            mean = jnp.broadcast_to(law.mean(self.inputs, self._values(z)), goal.shape)
            return (jnp.log(mean) if on_log else mean) - goal

        self.residuals = jax.jit(residuals)
        self.jacobian = jax.jit(jax.jacfwd(residuals))

    def _values(self, z: Array) -> dict[str, Array]:
        items = self.law.parameters.items()
        return {k: LINKS[p.prior.link].to_support(z[i]) for i, (k, p) in enumerate(items)}

    def starts(self, rng: np.random.Generator) -> list[Float[np.ndarray, " p"]]:
        return [self.loc, *(rng.normal(self.loc, self.sd) for _ in range(STARTS - 1))]

    def fit(self, weights: np.ndarray, starts: list[np.ndarray]) -> Float[np.ndarray, " p"]:
        from scipy.optimize import least_squares

        root = np.sqrt(weights)
        # far outside any prior: only flat directions get there
        bounds = (self.loc - 12 * self.sd, self.loc + 12 * self.sd)

        def one(start: np.ndarray):  # type: ignore[no-untyped-def]
            return least_squares(
                lambda z: np.nan_to_num(root * np.asarray(self.residuals(z)), nan=1e3),
                np.clip(start, *bounds),
                jac=lambda z: np.nan_to_num(root[:, None] * np.asarray(self.jacobian(z))),
                bounds=bounds,
                x_scale=self.sd,
                xtol=1e-10,
                ftol=1e-12,
                gtol=1e-12,
            )

        return min((one(s) for s in starts), key=lambda f: f.cost).x

    def mean(self, z: np.ndarray, points: pd.DataFrame) -> np.ndarray:
        inputs = {k: points[k].to_numpy(dtype=float) for k in self.law.inputs}
        centred = self.law.centre(inputs, self.references)
        return np.broadcast_to(np.asarray(self.law.mean(centred, self._values(jnp.asarray(z)))),
                               (len(points),))  # fmt: skip
