"""Checks of models against runs that are simulated from them."""

from .calibration import Calibration, calibrate
from .simulate import simulate
from .together import Together

__all__ = ["Calibration", "Together", "calibrate", "simulate"]
