"""From a law, a table and modelling choices to a NumPyro program."""

from .build import Spec, build_data, build_spec
from .program import draw_prior, predict, program
from .structure import Data, Structure

__all__ = [
    "Data",
    "Spec",
    "Structure",
    "build_data",
    "build_spec",
    "draw_prior",
    "predict",
    "program",
]
