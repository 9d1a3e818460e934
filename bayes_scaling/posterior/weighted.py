"""Several models of one table, weighted: fitted one by one, and put together as one fit."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import xarray as xr

from bayes_scaling.errors import UsageError
from bayes_scaling.jax_setup import DeviceName
from bayes_scaling.law import Law
from bayes_scaling.law.mixed import mixed
from bayes_scaling.runs import Runs

from .combine import combine, shares
from .fit import Fit
from .model import ScalingModel


class WeightedModel:
    """Models of different laws with weights, which is fitted like one.

    Parameters
    ----------
    models : sequence of ScalingModel
        Of laws with the same inputs.
    weights : sequence of float
        Probability of each; need not sum to one.

    Raises
    ------
    UsageError
        If the laws cannot be weighted against each other.
    """

    def __init__(self, models: Sequence[ScalingModel], weights: Sequence[float]):
        share = shares(len(models), weights)
        self.models = tuple(m for m, w in zip(models, share, strict=True) if w > 0)
        self.weights = tuple(float(w) for w in share if w > 0)
        if len(self.models) < 2:
            raise UsageError("one law needs no weights: fit it as a ScalingModel")
        self.law: Law = mixed(*(m.law for m in self.models))

    def prior_predictive(self, runs: Runs, *, draws: int = 1000, seed: int = 0) -> xr.Dataset:
        """Draw responses from the prior, each law its share of them.

        Returns
        -------
        Dataset
            ``response`` with dimensions draw and run.
        """
        edges = np.round(np.cumsum((0.0, *self.weights)) * draws).astype(int)
        parts = [
            model.prior_predictive(runs, draws=int(count), seed=seed)[["response"]]
            for model, count in zip(self.models, np.diff(edges), strict=True)
            if count
        ]
        return xr.concat(parts, dim="draw").assign_coords(draw=range(draws))

    def fit(
        self,
        runs: Runs,
        *,
        seed: int = 0,
        chains: int = 4,
        draws: int = 1000,
        warmup: int = 500,
        target_accept: float = 0.9,
        integrate: bool = False,
        device: DeviceName = "auto",
        report: Callable[[str], None] | None = None,
    ) -> Fit:
        """Sample the posterior of every law, and put them together by their weights.

        Parameters and errors are those of `ScalingModel.fit`.
        """
        say = report or (lambda _: None)
        fits = []
        for model in self.models:

            def of_law(text: str, name: str = model.law.name) -> None:
                say(f"{name}: {text}")

            fits.append(
                model.fit(
                    runs,
                    seed=seed,
                    chains=chains,
                    draws=draws,
                    warmup=warmup,
                    target_accept=target_accept,
                    integrate=integrate,
                    device=device,
                    report=of_law,
                )
            )
        return combine(fits, self.weights, seed=seed)


type Model = ScalingModel | WeightedModel


def parts_of(model: Model) -> tuple[ScalingModel, ...]:
    """Return the models of one law each that a model consists of."""
    return model.models if isinstance(model, WeightedModel) else (model,)
