"""Many tables, each fitted by itself, as a few compiled programs."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import pandas as pd
import xarray as xr

from bayes_scaling.errors import Finding, TableError, UsageError
from bayes_scaling.jax_setup import DeviceName
from bayes_scaling.program import Data, Spec, Structure
from bayes_scaling.program.counts import merged
from bayes_scaling.runs import Runs

from .batch import batches, devices_of, drawn_together, tied, together_on
from .combine import combine
from .compiled import draw
from .fit import Fit
from .health import Health, listed, longer, options_of, seconds_of, thinned
from .model import ScalingModel, assemble
from .nuts import Settings
from .padding import padded, trimmed
from .parallel import in_parallel, seed_of
from .refit import check_growable, means_of, moved, near_sites, warm_settings
from .weighted import Model, WeightedModel, parts_of


@dataclass(frozen=True, eq=False)
class ManyFits(Mapping[Hashable, Fit]):
    """Fits by the names of their tables, in their order.

    Attributes
    ----------
    fits : mapping of name to Fit
    health : mapping of name to Health
        Divergences, the worst R-hat and the smallest bulk ESS of every fit.
    again : mapping of name to Health
        Of the first fit of those tables that were sampled poorly, and fitted again alone.
    seconds : mapping of name to float
        That each took, compiling included; those that are sampled together share their time.
    """

    fits: Mapping[Hashable, Fit]
    health: Mapping[Hashable, Health]
    again: Mapping[Hashable, Health]
    seconds: Mapping[Hashable, float]

    def __getitem__(self, name: Hashable) -> Fit:
        return self.fits[name]

    def __iter__(self) -> Iterator[Hashable]:
        return iter(self.fits)

    def __len__(self) -> int:
        return len(self.fits)

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """Tables that were fitted again, and those whose fit is poor even so.

        What is to be said of a fit itself is in its own `Fit.warnings`.
        """
        found = []
        if self.again:
            found.append(Finding(
                "fits-again",
                "info",
                f"{len(self.again)} of {len(self)} fits were sampled poorly and done again by "
                f"themselves with more warm-up: {listed(self.again)}",
            ))  # fmt: skip
        poor = {name: health for name, health in self.health.items() if health.poor}
        if poor:
            found.append(Finding(
                "poor-fits",
                "warning",
                f"{len(poor)} of {len(self)} fits are sampled poorly even with more warm-up, and "
                f"not to be trusted: {listed(poor)}; see the warnings of these fits",
            ))  # fmt: skip
        return tuple(found)

    def summary(self) -> pd.DataFrame:
        """One row a table.

        Returns
        -------
        DataFrame
            ``table``, number of ``runs``, ``divergences`` and ``draws``, ``max_rhat`` and
            ``min_ess`` over all quantities, whether it was fitted ``again``, and the ``seconds``.
        """
        rows = [
            {
                "table": name,
                "runs": fit.tree["observed_data"].sizes["run"],
                **self.health[name]._asdict(),
                "again": name in self.again,
                "seconds": self.seconds[name],
            }
            for name, fit in self.fits.items()
        ]
        return pd.DataFrame(rows)

    def __repr__(self) -> str:
        poor = sum(health.poor for health in self.health.values())
        return f"ManyFits({len(self)} tables, {len(self.again)} fitted again, {poor} poor)"


class Member(NamedTuple):
    """A table on its way to the process that fits it.

    Attributes
    ----------
    runs : Runs
    specs : tuple of Spec
        One a law.
    seed : int
    """

    runs: Runs
    specs: tuple[Spec, ...]
    seed: int


class Made(NamedTuple):
    """The fit of a table, its health and that of a first fit, and the seconds of both."""

    fit: Fit
    health: Health
    before: Health | None
    seconds: float


def fit_many(
    model: Model,
    tables: Mapping[Any, Runs] | Sequence[Runs],
    *,
    seed: int = 0,
    settings: Settings | None = None,
    like: Fit | None = None,
    device: DeviceName = "auto",
    backend: str | None = None,
    jobs: int | None = None,
    report: Callable[[str], None] | None = None,
) -> ManyFits:
    """Fit many tables of runs, each by itself, as a few compiled programs.

    Tables are filled up to a short list of sizes with rows that have no likelihood and labels
    that no run has; those of one size are sampled a few at a time. A fit with an R-hat above 1.05
    or more than 1 % divergences is done again alone with more warm-up, and named in the warnings.
    Chains, and rows that are items, cannot be filled up, and are fitted one by one.

    Parameters
    ----------
    model : ScalingModel or WeightedModel
    tables : mapping of name to Runs, or sequence of Runs
        Of any lengths and labels; the names of a sequence are numbers from zero.
    seed : int
    settings : Settings, optional
        Of the sampler; by default those of `like` with a shorter warm-up, or 4 chains of 1000
        draws after 500 of warm-up.
    like : Fit, optional
        A fit of the same model, to some of the runs or to others like them. Its references and
        priors are those of all fits, and they start from where it ended.
    device : {"auto", "cpu", "gpu"}
        ``"auto"`` is one CPU device a process; on GPUs many fits are sampled together, shared out
        over all of them, and those that are done again alone are done there, too.
    backend : str, optional
        Of joblib: ``"loky"``, ``"threading"``, ``"dask"``; ``"ray"`` after
        ``ray.util.joblib.register_ray()``. By default that of `joblib.parallel_config`.
    jobs : int, optional
        How many at once; -1 is one a core, the default of a backend that is named. Otherwise
        what `joblib.parallel_config` says by default, and without it one, in this process.
        Draws are the same for any number.
    report : callable, optional
        Told how far it is.

    Returns
    -------
    ManyFits
        A mapping from name to `Fit`.

    Raises
    ------
    TableError
        If a table lacks what the law needs; its name is in the message.
    UsageError
        If there are no tables, `like` is of another model, or a law cannot be sent to other
        processes.
    """
    named = dict(tables) if isinstance(tables, Mapping) else dict(enumerate(tables))
    if not named:
        raise UsageError("no tables: give a mapping from name to Runs, or a sequence of Runs")
    usual = Settings() if like is None else warm_settings(like)
    means = None if like is None else means_of(like)
    members = [
        Member(runs, _specs(model, name, runs, like), seed_of(seed, i))
        for i, (name, runs) in enumerate(named.items())
    ]
    shapes = [_shape(model, member, i) for i, member in enumerate(members)]
    chunks = [numbers for _, numbers in batches(shapes, together_on(device))]
    arguments = [
        (
            model,
            [members[i] for i in dict.fromkeys(own)],
            len(own),
            settings or usual,
            means,
            device,
        )
        for own in chunks
    ]
    say, done = report or (lambda _: None), dict[int, Made]()
    found = in_parallel(fit_chunk, arguments, backend, jobs)
    for own, fits in zip(chunks, found, strict=True):
        done |= zip(dict.fromkeys(own), fits, strict=True)
        say(f"{len(done)} of {len(named)} tables")
    ordered = {name: done[i] for i, name in enumerate(named)}
    return ManyFits(
        fits={name: one.fit for name, one in ordered.items()},
        health={name: one.health for name, one in ordered.items()},
        again={name: one.before for name, one in ordered.items() if one.before is not None},
        seconds={name: one.seconds for name, one in ordered.items()},
    )


def _specs(model: Model, name: Hashable, runs: Runs, like: Fit | None) -> tuple[Spec, ...]:
    """Specs of a table, one a law; errors say which table it is."""
    try:
        own = tuple(part.spec(runs) for part in parts_of(model))
        return own if like is None else (_like(model, own[0], runs, like),)
    except TableError as error:
        words = [replace(f, message=f"table {name}: {f.message}") for f in error.findings]
        raise TableError(words) from error
    except UsageError as error:
        raise UsageError(f"table {name}: {error}") from error


def _like(model: Model, own: Spec, runs: Runs, like: Fit) -> Spec:
    """Spec with references and priors of an earlier fit, which must be of the same model."""
    check_growable(like)
    if isinstance(model, WeightedModel) or model.law.name != like.law.name:
        raise UsageError(
            f"like is a fit of law {like.law.name}, and the model of {model.law.name}: give a "
            f"fit of the same model"
        )
    for what in ("pool", "noise", "settling"):
        if (here := getattr(own, what)) != (there := getattr(like.spec, what)):
            raise UsageError(
                f"like was fitted with {what} {there}, and the model has {here} for this table: "
                f"give a fit of the same model and grouping columns"
            )
    return moved(like.spec, model.law, runs)


def _shape(model: Model, member: Member, number: int) -> Hashable:
    """What tables have in common that are sampled as one program; a number is its own table's."""
    parts = parts_of(model)
    if any(tied(part, member.runs) for part in parts):
        return number
    programs = [_program(p, k, member)[:2] for k, p in enumerate(parts)]
    shapes = [jax.tree.map(lambda a: (a.shape, str(a.dtype)), data) for _, data in programs]
    return tuple(structure for structure, _ in programs), str(shapes)


