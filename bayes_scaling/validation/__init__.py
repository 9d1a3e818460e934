"""Checks of models: against runs that are simulated from them, and against dearer runs."""

from .backtest import backtest, backtest_many
from .backtested import Backtest
from .calibration import Calibration, calibrate
from .folds import Fold, forward_folds
from .simulate import simulate
from .together import Together, kind_of

__all__ = [
    "Backtest",
    "Calibration",
    "Fold",
    "Together",
    "backtest",
    "backtest_many",
    "calibrate",
    "forward_folds",
    "kind_of",
    "simulate",
]
