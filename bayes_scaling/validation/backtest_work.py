"""The work of a backtest: which folds are fitted together, their fits, and what they forecast."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float

from bayes_scaling.answers.forecast import ForecastKind, draw_responses
from bayes_scaling.answers.points import BESIDE, read_points
from bayes_scaling.law import Law
from bayes_scaling.posterior.batch import batches as alike
from bayes_scaling.posterior.batch import fit_folds, tied, whole_labels
from bayes_scaling.posterior.fit import Fit
from bayes_scaling.posterior.health import Health, longer, options_of
from bayes_scaling.posterior.many import made
from bayes_scaling.posterior.model import ScalingModel
from bayes_scaling.posterior.nuts import Settings
from bayes_scaling.posterior.parallel import seed_of
from bayes_scaling.posterior.weighted import Model, parts_of
from bayes_scaling.program import Structure
from bayes_scaling.runs import Runs

from .folds import Fold

type Programs = tuple[Structure, ...]

SETTINGS = Settings(chains=4, draws=250, warmup=300, window=50)  # of a fold
PADDED = 8  # scored rows are padded to powers of two from here on, so that programs are shared


class Answer(NamedTuple):
    """What the fit of one fold forecasts.

    Attributes
    ----------
    draws : (point, sample) array
        Of the scored runs, in the unit of the response.
    health : Health
    before : Health or None
        Of the first fit, where the fold was fitted again.
    seconds : float
        That its fits took.
    """

    draws: Float[np.ndarray, "point sample"]
    health: Health
    before: Health | None
    seconds: float


@dataclass(frozen=True, eq=False)
class Batch:
    """Folds of one model and table that are fitted as one program.

    Attributes
    ----------
    table, model : str
    numbers : tuple of int
        Of the folds, in the list of all folds of the table.
    width : int
        How many the program holds: the last one is repeated.
    """

    table: str
    model: str
    numbers: tuple[int, ...]
    width: int


def laws_of(model: Model) -> list[Law]:
    """Laws of the parts of a model."""
    return [part.law for part in parts_of(model)]


def programs_of(model: Model, runs: Runs, fold: Fold) -> Programs:
    """Return what of a fold is compiled.

    Raises
    ------
    TableError
        If the fitted runs lack what a law needs.
    """
    own = runs.select(fold.fitted)
    return tuple(
        whole_labels(part.spec(own), part, runs).structure(part.law) for part in parts_of(model)
    )


def batches(table: str, model: str, programs: Mapping[int, Programs]) -> Iterator[Batch]:
    """Folds of one structure, a few at a time: only these share a compiled program.

    Parameters
    ----------
    table, model : str
    programs : mapping of int to tuple of Structure
        By number of the fold.
    """
    numbers = list(programs)
    for _, places in alike(list(programs.values())):
        own = tuple(numbers[i] for i in dict.fromkeys(places))
        yield Batch(table, model, own, len(places))


def work(
    model: Model,
    runs: Runs,
    numbered: Mapping[int, Fold],
    width: int,
    kind: ForecastKind,
    settings: Settings,
    seed: int,
) -> list[Answer]:
    """Fit some folds of one table together and forecast what each leaves out.

    Parameters
    ----------
    model : ScalingModel or WeightedModel
    runs : Runs
    numbered : mapping of int to Fold
        By their number among all folds, which is part of their seed.
    width : int
        How many the program holds.
    kind : {"new-run", "mean"}
    settings : Settings
    seed : int
    """
    own = seed_of(seed, next(iter(numbered)))
    folds = list(numbered.values())
    by_law = [fit_together(part, runs, folds, width, settings, own) for part in parts_of(model)]
    found = []
    for (number, fold), *fits in zip(numbered.items(), *by_law, strict=True):

        def again(number: int = number, fold: Fold = fold) -> list[Fit]:
            more = options_of(longer(settings)) | {"seed": seed_of(seed, number, 1)}
            return [part.fit(runs.select(fold.fitted), **more) for part in parts_of(model)]

        one = made(model, fits, again, settings.draws, seed_of(seed, number, 2))
        draws = forecast_scored(one.fit, runs, fold, kind, np.random.default_rng([seed, number]))
        found.append(Answer(draws, one.health, one.before, one.seconds))
    return found


def fit_together(
    part: ScalingModel,
    runs: Runs,
    folds: Sequence[Fold],
    width: int,
    settings: Settings,
    seed: int,
) -> list[Fit]:
    """Fit folds as one program, or one by one where rows of the table count together."""
    if tied(part, runs):
        return [
            part.fit(runs.select(fold.fitted), seed=seed_of(seed, i), **options_of(settings))
            for i, fold in enumerate(folds)
        ]
    masks = [fold.fitted for fold in folds]
    masks += [masks[-1]] * (width - len(masks))
    return fit_folds(part, runs, masks, seed=seed, settings=settings)[: len(folds)]


def forecast_scored(
    fit: Fit, runs: Runs, fold: Fold, kind: ForecastKind, rng: np.random.Generator
) -> Float[np.ndarray, "point sample"]:
    """Joint draws of the scored runs of a fold."""
    points = points_of(fit, runs)[fold.scored]
    count = len(points)
    if not runs.curves:  # one shape for many folds; rows of a run would depend on the padding
        full = max(PADDED, 1 << (count - 1).bit_length())
        points = points.iloc[[*range(count), *[count - 1] * (full - count)]]
    table = read_points(fit, points.reset_index(drop=True))
    return draw_responses(fit, table, kind, "response", rng)[:, :count].T


def points_of(fit: Fit, runs: Runs) -> pd.DataFrame:
    """All runs as points that a fit can forecast: inputs of other laws are left out."""
    points = runs.points()
    beside = {"observed"} if fit.structure.noise.counted else {"observed", "trials"}
    known = {*fit.law.inputs, *fit.groups, *BESIDE} - beside
    return points[[c for c in points.columns if c in known]]
