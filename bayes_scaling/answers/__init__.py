"""Answers from a posterior, one question a file."""

from .forecast import Forecast, forecast
from .schedules import ScheduleComparison, compare_schedules
from .track import Tracking, track
from .tune import Tuning, tune

__all__ = [
    "Forecast",
    "ScheduleComparison",
    "Tracking",
    "Tuning",
    "compare_schedules",
    "forecast",
    "track",
    "tune",
]