def _program(part: ScalingModel, place: int, member: Member) -> tuple[Structure, Data, Spec]:
    """Structure, arrays and labels of the filled-up table."""
    filled = padded(member.specs[place], part.law, member.runs, groups=member.runs.groups)
    structure = filled.structure(part.law)
    return structure, merged(structure, filled.data(part.law)), filled.spec


def fit_chunk(
    model: Model,
    members: Sequence[Member],
    width: int,
    settings: Settings,
    means: xr.Dataset | None,
    device: DeviceName,
) -> list[Made]:
    """Fit tables of one shape together, and those again that were sampled poorly.

    Parameters
    ----------
    model : ScalingModel or WeightedModel
    members : sequence of Member
    width : int
        How many the program holds.
    settings : Settings
    means : Dataset, optional
        Where fits start.
    device : {"auto", "cpu", "gpu"}
    """
    devices = devices_of(device)
    parts = parts_of(model)
    by_law = [_fit_law(p, k, members, width, settings, means, devices) for k, p in enumerate(parts)]
    found = []
    for member, *fits in zip(members, *by_law, strict=True):

        def again(member: Member = member) -> list[Fit]:
            other, more = member._replace(seed=seed_of(member.seed, 1)), longer(settings)
            return [_fit_alone(p, k, other, more, devices) for k, p in enumerate(parts)]

        found.append(made(model, fits, again, settings.draws, seed_of(member.seed, 2)))
    return found


