"""Answers from a posterior, one question a file."""

from .allocate import Allocation, allocate
from .cheapest import Cheapest, IsoLoss, cheapest, iso_loss
from .compare import Comparison, compare
from .cost import Cost, six_nd
from .crossing import Crossover, Multiplier, crossover, multiplier
from .decide import Decision, decide
from .density import Densities, densities
from .emergence import Emergence, emergence
from .forecast import Forecast, forecast
from .path import ScalingPath
from .profiles import Agreement, Profiles, agreement, profiles
from .retries import Retries, retries
from .sampling import Coverage, coverage
from .schedules import ScheduleComparison, compare_schedules
from .sensitivity import prior_sensitivity
from .threshold import Threshold, threshold
from .track import Tracking, track
from .tune import Tuning, tune

__all__ = [
    "Agreement",
    "Allocation",
    "Cheapest",
    "Comparison",
    "Cost",
    "Coverage",
    "Crossover",
    "Decision",
    "Densities",
    "Emergence",
    "Forecast",
    "IsoLoss",
    "Multiplier",
    "Profiles",
    "Retries",
    "ScalingPath",
    "ScheduleComparison",
    "Threshold",
    "Tracking",
    "Tuning",
    "agreement",
    "allocate",
    "cheapest",
    "compare",
    "compare_schedules",
    "coverage",
    "crossover",
    "decide",
    "densities",
    "emergence",
    "forecast",
    "iso_loss",
    "multiplier",
    "prior_sensitivity",
    "profiles",
    "retries",
    "six_nd",
    "threshold",
    "track",
    "tune",
]
