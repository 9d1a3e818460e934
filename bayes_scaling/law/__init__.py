"""What a law is: inputs, parameters with priors, a mean function, and how one is declared."""

from bayes_scaling import jax_setup as jax_setup  # first: it sets the precision

from .chain import chain
from .citation import Citation
from .citations import CITATIONS
from .declare import Derived, Input, Mixture, Parameter, Variant
from .families import FAMILIES
from .history import History
from .law import Law, Link
from .priors import LogitNormal, LogNormal, Normal, Prior, ResponseScale
from .response import (
    Counts,
    Curve,
    Frontier,
    Gap,
    Loss,
    Population,
    Response,
    Score,
    Share,
)
from .signature import law

__all__ = [
    "CITATIONS",
    "FAMILIES",
    "Citation",
    "Counts",
    "Curve",
    "Derived",
    "Frontier",
    "Gap",
    "History",
    "Input",
    "Law",
    "Link",
    "LogNormal",
    "LogitNormal",
    "Loss",
    "Mixture",
    "Normal",
    "Parameter",
    "Population",
    "Prior",
    "Response",
    "ResponseScale",
    "Score",
    "Share",
    "Variant",
    "chain",
    "law",
]
