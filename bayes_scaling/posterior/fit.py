"""The fitted posterior: what it holds, and how it is saved and loaded."""

from __future__ import annotations

import functools
import hashlib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import xarray as xr

from bayes_scaling.errors import Finding, FitError
from bayes_scaling.law import Law
from bayes_scaling.program import Spec, Structure
from bayes_scaling.program.bounded import BoundedNoise
from bayes_scaling.program.discrepancy import fitted_intervals

from .diagnostics import prior_sds, summarise
from .findings import diagnose
from .nuts import Settings
from .pointwise import log_scores
from .suspicious import suspicious_findings

FORMAT = 1


@dataclass(frozen=True)
class Record:
    """Where a fit comes from: plain, storable values.

    Attributes
    ----------
    unit, response : str
        Unit and column of the response.
    counts_embeddings, flops
        As the user stated them with the table.
    source, sha256 : str
        Of the table.
    law_source, law_sha256 : str
        File that declared the law, and its hash.
    seed : int
    versions : dict of str to str
    seconds : dict of str to float
        ``"compile"`` and ``"sample"``.
    findings : list of dict
        What reading and checking the table found.
    loss : str
        Column of the loss, of a chain.
    """

    unit: str
    response: str
    counts_embeddings: bool | None
    flops: str | None
    source: str
    sha256: str
    law_source: str
    law_sha256: str
    seed: int
    versions: dict[str, str]
    seconds: dict[str, float]
    findings: list[dict[str, str]] = field(default_factory=list)
    loss: str = ""


@dataclass(frozen=True, eq=False)
class Fit:
    """A posterior of a law for a table of runs; immutable.

    Attributes
    ----------
    law : Law
    spec : Spec
        Model choices, references, labels and priors.
    record : Record
        Provenance.
    settings : Settings
        Of the sampler.
    tree : DataTree
        Groups ``posterior``, ``sample_stats``, ``observed_data`` and
        ``constant_data``, as ArviZ has them; ``unread_data`` holds labels of the runs that the
        fit does not read, where their source has any.
    """

    law: Law
    spec: Spec
    record: Record
    settings: Settings
    tree: xr.DataTree

    @property
    def structure(self) -> Structure:
        """Static structure of the program."""
        return self.spec.structure(self.law)

    @property
    def posterior(self) -> xr.Dataset:
        """Posterior draws, dimensions ``chain``, ``draw`` and those of the groups."""
        return self.tree["posterior"].to_dataset()

    @property
    def sampled(self) -> xr.Dataset:
        """The posterior without the discrepancy beyond the runs, which is drawn from its prior."""
        inside = fitted_intervals(self.spec.walks)
        return self.posterior.isel(inside, missing_dims="ignore")

    @property
    def groups(self) -> tuple[str, ...]:
        """Names of the grouping columns."""
        return tuple(c for c in self.spec.labels if c != "rung")

    @functools.cached_property
    def table(self) -> pd.DataFrame:
        """`summary` with every quantity that was sampled, group and rung effects included."""
        sds = xr.Dataset(prior_sds(self.structure, self.spec.prior_sd))
        return summarise(self.sampled, self.law, self.structure, sds)

    def runs(self) -> pd.DataFrame:
        """Return the fitted runs: ``run``, inputs, labels, ``response`` and ``diverged``.

        Counts come as their share of the trials.
        """
        constants = self.tree["constant_data"].to_dataset().to_dataframe().reset_index()
        response = self.tree["observed_data"]["response"].to_numpy()
        noise = self.structure.noise
        if isinstance(noise, BoundedNoise):
            response = noise.fraction(response, constants.get("trials"))
        for name, declared in self.law.inputs.items():
            if name not in constants:
                constants[name] = declared.default
        bound = math.inf if self.spec.bound is None else self.spec.bound
        return constants.assign(response=response, diverged=response >= bound)

    def summary(self) -> pd.DataFrame:
        """Summarise parameters, derived quantities, group sds and noise.

        Returns
        -------
        DataFrame
            Columns name, group, kind, mean, sd, quantiles (``q0.05``, ...), rhat,
            ess_bulk, ess_tail, contraction (one minus posterior over prior variance
            on the unconstrained scale).
        """
        hidden = self.table["kind"].isin(["effect", "rung_effect", "discrepancy"])
        return self.table[~hidden].reset_index(drop=True)

    @functools.cached_property
    def warnings(self) -> tuple[Finding, ...]:
        """Findings about the sampling, what was not learned, rows out of line, and the table."""
        stats = self.tree["sample_stats"].to_dataset()
        sampling = diagnose(self.table, stats, self.posterior, self.law, self.spec.ranges)
        reading = tuple(Finding(**f) for f in self.record.findings)  # type: ignore[arg-type]
        return (*sampling, *suspicious_findings(self), *reading)

    @functools.cached_property
    def log_scores(self) -> xr.Dataset:
        """Log ``prior`` and ``likelihood`` of every draw, as `pointwise.log_scores` has them."""
        return log_scores(self)

    @property
    def usable(self) -> bool:
        """Whether no warning is an error."""
        return all(w.severity != "error" for w in self.warnings)

    @property
    def diagnostics(self) -> dict[str, Any]:
        """Worst values over all quantities: divergences, R-hat, ESS, and the seconds spent."""
        return {
            "divergences": int(self.tree["sample_stats"]["diverging"].sum()),
            "max_rhat": float(self.table["rhat"].max()),
            "min_ess_bulk": float(self.table["ess_bulk"].min()),
            "min_ess_tail": float(self.table["ess_tail"].min()),
            "seconds": dict(self.record.seconds),
        }

    def save(self, path: str | Path, notes: Mapping[str, str] | None = None) -> None:
        """Write the fit as netCDF.

        Parameters
        ----------
        path : path
        notes : mapping of str to str, optional
            Texts that the file keeps with the fit, as attributes of its tree.

        Raises
        ------
        FitError
            If the file cannot be written.
        """
        target = Path(path)
        partial = target.with_name(target.name + ".part")
        tree = self.tree.copy()
        tree.attrs = {
            "bayes_scaling_format": FORMAT,
            "spec": json.dumps(self.spec.as_dict()),
            "record": json.dumps(asdict(self.record)),
            "settings": json.dumps(asdict(self.settings)),
            **(notes or {}),
        }
        try:
            tree.to_netcdf(partial, engine="h5netcdf")
            partial.replace(target)
        except OSError as error:
            partial.unlink(missing_ok=True)
            raise FitError(
                f"the fit cannot be written to '{target}': {error.strerror or error}; "
                f"name a file in a folder that exists and is writable"
            ) from error

    def __repr__(self) -> str:
        state = "ok" if self.usable else "NOT USABLE: see .warnings"
        runs = self.tree["observed_data"].sizes["run"]
        return f"Fit({self.law.name}, {runs} runs, {state})"


