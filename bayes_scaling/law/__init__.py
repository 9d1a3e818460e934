"""What a law is: inputs, parameters with priors, a mean function, and how one is declared."""

from bayes_scaling import jax_setup as jax_setup  # first: it sets the precision

from .citations import CITATIONS, Citation
from .law import Derived, Input, Law, Parameter, Variant, law
from .priors import LogitNormal, LogNormal, Normal, Prior, ResponseScale
from .response import Loss

__all__ = [
    "CITATIONS",
    "Citation",
    "Derived",
    "Input",
    "Law",
    "LogNormal",
    "LogitNormal",
    "Loss",
    "Normal",
    "Parameter",
    "Prior",
    "ResponseScale",
    "Variant",
    "law",
]
