"""Compare the posterior of bayes-scaling with PyMC's; ``python -m benchmarks.agreement``."""

import math
import sys
from collections.abc import Callable

import numpy as np
import nutpie

import bayes_scaling as bs
from bayes_scaling.runs import Runs
from benchmarks import chinchilla_pymc
from benchmarks.problem import (
    CHAINS,
    CORES,
    Draws,
    chinchilla_runs,
    free_draws,
    mean_error,
    published_draws,
    smallest_ess,
)

ENOUGH = 10_000  # effective draws in every quantity
FIRST_DRAWS = 4_000  # a chain
MAX_ROUNDS = 4
MAX_ERRORS = 4.0  # difference of means, in combined Monte Carlo standard errors
MAX_SD_RATIO = 0.05


def sample_ours(runs: Runs, draws: int) -> dict[str, np.ndarray]:
    """Sample with bayes-scaling; E, A and B are its own derived quantities."""
    fit = bs.ScalingModel(bs.models.chinchilla, discrepancy=False).fit(
        runs, chains=CHAINS, draws=draws, seed=1
    )
    own = {f"log {k}": np.log(fit.posterior[k].to_numpy()) for k in ("E", "A", "B")}
    return free_draws(fit.posterior) | own


def sample_pymc(runs: Runs, draws: int) -> dict[str, np.ndarray]:
    """Sample the PyMC model with nutpie; E, A and B are computed here."""
    compiled = nutpie.compile_pymc_model(chinchilla_pymc.build(runs))
    # a long warm-up and small steps: this side is the yardstick, not a racer
    tree = nutpie.sample(
        compiled,
        draws=draws,
        tune=1_000,
        chains=CHAINS,
        cores=CORES,
        seed=2,
        target_accept=0.9,
        progress_bar=False,
    )
    posterior = tree["posterior"].to_dataset()
    return free_draws(posterior) | published_draws(posterior, *chinchilla_pymc.references(runs))


def sample_enough(
    name: str, sampler: Callable[[Runs, int], dict[str, np.ndarray]], runs: Runs
) -> Draws:
    """Sample again, longer, until every quantity has enough effective draws."""
    draws = FIRST_DRAWS
    for _ in range(MAX_ROUNDS):
        sampled = sampler(runs, draws)
        ess = smallest_ess(sampled)
        print(f"{name}: {CHAINS} chains of {draws} draws, smallest bulk ESS {ess:,.0f}")
        if ess >= ENOUGH:
            return sampled
        draws = 500 * math.ceil(1.25 * draws * ENOUGH / ess / 500)
    raise SystemExit(f"{name} did not reach {ENOUGH:,} effective draws")


def compare(ours: Draws, theirs: Draws) -> bool:
    """Print one line a quantity; return whether all agree."""
    print(f"\n| {'quantity':15} | bayes-scaling |      PyMC | difference / MCSE | sd ratio |")
    print("|---|---:|---:|---:|---:|")
    agree = True
    for name, mine in ours.items():
        other = theirs[name]
        errors = (mine.mean() - other.mean()) / math.hypot(mean_error(mine), mean_error(other))
        ratio = mine.std(ddof=1) / other.std(ddof=1)
        good = abs(errors) < MAX_ERRORS and abs(ratio - 1.0) < MAX_SD_RATIO
        agree = agree and good
        print(
            f"| {name:15} | {mine.mean():13.5f} | {other.mean():9.5f} | {errors:17.2f} "
            f"| {ratio:8.4f} |{'' if good else ' DISAGREES'}"
        )
    return agree


def main() -> int:
    """Return the exit status: 0 where all means and sds agree."""
    runs = chinchilla_runs()
    print(f"{len(runs.frame)} runs from {runs.source}")
    ours = sample_enough("bayes-scaling", sample_ours, runs)
    theirs = sample_enough("PyMC with nutpie", sample_pymc, runs)
    agree = compare(ours, theirs)
    print(
        f"\n{'agreement' if agree else 'DISAGREEMENT'}: means within {MAX_ERRORS:g} combined "
        f"Monte Carlo standard errors, sds within {MAX_SD_RATIO:.0%}"
    )
    return 0 if agree else 1


if __name__ == "__main__":
    sys.exit(main())
