"""The command line: parses, calls one public function a verb, prints.

Standard output carries the answer and nothing else; messages and progress go to
standard error. Exit status: 0 answered, 1 the table or the fit is unfit to
answer, 2 wrong usage. Heavy packages are imported inside the verbs, so that
``--help`` answers at once.
"""

from __future__ import annotations

import os
import sys

import typer

from bayes_scaling.errors import (
    BayesScalingError,
    Finding,
    FitError,
    TableError,
    UsageError,
)

from .allocating import allocate
from .answers import forecast, plot
from .backtesting import backtest
from .calibrating import calibrate
from .comparing import compare, decide
from .designing import next_run, observe, plan
from .fitting import check, demo, fit, laws
from .metrics import coverage, density, emergence, retries, threshold
from .output import fail
from .tracking import schedules, track
from .tuning import tune

__all__ = ["app", "main"]

app = typer.Typer(
    name="bayes-scaling",
    help="Scaling laws as hierarchical Bayesian models: forecasts with honest uncertainty.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

# in the order of --help
for verb in (laws, check, fit, forecast, tune, allocate, compare, decide, next_run, observe, plan,
             track, schedules, threshold, emergence, coverage, retries, density, calibrate,
             backtest, plot, demo):  # fmt: skip
    app.command("next" if verb is next_run else None)(verb)  # next is a name of Python's own


def main() -> None:
    """Run the command line; every error is one clear message, never a traceback."""
    # small matrices: threads of the linear algebra only get in each other's way
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    as_json = "--json" in sys.argv
    try:
        status = app(standalone_mode=False)
    except typer.Exit as stop:
        sys.exit(stop.exit_code)
    except typer.Abort:
        fail([Finding("aborted", "error", "stopped")], 1, as_json)
    except UsageError as error:
        fail([Finding("usage", "error", str(error))], 2, as_json)
    except TableError as error:
        fail(list(error.findings), 1, as_json)
    except FitError as error:
        fail([Finding("unfit", "error", str(error))], 1, as_json)
    except BayesScalingError as error:
        fail([Finding("failed", "error", str(error))], 1, as_json)
    except Exception as error:
        if hasattr(error, "format_message"):  # one of the parser's usage errors
            if not error.format_message():  # no verb: the help has been printed
                sys.exit(2)
            message = f"{error.format_message().rstrip('.')}; see bayes-scaling --help"
            fail([Finding("usage", "error", message)], 2, as_json)
        if os.environ.get("BAYES_SCALING_DEBUG"):
            raise
        message = (
            f"this is a defect of bayes-scaling: {type(error).__name__}: {error}; "
            f"set BAYES_SCALING_DEBUG=1 to see where, and report it"
        )
        fail([Finding("defect", "error", message)], 1, as_json)
    sys.exit(status or 0)
