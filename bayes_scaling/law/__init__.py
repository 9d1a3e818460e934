"""What a law is: inputs, parameters with priors, a mean function, and how one is declared."""

from bayes_scaling import jax_setup as jax_setup  # first: it sets the precision

from .citations import CITATIONS, Citation
from .declare import Derived, Input, Parameter, Variant
from .families import FAMILIES
from .history import History
from .law import Law, law
from .priors import LogitNormal, LogNormal, Normal, Prior, ResponseScale
from .response import Curve, Frontier, Gap, Loss, Response, Score

__all__ = [
    "CITATIONS",
    "FAMILIES",
    "Citation",
    "Curve",
    "Derived",
    "Frontier",
    "Gap",
    "History",
    "Input",
    "Law",
    "LogNormal",
    "LogitNormal",
    "Loss",
    "Normal",
    "Parameter",
    "Prior",
    "Response",
    "ResponseScale",
    "Score",
    "Variant",
    "law",
]
