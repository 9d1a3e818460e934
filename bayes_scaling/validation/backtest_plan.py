"""What a backtest sets out to do: models by name, folds that count, and the result of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Bool, Float
from numpy.typing import ArrayLike

from bayes_scaling.errors import Finding, TableError, UsageError
from bayes_scaling.law import Law
from bayes_scaling.posterior.health import listed
from bayes_scaling.posterior.model import ScalingModel
from bayes_scaling.posterior.nuts import Settings
from bayes_scaling.posterior.weighted import Model, WeightedModel, parts_of
from bayes_scaling.program.bounded import BoundedNoise
from bayes_scaling.program.noise import AnyNoise, Noise, noise_named
from bayes_scaling.program.rungs import rung_labels
from bayes_scaling.runs import Runs

from .backtest_work import Answer, Programs, laws_of, programs_of
from .backtested import Backtest
from .folds import Cost, Fold, Origins, cost_of, forward_folds

type Models = Law | Model | Sequence[Law | Model] | Mapping[str, Law | Model]

LEAST = {"chains": 2, "draws": 100, "warmup": 200}
TAKEN = ("fold", "run")  # columns beside the models in tables
REASONS = 3  # that an error names


def check_options(kind: str, settings: Settings) -> None:
    """Refuse options that are out of range.

    Raises
    ------
    UsageError
    """
    if kind not in ("mean", "new-run"):
        raise UsageError(f"kind is '{kind}'; it must be mean or new-run")
    for name, least in LEAST.items():
        if (value := getattr(settings, name)) < least:
            raise UsageError(f"{name} is {value}; it must be at least {least}")


def named_models(models: Models) -> dict[str, Model]:
    """Return models by name: their own, or that of their law.

    Raises
    ------
    UsageError
        If there are none, something else is among them, or two have one name.
    """
    if isinstance(models, Mapping):
        pairs = [(str(name), model_of(given)) for name, given in models.items()]
    else:
        alone = isinstance(models, Law | ScalingModel | WeightedModel)
        several: Any = [models] if alone else list(models)  # type: ignore[arg-type]
        pairs = [(model.law.name, model) for model in map(model_of, several)]
    names = [name for name, _ in pairs]
    if not pairs:
        raise UsageError("no models: give a law, a ScalingModel, or several")
    if len(set(names)) < len(names):
        raise UsageError(
            f"models are called {', '.join(names)}; hand a mapping over, from a name of its own "
            f"to each"
        )
    if clash := set(names) & set(TAKEN):
        raise UsageError(f"a model cannot be called {', '.join(clash)}: columns of tables are")
    return dict(pairs)


def model_of(given: Law | Model) -> Model:
    """Return the model, or that of a law with its usual choices."""
    return given if isinstance(given, ScalingModel | WeightedModel) else ScalingModel(given)


@dataclass(frozen=True, eq=False)
class Plan:
    """Folds of one table that are fitted, and what each compiles.

    Attributes
    ----------
    models : dict of str to ScalingModel or WeightedModel
    runs : Runs
    cost : Cost
    scored_above : float
    folds, skipped : list of Fold
        That count, and that do not.
    programs : dict of str to dict of int to tuple of Structure
        By model and number in `folds`.
    """

    models: dict[str, Model]
    runs: Runs
    cost: Cost
    scored_above: float
    folds: list[Fold]
    skipped: list[Fold]
    programs: dict[str, dict[int, Programs]]

    @classmethod
    def of(
        cls,
        models: dict[str, Model],
        runs: Runs,
        by: str | ArrayLike,
        gaps: Sequence[float],
        origins: Origins,
        scored_above: float,
    ) -> Plan:
        """Divide a table, and leave out the folds that some model cannot be fitted to.

        Raises
        ------
        UsageError
            If an option is out of range.
        TableError
            If no fold is left.
        """
        laws = list(dict.fromkeys(law for model in models.values() for law in laws_of(model)))
        for law in laws:
            if missing := [k for k in scales_of(law) if k not in runs.inputs]:
                raise UsageError(
                    f"law {law.name} needs input {', '.join(missing)}; the table was read with "
                    f"{', '.join(runs.inputs)}: map columns with inputs= (--input)"
                )
        cost = cost_of(runs, by, laws)
        found = forward_folds(
            runs.frame,
            cost,
            scales=list(dict.fromkeys(name for law in laws for name in scales_of(law))),
            groups=runs.groups,
            gaps=gaps,
            origins=origins,
            scored_above=scored_above,
            parameters=max(len(law.parameters) for law in laws),
            scorable=scorable(runs),
        )
        folds: list[Fold] = []
        skipped = [fold for fold in found if fold.skipped]
        programs: dict[str, dict[int, Programs]] = {name: {} for name in models}
        for fold in found:
            if fold.skipped:
                continue
            try:
                compiled = {name: programs_of(m, runs, fold) for name, m in models.items()}
            except TableError as error:
                skipped.append(replace(fold, skipped=error.findings[0].message))
                continue
            for name, own in compiled.items():
                programs[name][len(folds)] = own
            folds.append(fold)
        if not folds:
            raise TableError([_no_folds(skipped)])
        return cls(models, runs, cost, scored_above, folds, skipped, programs)

    def assemble(self, answers: Mapping[str, Mapping[int, Answer]]) -> Backtest:
        """Put forecasts, truths and what is to be said of the folds together.

        Parameters
        ----------
        answers : mapping of str to mapping of int to Answer
            By model and number of the fold.
        """
        noises = [_noise_of(part) for m in self.models.values() for part in parts_of(m)]
        ordered = {m: [own[i] for i in range(len(self.folds))] for m, own in answers.items()}
        draws = np.stack([np.concatenate([a.draws for a in own]) for own in ordered.values()])
        return Backtest(
            models=tuple(self.models),
            response=self.runs.response,
            unit=self.runs.unit,
            by=self.cost.name,
            by_ratio=self.cost.on_log,
            on_log=all(isinstance(noise, Noise) and noise.on_log for noise in noises),
            scored_above=self.scored_above,
            folds=self._fold_table(),
            points=self._points(noises[0]),
            draws=xr.DataArray(
                draws, dims=("model", "point", "sample"), coords={"model": list(ordered)}
            ),
            sampling=pd.DataFrame(
                [_sampling(m, i, a) for m, own in ordered.items() for i, a in enumerate(own)]
            ),
            skipped=pd.DataFrame(
                [(f.origin, f.gap, int(f.fitted.sum()), f.skipped) for f in self.skipped],
                columns=["origin", "gap", "fitted", "reason"],
            ),
            warnings=tuple(f for m, own in ordered.items() for f in _findings(m, own)),
        )

    def _fold_table(self) -> pd.DataFrame:
        rows = [
            {
                "fold": i + 1,
                "origin": fold.origin,
                "gap": fold.gap,
                "distance": fold.distance,
                "fitted": int(fold.fitted.sum()),
                "runs": int(fold.scored.sum()),
            }
            for i, fold in enumerate(self.folds)
        ]
        return pd.DataFrame(rows)

    def _points(self, noise: AnyNoise) -> pd.DataFrame:
        frame, runs = self.runs.frame, self.runs
        labels = [rung_labels(runs, law) for m in self.models.values() for law in laws_of(m)]
        table = pd.DataFrame({
            "run": frame["row"],
            **{name: frame[name] for name in (*runs.inputs, *runs.groups)},
            "group": frame[list(runs.groups)].agg(", ".join, axis=1) if runs.groups else "",
            "rung": ["; ".join(dict.fromkeys(own)) for own in zip(*labels, strict=True)],
            "cost": self.cost.values,
            "truth": _truth(runs, noise),
        })  # fmt: skip
        parts = []
        for i, fold in enumerate(self.folds):
            own = table[fold.scored]
            dearest = float(self.cost.values[fold.fitted].max())
            beyond = self.cost.beyond(own["cost"], dearest)
            parts.append(own.assign(fold=i + 1, beyond=beyond))
        whole = pd.concat(parts, ignore_index=True)
        return whole[["fold", *(c for c in whole if c != "fold")]]


def scales_of(law: Law) -> list[str]:
    """Inputs of which a fit part needs several values."""
    return [k for k, v in law.inputs.items() if v.on_log and not v.setting and v.default is None]


def scorable(runs: Runs) -> Bool[np.ndarray, " runs"]:
    """Runs whose response is known and that ended well; of curves their last row."""
    frame = runs.frame
    found = ~runs.diverged & frame["response"].notna().to_numpy()
    if "untuned" in frame:
        found &= ~frame["untuned"].to_numpy()
    if runs.curves:
        found &= ~frame["run"].duplicated(keep="last").to_numpy()
    return found


def _noise_of(model: ScalingModel) -> AnyNoise:
    return noise_named(model.noise or model.law.response.noise)


def _truth(runs: Runs, noise: AnyNoise) -> Float[np.ndarray, " runs"]:
    """Responses in the unit of forecasts: of counts and grades a share."""
    response = runs.frame["response"].to_numpy(dtype=float)
    if not isinstance(noise, BoundedNoise):
        return response
    return np.asarray(noise.fraction(response, runs.frame.get("trials")))


def _sampling(model: str, number: int, answer: Answer) -> dict[str, Any]:
    health = answer.health
    return {
        "model": model,
        "fold": number + 1,
        "divergences": health.divergences,
        "max_rhat": health.max_rhat,
        "min_ess": health.min_ess,
        "seconds": answer.seconds,
        "again": answer.before is not None,
    }


def _findings(model: str, answers: Sequence[Answer]) -> Iterator[Finding]:
    """Folds that were fitted again, and those that are poor even so."""
    numbered = [(f"fold {i + 1}", answer) for i, answer in enumerate(answers)]
    redone = {fold: a.before for fold, a in numbered if a.before is not None}
    if redone:
        yield Finding(
            "folds-again",
            "info",
            f"{len(redone)} of {len(answers)} folds of {model} were sampled poorly and fitted "
            f"again by themselves with more warm-up: {listed(redone)}",
        )
    poor = {fold: a.health for fold, a in numbered if a.health.poor}
    if poor:
        yield Finding(
            "poor-folds",
            "warning",
            f"{len(poor)} of {len(answers)} folds of {model} are sampled poorly even with more "
            f"warm-up, and their scores are not to be trusted: {listed(poor)}; look at one with "
            f"ScalingModel.fit, pool parameters that so few runs cannot tell apart, or leave out "
            f"the largest gaps",
        )


def _no_folds(skipped: Sequence[Fold]) -> Finding:
    reasons = list(dict.fromkeys(f"gap {f.gap:g}: {f.skipped}" for f in skipped))
    return Finding(
        "no-folds",
        "error",
        f"no fold of the table counts ({'; '.join(reasons[:REASONS])}): give smaller gaps, a law "
        f"of fewer parameters, or more cheap runs",
    )