def load_fit(path: str | Path, find_law: Callable[[str, str], Law]) -> Fit:
    """Read a fit that `Fit.save` wrote.

    Parameters
    ----------
    path : path
    find_law : callable
        From the stored name and source file of the law to the `Law`.

    Raises
    ------
    FitError
        If the file is not a fit of this version.
    """
    source = Path(path)
    if not source.is_file():
        raise FitError(f"fit file '{source}' does not exist; make one with bayes-scaling fit")
    try:
        with xr.open_datatree(source, engine="h5netcdf") as opened:
            tree = opened.load()
    except (OSError, ValueError, KeyError) as error:
        raise FitError(f"'{source}' is not a fit: it cannot be read as netCDF") from error
    if tree.attrs.get("bayes_scaling_format") != FORMAT:
        raise FitError(
            f"'{source}' is not a fit of this version of bayes-scaling (format {FORMAT}); "
            f"fit again with bayes-scaling fit"
        )
    spec, record = json.loads(tree.attrs["spec"]), Record(**json.loads(tree.attrs["record"]))
    law = find_law(spec["law"], record.law_source)
    same = set(law.parameters) == set(spec["pool"])
    same = same and set(law.reference_names) == set(spec["references"])
    if not same or law.name != spec["law"]:
        raise FitError(
            f"'{source}' was fitted with another version of law {spec['law']} (parameters "
            f"{', '.join(spec['pool'])}); hand the law over that was fitted, "
            f"bs.load(path, law=...), or fit again"
        )
    settings = Settings(**json.loads(tree.attrs["settings"]))
    return Fit(law, Spec.of(spec), record, settings, tree)


def file_sha256(path: str) -> str:
    """Hash of a file, or "" where there is none."""
    file = Path(path)
    return hashlib.sha256(file.read_bytes()).hexdigest() if path and file.is_file() else ""


def as_dataset(
    arrays: Mapping[str, Any], dims: Mapping[str, tuple[str, ...]], labels: Mapping[str, list[str]]
) -> xr.Dataset:
    """Arrays ``(chain, draw, ...)`` as a Dataset with group labels as coordinates."""
    variables = {k: (("chain", "draw", *dims.get(k, ())), v) for k, v in arrays.items()}
    used = {name for names in dims.values() for name in names}
    chains, draws = next(iter(arrays.values())).shape[:2]
    numbered = {"chain": range(chains), "draw": range(draws)}
    return xr.Dataset(variables, coords={d: labels[d] for d in labels if d in used} | numbered)
