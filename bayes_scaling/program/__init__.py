"""From a law, a table and modelling choices to a NumPyro program."""

from .arrays import build_data
from .build import build_spec
from .program import draw_prior, predict, program
from .spec import Spec
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
