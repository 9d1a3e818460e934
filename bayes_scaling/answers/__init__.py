"""Answers from a posterior, one question a file."""

from .density import Densities, densities
from .emergence import Emergence, emergence
from .forecast import Forecast, forecast
from .retries import Retries, retries
from .sampling import Coverage, coverage
from .schedules import ScheduleComparison, compare_schedules
from .threshold import Threshold, threshold
from .track import Tracking, track
from .tune import Tuning, tune

__all__ = [
    "Coverage",
    "Densities",
    "Emergence",
    "Forecast",
    "Retries",
    "ScheduleComparison",
    "Threshold",
    "Tracking",
    "Tuning",
    "compare_schedules",
    "coverage",
    "densities",
    "emergence",
    "forecast",
    "retries",
    "threshold",
    "track",
    "tune",
]