def made(
    model: Model, fits: list[Fit], again: Callable[[], list[Fit]], draws: int, seed: int
) -> Made:
    """Put fits of one table together, one a law; poor ones are done again first.

    Parameters
    ----------
    model : ScalingModel or WeightedModel
    fits : list of Fit
    again : callable
        Fits the table by itself, for longer.
    draws : int
        How many a chain are kept of these.
    seed : int
        Of the choice between weighted laws.
    """
    health, before, seconds = Health.of(fits), None, seconds_of(fits)
    if health.poor:
        long = again()
        before, health = health, Health.of(long)
        seconds += seconds_of(long)
        fits = [thinned(fit, draws) for fit in long]
    whole = fits[0]
    if isinstance(model, WeightedModel):
        whole = combine(fits, model.weights, seed=seed)
    return Made(whole, health, before, seconds)


def _fit_law(
    part: ScalingModel,
    place: int,
    members: Sequence[Member],
    width: int,
    settings: Settings,
    means: xr.Dataset | None,
    devices: tuple[Any, ...],
) -> list[Fit]:
    """Fits of one law to tables of one shape."""
    law = part.law
    if any(tied(part, member.runs) for member in members):
        return [_fit_alone(part, place, member, settings, devices) for member in members]
    programs = [_program(part, place, member) for member in members]
    structure, data = programs[0][0], [arrays for _, arrays, _ in programs]
    near = None if means is None else [near_sites(means, *program) for program in programs]
    keys = jnp.stack([jax.random.key(member.seed) for member in members])
    drawn, took = drawn_together(structure, data, keys, settings, width, devices, near)
    return [
        assemble(
            law, member.specs[place], member.runs,
            trimmed(own, member.specs[place].structure(law)), settings, member.seed, took,
        )
        for member, own in zip(members, drawn, strict=True)
    ]  # fmt: skip


def _fit_alone(
    part: ScalingModel,
    place: int,
    member: Member,
    settings: Settings,
    devices: tuple[Any, ...],
) -> Fit:
    """Fit of one law to one table, from the prior; filled up, if it can be, to share programs."""
    law, spec, runs, seed = part.law, member.specs[place], member.runs, member.seed
    if tied(part, runs):
        return part.fit(runs, seed=seed, **options_of(settings))
    structure, data, _ = _program(part, place, member)
    drawn, seconds = draw(structure, data, settings, seed, devices=devices)
    own = trimmed(drawn, spec.structure(law))
    return assemble(law, spec, runs, own, settings, seed, seconds)
