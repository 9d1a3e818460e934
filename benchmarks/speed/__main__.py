"""Time bayes-scaling against other tools; ``python -m benchmarks.speed [--quick] [--write]``.

Each measurement is a process of its own with empty caches; in each round all take turns, so
that a slow minute of the machine hits them all. Finished measurements are kept under
``build/benchmarks``, and a run that was stopped goes on from there.
"""

import argparse
import dataclasses
import sys
from pathlib import Path

from .job import FAILED, SKIPPED, Found
from .line import Line, Round
from .store import FOLDER, Store
from .suite import HEADLINE, QUICK, QUICK_SECTIONS, SECTIONS, Sizes, Suite, suite

README = Path(__file__).parents[1] / "README.md"
BEGIN, END = "<!-- speed:begin -->", "<!-- speed:end -->"


def main() -> int:
    """Measure what is missing, report, and return the exit status: 1 where something failed."""
    options = parse()
    sizes = asked_sizes(options)
    sections = QUICK_SECTIONS if options.quick else SECTIONS
    chosen = suite(sizes).only(options.only or sections)
    store = Store(options.store, fresh=options.fresh)
    rounds = measure(chosen, sizes, store)
    text = report(chosen.lines, rounds, store)
    print(text)
    if options.write:
        write(text)
    return int(any(FAILED in found for r in rounds for found in r.values()))


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.speed", description="Time bayes-scaling beside other tools."
    )
    parser.add_argument(
        "--quick", action="store_true", help="one round of some sections, small sizes"
    )
    parser.add_argument("--only", nargs="+", choices=SECTIONS, help="sections of the table")
    parser.add_argument("--rounds", type=int, help="in which all measurements take turns")
    parser.add_argument("--groups", type=int, nargs="+", help="numbers of groups")
    parser.add_argument("--rows", type=int, nargs="+", help="numbers of rows in one group")
    parser.add_argument("--fresh", action="store_true", help="measure everything again")
    parser.add_argument("--store", type=Path, help=f"file to keep measurements in ({FOLDER}/...)")
    parser.add_argument("--write", action="store_true", help="put the table into README.md")
    options = parser.parse_args()
    if options.write and (options.quick or options.only):
        parser.error("--write is for the whole table, without --quick and --only")
    if options.store is None:
        options.store = FOLDER / ("quick.json" if options.quick else "full.json")
    return options


def asked_sizes(options: argparse.Namespace) -> Sizes:
    """Return the sizes of the quick or the full suite, changed as the options say."""
    sizes = QUICK if options.quick else Sizes()
    given = {k: getattr(options, k) for k in ("rounds", "groups", "rows")}
    changed = {k: tuple(v) if isinstance(v, list) else v for k, v in given.items() if v}
    sizes = dataclasses.replace(sizes, **changed)
    if any(groups in sizes.groups for groups in sizes.compared):
        return sizes
    nearest = max((g for g in sizes.groups if g <= HEADLINE), default=min(sizes.groups))
    return dataclasses.replace(sizes, compared=(nearest,))


def measure(chosen: Suite, sizes: Sizes, store: Store) -> list[Round]:
    """Return what each round found, by job; what the store holds is not measured again."""
    rounds: list[Round] = []
    for number in range(sizes.rounds):
        found: dict[str, Found] = {}
        for job in chosen.jobs.values():
            if number >= job.rounds:
                continue
            known = store.get(job, number)
            found[job.name] = store.measure(job, number) if known is None else known
            print(f"round {number + 1}, {job.name}: {rounded(found[job.name])}", file=sys.stderr)
        rounds.append(found)
    return rounds


def rounded(found: Found) -> Found:
    """Return the same to four digits."""
    if SKIPPED in found or FAILED in found:
        return found
    return {k: float(f"{v:.4g}") for k, v in found.items()}


def report(lines: list[Line], rounds: list[Round], store: Store) -> str:
    """Return machine facts and the table."""
    loads = list(store.loads.values()) or [float("nan")]
    head = (
        f"{store.facts} Load average before the first measurement {loads[0]:.1f}, and before any "
        f"at most {max(loads):.1f}, of which its own work is a part."
    )
    table = [f"| measured (rounds: {len(rounds)}) | median | min to max | made of | target |"]
    table += ["|---|---:|---:|---:|---:|"]
    return "\n".join([head, "", *table, *(line.row(rounds) for line in lines)])


def write(text: str) -> None:
    """Put the report between the markers of the README."""
    page = README.read_text(encoding="utf-8")
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    README.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
