"""Optima of learning rate and batch size, with uncertainty: Step Law's runs and the ladder's.

Run as ``python case_studies/optima/run.py steplaw``, ``steplaw-left-out``, ``steplaw-pool`` or
``ladder``; all but the last need ``BAYES_SCALING_DATA``, the folder that holds ``tables/steplaw``.
"""

from __future__ import annotations

import os
import sys

import figures
import ladder
import left_out
import pool
import steplaw


def whole() -> int:
    """All cells fitted: exponents, gaps, sensitivity to the tag, two figures."""
    fits, gap = steplaw.study()
    figures.valley(fits["valley"])
    figures.optima(fits["valley"])
    return 0 if gap <= steplaw.TARGET else 1


def cells() -> int:
    """Every cell left out in turn: gaps and coverage."""
    return 0 if left_out.passed(left_out.study()) else 1


def bought() -> int:
    """Optima of three cells from a tenth of the runs of the others, bought one batch at a time."""
    return 0 if pool.passed(pool.study()) else 1


def sweeps() -> int:
    """The ladder's sweeps: optima with uncertainty, and cells left out."""
    figures.swept(ladder.study()["valley"])
    return 0


COMMANDS = {
    "steplaw": whole,
    "steplaw-left-out": cells,
    "steplaw-pool": bought,
    "ladder": sweeps,
}


def main(arguments: list[str]) -> int:
    if len(arguments) != 1 or arguments[0] not in COMMANDS:
        print(f"give one of {', '.join(COMMANDS)}", file=sys.stderr)
        return 2
    if arguments[0] != "ladder" and not os.environ.get("BAYES_SCALING_DATA"):
        print("set BAYES_SCALING_DATA to the folder that holds tables/", file=sys.stderr)
        return 1
    return COMMANDS[arguments[0]]()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
