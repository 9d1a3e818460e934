"""What a model of one table is, but for the law's function: plain, storable values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from bayes_scaling.law import Law

from .discrepancy import Walk
from .noise import Noise, noise_named
from .observation import SETTLING
from .structure import Pooling, Structure, own_site, sd_site


@dataclass(frozen=True)
class Spec:
    """Everything about a model of one table, but the law's function: plain, storable values.

    Attributes
    ----------
    law : str
        Name of the law.
    pool : dict
        Pooling of each parameter over each grouping column.
    noise : str
    labels : dict of str to list of str
        Level labels of each grouping column, and of ``"rung"`` where its effect is on.
    references : dict of str to float
        Where each input is centred, by default its geometric mean over the fitted runs.
    ranges : dict of str to (float, float)
        Smallest and largest fitted value of each input.
    response_scale : dict of str to float
        The statistics of the fitted responses that priors are scaled by.
    prior_loc, prior_sd : dict of str to float
        Prior of each parameter on its unconstrained scale.
    scale : float
        Unit of the noise's prior.
    serial : bool
        Whether neighbouring rows of one run are correlated.
    order : str
        Input along which they follow each other.
    lag : float
        Their usual distance along it.
    untuned : bool
        Whether some runs lie above the law by a one-sided excess.
    bound : float, optional
        Responses at or above it are only known to be so.
    schedules : dict of str to str
        Learning-rate schedules by label, as texts.
    group_sd : dict of str to float
        Scales of priors of group sds, ``parameter_sd_column``, that differ from the law's.
    prior_text : dict of str to str
        The priors in words.
    items : list of str
        Items of which each follows one curve of the law's mixture.
    defaults : dict of str to list
        Values of inputs with a default at the fitted runs, with the labels of their groups:
        what a point takes that does not say.
    walks : tuple of Walk
        How losses may depart from the law; none where it is taken to hold.
    discrepancy_sd : dict of str to (float, float)
        Median of each sd of the discrepancy, by its site, and sd of its logarithm.
    settling : bool
        Whether noise falls with scale.
    settling_prior : (float, float)
        Median, and sd of the logarithm, of its fall over a decade.
    effective_runs : float, optional
        How many runs a group counts for at most, where the likelihood is raised to a power.
    """

    law: str
    pool: dict[str, dict[str, Pooling]]
    noise: str
    labels: dict[str, list[str]]
    references: dict[str, float]
    ranges: dict[str, tuple[float, float]]
    response_scale: dict[str, float]
    prior_loc: dict[str, float]
    prior_sd: dict[str, float]
    scale: float
    serial: bool = False
    order: str = ""
    lag: float = 1.0
    untuned: bool = False
    bound: float | None = None
    schedules: dict[str, str] = field(default_factory=dict)
    group_sd: dict[str, float] = field(default_factory=dict)
    prior_text: dict[str, str] = field(default_factory=dict)
    items: list[str] = field(default_factory=list)
    defaults: list[dict[str, Any]] = field(default_factory=list)
    walks: tuple[Walk, ...] = ()
    discrepancy_sd: dict[str, tuple[float, float]] = field(default_factory=dict)
    settling: bool = False
    settling_prior: tuple[float, float] = SETTLING
    effective_runs: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> Spec:
        """Read what JSON made of `as_dict`; fits from before the discrepancy have none."""
        pairs = {
            key: {k: (low, high) for k, (low, high) in stored.get(key, {}).items()}
            for key in ("ranges", "discrepancy_sd")
        }
        median, sd = stored.get("settling_prior", SETTLING)
        walks = tuple(Walk.of(walk) for walk in stored.get("walks", ()))
        return cls(**{**stored, **pairs, "settling_prior": (median, sd), "walks": walks})

    def structure(self, law: Law) -> Structure:
        """Return the static structure of the program of this spec."""
        groups = [c for c in self.labels if c != "rung"]
        return Structure(
            law=law,
            pooling=tuple((p, tuple(how.items())) for p, how in self.pool.items()),
            levels=tuple((c, len(self.labels[c])) for c in groups),
            rungs=len(self.labels.get("rung", ())),
            noise=noise_named(self.noise),
            serial=self.serial,
            untuned=self.untuned,
            group_sds=tuple(self.group_sd.items()),
            loss_noise=_loss_noise(law),
            items=len(self.items),
            walks=tuple((w.name, len(w.fitted)) for w in self.walks),
            settling=self.settling,
            departing=tuple(c for c in groups if sd_site(own_site(c)) in self.discrepancy_sd),
        )


def _loss_noise(law: Law) -> Noise | None:
    if law.link is None:
        return None
    noise = noise_named(law.link.first.response.noise)
    assert isinstance(noise, Noise)
    return noise
