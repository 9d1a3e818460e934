"""What a law predicts. How it is observed (the likelihood) is `program.noise`'s part."""

from __future__ import annotations

from dataclasses import dataclass

LOGARITHMIC = ("student-t", "lognormal", "upper-frontier", "lower-frontier")


@dataclass(frozen=True)
class Response:
    """A measured quantity; make one with the functions below.

    Attributes
    ----------
    kind : str
        Such as ``"loss"``, for axes and messages.
    unit : str
        Default unit; a table of runs may say otherwise.
    noise : str
        Name of the noise that a model takes where none is asked for.
    """

    kind: str
    unit: str
    noise: str

    @property
    def positive(self) -> bool:
        """Whether the noise works on the logarithm, so that the response must be positive."""
        return self.noise in LOGARITHMIC


def Loss(unit: str = "nat/token", *, signed: bool = False) -> Response:
    """A mean loss per unit of text; `signed` where it can be negative."""
    return Response("loss", unit, "student-t-raw" if signed else "student-t")


def Curve(unit: str = "nat/token") -> Response:
    """Points of the loss curve of a run: what sets them apart is correlation, not outliers."""
    return Response("loss", unit, "lognormal")


def Score(unit: str = "fraction", *, robust: bool = True) -> Response:
    """A score or rate, observed with error on its own scale; not `robust` for BLEU and its like."""
    return Response("score", unit, "student-t-raw" if robust else "normal")


def Share(kind: str = "score", unit: str = "fraction") -> Response:
    """A score strictly between 0 and 1 of which no counts are known; the law is its mean."""
    return Response(kind, unit, "beta")


def Counts(kind: str = "accuracy") -> Response:
    """Items answered correctly out of a known number; the law is the chance of each."""
    return Response(kind, "fraction", "beta-binomial")


def Population(kind: str = "pass rate") -> Response:
    """Passes of single problems that differ in their chance; the law gives its distribution.

    The law's mean is the chance of a problem drawn at random, and its `shape` gives
    ``concentration`` (of the beta distribution) and ``unsolvable`` (share at zero).
    """
    return Response(kind, "fraction", "population")


def Gap(unit: str = "nat/token") -> Response:
    """A positive difference of two losses, such as the harm of quantisation."""
    return Response("loss gap", unit, "student-t")


def Frontier(kind: str, unit: str, *, of: str) -> Response:
    """A positive quantity whose best cases the law describes.

    Parameters
    ----------
    kind, unit : str
    of : {"largest", "smallest"}
        Whether runs fall below the law (densities, scores) or lie above it (losses).
    """
    return Response(kind, unit, {"largest": "upper-frontier", "smallest": "lower-frontier"}[of])
