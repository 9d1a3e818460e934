"""From the options of check and fit to a model and a checked table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bayes_scaling.errors import UsageError

from .arguments import read_pairs
from .options import Model

if TYPE_CHECKING:
    from bayes_scaling.law import Law
    from bayes_scaling.posterior import ScalingModel
    from bayes_scaling.posterior.weighted import WeightedModel
    from bayes_scaling.runs import Runs


def read_scales(texts: list[str] | None) -> dict[str, float | dict[str, float]]:
    """Read group sds: PARAMETER=SCALE, or PARAMETER.COLUMN=SCALE."""
    from bayes_scaling.runs import parse_number

    found: dict[str, float | dict[str, float]] = {}
    for name, value in read_pairs(texts, "--group-sd").items():
        parameter, dot, column = name.partition(".")
        scale = parse_number(value)
        if not dot:
            found[parameter] = scale
            continue
        by_column = found.setdefault(parameter, {})
        if not isinstance(by_column, dict):
            raise UsageError(f"--group-sd gives {parameter} both alone and by column; keep one")
        by_column[column] = scale
    return found


def make_model(options: Model) -> ScalingModel | WeightedModel:
    """Make the model that the options describe."""
    import bayes_scaling

    return bayes_scaling.make_model(
        options.law,
        pool=read_pairs(options.pool, "--pool"),  # type: ignore[arg-type]
        noise=options.noise,
        rung=False if options.rung == "off" else None,
        serial=options.serial,
        group_sd=read_scales(options.group_sd),
        discrepancy=options.discrepancy,
        prior=options.prior.value if options.prior else None,
    )


def input_columns(
    law: Law, texts: list[str] | None, extra: frozenset[str] = frozenset()
) -> dict[str, str]:
    """Columns of the law's inputs, and of `extra` ones, as --input maps them."""
    named = read_pairs(texts, "--input")
    for name in named:
        if name not in {*law.inputs, *extra}:
            raise UsageError(
                f"--input names {name}, which law {law.name} does not have; "
                f"it has {', '.join(law.inputs)}"
            )
    wanted = [*law.inputs, *sorted(extra - set(law.inputs))]
    optional = {k for k, v in law.inputs.items() if v.default is not None} - set(named)
    return {name: named.get(name, name) for name in wanted if name not in optional}


def read_table(path: Path, law: Law, options: Model, extra: frozenset[str] = frozenset()) -> Runs:
    """Read the table of runs for a law, with `extra` inputs that something else needs."""
    from bayes_scaling import read_runs

    # a schedule follows steps, whatever the law takes
    extra |= frozenset({"step"} if options.rate or options.schedule else ())
    return read_runs(
        path,
        inputs=input_columns(law, options.inputs, extra),
        response=options.response,
        trials=options.trials,
        through=options.through,
        through_se=options.through_se,
        item=options.item,
        group=options.group,
        rung=None if options.rung == "off" else options.rung,
        seed=options.replicate,
        se=options.se,
        run=options.run,
        untuned=options.untuned,
        rate=options.rate,
        schedule=options.schedule,
        rate_warmup=options.rate_warmup,
        diverged_above=options.diverged_above,
        where=options.where,
        unit=options.unit or law.response.unit,
        counts_embeddings=options.embeddings,
        flops=options.flops,
    )
