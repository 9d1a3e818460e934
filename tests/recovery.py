"""Fit runs that are simulated from known parameters, many laws in one program.

python tests/recovery.py LAW [LAW ...]    # all laws of tests/cases.py by default
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from arviz_stats.base import array_stats
from cases import CASES, Case

from bayes_scaling import find_law
from bayes_scaling.jax_setup import one_thread_linear_algebra
from bayes_scaling.law import Law
from bayes_scaling.law.priors import LINKS
from bayes_scaling.posterior.nuts import Draws, Settings, sample
from bayes_scaling.program import Data, Spec, build_data, build_spec
from bayes_scaling.runs import Runs, read_runs
from bayes_scaling.validation import Together, kind_of, simulate
from bayes_scaling.validation.together import Kind

SEED = 12
SETTINGS = Settings(chains=4, draws=1000, warmup=600)
CAREFUL = replace(SETTINGS, target_accept=0.97)  # where noise depends on the law's parameters
BY_NAME = {case.law: case for case in CASES}


@dataclass(frozen=True)
class Recovered:
    """How a posterior compares with the parameters that its runs were simulated from.

    `z` is the distance of the truth in posterior sds, `contraction` one minus the ratio
    of posterior to prior variance, both on the unconstrained scale.
    """

    law: str
    divergences: int
    rhat: float
    ess: float
    steps: float
    z: dict[str, float]
    contraction: dict[str, float]

    def faults(self, unidentified: tuple[str, ...]) -> list[str]:
        """What is wrong, in words."""
        found = []
        if self.divergences:
            found.append(f"{self.divergences} divergences")
        if not self.rhat < 1.01:
            found.append(f"R-hat {self.rhat:.3f}")
        found += [f"{k} {z:+.1f} sd off" for k, z in self.z.items() if not abs(z) <= 4]
        found += [
            f"{k} contracts by {c:.2f}"
            for k, c in self.contraction.items()
            if k not in unidentified and not c >= 0.5
        ]
        return found


def simulated(case: Case) -> tuple[Law, Runs]:
    """Law and simulated runs of a row."""
    law = find_law(case.law)
    table = simulate(law, case.inputs(), case.truth, sigma=case.sigma, seed=SEED)
    columns = {k: k for k in ("run", "schedule", "trials", "item") if k in table}
    if law.link:
        columns["through"] = "loss"
    inputs = {k: k for k in law.inputs}
    runs = read_runs(table, inputs=inputs, response="response", unit=law.response.unit, **columns)
    return law, runs


def own_program(case: Case) -> tuple[Law, Spec, Data]:
    law, runs = simulated(case)
    spec = build_spec(law, runs, rung=False, discrepancy=False)
    return law, spec, build_data(spec, law, runs)


@cache
def together(kind: Kind, names: tuple[str, ...]) -> Together:
    """The program of all named laws of one kind."""
    laws = [find_law(name) for name in names]
    return Together([law for law in laws if kind_of(law) == kind])


ALL = tuple(case.law for case in CASES)


def recover(name: str, names: tuple[str, ...] = ALL) -> Recovered:
    """Fit the simulated runs of one law, in the program of all of `names`."""
    case = BY_NAME[name]
    law, spec, data = own_program(case)
    settings = CAREFUL if law.scatter else SETTINGS
    if case.alone or kind_of(law).alone:
        drawn = sample(spec.structure(law), data, jax.random.key(1), settings)
        return compared(case, spec, drawn, drawn.free)
    program = together(kind_of(law), names)
    drawn = sample(program.structure, program.data(law, data, spec), jax.random.key(1), settings)
    return compared(case, spec, drawn, program.sites(law, drawn.free))


def compared(case: Case, spec: Spec, drawn: Draws, sites: Mapping[str, jax.Array]) -> Recovered:
    """Draws against the truth of a row; sites by the law's own names, unconstrained."""
    law = find_law(case.law)
    flat = {k: np.asarray(v) for k, v in sites.items()}
    axes = {"chain_axis": 0, "draw_axis": 1}
    stacked = np.stack(list(flat.values()), axis=-1)
    truth = {
        k: float(LINKS[p.prior.link].to_real(jnp.asarray(case.truth[k])))
        for k, p in law.parameters.items()
    }
    return Recovered(
        law=case.law,
        divergences=int(drawn.diverging.sum()),
        rhat=float(np.max(array_stats.rhat(stacked, **axes))),
        ess=float(np.min(array_stats.ess(stacked, method="bulk", **axes))),
        steps=float(drawn.steps.mean()),
        z={k: float((flat[k].mean() - v) / flat[k].std()) for k, v in truth.items()},
        contraction={k: float(1 - flat[k].var() / spec.prior_sd[k] ** 2) for k in truth},
    )


def main(names: tuple[str, ...]) -> int:
    one_thread_linear_algebra()
    bad = 0
    for name in names:
        found = recover(name, names)
        faults = found.faults(tuple(BY_NAME[name].unidentified))
        bad += bool(faults)
        print(f"\n{name}: {'; '.join(faults) or 'ok'}  (ESS {found.ess:.0f}, "
              f"{found.steps:.0f} steps, R-hat {found.rhat:.3f})")  # fmt: skip
        table = pd.DataFrame({"z": found.z, "contraction": found.contraction})
        print(table.round(2).T.to_string(), flush=True)
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main(tuple(sys.argv[1:]) or ALL))
