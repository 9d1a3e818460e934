"""Checks of models against runs that are simulated from them."""

from .calibration import Calibration, calibrate
from .simulate import simulate
from .together import Together, kind_of

__all__ = ["Calibration", "Together", "calibrate", "kind_of", "simulate"]
