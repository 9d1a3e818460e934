"""The table of runs: reading it, checking it, and named public tables (`datasets`)."""

from . import datasets
from .check import check_runs
from .numbers import parse_number
from .read import read_runs
from .table import Runs

__all__ = ["Runs", "check_runs", "datasets", "parse_number", "read_runs"]
