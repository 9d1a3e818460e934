"""Warm start, NUTS, diagnostics, and the fit that they make."""

from .fit import Fit, load_fit
from .model import ScalingModel
from .nuts import Settings

__all__ = ["Fit", "ScalingModel", "Settings", "load_fit"]
