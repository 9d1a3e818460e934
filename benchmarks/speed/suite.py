"""What is measured: the jobs and lines of each section, for given sizes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from .cold import CACHES, STAGES
from .job import Job
from .line import Line, Round, Value, exponent

HERE = "benchmarks.speed"
NAMES = {"ours": "bayes-scaling", "nutpie": "PyMC with nutpie", "pymc": "PyMC's own sampler"}
HEADLINE, LARGEST = 64, 512  # groups that the targets are about
STARTS, BOOTSTRAPS, REPLICATES = 4500, 4000, 200
SECTIONS = ("core", "huber", "pooled", "calibration", "growth", "memory", "cold")
QUICK_SECTIONS = ("core", "huber", "pooled", "memory")


@dataclass(frozen=True)
class Sizes:
    """How much is measured.

    Attributes
    ----------
    rounds : int
    refits : int
        Warm ones a round.
    groups, rows : tuple of int
        Sizes that growth is fitted to.
    compared : tuple of int
        Numbers of groups that nutpie is run on as well.
    starts_every, bootstraps : int
        Of the Huber grid.
    replicates, loop : int
        Of the calibration, and fits of the loop.
    plain : tuple of str
        How NumPyro runs its chains; the faster way counts.
    """

    rounds: int = 3
    refits: int = 3
    groups: tuple[int, ...] = (8, HEADLINE, LARGEST)
    rows: tuple[int, ...] = (1_000, 10_000, 100_000)
    compared: tuple[int, ...] = (HEADLINE, LARGEST)
    starts_every: int = 1
    bootstraps: int = BOOTSTRAPS
    replicates: int = REPLICATES
    loop: int = 10
    plain: tuple[str, ...] = ("vectorized", "parallel")


QUICK = Sizes(
    rounds=1,
    refits=1,
    groups=(8,),
    rows=(1_000, 10_000),
    compared=(8,),
    starts_every=10,
    bootstraps=BOOTSTRAPS // 10,
    replicates=REPLICATES // 10,
    loop=3,
    plain=("parallel",),
)


@dataclass
class Suite:
    """Jobs by name, in the order in which they take turns, and lines in that of the table."""

    jobs: dict[str, Job] = field(default_factory=dict)
    lines: list[Line] = field(default_factory=list)

    def add(self, *jobs: Job) -> None:
        """Add jobs."""
        self.jobs |= {job.name: job for job in jobs}

    def only(self, sections: Sequence[str]) -> Suite:
        """Return the lines of some sections and the jobs that they need."""
        lines = [line for line in self.lines if line.section in sections]
        needed = {name for line in lines for name in line.needs}
        return Suite({k: job for k, job in self.jobs.items() if k in needed}, lines)


def suite(sizes: Sizes) -> Suite:
    """Return everything that is measured."""
    whole = Suite()
    for add in (_core, _huber, _pooled, _calibration, _growth, _memory, _cold):
        add(whole, sizes)
    return whole


# -- numbers of a round ---------------------------------------------------------


def _of(job: str, name: str) -> Value:
    return lambda r: r[job][name]


def _ratio(job: str, above: str, below: str) -> Value:
    return lambda r: r[job][above] / r[job][below]


def _warm(job: str) -> Value:
    return _ratio(job, "warm_ess", "warm_seconds")


def _first(job: str) -> Value:
    return _ratio(job, "ess", "first_seconds")


def _highest(*values: Value) -> Value:
    return lambda r: max(value(r) for value in values)


# -- sections -------------------------------------------------------------------


def _core(to: Suite, sizes: Sizes) -> None:
    ways = [f"numpyro {way}" for way in sizes.plain]
    for tool in (*NAMES, *ways):
        arguments = {"tool": tool, "name": "core", "refits": sizes.refits}
        # a host device a chain, as `set_host_device_count` gives
        own = {"JAX_NUM_CPU_DEVICES": "4"} if tool == "numpyro parallel" else {}
        to.add(Job(f"core {tool}", f"{HERE}.tools:fit", arguments, seeded=True, variables=own))
    to.add(Job("command line", f"{HERE}.cold:command_line"))
    plain = tuple(f"core {tool}" for tool in ways)
    targets = {(_warm, "nutpie"): 10, (_warm, "pymc"): 50, (_first, "nutpie"): 1.3}
    targets[_first, "pymc"] = 2.5
    for rate, kind in ((_warm, "warm refit"), (_first, "first fit, compilation counted")):
        label = f"core problem, ESS per second, {kind}: bayes-scaling /"
        for tool in ("nutpie", "pymc"):
            needs = ("core ours", f"core {tool}")
            to.lines.append(
                Line("core", f"{label} {NAMES[tool]}", needs, *map(rate, needs),
                     at_least=targets[rate, tool])
            )  # fmt: skip
        over = _highest(*map(rate, plain))
        needs = ("core ours", *plain)
        rival = f"plain NumPyro ({' or '.join(sizes.plain)} chains)"
        to.lines.append(Line("core", f"{label} {rival}", needs, rate("core ours"), over))
    whole_call = Line(
        "core",
        "core problem, ESS per second, warm refit, the whole call of `fit` counted: "
        "bayes-scaling / PyMC with nutpie",
        ("core ours", "core nutpie"),
        _ratio("core ours", "warm_ess", "call_seconds"),
        _warm("core nutpie"),
    )
    to.lines.append(whole_call)


def _huber(to: Suite, sizes: Sizes) -> None:
    arguments = {"every": sizes.starts_every, "bootstraps": sizes.bootstraps}
    to.add(Job("huber", f"{HERE}.least_loss:grid_and_bootstrap", arguments, limit=1200))
    starts = -(-STARTS // sizes.starts_every)
    share, more = STARTS / starts, BOOTSTRAPS / sizes.bootstraps
    scaled = "" if share == more == 1 else f" (scaled from {starts} and {sizes.bootstraps:,})"

    def seconds(r: Round) -> float:
        found = r["huber"]
        return found["starting"] + share * found["grid"] + more * found["bootstraps"]

    label = (
        f"core problem, seconds of a new process: Huber grid of {STARTS:,} starts and "
        f"{BOOTSTRAPS:,} bootstraps{scaled} / `bayes-scaling fit` with a filled compilation cache"
    )
    needs = ("huber", "command line")
    to.lines.append(Line("huber", label, needs, seconds, _of("command line", "filled"), at_least=1))


def _pooled(to: Suite, sizes: Sizes) -> None:
    for groups in sizes.groups:
        small = groups <= HEADLINE
        for tool in ("ours", "nutpie") if groups in sizes.compared else ("ours",):
            arguments = {"tool": tool, "name": "groups", "size": groups}
            arguments["refits"] = 1 if small and groups in sizes.compared else 0
            name = f"{groups} groups {tool}"
            rounds = sizes.rounds if small else 1
            limit = 900 if small else 1500
            to.add(Job(name, f"{HERE}.tools:fit", arguments, limit, rounds, seeded=True))
    for groups in sizes.groups:
        to.lines += _of_groups(groups)
        if groups in sizes.compared:
            to.lines += _beside_nutpie(groups, warm=groups <= HEADLINE)


def _of_groups(groups: int) -> Iterator[Line]:
    """What one fit of so many groups took, and how well it was sampled."""
    job = f"{groups} groups ours"
    label, needs = f"synthetic table, {groups} groups x 40 runs, first fit:", (job,)
    bounds = {HEADLINE: (60, 1.01), LARGEST: (600, 1.02)}
    slowest, rhat = bounds.get(groups, (None, None))
    strict = groups == HEADLINE
    seconds = f"{label} seconds from a new process to draws, empty compilation cache"
    yield Line("pooled", seconds, needs, _of(job, "whole"), at_most=slowest)
    yield Line("pooled", f"{label} largest R-hat", needs, _of(job, "rhat"), at_most=rhat, digits=4)
    least, most = (400, 0) if strict else (None, None)
    yield Line("pooled", f"{label} smallest bulk ESS", needs, _of(job, "ess"), at_least=least)
    yield Line("pooled", f"{label} divergences", needs, _of(job, "divergences"), at_most=most)


def _beside_nutpie(groups: int, *, warm: bool) -> Iterator[Line]:
    needs = (f"{groups} groups ours", f"{groups} groups nutpie")
    target = 3 if groups == HEADLINE else None
    label = f"synthetic table, {groups} groups x 40 runs, ESS per second,"
    names = "bayes-scaling / PyMC with nutpie"
    if warm:
        values = map(_warm, needs)
        yield Line("pooled", f"{label} warm refit: {names}", needs, *values, at_least=target)
    first = f"{label} first fit, compilation counted: {names}"
    yield Line("pooled", first, needs, *map(_first, needs), at_least=target)


def _calibration(to: Suite, sizes: Sizes) -> None:
    count = sizes.replicates
    scale = REPLICATES / count
    to.add(
        Job("replicates", f"{HERE}.replicates:calibrated", {"replicates": count}, limit=1200),
        Job("loop", f"{HERE}.replicates:looped", {"fits": sizes.loop}),
    )
    scaled = "" if scale == 1 else f" (scaled from {count})"
    label = f"core problem, {REPLICATES} replicates of `calibrate`{scaled}, warm:"

    def together(r: Round) -> float:
        return scale * r["replicates"]["warm"]

    def one_by_one(r: Round) -> float:
        return REPLICATES * r["loop"]["seconds"]

    to.lines += [
        Line("calibration", f"{label} seconds", ("replicates",), together, at_most=30),
        Line(
            "calibration",
            f"{label} a loop of `fit` (scaled from {sizes.loop}) / `calibrate`",
            ("loop", "replicates"),
            one_by_one,
            together,
        ),
    ]


def _growth(to: Suite, sizes: Sizes) -> None:
    for rows in sizes.rows:
        arguments = {"tool": "ours", "name": "rows", "size": rows, "refits": 0}
        rounds = sizes.rounds if rows <= 10_000 else 1
        to.add(Job(f"{rows} rows ours", f"{HERE}.tools:fit", arguments, 1200, rounds, seeded=True))
    for what, counts, most in (("groups", sizes.groups, 1.3), ("rows", sizes.rows, 1.1)):
        if len(counts) < 2:
            continue  # no exponent
        for count in counts:
            arguments = {"name": what, "size": count}
            job = Job(f"{count} {what} evaluation", f"{HERE}.evaluation:evaluation", arguments)
            to.add(job)
        words = {"groups": "groups of 40 runs", "rows": "rows in one group"}[what]
        listed = f"{', '.join(f'{c:,}' for c in counts)} {words}"
        evaluations = tuple(f"{count} {what} evaluation" for count in counts)
        fits = tuple(f"{count} {what} ours" for count in counts)
        label = f"exponent of growth over {listed}:"
        to.lines += [
            Line("growth", f"{label} density and gradient", evaluations,
                 _exponent(counts, [_of(job, "seconds") for job in evaluations]), at_most=most),
            Line("growth", f"{label} sampling per effective draw", fits,
                 _exponent(counts, [_ratio(job, "sampling", "ess") for job in fits]),
                 at_most=most),
        ]  # fmt: skip


def _exponent(sizes: Sequence[int], costs: Sequence[Value]) -> Value:
    return lambda r: exponent(sizes, [cost(r) for cost in costs])


def _memory(to: Suite, sizes: Sizes) -> None:
    compared = ["core", *(f"{g} groups" for g in sizes.groups if g in sizes.compared)]
    for name in compared:
        needs = (f"{name} ours", f"{name} nutpie")
        label = f"peak memory of a first fit, MiB, {name}: bayes-scaling / PyMC with nutpie"
        to.lines.append(Line("memory", label, needs, *(_of(job, "memory") for job in needs)))


def _cold(to: Suite, sizes: Sizes) -> None:
    to.add(Job("stages", f"{HERE}.cold:twice"), Job("help", f"{HERE}.cold:help_text"))
    for cache, target in (("empty", 15), ("filled", 9)):
        label = f"`bayes-scaling fit`, new process, {cache} compilation cache: seconds"
        value = _of("command line", cache)
        to.lines.append(Line("cold", label, ("command line",), value, at_most=target))
    for cache in CACHES:
        label = f"stages of such a process, {cache} cache, seconds:"
        for stage in STAGES:
            value = _of("stages", f"{cache} {stage}")
            to.lines.append(Line("cold", f"{label} {stage}", ("stages",), value))
    label = "`bayes-scaling --help`, files in memory: seconds"
    to.lines.append(Line("cold", label, ("help",), _of("help", "seconds")))
