"""A law with its pooling and noise, ready to be fitted to tables of runs."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Literal

import jax
import numpy as np
import xarray as xr

from bayes_scaling.errors import Finding, TableError, UsageError
from bayes_scaling.jax_setup import DeviceName, devices_named
from bayes_scaling.law import Law, Prior
from bayes_scaling.law.priors import LINKS
from bayes_scaling.program import Spec, build_data, build_spec, draw_prior
from bayes_scaling.program.counts import merged
from bayes_scaling.program.discrepancy import interval_labels
from bayes_scaling.program.integrable import integrable
from bayes_scaling.program.pooling import Pool
from bayes_scaling.program.population import Population, population_of
from bayes_scaling.program.side_by_side import side_by_side
from bayes_scaling.runs import Runs, check_runs
from bayes_scaling.runs.check import TO_LEARN

from .compiled import draw
from .fit import Fit, Record, as_dataset, file_sha256
from .nuts import Draws, Settings
from .pointwise import UNREAD
from .whole import whole_discrepancy

PACKAGES = ("bayes-scaling", "jax", "numpyro", "blackjax", "xarray", "arviz-stats")
PriorName = Literal["weak", "population"]


class ScalingModel:
    """A scaling law as a hierarchical Bayesian model.

    Parameters
    ----------
    law : Law
        For example ``bs.models.chinchilla``.
    pool : mapping, optional
        Parameter to ``"complete"`` (one value), ``"partial"`` (group values around a
        centre) or ``"separate"``, or to a mapping from grouping column to one of
        these. By default parameters that the law lets vary are partial.
    noise : str, optional
        Student-t or normal on the log of the response ("student-t", "lognormal") or on
        the response itself ("student-t-raw", "normal"), or a frontier that runs fall
        short of ("upper-frontier", "lower-frontier"); by default the law's own.
    rung : bool, optional
        Whether runs of one rung share a deviation; by default where recipes (or
        seeds, or settings) are crossed with at least three rungs.
    serial : bool, optional
        Whether neighbouring points of one run are correlated; by default where runs have
        several rows.
    priors : mapping of str to Prior, optional
        Replaces the law's priors.
    group_sd : mapping of str to float, optional
        Scale of the prior of a parameter's sd between groups, or a mapping from grouping
        column to one: seeds and schedules differ far less than recipes do.
    discrepancy : bool or mapping, optional
        Whether the exponents of the law may drift, so that losses depart from it the further
        the runs lie beyond those fitted; by default where losses fall in scale. A mapping
        replaces the priors of its sizes, ``{"scale": (0.03, 0.7), "own": (0.01, 0.7)}``:
        median, and sd of the logarithm, of the change of the slope over a decade, along each
        walk and of each recipe on its own.
    prior : {"weak", "population"} or Population
        The law's own priors; or those learned from public suites of runs, which say more about
        exponents, floors and how far losses depart from the law. Those of `priors`, `group_sd`
        and `discrepancy` come first.
    effective_runs : float, optional
        A baseline, for comparison: caps how many runs a group counts for by a power on the
        likelihood. Such intervals are calibrated by no model, and `calibrate` refuses them.
    """

    def __init__(
        self,
        law: Law,
        *,
        pool: Pool | None = None,
        noise: str | None = None,
        rung: bool | None = None,
        serial: bool | None = None,
        priors: Mapping[str, Prior] | None = None,
        group_sd: Mapping[str, float | Mapping[str, float]] | None = None,
        discrepancy: bool | Mapping[str, tuple[float, float]] | None = None,
        prior: PriorName | Population = "weak",
        effective_runs: float | None = None,
    ):
        if not isinstance(law, Law):
            raise UsageError(
                f"a ScalingModel needs a Law such as bs.models.chinchilla, got {type(law).__name__}"
            )
        if law.open:
            raise UsageError(
                f"law {law.name} takes any number of columns as {law.open}: name them, as "
                f"--law {law.name}:web,books,code or law.over('web', 'books', 'code') does"
            )
        self.law = law
        self.pool = dict(pool or {})
        self.noise = noise
        self.rung = rung
        self.serial = serial
        self.priors = dict(priors or {})
        self.group_sd = dict(group_sd or {})
        self.discrepancy = discrepancy
        self.population = _population(law, prior)
        self.effective_runs = effective_runs

    def spec(self, runs: Runs, *, planned: bool = False) -> Spec:
        """Settle pooling, priors and references for a table, after checking it.

        Parameters
        ----------
        runs : Runs
        planned : bool
            Nothing is to be learned from the runs, which are not there yet: any number of them
            will do.

        Raises
        ------
        TableError
            If the table lacks what the law needs.
        """
        findings = check_runs(runs, self.law)
        if any(f.severity == "error" and not (planned and f.code in TO_LEARN) for f in findings):
            raise TableError(findings)
        return build_spec(
            self.law,
            runs,
            pool=self.pool,
            noise=self.noise,
            rung=self.rung,
            serial=self.serial,
            priors=self.priors,
            group_sd=self.group_sd,
            discrepancy=self.discrepancy,
            population=self.population,
            effective_runs=self.effective_runs,
        )

    def prior_predictive(self, runs: Runs, *, draws: int = 1000, seed: int = 0) -> xr.Dataset:
        """Draw parameters and responses from the prior, at the inputs of the runs.

        Returns
        -------
        Dataset
            ``response`` with dimensions draw and run; parameters and noise with draw
            (and group) dimensions.
        """
        spec = self.spec(runs)
        structure, data = spec.structure(self.law), build_data(spec, self.law, runs)
        sites = draw_prior(structure, data, jax.random.key(seed), draws)
        arrays = {k: np.asarray(v)[None] for k, v in sites.items()}
        dims = {k: s.dims for k, s in structure.sites().items()} | {"response": ("run",)}
        dims |= {"loss": ("measured",)}
        labels: dict[str, Any] = dict(spec.labels) | {"run": run_labels(runs)}
        if data.losses is not None:
            labels["measured"] = list(np.asarray(runs.frame["row"])[np.asarray(data.losses.row)])
        return as_dataset(arrays, dims, labels).isel(chain=0)

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
        """Sample the posterior with NUTS.

        Parameters
        ----------
        runs : Runs
        seed : int
            The same table, seed and package versions give the same draws.
        chains, draws, warmup : int
            Draws and warm-up iterations are a chain.
        target_accept : float
            Target of the step-size adaptation, between 0.5 and 1.
        integrate : bool
            Integrate effects of groups that the law is linear in out exactly, and draw them
            afterwards. Needs normal noise; the posterior is the same.
        device : {"auto", "cpu", "gpu"}
            Chains are shared out over all devices of the kind. ``"auto"`` is the CPU, with a
            device a core; a GPU is slower for one small fit.
        report : callable, optional
            Told in a few words what is being done.

        Returns
        -------
        Fit

        Raises
        ------
        TableError
            If the table lacks what the law needs.
        UsageError
            If an option is out of range, or nothing can be integrated out.
        """
        settings = _settings(chains, draws, warmup, target_accept)
        say = report or (lambda _: None)
        spec = self.spec(runs)
        structure = spec.structure(self.law)
        data = merged(structure, build_data(spec, self.law, runs))
        structure, data = side_by_side(structure, data)
        if integrate:
            structure = replace(structure, integrated=integrable(structure, data))
        say("compiling")
        drawn, seconds = draw(
            structure,
            data,
            settings,
            seed,
            devices=devices_named(device),
            tell=lambda: say(f"sampling {chains} chains of {warmup} + {draws}"),
        )
        return assemble(self.law, spec, runs, drawn, settings, seed, seconds)


def assemble(
    law: Law,
    spec: Spec,
    runs: Runs,
    drawn: Draws,
    settings: Settings,
    seed: int,
    seconds: dict[str, float],
) -> Fit:
    """Put what the sampler returned, the runs and their record together as a fit."""
    tree = xr.DataTree.from_dict(
        {
            "posterior": _posterior(drawn, spec, law, seed),
            "sample_stats": _stats(drawn),
            "observed_data": _observed(runs),
            "constant_data": _constants(runs),
            **_unread(runs),
        }
    )
    record = _record(law, runs, check_runs(runs, law), seed, seconds)
    return Fit(law, spec, record, settings, tree)


def _population(law: Law, prior: PriorName | Population) -> Population | None:
    if isinstance(prior, Population):
        return prior
    if prior not in ("weak", "population"):
        raise UsageError(f"prior is '{prior}'; it must be weak or population (--prior)")
    return population_of(law) if prior == "population" else None


def run_labels(runs: Runs) -> list[str]:
    """Labels of the runs: their name, or the number of their row in the source."""
    return [str(v) for v in runs.frame["run" if "run" in runs.frame else "row"]]


def _settings(chains: int, draws: int, warmup: int, target_accept: float) -> Settings:
    for name, value, least in (
        ("chains", chains, 2),
        ("draws", draws, 100),
        ("warmup", warmup, 200),
    ):
        if value < least:
            raise UsageError(f"{name} is {value}; it must be at least {least}")
    if not 0.5 <= target_accept < 1:
        raise UsageError(f"target_accept is {target_accept}; it must be from 0.5 to below 1")
    return Settings(chains, draws, warmup, target_accept)


def _posterior(drawn: Draws, spec: Spec, law: Law, seed: int) -> xr.Dataset:
    """Sites, group values of pooled parameters, derived quantities, and all the discrepancy."""
    structure = spec.structure(law)
    sites = structure.sites()
    dims = {k: s.dims for k, s in sites.items()}
    arrays = {k: np.asarray(v) for k, v in drawn.sites.items()}
    labels: dict[str, Any] = dict(spec.labels)
    arrays |= whole_discrepancy(spec.walks, structure, arrays, seed)
    labels |= interval_labels(spec.walks)
    posterior = as_dataset(arrays, dims, labels)
    values: dict[str, xr.DataArray] = {}
    for p, parameter in law.parameters.items():
        name = structure.centre_site(p)
        pooled = structure.columns_of(p, "partial")
        if pooled:
            free = np.asarray(drawn.free[name])
            z = posterior[name].copy(data=free)
            for c in pooled:
                z = z + posterior[f"{p}_effect_{c}"]
            to_support = LINKS[parameter.prior.link].to_support
            posterior[p] = z.copy(data=np.asarray(to_support(z.to_numpy())))
        values[p] = posterior[p]
    return posterior.assign(derived_draws(law, spec.references, values))


class _Watched(dict[str, Any]):
    """A mapping that remembers which of its values were asked for."""

    def __init__(self, values: Mapping[str, Any]):
        super().__init__(values)
        self.used: list[str] = []

    def __getitem__(self, name: str) -> Any:
        self.used.append(name)
        return super().__getitem__(name)


def derived_draws(
    law: Law, references: Mapping[str, float], values: Mapping[str, xr.DataArray]
) -> dict[str, xr.DataArray]:
    """Draws of the derived quantities that move, with the dimensions of what they use."""
    found = {}
    for quantity in law.derived:
        watched = _Watched(law.expand({k: float(v.mean()) for k, v in values.items()}))
        quantity.value(references, watched)
        names = [k for k in dict.fromkeys(watched.used) if k in values]
        if not names:
            continue  # what the variant fixes is not a finding

        def compute(
            *arrays: np.ndarray, names: list[str] = names, of: Any = quantity
        ) -> np.ndarray:
            given = dict.fromkeys(values, np.nan) | dict(zip(names, arrays, strict=True))
            return np.asarray(of.value(references, law.expand(given)))

        drawn = xr.apply_ufunc(compute, *(values[k] for k in names))
        if float(drawn.std()) > 0:
            found[quantity.name] = drawn
    return found


def _stats(drawn: Draws) -> xr.Dataset:
    arrays = {
        "diverging": drawn.diverging,
        "energy": drawn.energy,
        "n_steps": drawn.steps,
        "acceptance_rate": drawn.acceptance,
    }
    stats = as_dataset({k: np.asarray(v) for k, v in arrays.items()}, {}, {})
    return stats.assign_attrs(step_size=float(drawn.step_size))


def _observed(runs: Runs) -> xr.Dataset:
    values = runs.frame["response"].to_numpy()
    return xr.Dataset({"response": ("run", values)}, coords={"run": run_labels(runs)})


def _constants(runs: Runs) -> xr.Dataset:
    """Inputs, labels and known errors of the runs, one variable a column."""
    columns = [c for c in runs.frame.columns if c not in ("response", "run")]
    variables = {c: ("run", np.asarray(runs.frame[c].tolist(), dtype=None)) for c in columns}
    return xr.Dataset(variables, coords={"run": run_labels(runs)})


def _unread(runs: Runs) -> dict[str, xr.Dataset]:
    """Labels that the fit does not read, where the source has any."""
    labels = runs.unread_labels
    if labels.empty:
        return {}
    coords = {"run": run_labels(runs), "column": list(labels)}
    return {UNREAD: xr.Dataset({"label": (("run", "column"), labels.to_numpy(str))}, coords)}


def _record(
    law: Law, runs: Runs, findings: list[Finding], seed: int, seconds: dict[str, float]
) -> Record:
    return Record(
        unit=runs.unit,
        response=runs.response,
        loss=runs.columns.get("through", ""),
        counts_embeddings=runs.counts_embeddings,
        flops=runs.flops,
        source=runs.source,
        sha256=runs.sha256,
        law_source=law.source,
        law_sha256=file_sha256(law.source),
        seed=seed,
        versions={name: importlib.metadata.version(name) for name in PACKAGES},
        seconds=seconds,
        # the noise has been chosen: a warning about noises on the log is no finding any more
        findings=[
            f.as_dict() for f in (*runs.findings, *findings) if f.code != "not-positive-response"
        ],
    )
