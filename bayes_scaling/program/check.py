"""Refuse tables and choices that a program cannot be made of."""

from __future__ import annotations

from bayes_scaling.errors import Finding, TableError, UsageError
from bayes_scaling.law import Law
from bayes_scaling.runs import Runs

from .bounded import BoundedNoise
from .counts import bounded_problems
from .noise import AnyNoise


def check_effective_runs(effective_runs: float | None, law: Law, runs: Runs) -> None:
    """Refuse a cap on the evidence that is no number of runs, or that a law cannot have."""
    if effective_runs is None:
        return
    if not 0 < effective_runs < float("inf"):
        raise UsageError(f"effective_runs is {effective_runs}; it must be positive")
    if law.link or "item" in runs.frame:
        raise UsageError(
            f"effective_runs caps the evidence of rows that count by themselves, and those of law "
            f"{law.name} do not: leave it out"
        )


def check_noise(noise: AnyNoise, law: Law, runs: Runs) -> None:
    """Refuse responses that the noise cannot have made, and tables that lack what it needs."""
    response = runs.frame["response"].dropna().to_numpy()
    if noise.on_log and (response <= 0).any():
        raise TableError([_not_positive(runs)])
    if noise.bounded:
        assert isinstance(noise, BoundedNoise)
        problems = list(bounded_problems(noise, runs))
        if problems:
            raise TableError(problems)
    elif runs.counted:
        raise UsageError(
            f"the table has counts (trials '{runs.columns['trials']}'), which noise {noise.name} "
            f"does not take; use noise='beta-binomial' (--noise beta-binomial), or give the "
            f"share of correct answers as the response, without trials"
        )
    if law.shape is not None and noise.name != law.response.noise:
        raise UsageError(
            f"law {law.name} says how its responses spread, as noise {law.response.noise} takes "
            f"it; noise {noise.name} does not"
        )
    if law.scatter is not None and noise.bounded:
        raise UsageError(f"law {law.name} adds noise of its own, which {noise.name} cannot take")
    if (noise.bounded or law.link) and (runs.bound is not None or "untuned" in runs.frame):
        raise UsageError(
            f"diverged and untuned runs need one continuous response; law {law.name} has noise "
            f"{noise.name}: leave out the bound and the column of untuned runs"
        )
    if law.link and "through" not in runs.frame:
        raise UsageError(
            f"law {law.name} is a chain, and the table names no loss: name its column with "
            f"through= (--through)"
        )
    if not law.link and "through" in runs.frame:
        raise UsageError(
            f"the table names a loss that the response is seen through, but law {law.name} is no "
            f"chain: use such as chinchilla+error_decay, or leave out through= (--through)"
        )


def check_serial(noise: AnyNoise, law: Law, runs: Runs) -> None:
    """Refuse correlation along runs where the noise or the table cannot have it."""
    if noise.bounded or law.link:
        raise UsageError(
            f"correlation along a run needs one continuous response; law {law.name} has noise "
            f"{noise.name}: use serial=False (--independent)"
        )
    if noise.side:
        raise UsageError(
            f"noise {noise.name} has a shortfall for each row, which serial correlation cannot "
            f"carry along a run; use serial=False (--independent) or a noise of two sides"
        )
    if "run" not in runs.frame:
        raise UsageError("serial needs the column of the run: name it with run= (--run)")


def check_names(law: Law, groups: tuple[str, ...]) -> None:
    """Grouping columns become dimensions beside the program's own names."""
    own = {*law.parameters, *(d.name for d in law.derived), "sigma", "nu", "excess", "rho",
           "rung_sd", "chain", "draw", "sample", "point", "observed", "loss", "trials"}  # fmt: skip
    for name in groups:
        if name in own:
            raise UsageError(
                f"a grouping column cannot be called '{name}', which is a name of law "
                f"{law.name} or of the posterior; rename the column"
            )


def _not_positive(runs: Runs) -> Finding:
    bad = runs.frame.loc[runs.frame["response"] <= 0, "row"].tolist()
    shown = ", ".join(map(str, bad[:8])) + (f" and {len(bad) - 8} more" if len(bad) > 8 else "")
    return Finding(
        "not-positive-response",
        "error",
        f"column '{runs.response}' has {len(bad)} values that are not positive (rows {shown}); "
        f"noise on the log scale needs positive responses: use noise='student-t-raw' "
        f"(--noise student-t-raw) and a "
        f"prior on the whole line for parameters that set the level, or drop those rows",
    )
