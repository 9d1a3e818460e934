"""The command line, run in this process."""

from __future__ import annotations

import io
import json
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bayes_scaling.cli import main


@dataclass(frozen=True)
class Outcome:
    """What a command answered."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The one JSON object on standard output; anything else there is an error."""
        found = json.loads(self.out)
        assert isinstance(found, dict)
        return found

    @property
    def errors(self) -> list[str]:
        return [line for line in self.err.splitlines() if line.startswith("error: ")]


def command(*arguments: str | Path) -> Outcome:
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        # main sets it where it is not set; set here, it is put back afterwards
        patch.setenv("OPENBLAS_NUM_THREADS", "1")
        patch.delenv("BAYES_SCALING_DEBUG", raising=False)
        patch.setattr(sys, "argv", ["bayes-scaling", *map(str, arguments)])
        with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as stopped:
            main()
    status = stopped.value.code
    assert isinstance(status, int)
    return Outcome(status, out.getvalue(), err.getvalue())
