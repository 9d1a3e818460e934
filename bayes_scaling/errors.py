"""The exceptions of bayes-scaling.

::

    BayesScalingError
    ├── UsageError          the call is wrong: an unknown law, column, option or value
    │   └── LawError        a law file does not declare a law correctly
    ├── TableError          the table of runs cannot be used; `.findings` lists every problem
    ├── FitError            the fit cannot answer (poor diagnostics, wrong file)
    └── DatasetError        a named public data set cannot be had here

Every message says what was expected, what came, where, and the way out. The
command line exits with 2 for `UsageError` and with 1 for the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Severity = Literal["info", "warning", "error"]


@dataclass(frozen=True)
class Finding:
    """One thing found about a table, a fit or an answer.

    Attributes
    ----------
    code : str
        Stable, hyphenated name, for programs.
    severity : {"info", "warning", "error"}
        An error stops the work; a warning qualifies the answer.
    message : str
        What was found, where, and what to do, for people.
    """

    code: str
    severity: Severity
    message: str

    def as_dict(self) -> dict[str, str]:
        """Return the finding as the JSON object that the command line prints."""
        return {"code": self.code, "severity": self.severity, "message": self.message}


class BayesScalingError(Exception):
    """Base of every error that bayes-scaling raises on purpose."""


class UsageError(BayesScalingError):
    """The call itself is wrong."""


class LawError(UsageError):
    """A law is not declared correctly."""


class TableError(BayesScalingError):
    """The table of runs cannot be used.

    Attributes
    ----------
    findings : tuple of Finding
        Every problem found, errors first.
    """

    def __init__(self, findings: Sequence[Finding]):
        self.findings = tuple(sorted(findings, key=lambda f: f.severity != "error"))
        errors = [f.message for f in self.findings if f.severity == "error"]
        super().__init__("\n".join(errors))

    def __reduce__(self) -> tuple[type[TableError], tuple[tuple[Finding, ...]]]:
        """Keep the findings on the way from another process."""
        return TableError, (self.findings,)


class FitError(BayesScalingError):
    """The fit cannot give the answer."""


class DatasetError(BayesScalingError):
    """A named data set cannot be had here."""
