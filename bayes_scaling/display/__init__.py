"""Figures."""

from bayes_scaling.display.plot import plot, save_figure

__all__ = ["plot", "save_figure"]
