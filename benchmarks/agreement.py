"""Compare the posterior of bayes-scaling with PyMC's; ``python -m benchmarks.agreement``."""

import argparse
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import nutpie
import xarray as xr

from benchmarks import restated
from benchmarks.problem import (
    CHAINS,
    CORES,
    Draws,
    chinchilla_runs,
    mean_error,
    published_draws,
    sd_error,
    smallest_ess,
)
from benchmarks.speed.problems import Problem, core, of_groups

FIRST_DRAWS = 4_000  # a chain
MAX_ROUNDS = 4
MAX_ERRORS = 4.0  # a difference, in combined Monte Carlo standard errors
MAX_SD_RATIO = 0.05
GROUPS = 8


@dataclass(frozen=True)
class Comparison:
    """A problem and how closely both sides must agree on it.

    Attributes
    ----------
    problem : Problem
    derived : bool
        Whether E, A and B are compared as well.
    enough : int
        Effective draws in every quantity.
    max_sd_ratio : float, optional
        By how much sds may differ; by default by as much as means, in their own Monte Carlo
        standard errors.
    """

    problem: Problem
    derived: bool
    enough: int
    max_sd_ratio: float | None = None

    def sample_ours(self, draws: int) -> Draws:
        """Sample with bayes-scaling; E, A and B are its own derived quantities."""
        asked = self.problem
        posterior = asked.model.fit(asked.runs, chains=CHAINS, draws=draws, seed=1).posterior
        found = dict(asked.quantities(posterior, "ours"))
        if self.derived:
            found |= {f"log {k}": np.log(posterior[k].to_numpy()) for k in ("E", "A", "B")}
        return found

    def sample_pymc(self, draws: int) -> Draws:
        """Sample the PyMC model with nutpie; E, A and B are computed here."""
        # a long warm-up and small steps: this side is the yardstick, not a racer
        tree = nutpie.sample(
            nutpie.compile_pymc_model(self.problem.built()),
            draws=draws,
            tune=1_000,
            chains=CHAINS,
            cores=CORES,
            seed=2,
            target_accept=0.9,
            progress_bar=False,
        )
        posterior: xr.Dataset = tree["posterior"].to_dataset()
        found = dict(self.problem.quantities(posterior, "nutpie"))
        if self.derived:
            found |= published_draws(posterior, *restated.references(self.problem.runs))
        return found

    def sample_enough(self, name: str, sampler: Callable[[int], Draws]) -> Draws:
        """Sample again, longer, until every quantity has enough effective draws."""
        draws = FIRST_DRAWS
        for _ in range(MAX_ROUNDS):
            sampled = sampler(draws)
            ess = smallest_ess(sampled)
            print(f"{name}: {CHAINS} chains of {draws} draws, smallest bulk ESS {ess:,.0f}")
            if ess >= self.enough:
                return sampled
            draws = 500 * math.ceil(1.25 * draws * self.enough / ess / 500)
        raise SystemExit(f"{name} did not reach {self.enough:,} effective draws")

    def agree(self) -> bool:
        """Sample both sides and print one line a quantity; return whether all agree."""
        runs = self.problem.runs
        print(f"\n{len(runs.frame)} runs from {runs.source}")
        ours = self.sample_enough("bayes-scaling", self.sample_ours)
        theirs = self.sample_enough("PyMC with nutpie", self.sample_pymc)
        print(f"\n| {'quantity':18} | bayes-scaling |      PyMC | difference / MCSE | sd ratio |")
        print("|---|---:|---:|---:|---:|")
        return all([self._line(name, mine, theirs[name]) for name, mine in ours.items()])

    def _line(self, name: str, mine: np.ndarray, other: np.ndarray) -> bool:
        errors = (mine.mean() - other.mean()) / math.hypot(mean_error(mine), mean_error(other))
        ratio = mine.std(ddof=1) / other.std(ddof=1)
        good = abs(errors) < MAX_ERRORS and self._same_sds(mine, other)
        print(
            f"| {name:18} | {mine.mean():13.5f} | {other.mean():9.5f} | {errors:17.2f} "
            f"| {ratio:8.4f} |{'' if good else ' DISAGREES'}"
        )
        return good

    def _same_sds(self, mine: np.ndarray, other: np.ndarray) -> bool:
        sds = mine.std(ddof=1), other.std(ddof=1)
        if self.max_sd_ratio is not None:
            return abs(sds[0] / sds[1] - 1.0) < self.max_sd_ratio
        return abs(sds[0] - sds[1]) < MAX_ERRORS * math.hypot(sd_error(mine), sd_error(other))


def main() -> int:
    """Return the exit status: 0 where all means and sds agree."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.agreement", description=__doc__)
    parser.add_argument("--only", choices=("core", "pooled"), help="one of the problems")
    parser.add_argument("--groups", type=int, default=GROUPS, help="of the pooled problem")
    options = parser.parse_args()
    agreed = True
    if options.only != "pooled":
        chinchilla_runs()  # leave with a reason where there are none
        agreed = Comparison(core(), True, 10_000, MAX_SD_RATIO).agree()
    if options.only != "core":
        agreed = Comparison(of_groups(options.groups), False, 4_000).agree() and agreed
    print(
        f"\n{'agreement' if agreed else 'DISAGREEMENT'}: means within {MAX_ERRORS:g} combined "
        f"Monte Carlo standard errors; sds within {MAX_SD_RATIO:.0%}, of the pooled problem "
        f"within {MAX_ERRORS:g} of their own errors"
    )
    return 0 if agreed else 1


if __name__ == "__main__":
    sys.exit(main())
