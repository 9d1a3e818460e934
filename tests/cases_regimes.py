"""Rows of laws."""

from __future__ import annotations

from casekit import Case

ROWS: tuple[Case, ...] = ()
