"""Answers from a posterior, one question a file."""

from .forecast import Forecast, forecast

__all__ = ["Forecast", "forecast"]
